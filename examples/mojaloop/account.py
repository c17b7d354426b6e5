"""One participant's account in a settlement: it goes on as its settlement does, one step at a time.

    pending_settlement ─▶ ps_transfers_recorded ─▶ ps_transfers_reserved ─▶ ps_transfers_committed ─▶ settled
            └──────────────────────┴───────Abort─────────────┴──▶ aborted

    fsm draw examples/mojaloop/account.py         the same for Mermaid, with every transition

PS stands for the position settlement transfer, which moves what the participant owes out of its position.

An operator sends the states that accounts are to have, some in one request. An account may take the step that its
settlement has not yet taken, or hear why it is where it is; everything else is refused as `guard`.
"""

from fsm import Choice, Event, Flow, Integer, State, Text

STATES = (
    "PENDING_SETTLEMENT", "PS_TRANSFERS_RECORDED", "PS_TRANSFERS_RESERVED", "PS_TRANSFERS_COMMITTED", "SETTLED",
    "ABORTED",
)  # fmt: skip
SETTLEMENT_STATES = (*STATES, "SETTLING")
SHOWN = "no guard needs it: it is kept for those who look at the account"


class Account(Flow):
    """What one account owes or is owed in one settlement; its key names both."""

    request = Integer()
    reason = Text(24, waive={"unread-field": SHOWN})

    class Update(Event):
        """In request number `request`, from 1, while the settlement is in the state `settlement`."""

        request: Integer = Integer()
        settlement: Choice = Choice(*SETTLEMENT_STATES)
        state: Choice = Choice(*STATES)
        reason: Text = Text(24)

    class Abort(Event):
        """The whole settlement is aborted."""

        reason: Text = Text(24)

    pending_settlement = State(initial=True)
    ps_transfers_recorded = State()
    ps_transfers_reserved = State()
    ps_transfers_committed = State()
    settled = State(final=True)
    aborted = State(final=True)

    # A request may name an account twice by mistake: only the first counts.
    once = Update.request != request
    processed = (request.set(Update.request), reason.set(Update.reason))

    pending_settlement.on(
        Update,
        when=once & (Update.state == "PS_TRANSFERS_RECORDED") & (Update.settlement == "PENDING_SETTLEMENT"),
        do=processed,
        to=ps_transfers_recorded,
    )
    ps_transfers_recorded.on(
        Update,
        when=once & (Update.state == "PS_TRANSFERS_RESERVED") & (Update.settlement == "PS_TRANSFERS_RECORDED"),
        do=processed,
        to=ps_transfers_reserved,
    )
    ps_transfers_reserved.on(
        Update,
        when=once & (Update.state == "PS_TRANSFERS_COMMITTED") & (Update.settlement == "PS_TRANSFERS_RESERVED"),
        do=processed,
        to=ps_transfers_committed,
    )
    # The first to settle finds the settlement committed, the others find it settling.
    settling = (Update.settlement == "PS_TRANSFERS_COMMITTED") | (Update.settlement == "SETTLING")
    ps_transfers_committed.on(Update, when=once & (Update.state == "SETTLED") & settling, do=processed, to=settled)

    # The state that it has already: there is a new reason for it, and that is all.
    pending_settlement.on(Update, when=once & (Update.state == "PENDING_SETTLEMENT"), do=processed)
    ps_transfers_recorded.on(Update, when=once & (Update.state == "PS_TRANSFERS_RECORDED"), do=processed)
    ps_transfers_reserved.on(Update, when=once & (Update.state == "PS_TRANSFERS_RESERVED"), do=processed)
    ps_transfers_committed.on(Update, when=once & (Update.state == "PS_TRANSFERS_COMMITTED"), do=processed)
    settled.on(Update, when=once & (Update.state == "SETTLED"), do=processed)
    aborted.on(Update, when=once & (Update.state == "ABORTED"), do=processed)

    # Once its money has moved there is no way back.
    revocable = pending_settlement | ps_transfers_recorded | ps_transfers_reserved
    revocable.on(Abort, do=reason.set(Abort.reason), to=aborted)
    aborted.on(Abort, do=reason.set(Abort.reason))
