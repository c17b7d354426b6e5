"""The compiled flow, and the waist of the project: what compiles makes it, what runs takes it.

    compile ──build()──▶ bytes ──from_bytes()──▶ Tables ──▶ engine, formats, tools
                           ▲                        │
                           └───────to_bytes()───────┘

There is one way in: `build` writes the bytes and `from_bytes` reads them, so what the compiler makes passes the same
checks as a file from a stranger. `fsm.tablecheck` holds those checks; whoever has a `Tables` need not check again.

    0    magic 8 │ format version 4 │ CRC-32 of all that follows 4
    16   total bytes 8 │ row words 4 │ temporaries 4 │ fingerprint 32
    64   initial configuration 4 │ semantics version 4 │ name 4 │ documentation 4
    80   done triggers 4 │ eventless 4 │ timer slots 4 │ deferred events 4 │ words of one 4 │ successors 4
    104  internal events 4 │ microsteps 4 │ start program 4 │ 0 4
    120  directory: offset 8, bytes 8 for each of SECTIONS; then the sections, each at a multiple of 8

A configuration has a cell for each column: one for each event, then for each done trigger, then one for the eventless
transitions where the flow has any, then one for each timer slot.

Everything is little endian. All indexes are positions in another section, and nothing is a pointer.
"""

from __future__ import annotations

from struct import Struct
from sys import byteorder
from zlib import crc32

from fsm import tablecheck
from fsm.errors import CorruptTables
from fsm.layout import ARGUMENT_WORDS, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final, Protocol

    from fsm.records import Defer, Event, Ignore, Source, State, Timer, Transition, Variable, Waiver

    class Compilable(Protocol):
        """A class derived from `Flow`: the waist, which does not know that name, knows it by its chart."""

        @property
        def _chart(self) -> object: ...


MAGIC: Final = b"fsm tabl"
FORMAT_VERSION: Final = 2
SEMANTICS_VERSION: Final = 1
HEADER: Final = Struct("<8sII QII32s IIII IIIIII IIII")
CHECKED_FROM: Final = 16  # magic, version and CRC itself are not under the CRC
ENTRY: Final = Struct("<QQ")

SECTIONS: Final = {
    "cells": ("Q", ()),
    "successors": ("I", ()),
    "code": ("Q", ()),
    "places": ("I", ()),
    "constants": ("q", ()),
    "initial": ("q", ()),
    "configurations": ("I", ()),
    "active": ("I", ()),
    "states": ("I", ("name", "kind", "parent", "initial", "default", "entry", "exit", "file", "line")),
    "events": ("I", ("name", "first_argument", "argument_count", "word_count", "file", "line")),
    "arguments": ("I", ("name", "kind", "parameter", "first_option", "option_count", "word")),
    "fields": ("I", ("name", "kind", "parameter", "first_option", "option_count", "word")),
    "options": ("I", ()),
    "transitions": (
        "I",
        (
            "source",
            "trigger",
            "event",
            "stay",
            "first_target",
            "target_count",
            "guard",
            "actions",
            "moment",
            "file",
            "line",
        ),
    ),
    "targets": ("I", ()),
    "ignores": ("I", ("source", "event", "file", "line")),
    "defers": ("I", ("source", "event", "at_most", "file", "line")),
    "timers": ("I", ("state", "slot", "trigger", "moment", "file", "line")),
    "sources": ("I", ("text", "transition", "file", "line")),
    "waivers": ("I", ("subject", "rule", "reason")),
    "strings": ("I", ()),
    "text": ("B", ()),
    "chart": ("B", ()),
}
"""Name: typecode of its words (as in `struct`), and the columns where it is a table of records.

cells           u64[configuration_count * column_count]; `layout.Cell` has the bits
successors      u32[(configuration_count or more) * successor_count]: the configuration after one transition alone;
                those beyond configuration_count are passed through within a microstep, and nothing rests there
code            u64[]; `layout.Opcode` has the bits
places          u32[len(code)]: the source of each instruction that can fault, else NONE
constants       i64[]: the last registers
initial         i64[row_words - 3]: the field words of a new instance
states          default: of a history; entry, exit: the actions as text
transitions     trigger: `layout.Trigger`; event: of an EVENT; targets: in `targets`; moment: a timer's time, as text
timers          what the slot of a state stands for while the state is active
configurations  u32[configuration_count + 1]: where the active states of each begin in `active`
strings         u32[n + 1]: where each string begins in `text`, UTF-8
chart           the canonical chart, UTF-8: what the fingerprint hashes
"""

front_end: Callable[[Any], Tables] | None = None
"""What turns a flow into tables: `fsm` puts the compiler here, so that the engine need not import it."""
canonical: Callable[[Any], tuple[str, str]] | None = None
"""What tells the name of a flow and its canonical chart, without compiling it: `fsm` puts it here too."""


