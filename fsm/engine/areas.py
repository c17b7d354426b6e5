"""The areas of an engine's memory as words, and the index by key in them.

memory.header, rows, keys, index, ring, idempotency ──▶ Areas: memoryviews of uint64 (keys: of bytes)
key ──find_slot()──▶ the slot that names its row, or the free one where it goes
"""

from __future__ import annotations

from fsm.engine.keys import hash_key
from fsm.layout import (
    GENERATION_MASK,
    HEADER_FIELDS,
    INDEX_RELEASED,
    KEY_BYTES,
    NONE,
    ROW_LIVE,
    ROW_NEXT_FREE,
    ROW_STATE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.engine.memory import PrivateMemory

ROW_COUNT: Final = HEADER_FIELDS["row_count"]
FRAME_BYTES: Final = HEADER_FIELDS["frame_bytes"]
RING_FRAMES: Final = HEADER_FIELDS["ring_frames"]
FREE_ROW: Final = HEADER_FIELDS["free_row"]
ROW_DEPTH: Final = ROW_NEXT_FREE + 1
"""The word of a released row that tells how many rows the chain of free ones has from it on."""


class Areas:
    """Views of a memory's areas. They keep its buffers open, so whoever closes a memory drops them first."""

    __slots__ = (
        "frame_words",
        "header",
        "idempotency",
        "index",
        "keys",
        "path",
        "ring",
        "ring_mask",
        "row_words",
        "rows",
    )

    def __init__(self, memory: PrivateMemory, row_words: int) -> None:
        self.row_words = row_words
        self.path = getattr(memory, "path", None)
        self.header = words_of(memory.header)
        self.rows = words_of(memory.rows)
        self.keys = memoryview(memory.keys)
        self.index = words_of(memory.index)
        self.ring = None if memory.ring is None else words_of(memory.ring)
        self.idempotency = None if memory.idempotency is None else words_of(memory.idempotency)
        self.frame_words: int = self.header[FRAME_BYTES] // 8
        self.ring_mask: int = self.header[RING_FRAMES] - 1

    def open_idempotency(self, area: Any) -> None:
        """The area for idempotency keys, which a memory makes at the first of them."""
        self.idempotency = words_of(area)

    def row(self, row: int) -> list[int]:
        """The words of a row."""
        return self.rows[row * self.row_words : (row + 1) * self.row_words].tolist()

    def key(self, row: int) -> bytes:
        """The 64 bytes of the key of a row."""
        return bytes(self.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES])

    def is_live(self, row: int) -> bool:
        """Whether the row holds an instance: it was started, and not released since."""
        return bool(self.rows[row * self.row_words + ROW_STATE] >> 48 & ROW_LIVE)

    def handle(self, row: int) -> int:
        """The handle of a row: the row in the low half, its generation above."""
        generation: int = self.rows[row * self.row_words + ROW_STATE] >> 32 & GENERATION_MASK
        return row | generation << 32

    def find(self, key: bytes) -> int | None:
        """The row of a key, or None."""
        return find_slot(self.index, self.keys, key, hash_key(key))[1]

    def fill_index(self) -> int:
        """Name every live row in an index that is empty; returns how many slots that took."""
        filled = 0
        for row in range(self.header[ROW_COUNT]):
            if not self.is_live(row):
                continue
            key = self.key(row)
            hashed = hash_key(key)
            slot, _ = find_slot(self.index, self.keys, key, hashed)
            assert slot is not None, "there are twice as many slots as rows"
            filled += self.index[slot] == 0
            self.index[slot] = entry(hashed, row)
        return filled


def words_of(area: Any) -> memoryview:
    """A buffer as uint64."""
    return memoryview(area).cast("B").cast("Q")


def free_rows(header: memoryview, rows: memoryview, row_words: int) -> int:
    """How many rows were released and not used again since; header and rows are words."""
    head = header[FREE_ROW]
    return int(rows[(head - 1) * row_words + ROW_DEPTH]) if 0 < head <= header[ROW_COUNT] else 0


def entry(hashed: int, row: int) -> int:
    """A slot of the index that names a row: the high half of the key's hash, and row + 1."""
    return hashed >> 32 << 32 | row + 1


def find_slot(index: memoryview, keys: memoryview, key: bytes, hashed: int) -> tuple[int | None, int | None]:
    """The slot of the key, and its row; or where it goes, the first released slot on its way or a free one, and None.

    The slot is None where the key is not there and every slot is taken. No slot is looked at twice, whatever the index
    holds, and one that names a row beyond the others is none of this key.
    """
    mask, capacity, room = len(index) - 1, len(keys) // KEY_BYTES, None
    for probe in range(len(index)):
        slot = hashed + probe & mask
        found = index[slot]
        if found == 0:
            return slot if room is None else room, None
        if found == INDEX_RELEASED:
            room = slot if room is None else room
            continue
        row = (found & NONE) - 1
        is_like = found >> 32 == hashed >> 32 and 0 <= row < capacity
        if is_like and keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] == key:
            return slot, row
    return room, None
