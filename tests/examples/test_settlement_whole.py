"""The settlement as a whole: its states, all of which are reached, and the laws that hold whatever comes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from settlement_flat import FlatSettlement

from fsm import Engine, Outcome
from fsm.define.chart import Transition
from fsm.define.flow import chart_of
from fsm.layout import StateKind
from tests.conftest import ROOT
from tests.examples import test_settlement, test_settlement_trouble
from tests.examples.settlement_desk import CHART, Desk, compiled
from tests.examples.settlement_streams import Stream, laws

HISTORIES = (StateKind.HISTORY_SHALLOW, StateKind.HISTORY_DEEP)


def test_it_has_47_states_and_two_regions() -> None:
    """Of every kind."""
    parallel = {state.name for state in CHART.states if state.kind is StateKind.PARALLEL}
    regions = [state.name for state in CHART.states if state.parent in parallel]
    assert (47, ["securities", "cash"]) == (len(CHART.states), regions)


def test_the_codes_beside_the_states_are_those_of_the_trade(shared_data: Callable[[str], Path]) -> None:
    """Statuses and reasons of ISO 20022."""
    sets = json.loads(shared_data("iso20022/codes/securities_settlement_codes.json").read_text())
    known = {code for each in sets.values() for code in each["codes"]}
    lines = (ROOT / "examples/settlement.py").read_text().splitlines()
    beside = [re.search(r"(?:State|Parallel)\(.*# ([A-Z]{4})\b", line) for line in lines]
    codes = {match[1] for match in beside if match}
    assert (18, set()) == (len(codes), codes - known)


def test_the_flat_flow_of_the_benchmark_does_what_the_legs_do(engine_name: str) -> None:
    """What it is measured against must be the same work: the same outcomes and the same fields, whatever comes."""
    legs = [each.name for each in chart_of(FlatSettlement).events]
    entered: set[str] = set()
    for seed in range(100):
        desk = Desk(None).settling(quantity=2, amount=3)
        stream = Stream(desk, seed)
        flat = Engine(compiled(FlatSettlement), capacity=1, engine=engine_name)
        instance = flat.start("one", **desk.fields)
        for _ in range(50):
            event = stream.one_of(legs)
            arguments = stream.arguments(event)
            given = getattr(FlatSettlement, event)(**arguments)
            outcome = desk.give(event, **arguments)
            assert (outcome, event) == (Outcome(flat.step(instance, given.id, *given.words)).label, event)
            assert desk.fields == flat.fields(instance)
        entered |= desk.entered
    assert {"settled", "cancelled", "in_doubt"} <= entered


def test_every_state_is_reached_by_some_test() -> None:
    """Each test of one instruction is run once more, on the interpreter, which tells what is entered."""
    entered: set[str] = set()
    tests = [*vars(test_settlement).items(), *vars(test_settlement_trouble).items()]
    for test in [each for name, each in tests if name.startswith("test_")]:
        if list(inspect.signature(test).parameters) == ["desk"]:
            desk = Desk(None)
            test(desk)
            entered |= desk.entered
    assert {state.name for state in CHART.states if state.kind not in HISTORIES} == entered


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_and_nothing_is_made_whatever_comes(engine_name: str, seed: int) -> None:
    """The laws hold after every input, and the ledgers say what a clerk would have written down."""
    print(f"seed {seed}")
    for life in range(40):
        desk = Desk(engine_name)
        stream = Stream(desk, seed * 1000 + life)
        for _ in stream.life():
            laws(desk)
            assert stream.delivered == desk.fields["settled_quantity"]
            assert stream.paid == desk.fields["settled_amount"] + desk.fields["exposed"]


def test_random_streams_take_every_transition() -> None:
    """Or the laws would not have been looked at where they matter."""
    taken: set[Transition] = set()
    for seed in range(1500):
        desk = Desk(None)
        for _ in Stream(desk, seed).life():
            taken |= desk.taken
    assert [] == [
        (each.source, each.trigger.name, each.event, each.place.line) for each in CHART.transitions if each not in taken
    ]
