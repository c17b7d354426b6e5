"""Why an input was refused, in words: where it stands, which guards said no, what has no room, what faulted."""

from __future__ import annotations

from typing import Any

import pytest

import fsm
from fsm import Boolean, Choice, Duration, Event, Flow, Integer, Outcome, Parallel, Region, StartFault, State, raise_
from fsm.engine.reason import fault, standing
from tests.engine.orders import open_engine

WAIT_MAX = (1 << 63) - 1


class Settlement(Flow, microsteps_max=5, raised_max=3):
    """Two legs, with guards on every level."""

    quantity = Integer(default=10)
    urgent = Boolean()
    side = Choice("buy", "sell")
    wait = Duration()

    class Match(Event):
        quantity: Integer = Integer()

    class Move(Event):
        quantity: Integer = Integer()

    class Pay(Event):
        pass

    class Cancel(Event):
        pass

    class Hold(Event):
        pass

    class Mark(Event):
        side: Choice = Choice("buy", "sell")

    class Spin(Event):
        pass

    class Flood(Event):
        pass

    class Late(Event):
        wait: Duration = Duration()

    with State(initial=True) as open:
        instructed = State(initial=True)
        with Parallel() as settling:
            with Region() as securities:
                with State(initial=True) as reserved:
                    whole = State(initial=True)
                    partly = State()
                delivered = State(final=True)
            with Region() as cash:
                blocked = State(initial=True)
                paid = State(final=True)
        spinning = State()
        late = State()
    settled = State(final=True)
    quarantined = State(poison=True)

    instructed.on(Match, when=Match.quantity == quantity, to=settling)
    instructed.on(Mark, do=side.set(Mark.side))
    instructed.on(Spin, to=spinning)
    instructed.on(Flood, do=[raise_(Pay), raise_(Pay), raise_(Pay), raise_(Pay)])
    instructed.on(Late, to=late, do=wait.set(Late.wait))
    instructed.defers(Pay, at_most=2)
    late.after(wait, to=instructed)
    spinning.always(when=urgent, to=instructed)
    spinning.always(when=quantity < 100, do=quantity.add(1), to=spinning)
    spinning.always(to=instructed)
    whole.on(Move, when=Move.quantity == quantity, to=delivered)
    partly.on(Move, when=Move.quantity > quantity, to=delivered)
    reserved.on(Move, when=Move.quantity < quantity - 5, to=partly)
    blocked.on(Move, when=quantity > 20, to=paid)
    blocked.on(Pay, to=paid)
    blocked.always(when=quantity > 1_000_000, to=paid)
    settling.on(Event, when=urgent, to=quarantined)
    settling.on_done(when=quantity > 0, to=settled)
    open.on(Cancel, when=quantity == 0, to=quarantined)
    open.defers(Hold, at_most=1)
    settling.defers(Hold, Cancel, at_most=3)
    cash.defers(Hold, at_most=2)


def engine_at(name: str, *events: Any) -> fsm.Engine:
    """An engine with the instance "x", which took some events."""
    engine = open_engine(name, flow=Settlement)
    engine.start("x")
    for event in events:
        assert engine.send("x", event).accepted
    return engine


def line_of(text: str) -> int:
    """The line of this file that holds a text first."""
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def place(text: str) -> str:
    return f"(test_reasons.py:{line_of(text)})"


MATCH = Settlement.Match(quantity=10)


def test_where_an_instance_stands_is_a_path_with_brackets_around_what_is_active_together(engine_name: str) -> None:
    """`state` lists every active state; a sentence needs to show which is inside which."""
    engine = engine_at(engine_name)
    configurations = range(engine.tables.configuration_count)
    found = [standing(engine.tables, configuration) for configuration in configurations]
    assert "open/instructed" in found
    assert "open/settling (securities/reserved/whole and cash/blocked)" in found
    assert "settled" in found
    assert sorted(set(found)) == sorted(found)


def test_nested_brackets_say_which_states_are_active_together() -> None:
    """A parallel state in a region of another."""

    class Twice(Flow):
        class Go(Event):
            pass

        with Parallel(initial=True) as outer:
            with Region() as left, Parallel(initial=True) as inner:
                a = State()
                b = State()
            with Region() as right:
                c = State(initial=True)
                d = State(final=True)
        done = State(final=True)
        c.on(Go, to=d)
        right.on_done(to=done)

    tables = fsm.compile(Twice)
    assert "outer (left/inner (a and b) and right/c)" == standing(tables, tables.initial_configuration)


