"""What never comes to an end, and raised events that come to nobody."""

from __future__ import annotations

from typing import Any

import pytest

import fsm
from fsm.compile import check, compile
from fsm.define.chart import Chart, Conditional, State, StateKind
from fsm.errors import DefinitionError
from fsm.layout import Outcome
from tests.compile.charts import (
    always,
    apply,
    at,
    both,
    compound,
    constant,
    equal,
    field,
    ignore,
    less,
    negated,
    on,
    on_any,
    on_done,
    parallel,
    raise_,
    set_,
    small_chart,
    state,
)
from tests.compile.checking import lines, told

N = field("n")
SMALL = less(N, constant(3))
COUNT = set_("n", apply("add", N, constant(1)))
RESET = set_("n", constant(0))
AGAIN = Conditional(SMALL, (raise_("Go"),), (), "when(...)", at(1))


def line(*transitions: Any, **more: Any) -> Chart:
    """a, b, c and the final z, beside each other; a is initial, and Stop leads from it to the end."""
    states = [state("a", initial=True, line=11), state("b", line=12), state("c", line=13), state("z", StateKind.FINAL)]
    used = {name for each in transitions for name in (each.source, *each.targets)} | {"a", "z"}
    stop = on("a", "Stop", to="z")
    return small_chart([each for each in states if each.name in used], *transitions, stop, **more)


# --- without guards ---


@pytest.mark.parametrize(
    ("ways", "expected", "says"),
    [
        ([on("a", "Go", to="b"), always("b", to="b", line=5)], [5], "The eventless transition of b is enabled again"),
        ([on("a", "Go", to="b"), always("b", do=(COUNT,), line=5)], [5], "whenever it was taken (line 5)"),
        (
            [on("a", "Go", to="b"), always("b", to="c", line=5), always("c", to="b", line=6)],
            [5],
            "Eventless transitions lead in a circle through b and c (lines 5 and 6)",
        ),
        ([always("a", to="b", line=5), always("b", to="a", line=6)], [5], "never ends, and is refused as bound."),
    ],
)
def test_eventless_transitions_in_a_circle_are_an_error(ways: Any, expected: list[int], says: str) -> None:
    """Every step that comes there is refused; the message names the states and the lines."""
    assert expected == lines(line(*ways), "eventless-cycle")
    assert says in told(line(*ways), "eventless-cycle")
    with pytest.raises(DefinitionError, match="eventless-cycle"):
        compile(line(*ways))


@pytest.mark.parametrize(
    "ways",
    [
        [on("a", "Go", to="b"), always("b", to="c"), on("c", "Go", to="a")],
        [on("a", "Go", to="b"), always("b", SMALL, to="b", do=(COUNT,)), on("b", "Go", to="a")],
        [on("a", "Go", to="b"), always("b", SMALL, to="c", do=(COUNT,)), always("b", to="a"), always("c", to="b")],
        [on("a", "Go", to="b"), always("b", to="z")],
    ],
)
def test_eventless_transitions_that_may_end_are_none(ways: Any) -> None:
    """By a guard that may fail, by a way out, by the end of the flow."""
    assert ([], []) == (lines(line(*ways), "eventless-cycle"), lines(line(*ways), "eventless-loop"))


def test_a_guard_that_always_holds_is_no_guard() -> None:
    """What pruning proves counts; two guards that leave nothing over lead on as well."""
    sure = [on("a", "Go", to="b"), always("b", equal(N, N), to="b", line=5)]
    assert [5] == lines(line(*sure), "eventless-cycle")
    two = [on("a", "Go", to="b"), always("b", SMALL, to="b", line=5), always("b", negated(SMALL), to="c", line=6),
           always("c", to="b", line=7)]  # fmt: skip
    assert [5] == lines(line(*two), "eventless-cycle")[:1]


def test_a_circle_in_one_region_is_one_though_others_rest() -> None:
    """It is told once, not for each configuration of the others."""
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True), state("s2"))
    flow = small_chart(
        [parallel("p", r, s, initial=True), state("z", StateKind.FINAL)],
        on("r1", "Go", to="r2"), always("r2", to="r2", line=5), on("s1", "Back", to="s2"), on("p", "Stop", to="z"),
    )  # fmt: skip
    assert [5] == lines(flow, "eventless-cycle")


def test_a_circle_may_be_waived() -> None:
    """As any error that leaves something to compile; then every step that comes there is refused."""
    flow = line(on("a", "Go", to="b"), always("b", to="b", line=5, waivers=(("eventless-cycle", "never sent"),)),
                on("b", "Back", to="a"), waivers=(("shadowed-transition", "never sent"),))  # fmt: skip
    assert ["never sent"] == [finding.waived for finding in check(flow) if finding.rule == "eventless-cycle"]
    engine = fsm.Engine(compile(flow), capacity=1, engine="mirror")
    engine.start("a")
    assert Outcome.BOUND is engine.send("a", "Go").outcome


