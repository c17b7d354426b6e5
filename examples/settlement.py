"""A settlement instruction, delivery versus payment, as the house runs it that holds the securities.

    intake ─▶ matching ─▶ pending ─▶ settling ─▶ settled            hold and release: in pending
                                      ▲    │ cut-off
                              another │    ▼
                                  day └─ failing
    from pending, settling, failing:  cancelling, which takes both sides ─▶ cancelled, part_settled

    settling ╎ securities   locating ─▶ short ─▶ earmarked ╌╌╌╌╌╌╌╌╌╌╌╌╌╌▶ delivering ─▶ delivered
             ╎ cash         funding ─▶ underfunded ─▶ covered ─▶ paying ─▶ paid │
                                                                   │ silence    │ silence
                                                                   ▼            ▼
                                                                in_doubt     one_sided     poison: a person finds out

The securities lie in the books of this house, the cash at the central bank. A lot is everything that remains, or the
part that was found by the end of the day. When it is earmarked and its cash is covered, the cash is ordered to move;
when the bank says that it did, the securities follow. In between the seller has both: the chart is about that moment.

Who says what: the client, and the other side through it, Instruct, Hold, Release, Cancel, Withdraw; the matching engine
Match, Mismatch; the register Reserve, Delivered, DeliveryRefused; the bank Fund, Recall, Paid, PaymentRefused and
Returned; operations Enrich, Reject, Amend, Recycle, Resolve. The legs tell each other PaymentMade, TakeBack, LotCut.
"""

from __future__ import annotations

from fsm import (
    Boolean,
    Choice,
    Decimal,
    Event,
    Flow,
    History,
    Integer,
    Parallel,
    Region,
    State,
    Timestamp,
    maximum,
    minimum,
    multiply,
    raise_,
    when,
)