def test_an_unhandled_event_names_all_of_where_it_stands(engine_name: str) -> None:
    """By path, and what it would have had to be declared for."""
    step = engine_at(engine_name).send("x", Settlement.Move(quantity=1))
    assert (Outcome.UNHANDLED, "state open/instructed declares nothing for Move") == (step.outcome, step.reason)


def test_guards_are_listed_in_the_order_in_which_they_are_asked(engine_name: str) -> None:
    """Of each region the innermost state first, then those around it; a common ancestor once; those of others not."""
    step = engine_at(engine_name, MATCH).send("x", Settlement.Move(quantity=7))
    assert Outcome.GUARD == step.outcome
    stands = "open/settling (securities/reserved/whole and cash/blocked)"
    assert (
        f"no guard of Move holds in {stands}: "
        + "; ".join(
            [
                f"whole asks Move.quantity == quantity {place('whole.on(Move')}",
                f"reserved asks Move.quantity < quantity - 5 {place('reserved.on(Move')}",
                f"settling asks urgent {place('settling.on(Event')}",
                f"blocked asks quantity > 20 {place('blocked.on(Move')}",
            ]
        )
        == step.reason
    )


def test_a_transition_on_any_event_is_asked_for_every_event(engine_name: str) -> None:
    """Also for one that nothing else names; eventless transitions, timers and `done` are asked for none."""
    step = engine_at(engine_name, MATCH).send("x", Settlement.Spin())
    stands = "open/settling (securities/reserved/whole and cash/blocked)"
    asks = f"settling asks urgent {place('settling.on(Event')}"
    assert (Outcome.GUARD, f"no guard of Spin holds in {stands}: {asks}") == (step.outcome, step.reason)


def test_a_guard_of_a_flat_flow_needs_no_name_of_a_state(engine_name: str) -> None:
    """There is one active state, and the sentence has named it."""

    class Flat(Flow):
        n = Integer()

        class Go(Event):
            pass

        a = State(initial=True)
        b = State(final=True)
        a.on(Go, when=n > 9, to=b)
        a.always(when=n == 7, to=b)
        b.on(Go, when=n == 1, to=a, do=n.set(0))

    engine = open_engine(engine_name, flow=Flat)
    engine.start("x")
    line = line_of("a.on(Go, when=n > 9, to=b)")
    assert f"no guard of Go holds in a: n > 9 (test_reasons.py:{line})" == engine.send("x", Flat.Go()).reason


def test_an_instance_that_ended_says_so(engine_name: str) -> None:
    """What is declared for a final state would be late news."""
    engine = engine_at(engine_name, MATCH, Settlement.Move(quantity=10), Settlement.Pay())
    step = engine.send("x", Settlement.Pay())
    assert (Outcome.ENDED, ("settled",)) == (step.outcome, step.states)
    assert "the instance has ended in settled, which declares nothing for Pay" == step.reason


@pytest.mark.parametrize(
    ("events", "event", "defers", "waits", "who", "room"),
    [
        ((), Settlement.Pay(), 2, "2 events wait", "instructed", 2),
        ((), Settlement.Hold(), 1, "1 event waits", "open", 1),
        ((MATCH,), Settlement.Hold(), 2, "2 events wait", "cash", 2),
    ],
)
def test_where_no_room_is_left_the_reason_says_who_defers_and_how_many_wait(
    engine_name: str, events: tuple[Any, ...], event: Any, defers: int, waits: str, who: str, room: int
) -> None:
    """The innermost state that defers the event decides how many may wait."""
    engine = engine_at(engine_name, *events)
    assert ["deferred"] * defers == [engine.send("x", event).outcome.label for _ in range(defers)]
    step = engine.send("x", event)
    assert Outcome.DEFERRAL_FULL == step.outcome
    name = type(event).__name__
    expected = (
        f"{name} is to wait, and there is no room: {waits} already, and {who} defers it while fewer than {room} do"
    )
    assert step.reason.startswith(expected)
    assert step.reason.endswith(place(f"    {who}.defers("))


