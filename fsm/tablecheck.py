"""What must hold of tables before anything believes them: every index, every operand, every jump.

The engine's loop does no checks of its own. It is safe because of what is shown here: a program only jumps forward and
ends in an outcome, reads registers that exist and temporaries that were written before, and writes fields, temporaries
and timer slots only, each in its own way; a cell leads to a program, a configuration or a refusal that exists. One
thing is looked at when it happens: that a step ends in a configuration and not in one that is only passed through.
"""

from __future__ import annotations

import sys

from fsm.errors import CorruptTables
from fsm.layout import (
    ARGUMENT_WORDS,
    ENGINE_REGISTERS,
    JUMP_OPCODES,
    NONE,
    ROW_FIELDS,
    ROW_WORDS_MAX,
    TERMINAL_OPCODES,
    TEXT_BYTES_MAX,
    TIMER_SLOTS_MAX,
    Cell,
    FieldKind,
    Going,
    Opcode,
    Outcome,
    Rounding,
    StateKind,
    Trigger,
)

# Not by hashlib, which loads OpenSSL: a fifth of what a process that opens a store spends on imports.
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # a Python that was built without them
    from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final, NoReturn


class Header:
    """The words of the header in their order in the file, as `fsm.tables` draws it."""

    __slots__ = (
        "row_words", "temporary_count", "fingerprint", "initial_configuration", "semantics_version", "name",
        "documentation", "done_count", "always_count", "timer_slots", "deferral_slots", "deferral_words",
        "successor_count", "raised_max", "microsteps_max", "start",
    )  # fmt: skip

    row_words: int
    temporary_count: int
    fingerprint: bytes
    initial_configuration: int
    semantics_version: int
    name: int
    documentation: int
    done_count: int
    always_count: int
    timer_slots: int
    deferral_slots: int
    deferral_words: int
    successor_count: int
    raised_max: int
    microsteps_max: int
    start: int

    def __init__(self, **words: Any) -> None:
        for name in self.__slots__:
            setattr(self, name, words.pop(name))
        assert not words, f"the header has no {', '.join(words)}"

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self.__slots__)


REGISTERS_MAX: Final = 1 << 16
TEMPORARIES_MAX: Final = 1 << 10
"""More than any term needs; the walk below keeps a bit for each at every jump, and must not be made to fill memory."""
CONFIGURATIONS_MAX: Final = 1 << 24
DEFERRAL_SLOTS_MAX: Final = 1000
RAISED_MAX: Final = 1024
MICROSTEPS_MAX: Final = 0xFFFF
"""With the queue of internal events, what bounds the time of a step: programs have no loops."""
MODES_MAX: Final[dict[int, int]] = {
    Opcode.DIVIDE: max(Rounding), Opcode.GO: max(Going), Opcode.NEXT: max(Going), Opcode.ARM: 1,
}  # fmt: skip
OPCODE_MAX: Final = max(Opcode)
CHART_OPCODES: Final = frozenset({Opcode.FOLLOW, Opcode.ARM, Opcode.CANCEL, Opcode.RAISE})
NOT_TAKEN: Final = frozenset({Opcode.REFUSE, Opcode.IGNORE, Opcode.DEFER})
"""Ends of a program that enable nothing: the bound on microsteps counts none of them."""
REFUSALS: Final = frozenset(int(outcome) for outcome in Outcome if outcome.refused)


def check(header: Header, views: Mapping[str, memoryview]) -> None:
    """Raise `CorruptTables` unless the sections agree with one another to the last index."""
    _check_strings(views)
    _check_header(header, views)
    _check_records(header, views)
    _check_configurations(header, views)
    entries = _check_cells(header, views)
    _check_code(header, views, entries)


def fingerprint(chart: bytes | memoryview) -> bytes:
    """The SHA-256 of a canonical chart."""
    digest: bytes = sha256(chart).digest()
    return digest


def word_count(kind: int, parameter: int) -> int:
    """Words that a field or argument takes."""
    return (parameter + 7) // 8 if kind == FieldKind.TEXT else 1


def _fail(section: str, index: int, reason: str) -> NoReturn:
    raise CorruptTables(index, f"section {section}, entry {index}: {reason}")


