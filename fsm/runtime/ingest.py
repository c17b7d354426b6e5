"""Feed batches of inputs to an engine, and account for every one of them.

    Batch ──find the instances──▶ start what is submitted ──▶ step_many ──▶ outcomes, latencies, counts
              └── unknown, and the event starts nothing ──▶ a handle of all ones: refused as unknown_instance

No flag says which event starts an instance. The flow does: an event that its initial configuration handles starts an
instance where the key has none.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fsm.layout import NONE, ROW_LIVE, UINT64_MASK, Cell, Outcome
from fsm.runtime.batch import Batch, Parked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsm.engine import Engine
    from fsm.tables import Tables

ABSENT: Final = np.uint64(UINT64_MASK)
LATENCY_NS_MAX: Final = 1 << 16
"""Steps that take this long or longer are counted together: percentiles below it are exact to the nanosecond."""

PARKED_KEPT_MAX: Final = 1_000
"""Parked rows kept in memory: all are counted, and whoever wants all of them takes them from each batch."""


class Ingest:
    """An engine, and the account of what it was fed.

    events, made_up        inputs that came from rows, and those that the source made up
    left_out, parked_count rows that are no inputs; `parked` keeps the first `PARKED_KEPT_MAX` that were parked
    started                instances that were started
    progress               0 to 1: how far the source says that it is read, or None
    seconds                spent finding, starting and stepping; reading the source is not in it
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events = self.made_up = self.left_out = self.parked_count = self.started = 0
        self.progress: float | None = None
        self.parked: list[Parked] = []
        self._outcomes = np.zeros(256, np.int64)
        self._made_up_outcomes = np.zeros(256, np.int64)
        self._latencies = np.zeros(LATENCY_NS_MAX + 1, np.int64)
        self._nanoseconds = 0
        self._starts = starting_events(engine.tables)

    def take(self, batch: Batch | tuple[Any, ...]) -> NDArray[np.uint8]:
        """Run a batch (or the tuple of its four arrays), and return the outcome of each event, uint8[n]."""
        batch = batch if isinstance(batch, Batch) else Batch(*batch)
        began = perf_counter_ns()
        instances = batch.instances
        if instances is None:
            assert batch.keys is not None, "a batch has keys where it has no instances"
            instances = self._find_or_start(batch.keys, batch.event_ids)
        took = np.zeros(len(batch), np.uint32)
        outcomes: NDArray[np.uint8] = self.engine._step_many_timed(
            instances, batch.event_ids, batch.arguments, times=batch.times, nanoseconds=took
        )
        self._nanoseconds += perf_counter_ns() - began
        self._account(batch, outcomes, took)
        return outcomes

    def _find_or_start(self, keys: NDArray[np.int64], event_ids: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The handle of each key, all ones where it has none by then.

        All submissions of a batch are started before its first step, in the order in which they appear: a start
        touches no other instance, so this leaves what starting each just before its event would leave. An event that
        stands before the submission of its key stays unknown.
        """
        instances: NDArray[np.uint64] = self.engine._find_many(keys)
        rows = np.flatnonzero(instances == ABSENT)
        submissions = rows[self._handles(event_ids[rows])]
        if not len(submissions):
            return instances
        fresh, first = np.unique(keys[submissions], return_index=True)
        order = np.argsort(first)
        handles = np.empty(len(fresh), np.uint64)
        handles[order] = self._start(fresh[order])
        position = np.minimum(np.searchsorted(fresh, keys[rows]), len(fresh) - 1)
        found = (fresh[position] == keys[rows]) & (rows >= submissions[first][position])
        instances[rows[found]] = handles[position[found]]
        return instances

    def _handles(self, event_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the initial configuration handles each event; an id that the flow does not have is not handled."""
        known = (event_ids >= 0) & (event_ids < len(self._starts))
        return known & self._starts[np.where(known, event_ids, 0)] if len(self._starts) else known

    def _start(self, keys: NDArray[np.int64]) -> NDArray[np.uint64]:
        self.started += len(keys)
        needed = len(self.engine) + len(keys)
        if needed > self.engine.capacity:
            self.engine.reserve(max(needed, 2 * self.engine.capacity))
        handles: NDArray[np.uint64] = self.engine._start_many(keys)
        return handles

    def _account(self, batch: Batch, outcomes: NDArray[np.uint8], took: NDArray[np.uint32]) -> None:
        counts = np.bincount(outcomes, minlength=256)
        if batch.made_up:
            self.made_up += len(batch)
            self._made_up_outcomes += counts
        else:
            self.events += len(batch)
            self._outcomes += counts
        self._latencies += np.bincount(np.minimum(took, LATENCY_NS_MAX), minlength=LATENCY_NS_MAX + 1)
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
        counts = _by_label(self._made_up_outcomes if made_up else self._outcomes)
        named = {outcome.label: counts[outcome] for outcome in counts if not outcome.refused}
        refused = sum(counts[outcome] for outcome in counts if outcome.refused)
        return {**named, "refused": refused} if refused else named

    def refusals(self, *, made_up: bool = False) -> dict[str, int]:
        """How often each reason of a refusal came."""
        counts = _by_label(self._made_up_outcomes if made_up else self._outcomes)
        return {outcome.label: counts[outcome] for outcome in counts if outcome.refused}

    def latency_ns(self, share: float) -> int:
        """The time within which `share` (0 to 1) of all steps ended; `LATENCY_NS_MAX` stands for that or more."""
        total = int(self._latencies.sum())
        rank = min(total - 1, int(share * total))
        return int(np.searchsorted(np.cumsum(self._latencies), rank, side="right")) if total else 0


def starting_events(tables: Tables) -> NDArray[np.bool_]:
    """bool[event_count]: which events the initial configuration handles, so that they start an instance."""
    handled = (Cell.GO, Cell.PROGRAM)
    initial = tables.initial_configuration
    return np.array([tables.cells[initial, event.id] & 0xFF in handled for event in tables.events], np.bool_)


def count_states(engine: Engine) -> dict[str, int]:
    """How many instances stand in each state, for those that hold any; nested states are joined by `/`."""
    tables = engine.tables
    rows = np.frombuffer(engine.memory.rows, np.uint64).reshape(-1, tables.row_words)[:, 0]
    live = rows[rows & np.uint64(ROW_LIVE << 48) != 0] & np.uint64(NONE)
    counts = np.bincount(live.astype(np.int64), minlength=tables.configuration_count)
    names = ("/".join(state.name for state in tables.active_states(index)) for index in range(len(counts)))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _by_label(counts: NDArray[np.int64]) -> dict[Outcome, int]:
    return {outcome: int(counts[outcome]) for outcome in Outcome if counts[outcome]}
