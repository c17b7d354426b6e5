"""Rules of states and transitions where states stand inside each other: what can be reached, left, taken, ignored."""

from __future__ import annotations

from typing import Any

import pytest

from fsm.compile import check
from fsm.define.chart import Chart, StateKind
from tests.compile.charts import (
    always,
    compound,
    constant,
    defer,
    field,
    history,
    ignore,
    less,
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

SOME = less(field("n"), constant(10))
FINAL = state("z", StateKind.FINAL)
COUNT = set_("n", field("n"))


def nested(*transitions: Any, inside: Any = (), **more: Any) -> Chart:
    """c with c1 and c2 and what else stands inside, and the final z; c begins in c1."""
    c = compound("c", state("c1", initial=True, line=11), state("c2", line=12), *inside, initial=True, line=10)
    return small_chart([c, FINAL], *transitions, **more)


def regions(*transitions: Any, ends: bool = False, **more: Any) -> Chart:
    """p with regions r (r1, r2) and s (s1, s2), and z; with `ends` r2 and s2 are final. p begins in r1 and s1."""
    kind = StateKind.FINAL if ends else StateKind.ATOMIC
    r = compound("r", state("r1", initial=True, line=21), state("r2", kind, line=22), line=20)
    s = compound("s", state("s1", initial=True, line=31), state("s2", kind, line=32), line=30)
    return small_chart([parallel("p", r, s, initial=True, line=10), FINAL], *transitions, **more)


ROUND = (on("c1", "Go", to="c2"), on("c2", "Go", to="c1"), on("c", "Stop", to="z"))
TURNS = (on("r1", "Go", to="r2"), on("r2", "Go", to="r1"), on("s1", "Back", to="s2"), on("s2", "Back", to="s1"))


@pytest.mark.parametrize("flow", [nested(*ROUND), regions(*TURNS, on("p", "Stop", to="z"))])
def test_nested_flows_that_are_sound_break_no_rule_of_states_and_transitions(flow: Chart) -> None:
    """Children that the state around them leaves, and regions that go their ways."""
    fields = {"unread-field", "unwritten-field", "unhandled-event"}
    assert [] == [finding for finding in check(flow) if finding.rule not in fields]


# --- reached ---


def test_an_unreachable_state_is_told_without_those_inside_it() -> None:
    """One problem, one finding."""
    flow = nested(*ROUND, inside=[compound("d", state("d1", initial=True, line=14), line=13)])
    assert [13] == lines(flow, "unreachable-state")
    assert "No way leads from the initial state to d." in told(flow, "unreachable-state")


def test_a_state_that_only_the_end_of_something_endless_leads_to_is_unreachable() -> None:
    """c has no final state, so its done event never comes: both are told, each with its reason."""
    flow = nested(*ROUND[:2], on_done("c", to="z", line=5))
    assert [1] == lines(flow, "unreachable-state")
    assert "Only on_done of c leads to z, and nothing completes it." in told(flow, "unreachable-state")
    assert [5] == lines(flow, "never-done")
    assert "no state directly inside it is final" in told(flow, "never-done")


def test_a_state_behind_one_that_is_left_at_once_is_unreachable() -> None:
    """The event comes too late, always."""
    flow = nested(*ROUND, always("c2", to="c1"), on("c2", "Back", to="c3"), on("c3", "Go", to="c1"),
                  inside=[state("c3", line=13)])  # fmt: skip
    assert [13] == lines(flow, "unreachable-state")
    assert "begins in c2, which an eventless transition leaves at once" in told(flow, "unreachable-state")


def test_a_state_behind_a_transition_that_is_never_taken_is_unreachable() -> None:
    """Where another one takes everything."""
    flow = nested(*ROUND, on("c1", "Go", to="c3"), on("c3", "Go", to="c1"), inside=[state("c3", line=13)])
    assert [13] == lines(flow, "unreachable-state")
    assert "What leads to c3, in line 1, is never taken." in told(flow, "unreachable-state")


def test_a_history_that_nothing_goes_to_is_unreachable() -> None:
    """It remembers for nothing; one that is a target, or entered first, does not."""
    assert [13] == lines(nested(*ROUND, inside=[history("h", line=13)]), "unreachable-state")
    assert [] == lines(nested(*ROUND, on("z", "Go", to="h"), inside=[history("h", line=13)]), "unreachable-state")
    begun = compound("d", history("h", initial=True, default="d1"), state("d1"), line=13)
    assert [] == lines(nested(*ROUND, on("c1", "Back", to="d"), inside=[begun]), "unreachable-state")


# --- left ---


def test_a_state_inside_is_left_by_what_leaves_the_state_around_it() -> None:
    """And by nothing else: without that it is stuck."""
    assert [] == lines(nested(on("c1", "Go", to="c2"), on("c", "Stop", to="z")), "no-way-out")
    assert [12] == lines(nested(on("c1", "Go", to="c2"), on("c1", "Stop", to="z")), "no-way-out")
    within = on("c", "Stop", to="c2", stay=True)
    assert [12] == lines(nested(within, on("c1", "Go", to="z")), "no-way-out")


def test_a_region_that_is_stuck_is_told_while_others_go_on() -> None:
    """Unless the parallel state is left; a final state inside a region may wait for the others."""
    assert [22] == lines(regions(TURNS[0], *TURNS[2:], on("s1", "Stop", do=(COUNT,))), "no-way-out")
    assert [] == lines(regions(TURNS[0], *TURNS[2:], on("s1", "Stop", to="z")), "no-way-out")
    assert [] == lines(regions(TURNS[0], TURNS[2], on_done("p", to="z"), ends=True), "no-way-out")


def test_an_end_that_is_none_is_told() -> None:
    """Both regions are done, nobody waits for it, and the instance is not ended."""
    flow = regions(TURNS[0], TURNS[2], ends=True)
    assert [10] == lines(flow, "no-way-out")
    assert "Nothing leaves p once r2 and s2 are active" in told(flow, "no-way-out")
    assert "p.on_done(to=...)" in told(flow, "no-way-out")
    inner = small_chart([compound("c", state("a", initial=True), state("b", StateKind.FINAL), initial=True, line=10)],
                        on("a", "Go", to="b"))  # fmt: skip
    assert "Nothing leaves c once b is active" in told(inner, "no-way-out")


def test_poison_inside_a_region_is_no_end_without_a_way_out() -> None:
    """It waits for an operator, as poison does anywhere."""
    c = compound("c", state("c1", initial=True), state("lost", StateKind.POISON), initial=True)
    assert [] == lines(small_chart([c, FINAL], on("c1", "Go", to="lost"), on("c1", "Stop", to="z")), "no-way-out")


def test_a_transition_to_a_history_may_lead_anywhere() -> None:
    """What it remembers is not asked."""
    flow = nested(ROUND[0], on("c2", "Stop", to="z"), on("z", "Back", to="h"), inside=[history("h")])
    assert [] == lines(flow, "no-way-out")


@pytest.mark.parametrize(
    ("ends", "says"), [(False, "has no final state:"), (True, "has no final state (r2 ends r only):")]
)
def test_a_final_state_inside_ends_no_instance(ends: bool, says: str) -> None:
    """Only one at the top does; the message says why the others do not count."""
    flow = regions(*TURNS, ends=ends)
    flow = flow._replace(states=flow.states[:-1])
    assert [1] == lines(flow, "no-final-state")
    assert says in told(flow, "no-final-state")


# --- done ---


def test_done_comes_where_every_region_can_end() -> None:
    """One that cannot end keeps the parallel state from it, and is named."""
    assert [] == lines(regions(TURNS[0], TURNS[2], on_done("p", to="z"), ends=True), "never-done")
    flow = regions(TURNS[0], on_done("p", to="z", line=5), on("p", "Stop", to="z"), ends=True)
    assert [5] == lines(flow, "never-done")
    assert "region s is never done, since nothing leads to s2" in told(flow, "never-done")


def test_done_never_comes_where_the_regions_end_one_at_a_time_only() -> None:
    """Each ends, and ending it begins the other one anew."""
    r = compound("r", state("r1", initial=True), state("r2", StateKind.FINAL))
    s = compound("s", state("s1", initial=True), state("s2", StateKind.FINAL))
    flow = small_chart(
        [parallel("p", r, s, initial=True), FINAL],
        on("r1", "Go", to=("r2", "s1")),
        on("s1", "Back", to=("r1", "s2")),
        on("p", "Stop", to="z"),
        on_done("p", to="z", line=5),
    )
    assert [5] == lines(flow, "never-done")
    assert "its regions are never done together" in told(flow, "never-done")


def test_an_unreachable_state_is_not_told_to_be_never_done() -> None:
    """The one finding is enough."""
    d = compound("d", state("d1", initial=True), line=13)
    assert [] == lines(nested(*ROUND, on_done("d", to="z"), inside=[d]), "never-done")


# --- shadowed by other states, by other regions, by what is eventless ---


def test_a_transition_is_shadowed_by_states_inside_that_take_every_event() -> None:
    """In every configuration; one state inside that does not is enough for it to be taken."""
    shadowed = on("c", "Go", to="z", line=5)
    flow = nested(*ROUND, shadowed)
    assert [5] == lines(flow, "shadowed-transition")
    assert "those of other states in line 1 take every event that it would" in told(flow, "shadowed-transition")
    assert [] == lines(nested(ROUND[0], on("c2", "Stop", to="z"), shadowed), "shadowed-transition")
    assert [] == lines(nested(ROUND[0], on("c2", "Go", SOME, to="c1"), shadowed), "shadowed-transition")


def test_the_transition_that_shadows_from_inside_is_named() -> None:
    """With its state and its line."""
    flow = nested(on("c1", "Go", to="z", line=4), on("c", "Go", to="c1", line=5))
    assert "the one of c1 in line 4 has no guard and takes every event" in told(flow, "shadowed-transition")


def test_a_transition_is_shadowed_by_another_region_that_leaves_both() -> None:
    """Both would leave p, and the one that comes first in the document wins."""
    leave = [on("r1", "Go", to="z", line=4), on("s1", "Go", to="p", line=5), on("p", "Stop", to="z")]
    flow = regions(*leave)
    assert [5] == lines(flow, "shadowed-transition")
    assert "the one of r1 in line 4 has no guard" in told(flow, "shadowed-transition")
    assert [] == lines(regions(*leave, on("r1", "Back", to="r2")), "shadowed-transition")


def test_a_region_that_never_leaves_shadows_nothing_of_the_others() -> None:
    """Both are taken, one after the other."""
    assert [] == lines(regions(on("r1", "Go", do=(COUNT,)), on("s1", "Go", to="s2"), on("p", "Stop", to="z")),
                       "shadowed-transition")  # fmt: skip


@pytest.mark.parametrize(("last", "expected"), [(None, [5]), (SOME, [])])
def test_a_transition_is_shadowed_among_many_regions_that_decide_at_once(last: Any, expected: list[int]) -> None:
    """Any region wins against the state around it, and the last one always has something to do."""
    parts: list[Any] = [compound("r0", state("r0a", initial=True))]
    ways = [on("p", "Go", to="z", line=5), on("p", "Stop", to="z")]
    for number in range(1, 7):
        name = f"r{number}"
        parts.append(compound(name, state(f"{name}a", initial=True), state(f"{name}b")))
        guard = less(field("n"), constant(number)) if number < 6 else last
        ways += [on(f"{name}{one}", "Go", guard, to=f"{name}{other}") for one, other in ("ab", "ba")]
    flow = small_chart([parallel("p", *parts, initial=True), FINAL], *ways)
    assert expected == lines(flow, "shadowed-transition")


def test_everything_else_is_shadowed_where_a_state_is_left_at_once() -> None:
    """An unguarded eventless transition is there before any event."""
    flow = nested(*ROUND, always("c2", to="c1", line=4))
    assert "c2 is left at once by an eventless transition (line 4)" in told(flow, "shadowed-transition")
    assert [] == lines(nested(*ROUND, always("c2", SOME, to="c1")), "shadowed-transition")


def test_an_eventless_transition_is_shadowed_by_one_inside() -> None:
    """Eventless transitions are tried innermost first, as all are."""
    flow = nested(on("c1", "Go", to="c2"), always("c2", to="z", line=4), always("c", SOME, to="z", line=5),
                  always("c1", to="c2", line=6))  # fmt: skip
    assert [5] == [line for line in lines(flow, "shadowed-transition") if line != 1]


def test_any_event_before_a_certain_one_shadows_it() -> None:
    """`on(Event, ...)` takes everything, so what stands behind it in the same state is never taken."""
    flow = nested(on_any("c1", do=(COUNT,), line=4), on("c1", "Go", to="z", line=5), on("c", "Stop", to="z"))
    found = [line for line in lines(flow, "shadowed-transition") if line == 5]
    assert [5] == found
    message = next(f.message for f in check(flow) if f.rule == "shadowed-transition" and f.line == 5)
    assert "the one in line 4 has no guard and takes every event" in message


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ([on("c1", "Go", to="z"), on_any("c1", to="c2", line=5)], []),
        ([on("c1", name, to="z") for name in ("Go", "Stop", "Back")] + [on_any("c1", to="c2", line=5)], [5]),
        ([on_any("c1", SOME, to="c2"), on("c1", "Go", to="z", line=5)], []),
        ([on_any("c1", to="c2"), on_any("c1", to="z", line=5)], [5]),
    ],
)
def test_any_event_is_shadowed_where_each_is_taken_before(declared: Any, expected: list[int]) -> None:
    """One event that nothing takes is enough for it."""
    flow = nested(*declared, on("c2", "Go", to="c1"))
    assert expected == lines(flow, "shadowed-transition")


