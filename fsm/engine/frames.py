"""Frames, in plain Python: how the journal tells an input, and how it is read. `fsm.layout` draws a frame.

    what was decided ──Group.tell, Group.bring──▶ frames of one group, numbered ──Group.close──▶ words, with checksums
    words ──Frame()──▶ its parts      is_whole(): number and checksums are as they should be

A group is one input: its main frame, the continuation frames of what else it brought, and for each deferred event that
was given again a frame, with its arguments. All but the last are linked. Nothing here touches memory.
"""

from __future__ import annotations

from fsm.engine.crc32c import checksum
from fsm.layout import (
    FRAME_ARGUMENT,
    FRAME_CHECKSUMS,
    FRAME_CONFIGURATIONS,
    FRAME_IMAGE,
    FRAME_INPUT,
    FRAME_LINKED,
    FRAME_PAYLOAD,
    FRAME_PLACE,
    FRAME_PREVIOUS,
    FRAME_SEQUENCE,
    FRAME_TIME,
    FRAME_WORDS,
    GENERATION_MASK,
    NONE,
    ROW_FRAME,
    FrameKind,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

FIXED_PAYLOAD: Final = FRAME_WORDS - FRAME_PAYLOAD
"""Words that a continuation frame brings in its fixed part; more of them run on behind it."""


def group_max(deferral_slots: int) -> int:
    """Frames of the largest group: an input with all that it can bring, and every deferred event given again.

    A main frame has four continuations at most (arguments; key; idempotency; correlation), an event given again one.
    """
    return 5 + 2 * deferral_slots


class Group:
    """The frames of one input, in the order of their numbers; `sequence` is that of the last one told so far."""

    __slots__ = ("_frames", "_now_ns", "_words", "sequence")

    def __init__(self, applied: int, now_ns: int, frame_words: int) -> None:
        self.sequence = applied
        self._now_ns = now_ns
        self._words = frame_words
        self._frames: list[list[int]] = []

    def tell(
        self,
        kind: FrameKind,
        outcome: int,
        *,
        row: int = NONE,
        event: int = 0,
        before: int = NONE,
        after: int = NONE,
        previous: int = 0,
        generation: int = 0,
        place: int = NONE,
        argument: int = 0,
        image: Sequence[int] | None = None,
    ) -> int:
        """A main frame, or that of an event given again; returns its number, which the image has as its last frame."""
        self.sequence += 1
        words = [
            self.sequence,
            0,
            row | event << 32 | outcome << 48 | kind << 58,
            self._now_ns,
            before | after << 32,
            previous,
            generation | place << 32,
            argument,
        ]
        if image is not None:
            words[FRAME_INPUT] |= FRAME_IMAGE << 56
            words += [*image[:ROW_FRAME], self.sequence, *image[ROW_FRAME + 1 :]]
        assert len(words) in (FRAME_WORDS, self._words)
        self._frames.append(words)
        return self.sequence

    def bring(self, kind: FrameKind, row: int, payload: Sequence[int]) -> None:
        """A continuation frame: words that the input of this row brought."""
        assert kind >= FrameKind.ARGUMENTS and FRAME_PAYLOAD + len(payload) <= self._words
        self.sequence += 1
        runs_on = len(payload) > FIXED_PAYLOAD
        words = [self.sequence, 0, row | len(payload) << 32 | kind << 58, *payload]
        if runs_on:
            words[FRAME_INPUT] |= FRAME_IMAGE << 56
        self._frames.append(words + [0] * ((self._words if runs_on else FRAME_WORDS) - len(words)))

    def close(self) -> list[list[int]]:
        """The words of every frame, of the fixed part alone where nothing stands behind it: linked and under checksums.

        No frame is told behind this.
        """
        for words in self._frames[:-1]:
            words[FRAME_INPUT] |= FRAME_LINKED << 56
        for words in self._frames:
            words[FRAME_CHECKSUMS] = checksums(words)
        return self._frames


def checksums(words: Sequence[int]) -> int:
    """Word 1 of a frame: the checksum of the other words of its fixed part, and above it that of what stands behind."""
    fixed = checksum([words[FRAME_SEQUENCE], *words[FRAME_INPUT:FRAME_WORDS]])
    return fixed | (checksum(words[FRAME_WORDS:]) << 32 if words[FRAME_INPUT] >> 56 & FRAME_IMAGE else 0)


# --- reading ---


class Frame:
    """A frame, its words told apart. Raises `ValueError` for a kind that nobody writes, or more words than it has.

    event       an event id, EVENT_NONE, or the column of a timer; 0 for a continuation frame, as all that it has not
    image       the row after it, or empty
    payload     what a continuation frame brings, or empty
    """

    __slots__ = (
        "after", "argument", "before", "event", "generation", "image", "kind", "linked", "now_ns", "outcome", "payload",
        "place", "previous", "row", "sequence",
    )  # fmt: skip

    def __init__(self, words: Sequence[int]) -> None:
        told = words[FRAME_INPUT]
        runs_on = bool(told >> 56 & FRAME_IMAGE)
        self.sequence = words[FRAME_SEQUENCE]
        self.kind, self.linked, self.row = FrameKind(told >> 58), bool(told >> 56 & FRAME_LINKED), told & NONE
        self.payload: tuple[int, ...] = ()
        self.image: tuple[int, ...] = ()
        if self.kind >= FrameKind.ARGUMENTS:
            count = told >> 32 & 0xFFFF
            if count > (len(words) if runs_on else FRAME_WORDS) - FRAME_PAYLOAD:
                raise ValueError(f"frame {self.sequence} would bring {count} words, and has room for fewer")
            self.payload = tuple(words[FRAME_PAYLOAD : FRAME_PAYLOAD + count])
            told = 0
            words = [0] * FRAME_WORDS
        elif runs_on:
            self.image = tuple(words[FRAME_WORDS:])
        self.event, self.outcome = told >> 32 & 0xFFFF, told >> 48 & 0xFF
        self.now_ns, self.previous, self.argument = words[FRAME_TIME], words[FRAME_PREVIOUS], words[FRAME_ARGUMENT]
        self.before, self.after = words[FRAME_CONFIGURATIONS] & NONE, words[FRAME_CONFIGURATIONS] >> 32
        self.generation, self.place = words[FRAME_PLACE] & GENERATION_MASK, words[FRAME_PLACE] >> 32

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in ("sequence", "row", "event", "outcome"))
        return f"<Frame {self.kind.name.lower()} {told}>"


def is_whole(words: Sequence[int], sequence: int) -> bool:
    """Whether a frame was committed by itself as number `sequence`, and nothing in it changed since."""
    return words[FRAME_SEQUENCE] == sequence and words[FRAME_CHECKSUMS] == checksums(words)
