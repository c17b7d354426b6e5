"""What terms and actions on words mean, evaluated as they stand: nothing shared with the compiler.

Words(fields).holds(condition), .value(term), .write(action) ──▶ truth, words, changed fields, or a Fault
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from fsm.define.chart import Chart, FieldKind, Rounding, Set, Term
from fsm.layout import INT64_MAX, INT64_MIN


class Fault(Exception):
    """The step is undone; the text is the name of an outcome."""


class Words:
    """The fields of one instance and the arguments of the event at hand, as words."""

    def __init__(self, chart: Chart, given: dict[str, tuple[int, ...]] | None = None) -> None:
        self.words = {field.name: word_tuple(field.default, field.type.words) for field in chart.fields}
        self.words.update(given or {})
        self.arguments: dict[tuple[str, str], tuple[int, ...]] = {}

    def write(self, action: Set) -> None:
        """field := term."""
        value = self._moved(action.term)
        count = len(self.words[action.field])
        self.words[action.field] = (value + (0,) * count)[:count]

    def _moved(self, term: Term) -> tuple[int, ...]:
        """A value on its way into a field: what comes straight from outside must be one that the type has."""
        if term.operation == "choose":
            return self._moved(term.operands[1] if self.holds(term.operands[0]) else term.operands[2])
        value = self.value(term)
        if term.operation == "argument" and term.type.kind is FieldKind.TEXT:
            # Bytes beyond the size of the text, which a caller of step() may pass, are no part of it.
            given = b"".join((word % 2**64).to_bytes(8, "little") for word in value)
            if given[term.type.size :].strip(b"\0"):
                raise Fault("BOUND")
        if term.operation == "argument" and term.type.kind in (FieldKind.BOOLEAN, FieldKind.CHOICE):
            last = 1 if term.type.kind is FieldKind.BOOLEAN else len(term.type.options) - 1
            if not 0 <= value[0] <= last:
                raise Fault("BOUND")
        return value

    def holds(self, term: Term) -> bool:
        """Whether a condition holds."""
        operation, operands = term.operation, term.operands
        if operation == "less":
            left, right = self.value(operands[0]), self.value(operands[1])
            return left < right
        if operation == "equal" and operands[0].type.kind is FieldKind.BOOLEAN:
            left_holds, right_holds = self.holds(operands[0]), self.holds(operands[1])
            return left_holds == right_holds
        if operation == "equal":
            left, right = self.value(operands[0]), self.value(operands[1])
            size = max(len(left), len(right))
            return (left + (0,) * size)[:size] == (right + (0,) * size)[:size]
        if operation == "and":
            return all(self.holds(operand) for operand in operands)
        if operation == "or":
            return any(self.holds(operand) for operand in operands)
        if operation == "not":
            return not self.holds(operands[0])
        if operation == "choose":
            return self.holds(operands[1] if self.holds(operands[0]) else operands[2])
        if operation == "constant":
            return bool(term.value)
        return (self.words[term.value] if operation == "field" else self.arguments[term.value])[0] != 0

    def value(self, term: Term) -> tuple[int, ...]:
        """The words of a value."""
        operation, operands = term.operation, term.operands
        if operation in ("less", "equal", "and", "or", "not"):
            return (int(self.holds(term)),)
        if operation == "choose":
            return self.value(operands[1] if self.holds(operands[0]) else operands[2])
        if operation == "constant":
            return word_tuple(term.value, term.type.words)
        if operation == "field":
            return self.words[term.value]
        if operation == "argument":
            return self.arguments[term.value]
        result = self._calculated([self.value(operand)[0] for operand in operands], term)
        if not INT64_MIN <= result <= INT64_MAX:
            raise Fault("OVERFLOW")
        return (result,)

    def _calculated(self, numbers: list[int], term: Term) -> int:
        operation = term.operation
        first, second, third = (*numbers, 0, 0)[:3]
        divisor = {"floor_divide": second, "modulo": second, "scale": third}.get(operation, 1)
        if divisor == 0:
            raise Fault("DIVISION")
        if operation == "scale":
            return quotient(Fraction(first * second, third), Rounding(term.value))
        if operation in ("floor_divide", "modulo"):
            return first // second if operation == "floor_divide" else first % second
        return {
            "add": first + second, "subtract": first - second, "multiply": first * second, "negate": -first,
            "minimum": min(first, second), "maximum": max(first, second),
        }[operation]  # fmt: skip


def quotient(exact: Fraction, rounding: Rounding) -> int:
    """An exact quotient as an integer."""
    below, above = floor(exact), ceil(exact)
    toward, away = (above, below) if exact < 0 else (below, above)
    if rounding in (Rounding.DOWN, Rounding.UP, Rounding.FLOOR, Rounding.CEILING):
        return {Rounding.DOWN: toward, Rounding.UP: away, Rounding.FLOOR: below, Rounding.CEILING: above}[rounding]
    if exact - below != above - exact:
        return below if exact - below < above - exact else above
    even = below if below % 2 == 0 else above
    return {Rounding.HALF_EVEN: even, Rounding.HALF_UP: away, Rounding.HALF_DOWN: toward}[rounding]


def word_tuple(value: int | bytes, count: int) -> tuple[int, ...]:
    """A value as the words of a row."""
    if not isinstance(value, bytes):
        return (int(value),)
    padded = value.ljust(8 * count, b"\0")
    return tuple(int.from_bytes(padded[at : at + 8], "little", signed=True) for at in range(0, 8 * count, 8))
