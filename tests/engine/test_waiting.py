"""What an instance waits for: timers that are armed, events that are deferred."""

from __future__ import annotations

import pytest

import fsm
from fsm import Choice, Event, Flow, Integer, Parallel, Region, State, Timestamp

SECOND = 1_000_000_000


class Delivery(Flow):
    """A parcel on its way, and a courier who rests after each try."""

    due = Timestamp()
    tries = Integer()

    class Send(Event):
        due: Timestamp = Timestamp()

    class Recall(Event):
        reason: Choice = Choice("lost", "damaged")
        pieces: Integer = Integer()

    class Handed(Event):
        pass

    packed = State(initial=True)
    with Parallel() as going:
        with Region() as parcel:
            moving = State(initial=True)
            held = State()
        with Region() as courier:
            driving = State(initial=True)
            resting = State()
    handed = State(final=True)
    back = State(final=True)

    packed.on(Send, to=going, do=due.set(Send.due))
    going.at(due, to=back)
    going.defers(Recall, at_most=2)
    driving.after("90 s", to=resting, do=tries.add(1))
    resting.after("1 d", to=driving)
    moving.on(Handed, when=tries > 0, to=handed)
    moving.after("2 h", to=held)
    held.on(Handed, to=back)
    handed.on(Recall, to=back)
    back.ignores(Recall)


@pytest.fixture
def engine(engine_name: str) -> fsm.Engine:
    return fsm.Engine(Delivery, engine=engine_name)


def test_armed_timers_are_listed_earliest_first(engine: fsm.Engine) -> None:
    """With their state, their time as the flow says it, and their deadline."""
    engine.advance(5 * SECOND)
    parcel = engine.start("p")
    assert [] == engine.timers(parcel)
    engine.send("p", Delivery.Send(due=100 * SECOND))
    assert [
        ("driving", "after 90 s", 95 * SECOND),
        ("going", "at due", 100 * SECOND),
        ("moving", "after 2 h", 7205 * SECOND),
    ] == engine.timers(parcel)
    engine.advance(95 * SECOND)
    assert [("going", "at due"), ("moving", "after 2 h"), ("resting", "after 1 d")] == [
        each[:2] for each in engine.timers(parcel)
    ]


def test_a_moment_that_was_never_set_is_no_timer(engine: fsm.Engine) -> None:
    """0 is the default of a Timestamp, and arms nothing."""
    parcel = engine.start("p")
    engine.send("p", Delivery.Send(due=0))
    assert ["driving", "moving"] == [each.state for each in engine.timers(parcel)]


def test_deferred_events_are_listed_oldest_first_with_their_arguments(engine: fsm.Engine) -> None:
    """As they were given, and gone once they were given again."""
    parcel = engine.start("p")
    engine.send("p", Delivery.Send(due=0))
    engine.send("p", Delivery.Recall(reason="damaged", pieces=2))
    engine.send("p", Delivery.Recall(reason="lost", pieces=-1))
    full = engine.send("p", Delivery.Recall(reason="lost", pieces=3))
    assert "deferral_full" == full.outcome.label
    assert [
        ("Recall", {"reason": "damaged", "pieces": 2}),
        ("Recall", {"reason": "lost", "pieces": -1}),
    ] == engine.deferred(parcel)
    engine.advance(90 * SECOND)
    assert 2 == len(engine.deferred(parcel)), "still on its way: it is deferred there too"
    engine.send("p", Delivery.Handed())
    assert ([], ("back",), {"accepted": 2, "ignored": 1}) == (
        engine.deferred(parcel), engine.state(parcel), engine.untold,
    )  # fmt: skip


def test_the_time_can_be_read(engine: fsm.Engine) -> None:
    """It is what `advance` was given last, unless that was earlier."""
    assert 0 == engine.now_ns
    engine.advance(5 * SECOND)
    engine.advance(3 * SECOND)
    assert 5 * SECOND == engine.now_ns


def test_timers_that_are_armed_anew_leave_nothing_behind_on_the_mirror() -> None:
    """Its index keeps what was cancelled for a while, and not for ever."""

    class Chased(Flow):
        class Again(Event):
            pass

        waiting = State(initial=True)
        given_up = State(final=True)
        waiting.on(Again, to=waiting, waive={"timer-restarts": "that is the point"})
        waiting.after("1 d", to=given_up)

    engine = fsm.Engine(Chased, engine="mirror")
    chased = engine.start("c")
    for second in range(1, 1_000):
        engine.advance(second * SECOND)
        engine.send("c", Chased.Again())
    assert len(engine._inputs.moments) < 100  # type: ignore[attr-defined]
    assert [("waiting", "after 1 d", (86_400 + 999) * SECOND)] == engine.timers(chased)
    assert (0, 1) == (engine.advance((86_400 + 998) * SECOND), engine.advance((86_400 + 999) * SECOND))


def test_an_unknown_instance_waits_for_nothing_and_is_an_error(engine: fsm.Engine) -> None:
    """As everywhere."""
    for look in (engine.timers, engine.deferred):
        with pytest.raises(LookupError, match="instance 7 is unknown"):
            look(7)
