"""What runs compiled flows: one interface, two engines, over buffers that somebody else makes.

Engine(tables) ──choose──▶ NativeEngine   fsm/engine/_native (native/engine.pyx)
                    └────▶ MirrorEngine   fsm/engine/mirror.py, the readable specification
"""

from fsm.engine.memory import PrivateMemory
from fsm.engine.protocol import UNKNOWN, Engine, default_engine

__all__ = ["UNKNOWN", "Engine", "PrivateMemory", "default_engine"]
