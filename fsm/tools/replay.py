"""Run a source of events through an engine, and report what became of every row: what `fsm run` does.

MODULE ──▶ flow ──▶ Engine ◀── Ingest ◀── Batch ◀── events(INPUT, engine) ◀── MODULE
                                 │                     └──▶ SourceError: INPUT · RunError: MODULE, the batch, the room
                                 └──▶ report: states, outcomes, refusals, timers, latencies
"""

from __future__ import annotations

import errno
import inspect
import zlib
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fsm.compile import compile
from fsm.engine import Engine
from fsm.errors import FsmError
from fsm.runtime import Batch, Ingest
from fsm.runtime.ingest import count_states
from fsm.tools.load import LoadError, in_one_line, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType


class SourceError(FsmError):
    """The input could not be read to its end; `rows` of it were taken."""

    def __init__(self, source: str, rows: int, error: BaseException) -> None:
        self.source = source
        self.rows = rows
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        super().__init__(f"{source}: reading failed after {rows} rows: {reason}. No report is made. Mend the input.")


class RunError(FsmError):
    """What the module yields cannot be run: its `events` failed, yielded what is no batch, or there is no room."""


def replay(
    name: str,
    source: str,
    *,
    engine: str | None = None,
    watch: Callable[[Ingest, Batch], None] = lambda ingest, batch: None,
) -> tuple[dict[str, Any], Ingest]:
    """Replay `source` through the flow and the `events` of module `name`; `watch` is called after every batch.

    Returns the report, as `fsm run --json` prints it, and the account it is made from, which holds the first parked
    rows. Raises `LoadError` for the module, `SourceError` for the input, `RunError` for what came of the two.
    """
    module, flow = load(name)
    tables = compile(flow)
    try:
        machine = Engine(tables, engine=engine)
    except (ImportError, ValueError) as error:  # a core that was not built, a misspelt FSM_ENGINE
        raise LoadError(str(error)) from error
    ingest = Ingest(machine)
    began = perf_counter()
    for number, each in enumerate(_yielded(module, name, source, ingest), 1):
        batch = _take(ingest, each, f"{name}: batch {number}, after {ingest.rows} rows of {source}")
        watch(ingest, batch)
    return _report(ingest, source, perf_counter() - began), ingest


def _yielded(module: ModuleType, name: str, source: str, ingest: Ingest) -> Iterator[Any]:
    """What the module yields. Whatever fails in there is one line with its place."""
    events = _events_of(module, name)
    try:
        made = events(source, ingest.engine)
        if not isinstance(made, Iterable):
            raise TypeError(f"events returned {made!r}, and batches were expected: yield them")
        yield from made
    except (Exception, SystemExit) as error:
        if _is_of_input(error, source):
            raise SourceError(source, ingest.rows, error) from error
        raise RunError(f"{name}: events failed after {ingest.rows} rows of {source}: {in_one_line(error)}") from error


def _is_of_input(error: BaseException, source: str) -> bool:
    """A broken gzip file raises any of the three, by where it is broken; memory and other files are not the input."""
    if isinstance(error, OSError):
        return error.errno != errno.ENOMEM and error.filename in (None, source)
    return isinstance(error, (EOFError, zlib.error))


def _take(ingest: Ingest, each: Any, where: str) -> Batch:
    """Run what the module yielded, and return it as a batch."""
    if not isinstance(each, (Batch, tuple, list)):
        wanted = "expected a Batch, or a tuple (keys, event_ids, arguments, times)"
        raise RunError(f"{where}: {wanted}, found {type(each).__name__}.")
    try:
        batch = each if isinstance(each, Batch) else Batch(*each)
    except Exception as error:
        raise RunError(f"{where}: the {type(each).__name__} is no batch: {in_one_line(error)}") from error
    try:
        ingest.take(batch)
    except Exception as error:
        raise RunError(f"{where}: the engine cannot run it: {in_one_line(error)}") from error
    return batch


def _events_of(module: ModuleType, name: str) -> Callable[[str, Engine], object]:
    """The generator function `events` of the module; one that takes the path alone is as good."""
    events = getattr(module, "events", None)
    wanted = f"{name}: expected a function events(path, engine) that yields batches, found"
    if not callable(events):
        raise LoadError(f"{wanted} {events!r}.")
    try:
        signature = inspect.signature(events)
    except ValueError:  # some that are written in C do not tell
        raise LoadError(f"{wanted} {events!r}.") from None
    for count in (2, 1):
        try:
            signature.bind(*"12"[:count])
        except TypeError:
            continue
        return lambda path, engine: events(*(path, engine)[:count])
    raise LoadError(f"{wanted} events{signature}.")


def _report(ingest: Ingest, source: str, seconds: float) -> dict[str, Any]:
    engine, tables = ingest.engine, ingest.engine.tables
    report = {
        "flow": tables.name,
        "fingerprint": tables.fingerprint,
        "engine": engine.engine,
        "source": source,
        "rows": ingest.rows,
        "events": ingest.events,
        "left_out": ingest.left_out,
        "parked": ingest.parked_count,
        "instances": ingest.started,
        "states": count_states(engine),
        "outcomes": ingest.outcomes(),
        "refusals": ingest.refusals(),
        "untold": engine.untold,
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
    if not report["untold"]:
        del report["untold"]  # a flow without timers and deferral has no such inputs
    return report
