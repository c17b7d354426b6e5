"""Each rule of `check`: where it fires, at which file and line, and where it stays silent."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

import fsm
from fsm.compile import check, compile, overlaps
from fsm.compile.prove import bounds, disjoint, holds_somewhere, implies
from fsm.compile.report import RULES
from fsm.compile.witness import witness
from fsm.define.chart import Chart, Conditional, Field, FieldKind, Ignore, Rounding, StateKind, Term, Type
from fsm.errors import DefinitionError
from tests.compile.charts import (
    BOOLEAN,
    INTEGER,
    apply,
    argument,
    at,
    both,
    chart,
    constant,
    either,
    equal,
    event,
    field,
    less,
    limit_order,
    negated,
    on,
    set_,
    state,
)
from tests.compile.interpreter import Fault, Interpreter, word_tuple
from tests.compile.random_charts import EVENTS, FIELDS, Terms, random_chart, random_input

SIZE = argument("Go", "size")
LIMIT = field("limit")
TEN = constant(10)


def small(*transitions: Any, **more: Any) -> Chart:
    """A sound flow a -> z on Go(size), with `transitions` of state a in place of its own."""
    parts: dict[str, Any] = {
        "states": [state("a", initial=True, line=3), state("z", StateKind.FINAL, line=4)],
        "events": [event("Go", ("size", INTEGER), line=5)],
        "transitions": transitions or [on("a", "Go", to="z", line=6)],
    }
    return chart(**{**parts, **more})


def found(chart: Chart, rule: str) -> list[tuple[str, int]]:
    """The places of the findings of a rule."""
    return [(finding.file, finding.line) for finding in check(chart) if finding.rule == rule]


def limit_field(line: int = 2) -> Field:
    return Field("limit", INTEGER, 0, at(line))


def guarded(first: Term, second: Term | None, **more: Any) -> Chart:
    """Two transitions on Go from a, in lines 7 and 8."""
    transitions = (on("a", "Go", first, to="z", line=7), on("a", "Go", second, line=8))
    return small(*transitions, fields=[limit_field()], **more)


def test_a_sound_flow_has_no_findings() -> None:
    """Silence is an answer."""
    assert [] == check(small())


def test_the_orders_of_the_documentation_have_one_finding() -> None:
    """`quantity` is kept for those who look: no guard reads it."""
    assert [("unread-field", 6)] == [(finding.rule, finding.line) for finding in check(limit_order())]


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
    "too-many-configurations": (small(states=[state(f"s{index}", initial=not index) for index in range(5000)]), [1]),
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


@pytest.mark.parametrize(
    ("first", "second", "fires"),
    [
        (None, less(SIZE, TEN), True),
        (less(SIZE, TEN), less(SIZE, TEN), True),
        (less(SIZE, TEN), both(less(SIZE, TEN), less(SIZE, LIMIT)), True),
        (less(SIZE, TEN), less(SIZE, constant(9)), True),
        (less(SIZE, TEN), equal(SIZE, constant(3)), True),
        (negated(less(LIMIT, SIZE)), equal(SIZE, LIMIT), True),
        (negated(less(LIMIT, SIZE)), less(SIZE, LIMIT), True),
        (either(less(SIZE, TEN), less(TEN, LIMIT)), less(TEN, LIMIT), True),
        (negated(equal(SIZE, TEN)), less(TEN, SIZE), True),
        (less(SIZE, TEN), None, False),
        (less(SIZE, TEN), less(SIZE, constant(11)), False),
        (less(SIZE, TEN), negated(less(SIZE, TEN)), False),
        (less(SIZE, LIMIT), negated(less(LIMIT, SIZE)), False),
        (both(less(SIZE, TEN), less(SIZE, LIMIT)), less(SIZE, TEN), False),
    ],
)
def test_a_transition_is_shadowed_where_an_earlier_guard_is_implied(
    first: Term | None, second: Term | None, fires: bool
) -> None:
    """By no guard, the same one, part of it, a wider range, or a wider relation of the same two."""
    flow = small(on("a", "Go", first, to="z", line=7), on("a", "Go", second, to="z", line=8), fields=[limit_field()])
    assert ([("flows.py", 8)] if fires else []) == found(flow, "shadowed-transition")


def test_two_guards_together_shadow_a_third() -> None:
    """Neither does it alone, so the message names neither."""
    less_, more = less(SIZE, LIMIT), negated(less(SIZE, LIMIT))
    flow = small(
        on("a", "Go", less_, to="z", line=7),
        on("a", "Go", more, to="z", line=8),
        on("a", "Go", less(SIZE, TEN), line=9),
        fields=[limit_field()],
    )  # fmt: skip
    assert [("flows.py", 9)] == found(flow, "shadowed-transition")
    assert "together" in next(f.message for f in check(flow) if f.rule == "shadowed-transition")


@pytest.mark.parametrize(
    ("guard", "word"),
    [
        (less(TEN, constant(3)), "can never hold"),
        (less(constant(3), TEN), "always holds"),
        (equal(SIZE, SIZE), "always holds"),
        (both(less(SIZE, constant(3)), less(TEN, SIZE)), "can never hold"),
        (either(less(SIZE, TEN), negated(less(SIZE, TEN))), "always holds"),
        (both(less(SIZE, LIMIT), less(LIMIT, SIZE)), "can never hold"),
        (less(SIZE, constant(-(1 << 63))), "can never hold"),
        (constant(1, BOOLEAN), "always holds"),
        (less(SIZE, TEN), None),
        (equal(apply("add", SIZE, TEN), apply("add", SIZE, TEN)), "always holds"),
    ],
)
def test_a_guard_without_choice_is_reported(guard: Term, word: str | None) -> None:
    """A constant, a contradiction, a tautology: what does not fault comes out one way."""
    flow = small(
        on("a", "Go", guard, to="z", line=6),
        on("z", "Go", less(LIMIT, TEN)),
        fields=[limit_field()],
    )
    findings = [finding for finding in check(flow) if finding.rule == "constant-guard"]
    assert ([6] if word else []) == [finding.line for finding in findings]
    assert word is None or word in findings[0].message


def test_an_overlap_is_shown_by_values() -> None:
    """The reader can try them."""
    flow = guarded(less(constant(0), SIZE), equal(SIZE, LIMIT))
    message = next(finding.message for finding in check(flow) if finding.rule == "overlapping-guards")
    assert "both hold when Go.size = 1, limit = 1." in message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (both(less(constant(0), SIZE), less(SIZE, LIMIT)), equal(SIZE, LIMIT)),
        (less(SIZE, constant(3)), less(constant(5), SIZE)),
        (
            equal(apply("modulo", SIZE, constant(2)), constant(0)),
            equal(apply("modulo", SIZE, constant(2)), constant(1)),
        ),
    ],
)
def test_guards_that_exclude_each_other_do_not_overlap(first: Term, second: Term) -> None:
    """By relation, by range, and where no witness is found."""
    assert [] == found(guarded(first, second), "overlapping-guards")


def test_a_default_after_guards_is_no_overlap() -> None:
    """A last transition without a guard says: otherwise."""
    assert [] == found(guarded(less(SIZE, TEN), None), "overlapping-guards")


def test_guards_are_not_compared_where_their_ranges_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three thousand cases of one argument: no pair is left to decide."""
    decided = []
    monkeypatch.setattr(overlaps, "holds_somewhere", lambda *pair: decided.append(pair) or False)
    many = small(*(on("a", "Go", equal(SIZE, constant(index)), to="z", line=index) for index in range(3000)))
    assert ([], []) == (check(many), decided)
    check(guarded(less(SIZE, constant(3)), negated(less(SIZE, constant(2)))))
    check(guarded(less(SIZE, constant(3)), negated(less(SIZE, constant(3)))))
    assert [(less(SIZE, constant(3)), negated(less(SIZE, constant(2))))] == decided


