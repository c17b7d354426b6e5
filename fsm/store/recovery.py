"""Take up where a process was killed: what the journal has committed and the rows do not show yet.

    header.applied ──▶ its frame is whole ──▶ frames behind it, while each is whole and of its number
        a complete group ──Group.check()──▶ it agrees with the tables and the row ──redo()──▶ views, applied
        frames of a group that never was committed ──▶ taken back, the last one first

No code of a flow runs: a frame holds the row as it stood after it. The work does not grow with the rows, and being
killed in it leaves what it began with, or nothing to do. A writer stores `applied` before it answers, so there is one
such group at the most, and a second one is none that a writer leaves.

A frame that is damaged, or says what no writer says, is a `CorruptStore`: the memory is not touched then.
"""

from __future__ import annotations

from fsm.engine.areas import Areas
from fsm.engine.frames import Frame, group_max, is_whole
from fsm.errors import CorruptStore
from fsm.layout import (
    COUNTED_DONE,
    FRAME_INPUT,
    HEADER_FIELDS,
    INT64_MAX,
    KEY_BYTES,
    NONE,
    SEQUENCE_MAX,
    UINT64_MASK,
    UNTOLD_OUTCOMES,
    WORD_BYTES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.store.groups import Group
    from fsm.tables import Tables

APPLIED: Final = HEADER_FIELDS["applied"]
WRITTEN: Final = HEADER_FIELDS["written"]
DURABLE: Final = HEADER_FIELDS["durable"]
NOW: Final = HEADER_FIELDS["now_ns"]
ROW_COUNT: Final = HEADER_FIELDS["row_count"]
WINDOW: Final = HEADER_FIELDS["idempotency_window"]
COUNTED_BY: Final = HEADER_FIELDS["counted_by"]
COUNTED_WORD: Final = HEADER_FIELDS["counted_word"]
COUNTED_VALUE: Final = HEADER_FIELDS["counted_value"]
UNTOLD: Final = HEADER_FIELDS["untold"]
COUNTERS: Final = frozenset(
    {HEADER_FIELDS["index_filled"]}
    | {HEADER_FIELDS["idempotency_count"], HEADER_FIELDS["idempotency_count"] + 1}
    | set(range(UNTOLD, UNTOLD + UNTOLD_OUTCOMES))
)
"""The words of the header that count frames."""


def recover(memory: Any, tables: Tables) -> bool:
    """Make the views of the group that was committed last, if they are not; whether. Raises `CorruptStore`."""
    ring = Ring(memory, tables)
    check_marks(ring)
    frames, complete = ring.group(ring.header[APPLIED] + 1)
    if not complete:
        for frame in reversed(frames):  # the last first: whoever is killed here finds the first ones again
            ring.take_back(frame.sequence)
        return False
    from fsm.store.groups import Group  # seldom needed: most processes are killed between two steps
    from fsm.store.redo import redo

    group = Group(frames, ring.areas, tables, ring.damaged)
    ring.require_end(group.last + 1)
    group.check()
    check_counting(ring, group)
    redo(group)
    # What the header itself holds comes last, as in a step.
    ring.header[NOW] = max(ring.header[NOW], group.main.now_ns)
    ring.header[APPLIED] = group.last
    return True


def check_marks(ring: Ring) -> None:
    """The header says nothing that no writer says, and the frame at `applied` is what was written there."""
    header = ring.header
    applied, written, durable = (header[mark] for mark in (APPLIED, WRITTEN, DURABLE))
    if not durable <= written <= applied <= written + ring.frames or applied >= SEQUENCE_MAX - ring.frames:
        reason = f"{applied} frames applied, {written} written and {durable} durable are in no order"
        raise CorruptStore(ring.file("header"), APPLIED * WORD_BYTES, reason)
    newest = applied + ring.group_max
    for field, most in {
        "row_count": len(ring.areas.keys) // KEY_BYTES,
        "free_row": header[ROW_COUNT],
        "now_ns": INT64_MAX,
        "place": NONE,
        "position": newest,
        "index_filled": len(ring.areas.index),
        "idempotency_since": newest,
        "idempotency_count": header[WINDOW],
    }.items():
        first = HEADER_FIELDS[field]
        for word in range(first, first + (2 if field.startswith("idempotency") else 1)):
            if header[word] > most:
                raise CorruptStore(ring.file("header"), word * WORD_BYTES, f"{field} is {header[word]}, above {most}")
    if applied:
        words = ring.words(applied)
        if not is_whole(words, applied):
            raise ring.damaged(applied, f"the last frame that was applied, {applied}, is damaged")
        if ring.frame(words).linked:
            raise ring.damaged(applied, f"the last frame that was applied, {applied}, is not the end of its group")
    if header[COUNTED_BY] & ~COUNTED_DONE > newest or max(header[UNTOLD : UNTOLD + UNTOLD_OUTCOMES]) > newest:
        raise CorruptStore(ring.file("header"), COUNTED_BY * WORD_BYTES, "counters count frames that are not there yet")


def check_counting(ring: Ring, group: Group) -> None:
    """A counter that is to be stored again is one, of a frame of this group, and goes up by one."""
    header = ring.header
    by, word = header[COUNTED_BY] & ~COUNTED_DONE, header[COUNTED_WORD]
    if by <= header[APPLIED]:
        return
    counter = word in COUNTERS and any(by == head.sequence for head in group.heads)
    value = header[COUNTED_VALUE]
    if not counter or not (value == 1 or header[word] <= value <= header[word] + 1):
        reason = f"frame {by} counts word {word} to {value}, which no writer does"
        raise CorruptStore(ring.file("header"), COUNTED_BY * WORD_BYTES, reason)


class Ring:
    """The frames in the ring of a memory."""

    __slots__ = ("_memory", "areas", "frames", "group_max", "header")

    def __init__(self, memory: Any, tables: Tables) -> None:
        self._memory = memory
        self.areas = Areas(memory, tables.row_words)
        self.header = self.areas.header
        self.frames = self.areas.ring_mask + 1
        self.group_max = group_max(tables.deferral_slots)

    def group(self, first: int) -> tuple[list[Frame], bool]:
        """The frames from `first` on that are whole, and whether the last of them commits the others."""
        frames: list[Frame] = []
        for sequence in range(first, first + self.group_max):
            words = self.words(sequence)
            if words[0] != sequence:
                self.require_end(sequence)
                return frames, False
            if not is_whole(words, sequence):
                raise self.damaged(sequence, f"frame {sequence} is committed, and its checksums do not agree")
            frames.append(self.frame(words))
            if not frames[-1].linked:
                return frames, True
        raise self.damaged(first, f"a group of more than {self.group_max} frames, which no input of this flow has")

    def frame(self, words: list[int]) -> Frame:
        """A frame that is whole, its words told apart."""
        try:
            return Frame(words)
        except ValueError as error:
            raise self.damaged(words[0], str(error)) from None

    def require_end(self, sequence: int) -> None:
        """Where no frame is, there is one that was begun, or one of the lap before, or nothing; and none behind it."""
        words = self.words(sequence)
        begun, before = words[0] == sequence ^ UINT64_MASK, sequence - self.frames
        if not begun and not (is_whole(words, before) if before > 0 else not any(words)):
            raise self.damaged(sequence, f"there is neither frame {sequence} nor what was there before it")
        if self.words(sequence + 1)[0] == sequence + 1:
            raise self.damaged(sequence, f"frame {sequence} is not there, and the one behind it is")

    def take_back(self, sequence: int) -> None:
        """A frame whose group was never committed is as one that was only begun."""
        assert self.areas.ring is not None
        self.areas.ring[self._offset(sequence)] = sequence ^ UINT64_MASK

    def words(self, sequence: int) -> list[int]:
        """What lies in the ring where this frame goes."""
        assert self.areas.ring is not None
        first = self._offset(sequence)
        return self.areas.ring[first : first + self.areas.frame_words].tolist()

    def _offset(self, sequence: int) -> int:
        return (sequence & self.areas.ring_mask) * self.areas.frame_words

    def damaged(self, sequence: int, reason: str, word: int = FRAME_INPUT) -> CorruptStore:
        """The error for a frame that no writer leaves."""
        return CorruptStore(self.file("ring"), (self._offset(sequence) + word) * WORD_BYTES, reason)

    def file(self, name: str) -> str:
        """The path of an area, where the memory has one."""
        directory = getattr(self._memory, "directory", None)
        return name if directory is None else str(directory.file(name))
