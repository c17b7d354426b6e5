"""Private memory for an engine: four areas, so that each can grow by itself.

    header │ 64 words       rows │ row_bytes each       keys │ 64 bytes each       index │ 8 bytes a slot

A store hands the engine mapped files in the same four shapes. The layout is `fsm.layout`.
"""

from __future__ import annotations

import mmap

from fsm.layout import HEADER_FIELDS, HEADER_MAGIC, HEADER_WORDS, KEY_BYTES, LAYOUT_VERSION, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from fsm.tables import Tables

CAPACITY_MAX: Final = NONE - 1
"""Rows: an index entry holds row + 1 in 32 bits."""


class PrivateMemory:
    """Anonymous memory of this process: gone with it, never shared with a forked child."""

    def __init__(self, tables: Tables, capacity: int) -> None:
        check_capacity(capacity)
        self._row_bytes = tables.row_bytes
        self.header = _area(HEADER_WORDS * 8)
        words = memoryview(self.header).cast("Q")
        words[HEADER_FIELDS["magic"]] = HEADER_MAGIC
        words[HEADER_FIELDS["layout_version"]] = LAYOUT_VERSION
        words[HEADER_FIELDS["row_bytes"]] = tables.row_bytes
        words[HEADER_FIELDS["place"]] = NONE
        first = HEADER_FIELDS["fingerprint"] * 8
        self.header[first : first + 32] = bytes.fromhex(tables.fingerprint)
        self._allocate(capacity)

    def grow(self, capacity: int) -> None:
        """Larger areas with the same rows and keys, and an empty index: the engine fills it."""
        check_capacity(capacity)
        rows, keys = self.rows, self.keys
        self._allocate(capacity)
        memoryview(self.rows)[: len(rows)] = memoryview(rows)
        memoryview(self.keys)[: len(keys)] = memoryview(keys)

    def _allocate(self, capacity: int) -> None:
        slots = index_slots(capacity)
        rows, keys, index = _area(capacity * self._row_bytes), _area(capacity * KEY_BYTES), _area(slots * 8)
        self.rows, self.keys, self.index = rows, keys, index
        words = memoryview(self.header).cast("Q")
        words[HEADER_FIELDS["capacity"]] = capacity
        words[HEADER_FIELDS["index_slots"]] = slots


def check_capacity(capacity: int) -> None:
    """Raise `ValueError` for a number of rows that cannot be addressed."""
    if not 1 <= capacity <= CAPACITY_MAX:
        raise ValueError(f"capacity: expected 1 to {CAPACITY_MAX} instances, found {capacity}")


def index_slots(capacity: int) -> int:
    """Slots of the index by key: a power of two, so that it is never more than half full."""
    return 1 << (2 * capacity - 1).bit_length()


def _area(size: int) -> mmap.mmap:
    """Zeroed memory on its own pages. Huge pages where they are offered: random rows would miss the TLB otherwise."""
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= 1 << 21 and hasattr(mmap, "MADV_HUGEPAGE"):
        area.madvise(mmap.MADV_HUGEPAGE)
    return area
