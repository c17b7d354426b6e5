"""Timers that never fire, that start anew, and that keep an old moment."""

from __future__ import annotations

from typing import Any

import pytest

from fsm.compile import check
from fsm.define.chart import Chart, StateKind
from tests.compile.charts import (
    DURATION,
    TIMESTAMP,
    after,
    always,
    apply,
    compound,
    constant,
    field,
    history,
    less,
    on,
    on_any,
    parallel,
    set_,
    small_chart,
    state,
    when_due,
)
from tests.compile.checking import lines, told

SOME = less(field("n"), constant(3))
WAIT = field("wait", DURATION)
LATER = set_("due", constant(9, TIMESTAMP))
LONGER = set_("wait", constant(9, DURATION))
COUNT = set_("n", field("n"))
FINAL = state("z", StateKind.FINAL)
OUT = on("a", "Stop", to="z")


def timed(*transitions: Any, **more: Any) -> Chart:
    """a, from which Stop leads to the final z, and b where a transition names it."""
    named = {name for each in transitions for name in (each.source, *each.targets)}
    spare = [state("b", line=12)] if "b" in named else []
    return small_chart([state("a", initial=True, line=11), *spare, FINAL], *transitions, OUT, **more)


def inside(*transitions: Any, **more: Any) -> Chart:
    """c with c1 and c2, in which Go leads from one to the other, and z."""
    c = compound("c", state("c1", initial=True), state("c2", **more), initial=True)
    round_ = (on("c1", "Go", to="c2"), on("c2", "Go", to="c1"), on("c", "Stop", to="z"))
    return small_chart([c, FINAL], *round_, *transitions)


# --- never fires ---


@pytest.mark.parametrize(
    ("timers", "expected"),
    [
        ([after("a", 5, to="z"), after("a", 6, to="b", line=5)], [5]),
        ([after("a", 6, to="b", line=5), after("a", 5, to="z")], [5]),
        ([after("a", 5, SOME, to="z"), after("a", 5, to="z"), after("a", 6, to="b", line=5)], [5]),
        ([after("a", 5, SOME, to="z"), after("a", 6, to="b", line=5)], []),
        ([after("a", 5, do=(COUNT,)), after("a", 6, to="b", line=5)], []),
        ([after("a", 5, SOME, do=(COUNT,)), after("a", 5, to="z"), after("a", 6, to="b", line=5)], []),
        ([after("a", WAIT, to="z"), after("a", 6, to="b", line=5)], []),
        ([after("a", 5, to="z"), after("a", WAIT, to="b", line=5)], []),
        ([after("a", 0, to="z"), after("a", 1, to="b", line=5)], []),
        ([after("a", 0, to="z"), after("a", 2, to="b", line=5)], [5]),
        ([when_due("a", "due", to="z"), after("a", 6, to="b", line=5)], []),
        ([after("a", 5, to="a"), after("a", 6, to="b", line=5)], [5]),
    ],
)
def test_a_timer_behind_a_shorter_one_that_leaves_never_fires(timers: Any, expected: list[int]) -> None:
    """Both lengths are constants, and the shorter one leaves the state whatever the fields are."""
    assert expected == lines(timed(*timers, on("b", "Go", to="a")), "timer-never-fires")


def test_the_shorter_timer_is_named() -> None:
    """With its length, its line, and its state where that is another."""
    message = told(timed(after("a", 5, to="z", line=4), after("a", 6, to="z", line=5)), "timer-never-fires")
    assert "The timer after 6 ns of a never fires: the one after 5 ns in line 4 runs out before it" in message
    message = told(inside(after("c", 5, to="z", line=4), after("c1", 6, to="c2", line=5)), "timer-never-fires")
    assert "the one after 5 ns of c in line 4 runs out before it and leaves c1." in message


def test_a_timer_outside_began_no_later_than_one_inside() -> None:
    """The shorter one outside runs out first; a shorter one inside may begin late."""
    assert [5] == lines(inside(after("c", 5, to="z"), after("c1", 6, to="c2", line=5)), "timer-never-fires")
    assert [] == lines(inside(after("c", 6, to="z"), after("c1", 5, to="z")), "timer-never-fires")
    stays = after("c", 5, to="c1", stay=True)
    assert [] == lines(inside(stays, after("c1", 6, to="c2", line=5)), "timer-never-fires"), "it is spent then"


def test_a_timer_of_another_region_proves_nothing() -> None:
    """Though it leaves both: nothing says which was entered first."""
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True), state("s2"))
    flow = small_chart([parallel("p", r, s, initial=True), FINAL], after("r1", 5, to="z"), after("s1", 6, to="z"),
                       on("p", "Stop", to="z"), on("r1", "Go", to="r2"), on("s1", "Back", to="s2"))  # fmt: skip
    assert [] == lines(flow, "timer-never-fires")


