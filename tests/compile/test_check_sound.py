"""A chart that is made by hand breaks rules in findings, and never the compiler: names, nesting, sizes."""

from __future__ import annotations

from typing import Any

import pytest

import fsm
from fsm.compile import check, compile
from fsm.compile.rules import sizes
from fsm.define.chart import Argument, Chart, Conditional, Event, Field, StateKind, Term, Trigger, Type
from fsm.errors import DefinitionError
from fsm.layout import FieldKind
from tests.compile.charts import (
    DURATION,
    INTEGER,
    after,
    always,
    apply,
    argument,
    at,
    compound,
    constant,
    defer,
    event,
    field,
    history,
    ignore,
    inside,
    less,
    on,
    on_done,
    parallel,
    raise_,
    set_,
    small_chart,
    state,
    transition,
    when_due,
)
from tests.compile.checking import SIZE, TEN, found, limit_field, lines, small, told

A, Z = state("a", initial=True), state("z", StateKind.FINAL)
C, INNER = state("c", StateKind.COMPOUND), state("i", initial=True)._replace(parent="c")
GO = on("a", "Go", to="z")
DIVIDED = apply("modulo", field("n"), constant(0))


def flow(*transitions: Any, states: Any = (A, Z), **more: Any) -> Chart:
    """a, from which Go leads to z, and what else stands there."""
    return small_chart([*states], GO, *transitions, **more)


def acting(*actions: Any) -> list[tuple[str, Chart]]:
    """The same actions on entry, on exit, and in a transition."""
    return [
        ("entry", flow(states=[A._replace(entry=actions), Z])),
        ("exit", flow(states=[A._replace(exit=actions), Z])),
        ("do", small_chart([A, Z], on("a", "Go", do=actions, to="z"))),
    ]


# --- names ---


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (flow(states=[A, Z._replace(parent="nobody", place=at(5))]), "There is no state nobody."),
        (flow(states=[A, *compound("c", INNER, history("h", default="nobody")), Z]), "There is no state nobody."),
        (flow(on("a", "Nothing", line=5)), "There is no event Nothing."),
        (flow(ignores=[ignore("nobody", "Go")]), "There is no state nobody."),
        (flow(ignores=[ignore("a", "Nothing")]), "There is no event Nothing."),
        (flow(defers=[defer("nobody", "Go")]), "There is no state nobody."),
        (flow(defers=[defer("a", "Nothing")]), "There is no event Nothing."),
        (flow(when_due("a", "never")), "There is no field never."),
        (flow(after("a", field("never", DURATION))), "There is no field never."),
        *((made, "There is no event Nothing.") for _, made in acting(raise_("Nothing"))),
        *((made, "There is no field never.") for _, made in acting(set_("never", constant(1)))),
        *((made, "There is no field never.") for _, made in acting(set_("n", field("never")))),
        *(
            (made, "There is no event Nothing.")
            for _, made in acting(Conditional(less(TEN, TEN), (), (raise_("Nothing"),), "when(...)", at(5)))
        ),
    ],
)
def test_names_that_mean_nothing_are_found_wherever_they_stand(broken: Chart, expected: str) -> None:
    """And nothing is compiled."""
    assert expected in told(broken, "unknown-name")
    with pytest.raises(DefinitionError, match="unknown-name"):
        compile(broken)


@pytest.mark.parametrize(
    "broken",
    [
        *(made for where, made in acting(set_("n", SIZE)) if where != "do"),
        small(on("a", "Go", to="z"), always("a", less(SIZE, TEN), to="z", line=6)),
        small(on("a", "Go", to="z"), transition("a", Trigger.ANY, guard=less(SIZE, TEN), to="z", line=6)),
        small(on("a", "Go", to="z"), after("a", argument("Go", "size", DURATION), to="z", line=6)),
    ],
)
def test_arguments_have_no_value_where_no_event_is_at_hand(broken: Chart) -> None:
    """On entry and exit, in timers, and on any event."""
    assert "Go.size is used where no event is at hand." in told(broken, "foreign-argument")


# --- nesting and triggers ---


