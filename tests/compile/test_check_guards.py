"""Guards that shadow, exclude or meet each other: what `check` proves of them, and what it shows by values."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fsm.compile import check, compile
from fsm.compile.rules import overlaps
from fsm.compile.rules.prove import bounds, disjoint, holds_somewhere, implies
from fsm.compile.rules.witness import witness
from fsm.define.chart import FieldKind, Ignore, StateKind, Term, Type
from tests.compile.charts import (
    BOOLEAN,
    INTEGER,
    after,
    always,
    apply,
    argument,
    at,
    both,
    compound,
    constant,
    either,
    equal,
    event,
    less,
    negated,
    on,
    on_any,
    on_done,
    state,
)
from tests.compile.checking import LIMIT, SIZE, TEN, found, guarded, limit_field, lines, small
from tests.compile.interpreter import Fault, Interpreter, word_tuple
from tests.compile.random_charts import EVENTS, FIELDS, Terms, random_chart, random_input


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


LESS, MORE = less(LIMIT, TEN), less(constant(3), LIMIT)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (always("a", LESS, to="z"), always("a", MORE, to="b", line=8), [8]),
        (after("a", 5, LESS, to="z"), after("a", 5, MORE, to="b", line=8), [8]),
        (on_done("c", LESS, to="z"), on_done("c", MORE, to="b", line=8), [8]),
        (on_any("a", LESS, to="z"), on_any("a", MORE, to="b", line=8), [8]),
        (on_any("a", LESS, to="z"), on("a", "Go", MORE, to="b", line=8), [8]),
        (after("a", 5, LESS, to="z"), after("a", 6, MORE, to="b", line=8), []),
        (after("a", 5, LESS, to="z"), always("a", MORE, to="b", line=8), []),
        (always("a", LESS, to="z"), on("a", "Go", MORE, to="b", line=8), []),
        (on("a", "Go", LESS, to="z"), on("a", "Other", MORE, to="b", line=8), []),
        (always("a", LESS, to="z"), always("b", MORE, to="a", line=8), []),
    ],
)
def test_guards_meet_that_are_asked_one_after_the_other(first: Any, second: Any, expected: list[int]) -> None:
    """Of one state and one trigger; any event meets each."""
    c = compound("c", state("d", initial=True), state("e", StateKind.FINAL))
    states = [state("a", initial=True), state("b"), *c, state("z", StateKind.FINAL)]
    more = [on("a", "To", to="c"), on("d", "Go", to="e"), on("b", "Go", to="a")]
    flow = small(first, second, *more, states=states, fields=[limit_field()],
                 events=[event("Go"), event("Other"), event("To")])  # fmt: skip
    assert expected == lines(flow, "overlapping-guards")


def soon(source: str, guard: Term, **more: Any) -> Any:
    """After 5 ns."""
    return after(source, 5, guard, **more)


@pytest.mark.parametrize("make", [always, on_any, on_done, soon])
def test_a_guard_without_choice_is_reported_for_every_trigger(make: Any) -> None:
    """It is a constant there as on an event."""
    c = compound("c", state("d", initial=True), state("e", StateKind.FINAL), initial=True)
    flow = small(make("c", less(TEN, constant(3)), to="z", line=8), on("d", "Go", to="e"),
                 states=[*c, state("z", StateKind.FINAL)], events=[event("Go")])  # fmt: skip
    assert [8] == lines(flow, "constant-guard")
    assert [] == lines(flow, "shadowed-transition")


def test_a_default_after_guards_is_no_overlap() -> None:
    """A last transition without a guard says: otherwise."""
    assert [] == found(guarded(less(SIZE, TEN), None), "overlapping-guards")


def test_guards_are_not_compared_where_their_ranges_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three thousand cases of one argument: no pair is left to decide."""
    decided: list[tuple[Term, ...]] = []
    monkeypatch.setattr(overlaps, "holds_somewhere", noting(decided, False))
    many = small(*(on("a", "Go", equal(SIZE, constant(index)), to="z", line=index) for index in range(3000)))
    assert ([], []) == (check(many), decided)
    check(guarded(less(SIZE, constant(3)), negated(less(SIZE, constant(2)))))
    check(guarded(less(SIZE, constant(3)), negated(less(SIZE, constant(3)))))
    assert [(less(SIZE, constant(3)), negated(less(SIZE, constant(2))))] == decided


def test_pairs_are_compared_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every guard meets every other, looking ends; what was found is reported."""
    decided: list[tuple[Term, ...]] = []
    monkeypatch.setattr(overlaps, "PAIRS_MAX", 50)
    monkeypatch.setattr(overlaps, "holds_somewhere", noting(decided, True))
    many = small(*(on("a", "Go", less(SIZE, constant(index)), to="z", line=index) for index in range(1, 60)))
    assert 50 >= len(found(many, "overlapping-guards")) > 0
    assert 50 == len(decided)


def noting(pairs: list[tuple[Term, ...]], answer: bool) -> Callable[..., bool]:
    """Something that keeps what it is asked, and always answers the same."""

    def asked(*pair: Term) -> bool:
        pairs.append(pair)
        return answer

    return asked


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
