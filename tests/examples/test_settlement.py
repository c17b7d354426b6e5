"""A settlement instruction: its whole life, on an engine and beside it on the interpreter of charts.

    Desk ──give, wait──▶ engine ───────┐
                    └──▶ interpreter ──┴── outcome, states, fields, timers: equal after every input

Time begins when the instruction comes: it is to be settled on day 1, the cut-off of that day is at hour 40, and the
house gives up after day 9.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from settlement_flat import FlatSettlement

from fsm import Engine, Outcome
from fsm.define.flow import chart_of
from fsm.layout import StateKind
from fsm.tables import Tables
from fsm.tools.load import load_flow
from fsm.values import from_words
from tests.compile.interpreter import World
from tests.conftest import ROOT

HOUR = 3_600_000_000_000
MINUTE = HOUR // 60
DAY_1, PARTIAL_FROM, CUT_OFF, LATEST = 24 * HOUR, 38 * HOUR, 40 * HOUR, 240 * HOUR
NEXT_CUT_OFF = 64 * HOUR

Settlement: Any = load_flow(str(ROOT / "examples/settlement.py"))
CHART = chart_of(Settlement)
INNERMOST = (StateKind.ATOMIC, StateKind.FINAL, StateKind.POISON)
HISTORIES = (StateKind.HISTORY_SHALLOW, StateKind.HISTORY_DEEP)


class Desk:
    """One instruction; without the name of an engine, on the interpreter alone."""

    def __init__(self, engine_name: str | None) -> None:
        self.engine = Engine(Settlement, capacity=1, engine=engine_name) if engine_name else None
        self.instance = self.engine.start("one") if self.engine else 0
        self.world = World()
        self.world.start(CHART)
        self.beside = self.world.interpreters[0]
        self.entered: set[str] = set()
        self._compare()

    def give(self, event: str, **arguments: Any) -> str:
        """The outcome of one event."""
        given = getattr(Settlement, event)(**arguments)
        outcome = self.world.step(0, event, (*given.words, 0, 0, 0, 0, 0, 0)[:6])
        if self.engine:
            assert (outcome, event) == (Outcome(self.engine.step(self.instance, given.id, *given.words)), event)
        self._compare()
        return outcome.label

    def all(self, *events: str, **arguments: Any) -> None:
        """Several events without arguments, or one with them: each is accepted."""
        for event in events:
            assert (event, "accepted") == (event, self.give(event, **arguments))

    def wait(self, until: int) -> int:
        """How many timers fired."""
        fired = self.world.advance(until)
        if self.engine:
            assert fired == self.engine.advance(until)
        self._compare()
        return fired

    def _compare(self) -> None:
        self.entered |= {line.removeprefix("enter ") for line in self.beside.trace if line.startswith("enter ")}
        if self.engine is None:
            return
        tables: Tables = self.engine.tables
        assert self.beside.active == self.engine.state(self.instance)
        assert self.fields == self.engine.fields(self.instance)
        assert self.beside.version == self.engine.version(self.instance)
        row = memoryview(self.engine.memory.rows).cast("q")
        slots = row[tables.field_end : tables.field_end + tables.timer_slots].tolist()
        assert self.beside.timers == {slot: deadline for slot, deadline in enumerate(slots) if deadline}
        assert len(self.beside.deferred) == row[tables.deferral_word]
        assert self.world.untold == self.engine.untold

    @property
    def states(self) -> str:
        """The innermost active states: one, or that of each leg."""
        kinds = {state.name: state.kind for state in CHART.states}
        return " ".join(name for name in self.beside.active if kinds[name] in INNERMOST)

    @property
    def fields(self) -> dict[str, Any]:
        """Values by name."""
        words = self.beside.words
        return {
            each.name: from_words(each.type.kind, each.type.places, each.type.options, words[each.name])
            for each in CHART.fields
        }

    def shows(self, **expected: Any) -> None:
        """These fields hold these values; amounts are given as ints or text."""
        found = {name: self.fields[name] for name in expected}
        assert {name: Decimal(value) if isinstance(value, str) else value for name, value in expected.items()} == found

    # --- how far it has come ---

    def instructed(self, quantity: str = "100", amount: str = "5000", partial: bool = True) -> Desk:
        """Received and valid."""
        self.all(
            "Instruct", quantity=quantity, amount=amount, partial=partial,
            settlement_date=DAY_1, cut_off=CUT_OFF, latest=LATEST,
        )  # fmt: skip
        return self

    def matched(self, **terms: Any) -> Desk:
        """Both sides agree; the day has not come."""
        self.instructed(**terms).all("Enrich", "Match")
        return self

    def settling(self, **terms: Any) -> Desk:
        """Both legs at their start."""
        self.matched(**terms).wait(DAY_1)
        return self

    def paying(self, **terms: Any) -> Desk:
        """All is found and covered, and the cash is ordered to move."""
        self.settling(**terms)
        self.all("Reserve", quantity=self.fields["lot"])
        self.all("Fund", amount=self.fields["due"])
        assert "earmarked paying" == self.states
        return self

    def delivering(self, **terms: Any) -> Desk:
        """The cash has moved, and the securities are to follow."""
        self.paying(**terms).pay()
        assert "delivering paid" == self.states
        return self

    def pay(self) -> None:
        """The bank says that it paid."""
        self.all("Paid", order=self.fields["order"], amount=self.fields["due"])

    def deliver(self) -> None:
        """The register says that it delivered."""
        self.all("Delivered", order=self.fields["order"], quantity=self.fields["lot"])


@pytest.fixture
def desk(engine_name: str) -> Desk:
    """An instruction that was just received."""
    return Desk(engine_name)


# --- from receipt to a match -----------------------------------------------------------------------------------------


def test_an_instruction_settles(desk: Desk) -> None:
    """From receipt to the end, with everything found and covered at once."""
    assert "received" == desk.states
    desk.instructed()
    assert "validated" == desk.states
    desk.all("Enrich")
    assert "unmatched" == desk.states
    desk.all("Match")
    assert "awaiting_date" == desk.states
    assert 1 == desk.wait(DAY_1)
    assert "locating funding" == desk.states
    desk.all("Reserve", quantity=100)
    assert "earmarked funding" == desk.states
    desk.all("Fund", amount=5000)
    assert "earmarked paying" == desk.states
    desk.shows(blocked="5000", exposed="0", order=1)
    desk.all("Paid", order=1, amount=5000)
    assert "delivering paid" == desk.states
    desk.shows(blocked="0", exposed="5000", settled_amount="0")
    desk.all("Delivered", order=1, quantity=100)
    assert "settled" == desk.states
    desk.shows(settled_quantity="100", remaining_quantity="0", settled_amount="5000", exposed="0")
    desk.shows(securities_late=0, cash_late=0, recycles=0)
    assert "ended" == desk.give("Fund", amount=1)


def test_an_instruction_that_makes_no_sense_is_repaired_or_rejected(desk: Desk) -> None:
    """A second one that makes none either is refused; without a repair it is rejected after a day."""
    terms = {"quantity": 100, "amount": 5000, "partial": False, "settlement_date": DAY_1, "latest": LATEST}
    desk.all("Instruct", **terms, cut_off=DAY_1)
    assert "repairing" == desk.states
    desk.shows(quantity="0")
    assert "guard" == desk.give("Instruct", **terms, cut_off=LATEST + 1)
    desk.instructed()
    desk.all("Reject")
    assert "rejected" == desk.states


def test_nobody_repairs_it(desk: Desk) -> None:
    """It is rejected a day later, and not before."""
    desk.all("Instruct", quantity=0, amount=0, partial=False, settlement_date=0, cut_off=0, latest=0)
    desk.wait(24 * HOUR - 1)
    assert "repairing" == desk.states
    desk.wait(24 * HOUR)
    assert "rejected" == desk.states


def test_a_silent_other_side_is_chased_every_day_until_the_house_gives_up(desk: Desk) -> None:
    """First after four hours."""
    desk.instructed().all("Enrich")
    desk.wait(4 * HOUR)
    assert "chased" == desk.states
    for day in range(1, 10):
        desk.wait((4 + 24 * day) * HOUR)
        desk.shows(chases=day + 1)
    desk.wait(LATEST)
    assert "cancelled" == desk.states


def test_a_mismatch_is_amended(desk: Desk) -> None:
    """To another amount than before; then the other side has time to answer again."""
    desk.instructed().all("Enrich", "Mismatch")
    assert "mismatched" == desk.states
    assert ["guard", "guard"] == [desk.give("Amend", amount=amount) for amount in ("5000", "0")]
    desk.all("Amend", amount="5000.01")
    assert "unmatched" == desk.states
    desk.shows(amount="5000.01", remaining_amount="5000.01")
    desk.wait(4 * HOUR)
    desk.all("Match")
    assert "awaiting_date" == desk.states


def test_the_other_side_may_amend_a_mismatch_as_well(desk: Desk) -> None:
    """Then it matches as it stands."""
    desk.instructed().all("Enrich", "Mismatch", "Match")
    assert "awaiting_date" == desk.states


@pytest.mark.parametrize("events", [(), ("Instruct",), ("Instruct", "Enrich"), ("Instruct", "Enrich", "Mismatch")])
def test_before_the_match_one_side_cancels_alone(engine_name: str, events: tuple[str, ...]) -> None:
    """Ours; the other one has nothing to cancel yet."""
    desk = Desk(engine_name)
    for event in events:
        desk.instructed() if event == "Instruct" else desk.all(event)
    assert "guard" == desk.give("Cancel", by="them")
    desk.all("Cancel", by="us")
    assert "cancelled" == desk.states


# --- waiting, and holding back ---------------------------------------------------------------------------------------


def test_a_held_instruction_waits_for_whoever_holds_it(desk: Desk) -> None:
    """Both may hold, and it takes each of them to release; the day may come and go meanwhile."""
    desk.matched()
    for event, by, states in [
        ("Hold", "us", "held_by_us"),
        ("Hold", "them", "held_by_both"),
        ("Release", "us", "held_by_them"),
        ("Hold", "us", "held_by_both"),
        ("Release", "them", "held_by_us"),
        ("Release", "us", "awaiting_date"),
        ("Hold", "them", "held_by_them"),
    ]:
        desk.all(event, by=by)
        assert states == desk.states
    assert ["guard", "guard"] == [desk.give("Release", by="us"), desk.give("Hold", by="them")]
    assert 0 == desk.wait(DAY_1 + HOUR)
    desk.all("Release", by="them")
    assert "awaiting_date" == desk.states
    assert 1 == desk.wait(DAY_1 + HOUR)
    assert "locating funding" == desk.states


def test_holding_back_lets_go_of_what_was_set_aside(desk: Desk) -> None:
    """The legs begin anew after the release."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Fund", amount=2000)
    desk.all("Hold", by="them")
    assert "held_by_them" == desk.states
    desk.shows(reserved="0", blocked="0")
    desk.all("Release", by="them")
    desk.wait(DAY_1 + 1)
    assert "locating funding" == desk.states


