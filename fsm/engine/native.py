"""The native engine, whole: the compiled core and the friendly half."""

from __future__ import annotations

try:
    from fsm.engine import _native
except ImportError as error:  # a build without the core: say so, and how to go on
    raise ImportError(
        f"the native core of fsm cannot be loaded ({error}). Install fsm where a C compiler is, or choose the mirror: "
        'engine="mirror" or FSM_ENGINE=mirror.'
    ) from error

from fsm.engine.protocol import Engine


class NativeEngine(_native.Core, Engine):
    """Engine "native": the step in tens of nanoseconds, without the allocator."""

    __slots__ = ()
    engine = "native"


_native.give_step(NativeEngine)
