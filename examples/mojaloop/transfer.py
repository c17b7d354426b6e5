"""A transfer in a Mojaloop switch: what the participants are told in capitals, and inside it what the switch knows.

    new ─▶ RECEIVED ─────────────▶ RESERVED ────────────────────────────────────▶ COMMITTED ─▶ SETTLED
     │     received_prepare        reserved ⇢ reserved_forwarded
     │         │                   received_fulfil, received_fulfil_dependent
     │         │                   received_reject, received_error, reserved_timeout
     │         │ expiration           │ reject, error, expiration
     └─────────┴──────────────────────┴───▶ ABORTED
                                            invalid, expired_prepared, aborted_rejected, aborted_error,
                                            expired_reserved, failed

    fsm draw examples/mojaloop/transfer.py        the same for Mermaid, with every transition

A payer's bank asks the switch to pay; the switch reserves the money in the payer's position, and asks the payee's bank.
What that answers is checked before it comes here: the events say what the handlers of the switch found. An instance's
key is the id that the payer gave the transfer, so a second request for it is refused as `Exists`.

Whoever drives the engine tells it the time before he hands it a message, `engine.advance(now)` or `times=`: then an
answer that comes too late finds that the transfer has expired, however seldom the handler of timeouts runs.
"""

from fsm import Boolean, Choice, Decimal, Event, Flow, State, Timestamp

SHOWN = "no guard needs it: it is kept for those who look at a transfer"
NOWHERE = "Mojaloop has the state, and nothing that leads there: each abort says why"


class Transfer(Flow):
    """A payment, or the exchange of currencies that goes before it (an fxTransfer)."""

    amount = Decimal(4)
    held = Decimal(4, waive={"unread-field": SHOWN})
    fx = Boolean()
    expiration = Timestamp()
    cause = Choice("none", "expired", "related expired", waive={"unread-field": SHOWN})

    class PrepareValid(Event):
        amount: Decimal = Decimal(4)
        expiration: Timestamp = Timestamp()
        fx: Boolean = Boolean(default=False)

    class PrepareInvalid(Event):
        pass

    class LiquidityOk(Event):
        """The payer's position and net debit cap allow it."""

    class Forwarded(Event):
        """A proxy took it to another scheme."""

    class FulfilValid(Event):
        """The payee accepts, and proves it with the right fulfilment."""

    class FulfilInvalid(Event):
        pass

    class FxFulfil(Event):
        """The exchange is made, as soon as the payment that needs it is."""

    class RejectCallback(Event):
        pass

    class Commit(Event):
        """The money has moved between the positions."""

    class Abort(Event):
        """The money that was reserved is the payer's again."""

    class RelatedExpired(Event):
        """The payment that needs this exchange has expired, or the exchange that this payment needs."""

    class Settle(Event):
        """The settlement window that it was committed in is settled."""

    new = State(initial=True)
    with State() as RECEIVED:
        received_prepare = State(initial=True)
    with State() as RESERVED:
        reserved = State(initial=True)
        reserved_forwarded = State()
        received_fulfil = State()
        received_fulfil_dependent = State()
        received_reject = State()
        received_error = State()
        reserved_timeout = State()
    COMMITTED = State()
    SETTLED = State(final=True)
    with State(waive={"no-way-out": "what is aborted stays so: the payer asks again under another id"}) as ABORTED:
        failed = State(initial=True, final=True, waive={"unreachable-state": NOWHERE})
        invalid = State(final=True)
        expired_prepared = State(final=True)
        aborted_rejected = State(final=True)
        aborted_error = State(final=True)
        expired_reserved = State(final=True)

    new.on(
        PrepareValid,
        do=[amount.set(PrepareValid.amount), expiration.set(PrepareValid.expiration), fx.set(PrepareValid.fx)],
        to=received_prepare,
    )
    new.on(PrepareInvalid, to=invalid)
    received_prepare.on(LiquidityOk, to=reserved)

    # The money is reserved exactly as long as the participants are told so.
    RESERVED.on_entry(held.set(amount))
    RESERVED.on_exit(held.set(0))

    asked = reserved | reserved_forwarded
    asked.on(FulfilValid, when=~fx, to=received_fulfil)
    asked.on(FulfilInvalid, to=received_error)
    asked.on(FxFulfil, when=fx, to=received_fulfil_dependent)
    reserved.on(Forwarded, to=reserved_forwarded)
    reserved.on(RejectCallback, to=received_reject)

    fulfilled = received_fulfil | received_fulfil_dependent
    fulfilled.on(Commit, to=COMMITTED)
    received_reject.on(Abort, to=aborted_rejected)
    received_error.on(Abort, to=aborted_error)
    reserved_timeout.on(Abort, to=expired_reserved)
    COMMITTED.on(Settle, to=SETTLED)

    # Time is up only for what waits for an answer here: what another scheme has taken may be committed there already.
    received_prepare.at(expiration, do=cause.set("expired"), to=expired_prepared)
    reserved.at(expiration, do=cause.set("expired"), to=reserved_timeout)

    # An exchange and its payment expire together, even where the exchange is made already: it is no good alone.
    # Where one half is committed the event is refused, and the refusal shows a person that the other half is missing.
    received_prepare.on(RelatedExpired, do=cause.set("related expired"), to=expired_prepared)
    waiting = reserved | received_fulfil_dependent
    waiting.on(RelatedExpired, do=cause.set("related expired"), to=reserved_timeout)