def test_pairs_are_compared_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every guard meets every other, looking ends; what was found is reported."""
    decided = []
    monkeypatch.setattr(overlaps, "PAIRS_MAX", 50)
    monkeypatch.setattr(overlaps, "holds_somewhere", lambda *pair: not decided.append(pair))
    many = small(*(on("a", "Go", less(SIZE, constant(index)), to="z", line=index) for index in range(1, 60)))
    assert 50 >= len(found(many, "overlapping-guards")) > 0
    assert 50 == len(decided)


def test_compile_looks_for_errors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings stop nothing, so the costly ones are left to `check`."""
    monkeypatch.setattr(overlaps, "holds_somewhere", lambda *pair: pytest.fail("compile compared two guards"))
    assert 2 == compile(guarded(less(SIZE, TEN), less(constant(3), SIZE))).configuration_count


@pytest.mark.parametrize("seed", range(60))
def test_bounds_claim_only_what_holds(seed: int) -> None:
    """Guards whose ranges exclude each other have no witness."""
    random = Random(seed)
    excluded = 0
    for _ in range(40):
        first, second = (
            both(*(random.choice((identity, negated))(compared(random)) for _ in range(2))) for _ in range(2)
        )
        if disjoint(bounds(first), bounds(second)):
            excluded += 1
            assert witness(first, second) is None
    assert excluded


def identity(term: Term) -> Term:
    return term


def compared(random: Random) -> Term:
    """A field or argument beside a small constant, in either order."""
    operands = [random.choice((SIZE, LIMIT)), constant(random.randrange(4))]
    random.shuffle(operands)
    return random.choice((less, equal))(*operands)


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


