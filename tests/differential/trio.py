"""Two engines and a reading of the chart that are given the same inputs, and must agree after each.

flow ──compile──▶ Tables ──▶ Pair(native, mirror) ─┐
  └────chart_of────────────▶ Reading ──────────────┴─ give(Input): outcome, every byte, what every word means
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

import fsm
from fsm.define import chart_of
from fsm.engine.frames import Frame
from fsm.layout import NONE, ROW_FRAME, FieldKind, FrameKind, Outcome
from fsm.tables import Tables
from fsm.testing import Input
from fsm.testing.flows import CONFIGURATIONS_MAX
from fsm.testing.kinds import Draw, chance, word
from tests.differential.pair import Journal, Pair, Raised
from tests.differential.reading import Reading, compare

READING = os.environ.get("FSM_READING", "1") != "0"
"""FSM_READING=0 leaves out the reading of the chart: what only that can see is not seen, as `tests/mutants` shows."""
KEYS = ("order", -1, 7)
NUMBERS = (FieldKind.INTEGER, FieldKind.TIMESTAMP, FieldKind.DURATION)


def compiled(flow: type[fsm.Flow]) -> Tables | None:
    """The tables of a flow made at random, or None where it has too many configurations to be looked at."""
    try:
        return fsm.compile(flow, configurations_max=CONFIGURATIONS_MAX)
    except fsm.DefinitionError as error:
        assert {"too-many-configurations"} == {problem.rule for problem in error.problems}, error
        return None


def fields_at_start(draw: Draw, tables: Tables) -> dict[str, int]:
    """Some fields by name, as `start` takes them, and their words."""
    return {field.name: word(draw, 20) for field in tables.fields if field.kind in NUMBERS and chance(draw, 30)}


class Taken:
    """What an index of idempotency keys should know: the inputs of the last one to two windows of keys."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.current: dict[int, Any] = {}
        self.older: dict[int, Any] = {}

    def find(self, key: int | None) -> Any:
        """The input that was taken with the key, or None."""
        return None if key is None else self.current.get(key, self.older.get(key))

    def note(self, key: int | None, taken: Any, outcome: Outcome) -> None:
        """An input that was not refused is remembered."""
        if key is None or outcome not in (Outcome.ACCEPTED, Outcome.IGNORED, Outcome.DEFERRED):
            return
        if len(self.current) >= self.window:
            self.current, self.older = {}, self.current
        self.current[key] = taken


