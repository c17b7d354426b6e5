"""A settlement of a Mojaloop switch: it goes on when all of its accounts have, and is settling while only some are.

    pending_settlement ─▶ ps_transfers_recorded ─▶ ps_transfers_reserved ─▶ ps_transfers_committed ─▶ settled
            └──────────────────────┴───────Abort─────────────┘                  └──▶ settling ──────────▲
                                               ▼
                                            aborted

    fsm draw examples/mojaloop/settlement.py      the same for Mermaid, with every transition

Its accounts are instances of `account.Account`. `put` is what the operator's request does to both.
"""

from collections.abc import Iterable

from fsm import Engine, Event, Flow, Integer, Outcome, State


class Settlement(Flow):
    """What the participants owe each other after some windows."""

    accounts = Integer(default=1, waive={"unwritten-field": "whoever starts a settlement knows its accounts"})
    ahead = Integer()
    """Accounts that have taken the next step already."""

    class Advanced(Event):
        """One more account took it."""

    class Abort(Event):
        pass

    pending_settlement = State(initial=True)
    ps_transfers_recorded = State()
    ps_transfers_reserved = State()
    ps_transfers_committed = State()
    settling = State()
    settled = State(final=True)
    aborted = State(final=True)

    alive = pending_settlement | ps_transfers_recorded | ps_transfers_reserved | ps_transfers_committed | settling
    alive.on(Advanced, do=ahead.add(1))

    pending_settlement.always(when=ahead == accounts, do=ahead.set(0), to=ps_transfers_recorded)
    ps_transfers_recorded.always(when=ahead == accounts, do=ahead.set(0), to=ps_transfers_reserved)
    ps_transfers_reserved.always(when=ahead == accounts, do=ahead.set(0), to=ps_transfers_committed)
    ps_transfers_committed.always(when=(ahead > 0) & (ahead < accounts), to=settling)
    (ps_transfers_committed | settling).always(when=ahead == accounts, to=settled)

    # Once the money of one account has moved there is no way back.
    (pending_settlement | ps_transfers_recorded).on(Abort, to=aborted)
    ps_transfers_reserved.on(Abort, when=ahead == 0, to=aborted)
