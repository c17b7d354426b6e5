"""The interpreter's macrosteps are those found by hand: what is done, what follows by itself, and what is remembered.

small_chart(states, transitions) ──▶ Interpreter ──"Go"──▶ outcome, active, trace
"""

from __future__ import annotations

from typing import Any

import pytest

from fsm.define.chart import StateKind
from fsm.layout import Outcome
from tests.compile.charts import (
    always,
    apply,
    compound,
    constant,
    equal,
    history,
    less,
    on,
    on_done,
    parallel,
    raise_,
    show,
    small_chart,
    state,
)
from tests.compile.interpreter import Fault, Interpreter
from tests.compile.statecharts import COUNT, N, go, nested

# --- done ---


def rests(*transitions: Any, **more: Any) -> Interpreter:
    """p with regions r and s, each of which goes from 1 to its final 2 on Go or Stop, where Extra is raised."""
    made = [
        compound(name, state(f"{name}1", initial=True), state(f"{name}2", StateKind.FINAL, entry=(raise_("Extra"),)))
        for name in "rs"
    ]
    moves = [on("r1", "Go", to="r2"), on("s1", "Stop", to="s2"), on("p", "Extra", do=(show("extra"),))]
    both = [on("r1", "Both", to="r2"), on("s1", "Both", to="s2")]
    states = [parallel("p", *made, initial=True), state("x")]
    return Interpreter(small_chart(states, *moves, *both, *transitions, events="Go Stop Both Extra", **more))


DONE = [on_done(name, do=(show(f"done {name}"),)) for name in "prs"]


def test_a_compound_state_is_done_when_its_final_child_is_entered() -> None:
    """After the entry actions of that child; the parallel state is done with the last region."""
    instance = rests(*DONE)
    go(instance, "Go")
    assert ["leave r1", "enter r2", "raise Extra", "extra", "done r"] == instance.trace
    go(instance, "Stop")
    assert ["leave s1", "enter s2", "raise Extra", "extra", "done s", "done p"] == instance.trace


def test_regions_that_end_together_are_done_in_document_order() -> None:
    """Each is told when its final state is entered, and the parallel state once, after the last."""
    instance = rests(*DONE)
    go(instance, "Both")
    entered = ["enter r2", "raise Extra", "enter s2", "raise Extra"]
    assert [*entered, "extra", "done r", "extra", "done s", "done p"] == instance.trace[2:]


def test_done_of_a_state_that_nobody_waits_for_is_no_event() -> None:
    """It takes no room among the internal events."""
    instance = rests(on_done("p", to="x"), raised_max=3)
    assert Outcome.ACCEPTED == go(instance, "Both")
    assert ("x",) == instance.active
    assert Outcome.BOUND == go(rests(*DONE, raised_max=4), "Both")


def test_a_parallel_state_inside_a_region_does_not_end_that_region() -> None:
    """Only a final child does: done goes two levels up and no further (Appendix D, enterStates)."""
    inner = parallel("q", compound("t", state("t1", StateKind.FINAL, initial=True)), initial=True)
    states = parallel("p", compound("r", inner), initial=True)
    told = Interpreter(small_chart([states], *(on_done(name, do=(show(f"done {name}"),)) for name in "pqrt")))
    assert ["done t", "done q"] == told.trace[-2:]


def test_a_parallel_state_with_a_child_that_cannot_end_is_never_done() -> None:
    """An atomic state beside a region that is done is in no final state."""
    region = compound("r", state("r1", StateKind.FINAL, initial=True))
    told = Interpreter(small_chart([parallel("p", state("alone"), region, initial=True)], *DONE[:2]))
    assert ["enter p", "enter alone", "enter r", "enter r1", "done r"] == told.trace


# --- eventless transitions, internal events, bounds ---


def test_eventless_transitions_follow_each_other_before_any_internal_event() -> None:
    """Each sees what the one before wrote."""
    two = equal(N, constant(2))
    instance = nested(
        on("c1", "Go", do=(raise_("Stop"), COUNT), to="c2"),
        always("c2", less(N, constant(2)), do=(COUNT,)),
        always("c2", two, do=(COUNT,), to="d"),
        on("c2", "Stop", do=(show("too early"),)),
        on("d", "Stop", to="d2"),
    )
    go(instance, "Go")
    assert (("c", "d", "d2"), (3,), 1) == (instance.active, instance.words["n"], instance.version)


