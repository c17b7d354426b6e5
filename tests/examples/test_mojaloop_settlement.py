"""Accounts, settlements and windows of Mojaloop keep to its rules: each transition, each timeout, and nothing else."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

import fsm
from examples.mojaloop.account import SETTLEMENT_STATES, STATES, Account
from examples.mojaloop.settlement import Settlement, update
from examples.mojaloop.window import RETRIES, Window, close
from fsm import Engine, Step
from fsm.define import chart_of

SECOND = 1_000_000_000
Steps = dict[str, tuple[str, set[str]]]
"""For each state of an account the one before it, and the states of the settlement in which it may be taken."""


@pytest.fixture
def data(shared_data: Callable[[str], Path]) -> Any:
    """The tables as they are."""
    return json.loads((shared_data("mojaloop") / "mojaloop_state_machines.json").read_text())


@pytest.mark.parametrize("flow", [Account, Settlement, Window])
def test_check_finds_nothing_that_is_not_waived(flow: type[fsm.Flow]) -> None:
    """Errors and warnings."""
    assert [] == [str(finding) for finding in fsm.check(flow) if finding.waived is None]


# --- accounts and settlements ----------------------------------------------------------------------------------------


def steps_of(data: Any) -> Steps:
    """As the rule writes them: an account may be in a state once its settlement is in the one before the arrow."""
    (chain,) = re.findall(r"[A-Z_]+(?:->[A-Z_|()]+)+", data["settlement_account"]["rules"])
    *states, either, last = chain.split("->")
    assert "(COMMITTED|SETTLING)" == either
    steps = {after: (before, {before}) for before, after in pairwise(states)}
    return steps | {last: (states[-1], {states[-1], "SETTLING"})}


def account_in(state: str, engine: Engine, steps: Steps) -> str:
    """The key of a new account that has come to that state, in a few requests from 1 on."""
    key = f"a-{len(engine)}"
    engine.start(key)
    if state == "ABORTED":
        assert engine.send(key, Account.Abort(reason="none")).accepted
    way = [state]
    while way[0] in steps:
        way.insert(0, steps[way[0]][0])
    for request, after in enumerate(way[1:], 1):
        assert ask(engine, key, after, steps[after][0], request).accepted
    return key


def ask(engine: Engine, key: str, state: str, settlement: str, request: int = 9) -> Step:
    """One account of a request."""
    reason = f"request {request}"
    return engine.send(key, Account.Update(request=request, settlement=settlement, state=state, reason=reason))


def test_an_account_has_the_states_of_the_source_and_its_steps(data: Any) -> None:
    """And can be aborted until its money has moved, which the source has a state for and no rule."""
    assert list(STATES) == data["settlement_account"]["states"]
    assert [state.name.upper() for state in chart_of(Account).states] == data["settlement_account"]["states"]
    steps = {(before, "Update", after) for after, (before, _) in steps_of(data).items()}
    aborts = {(state, "Abort", "ABORTED") for state in STATES[:3]}
    moves = {
        (transition.source.upper(), transition.event, target.upper())
        for transition in chart_of(Account).transitions
        for target in transition.targets
    }
    assert steps | aborts == moves


def test_an_account_takes_the_step_that_its_settlement_allows(data: Any, engine_name: str) -> None:
    """Every state of an account, of its settlement, and every one that is asked for."""
    steps, counts = steps_of(data), {"step": 0, "same": 0, "guard": 0}
    engine = Engine(Account, capacity=300, engine=engine_name)
    for state, settlement, asked in product(STATES, SETTLEMENT_STATES, STATES):
        key = account_in(state, engine, steps)
        step = ask(engine, key, asked, settlement)
        before, allowed = steps.get(asked, ("", set()))
        what = "same" if asked == state else "step" if state == before and settlement in allowed else "guard"
        counts[what] += 1
        assert ("guard" if what == "guard" else "accepted") == step.outcome.label, (state, settlement, asked)
        assert (asked if what == "step" else state).lower() == step.states[0]
        assert (b"request 9" == engine.fields(engine.find(key) or 0)["reason"]) == (what != "guard")
    assert {"step": 5, "same": 42, "guard": 205} == counts


def test_an_account_is_processed_once_in_a_request(data: Any, engine_name: str) -> None:
    """A second time is refused, even for the state that it has; one that was refused may be asked again."""
    engine = Engine(Account, engine=engine_name)
    key = account_in("PENDING_SETTLEMENT", engine, steps_of(data))
    asked = [
        ("SETTLED", 1, "guard"),
        ("PS_TRANSFERS_RECORDED", 1, "accepted"),
        ("PS_TRANSFERS_RECORDED", 1, "guard"),
        ("PS_TRANSFERS_RECORDED", 2, "accepted"),
    ]
    for state, request, label in asked:
        assert label == ask(engine, key, state, "PENDING_SETTLEMENT", request).outcome.label, (state, request)


def test_an_account_is_aborted_until_its_money_has_moved(data: Any, engine_name: str) -> None:
    """Once it is, a second time only gives another reason."""
    engine, steps = Engine(Account, engine=engine_name), steps_of(data)
    labels = [
        engine.send(account_in(state, engine, steps), Account.Abort(reason="x")).outcome.label for state in STATES
    ]
    assert ["accepted", "accepted", "accepted", "unhandled", "ended", "accepted"] == labels


def settlement_state(accounts: list[str]) -> str:
    """What the source says of the parent: settling while some are settled; else where the last of them is."""
    if 0 < accounts.count("SETTLED") < len(accounts):
        return "SETTLING"
    return min(accounts, key=STATES.index)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_settlement_is_where_its_accounts_are(count: int, engine_name: str) -> None:
    """After each of many requests at random, until all is settled."""
    seed = count
    print(f"seed {seed}")
    choose = random.Random(seed)
    settlements = Engine(Settlement, engine=engine_name)
    accounts = Engine(Account, engine=engine_name)
    settlement = settlements.start("s", accounts=count)
    instances = {name: accounts.start(f"s/{name}") for name in "abcde"[:count]}
    seen = []
    for request in range(1, 500):
        wanted = [(choose.choice("abcdef"), choose.choice(STATES)) for _ in range(choose.randrange(4))]
        outcomes = update(settlements, accounts, "s", request, wanted)
        unknown = [outcome == fsm.Outcome.UNKNOWN_INSTANCE for outcome in outcomes]
        assert [account not in instances for account, _ in wanted] == unknown
        states = [accounts.state(instance)[0].upper() for instance in instances.values()]
        assert (settlement_state(states).lower(),) == settlements.state(settlement)
        seen += settlements.state(settlement)
    expected = [state.lower() for state in STATES[:5] if state != "SETTLED"] + ["settling"] * (count > 1) + ["settled"]
    assert expected == list(dict.fromkeys(seen))


def test_a_settlement_is_aborted_until_the_money_of_an_account_has_moved(engine_name: str) -> None:
    """The last state in which it can be is that all are reserved, and none committed."""
    labels = []
    for advanced in range(7):
        engine = Engine(Settlement, engine=engine_name)
        instance = engine.start("s", accounts=2)
        for _ in range(advanced):
            assert 0 == engine.step(instance, Settlement.Advanced.id)
        labels.append(engine.send("s", Settlement.Abort()).outcome.label)
    assert ["accepted"] * 5 + ["guard", "unhandled"] == labels


# --- windows ---------------------------------------------------------------------------------------------------------

WINDOW: dict[tuple[str, str, str], str] = {
    ("OPEN", "Close", "PROCESSING"): "closing goes through PROCESSING",
    ("PROCESSING", "Aggregated", "CLOSED"): "closing goes through PROCESSING",
    ("PROCESSING", "AggregationFailed", "FAILED"): "FAILED when retries are exhausted",
    ("CLOSED", "Include", "PENDING_SETTLEMENT"): "a settlement takes closed windows",
    ("ABORTED", "Include", "PENDING_SETTLEMENT"): "ABORTED window may be included in a later settlement",
    ("PENDING_SETTLEMENT", "Settle", "SETTLED"): "the settlement is SETTLED",
    ("PENDING_SETTLEMENT", "Abort", "ABORTED"): "the settlement is ABORTED",
}
"""The source has these as rules in words."""
TO_WINDOW = {
    "OPEN": ["Assign"],
    "PROCESSING": ["Assign", "Close"],
    "CLOSED": ["Assign", "Close", "Aggregated"],
    "PENDING_SETTLEMENT": ["Assign", "Close", "Aggregated", "Include"],
    "ABORTED": ["Assign", "Close", "Aggregated", "Include", "Abort"],
}


def windows(engine_name: str, events: Iterable[str] = ()) -> tuple[Engine, int]:
    """An engine with window 1, which has taken some events."""
    engine = Engine(Window, engine=engine_name)
    instance = engine.start(1)
    for event in events:
        assert engine.send(1, event).accepted, event
    return engine, instance


def exhausted(engine: Engine) -> Iterator[int]:
    """Fail to aggregate as often as there are retries; yields what is left of them."""
    for retry in range(RETRIES):
        assert engine.send(1, "AggregationFailed").accepted
        assert 0 == engine.advance(3 * SECOND * (retry + 1) - 1)
        assert 1 == engine.advance(3 * SECOND * (retry + 1))
        yield RETRIES - retry - 1


def test_a_window_has_the_states_of_the_source_and_the_transitions_of_its_rules(data: Any) -> None:
    """What is inside PROCESSING is the flow's own."""
    tops = {state.name: state.parent or state.name for state in chart_of(Window).states}
    assert {top.upper() for top in tops.values()} == set(data["settlement_window"]["states"])
    moves = {
        (tops[transition.source].upper(), transition.event, tops[target].upper())
        for transition in chart_of(Window).transitions
        for target in transition.targets
    }
    assert set(WINDOW) == {move for move in moves if move[0] != move[2]}
    assert {("PROCESSING", "AggregationFailed"), ("PROCESSING", "")} == {
        move[:2] for move in moves if move[0] == move[2]
    }


