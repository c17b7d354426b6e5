"""An order as its FIX messages tell it: what is executed, where it stands, and which requests are open.

    unseen ──▶ known ══╦═ executed    unfilled ⇄ part_filled ⇄ filled
       │               ╚═ life        live ──▶ canceled, expired, done_for_day
       ▼                              ║  │
    rejected ◀────────────────────────╫──┘
                                      ╠═ standing     pending_new ──▶ open, triggered, stopped ⇄ suspended, overnight
                                      ╠═ cancelling   no_cancel ──▶ cancel_asked ──▶ pending_cancel
                                      ╠═ replacing    no_replace ──▶ replace_asked ──▶ pending_replace
                                      ╚═ chained      no_chained ──▶ chained_asked ──▶ chained_pending

FIX has one OrdStatus for all of this, so its order state matrices (Appendix D of the specification) give each status a
precedence, and a report shows the highest one that applies. Here the regions are what they are, and `ord_status` takes
the highest among the active states. Who sent an order, at what price and on which side is no part of this flow.

    fsm check examples/fix_order.py               what the checks say
    fsm draw examples/fix_order.py                a picture

The events are the messages by their FIX names: an ExecType stands for the execution report that tells it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fsm import Boolean, Choice, Event, Flow, History, Integer, Parallel, Region, State, Text, maximum, raise_

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fsm import Engine

NO_ID = b""
"""Where no request is open."""


class FixOrder(Flow):
    """An order on the sell side, from the first message about it to the last."""

    cl_ord_id = Text(16)  # of the last request that was accepted
    time_in_force = Choice("day", "gtc")
    order_qty = Integer()  # as reports tell it
    agreed_qty = Integer()  # OrderQty as last accepted or restated: what may be executed
    cum_qty = Integer()
    leaves_qty = Integer()
    cancel_id = Text(16)  # ClOrdID of the open cancel request
    replace_id = Text(16)  # of the open replace request
    replace_qty = Integer()
    chained_id = Text(16)  # of the replace request behind it, which replaces the replacement
    chained_qty = Integer()
    statuses_owed = Integer()  # reports that a resent order has yet to be answered with
    rejects_owed = Integer()

    class NewOrder(Event):
        cl_ord_id: Text = Text(16)
        order_qty: Integer = Integer()  # 0: an amount of money, and the broker says how much it buys
        time_in_force: Choice = Choice("day", "gtc")
        poss_resend: Boolean = Boolean()

    class CancelRequest(Event):
        cl_ord_id: Text = Text(16)
        orig_cl_ord_id: Text = Text(16)

    class ReplaceRequest(Event):
        cl_ord_id: Text = Text(16)
        orig_cl_ord_id: Text = Text(16)
        order_qty: Integer = Integer()

    class New(Event):
        cl_ord_id: Text = Text(16)
        order_qty: Integer = Integer()

    class Rejected(Event):
        pass

    class Triggered(Event):
        cl_ord_id: Text = Text(16)
        order_qty: Integer = Integer()

    class Stopped(Event):
        pass

    class Suspended(Event):
        pass

    class DoneForDay(Event):
        pass

    class Restated(Event):
        order_qty: Integer = Integer()

    class Expired(Event):
        pass

    class Trade(Event):
        last_qty: Integer = Integer()

    class TradeCancel(Event):
        ref_qty: Integer = Integer()  # LastQty of the execution that ExecRefID names

    class TradeCorrect(Event):
        ref_qty: Integer = Integer()
        last_qty: Integer = Integer()

    class PendingCancel(Event):
        cl_ord_id: Text = Text(16)

    class Canceled(Event):
        cl_ord_id: Text = Text(16)

    class PendingReplace(Event):
        cl_ord_id: Text = Text(16)

    class Replace(Event):
        cl_ord_id: Text = Text(16)

    class CancelReject(Event):
        cl_ord_id: Text = Text(16)

    class OrderStatus(Event):
        pass

    class DuplicateOrder(Event):
        """ExecType Rejected with that OrdRejReason: it rejects the copy, not the order."""

    class MoveUpAsked(Event):
        """Raised, as the next: the request in front is answered, and the chained one takes its place."""

    class MoveUpPending(Event):
        pass

    unseen = State(initial=True)
    with Parallel() as known:
        with Region() as executed:
            unfilled = State(initial=True)
            part_filled = State()
            filled = State()
        with Region() as life:
            with Parallel(initial=True) as live:
                with Region() as standing:
                    pending_new = State(initial=True)
                    with State() as working:
                        open = State(initial=True)
                        triggered = State()
                        stopped = State()
                        as_before = History()
                    suspended = State()
                    overnight = State()
                with Region() as cancelling:
                    no_cancel = State(initial=True)
                    cancel_asked = State()
                    pending_cancel = State()
                with Region() as replacing:
                    no_replace = State(initial=True)
                    replace_asked = State()
                    pending_replace = State()
                with Region() as chained:
                    no_chained = State(initial=True)
                    chained_asked = State()
                    chained_pending = State()
            canceled = State(final=True)
            expired = State(final=True)
            done_for_day = State(final=True)
    rejected = State(final=True)

    # --- how it begins, and what a broker makes of it ---

    unseen.on(
        NewOrder,
        when=NewOrder.order_qty >= 0,
        to=known,
        do=[
            cl_ord_id.set(NewOrder.cl_ord_id),
            agreed_qty.set(NewOrder.order_qty),
            time_in_force.set(NewOrder.time_in_force),
        ],
    )
    pending_new.on(
        New,
        when=(New.order_qty > 0) & ((agreed_qty == 0) | (agreed_qty == New.order_qty)),
        to=open,
        do=agreed_qty.set(New.order_qty),
    )

    # An order that was given by telephone is first seen in a report.
    unseen.on(New, when=New.order_qty > 0, to=open, do=[cl_ord_id.set(New.cl_ord_id), agreed_qty.set(New.order_qty)])
    unseen.on(
        Triggered,
        when=Triggered.order_qty > 0,
        to=triggered,
        do=[cl_ord_id.set(Triggered.cl_ord_id), agreed_qty.set(Triggered.order_qty)],
    )
    unseen.on(Canceled, to=canceled, do=cl_ord_id.set(Canceled.cl_ord_id))
    unseen.on(Expired, to=expired)
    unseen.on(Rejected, to=rejected)

    live.on(Rejected, when=cum_qty == 0, to=rejected)
    live.on(Expired, to=expired)
    # A broker cancels what it was asked to, under the ClOrdID of the request, or cancels unasked.
    live.on(Canceled, when=(Canceled.cl_ord_id == cl_ord_id) | (Canceled.cl_ord_id == cancel_id), to=canceled)
    open.on(Triggered, to=triggered)
    (open | triggered).on(Stopped, to=stopped)
    working.on(Suspended, to=suspended)

    # A day order is over with its day (A.1.b). Another one sleeps, with what is left of it, until it is restated (D27).
    working.on(DoneForDay, when=time_in_force == "day", to=done_for_day)
    working.on(DoneForDay, when=time_in_force == "gtc", to=overnight)
    restatable = (Restated.order_qty > 0) & (Restated.order_qty >= cum_qty)
    (suspended | overnight).on(Restated, when=restatable, to=as_before, do=agreed_qty.set(Restated.order_qty))
    working.on(Restated, when=restatable, do=agreed_qty.set(Restated.order_qty))

    # --- executions, which may be told, corrected and busted whatever has become of the order ---

    left = agreed_qty - cum_qty
    known.on(Trade, when=(Trade.last_qty > 0) & (Trade.last_qty <= left), do=cum_qty.add(Trade.last_qty))
    known.on(
        TradeCancel,
        when=(TradeCancel.ref_qty > 0) & (TradeCancel.ref_qty <= cum_qty),
        do=cum_qty.subtract(TradeCancel.ref_qty),
    )
    known.on(
        TradeCorrect,
        when=(TradeCorrect.ref_qty > 0)
        & (TradeCorrect.ref_qty <= cum_qty)
        & (TradeCorrect.last_qty > 0)
        & (TradeCorrect.last_qty <= left + TradeCorrect.ref_qty),
        do=cum_qty.add(TradeCorrect.last_qty - TradeCorrect.ref_qty),
    )

    # --- requests: asked by the client, pending once the broker says so, and at last accepted or rejected ---

    # A request names what it changes: the order, or the open request that is to be the order.
    no_cancel.on(
        CancelRequest,
        when=(CancelRequest.orig_cl_ord_id != NO_ID)
        & (
            (CancelRequest.orig_cl_ord_id == cl_ord_id)
            | (CancelRequest.orig_cl_ord_id == replace_id)
            | (CancelRequest.orig_cl_ord_id == chained_id)
        ),
        to=cancel_asked,
        do=cancel_id.set(CancelRequest.cl_ord_id),
    )
    open_cancel = cancel_asked | pending_cancel
    open_cancel.on(PendingCancel, when=PendingCancel.cl_ord_id == cancel_id, to=pending_cancel)
    open_cancel.on(CancelReject, when=CancelReject.cl_ord_id == cancel_id, to=no_cancel)
    no_cancel.on_entry(cancel_id.set(NO_ID))

    no_replace.on(
        ReplaceRequest,
        when=(ReplaceRequest.orig_cl_ord_id == cl_ord_id) & (ReplaceRequest.order_qty > 0),
        to=replace_asked,
        do=[replace_id.set(ReplaceRequest.cl_ord_id), replace_qty.set(ReplaceRequest.order_qty)],
    )
    open_replace = replace_asked | pending_replace
    open_replace.on(PendingReplace, when=PendingReplace.cl_ord_id == replace_id, to=pending_replace)
    open_replace.on(CancelReject, when=CancelReject.cl_ord_id == replace_id, to=no_replace)
    # What is executed stays executed: a smaller quantity than that means "no more".
    open_replace.on(
        Replace,
        when=Replace.cl_ord_id == replace_id,
        to=no_replace,
        do=[cl_ord_id.set(replace_id), agreed_qty.set(maximum(replace_qty, cum_qty))],
    )
    no_replace.on_entry(replace_id.set(NO_ID))

    # A client need not wait for the answer to a replace request: the next one replaces what that one asks for.
    in_front = replace_id != NO_ID
    no_chained.on(
        ReplaceRequest,
        when=in_front & (ReplaceRequest.orig_cl_ord_id == replace_id) & (ReplaceRequest.order_qty > 0),
        to=chained_asked,
        do=[chained_id.set(ReplaceRequest.cl_ord_id), chained_qty.set(ReplaceRequest.order_qty)],
    )
    open_chained = chained_asked | chained_pending
    open_chained.on(PendingReplace, when=PendingReplace.cl_ord_id == chained_id, to=chained_pending)
    open_chained.on(CancelReject, when=CancelReject.cl_ord_id == chained_id, to=no_chained)
    move_up = replace_id.set(chained_id), replace_qty.set(chained_qty)
    chained_asked.always(when=~in_front, to=no_chained, do=[*move_up, raise_(MoveUpAsked)])
    chained_pending.always(when=~in_front, to=no_chained, do=[*move_up, raise_(MoveUpPending)])
    no_replace.on(MoveUpAsked, when=in_front, to=replace_asked)
    no_replace.on(MoveUpPending, when=in_front, to=pending_replace)
    no_chained.on_entry(chained_id.set(NO_ID))

    # Requests are gone with the order; that it was too late for them may still be said.
    gone = canceled | expired | done_for_day
    gone.ignores(CancelReject)

    # --- an order that comes twice: a resent one is answered with its status, another one is a mistake ---

    known.on(NewOrder, when=NewOrder.poss_resend, do=statuses_owed.add(1))
    known.on(NewOrder, when=~NewOrder.poss_resend, do=rejects_owed.add(1))
    known.on(OrderStatus, when=statuses_owed > 0, do=statuses_owed.subtract(1))
    known.on(DuplicateOrder, when=rejects_owed > 0, do=rejects_owed.subtract(1))

    # --- what follows from all this, said once ---

    (unfilled | part_filled).always(when=(cum_qty > 0) & (cum_qty >= agreed_qty), to=filled)
    (unfilled | filled).always(when=(cum_qty > 0) & (cum_qty < agreed_qty), to=part_filled)
    (part_filled | filled).always(when=cum_qty == 0, to=unfilled)

    # Once a chained request is pending, reports tell the quantity that it would replace (D.2.b).
    no_chained.always(when=order_qty != agreed_qty, do=order_qty.set(agreed_qty))
    chained_asked.always(when=in_front & (order_qty != agreed_qty), do=order_qty.set(agreed_qty))
    replaced_qty = maximum(replace_qty, cum_qty)
    chained_pending.always(when=in_front & (order_qty != replaced_qty), do=order_qty.set(replaced_qty))
    live.always(when=leaves_qty != order_qty - cum_qty, do=leaves_qty.set(order_qty - cum_qty))
    (gone | rejected).on_entry(order_qty.set(agreed_qty), leaves_qty.set(0))


# Where FIX has several states at once, the trading platform nautilus_trader has one, and allows 62 transitions. 47 of
# them are possible here, with the same OrdStatus. What the platform began and never sent, and a venue reports all the
# same, is first seen in a report here; what takes it back out of a pending state is Replace or CancelReject here.
# The other 15 differ:
#
#   5  There, an execution ends PENDING_CANCEL and PENDING_UPDATE, and a trigger ends PENDING_UPDATE. Here they do what
#      they do, but the request is still open, and OrdStatus says so until it is answered: where an execution overtakes
#      a cancel request, the matrix has PendingCancel, then Filled (B.1.c). The answer leads to the platform's state.
#   1  There, a late execution leads from CANCELED to PARTIALLY_FILLED. Here part_filled is active then, but Canceled
#      takes precedence (J.1.b). It does not over Filled: from CANCELED to FILLED both agree.
#   9  EMULATED, RELEASED and DENIED are what a client's own system makes of an order that it has not sent. No message
#      tells of it, so the sell side has no such states.

PRECEDENCE = {
    "PendingCancel": 12,
    "PendingReplace": 11,
    "DoneForDay": 10,
    "Filled": 8,
    "Stopped": 7,
    "Suspended": 6,
    "Canceled": 5,
    "Expired": 5,
    "PartiallyFilled": 4,
    "New": 2,
    "Rejected": 2,
    "PendingNew": 2,
}
STATUS_OF_STATE = {
    "pending_new": "PendingNew",
    "open": "New",
    "triggered": "New",
    "stopped": "Stopped",
    "suspended": "Suspended",
    "overnight": "DoneForDay",
    "part_filled": "PartiallyFilled",
    "filled": "Filled",
    "pending_cancel": "PendingCancel",
    "pending_replace": "PendingReplace",
    "chained_pending": "PendingReplace",
    "canceled": "Canceled",
    "expired": "Expired",
    "done_for_day": "DoneForDay",
    "rejected": "Rejected",
}


class Report(NamedTuple):
    """What an execution report tells of an order."""

    ord_status: str | None
    order_qty: int
    cum_qty: int
    leaves_qty: int


def ord_status(states: Iterable[str]) -> str | None:
    """The OrdStatus of an order in these states: the one that takes precedence; None while it is unseen."""
    statuses = [STATUS_OF_STATE[name] for name in states if name in STATUS_OF_STATE]
    return max(statuses, key=PRECEDENCE.__getitem__, default=None)


def report(engine: Engine, order: int) -> Report:
    """What a report on this order says now."""
    fields = engine.fields(order)
    return Report(ord_status(engine.state(order)), fields["order_qty"], fields["cum_qty"], fields["leaves_qty"])
