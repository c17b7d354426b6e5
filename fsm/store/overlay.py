"""What the journal has committed and the rows do not show yet: the last input of a writer that was killed or stopped.

    ring, above `applied` ──groups that are whole──▶ Overlay: rows, keys, counts as they will be, told to readers alone

A step commits its frames first and stores its views behind them, so between the two the truth is in the ring. The next
writer makes the views good (`fsm.store.recovery`); a reader writes nothing, and lays what it finds over what it reads.
"""

from __future__ import annotations

from fsm.engine.frames import Frame
from fsm.errors import CorruptStore
from fsm.layout import (
    COUNTED_DONE,
    FRAME_INPUT,
    FRAME_LINKED,
    HEADER_FIELDS,
    KEY_BYTES,
    ROW_FRAME,
    ROW_FRAME_BUSY,
    ROW_NEXT_FREE,
    UNTOLD_OUTCOMES,
    WORD_BYTES,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from fsm.store.view import View

APPLIED: Final = HEADER_FIELDS["applied"]
COUNTED_BY: Final = HEADER_FIELDS["counted_by"]
COUNTED_WORD: Final = HEADER_FIELDS["counted_word"]
COUNTED_VALUE: Final = HEADER_FIELDS["counted_value"]
EPOCH: Final = HEADER_FIELDS["epoch"]
FREE_ROW: Final = HEADER_FIELDS["free_row"]
NOW: Final = HEADER_FIELDS["now_ns"]
ROW_COUNT: Final = HEADER_FIELDS["row_count"]
UNTOLD: Final = HEADER_FIELDS["untold"]

FREE_DEPTH: Final = ROW_NEXT_FREE + 1
"""The word of a released row that says how many rows are free from it on."""


class Overlay:
    """Groups above `applied`, and what they make of the memory.

    applied, epoch    what it was made for
    seen              the last frame that was there, whether its group is whole or not
    last              the last frame of the last whole group: `applied` where there is none
    rows              row to its words (word 1: its last frame), as they stand after the groups
    keys              key to the handle that it got, or None where it was released
    row_keys          row to the key that a START gave it
    """

    __slots__ = (
        "applied",
        "epoch",
        "free_row",
        "keys",
        "last",
        "now_ns",
        "row_count",
        "row_keys",
        "rows",
        "seen",
        "untold",
    )

    def __init__(self, view: View) -> None:
        header = view.header
        self.epoch = header[EPOCH]
        self.applied = self.seen = self.last = header[APPLIED]
        self.now_ns = header[NOW]
        self.row_count = header[ROW_COUNT]
        self.free_row = header[FREE_ROW]
        self.untold = untold(header)
        self.rows: dict[int, list[int]] = {}
        self.keys: dict[bytes, int | None] = {}
        self.row_keys: dict[int, bytes] = {}
        for group in self._groups(view):
            self._lay(view, group)
            self.last = group[-1].sequence

    def holds(self, view: View) -> bool:
        """Whether the ring shows what it showed: no frame came behind those that were seen."""
        header, behind = view.header, self.seen + 1
        return (
            header[APPLIED] == self.applied
            and header[EPOCH] == self.epoch
            and view.ring[(behind & view.ring_mask) * view.frame_words] != behind
        )

    def _groups(self, view: View) -> Iterator[list[Frame]]:
        """Whole groups, in order, until a frame is missing or damaged."""
        group: list[Frame] = []
        while self.seen - self.applied <= view.ring_mask:
            words = view.frame(self.seen + 1)
            if words is None:
                return
            try:
                group.append(Frame(words))
            except ValueError as error:
                raise CorruptStore("ring", view.frame_offset(self.seen + 1), str(error)) from None
            self.seen += 1
            if not words[FRAME_INPUT] >> 56 & FRAME_LINKED:
                yield group
                group = []

    def _lay(self, view: View, group: list[Frame]) -> None:
        """The views of one group, as `fsm.store.recovery` stores them."""
        main = group[0]
        self.now_ns = max(self.now_ns, main.now_ns)
        if main.kind is FrameKind.START and main.outcome == Outcome.ACCEPTED:
            self._started(view, main, group)
        if main.kind is FrameKind.RELEASE:
            self._released(view, main)
        for frame in group:
            if frame.kind >= FrameKind.ARGUMENTS:
                continue
            if (
                frame.kind in (FrameKind.TIMER, FrameKind.AGAIN)
                and frame.sequence > view.header[COUNTED_BY] & ~COUNTED_DONE
            ):
                self.untold[frame.outcome & UNTOLD_OUTCOMES - 1] += 1
            if frame.image:
                self.rows[self._checked(view, frame)] = [*frame.image]
            elif frame.row < view.capacity and frame.previous:
                words = self._words(view, frame.row)
                words[ROW_FRAME] = max(words[ROW_FRAME] & ~ROW_FRAME_BUSY, frame.sequence)
                self.rows[frame.row] = words

    def _started(self, view: View, main: Frame, group: list[Frame]) -> None:
        row = self._checked(view, main)
        if self.free_row == row + 1:
            self.free_row = self._words(view, row)[ROW_NEXT_FREE]
        for frame in group:
            if frame.kind is FrameKind.KEY:
                key = b"".join(word.to_bytes(WORD_BYTES, "little") for word in frame.payload).ljust(KEY_BYTES, b"\0")
                self.keys[key] = row | main.generation << 32
                self.row_keys[row] = key
        self.row_count = max(self.row_count, row + 1)

    def _released(self, view: View, main: Frame) -> None:
        row = self._checked(view, main)
        self.keys[self.row_keys.pop(row, b"") or view.key(row)] = None
        if main.image[FREE_DEPTH]:  # 0: retired, since its generations are used up
            self.free_row = row + 1

    def _checked(self, view: View, frame: Frame) -> int:
        """The row of a frame that brings its image. Raises `CorruptStore` where the two do not agree."""
        if frame.row >= view.capacity or not frame.image or frame.image[ROW_FRAME] != frame.sequence:
            reason = f"frame {frame.sequence} names row {frame.row}, and its image is of none such"
            raise CorruptStore("ring", view.frame_offset(frame.sequence), reason)
        return frame.row

    def _words(self, view: View, row: int) -> list[int]:
        return [*self.rows[row]] if row in self.rows else view.row(row)


def untold(header: memoryview) -> list[int]:
    """The counts by outcome; one that was begun and not stored yet is taken as stored."""
    counts: list[int] = header[UNTOLD : UNTOLD + UNTOLD_OUTCOMES].tolist()
    by, word, value = header[COUNTED_BY], header[COUNTED_WORD] - UNTOLD, header[COUNTED_VALUE]
    if not by & COUNTED_DONE and by == header[COUNTED_BY] and 0 <= word < UNTOLD_OUTCOMES:
        counts[word] = value
    return counts
