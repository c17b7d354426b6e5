"""Conditions, values and actions at random, written with the operators that a flow would use.

    Scope(fields, arguments) ──▶ condition() · value(kind) · action()

Every value has a field or an argument in it: two constants would be plain Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fsm.define import maximum, minimum, multiply, raise_, when
from fsm.layout import FieldKind
from fsm.testing.kinds import ROUNDINGS, Draw, Kind, between, chance, constant, pick

INTEGER: Final = (FieldKind.INTEGER, 0)
BOOLEAN: Final = (FieldKind.BOOLEAN, 0)
DURATION: Final = (FieldKind.DURATION, 0)
TIMESTAMP: Final = (FieldKind.TIMESTAMP, 0)
ORDERED: Final = (FieldKind.INTEGER, FieldKind.DECIMAL, FieldKind.TIMESTAMP, FieldKind.DURATION)

COMPARISONS: Final[tuple[Callable[[Any, Any], Any], ...]] = (
    lambda a, b: a < b,
    lambda a, b: a == b,
    lambda a, b: a > b,
    lambda a, b: a <= b,
    lambda a, b: a >= b,
    lambda a, b: a != b,
)
DIVISORS: Final = (1, 2, 3, -1, -2, 7, 10)
SUMS: Final[tuple[Callable[[Any, Any], Any], ...]] = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    minimum,
    maximum,
)


class Scope:
    """What an expression may name: the fields of the flow, the arguments of the event at hand; what may be raised."""

    def __init__(
        self, draw: Draw, fields: Mapping[str, tuple[Kind, Any]], arguments: Mapping[str, tuple[Kind, Any]],
        raised: Sequence[Any] = (),
    ) -> None:  # fmt: skip
        self.draw = draw
        self.raised = raised
        self.fields = tuple(fields.values())
        self.leaves: dict[Kind, list[Any]] = {}
        for kind, value in (*fields.values(), *arguments.values()):
            self.leaves.setdefault(kind, []).append(value)
        self.kinds = tuple(self.leaves)
        self.ordered = tuple(kind for kind in self.kinds if kind[0] in ORDERED)

    def condition(self, depth: int) -> Any:
        """A condition of at most so many levels."""
        draw = self.draw
        shape = _shape(draw, depth)
        if shape == 1:
            return self.condition(depth - 1) & self.condition(depth - 1)
        if shape == 2:
            return self.condition(depth - 1) | self.condition(depth - 1)
        if shape == 3:
            return ~self.condition(depth - 1)
        if shape == 4 and BOOLEAN in self.leaves:
            return pick(draw, self.leaves[BOOLEAN])
        if shape == 5:
            return when(self.condition(depth - 1), self.condition(depth - 1), self.condition(depth - 1))
        return self.comparison(depth)

    def comparison(self, depth: int) -> Any:
        """Two values of one kind beside a sign that the kind knows."""
        kind = pick(self.draw, self.kinds)
        first, second = self.value(kind, depth - 1), self.operand(kind, depth - 1)
        signs = COMPARISONS if kind[0] in ORDERED else (COMPARISONS[1], COMPARISONS[5])
        return pick(self.draw, signs)(first, second)

    def operand(self, kind: Kind, depth: int) -> Any:
        """A value, or a constant that stands beside one."""
        return constant(self.draw, kind) if chance(self.draw, 40) else self.value(kind, depth)

    def value(self, kind: Kind, depth: int) -> Any:
        """A value of the kind, of at most so many levels."""
        draw = self.draw
        shape = _shape(draw, depth)
        if shape == 0:
            return pick(draw, self.leaves[kind])
        if shape == 1:
            return when(self.condition(depth - 1), self.value(kind, depth - 1), self.operand(kind, depth - 1))
        if kind == BOOLEAN:
            return self.condition(depth)
        if kind == TIMESTAMP:
            return self.timestamp(shape, depth)
        if kind[0] in ORDERED:
            return self.number(kind, shape, depth)
        return pick(draw, self.leaves[kind])

    def timestamp(self, shape: int, depth: int) -> Any:
        """A moment from a moment."""
        first = self.value(TIMESTAMP, depth - 1)
        if shape <= 3:
            second = self.value(DURATION, depth - 1) if DURATION in self.leaves else constant(self.draw, DURATION)
            return first + second if shape == 2 else first - second
        return pick(self.draw, (minimum, maximum))(first, self.operand(TIMESTAMP, depth - 1))

    def number(self, kind: Kind, shape: int, depth: int) -> Any:
        """An Integer, Decimal or Duration from others."""
        draw = self.draw
        first = self.value(kind, depth - 1)
        if shape == 2:
            return pick(draw, SUMS)(first, self.operand(kind, depth - 1))
        if shape == 5 and chance(draw, 50):
            return first % self.divisor(kind, depth)
        if shape == 3:
            return -first if chance(draw, 50) else self.mixed(kind, first, depth)
        if shape == 4 and INTEGER in self.leaves:
            factor, divisor = self.operand(INTEGER, depth - 1), self.divisor(INTEGER, depth)
            return multiply(first, factor, divide_by=divisor, rounding=pick(draw, ROUNDINGS))
        if kind[0] is FieldKind.DECIMAL:
            return first * self.operand(INTEGER, depth - 1) if INTEGER in self.leaves else first + first
        if chance(draw, 50):
            return first * (self.operand(INTEGER, depth - 1) if INTEGER in self.leaves else pick(draw, DIVISORS))
        return first // self.divisor(INTEGER, depth)

    def divisor(self, kind: Kind, depth: int) -> Any:
        """A value to divide by: seldom one that may be 0."""
        if kind not in self.leaves or (kind == INTEGER and chance(self.draw, 75)):
            return pick(self.draw, DIVISORS)
        return self.value(kind, depth - 1)

    def mixed(self, kind: Kind, first: Any, depth: int) -> Any:
        """A number from values of another kind, where there are any."""
        others = [other for other in self.ordered if other not in (kind, TIMESTAMP)]
        if kind == DURATION and TIMESTAMP in self.leaves:
            return self.value(TIMESTAMP, depth - 1) - self.value(TIMESTAMP, depth - 1)
        if kind[0] is FieldKind.DECIMAL and (numbers := [other for other in others if other != DURATION]):
            rounding = pick(self.draw, ROUNDINGS)
            return self.value(pick(self.draw, numbers), depth - 1).rescale(kind[1], rounding=rounding)
        if kind == INTEGER and others:
            other = pick(self.draw, others)
            return self.value(other, depth - 1) // self.value(other, depth - 1)
        return first - first

    def action(self, depth: int) -> Any:
        """A write of a field or a raised event, under a condition or without one."""
        draw = self.draw
        if depth and chance(draw, 25):
            then = [self.action(depth - 1) for _ in range(between(draw, 1, 2))]
            otherwise = [self.action(depth - 1)] if chance(draw, 50) else []
            return when(self.condition(depth), *then, otherwise=otherwise)
        if self.raised and chance(draw, 40):
            return raise_(pick(draw, self.raised))
        kind, target = pick(draw, self.fields)
        if kind[0] in ORDERED and kind != TIMESTAMP and chance(draw, 40):
            change = target.add if chance(draw, 50) else target.subtract
            return change(self.operand(kind, depth))
        return target.set(self.operand(kind, depth))


def _shape(draw: Draw, depth: int) -> int:
    """Which of six forms an expression takes: 0, the plain one, where no level is left."""
    return draw(6) if depth > 0 else 0
