"""Terms from operators: the rules of types and scales, in one place for Python operators and for text.

    less(b, a)  ◀──  a > b          not less(a, b)  ◀──  a >= b          not equal(a, b)  ◀──  a != b

An operand is a Term, or a plain constant (int, bool, text, bytes, decimal.Decimal ...), which takes the type of the
operand beside it. What comes out is canonical: equal meanings that are written differently are often one term.
"""

from __future__ import annotations

from typing import Any

from fsm.define.chart import FieldKind, Rounding, Term, Type
from fsm.define.places import Problem
from fsm.values import PLACES_MAX, text_bytes, to_words

INTEGER = Type(FieldKind.INTEGER)
BOOLEAN = Type(FieldKind.BOOLEAN)
TIMESTAMP = Type(FieldKind.TIMESTAMP)
DURATION = Type(FieldKind.DURATION)

DEPTH_MAX = 100
"""Operations inside operations: far more than people write, and few enough for whoever walks a term."""
SIZE_MAX = 10_000
"""Parts of one expression."""

ORDERED = {FieldKind.INTEGER, FieldKind.DECIMAL, FieldKind.TIMESTAMP, FieldKind.DURATION}
SCALABLE = {FieldKind.INTEGER, FieldKind.DECIMAL, FieldKind.DURATION}
SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "floor_divide": "//", "modulo": "%"}
WORDS = {
    "set": "Setting {left} to {right}",
    "minimum": "The minimum of {left} and {right}",
    "maximum": "The maximum of {left} and {right}",
    "when": "A choice by when() between {left} and {right}",
}
"""How a message names what has no sign."""


class Digits(str):
    """A number as text writes it, 1.25: a Decimal takes its digits, and whatever else takes it for a float."""


def arithmetic(operation: str, left: Any, right: Any) -> Term:
    """`left operation right` for add, subtract, multiply, floor_divide and modulo."""
    if operation == "multiply":
        return _product(own(left), own(right))
    if operation == "floor_divide":
        return _quotient(left, right)
    left, right = _beside(operation, left, right)
    return Term(operation, _sum_type(operation, left, right), (left, right))


def changed(operation: str, field: Term, value: Any) -> Term:
    """`field operation value`, to be written to the field again: so the value is to have the places of the field."""
    if (
        operation in ("add", "subtract", "modulo")
        and isinstance(value, Term)
        and _scales_differ(field.type, value.type)
    ):
        raise mix(operation, field.type, value.type, kept=True)
    return assigned(field.type, arithmetic(operation, field, value))


def extreme(operation: str, left: Any, right: Any) -> Term:
    """The smaller or the larger of two: `minimum`, `maximum`."""
    left, right = pair(left, right)
    _demand(left.type == right.type and left.type.kind in ORDERED, operation, left, right)
    return Term(operation, left.type, (left, right))


def negate(term: Term) -> Term:
    """-term"""
    if term.type.kind not in SCALABLE:
        raise Problem("type-mix", f"{describe(term.type)} has no minus.", "Use a number or a duration.")
    return Term("negate", term.type, (term,))


def positive(term: Term) -> Term:
    """+term"""
    if term.type.kind not in SCALABLE:
        raise Problem("type-mix", f"{describe(term.type)} has no plus.", "Use a number or a duration.")
    return term


def less(left: Any, right: Any) -> Term:
    """left < right"""
    left, right = pair(left, right)
    _demand(left.type == right.type, "<", left, right)
    if left.type.kind not in ORDERED:
        raise Problem("type-mix", f"{describe(left.type)} has no order.", "Compare it with == or !=.")
    return Term("less", BOOLEAN, (left, right))


def equal(left: Any, right: Any) -> Term:
    """left == right"""
    left, right = pair(left, right)
    _demand(left.type == right.type, "==", left, right)
    if left.operation == "constant" and right.operation != "constant":
        left, right = right, left
    if left.type == BOOLEAN:
        return _same_truth(left, right)
    return Term("equal", BOOLEAN, (left, right))


