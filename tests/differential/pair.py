"""Two engines that are told the same and must say the same, and leave the same bytes.

Pair(tables).call("step", handle, 0, 40) ──▶ native ─┐
                                        └──▶ mirror ─┴─ results, errors, header, rows, keys, index: all equal
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fsm
from fsm.layout import HEADER_FIELDS, LINE_WORDS
from fsm.tables import Tables

AREAS = ("header", "rows", "keys", "index")


class EnginesDiffer(AssertionError):
    """What one engine says or holds, the other does not."""


class Raised(NamedTuple):
    """An error in place of a result."""

    type: type[BaseException]
    message: str


class Pair:
    """A native engine and a mirror on the same tables."""

    def __init__(self, tables: Tables, capacity: int = 4) -> None:
        self.tables = tables
        self.native = fsm.Engine(tables, capacity=capacity, engine="native")
        self.mirror = fsm.Engine(tables, capacity=capacity, engine="mirror")

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
        """Every byte of the four areas, while there are any."""
        if self.native.memory is None:
            return
        for area in AREAS:
            expected, actual = (bytes(getattr(engine.memory, area)) for engine in (self.mirror, self.native))
            if expected != actual:
                raise EnginesDiffer(f"{what}: {area} differs: {_difference(area, expected, actual)}")

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