def test_transitions_of_a_state_that_is_never_active_are_not_told() -> None:
    """That it is unreachable is the finding."""
    d = state("d", line=13)
    assert [] == lines(nested(*ROUND, on("d", "Go", to="c1"), inside=[d]), "shadowed-transition")


# --- ignored and deferred ---


def test_an_event_that_states_inside_always_take_is_never_ignored() -> None:
    """Nor deferred by the state around them."""
    flow = nested(*ROUND, ignores=[ignore("c", "Go", line=7)], defers=[defer("c", "Stop", line=8)])
    assert [7] == lines(flow, "dead-ignore")
    assert [8] == lines(flow, "dead-defer")
    assert "some transition takes every one" in told(flow, "dead-defer")
    open_ = nested(ROUND[0], ROUND[2], ignores=[ignore("c", "Go")], defers=[defer("c", "Back")])
    assert ([], []) == (lines(open_, "dead-ignore"), lines(open_, "dead-defer"))


def test_what_a_state_defers_it_never_ignores() -> None:
    """Deferral comes first."""
    flow = nested(*ROUND, ignores=[ignore("c1", "Back", line=7)], defers=[defer("c1", "Back", line=8)])
    assert [7] == lines(flow, "dead-ignore")
    assert "State c1 never ignores Back, though it says so: it defers them." in told(flow, "dead-ignore")
    assert [] == lines(flow, "dead-defer")