def test_each_transition_of_a_window_is_taken(engine_name: str) -> None:
    """From each source state to each target."""
    for source, event, target in WINDOW:
        engine, instance = windows(engine_name, TO_WINDOW[source])
        if target == "FAILED":
            assert [2, 1, 0] == list(exhausted(engine))
        assert source.lower() == engine.state(instance)[0]
        assert engine.send(1, event).accepted
        assert target.lower() == engine.state(instance)[0]


def test_a_window_is_summed_up_again_until_no_retry_is_left(engine_name: str) -> None:
    """3 s after each failure, and not 1 ns before; after a failure of the last one a person must look."""
    engine, instance = windows(engine_name, TO_WINDOW["PROCESSING"])
    for left in exhausted(engine):
        assert ("processing", "aggregating") == engine.state(instance)
        assert {"transfers": 1, "retries": RETRIES - left} == engine.fields(instance)
    assert {"accepted": RETRIES} == engine.untold
    assert ("failed",) == engine.send(1, "AggregationFailed").states
    assert {"unhandled"} == {engine.send(1, event.name).outcome.label for event in chart_of(Window).events}


def test_a_retry_may_succeed(engine_name: str) -> None:
    """Then the timer of the wait is gone with it."""
    engine, instance = windows(engine_name, [*TO_WINDOW["PROCESSING"], "AggregationFailed"])
    assert ("processing", "waiting") == engine.state(instance)
    assert "unhandled" == engine.send(1, "Aggregated").outcome.label
    assert 1 == engine.advance(3 * SECOND)
    assert (("closed",), 0) == (engine.send(1, "Aggregated").states, engine.advance(10 * SECOND))


def test_exactly_one_window_is_open(engine_name: str) -> None:
    """Whatever closes, and however often; an empty one stays open, and one that is not open does not close."""
    seed = 7
    print(f"seed {seed}")
    choose = random.Random(seed)
    engine, _ = windows(engine_name)
    for _ in range(200):
        number = len(engine) + choose.choice([-1, 0, 0, 1])
        if choose.random() < 0.5:
            engine.send(number, "Assign")
        else:
            close(engine, number)
        (current,) = engine.select(state="open")
        assert len(engine) == engine.key(current)
    assert len(engine) > 20
    assert all(engine.fields(instance)["transfers"] for instance in engine.select(state="processing"))


def test_a_pending_window_may_be_part_of_another_settlement(engine_name: str) -> None:
    """It is pending already, and stays so; an aborted one is settled in the end."""
    engine, _ = windows(engine_name, TO_WINDOW["PENDING_SETTLEMENT"])
    labels = [engine.send(1, event).outcome.label for event in ("Include", "Abort", "Include", "Settle", "Include")]
    assert ["ignored", "accepted", "accepted", "accepted", "ended"] == labels
