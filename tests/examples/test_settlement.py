"""A settlement instruction from its receipt to its end, in one lot or in parts, and what the cut-off does to it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.examples.settlement_desk import CUT_OFF, DAY_1, HOUR, LATEST, MINUTE, NEXT_CUT_OFF, PARTIAL_FROM, Desk


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
    if events:
        desk.instructed().all(*events[1:])
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
