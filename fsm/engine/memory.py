"""Private memory for an engine: four areas, so that each can grow by itself.

    header │ 64 words       rows │ row_bytes each       keys │ 64 bytes each       index │ 8 bytes a slot

A store hands the engine mapped files in the same four shapes. The layout is `fsm.layout`.
"""

from __future__ import annotations

import mmap
from _operator import index as integer

from fsm.layout import HEADER_FIELDS, HEADER_MAGIC, HEADER_WORDS, KEY_BYTES, LAYOUT_VERSION, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.tables import Tables

CAPACITY_MAX: Final = NONE - 1
"""Rows: an index entry holds row + 1 in 32 bits."""


class PrivateMemory:
    """Anonymous memory of this process: gone with it, never shared with a forked child.

    What an engine asks of any memory: the areas as writable buffers, `ring` and `idempotency` where they are there;
    `capacity` and `index_shape`, which the engine writes into the header when it takes hold of the memory; and the
    methods below.
    """

    ring: Any = None
    idempotency: Any = None

    def __init__(self, tables: Tables, capacity: int) -> None:
        self._row_bytes = tables.row_bytes
        self._allocate(check_capacity(capacity), 0)
        words = memoryview(self.header).cast("Q")
        words[HEADER_FIELDS["magic"]] = HEADER_MAGIC
        words[HEADER_FIELDS["layout_version"]] = LAYOUT_VERSION
        words[HEADER_FIELDS["row_bytes"]] = tables.row_bytes
        words[HEADER_FIELDS["place"]] = NONE
        first = HEADER_FIELDS["fingerprint"] * 8
        self.header[first : first + 32] = bytes.fromhex(tables.fingerprint)

    def grown(self, capacity: int) -> PrivateMemory:
        """Areas for at least as many rows, with the same header, rows and keys, and an empty index.

        This memory stays as it is until an engine takes hold of the other.
        """
        larger = PrivateMemory.__new__(PrivateMemory)
        larger._row_bytes = self._row_bytes
        larger._allocate(check_capacity(capacity), (self.index_shape >> 8) + 1)
        for area, copied in ((larger.header, self.header), (larger.rows, self.rows), (larger.keys, self.keys)):
            memoryview(area)[: len(copied)] = memoryview(copied)
        return larger

    def make_room(self) -> bool:
        """Empty the ring, or say that this must not be waited for. Raises `StoreError` where it cannot be done."""
        raise AssertionError("there is no journal here")

    def make_idempotency(self) -> None:
        """Make the area for keys, at the first of them."""
        raise AssertionError("there is no journal here")

    def close(self) -> None:
        """Let go: nobody has hold of the areas any more."""

    def _allocate(self, capacity: int, build: int) -> None:
        self.capacity = capacity
        self.index_shape = build << 8 | index_bits(capacity)
        self.header = area(HEADER_WORDS * 8)
        self.rows = area(capacity * self._row_bytes)
        self.keys = area(capacity * KEY_BYTES)
        self.index = area(8 << index_bits(capacity))


def check_capacity(capacity: int, *, least: int = 1) -> int:
    """The capacity as an int. Raises `TypeError`, or `ValueError` for a number of rows that cannot be addressed."""
    try:
        rows = integer(capacity)
    except TypeError:
        raise TypeError(f"capacity: expected a number of instances, found {capacity!r}") from None
    if not least <= rows <= CAPACITY_MAX:
        raise ValueError(f"capacity: expected 1 to {CAPACITY_MAX} instances, found {rows}")
    return rows


def index_bits(capacity: int) -> int:
    """The log2 of the slots of the index by key, so that live keys fill no more than half of it."""
    return (2 * capacity - 1).bit_length()


def area(size: int) -> mmap.mmap:
    """Zeroed memory on its own pages. Huge pages where they are offered: random rows would miss the TLB otherwise."""
    try:
        made = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        raise MemoryError(
            f"capacity: {size} bytes of memory cannot be had ({error}). Ask for fewer instances."
        ) from None
    if size >= 1 << 21 and hasattr(mmap, "MADV_HUGEPAGE"):
        try:  # noqa: SIM105 (contextlib costs a process that starts more than this module does)
            made.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # a hint, which not every kernel takes
            pass
    return made