def test_internal_events_are_taken_in_order_and_dropped_where_nothing_is_enabled() -> None:
    """One that is raised by another waits behind those that wait already; a drop is no refusal."""
    instance = nested(
        on("c1", "Go", do=(raise_("Stop"), raise_("Lost"), raise_("Back"))),
        on("c1", "Stop", do=(show("stop"), raise_("Again"))),
        on("c1", "Back", do=(show("back"),)),
        on("c1", "Again", do=(show("again"),)),
        events="Go Stop Back Lost Again",
    )
    assert Outcome.ACCEPTED == go(instance, "Go")
    assert ["stop", "raise Again", "back", "again"] == instance.trace[3:]


@pytest.mark.parametrize(("most", "outcome"), [(5, Outcome.ACCEPTED), (4, Outcome.BOUND)])
def test_so_many_microsteps_may_follow_the_first(most: int, outcome: Outcome) -> None:
    """One more undoes them all."""
    instance = nested(
        on("c1", "Go", do=(COUNT,), to="c2"), always("c2", less(N, constant(6)), do=(COUNT,)), microsteps_max=most
    )
    assert outcome == go(instance, "Go")
    kept = (("c", "c1"), (0,), 0, []) if outcome else (("c", "c2"), (6,), 1, ["leave c1", "count", "enter c2"])
    assert kept == (instance.active, instance.words["n"], instance.version, instance.trace[:3])


@pytest.mark.parametrize(("most", "outcome"), [(2, Outcome.ACCEPTED), (1, Outcome.BOUND)])
def test_so_many_internal_events_may_wait(most: int, outcome: Outcome) -> None:
    """Those that are taken out make room."""
    instance = nested(
        on("c1", "Go", do=(raise_("Stop"), raise_("Stop"))), on("c1", "Stop", do=(raise_("Back"),)), raised_max=most
    )
    assert outcome == go(instance, "Go")


def test_a_start_that_faults_starts_nothing() -> None:
    """The fault names its outcome."""
    with pytest.raises(Fault, match="BOUND"):
        nested(always("c1"))


def test_a_fault_undoes_the_whole_macrostep() -> None:
    """States, words and what histories remember are as they were."""
    c = compound("c", state("c1", initial=True), state("c2"), history("h"), initial=True)
    transitions = [
        on("c", "Go", do=(COUNT,), to="a"),
        on("a", "Back", to="h"),
        on("c1", "Stop", to="c2"),
        on("c2", "Stop", to="c1"),
        always("a", equal(apply("modulo", constant(1), apply("subtract", N, constant(2))), constant(7))),
    ]
    instance = Interpreter(small_chart([c, state("a")], *transitions))
    go(instance, "Go", "Back", "Stop")
    before = instance.active, dict(instance.words), dict(instance.history_value), instance.version
    assert (("c", "c2"), {"h": ["c1"]}) == (before[0], before[2])
    assert Outcome.DIVISION == go(instance, "Go")
    assert before == (instance.active, instance.words, instance.history_value, instance.version)


def test_entering_a_final_state_at_the_top_ends_the_macrostep() -> None:
    """Internal events that wait are dropped; late news from outside may still leave the state."""
    states = [state("a", initial=True), state("z", StateKind.FINAL, entry=(raise_("Back"),))]
    instance = Interpreter(
        small_chart(states, on("a", "Go", do=(raise_("Back"),), to="z"), on("z", "Back", do=(show("late"),), to="a"))
    )
    go(instance, "Go")
    assert (("z",), "raise Back") == (instance.active, instance.trace[-1])
    go(instance, "Back")
    assert (("a",), ["leave z", "late", "enter a"]) == (instance.active, instance.trace)


# --- history ---


def remembering(*histories: Any, **more: Any) -> Interpreter:
    """c with c1, c2 and d (d1, d2) and histories; Go moves on inside, Stop leaves c for a, Back goes to h."""
    d = compound("d", state("d1", initial=True), state("d2"))
    c = compound("c", state("c1", initial=True), state("c2"), d, *histories, initial=True)
    moves = [on("c1", "Go", to="c2"), on("c2", "Go", to="d2"), on("c", "Stop", to="a"), on("a", "Back", to="h")]
    return Interpreter(small_chart([c, state("a")], *moves, *more.pop("transitions", ()), **more))


@pytest.mark.parametrize(("deep", "active"), [(False, ("c", "d", "d1")), (True, ("c", "d", "d2"))])
def test_a_history_goes_back_to_the_child_or_to_all_that_was_inside(deep: bool, active: Any) -> None:
    """Shallow remembers the child and enters it anew; deep remembers the atomic states."""
    instance = remembering(history("h", deep=deep))
    go(instance, "Go", "Go", "Stop", "Back")
    assert active == instance.active


