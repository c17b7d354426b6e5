"""Random programs, and tables around them: whatever `tablecheck` lets pass, also what no flow needs today.

random_shape(draw) ──▶ Shape ──program(draw)──▶ instructions ──tables_of()──▶ Tables
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from fsm import tablecheck, tables
from fsm.layout import (
    ARGUMENT_WORDS,
    ENGINE_REGISTERS,
    NONE,
    ROW_FIELDS,
    Cell,
    Going,
    Opcode,
    Outcome,
    Rounding,
    StateKind,
)
from fsm.testing.kinds import EDGES, Draw, between, chance, pick, word

CONSTANTS = (*EDGES, 4, 6, 10)
TEMPORARIES = 2
CALCULATING = (
    Opcode.MOVE, Opcode.ADD, Opcode.SUBTRACT, Opcode.MULTIPLY, Opcode.MINIMUM, Opcode.MAXIMUM, Opcode.MODULO,
    Opcode.WIDEN, Opcode.DIVIDE, Opcode.BOUND,
)  # fmt: skip
JUMPS = (Opcode.JUMP_LESS, Opcode.JUMP_NOT_LESS, Opcode.JUMP_EQUAL, Opcode.JUMP_NOT_EQUAL)
REFUSALS = (Outcome.GUARD, Outcome.UNHANDLED)
EVENTS = 2


class Shape(NamedTuple):
    """What a row and a macrostep have room for; all zeros is what a flat flow has."""

    field_count: int
    timer_slots: int = 0
    deferral_slots: int = 0
    deferral_words: int = 0
    done_count: int = 0
    always_count: int = 0
    successor_count: int = 0
    raised_max: int = 1
    microsteps_max: int = 1
    configuration_count: int = 2

    @property
    def field_end(self) -> int:
        """The word behind the last field, where timer slots begin."""
        return ROW_FIELDS + self.field_count

    @property
    def row_words(self) -> int:
        """Words of a row: whole cache lines."""
        used = self.field_end + self.timer_slots + bool(self.deferral_slots) + self.deferral_slots * self.deferral_words
        return -(-used // 8) * 8

    @property
    def columns(self) -> int:
        """Events, done triggers, eventless, timers."""
        return EVENTS + self.done_count + self.always_count + self.timer_slots

    @property
    def is_flat(self) -> bool:
        """Whether no instruction but the flat ones fits."""
        return not self.successor_count


def random_shape(draw: Draw, field_count: int) -> Shape:
    """A flat one, or one with a little of everything."""
    if not chance(draw, 60):
        return Shape(field_count)
    slots = draw(3)
    return Shape(
        field_count, draw(4), slots, between(draw, 1, 1 + ARGUMENT_WORDS) if slots else 0, draw(3), draw(2),
        between(draw, 1, 3), between(draw, 1, 3), between(draw, 1, 4), 3,
    )  # fmt: skip


def instruction(opcode: int, a: int = 0, b: int = 0, c: int = 0, mode: int = 0) -> int:
    """The word of an instruction."""
    return opcode | mode << 8 | a << 16 | b << 32 | c << 48


def program(draw: Draw, shape: Shape) -> list[int]:
    """Up to 30 instructions that only jump forward, on registers that exist."""
    writer = _Writer(draw, shape)
    size = 1 + draw(30)
    for left in range(size, 0, -1):
        writer.add(left)
    writer.end(Opcode.GO)
    return writer.code


class _Writer:
    """A program as it is written."""

    def __init__(self, draw: Draw, shape: Shape) -> None:
        self.draw, self.shape = draw, shape
        first_temporary = shape.row_words + ENGINE_REGISTERS
        first_constant = first_temporary + TEMPORARIES
        self.writable = [*range(ROW_FIELDS, shape.field_end), *range(first_temporary, first_constant)]
        arguments = range(shape.row_words, first_temporary)
        constants = range(first_constant, first_constant + len(CONSTANTS))
        self.readable = [*self.writable, *arguments, *constants]
        moves = (instruction(Opcode.MOVE, each, first_constant) for each in range(first_temporary, first_constant))
        self.code = [*moves, instruction(Opcode.WIDEN, 0, first_constant, first_constant)]

    def add(self, left: int) -> None:
        """One instruction, or one that a branch leads past: a way out, or a jump. `left` come yet, this one counted."""
        draw = self.draw
        kind = draw(10 if self.shape.is_flat else 14)
        if kind >= 10:
            self.chart()
        elif kind == 9:
            self.code.append(instruction(pick(draw, JUMPS), *self.operands(2), 1))
            if chance(draw, 15):
                self.code.append(instruction(Opcode.JUMP, 0, draw(min(left, 4))))
            else:
                self.end(pick(draw, self.ends()))
        elif kind >= 7:
            self.code.append(instruction(pick(draw, JUMPS), *self.operands(2), draw(min(left, 4))))
        else:
            self.calculate()

    def calculate(self) -> None:
        draw, (a, b, c) = self.draw, self.operands(3)
        opcode = pick(draw, CALCULATING)
        mode = pick(draw, list(Rounding)) if opcode == Opcode.DIVIDE else 0
        into = a if opcode == Opcode.BOUND else 0 if opcode == Opcode.WIDEN else pick(draw, self.writable)
        last = 0 if opcode in (Opcode.MOVE, Opcode.DIVIDE) else c
        self.code.append(instruction(opcode, into, b, last, mode))

    def chart(self) -> None:
        """What only a chart does: follow, arm, cancel, raise."""
        draw, shape = self.draw, self.shape
        kind = draw(4 if shape.timer_slots else 2)
        if kind == 0:
            self.code.append(instruction(Opcode.RAISE, draw(EVENTS + shape.done_count)))
        elif kind == 1:
            self.code.append(instruction(Opcode.FOLLOW, 0, draw(shape.successor_count)))
        else:
            slot, (moment,) = shape.field_end + draw(shape.timer_slots), self.operands(1)
            arm = instruction(Opcode.ARM, slot, moment, 0, draw(2))
            self.code.append(arm if kind == 2 else instruction(Opcode.CANCEL, slot))

    def ends(self) -> list[Opcode]:
        """How a program may end: what has raised an event takes a transition, or `tablecheck` refuses it."""
        if any(each & 0xFF == Opcode.RAISE for each in self.code):
            return [Opcode.GO, Opcode.STAY, Opcode.NEXT, Opcode.NEXT, Opcode.NEXT_STAY]
        flat = [Opcode.GO, Opcode.STAY, Opcode.IGNORE, Opcode.REFUSE]
        return flat if self.shape.is_flat else [*flat, Opcode.DEFER, Opcode.NEXT, Opcode.NEXT, Opcode.NEXT_STAY]

    def end(self, opcode: Opcode) -> None:
        draw, shape = self.draw, self.shape
        if opcode in (Opcode.GO, Opcode.NEXT):
            relative = not shape.is_flat and chance(draw, 50)
            value = draw(shape.successor_count if relative else shape.configuration_count)
            self.code.append(instruction(opcode, 0, value, 0, Going.SUCCESSOR if relative else Going.ABSOLUTE))
        elif opcode == Opcode.REFUSE:
            self.code.append(instruction(opcode, pick(draw, REFUSALS)))
        else:
            self.code.append(instruction(opcode, draw(shape.deferral_slots + 1) if opcode == Opcode.DEFER else 0))

    def operands(self, count: int) -> list[int]:
        return [pick(self.draw, self.readable) for _ in range(count)]


def random_cell(draw: Draw, shape: Shape, entries: Sequence[int]) -> int:
    """Mostly a program."""
    if chance(draw, 85):
        return Cell.PROGRAM | pick(draw, entries) << 32
    kind = pick(draw, (Cell.GO, Cell.IGNORE, Cell.REFUSE, Cell.DEFER))
    outcome = pick(draw, REFUSALS) if kind == Cell.REFUSE else 0
    limit = {Cell.GO: shape.configuration_count, Cell.DEFER: shape.deferral_slots + 1}.get(kind, 1)
    return int(kind | outcome << 8 | draw(limit) << 32)


def random_tables(draw: Draw) -> tables.Tables:
    """One to three programs, cells that lead to them, and configurations that follow one another."""
    initial = [word(draw, 60) for _ in range(draw(10))]
    shape = random_shape(draw, len(initial))
    code: list[int] = []
    entries = []
    for _ in range(between(draw, 1, 3)):
        entries.append(len(code))
        code += program(draw, shape)
    nodes = shape.configuration_count + 1  # the last one is only passed through
    return tables_of(
        shape, code, [random_cell(draw, shape, entries) for _ in range(shape.configuration_count * shape.columns)],
        initial=initial, successors=[draw(nodes) for _ in range(nodes * shape.successor_count)],
        start=NONE if shape.is_flat or chance(draw, 50) else entries[-1],
    )  # fmt: skip


def tables_of(
    shape: Shape, code: list[int], cells: Sequence[int], *, initial: Sequence[int], successors: Sequence[int] = (),
    start: int = NONE,
) -> tables.Tables:  # fmt: skip
    """A flow of two events of six words, with one Integer field for each word of `initial`."""
    arguments = [f"word_{number}" for number in range(ARGUMENT_WORDS)]
    fields = [f"field_{number}" for number in range(len(initial))]
    names = ["program", "zero", "one", "two", "Run", "Other", *arguments, *fields]
    offsets = [0]
    for name in names:
        offsets.append(offsets[-1] + len(name))
    chart = b"a program"
    sections: dict[str, Any] = dict.fromkeys(tables.SECTIONS, ())
    sections |= {
        "cells": cells,
        "successors": successors,
        "code": code,
        "places": [0 if number % 2 else NONE for number in range(len(code))],
        "constants": CONSTANTS,
        "initial": [*initial, *[0] * (shape.row_words - shape.field_end)],
        "configurations": range(shape.configuration_count + 1),
        # The last two differ in nothing that is active, as where only the memory of a history differs.
        "active": [min(number, 1) for number in range(shape.configuration_count)],
        "states": [
            word for number in range(3)
            for word in (1 + number, StateKind.ATOMIC, NONE, int(not number), NONE, NONE, NONE, 0, number)
        ],
        "events": [4, 0, ARGUMENT_WORDS, ARGUMENT_WORDS, 0, 3, 5, ARGUMENT_WORDS, ARGUMENT_WORDS, ARGUMENT_WORDS, 0, 4],
        "arguments": [
            word for number in range(2 * ARGUMENT_WORDS)
            for word in (6 + number % ARGUMENT_WORDS, 0, 0, 0, 0, number % ARGUMENT_WORDS)
        ],
        "fields": [
            word for number in range(len(initial))
            for word in (6 + ARGUMENT_WORDS + number, 0, 0, 0, 0, ROW_FIELDS + number)
        ],
        "sources": [0, NONE, 0, 7],
        "strings": offsets,
        "text": "".join(names).encode(),
        "chart": chart,
    }  # fmt: skip
    header = tablecheck.Header(
        row_words=shape.row_words, temporary_count=TEMPORARIES, fingerprint=sha256(chart).digest(),
        initial_configuration=0, semantics_version=tables.SEMANTICS_VERSION, name=0, documentation=0,
        done_count=shape.done_count, always_count=shape.always_count, timer_slots=shape.timer_slots,
        deferral_slots=shape.deferral_slots, deferral_words=shape.deferral_words,
        successor_count=shape.successor_count, raised_max=shape.raised_max, microsteps_max=shape.microsteps_max,
        start=start,
    )  # fmt: skip
    return tables.build(sections, header)
