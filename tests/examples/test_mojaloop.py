"""The machines of Mojaloop do what its tables and pictures say, each transition and each timeout, and nothing else."""

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
from examples.mojaloop.transfer import Transfer
from examples.mojaloop.window import RETRIES, Window, close
from fsm import Engine, Step
from fsm.define import chart_of
from fsm.layout import Trigger

Move = tuple[str, str, str]
"""Source, event and target as the source of the data writes them: RESERVED, fulfil_valid, RECEIVED_FULFIL."""

EXPIRATION = 1_000
SECOND = 1_000_000_000
OTHERS: dict[Move, str] = {
    ("COMMITTED", "settle", "SETTLED"): "the states have SETTLED, and central-settlement leads there",
    ("RECEIVED_PREPARE", "related_expired", "EXPIRED_PREPARED"): "the timeout handler of FX: the other half expired",
    ("RESERVED", "related_expired", "RESERVED_TIMEOUT"): "the timeout handler of FX: the other half expired",
}
"""What the flow of a transfer has, and the JSON has not."""
MADE_EXCHANGE = "RECEIVED_FULFIL_DEPENDENT"
"""Its `timeout` is news of the payment: the handler forgets the time of its own, see `cleanup` in the picture."""
NEVER = {"FAILED": "Mojaloop has the state, and nothing that leads there"}


@pytest.fixture
def data(shared_data: Callable[[str], Path]) -> Any:
    """The tables as they are."""
    return json.loads((shared_data("mojaloop") / "mojaloop_state_machines.json").read_text())


@pytest.fixture
def picture(shared_data: Callable[[str], Path]) -> Callable[[str], str]:
    """A plantuml file by name."""
    return lambda name: (shared_data("mojaloop") / f"{name}.plantuml").read_text()


@pytest.mark.parametrize("flow", [Transfer, Window, Settlement, Account])
def test_check_finds_nothing_that_is_not_waived(flow: type[fsm.Flow]) -> None:
    """Errors and warnings."""
    assert [] == [str(finding) for finding in fsm.check(flow) if finding.waived is None]


# --- transfers -------------------------------------------------------------------------------------------------------


def tops_of(flow: type[fsm.Flow]) -> dict[str, str]:
    """Each state with nothing inside it, and the outermost state that it stands in: itself where it is at the top."""
    states = chart_of(flow).states
    tops: dict[str, str] = {}
    for state in states:
        tops[state.name] = state.name if state.parent is None else tops[state.parent]
    return {name: top for name, top in tops.items() if name not in {state.parent for state in states}}


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
    """Whether a transfer, or an exchange, can come to that move."""
    return move[1] != ("fulfil_valid" if fx else "fx_fulfil") and (fx or move[0] != MADE_EXCHANGE)


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
        self.engine, self.fx = Engine(Transfer, capacity=1, engine=engine_name), fx
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


def test_a_transfer_has_the_transitions_of_the_source_and_those_listed(data: Any) -> None:
    """One that only the JSON has, or only the flow, is seen here."""
    assert (19, 16) == (len(data["transfer"]["transitions"]), len(data["transfer"]["public_enum"]))
    assert not {tuple(move) for move in data["transfer"]["transitions"]} & set(OTHERS)
    assert all_moves(data) == moves_of_the_flow()


def test_each_transition_and_timeout_of_a_transfer_is_taken(data: Any, engine_name: str) -> None:
    """From the source state to the target, inside and as participants are told; the clock not 1 ns too early."""
    public, taken = data["transfer"]["public_enum"], set()
    for move, fx in product(sorted(all_moves(data)), (False, True)):
        if not suits(move, fx) or move[0] not in (reach := ways(all_moves(data), fx)):
            continue
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
    tops = {name.upper(): top for name, top in tops_of(Transfer).items() if name != "new"}
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
    nested = {(name.upper(), top) for name, top in tops_of(Transfer).items() if name != top}
    assert nested == {(name, top) for top, names in groups.items() for name in names}
    public = {"[*]": "[*]", **data["transfer"]["public_enum"]}
    pairs = {(source, target) for source, _, target in moves_of_the_flow() - set(OTHERS)}
    assert pairs == arrows(picture("transfer-internal-states"))
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
    found = {(what[:6], table): set(names.split(", ")) for what, table, names in lists.findall(text)}
    for table, fx in {"TT": False, "fxTT": True}.items():
        expired = set()
        for state, way in ways(all_moves(data), fx).items():
            run = Run(engine_name, way, fx)
            if run.engine.advance(10 * EXPIRATION):
                assert {"accepted"} == set(run.engine.untold)
                expired.add(state)
        assert found["Insert", table] == expired
        assert found["cleanu", table] and not found["cleanu", table] & expired


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


# --- accounts and settlements ----------------------------------------------------------------------------------------


def steps_of(data: Any) -> dict[str, tuple[str, set[str]]]:
    """For each state of an account the one before it, and the states of the settlement in which it may be taken."""
    (chain,) = re.findall(r"[A-Z_]+(?:->[A-Z_|()]+)+", data["settlement_account"]["rules"])
    *states, either, last = chain.split("->")
    assert "(COMMITTED|SETTLING)" == either
    steps = {after: (before, {before}) for before, after in pairwise(states)}
    return steps | {last: (states[-1], {states[-1], "SETTLING"})}


def account_in(state: str, engine: Engine, steps: dict[str, tuple[str, set[str]]]) -> str:
    """The key of a new account that has come to that state in request 1."""
    key = f"a-{len(engine)}"
    engine.start(key)
    if state == "ABORTED":
        assert engine.send(key, Account.Abort(reason="none")).accepted
    way = [state]
    while way[0] in steps:
        way.insert(0, steps[way[0]][0])
    for after in way[1:] if state != "ABORTED" else ():
        assert ask(engine, key, after, steps[after][0], request=1 + way.index(after)).accepted
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

WINDOW: dict[Move, str] = {
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
    tops = tops_of(Window) | {"processing": "processing"}
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
