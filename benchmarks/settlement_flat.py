"""The legs of examples/settlement.py as a flat flow: what it costs to have them nested is the difference.

    locating_funding ─▶ locating_underfunded ─▶ locating_covered
          ▼                      ▼                     ▼            a state for each pair that the legs can stand in,
     short_funding ───▶ short_underfunded ───▶ short_covered        and for each of them one more for each side that
          ▼                      ▼                     ▼            may have asked to cancel there
    earmarked_funding ─▶ earmarked_underfunded ───▶ paying ─▶ delivering

The fields, guards, actions, timers and deferral are those of the chart, written once more for flat states; what comes
before and after the legs is left out. An instance starts with its fields given. Where the chart has one state for what
two sides have asked, history remembers the pair; here that is in the name.
"""

from __future__ import annotations

from fsm import Boolean, Choice, Decimal, Event, Flow, Integer, State, Timestamp, minimum, multiply, when

UNUSED = "the part of the settlement that uses it is left out"
ANEW = "as in the chart, where a part that is found late is looked at again"


class FlatSettlement(Flow, waive={"unread-field": UNUSED, "unwritten-field": UNUSED, "timer-restarts": ANEW}):
    """Both legs of a settlement in one state."""

    quantity = Decimal(2)
    settled_quantity = Decimal(2)
    remaining_quantity = Decimal(2)
    lot = Decimal(2)
    reserved = Decimal(2)

    amount = Decimal(2)
    settled_amount = Decimal(2)
    remaining_amount = Decimal(2)
    due = Decimal(2)
    blocked = Decimal(2)
    exposed = Decimal(2)

    partial = Boolean()
    settlement_date = Timestamp()
    cut_off = Timestamp()
    partial_from = Timestamp()
    latest = Timestamp()

    order = Integer()
    queries = Integer()
    chases = Integer()
    recycles = Integer()
    securities_late = Integer()
    cash_late = Integer()

    class Cancel(Event):
        by: Choice = Choice("us", "them")

    class Withdraw(Event):
        by: Choice = Choice("us", "them")

    class Reserve(Event):
        quantity: Decimal = Decimal(2)

    class Fund(Event):
        amount: Decimal = Decimal(2)

    class Recall(Event):
        amount: Decimal = Decimal(2)

    class Paid(Event):
        order: Integer = Integer()
        amount: Decimal = Decimal(2)

    class PaymentRefused(Event):
        order: Integer = Integer()

    class Delivered(Event):
        order: Integer = Integer()
        quantity: Decimal = Decimal(2)

    locating_funding = State(initial=True)
    locating_underfunded = State()
    locating_covered = State()
    short_funding = State()
    short_underfunded = State()
    short_covered = State()
    earmarked_funding = State()
    earmarked_underfunded = State()
    paying = State()
    doubtful = State()
    delivering = State()
    failing = State(final=True)
    in_doubt = State(poison=True)
    one_sided = State(poison=True)
    settled = State(final=True)
    cancelled = State(final=True)

    us_lf, us_lu, us_lc, them_lf, them_lu, them_lc = State(), State(), State(), State(), State(), State()
    us_sf, us_su, us_sc, them_sf, them_su, them_sc = State(), State(), State(), State(), State(), State()
    us_ef, us_eu, them_ef, them_eu = State(), State(), State(), State()

    ROWS = (
        (locating_funding, locating_underfunded, locating_covered),
        (short_funding, short_underfunded, short_covered),
        (earmarked_funding, earmarked_underfunded, paying),
    )
    ASKED = (
        (locating_funding, us_lf, them_lf),
        (locating_underfunded, us_lu, them_lu),
        (locating_covered, us_lc, them_lc),
        (short_funding, us_sf, them_sf),
        (short_underfunded, us_su, them_su),
        (short_covered, us_sc, them_sc),
        (earmarked_funding, us_ef, them_ef),
        (earmarked_underfunded, us_eu, them_eu),
    )
    start_paying = order.add(1)

    # --- the securities leg ------------------------------------------------------------------------------------------

    missing = lot - reserved
    share = multiply(remaining_amount, reserved, divide_by=remaining_quantity, rounding="half_up")
    is_share = partial & (reserved > 0) & (share > 0) & (share < remaining_amount)
    cut = (due.set(share), lot.set(reserved), blocked.set(minimum(blocked, due)))
    for locating, short, earmarked in zip(*ROWS, strict=True):
        meet = (start_paying,) if earmarked is paying else ()
        for before in (locating, short):
            before.on(
                Reserve,
                when=(Reserve.quantity > 0) & (Reserve.quantity < missing),
                to=short,
                do=reserved.add(Reserve.quantity),
            )
            before.on(Reserve, when=Reserve.quantity == missing, to=earmarked, do=(reserved.set(lot), *meet))
        if locating is not locating_funding:
            locating.after("15 min", to=short)
    short_funding.at(partial_from, when=is_share, to=earmarked_funding, do=cut)
    short_underfunded.at(partial_from, when=is_share & (blocked < share), to=earmarked_underfunded, do=cut)
    short_underfunded.at(partial_from, when=is_share & (blocked >= share), to=paying, do=(*cut, start_paying))
    short_covered.at(partial_from, when=is_share, to=paying, do=(*cut, start_paying))

    # --- the cash leg ------------------------------------------------------------------------------------------------

    unfunded = due - blocked
    is_recall = (Recall.amount > 0) & (Recall.amount <= blocked)
    for funding, underfunded, covered in ROWS:
        meet = (start_paying,) if covered is paying else ()
        is_part = (Fund.amount > 0) & (Fund.amount < unfunded)
        funding.on(Fund, when=is_part, to=underfunded, do=blocked.add(Fund.amount))
        underfunded.on(Fund, when=is_part, do=blocked.add(Fund.amount))
        (funding | underfunded).on(
            Fund, when=(Fund.amount > 0) & (Fund.amount == unfunded), to=covered, do=(blocked.set(due), *meet)
        )
        funding.on(Recall, when=is_recall, to=underfunded, do=blocked.subtract(Recall.amount))
        underfunded.on(Recall, when=is_recall, do=blocked.subtract(Recall.amount))
        if covered is not paying:
            covered.on(Recall, when=is_recall, to=underfunded, do=blocked.subtract(Recall.amount))
            covered.on(Fund, when=is_part, to=underfunded, do=blocked.add(Fund.amount))
        if funding is not locating_funding:
            funding.after("15 min", to=underfunded)
    # Both legs are given a quarter of an hour, and one state has one timer for it.
    locating_funding.after("15 min", to=short_underfunded)
    late = (when(reserved < lot, securities_late.add(1)), when(blocked < due, cash_late.add(1)), blocked.set(0))
    for place, _, _ in ASKED:
        place.at(cut_off, to=failing, do=late)

    # --- both, on their way ------------------------------------------------------------------------------------------

    unanswered = paying | doubtful
    unanswered.on(
        Paid,
        when=(Paid.order == order) & (Paid.amount == due),
        to=delivering,
        do=[queries.set(0), remaining_amount.subtract(due), blocked.set(0), exposed.set(due)],
    )
    unanswered.on(Paid, when=(Paid.order == order) & (Paid.amount != due), to=in_doubt, do=queries.set(0))
    unanswered.on(
        PaymentRefused,
        when=PaymentRefused.order == order,
        to=earmarked_funding,
        do=[queries.set(0), blocked.set(0)],
    )
    paying.after("30 min", to=doubtful)
    doubtful.after("10 min", when=queries < 3, to=doubtful, do=queries.add(1))
    doubtful.after("10 min", to=in_doubt, do=queries.set(0))
    delivering.on(
        Delivered,
        when=(Delivered.order == order) & (Delivered.quantity == lot),
        to=settled,
        do=[
            remaining_quantity.subtract(lot),
            settled_quantity.add(lot),
            reserved.set(0),
            settled_amount.add(exposed),
            exposed.set(0),
        ],
    )
    delivering.after("1 h", to=one_sided)
    (unanswered | delivering | in_doubt | one_sided).defers(Cancel, at_most=2)

    # --- cancelling: where it was asked is in the name ---------------------------------------------------------------

    let_go = (reserved.set(0), blocked.set(0))
    for place, us, them in ASKED:
        place.on(Cancel, when=Cancel.by == "us", to=us)
        place.on(Cancel, when=Cancel.by == "them", to=them)
        us.on(Cancel, when=Cancel.by == "them", to=cancelled, do=let_go)
        them.on(Cancel, when=Cancel.by == "us", to=cancelled, do=let_go)
        us.on(Withdraw, when=Withdraw.by == "us", to=place)
        them.on(Withdraw, when=Withdraw.by == "them", to=place)
        (us | them).after("1 d", to=place)