def test_the_house_gives_up_on_what_is_held_too_long(desk: Desk) -> None:
    """At the latest moment, to the nanosecond."""
    desk.matched().all("Hold", by="us")
    desk.wait(LATEST - 1)
    assert "held_by_us" == desk.states
    desk.wait(LATEST)
    assert "cancelled" == desk.states


# --- the legs --------------------------------------------------------------------------------------------------------


def test_the_register_and_the_bank_have_a_quarter_of_an_hour(desk: Desk) -> None:
    """Then their silence means that there is nothing yet."""
    desk.settling()
    assert 2 == desk.wait(DAY_1 + 15 * MINUTE)
    assert "short underfunded" == desk.states


def test_securities_are_found_in_parts_and_never_too_many(desk: Desk) -> None:
    """Up to the lot."""
    desk.settling().all("Reserve", quantity="60.50")
    assert "short funding" == desk.states
    assert ["guard", "guard"] == [desk.give("Reserve", quantity=quantity) for quantity in ("39.51", "0")]
    desk.all("Reserve", quantity="39.50")
    assert "earmarked funding" == desk.states
    desk.shows(reserved="100")


def test_cash_is_blocked_in_parts_and_recalled(desk: Desk) -> None:
    """Until it is ordered to move."""
    desk.settling().all("Fund", amount=4999)
    assert "locating underfunded" == desk.states
    assert ["guard", "guard"] == [desk.give("Fund", amount=amount) for amount in ("1.01", "-1")]
    desk.all("Fund", amount=1)
    assert "locating covered" == desk.states
    assert "guard" == desk.give("Fund", amount=0)
    assert "guard" == desk.give("Recall", amount="5000.01")
    desk.all("Recall", amount=5000)
    assert "locating underfunded" == desk.states
    desk.shows(blocked="0")
    desk.all("Fund", amount=5000)
    desk.all("Reserve", quantity=100)
    assert "earmarked paying" == desk.states
    assert "unhandled" == desk.give("Recall", amount=1)


