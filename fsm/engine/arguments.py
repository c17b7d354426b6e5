"""What callers give by name, as words: the fields of a new instance, the arguments of an event."""

from __future__ import annotations

from _collections_abc import Mapping

from fsm.layout import ARGUMENT_WORDS, ROW_FIELDS
from fsm.values import to_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fsm.tables import Tables


def initial_words(tables: Tables, fields: Mapping[str, object]) -> memoryview:
    """The field words of a new instance: int64[row_words - 3]."""
    if not fields:
        return tables.initial
    words = memoryview(bytearray(tables.initial)).cast("q")
    known = {field.name: field for field in tables.fields}
    for name, value in fields.items():
        if name not in known:
            raise TypeError(f"start: flow {tables.name} has no field {name!r}; it has {', '.join(known) or 'none'}")
        field, first = known[name], known[name].word - ROW_FIELDS
        for position, word in enumerate(_converted(name, field, value)):
            words[first + position] = word
    return words


def event_words(tables: Tables, event: Any, arguments: Mapping[str, object] | None) -> tuple[str, tuple[int, ...]]:
    """Name and argument words of an event object, or of a name with arguments."""
    if not isinstance(event, str):
        if isinstance(event, type) or not hasattr(event, "signature"):
            raise TypeError(f"send: expected an event, as LimitOrder.Execute(quantity=40), or a name; found {event!r}")
        name = type(event).__name__
        expected = tables.events[tables.event_ids[name]] if name in tables.event_ids else None
        if expected is not None and event.signature != signature(expected):
            raise TypeError(f"send: {event!r} is not the event {name} of flow {tables.name}, whose arguments differ")
        if arguments is not None:
            raise TypeError(f"send: {event!r} has its arguments already; give `arguments` with a name only")
        return name, event.words
    if event not in tables.event_ids:
        return event, ()
    if arguments is not None and not isinstance(arguments, Mapping):
        raise TypeError(f"send: expected the arguments of {event} by name, as a mapping; found {arguments!r}")
    given = dict(arguments or {})
    declared = tables.events[tables.event_ids[event]].arguments
    if set(given) != {argument.name for argument in declared}:
        names = ", ".join(argument.name for argument in declared)
        takes = f"the arguments {names}" if names else "no arguments"
        raise TypeError(f"send: {event} takes {takes}; found {', '.join(given) or 'none'}")
    words = [word for argument in declared for word in _converted(argument.name, argument, given[argument.name])]
    assert len(words) <= ARGUMENT_WORDS
    return event, tuple(words)


def signature(event: Any) -> tuple[tuple[Any, ...], ...]:
    """Names and types of the arguments of an event of the tables, as event classes tell theirs."""
    return tuple((each.name, each.kind, each.parameter, each.options) for each in event.arguments)


def _converted(name: str, variable: Any, value: object) -> tuple[int, ...]:
    try:
        return to_words(variable.kind, variable.parameter, variable.options, value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
