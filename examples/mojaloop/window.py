"""A settlement window of a Mojaloop switch: the transfers that were committed while it was open settle together.

    open ─Close─▶ processing ──────────────────────▶ closed ─Include─▶ pending_settlement ─▶ settled
                  aggregating ⇄ waiting                                  ▲            │
                     │ no retry is left                          Include │            │ Abort
                     ▼                                                   └─ aborted ◀─┘
                  failed: waits for a person

    fsm draw examples/mojaloop/window.py          the same for Mermaid, with every transition

Exactly one window is open: `close` closes it and opens the next, where what is committed meanwhile is assigned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm import Event, Flow, Integer, Outcome, State

if TYPE_CHECKING:
    from fsm import Engine

RETRIES = 3


class Window(Flow):
    """The transfers of some hours; its key is its number."""

    transfers = Integer()
    retries = Integer()

    class Assign(Event):
        """A transfer is committed."""

    class Close(Event):
        pass

    class Aggregated(Event):
        """What each participant owes for this window is summed up."""

    class AggregationFailed(Event):
        pass

    class Include(Event):
        """It becomes part of a settlement."""

    class Settle(Event):
        pass

    class Abort(Event):
        """The settlement that it is part of is not possible."""

    open = State(initial=True)
    with State() as processing:
        aggregating = State(initial=True)
        waiting = State()
    closed = State()
    pending_settlement = State()
    settled = State(final=True)
    aborted = State()
    failed = State(poison=True)

    open.on(Assign, do=transfers.add(1))
    open.on(Close, when=transfers > 0, to=processing)

    aggregating.on(Aggregated, to=closed)
    aggregating.on(AggregationFailed, when=retries < RETRIES, do=retries.add(1), to=waiting)
    aggregating.on(AggregationFailed, when=retries >= RETRIES, to=failed)
    waiting.after("3 s", to=aggregating)

    # Not possible this time is not lost: a later settlement may take it.
    ready = closed | aborted
    ready.on(Include, to=pending_settlement)
    pending_settlement.on(Settle, to=settled)
    pending_settlement.on(Abort, to=aborted)
    # One settlement takes what a window holds of one currency, and another one the rest: it is pending already.
    pending_settlement.ignores(Include)


def close(engine: Engine, number: int) -> Outcome:
    """Close the open window `number` and open the next; an empty one stays open, and no other is closed."""
    outcome = engine.send(number, Window.Close()).outcome
    if outcome == Outcome.ACCEPTED:
        engine.start(number + 1)
    return outcome
