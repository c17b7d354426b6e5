"""Two engines that are told the same and must say the same, and leave the same bytes.

Pair(tables).call("step", handle, 0, 40) ──▶ native ─┐
                                        └──▶ mirror ─┴─ results, errors, header, rows, keys, index: all equal
Pair(tables, journal=Journal(...)) ──▶ and so are ring, frames that left it, and the index of idempotency keys
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fsm
from fsm.engine.frames import group_max
from fsm.engine.protocol import engine_over
from fsm.layout import HEADER_FIELDS, LINE_WORDS
from fsm.tables import Tables
from tests.engine.ring import RingMemory

AREAS = ("header", "rows", "keys", "index", "ring", "idempotency")


class EnginesDiffer(AssertionError):
    """What one engine says or holds, the other does not."""


class Raised(NamedTuple):
    """An error in place of a result."""

    type: type[BaseException]
    message: str


class Journal(NamedTuple):
    """Of a pair that has one: keys in its window; and how many times the largest group its ring holds, or more."""

    window: int = 3
    groups: int = 1


class Pair:
    """A native engine and a mirror on the same tables, with a journal or without."""

    def __init__(self, tables: Tables, capacity: int = 4, journal: Journal | None = None) -> None:
        self.tables = tables
        self.journal = journal
        self.native = self._open("native", capacity)
        self.mirror = self._open("mirror", capacity)
        self._compared = 0

    def _open(self, name: str, capacity: int) -> Any:
        if self.journal is None:
            return fsm.Engine(self.tables, capacity=capacity, engine=name)
        least = group_max(self.tables.deferral_slots) * self.journal.groups
        ring_frames = 1 << (least - 1).bit_length()
        memory = RingMemory(self.tables, capacity, ring_frames=ring_frames, window=self.journal.window)
        return engine_over(self.tables, memory, name)

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """`engine.name(...)` on both: the result that they agree on, or what both raised."""
        return self.do(lambda engine: getattr(engine, name)(*arguments, **named), f"{name}{arguments} {named}")

    def do(self, action: Callable[[Any], Any], what: str = "") -> Any:
        """The same with any use of an engine."""
        native, mirror = _outcome(action, self.native), _outcome(action, self.mirror)
        if mirror != native:
            raise EnginesDiffer(f"{what}: the mirror gives {mirror!r}, and native {native!r}")
        self.compare(what)
        return native

    def compare(self, what: str = "") -> None:
        """Every byte of the areas, while there are any, and every frame that left the ring."""
        if self.native.memory is None:
            return
        for area in AREAS:
            expected, actual = (bytes(getattr(engine.memory, area) or b"") for engine in (self.mirror, self.native))
            if expected != actual:
                raise EnginesDiffer(f"{what}: {area} differs: {_difference(area, expected, actual)}")
        if self.journal is not None:
            drained = self.mirror.memory.drained[self._compared :]
            self._compared += len(drained)
            if drained != self.native.memory.drained[self._compared - len(drained) :]:
                raise EnginesDiffer(f"{what}: frames that left the ring differ, behind the first {self._compared}")

    def row(self, handle: int) -> list[int]:
        """The words of a row, as signed integers."""
        size = self.tables.row_bytes
        first = (handle & 0xFFFF_FFFF) * size
        return list(memoryview(self.mirror.memory.rows)[first : first + size].cast("q"))

    def close(self) -> None:
        """Both."""
        self.native.close()
        self.mirror.close()


def _outcome(action: Callable[[Any], Any], engine: fsm.Engine) -> Any:
    try:
        result = action(engine)
    except Exception as error:
        return Raised(type(error), str(error))
    return result.tolist() if hasattr(result, "tolist") else result


def _difference(area: str, expected: bytes, actual: bytes) -> str:
    names = {word: name for name, word in HEADER_FIELDS.items()} if area == "header" else {}
    if len(expected) != len(actual):
        return f"{len(expected)} bytes, and native has {len(actual)}"
    words = zip(memoryview(expected).cast("Q"), memoryview(actual).cast("Q"), strict=True)
    return ", ".join(
        f"word {names.get(word, f'{word // LINE_WORDS}:{word % LINE_WORDS}')} is {one:#x}, and native has {other:#x}"
        for word, (one, other) in enumerate(words)
        if one != other
    )
