"""The interpreter keeps events that are deferred, and gives them again when a person says it does.

event ──step──▶ deferred ──other states become active──▶ given again ──▶ an outcome of which nobody is told
"""

from __future__ import annotations

from typing import Any

import pytest

from fsm.layout import Outcome
from tests.compile.charts import (
    INTEGER,
    after,
    apply,
    argument,
    chart,
    compound,
    constant,
    defer,
    equal,
    event,
    ignore,
    on,
    parallel,
    raise_,
    set_,
    show,
    small_chart,
    state,
)
from tests.compile.interpreter import Interpreter
from tests.compile.statecharts import COUNT, DIVIDED, NO, NOTHING, N, go, started, two


def waiting(*transitions: Any, **more: Any) -> Interpreter:
    """a defers Stop and Back, b neither; Go leads from a to b and back."""
    more.setdefault("defers", [defer("a", "Stop"), defer("a", "Back")])
    return Interpreter(two(on("a", "Go", to="b"), on("b", "Go", to="a"), *transitions, **more))


def test_a_deferred_event_is_given_again_when_other_states_are_active() -> None:
    """Oldest first, each an input of its own with its own outcome, of which nobody is told."""
    instance = waiting(on("b", "Back", do=(COUNT,)), ignores=[ignore("b", "Stop")])
    assert [Outcome.DEFERRED] * 3 == [go(instance, name) for name in ("Back", "Stop", "Back")]
    assert (0, 3) == (instance.version, instance.sequence_used)
    assert Outcome.ACCEPTED == go(instance, "Go")
    assert [Outcome.ACCEPTED, Outcome.IGNORED, Outcome.ACCEPTED] == instance.untold
    assert (3, 7, []) == (instance.version, instance.sequence_used, instance.deferred)


def test_an_event_is_deferred_only_where_nothing_is_enabled() -> None:
    """A transition in another region wins; deferring wins over ignoring, and over a guard that says no."""
    r, s = (compound(name, state(f"{name}1", initial=True)) for name in "rs")
    instance = Interpreter(
        small_chart(
            [parallel("p", r, s, initial=True)],
            on("s1", "Go", do=(COUNT,)),
            on("s1", "Stop", NO),
            defers=[defer("r1", "Go"), defer("p", "Stop")],
            ignores=[ignore("r1", "Stop")],
        )
    )
    assert [Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.UNHANDLED] == [
        go(instance, name) for name in ("Go", "Stop", "Back")
    ]


@pytest.mark.parametrize(("outer", "inner", "room"), [(3, 1, 1), (1, 3, 3)])
def test_the_innermost_state_that_defers_says_how_many_may_wait(outer: int, inner: int, room: int) -> None:
    """Events of all kinds count; one more is refused and forgotten."""
    c = compound("c", state("c1", initial=True), initial=True)
    defers = [defer("c", "Go", outer), defer("c1", "Go", inner), defer("c1", "Stop", room)]
    instance = Interpreter(small_chart([c], defers=defers))
    assert [Outcome.DEFERRED] * room == [go(instance, name) for name in ("Stop", "Go", "Go")[:room]]
    assert Outcome.DEFERRAL_FULL == go(instance, "Go")
    assert room == len(instance.deferred)


def test_of_two_regions_that_defer_the_first_says_how_many_may_wait() -> None:
    """Where both are equally deep."""
    r, s = (compound(name, state(f"{name}1", initial=True)) for name in "rs")
    defers = [defer("s1", "Go", 3), defer("r1", "Go", 1), defer("p", "Go", 2)]
    instance = Interpreter(small_chart([parallel("p", r, s, initial=True)], defers=defers))
    assert [Outcome.DEFERRED, Outcome.DEFERRAL_FULL] == [go(instance, "Go"), go(instance, "Go")]


def test_a_deferred_event_keeps_its_arguments() -> None:
    """All six words, whether the event takes them or not."""
    size = argument("Fill", "size")
    made = chart(
        states=[state("a", initial=True), state("b")],
        events=[event("Go"), event("Fill", ("size", INTEGER))],
        fields=[small_chart([]).fields[0]],
        transitions=[on("a", "Go", to="b"), on("b", "Fill", do=(set_("n", apply("add", N, size)),))],
        defers=[defer("a", "Fill")],
    )
    instance = Interpreter(made)
    instance.step("Fill", (40, 1, 2, 3, 4, 5))
    assert [("Fill", (40, 1, 2, 3, 4, 5))] == instance.deferred
    instance.step("Fill", (2, 0, 0, 0, 0, 0))
    go(instance, "Go")
    assert (42,) == instance.words["n"]