def charted(*states: Any, **more: Any) -> Chart:
    """States as they are listed."""
    return small_chart([*states], **more)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (charted(A, INNER, C), "nesting"),
        (charted(A, C, Z, INNER), "nesting"),
        (charted(A, C._replace(parent="i"), INNER), "nesting"),
        (charted(A._replace(parent="a")), "nesting"),
        (charted(A, *inside(state("s"), INNER)), "no-children"),
        (charted(A, *inside(Z, INNER)), "no-children"),
        (charted(A, *inside(state("p", StateKind.POISON), INNER)), "no-children"),
        (charted(A, *parallel("p")), "parallel-regions"),
        (charted(A, *parallel("p", history("h"))), "parallel-regions"),
        (charted(A, *parallel("p", state("f", StateKind.FINAL))), "parallel-regions"),
        (charted(A, history("h")), "history-place"),
        (charted(A, *compound("c", INNER, history("h", default="a"))), "history-default"),
        (charted(A, *compound("c", INNER, history("h", default="g"), history("g", default="h"))), "history-default"),
        (charted(A, *compound("c", INNER._replace(initial=False), history("h", initial=True))), "history-default"),
        (charted(A, *compound("c", history("h", initial=True))), "history-default"),
        (flow(on_done("a")), "done-source"),
        (flow(always("z", to="a")), "restless-final"),
        (flow(on("a", "Stop", to="z", stay=True)), "stay-inside"),
        (flow(on("a", "Stop", to=("a", "z"))), "several-targets"),
        (flow(transition("a", Trigger.AFTER, to="z")), "timer-moment"),
        (flow(on("a", "Stop", moment=constant(5, DURATION))), "timer-moment"),
        (flow(after("a", -1, to="z")), "timer-moment"),
        (flow(transition("a", Trigger.AT, to="z", moment=constant(5, DURATION))), "timer-moment"),
        (flow(defers=[defer("a", "Stop", 0)]), "defer-room"),
        (flow(microsteps_max=0), "flow-limit"),
        (flow(raised_max=1 << 20), "flow-limit"),
        (small(on("a", "Go", to="z"), on("a", "Other", do=(raise_("Go"),)),
               events=[event("Go", ("size", INTEGER)), event("Other")]), "raised-arguments"),
        (small(events=[event("Go", *((f"n{number}", INTEGER) for number in range(7)))]), "too-many-arguments"),
    ],
)  # fmt: skip
def test_states_and_triggers_that_cannot_be_so_are_findings(broken: Chart, rule: str) -> None:
    """By the rules that hold while a class is read, which none can waive."""
    assert rule in {finding.rule for finding in check(broken)}
    assert all(finding.severity == "error" and finding.waived is None for finding in check(broken))
    with pytest.raises(DefinitionError, match=rule):
        compile(broken)


@pytest.mark.parametrize(
    ("broken", "rule", "expected"),
    [
        (charted(A, *compound("c", state("d"), line=5)), "no-initial-state", [5]),
        (charted(A, *compound("c", history("h"), line=5)), "no-initial-state", [5]),
        (charted(A, *compound("c", line=5)), "no-initial-state", [5]),
        (charted(A, *compound("c", INNER, state("d", initial=True, line=6))), "several-initial-states", [6]),
        (
            charted(A, *compound("c", INNER, history("h", initial=True, default="i", line=6))),
            "several-initial-states",
            [6],
        ),
        (charted(A, *parallel("p", state("r", initial=True, line=6))), "several-initial-states", [6]),
    ],
)
def test_every_state_with_children_begins_in_one_place(broken: Chart, rule: str, expected: list[int]) -> None:
    """A history may be it; the regions of a parallel state all are, without a word."""
    assert expected == lines(broken, rule)


# --- sizes ---


@pytest.mark.parametrize("where", ["entry", "exit", "do", "condition", "moment"])
def test_a_term_too_deep_is_found_wherever_it_stands(where: str) -> None:
    """Before anything walks it."""
    term = field("n")
    for _ in range(100_000):
        term = apply("add", term, TEN)
    made = {
        **dict(acting(set_("n", term, line=5))),
        "condition": flow(states=[A._replace(entry=(Conditional(less(term, TEN), (), (), "when(...)", at(5)),)), Z]),
        "moment": flow(after("a", term, to="z", line=5)),
    }
    assert [5] == lines(made[where], "too-large")


