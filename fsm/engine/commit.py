"""One input, store by store: the specification of the order in which memory changes.

    Commit ──tell, bring──▶ frames of its group
           ──row, count, note, start, release ...──▶ what shows it: the views, in the order of the calls
           ──carry_out()──▶ frames, the last one's commit word, views, `applied`

A process may be killed between any two of these stores. Before the commit word nothing is there for whoever opens the
memory next; behind it the group is, and the views are made anew from it: each of their stores may be made twice.
Without a journal there are no frames, nobody opens the memory again, and the same views follow.
"""

from __future__ import annotations

from array import array
from operator import setitem

from fsm.engine.frames import Group
from fsm.engine.idempotency import FRAME, NOTED
from fsm.engine.trouble import check_fence
from fsm.layout import (
    COUNTED_DONE,
    FRAME_WORDS,
    HEADER_FIELDS,
    INDEX_RELEASED,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_FRAME_BUSY,
    ROW_STATE,
    ROW_VERSION,
    UINT64_MASK,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from fsm.engine.areas import Areas
    from fsm.engine.idempotency import Insertion

APPLIED: Final = HEADER_FIELDS["applied"]
NOW: Final = HEADER_FIELDS["now_ns"]
PLACE: Final = HEADER_FIELDS["place"]
POSITION: Final = HEADER_FIELDS["position"]
ROW_COUNT: Final = HEADER_FIELDS["row_count"]
FREE_ROW: Final = HEADER_FIELDS["free_row"]
INDEX_FILLED: Final = HEADER_FIELDS["index_filled"]
UNTOLD: Final = HEADER_FIELDS["untold"]
COUNTED_BY: Final = HEADER_FIELDS["counted_by"]
COUNTED_WORD: Final = HEADER_FIELDS["counted_word"]
COUNTED_VALUE: Final = HEADER_FIELDS["counted_value"]


class Commit:
    """What one input comes to. Whoever makes one calls it in the order of the frames, then `carry_out`, once.

    sequence    the number of the last frame told; without a journal, of the last input
    """

    __slots__ = ("_areas", "_counted_by", "_counts", "_group", "_sequence", "_stores")

    def __init__(self, areas: Areas) -> None:
        self._areas = areas
        self._sequence: int = areas.header[APPLIED]
        self._group: Group | None = None
        if areas.ring is not None:
            self._group = Group(self._sequence, areas.header[NOW], areas.frame_words)
        self._stores: list[tuple[memoryview, Any, Any]] = []
        self._counts: dict[int, int] = {}
        self._counted_by: int = areas.header[COUNTED_BY]

    # --- frames ---

    def tell(self, kind: FrameKind, outcome: Outcome, *, image: list[int] | None = None, **told: int) -> int:
        """A main frame, or that of an event given again, as `Group.tell`; returns its number, which the image gets."""
        if self._group is None:
            self._sequence += 1
        else:
            self._sequence = self._group.tell(kind, outcome, image=image, **told)
        if image is not None:
            image[ROW_FRAME] = self._sequence
        return self._sequence

    def bring(self, kind: FrameKind, row: int, payload: Sequence[int]) -> None:
        """A continuation frame; without a journal what it would bring is forgotten, and has no number."""
        if self._group is not None:
            self._group.bring(kind, row & NONE, [word & UINT64_MASK for word in payload])

    # --- views ---

    def touch(self, row: int, sequence: int) -> None:
        """An input that changed nothing in the row is its last one all the same."""
        self._store(self._areas.rows, row * self._areas.row_words + ROW_FRAME, sequence)

    def row(self, row: int, image: list[int]) -> None:
        """The row becomes the image. Readers in other processes see by its word 1 that it is not whole meanwhile."""
        rows, first = self._areas.rows, row * self._areas.row_words
        self._store(rows, first + ROW_FRAME, image[ROW_FRAME] | ROW_FRAME_BUSY)
        self._store(rows, first + ROW_STATE, image[ROW_STATE])
        self._store(rows, slice(first + ROW_VERSION, first + len(image)), array("Q", image[ROW_VERSION:]))
        self._store(rows, first + ROW_FRAME, image[ROW_FRAME])

    def name(self, row: int, key: bytes) -> None:
        """The key of a row; of none, where it is zeros."""
        self._store(self._areas.keys, slice(row * KEY_BYTES, (row + 1) * KEY_BYTES), key)

    def index(self, slot: int, entry: int, sequence: int) -> None:
        """A slot of the index by key names a row. One that was free is counted first: afterwards nobody could tell."""
        if self._areas.index[slot] == 0:
            self.count(INDEX_FILLED, self._areas.header[INDEX_FILLED] + 1, sequence)
        self._store(self._areas.index, slot, entry)

    def release(self, slot: int) -> None:
        """A slot of the index by key names no row any more, and is looked past."""
        self._store(self._areas.index, slot, INDEX_RELEASED)

    def count(self, word: int, value: int, sequence: int) -> None:
        """A counter of the header becomes this value, because of this frame.

        Counting twice would be wrong, so the header tells which frame counted last, and what, before the counter is
        changed: whoever takes up behind a kill stores the same value again. What it told before is done with, and is
        marked so first, lest the value of one counter be stored in the word of another.
        """
        header = self._areas.header
        if self._group is not None:
            self._store(header, COUNTED_BY, self._counted_by | COUNTED_DONE)
            self._store(header, COUNTED_VALUE, value)
            self._store(header, COUNTED_WORD, word)
            self._store(header, COUNTED_BY, sequence)
            self._counted_by = sequence
        self._store(header, word, value)

    def untold(self, outcome: Outcome, sequence: int) -> None:
        """One more input that no caller is told of; a group may have several with this outcome."""
        word = UNTOLD + outcome
        self._counts[word] = self._counts.get(word, self._areas.header[word]) + 1
        self.count(word, self._counts[word], sequence)

    def note(self, key: tuple[int, int], insertion: Insertion, sequence: int) -> None:
        """The idempotency key of an input that was taken, and that its generation has one more."""
        area, at = self._areas.idempotency, insertion.offset
        assert area is not None
        if insertion.since is not None:
            self._store(self._areas.header, insertion.since, sequence)
        self._store(area, at, key[0])
        self._store(area, at + 1, key[1])
        self._store(area, at + NOTED, insertion.noted)
        self._store(area, at + FRAME, sequence)
        self.count(insertion.counter, insertion.count, sequence)

    def head(self, word: int, value: int) -> None:
        """A word of the header which no other depends on: row_count, free_row, position, place."""
        self._store(self._areas.header, word, value)

    # --- all of it ---

    def carry_out(self) -> None:
        """Make every store, in order, in one call that runs no Python code: no signal and no thread comes between.

        Raises `StaleEpoch` where another writer took over meanwhile. It may have copied memory before the commit: then
        nobody can say what became of the input, and nobody is told that it was taken.
        """
        self._store(self._areas.header, APPLIED, self._sequence if self._group is None else self._group.sequence)
        areas, places, values = zip(*self._frame_stores(), *self._stores, strict=True)
        any(map(setitem, areas, places, values))  # setitem returns None, so this goes on to the last
        check_fence(self._areas.header, self._areas)

    def _store(self, area: memoryview, place: int | slice, value: Any) -> None:
        self._stores.append((area, place, value))

    def _frame_stores(self) -> list[tuple[memoryview, Any, Any]]:
        """Frame by frame into the ring, each between two stores of its commit word; the last of them commits all."""
        stores: list[tuple[memoryview, Any, Any]] = []
        ring = self._areas.ring
        if ring is None or self._group is None:
            return stores
        for words in self._group.close():
            first = (words[0] & self._areas.ring_mask) * self._areas.frame_words
            assert len(words) in (FRAME_WORDS, self._areas.frame_words)
            stores.append((ring, first, words[0] ^ UINT64_MASK))
            stores.append((ring, slice(first + 1, first + len(words)), array("Q", words[1:])))
            stores.append((ring, first, words[0]))
        return stores
