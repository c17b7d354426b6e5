"""Find values under which two conditions both hold, by trying a small grid in a fixed order.

    conditions ──▶ their fields and arguments ──▶ candidates of each, near the constants ──▶ first that fits, or None

Nothing is reported without such values, so there are no false alarms; an overlap that the grid misses goes unreported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Final

from fsm.compile.canonical import term_text
from fsm.define.chart import Term, Type
from fsm.layout import INT64_MAX, INT64_MIN, FieldKind, Rounding

TRIES_MAX: Final = 4_000

Value = int | bytes


class Fault(Exception):
    """The arithmetic of a term overflows or divides by zero."""


def witness(first: Term, second: Term, tries: int = TRIES_MAX) -> list[tuple[Term, Value]] | None:
    """Fields and arguments with values under which both hold, or None where none were found."""
    leaves = [*_leaves(first), *_leaves(second)]
    variables = {term_text(leaf): leaf for leaf in leaves if leaf.operation != "constant"}
    constants = {leaf.value for leaf in leaves if leaf.operation == "constant"}
    length = _length(len(variables), tries)
    grid = product(*(_candidates(leaf.type, constants)[:length] for leaf in variables.values()))
    for values in islice(grid, tries):
        named = dict(zip(variables, values, strict=True))
        try:
            if evaluate(first, named) and evaluate(second, named):
                return [(variables[name], value) for name, value in named.items()]
        except Fault:
            continue
    return None


def evaluate(term: Term, values: Mapping[str, Value]) -> Value:
    """The value of a term, given those of its fields and arguments by name. Raises `Fault`."""
    operation, operands = term.operation, term.operands
    if operation == "constant":
        return term.value  # type: ignore[no-any-return]
    if not operands:
        return values[term_text(term)]
    if operation == "and":
        return all(evaluate(operand, values) for operand in operands)
    if operation == "or":
        return any(evaluate(operand, values) for operand in operands)
    if operation == "choose":
        return evaluate(operands[1] if evaluate(operands[0], values) else operands[2], values)
    return _apply(term, [evaluate(operand, values) for operand in operands])


def _apply(term: Term, found: list[Value]) -> Value:
    operation = term.operation
    if operation == "equal":
        return _equal(term, *found)
    numbers = [int(value) for value in found if not isinstance(value, bytes)]
    if operation == "not":
        return not numbers[0]
    if operation == "less":
        return numbers[0] < numbers[1]
    result = _arithmetic(term, numbers)
    if not INT64_MIN <= result <= INT64_MAX:
        raise Fault
    return result


def _equal(term: Term, left: Value, right: Value) -> bool:
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left.rstrip(b"\0") == right.rstrip(b"\0")
    if term.operands[0].type.kind is FieldKind.BOOLEAN:
        return bool(left) == bool(right)
    return left == right


def _arithmetic(term: Term, numbers: list[int]) -> int:
    operation, (first, *rest) = term.operation, numbers
    if operation == "negate":
        return -first
    if operation in ("floor_divide", "modulo", "scale") and rest[-1] == 0:
        raise Fault
    if operation == "scale":
        return rounded(first * rest[0], rest[1], Rounding(term.value))
    results = {
        "add": lambda: first + rest[0],
        "subtract": lambda: first - rest[0],
        "multiply": lambda: first * rest[0],
        "floor_divide": lambda: first // rest[0],
        "modulo": lambda: first % rest[0],
        "minimum": lambda: min(first, rest[0]),
        "maximum": lambda: max(first, rest[0]),
    }
    return results[operation]()


def rounded(dividend: int, divisor: int, rounding: Rounding) -> int:
    """The quotient as an integer, rounded as the name says."""
    if divisor < 0:
        dividend, divisor = -dividend, -divisor
    floor, rest = divmod(dividend, divisor)
    negative = dividend < 0
    up = {
        Rounding.FLOOR: False,
        Rounding.CEILING: rest > 0,
        Rounding.DOWN: rest > 0 and negative,
        Rounding.UP: rest > 0 and not negative,
        Rounding.HALF_EVEN: 2 * rest > divisor or (2 * rest == divisor and floor % 2 == 1),
        Rounding.HALF_UP: 2 * rest > divisor or (2 * rest == divisor and not negative),
        Rounding.HALF_DOWN: 2 * rest > divisor or (2 * rest == divisor and negative),
    }[rounding]
    return floor + up


def _length(variable_count: int, tries: int) -> int:
    """How many candidates each of so many variables may have."""
    length = 24
    while variable_count and length > 2 and length**variable_count > tries:
        length -= 1
    return length


def _candidates(type: Type, constants: set[Value]) -> list[Value]:
    """Values worth trying, the plainest first."""
    if type.kind is FieldKind.BOOLEAN:
        return [1, 0]
    if type.kind is FieldKind.CHOICE:
        return [*range(len(type.options))]
    if type.kind is FieldKind.TEXT:
        texts = {value.rstrip(b"\0") for value in constants if isinstance(value, bytes)}
        return [*sorted(text for text in texts if len(text) <= type.size), b"A", b""]
    numbers = sorted({int(value) for value in constants if not isinstance(value, bytes)}, key=_plainness)
    near = sorted({number + offset for offset in (0, 1, -1) for number in numbers}, key=_plainness)
    tried = dict.fromkeys([*near, 1, 0, 2, -1, INT64_MAX, INT64_MIN])
    return [value for value in tried if INT64_MIN <= value <= INT64_MAX]


def _plainness(value: int) -> tuple[int, bool]:
    return abs(value - 1), value < 0


def shown(type: Type, value: Value) -> str:
    """A value as people write it: an option by name, a decimal with its point."""
    if isinstance(value, bytes):
        return repr(value.rstrip(b"\0"))
    if type.kind is FieldKind.CHOICE:
        return repr(type.options[value])
    if type.kind is FieldKind.BOOLEAN:
        return str(bool(value))
    if type.kind is FieldKind.DECIMAL and type.places:
        sign, digits = "-" if value < 0 else "", str(abs(value)).rjust(type.places + 1, "0")
        return f"{sign}{digits[: -type.places]}.{digits[-type.places :]}"
    return str(value)


def _leaves(term: Term) -> Iterator[Term]:
    if not term.operands:
        yield term
    for operand in term.operands:
        yield from _leaves(operand)