def junction(operation: str, *conditions: Term) -> Term:
    """All (`and`) or any (`or`) of conditions; nested ones of the same kind become one."""
    flat: list[Term] = []
    for term in conditions:
        flat.extend(term.operands if condition(term).operation == operation else (term,))
    return Term(operation, BOOLEAN, tuple(flat))


def negation(term: Term) -> Term:
    """not term"""
    return term.operands[0] if condition(term).operation == "not" else Term("not", BOOLEAN, (term,))


def choose(test: Term, then: Any, otherwise: Any) -> Term:
    """A value that depends on a condition."""
    then, otherwise = pair(then, otherwise)
    _demand(then.type == otherwise.type, "when", then, otherwise)
    return Term("choose", then.type, (condition(test), then, otherwise))


def scale(first: Any, second: Any, divisor: Any, mode: object) -> Term:
    """first * second / divisor with a 128-bit product: places(first) + places(second) - places(divisor)."""
    rounding = rounding_of(mode)
    operands = own(first), own(second), own(divisor)
    kinds = [term.type.kind for term in operands]
    if FieldKind.DURATION in kinds[:2] and kinds.count(FieldKind.INTEGER) == 2:
        return Term("scale", DURATION, operands, rounding)
    if any(kind not in (FieldKind.INTEGER, FieldKind.DECIMAL) for kind in kinds):
        found = ", ".join(describe(term.type) for term in operands)
        raise Problem("type-mix", f"multiply takes numbers, and {found} were found.", "Give Integer or Decimal.")
    places = operands[0].type.places + operands[1].type.places - operands[2].type.places
    return Term("scale", _number_type(places, FieldKind.DECIMAL in kinds), operands, rounding)


def rescale(term: Term, places: object, mode: object) -> Term:
    """The same number with other places: times one with more of them, or over one with fewer, rounded."""
    if term.type.kind not in (FieldKind.INTEGER, FieldKind.DECIMAL):
        raise Problem("type-mix", f"{describe(term.type)} has no places.", "Rescale an Integer or a Decimal.")
    if not isinstance(places, int) or isinstance(places, bool) or not 0 <= places <= PLACES_MAX:
        raise places_problem(places)
    difference = places - term.type.places
    if difference == 0 and term.type.kind is FieldKind.DECIMAL:
        return term
    if difference >= 0:
        return Term("multiply", Type(FieldKind.DECIMAL, places), (term, _one(difference)))
    return Term(
        "scale", Type(FieldKind.DECIMAL, places), (term, Term("constant", INTEGER, (), 1), _one(-difference)),
        rounding_of(mode),
    )  # fmt: skip


def to_integer(term: Term, mode: object) -> Term:
    """The number as an Integer, rounded; one without places has nothing to round."""
    if term.type.kind is not FieldKind.DECIMAL:
        raise Problem("type-mix", f"{describe(term.type)} was found, and a Decimal was expected.", "Use it as it is.")
    rounding = rounding_of(mode) if term.type.places else Rounding.DOWN
    return Term("scale", INTEGER, (term, Term("constant", INTEGER, (), 1), _one(term.type.places)), rounding)


def places_problem(places: object) -> Problem:
    """The problem of a count of places that no Decimal has."""
    message = f"0 to {PLACES_MAX} places were expected, and {places!r} was found."
    return Problem("decimal-places", message, "Say how many digits stand behind the point.")


def rounding_of(mode: object) -> Rounding:
    """A rounding mode by its name: half_even."""
    names = ", ".join(rounding.name.lower() for rounding in Rounding)
    if isinstance(mode, str) and mode == mode.lower() and mode.upper() in Rounding.__members__:
        return Rounding[mode.upper()]
    raise Problem("rounding", f"one of {names} was expected, and {mode!r} was found.", 'Say rounding="half_even", say.')