def test_events_of_every_kind_take_the_room(engine_name: str) -> None:
    """More may wait than a state allows, where others allow more."""
    engine = engine_at(engine_name, MATCH)
    for event in (Settlement.Hold(), Settlement.Hold(), Settlement.Cancel()):
        assert Outcome.DEFERRED == engine.send("x", event).outcome
    full = engine.send("x", Settlement.Hold()).reason
    assert "3 events wait already, and cash defers it while fewer than 2 do" in full


def test_a_value_out_of_bounds_is_a_fault_with_its_place(engine_name: str) -> None:
    """A word that no option of a choice has, as `step` may be handed."""
    engine = engine_at(engine_name)
    handle = engine.find("x")
    assert handle is not None
    assert Outcome.BOUND == engine.step(handle, Settlement.Mark.id, 7)
    said = fault(engine.tables, Outcome.BOUND, engine._header("place", "test"))
    assert f"a value out of bounds in side.set(Mark.side) {place('side.set(Mark.side)')}" == said
    assert "" == engine.send("x", Settlement.Mark(side="sell")).reason


def test_too_many_microsteps_are_a_fault_that_says_so(engine_name: str) -> None:
    """And by which transition the last one was, not `a value out of bounds`."""
    step = engine_at(engine_name).send("x", Settlement.Spin())
    assert Outcome.BOUND == step.outcome
    transition = "the transition always to spinning"
    text = f"more than 5 microsteps after the first, the last of them by {transition} "
    assert step.reason == text + f"{place('do=quantity.add(1)')}; the step was undone"
    assert ("open", "instructed") == step.states


def test_too_many_internal_events_are_a_fault_that_says_so(engine_name: str) -> None:
    """The one that found no room is named."""
    step = engine_at(engine_name).send("x", Settlement.Flood())
    assert Outcome.BOUND == step.outcome
    raised = f"raise_(Pay) {place('raise_(Pay), raise_(Pay)')}"
    assert step.reason == f"more than 3 internal events would wait, at {raised}; the step was undone"


def test_a_timer_that_would_be_due_beyond_all_time_is_a_fault(engine_name: str) -> None:
    """The timer is named, since no action overflowed."""
    engine = engine_at(engine_name)
    engine.advance(1)
    step = engine.send("x", "Late", {"wait": WAIT_MAX})
    assert Outcome.OVERFLOW == step.outcome
    assert step.reason == f"overflow in after wait {place('late.after(wait')}; the step was undone"


class Starting(Flow, microsteps_max=4):
    """A flow whose start may fault in three ways."""

    parts = Integer(default=1)
    share = Integer()
    turns = Integer()

    class Go(Event):
        pass

    a = State(initial=True)
    b = State()
    c = State(final=True)
    a.on_entry(share.set(100 // parts))
    a.always(when=turns > 0, to=b)
    b.always(when=turns > 1, to=a)
    a.on(Go, to=c)
    b.on(Go, to=c)


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        ({"parts": 0}, "division", f"division by zero in share.set(100 // parts) {place('a.on_entry(')}"),
        ({"turns": 2}, "bound", "more than 4 microsteps after the first, the last of them by the transition always to"),
    ],
)
def test_a_start_that_faults_says_where_and_leaves_nothing(
    engine_name: str, fields: dict[str, int], outcome: str, reason: str
) -> None:
    """The error has the facts, and its message says what to do next."""
    engine = open_engine(engine_name, flow=Starting)
    with pytest.raises(StartFault) as caught:
        engine.start("x", **fields)
    assert ("x", outcome) == (caught.value.key, caught.value.outcome)
    assert caught.value.reason.startswith(reason)
    assert f"key 'x' was not started: {caught.value.reason}. Nothing was kept." in str(caught.value)
    assert (None, 0, 1) == (engine.find("x"), len(engine), engine.sequence)
    assert Outcome.UNKNOWN_INSTANCE == engine.send("x", Starting.Go()).outcome


def test_the_engines_give_the_same_reasons() -> None:
    """Word for word, whatever was refused."""
    events = ["Match", "Move", "Pay", "Cancel", "Hold", "Spin", "Flood", "Pay", "Pay", "Hold", "Hold", "Match", "Move"]
    said = []
    for name in dict.fromkeys(["mirror", fsm.Engine(Settlement).engine]):
        engine = engine_at(name)
        given: dict[str, dict[str, object]] = {"Match": {"quantity": 10}, "Move": {"quantity": 7}}
        said.append([engine.send("x", event, given.get(event)) for event in events])
    assert said[0] == said[-1]