def tables_of(source: Any) -> Tables:
    """`source` where it is `Tables`, else what the compiler makes of it. Raises `DefinitionError`, `TypeError`."""
    if isinstance(source, Tables):
        return source
    if front_end is None:
        raise TypeError(f"expected fsm.Tables, found {source!r}. Import fsm to have flows compiled.")
    return front_end(source)


def chart_of(flow: Any) -> tuple[str, str]:
    """The name of a flow, and its canonical chart. Raises `DefinitionError`, `TypeError`."""
    if canonical is None:
        raise TypeError(f"expected fsm.Tables, found {flow!r}. Import fsm to have flows read.")
    return canonical(flow)


def fingerprint_of(chart: str) -> str:
    """The fingerprint of the flow that has this canonical chart."""
    return tablecheck.fingerprint(chart.encode()).hex()


def chart_difference(name: str, chart: str, other_name: str, other: str) -> str:
    """What a chart says that another does not (`-`), and the reverse (`+`), line by line."""
    from difflib import unified_diff

    lines = unified_diff(chart.splitlines(), other.splitlines(), name, other_name, lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith("@@"))


class Tables:
    """A compiled flow: dense, read-only, position independent, checked once when it was made.

    name, documentation     of the flow
    fingerprint             hex SHA-256 of the canonical chart: what the flow means, whatever compiled it
    cells                   u64[configuration_count, column_count]
    successors              u32[configuration_count or more, successor_count], flat
    done_column, always_column, timer_column     first column of each kind; always_column is NONE without eventless
                            transitions
    timer_slots             deadlines that a row holds, from word `field_end` on
    deferral_slots, deferral_words     deferred events that a row holds, from word `deferral_word` on: how many wait,
                            then for each its id and argument words, `deferral_words` together
    start                   first instruction of the program that enters the initial configuration, or NONE
    code, places, constants, initial     as `SECTIONS` tells
    field_end               the word of a row behind its last field
    states, events, fields, transitions, ignores, defers, timers, sources, waivers     tuples of records, by id
    event_ids               the id of an event by its name
    chart                   the canonical chart

    Names, texts and records are read when somebody asks first (`fsm.records`): a step needs none of them.
    """

    name: str
    documentation: str
    chart: str
    states: tuple[State, ...]
    events: tuple[Event, ...]
    event_ids: Mapping[str, int]
    fields: tuple[Variable, ...]
    transitions: tuple[Transition, ...]
    ignores: tuple[Ignore, ...]
    defers: tuple[Defer, ...]
    timers: tuple[Timer, ...]
    sources: tuple[Source, ...]
    waivers: tuple[Waiver, ...]

    def __init__(self, data: bytes, views: Mapping[str, memoryview], header: tablecheck.Header) -> None:
        self._data = data
        self._views = views
        self._header = header
        self.row_words: int = header.row_words
        self.temporary_count: int = header.temporary_count
        self.initial_configuration: int = header.initial_configuration
        self.semantics_version: int = header.semantics_version
        self.fingerprint: str = header.fingerprint.hex()
        self.done_count: int = header.done_count
        self.always_count: int = header.always_count
        self.timer_slots: int = header.timer_slots
        self.deferral_slots: int = header.deferral_slots
        self.deferral_words: int = header.deferral_words
        self.successor_count: int = header.successor_count
        self.raised_max: int = header.raised_max
        self.microsteps_max: int = header.microsteps_max
        self.start: int = header.start
        self.successors = views["successors"]
        self.code = views["code"]
        self.places = views["places"]
        self.constants = views["constants"]
        self.initial = views["initial"]
        self.configuration_count: int = len(views["configurations"]) - 1
        self._configurations = views["configurations"]
        self._active = views["active"]
        self.event_count: int = len(views["events"]) // len(SECTIONS["events"][1])
        self.field_end: int = tablecheck.field_end(views)
        self.done_column: int = self.event_count
        self.always_column: int = self.done_column + self.done_count if self.always_count else NONE
        self.timer_column: int = self.done_column + self.done_count + self.always_count
        self.column_count: int = self.timer_column + self.timer_slots
        self.deferral_word: int = self.field_end + self.timer_slots
        shape = (self.configuration_count, self.column_count)
        self.cells = views["cells"].cast("B").cast("Q", shape) if self.column_count else views["cells"]
        self._frozen = True

    def __setattr__(self, name: str, value: object) -> None:
        # The engines believe tables, since they were checked: nothing may change in them afterwards.
        if "_frozen" in self.__dict__:
            raise AttributeError(f"tables are frozen: {name} cannot be set. Compile another flow.")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"tables are frozen: {name} cannot be deleted.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tables) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def __reduce__(self) -> tuple[Callable[[bytes], Tables], tuple[bytes]]:
        return Tables.from_bytes, (self._data,)

    if not TYPE_CHECKING:  # to a checker, every name would be one

        def __getattr__(self, name: str) -> Any:
            if name not in Tables.__annotations__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            from fsm import records

            self.__dict__.update(records.read(self._views, self._header))
            return self.__dict__[name]

    @property
    def row_bytes(self) -> int:
        """Bytes that an instance takes: 64 or a multiple."""
        return self.row_words * 8

    def active_states(self, configuration_id: int) -> tuple[State, ...]:
        """The states that are active in a configuration, outermost first, in document order."""
        first, last = self._configurations[configuration_id], self._configurations[configuration_id + 1]
        return tuple(self.states[index] for index in self._active[first:last])

    def difference(self, other: Tables) -> str:
        """What the chart of `other` says that this one does not (`+`), and the reverse (`-`), line by line."""
        return chart_difference(self.name, self.chart, other.name, other.chart)

    def to_bytes(self) -> bytes:
        """The tables as bytes, the same for the same flow on every machine and Python."""
        return self._data

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Tables:
        """Read what `to_bytes` wrote. Raises `CorruptTables` for anything else; believes nothing unchecked."""
        _require_little_endian()
        data = bytes(memoryview(data))
        header, views = _open(data)
        tablecheck.check(header, views)
        return cls(data, views, header)

    def __repr__(self) -> str:
        return (
            f"<Tables of {self.name}: {self.configuration_count} configurations, {self.event_count} events, "
            f"{self.fingerprint[:16]}>"
        )


