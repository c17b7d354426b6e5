"""A transfer of Mojaloop does what its tables and pictures say, each transition and each timeout, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import fsm
from examples.mojaloop.transfer import Transfer
from fsm import Engine
from fsm.define import chart_of
from fsm.layout import Trigger
from fsm.tables import Tables

Move = tuple[str, str, str]
"""Source, event and target as the source of the data writes them: RESERVED, fulfil_valid, RECEIVED_FULFIL."""

EXPIRATION = 1_000
OTHERS: dict[Move, str] = {
    ("COMMITTED", "settle", "SETTLED"): "the states have SETTLED, and central-settlement leads there",
    ("RECEIVED_PREPARE", "related_expired", "EXPIRED_PREPARED"): "the timeout handler of FX: the other half expired",
    ("RESERVED", "related_expired", "RESERVED_TIMEOUT"): "the timeout handler of FX: the other half expired",
}
"""What the flow of a transfer has, and the JSON has not."""
MADE_EXCHANGE = "RECEIVED_FULFIL_DEPENDENT"
"""Its `timeout` is news of the payment: the handler forgets the time of its own, see `cleanup` in the picture."""
FOR_ONE = {"fulfil_valid": False, "RECEIVED_FULFIL": False, "fx_fulfil": True, MADE_EXCHANGE: True}
"""Events and states of payments alone, and of exchanges alone (`fx`)."""
NEVER = {"FAILED": "Mojaloop has the state, and nothing that leads there"}


@pytest.fixture
def data(shared_data: Callable[[str], Path]) -> Any:
    """The tables as they are."""
    return json.loads((shared_data("mojaloop") / "mojaloop_state_machines.json").read_text())


@pytest.fixture
def picture(shared_data: Callable[[str], Path]) -> Callable[[str], str]:
    """A plantuml file by name."""
    return lambda name: (shared_data("mojaloop") / f"{name}.plantuml").read_text()


@cache
def tables() -> Tables:
    """Compiled once for many engines."""
    return fsm.compile(Transfer)


def tops_of_leaves() -> dict[str, str]:
    """Each state with nothing inside it, and the outermost state that it stands in: itself where it is at the top."""
    states = chart_of(Transfer).states
    return {
        state.name: state.parent or state.name
        for state in states
        if state.name not in {inside.parent for inside in states}
    }


def moves_of_the_flow() -> set[Move]:
    """Its transitions, spelled as the JSON spells them."""
    moves = []
    for transition in chart_of(Transfer).transitions:
        source = "[*]" if transition.source == "new" else transition.source.upper()
        event = re.sub("(?<!^)(?=[A-Z])", "_", transition.event).lower()
        if transition.trigger is Trigger.AT or (source == MADE_EXCHANGE and event == "related_expired"):
            event = "timeout"
        moves += [(source, event, target.upper()) for target in transition.targets]
    assert len(set(moves)) == len(moves) == len(chart_of(Transfer).transitions)
    return set(moves)


def event_of(move: Move) -> str | None:
    """What takes a move: an event of the flow, or None where the clock does."""
    source, event, _ = move
    if event == "timeout":
        return "RelatedExpired" if source == MADE_EXCHANGE else None
    return event.title().replace("_", "")


def suits(move: Move, fx: bool) -> bool:
    """Whether an exchange, or a payment, takes that move: neither takes what only the other has."""
    return all(FOR_ONE.get(word, fx) == fx for word in move)


def ways(moves: Iterable[Move], fx: bool) -> dict[str, list[Move]]:
    """The shortest sequence of moves to each state."""
    found: dict[str, list[Move]] = {"[*]": []}
    for state in (ahead := ["[*]"]):
        for move in sorted(moves):
            if move[0] == state and move[2] not in found and suits(move, fx):
                found[move[2]] = [*found[state], move]
                ahead.append(move[2])
    return found


class Run:
    """One transfer on an engine of its own, after some moves."""

    def __init__(self, engine_name: str, moves: Iterable[Move], fx: bool) -> None:
        self.engine, self.fx = Engine(tables(), capacity=1, engine=engine_name), fx
        self.instance = self.engine.start("t-1")
        for move in moves:
            assert self.take(event_of(move)), move

    def take(self, event: str | None) -> bool:
        """Whether one event, or one timer at the moment of expiration, is accepted."""
        if event is None:
            assert 0 == self.engine.advance(EXPIRATION - 1)
            return self.engine.advance(EXPIRATION) == 1 and {"accepted": 1} == self.engine.untold
        prepared = {"amount": "12.5", "expiration": EXPIRATION, "fx": self.fx}
        return self.engine.send("t-1", event, prepared if event == "PrepareValid" else {}).accepted

    @property
    def internal(self) -> str:
        """The state that the switch knows."""
        name = self.engine.state(self.instance)[-1]
        return "[*]" if name == "new" else name.upper()

    @property
    def external(self) -> str:
        """The state that participants are told."""
        return self.engine.state(self.instance)[0]


def all_moves(data: Any) -> set[Move]:
    """Those of the JSON, and the others."""
    return {tuple(move) for move in data["transfer"]["transitions"]} | set(OTHERS)


def test_check_finds_nothing_that_is_not_waived() -> None:
    """Errors and warnings."""
    assert [] == [str(finding) for finding in fsm.check(Transfer) if finding.waived is None]


def test_a_transfer_has_the_transitions_of_the_source_and_those_listed(data: Any) -> None:
    """One that only the JSON has, or only the flow, is seen here."""
    assert (19, 16) == (len(data["transfer"]["transitions"]), len(data["transfer"]["public_enum"]))
    assert not {tuple(move) for move in data["transfer"]["transitions"]} & set(OTHERS)
    assert all_moves(data) == moves_of_the_flow()


def test_each_transition_and_timeout_of_a_transfer_is_taken(data: Any, engine_name: str) -> None:
    """From the source state to the target, inside and as participants are told; the clock not 1 ns too early."""
    public, taken = data["transfer"]["public_enum"], set()
    for fx in (False, True):
        reach = ways(all_moves(data), fx)
        for move in (move for move in all_moves(data) if suits(move, fx)):
            run = Run(engine_name, reach[move[0]], fx)
            assert move[0] == run.internal
            assert run.take(event_of(move)), move
            assert (move[2], public[move[2]]) == (run.internal, run.external)
            taken.add(move)
    assert all_moves(data) == taken


def test_whatever_is_no_transition_of_a_transfer_is_refused(data: Any, engine_name: str) -> None:
    """Every event in every state, of payments and of exchanges; and nothing changes."""
    refused = 0
    for fx in (False, True):
        taken = {(move[0], event_of(move)) for move in all_moves(data) if suits(move, fx)}
        for state, way in ways(all_moves(data), fx).items():
            run = Run(engine_name, way, fx)
            before = run.engine.fields(run.instance)
            for event in (event.name for event in chart_of(Transfer).events):
                if (state, event) not in taken:
                    assert not run.take(event), (state, event)
                    assert (state, before) == (run.internal, run.engine.fields(run.instance))
                    refused += 1
    assert refused > 300


def test_each_internal_state_rolls_up_to_its_external_one(data: Any) -> None:
    """By where it stands in the flow, whether anything leads there or not."""
    tops = {name.upper(): top for name, top in tops_of_leaves().items() if name != "new"}
    assert data["transfer"]["public_enum"] == tops
    assert set(tops) - set(ways(all_moves(data), False)) - set(ways(all_moves(data), True)) == set(NEVER)


def test_the_pictures_of_a_transfer_show_the_same(data: Any, picture: Callable[[str], str]) -> None:
    """Which states stand in which, and the arrows between them, inside and as participants see them."""
    groups: dict[str, set[str]] = {}
    for indent, name in re.findall(r"^( *)state (\w+) \{", picture("transfer-internal-states"), re.MULTILINE):
        if not indent:
            groups[name.rstrip("_")] = inside = set[str]()
        else:
            inside.add(name)
    nested = {(name.upper(), top) for name, top in tops_of_leaves().items() if name != top}
    assert nested == {(name, top) for top, names in groups.items() for name in names}
    public = {"[*]": "[*]", **data["transfer"]["public_enum"]}
    pairs = {(source, target) for source, _, target in moves_of_the_flow() - set(OTHERS)}
    assert pairs == arrows(picture("transfer-internal-states"))
    only = re.findall(r"^(\w+) : only (\S+)", picture("transfer-internal-states"), re.MULTILINE)
    assert {name: kind == "FX-transfer" for name, kind in only} == {
        name: fx for name, fx in FOR_ONE.items() if name.isupper()
    }
    # Whoever asks is told RECEIVED before he is told that his request is not valid: the outer picture shows him that.
    outer = {(public[source], public[target]) for source, target in pairs} - {("[*]", "ABORTED")}
    assert {(source, target) for source, target in outer if source != target} == arrows(picture("transfer-states"))


def arrows(text: str) -> set[tuple[str, str]]:
    """Sources and targets, without those that only show an end."""
    found = re.findall(r"^(\S+) --> (\S+)", text, re.MULTILINE)
    return {(source, target) for source, target in found if target != "[*]"}


def test_a_timer_runs_for_the_states_that_the_handler_looks_at(
    data: Any, picture: Callable[[str], str], engine_name: str
) -> None:
    """And for no other: not for those that it forgets on cleaning up, nor for what another scheme has taken."""
    lists = re.compile(r"(cleanup|Insert <i>\(\w+, expirationDate\)</i> into) *<b>(\w+)</b>.*?\[([A-Z_, ]+)\]")
    text = picture("Handler_-_FX_timeout")
    found = {(what.split()[0], table): set(names.split(", ")) for what, table, names in lists.findall(text)}
    for table, fx in {"TT": False, "fxTT": True}.items():
        expired = set()
        for state, way in ways(all_moves(data), fx).items():
            run = Run(engine_name, way, fx)
            if run.engine.advance(10 * EXPIRATION):
                assert {"accepted"} == set(run.engine.untold)
                expired.add(state)
        assert found["Insert", table] == expired
        assert found["cleanup", table] and not found["cleanup", table] & expired


def test_what_expired_says_whose_time_was_up(data: Any, engine_name: str) -> None:
    """Its own, or that of the other half of an exchange of currencies."""
    causes = []
    for event in (None, "RelatedExpired"):
        for state in ("RECEIVED_PREPARE", "RESERVED"):
            run = Run(engine_name, ways(all_moves(data), True)[state], True)
            assert ("none", True) == (run.engine.fields(run.instance)["cause"], run.take(event))
            causes.append((run.internal, run.engine.fields(run.instance)["cause"]))
    assert [
        ("EXPIRED_PREPARED", "expired"),
        ("RESERVED_TIMEOUT", "expired"),
        ("EXPIRED_PREPARED", "related expired"),
        ("RESERVED_TIMEOUT", "related expired"),
    ] == causes


def test_money_is_held_exactly_while_a_transfer_is_reserved(data: Any, engine_name: str) -> None:
    """Whatever the state inside is."""
    for fx in (False, True):
        for state, way in ways(all_moves(data), fx).items():
            run = Run(engine_name, way, fx)
            held = run.engine.fields(run.instance)["held"]
            assert held == (run.engine.fields(run.instance)["amount"] if run.external == "RESERVED" else 0), state


def test_an_answer_at_the_moment_of_expiration_is_too_late(engine_name: str) -> None:
    """The clock moves before each event of a batch; 1 ns earlier the answer is in time."""
    expected = {EXPIRATION - 1: ("COMMITTED",), EXPIRATION: ("ABORTED", "expired_reserved")}
    for time, states in expected.items():
        engine = Engine(Transfer, engine=engine_name)
        instance = engine.start("t-1")
        events = [Transfer.PrepareValid, Transfer.LiquidityOk, Transfer.FulfilValid, Transfer.Commit, Transfer.Abort]
        arguments = [[125_000, EXPIRATION], [0, 0], [0, 0], [0, 0], [0, 0]]
        ids = [event.id for event in events]
        outcomes = engine.step_many([instance] * 5, ids, arguments, times=[1, 2, time, time, time])
        late = time == EXPIRATION
        assert [False, False, late, late, not late] == [bool(outcome) for outcome in outcomes]
        assert states == engine.state(instance)
