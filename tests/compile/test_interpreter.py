"""The interpreter of charts does what a person finds by hand: which states are left and entered, in which order.

    small_chart(states, transitions) ──▶ Interpreter ──"Go"──▶ outcome, active, trace

What follows the first microstep, and history, is in `test_interpreter_macrostep.py`; timers are in `..._time.py`, and
deferred events in `..._deferral.py`.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fsm.define.chart import StateKind
from fsm.layout import Outcome
from tests.compile.charts import compound, constant, equal, ignore, on, on_any, show, small_chart, state
from tests.compile.interpreter import Fault, Interpreter, World
from tests.compile.random_charts import random_input
from tests.compile.random_statecharts import NESTED_EVENTS, random_statechart
from tests.compile.statecharts import COUNT, DIVIDED, NO, N, go, nested, regions
from tests.compile.tree import ROOT

# --- where a transition happens ---


def test_starting_enters_the_initial_states_down_to_an_atomic_one() -> None:
    """Outermost first."""
    instance = nested()
    assert ("c", "c1") == instance.active
    assert ["enter c", "enter c1"] == instance.trace


def test_a_transition_leaves_and_enters_only_below_the_least_common_ancestor() -> None:
    """What holds both source and target is neither left nor entered; the actions run in between."""
    instance = nested(on("c1", "Go", do=(show("act"),), to="d2"), on("d2", "Go", to="d1"))
    assert Outcome.ACCEPTED == go(instance, "Go")
    assert (("c", "d", "d2"), 1) == (instance.active, instance.version)
    assert ["leave c1", "act", "enter d", "enter d2"] == instance.trace
    go(instance, "Go")
    assert ["leave d2", "enter d1"] == instance.trace


def test_a_transition_to_an_ancestor_leaves_it_and_enters_it_anew() -> None:
    """The ancestor does not hold itself, so the domain lies outside of it."""
    instance = nested(on("c1", "Go", to="d2"), on("d2", "Back", to="c"))
    go(instance, "Go", "Back")
    assert ["leave d2", "leave d", "leave c", "enter c", "enter c1"] == instance.trace


def test_an_external_transition_leaves_its_source_and_an_internal_one_stays() -> None:
    """Both lead from c to d, which stands inside c."""
    external, internal = (nested(on("c", "Go", to="d", stay=stay)) for stay in (False, True))
    go(external, "Go")
    assert ["leave c1", "leave c", "enter c", "enter d", "enter d1"] == external.trace
    go(internal, "Go")
    assert ["leave c1", "enter d", "enter d1"] == internal.trace
    assert external.active == internal.active


def test_a_transition_without_a_target_only_acts() -> None:
    """Nothing is left, not even the state that declares it; it is a step all the same."""
    instance = nested(on("c", "Go", do=(COUNT,)))
    assert Outcome.ACCEPTED == go(instance, "Go")
    assert (["count"], (1,), 1) == (instance.trace, instance.words["n"], instance.version)


def test_states_act_on_entry_and_exit_around_the_actions_of_the_transition() -> None:
    """Inner states are left first and entered last."""
    inner = state("b1", initial=True, entry=(show("in b1"),), exit=(show("out of b1"),))
    b = compound("b", inner, entry=(show("in b"),), exit=(show("out of b"),))
    states = [state("a", initial=True, exit=(show("out of a"),)), b]
    instance = Interpreter(small_chart(states, on("a", "Go", do=(show("act"),), to="b"), on("b", "Back", to="a")))
    go(instance, "Go")
    assert ["out of a", "leave a", "act", "enter b", "in b", "enter b1", "in b1"] == instance.trace
    go(instance, "Back")
    assert ["out of b1", "leave b1", "out of b", "leave b", "enter a"] == instance.trace


# --- which transition ---


def test_the_innermost_state_is_asked_first_and_then_in_order_of_declaration() -> None:
    """An outer transition is taken where the inner guards say no."""
    instance = nested(
        on("c", "Go", to="a"),
        on("c1", "Go", NO, to="d"),
        on("c1", "Go", equal(N, constant(0)), do=(COUNT,), to="c2"),
        on("c1", "Go", to="d"),
        on("c2", "Go", NO, to="d"),
    )
    go(instance, "Go")
    assert ("c", "c2") == instance.active
    go(instance, "Go")
    assert ("a",) == instance.active


@pytest.mark.parametrize(
    ("guards", "outcome"),
    [((DIVIDED, None), Outcome.DIVISION), ((None, DIVIDED), Outcome.ACCEPTED), ((NO, DIVIDED), Outcome.DIVISION)],
)
def test_a_guard_faults_only_where_it_is_asked(guards: Any, outcome: Outcome) -> None:
    """The first that holds ends the asking."""
    instance = nested(on("c1", "Go", guards[0]), on("c", "Go", guards[1]))
    assert outcome == go(instance, "Go")


def test_any_event_is_every_event_and_no_timer_or_done() -> None:
    """Given or raised, in the order of declaration among the others."""
    instance = nested(on("c1", "Stop", do=(show("stop"),)), on_any("c1", do=(show("any"),)), on("c1", "Go", to="a"))
    go(instance, "Stop")
    assert ["stop"] == instance.trace
    go(instance, "Go")
    assert (["any"], ("c", "c1")) == (instance.trace, instance.active)


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("Go", Outcome.GUARD),
        ("Stop", Outcome.IGNORED),
        ("Back", Outcome.UNHANDLED),
        ("Late", Outcome.ENDED),
    ],
)
def test_an_event_that_enables_nothing_has_a_reason(event: str, outcome: Outcome) -> None:
    """Ignored by an active state, though a guard said no; refused by a guard; ended; unhandled."""
    c = compound("c", state("c1", initial=True), initial=True)
    transitions = [on("c1", "Go", NO), on("c", "Stop", NO), on("c", "Late", to="z")]
    chart = small_chart(
        [c, state("z", StateKind.FINAL)], *transitions, events="Go Stop Back Late", ignores=[ignore("c", "Stop")]
    )
    instance = Interpreter(chart)
    if event == "Late":
        go(instance, event)
    version = instance.version
    assert outcome == go(instance, event)
    assert (version, []) == (instance.version, instance.trace)


# --- regions ---


def test_every_region_reacts_to_an_event() -> None:
    """In document order: all leave, then all act, then all enter."""
    instance = regions(on("r1", "Go", do=(show("r"),), to="r2"), on("s1", "Go", do=(show("s"),), to="s2"))
    go(instance, "Go")
    assert ["leave s1", "leave r1", "r", "s", "enter r2", "enter s2"] == instance.trace
    assert ("p", "r", "r2", "s", "s2") == instance.active


def test_guards_of_one_microstep_see_no_action_of_it() -> None:
    """A region that writes what another asks for does so after the asking."""
    zero = equal(N, constant(0))
    instance = regions(on("r1", "Go", zero, do=(COUNT,), to="r2"), on("s1", "Go", zero, do=(COUNT,), to="s2"))
    go(instance, "Go")
    assert (("p", "r", "r2", "s", "s2"), (2,)) == (instance.active, instance.words["n"])


@pytest.mark.parametrize(
    ("first", "second", "active"),
    [("x", "s2", ("x",)), ("r2", "x", ("p", "r", "r2", "s", "s1"))],
)
def test_of_two_regions_in_conflict_the_first_in_document_order_wins(first: str, second: str, active: Any) -> None:
    """Leaving the parallel state and moving inside a region of it cannot both happen."""
    instance = regions(on("r1", "Go", to=first), on("s1", "Go", do=(show("s"),), to=second))
    go(instance, "Go")
    assert active == instance.active
    assert "s" not in instance.trace


@pytest.mark.parametrize(("inner", "moved"), [("r1", ("p", "r", "r2", "s", "s1")), ("s1", ("p", "r", "r1", "s", "s2"))])
def test_the_deeper_source_wins_over_one_that_holds_it(inner: str, moved: Any) -> None:
    """Whether the region that does not handle the event comes before or after the one that does."""
    instance = regions(on("p", "Go", to="x"), on(inner, "Go", to=f"{inner[0]}2"))
    go(instance, "Go")
    assert moved == instance.active
    go(instance, "Go")
    assert ("x",) == instance.active


def test_actions_without_a_target_run_beside_a_region_that_leaves() -> None:
    """What leaves nothing is in nobody's way: both run, in document order."""
    instance = regions(on("r1", "Go", do=(show("out"),), to="x"), on("s1", "Go", do=(show("kept"),)))
    go(instance, "Go")
    assert ["leave s1", "leave s", "leave r1", "leave r", "leave p", "out", "kept", "enter x"] == instance.trace


