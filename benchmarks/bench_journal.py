"""What does the journal cost a step, and how far is that from a loop in C that makes the same stores?

Measured: `step` from Python and `step_many`, each with a frame, two checksums, the row as a seqlock. In bursts: the
ring, 1 MiB as in a store, is emptied by a stroke of the pen whenever it is full. Sustained: it is emptied by pwrite to
a file that grows. Not measured: fdatasync, the opening, readers, several processes.

Estimated beforehand: 1.6 times the empty method for a guarded step, 1.3 for a refusal, 2.2 with a second argument,
whose frame is a second one; 13 ns in a batch in cache, where the frame is half of it, 40 ns from memory; sustained
twice that.

The floor of a batch (`native/journal.h`) leaves the same bytes in rows, ring and header, which is asserted here. Turns
are short and many, so that some of them are not interrupted; each takes the next events, so that rows are not in cache
because the turn before had them there. FSM_ROWS is the most instances that are measured: 10 000 000 take 4 GB.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from itertools import count, cycle, repeat
from types import ModuleType
from typing import Any

import numpy
import pytest
from bench_step import CASES, EMPTY, calls
from flows import Ticking
from ringed import Ringed

import fsm
from fsm.engine.protocol import engine_over
from fsm.layout import HEADER_FIELDS
from fsm.tables import tables_of

EVENTS = 1_000_000
TURN = 50_000
ROUNDS = 60
CALLS = 20_000
STARTS = 2_000
ROWS_MAX = int(os.environ.get("FSM_ROWS", "10_000_000"))
SIZES = [size for size in (1_000, 100_000, 1_000_000, 10_000_000) if size <= ROWS_MAX]
UNJOURNALLED = "the same without a journal"


def journalled(capacity: int, *, shared: bool = False, window: int = 1_000_000) -> tuple[Any, Ringed]:
    """A native engine on a memory with a ring."""
    tables = tables_of(Ticking)
    memory = Ringed(tables, capacity, shared=shared, window=window)
    return engine_over(tables, memory, "native"), memory


# --- one step, from Python ---


@pytest.mark.parametrize("case", CASES)
def bench_journalled_step(case: str, beside: Callable[..., float], floors: ModuleType) -> None:
    """A journalled `step` beside an empty Cython method of the same three integers. Aim: 2.0 with guard and writes."""
    event_id, amount, outcome = CASES[case]
    engine, _ = journalled(16)
    order = engine.start(1)
    assert engine.step(order, event_id, amount) == outcome
    step, floor = calls(engine.step, order, event_id, amount), calls(floors.Floor().floor, order, event_id, amount)
    beside(step, floor, count=CALLS, floor_name=EMPTY, aim="2.00" if case == "guard and two writes" else "-")


def bench_journalled_step_beside_unjournalled(beside: Callable[..., float]) -> None:
    """The same step with and without a journal."""
    plain = fsm.Engine(Ticking, capacity=16, engine="native")
    loops = [calls(engine.step, engine.start(1), Ticking.Tick.id, 3) for engine in (journalled(16)[0], plain)]
    beside(*loops, count=CALLS, floor_name=UNJOURNALLED, aim="-")


def bench_journalled_step_two_arguments(beside: Callable[..., float], floors: ModuleType) -> None:
    """A step whose second argument goes into a continuation frame; the floor takes one integer less."""
    engine, _ = journalled(16)
    order, tick = engine.start(1), Ticking.Tick.id

    def work() -> None:
        step = engine.step
        for _ in repeat(None, CALLS):
            step(order, tick, 3, 4)

    before = engine.sequence
    assert engine.step(order, tick, 3, 4) == fsm.Outcome.ACCEPTED and engine.sequence == before + 2
    beside(work, calls(floors.Floor().floor, order, tick, 3), count=CALLS, floor_name=EMPTY, aim="-")


def bench_journalled_step_with_key(beside: Callable[..., float]) -> None:
    """A step with an idempotency key that is new each time, beside the same step without one."""
    engine, _ = journalled(16)
    order, tick, keys = engine.start(1), Ticking.Tick.id, count(1)

    def work() -> None:
        step = engine.step
        for key, _ in zip(keys, repeat(None, CALLS), strict=False):
            step(order, tick, 3, key=key)

    beside(work, calls(engine.step, order, tick, 3), count=CALLS, floor_name="journalled step without a key", aim="-")


def bench_journalled_start(beside: Callable[..., float]) -> None:
    """A start, which tells its key in a second frame, beside one without a journal."""
    loops = []
    for engine in (journalled(1 << 18)[0], fsm.Engine(Ticking, capacity=1 << 18, engine="native")):

        def starts(start: Any = engine.start, keys: Any = count()) -> None:  # noqa: B008
            for key, _ in zip(keys, repeat(None, STARTS), strict=False):
                start(key)

        loops.append(starts)
    beside(*loops, count=STARTS, floor_name=UNJOURNALLED, aim="-")


# --- many steps ---


def ticks(instances: int) -> tuple[Any, ...]:
    """Arrays of ticks in random order, and room for what becomes of them."""
    random = numpy.random.default_rng(20120621)
    handles = random.integers(0, instances, EVENTS).astype(numpy.uint64)
    event_ids = numpy.full(EVENTS, Ticking.Tick.id, numpy.int64)
    return handles, event_ids, random.integers(1, 5, (EVENTS, 1)), numpy.ones(EVENTS, numpy.uint8)


class Pair:
    """An engine and the loop in C, each with memory of its own that holds the same."""

    def __init__(self, floors: ModuleType, instances: int, *, shared: bool) -> None:
        self.engine, self.memory = journalled(instances, shared=shared)
        self.engine._start_many(numpy.arange(instances))
        self.memory.make_room()
        self.given = ticks(instances)
        self.engine.step_many(*(part[:1] for part in self.given[:3]))  # the room is counted anew: both begin alike
        self.memory.make_room()
        self.areas = self.memory.like()
        self.turns = [tuple(part[at : at + TURN] for part in self.given) for at in range(0, EVENTS, TURN)]
        self.ours, self.theirs = cycle(self.turns), cycle(self.turns)
        self.floors, self.descriptor, self.position = floors, -1, 0
        self.cells = numpy.frombuffer(self.engine.tables.cells, numpy.uint64)

    def work(self) -> None:
        """The engine's turn."""
        handles, event_ids, amounts, outcomes = next(self.ours)
        self.engine.step_many(handles, event_ids, amounts, outcomes=outcomes)

    def floor(self) -> None:
        """The floor's."""
        rows, ring, header = self.areas["rows"].reshape(-1, 8), self.areas["ring"], self.areas["header"]
        self.position = self.floors.journal(
            rows, ring, header, self.cells, self.engine.tables.event_count, *next(self.theirs), HEADER_FIELDS,
            self.descriptor, self.position,
        )  # fmt: skip

    def assert_equal(self) -> None:
        """Every turn taken once: each word of rows and ring is the same, and of the header but for `written`."""
        for take in (self.work, self.floor):
            self.given[3][:] = 1
            for _ in self.turns:
                take()
            assert not self.given[3].any()
        for name, words in self.areas.items():
            ours = numpy.frombuffer(getattr(self.memory, name), numpy.uint64)
            different = numpy.flatnonzero(ours != words).tolist()
            assert [HEADER_FIELDS["written"]] * (name == "header") >= different, (name, different[:8])


