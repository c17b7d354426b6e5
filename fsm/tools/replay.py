"""Run a source of events through an engine, and report what became of every row: what `fsm run` does.

MODULE ──▶ flow ──▶ Engine ◀── Ingest ◀── Batch ◀── events(INPUT, engine) ◀── MODULE
                                 │                     └──▶ SourceError: INPUT · RunError: MODULE, the batch, the room
                                 └──▶ report: states, outcomes, refusals, timers, latencies

With a store the run is taken up where a killed one stopped (`fsm.runtime.resume`), and the report is of all of it: it
is counted from the journal, so it equals that of a run that nobody disturbed. Times are of this process alone.
"""

from __future__ import annotations

import errno
import inspect
import zlib
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fsm.compile import compile
from fsm.engine import Engine
from fsm.errors import FsmError, StoreError
from fsm.layout import HEADER_FIELDS, Outcome
from fsm.runtime import Batch, Ingest
from fsm.runtime.ingest import count_states, in_words
from fsm.runtime.resume import SourceDiffers, StoredRun
from fsm.tools.load import LoadError, in_one_line, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    from fsm.tables import Tables


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
    store: str | None = None,
    idempotency_window: int | None = None,
    watch: Callable[[Ingest, Batch], None] = lambda ingest, batch: None,
) -> tuple[dict[str, Any], Ingest]:
    """Replay `source` through the flow and the `events` of module `name`; `watch` is called after every batch.

    With `store`, a directory, the run goes on where it stopped there; without, it is gone with this process.

    Returns the report, as `fsm run --json` prints it, and the account it is made from, which holds the first parked
    rows and the engine, for the caller to close. Raises `LoadError` for the module, `SourceError` for the input,
    `RunError` for what came of the two, `StoreError` for the store.
    """
    module, flow = load(name)
    machine = _engine(compile(flow), engine, store, idempotency_window)
    try:
        began = perf_counter()
        ingest = Ingest(machine)
        run = None if store is None else StoredRun(ingest, store)
        _feed(ingest, run, module, name, source, watch)
        if run is not None:
            machine.sync()
        return _report(ingest, run, source, store, perf_counter() - began), ingest
    except BaseException:
        with suppress(StoreError):  # what went wrong first is what is told
            machine.close()
        raise


def _engine(tables: Tables, engine: str | None, store: str | None, idempotency_window: int | None) -> Engine:
    """A new engine in private memory, or the one on the store."""
    try:
        if store is None:
            return Engine(tables, engine=engine)
        from fsm.store import WINDOW
        from fsm.store import open as open_store

        window = WINDOW if idempotency_window is None else idempotency_window
        return open_store(store, tables, engine=engine, idempotency_window=window)
    except (ImportError, ValueError) as error:  # a core that was not built, a misspelt FSM_ENGINE
        raise LoadError(str(error)) from error


def _feed(
    ingest: Ingest,
    run: StoredRun | None,
    module: ModuleType,
    name: str,
    source: str,
    watch: Callable[[Ingest, Batch], None],
) -> None:
    """Take batch after batch, to the end of the source."""
    take = ingest.take if run is None else run.take
    for number, each in enumerate(_yielded(module, name, source, ingest), 1):
        batch = _take(take, each, f"{name}: batch {number}, after {ingest.rows} rows of {source}")
        watch(ingest, batch)
    if run is not None:
        try:
            run.end()
        except SourceDiffers as error:
            raise RunError(f"{name}: after {ingest.rows} rows, which is the end of {source}: {error}") from error


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


def _take(take: Callable[[Batch], object], each: Any, where: str) -> Batch:
    """Run what the module yielded, and return it as a batch."""
    if not isinstance(each, (Batch, tuple, list)):
        wanted = "expected a Batch, or a tuple (keys, event_ids, arguments, times)"
        raise RunError(f"{where}: {wanted}, found {type(each).__name__}.")
    try:
        batch = each if isinstance(each, Batch) else Batch(*each)
    except Exception as error:
        raise RunError(f"{where}: the {type(each).__name__} is no batch: {in_one_line(error)}") from error
    try:
        take(batch)
    except (SourceDiffers, StoreError) as error:
        raise RunError(f"{where}: {error}") from error
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


class _Totals(NamedTuple):
    """What a run came to, over all processes that had a part in it."""

    events: int
    left_out: int
    parked: int
    made_up: int
    instances: int
    outcomes: NDArray[np.int64]
    made_up_outcomes: NDArray[np.int64]
    untold: NDArray[np.int64]


def _totals(ingest: Ingest, run: StoredRun | None, store: str | None) -> _Totals:
    """From what this process took, or from the journal."""
    if run is None:
        counts = ingest.events, ingest.left_out, ingest.parked_count, ingest.made_up, ingest.started
        return _Totals(*counts, *ingest.counts(), _untold(ingest.engine))
    account, last = run.account(), run.positions[-1][1]
    if (found := (int(account.rows.sum()), int(account.made_up.sum()))) != (last.events, last.made_up):
        raise StoreError(
            f"store {store}: the source brought {last.events} events and made up {last.made_up}, and the journal holds "
            f"{found[0]} and {found[1]} of them: it was stepped from elsewhere. No report is made."
        )
    counts = last.events, last.left_out, last.parked, last.made_up, account.started
    return _Totals(*counts, account.rows, account.made_up, account.untold)


def _untold(engine: Engine) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for outcome in Outcome:
        counts[outcome] = engine.untold.get(outcome.label, 0)
    return counts


def _store_facts(engine: Engine, run: StoredRun, path: str, totals: _Totals) -> dict[str, Any]:
    return {
        "path": path,
        "epoch": memoryview(engine.memory.header).cast("Q")[HEADER_FIELDS["epoch"]],
        "sequence": engine.sequence,
        "resumed_at": run.resumed_at,
        "duplicates": int(totals.outcomes[Outcome.DUPLICATE] + totals.made_up_outcomes[Outcome.DUPLICATE]),
    }


def _report(ingest: Ingest, run: StoredRun | None, source: str, store: str | None, seconds: float) -> dict[str, Any]:
    engine, tables, totals = ingest.engine, ingest.engine.tables, _totals(ingest, run, store)
    outcomes, refusals = in_words(totals.outcomes)
    made_up_outcomes, made_up_refusals = in_words(totals.made_up_outcomes)
    report = {
        "flow": tables.name,
        "fingerprint": tables.fingerprint,
        "engine": engine.engine,
        "source": source,
        "rows": totals.events + totals.left_out + totals.parked,
        "events": totals.events,
        "left_out": totals.left_out,
        "parked": totals.parked,
        "instances": totals.instances,
        "states": count_states(engine),
        "outcomes": outcomes,
        "refusals": refusals,
        "untold": {outcome.label: int(totals.untold[outcome]) for outcome in Outcome if totals.untold[outcome]},
        "made_up": {"events": totals.made_up, "outcomes": made_up_outcomes, "refusals": made_up_refusals},
        "taken": ingest.taken,
        "seconds": seconds,
        "engine_seconds": ingest.seconds,
        "latency_ns": {
            "floor": engine._clock_floor_ns(),
            "p50": ingest.latency_ns(0.5),
            "p99": ingest.latency_ns(0.99),
            "p99.9": ingest.latency_ns(0.999),
        },
        "store": None if run is None or store is None else _store_facts(engine, run, store, totals),
    }
    # A flow without timers and deferral has no such inputs, and not every run has a store.
    return {key: value for key, value in report.items() if value or key not in ("untold", "store")}