def test_a_number_that_is_too_large_is_refused_and_no_fault(desk: Desk) -> None:
    """The guards compare with what is missing, so nothing is added that could overflow."""
    desk.settling().all("Fund", amount=1)
    most = Decimal(2**63 - 1).scaleb(-2)
    assert ["guard"] * 4 == [
        desk.give("Fund", amount=most), desk.give("Recall", amount=most),
        desk.give("Reserve", quantity=most), desk.give("Fund", amount=-most),
    ]  # fmt: skip


# --- partial settlement ----------------------------------------------------------------------------------------------


def test_at_the_end_of_the_day_a_part_settles_and_the_rest_goes_on(desk: Desk) -> None:
    """Cash that was blocked for all of it covers the part at once, and what is too much is let go."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Fund", amount=4000)
    desk.wait(PARTIAL_FROM)
    assert "earmarked paying" == desk.states
    desk.shows(lot="60", due="3000", blocked="3000", order=1)
    desk.pay()
    desk.deliver()
    assert "locating funding" == desk.states
    desk.shows(settled_quantity="60", settled_amount="3000", lot="40", due="2000", reserved="0", blocked="0")
    desk.all("Reserve", quantity=40)
    desk.all("Fund", amount=2000)
    desk.pay()
    desk.deliver()
    assert "settled" == desk.states
    desk.shows(settled_amount="5000", order=2)


def test_a_part_waits_for_its_cash(desk: Desk) -> None:
    """The lot is cut, and the price with it."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Fund", amount=1000)
    desk.wait(PARTIAL_FROM)
    assert "earmarked underfunded" == desk.states
    desk.shows(due="3000", blocked="1000")
    assert "guard" == desk.give("Fund", amount=4000)
    desk.all("Fund", amount=2000)
    assert "earmarked paying" == desk.states


