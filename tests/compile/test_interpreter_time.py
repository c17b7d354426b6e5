"""The interpreter's timers come when a person says they do, and in that order.

World ──advance(now)──▶ what is due then, by deadline, row, slot ──▶ a step each
"""

from __future__ import annotations

from typing import Any

import pytest

from fsm.define.chart import StateKind
from fsm.layout import INT64_MAX, Outcome
from tests.compile.charts import (
    DURATION,
    TIMESTAMP,
    after,
    always,
    compound,
    constant,
    field,
    history,
    less,
    on,
    on_any,
    on_done,
    parallel,
    set_,
    show,
    small_chart,
    state,
    when_due,
)
from tests.compile.interpreter import Fault, World
from tests.compile.statecharts import COUNT, DIVIDED, NO, NOTHING, N, go, started, two

WAIT = field("wait", DURATION)


# --- when they are armed, and where they are kept ---


def test_a_timer_is_armed_on_entry_and_cancelled_on_exit() -> None:
    """It counts from the time of the step that entered the state."""
    world, instance = started(two(after("a", 30), on("a", "Go", to="b"), on("b", "Back", to="a")), now=100)
    assert {0: 130} == instance.timers
    world.advance(107)
    world.step(0, "Go", NOTHING)
    assert {} == instance.timers
    world.step(0, "Back", NOTHING)
    assert {0: 137} == instance.timers


def test_a_timer_is_armed_after_the_entry_actions_of_its_state() -> None:
    """They may say how long it waits; what is entered later may not."""
    inner = state("b1", initial=True, entry=(set_("wait", constant(99, DURATION)),))
    b = compound("b", inner, entry=(set_("wait", constant(7, DURATION)),), initial=True)
    _, instance = started(small_chart([b], after("b", WAIT)), now=10)
    assert {0: 17} == instance.timers


def test_equal_times_of_one_state_share_a_timer_and_are_tried_in_order() -> None:
    """Another time, and another kind of moment, is another timer."""
    transitions = [
        after("a", 5, NO, do=(show("never"),)),
        after("a", 9),
        after("a", 5, do=(show("second"),)),
        after("a", 5, do=(show("third"),)),
        when_due("a", "due"),
    ]
    world, instance = started(two(*transitions), due=5)
    assert {0: 5, 1: 9, 2: 5} == instance.timers
    instance.fire(0, 5)
    assert ["second"] == instance.trace
    assert 2 == world.advance(9)


def test_slots_are_shared_by_what_is_never_active_together() -> None:
    """Own timers first; children of a compound state begin at the same slot, regions behind each other."""
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True))
    states = [parallel("p", r, s, initial=True), state("x")]
    timers = [
        after("p", 1), after("r", 2), after("r1", 3), after("r2", 4), after("r2", 5), after("s", 6), after("s1", 7),
        after("x", 8),
    ]  # fmt: skip
    _, instance = started(small_chart(states, *timers, on("r1", "Go", to="r2"), on("p", "Stop", to="x")))
    assert {0: 1, 1: 2, 2: 3, 4: 6, 5: 7} == instance.timers
    go(instance, "Go")
    assert {0: 1, 1: 2, 2: 4, 3: 5, 4: 6, 5: 7} == instance.timers
    go(instance, "Stop")
    assert {0: 8} == instance.timers


@pytest.mark.parametrize(("now", "wait", "timers"), [(0, 0, {0: 1}), (9, -20, {0: 1}), (9, -5, {0: 4}), (9, 0, {0: 9})])
def test_a_deadline_is_never_the_zero_of_an_unarmed_slot(now: int, wait: int, timers: dict[int, int]) -> None:
    """A time that has passed is due at the next advance."""
    world, instance = started(two(after("a", WAIT, to="b")), now, wait=wait)
    assert timers == instance.timers
    assert max(timers[0] <= now, 0) == world.advance(now)