def test_a_step_that_changes_no_state_gives_nothing_again() -> None:
    """Neither actions alone, though a guard would now hold, nor a state that is left and entered, nor a fault."""
    one = equal(N, constant(1))
    moves = [on("a", "Act", do=(COUNT,)), on("a", "Again", to="a"), on("a", "Break", DIVIDED), on("a", "Stop", one)]
    instance = waiting(*moves, events="Go Stop Back Act Again Break")
    go(instance, "Stop")
    assert Outcome.DIVISION == go(instance, "Break")
    assert [Outcome.ACCEPTED] * 2 == [go(instance, "Act"), go(instance, "Again")]
    assert ([("Stop", NOTHING)], 4) == (instance.deferred, instance.sequence_used)


def test_an_event_given_again_that_changes_no_state_lets_the_older_ones_wait() -> None:
    """Though a guard of theirs would now hold: the next in the queue is the next."""
    moves = [on("b", "Stop", equal(N, constant(1))), on("b", "Back", do=(COUNT,))]
    instance = waiting(*moves, defers=[defer("a", "Stop"), defer("a", "Back"), defer("b", "Stop")])
    go(instance, "Stop", "Back", "Go")
    assert ([Outcome.ACCEPTED], [("Stop", NOTHING)]) == (instance.untold, instance.deferred)


def test_an_event_that_is_deferred_again_stays_in_its_place() -> None:
    """It is no new input, and no room is asked for."""
    instance = waiting(defers=[defer("a", "Stop"), defer("a", "Back"), defer("b", "Stop", at_most=1)])
    for name in ("Stop", "Back", "Stop"):
        go(instance, name)
    go(instance, "Go")
    assert ([Outcome.UNHANDLED], 5) == (instance.untold, instance.sequence_used)
    assert ["Stop", "Stop"] == [name for name, _ in instance.deferred]
    assert Outcome.DEFERRAL_FULL == go(instance, "Stop")


def test_a_fault_in_an_event_given_again_drops_it_alone() -> None:
    """Its step is undone; that of the event that changed the states is not, and the next comes too."""
    instance = waiting(on("b", "Stop", DIVIDED), on("b", "Back", do=(COUNT,)))
    go(instance, "Stop", "Back", "Go")
    assert [Outcome.DIVISION, Outcome.ACCEPTED] == instance.untold
    assert (("b",), (1,), 2) == (instance.active, instance.words["n"], instance.version)


def test_an_event_given_again_that_changes_the_states_begins_the_giving_anew() -> None:
    """The oldest is tried again first, though it was deferred again a moment ago."""
    states = [state("a", initial=True), state("b"), state("d")]
    transitions = [on("a", "Go", to="b"), on("b", "Back", to="d"), on("d", "Stop", do=(show("stop"),))]
    defers = [defer("a", "Stop"), defer("a", "Back"), defer("b", "Stop"), defer("a", "Last")]
    chart = small_chart(states, *transitions, on("d", "Last", do=(show("last"),)), defers=defers,
                        events="Go Stop Back Last")  # fmt: skip
    instance = Interpreter(chart)
    go(instance, "Stop", "Last", "Back", "Go")
    # In b: Stop waits on, Last is not handled, Back leads to d; there it is the turn of Stop.
    assert [Outcome.UNHANDLED, Outcome.ACCEPTED, Outcome.ACCEPTED] == instance.untold
    assert ["leave a", "enter b", "leave b", "enter d", "stop"] == instance.trace


def test_a_timer_that_changes_the_states_gives_deferred_events_again() -> None:
    """Before the next timer, at the same time; both kinds are counted."""
    transitions = [after("a", 5, to="b"), on("b", "Stop", do=(COUNT,)), after("b", 3)]
    world, instance = started(two(*transitions, defers=[defer("a", "Stop")]))
    world.step(0, "Stop", NOTHING)
    assert (1, (1,), {0: 13}) == (world.advance(10), instance.words["n"], instance.timers)
    assert ({"accepted": 2}, 3) == (world.untold, world.sequence_used)


def test_an_internal_event_is_never_deferred() -> None:
    """Nor refused: it is dropped where nothing is enabled."""
    instance = waiting(on("a", "Act", do=(raise_("Stop"),)), events="Go Stop Back Act")
    assert (Outcome.ACCEPTED, []) == (go(instance, "Act"), instance.deferred)
