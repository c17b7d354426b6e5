"""Where a settlement goes wrong: payments and deliveries that fail, poison and the ways out, requests to cancel."""

from __future__ import annotations

from typing import Any

import pytest

from tests.examples.settlement_desk import CUT_OFF, DAY_1, HOUR, MINUTE, NEXT_CUT_OFF, PARTIAL_FROM, Desk


@pytest.fixture
def desk(engine_name: str) -> Desk:
    """An instruction that was just received."""
    return Desk(engine_name)


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