def test_the_innermost_deferral_counts() -> None:
    """Where every state inside defers too, what the state around them says comes to nothing."""
    inner = [defer("c1", "Back"), defer("c2", "Back")]
    flow = nested(*ROUND, defers=[defer("c", "Back", line=7), *inner], ignores=[ignore("c", "Back", line=8)])
    assert [7] == lines(flow, "dead-defer")
    assert "another state that is active with it defers them first" in told(flow, "dead-defer")
    assert [8] == lines(flow, "dead-ignore")
    assert [] == lines(nested(*ROUND, defers=[defer("c", "Back", line=7), inner[0]]), "dead-defer")


def test_a_state_that_is_left_at_once_ignores_nothing() -> None:
    """No event finds it."""
    flow = nested(*ROUND, always("c2", to="c1"), ignores=[ignore("c2", "Back", line=7)])
    assert "an eventless transition leaves it at once" in told(flow, "dead-ignore")


# --- events and fields ---


def test_any_event_handles_all_of_them() -> None:
    """And so does an ignore; a deferral only keeps them."""
    assert [] == lines(nested(on_any("c1", to="z")), "unhandled-event")
    flow = nested(on("c1", "Go", to="z"), ignores=[ignore("c1", "Stop")], defers=[defer("c1", "Back")])
    assert [1] == lines(flow, "unhandled-event")
    assert "No state handles or ignores Back: where it is deferred it is kept" in told(flow, "unhandled-event")


def test_entry_and_exit_actions_and_timers_read_and_write() -> None:
    """Nothing is left over."""
    flow = small_chart(
        [
            state("a", initial=True, entry=(set_("n", field("n")),)),
            state("b", exit=(set_("wait", field("wait")), set_("due", field("due")))),
            FINAL,
        ],
        on("a", "Go", to="b"), on("b", "Go", to="z"),
    )  # fmt: skip
    assert ([], []) == (lines(flow, "unread-field"), lines(flow, "unwritten-field"))


def test_a_raised_event_is_handled_like_any() -> None:
    """`unhandled-event` does not ask where it comes from."""
    flow = nested(on("c1", "Go", do=(raise_("Stop"),), to="c2"), on("c2", "Stop", to="z"), events="Go Stop")
    assert [] == lines(flow, "unhandled-event")
