"""What a chart means, said by walking it: no decisions, no code, nothing shared with the compiler.

Interpreter(chart).step(event, words) ──▶ Outcome, and its state and words change as those of an instance should
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

from fsm.define.chart import Action, Chart, FieldKind, Rounding, Set, StateKind, Term
from fsm.layout import INT64_MAX, INT64_MIN, Outcome


class Fault(Exception):
    """The step is undone."""


class Interpreter:
    """One instance of a chart."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.state = next(state.name for state in chart.states if state.initial)
        self.words = {field.name: word_tuple(field.default, field.type.words) for field in chart.fields}
        self.arguments: dict[tuple[str, str], tuple[int, ...]] = {}

    def step(self, event: str, given: Sequence[int]) -> Outcome:
        """The outcome of one event with six words of arguments."""
        arguments = next(each.arguments for each in self.chart.events if each.name == event)
        self.arguments = {
            (event, argument.name): tuple(given[argument.offset : argument.offset + argument.type.words])
            for argument in arguments
        }
        before = dict(self.words)
        try:
            return self._take(event)
        except Fault as fault:
            self.words = before
            return Outcome[str(fault)]

    def _take(self, event: str) -> Outcome:
        known = [each for each in self.chart.transitions if (each.source, each.event) == (self.state, event)]
        for transition in known:
            if transition.guard is None or self.holds(transition.guard):
                for action in transition.actions:
                    self._act(action)
                self.state = transition.target or self.state
                return Outcome.ACCEPTED
        if any((ignore.source, ignore.event) == (self.state, event) for ignore in self.chart.ignores):
            return Outcome.IGNORED
        if known:
            return Outcome.GUARD
        kind = next(state.kind for state in self.chart.states if state.name == self.state)
        return Outcome.ENDED if kind is StateKind.FINAL else Outcome.UNHANDLED

    def _act(self, action: Action) -> None:
        if not isinstance(action, Set):
            for inner in action.then if self.holds(action.condition) else action.otherwise:
                self._act(inner)
            return
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
