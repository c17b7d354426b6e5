"""The macrostep of the mirror: what an input makes of the image of a row, and nothing else changes.

    image, column, arguments ──▶ cell ──▶ refuse | ignore | defer | go
                                  └────▶ program: guards decide, actions run on registers
                                            └─next─▶ eventless, then the oldest internal event ─┐
                                            ▲───────────────────────────────────────────────────┘
    ──▶ Decision: outcome, the image after it, the place of a fault, the timer slots that were set

Numbers here are Python's: where a word of 64 bits would overflow, a test says so. `native/step.h` says the same in C.
"""

from __future__ import annotations

from fsm.layout import (
    ARGUMENT_WORDS,
    ENGINE_REGISTERS,
    INT64_MAX,
    INT64_MIN,
    NONE,
    NOW_OFFSET,
    ROW_FIELDS,
    ROW_FRAME,
    ROW_STATE,
    ROW_VERSION,
    UINT64_MASK,
    Cell,
    Going,
    Opcode,
    Outcome,
    Rounding,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from fsm.tables import Tables

ACCEPTING: Final = frozenset({Opcode.GO, Opcode.STAY, Opcode.NEXT, Opcode.NEXT_STAY})
GOING_ON: Final = frozenset({Opcode.NEXT, Opcode.NEXT_STAY})


class Fault(Exception):
    """A step that cannot be made: everything it decided is forgotten."""

    def __init__(self, outcome: Outcome, place: int = NONE) -> None:
        self.outcome, self.place = outcome, place


class Decision:
    """What becomes of an input.

    outcome     DEFERRED says that the flow defers it; whether there is room is for the caller to see
    image       the row's words after it, as uint64; those from before where it was not accepted
    place       of a fault, or None
    slots       words of the row that hold timers which were armed or cancelled
    at_most     DEFERRED: how many events may wait before this one
    """

    __slots__ = ("at_most", "image", "outcome", "place", "slots")

    def __init__(
        self, outcome: Outcome, image: list[int], place: int | None = None, slots: frozenset[int] = frozenset(),
        at_most: int = 0,
    ) -> None:  # fmt: skip
        self.outcome, self.image, self.place, self.slots, self.at_most = outcome, image, place, slots, at_most


class End:
    """Where a program, or a cell without one, ended."""

    __slots__ = ("configuration", "goes_on", "outcome", "place", "value")

    def __init__(
        self, outcome: Outcome, configuration: int, *, goes_on: bool = False, value: int = 0, place: int = NONE
    ) -> None:
        self.outcome, self.configuration, self.goes_on = outcome, configuration, goes_on
        self.value, self.place = value, place


class Macrostep:
    """The tables of a flow, and the registers in which its programs run."""

    __slots__ = ("_raised", "_registers", "_slots", "tables")

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._registers = [0] * (tables.row_words + ENGINE_REGISTERS + tables.temporary_count) + list(tables.constants)
        self._raised: list[int] = []
        self._slots: set[int] = set()

    def decide(self, image: list[int], column: int, arguments: Sequence[int], now_ns: int) -> Decision:
        """What becomes of an event or timer in an instance with this image."""
        return self._run(image, self.tables.cells[image[ROW_STATE] & NONE, column], arguments, now_ns)

    def start(self, image: list[int], now_ns: int) -> Decision:
        """What becomes of a new instance, which enters its initial configuration."""
        if self.tables.start == NONE:
            return Decision(Outcome.ACCEPTED, image)
        decision = self._run(image, Cell.PROGRAM | self.tables.start << 32, [0] * ARGUMENT_WORDS, now_ns)
        decision.image[ROW_VERSION] = image[ROW_VERSION]
        return decision

    def _run(self, image: list[int], cell: int, arguments: Sequence[int], now_ns: int) -> Decision:
        """The whole macrostep, or the refusal that undoes it."""
        row_words = self.tables.row_words
        self._registers[ROW_FIELDS:row_words] = [signed(word) for word in image[ROW_FIELDS:]]
        self._registers[row_words : row_words + ARGUMENT_WORDS] = arguments
        self._registers[row_words + NOW_OFFSET] = now_ns
        self._raised, self._slots = [], set()
        try:
            end = self._end_of(cell, image[ROW_STATE] & NONE)
            if end.outcome is not Outcome.ACCEPTED:
                return Decision(end.outcome, image, at_most=end.value)
            configuration = self._settle(end)
        except Fault as fault:
            return Decision(fault.outcome, image, fault.place)
        return Decision(Outcome.ACCEPTED, self._accepted(image, configuration, now_ns), slots=frozenset(self._slots))

    def _settle(self, end: End) -> int:
        """The configuration in which the macrostep ends: further microsteps, until none is enabled."""
        microsteps = 0
        while end.goes_on:
            taken = self._next_microstep(end.configuration)
            if taken is None:
                break
            end, microsteps = taken, microsteps + 1
            if microsteps > self.tables.microsteps_max:
                raise Fault(Outcome.BOUND, end.place)
        return end.configuration

    def _next_microstep(self, configuration: int) -> End | None:
        """Eventless transitions first; then internal events, oldest first, until one of them enables something."""
        tables = self.tables
        columns = [tables.always_column] if tables.always_count else []
        while True:
            for column in columns:
                end = self._end_of(tables.cells[configuration, column], configuration)
                if end.outcome is Outcome.ACCEPTED:
                    return end
            if not self._raised:
                return None
            columns = [self._raised.pop(0)]

    def _end_of(self, cell: int, configuration: int) -> End:
        """What a cell comes to."""
        kind, value = cell & 0xFF, cell >> 32
        if kind == Cell.PROGRAM:
            return self._end_of_program(value, configuration)
        if kind == Cell.GO:
            return End(Outcome.ACCEPTED, value)
        if kind == Cell.DEFER:
            return End(Outcome.DEFERRED, configuration, value=value)
        return End(Outcome.IGNORED if kind == Cell.IGNORE else Outcome(cell >> 8 & 0xFF), configuration)

    def _end_of_program(self, pc: int, configuration: int) -> End:
        """Run a program to the instruction where it ends."""
        registers, code, places = self._registers, self.tables.code, self.tables.places
        accumulator = 0
        while True:
            instruction, place = code[pc], places[pc]
            opcode, mode = instruction & 0xFF, instruction >> 8 & 0xFF
            a, b, c = instruction >> 16 & 0xFFFF, instruction >> 32 & 0xFFFF, instruction >> 48
            pc += 1
            if opcode in ACCEPTING:
                if opcode in (Opcode.GO, Opcode.NEXT):
                    value = instruction >> 32
                    configuration = self._successor(configuration, value) if mode == Going.SUCCESSOR else value
                if configuration >= self.tables.configuration_count:
                    raise Fault(Outcome.BOUND, place)
                return End(Outcome.ACCEPTED, configuration, goes_on=opcode in GOING_ON, place=place)
            if opcode == Opcode.REFUSE:
                return End(Outcome(a), configuration)
            if opcode == Opcode.IGNORE:
                return End(Outcome.IGNORED, configuration)
            if opcode == Opcode.DEFER:
                return End(Outcome.DEFERRED, configuration, value=a)
            if opcode == Opcode.FOLLOW:
                configuration = self._successor(configuration, b)
            elif opcode == Opcode.JUMP:
                pc += instruction >> 32
            elif opcode in JUMPS:
                if JUMPS[opcode](registers[a], registers[b]):
                    pc += c
            elif opcode == Opcode.WIDEN:
                accumulator = registers[b] * registers[c]
            else:
                try:
                    self._do(opcode, mode, a, b, c, accumulator)
                except Fault as fault:
                    raise Fault(fault.outcome, place) from None

    def _successor(self, configuration: int, number: int) -> int:
        """The configuration, or one that is only passed through, after one transition alone."""
        return int(self.tables.successors[configuration * self.tables.successor_count + number])

    def _do(self, opcode: int, mode: int, a: int, b: int, c: int, accumulator: int) -> None:
        """Instructions that write a register, set a timer, raise or fault."""
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
        elif opcode == Opcode.ARM:
            now_ns = registers[self.tables.row_words + NOW_OFFSET]
            registers[a] = max(1, _trapped(now_ns + registers[b])) if mode else registers[b]
            self._slots.add(a)
        elif opcode == Opcode.CANCEL:
            registers[a] = 0
            self._slots.add(a)
        elif opcode == Opcode.RAISE:
            if len(self._raised) >= self.tables.raised_max:
                raise Fault(Outcome.BOUND)
            self._raised.append(a)

    def _accepted(self, image: list[int], configuration: int, now_ns: int) -> list[int]:
        """The words of a row after an accepted step: configuration, version, second of the change, fields, timers."""
        version, second = (image[ROW_VERSION] + 1) & NONE, now_ns // 1_000_000_000 & NONE
        fields = [word & UINT64_MASK for word in self._registers[ROW_FIELDS : self.tables.row_words]]
        return [image[ROW_STATE] >> 32 << 32 | configuration, image[ROW_FRAME], version | second << 32, *fields]


JUMPS: Final[dict[int, Callable[[int, int], bool]]] = {
    Opcode.JUMP_LESS: int.__lt__,
    Opcode.JUMP_NOT_LESS: int.__ge__,
    Opcode.JUMP_EQUAL: int.__eq__,
    Opcode.JUMP_NOT_EQUAL: int.__ne__,
}


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


def signed(word: int) -> int:
    """A uint64 read as an int64."""
    return word - (1 << 64) if word > INT64_MAX else word


def _divisor(value: int) -> int:
    if value == 0:
        raise Fault(Outcome.DIVISION)
    return value