def test_a_part_is_found_after_it_is_time_for_parts(desk: Desk) -> None:
    """Each find is looked at again; the cash is covered already."""
    desk.settling().all("Fund", amount=5000)
    desk.wait(PARTIAL_FROM)
    assert "short covered" == desk.states
    desk.all("Reserve", quantity=1)
    assert "short covered" == desk.states
    assert 1 == desk.wait(PARTIAL_FROM)
    assert "earmarked paying" == desk.states
    desk.shows(due="50", blocked="50")


def test_the_cents_of_all_parts_add_up(desk: Desk) -> None:
    """Thirds of a price that cannot be divided by three: the last part costs the rest."""
    desk.settling(quantity="3", amount="100")
    for cut_off, due in enumerate(["33.33", "33.34"]):
        desk.all("Reserve", quantity=1)
        desk.wait(max(PARTIAL_FROM, desk.world.now))
        desk.shows(due=due)
        desk.all("Fund", amount=due)
        desk.pay()
        desk.deliver()
        assert cut_off == desk.fields["order"] - 1
    desk.all("Reserve", quantity=1)
    desk.all("Fund", amount="33.33")
    desk.pay()
    desk.deliver()
    assert "settled" == desk.states
    desk.shows(settled_amount="100")


@pytest.mark.parametrize(("quantity", "amount", "part"), [("100", "0.01", "60"), ("100", "0.01", "1"), ("1", "1", "0")])
def test_a_part_that_costs_nothing_or_everything_is_none(
    engine_name: str, quantity: str, amount: str, part: str
) -> None:
    """A cent cannot be divided."""
    desk = Desk(engine_name).settling(quantity=quantity, amount=amount)
    desk.give("Reserve", quantity=part)
    desk.wait(PARTIAL_FROM)
    assert "short underfunded" == desk.states


def test_who_wants_no_part_gets_none(desk: Desk) -> None:
    """It fails at the cut-off."""
    desk.settling(partial=False).all("Reserve", quantity=60)
    desk.wait(PARTIAL_FROM)
    assert "short underfunded" == desk.states
    desk.wait(CUT_OFF)
    assert "failing" == desk.states


# --- the cut-off, failing, another day -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "amount", "late", "kept"),
    [
        (None, None, (1, 1), "locating funding"),
        (None, "5000", (1, 0), "locating funding"),
        ("60", "5000", (1, 0), "short funding"),
        ("60", "10", (1, 1), "short funding"),
        ("100", None, (0, 1), "earmarked funding"),
        ("100", "4999.99", (0, 1), "earmarked funding"),
    ],
)
def test_what_fails_at_the_cut_off_is_recycled_with_the_securities_it_found(
    engine_name: str, quantity: str | None, amount: str | None, late: tuple[int, int], kept: str
) -> None:
    """Who was late is counted; cash goes home overnight, and its leg begins anew."""
    desk = Desk(engine_name).settling(partial=False)
    if quantity:
        desk.all("Reserve", quantity=quantity)
    if amount:
        desk.all("Fund", amount=amount)
    desk.wait(CUT_OFF)
    assert "failing" == desk.states
    desk.shows(securities_late=late[0], cash_late=late[1], reserved=quantity or "0", blocked="0")
    assert ["guard", "guard"] == [desk.give("Recycle", cut_off=at) for at in (CUT_OFF, LATEST + 1)]
    desk.all("Recycle", cut_off=NEXT_CUT_OFF)
    assert kept == desk.states
    desk.shows(recycles=1, cut_off=NEXT_CUT_OFF, partial_from=62 * HOUR)
    desk.wait(NEXT_CUT_OFF)
    assert "failing" == desk.states
    desk.shows(recycles=1, securities_late=late[0] * 2, cash_late=1 + late[1])