def test_an_outer_transition_that_several_regions_find_is_taken_once() -> None:
    """Each atomic state looks outward and finds the same one."""
    instance = regions(on("p", "Go", do=(COUNT,)))
    go(instance, "Go")
    assert (1,) == instance.words["n"]


@pytest.mark.parametrize(
    ("to", "active"),
    [
        (("s2", "r2"), ("p", "r", "r2", "s", "s2")),
        (("s2",), ("p", "r", "r1", "s", "s2")),
        (("r", "s2"), ("p", "r", "r1", "s", "s2")),
        (("p",), ("p", "r", "r1", "s", "s1")),
    ],
)
def test_regions_that_no_target_names_are_entered_at_their_start(to: Any, active: Any) -> None:
    """A target may be deep in a region, a region, or the whole."""
    instance = regions(on("p", "Stop", to="x"), on("x", "Go", to=to))
    go(instance, "Stop", "Go")
    assert active == instance.active


def test_a_region_that_goes_to_another_region_restarts_them_all() -> None:
    """Only a compound state or the flow can hold both, so the parallel state is left."""
    instance = regions(on("s1", "Stop", to="s2"), on("r1", "Go", to="r2"), on("s2", "Back", to="r1"))
    go(instance, "Go", "Stop", "Back")
    assert ("p", "r", "r1", "s", "s1") == instance.active


# --- all of it at once ---


@pytest.mark.parametrize("seed", range(60))
def test_the_active_states_are_always_a_configuration(seed: int) -> None:
    """One state at the top, one child of each compound state, every region of each parallel one, on random charts."""
    random = Random(seed)
    world = World()
    try:
        world.start(random_statechart(random))
    except Fault:
        return
    (instance,) = world.interpreters
    for _ in range(60):
        if random.random() < 0.3:
            world.advance(world.now + random.randint(-1, 8))
        event, words = random_input(random, NESTED_EVENTS)
        world.step(0, event.name, words)
        check_configuration(instance)


def check_configuration(instance: Interpreter) -> None:
    """The rules of SCXML 3.11, and that only active states have timers."""
    tree = instance.tree
    for name in (ROOT, *instance.active):
        expected = tree.get_child_states(name)
        actual = [child for child in tree.inside[name] if child in instance.configuration]
        if tree.is_parallel_state(name):
            assert expected == actual
        else:
            assert (name == ROOT or tree.is_compound_state(name)) == len(actual)
            assert set(actual) <= set(expected)
    assert all(tree.parents[name] in (ROOT, *instance.active) for name in instance.active)
    waiting = [slot for timer, slot in tree.slots.items() if timer.name in instance.configuration]
    assert set(instance.timers) <= set(waiting)
    assert len(set(waiting)) == len(waiting)
