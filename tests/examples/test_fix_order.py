"""The FIX order beside the order state matrices of FIX, and beside the order states of a trading platform.

    matrices ──row──▶ event ──▶ FixOrder ──▶ OrdStatus, OrderQty, CumQty, LeavesQty  ==  the row
    (source, trigger) ──▶ events ──▶ FixOrder ──▶ OrdStatus and active state         ==  the target

Whatever is compared was driven by events alone.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import fsm
from examples.fix_order import PRECEDENCE, STATUS_OF_STATE, FixOrder, Report, ord_status, report
from fsm import Engine, Event, Outcome, Tables

MATRICES = "fix/fix_order_state_matrices.json"
SCENARIOS = 22
ROWS = {"in": 46, "out": 158}
ALTERNATIVES = 25
PLATFORM = "nautilus/nautilus_order_fsm.json"
SharedData = Callable[[str], Path]
Row = dict[str, Any]


@cache
def tables() -> Tables:
    """The flow, compiled once."""
    return fsm.compile(FixOrder)


class Order:
    """One order in an engine of its own, and what its reports say."""

    def __init__(self, engine_name: str, *events: Event) -> None:
        self.engine = Engine(tables(), capacity=1, engine=engine_name)
        self.handle = self.engine.start("order")
        self.take(*events)

    def take(self, *events: Event) -> None:
        """Events, each of which must be accepted."""
        for event in events:
            assert Outcome.ACCEPTED == self.give(event), f"{event} in {self.states}"

    def give(self, event: Event) -> Outcome:
        """What becomes of one event."""
        return Outcome(self.engine.send("order", event).outcome)

    @property
    def states(self) -> tuple[str, ...]:
        return self.engine.state(self.handle)

    @property
    def fields(self) -> dict[str, Any]:
        return self.engine.fields(self.handle)

    @property
    def report(self) -> Report:
        return report(self.engine, self.handle)

    @property
    def waits_for(self) -> set[str]:
        """The requests and copies that nobody has answered yet."""
        asked = {name for name in self.states if name.endswith("_asked")}
        return asked | {name for name in ("statuses_owed", "rejects_owed") if self.fields[name]}


# --- the matrices ----------------------------------------------------------------------------------------------------


class Compared(NamedTuple):
    """What a row says or stands for, and what the order says."""

    outcome: Outcome
    report: Report
    named: str | None
    """The ClOrdID by which a report knows the order, beside that of a request."""
    waits_for: set[str] | None
    """What a message of the client waits for an answer to."""


class Orders:
    """The orders of one scenario; a ClOrdID finds the order that came with it, or that a request gave it to."""

    def __init__(self, engine_name: str, time_in_force: str) -> None:
        self.engine_name, self.time_in_force = engine_name, time_in_force
        self.by_id: dict[str, Order] = {}
        self.executed: dict[str, int] = {}
        """LastQty by ExecID."""

    def take(self, row: Row) -> tuple[Compared, Compared]:
        """What was to be expected of a row, and what was found."""
        order = self._order_of(row)
        before, name = order.report, order.fields["cl_ord_id"].decode()
        outcome = order.give(self._event_of(row))
        if row["dir"] == "out":
            expected = Compared(Outcome.ACCEPTED, told(row, before), row["orig_cl_ord_id"] or row["cl_ord_id"], None)
            return expected, Compared(outcome, order.report, name, None)
        waits_for = answer_to(row, before, name)
        expected = Compared(Outcome.ACCEPTED, after_a_request(row, before), None, waits_for)
        return expected, Compared(outcome, order.report, None, order.waits_for)

    def _order_of(self, row: Row) -> Order:
        order = self.by_id.get(row["cl_ord_id"]) or self.by_id.get(row["orig_cl_ord_id"]) or Order(self.engine_name)
        self.by_id[row["cl_ord_id"]] = order
        return order

    def _event_of(self, row: Row) -> Event:
        """The message as an event: nothing in it comes from OrdStatus, CumQty or LeavesQty."""
        kind: str = row.get("exec_type", row["msg"])
        if row.get("OrdRejReason") == "DuplicateOrder":
            kind = "DuplicateOrder"
        values = {
            "cl_ord_id": row["cl_ord_id"],
            "orig_cl_ord_id": row["orig_cl_ord_id"],
            "order_qty": row.get("order_qty") or 0,
            "last_qty": row.get("last_qty"),
            "ref_qty": self.executed.get(row.get("ExecRefID", "")),
            "time_in_force": self.time_in_force,
            "poss_resend": row.get("PossResend") == "Y",
        }
        if "ExecID" in row:
            self.executed[row["ExecID"]] = row["last_qty"]
        event = getattr(FixOrder, kind)
        taken: Event = event(**{name: values[name] for name in event.__annotations__})
        return taken


def told(row: Row, before: Report) -> Report:
    """What the columns of a row say; a column that it does not have, as CumQty of a CancelReject, is unchanged."""
    columns = {name: row.get(name) for name in Report._fields}
    return before._replace(**{name: value for name, value in columns.items() if value is not None})


def after_a_request(row: Row, before: Report) -> Report:
    """The matrices say nothing after a message of the client: it makes an order pending new, or changes no report."""
    if before.ord_status is not None:
        return before
    quantity = row["order_qty"] or 0
    return Report("PendingNew", quantity, 0, quantity)


def answer_to(row: Row, before: Report, name: str) -> set[str]:
    """What the order has to wait for once it has a message of the client."""
    if row["msg"] == "CancelRequest":
        return {"cancel_asked"}
    if row["msg"] == "ReplaceRequest":
        return {"replace_asked"} if row["orig_cl_ord_id"] == name else {"replace_asked", "chained_asked"}
    if before.ord_status is None:
        return set()
    return {"statuses_owed"} if row["PossResend"] == "Y" else {"rejects_owed"}


@pytest.mark.parametrize("number", range(SCENARIOS))
def test_every_step_of_a_scenario_tells_what_its_row_says(
    number: int, engine_name: str, shared_data: SharedData
) -> None:
    """Each row ends a run of its own: the rows before it that are no alternatives, then itself, alternative or not."""
    scenario = json.loads(shared_data(MATRICES).read_text())["scenarios"][number]
    time_in_force = "gtc" if "GTC" in scenario["title"] else "day"
    way: list[Row] = []
    for row in scenario["steps"]:
        orders = Orders(engine_name, time_in_force)
        for before in way:
            orders.take(before)
        expected, found = orders.take(row)
        assert expected == found, f"{scenario['id']}, time {row['time']}"
        if not row["alternative"]:
            way.append(row)


def test_no_scenario_and_no_step_is_left_out(shared_data: SharedData) -> None:
    """All rows are walked, and each that goes out says an OrdStatus."""
    scenarios = json.loads(shared_data(MATRICES).read_text())["scenarios"]
    rows = [row for scenario in scenarios for row in scenario["steps"]]
    assert (SCENARIOS, ROWS) == (len(scenarios), Counter(row["dir"] for row in rows))
    assert ALTERNATIVES == sum(row["alternative"] for row in rows)
    assert ROWS["out"] == sum("ord_status" in row for row in rows)


def test_the_precedence_is_that_of_the_specification(shared_data: SharedData) -> None:
    """Of every status that the matrices rank."""
    ranked = json.loads(shared_data(MATRICES).read_text())["ord_status_precedence"]
    assert ranked == {status: PRECEDENCE[status] for status in ranked}
    assert set(PRECEDENCE) == set(STATUS_OF_STATE.values())


# --- the platform ----------------------------------------------------------------------------------------------------

RESENT = FixOrder.NewOrder(cl_ord_id="X", order_qty=100, time_in_force="day", poss_resend=True)
SENT = FixOrder.NewOrder(cl_ord_id="X", order_qty=100, time_in_force="day", poss_resend=False)
NEW = FixOrder.New(cl_ord_id="X", order_qty=100)
REPLACING = (
    FixOrder.ReplaceRequest(cl_ord_id="R", orig_cl_ord_id="X", order_qty=200),
    FixOrder.PendingReplace(cl_ord_id="R"),
)
CANCELING = (FixOrder.CancelRequest(cl_ord_id="C", orig_cl_ord_id="X"), FixOrder.PendingCancel(cl_ord_id="C"))

GIVEN: dict[str, tuple[Event, ...]] = {
    "SUBMITTED": (SENT,),
    "ACCEPTED": (NEW,),
    "REJECTED": (FixOrder.Rejected(),),
    "CANCELED": (FixOrder.Canceled(cl_ord_id="X"),),
    "EXPIRED": (FixOrder.Expired(),),
    "TRIGGERED": (FixOrder.Triggered(cl_ord_id="X", order_qty=100),),
    "PENDING_UPDATE": REPLACING,
    "PENDING_CANCEL": CANCELING,
    "PARTIALLY_FILLED": (FixOrder.Trade(last_qty=40),),
    "FILLED": (FixOrder.Trade(last_qty=100),),
}
"""The messages for a trigger; a request and its acknowledgement are one trigger there and two messages here."""
REACHED: dict[str, tuple[Event, ...]] = {
    "INITIALIZED": (),
    "SUBMITTED": (SENT,),
    "ACCEPTED": (SENT, NEW),
    **{
        name: (SENT, NEW, *GIVEN[name])
        for name in ("TRIGGERED", "PARTIALLY_FILLED", "CANCELED", "PENDING_UPDATE", "PENDING_CANCEL")
    },
}
"""A way to each source."""
SPECIAL: dict[tuple[str, str], tuple[Event, ...]] = {
    ("PARTIALLY_FILLED", "FILLED"): (FixOrder.Trade(last_qty=60),),
    ("PENDING_UPDATE", "ACCEPTED"): (FixOrder.Replace(cl_ord_id="R"),),
    ("PENDING_CANCEL", "ACCEPTED"): (FixOrder.CancelReject(cl_ord_id="C"),),
    ("PENDING_UPDATE", "SUBMITTED"): (RESENT,),
    ("PENDING_UPDATE", "PENDING_UPDATE"): (
        FixOrder.ReplaceRequest(cl_ord_id="S", orig_cl_ord_id="R", order_qty=300),
        FixOrder.PendingReplace(cl_ord_id="S"),
    ),
    ("PENDING_CANCEL", "PENDING_CANCEL"): (FixOrder.PendingCancel(cl_ord_id="C"),),
}
"""Where the trigger stands for other messages in this source."""
ANSWER = {
    "PENDING_UPDATE": FixOrder.CancelReject(cl_ord_id="R"),
    "PENDING_CANCEL": FixOrder.CancelReject(cl_ord_id="C"),
}
STATE = {
    "SUBMITTED": "pending_new",
    "ACCEPTED": "open",
    "TRIGGERED": "triggered",
    "PENDING_UPDATE": "pending_replace",
    "PENDING_CANCEL": "pending_cancel",
    "PARTIALLY_FILLED": "part_filled",
} | {name: name.lower() for name in ("FILLED", "REJECTED", "CANCELED", "EXPIRED")}
UNKNOWN_TO_FIX = {"EMULATED", "RELEASED", "DENIED"}

SAME, ONCE_ANSWERED = "the same", "the same once the request is answered"
OTHER_STATUS, NO_MESSAGE = "the same state, another OrdStatus", "no FIX message"


def stands_in(order: Order, name: str) -> tuple[bool, bool]:
    """Whether the state that a name of the platform means is active, and whether it gives the OrdStatus."""
    state = STATE.get(name, "unseen")
    return state in order.states, ord_status([state]) == order.report.ord_status


def walked(transition: dict[str, str], engine_name: str) -> str:
    """How a transition of the platform goes here, executed."""
    source, trigger, target = transition["from"], transition["trigger"], transition["to"]
    if {source, trigger, target} & UNKNOWN_TO_FIX:
        return NO_MESSAGE
    order = Order(engine_name, *REACHED[source])
    assert (True, True) == stands_in(order, source)
    order.take(*SPECIAL.get((source, trigger), GIVEN[trigger]))
    active, shown = stands_in(order, target)
    assert active, f"{transition}: {order.states}"
    if shown or source not in ANSWER:
        return SAME if shown else OTHER_STATUS
    order.take(ANSWER[source])
    assert (True, True) == stands_in(order, target)
    return ONCE_ANSWERED


def test_the_transitions_of_the_platform_are_possible_but_for_those_that_are_explained(
    engine_name: str, shared_data: SharedData
) -> None:
    """Each of the 62 is executed; the comment in the example says why fifteen of them go another way."""
    transitions = json.loads(shared_data(PLATFORM).read_text())["transitions"]
    ways = {(each["from"], each["trigger"]): walked(each, engine_name) for each in transitions}
    assert {SAME: 47, ONCE_ANSWERED: 5, OTHER_STATUS: 1, NO_MESSAGE: 9} == Counter(ways.values())
    assert {
        ("PENDING_UPDATE", "PARTIALLY_FILLED"), ("PENDING_UPDATE", "FILLED"), ("PENDING_UPDATE", "TRIGGERED"),
        ("PENDING_CANCEL", "PARTIALLY_FILLED"), ("PENDING_CANCEL", "FILLED"),
    } == {transition for transition, way in ways.items() if way == ONCE_ANSWERED}  # fmt: skip
    assert [("CANCELED", "PARTIALLY_FILLED")] == [each for each, way in ways.items() if way == OTHER_STATUS]


# --- what neither of them shows --------------------------------------------------------------------------------------


def replace_request(cl_ord_id: str, orig_cl_ord_id: str, order_qty: int) -> Event:
    return FixOrder.ReplaceRequest(cl_ord_id=cl_ord_id, orig_cl_ord_id=orig_cl_ord_id, order_qty=order_qty)


def test_check_has_nothing_to_say() -> None:
    """No error, no warning, and nothing waived."""
    assert [] == fsm.check(FixOrder)


def test_a_replacement_below_what_is_executed_means_no_more(engine_name: str) -> None:
    """The order is filled with what it has."""
    order = Order(engine_name, SENT, NEW, FixOrder.Trade(last_qty=40), replace_request("R", "X", 30))
    order.take(FixOrder.Replace(cl_ord_id="R"))
    assert Report("Filled", 40, 40, 0) == order.report


def test_a_rejected_replacement_gives_back_the_quantity_that_was_agreed(engine_name: str) -> None:
    """Reports tell what a chained request would replace, but the one in front may still be rejected."""
    chained = (replace_request("S", "R", 300), FixOrder.PendingReplace(cl_ord_id="S"))
    order = Order(engine_name, SENT, NEW, *REPLACING, *chained)
    assert Report("PendingReplace", 200, 0, 200) == order.report
    order.take(FixOrder.CancelReject(cl_ord_id="R"))
    assert Report("PendingReplace", 100, 0, 100) == order.report
    assert {"pending_replace", "no_chained"} <= set(order.states)
    order.take(FixOrder.Replace(cl_ord_id="S"))
    assert Report("New", 300, 0, 300) == order.report


def test_a_chained_request_that_is_not_acknowledged_moves_up_as_it_is(engine_name: str) -> None:
    """Its order is no longer pending: nobody has said so of that request."""
    order = Order(engine_name, SENT, NEW, *REPLACING, replace_request("S", "R", 300), FixOrder.Replace(cl_ord_id="R"))
    assert (Report("New", 200, 0, 200), {"replace_asked"}) == (order.report, order.waits_for)


def test_pending_cancel_takes_precedence_over_pending_replace(engine_name: str) -> None:
    """Both requests are open, and each is answered for itself."""
    order = Order(engine_name, SENT, NEW, *REPLACING, *CANCELING)
    statuses = [order.report.ord_status]
    for request in "CR":
        order.take(FixOrder.CancelReject(cl_ord_id=request))
        statuses.append(order.report.ord_status)
    assert ["PendingCancel", "PendingReplace", "New"] == statuses


@pytest.mark.parametrize(
    "event",
    [
        FixOrder.CancelRequest(cl_ord_id="C", orig_cl_ord_id="W"),
        FixOrder.CancelRequest(cl_ord_id="C", orig_cl_ord_id=""),
        replace_request("S", "X", 200),
        replace_request("S", "R", 0),
        FixOrder.Replace(cl_ord_id="X"),
        FixOrder.PendingReplace(cl_ord_id="C"),
        FixOrder.CancelReject(cl_ord_id=""),
        FixOrder.Canceled(cl_ord_id="C"),
        FixOrder.Trade(last_qty=61),
        FixOrder.Trade(last_qty=0),
        FixOrder.TradeCancel(ref_qty=41),
        FixOrder.TradeCorrect(ref_qty=40, last_qty=101),
        FixOrder.Restated(order_qty=39),
        FixOrder.Rejected(),
        FixOrder.OrderStatus(),
        FixOrder.DuplicateOrder(),
    ],
    ids=str,
)
def test_what_does_not_fit_the_order_is_refused(event: Event, engine_name: str) -> None:
    """Forty of a hundred are executed, and a replace request is open: requests and reports must say no other."""
    order = Order(engine_name, SENT, NEW, FixOrder.Trade(last_qty=40), *REPLACING)
    before = order.states, order.fields
    assert Outcome.GUARD == order.give(event)
    assert before == (order.states, order.fields)


@pytest.mark.parametrize(
    ("events", "statuses"),
    [
        (
            [FixOrder.Stopped(), FixOrder.Trade(last_qty=1), FixOrder.Trade(last_qty=99)],
            ["Stopped", "Stopped", "Filled"],
        ),
        ([FixOrder.Suspended(), FixOrder.Trade(last_qty=1)], ["Suspended", "Suspended"]),
        ([FixOrder.Trade(last_qty=1), FixOrder.Expired()], ["PartiallyFilled", "Expired"]),
    ],
)
def test_what_the_book_does_with_an_order_has_its_place_in_the_precedence(
    events: list[Event], statuses: list[str], engine_name: str
) -> None:
    """Stopped and Suspended hide executions that leave something open."""
    order, found = Order(engine_name, SENT, NEW), []
    for event in events:
        order.take(event)
        found.append(order.report.ord_status)
    assert statuses == found


def test_an_order_wakes_up_as_it_went_to_sleep(engine_name: str) -> None:
    """A triggered order is still triggered on the next day, with what is left of it."""
    sent = FixOrder.NewOrder(cl_ord_id="X", order_qty=100, time_in_force="gtc", poss_resend=False)
    order = Order(engine_name, sent, NEW, *GIVEN["TRIGGERED"], FixOrder.Trade(last_qty=40), FixOrder.DoneForDay())
    assert Report("DoneForDay", 100, 40, 60) == order.report
    order.take(FixOrder.Restated(order_qty=100))
    assert Report("PartiallyFilled", 100, 40, 60) == order.report
    assert "triggered" in order.states


def test_a_cancel_that_the_market_overtook_shows_what_was_executed(engine_name: str) -> None:
    """Filled takes precedence over Canceled, until the execution is busted."""
    order = Order(engine_name, SENT, NEW, *REPLACING, *CANCELING, FixOrder.Canceled(cl_ord_id="C"))
    assert Outcome.IGNORED == order.give(FixOrder.CancelReject(cl_ord_id="R"))
    order.take(FixOrder.Trade(last_qty=100))
    assert Report("Filled", 100, 100, 0) == order.report
    order.take(FixOrder.TradeCancel(ref_qty=100))
    assert Report("Canceled", 100, 0, 0) == order.report


def test_whatever_comes_the_numbers_and_the_states_agree(engine_name: str) -> None:
    """Random messages, of which many fit: nothing is executed twice, lost or left open by mistake."""
    chance = random.Random(20_241_124)
    outcomes: Counter[Outcome] = Counter()
    seen: set[str] = set()
    for _ in range(150):
        order = Order(engine_name, random_event(chance, FixOrder.NewOrder, order_qty=9))
        for _ in range(60):
            outcomes[order.give(random_event(chance))] += 1
            agree(order)
            seen.update(order.states)
    assert {Outcome.ACCEPTED, Outcome.GUARD, Outcome.UNHANDLED, Outcome.ENDED, Outcome.IGNORED} == set(outcomes)
    assert {state.name for state in tables().states} - {"unseen", "as_before"} == seen


MESSAGES = tuple(kind for kind in vars(FixOrder).values() if isinstance(kind, type) and issubclass(kind, Event))
WEIGHTS = [
    1 if kind in (FixOrder.Rejected, FixOrder.Expired, FixOrder.Canceled, FixOrder.DoneForDay) else 15
    for kind in MESSAGES
]


def random_event(chance: random.Random, kind: type[Event] | None = None, **given: object) -> Event:
    """Any message, with small numbers and few names; those that end an order are rare."""
    kind = kind or chance.choices(MESSAGES, WEIGHTS)[0]
    choices = {"time_in_force": ("day", "gtc"), "poss_resend": (False, True)}
    names, numbers = ("W", "X", "Y"), (0, 1, 2, 9)
    values = {
        name: chance.choice(choices.get(name, names if name.endswith("id") else numbers))
        for name in kind.__annotations__
    }
    return kind(**values | given)


def agree(order: Order) -> None:
    """What holds after every step."""
    states, fields, found = set(order.states), order.fields, order.report
    agreed, executed = fields["agreed_qty"], found.cum_qty
    amount = "unfilled" if executed == 0 else "part_filled" if executed < agreed else "filled"
    assert 0 <= executed <= agreed
    assert (found.order_qty - executed if "live" in states else 0) == found.leaves_qty
    assert ("known" in states) == (amount in states)
    assert (found.ord_status is None) == ("unseen" in states)
    assert "chained_pending" in states or agreed == found.order_qty
    for open, name in (("no_cancel", "cancel_id"), ("no_replace", "replace_id"), ("no_chained", "chained_id")):
        assert "live" not in states or (open in states) == (not fields[name])
    assert not {"no_replace", "chained_asked"} <= states and not {"no_replace", "chained_pending"} <= states
