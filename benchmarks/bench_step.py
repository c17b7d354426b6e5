"""What does one `step` from Python cost?

Measured: the whole call, interpreter included, on one instance in cache, no journal. Not measured: memory (see
bench_step_many), the journal, the clock. Estimated beforehand: 1.0 times the empty method for a refusal, 1.4 with a
guard and two writes, of which half is the program.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from types import ModuleType

import pytest
from flows import ByHand, Ticking

import fsm

COUNT = 20_000
EMPTY = "empty Cython method, three integers"
BY_HAND = "if/elif in Python"


def calls(function: Callable[..., object], *arguments: object) -> Callable[[], None]:
    """A loop of COUNT calls that allocates nothing itself."""

    def loop() -> None:
        call, (first, second, *rest) = function, arguments
        third = rest[0] if rest else 0
        for _ in repeat(None, COUNT):
            call(first, second, third)

    return loop


CASES = {
    "bare": (Ticking.Go.id, 0, fsm.Outcome.ACCEPTED),
    "guard and two writes": (Ticking.Tick.id, 3, fsm.Outcome.ACCEPTED),
    "refused by guard": (Ticking.Tick.id, -3, fsm.Outcome.GUARD),
    "unhandled": (Ticking.Never.id + 1, 0, fsm.Outcome.UNKNOWN_EVENT),
}


@pytest.mark.parametrize("case", CASES)
def bench_step_native(case: str, beside: Callable[..., float], floors: ModuleType) -> None:
    """Native `step` beside an empty Cython method of the same three integers. Aim: 1.5 with guard and two writes."""
    event_id, amount, outcome = CASES[case]
    engine = fsm.Engine(Ticking, capacity=16, engine="native")
    order = engine.start(1)
    assert engine.step(order, event_id, amount) == outcome
    step, floor = calls(engine.step, order, event_id, amount), calls(floors.Floor().floor, order, event_id, amount)
    beside(step, floor, count=COUNT, floor_name=EMPTY, aim="1.50" if case == "guard and two writes" else "-")


def bench_step_native_beside_python(beside: Callable[..., float]) -> None:
    """Native `step` with guard and two writes beside the same in if and elif."""
    engine = fsm.Engine(Ticking, capacity=16, engine="native")
    order = engine.start(1)
    by_hand = ByHand()

    def floor() -> None:
        step = by_hand.step
        for _ in repeat(None, COUNT):
            step("tick", 3)

    beside(calls(engine.step, order, Ticking.Tick.id, 3), floor, count=COUNT, floor_name=BY_HAND, aim="-")


@pytest.mark.parametrize("case", CASES)
def bench_step_mirror(case: str, beside: Callable[..., float]) -> None:
    """The mirror's `step` beside the native one. Aim: within a few hundred times; correctness is its job."""
    event_id, amount, _ = CASES[case]
    loops = []
    for name in ("mirror", "native"):
        engine = fsm.Engine(Ticking, capacity=16, engine=name)
        loops.append(calls(engine.step, engine.start(1), event_id, amount))
    beside(*loops, count=COUNT, floor_name="native step", aim="-", rounds=3)
