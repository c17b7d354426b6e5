"""Expressions: values that are not known yet, on which Python's operators build terms.

    Execute.quantity < leaves ──operators──▶ Term ("less", ...) ──class end──▶ the same with names

One set of operators serves every type at run time; the rules are those of `fsm.define.terms`. The signatures that a
type checker sees are written per type, so that it finds `Text < Text` before the program runs.
Errors are raised at once, with the file and line of the operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, overload

from fsm.define import terms
from fsm.define.chart import FieldKind, Term
from fsm.define.places import Problem, here
from fsm.define.render import render

if TYPE_CHECKING:
    import datetime
    import decimal
    from collections.abc import Callable
    from typing import Literal

    Length = datetime.timedelta | int | str
    RoundingName = Literal["down", "up", "floor", "ceiling", "half_even", "half_up", "half_down"]


def _refused(operator: str, remedy: str) -> Callable[..., Any]:
    """The method of an operator that a step does not have."""

    def refuse(*operands: object) -> Any:
        raise here(Problem("no-operator", f"{operator} is no operation on expressions.", remedy))

    return refuse


class Value:
    """A term with operators."""

    _term: Term
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __bool__(self) -> bool:
        message = "the truth of an expression is not known before an event comes."
        remedy = (
            "Write & for and, | for or, ~ for not, each comparison in parentheses, and a < b < c as two comparisons."
        )
        raise here(Problem("ambiguous-truth", message, remedy))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_shown(self._term)}>"

    if not TYPE_CHECKING:
        __hash__ = None

        def __lt__(self, other):
            return build(terms.less, self, other)

        def __gt__(self, other):
            return build(terms.less, other, self)

        def __le__(self, other):
            return ~(self > other)

        def __ge__(self, other):
            return ~(self < other)

        def __eq__(self, other):
            return build(terms.equal, self, other)

        def __ne__(self, other):
            return ~(self == other)

        def __and__(self, other):
            return build(terms.junction, "and", self, other)

        def __rand__(self, other):
            return build(terms.junction, "and", other, self)

        def __or__(self, other):
            return build(terms.junction, "or", self, other)

        def __ror__(self, other):
            return build(terms.junction, "or", other, self)

        def __invert__(self):
            return build(terms.negation, self)

        def __neg__(self):
            return build(terms.negate, self)

        def __add__(self, other):
            return build(terms.arithmetic, "add", self, other)

        def __radd__(self, other):
            return build(terms.arithmetic, "add", other, self)

        def __sub__(self, other):
            return build(terms.arithmetic, "subtract", self, other)

        def __rsub__(self, other):
            return build(terms.arithmetic, "subtract", other, self)

        def __mul__(self, other):
            return build(terms.arithmetic, "multiply", self, other)

        def __rmul__(self, other):
            return build(terms.arithmetic, "multiply", other, self)

        def __floordiv__(self, other):
            return build(terms.arithmetic, "floor_divide", self, other)

        def __rfloordiv__(self, other):
            return build(terms.arithmetic, "floor_divide", other, self)

        def __mod__(self, other):
            return build(terms.arithmetic, "modulo", self, other)

        def __rmod__(self, other):
            return build(terms.arithmetic, "modulo", other, self)

        def __truediv__(self, other):
            message = "/ does not say how it rounds."
            raise here(Problem("rounding", message, "Write // or multiply(a, 1, divide_by=b, rounding=...)."))

        __rtruediv__ = __truediv__

        def __pos__(self):
            return build(terms.positive, self)

        __pow__ = __rpow__ = _refused("**", "Write a product: x * x.")
        __abs__ = _refused("abs()", "Write maximum(x, -x).")
        __divmod__ = __rdivmod__ = _refused("divmod()", "Write // and %.")
        __round__ = __trunc__ = __floor__ = __ceil__ = _refused("rounding", "Write .rescale() or multiply().")
        __matmul__ = __rmatmul__ = _refused("@", "Write *.")
        __xor__ = __rxor__ = _refused("^", "Write != between conditions.")
        __lshift__ = __rlshift__ = _refused("<<", "Write * and the power of two.")
        __rshift__ = __rrshift__ = _refused(">>", "Write // and the power of two.")


class Condition(Value):
    """A value that is true or false."""

    if TYPE_CHECKING:

        def __eq__(self, other: Condition | bool) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: Condition | bool) -> Condition: ...  # type: ignore[override]
        def __and__(self, other: Condition) -> Condition: ...
        def __or__(self, other: Condition) -> Condition: ...
        def __invert__(self) -> Condition: ...


class IntegerValue(Value):
    """An int64."""

    if TYPE_CHECKING:

        def __eq__(self, other: IntegerValue | int) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: IntegerValue | int) -> Condition: ...  # type: ignore[override]
        def __lt__(self, other: IntegerValue | int) -> Condition: ...
        def __le__(self, other: IntegerValue | int) -> Condition: ...
        def __gt__(self, other: IntegerValue | int) -> Condition: ...
        def __ge__(self, other: IntegerValue | int) -> Condition: ...
        def __neg__(self) -> IntegerValue: ...
        def __add__(self, other: IntegerValue | int) -> IntegerValue: ...
        def __radd__(self, other: int) -> IntegerValue: ...
        def __sub__(self, other: IntegerValue | int) -> IntegerValue: ...
        def __rsub__(self, other: int) -> IntegerValue: ...
        @overload
        def __mul__(self, other: IntegerValue | int) -> IntegerValue: ...
        @overload
        def __mul__(self, other: DecimalValue | decimal.Decimal) -> DecimalValue: ...
        @overload
        def __mul__(self, other: DurationValue) -> DurationValue: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: int) -> IntegerValue: ...
        def __floordiv__(self, other: IntegerValue | int) -> IntegerValue: ...
        def __rfloordiv__(self, other: int) -> IntegerValue: ...
        def __mod__(self, other: IntegerValue | int) -> IntegerValue: ...
        def __rmod__(self, other: int) -> IntegerValue: ...

    def rescale(self, places: int, rounding: RoundingName | None = None) -> DecimalValue:
        """The same number as Decimal(places)."""
        value: DecimalValue = build(terms.rescale, self, places, rounding)
        return value


class DecimalValue(Value):
    """A scaled int64; sums and comparisons keep its places, products add them up."""

    if TYPE_CHECKING:

        def __eq__(self, other: DecimalValue | decimal.Decimal | int | str) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: DecimalValue | decimal.Decimal | int | str) -> Condition: ...  # type: ignore[override]
        def __lt__(self, other: DecimalValue | decimal.Decimal | int | str) -> Condition: ...
        def __le__(self, other: DecimalValue | decimal.Decimal | int | str) -> Condition: ...
        def __gt__(self, other: DecimalValue | decimal.Decimal | int | str) -> Condition: ...
        def __ge__(self, other: DecimalValue | decimal.Decimal | int | str) -> Condition: ...
        def __neg__(self) -> DecimalValue: ...
        def __add__(self, other: DecimalValue | decimal.Decimal | int | str) -> DecimalValue: ...
        def __radd__(self, other: decimal.Decimal | int | str) -> DecimalValue: ...
        def __sub__(self, other: DecimalValue | decimal.Decimal | int | str) -> DecimalValue: ...
        def __rsub__(self, other: decimal.Decimal | int | str) -> DecimalValue: ...
        def __mul__(self, other: DecimalValue | IntegerValue | decimal.Decimal | int | str) -> DecimalValue: ...
        def __rmul__(self, other: decimal.Decimal | int | str) -> DecimalValue: ...
        def __floordiv__(self, other: DecimalValue | decimal.Decimal | int | str) -> IntegerValue: ...
        def __mod__(self, other: DecimalValue | decimal.Decimal | int | str) -> DecimalValue: ...

    def rescale(self, places: int, rounding: RoundingName | None = None) -> DecimalValue:
        """The same number with other places; fewer of them need a rounding."""
        value: DecimalValue = build(terms.rescale, self, places, rounding)
        return value

    def to_integer(self, rounding: RoundingName | None = None) -> IntegerValue:
        """The same number as an Integer; places that it loses need a rounding."""
        value: IntegerValue = build(terms.to_integer, self, rounding)
        return value


class TimestampValue(Value):
    """A moment, in ns since 1970, UTC."""

    if TYPE_CHECKING:

        def __eq__(self, other: TimestampValue | datetime.datetime | int) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: TimestampValue | datetime.datetime | int) -> Condition: ...  # type: ignore[override]
        def __lt__(self, other: TimestampValue | datetime.datetime | int) -> Condition: ...
        def __le__(self, other: TimestampValue | datetime.datetime | int) -> Condition: ...
        def __gt__(self, other: TimestampValue | datetime.datetime | int) -> Condition: ...
        def __ge__(self, other: TimestampValue | datetime.datetime | int) -> Condition: ...
        def __add__(self, other: DurationValue | Length) -> TimestampValue: ...
        def __radd__(self, other: Length) -> TimestampValue: ...
        @overload
        def __sub__(self, other: TimestampValue) -> DurationValue: ...
        @overload
        def __sub__(self, other: DurationValue | Length) -> TimestampValue: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: datetime.datetime | int) -> DurationValue: ...


class DurationValue(Value):
    """A length of time, in ns."""

    if TYPE_CHECKING:

        def __eq__(self, other: DurationValue | Length) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: DurationValue | Length) -> Condition: ...  # type: ignore[override]
        def __lt__(self, other: DurationValue | Length) -> Condition: ...
        def __le__(self, other: DurationValue | Length) -> Condition: ...
        def __gt__(self, other: DurationValue | Length) -> Condition: ...
        def __ge__(self, other: DurationValue | Length) -> Condition: ...
        def __neg__(self) -> DurationValue: ...
        @overload
        def __add__(self, other: DurationValue | Length) -> DurationValue: ...
        @overload
        def __add__(self, other: TimestampValue) -> TimestampValue: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Length) -> DurationValue: ...
        def __sub__(self, other: DurationValue | Length) -> DurationValue: ...
        def __rsub__(self, other: Length) -> DurationValue: ...
        def __mul__(self, other: IntegerValue | int) -> DurationValue: ...
        def __rmul__(self, other: int) -> DurationValue: ...
        @overload
        def __floordiv__(self, other: DurationValue | datetime.timedelta | str) -> IntegerValue: ...
        @overload
        def __floordiv__(self, other: IntegerValue | int) -> DurationValue: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: DurationValue | Length) -> DurationValue: ...


class ChoiceValue(Value):
    """One of some options."""

    if TYPE_CHECKING:

        def __eq__(self, other: ChoiceValue | str) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: ChoiceValue | str) -> Condition: ...  # type: ignore[override]


class TextValue(Value):
    """Opaque bytes, which are equal or not."""

    if TYPE_CHECKING:

        def __eq__(self, other: TextValue | bytes | str) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: TextValue | bytes | str) -> Condition: ...  # type: ignore[override]


def build(function: Callable[..., Term], *operands: Any) -> Any:
    """The value of a new term; a broken rule becomes an error at the user's line."""
    try:
        return value_of(function(*map(term_of, operands)))
    except Problem as problem:
        raise here(problem) from None