def _check_strings(views: Mapping[str, memoryview]) -> None:
    offsets, text = views["strings"], bytes(views["text"])
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(text):
        _fail("strings", 0, f"the strings do not cover the {len(text)} bytes of text")
    previous = 0
    for index, offset in enumerate(offsets):
        if offset < previous or offset > len(text):
            _fail("strings", index, f"offset {offset} is not between {previous} and {len(text)}")
        try:
            text[previous:offset].decode()
        except UnicodeDecodeError as error:
            _fail("strings", index, f"no UTF-8: {error.reason}")
        previous = offset


def _check_header(header: Header, views: Mapping[str, memoryview]) -> None:
    string_count = len(views["strings"]) - 1
    if not 8 <= header.row_words <= ROW_WORDS_MAX or header.row_words % 8:
        _fail("header", 0, f"rows of {header.row_words} words, expected a multiple of 8 up to {ROW_WORDS_MAX}")
    registers = header.row_words + ENGINE_REGISTERS + header.temporary_count + len(views["constants"])
    if registers > REGISTERS_MAX:
        _fail("header", 0, f"{registers} registers, and an operand names at most {REGISTERS_MAX}")
    if header.temporary_count > TEMPORARIES_MAX:
        _fail("header", 0, f"{header.temporary_count} temporaries, expected at most {TEMPORARIES_MAX}")
    if header.name >= string_count or header.documentation >= string_count:
        _fail("header", 0, "the flow's name or documentation is no string of the file")
    if len(views["initial"]) != header.row_words - ROW_FIELDS:
        _fail("initial", 0, f"{len(views['initial'])} words, expected {header.row_words - ROW_FIELDS}")
    _check_bounds(header, views)
    try:
        str(views["chart"], "utf-8")
    except UnicodeDecodeError as error:
        _fail("chart", error.start, f"no UTF-8: {error.reason}")
    if fingerprint(views["chart"]) != header.fingerprint:
        _fail("header", 0, "the fingerprint is not that of the chart in the file")


def _check_bounds(header: Header, views: Mapping[str, memoryview]) -> None:
    """What the row has room for besides fields, and what a macrostep may use."""
    limits = {
        "done_count": len(views["states"]) // 9,
        "always_count": 1,
        "timer_slots": TIMER_SLOTS_MAX,
        "deferral_slots": DEFERRAL_SLOTS_MAX,
        "successor_count": REGISTERS_MAX - 1,
        "raised_max": RAISED_MAX,
        "microsteps_max": MICROSTEPS_MAX,
    }
    for name, limit in limits.items():
        if getattr(header, name) > limit:
            _fail("header", 0, f"{name} is {getattr(header, name)}, expected at most {limit}")
    if not header.raised_max or not header.microsteps_max:
        _fail("header", 0, "raised_max and microsteps_max are 1 or more")
    if header.deferral_words > 1 + ARGUMENT_WORDS or (header.deferral_words == 0) != (header.deferral_slots == 0):
        _fail("header", 0, f"{header.deferral_slots} deferred events of {header.deferral_words} words")
    end = field_end(views) + header.timer_slots
    end += 1 + header.deferral_slots * header.deferral_words if header.deferral_slots else 0
    if end > header.row_words:
        _fail("header", 0, f"a row of {header.row_words} words has no room for {end}")
    behind = field_end(views) - ROW_FIELDS
    if any(views["initial"][behind:]):
        _fail("initial", behind, "a new instance would have timers or deferred events that nothing has made")
    if header.start != NONE and header.start >= len(views["code"]):
        _fail("header", 0, f"the start program begins at {header.start}, and there are {len(views['code'])} words")


