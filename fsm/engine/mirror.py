"""The mirror: the engine in plain Python over the same buffers, and the specification that the native core is held to.

    handle ──▶ row ──▶ cell ──▶ go | refuse | ignore
                         └────▶ program: decide on an image in registers ──▶ commit the image to the row

Read this first. It says each thing once, in the order in which it happens; `native/step.h` says the same in C,
with tricks. Numbers here are Python's: where a word of 64 bits would overflow, a test says so.
"""

from __future__ import annotations

from array import array
from operator import index as integer
from time import monotonic_ns

from fsm.engine.keys import INTEGER_KEY, hash_key
from fsm.engine.protocol import UNKNOWN, Engine
from fsm.errors import ConcurrentUse, FsmError, StoreFull
from fsm.layout import (
    ARGUMENT_WORDS,
    GENERATION_MASK,
    HEADER_FIELDS,
    INT64_MAX,
    INT64_MIN,
    KEY_BYTES,
    KEY_INTEGER,
    NONE,
    ROW_FIELDS,
    ROW_FRAME,
    ROW_LIVE,
    ROW_STATE,
    ROW_VERSION,
    UINT64_MASK,
    Cell,
    Opcode,
    Outcome,
    Rounding,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

    from fsm.engine.memory import PrivateMemory
    from fsm.tables import Tables

SEQUENCE: Final = HEADER_FIELDS["sequence"]
NOW: Final = HEADER_FIELDS["now_ns"]
PLACE: Final = HEADER_FIELDS["place"]
ROW_COUNT: Final = HEADER_FIELDS["row_count"]
CAPACITY: Final = HEADER_FIELDS["capacity"]


class Fault(Exception):
    """A step that cannot be made: everything it decided is forgotten."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Decision:
    """What becomes of an event: its outcome, the row's words after it as uint64, and the place of a fault."""

    __slots__ = ("image", "outcome", "place")

    def __init__(self, outcome: Outcome, image: list[int], place: int | None = None) -> None:
        self.outcome, self.image, self.place = outcome, image, place


class MirrorEngine(Engine):
    """Engine "mirror": what the native core does, a hundred times slower, wherever Python runs."""

    __slots__ = ("_header_words", "_index", "_registers", "_rows", "_writer", "memory", "tables")
    engine = "mirror"
    _writer: object

    def _attach(self, tables: Tables, memory: PrivateMemory, index_is_empty: bool = False) -> None:
        """Take the buffers of `memory`, which `tables` fit."""
        rows, header = memoryview(memory.rows).cast("Q"), memoryview(memory.header).cast("Q")
        index = memoryview(memory.index).cast("Q")
        registers = [0] * (tables.row_words + ARGUMENT_WORDS + tables.temporary_count) + list(tables.constants)
        if index_is_empty:
            for row in range(header[ROW_COUNT]):
                key = memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]
                hashed = hash_key(key)
                index[find_slot(index, memory.keys, key, hashed)] = hashed >> 32 << 32 | row + 1
        # No call from here on, so that no signal can cut it in two.
        self.tables, self.memory, self._writer = tables, memory, self._writer if index_is_empty else None
        self._rows, self._header_words, self._index, self._registers = rows, header, index, registers

    @property
    def sequence(self) -> int:
        """The number of the last input taken: 0 before the first."""
        return self._header("sequence", "sequence")

    # --- the step ---

    def step(
        self,
        instance: int,
        event_id: int,
        a0: int = 0,
        a1: int = 0,
        a2: int = 0,
        a3: int = 0,
        a4: int = 0,
        a5: int = 0,
        /,
        *,
        key: object = None,
        expected: int | None = None,
        correlation: object = None,
    ) -> int:
        """One event run to completion; returns an `Outcome` code. `fsm.engine.protocol` documents it."""
        instance = _word("instance", instance, 0, UINT64_MASK)
        event_id = _word("event_id", event_id, 0, NONE)
        words = [_word("argument", word, INT64_MIN, INT64_MAX) for word in (a0, a1, a2, a3, a4, a5)]
        if expected is not None:
            expected = _word("expected", expected, 0, UINT64_MASK)
        return int(self._alone("step", self._step, instance, event_id, words, key, expected, correlation))

    def _step(
        self, instance: int, event_id: int, words: list[int], key: object, expected: int | None, correlation: object
    ) -> Outcome:
        if key is not None or correlation is not None:
            raise ValueError(
                "step: key= and correlation= are kept by a journal, and this engine has none. "
                "Leave them out, or open the flow on a store."
            )
        return self._take(instance, event_id, words, expected)

    def _take(self, instance: int, event_id: int, arguments: list[int], expected: int | None = None) -> Outcome:
        """Number the input, find its row, decide, and write what was decided: all of it, or nothing."""
        header, rows, row_words = self._header_words, self._rows, self.tables.row_words
        sequence = header[SEQUENCE] + 1
        base = self._base(instance)
        if base is None:
            header[SEQUENCE] = sequence
            return Outcome.UNKNOWN_INSTANCE
        end = base + row_words
        decision = self._decide(rows[base:end].tolist(), event_id, arguments, expected)
        image = decision.image
        image[ROW_FRAME] = sequence
        after = array("Q", image)
        place = header[PLACE] if decision.place is None else decision.place
        # No call from here on, so that no signal can cut it in two.
        rows[base:end] = after
        header[PLACE] = place
        header[SEQUENCE] = sequence
        return decision.outcome

    def _decide(self, image: list[int], event_id: int, arguments: list[int], expected: int | None) -> Decision:
        """What becomes of the event, and the row's words after it; touches nothing."""
        if not 0 <= event_id < self.tables.event_count:
            return Decision(Outcome.UNKNOWN_EVENT, image)
        if expected is not None and image[ROW_VERSION] & NONE != expected:
            return Decision(Outcome.VERSION, image)
        configuration = image[ROW_STATE] & NONE
        cell = self.tables.cells[configuration, event_id]
        kind, value = cell & 0xFF, cell >> 32
        if kind == Cell.PROGRAM:
            return self._run(image, arguments, value)
        if kind == Cell.GO:
            return Decision(Outcome.ACCEPTED, self._accepted(image, value))
        if kind == Cell.IGNORE:
            return Decision(Outcome.IGNORED, image)
        return Decision(Outcome(cell >> 8 & 0xFF), image)

    def _accepted(self, image: list[int], configuration: int) -> list[int]:
        """The words of a row after an accepted step: configuration, version, second of the change."""
        version = (image[ROW_VERSION] + 1) & NONE
        return [
            image[ROW_STATE] >> 32 << 32 | configuration,
            image[ROW_FRAME],
            version | self._second() << 32,
            *image[ROW_FIELDS:],
        ]

    def _base(self, instance: int) -> int | None:
        """Word offset of the row of a live instance of this generation."""
        row, generation = instance & NONE, instance >> 32
        if row >= self._header_words[ROW_COUNT]:
            return None
        base = row * self.tables.row_words
        # A sum, so that bits of the handle above the generation are never taken for the flags of the row.
        if self._rows[base + ROW_STATE] >> 32 != generation + (ROW_LIVE << 16):
            return None
        return base

    def _second(self) -> int:
        return self._header_words[NOW] // 1_000_000_000 & NONE

    def _run(self, image: list[int], arguments: list[int], pc: int) -> Decision:
        """Run a program in registers, on the fields of the image, to the outcome where it ends."""
        registers, code, row_words = self._registers, self.tables.code, self.tables.row_words
        registers[ROW_FIELDS:row_words] = [_signed(word) for word in image[ROW_FIELDS:]]
        registers[row_words : row_words + ARGUMENT_WORDS] = arguments
        accumulator = 0
        while True:
            instruction = code[pc]
            opcode, mode = instruction & 0xFF, instruction >> 8 & 0xFF
            a, b, c = instruction >> 16 & 0xFFFF, instruction >> 32 & 0xFFFF, instruction >> 48
            pc += 1
            if opcode == Opcode.GO or opcode == Opcode.STAY:
                fields = [word & UINT64_MASK for word in registers[ROW_FIELDS:row_words]]
                configuration = instruction >> 32 if opcode == Opcode.GO else image[ROW_STATE] & NONE
                return Decision(Outcome.ACCEPTED, self._accepted([*image[:ROW_FIELDS], *fields], configuration))
            if opcode == Opcode.REFUSE:
                return Decision(Outcome(a), image)
            if opcode == Opcode.IGNORE:
                return Decision(Outcome.IGNORED, image)
            if opcode == Opcode.JUMP:
                pc += instruction >> 32
            elif opcode in JUMPS:
                if JUMPS[opcode](registers[a], registers[b]):
                    pc += c
            elif opcode == Opcode.WIDEN:
                accumulator = registers[b] * registers[c]
            else:
                try:
                    self._calculate(opcode, mode, a, b, c, accumulator)
                except Fault as fault:
                    return Decision(fault.outcome, image, self.tables.places[pc - 1])

    def _calculate(self, opcode: int, mode: int, a: int, b: int, c: int, accumulator: int) -> None:
        """Instructions that write a register or fault."""
        registers = self._registers
        if opcode == Opcode.MOVE:
            registers[a] = registers[b]
        elif opcode == Opcode.ADD:
            registers[a] = _trapped(registers[b] + registers[c])
        elif opcode == Opcode.SUBTRACT:
            registers[a] = _trapped(registers[b] - registers[c])
        elif opcode == Opcode.MULTIPLY:
            registers[a] = _trapped(registers[b] * registers[c])
        elif opcode == Opcode.MINIMUM:
            registers[a] = min(registers[b], registers[c])
        elif opcode == Opcode.MAXIMUM:
            registers[a] = max(registers[b], registers[c])
        elif opcode == Opcode.MODULO:
            registers[a] = registers[b] % _divisor(registers[c])
        elif opcode == Opcode.DIVIDE:
            registers[a] = _trapped(divide(accumulator, _divisor(registers[b]), mode))
        elif opcode == Opcode.BOUND and not registers[b] <= registers[a] <= registers[c]:
            raise Fault(Outcome.BOUND)

    # --- the clock, and the end ---

    def advance(self, now_ns: int, /) -> int:
        """Move the clock forward to `now_ns`; an earlier time changes nothing. Returns the number of timers fired."""
        now_ns = _word("now_ns", now_ns, 0, UINT64_MASK)
        self._alone("advance", self._set_clock, now_ns)
        return 0

    def _set_clock(self, now_ns: int) -> None:
        if now_ns > self._header_words[NOW]:
            self._header_words[NOW] = now_ns

    def close(self) -> None:
        """Let go of the memory; every later call raises."""
        if self.memory is not None:
            self._alone("close", self._close)

    def _close(self) -> None:
        self.memory: Any = None
        del self._rows, self._header_words, self._index

    def _enter(self, operation: str) -> None:
        """Refuse a second thread and a closed engine."""
        if self.memory is None:
            raise FsmError(f"{operation}: this engine is closed. Open another one.")
        if self._writer is not None:
            raise ConcurrentUse(operation)

    def _alone(self, operation: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Call `work` with every other thread kept out; whatever interrupts it opens the gate again."""
        writer = object()
        try:
            if self.memory is None or self._writer is not None:
                self._enter(operation)
            self._writer = writer  # nothing was called since it was found free, so no thread came in between
            return work(*arguments)
        finally:
            if self._writer is writer:
                self._writer = None

    # --- keys ---

    def _find(self, key: bytes) -> int | None:
        self._enter("find")
        entry = self._index[find_slot(self._index, self.memory.keys, key, hash_key(key))]
        return self._handle(entry) if entry else None

    def _start(self, key: bytes, initial: memoryview) -> tuple[int, bool]:
        started: tuple[int, bool] = self._alone("start", self._start_row, key, initial)
        return started

    def _start_row(self, key: bytes, initial: memoryview) -> tuple[int, bool]:
        header, rows, index, row_words = self._header_words, self._rows, self._index, self.tables.row_words
        sequence, row, hashed = header[SEQUENCE] + 1, header[ROW_COUNT], hash_key(key)
        slot = find_slot(index, self.memory.keys, key, hashed)
        if entry := index[slot]:
            frame = ((entry & NONE) - 1) * row_words + ROW_FRAME
            handle = self._handle(entry)
            rows[frame] = sequence
            header[SEQUENCE] = sequence
            return handle, False
        if row >= header[CAPACITY]:
            raise StoreFull(header[CAPACITY])
        self.memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] = key
        state = self.tables.initial_configuration | ROW_LIVE << 48
        fields = initial.cast("B").cast("Q").tolist()
        base, image = row * row_words, array("Q", [state, sequence, self._second() << 32, *fields])
        # No call from here on, so that no signal can cut it in two.
        rows[base : base + row_words] = image
        index[slot] = hashed >> 32 << 32 | row + 1
        header[ROW_COUNT] = row + 1
        header[SEQUENCE] = sequence
        return row, True

    def _handle(self, entry: int) -> int:
        """The handle of the row that an index entry names: row in the low half, its generation above."""
        row = (entry & NONE) - 1
        return row | (self._rows[row * self.tables.row_words] >> 32 & GENERATION_MASK) << 32

    # --- many at a time ---

    def _step_many_into(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, outcomes: Any, nanoseconds: Any
    ) -> None:
        self._alone("step_many", self._step_all, instances, event_ids, arguments, times, outcomes, nanoseconds)

    def _step_all(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, outcomes: Any, nanoseconds: Any
    ) -> None:
        padding = [0] * (ARGUMENT_WORDS - arguments.shape[1])
        moments = [0] * len(instances) if times is None else times.tolist()
        inputs = zip(instances.tolist(), event_ids.tolist(), arguments.tolist(), moments, strict=True)
        for position, (instance, event_id, words, moment) in enumerate(inputs):
            self._set_clock(moment)
            begin = monotonic_ns()
            outcomes[position] = self._take(instance, event_id, words + padding)
            if nanoseconds is not None:
                nanoseconds[position] = min(monotonic_ns() - begin, NONE)

    def _find_many_into(self, keys: Any, handles: Any) -> None:
        self._enter("find")
        for position, key in enumerate(_integer_keys(keys)):
            found = self._find(key)
            handles[position] = UNKNOWN if found is None else found

    def _start_many_into(self, keys: Any, handles: Any) -> None:
        self._alone("start", self._start_all, keys, handles)

    def _start_all(self, keys: Any, handles: Any) -> None:
        for position, key in enumerate(_integer_keys(keys)):
            entry = self._index[find_slot(self._index, self.memory.keys, key, hash_key(key))]
            handles[position] = self._handle(entry) if entry else self._start_row(key, self.tables.initial)[0]

    def _select(self, wanted: bytes, changed_before: int) -> list[int]:
        self._enter("select")
        handles = []
        for row in range(self._header_words[ROW_COUNT]):
            base = row * self.tables.row_words
            state = self._rows[base + ROW_STATE]
            live = state >> 48 & ROW_LIVE and wanted[state & NONE]
            if live and self._rows[base + ROW_VERSION] >> 32 < changed_before:
                handles.append(row | (state >> 32 & GENERATION_MASK) << 32)
        return handles

    @staticmethod
    def _clock_floor_ns() -> int:
        """What two readings of the clock cost, at the least: the floor of every latency that is measured."""
        return min(-monotonic_ns() + monotonic_ns() for _ in range(1000))


JUMPS: Final[dict[int, Callable[[int, int], bool]]] = {
    Opcode.JUMP_LESS: int.__lt__,
    Opcode.JUMP_NOT_LESS: int.__ge__,
    Opcode.JUMP_EQUAL: int.__eq__,
    Opcode.JUMP_NOT_EQUAL: int.__ne__,
}


def find_slot(index: memoryview, keys: Any, key: bytes, hashed: int) -> int:
    """The slot of the key, or the free one where it would go. The index is never more than half full."""
    mask = len(index) - 1
    slot = hashed & mask
    while entry := index[slot]:
        row = (entry & NONE) - 1
        if entry >> 32 == hashed >> 32 and keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] == key:
            break
        slot = slot + 1 & mask
    return slot


def divide(dividend: int, divisor: int, mode: int) -> int:
    """`dividend / divisor`, rounded by a `Rounding`."""
    floor, remainder = divmod(dividend, divisor)
    if remainder == 0:
        return floor
    ceiling, negative = floor + 1, floor < 0
    toward_zero, away = (ceiling, floor) if negative else (floor, ceiling)
    if mode in (Rounding.FLOOR, Rounding.CEILING):
        return floor if mode == Rounding.FLOOR else ceiling
    if mode in (Rounding.DOWN, Rounding.UP):
        return toward_zero if mode == Rounding.DOWN else away
    half = 2 * abs(remainder) - abs(divisor)
    if half != 0:
        return ceiling if half > 0 else floor
    if mode == Rounding.HALF_EVEN:
        return floor if floor % 2 == 0 else ceiling
    return away if mode == Rounding.HALF_UP else toward_zero


def _trapped(value: int) -> int:
    """The value, where a word holds it: Python's integers must not hide an overflow that the core traps."""
    if not INT64_MIN <= value <= INT64_MAX:
        raise Fault(Outcome.OVERFLOW)
    return value


def _signed(word: int) -> int:
    """A uint64 read as an int64."""
    return word - (1 << 64) if word > INT64_MAX else word


def _divisor(value: int) -> int:
    if value == 0:
        raise Fault(Outcome.DIVISION)
    return value


def _word(name: str, value: Any, low: int, high: int) -> int:
    """An argument as the core's C types take it. Raises `TypeError` or `OverflowError`."""
    number = integer(value)
    if not low <= number <= high:
        raise OverflowError(f"{name}: expected {low} to {high}, found {number}")
    return number


def _integer_keys(keys: Any) -> Iterator[bytes]:
    return (INTEGER_KEY.pack(KEY_INTEGER, key) for key in keys.tolist())