def term_of(operand: Any) -> Any:
    """The term of a value; anything else as it is."""
    return operand._term if isinstance(operand, Value) else operand


def value_of(term: Term) -> Value:
    """A term with the operators of its type."""
    value = object.__new__(_CLASSES[term.type.kind])
    value._term = term
    return value


def _shown(term: Term) -> str:
    """The text of a term whose names are known in part."""
    try:
        return render(_with_names(terms.shallow(term)))
    except Problem as problem:
        return problem.rule


def _with_names(term: Term) -> Term:
    match term.operation, term.value:
        case "field", field:
            return term._replace(value=field._name or "?")
        case "argument", (event, field):
            return term._replace(value=(event.__name__, event._name_of(field)))
        case "text", (text, _):
            return Term("field", term.type, (), repr(text))
        case "broken", finding:
            return Term("field", term.type, (), finding.rule)
    return term._replace(operands=tuple(map(_with_names, term.operands)))


def _leaf(parent: type[Value]) -> type[Value]:
    # Python asks the right operand first where its class derives from that of the left. A field is an IntegerValue, so
    # a plain IntegerValue on the left of it would be swapped; a class that is no parent of the field's is not.
    return type(parent.__name__, (parent,), {})


_CLASSES: dict[FieldKind, type[Value]] = {
    FieldKind.INTEGER: _leaf(IntegerValue),
    FieldKind.DECIMAL: _leaf(DecimalValue),
    FieldKind.BOOLEAN: _leaf(Condition),
    FieldKind.TIMESTAMP: _leaf(TimestampValue),
    FieldKind.DURATION: _leaf(DurationValue),
    FieldKind.CHOICE: _leaf(ChoiceValue),
    FieldKind.TEXT: _leaf(TextValue),
}
