"""What does nesting cost? A step of 47 nested states beside the same step of a flat flow.

Measured: steps of examples/settlement.py whose guards, actions and timers a flat flow has too (`settlement_flat.py`),
on one instance in cache, called from Python; and one of them in batches, where no interpreter hides a difference. Both
rows have 320 bytes. Before it is measured, each pair is held to the same outcome and the same fields.

Not measured: steps that are less work nested. Where one leg moves, a flat state stops the timers of the other and
starts them anew, and the chart need not. The other way round there is one: where the legs meet, the chart takes an
eventless transition, and a flat flow, which has a state for each pair, goes there at once. It is here: the dearest.
Estimated beforehand: 1.0, since a configuration is one integer however deep it nests; 1.1 where the legs meet.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
from settlement_flat import FlatSettlement

import fsm
from fsm.tools.load import load_flow

Settlement: Any = load_flow(str(Path(__file__).parent.parent / "examples" / "settlement.py"))
COUNT = 10_000
EVENTS = 1_000_000
HOUR = 3_600_000_000_000
QUANTITY, AMOUNT = 1_000_000, 10**15
"""In hundredths: so much cash is due that a cent at a time never covers it."""
ORDER = -1
"""Among the words of an event: the number of the order that is on its way."""

Given = tuple[str, int, int]
"""An event and two words."""


class Case(NamedTuple):
    """What brings an instance to the step, the one or two events of the step, and what becomes of them."""

    before: tuple[Given, ...]
    given: tuple[Given, ...]
    outcome: fsm.Outcome = fsm.Outcome.ACCEPTED


PART, ALL = ("Reserve", QUANTITY // 2, 0), ("Reserve", QUANTITY, 0)
CENT, COVER = ("Fund", 1, 0), ("Fund", AMOUNT, 0)
CASES = {
    "one leg: three guards, an action": Case((PART, CENT), (CENT,)),
    "five deep, refused by guard": Case((ALL, COVER), (("Paid", 0, AMOUNT),), fsm.Outcome.GUARD),
    "history: three timers": Case((PART, CENT), (("Cancel", 0, 0), ("Withdraw", 0, 0))),
    "the legs meet: three timers": Case((ALL, COVER), (("PaymentRefused", ORDER, 0), COVER)),
}


class Nested:
    """Instances of the chart, with both legs at their start."""

    flow = Settlement

    def __init__(self, engine_name: str, instances: int) -> None:
        self.engine = fsm.Engine(self.flow, capacity=instances, engine=engine_name)
        self.handles = self.engine._start_many(numpy.arange(instances))
        self.give_all("Instruct", QUANTITY, AMOUNT, 1, 24 * HOUR, 40 * HOUR, 240 * HOUR)
        self.give_all("Enrich")
        self.give_all("Match")
        self.engine.advance(24 * HOUR)

    def event_id(self, event: str) -> int:
        """The id of an event."""
        found: int = getattr(self.flow, event).id
        return found

    def give_all(self, event: str, *words: int) -> None:
        """One event for each instance."""
        event_ids = numpy.full(len(self.handles), self.event_id(event), numpy.int64)
        arguments = numpy.tile(numpy.array(words or (0,), numpy.int64), (len(self.handles), 1))
        assert not self.engine.step_many(self.handles, event_ids, arguments).any()


class Flat(Nested):
    """Instances of the flat flow, which begin where the legs do."""

    flow = FlatSettlement

    def __init__(self, engine_name: str, instances: int) -> None:
        fields = Nested(engine_name, 1).engine.fields(0)
        self.engine = fsm.Engine(self.flow, capacity=instances, engine=engine_name)
        self.engine.advance(24 * HOUR)
        self.handles = numpy.array([self.engine.start(key, **fields) for key in range(instances)], numpy.uint64)


def both(case: Case, engine_name: str, instances: int = 1) -> tuple[Nested, Nested]:
    """The chart and the flat flow, brought to the step, and held to the same outcome and fields after it."""
    sides = Nested(engine_name, instances), Flat(engine_name, instances)
    for side in sides:
        for event, *words in case.before:
            side.give_all(event, *words)
        for event, word, more in case.given:
            given = side.engine.fields(0)["order"] if word == ORDER else word
            assert case.outcome == side.engine.step(0, side.event_id(event), given, more)
    nested, flat = (side.engine for side in sides)
    assert nested.fields(0) == flat.fields(0)
    assert nested.tables.row_bytes == flat.tables.row_bytes
    return sides


def loop(side: Nested, case: Case) -> Callable[[], None]:
    """COUNT times the step of a case."""
    step, (name, word, more) = side.engine.step, case.given[0]
    event_id, order = side.event_id(name), side.engine.fields(0)["order"]

    def one() -> None:
        for given in repeat(word, COUNT):
            step(0, event_id, given, more)

    if len(case.given) == 1:
        return one
    name, second_word, _ = case.given[1]
    second_id = side.event_id(name)

    def two() -> None:
        nonlocal order
        for given in range(order, order + COUNT) if word == ORDER else repeat(word, COUNT):
            step(0, event_id, given)
            step(0, second_id, second_word)
        order += COUNT

    return two


@pytest.mark.parametrize("case", CASES)
def bench_settlement_native(case: str, beside: Callable[..., float]) -> None:
    """Native `step` of the chart beside that of the flat flow. Aim: at most 1.10 times."""
    work, floor = (loop(side, CASES[case]) for side in both(CASES[case], "native"))
    beside(work, floor, count=COUNT * len(CASES[case].given), floor_name="flat flow", aim="1.10", rounds=51)


@pytest.mark.parametrize("case", CASES)
def bench_settlement_mirror(case: str, beside: Callable[..., float]) -> None:
    """The same on the mirror."""
    work, floor = (loop(side, CASES[case]) for side in both(CASES[case], "mirror"))
    beside(work, floor, count=COUNT * len(CASES[case].given), floor_name="flat flow", aim="-", rounds=3)


@pytest.mark.parametrize("instances", [1_000, 100_000])
def bench_settlement_many_native(instances: int, beside: Callable[..., float]) -> None:
    """`step_many` of a step in one leg, instances in random order, beside the flat flow. Aim: at most 1.10 times."""
    random = numpy.random.default_rng(20251128)
    chosen = random.integers(0, instances, EVENTS)
    loops = []
    for side in both(CASES["one leg: three guards, an action"], "native", instances):
        event_ids = numpy.full(EVENTS, side.event_id("Fund"), numpy.int64)
        arguments, outcomes = numpy.ones((EVENTS, 1), numpy.int64), numpy.zeros(EVENTS, numpy.uint8)
        given = side.handles[chosen], event_ids, arguments
        loops.append(lambda s=side, g=given, o=outcomes: s.engine.step_many(*g, outcomes=o))
        loops[-1]()
        assert not outcomes.any()
    beside(*loops, count=EVENTS, floor_name="flat flow", aim="1.10", rounds=15)