def _check_records(header: Header, views: Mapping[str, memoryview]) -> None:
    counts = {
        "string": len(views["strings"]) - 1,
        "state": len(views["states"]) // 9,
        "event": len(views["events"]) // 6,
        "transition": len(views["transitions"]) // 11,
        "state kind": max(StateKind) + 1,
        "trigger": max(Trigger) + 1,
        "slot": header.timer_slots,
        "boolean": 2,
        "any": NONE + 1,
    }
    columns = {
        "states": (
            "string",
            "state kind",
            "state?",
            "boolean",
            "state?",
            "string?",
            "string?",
            "string",
            "any",
        ),
        "events": ("string", "any", "any", "any", "string", "any"),
        "options": ("string",),
        "transitions": (
            "state",
            "trigger",
            "event?",
            "boolean",
            "any",
            "any",
            "string?",
            "string?",
            "string?",
            "string",
            "any",
        ),
        "targets": ("state",),
        "ignores": ("state", "event", "string", "any"),
        "defers": ("state", "event", "any", "string", "any"),
        "timers": ("state", "slot", "trigger", "string", "string", "any"),
        "sources": ("string", "transition?", "string", "any"),
        "waivers": ("string", "string", "string"),
    }
    for section, meanings in columns.items():
        words = views[section].tolist()
        for column, meaning in enumerate(meanings):
            limit, optional = counts[meaning.rstrip("?")], meaning.endswith("?")
            for row, value in enumerate(words[column :: len(meanings)]):
                if value >= limit and not (optional and value == NONE):
                    _fail(section, row, f"{value} is no {meaning.rstrip('?')}; there are {limit}")
    _check_parents(views["states"].tolist())
    _check_targets(views["transitions"].tolist(), len(views["targets"]))
    _check_variables("fields", views, ROW_FIELDS, header.row_words)
    _check_variables("arguments", views, 0, ARGUMENT_WORDS)
    for row in range(counts["event"]):
        _check_arguments(row, views)


def _check_arguments(row: int, views: Mapping[str, memoryview]) -> None:
    """The arguments of an event stand one after the other, and fill the words that it says it has."""
    _, first, count, word_total = views["events"][row * 6 : row * 6 + 4]
    argument_count = len(views["arguments"]) // 6
    if first > argument_count or count > min(ARGUMENT_WORDS, argument_count - first):
        _fail("events", row, f"arguments {first} to {first + count}, and there are {argument_count}")
    end = 0
    for argument in range(first, first + count):
        _, kind, parameter, _, _, word = views["arguments"][argument * 6 : argument * 6 + 6]
        if word != end:
            _fail("arguments", argument, f"begins at word {word}, and the one before it ends at {end}")
        end += word_count(kind, parameter)
    if word_total != end:
        _fail("events", row, f"{word_total} words, and its arguments have {end}")


def _check_targets(words: list[int], target_count: int) -> None:
    """Each transition has targets of its own, so all of them together are no more than there are."""
    total = 0
    for row, (first, count, event, trigger) in enumerate(
        zip(words[4::11], words[5::11], words[2::11], words[1::11], strict=True)
    ):
        total += count
        if first > target_count or count > target_count - first or total > target_count:
            _fail("transitions", row, f"targets {first} to {first + count}, and there are {target_count}")
        if (trigger == Trigger.EVENT) != (event != NONE):
            _fail("transitions", row, f"trigger {trigger} and event {event} do not go together")


def _check_parents(words: list[int]) -> None:
    """A parent stands before its children, so no chain of parents is a circle."""
    for row, parent in enumerate(words[2::9]):
        if parent != NONE and parent >= row:
            _fail("states", row, f"the parent {parent} does not stand before its child")