def test_a_timer_of_a_state_that_is_left_at_once_never_fires() -> None:
    """It is one finding: the transition is not told to be shadowed too."""
    ways = [on("a", "Go", to="b"), after("b", 5, to="z", line=5), when_due("b", "due", to="a", line=6)]
    flow = timed(*ways, always("b", to="a", line=7))
    assert [5, 6] == lines(flow, "timer-never-fires")
    assert [] == lines(flow, "shadowed-transition")
    message = next(f.message for f in check(flow) if f.rule == "timer-never-fires")
    assert "b is left at once by an eventless transition (line 7)" in message
    assert [] == lines(timed(*ways, always("b", SOME, to="a")), "timer-never-fires")


def test_a_timer_of_a_state_around_what_is_left_at_once_may_fire() -> None:
    """Where some state inside lets it rest."""
    assert [] == lines(inside(always("c2", to="c1"), after("c", 5, to="z")), "timer-never-fires")


def test_a_timer_of_an_unreachable_state_is_not_told() -> None:
    """That it is unreachable is the finding."""
    assert [] == lines(timed(after("b", 5, to="z"), after("b", 6, to="z")), "timer-never-fires")


def test_a_moment_that_nobody_writes_is_told_at_its_field() -> None:
    """`start()` may give it, so it is no timer that never fires."""
    flow = timed(when_due("a", "due", to="z"))
    assert [] == lines(flow, "timer-never-fires")
    messages = [f.message for f in check(flow) if f.rule == "unwritten-field"]
    assert ["No action writes due: it stays what start() gives it. A timer at 0 is never armed."] == [
        message for message in messages if "due" in message
    ]


# --- starts anew ---


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (on("a", "Go", to="a", line=5), [5]),
        (on("a", "Go", SOME, do=(COUNT,), to="a", line=5), [5]),
        (on_any("a", SOME, to="a", line=5), [5]),
        (when_due("a", "due", to="a", line=5), [5]),
        (on("a", "Go", do=(COUNT,), line=5), []),
        (on("a", "Go", to="b", line=5), []),
        (after("a", 5, SOME, to="a", line=5), []),
    ],
)
def test_going_from_a_state_to_itself_starts_its_timers_anew(way: Any, expected: list[int]) -> None:
    """Not without `to=`; and a timer that goes to its own state is meant to begin again."""
    flow = timed(way, after("a", 5, to="z", line=4), on("b", "Go", to="a"))
    assert expected == lines(flow, "timer-restarts")


def test_what_starts_anew_is_named_with_what_to_do() -> None:
    """The timer, its line, and how to keep it."""
    flow = timed(after("a", 5, to="z", line=4), on("a", "Go", to="a", line=5))
    assert "leaves and enters a, so that its timer after 5 ns (line 4) starts anew." in told(flow, "timer-restarts")
    assert "Leave to= out, which keeps a" in told(flow, "timer-restarts")
    two = timed(after("a", 5, to="z", line=4), after("a", 4, SOME, to="z", line=3), on("a", "Go", to="a", line=5))
    assert "its timers (lines 3 and 4) start anew." in told(two, "timer-restarts")


@pytest.mark.parametrize(
    ("way", "expected", "remedy"),
    [
        (on("c", "Back", to="c2", line=5), [5], "Say stay=True, which keeps c"),
        (on("c1", "Back", to="c", line=5), [5], "Go to a state inside c that keeps it"),
        (on("c", "Back", to="c", line=5), [5], "Leave to= out, which keeps c"),
        (on("c", "Back", to="c2", stay=True, line=5), [], ""),
        (on("c1", "Back", to="c2", line=5), [], ""),
        (on("c1", "Back", to="z", line=5), [], ""),
    ],
)
def test_the_timers_of_a_state_around_start_anew_where_it_is_left(way: Any, expected: list[int], remedy: str) -> None:
    """From itself or from inside; not where the way stays within it."""
    flow = inside(after("c", 5, to="z", line=4), way)
    assert expected == lines(flow, "timer-restarts")
    assert not expected or remedy in told(flow, "timer-restarts")


def test_going_across_regions_starts_the_parallel_state_anew() -> None:
    """From one region into another there is no way that keeps what holds both."""
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True), state("s2"))
    across = on("r1", "Go", to="s2", line=5)
    flow = small_chart([parallel("p", r, s, initial=True), FINAL], after("p", 5, to="z"), across,
                       on("r1", "Back", to="r2"), on("s1", "Back", to="s2"))  # fmt: skip
    assert [5] == lines(flow, "timer-restarts")


def test_a_timer_is_meant_to_start_anew_where_its_moment_is_written() -> None:
    """Another one of the same state is not."""
    again = on("a", "Go", do=(LATER,), to="a", line=5)
    assert [] == lines(timed(when_due("a", "due", to="z"), again), "timer-restarts")
    assert [] == lines(timed(after("a", WAIT, to="z"), on("a", "Go", do=(LONGER,), to="a")), "timer-restarts")
    assert [5] == lines(timed(when_due("a", "due", to="z"), after("a", 5, to="z"), again), "timer-restarts")