def test_a_part_that_failed_for_its_cash_is_the_same_part_the_next_day(desk: Desk) -> None:
    """The lot is what was cut, and so is its price."""
    desk.settling().all("Reserve", quantity=60)
    desk.wait(CUT_OFF)
    assert "failing" == desk.states
    desk.shows(lot="60", due="3000", securities_late=0, cash_late=1)
    desk.all("Recycle", cut_off=NEXT_CUT_OFF)
    assert "earmarked funding" == desk.states
    desk.all("Fund", amount=3000)
    assert "earmarked paying" == desk.states


def test_what_moves_at_the_cut_off_comes_to_its_end(desk: Desk) -> None:
    """The rest of it is too late: its legs begin, and fail."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Fund", amount=5000)
    desk.wait(PARTIAL_FROM)
    assert 1 == desk.wait(CUT_OFF)
    assert "earmarked doubtful" == desk.states
    desk.pay()
    desk.deliver()
    assert "locating funding" == desk.states
    desk.wait(CUT_OFF)
    assert "failing" == desk.states
    desk.shows(settled_quantity="60", remaining_quantity="40")


def test_the_house_gives_up_on_what_fails_too_long(desk: Desk) -> None:
    """What is settled stays so."""
    desk.settling().wait(CUT_OFF)
    desk.wait(LATEST)
    assert "cancelled" == desk.states


def test_the_house_gives_up_on_the_rest(desk: Desk) -> None:
    """And lets go of what was found for it."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Fund", amount=5000)
    desk.wait(PARTIAL_FROM)
    desk.pay()
    desk.deliver()
    desk.all("Reserve", quantity=10)
    for _ in range(3):
        desk.wait(LATEST)
    assert "part_settled" == desk.states
    desk.shows(settled_quantity="60", remaining_quantity="40", reserved="0", settled_amount="3000")


# --- the movement of cash, and of securities -------------------------------------------------------------------------


def test_a_payment_that_is_refused_leaves_the_securities_where_they_are(desk: Desk) -> None:
    """The cash leg begins anew, and the next order has another number."""
    desk.paying().all("PaymentRefused", order=1)
    assert "earmarked funding" == desk.states
    desk.shows(blocked="0", exposed="0", remaining_amount="5000")
    desk.all("Fund", amount=5000)
    assert "earmarked paying" == desk.states
    assert ["guard"] * 2 == [desk.give("Paid", order=1, amount=5000), desk.give("PaymentRefused", order=1)]
    desk.all("Paid", order=2, amount=5000)
    assert "delivering paid" == desk.states


def test_a_silent_bank_is_asked_three_times(desk: Desk) -> None:
    """Then a person is."""
    desk.paying()
    desk.wait(DAY_1 + 30 * MINUTE)
    assert "earmarked doubtful" == desk.states
    for query in range(4):
        desk.shows(queries=query)
        desk.wait(DAY_1 + (40 + 10 * query) * MINUTE)
    assert "in_doubt" == desk.states
    desk.shows(queries=0, exposed="0", blocked="5000")


@pytest.mark.parametrize(("answer", "states"), [("Paid", "delivering paid"), ("PaymentRefused", "earmarked funding")])
def test_a_late_answer_ends_the_doubt(engine_name: str, answer: str, states: str) -> None:
    """Either way, and the next order is asked after from the beginning."""
    desk = Desk(engine_name).paying()
    desk.wait(DAY_1 + 30 * MINUTE)
    desk.wait(DAY_1 + 40 * MINUTE)
    desk.shows(queries=1)
    desk.all(answer, order=1, **({"amount": 5000} if answer == "Paid" else {}))
    assert states == desk.states
    desk.shows(queries=0)


def test_another_amount_than_ordered_puts_it_in_doubt(desk: Desk) -> None:
    """Nobody knows what happened at the bank."""
    desk.paying().all("Paid", order=1, amount="4999.99")
    assert "in_doubt" == desk.states
    desk.shows(exposed="0", remaining_amount="5000")


def test_a_delivery_that_is_refused_brings_the_cash_back(desk: Desk) -> None:
    """And fails the day for the seller; the next day begins from scratch, whatever history would say."""
    desk.delivering()
    assert ["guard"] * 3 == [
        desk.give("DeliveryRefused", order=2),
        desk.give("Delivered", order=2, quantity=100),
        desk.give("Delivered", order=1, quantity=99),
    ]
    desk.all("DeliveryRefused", order=1)
    assert "undelivered returning" == desk.states
    desk.shows(reserved="0", exposed="5000")
    assert "guard" == desk.give("Returned", order=2)
    desk.all("Returned", order=1)
    assert "failing" == desk.states
    desk.shows(exposed="0", remaining_amount="5000", securities_late=1, cash_late=0)
    desk.all("Recycle", cut_off=NEXT_CUT_OFF)
    assert "locating funding" == desk.states


