"""Decisions: order, one test for each question on a path, one code for equal code, no explosion."""

from __future__ import annotations

from random import Random

import pytest

from fsm.compile import compile
from fsm.compile.canonical import term_text
from fsm.compile.cells import Program, lower
from fsm.compile.configurations import Walk
from fsm.compile.decide import EQUAL, GREATER, LESS, Decision, Question
from fsm.compile.emit import emit
from fsm.define.chart import Chart, StateKind, Term
from fsm.layout import JUMP_OPCODES, TERMINAL_OPCODES, Cell, Opcode, Outcome
from fsm.tables import Tables
from tests.compile.charts import (
    INTEGER,
    apply,
    argument,
    both,
    chart,
    constant,
    either,
    equal,
    event,
    less,
    limit_order,
    negated,
    on,
    state,
)
from tests.compile.random_charts import random_chart

SIZE, PRICE = argument("Go", "size"), argument("Go", "price")


def paths(decision: Decision, root: int) -> list[list[Question]]:
    """The tests of every path."""
    node = decision.nodes[root]
    if node.test is None:
        return [[]]
    return [[node.test, *rest] for child in (node.yes, node.no) for rest in paths(decision, child)]


def decided(guard: Term) -> tuple[Decision, int]:
    """The pruned decision of one guard."""
    decision = Decision()
    root = decision.condition(guard, decision.leaf(True), decision.leaf(False))
    return decision, decision.pruned(root)


@pytest.mark.parametrize("seed", range(60))
def test_no_path_asks_the_same_question_twice(seed: int) -> None:
    """Neither the same comparison, nor one whose answer an earlier one gave."""
    walk = Walk(random_chart(Random(seed)), 100)
    columns = [(each, column) for each in walk.configurations for column in range(walk.columns.count)]
    for configuration, column in columns:
        selection = walk.selection(walk.lists(configuration, column))
        if len(selection.decision.nodes) > 200:
            continue
        for path in paths(selection.decision, selection.root):
            asked = [(term_text(test.left), term_text(test.right), test.relation) for test in path]
            assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("guard", "count"),
    [
        (both(less(SIZE, PRICE), less(SIZE, PRICE)), 1),
        (either(less(SIZE, PRICE), equal(SIZE, PRICE), less(PRICE, SIZE)), 0),
        (both(less(SIZE, constant(3)), less(SIZE, constant(5))), 1),
        (both(less(SIZE, constant(5)), less(SIZE, constant(3))), 2),
        (both(equal(SIZE, constant(3)), less(SIZE, constant(5)), less(constant(2), SIZE)), 1),
        (negated(negated(less(SIZE, PRICE))), 1),
    ],
)
def test_what_a_path_has_shown_is_not_asked_again(guard: Term, count: int) -> None:
    """The longest path of the pruned decision has so many tests."""
    assert count == max(map(len, paths(*decided(guard))))


def test_a_test_that_may_fault_is_asked_although_its_answer_is_known() -> None:
    """x + 1 < lowest never holds, but it may overflow, and that is an outcome."""
    total = apply("add", SIZE, constant(1))
    decision, root = decided(less(total, constant(-(1 << 63))))
    assert decision.nodes[root].test is not None
    assert [Opcode.ADD, Opcode.REFUSE] == programs(guarded_by(less(total, constant(-(1 << 63)))))


def test_a_fault_comes_from_the_left_operand_first() -> None:
    """Two operands that may fault keep their order, whatever their names."""
    left, right = apply("multiply", SIZE, SIZE), apply("add", PRICE, PRICE)
    for first, second in ((left, right), (right, left)):
        decision, root = decided(less(first, second))
        assert (first, second, LESS) == decision.nodes[root].test[:3]  # type: ignore[index]