def test_a_deadline_beyond_the_last_moment_is_an_overflow() -> None:
    """On entry, which undoes the step; the last moment itself is one."""
    _, instance = started(two(on("a", "Go", to="b"), after("b", WAIT)), now=1, wait=INT64_MAX)
    assert (Outcome.OVERFLOW, ("a",)) == (go(instance, "Go"), instance.active)
    instance.words["wait"] = (INT64_MAX - 1,)
    assert (Outcome.ACCEPTED, {0: INT64_MAX}) == (go(instance, "Go"), instance.timers)


@pytest.mark.parametrize(("due", "timers"), [(0, {}), (50, {0: 50}), (3, {0: 3}), (-3, {0: -3})])
def test_a_moment_is_the_value_of_its_field_and_zero_is_none(due: int, timers: dict[int, int]) -> None:
    """Whether it has passed or not."""
    world, instance = started(two(when_due("a", "due", to="b")), now=9, due=due)
    assert timers == instance.timers
    assert (0 if due in (0, 50) else 1) == world.advance(9)


def test_a_field_that_changes_later_moves_no_timer() -> None:
    """Its value on entry counts; entering anew reads it again."""
    later = set_("due", constant(80, TIMESTAMP))
    chart = two(when_due("a", "due", to="b"), on("a", "Go", do=(later,)), on("a", "Back", to="a"))
    _, instance = started(chart, due=50)
    go(instance, "Go")
    assert {0: 50} == instance.timers
    go(instance, "Back")
    assert {0: 80} == instance.timers


def test_a_fault_leaves_the_timers_as_they_were() -> None:
    """Those that the step cancelled or armed, too: the firing that was due comes all the same."""
    world, instance = started(two(after("a", 5, to="b"), on("a", "Go", to="a"), always("a", DIVIDED)), n=2)
    instance.words["n"] = (0,)
    world.advance(3)
    assert Outcome.DIVISION == world.step(0, "Go", NOTHING)
    assert {0: 5} == instance.timers
    assert 1 == world.advance(5)


# --- advance ---


def test_a_timer_is_an_input_of_its_own() -> None:
    """Its slot is disarmed first; it has a number, a version, and is counted where nobody is told."""
    world, instance = started(two(after("a", 5, do=(COUNT,)), after("a", 9, NO)))
    assert (0, 0) == (world.advance(4), world.sequence_used)
    assert (1, 1) == (world.advance(5), world.sequence_used)
    assert ({1: 9}, 1, (1,)) == (instance.timers, instance.version, instance.words["n"])
    assert (1, {}, 1) == (world.advance(9), instance.timers, instance.version)
    assert {"accepted": 1, "guard": 1} == world.untold


def test_a_timer_that_enters_its_state_anew_is_armed_anew() -> None:
    """From the time of the firing: after an outage of a thousand it is one firing, and not a hundred."""
    world, instance = started(two(after("a", 10, do=(COUNT,), to="a")))
    assert (1, {0: 20}) == (world.advance(10), instance.timers)
    assert (1, {0: 1030}) == (world.advance(1020), instance.timers)
    assert (2,) == instance.words["n"]


def test_an_inner_timer_and_an_outer_one_are_two_inputs() -> None:
    """A timer is its state's alone: no state around or inside takes it."""
    c = compound("c", state("c1", initial=True), initial=True)
    transitions = [after("c", 5, do=(show("c"),)), after("c1", 5, do=(show("c1"),)), on_any("c1", do=(show("any"),))]
    _, instance = started(small_chart([c], *transitions))
    traces = []
    for slot in (0, 1):
        instance.fire(slot, 5)
        traces += instance.trace
    assert ["c", "c1"] == traces


def test_what_is_due_fires_by_deadline_then_row_then_slot() -> None:
    """Whatever the order of arming."""
    chart = two(after("a", 8), after("a", 5), when_due("a", "due"))
    world = World()
    for due in (5, 2, 0):
        world.start(chart, {"due": (due,)})
    fired: list[tuple[int, int]] = []
    for row, instance in enumerate(world.interpreters):

        def fire(slot: int, now: int, row: int = row, fire: Any = instance.fire) -> Outcome:
            fired.append((row, slot))
            return Outcome(fire(slot, now))

        instance.fire = fire  # type: ignore[method-assign]
    assert 8 == world.advance(8)
    assert [(1, 2), (0, 1), (0, 2), (1, 1), (2, 1), (0, 0), (1, 0), (2, 0)] == fired