def test_cash_that_does_not_come_back_is_poison(desk: Desk) -> None:
    """After two hours; the seller has both."""
    desk.delivering().all("DeliveryRefused", order=1)
    desk.wait(DAY_1 + 2 * HOUR)
    assert "one_sided" == desk.states
    desk.shows(exposed="5000", reserved="0")
    assert "guard" == desk.give("Resolve", finding="moved")
    desk.all("Resolve", finding="unmoved")
    assert "undelivered returning" == desk.states
    desk.wait(DAY_1 + 4 * HOUR)
    assert "one_sided" == desk.states
    desk.all("Returned", order=1)
    assert "failing" == desk.states
    desk.shows(exposed="0")


@pytest.mark.parametrize(("finding", "states"), [("moved", "settled"), ("unmoved", "undelivered returning")])
def test_a_silent_register_is_poison(engine_name: str, finding: str, states: str) -> None:
    """After an hour; a person finds out whether the securities moved."""
    desk = Desk(engine_name).delivering()
    desk.wait(DAY_1 + HOUR)
    assert "one_sided" == desk.states
    assert ["unhandled", "guard"] == [desk.give("Delivered", order=1, quantity=100), desk.give("Returned", order=1)]
    desk.all("Resolve", finding=finding)
    assert states == desk.states


@pytest.mark.parametrize(("finding", "states"), [("moved", "delivering paid"), ("unmoved", "earmarked funding")])
def test_a_person_finds_out_whether_the_cash_moved(engine_name: str, finding: str, states: str) -> None:
    """Both legs go on from there."""
    desk = Desk(engine_name).paying()
    desk.all("Paid", order=1, amount=1)
    desk.all("Resolve", finding=finding)
    assert states == desk.states
    moved = finding == "moved"
    desk.shows(blocked="0", exposed="5000" if moved else "0", remaining_amount="0" if moved else "5000")


@pytest.mark.parametrize("event", ["PaymentMade", "TakeBack", "LotCut"])
@pytest.mark.parametrize("stage", ["settling", "paying", "delivering"])
def test_what_the_legs_tell_each_other_does_nothing_from_outside(engine_name: str, stage: str, event: str) -> None:
    """It could be sent by mistake, so the guards look at the ledgers and not at the name."""
    desk = getattr(Desk(engine_name), stage)()
    assert desk.give(event) in ("guard", "unhandled")


# --- cancelling, history, deferral -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("us", "them"), ("them", "us")])
def test_after_the_match_cancelling_takes_both_sides(engine_name: str, first: str, second: str) -> None:
    """In either order."""
    desk = Desk(engine_name).matched()
    desk.all("Cancel", by=first)
    assert f"asked_by_{first}" == desk.states
    assert ["guard", "guard"] == [desk.give("Cancel", by=first), desk.give("Withdraw", by=second)]
    desk.all("Cancel", by=second)
    assert "cancelled" == desk.states


PLACES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "held_by_us": [("Hold", {"by": "us"})],
    "held_by_both": [("Hold", {"by": "us"}), ("Hold", {"by": "them"})],
    "locating underfunded": [("Fund", {"amount": 1})],
    "short funding": [("Reserve", {"quantity": 60})],
    "short covered": [("Fund", {"amount": 5000}), ("Reserve", {"quantity": 60})],
    "earmarked underfunded": [("Fund", {"amount": 4000}), ("Reserve", {"quantity": 100})],
}


@pytest.mark.parametrize("by", ["us", "them"])
@pytest.mark.parametrize("place", PLACES)
def test_a_request_to_cancel_that_is_withdrawn_leaves_no_trace(engine_name: str, place: str, by: str) -> None:
    """History knows where both legs were, and nothing that was set aside is lost."""
    desk = Desk(engine_name).settling()
    for event, arguments in PLACES[place]:
        desk.all(event, **arguments)
    fields = desk.fields
    assert place == desk.states
    desk.all("Cancel", by=by)
    desk.all("Withdraw", by=by)
    assert (place, fields) == (desk.states, desk.fields)


