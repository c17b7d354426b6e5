"""A reading of the chart beside an engine: it takes the same inputs, and says what every word of every row must be.

    Reading(chart, tables).step(row, event_id, words) ──▶ Outcome        the interpreter walks the chart
    .check(engine) ──▶ active states, rows, sequence and untold counts are those of the interpreter

The interpreter shares nothing with the compiler, so this is what catches an error that both engines would run
faithfully.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fsm.define.chart import Chart
from fsm.layout import ARGUMENT_WORDS, INT64_MAX, NONE, ROW_LIVE, Outcome
from fsm.tables import Tables
from tests.compile.interpreter import Fault, Interpreter, World

SECOND_NS = 1_000_000_000


class ChartDiffers(AssertionError):
    """What an engine says or holds is not what its chart says."""


class Reader(Interpreter):
    """An instance, and what of its row no interpreter has: the number of its last input, the second of its change."""

    def __init__(self, reading: Reading, words: dict[str, tuple[int, ...]] | None) -> None:
        super().__init__(reading.chart, reading.world.now, words)
        self.reading = reading
        self.frame = reading.sequence
        self.second = self.now // SECOND_NS & NONE
        self.counted = self.changed = 0

    def fire(self, slot: int, now: int) -> Outcome:
        """A timer, and then what every input leaves."""
        outcome = super().fire(slot, now)
        self.taken()
        return outcome

    def touched(self) -> None:
        """One more input that changes nothing but the number of the last one."""
        self.reading.sequence += 1
        self.frame = self.reading.sequence

    def taken(self) -> None:
        """Number the inputs that were taken since the last time."""
        self.reading.sequence += self.sequence_used - self.counted
        self.counted = self.sequence_used
        self.frame = self.reading.sequence
        if self.version != self.changed:
            self.changed, self.second = self.version, self.now // SECOND_NS & NONE

    def row(self, tables: Tables) -> list[int]:
        """The words of the row behind the first, signed."""
        fields = [word for field in self.chart.fields for word in self.words[field.name]]
        slots = [self.timers.get(slot, 0) for slot in range(tables.timer_slots)]
        waiting = [
            word for name, given in self.deferred
            for word in (tables.event_ids[name], *given)[: tables.deferral_words]
        ]  # fmt: skip
        deferral = [len(self.deferred), *waiting] if tables.deferral_words else []
        changed = _signed(self.version & NONE | self.second << 32)
        words = [self.frame, changed, *fields, *slots, *deferral]
        return words + [0] * (tables.row_words - 1 - len(words))


class Reading:
    """The instances of one chart, as an engine with these tables should hold them; a row is their number."""

    def __init__(self, chart: Chart, tables: Tables, now: int = 0) -> None:
        self.chart, self.tables = chart, tables
        self.world = World(now)
        self.sequence = 0
        self.readers: list[Reader | None] = []
        """By row; None for one that was released."""
        self.free: list[int] = []
        """Rows that were released, the one that is used again first at the end."""
        self.generations = Counter[int]()
        """Of the instance in each row."""

    def start(self, words: dict[str, tuple[int, ...]] | None = None) -> Outcome:
        """What starting an instance comes to; it is the next row where it is accepted."""
        self.sequence += 1
        try:
            reader = Reader(self, words)
        except Fault as fault:
            return Outcome[str(fault)]
        if self.free:
            row = self.free.pop()
            self.readers[row] = self.world.interpreters[row] = reader
        else:
            self.readers.append(reader)
            self.world.interpreters.append(reader)
        return Outcome.ACCEPTED

    def release(self, row: int) -> None:
        """Forget an instance that has ended; what nobody was told of stays counted."""
        self.sequence += 1
        self.world.fired += self.world.interpreters[row].untold
        self.world.interpreters[row].untold = []
        self.world.interpreters[row].armed = {}
        self.readers[row] = None
        self.free.append(row)
        self.generations[row] += 1

    def touch(self, row: int | None) -> None:
        """An input that comes to nothing without a look at the chart: a key that is there, a duplicate."""
        if row is None:
            self.sequence += 1
        else:
            self._reader(row).touched()

    def _reader(self, row: int) -> Reader:
        reader = self.readers[row]
        assert reader is not None, f"row {row} was released"
        return reader

    def step(self, row: int | None, event_id: int, words: Sequence[int], expected: int | None = None) -> Outcome:
        """What becomes of an event; row None is no instance."""
        if row is None:
            self.sequence += 1
            return Outcome.UNKNOWN_INSTANCE
        reader = self._reader(row)
        if event_id >= self.tables.event_count or expected not in (None, reader.version):
            reader.touched()
            return Outcome.UNKNOWN_EVENT if event_id >= self.tables.event_count else Outcome.VERSION
        given = (*words, *[0] * (ARGUMENT_WORDS - len(words)))
        outcome = self.world.step(row, self.tables.events[event_id].name, given)
        reader.taken()
        return outcome

    def advance(self, now_ns: int) -> int:
        """How many timers fire."""
        return self.world.advance(now_ns)

    def check(self, engine: Any, numbers: Mapping[int, int] | None = None) -> None:
        """Everything that the engine holds is what the chart says.

        numbers    with a journal: which frame tells the how manieth input; they have other numbers there
        """
        sequence = engine.sequence if numbers is None else len(numbers)
        compare("sequence and untold", (self.sequence, self.world.untold), (sequence, engine.untold))
        compare("instances", len(self.readers) - len(self.free), len(engine))
        rows = memoryview(engine.memory.rows).cast("q").tolist()
        for row, reader in enumerate(self.readers):
            if reader is None:
                continue
            first, *words = rows[row * self.tables.row_words :][: self.tables.row_words]
            words[0] = words[0] if numbers is None else numbers[words[0]]
            active = tuple(state.name for state in self.tables.active_states(first & NONE))
            compare(
                f"row {row}: active states and flags",
                (reader.active, ROW_LIVE << 16 | self.generations[row]),
                (active, first >> 32),
            )
            expected = reader.row(self.tables)
            if expected != words:
                raise ChartDiffers(f"row {row}: {self._names(expected, words)}")

    def _names(self, expected: list[int], actual: list[int]) -> str:
        """Which words differ, by name."""
        tables = self.tables
        names = {0: "frame", 1: "version and second"}
        names |= {field.word - 1 + n: field.name for field in tables.fields for n in range(field.word_count)}
        names |= {tables.field_end - 1 + slot: f"timer slot {slot}" for slot in range(tables.timer_slots)}
        pairs = enumerate(zip(expected, actual, strict=True))
        return ", ".join(
            f"{names.get(word, f'deferral {word}')} should be {one}, found {other}"
            for word, (one, other) in pairs
            if one != other
        )


def compare(what: str, expected: object, actual: object) -> None:
    """Raise `ChartDiffers` unless the engine's is what the chart says."""
    if expected != actual:
        raise ChartDiffers(f"{what}: the chart says {expected!r}, and the engines say {actual!r}")


def _signed(word: int) -> int:
    return word - (1 << 64) if word > INT64_MAX else word
