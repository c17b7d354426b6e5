"""Random programs, straight into tables: every instruction with every operand, also those that no flow needs today.

instructions ──tables.build──▶ Tables ──random words──▶ native ─┐
                                                    └──▶ mirror ─┴─ outcomes and bytes equal
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st

from fsm import tables
from fsm.layout import ARGUMENT_WORDS, INT64_MAX, INT64_MIN, NONE, ROW_FIELDS, Cell, Opcode, Outcome, Rounding
from fsm.testing.inputs import any_words
from fsm.testing.kinds import EDGES, pick
from tests.differential.pair import Pair
from tests.differential.profiles import TIMEOUT, effort

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]

CONSTANTS = (*EDGES, 4, 6, 10)
TEMPORARIES = 2
CALCULATING = (
    Opcode.MOVE, Opcode.ADD, Opcode.SUBTRACT, Opcode.MULTIPLY, Opcode.MINIMUM, Opcode.MAXIMUM, Opcode.MODULO,
    Opcode.WIDEN, Opcode.DIVIDE, Opcode.BOUND,
)  # fmt: skip
JUMPS = (Opcode.JUMP_LESS, Opcode.JUMP_NOT_LESS, Opcode.JUMP_EQUAL, Opcode.JUMP_NOT_EQUAL)
ENDS = (
    (Opcode.GO, 0), (Opcode.GO, 1), (Opcode.STAY, 0), (Opcode.IGNORE, 0), (Opcode.REFUSE, 0),
)  # fmt: skip


def instruction(opcode: int, a: int = 0, b: int = 0, c: int = 0, mode: int = 0) -> int:
    """The word of an instruction."""
    return opcode | mode << 8 | a << 16 | b << 32 | c << 48


@st.composite
def programs(chosen: Any, field_count: int) -> list[int]:
    """Up to 30 instructions that only jump forward, on registers that exist."""

    def draw(count: int) -> int:
        return int(chosen(st.integers(0, count - 1)))

    row_words = (ROW_FIELDS + field_count + 7) // 8 * 8
    first_temporary = row_words + ARGUMENT_WORDS
    first_constant = first_temporary + TEMPORARIES
    fields = range(ROW_FIELDS, ROW_FIELDS + field_count)
    writable = [*fields, *range(first_temporary, first_constant)]
    readable = [*writable, *range(row_words, first_temporary), *range(first_constant, first_constant + len(CONSTANTS))]
    code = [instruction(Opcode.MOVE, register, first_constant) for register in range(first_temporary, first_constant)]
    code.append(instruction(Opcode.WIDEN, 0, first_constant, first_constant))
    size = 1 + draw(30)
    for left in range(size, 0, -1):
        a, b, c = (pick(draw, readable) for _ in range(3))
        kind = draw(10)
        if kind == 9:  # a way out, that a branch leads past
            opcode, target = pick(draw, ENDS)
            code.append(instruction(pick(draw, JUMPS), a, b, 1))
            refusal = pick(draw, (Outcome.GUARD, Outcome.UNHANDLED)) if opcode == Opcode.REFUSE else 0
            code.append(instruction(opcode, refusal, target))
        elif kind >= 7:
            code.append(instruction(pick(draw, JUMPS), a, b, draw(min(left, 4))))
        else:
            opcode = pick(draw, CALCULATING)
            mode = pick(draw, list(Rounding)) if opcode == Opcode.DIVIDE else 0
            into = a if opcode == Opcode.BOUND else 0 if opcode == Opcode.WIDEN else pick(draw, writable)
            last = 0 if opcode in (Opcode.MOVE, Opcode.DIVIDE) else c
            code.append(instruction(opcode, into, b, last, mode))
    code.append(instruction(Opcode.GO, 0, pick(draw, (0, 1))))
    return code


def tables_of(code: list[int], initial: list[int]) -> tables.Tables:
    """Two configurations and one event, which runs `code` in both; one Integer field for each word of `initial`."""
    row_words = (ROW_FIELDS + len(initial) + 7) // 8 * 8
    names = ["program", "zero", "one", "Run", *(f"field_{number}" for number in range(len(initial)))]
    text = "".join(names).encode()
    offsets = [0]
    for name in names:
        offsets.append(offsets[-1] + len(name))
    chart = b"a program"
    sections: dict[str, Any] = dict.fromkeys(tables.SECTIONS, ())
    sections |= {
        "cells": [Cell.PROGRAM, Cell.PROGRAM],
        "code": code,
        "places": [0 if number % 2 else NONE for number in range(len(code))],
        "constants": CONSTANTS,
        "initial": initial + [0] * (row_words - ROW_FIELDS - len(initial)),
        "configurations": [0, 1, 2],
        "active": [0, 1],
        "states": [1, 0, NONE, 1, 0, 1, 2, 0, NONE, 0, 0, 2],
        "events": [3, 0, 0, 0, 0, 3],
        "fields": [word for number in range(len(initial)) for word in (4 + number, 0, 0, 0, 0, ROW_FIELDS + number)],
        "sources": [0, NONE, 0, 7],
        "strings": offsets,
        "text": text,
        "chart": chart,
    }
    return tables.build(
        sections, row_words=row_words, temporary_count=TEMPORARIES, initial_configuration=0, name=0, documentation=0,
        fingerprint=sha256(chart).digest(),
    )  # fmt: skip


@effort(300)
@given(st.data())
def test_every_instruction_does_the_same_on_both_engines(data: st.DataObject) -> None:
    """Any program on any words: equal outcomes, equal bytes, equal places of faults."""
    initial = data.draw(st.lists(any_words, min_size=0, max_size=9))
    code = data.draw(programs(len(initial)))
    note("\n".join(f"{word & 0xFF:3} {word >> 16 & 0xFFFF} {word >> 32 & 0xFFFF} {word >> 48}" for word in code))
    pair = Pair(tables_of(code, initial), capacity=2)
    handle = pair.call("start", "one")
    for words in data.draw(st.lists(st.lists(any_words, max_size=6), min_size=4, max_size=12)):
        event(Outcome(pair.call("step", handle, 0, *words)).label)
    pair.close()


@pytest.mark.parametrize("mode", list(Rounding))
@pytest.mark.parametrize("divisor", [1, -1, 2, -2, 3, -3, 4, INT64_MIN, INT64_MAX])
def test_a_wide_quotient_is_rounded_alike(mode: Rounding, divisor: int) -> None:
    """All roundings at and around the half and the edges of an int64, with both signs."""
    divide = [
        instruction(Opcode.WIDEN, 0, 8, 9),
        instruction(Opcode.DIVIDE, ROW_FIELDS, 10, 0, mode),
        instruction(Opcode.STAY),
    ]
    pair = Pair(tables_of(divide, [0]), capacity=1)
    handle = pair.call("start", "one")
    for first in (0, 1, -1, 5, -5, 6, -6, 7, -7, INT64_MAX, INT64_MIN):
        for second in (1, -1, INT64_MIN, divisor):
            pair.call("step", handle, 0, first, second, divisor)
    pair.close()


@pytest.mark.parametrize("dividend", [0, 1, -1, 5, -5, 6, INT64_MAX, INT64_MIN])
@pytest.mark.parametrize("divisor", [1, -1, 2, -2, 3, -3, INT64_MAX, INT64_MIN])
def test_a_remainder_has_the_sign_of_the_divisor(dividend: int, divisor: int) -> None:
    """Python's remainder, on both engines, even where C has none."""
    pair = Pair(tables_of([instruction(Opcode.MODULO, ROW_FIELDS, 8, 9), instruction(Opcode.STAY)], [0]), capacity=1)
    handle = pair.call("start", "one")
    assert Outcome.ACCEPTED == pair.call("step", handle, 0, dividend, divisor)
    assert dividend % divisor == pair.row(handle)[ROW_FIELDS]
    pair.close()