def test_a_request_to_cancel_that_nobody_answers_lapses(desk: Desk) -> None:
    """After a day; what passed meanwhile is noticed then, in its order: it was time for a part, then for no more."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Cancel", by="them")
    desk.wait(DAY_1 + 24 * HOUR - 1)
    assert "asked_by_them" == desk.states
    desk.wait(DAY_1 + 24 * HOUR)
    assert "short funding" == desk.states
    assert 2 == desk.wait(DAY_1 + 24 * HOUR)
    assert "failing" == desk.states
    desk.shows(lot="60", securities_late=0, cash_late=1)


def test_coming_back_to_failing_costs_no_second_day(desk: Desk) -> None:
    """The day was counted when it ended, not on entry; and history remembers what was found beneath."""
    desk.settling(partial=False).all("Reserve", quantity=60)
    desk.wait(CUT_OFF)
    desk.shows(securities_late=1, cash_late=1)
    desk.all("Cancel", by="us")
    desk.all("Withdraw", by="us")
    assert "failing" == desk.states
    desk.shows(securities_late=1, cash_late=1)
    desk.all("Recycle", cut_off=NEXT_CUT_OFF)
    assert "short funding" == desk.states


def test_a_request_to_cancel_waits_while_a_lot_moves(desk: Desk) -> None:
    """It is given again where the next lot begins, and the other side agrees to cancel the rest."""
    desk.settling().all("Reserve", quantity=60)
    desk.all("Fund", amount=5000)
    desk.wait(PARTIAL_FROM)
    assert "deferred" == desk.give("Cancel", by="us")
    desk.pay()
    assert "delivering paid" == desk.states
    desk.deliver()
    assert "asked_by_us" == desk.states
    desk.all("Cancel", by="them")
    assert "part_settled" == desk.states
    desk.shows(settled_quantity="60", settled_amount="3000")


def test_both_requests_wait_and_are_given_again_in_order(desk: Desk) -> None:
    """A third finds no room; together they cancel what the payment's refusal has stopped."""
    desk.paying()
    assert ["deferred", "deferred", "deferral_full"] == [desk.give("Cancel", by=by) for by in ("us", "them", "us")]
    desk.all("PaymentRefused", order=1)
    assert "cancelled" == desk.states
    desk.shows(reserved="0", blocked="0", settled_quantity="0")
    assert {"accepted": 3} == desk.world.untold


def test_a_request_to_cancel_that_comes_too_late_is_refused_when_all_is_settled(desk: Desk) -> None:
    """Nobody is told but the count: it was taken long ago."""
    desk.delivering()
    assert "deferred" == desk.give("Cancel", by="us")
    desk.deliver()
    assert "settled" == desk.states
    assert {"accepted": 1, "ended": 1} == desk.world.untold


def test_a_request_to_cancel_waits_out_the_poison(desk: Desk) -> None:
    """It is given again when a person has found out that the cash did not move."""
    desk.paying()
    assert "deferred" == desk.give("Cancel", by="them")
    desk.all("Paid", order=1, amount=1)
    assert "in_doubt" == desk.states
    desk.all("Resolve", finding="unmoved")
    assert "asked_by_them" == desk.states


# --- the whole of it -------------------------------------------------------------------------------------------------


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
    ends: set[str] = set()
    for seed in range(40):
        desk = Desk(None).settling(quantity="2", amount="3")
        stream = Streams(desk, seed)
        flat = Engine(FlatSettlement, capacity=1, engine=engine_name)
        instance = flat.start("one", **desk.fields)
        for _ in range(80):
            event = stream.random.choice(legs)
            arguments = stream.arguments(event)
            given = getattr(FlatSettlement, event)(**arguments)
            outcome = desk.give(event, **arguments)
            assert (outcome, event) == (Outcome(flat.step(instance, given.id, *given.words)).label, event)
            assert desk.fields == flat.fields(instance)
        ends.add(desk.states)
    assert {"settled", "cancelled", "in_doubt"} <= ends


def test_every_state_is_reached_by_some_test() -> None:
    """Each test of one instruction is run once more, on the interpreter, which tells what is entered."""
    entered: set[str] = set()
    for test in [each for name, each in globals().items() if name.startswith("test_")]:
        if list(inspect.signature(test).parameters) == ["desk"]:
            desk = Desk(None)
            test(desk)
            entered |= desk.entered
    assert {state.name for state in CHART.states if state.kind not in HISTORIES} == entered


def laws(desk: Desk) -> None:
    """What holds whatever happens."""
    now, active = desk.fields, set(desk.beside.active)
    assert min(value for value in now.values() if isinstance(value, Decimal)) >= 0
    assert now["quantity"] == now["settled_quantity"] + now["remaining_quantity"]
    assert now["amount"] == now["settled_amount"] + now["exposed"] + now["remaining_amount"]
    assert now["reserved"] <= now["lot"] and now["blocked"] <= now["due"]
    assert (now["exposed"] > 0) == bool(active & {"delivering", "undelivered", "one_sided"})
    assert (now["settled_quantity"] > 0) == (now["settled_amount"] > 0)
    assert ("settled" in active) == (now["settled_quantity"] == now["quantity"] > 0)
    if "delivering" in active or "paying" in active:
        assert now["reserved"] == now["lot"]
    if not active & {"settling", "failing", "cancelling", "in_doubt", "one_sided"}:
        assert (0, 0) == (now["reserved"], now["blocked"])
    if active & {"cancelled", "part_settled"}:
        assert (now["settled_quantity"] > 0) == ("part_settled" in active)