def constant(type_: Type, value: object) -> Term:
    """A constant of a type, exactly; Problem says what the type takes."""
    if isinstance(value, Digits) and type_.kind is not FieldKind.DECIMAL:
        value = float(value)
    try:
        words = to_words(type_.kind, parameter_of(type_), type_.options, value)
    except (TypeError, ValueError) as error:
        remedy = f"Give a constant that fits {describe(type_)}."
        raise Problem("type-mix", f"{describe(type_)}: {error}.", remedy) from None
    held = text_bytes(words)[: type_.size] if type_.kind is FieldKind.TEXT else words[0]
    return Term("constant", type_, (), held)


def own(value: Any) -> Term:
    """A term as it is, a constant with the type that its own form says."""
    if isinstance(value, Term):
        return value
    if isinstance(value, bool):
        return constant(BOOLEAN, value)
    if isinstance(value, int):
        return constant(INTEGER, value)
    if hasattr(value, "as_tuple"):
        return constant(Type(FieldKind.DECIMAL, max(0, -int(value.as_tuple().exponent))), value)
    if isinstance(value, str) and value.strip("-+0123456789.") == "":
        return constant(Type(FieldKind.DECIMAL, len(value.partition(".")[2])), value)
    raise Problem(
        "type-mix", f"a value was expected, and {value!r} was found.", "Give a field, an argument or a constant."
    )


def assigned(type_: Type, value: Any) -> Term:
    """A value for a field of a type."""
    term = value if isinstance(value, Term) else constant(type_, value)
    if term.type != type_:
        raise mix("set", type_, term.type, kept=True)
    return term


def pair(left: Any, right: Any) -> tuple[Term, Term]:
    """Two operands of one type: a constant takes the type of the term beside it."""
    if isinstance(left, Term):
        return left, (right if isinstance(right, Term) else constant(left.type, right))
    if isinstance(right, Term):
        return constant(right.type, left), right
    return own(left), own(right)


def condition(term: object) -> Term:
    """The term, if it is a condition."""
    if isinstance(term, Term) and term.type == BOOLEAN:
        return term
    found = describe(term.type) if isinstance(term, Term) else repr(term)
    raise Problem("type-mix", f"a condition was expected, and {found} was found.", "Compare it: `x > 0`.")


def shallow(term: Term) -> Term:
    """The term, if nobody who walks it by recursion will mind."""
    level, depth, size = [term], 0, 1
    while level:
        # `x = x + x` doubles with each line: what is small in memory may be large to walk.
        level = [operand for known in level for operand in known.operands]
        depth, size = depth + 1, size + len(level)
        if depth > DEPTH_MAX or size > SIZE_MAX:
            message = f"an expression has more than {SIZE_MAX} parts, or nests deeper than {DEPTH_MAX}."
            raise Problem("too-deep", message, "Keep a part of it in a field.")
    return term


def parameter_of(type_: Type) -> int:
    """What `fsm.values` and the tables call the parameter of a type: places or bytes."""
    return type_.size if type_.kind is FieldKind.TEXT else type_.places


def describe(type_: Type) -> str:
    """A type as people write it: Decimal(2)."""
    inside = {
        FieldKind.DECIMAL: str(type_.places),
        FieldKind.TEXT: str(type_.size),
        FieldKind.CHOICE: ", ".join(map(repr, type_.options)),
    }.get(type_.kind)
    name = type_.kind.name.capitalize()
    return name if inside is None else f"{name}({inside})"


def mix(operation: str, left: Type, right: Type, *, kept: bool = False) -> Problem:
    """The problem of two types that do not go together; `kept` where the left one is that of a field to be written."""
    words = WORDS.get(operation, f"{{left}} {SIGNS.get(operation, operation)} {{right}}")
    what = words.format(left=describe(left), right=describe(right))
    if not _scales_differ(left, right):
        return Problem("type-mix", f"{what} has no meaning.", "Use operands whose types go together.")
    # More places lose no digits, so without a field to suit it is the operand with fewer that is to get more.
    fewer, more = sorted((left, right), key=lambda type_: (type_.kind is FieldKind.DECIMAL, type_.places))
    found, wanted = (right, left) if kept else (fewer, more)
    remedy = f"Bring the {describe(found)} to {describe(wanted)} with {_rescaling(found, wanted)}."
    return Problem("scale-mix", f"{what} mixes scales.", remedy)


