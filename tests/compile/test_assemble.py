"""The layout of code: jumps over any distance, and ends that are copied rather than jumped to."""

from __future__ import annotations

from functools import cache

import pytest

import fsm
from fsm.compile import compile
from fsm.compile.assemble import NEAR_MAX
from fsm.define.chart import Conditional, Field, StateKind
from fsm.layout import JUMP_OPCODES, Opcode, Outcome
from tests.compile.charts import INTEGER, argument, at, chart, constant, equal, event, field, less, on, set_, state

SIZE, TOTAL = argument("Go", "size"), field("total")


def flow_with(*transitions: object) -> fsm.Tables:
    """Tables of a and z on Go(size), with a field total."""
    return compile(
        chart(
            states=[state("a", initial=True), state("z", StateKind.FINAL)],
            events=[event("Go", ("size", INTEGER))],
            fields=[Field("total", INTEGER, 0, at(1))],
            transitions=transitions,
        )
    )


@pytest.mark.parametrize("count", [NEAR_MAX - 3, NEAR_MAX - 2, NEAR_MAX - 1, NEAR_MAX, NEAR_MAX + 1, NEAR_MAX + 2000])
def test_a_test_jumps_over_any_distance(count: int, engine_name: str) -> None:
    """At the limit of 16 bits and beyond it, both ways of the test lead where they should."""
    engine = fsm.Engine(tables_with(count), capacity=2, engine=engine_name)
    instance = engine.start(1)
    assert Outcome.GUARD == engine.step(instance, 0, 7)
    assert Outcome.ACCEPTED == engine.step(instance, 0, 8)
    assert (("a",), {"total": 8}) == (engine.state(instance), engine.fields(instance))
    assert Outcome.ACCEPTED == engine.step(instance, 0, 4)
    assert (("z",), {"total": 99}) == (engine.state(instance), engine.fields(instance))


@cache
def tables_with(count: int) -> fsm.Tables:
    """So many writes to jump over; compiled once for both engines, since it takes seconds."""
    writes = tuple(set_("total", constant(number % 7)) for number in range(count))
    return flow_with(
        on("a", "Go", less(SIZE, constant(5)), (*writes, set_("total", constant(99))), "z"),
        on("a", "Go", equal(SIZE, constant(8)), (set_("total", constant(8)),)),
    )


def test_a_far_test_is_turned_round_over_a_long_jump() -> None:
    """Only where it must be."""
    writes = tuple(set_("total", constant(number % 7)) for number in range(NEAR_MAX + 10))
    far = flow_with(on("a", "Go", less(SIZE, constant(5)), writes, "z"))
    near = flow_with(on("a", "Go", less(SIZE, constant(5)), writes[:9], "z"))
    assert [Opcode.JUMP_LESS, Opcode.JUMP] == [word & 0xFF for word in far.code[:2]]
    assert [Opcode.JUMP_NOT_LESS, Opcode.MOVE] == [word & 0xFF for word in near.code[:2]]


def test_ways_that_meet_again_share_what_follows() -> None:
    """A conditional write and the rest after it: the rest stands once."""
    choice = Conditional(
        less(SIZE, constant(5)), (set_("total", constant(1)),), (set_("total", constant(2)),), "when(...)", at(1)
    )
    rest = tuple(set_("total", constant(number)) for number in range(3, 9))
    tables = flow_with(on("a", "Go", do=(choice, *rest), to="z"))
    moves = [word for word in tables.code if word & 0xFF == Opcode.MOVE]
    assert 2 + len(rest) == len(moves)
    assert 1 == sum(word & 0xFF == Opcode.JUMP for word in tables.code)


def test_constants_stand_once_in_the_pool() -> None:
    """However often the code names them, in the order in which it does."""
    tables = flow_with(
        on("a", "Go", less(SIZE, constant(5)), (set_("total", constant(-1)), set_("total", constant(5))), "z"),
        on("a", "Go", equal(SIZE, TOTAL), (set_("total", constant(7)),), "z"),
    )
    assert [5, -1, 7] == list(tables.constants)
    assert any(word & 0xFF in JUMP_OPCODES for word in tables.code)