class Trio:
    """Three that take the same inputs; every call raises AssertionError where they differ.

    handles    of all that were started, by the order of their first start; those of released ones are unknown
    live       their rows, of those that were not released
    """

    def __init__(self, flow: type[fsm.Flow], tables: Tables, capacity: int = 4, journal: Journal | None = None) -> None:
        self.pair = Pair(tables, capacity, journal)
        self.reading = Reading(chart_of(flow), tables)
        self.taken = Taken(journal.window if journal else 0)
        self.handles: list[int] = []
        self.live: dict[int, int] = {}
        self.numbers: dict[int, int] | None = None if journal is None else {}
        self._seen = 0

    def __enter__(self) -> Trio:
        return self

    def __exit__(self, type: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.pair.close()

    def start(self, key: Any, fields: dict[str, int]) -> None:
        """A new instance, unless its start faults or its key is there."""

        def call(engine: Any) -> Any:
            try:
                return engine.start(key, **fields)
            except (fsm.StartFault, fsm.Exists) as error:
                return str(error), getattr(error, "outcome", "exists"), getattr(error, "instance", None)

        started = self.pair.do(call, f"start {key!r} {fields}")
        if isinstance(started, int):
            self.live[started] = started & NONE
            self.handles.append(started)
        outcome = "accepted" if isinstance(started, int) else started[1]
        if not READING:
            return
        if outcome == "exists":
            self.reading.touch(self.live[started[2]])
        else:
            words = {name: (word,) for name, word in fields.items()}
            compare(f"start {key!r}", self.reading.start(words).label, outcome)
        self.check()

    def release(self, handle: int) -> bool:
        """Whether the instance had ended: it is forgotten then."""
        released = self.pair.call("release", handle)
        if isinstance(released, Raised):
            expected = ValueError if handle in self.live else LookupError
            assert released.type is expected, released
            return False
        row = self.live.pop(handle)
        if READING:
            self.reading.release(row)
            self.check()
        return True

    def give(self, given: Input, key: int | None = None, correlation: str | int | None = None) -> Outcome:
        """One input, and before it the clock; idempotency key and correlation only with a journal."""
        if given.now_ns is not None:
            fired = self.pair.call("advance", given.now_ns)
            if READING:
                compare("timers fired", self.reading.advance(given.now_ns), fired)
                self.check()
        handle = given.handle(self.handles)
        row = self.live.get(handle)
        expected = None if row is None else given.expected(self.pair.mirror.version(handle))
        named = {"expected": expected, "key": key, "correlation": correlation}
        outcome = Outcome(self.pair.call("step", handle, given.event_id, *given.words, **named))
        if READING:
            compare("outcome", self._read(handle, row, given, expected, key), outcome)
            self.check()
        return outcome

    def give_to_a_full_ring(self, given: Input) -> bool:
        """The same input again and again while the ring must not be emptied: whether it came to busy, as it must."""
        for engine in (self.pair.native, self.pair.mirror):
            engine.memory.is_busy = True
        for _ in range(self.pair.mirror.memory.get("ring_frames") + 1):
            handle = given.handle(self.handles)
            outcome = Outcome(self.pair.call("step", handle, given.event_id, *given.words))
            if outcome is Outcome.BUSY:
                break
            if READING:
                row = self.live.get(handle)
                compare("outcome", self.reading.step(row, given.event_id, given.words), outcome)
                self.check()
        for engine in (self.pair.native, self.pair.mirror):
            engine.memory.is_busy = False
        return outcome is Outcome.BUSY

    def _read(self, handle: int, row: int | None, given: Input, expected: int | None, key: int | None) -> Outcome:
        """What the reading makes of an event."""
        what = (handle, given.event_id, (*given.words, *[0] * 6)[:6])
        before = self.taken.find(key)
        if row is not None and before is not None:
            self.reading.touch(row)
            return Outcome.DUPLICATE if before == what else Outcome.KEY_REUSED
        outcome = self.reading.step(row, given.event_id, given.words, expected)
        self.taken.note(key, what, outcome)
        return outcome

    def follow(self, inputs: list[Input], handles: list[int], outcomes: list[int]) -> None:
        """The reading of a batch that the engines took, without expected versions."""
        if not READING:
            return
        for given, handle, outcome in zip(inputs, handles, outcomes, strict=True):
            if given.now_ns is not None:
                self.reading.advance(given.now_ns)
            compare("outcome", self.reading.step(self.live.get(handle), given.event_id, given.words), outcome)
        self.check()

    def check(self) -> None:
        """The engines are equal in every byte when they have answered; so it is enough to look at one."""
        mirror = self.pair.mirror
        if self.numbers is not None:
            self._number(mirror.memory)
        self.reading.check(mirror, self.numbers)

    def _number(self, memory: Any) -> None:
        """Count the inputs among the frames that came since the last time; a row is what its last image says."""
        assert self.numbers is not None
        for frame in memory.frames(self._seen + 1):
            if frame.kind < FrameKind.ARGUMENTS and frame.kind is not FrameKind.POSITION:
                self.numbers[frame.sequence] = len(self.numbers) + 1
        self._seen = memory.get("applied")
        words = self.pair.tables.row_words
        rows = memoryview(memory.rows).cast("Q")
        for row in self.live.values():
            image = rows[row * words : (row + 1) * words].tolist()
            last = Frame(memory.frame(image[ROW_FRAME]))
            while not last.image:
                last = Frame(memory.frame(last.previous))
            assert [*last.image[:ROW_FRAME], *last.image[ROW_FRAME + 1 :]] == [
                *image[:ROW_FRAME],
                *image[ROW_FRAME + 1 :],
            ]
