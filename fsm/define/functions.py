"""What guards and actions are made of besides operators: `multiply`, `minimum`, `maximum`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from fsm.define import terms
from fsm.define.expressions import build

if TYPE_CHECKING:
    import datetime
    import decimal

    from fsm.define.expressions import DecimalValue, DurationValue, IntegerValue, RoundingName, TimestampValue

    _Integer = IntegerValue | int
    _Decimal = DecimalValue | decimal.Decimal
    _Duration = DurationValue | datetime.timedelta | str


@overload
def multiply(  # type: ignore[overload-overlap]
    a: _Integer, b: _Integer, *, divide_by: _Integer = ..., rounding: RoundingName | None = ...
) -> IntegerValue: ...
@overload
def multiply(
    a: DurationValue, b: _Integer, *, divide_by: _Integer = ..., rounding: RoundingName | None = ...
) -> DurationValue: ...
@overload
def multiply(
    a: _Decimal | _Integer,
    b: _Decimal | _Integer,
    *,
    divide_by: _Decimal | _Integer = ...,
    rounding: RoundingName | None = ...,
) -> DecimalValue: ...
def multiply(a: Any, b: Any, *, divide_by: Any = None, rounding: Any = None) -> Any:
    """a * b / divide_by, exact until the one rounding at the end: the product has 128 bits.

    The result of Integers is an Integer. With a Decimal among them it is a Decimal of places(a) + places(b) -
    places(divide_by). A Duration times an Integer over an Integer is a Duration. `rounding` is one of down, up, floor,
    ceiling, half_even, half_up, half_down; without `divide_by` there is nothing to round.
    """
    if divide_by is None:
        return build(terms.arithmetic, "multiply", a, b)
    return build(terms.scale, a, b, divide_by, rounding)


@overload
def minimum(a: _Integer, b: _Integer) -> IntegerValue: ...
@overload
def minimum(a: DecimalValue, b: _Decimal | int | str) -> DecimalValue: ...
@overload
def minimum(a: TimestampValue, b: TimestampValue | datetime.datetime | int) -> TimestampValue: ...
@overload
def minimum(a: DurationValue, b: _Duration | int) -> DurationValue: ...
def minimum(a: Any, b: Any) -> Any:
    """The smaller of two values of one type."""
    return build(terms.extreme, "minimum", a, b)


@overload
def maximum(a: _Integer, b: _Integer) -> IntegerValue: ...
@overload
def maximum(a: DecimalValue, b: _Decimal | int | str) -> DecimalValue: ...
@overload
def maximum(a: TimestampValue, b: TimestampValue | datetime.datetime | int) -> TimestampValue: ...
@overload
def maximum(a: DurationValue, b: _Duration | int) -> DurationValue: ...
def maximum(a: Any, b: Any) -> Any:
    """The larger of two values of one type."""
    return build(terms.extreme, "maximum", a, b)
