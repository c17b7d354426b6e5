"""A group of frames: one input, held to what the tables and the memory allow before anything is made of it.

    main │ arguments, key, fields, idempotency, correlation, data │ given again │ its arguments │ given again ...
    ──check()──▶ nothing, or CorruptStore

What the frames say is believed only where a writer could have said it: kinds in their order, rows that are there, in
the state that the frame says was before it, images that agree with the fixed part and lead nowhere but into the tables.
"""

from __future__ import annotations

from fsm.engine.areas import ROW_DEPTH, find_slot
from fsm.engine.keys import WORDS, hash_key
from fsm.engine.trouble import check_free_row, check_row
from fsm.errors import CorruptStore
from fsm.layout import (
    ARGUMENT_WORDS,
    EVENT_NONE,
    GENERATION_MASK,
    HEADER_FIELDS,
    INT64_MAX,
    KEY_WORDS,
    NONE,
    ROW_FRAME,
    ROW_FRAME_BUSY,
    ROW_LIVE,
    ROW_NEXT_FREE,
    ROW_STATE,
    ROW_VERSION,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, NoReturn

    from fsm.engine.areas import Areas
    from fsm.engine.frames import Frame
    from fsm.tables import Tables

ROW_COUNT: Final = HEADER_FIELDS["row_count"]
FREE_ROW: Final = HEADER_FIELDS["free_row"]

BROUGHT: Final = {
    FrameKind.EVENT: {FrameKind.ARGUMENTS, FrameKind.KEY, FrameKind.IDEMPOTENCY, FrameKind.CORRELATION},
    FrameKind.TIMER: set(),
    FrameKind.START: {FrameKind.KEY, FrameKind.FIELDS},
    FrameKind.RELEASE: set(),
    FrameKind.POSITION: {FrameKind.DATA},
    FrameKind.AGAIN: {FrameKind.ARGUMENTS},
}
"""What each kind of frame may have behind it."""
NEEDED: Final = {FrameKind.START: FrameKind.KEY, FrameKind.POSITION: FrameKind.DATA}
CHANGING: Final = (Outcome.ACCEPTED, Outcome.DEFERRED)
OUTCOMES: Final = frozenset(int(outcome) for outcome in Outcome)
NOT_OF_STEPS: Final = frozenset({Outcome.UNKNOWN_INSTANCE, Outcome.EXISTS, Outcome.BUSY})


class Group:
    """The frames of one input.

    main       the frame of the input itself
    heads      it, and those of the deferred events that were given again
    brought    the payloads of the main frame's continuations, by kind
    last       the number of the last frame
    row        that it changes, or None
    shown      whether the row was written already: all of it, or a part
    """

    def __init__(
        self, frames: list[Frame], areas: Areas, tables: Tables, damaged: Callable[[int, str], CorruptStore]
    ) -> None:
        self.areas, self.tables, self._damaged = areas, tables, damaged
        self.frames, self.main, self.last = frames, frames[0], frames[-1].sequence
        self.heads = [frame for frame in frames if frame.kind < FrameKind.ARGUMENTS]
        self.brought: dict[FrameKind, tuple[int, ...]] = {}
        self.row: int | None = None
        self.shown = False

    @property
    def touches(self) -> bool:
        """Whether nothing of the row changed but the number of its last frame."""
        return not self.main.image

    def check(self) -> None:
        """Raise `CorruptStore` for what no writer writes."""
        self._check_order()
        main = self.main
        if main.outcome not in OUTCOMES or main.now_ns > INT64_MAX:
            self._fail(main, f"outcome {main.outcome} at {main.now_ns} ns is none")
        if main.kind == FrameKind.POSITION:
            self._require(
                main.row == NONE and not main.image and main.outcome == Outcome.ACCEPTED, "a position of a row"
            )
        elif main.kind == FrameKind.START:
            self._check_start()
        elif main.kind == FrameKind.RELEASE:
            self._check_release()
        elif main.outcome == Outcome.UNKNOWN_INSTANCE:
            nowhere = (main.before, main.after, main.previous) == (NONE, NONE, 0)
            unknown = main.kind == FrameKind.EVENT and nowhere and not main.image and len(self.heads) == 1
            self._require(unknown, "an unknown instance that has a row")
        else:
            self._check_step()

    # --- frames and their order ---

    def _check_order(self) -> None:
        """One main frame, what it brought, then frames of events given again, each kind once and in order."""
        head: Frame | None = None
        behind = FrameKind.EVENT
        for frame in self.frames:
            if frame.kind < FrameKind.ARGUMENTS:
                if (frame.kind == FrameKind.AGAIN) == (head is None):
                    self._fail(frame, f"{frame.kind.name} is not where a frame of its kind stands")
                head, behind = frame, FrameKind.EVENT
                continue
            if head is None or frame.kind <= behind or frame.kind not in BROUGHT[head.kind]:
                self._fail(frame, f"{frame.kind.name} is not where a frame of its kind stands")
            behind = frame.kind
            if frame.row != head.row or not self._fits(frame):
                self._fail(frame, f"{len(frame.payload)} words of {frame.kind.name} for row {frame.row}")
            if head is self.main:
                self.brought[frame.kind] = frame.payload
        needed = NEEDED.get(self.main.kind)
        self._require(needed is None or needed in self.brought, f"nothing was brought of {needed!r}")
        if self.heads[1:]:
            self._require(self.main.kind in (FrameKind.EVENT, FrameKind.TIMER), "events given again behind no step")

    def _fits(self, frame: Frame) -> bool:
        """Whether it brings as many words as its kind does."""
        kind, count, row_words = frame.kind, len(frame.payload), self.tables.row_words
        if kind == FrameKind.DATA:
            return count <= row_words + 5
        if kind == FrameKind.IDEMPOTENCY:
            return count == 3 and any(frame.payload[:2])
        if kind == FrameKind.FIELDS:
            return count == row_words - 3
        return count == (ARGUMENT_WORDS - 1 if kind == FrameKind.ARGUMENTS else KEY_WORDS)

    # --- a step of a row ---

    def _check_step(self) -> None:
        """An event or timer, and the events given again: each goes on where the one before it ended."""
        main, tables = self.main, self.tables
        words = self._words()
        self.shown = self._is_shown(words, main.previous)
        if not self.shown or self.touches:
            self._check_before(words)
        changed = main.kind == FrameKind.TIMER or main.outcome in CHANGING
        self._require(bool(main.image) == changed, "an image that its outcome does not have")
        self._require(changed or len(self.heads) == 1, "events given again behind a refusal")
        columns = range(tables.timer_column, tables.column_count)
        known = main.event in columns if main.kind == FrameKind.TIMER else self._is_event(main.event)
        self._require(known, f"event {main.event}, which the flow does not have")
        self._check_chain(None if self.shown else words[ROW_VERSION] & NONE)

    def _check_chain(self, version: int | None) -> None:
        """Each head's image agrees with its fixed part, and with the head before it."""
        before = self.main
        for head in self.heads:
            if head is not self.main:
                went_on = (before.sequence, before.after, before.generation, before.now_ns, before.row)
                if went_on != (head.previous, head.before, head.generation, head.now_ns, head.row) or not head.image:
                    self._fail(head, "an event given again that does not go on from the one before it")
                if not self._is_event(head.event):
                    self._fail(head, f"event {head.event}, which the flow does not have")
            if head.outcome not in OUTCOMES or head.outcome in NOT_OF_STEPS:
                self._fail(head, f"outcome {head.outcome} is none of a step")
            accepted = head.outcome == Outcome.ACCEPTED
            if head.before >= self.tables.configuration_count or (head.before != head.after and not accepted):
                self._fail(head, f"configuration {head.before} becomes {head.after} by outcome {head.outcome}")
            if head.image:
                self._check_image(head)
                if version is not None and head.image[ROW_VERSION] & NONE != (version + accepted) & NONE:
                    self._fail(head, f"version {version} becomes {head.image[ROW_VERSION] & NONE}")
                version = head.image[ROW_VERSION] & NONE
            before = head

    def _check_image(self, head: Frame) -> None:
        """The row after a frame: what the fixed part says of it, and nothing that leads beyond the tables."""
        state = head.after | (head.generation | ROW_LIVE << 16) << 32
        if head.image[ROW_STATE] != state or head.image[ROW_FRAME] != head.sequence:
            self._fail(head, "the row after it does not agree with its fixed part")
        self._check_row(head, head.image)

    def _check_before(self, words: list[int]) -> None:
        main = self.main
        if words[ROW_STATE] != main.before | (main.generation | ROW_LIVE << 16) << 32:
            self._fail(main, f"row {main.row} does not stand where this frame says it stood")
        self._check_row(main, words)

    def _check_row(self, head: Frame, words: list[int] | tuple[int, ...]) -> None:
        try:
            check_row(self.tables, words, head.row)
        except CorruptStore as error:
            self._fail(head, error.reason)

    def _words(self) -> list[int]:
        """The words of the row that the main frame names, as they stand now."""
        if self.main.row >= self.areas.header[ROW_COUNT]:
            self._fail(self.main, f"row {self.main.row}, and there are {self.areas.header[ROW_COUNT]}")
        self.row = self.main.row
        return self.areas.row(self.row)

    def _is_shown(self, words: list[int], previous: int) -> bool:
        """Whether the row was written by this group; else its last frame is the one before it."""
        last = words[ROW_FRAME] & ~ROW_FRAME_BUSY
        if last >= self.main.sequence and any(last == head.sequence for head in self.heads):
            return True
        if words[ROW_FRAME] != previous or previous >= self.main.sequence:
            self._fail(self.main, f"frame {previous} came before it in row {self.row}, which has {last} as its last")
        return False

    def _is_event(self, event: int) -> bool:
        return event < self.tables.event_count or event == EVENT_NONE

    # --- starts and releases ---

    def _check_start(self) -> None:
        main = self.main
        if main.outcome == Outcome.ACCEPTED:
            self._require(main.row < len(self.areas.keys) // 64, f"row {main.row}, and there is no room for it")
            self._require((main.before, main.previous) == (NONE, 0) and bool(main.image), "a start of something before")
            self._require(any(self.brought[FrameKind.KEY]), "a start without a key")
            self._check_image(main)
            self._check_place()
            return
        self._require(not main.image, "a start that was refused and has an image")
        if main.outcome == Outcome.EXISTS:
            words = self._words()
            self.shown = self._is_shown(words, main.previous)
            self._check_before(words)
        else:
            nowhere = (main.row, main.before, main.after, main.previous) == (NONE, NONE, NONE, 0)
            self._require(nowhere, "a start that was refused and has a row")

    def _check_place(self) -> None:
        """A new instance takes the first free row, of its generation, and no row that is taken."""
        main, header = self.main, self.areas.header
        self.row = main.row
        words = self.areas.row(self.row)
        self.shown = words[ROW_FRAME] & ~ROW_FRAME_BUSY == main.sequence
        count, free_row = header[ROW_COUNT], header[FREE_ROW]
        key = WORDS.pack(*self.brought[FrameKind.KEY])
        _, found = find_slot(self.areas.index, self.areas.keys, key, hash_key(key))
        self._require(found in (None, self.row), f"a start with the key of row {found}")
        if self.shown:
            self._require(main.row <= count and free_row != main.row + 1, f"row {main.row} is not the next one")
        elif main.row < count:
            self._check_free(main.row)
            popped = free_row == words[ROW_NEXT_FREE]
            self._require(popped or free_row == main.row + 1, f"row {main.row} is not the first free one")
            self._require(words[ROW_STATE] >> 32 == main.generation, f"generation {main.generation} is not the next")
        else:
            fresh = main.row == count and not free_row and not words[ROW_STATE] and not main.generation
            self._require(fresh, f"row {main.row} is not the next one")

    def _check_free(self, row: int) -> None:
        try:
            check_free_row(self.tables, self.areas.row(row), row, self.areas.header[ROW_COUNT])
        except CorruptStore as error:
            self._fail(self.main, error.reason)

    def _check_release(self) -> None:
        main = self.main
        words = self._words()
        self.shown = self._is_shown(words, main.previous)
        self._require(main.outcome == Outcome.ACCEPTED and len(main.image) > 0, "a release that is none")
        if not self.shown:
            self._check_before(words)
        retired = main.generation == GENERATION_MASK
        free_row = main.image[ROW_NEXT_FREE]
        state = min(main.generation + 1, GENERATION_MASK) << 32
        expected = [0] * self.tables.row_words
        expected[ROW_STATE], expected[ROW_FRAME] = state, main.sequence
        if not retired:
            # Released already, the chain begins with this row.
            before = self.areas.header[FREE_ROW]
            self._require(before in (free_row, main.row + 1), "a released row that is not the head of the chain")
            expected[ROW_NEXT_FREE] = free_row
            expected[ROW_DEPTH] = 1 + self._depth(free_row)
        self._require(list(main.image) == expected, "a released row that is not empty")

    def _depth(self, free_row: int) -> int:
        """How many rows are free from one on."""
        if not free_row:
            return 0
        self._require(free_row - 1 != self.main.row, "a free row behind itself")
        self._check_free(free_row - 1)
        return self.areas.row(free_row - 1)[ROW_DEPTH]

    # --- what is wrong ---

    def _require(self, holds: bool, reason: str) -> None:
        if not holds:
            self._fail(self.main, reason)

    def _fail(self, frame: Frame, reason: str) -> NoReturn:
        raise self._damaged(frame.sequence, f"frame {frame.sequence} says what no writer says: {reason}")