def _check_variables(section: str, views: Mapping[str, memoryview], first_word: int, end_word: int) -> None:
    string_count, option_count = len(views["strings"]) - 1, len(views["options"])
    option_total = 0
    for row in range(len(views[section]) // 6):
        name, kind, parameter, first, count, word = views[section][row * 6 : row * 6 + 6]
        if name >= string_count or kind > max(FieldKind):
            _fail(section, row, f"name {name} or kind {kind} is unknown")
        if kind == FieldKind.TEXT and not 1 <= parameter <= TEXT_BYTES_MAX:
            _fail(section, row, f"a text of {parameter} bytes, expected 1 to {TEXT_BYTES_MAX}")
        if kind == FieldKind.DECIMAL and parameter > 18:
            _fail(section, row, f"{parameter} decimal places, expected at most 18")
        option_total += count
        # Each variable has options of its own, so all of them together are no more than there are.
        if first > option_count or count > option_count - first or option_total > option_count:
            _fail(section, row, f"options {first} to {first + count}, and there are {option_count}")
        if not first_word <= word <= end_word - word_count(kind, parameter):
            _fail(section, row, f"word {word} is outside {first_word} to {end_word}")


def field_end(views: Mapping[str, memoryview]) -> int:
    """The word of a row behind its last field."""
    fields = views["fields"]
    ends = (fields[at + 5] + word_count(fields[at + 1], fields[at + 2]) for at in range(0, len(fields), 6))
    return int(max(ends, default=ROW_FIELDS))


def _check_configurations(header: Header, views: Mapping[str, memoryview]) -> None:
    offsets, active = views["configurations"], views["active"]
    count = len(offsets) - 1
    if not 1 <= count <= CONFIGURATIONS_MAX:
        _fail("configurations", 0, f"{count} configurations, expected 1 to {CONFIGURATIONS_MAX}")
    if header.initial_configuration >= count:
        _fail("configurations", 0, f"the initial one is {header.initial_configuration}, and there are {count}")
    if offsets[0] != 0 or offsets[count] != len(active):
        _fail("configurations", 0, f"they do not cover the {len(active)} active states")
    for index in range(count):
        if offsets[index] > offsets[index + 1]:
            _fail("configurations", index, f"offset {offsets[index]} is after the next")
    state_count = len(views["states"]) // 9
    for index, state in enumerate(active):
        if state >= state_count:
            _fail("active", index, f"{state} is no state; there are {state_count}")
    _check_successors(header, views["successors"], count)


def _check_successors(header: Header, successors: memoryview, configuration_count: int) -> None:
    """A whole row of them for each configuration, and for what is passed through; each of these is a row."""
    width = header.successor_count
    node_count = len(successors) // width if width else configuration_count
    if node_count < configuration_count or node_count > CONFIGURATIONS_MAX or node_count * width != len(successors):
        _fail("successors", 0, f"{len(successors)} of them, {width} for each of {configuration_count} configurations")
    if len(successors) and max(successors) >= node_count:
        index = next(index for index, node in enumerate(successors) if node >= node_count)
        _fail("successors", index, f"{successors[index]} is beyond the {node_count} that there are")


def _check_cells(header: Header, views: Mapping[str, memoryview]) -> set[int]:
    """The programs that cells lead to, and the one that starts an instance."""
    configuration_count = len(views["configurations"]) - 1
    column_count = _event_columns(header, views) + header.always_count + header.timer_slots
    if len(views["cells"]) != configuration_count * column_count:
        _fail("cells", len(views["cells"]), f"expected {configuration_count} times {column_count} of them")
    entries = set()
    for cell in set(views["cells"]):
        kind, outcome, spare, value = cell & 0xFF, cell >> 8 & 0xFF, cell >> 16 & 0xFFFF, cell >> 32
        known = (
            (kind == Cell.REFUSE and outcome in REFUSALS and value == 0)
            or (kind == Cell.IGNORE and outcome == 0 and value == 0)
            or (kind == Cell.GO and outcome == 0 and value < configuration_count)
            or (kind == Cell.PROGRAM and outcome == 0 and value < len(views["code"]))
            or (kind == Cell.DEFER and outcome == 0 and value <= header.deferral_slots)
        )
        if not known or spare:
            _fail("cells", views["cells"].tolist().index(cell), f"{cell:#018x} leads nowhere")
        if kind == Cell.PROGRAM:
            entries.add(value)
    return entries | ({header.start} if header.start != NONE else set())


def _event_columns(header: Header, views: Mapping[str, memoryview]) -> int:
    """Columns that may stand in the queue of internal events: those of events, then of done triggers."""
    return len(views["events"]) // 6 + int(header.done_count)


def _check_code(header: Header, views: Mapping[str, memoryview], entries: set[int]) -> None:
    """Walk the code once, forward: `written[pc]` is the set of temporaries that every way to pc has written."""
    code, places, source_count = views["code"], views["places"], len(views["sources"]) // 4
    if len(places) != len(code):
        _fail("places", len(places), f"expected one for each of {len(code)} instructions")
    operands = _Operands(header, views)
    written = dict.fromkeys(entries, 0)
    raised: set[int] = set()
    for pc, word in enumerate(code):
        if places[pc] != NONE and places[pc] >= source_count:
            _fail("places", pc, f"{places[pc]} is no source; there are {source_count}")
        before = written.pop(pc, 0)
        after, targets = operands.follow(pc, word, before)
        opcode = word & 0xFF
        if pc in raised and opcode in NOT_TAKEN:
            _fail("code", pc, "takes no transition, and an event was raised on the way: that would never end")
        if pc in raised or opcode == Opcode.RAISE:
            raised.update(targets)
        for target in targets:
            if target >= len(code):
                _fail("code", pc, f"goes on at {target}, and there are {len(code)} instructions")
            written[target] = written[target] & after if target in written else after


class _Operands:
    """What the operands of an instruction may name."""

    def __init__(self, header: Header, views: Mapping[str, memoryview]) -> None:
        self.field_end = field_end(views)
        self.slot_end = self.field_end + header.timer_slots
        self.first_argument = header.row_words
        self.first_temporary = header.row_words + ENGINE_REGISTERS
        self.first_constant = self.first_temporary + header.temporary_count
        self.register_count = self.first_constant + len(views["constants"])
        self.accumulator = 1 << header.temporary_count
        self.configuration_count = len(views["configurations"]) - 1
        self.event_columns = _event_columns(header, views)
        self.successor_count = header.successor_count
        self.deferral_slots = header.deferral_slots

    def follow(self, pc: int, word: int, written: int) -> tuple[int, tuple[int, ...]]:
        """What is written after the instruction, and where it goes on."""
        opcode, mode, a, b, c = word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFFFF, word >> 32 & 0xFFFF, word >> 48
        if opcode > OPCODE_MAX or mode > MODES_MAX.get(opcode, 0):
            _fail("code", pc, f"{word:#018x} is no instruction")
        if opcode in TERMINAL_OPCODES:
            self._check_terminal(pc, opcode, mode, a, b | c << 16)
            return written, ()
        if opcode in CHART_OPCODES:
            self._check_chart(pc, opcode, written, a, b)
            return written, (pc + 1,)
        if opcode == Opcode.JUMP:
            return written, (pc + 1 + (b | c << 16),)
        if opcode in JUMP_OPCODES:
            self._check_read(pc, written, a, b)
            return written, (pc + 1, pc + 1 + c)
        if opcode == Opcode.WIDEN:
            self._check_read(pc, written, b, c)
            return written | self.accumulator, (pc + 1,)
        if opcode == Opcode.BOUND:
            self._check_read(pc, written, a, b, c)
            return written, (pc + 1,)
        if opcode == Opcode.DIVIDE and not written & self.accumulator:
            _fail("code", pc, "divides an accumulator that nothing has filled")
        self._check_read(pc, written, b, *(() if opcode in (Opcode.MOVE, Opcode.DIVIDE) else (c,)))
        return written | self._written(pc, a), (pc + 1,)

    def _check_terminal(self, pc: int, opcode: int, mode: int, a: int, value: int) -> None:
        if opcode in (Opcode.GO, Opcode.NEXT) and mode == Going.SUCCESSOR:
            self._check_successor(pc, value)
        elif opcode in (Opcode.GO, Opcode.NEXT) and value >= self.configuration_count:
            _fail("code", pc, f"goes to configuration {value}, and there are {self.configuration_count}")
        if opcode == Opcode.REFUSE and a not in REFUSALS:
            _fail("code", pc, f"refuses with {a}, which is no refusal")
        if opcode == Opcode.DEFER and a > self.deferral_slots:
            _fail("code", pc, f"defers while {a} wait, and a row has room for {self.deferral_slots}")

    def _check_chart(self, pc: int, opcode: int, written: int, a: int, b: int) -> None:
        """Instructions that follow a transition, set a timer or raise."""
        if opcode == Opcode.FOLLOW:
            self._check_successor(pc, b)
        elif opcode == Opcode.RAISE and a >= self.event_columns:
            _fail("code", pc, f"raises column {a}, and {self.event_columns} can be raised")
        elif opcode in (Opcode.ARM, Opcode.CANCEL) and not self.field_end <= a < self.slot_end:
            _fail("code", pc, f"sets register {a}, which is no timer slot")
        if opcode == Opcode.ARM:
            self._check_read(pc, written, b)

    def _check_successor(self, pc: int, value: int) -> None:
        if value >= self.successor_count:
            _fail("code", pc, f"follows successor {value}, and there are {self.successor_count}")

    def _check_read(self, pc: int, written: int, *registers: int) -> None:
        for register in registers:
            in_row = ROW_FIELDS <= register < self.field_end
            if not in_row and not self.first_argument <= register < self.register_count:
                _fail("code", pc, f"reads register {register}, which is no field, argument, temporary or constant")
            temporary = register - self.first_temporary
            if self.first_temporary <= register < self.first_constant and not written >> temporary & 1:
                _fail("code", pc, f"reads temporary {temporary} before it is written")

    def _written(self, pc: int, register: int) -> int:
        if ROW_FIELDS <= register < self.field_end:
            return 0
        if self.first_temporary <= register < self.first_constant:
            return int(1 << register - self.first_temporary)
        _fail("code", pc, f"writes register {register}, which is neither a field nor a temporary")
