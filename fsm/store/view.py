"""A memory as a reader sees it: the areas as words that nobody here can write, with the shape that they were mapped in.

    SharedMemory ──View──▶ row(): a consistent copy of a row beside a writer ──▶ the words after its last frame

A row is a seqlock: its word 1 names its last frame, with the busy bit while the others are written. Who copies the row
between two equal readings of it has a whole one. Where that does not come about, because the writer is too fast or was
killed within, the journal tells: a row is written only once its frame is committed, so the ring holds the row as it
stands after that frame.
"""

from __future__ import annotations

from array import array

from fsm.engine.areas import Areas
from fsm.engine.frames import is_whole
from fsm.errors import CorruptStore, StoreError
from fsm.layout import (
    FRAME_IMAGE,
    FRAME_INPUT,
    FRAME_PREVIOUS,
    GENERATION_MASK,
    HEADER_FIELDS,
    INDEX_RELEASED,
    NONE,
    ROW_FRAME,
    ROW_FRAME_BUSY,
    ROW_LIVE,
    ROW_STATE,
    WORD_BYTES,
    FrameKind,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

APPLIED: Final = HEADER_FIELDS["applied"]

QUICK_TRIES: Final = 4
"""Copies of a row, before the journal is asked."""
TRIES: Final = 1000
"""What a reader does at most before it says that it cannot."""
STUCK: Final = 8
"""Tries in which nothing moves, before damage is called by its name."""


class View(Areas):
    """The areas of a mapped memory, for reading. It keeps its buffers open; the next mapping makes another."""

    __slots__ = ("capacity", "index_shape", "row_bytes")

    ring: memoryview

    def __init__(self, memory: Any, row_words: int) -> None:
        super().__init__(memory, row_words)
        self.capacity: int = memory.capacity
        self.index_shape: int = memory.index_shape
        self.row_bytes = row_words * WORD_BYTES

    def frame_offset(self, sequence: int) -> int:
        """Where a frame lies in the ring, in bytes."""
        return (sequence & self.ring_mask) * self.frame_words * WORD_BYTES

    def frame(self, sequence: int) -> list[int] | None:
        """The words of a frame as the ring holds it, or None: not there any more, being written, or damaged."""
        size = self.frame_words
        first = (sequence & self.ring_mask) * size
        if self.ring[first] != sequence:
            return None
        words: list[int] = self.ring[first : first + size].tolist()
        return words if self.ring[first] == sequence and is_whole(words, sequence) else None

    def record(self, row: int) -> memoryview:
        """The words of a row as they stood at one moment of this call."""
        rows = self.rows
        first = row * self.row_words
        stamp = first + ROW_FRAME
        for _ in range(QUICK_TRIES):
            before = rows[stamp]
            if before < ROW_FRAME_BUSY:
                copy = rows[first : first + self.row_words].tobytes()
                if rows[stamp] == before:
                    return memoryview(copy).cast("Q")
        return self._record_of_journal(row)

    def _record_of_journal(self, row: int) -> memoryview:
        first, stuck, last = row * self.row_words, 0, (0, 0)
        for _ in range(TRIES):
            before = self.rows[first + ROW_FRAME]
            copy = array("Q", self.rows[first : first + self.row_words].tobytes())
            after = self.rows[first + ROW_FRAME]
            if before == after < ROW_FRAME_BUSY:
                return memoryview(copy)
            words = self._image(row, after & ~ROW_FRAME_BUSY, before if before < ROW_FRAME_BUSY else 0)
            if words is not None:
                image = array("Q", words) if words else copy
                image[ROW_FRAME] = after & ~ROW_FRAME_BUSY
                return memoryview(image)
            now = (after, self.header[APPLIED])
            stuck, last = (stuck + 1 if now == last else 0), now
            if stuck > STUCK:
                reason = f"row {row} is being written by frame {after & ~ROW_FRAME_BUSY}, which the ring does not hold"
                raise CorruptStore("rows", row * self.row_bytes + ROW_FRAME * WORD_BYTES, reason)
        raise StoreError(f"row {row} changes faster than it can be read: {TRIES} tries. Read it again.")

    def _image(self, row: int, sequence: int, known: int) -> list[int] | None:
        """The words of a row after a frame; empty where they are what they were after frame `known`.

        None where the ring does not tell: it was lapped meanwhile, or is damaged.
        """
        while True:
            words = self.frame(sequence)
            if words is None or (told := words[FRAME_INPUT]) & NONE != row or told >> 58 >= FrameKind.ARGUMENTS:
                return None
            if told >> 56 & FRAME_IMAGE:
                return words[-self.row_words :]
            previous = words[FRAME_PREVIOUS]
            if previous <= known or previous >= sequence:
                return [] if known and previous == known else None
            sequence = previous


def probe(view: View, key: bytes, hashed: int) -> tuple[int | None, int | None]:
    """The handle of a key or None; and the slot that was changing while it was looked at, or None.

    A key is written before its row, the row before its slot; released, the slot goes first, then the key, then the row.
    So where slot and row are the same before and after the key was compared, they belong together.
    """
    index, mask = view.index, len(view.index) - 1
    for position in range(len(index)):
        slot = hashed + position & mask
        entry = index[slot]
        if entry == 0:
            break
        row = (entry & NONE) - 1
        if entry == INDEX_RELEASED or entry >> 32 != hashed >> 32 or not 0 <= row < view.capacity:
            continue
        state = view.rows[row * view.row_words + ROW_STATE]
        if view.key(row) != key:
            continue
        if index[slot] != entry or view.rows[row * view.row_words + ROW_STATE] != state or not state >> 48 & ROW_LIVE:
            return None, slot
        return row | (state >> 32 & GENERATION_MASK) << 32, None
    return None, None
