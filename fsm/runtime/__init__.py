"""The world outside an engine: where inputs come from.

    a source ──events(path, engine)──▶ Batch ──Ingest.take──▶ engine

Whoever imports this has numpy; the engine itself does without.
"""

from fsm.runtime.batch import Batch, Parked
from fsm.runtime.ingest import Ingest

__all__ = ["Batch", "Ingest", "Parked"]