@pytest.mark.parametrize("where", ["private", "shared"])
@pytest.mark.parametrize("instances", SIZES)
def bench_journalled_step_many(instances: int, where: str, beside: Callable[..., float], floors: ModuleType) -> None:
    """`step_many` in bursts beside a loop in C that makes the same stores. Aim: 1.25 times it."""
    pair = Pair(floors, instances, shared=where == "shared")
    pair.assert_equal()
    beside(pair.work, pair.floor, count=TURN, floor_name="C loop, same stores", aim="1.25", rounds=ROUNDS)


@pytest.mark.parametrize("instances", SIZES[:2])
def bench_journalled_step_many_beside_unjournalled(instances: int, beside: Callable[..., float]) -> None:
    """The same batch with and without a journal."""
    works = []
    for engine in (journalled(instances)[0], fsm.Engine(Ticking, capacity=instances, engine="native")):
        engine._start_many(numpy.arange(instances))
        handles, event_ids, amounts, outcomes = ticks(instances)
        given = tuple(part[:TURN] for part in (handles, event_ids, amounts))
        works.append(lambda e=engine, a=given, o=outcomes[:TURN]: e.step_many(*a, outcomes=o))
    beside(*works, count=TURN, floor_name=UNJOURNALLED, aim="-", rounds=ROUNDS)


def bench_journalled_step_many_with_keys(beside: Callable[..., float]) -> None:
    """A batch whose every event brings a key that is new, in a window of a million, beside the batch without keys."""
    instances = 1_000
    engine, _ = journalled(instances)
    engine._start_many(numpy.arange(instances))
    handles, event_ids, amounts, outcomes = ticks(instances)
    keys = numpy.zeros((EVENTS, 2), numpy.uint64)
    keys[:, 0] = numpy.random.default_rng(4).permutation(EVENTS) + 1

    def work() -> None:
        keys[:, 1] += 1
        engine.step_many(handles, event_ids, amounts, keys=keys, outcomes=outcomes)

    def floor() -> None:
        engine.step_many(handles, event_ids, amounts, outcomes=outcomes)

    work()
    assert not outcomes.any()
    beside(work, floor, count=EVENTS, floor_name="journalled batch without keys", aim="-", rounds=5)


@pytest.mark.parametrize("instances", SIZES)
def bench_journalled_sustained(instances: int, beside: Callable[..., float], floors: ModuleType) -> None:
    """`step_many` whose frames go to a file by pwrite, beside the loop in C that also writes one. Aim: 1.25 times it.

    Both files grow, by 6.4 MB in each turn, in the directory where the benchmarks are built.
    """
    pair = Pair(floors, instances, shared=False)
    pair.assert_equal()
    folder = os.path.join(os.path.dirname(__file__), "..", "build", "benchmarks")
    with tempfile.TemporaryFile(dir=folder) as ours, tempfile.TemporaryFile(dir=folder) as theirs:
        pair.memory.descriptor, pair.descriptor = ours.fileno(), theirs.fileno()
        name = "C loop, same stores, pwrite"
        beside(pair.work, pair.floor, count=TURN, floor_name=name, aim="1.25", rounds=ROUNDS)
