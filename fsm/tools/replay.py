"""Run a source of events through an engine, and report what became of every row: what `fsm run` does.

MODULE ──▶ flow ──▶ Engine ◀── Ingest ◀── Batch ◀── events(INPUT, engine) ◀── MODULE
                                 └──▶ report: states, outcomes, refusals, latencies
"""

from __future__ import annotations

import inspect
import zlib
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fsm.compile import compile
from fsm.engine import Engine
from fsm.errors import FsmError
from fsm.runtime import Ingest
from fsm.runtime.ingest import count_states
from fsm.tools.load import LoadError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from fsm.runtime import Batch


class SourceError(FsmError):
    """The input could not be read to its end; `rows` of it were taken."""

    def __init__(self, source: str, rows: int, error: Exception) -> None:
        self.source = source
        self.rows = rows
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        super().__init__(f"{source}: reading failed after {rows} rows: {reason}. No report is made. Mend the input.")


def replay(
    name: str,
    source: str,
    *,
    engine: str | None = None,
    watch: Callable[[Ingest], None] = lambda ingest: None,
) -> tuple[dict[str, Any], Ingest]:
    """Replay `source` through the flow and the `events` of module `name`; `watch` is called after every batch.

    Returns the report, as `fsm run --json` prints it, and the account it is made from, which holds the parked rows.
    """
    module, flow = load(name)
    tables = compile(flow)
    try:
        machine = Engine(tables, engine=engine)
    except (ImportError, ValueError) as error:  # a core that was not built, a misspelt FSM_ENGINE
        raise LoadError(str(error)) from error
    ingest = Ingest(machine)
    events = _events_of(module, name)
    began = perf_counter()
    try:
        for batch in events(source, machine):
            ingest.take(batch)
            watch(ingest)
    except (OSError, EOFError, zlib.error) as error:
        # A broken gzip file raises any of the three, by where it is broken.
        raise SourceError(source, ingest.rows, error) from error
    return _report(ingest, source, perf_counter() - began), ingest


def _events_of(module: ModuleType, name: str) -> Callable[[str, Engine], Iterable[Batch]]:
    """The generator function `events` of the module; one that takes the path alone is as good."""
    events = getattr(module, "events", None)
    if not callable(events):
        raise LoadError(f"{name}: expected a function events(path, engine) that yields batches, found {events!r}.")
    takes_engine = len(inspect.signature(events).parameters) > 1
    return lambda path, engine: events(path, engine) if takes_engine else events(path)


def _report(ingest: Ingest, source: str, seconds: float) -> dict[str, Any]:
    engine, tables = ingest.engine, ingest.engine.tables
    return {
        "flow": tables.name,
        "fingerprint": tables.fingerprint,
        "engine": engine.engine,
        "source": source,
        "rows": ingest.rows,
        "events": ingest.events,
        "left_out": ingest.left_out,
        "parked": len(ingest.parked),
        "instances": ingest.started,
        "states": count_states(engine),
        "outcomes": ingest.outcomes(),
        "refusals": ingest.refusals(),
        "made_up": {
            "events": ingest.made_up,
            "outcomes": ingest.outcomes(made_up=True),
            "refusals": ingest.refusals(made_up=True),
        },
        "seconds": seconds,
        "engine_seconds": ingest.seconds,
        "latency_ns": {
            "floor": engine._clock_floor_ns(),
            "p50": ingest.latency_ns(0.5),
            "p99": ingest.latency_ns(0.99),
            "p99.9": ingest.latency_ns(0.999),
        },
    }
