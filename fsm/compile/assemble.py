"""Lay out a graph of steps as one row of instructions, in which every jump goes forward.

    steps, entries ──order──▶ each step before those that it leads to, the one it falls into next, if that is free
                   ──place──▶ index of each; a jump too far for 16 bits is turned round over a long one
                   ──encode─▶ words, their sources, the pool of constants

A step that two others fall into stands after one of them; the other ends in a jump to it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from fsm.compile.code import Constant, Register, Step, Temporary
from fsm.layout import ENGINE_REGISTERS, JUMP_OPCODES, TERMINAL_OPCODES, Opcode

NEAR_MAX: Final = 0xFFFF
INVERSE: Final = {
    Opcode.JUMP_LESS: Opcode.JUMP_NOT_LESS,
    Opcode.JUMP_NOT_LESS: Opcode.JUMP_LESS,
    Opcode.JUMP_EQUAL: Opcode.JUMP_NOT_EQUAL,
    Opcode.JUMP_NOT_EQUAL: Opcode.JUMP_EQUAL,
}


class Assembly(NamedTuple):
    """The laid out code: u64 words, the source of each or None, i64 constants, where each entry begins."""

    code: list[int]
    sources: list[Hashable]
    constants: list[int]
    temporary_count: int
    entries: dict[int, int]


def assemble(steps: Sequence[Step], entries: Sequence[int], row_words: int) -> Assembly:
    """The instructions of all programs that begin at `entries`."""
    line = _line(steps, entries)
    positions, far = _positions(line)
    registers = _Registers(steps, line, row_words)
    code: list[int] = []
    sources: list[Hashable] = []
    for item in line:
        words = _encode(item, len(code), positions, item.step in far, registers)
        code.extend(words)
        sources.extend([item.instruction.source] * len(words))
    starts = {entry: positions[entry] for entry in entries}
    return Assembly(code, sources, list(registers.constants), registers.temporary_count, starts)


class _Item(NamedTuple):
    """A place in the line: a step, a copy of an end that is elsewhere too (step -1), or a jump to where it goes on."""

    step: int
    instruction: Step


def _line(steps: Sequence[Step], entries: Sequence[int]) -> list[_Item]:
    """Every step that is reached, once, before its successors; ends are copied where that saves a jump."""
    order = _order(steps, entries)
    named = set(entries) | {steps[index].jump for index in order}
    fallen = {after for before, after in pairwise(order) if steps[before].next == after}
    reached = named | fallen
    kept = [index for index in order if steps[index].next != -1 or index in reached]
    items: list[_Item] = []
    for index, following in pairwise([*kept, -1]):
        step = steps[index]
        if step.jump == following and step.next != -1 and steps[step.next].next != -1:
            # What it would jump to follows, and what it would fall into does not: the test is turned round.
            step = step._replace(opcode=INVERSE[step.opcode], next=step.jump, jump=step.next)
        items.append(_Item(index, step))
        if step.next not in (-1, following):
            after = steps[step.next]
            items.append(_Item(-1, after if after.next == -1 else Step(Opcode.JUMP, jump=step.next)))
    return items


def _order(steps: Sequence[Step], entries: Sequence[int]) -> list[int]:
    """Depth first, finished last comes first, so that what a step falls into follows it, unless it stands elsewhere."""
    finished: list[int] = []
    seen: set[int] = set()
    waiting = [(entry, False) for entry in entries]
    while waiting:
        index, done = waiting.pop()
        if done:
            finished.append(index)
        elif index not in seen:
            seen.add(index)
            waiting.append((index, True))
            waiting.extend((child, False) for child in (steps[index].next, steps[index].jump) if child != -1)
    return finished[::-1]


def _positions(line: Sequence[_Item]) -> tuple[dict[int, int], set[int]]:
    """Where each step stands, and which tests jump too far for 16 bits: making one longer may push others apart."""
    far: set[int] = set()
    while True:
        positions: dict[int, int] = {}
        at = 0
        for item in line:
            if item.step != -1:
                positions[item.step] = at
            at += 1 + (item.step in far)
        more = {
            item.step
            for item in line
            if item.instruction.opcode in JUMP_OPCODES
            and positions[item.instruction.jump] - positions[item.step] - 1 > NEAR_MAX
        }
        if more <= far:
            return positions, far
        far |= more


class _Registers:
    """Numbers for the registers: row, arguments, temporaries, constants in the order in which the code names them."""

    def __init__(self, steps: Sequence[Step], line: Sequence[_Item], row_words: int) -> None:
        operands = [operand for item in line for operand in item.instruction[2:5]]
        self.first_temporary = row_words + ENGINE_REGISTERS
        indexes = [operand.number for operand in operands if isinstance(operand, Temporary)]
        self.temporary_count = max(indexes, default=-1) + 1
        values = (operand.constant for operand in operands if isinstance(operand, Constant))
        self.constants = {value: number for number, value in enumerate(dict.fromkeys(values))}

    def number(self, register: Register) -> int:
        if isinstance(register, Temporary):
            return self.first_temporary + register.number
        if isinstance(register, Constant):
            return self.first_temporary + self.temporary_count + self.constants[register.constant]
        return register


def _encode(item: _Item, at: int, positions: dict[int, int], far: bool, registers: _Registers) -> list[int]:
    """The words of an item that stands `at`."""
    opcode, mode, a, b, c, _, jump, _ = item.instruction
    if opcode in TERMINAL_OPCODES or opcode == Opcode.JUMP:
        value = b if opcode in TERMINAL_OPCODES else positions[jump] - at - 1
        assert isinstance(a, int) and isinstance(value, int)
        return [_word(opcode, mode, a, value & 0xFFFF, value >> 16)]
    first, second, third = map(registers.number, (a, b, c))
    if opcode not in JUMP_OPCODES:
        return [_word(opcode, mode, first, second, third)]
    if not far:
        return [_word(opcode, 0, first, second, positions[jump] - at - 1)]
    distance = positions[jump] - at - 2
    return [_word(INVERSE[opcode], 0, first, second, 1), _word(Opcode.JUMP, 0, 0, distance & 0xFFFF, distance >> 16)]


def _word(opcode: int, mode: int, a: int, b: int, c: int) -> int:
    return opcode | mode << 8 | a << 16 | b << 32 | c << 48