class Settlement(Flow):
    """One instruction to deliver securities against cash, from its receipt to its end."""

    # --- what it holds: two ledgers, in which nothing stands twice ---------------------------------------------------
    # quantity == settled_quantity + remaining_quantity          reserved <= lot
    # amount == settled_amount + exposed + remaining_amount      blocked <= due

    quantity = Decimal(2)
    settled_quantity = Decimal(2)
    remaining_quantity = Decimal(2)
    lot = Decimal(2)  # what is to be delivered next
    reserved = Decimal(2)  # the part of the lot that was found and set aside

    amount = Decimal(2)
    settled_amount = Decimal(2)
    remaining_amount = Decimal(2)
    due = Decimal(2)  # what the lot costs
    blocked = Decimal(2)  # the part of it that the buyer has set aside
    exposed = Decimal(2)  # paid for a lot that is not delivered yet: while it is not 0, the seller has both

    partial = Boolean()  # both sides take a part, if not everything can be found
    settlement_date = Timestamp()
    cut_off = Timestamp()  # of the day at hand: later than this nothing begins to move
    partial_from = Timestamp()  # from here to the cut-off, a part is better than nothing
    latest = Timestamp()  # the house gives up then

    order = Integer()  # the number under which the lot moves, so that old answers are told from new ones
    queries = Integer()
    chases = Integer()
    recycles = Integer()
    securities_late = Integer()  # days, by who was late: penalties are reckoned from them
    cash_late = Integer()

    # --- what happens to it ------------------------------------------------------------------------------------------

    class Instruct(Event):
        quantity: Decimal = Decimal(2)
        amount: Decimal = Decimal(2)
        partial: Boolean = Boolean()
        settlement_date: Timestamp = Timestamp()
        cut_off: Timestamp = Timestamp()
        latest: Timestamp = Timestamp()

    class Enrich(Event):
        """The standing instructions of both accounts were found and added."""

    class Reject(Event):
        pass

    class Match(Event):
        pass

    class Mismatch(Event):
        pass

    class Amend(Event):
        amount: Decimal = Decimal(2)

    class Hold(Event):
        by: Choice = Choice("us", "them")

    class Release(Event):
        by: Choice = Choice("us", "them")

    class Cancel(Event):
        by: Choice = Choice("us", "them")

    class Withdraw(Event):
        """A request to cancel is taken back."""

        by: Choice = Choice("us", "them")

    class Reserve(Event):
        quantity: Decimal = Decimal(2)

    class Fund(Event):
        amount: Decimal = Decimal(2)

    class Recall(Event):
        """The buyer takes cash back, as he may until it is ordered to move."""

        amount: Decimal = Decimal(2)

    class Paid(Event):
        order: Integer = Integer()
        amount: Decimal = Decimal(2)

    class PaymentRefused(Event):
        order: Integer = Integer()

    class Delivered(Event):
        order: Integer = Integer()
        quantity: Decimal = Decimal(2)

    class DeliveryRefused(Event):
        order: Integer = Integer()

    class Returned(Event):
        order: Integer = Integer()

    class Recycle(Event):
        """Another day, with its own cut-off."""

        cut_off: Timestamp = Timestamp()

    class Resolve(Event):
        """What a person found out about the movement that nobody answered for."""

        finding: Choice = Choice("moved", "unmoved")

    class PaymentMade(Event):
        """Raised by the cash leg."""

    class TakeBack(Event):
        """Raised by the securities leg."""

    class LotCut(Event):
        """Raised by the securities leg."""

    # --- where it can stand: 47 states, some of them with their code in ISO 20022 ------------------------------------

    with State(initial=True) as intake:
        received = State(initial=True)
        repairing = State()  # REPR
        validated = State()  # PACK
    with State() as matching:  # NMAT
        unmatched = State(initial=True)
        chased = State()  # the other side was asked why it is silent
        mismatched = State()  # DMON: it has another amount
    with State() as matched:  # MACH
        resumed = History(deep=True)  # where all of it stood when somebody asked to cancel
        with State(initial=True) as pending:  # PEND
            awaiting_date = State(initial=True)  # FUTU
            with State() as held:
                held_by_us = State(initial=True)  # PREA
                held_by_them = State()  # PRCY
                held_by_both = State()  # BOTH
        with Parallel() as settling:
            with Region() as securities:
                kept = History(deep=True)  # what was found stays found overnight
                with State(initial=True) as assembling:
                    locating = State(initial=True)
                    short = State()  # LACK
                earmarked = State()
                delivering = State()
                undelivered = State()  # the register said no, and the cash is asked back
                delivered = State(final=True)
            with Region() as cash:
                with State(initial=True) as gathering:
                    funding = State(initial=True)
                    underfunded = State()  # MONY
                    covered = State()
                with State() as in_flight:
                    paying = State(initial=True)
                    doubtful = State()  # the bank was asked whether it paid
                    returning = State()
                paid = State(final=True)
        failing = State()  # PENF
    with State() as cancelling:  # CANP
        asked_by_us = State(initial=True)
        asked_by_them = State()
        agreed = State(final=True)
    in_doubt = State(poison=True)  # nobody knows whether the cash moved
    one_sided = State(poison=True)  # the cash moved, and the securities did not, as far as anybody knows
    settled = State(final=True)  # SETT
    part_settled = State(final=True)  # PAIN
    cancelled = State(final=True)  # CAND
    rejected = State(final=True)  # REJT

    # --- from receipt to a match -------------------------------------------------------------------------------------

    (received | repairing).on(
        Instruct,
        when=(Instruct.quantity > 0)
        & (Instruct.amount > 0)
        & (Instruct.settlement_date > 0)
        & (Instruct.settlement_date < Instruct.cut_off)
        & (Instruct.cut_off <= Instruct.latest),
        to=validated,
        do=[
            quantity.set(Instruct.quantity),
            remaining_quantity.set(Instruct.quantity),
            amount.set(Instruct.amount),
            remaining_amount.set(Instruct.amount),
            partial.set(Instruct.partial),
            settlement_date.set(Instruct.settlement_date),
            cut_off.set(Instruct.cut_off),
            partial_from.set(maximum(Instruct.settlement_date, Instruct.cut_off - "2 h")),
            latest.set(Instruct.latest),
        ],
    )
    received.on(Instruct, to=repairing)
    repairing.after("1 d", to=rejected)
    validated.on(Enrich, to=matching)
    intake.on(Reject, to=rejected)

    (unmatched | chased).on(Mismatch, to=mismatched)
    mismatched.on(
        Amend,
        when=(Amend.amount > 0) & (Amend.amount != amount),
        to=unmatched,
        do=[amount.set(Amend.amount), remaining_amount.set(Amend.amount)],
    )
    unmatched.after("4 h", to=chased)
    chased.on_entry(chases.add(1))
    chased.after("1 d", to=chased)
    matching.on(Match, to=matched)
    matching.at(latest, to=cancelled)

    # Nobody else is bound yet, so one side is enough. From the match on, it takes both.
    (intake | matching).on(Cancel, when=Cancel.by == "us", to=cancelled)

    # --- waiting for the day, and holding back -----------------------------------------------------------------------

    let_go = (reserved.set(0), blocked.set(0))
    at_rest = awaiting_date | gathering | failing  # nothing is on its way: what was set aside can be let go

    awaiting_date.at(settlement_date, to=settling)
    at_rest.on(Hold, when=Hold.by == "us", to=held_by_us, do=let_go)
    at_rest.on(Hold, when=Hold.by == "them", to=held_by_them, do=let_go)
    held_by_us.on(Hold, when=Hold.by == "them", to=held_by_both)
    held_by_them.on(Hold, when=Hold.by == "us", to=held_by_both)
    held_by_both.on(Release, when=Release.by == "us", to=held_by_them)
    held_by_both.on(Release, when=Release.by == "them", to=held_by_us)
    held_by_us.on(Release, when=Release.by == "us", to=awaiting_date)
    held_by_them.on(Release, when=Release.by == "them", to=awaiting_date)

    # --- the securities leg ------------------------------------------------------------------------------------------

    locating.on_entry(lot.set(remaining_quantity), due.set(remaining_amount))
    locating.after("15 min", to=short)
    # It stays in assembling, and comes to short anew: so if it is time for a part already, that is looked at again.
    assembling.on(
        Reserve,
        when=(Reserve.quantity > 0) & (Reserve.quantity < lot - reserved),
        to=short,
        stay=True,
        do=reserved.add(Reserve.quantity),
    )
    assembling.on(Reserve, when=Reserve.quantity == lot - reserved, to=earmarked, do=reserved.set(lot))

    # A part costs its share of what remains, so the last part costs all the rest and no cent is lost. A part that would
    # cost nothing, or everything, is none.
    share = multiply(remaining_amount, reserved, divide_by=remaining_quantity, rounding="half_up")
    short.at(
        partial_from,
        when=partial & (reserved > 0) & (share > 0) & (share < remaining_amount),
        to=earmarked,
        do=[due.set(share), lot.set(reserved), blocked.set(minimum(blocked, due)), raise_(LotCut)],
    )
    earmarked.on(PaymentMade, when=exposed == due, to=delivering)

    deliver = (
        remaining_quantity.subtract(lot),
        settled_quantity.add(lot),
        reserved.set(0),
        settled_amount.add(exposed),
        exposed.set(0),
    )
    delivering.on(Delivered, when=(Delivered.order == order) & (Delivered.quantity == lot), to=delivered, do=deliver)
    delivering.on(
        DeliveryRefused, when=DeliveryRefused.order == order, to=undelivered, do=[reserved.set(0), raise_(TakeBack)]
    )
    delivering.after("1 h", to=one_sided)

    # --- the cash leg ------------------------------------------------------------------------------------------------

    funding.after("15 min", to=underfunded)
    gathering.on(
        Fund,
        when=(Fund.amount > 0) & (Fund.amount < due - blocked),
        to=underfunded,
        stay=True,
        do=blocked.add(Fund.amount),
    )
    gathering.on(
        Fund, when=(Fund.amount > 0) & (Fund.amount == due - blocked), to=covered, stay=True, do=blocked.set(due)
    )
    gathering.on(
        Recall,
        when=(Recall.amount > 0) & (Recall.amount <= blocked),
        to=underfunded,
        stay=True,
        do=blocked.subtract(Recall.amount),
    )
    underfunded.on(LotCut, when=blocked == due, to=covered)
    covered.always(when=reserved == lot, to=in_flight)  # here the legs meet

    pay = (remaining_amount.subtract(due), blocked.set(0), exposed.set(due))
    take_back = (remaining_amount.add(exposed), exposed.set(0))
    paying.on_entry(order.add(1))
    paying.after("30 min", to=doubtful)
    unanswered = paying | doubtful
    unanswered.on(Paid, when=(Paid.order == order) & (Paid.amount == due), to=paid, do=[*pay, raise_(PaymentMade)])
    unanswered.on(Paid, when=(Paid.order == order) & (Paid.amount != due), to=in_doubt)
    unanswered.on(PaymentRefused, when=PaymentRefused.order == order, to=gathering, do=blocked.set(0))
    doubtful.after("10 min", when=queries < 3, to=doubtful, do=queries.add(1))
    doubtful.after("10 min", to=in_doubt)
    in_flight.on_exit(queries.set(0))

    # Only while the securities are no longer set aside: an order to deliver may still be carried out.
    paid.on(TakeBack, when=(exposed > 0) & (reserved == 0), to=returning)
    returning.on(Returned, when=Returned.order == order, to=failing, do=[*take_back, securities_late.add(1)])
    returning.after("2 h", to=one_sided)

    settling.on_done(when=settled_quantity == quantity, to=settled)
    settling.on_done(when=settled_quantity < quantity, to=settling)

    # --- the day ends: failing, and another day ----------------------------------------------------------------------

    # Of the cash leg, and only before anything moves: what is on its way at the cut-off comes to its end. The days are
    # counted here, not on entry to failing: a request to cancel that is withdrawn comes back to failing, the same day.
    gathering.at(
        cut_off,
        to=failing,
        do=[when(reserved < lot, securities_late.add(1)), when(blocked < due, cash_late.add(1))],
    )
    failing.on_entry(blocked.set(0))  # cash goes back to its owner overnight

    next_day = (Recycle.cut_off > cut_off) & (Recycle.cut_off <= latest)
    recycle = (
        partial_from.set(maximum(cut_off, Recycle.cut_off - "2 h")),
        cut_off.set(Recycle.cut_off),
        recycles.add(1),
    )
    # The securities that were found are kept. With none, or after the register refused them, both legs begin anew.
    failing.on(Recycle, when=next_day & (reserved > 0), to=(kept, gathering), do=recycle)
    failing.on(Recycle, when=next_day & (reserved == 0), to=settling, do=recycle)

    (pending | failing).at(latest, when=settled_quantity > 0, to=part_settled, do=let_go)
    (pending | failing).at(latest, to=cancelled, do=let_go)

    # --- cancelling takes both sides ---------------------------------------------------------------------------------

    (held | at_rest).on(Cancel, when=Cancel.by == "us", to=asked_by_us)
    (held | at_rest).on(Cancel, when=Cancel.by == "them", to=asked_by_them)
    # While something is on its way nobody knows what there will be to cancel: the request waits. At the end of a lot
    # it is given again, and finds the next lot, or that all is settled.
    (in_flight | delivering | in_doubt | one_sided).defers(Cancel, at_most=2)

    asked_by_us.on(Cancel, when=Cancel.by == "them", to=agreed)
    asked_by_them.on(Cancel, when=Cancel.by == "us", to=agreed)
    asked_by_us.on(Withdraw, when=Withdraw.by == "us", to=resumed)
    asked_by_them.on(Withdraw, when=Withdraw.by == "them", to=resumed)
    cancelling.after("1 d", to=resumed)  # no answer is no
    cancelling.on_done(when=settled_quantity > 0, to=part_settled, do=let_go)
    cancelling.on_done(to=cancelled, do=let_go)

    # --- out of poison, by what a person found out -------------------------------------------------------------------

    in_doubt.on(Resolve, when=Resolve.finding == "moved", to=(delivering, paid), do=pay)
    in_doubt.on(Resolve, when=Resolve.finding == "unmoved", to=(earmarked, gathering), do=blocked.set(0))
    one_sided.on(Resolve, when=(Resolve.finding == "moved") & (reserved == lot), to=(delivered, paid), do=deliver)
    one_sided.on(Resolve, when=Resolve.finding == "unmoved", to=(undelivered, returning), do=reserved.set(0))
    # Only if it was asked back: as long as the securities are set aside, an order to deliver may still be carried out.
    one_sided.on(
        Returned,
        when=(Returned.order == order) & (reserved == 0),
        to=failing,
        do=[*take_back, securities_late.add(1)],
    )
