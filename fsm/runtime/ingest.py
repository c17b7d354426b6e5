"""Feed batches of inputs to an engine, and account for every one of them.

    Batch ──find the instances──▶ start what is submitted ──▶ step_many ──▶ outcomes, latencies, counts
              └── unknown, and the event starts nothing ──▶ a handle of all ones: refused as unknown_instance

No flag says which event starts an instance. The flow does: an event that it handles or defers where an instance rests
right after its start starts one where the key has none. In a flow with timers each is started at the time of its own
event, since its first timers count from there; in others all of a batch are started at once, which leaves the same.

On a store a batch may have been taken in part, by a process that was killed: `Past` says which part.
`fsm.runtime.resume` knows it from the journal.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fsm.engine.reason import standing
from fsm.errors import StartFault
from fsm.layout import NONE, ROW_LIVE, ROW_STATE, UINT64_MASK, Cell, Outcome
from fsm.runtime.batch import Batch, Parked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsm.engine import Engine
    from fsm.tables import Tables

ABSENT: Final = np.uint64(UINT64_MASK)
STARTING: Final = frozenset({Cell.GO, Cell.PROGRAM, Cell.DEFER})
"""What a flow says of an event that starts an instance: neither that it is refused, nor that it is ignored."""

LATENCY_NS_MAX: Final = 1 << 16
"""Steps that take this long or longer are counted together: percentiles below it are exact to the nanosecond."""

PARKED_KEPT_MAX: Final = 1_000
"""Parked rows kept in memory: all are counted, and whoever wants all of them takes them from each batch."""


class Past(NamedTuple):
    """What was taken of a batch before this process had it, in the order in which it was taken.

    outcomes    uint8[t]: of its first t events
    starts      uint64[c]: handles of the first c instances that were started for it, all ones where a start faulted
    """

    outcomes: NDArray[np.uint8]
    starts: NDArray[np.uint64]


NOTHING: Final = Past(np.empty(0, np.uint8), np.empty(0, np.uint64))


class Ingest:
    """An engine, and the account of what it was fed.

    events, made_up        inputs that came from rows, and those that the source made up
    left_out, parked_count rows that are no inputs; `parked` keeps the first `PARKED_KEPT_MAX` that were parked
    started                instances that were started
    taken                  inputs that this process took itself: all of them, unless it goes on where another was killed
    progress               0 to 1: how far the source says that it is read, or None
    seconds                spent finding, starting and stepping; reading the source is not in it
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events = self.made_up = self.left_out = self.parked_count = self.started = self.taken = 0
        self.progress: float | None = None
        self.parked: list[Parked] = []
        self._outcomes = np.zeros(256, np.int64)
        self._made_up_outcomes = np.zeros(256, np.int64)
        self._latencies = np.zeros(LATENCY_NS_MAX + 1, np.int64)
        self._nanoseconds = 0
        self._starts = starting_events(engine.tables)

    def take(self, batch: Batch | tuple[Any, ...], past: Past = NOTHING) -> NDArray[np.uint8]:
        """Run a batch (or the tuple of its four arrays), and return the outcome of each event, uint8[n].

        Of a batch that was taken in part, `past` tells what is not to be taken again.
        """
        batch = batch if isinstance(batch, Batch) else Batch(*batch)
        began = perf_counter_ns()
        run = _Run(self.engine, batch, past)
        if batch.keys is None:
            assert batch.instances is not None, "a batch has instances where it has no keys"
            run.steps(batch.instances, len(batch))
        elif self.engine.tables.timer_slots:
            self._start_in_turn(run, batch.keys, batch, past)
        else:
            run.steps(self._find_or_start(batch.keys, batch.event_ids, past), len(batch))
        self._nanoseconds += perf_counter_ns() - began
        self._latencies += np.bincount(
            np.minimum(run.took[len(past.outcomes) :], LATENCY_NS_MAX), minlength=LATENCY_NS_MAX + 1
        )
        self.taken += len(batch) - len(past.outcomes)
        self._account(batch, run.outcomes)
        return run.outcomes

    def skip(self, batch: Batch) -> None:
        """Account for a batch that was taken before this process had it; its outcomes are in the journal alone."""
        self._account(batch, np.empty(0, np.uint8))

    def _find_or_start(
        self, keys: NDArray[np.int64], event_ids: NDArray[np.int64], past: Past = NOTHING
    ) -> NDArray[np.uint64]:
        """The handle of each key, all ones where it has none by then.

        All submissions of a batch are started before its first step, in the order in which they appear: a start
        touches no other instance and, without timers, no clock, so this leaves what starting each just before its
        event would leave. An event that stands before the submission of its key stays unknown, and so does the key of
        a start that faults: every one with the same fields would. What `past` started does not count as known.
        """
        instances = self._known(keys, past)
        rows = np.flatnonzero(instances == ABSENT)
        submissions = rows[self._handles(event_ids[rows])]
        if not len(submissions):
            return instances
        fresh, first = np.unique(keys[submissions], return_index=True)
        order = np.argsort(first)
        handles = np.empty(len(fresh), np.uint64)
        handles[order] = self._start(fresh[order], past.starts)
        position = np.minimum(np.searchsorted(fresh, keys[rows]), len(fresh) - 1)
        found = (fresh[position] == keys[rows]) & (rows >= submissions[first][position])
        instances[rows[found]] = handles[position[found]]
        return instances

    def _start_in_turn(self, run: _Run, keys: NDArray[np.int64], batch: Batch, past: Past) -> None:
        """Run a batch up to each submission, start its instance at its time, and go on.

        A start that faults leaves its key unknown, and the next submission of the key is another try: a timer that
        overflows at one time may not do so at another.
        """
        instances, starts = self._known(keys, past), iter(past.starts)
        unknown = np.flatnonzero(instances == ABSENT)
        by_key = unknown[np.argsort(keys[unknown], kind="stable")]
        for row in unknown[self._handles(batch.event_ids[unknown])].tolist():
            if instances[row] != ABSENT:
                continue  # an event before it in this batch has started the instance
            run.steps(instances, row)
            key, handle = keys[row : row + 1], next(starts, None)
            if handle is None:
                run.advance(row)
                handle = self._start(key)[0]
            first, last = (int(np.searchsorted(keys[by_key], key[0], side)) for side in ("left", "right"))
            instances[by_key[first:last]] = handle
        run.steps(instances, len(batch))

    def _known(self, keys: NDArray[np.int64], past: Past) -> NDArray[np.uint64]:
        """The handle of each key as the batch found it at its beginning: those that `past` started were not there."""
        instances: NDArray[np.uint64] = self.engine._find_many(keys)
        if len(past.starts):
            instances[np.isin(instances, past.starts)] = ABSENT
        return instances

    def _handles(self, event_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each event starts an instance; an id that the flow does not have does not."""
        known = (event_ids >= 0) & (event_ids < len(self._starts))
        return known & self._starts[np.where(known, event_ids, 0)] if len(self._starts) else known

    def _start(self, keys: NDArray[np.int64], started: NDArray[np.uint64] = NOTHING.starts) -> NDArray[np.uint64]:
        """The handles of new instances, all ones for those whose start faults; the first were `started` before."""
        rest = keys[len(started) :]
        needed = len(self.engine) + len(rest)
        if needed > self.engine.capacity:
            self.engine.reserve(max(needed, 2 * self.engine.capacity))
        handles: NDArray[np.uint64] = self.engine._start_many(rest)
        self.started += int(np.count_nonzero(handles != ABSENT))
        return np.concatenate([started, handles]) if len(started) else handles

    def _account(self, batch: Batch, outcomes: NDArray[np.uint8]) -> None:
        counts = np.bincount(outcomes, minlength=256)
        if batch.made_up:
            self.made_up += len(batch)
            self._made_up_outcomes += counts
        else:
            self.events += len(batch)
            self._outcomes += counts
        self.left_out += batch.left_out
        self.parked_count += len(batch.parked)
        self.parked.extend(batch.parked[: PARKED_KEPT_MAX - len(self.parked)])
        self.progress = batch.progress

    @property
    def rows(self) -> int:
        """Rows of the source that were read so far."""
        return self.events + self.left_out + self.parked_count

    @property
    def seconds(self) -> float:
        """Spent finding, starting and stepping."""
        return self._nanoseconds / 1e9

    def outcomes(self, *, made_up: bool = False) -> dict[str, int]:
        """How often each outcome came that is no refusal, and `refused` for all of those."""
        return in_words(self.counts()[made_up])[0]

    def refusals(self, *, made_up: bool = False) -> dict[str, int]:
        """How often each reason of a refusal came."""
        return in_words(self.counts()[made_up])[1]

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How often each `Outcome` code came, int64[256]: of events from rows, and of those that were made up."""
        return self._outcomes, self._made_up_outcomes

    def latency_ns(self, share: float) -> int:
        """The time within which `share` (0 to 1) of all steps ended; `LATENCY_NS_MAX` stands for that or more."""
        total = int(self._latencies.sum())
        rank = min(total - 1, int(share * total))
        return int(np.searchsorted(np.cumsum(self._latencies), rank, side="right")) if total else 0


class _Run:
    """A batch on its way through an engine, a part at a time."""

    def __init__(self, engine: Engine, batch: Batch, past: Past) -> None:
        self.engine, self.batch = engine, batch
        self.outcomes = np.empty(len(batch), np.uint8)
        self.took = np.zeros(len(batch), np.uint32)
        self._done = len(past.outcomes)
        self.outcomes[: self._done] = past.outcomes

    def steps(self, instances: NDArray[np.uint64], end: int) -> None:
        """Take the events up to `end` that were not taken yet. Raises `StoreError` where a store has no room."""
        while self._done < end or not len(self.batch):
            self._done += self._some(instances, slice(self._done, end))
            if not len(self.batch):
                break  # the engine has seen its arrays: that is all

    def _some(self, instances: NDArray[np.uint64], part: slice) -> int:
        """Take events until the ring of a store is full; how many that were."""
        batch, keys = self.batch, {}
        if batch.idempotency_keys is not None:
            keys["keys"] = batch.idempotency_keys[part]
        self.engine._step_many_timed(
            instances[part], batch.event_ids[part], batch.arguments[part],
            times=None if batch.times is None else batch.times[part],
            outcomes=self.outcomes[part], nanoseconds=self.took[part], **keys,
        )  # fmt: skip
        busy = np.flatnonzero(self.outcomes[part] == Outcome.BUSY)
        if len(busy) and not busy[0]:
            self.engine.sync()  # makes room, or raises what keeps it from that
        return int(busy[0]) if len(busy) else part.stop - part.start

    def advance(self, row: int) -> None:
        """Move the clock to the time of an event, as the step would."""
        if self.batch.times is not None and self.batch.times[row] >= 0:
            self.engine.advance(int(self.batch.times[row]))


def starting_events(tables: Tables) -> NDArray[np.bool_]:
    """bool[event_count]: which events start an instance.

    Those that the flow handles or defers where an instance rests right after its start. That may be another
    configuration than the initial one, where eventless transitions lead on; a start on the mirror tells, since every
    instance starts with the same fields here. None do where it faults.
    """
    from fsm.engine import Engine

    with Engine(tables, capacity=1, engine="mirror") as engine:
        try:
            engine.start(0)
        except StartFault:
            return np.zeros(tables.event_count, np.bool_)
        resting = memoryview(engine.memory.rows).cast("Q")[ROW_STATE] & NONE
    return np.array([tables.cells[resting, event.id] & 0xFF in STARTING for event in tables.events], np.bool_)


def count_states(engine: Engine) -> dict[str, int]:
    """How many instances stand where, for states that hold any; `standing` says how nested states are written."""
    tables = engine.tables
    rows = np.frombuffer(engine.memory.rows, np.uint64).reshape(-1, tables.row_words)[:, 0]
    live = rows[rows & np.uint64(ROW_LIVE << 48) != 0] & np.uint64(NONE)
    counts = np.bincount(live.astype(np.int64), minlength=tables.configuration_count)
    states: dict[str, int] = {}
    for configuration in np.flatnonzero(counts).tolist():
        # Configurations may differ in nothing but what histories remember.
        name = standing(tables, configuration)
        states[name] = states.get(name, 0) + int(counts[configuration])
    return states


def in_words(counts: NDArray[np.int64]) -> tuple[dict[str, int], dict[str, int]]:
    """Counts by `Outcome` code as a report has them: outcomes, with `refused` for all refusals, and those by reason."""
    named = {outcome.label: int(counts[outcome]) for outcome in Outcome if counts[outcome] and not outcome.refused}
    refusals = {outcome.label: int(counts[outcome]) for outcome in Outcome if counts[outcome] and outcome.refused}
    return ({**named, "refused": sum(refusals.values())} if refusals else named), refusals
