"""What an instance waits for, read from its row: timers that are armed, events that are deferred.

row ──slots of active states──▶ Armed(state, moment, deadline_ns)        earliest first
    ──queue──────────────────▶ Deferred(event, arguments)                oldest first
"""

from __future__ import annotations

from collections import namedtuple

from fsm.layout import ARGUMENT_WORDS, NONE
from fsm.values import from_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from fsm.tables import Tables

    class Armed(NamedTuple):
        """A timer that is armed: of which state, as the flow says it (`after 30 s`), and until when."""

        state: str
        moment: str
        deadline_ns: int

    class Deferred(NamedTuple):
        """An event that waits, with the values of its arguments by name."""

        event: str
        arguments: dict[str, Any]

else:
    Armed = namedtuple("Armed", "state moment deadline_ns")
    Deferred = namedtuple("Deferred", "event arguments")


def armed(tables: Tables, row: memoryview) -> list[Armed]:
    """The timers of a row (words as int64), earliest first, then by slot."""
    active = {state.id for state in tables.active_states(row[0] & NONE)}
    slots = sorted(
        (row[tables.field_end + timer.slot], timer.slot, timer) for timer in tables.timers if timer.state in active
    )
    return [
        Armed(tables.states[timer.state].name, f"{timer.trigger.name.lower()} {timer.moment}", deadline)
        for deadline, _, timer in slots
        if deadline
    ]


def deferred(tables: Tables, row: memoryview) -> list[Deferred]:
    """The deferred events of a row (words as int64), oldest first."""
    size, first = tables.deferral_words, tables.deferral_word + 1
    count = row[tables.deferral_word] if size else 0
    return [_event(tables, row[first + at * size : first + (at + 1) * size].tolist()) for at in range(count)]


def _event(tables: Tables, words: list[int]) -> Deferred:
    event, given = tables.events[words[0]], words[1:] + [0] * ARGUMENT_WORDS
    return Deferred(
        event.name,
        {
            each.name: from_words(
                each.kind, each.parameter, each.options, tuple(given[each.word : each.word + each.word_count])
            )
            for each in event.arguments
        },
    )