@pytest.mark.parametrize(("default", "active"), [(None, ("c", "c1")), ("d2", ("c", "d", "d2"))])
def test_a_history_with_nothing_to_remember_goes_to_its_default(default: Any, active: Any) -> None:
    """Without one it goes where entering its parent goes."""
    states = [state("a", initial=True)]
    d = compound("d", state("d1", initial=True), state("d2"))
    states += compound("c", state("c1", initial=True), d, history("h", default=default))
    instance = Interpreter(small_chart(states, on("a", "Go", to="h")))
    go(instance, "Go")
    assert active == instance.active


def test_a_history_that_is_initial_is_where_its_parent_begins() -> None:
    """Its default the first time, afterwards what was active."""
    c = compound("c", state("c1"), state("c2"), history("h", initial=True, default="c1"), initial=True)
    moves = [on("c1", "Go", to="c2"), on("c", "Stop", to="a"), on("a", "Back", to="c")]
    instance = Interpreter(small_chart([c, state("a")], *moves))
    assert ("c", "c1") == instance.active
    go(instance, "Go", "Stop", "Back")
    assert ("c", "c2") == instance.active


def test_a_history_as_target_from_inside_stands_for_what_was_left_before() -> None:
    """The parent is not left by the way, so nothing new is remembered."""
    instance = remembering(history("h"), transitions=[on("c2", "Back", to="h"), on("c1", "Back", to="h")])
    go(instance, "Go", "Back")
    assert (("c", "c1"), ["leave c2", "enter c1"]) == (instance.active, instance.trace)
    go(instance, "Go", "Stop", "Back", "Back")
    assert (("c", "c2"), ["leave c2", "enter c2"]) == (instance.active, instance.trace)


def parallel_memory(*transitions: Any, deep: bool, **more: Any) -> Interpreter:
    """p with a history h of all its regions, r and s of two states each, and x beside it."""
    made = [compound(name, state(f"{name}1", initial=True), state(f"{name}2")) for name in "rs"]
    states = [parallel("p", *made, history("h", deep=deep), initial=True), state("x")]
    moves = [on("r1", "Go", to="r2"), on("p", "Stop", to="x"), on("x", "Back", to="h")]
    return Interpreter(small_chart(states, *moves, *transitions, **more))


@pytest.mark.parametrize(
    ("deep", "active"), [(True, ("p", "r", "r2", "s", "s1")), (False, ("p", "r", "r1", "s", "s1"))]
)
def test_a_history_of_a_parallel_state_remembers_every_region(deep: bool, active: Any) -> None:
    """A shallow one remembers that the regions were active, which they always are."""
    instance = parallel_memory(deep=deep)
    go(instance, "Go", "Stop", "Back")
    assert active == instance.active


def test_a_history_of_a_parallel_state_from_inside_it_enters_what_is_just_left() -> None:
    """No region holds the targets, so the parallel state itself is left, and its history is new."""
    instance = parallel_memory(on("r2", "Back", to="h"), deep=True)
    go(instance, "Go", "Back")
    assert ("p", "r", "r2", "s", "s1") == instance.active
    assert ["enter p", "enter r", "enter r2", "enter s", "enter s1"] == instance.trace[5:]


def test_the_history_of_the_only_region_leaves_no_half_of_it_behind() -> None:
    """The domain is found before the exit: found after it, it would lie in the region, and p would not be entered."""
    p = parallel("p", compound("r", state("r1", initial=True), state("r2")), history("h", deep=True), initial=True)
    instance = Interpreter(small_chart([p], on("r1", "Go", to="r2"), on("r2", "Back", to="h")))
    go(instance, "Go", "Back")
    assert ("p", "r", "r2") == instance.active
    assert ["leave r2", "leave r", "leave p", "enter p", "enter r", "enter r2"] == instance.trace


def test_the_history_of_one_region_lets_the_other_start_anew() -> None:
    """Going to it enters the parallel state as going to any state in the region does."""
    r = compound("r", state("r1", initial=True), state("r2"), history("h"))
    s = compound("s", state("s1", initial=True), state("s2"))
    moves = [on("r1", "Go", to="r2"), on("s1", "Go", to="s2"), on("p", "Stop", to="x"), on("x", "Back", to="h")]
    instance = Interpreter(small_chart([parallel("p", r, s, initial=True), state("x")], *moves))
    go(instance, "Go", "Stop", "Back")
    assert ("p", "r", "r2", "s", "s1") == instance.active
