"""Fields of a flow and arguments of its events: typed, and expressions until there is a value.

    quantity = Integer()           in a flow: quantity.set(...), quantity > 0
    quantity: Integer = Integer()  in an event: Execute.quantity > 0 on the class, 40 on an instance

What is wrong with a declaration is kept in it, and reported with everything else at the end of the flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, overload

from fsm.define import terms
from fsm.define.actions import BrokenAction, SetAction
from fsm.define.chart import FieldKind, Place, Term, Type
from fsm.define.expressions import (
    ChoiceValue,
    Condition,
    DecimalValue,
    DurationValue,
    IntegerValue,
    TextValue,
    TimestampValue,
    Value,
    term_of,
    value_of,
)
from fsm.define.places import Problem, caller, waivers
from fsm.layout import TEXT_BYTES_MAX, Finding
from fsm.values import PLACES_MAX

if TYPE_CHECKING:
    import datetime
    import decimal
    from collections.abc import Mapping

    from fsm.define.actions import Action
    from fsm.define.events import Event

UNSET: Any = object()
EMPTY: dict[FieldKind, object] = {FieldKind.BOOLEAN: False, FieldKind.TEXT: b""}


class Field(Value):
    """What all types share. `default` is what a field holds when an instance starts without saying."""

    _owner: type | None = None
    _name: str | None = None

    def __init__(self, type_: Type, default: Any, waive: Mapping[str, str] | None, *problems: Problem) -> None:
        self._place: Place = caller()
        self._type = type_
        self._term = Term("field", type_, (), self)
        self._waivers = waivers(waive)
        self._findings: list[Finding] = [problem.at(self._place) for problem in problems]
        self._has_default = default is not UNSET
        self._given_default = default
        self._default = self._checked_default(default)

    def _checked_default(self, default: Any) -> int | bytes:
        kind, options = self._type.kind, self._type.options
        empty = (options[0] if options else "") if kind is FieldKind.CHOICE else EMPTY.get(kind, 0)
        try:
            held = terms.constant(self._type, default if self._has_default else empty).value
        except Problem as problem:
            if not self._findings:
                self._findings.append(problem.at(self._place))
            held = b"" if kind is FieldKind.TEXT else 0
        return held  # type: ignore[no-any-return]

    def _assign(self, value: Any) -> Action:
        try:
            return SetAction(self, terms.assigned(self._type, term_of(value)), caller())
        except Problem as problem:
            return BrokenAction(problem)

    def _assign_sum(self, operation: str, value: Any) -> Action:
        try:
            return SetAction(self, terms.changed(operation, self._term, term_of(value)), caller())
        except Problem as problem:
            return BrokenAction(problem)

    if not TYPE_CHECKING:
        set = _assign

        def __get__(self, instance, owner=None):
            if instance is not None:
                return instance._value_of(self)
            if getattr(owner, "_takes_arguments", False):
                return value_of(Term("argument", self._type, (), (owner, self)))
            return self

        def __set__(self, instance, value):
            raise AttributeError(f"{type(instance).__name__} is immutable: make a new one instead.")


class _Countable(Field):
    """A field that can grow and shrink."""

    if not TYPE_CHECKING:

        def add(self, value):
            return self._assign_sum("add", value)

        def subtract(self, value):
            return self._assign_sum("subtract", value)


class Integer(_Countable, IntegerValue):
    """An int64; arithmetic that passes its range is refused, never wrapped."""

    def __init__(self, *, default: int = UNSET, waive: Mapping[str, str] | None = None) -> None:
        super().__init__(terms.INTEGER, default, waive)

    if TYPE_CHECKING:

        def set(self, value: IntegerValue | int) -> Action: ...
        def add(self, value: IntegerValue | int) -> Action: ...
        def subtract(self, value: IntegerValue | int) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> IntegerValue: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> int: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: int) -> None: ...


class Decimal(_Countable, DecimalValue):
    """A number with a fixed count of digits behind the point, 0 to 18, held as a scaled int64."""

    def __init__(
        self, places: int, *, default: decimal.Decimal | int | str = UNSET, waive: Mapping[str, str] | None = None
    ) -> None:
        if isinstance(places, int) and not isinstance(places, bool) and 0 <= places <= PLACES_MAX:
            super().__init__(Type(FieldKind.DECIMAL, places), default, waive)
        else:
            super().__init__(Type(FieldKind.DECIMAL), default, waive, terms.places_problem(places))

    if TYPE_CHECKING:

        def set(self, value: DecimalValue | decimal.Decimal | int | str) -> Action: ...
        def add(self, value: DecimalValue | decimal.Decimal | int | str) -> Action: ...
        def subtract(self, value: DecimalValue | decimal.Decimal | int | str) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> DecimalValue: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> decimal.Decimal: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: decimal.Decimal | int | str) -> None: ...


class Boolean(Field, Condition):
    """True or False, and a condition as it stands."""

    def __init__(self, *, default: bool = UNSET, waive: Mapping[str, str] | None = None) -> None:
        super().__init__(terms.BOOLEAN, default, waive)

    if TYPE_CHECKING:

        def set(self, value: Condition | bool) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> Condition: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> bool: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: bool) -> None: ...


class Timestamp(_Countable, TimestampValue):
    """A moment: ns since 1970, UTC. An instance of an event reads it as int; an aware datetime is taken too."""

    def __init__(self, *, default: datetime.datetime | int = UNSET, waive: Mapping[str, str] | None = None) -> None:
        super().__init__(terms.TIMESTAMP, default, waive)

    if TYPE_CHECKING:

        def set(self, value: TimestampValue | datetime.datetime | int) -> Action: ...
        def add(self, value: DurationValue | datetime.timedelta | int | str) -> Action: ...
        def subtract(self, value: DurationValue | datetime.timedelta | int | str) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> TimestampValue: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> int: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: datetime.datetime | int) -> None: ...


class Duration(_Countable, DurationValue):
    """A length of time in ns; constants may be a timedelta or text: "200 ms"."""

    def __init__(
        self, *, default: datetime.timedelta | int | str = UNSET, waive: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(terms.DURATION, default, waive)

    if TYPE_CHECKING:

        def set(self, value: DurationValue | datetime.timedelta | int | str) -> Action: ...
        def add(self, value: DurationValue | datetime.timedelta | int | str) -> Action: ...
        def subtract(self, value: DurationValue | datetime.timedelta | int | str) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> DurationValue: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> int: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: datetime.timedelta | int | str) -> None: ...


class Choice(Field, ChoiceValue):
    """One of some options, named by text: Choice("buy", "sell"). The first is the default of a field."""

    def __init__(self, *options: str, default: str = UNSET, waive: Mapping[str, str] | None = None) -> None:
        wrong = [option for option in options if not isinstance(option, str) or not option]
        repeated = not wrong and len(set(options)) < len(options)
        if not options or wrong or repeated:
            message = f"different, non-empty texts were expected, and {options!r} was found."
            problem = Problem("choice-options", message, 'Name each option once: Choice("buy", "sell").')
            options = tuple(dict.fromkeys(str(option) for option in options))
            super().__init__(Type(FieldKind.CHOICE, options=options), default, waive, problem)
        else:
            super().__init__(Type(FieldKind.CHOICE, options=options), default, waive)

    if TYPE_CHECKING:

        def set(self, value: ChoiceValue | str) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> ChoiceValue: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> str: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: str) -> None: ...


class Text(Field, TextValue):
    """1 to 32 opaque bytes (an ISIN, a BIC, an account) that are equal or not; read back without padding."""

    def __init__(self, size: int, *, default: bytes | str = UNSET, waive: Mapping[str, str] | None = None) -> None:
        if isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= TEXT_BYTES_MAX:
            super().__init__(Type(FieldKind.TEXT, size=size), default, waive)
        else:
            message = f"1 to {TEXT_BYTES_MAX} bytes were expected, and {size!r} was found."
            problem = Problem("text-size", message, "Say how many bytes the text has at most.")
            super().__init__(Type(FieldKind.TEXT, size=TEXT_BYTES_MAX), default, waive, problem)

    if TYPE_CHECKING:

        def set(self, value: TextValue | bytes | str) -> Action: ...
        @overload
        def __get__(self, instance: None, owner: type[Event]) -> TextValue: ...
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> bytes: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: bytes | str) -> None: ...
