"""Streams of events for a compiled flow, the wrong ones included, and the times at which they come.

    Tables ──inputs()──▶ [Input, ...]      each says which instance, which event, which words, and what is expected

An `Input` knows nothing of the run that it is for: it names instances by the order of their start, and an expected
version by its distance from the true one. `handle()` and `expected()` give what an engine takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from fsm.layout import ARGUMENT_WORDS, INT64_MAX, INT64_MIN, NONE, UINT64_MASK, FieldKind
from fsm.records import Variable
from fsm.tables import Tables
from fsm.testing.kinds import EDGES, NEAR, Draw, chance, pick, word, words

STRAY: Final = (UINT64_MASK, 1 << 32, 1 << 48, NONE, 7 << 48 | 1, 1 << 63)
"""Handles of no instance: all ones, another generation, bits beyond it, a row beyond the last."""
SECOND_NS: Final = 10**9
WAIT_MAX: Final = 10**12
"""The longest constant that is taken for a time that a flow may wait."""

any_words: Final = st.one_of(st.sampled_from(NEAR), st.sampled_from(EDGES), st.integers(INT64_MIN, INT64_MAX))
"""Words of 64 bits, the small ones and the edges often."""


class Input(NamedTuple):
    """One event of a stream.

    instance    the how manieth instance, modulo their number; below 0 a handle of `STRAY`
    event_id    of the flow, or of no event
    words       0 to 6 words of arguments
    ahead       how far `expected=` lies before the true version; None: nothing is expected
    now_ns      time to `advance` to before the event; None: the clock stands still
    """

    instance: int
    event_id: int
    words: tuple[int, ...]
    ahead: int | None
    now_ns: int | None

    def handle(self, handles: Sequence[int]) -> int:
        """The handle for an engine that gave these."""
        if self.instance < 0 or not handles:
            return STRAY[self.instance % len(STRAY)]
        return handles[self.instance % len(handles)]

    def expected(self, version: int) -> int | None:
        """What `expected=` is for an instance at this version."""
        return None if self.ahead is None else version + self.ahead & UINT64_MASK


@st.composite
def inputs(draw: Any, tables: Tables, *, count_max: int = 40, now_ns: int = 0) -> list[Input]:
    """Up to `count_max` inputs for the flow of `tables`, in an engine whose clock stands at `now_ns`."""

    def below(count: int) -> int:
        return int(draw(st.integers(0, count - 1)))

    stream = Stream(below, tables, now_ns)
    return [stream.next() for _ in range(1 + below(count_max))]


class Stream:
    """Inputs one after the other, from any source of numbers: `Stream(Random(seed).randrange, tables)`."""

    def __init__(self, draw: Draw, tables: Tables, now_ns: int = 0) -> None:
        self.draw, self.tables, self.now_ns = draw, tables, now_ns
        self._waits = sorted({1, *(constant for constant in tables.constants if 0 < constant <= WAIT_MAX)})
        """Among these are the constant times of the flow's timers."""

    def next(self) -> Input:
        """The next input."""
        draw, tables = self.draw, self.tables
        now_ns = self._moment() if chance(draw, 40 if tables.timer_slots else 10) else None
        self.now_ns = max(self.now_ns, now_ns or 0)
        instance = -1 - draw(len(STRAY)) if chance(draw, 4) else draw(4)
        ahead = pick(draw, (0, 0, 1, -1, 1 << 32)) if chance(draw, 8) else None
        if not tables.event_count or chance(draw, 3):
            return Input(instance, pick(draw, (tables.event_count, NONE, 255)), (), ahead, now_ns)
        event = pick(draw, tables.events)
        given = tuple(each for argument in event.arguments for each in self._words(argument))
        if chance(draw, 10):  # more words than the event has, or fewer: the missing ones are 0
            given = (*given, *(word(draw) for _ in range(ARGUMENT_WORDS)))[: draw(ARGUMENT_WORDS + 1)]
        return Input(instance, event.id, given, ahead, now_ns)

    def _moment(self) -> int:
        """A little later, right when a timer may be due or right before; seconds later, very late, or earlier."""
        draw, kind = self.draw, self.draw(20)
        if kind == 19:
            return int(pick(draw, (0, 1_700_000_000 * SECOND_NS))) if draw(8) else INT64_MAX - draw(200)
        if kind < 8:
            wait = int(pick(draw, NEAR))
        elif kind < 14:
            wait = pick(draw, self._waits) - draw(2)
        else:
            wait = draw(100) * SECOND_NS if kind < 16 else -int(pick(draw, NEAR))
        return min(max(self.now_ns + wait, 0), INT64_MAX)

    def _words(self, argument: Variable) -> tuple[int, ...]:
        """Words of an argument; a moment is often one that comes soon."""
        if argument.kind is FieldKind.TIMESTAMP and chance(self.draw, 50):
            return (min(self.now_ns + pick(self.draw, NEAR), INT64_MAX),)
        return words(self.draw, (argument.kind, argument.parameter))
