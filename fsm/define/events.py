"""Events: classes whose arguments are expressions on the class, and values on an instance.

class Execute(Event):                     Execute.quantity > 0         an expression
    quantity: Integer = Integer()         Execute(quantity=40)         an immutable input: its int64 words
                                          Execute.id                   dense, from 0, once the flow is complete
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from fsm.define.chart import Argument, Place
from fsm.define.fields import Boolean, Choice, Decimal, Duration, Field, Integer, Text, Timestamp
from fsm.define.names import naming_problem
from fsm.define.places import Problem, caller, waivers
from fsm.define.terms import parameter_of
from fsm.define.valueless import valueless_arguments
from fsm.errors import DefinitionError
from fsm.layout import ARGUMENT_WORDS, FieldKind, Finding
from fsm.values import from_words, to_words


@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(Integer, Decimal, Boolean, Timestamp, Duration, Choice, Text),
)
class Event:
    """An immutable input with at most six words of arguments."""

    __slots__ = ("_words",)

    id: ClassVar[int]
    """Dense, from 0, in order of declaration; there once the flow is complete."""
    signature: ClassVar[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = ()
    """(name, kind, parameter, options) of each argument: what an engine compares before it takes an instance."""

    _takes_arguments: ClassVar[bool] = True
    _arguments: ClassVar[tuple[Argument, ...]] = ()
    _fields: ClassVar[dict[str, Field]] = {}
    _place: ClassVar[Place] = Place("<unknown>", 0)
    _waivers: ClassVar[tuple[tuple[str, str], ...]] = ()
    _findings: ClassVar[tuple[Finding, ...]] = ()
    _owner: ClassVar[type | None] = None

    def __init_subclass__(cls, *, waive: Mapping[str, str] | None = None) -> None:
        cls._place = caller()
        cls._waivers = waivers(waive)
        cls._owner = None
        _complete(cls)

    if not TYPE_CHECKING:
        # A type checker makes up the signature of each class from its arguments; this one would hide it.

        def __init__(self, /, *unnamed, **values):
            cls = type(self)
            if cls._findings:
                raise DefinitionError(cls._findings)
            if unnamed:
                message = f"{cls.__qualname__} takes its arguments by name, and {unnamed[0]!r} was found without one."
                raise TypeError(f"{message} It takes: {_listed(cls)}.")
            words = []
            for name, kind, parameter, options in cls.signature:
                words.extend(_words_of(cls, name, FieldKind(kind), parameter, options, values))
            if values:
                unknown = ", ".join(map(repr, values))
                raise TypeError(f"{cls.__qualname__} has no argument {unknown}. It takes: {_listed(cls)}.")
            object.__setattr__(self, "_words", tuple(words))

    @property
    def words(self) -> tuple[int, ...]:
        """The int64 words of the arguments, in order: what `step` takes."""
        words: tuple[int, ...] = self._words  # type: ignore[attr-defined]
        return words

    @classmethod
    def _name_of(cls, field: Field) -> str:
        return next((name for name, known in cls._fields.items() if known is field), "?")

    def _value_of(self, field: Field) -> Any:
        for argument in self._arguments:
            if self._fields[argument.name] is field:
                type_, end = argument.type, argument.offset + argument.type.words
                return from_words(type_.kind, parameter_of(type_), type_.options, self.words[argument.offset : end])
        raise AttributeError(f"{type(self).__qualname__} has no such argument. It takes: {_listed(type(self))}.")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__qualname__} is immutable: make a new one instead of setting {name!r}.")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Event) and self.words == other.words

    def __hash__(self) -> int:
        return hash((type(self), self.words))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__qualname__}({values})"


def _complete(cls: type[Event]) -> None:
    """Give a class its arguments: those of its base, then its own in order of declaration."""
    fields = dict(cls._fields)
    findings = [*cls._findings, *valueless_arguments(cls, cls._place)]
    for name, member in vars(cls).items():
        if isinstance(member, Field):
            findings += _argument_findings(cls, name, member, fields)
            fields[name] = member
    arguments, offset = [], 0
    for name, field in fields.items():
        arguments.append(Argument(name, field._type, offset))
        offset += field._type.words
    if offset > ARGUMENT_WORDS:
        message = f"event {cls.__name__} has {offset} words of arguments, and at most {ARGUMENT_WORDS} are possible."
        remedy = "Leave some out: a word is 8 bytes, and a Text takes one for each 8 of its bytes."
        findings.append(Problem("too-many-arguments", message, remedy).at(cls._place))
    cls._fields, cls._arguments, cls._findings = fields, tuple(arguments), tuple(findings)
    cls.signature = tuple((a.name, int(a.type.kind), parameter_of(a.type), a.type.options) for a in arguments)


def _argument_findings(cls: type[Event], name: str, field: Field, fields: dict[str, Field]) -> list[Finding]:
    findings = list(field._findings)
    problem = naming_problem(f"argument of {cls.__name__}", name)
    if problem:
        findings.append(problem.at(field._place))
    for known, other in fields.items():
        if other is field and known != name:
            message = f"one argument of {cls.__name__} has two names, {known!r} and {name!r}."
            findings.append(Problem("name-twice", message, "Declare each argument by itself.").at(field._place))
    return findings


def _words_of(
    cls: type[Event], name: str, kind: FieldKind, parameter: int, options: tuple[str, ...], values: dict[str, Any]
) -> tuple[int, ...]:
    if name not in values:
        field = cls._fields[name]
        if not field._has_default:
            raise TypeError(f"{cls.__qualname__} needs {name!r}. It takes: {_listed(cls)}.")
        values[name] = field._given_default
    try:
        return to_words(kind, parameter, options, values.pop(name))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{cls.__qualname__}, argument {name!r}: {error}.") from None


def _listed(cls: type[Event]) -> str:
    return ", ".join(cls._fields) or "nothing"