@pytest.mark.parametrize(
    ("guards", "fires"),
    [
        ((less(SIZE, TEN), None), True),
        ((less(SIZE, TEN), negated(less(SIZE, TEN))), True),
        ((less(SIZE, TEN),), False),
        ((), False),
    ],
)
def test_ignoring_is_dead_where_transitions_take_everything(guards: tuple[Term | None, ...], fires: bool) -> None:
    """One without a guard, or several that leave nothing over."""
    ways = [on("a", "Go", guard, to="z", line=6) for guard in guards]
    flow = small(*ways, on("a", "Other", to="z"), ignores=[Ignore("a", "Go", at(9))],
                 events=[event("Go", ("size", INTEGER)), event("Other")])  # fmt: skip
    assert ([("flows.py", 9)] if fires else []) == found(flow, "dead-ignore")
    waived = flow._replace(states=tuple(s._replace(waivers=(("dead-ignore", "kept"),)) for s in flow.states))
    assert {"kept"} >= {finding.waived for finding in check(waived) if finding.rule == "dead-ignore"}


def test_messages_of_guards_are_sentences_with_a_next_step() -> None:
    """The transition within a sentence is in small letters."""
    never = small(on("a", "Go", less(SIZE, SIZE), to="z", line=6), on("a", "Go", to="z"))
    finding = next(finding for finding in check(never) if finding.rule == "constant-guard")
    assert "The guard Go.size < Go.size of the transition on Go to z can never hold." == finding.message
    assert "remove the transition" in finding.remedy
    always = small(on("a", "Go", equal(SIZE, SIZE), to="z", line=6))
    finding = next(finding for finding in check(always) if finding.rule == "constant-guard")
    assert "Leave when= out" in finding.remedy


def test_a_group_has_one_finding_for_its_line() -> None:
    """Two members of a group break the rule with the same words: one finding."""
    states = [state("a", initial=True), state("b"), state("z", StateKind.FINAL)]
    transitions = [
        each
        for source in ("a", "b")
        for each in (
            on(source, "Go", less(SIZE, TEN), to="z", line=7),
            on(source, "Go", less(constant(3), SIZE), to="b", line=8),
        )
    ]
    assert [("flows.py", 8)] == found(small(*transitions, states=states), "overlapping-guards")


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


@pytest.mark.parametrize("seed", range(60))
def test_what_is_proved_of_guards_holds_for_all_values_tried(seed: int) -> None:
    """No implication and no exclusion that random values contradict."""
    random = Random(seed)
    given = random.choice(EVENTS)
    terms = Terms(random, given)
    first, second = terms.condition(2), terms.condition(2)
    implied, excluded = implies(first, second), not holds_somewhere(first, second)
    interpreter = Interpreter(random_chart(random))
    for _ in range(200):
        for each in FIELDS:
            if each.type.kind is FieldKind.INTEGER:
                interpreter.words[each.name] = (random.choice((0, 1, 2, 3, -1, 5, 7)),)
        interpreter.words["flag"] = (random.randrange(2),)
        interpreter.words["side"] = (random.randrange(3),)
        _, words = random_input(random)
        interpreter.arguments = {
            (given.name, each.name): tuple(words[each.offset : each.offset + each.type.words])
            for each in given.arguments
        }
        try:
            outcome = interpreter.holds(first), interpreter.holds(second)
        except Fault:
            continue
        assert not (implied and outcome == (True, False))
        assert not (excluded and outcome == (True, True))


def test_every_witness_is_one() -> None:
    """The values that `check` prints make both guards hold, among random guards of all types."""
    count = 0
    for seed in range(300):
        random = Random(seed)
        terms = Terms(random, EVENTS[0])
        first, second = terms.condition(2), terms.condition(2)
        values = witness(first, second)
        if values is None:
            continue
        count += 1
        interpreter = Interpreter(random_chart(random))
        for leaf, value in values:
            known = interpreter.words if leaf.operation == "field" else interpreter.arguments
            known[leaf.value] = word_tuple(value, leaf.type.words)
        assert (True, True) == (interpreter.holds(first), interpreter.holds(second)), f"seed {seed}"
    assert count > 100


def test_choice_and_text_values_are_shown_as_people_write_them() -> None:
    """Options by name, text in quotes, decimals with their point."""
    side = Type(FieldKind.CHOICE, options=("buy", "sell"))
    price = Type(FieldKind.DECIMAL, places=2)
    isin = Type(FieldKind.TEXT, size=12)
    given = event("Go", ("side", side), ("price", price), ("isin", isin), line=5)
    sells = equal(argument("Go", "side", side), constant(1, side))
    dear = less(constant(1050, price), argument("Go", "price", price))
    named = equal(argument("Go", "isin", isin), constant(b"US0378331005", isin))
    flow = small(
        on("a", "Go", both(sells, dear), to="z", line=7), on("a", "Go", both(dear, named), line=8), events=[given]
    )
    message = next(finding.message for finding in check(flow) if finding.rule == "overlapping-guards")
    assert "Go.side = 'sell', Go.price = 10.51, Go.isin = b'US0378331005'" in message