def test_a_history_may_lead_to_where_it_came_from_or_not() -> None:
    """So nothing is claimed."""
    c = compound("c", state("c1", initial=True), state("c2"), history("h"), initial=True)
    flow = small_chart([c, FINAL], after("c1", 5, to="z"), on("c1", "Go", to="h"), on("c1", "Back", to="c2"),
                       on("c2", "Back", to="c1"), on("c", "Stop", to="z"), on("z", "Go", to="h"))  # fmt: skip
    assert [] == lines(flow, "timer-restarts")


# --- an old moment ---


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (on("a", "Go", do=(LATER,), line=5), [5]),
        (on("a", "Go", do=(LATER,), to="a", line=5), []),
        (on("a", "Go", do=(LATER,), to="b", line=5), []),
        (on("a", "Go", do=(COUNT,), line=5), []),
        (when_due("a", "due", do=(LATER,), line=5), [5]),
    ],
)
def test_a_moment_that_is_written_after_its_timer_took_it_is_told(way: Any, expected: list[int]) -> None:
    """Unless the state is left: then the timer ends, or takes the new one."""
    flow = timed(when_due("a", "due", SOME, to="z"), way, on("b", "Go", to="a"))
    assert expected == lines(flow, "stale-moment")


def test_an_old_moment_is_told_with_its_timer() -> None:
    """One that has fired is not armed again either."""
    flow = timed(when_due("a", "due", to="z"), on("a", "Go", do=(LATER,), line=5))
    assert "writes due, and the timer at due of a keeps the moment that it had." in told(flow, "stale-moment")
    assert "Enter a anew" in told(flow, "stale-moment")
    fired = timed(when_due("a", "due", do=(LATER,), line=5))
    assert "the timer at due of a has fired, and is not armed again." in told(fired, "stale-moment")


def test_the_timer_of_a_state_around_keeps_its_moment_too() -> None:
    """By an action of a transition inside, or on entry to a state inside."""
    due = when_due("c", "due", to="z")
    assert [5] == lines(inside(due, on("c1", "Back", do=(LATER,), to="c2", line=5)), "stale-moment")
    assert [1] == lines(inside(due, entry=(LATER,)), "stale-moment")
    assert [1] == lines(inside(due, exit=(LATER,)), "stale-moment")
    assert [] == lines(inside(when_due("c1", "due", to="z"), entry=(LATER,)), "stale-moment")


def test_another_region_may_write_a_moment() -> None:
    """Unless the state of the timer is left in the same step."""
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True), state("s2"))
    ways = [when_due("r1", "due", to="r2"), on("s1", "Go", do=(LATER,), to="s2", line=5), on("p", "Stop", to="z")]
    states = [parallel("p", r, s, initial=True), FINAL]
    assert [5] == lines(small_chart(states, *ways), "stale-moment")
    assert [] == lines(small_chart(states, *ways, on("r1", "Go", to="r2")), "stale-moment")
    assert [5] == lines(small_chart(states, *ways, on("r1", "Go", SOME, to="r2")), "stale-moment")


def test_a_moment_that_is_written_inside_is_late_for_the_state_around() -> None:
    """It is entered, and its timers armed, before what is inside; its own entry actions come first."""
    late = compound("c", state("c1", initial=True, entry=(LATER,), line=5), initial=True)
    early = compound("c", state("c1", initial=True), initial=True, entry=(LATER,))
    due = when_due("c", "due", to="z")
    flow = small_chart([late, FINAL], due)
    assert [5] == lines(flow, "stale-moment")
    assert "Entering c1 writes due" in told(flow, "stale-moment")
    assert [] == lines(small_chart([early, FINAL], due), "stale-moment")


def test_a_length_that_changes_is_no_old_moment() -> None:
    """`after` counts from entry, and says so."""
    longer = set_("wait", apply("add", WAIT, constant(1, DURATION)))
    assert [] == lines(timed(after("a", WAIT, to="z"), on("a", "Go", do=(longer,))), "stale-moment")


@pytest.mark.parametrize("rule", ["timer-never-fires", "timer-restarts", "stale-moment"])
def test_rules_of_timers_can_be_waived_where_they_are_meant(rule: str) -> None:
    """On the transition that they name."""
    meant = ((rule, "meant"),)
    flow = timed(
        after("a", 5, to="z"), after("a", 6, to="z", waivers=meant), when_due("a", "due", to="z"),
        on("a", "Go", to="a", waivers=meant), on("a", "Back", do=(LATER,), waivers=meant),
    )  # fmt: skip
    assert ["meant"] == [finding.waived for finding in check(flow) if finding.rule == rule]
