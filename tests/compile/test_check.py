"""Each rule of `check`: where it fires, at which file and line, and where it stays silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.compile import check, compile
from fsm.compile.rules.report import RULES
from fsm.define.chart import Conditional, Field, Ignore, Rounding, StateKind, Term
from fsm.errors import DefinitionError
from tests.compile.charts import (
    INTEGER,
    TIMESTAMP,
    after,
    always,
    apply,
    argument,
    at,
    compound,
    constant,
    defer,
    event,
    less,
    limit_order,
    on,
    on_done,
    raise_,
    set_,
    state,
    when_due,
)
from tests.compile.checking import LIMIT, SIZE, TEN, found, guarded, limit_field, small


def test_a_sound_flow_has_no_findings() -> None:
    """Silence is an answer."""
    assert [] == check(small())


def test_the_orders_of_the_documentation_have_one_finding() -> None:
    """`quantity` is kept for those who look: no guard reads it."""
    assert [("unread-field", 6)] == [(finding.rule, finding.line) for finding in check(limit_order())]


SPARE = [*small().states, state("b", line=8)]
FIRING = {
    "no-initial-state": (small(states=[state("a"), state("z", StateKind.FINAL)]), [1]),
    "several-initial-states": (
        small(states=[state("a", initial=True), state("z", StateKind.FINAL, initial=True, line=4)]),
        [4],
    ),
    "unknown-name": (small(on("a", "Go", to="nowhere", line=6)), [6]),
    "name-twice": (small(states=[state("a", initial=True, line=3), state("z", line=4), state("z", line=5)]), [4, 5]),
    "foreign-argument": (
        small(on("a", "Go", less(argument("Stop", "size"), TEN), to="z", line=6), events=[event("Go"), event("Stop")]),
        [6],
    ),
    "unknown-waiver": (small(waivers=(("no-such-rule", "because"),)), [1]),
    "too-large": (small(fields=[Field(f"f{index}", INTEGER, 0, at(9)) for index in range(600)]), [1]),
    "too-many-configurations": (
        small(
            *(on(f"s{index}", "Go", to=f"s{index + 1}") for index in range(4999)),
            states=[state(f"s{index}", initial=not index) for index in range(5000)],
        ),
        [1],
    ),
    "unreachable-state": (small(states=[*small().states, state("x", StateKind.FINAL, line=9)]), [9]),
    "no-way-out": (
        small(
            on("a", "Go", less(SIZE, TEN), to="b"),
            on("b", "Go", to="b"),
            states=[state("a", initial=True), state("b", line=4), state("z", StateKind.FINAL)],
        ),
        [4],
    ),
    "shadowed-transition": (small(on("a", "Go", to="z", line=6), on("a", "Go", less(SIZE, TEN), line=7)), [7]),
    "no-final-state": (small(states=[state("a", initial=True), state("z", StateKind.POISON)]), [1]),
    "unhandled-event": (small(events=[event("Go"), event("Stop", line=8)]), [8]),
    "unread-field": (small(on("a", "Go", do=(set_("limit", TEN),), to="z"), fields=[limit_field()]), [2]),
    "unwritten-field": (small(on("a", "Go", less(LIMIT, TEN), to="z"), fields=[limit_field()]), [2]),
    "constant-guard": (small(on("a", "Go", less(TEN, constant(3)), to="z", line=6)), [6]),
    "overlapping-guards": (guarded(less(SIZE, TEN), less(constant(3), SIZE)), [8]),
    "division-by-zero": (small(on("a", "Go", less(apply("modulo", SIZE, constant(0)), TEN), to="z", line=6)), [6]),
    "dead-ignore": (small(ignores=[Ignore("a", "Go", at(9))]), [9]),
    "dead-defer": (small(defers=[defer("a", "Go", line=9)]), [9]),
    "eventless-cycle": (small(on("a", "Go", to="b"), always("b", to="b", line=9), states=SPARE), [9]),
    "eventless-loop": (
        small(on("a", "Go", to="b"), always("b", less(LIMIT, TEN), to="b", line=9), on("b", "Go", to="z"), states=SPARE,
              fields=[limit_field()]),
        [9],
    ),
    "never-done": (
        small(
            on("a", "Go", to="c"), on_done("c", to="z", line=9), on("c", "Go", to="z"),
            states=[*small().states, *compound("c", state("c1", initial=True))],
        ),
        [9],
    ),
    "unhandled-raise": (
        small(on("a", "Go", do=(raise_("Went", line=9),), to="z"), events=[event("Go"), event("Went")]), [9],
    ),
    "timer-never-fires": (small(after("a", 5, to="z"), after("a", 6, to="z", line=9)), [9]),
    "timer-restarts": (small(after("a", 5, to="z"), on("a", "Go", to="a", line=9)), [9]),
    "stale-moment": (
        small(
            when_due("a", "due", to="z"), on("a", "Go", do=(set_("due", argument("Go", "due", TIMESTAMP)),), line=9),
            events=[event("Go", ("due", TIMESTAMP))], fields=[Field("due", TIMESTAMP, 0, at(2))],
        ),
        [9],
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fires_at_the_line_that_breaks_it(rule: str) -> None:
    """File, line and severity, with a message and a remedy that are sentences."""
    broken, lines = FIRING[rule]
    assert [("flows.py", line) for line in lines] == found(broken, rule)
    finding = next(finding for finding in check(broken) if finding.rule == rule)
    assert RULES[rule].severity == finding.severity
    assert finding.message.endswith(".") and finding.remedy.endswith(".")


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_stays_silent_on_a_sound_flow(rule: str) -> None:
    """The flow that breaks nothing, and one that has everything."""
    assert [] == found(small(), rule)
    full = guarded(
        less(SIZE, LIMIT), less(LIMIT, SIZE), ignores=[Ignore("z", "Go", at(1))],
    )  # fmt: skip
    full = full._replace(
        transitions=(*full.transitions, on("a", "Go", do=(set_("limit", SIZE),), line=9)),
        waivers=(("no-final-state", "runs for ever"),),
    )
    assert [] == found(full, rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_documented(rule: str, root: Path) -> None:
    """`docs/check-rules.md` has a section for it that tells its severity."""
    text = (root / "docs" / "check-rules.md").read_text()
    assert f"### {rule}\n" in text
    section = text.split(f"### {rule}\n")[1].split("\n### ")[0]
    assert RULES[rule].severity in section.splitlines()[1].lower()


@pytest.mark.parametrize("given", ["Flow", 3, None, int, fsm.Flow])
@pytest.mark.parametrize("function", [check, compile])
def test_what_is_no_flow_is_a_type_error(function: Any, given: object) -> None:
    """It says what was expected, what was found and what to pass."""
    with pytest.raises(TypeError, match=r"derived from fsm\.Flow .*was found.*Pass the class") as caught:
        function(given)
    assert repr(given) in str(caught.value)


@pytest.mark.parametrize(
    "term",
    [
        apply("floor_divide", SIZE, constant(0)),
        apply("modulo", SIZE, constant(0)),
        apply("scale", SIZE, TEN, constant(0), value=Rounding.DOWN),
        apply("add", SIZE, apply("modulo", SIZE, constant(0))),
    ],
)
def test_a_division_by_the_constant_zero_is_an_error_where_it_stands(term: Term) -> None:
    """In actions as in guards; a divisor that may be zero is a fault of the step, and none of the definition."""
    when = Conditional(less(SIZE, TEN), (set_("limit", term, 8),), (), "when(...)", at(7))
    flow = small(on("a", "Go", less(LIMIT, TEN), do=(when,), to="z", line=6), fields=[limit_field()])
    assert [("flows.py", 8)] == found(flow, "division-by-zero")
    assert "by zero" in next(finding.message for finding in check(flow) if finding.rule == "division-by-zero")
    with pytest.raises(DefinitionError, match="division-by-zero"):
        compile(flow)
    sound = small(on("a", "Go", less(apply("modulo", SIZE, LIMIT), TEN), to="z"), fields=[limit_field()])
    assert [] == found(sound, "division-by-zero")


def test_all_findings_come_at_once_by_line() -> None:
    """An error does not hide the next one."""
    states = [state("a", initial=True, line=3), state("x", line=4), state("z", StateKind.FINAL, line=5)]
    flow = small(on("a", "Go", to="z"), states=states, events=[event("Go"), event("Stop", line=9)])
    assert [("no-way-out", 4), ("unreachable-state", 4), ("unhandled-event", 9)] == [
        (f.rule, f.line) for f in check(flow)
    ]
    with pytest.raises(DefinitionError) as caught:
        compile(flow)
    assert ["no-way-out", "unreachable-state"] == [problem.rule for problem in caught.value.problems]
    assert "flows.py:4: error [no-way-out]" in str(caught.value)


@pytest.mark.parametrize("where", ["state", "flow"])
def test_a_waived_error_compiles_and_keeps_its_reason(where: str) -> None:
    """The finding stays, with the reason; the tables have it too."""
    waiver = (("unreachable-state", "the operator's tool puts it there"),)
    x = state("x", StateKind.POISON, line=4, waivers=waiver if where == "state" else ())
    flow = small(states=[*small().states, x], waivers=waiver if where == "flow" else ())
    assert [("unreachable-state", waiver[0][1])] == [(finding.rule, finding.waived) for finding in check(flow)]
    subject = "state x" if where == "state" else "flow Sample"
    assert [(subject, *waiver[0])] == [tuple(each) for each in compile(flow).waivers]


def test_a_waiver_covers_its_subject_only() -> None:
    """Another state that breaks the same rule is still an error."""
    covered = state("x", StateKind.POISON, line=8, waivers=(("unreachable-state", "kept"),))
    flow = small(states=[*small().states, covered, state("y", StateKind.POISON, line=9)])
    assert [(8, "kept"), (9, None)] == [(finding.line, finding.waived) for finding in check(flow)]


@pytest.mark.parametrize("rule", ["no-initial-state", "to-large"])
def test_a_waiver_of_what_cannot_be_waived_is_a_finding(rule: str) -> None:
    """A misspelt rule, and a rule without which nothing compiles."""
    flow = small(on("a", "Go", to="z", line=6, waivers=((rule, "because"),)))
    assert [("flows.py", 6)] == found(flow, "unknown-waiver")


def test_a_transition_may_leave_a_final_state() -> None:
    """Late news is declared so, and breaks no rule."""
    flow = small(
        on("a", "Go", to="z"), on("z", "Go", to="p"),
        states=[state("a", initial=True), state("z", StateKind.FINAL), state("p", StateKind.POISON)],
    )  # fmt: skip
    assert [] == check(flow)


def test_a_term_too_deep_is_a_finding_and_no_crash() -> None:
    """One hundred thousand additions end as one line, before anything walks them."""
    term = SIZE
    for _ in range(100_000):
        term = apply("add", term, TEN)
    assert [("flows.py", 6)] == found(small(on("a", "Go", less(term, TEN), to="z", line=6)), "too-large")


def test_a_term_that_doubles_is_a_finding_and_no_wait() -> None:
    """Sixty levels of x + x hold more operations than anyone can walk."""
    term = SIZE
    for _ in range(60):
        term = apply("add", term, term)
    assert [("flows.py", 6)] == found(small(on("a", "Go", less(term, TEN), to="z", line=6)), "too-large")


def test_more_constants_than_registers_are_a_finding() -> None:
    """An operand has 16 bits."""
    writes = tuple(set_("limit", constant(number)) for number in range(66_000))
    flow = small(on("a", "Go", do=writes, to="z"), fields=[limit_field()])
    assert [("flows.py", 1)] == found(flow, "too-large")
    with pytest.raises(DefinitionError):
        compile(flow)


def test_more_configurations_are_taken_when_asked_for() -> None:
    """The limit is a default."""
    count = 5000
    states = [state(f"s{index}", initial=not index) for index in range(count)]
    flow = small(*(on(f"s{index}", "Go", to=f"s{(index + 1) % count}") for index in range(count)), states=states)
    assert count == compile(flow, configurations_max=count).configuration_count


def test_check_takes_a_flow_class_and_its_lines() -> None:
    """The public way: a class, with findings in this file."""

    class Breaker(fsm.Flow):
        class Trip(fsm.Event):
            pass

        closed = fsm.State(initial=True)
        open = fsm.State()
        closed.on(Trip, to=open)
        open.on(Trip, to=closed)

    assert [("no-final-state", __file__)] == [(finding.rule, finding.file) for finding in fsm.check(Breaker)]