RARE = {"Reject", "Cancel", "Hold", "Mismatch", "Recall", "PaymentRefused", "DeliveryRefused"}


class Streams:
    """Random inputs that go deep: most of them fit what is there, some do not."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.random = Random(seed)
        self.delivered = self.paid = Decimal(0)

    def part(self, most: Decimal) -> Decimal:
        """All of it, a part, nothing, or too much."""
        cents = int(most * 100)
        return Decimal(self.random.choice([cents, cents, self.random.randint(0, max(cents, 1)), cents + 1, 0])) / 100

    def arguments(self, event: str) -> dict[str, Any]:
        """Values for an event."""
        now, random = self.desk.fields, self.random
        order = now["order"] - (random.random() < 0.1)
        match event:
            case "Instruct":
                days = sorted(random.sample(range(1, 12), 3)) if random.random() < 0.9 else [3, 2, 1]
                return {
                    "quantity": Decimal(random.randint(0, 400)) / 100, "amount": Decimal(random.randint(0, 900)) / 100,
                    "partial": random.random() < 0.8, "settlement_date": days[0] * DAY_1,
                    "cut_off": days[1] * DAY_1, "latest": days[2] * DAY_1,
                }  # fmt: skip
            case "Hold" | "Release" | "Cancel" | "Withdraw":
                return {"by": random.choice(["us", "them"])}
            case "Reserve":
                return {"quantity": self.part(now["lot"] - now["reserved"])}
            case "Fund" | "Recall" | "Amend":
                return {"amount": self.part(now["blocked"] if event == "Recall" else now["due"] - now["blocked"])}
            case "Paid":
                return {"order": order, "amount": now["due"] if random.random() < 0.9 else self.part(now["due"])}
            case "Delivered":
                return {"order": order, "quantity": now["lot"] if random.random() < 0.9 else self.part(now["lot"])}
            case "PaymentRefused" | "DeliveryRefused" | "Returned":
                return {"order": order}
            case "Recycle":
                return {"cut_off": now["cut_off"] + random.randint(-1, 48) * HOUR}
            case "Resolve":
                return {"finding": random.choice(["moved", "unmoved"])}
        return {}

    def go(self) -> None:
        """One input, and the books that a clerk keeps beside it."""
        active = set(self.desk.beside.active)
        if self.random.random() < 0.15:
            long = (12 * HOUR, 24 * HOUR) if not active & {"settling"} else (MINUTE, 15 * MINUTE, HOUR, 6 * HOUR)
            self.desk.wait(self.desk.world.now + self.random.choice(long))
            return
        before, event = self.desk.fields, self.event(active)
        arguments = self.arguments(event)
        if self.desk.give(event, **arguments) != "accepted":
            return
        moved = arguments.get("finding") == "moved"
        if event == "Delivered" or (moved and "one_sided" in active):
            self.delivered += before["lot"]
        if (event == "Paid" and arguments["amount"] == before["due"]) or (moved and "in_doubt" in active):
            self.paid += before["due"]
        if event == "Returned":
            self.paid -= before["due"]

    def event(self, active: set[str]) -> str:
        """Mostly one that some active state waits for, and rarely one that ends it all."""
        handled = sorted({each.event for each in CHART.transitions if each.event and each.source in active})
        if not handled or self.random.random() < 0.1:
            handled = [each.name for each in CHART.events]
        return self.random.choices(handled, [0.1 if each in RARE else 1 for each in handled])[0]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_and_nothing_is_made_whatever_comes(engine_name: str, seed: int) -> None:
    """The laws hold after every input, and the ledgers say what a clerk would have written down."""
    print(f"seed {seed}")
    for life in range(12):
        desk = Desk(engine_name)
        stream = Streams(desk, seed * 1000 + life)
        for _ in range(120):
            stream.go()
            laws(desk)
            assert stream.delivered == desk.fields["settled_quantity"]
            assert stream.paid == desk.fields["settled_amount"] + desk.fields["exposed"]
            if desk.states in ("settled", "part_settled", "cancelled", "rejected"):
                break


def test_random_streams_go_everywhere() -> None:
    """Or the laws would not have been looked at where they matter."""
    entered: set[str] = set()
    for seed in range(144):
        desk = Desk(None)
        stream = Streams(desk, seed)
        for _ in range(120):
            stream.go()
        entered |= desk.entered
    assert {state.name for state in CHART.states if state.kind not in HISTORIES} == entered