def test_operands_in_either_order_are_one_question() -> None:
    """a < b, b > a and a == b are about one pair."""
    decision = Decision()
    yes, no = decision.leaf(True), decision.leaf(False)
    for term in (less(SIZE, PRICE), less(PRICE, SIZE), equal(SIZE, PRICE), equal(PRICE, SIZE)):
        decision.condition(term, yes, no)
    tests = [node.test for node in decision.nodes if node.test]
    assert {LESS, GREATER, EQUAL} == {test.relation for test in tests}
    assert 1 == len({(test.left, test.right) for test in tests})


def test_a_cell_without_guards_and_actions_has_no_program() -> None:
    """The cell itself is the outcome."""
    tables = compile(limit_order())
    cancel = tables.cells[1, tables.event_ids["Cancel"]]
    assert (Cell.GO, 4) == (cancel & 0xFF, cancel >> 32)
    assert Cell.REFUSE | Outcome.ENDED << 8 == tables.cells[3, 0]
    assert Cell.REFUSE | Outcome.UNHANDLED << 8 == tables.cells[5, 0]


def test_equal_programs_are_one_program() -> None:
    """The members of a group share the code of their transitions, also where the state is kept."""
    tables = compile(limit_order())
    for name in ("Execute", "Reduce"):
        event_id = tables.event_ids[name]
        assert tables.cells[1, event_id] == tables.cells[2, event_id]
        assert Cell.PROGRAM == tables.cells[1, event_id] & 0xFF


def test_every_instruction_is_reached_and_no_jump_goes_nowhere() -> None:
    """Dead code and jumps to the next instruction would say that something is wrong with the layout."""
    for seed in range(40):
        chart_ = random_chart(Random(seed))
        program = lowered(chart_)
        code, entries = program.assembly.code, set(program.assembly.entries.values())
        reached = set(entries)
        for at, word in enumerate(code):
            assert at in reached
            reached.update(following(at, word))
            assert word & 0xFF != Opcode.JUMP or word >> 32 > 0


def test_guards_of_many_transitions_make_code_that_grows_with_their_sum() -> None:
    """Sixty guards over sixty arguments' worth of questions, each asked in every second guard: no doubling."""
    questions = [equal(apply("modulo", SIZE, constant(number)), constant(0)) for number in range(2, 62)]
    transitions = [
        on("a", "Go", both(questions[index], negated(questions[(7 * index + 3) % 60])), to="z") for index in range(60)
    ]
    flow = sample(*transitions)
    assert len(lowered(flow).assembly.code) < 60_000


def test_a_decision_that_would_not_end_is_left_as_it_is_written() -> None:
    """A guard whose pruned form is exponential keeps its own length, and still means what it says."""
    bits = [
        less(apply("modulo", SIZE, constant(number)), apply("modulo", PRICE, constant(number)))
        for number in range(2, 34)
    ]
    half = len(bits) // 2
    guard = both(
        *(either(bits[index], bits[index + half]) for index in range(half)),
        *(either(negated(bits[index]), bits[half + (index * 5) % half]) for index in range(half)),
    )
    assert len(lowered(sample(on("a", "Go", guard, to="z"))).assembly.code) < 100_000


def sample(*transitions: object) -> Chart:
    """A flow of a and z on Go(size, price)."""
    states = [state("a", initial=True), state("z", StateKind.FINAL)]
    return chart(states=states, events=[event("Go", ("size", INTEGER), ("price", INTEGER))], transitions=transitions)


def lowered(flow: Chart) -> Program:
    """The program of a chart, checked or not."""
    return lower(Walk(flow, 100))


def guarded_by(guard: Term) -> Tables:
    """The tables of one guarded transition."""
    return emit(lowered(sample(on("a", "Go", guard, to="z"))))


def programs(tables: Tables) -> list[int]:
    """The opcodes of all code."""
    return [word & 0xFF for word in tables.code]


def following(at: int, word: int) -> list[int]:
    """Where an instruction goes on."""
    opcode = word & 0xFF
    if opcode in TERMINAL_OPCODES:
        return []
    if opcode == Opcode.JUMP:
        return [at + 1 + (word >> 32)]
    return [at + 1, at + 1 + (word >> 48)] if opcode in JUMP_OPCODES else [at + 1]