def build(sections: Mapping[str, Sequence[int] | bytes], header: tablecheck.Header) -> Tables:
    """Tables from the words of every section of `SECTIONS` (records flattened, row by row)."""
    _require_little_endian()
    offset = HEADER.size + ENTRY.size * len(SECTIONS)
    directory, parts = [], []
    for section, (typecode, _) in SECTIONS.items():
        words = sections[section]
        part = bytes(words) if isinstance(words, bytes) else Struct(f"<{len(words)}{typecode}").pack(*words)
        directory.append(ENTRY.pack(offset, len(part)))
        parts.append(part + bytes(-len(part) % 8))
        offset += len(parts[-1])
    packed = HEADER.pack(MAGIC, FORMAT_VERSION, 0, offset, *header, 0)
    return Tables.from_bytes(sealed(packed + b"".join(directory) + b"".join(parts)))


def sealed(data: bytes) -> bytes:
    """`data` with its CRC computed anew."""
    return data[:12] + crc32(data[CHECKED_FROM:]).to_bytes(4, "little") + data[CHECKED_FROM:]


def _open(data: bytes) -> tuple[tablecheck.Header, dict[str, memoryview]]:
    """The header, and a view of each section: inside the file, aligned, of whole records."""
    smallest = HEADER.size + ENTRY.size * len(SECTIONS)
    if len(data) < smallest:
        raise CorruptTables(0, f"the file has {len(data)} bytes, and the shortest tables have {smallest}")
    magic, version, crc, total, *rest, spare = HEADER.unpack_from(data)
    header = tablecheck.Header(**dict(zip(tablecheck.Header.__slots__, rest, strict=True)))
    if magic != MAGIC:
        raise CorruptTables(0, f"expected the magic {MAGIC!r}, found {magic!r}")
    if version != FORMAT_VERSION:
        raise CorruptTables(8, f"this fsm reads format version {FORMAT_VERSION}, found {version}")
    if total != len(data):
        raise CorruptTables(16, f"the header says {total} bytes, and there are {len(data)}")
    if crc != crc32(memoryview(data)[CHECKED_FROM:]):
        raise CorruptTables(12, "the checksum does not agree")
    if header.semantics_version != SEMANTICS_VERSION:
        raise CorruptTables(68, f"this fsm has semantics version {SEMANTICS_VERSION}, found {header.semantics_version}")
    if spare:
        raise CorruptTables(116, f"expected 0 in the spare word of the header, found {spare}")
    views = {}
    for position, (section, (typecode, columns)) in enumerate(SECTIONS.items()):
        at = HEADER.size + position * ENTRY.size
        offset, size = ENTRY.unpack_from(data, at)
        unit = Struct(typecode).size * max(1, len(columns))
        if offset % 8 or offset < smallest or offset > total or size > total - offset or size % unit:
            raise CorruptTables(at, f"section {section} is not inside the file: offset {offset}, {size} bytes")
        views[section] = _cast(memoryview(data)[offset : offset + size], typecode)
    return header, views


def _cast(view: memoryview, typecode: str) -> memoryview:
    return view.cast(typecode)  # type: ignore[call-overload, no-any-return]


def _require_little_endian() -> None:
    if byteorder != "little":
        raise CorruptTables(0, "tables are little endian, and this machine is big endian, which fsm does not support")


assert HEADER.size == 120 and ARGUMENT_WORDS == 6