def test_conditions_of_actions_too_deep_are_a_finding() -> None:
    """They are walked by recursion as terms are."""
    action: Any = set_("n", TEN)
    for _ in range(10_000):
        action = Conditional(less(field("n"), TEN), (action,), (), "when(...)", at(5))
    assert [7] == lines(flow(states=[A._replace(entry=(action,), place=at(7)), Z]), "too-large")


def test_states_too_deep_are_a_finding() -> None:
    """One hundred stand inside each other, and no more."""

    def chain(count: int) -> Chart:
        made: Any = state("s0", initial=True, line=1)
        for number in range(1, count):
            made = compound(f"s{number}", made, initial=True, line=number + 1)
        return small_chart([made, Z], on("s0", "Go", to="z"))

    assert [] == lines(chain(100), "too-large")
    assert [1] == lines(chain(101), "too-large")
    assert [4900] == lines(chain(5000), "too-large")
    assert "stands inside 100 others" in told(chain(101), "too-large")


def test_timers_and_deferred_events_count_as_words_of_an_instance() -> None:
    """The message has all parts."""
    roomy = small(on("a", "Go", to="z"), defers=[defer("z", "Go", at_most=200)])
    assert [] == lines(roomy, "too-large")
    wide = small(on("a", "Go", to="z"), after("a", 5, to="z"), defers=[defer("z", "Go", at_most=300)],
                 fields=[limit_field()])  # fmt: skip
    assert [1] == lines(wide, "too-large")
    assert "608 words, 3 of them its header, 1 fields, 1 timers, 601 deferred events" in told(wide, "too-large")


@pytest.mark.parametrize(("count", "expected"), [(64, []), (65, [1])])
def test_more_timers_than_can_run_at_once_are_a_finding(count: int, expected: list[int]) -> None:
    """Those of regions add up; those of states that are not active together share."""
    timers = [after("a", number + 1, to="z") for number in range(count)]
    spare = [after("b", number + 1, to="z") for number in range(count)]
    made = flow(*timers, *spare, states=[A, state("b"), Z])
    assert expected == lines(made, "too-large")
    regions = parallel("p", *(state(f"r{number}") for number in range(count)), initial=True)
    beside = small_chart([regions, Z], *(after(f"r{number}", 5, to="z") for number in range(count)))
    assert expected == lines(beside, "too-large")


def test_code_that_is_too_long_names_what_it_was_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns with the most steps, the largest first, and the regions that decide there."""
    monkeypatch.setattr(sizes, "CODE_MAX", 10)
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True), state("s2"))
    some = less(field("n"), TEN)
    made = small_chart(
        [parallel("p", r, s, initial=True), Z],
        on("r1", "Go", some, do=(set_("n", TEN),), to="r2"), on("r2", "Go", to="r1"),
        on("s1", "Go", less(TEN, field("n")), to="s2"), on("s2", "Go", to="s1"), after("p", 5, some, to="z"),
    )  # fmt: skip
    message = told(made, "too-large")
    assert "instructions, and 10 are allowed. The most were made for Go " in message
    assert " (in r and s), timer slot 0 " in message


def test_a_division_by_zero_is_found_wherever_it_stands() -> None:
    """In actions on entry and exit, in their conditions, in the length of a timer."""
    made = [made for _, made in acting(set_("n", DIVIDED, line=5))]
    made += [flow(after("a", DIVIDED._replace(type=DURATION), to="z", line=5))]
    made += [chart for _, chart in acting(Conditional(less(DIVIDED, TEN), (), (), "when(...)", at(5)))]
    assert [[("flows.py", 5)]] * 7 == [found(each, "division-by-zero") for each in made]


def test_a_chart_by_hand_that_says_what_a_class_says_compiles() -> None:
    """Nothing of it is refused that `fsm.define` takes."""
    words = tuple(Argument(f"n{number}", Type(FieldKind.INTEGER), number) for number in range(6))
    wide = Event("Wide", words, at(1))
    made = Chart(
        "Hand", "", (Field("n", INTEGER, 0, at(1)),), (wide,), (A, Z),
        (on("a", "Wide", less(Term("argument", INTEGER, value=("Wide", "n5")), field("n")), to="z"),), (), at(1),
    )  # fmt: skip
    assert [] == [finding for finding in check(made) if finding.severity == "error"]
    assert 2 == fsm.Engine(compile(made), capacity=1, engine="mirror").tables.configuration_count