# --- raised events ---


@pytest.mark.parametrize(
    ("ways", "expected", "says"),
    [
        (
            [on("a", "Go", do=(raise_("Go"),), line=5)],
            [5],
            "Go is raised again by what handles it, without end (line",
        ),
        (
            [on("a", "Go", do=(raise_("Back"),), line=5), on("a", "Back", do=(raise_("Go"),), line=6)],
            [5],
            "Go and Back are raised by what handles them, without end (lines 5 and 6)",
        ),
        (
            [on("a", "Go", to="b", line=5), always("b", do=(raise_("Go"),), to="a", line=6)],
            [5],
            "Go is raised again by what handles it",
        ),
        ([on("a", "Go", do=(raise_("Go"), raise_("Go")), line=5)], [5], "without end"),
        ([on_any("a", do=(raise_("Go"),), line=5)], [5], "whatever the fields are"),
    ],
)
def test_an_event_that_its_own_handling_raises_without_end_is_an_error(
    ways: Any, expected: list[int], says: str
) -> None:
    """By itself, by turns, by an eventless transition, or faster than it is handled."""
    flow = line(*ways)
    assert expected == lines(flow, "eventless-cycle")
    assert says in told(flow, "eventless-cycle")


def test_entering_a_state_may_raise_without_end() -> None:
    """What is done on entry and exit counts."""
    states = [state("a", initial=True, entry=(raise_("Go"),)), state("z", StateKind.FINAL)]
    flow = small_chart(states, on("a", "Go", to="a", line=5), on("a", "Stop", to="z"))
    assert [5] == lines(flow, "eventless-cycle")
    once = small_chart(states, on("a", "Go", to="z", line=5), on("a", "Stop", to="z"))
    assert [] == lines(once, "eventless-cycle")


def test_a_state_that_begins_in_its_end_is_done_without_end() -> None:
    """Done leads to the state itself, which is done again."""
    c = compound("c", state("c1", StateKind.FINAL, initial=True))
    flow = small_chart([state("a", initial=True), c, state("z", StateKind.FINAL)], on("a", "Go", to="c"),
                       on_done("c", to="c", line=5), on("c", "Stop", to="z"))  # fmt: skip
    assert [5] == lines(flow, "eventless-cycle")
    assert "done of c is raised again by what handles it" in told(flow, "eventless-cycle")
    ending = flow._replace(transitions=(*flow.transitions[:1], on_done("c", to="z"), *flow.transitions[2:]))
    assert [] == lines(ending, "eventless-cycle")


@pytest.mark.parametrize(
    "ways",
    [
        [on("a", "Go", SMALL, do=(COUNT, raise_("Go")))],
        [on("a", "Go", do=(COUNT, AGAIN))],
        [on("a", "Go", do=(raise_("Go"),), to="b"), on("b", "Go", to="a")],
        [on("a", "Go", do=(raise_("Go"),), to="z")],
    ],
)
def test_raised_events_that_may_end_are_none(ways: Any) -> None:
    """By a guard, by a condition, because another state takes it otherwise, because the flow ends."""
    assert [] == lines(line(*ways), "eventless-cycle")


# --- with guards ---


def test_a_circle_whose_guards_stay_true_is_shown_by_values() -> None:
    """Nothing on it changes what they ask."""
    flow = line(on("a", "Go", to="b"), always("b", SMALL, to="c", line=5), always("c", less(constant(0), N), to="b"),
                on("b", "Go", to="a"), on("c", "Go", to="a"), on("a", "Back", do=(COUNT,)))  # fmt: skip
    assert [5] == lines(flow, "eventless-loop")
    assert "lead in a circle when n = 1, and nothing there changes that" in told(flow, "eventless-loop")
    alone = line(on("a", "Go", to="b"), always("b", SMALL, to="b", line=5), on("b", "Go", to="a"))
    assert "The eventless transition in line 5 is enabled again whenever it was taken" in told(alone, "eventless-loop")


@pytest.mark.parametrize(
    ("first", "second", "do"),
    [
        (SMALL, less(constant(0), N), (COUNT,)),
        (SMALL, less(constant(5), N), ()),
        (both(SMALL, less(constant(0), N)), equal(N, constant(0)), ()),
    ],
)
def test_a_circle_that_its_actions_or_guards_may_end_is_none(first: Any, second: Any, do: Any) -> None:
    """Where a guard asks for what is changed, or the guards exclude each other."""
    flow = line(on("a", "Go", to="b"), always("b", first, do=do, to="c"), always("c", second, to="b"),
                on("b", "Go", to="a"), on("c", "Go", to="a"))  # fmt: skip
    assert [] == lines(flow, "eventless-loop")


