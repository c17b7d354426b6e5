"""A settlement of a Mojaloop switch: it goes on when all of its accounts have, and is settling while only some are.

    pending_settlement ─▶ ps_transfers_recorded ─▶ ps_transfers_reserved ─▶ ps_transfers_committed ─▶ settled
            └──────────────────────┴───────Abort─────────────┘                  └──▶ settling ──────────▲
                                               ▼
                                            aborted

    fsm draw examples/mojaloop/settlement.py      the same for Mermaid, with every transition

Its accounts are instances of the flow in account.py; `update` gives both what an operator asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm import Event, Flow, Integer, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fsm import Engine, Outcome


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


def update(
    settlements: Engine, accounts: Engine, settlement: str, request: int, wanted: Iterable[tuple[str, str]]
) -> list[Outcome]:
    """One request of an operator: (account, state that it is to have). An account's key is "settlement/account".

    All are judged by the state that the settlement had when the request came. Raises `LookupError` for one that is not.
    """
    instance = settlements.find(settlement)
    if instance is None:
        raise LookupError(f"settlement {settlement!r} is unknown")
    (stage,) = settlements.state(instance)
    outcomes = []
    for account, state in wanted:
        arguments = {"request": request, "settlement": stage.upper(), "state": state, "reason": f"request {request}"}
        known = accounts.find(f"{settlement}/{account}")
        before = () if known is None else accounts.state(known)
        step = accounts.send(f"{settlement}/{account}", "Update", arguments)
        if step.accepted and step.states != before:
            settlements.step(instance, Settlement.Advanced.id)
        outcomes.append(step.outcome)
    return outcomes