def test_a_clock_that_steps_back_changes_nothing() -> None:
    """What is due at the time that it is comes at the next advance to it."""
    world, instance = started(two(after("a", WAIT, to="a")), now=50)
    assert 0 == world.advance(49)
    assert (50, {0: 50}) == (world.now, instance.timers)
    assert 1 == world.advance(50)


def test_a_timer_armed_in_an_advance_waits_for_the_next() -> None:
    """Even where its deadline has passed already; firing ends by itself."""
    world, instance = started(two(after("a", 5, to="b"), when_due("b", "due", to="a")), due=2)
    assert (1, ("b",), {0: 2}) == (world.advance(7), instance.active, instance.timers)
    assert (1, ("a",), {0: 12}) == (world.advance(7), instance.active, instance.timers)


def test_a_timer_that_an_earlier_firing_cancels_does_not_fire() -> None:
    """The state has been left."""
    world, instance = started(two(after("a", 5, to="b"), after("a", 6, do=(COUNT,))))
    assert (1, (0,)) == (world.advance(9), instance.words["n"])


def test_a_timer_that_an_earlier_firing_arms_anew_waits_even_with_the_same_deadline() -> None:
    """It is another arming; a step that is undone has armed nothing anew."""
    world, instance = started(two(after("a", 5, to="a"), when_due("a", "due", do=(COUNT,))), due=6)
    assert (1, {0: 13, 1: 6}) == (world.advance(8), instance.timers)
    assert (1, (1,)) == (world.advance(8), instance.words["n"])
    world, instance = started(two(after("a", 5, DIVIDED), when_due("a", "due", do=(COUNT,))), due=6)
    assert (2, (1,)) == (world.advance(8), instance.words["n"])


def test_a_timer_whose_step_faults_is_disarmed_and_nothing_else() -> None:
    """It does not come again, and the others do."""
    world, instance = started(two(after("a", 5, do=(COUNT,), to="b"), always("b", less(N, constant(9)))))
    assert (1, ("a",), (0,), {}) == (world.advance(5), instance.active, instance.words["n"], instance.timers)
    assert ({"bound": 1}, 0, 0) == (world.untold, instance.version, world.advance(9))


def test_a_timer_of_a_region_fires_beside_the_others() -> None:
    """And what it ends may end the whole."""
    made = [compound(name, state(f"{name}1", initial=True), state(f"{name}2", StateKind.FINAL)) for name in "rs"]
    states = [parallel("p", *made, initial=True), state("x")]
    transitions = [after("r1", 5, to="r2"), after("s1", 9, to="s2"), on_done("p", to="x")]
    world, instance = started(small_chart(states, *transitions))
    assert (1, ("p", "r", "r2", "s", "s1"), {1: 9}) == (world.advance(5), instance.active, instance.timers)
    assert (1, ("x",)) == (world.advance(9), instance.active)


def test_a_history_enters_states_and_arms_their_timers() -> None:
    """As any entry does."""
    c = compound("c", state("c1", initial=True), state("c2"), history("h"), initial=True)
    moves = [on("c1", "Go", to="c2"), on("c", "Stop", to="a"), on("a", "Back", to="h"), after("c2", 5)]
    world, instance = started(small_chart([c, state("a")], *moves))
    go(instance, "Go", "Stop")
    world.advance(100)
    world.step(0, "Back", NOTHING)
    assert {0: 105} == instance.timers


def test_a_start_that_faults_leaves_nothing_in_the_world() -> None:
    """The world is as it was."""
    world = World(7)
    with pytest.raises(Fault, match="DIVISION"):
        world.start(two(always("a", DIVIDED)))
    assert ([], 0) == (world.interpreters, world.sequence_used)