def test_what_is_changed_on_entry_and_exit_counts() -> None:
    """The circle passes through both."""
    for changed in (state("b", entry=(RESET,)), state("b", exit=(RESET,))):
        states = [state("a", initial=True), changed, state("z", StateKind.FINAL)]
        flow = small_chart(states, on("a", "Go", to="b"), always("b", SMALL, to="b"), on("b", "Stop", to="z"))
        assert [] == lines(flow, "eventless-loop")


def test_an_earlier_transition_that_takes_its_turn_ends_a_circle() -> None:
    """The values have to keep it from being taken."""
    flow = line(on("a", "Go", to="b"), always("b", SMALL, to="a"), always("b", less(N, constant(9)), to="b", line=5))
    assert "when n = 3" in told(flow, "eventless-loop")
    flow = line(on("a", "Go", to="b"), always("b", SMALL, to="a"), always("b", less(N, constant(2)), to="b", line=5))
    assert [] == lines(flow, "eventless-loop")


# --- raised for nobody ---


def test_an_event_raised_where_nothing_handles_it_is_told() -> None:
    """At the action, though another state handles it."""
    flow = line(on("a", "Go", do=(raise_("Back", line=5),), to="b"), on("b", "Go", to="c"), on("c", "Back", to="a"))
    assert [5] == lines(flow, "unhandled-raise")
    assert "Back is raised here, and no state that can be active then handles or ignores it." in told(
        flow, "unhandled-raise"
    )


@pytest.mark.parametrize(
    "ways",
    [
        [on("a", "Go", do=(raise_("Back"),), to="b"), on("b", "Back", to="a")],
        [on("a", "Go", do=(raise_("Back"),), to="b"), on("b", "Back", SMALL, to="a"), on("b", "Go", to="a")],
        [on("a", "Go", do=(raise_("Back"),), to="b"), always("b", SMALL, to="c"), on("c", "Back", to="a"),
         on("b", "Go", to="a")],
        [on("a", "Go", do=(raise_("Stop"), raise_("Back")), to="b"), on("b", "Stop", to="c"), on("c", "Back", to="a")],
        [on("a", "Go", do=(raise_("Back"),), to="b"), on_any("b", SMALL, to="a")],
    ],
)  # fmt: skip
def test_an_event_that_may_come_to_somebody_is_not_told(ways: Any) -> None:
    """At once, under a guard, after an eventless transition or another raised event, or as any event."""
    assert [] == lines(line(*ways), "unhandled-raise")


def test_a_final_state_hears_what_it_raises_itself() -> None:
    """Entering it is the end; what it does on late news afterwards is a macrostep like any."""
    late = [on("a", "Go", to="z"), on("z", "Go", do=(raise_("Back", line=5),))]
    assert [] == lines(line(*late, on("z", "Back", do=(COUNT,))), "unhandled-raise")
    assert [5] == lines(line(*late), "unhandled-raise")
    assert [5] == lines(line(late[0], on("z", "Go", do=(raise_("Go"),), line=5)), "eventless-cycle")
    assert [] == lines(line(late[0], on("z", "Go", do=(raise_("Go"),), to="z")), "eventless-cycle")


def test_an_ignored_event_may_be_raised() -> None:
    """That it does nothing is declared."""
    flow = line(on("a", "Go", do=(raise_("Back"),), to="b"), on("b", "Go", to="a"), ignores=[ignore("b", "Back")])
    assert [] == lines(flow, "unhandled-raise")


def test_what_comes_after_the_end_is_dropped() -> None:
    """A top-level final state ends the macrostep before its turn."""
    flow = line(on("a", "Go", do=(raise_("Back", line=5),), to="z"), on("z", "Back", to="a"))
    assert [5] == lines(flow, "unhandled-raise")


BACK = (raise_("Back", line=5),)


@pytest.mark.parametrize(("raising", "handler"), [(state("b", entry=BACK), "b"), (state("b", exit=BACK), "a")])
def test_entry_and_exit_raise_too(raising: State, handler: str) -> None:
    """The finding stands at the action, and a waiver on the state."""
    states = [state("a", initial=True), raising, state("z", StateKind.FINAL)]
    ways = [on("a", "Go", to="b"), on("b", "Stop", to="z")]
    assert [5] == lines(small_chart(states, *ways), "unhandled-raise")
    assert [] == lines(small_chart(states, *ways, on(handler, "Back", do=(RESET,))), "unhandled-raise")
    waived = [each._replace(waivers=(("unhandled-raise", "for later"),)) for each in states]
    assert ["for later"] == [f.waived for f in check(small_chart(waived, *ways)) if f.rule == "unhandled-raise"]