def _scales_differ(left: Type, right: Type) -> bool:
    return left != right and {left.kind, right.kind} <= {FieldKind.INTEGER, FieldKind.DECIMAL}


def _rescaling(found: Type, wanted: Type) -> str:
    """The call that makes one type of number of another; it names a rounding where digits may be lost."""
    if wanted.kind is FieldKind.INTEGER:
        return '.to_integer(rounding="half_even")' if found.places else ".to_integer()"
    loses = found.places > wanted.places
    return f'.rescale({wanted.places}, rounding="half_even")' if loses else f".rescale({wanted.places})"


def _beside(operation: str, left: Any, right: Any) -> tuple[Term, Term]:
    # A plain number or text beside a timestamp is a duration, except before a minus.
    if isinstance(left, Term) and left.type == TIMESTAMP and not isinstance(right, Term):
        right = constant(DURATION, right)
    elif operation == "add" and isinstance(right, Term) and right.type == TIMESTAMP and not isinstance(left, Term):
        left = constant(DURATION, left)
    return pair(left, right)


def _sum_type(operation: str, left: Term, right: Term) -> Type:
    kinds = left.type.kind, right.type.kind
    if operation == "add" and sorted(kinds) == [FieldKind.TIMESTAMP, FieldKind.DURATION]:
        return TIMESTAMP
    if operation == "subtract" and kinds == (FieldKind.TIMESTAMP, FieldKind.DURATION):
        return TIMESTAMP
    if operation == "subtract" and kinds == (FieldKind.TIMESTAMP, FieldKind.TIMESTAMP):
        return DURATION
    _demand(left.type == right.type and left.type.kind in SCALABLE, operation, left, right)
    return left.type


def _product(left: Term, right: Term) -> Term:
    kinds = {left.type.kind, right.type.kind}
    if kinds == {FieldKind.DURATION, FieldKind.INTEGER}:
        return Term("multiply", DURATION, (left, right))
    if not kinds <= {FieldKind.INTEGER, FieldKind.DECIMAL}:
        raise mix("multiply", left.type, right.type)
    type_ = _number_type(left.type.places + right.type.places, FieldKind.DECIMAL in kinds)
    return Term("multiply", type_, (left, right))


def _quotient(left: Any, right: Any) -> Term:
    if isinstance(left, Term) and left.type == DURATION and not isinstance(right, Term | str):
        right = own(right)
    left, right = pair(left, right)
    if (left.type, right.type) == (DURATION, INTEGER):
        return Term("floor_divide", DURATION, (left, right))
    _demand(left.type == right.type and left.type.kind in SCALABLE, "floor_divide", left, right)
    return Term("floor_divide", INTEGER, (left, right))


def _number_type(places: int, decimal: bool) -> Type:
    if not 0 <= places <= PLACES_MAX:
        message = f"the result would have {places} places, and 0 to {PLACES_MAX} are possible."
        raise Problem("scale-mix", message, "Rescale an operand first, or divide in the same multiply().")
    return Type(FieldKind.DECIMAL, places) if decimal else INTEGER


def _same_truth(left: Term, right: Term) -> Term:
    # A Boolean word is true when it is not 0, so two of them are compared by truth, never by word.
    if right.operation == "constant":
        return left if right.value else negation(left)
    return junction("or", junction("and", left, right), junction("and", negation(left), negation(right)))


def _one(places: int) -> Term:
    return Term("constant", Type(FieldKind.DECIMAL, places), (), 10**places)


def _demand(holds: bool, operation: str, left: Term, right: Term) -> None:
    if not holds:
        raise mix(operation, left.type, right.type)
