"""What people call the parts of a compiled flow: states, events, fields, transitions, each a record with its names.

    sections ──read()──▶ {"name": "Order", "states": (State, ...), "events": (Event, ...), "event_ids": {...}, ...}

A step needs none of it, so `fsm.tables` reads it when somebody asks first. The sections were checked before: every
index is in range and every text is UTF-8.
"""

from __future__ import annotations

from collections import namedtuple
from itertools import pairwise
from types import MappingProxyType

from fsm.layout import NONE, FieldKind, StateKind, Trigger
from fsm.tablecheck import word_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fsm.tablecheck import Header

State = namedtuple("State", "id name kind parent initial default entry exit file line")
Variable = namedtuple("Variable", "name kind parameter options word word_count")
Event = namedtuple("Event", "id name arguments word_count file line")
Transition = namedtuple("Transition", "id source trigger event stay targets guard actions moment file line")
Ignore = namedtuple("Ignore", "source event file line")
Defer = namedtuple("Defer", "source event at_most file line")
Timer = namedtuple("Timer", "id state slot trigger moment file line")
Source = namedtuple("Source", "text transition file line")
Waiver = namedtuple("Waiver", "subject rule reason")


def read(views: Mapping[str, memoryview], header: Header) -> dict[str, Any]:
    """Every text and record, by the name that `Tables` gives it."""
    strings = _strings(views["strings"], bytes(views["text"]))

    def string(index: int) -> str | None:
        return None if index == NONE else strings[index]

    def variable(row: tuple[int, ...]) -> Variable:
        name, kind, parameter, first, count, word = row
        options = tuple(strings[index] for index in views["options"][first : first + count])
        return Variable(strings[name], FieldKind(kind), parameter, options, word, word_count(kind, parameter))

    arguments = [variable(row) for row in _rows(views["arguments"], 6)]
    targets = views["targets"].tolist()
    events = tuple(
        Event(index, strings[name], tuple(arguments[first : first + count]), words, strings[file], line)
        for index, (name, first, count, words, file, line) in enumerate(_rows(views["events"], 6))
    )
    return {
        "name": strings[header.name],
        "documentation": strings[header.documentation],
        "chart": str(views["chart"], "utf-8"),
        "states": tuple(
            State(
                index, strings[name], StateKind(kind), parent, bool(initial), None if default == NONE else default,
                string(entry), string(exit), strings[file], line,
            )
            for index, (name, kind, parent, initial, default, entry, exit, file, line) in enumerate(
                _rows(views["states"], 9)
            )
        ),
        "events": events,
        "event_ids": MappingProxyType({event.name: event.id for event in events}),
        "fields": tuple(variable(row) for row in _rows(views["fields"], 6)),
        "transitions": tuple(
            Transition(
                index, source, Trigger(trigger), None if event == NONE else event, bool(stay),
                tuple(targets[first : first + count]), string(guard), string(actions), string(moment),
                strings[file], line,
            )
            for index, (source, trigger, event, stay, first, count, guard, actions, moment, file, line) in enumerate(
                _rows(views["transitions"], 11)
            )
        ),
        "ignores": tuple(Ignore(s, e, strings[file], line) for s, e, file, line in _rows(views["ignores"], 4)),
        "defers": tuple(Defer(s, e, most, strings[file], line) for s, e, most, file, line in _rows(views["defers"], 5)),
        "timers": tuple(
            Timer(index, state, slot, Trigger(trigger), strings[moment], strings[file], line)
            for index, (state, slot, trigger, moment, file, line) in enumerate(_rows(views["timers"], 6))
        ),
        "sources": tuple(
            Source(strings[text], None if transition == NONE else transition, strings[file], line)
            for text, transition, file, line in _rows(views["sources"], 4)
        ),
        "waivers": tuple(Waiver(*(strings[index] for index in row)) for row in _rows(views["waivers"], 3)),
    }  # fmt: skip


def _rows(view: memoryview, columns: int) -> list[tuple[int, ...]]:
    """The rows of a table of records."""
    words = view.tolist()
    return list(zip(*(words[column::columns] for column in range(columns)), strict=True))


def _strings(offsets: memoryview, text: bytes) -> list[str]:
    return [text[first:last].decode() for first, last in pairwise(offsets)]
