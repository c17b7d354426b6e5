"""Deferred events where random flows seldom lead: several that wait, and one of them that moves the instance on.

Keep, Late wait ──Go──▶ Keep waits on, Late is given again and moves ──▶ from the oldest: Keep with its argument
"""

from __future__ import annotations

import pytest

import fsm
from fsm.layout import Outcome
from fsm.testing import Input
from tests.differential.pair import Journal
from tests.differential.trio import Trio, compiled

pytestmark = pytest.mark.native


class Waiting(fsm.Flow, waive={"no-final-state": "it waits for ever", "unread-field": "looked at"}):
    """What waits in `early` waits on in `later`; `away` remembers a state, which is no other state."""

    total = fsm.Integer()
    turns = fsm.Integer()

    class Keep(fsm.Event):
        """Waits until somebody wants it."""

        quantity: fsm.Integer = fsm.Integer()

    class Late(fsm.Event):
        """Waits, and moves on."""

    class Go(fsm.Event):
        """Moves on."""

    class Turn(fsm.Event):
        """Goes through `second` and comes back, so that only what is remembered differs."""

    class Back(fsm.Event):
        """To what is remembered."""

    early = fsm.State(initial=True)
    later = fsm.State()
    with fsm.State() as home:
        first = fsm.State(initial=True)
        second = fsm.State()
        again = fsm.History()
    away = fsm.State()

    (early | later).defers(Keep, Late, at_most=4)
    early.on(Go, to=later)
    later.on(Late, to=home)
    home.on(Keep, do=total.add(Keep.quantity))
    first.on(Go, to=away)
    second.always(to=away)
    away.on(Keep, when=turns > 0, do=total.subtract(Keep.quantity))
    away.defers(Keep, at_most=4)
    away.on(Turn, do=turns.add(1), to=second)
    away.on(Back, to=again)


KEEP, LATE, GO, TURN, BACK = range(5)


@pytest.mark.parametrize(
    ("events", "total", "untold"),
    [
        ([(KEEP, 5), (LATE,), (GO,)], 5, 2),
        ([(KEEP, 5), (KEEP, 7), (LATE,), (KEEP, 9), (GO,)], 21, 4),
        ([(LATE,), (GO,), (GO,), (KEEP, 5), (TURN,)], 0, 1),
        ([(LATE,), (GO,), (GO,), (KEEP, 5), (BACK,)], 5, 2),
    ],
)
@pytest.mark.parametrize("journal", [None, Journal()])
def test_what_waits_is_given_again_from_the_oldest_when_other_states_are_active(
    events: list[tuple[int, ...]], total: int, untold: int, journal: Journal | None
) -> None:
    """With its arguments, and not where only the memory of a history differs."""
    tables = compiled(Waiting)
    assert tables is not None
    with Trio(Waiting, tables, journal=journal) as trio:
        trio.start("order", {})
        for event, *words in events:
            assert trio.give(Input(0, event, tuple(words), None, None)) in (Outcome.ACCEPTED, Outcome.DEFERRED)
        assert total == trio.pair.call("fields", trio.handles[0])["total"]
        assert {"accepted": untold} == trio.pair.do(lambda engine: engine.untold)
