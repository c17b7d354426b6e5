"""What does a timer cost, from when it is armed until it is fired or cancelled, where a million of them wait?

Measured: a million timers armed in random order of their rows, every other one cancelled in another random order, the
rest fired while the time goes on in a thousand calls; in ns a timer, all of that together. First the index by deadline
alone, driven from C: beside a binary heap in C. Then the whole path: one step that arms each timer, one that cancels
it or the step of its firing, by `step_many` and `advance`; beside the heap in C, which takes no step, and beside what
Python offers, `heapq`, which also takes none and where a timer is cancelled by a mark.

Not measured: rebuilding the index when an engine opens or grows; steps called one by one from Python (bench_step).
Estimated beforehand: 50 ns for the index, where the heap takes 200; with its two steps 120.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from types import ModuleType
from typing import Any

import numpy
import pytest

import fsm
from fsm import Event, Flow, State, Timestamp

TIMERS = 1_000_000
TIMES = 1_000
BEGIN = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
HEAP, HEAPQ = "binary heap in C", "heapq in Python"
CASES = ("within an hour", "a microsecond apart", "one moment")


class Deadlines(Flow, waive={"no-final-state": "a benchmark never ends"}):
    """Waits until a moment that the event tells."""

    due = Timestamp()

    class Arm(Event):
        due: Timestamp = Timestamp()

    class Cancel(Event):
        pass

    idle = State(initial=True)
    waiting = State()

    idle.on(Arm, do=due.set(Arm.due), to=waiting)
    waiting.on(Cancel, to=idle)
    waiting.at(due, to=idle)


class Given:
    """Who is armed and cancelled in which order, and for when."""

    def __init__(self, case: str) -> None:
        random = numpy.random.default_rng(20120621)
        self.order = random.permutation(TIMERS).astype(numpy.uint32)
        self.cancelled = random.permutation(TIMERS).astype(numpy.uint32)[: TIMERS // 2]
        delays = {
            "within an hour": random.integers(1, 3600 * SECOND, TIMERS),
            "a microsecond apart": 30 * SECOND + numpy.arange(TIMERS) * 1000,
            "one moment": numpy.full(TIMERS, 3600 * SECOND),
        }[case]
        self.deadlines = numpy.empty(TIMERS, numpy.int64)
        self.deadlines[self.order] = BEGIN + delays
        self.times = numpy.linspace(BEGIN, self.deadlines.max(), TIMES + 1).astype(numpy.int64)
        self.times[-1] = self.deadlines.max()


def lives(timers: Any, given: Given) -> Callable[[], list[int]]:
    """A loop over timers without an engine; which were fired."""
    fired = numpy.zeros(TIMERS, numpy.uint32)

    def life() -> list[int]:
        count = timers.life(given.deadlines, given.order, given.cancelled, given.times, fired)
        assert count == TIMERS - len(given.cancelled)
        return fired[:count].tolist()

    return life


@pytest.mark.parametrize("case", CASES)
def bench_timer_index(case: str, beside: Callable[..., float], floors: ModuleType) -> None:
    """The index alone beside a heap; both fire the same timers in the same order. Aim: half of its time."""
    given = Given(case)
    index, heap = floors.IndexTimers(TIMERS), floors.HeapTimers(TIMERS)
    assert lives(index, given)() == lives(heap, given)()
    fired = numpy.zeros(TIMERS, numpy.uint32)
    work, floor = (
        lambda timers=timers: timers.life(given.deadlines, given.order, given.cancelled, given.times, fired)
        for timers in (index, heap)
    )
    beside(work, floor, count=TIMERS, floor_name=HEAP, aim="0.50", rounds=7)


def engine_life(given: Given) -> Callable[[], int]:
    """The same with an engine, which has its instances already; how many timers were fired."""
    engine = fsm.Engine(Deadlines, capacity=TIMERS, engine="native")
    engine._start_many(numpy.arange(TIMERS))
    arm = given.order, numpy.full(TIMERS, Deadlines.Arm.id), given.deadlines[given.order].reshape(-1, 1)
    count = len(given.cancelled)
    cancel = given.cancelled, numpy.full(count, Deadlines.Cancel.id), numpy.zeros((count, 0), numpy.int64)
    outcomes = numpy.zeros(TIMERS, numpy.uint8)
    turn = 0
    span = int(given.times[-1] - given.times[0]) + 1
    times = given.times.tolist()

    def life() -> int:
        # The clock only goes on, so each turn begins where the last one ended.
        nonlocal turn
        later = turn * span
        arm[2][:] = (given.deadlines[given.order] + later).reshape(-1, 1)
        turn += 1
        engine.advance(times[0] + later)
        engine.step_many(*arm, outcomes=outcomes)
        engine.step_many(*cancel, outcomes=outcomes[:count])
        return sum(engine.advance(now + later) for now in times)

    assert life() == TIMERS - count and not outcomes.any()
    return life


@pytest.mark.parametrize("case", CASES)
def bench_timers_native(case: str, beside: Callable[..., float], floors: ModuleType) -> None:
    """The whole path, two steps for each timer, beside a heap that takes none."""
    given = Given(case)
    heap, fired = floors.HeapTimers(TIMERS), numpy.zeros(TIMERS, numpy.uint32)

    def floor() -> None:
        heap.life(given.deadlines, given.order, given.cancelled, given.times, fired)

    beside(engine_life(given), floor, count=TIMERS, floor_name=HEAP, aim="-", rounds=7)


def bench_timers_native_beside_python(beside: Callable[..., float]) -> None:
    """The whole path, two steps for each timer, beside heapq, which takes none."""
    given = Given("within an hour")
    order, cancelled, times = given.order.tolist(), given.cancelled.tolist(), given.times.tolist()
    deadlines = given.deadlines.tolist()

    def floor() -> int:
        heap: list[tuple[int, int]] = []
        for timer in order:
            heappush(heap, (deadlines[timer], timer))
        gone = bytearray(TIMERS)
        for timer in cancelled:
            gone[timer] = 1
        fired = 0
        for now in times:
            while heap and heap[0][0] <= now:
                fired += not gone[heappop(heap)[1]]
        return fired

    assert floor() == TIMERS - len(cancelled)
    beside(engine_life(given), floor, count=TIMERS, floor_name=HEAPQ, aim="-", rounds=3)
