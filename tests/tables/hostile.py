"""Damage tables in every way that a bad disk or a clever stranger might, and run what is still accepted.

valid bytes ──mutants──▶ bytes ──from_bytes──▶ CorruptTables, or Tables ──exercise()──▶ both engines agree
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from random import Random
from struct import pack_into

import fsm
from fsm.compile.cells import lower
from fsm.compile.configurations import Walk
from fsm.compile.emit import emit
from fsm.engine import UNKNOWN
from fsm.errors import CorruptTables, StoreFull
from fsm.formats import dot, mermaid
from fsm.formats.listing import disassemble
from fsm.layout import HEADER_FIELDS, INT64_MAX, INT64_MIN, NONE, Cell, Opcode
from fsm.tables import ENTRY, HEADER, SECTIONS, Tables, sealed
from tests.compile.random_statecharts import random_statechart
from tests.conftest import SANITIZED

EDGES = (0, 1, 2, 3, 7, 8, 16, 17, 64, 255, 511, 512, 513, 0xFFFF, 0x10000, 0x7FFF_FFFF, NONE - 1, NONE)
WORDS = (0, 1, -1, 5, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1)
FINGERPRINT_AT = 32
STEPS = 60


def resealed(data: bytes) -> bytes:
    """`data` with its fingerprint, where a chart can be found, and its checksum computed anew."""
    if len(data) < HEADER.size + ENTRY.size * len(SECTIONS):
        return data
    offset, size = ENTRY.unpack_from(data, entry_at("chart"))
    changed = bytearray(data)
    if offset + size <= len(data):
        changed[FINGERPRINT_AT : FINGERPRINT_AT + 32] = sha256(data[offset : offset + size]).digest()
    return sealed(bytes(changed))


def entry_at(section: str) -> int:
    """Where the directory has a section."""
    return HEADER.size + list(SECTIONS).index(section) * ENTRY.size


def flipped(data: bytes) -> Iterator[bytes]:
    """Every bit turned, one at a time."""
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            yield bytes(changed)


def replaced(data: bytes) -> Iterator[bytes]:
    """Every byte at its ends."""
    for position, old in enumerate(data):
        for value in {0, 0x7F, 0x80, 0xFF} - {old}:
            changed = bytearray(data)
            changed[position] = value
            yield bytes(changed)


def edited(data: bytes, random: Random, count: int) -> Iterator[bytes]:
    """One to four words of 2, 4 or 8 bytes set to values that indexes have at their ends."""
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(random.randint(1, 4)):
            code, size = random.choice((("<H", 2), ("<I", 4), ("<Q", 8)))
            position = random.randrange(16, len(data) - 8) // size * size
            pack_into(code, changed, position, random.choice(EDGES) & ((1 << 8 * size) - 1))
        yield bytes(changed)


def coded(data: bytes, random: Random, count: int) -> Iterator[bytes]:
    """Instructions and cells made of plausible parts, in place of one to three that are there."""
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(random.randint(1, 3)):
            section = random.choice(("code", "code", "cells"))
            offset, size = ENTRY.unpack_from(data, entry_at(section))
            if not size:
                continue
            parts = [random.randrange(24) for _ in range(3)]
            opcode = random.randrange(len(Opcode) + 1) if section == "code" else random.randrange(len(Cell) + 1)
            word = opcode | random.choice((0, 0, 3, 17)) << 8 | parts[0] << 16 | parts[1] << 32 | parts[2] << 48
            if section == "cells":
                word = opcode | random.choice((0, 0, 16, 18)) << 8 | parts[1] << 32
            pack_into("<Q", changed, offset + 8 * random.randrange(size // 8), word)
        yield bytes(changed)


def shuffled(data: bytes, random: Random, count: int) -> Iterator[bytes]:
    """Sections that swap places, overlap, grow, shrink or are empty."""
    names = list(SECTIONS)
    for _ in range(count):
        changed = bytearray(data)
        one, other = entry_at(random.choice(names)), entry_at(random.choice(names))
        first, second = ENTRY.unpack_from(data, one), ENTRY.unpack_from(data, other)
        way = random.randrange(5)
        if way == 0:
            ENTRY.pack_into(changed, one, *second)
            ENTRY.pack_into(changed, other, *first)
        elif way == 1:
            ENTRY.pack_into(changed, one, *second)
        elif way == 2:
            ENTRY.pack_into(changed, one, first[0], max(0, first[1] + random.choice((-56, -24, -8, -4, 4, 8, 24, 56))))
        elif way == 3:
            ENTRY.pack_into(changed, one, first[0], 0)
        else:
            ENTRY.pack_into(changed, one, random.randrange(0, len(data) + 16, 8), random.randrange(0, len(data), 4))
        yield bytes(changed)


class Judge:
    """Takes mutants: each is refused with `CorruptTables`, or runs the same on both engines."""

    def __init__(self, original: Tables, engines: tuple[str, ...]) -> None:
        self.engines = engines
        self.refused = 0
        self.accepted = 0
        self._ran = {behaviour(original)}

    def take(self, data: bytes) -> None:
        """Raises whatever else comes of it."""
        try:
            tables = Tables.from_bytes(data)
        except CorruptTables:
            self.refused += 1
            return
        self.accepted += 1
        if not SANITIZED:  # Python alone, which sanitizers have nothing to see in
            look_at(tables)
        if (key := behaviour(tables)) not in self._ran:
            self._ran.add(key)
            exercise(tables, self.engines)

    @property
    def ran(self) -> int:
        """Mutants that were accepted and step in another way than the original."""
        return len(self._ran) - 1


def behaviour(tables: Tables) -> object:
    """What of tables decides how an engine steps."""
    words = (tables.cells, tables.successors, tables.code, tables.places, tables.constants, tables.initial)
    sizes = (
        tables.row_words, tables.temporary_count, tables.initial_configuration, tables.event_count, tables.done_count,
        tables.always_count, tables.timer_slots, tables.deferral_slots, tables.deferral_words, tables.raised_max,
        tables.microsteps_max, tables.start,
    )  # fmt: skip
    active = tuple(tables.active_states(index) for index in range(min(tables.configuration_count, 64)))
    return sha256(b"|".join(view.tobytes() for view in words)).digest(), sizes, tables.fields, active


def look_at(tables: Tables) -> None:
    """What people do with tables."""
    mermaid.draw(tables), dot.draw(tables), disassemble(tables), repr(tables)
    assert tables.to_bytes() == Tables.from_bytes(tables.to_bytes()).to_bytes()


def exercise(tables: Tables, engines: tuple[str, ...], steps: int = STEPS) -> None:
    """The same random steps on each engine: equal outcomes, and equal memory to the last byte."""
    left = [run(tables, engine, steps) for engine in engines]
    assert left[0] == left[-1]


def run(tables: Tables, name: str, steps: int) -> list[object]:
    """Everything that a run leaves."""
    random = Random(7)
    engine = fsm.Engine(tables, capacity=3, engine=name)
    outcomes: list[object] = []
    instances = [started(engine, key, outcomes) for key in ("a", "b", 3)]
    with suppress(StoreFull):
        started(engine, "c", outcomes)
    for _ in range(steps):
        words = [random.choice(WORDS) if random.random() < 0.5 else random.randint(-3, 9) for _ in range(6)]
        instance, event_id = random.choice(instances), random.randrange(tables.event_count + 1)
        outcomes.append(engine.step(instance, event_id, *words))
        if tables.timer_slots and random.random() < 0.3:
            now_ns = memoryview(engine.memory.header).cast("Q")[HEADER_FIELDS["now_ns"]]
            outcomes.append(engine.advance(now_ns + random.choice((0, 1, 7, 10**9))))
        outcomes.append(bytes(memoryview(engine.memory.header)))
    memory = engine.memory
    areas = [bytes(memoryview(area)) for area in (memory.header, memory.rows, memory.keys, memory.index)]
    known = [each for each in instances if each != UNKNOWN]
    seen = [(engine.state(each), repr(engine.fields(each)), engine.version(each)) for each in known]
    return [outcomes, areas, seen, engine.select()]


def started(engine: fsm.Engine, key: str | int, outcomes: list[object]) -> int:
    """The handle of a new instance; that of none where its start is refused, as damaged tables may have it."""
    try:
        return engine.start(key)
    except fsm.StartFault as fault:
        outcomes.append(str(fault))
        return UNKNOWN


def emitted_statechart(seed: int) -> Tables:
    """The tables of a random statechart, which `check` might have refused."""
    return emit(lower(Walk(random_statechart(Random(seed)), 10_000)))
