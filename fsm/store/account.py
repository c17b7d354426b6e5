"""What memory must show, told from the journal alone: one pass over its frames, in order.

    frames ──follow()──▶ Account: rows, keys, chain of free rows, idempotency keys, counts, place, position
               └──▶ problems: a frame that is damaged, a group that is not whole, a chain that has a gap

Where the journal begins with frame 1 the account is complete; else it knows of a row what came since.
"""

from __future__ import annotations

from fsm.engine.frames import Frame, is_whole
from fsm.engine.idempotency import NOTED_OUTCOMES, digest
from fsm.layout import (
    ARGUMENT_WORDS,
    EVENT_NONE,
    FRAME_SEQUENCE,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_NEXT_FREE,
    ROW_STATE,
    UNTOLD_OUTCOMES,
    WORD_BYTES,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from fsm.tables import Tables

    Report = Callable[[str], None]

MAIN: Final = (FrameKind.EVENT, FrameKind.TIMER, FrameKind.START, FrameKind.RELEASE, FrameKind.POSITION)
ORDER: Final = {kind: at for at, kind in enumerate(FrameKind) if kind >= FrameKind.ARGUMENTS}
FAULTS: Final = (Outcome.OVERFLOW, Outcome.DIVISION, Outcome.BOUND)
IMAGE_KINDS: Final = (FrameKind.TIMER, FrameKind.AGAIN, FrameKind.RELEASE)


class Account:
    """The state that the frames come to.

    complete     whether it began with frame 1
    rows         row to its words; only their word 1 is known where `partly` has the row
    keys         row to its key, or to zeros where it was released
    noted        idempotency key to the frame that brought it, its digest and outcome
    """

    def __init__(self, tables: Tables, first: int) -> None:
        self.tables = tables
        self.complete = first == 1
        self.last = first - 1
        self.rows: dict[int, list[int]] = {}
        self.partly: set[int] = set()
        self.keys: dict[int, bytes] = {}
        self.noted: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.untold = [0] * UNTOLD_OUTCOMES
        self.now_ns = self.position = self.row_count = self.free_row = 0
        self.place = NONE
        self._group: list[Frame] = []

    def follow(self, words: Sequence[int], report: Report) -> None:
        """The next frame. What is wrong with it is reported, and it is left out."""
        self.last += 1
        if not is_whole(words, self.last):
            found = words[FRAME_SEQUENCE]
            report(f"frame {self.last} is damaged" if found == self.last else f"frame {found} is where {self.last} was")
            self._group, self.complete = [], False
            return
        try:
            frame = Frame(words)
        except ValueError as error:
            report(str(error))
            return
        self._check_order(frame, report)
        self._group.append(frame)
        if not frame.linked:
            group, self._group = self._group, []
            self._lay(group, report)

    @property
    def is_open(self) -> bool:
        """Whether a group has begun, and its last frame is missing."""
        return bool(self._group)

    def _check_order(self, frame: Frame, report: Report) -> None:
        before = self._group[-1] if self._group else None
        if before is None:
            wrong = frame.kind not in MAIN
        elif frame.kind is FrameKind.AGAIN:
            wrong = frame.row != self._group[0].row
        elif frame.kind < FrameKind.ARGUMENTS:
            wrong = True
        else:
            wrong = frame.row != before.row or ORDER[frame.kind] <= ORDER.get(before.kind, -1)
        if wrong:
            behind = "begins a group" if before is None else f"follows one of kind {before.kind.name}"
            report(f"frame {frame.sequence} of kind {frame.kind.name} {behind}")

    def _lay(self, group: list[Frame], report: Report) -> None:
        main = group[0]
        if main.now_ns < self.now_ns:
            report(f"frame {main.sequence} has time {main.now_ns}, and the one before {self.now_ns}")
        self.now_ns = max(self.now_ns, main.now_ns)
        if main.kind is FrameKind.POSITION:
            self.position = main.sequence
        if main.kind is FrameKind.START and main.outcome == Outcome.ACCEPTED:
            self._start(main, group)
        for frame in group:
            if frame.kind >= FrameKind.ARGUMENTS:
                continue
            if frame.kind in (FrameKind.TIMER, FrameKind.AGAIN):
                self.untold[frame.outcome % UNTOLD_OUTCOMES] += 1
            if frame.outcome in FAULTS and frame.place != NONE:
                self.place = frame.place
            self._row(frame, report)
        if main.kind is FrameKind.RELEASE:
            self.keys[main.row] = bytes(KEY_BYTES)
            if main.generation < 0xFFFF:
                self.free_row = main.row + 1
        self._note(group)

    def _start(self, main: Frame, group: list[Frame]) -> None:
        if self.free_row == main.row + 1 and main.row in self.rows:
            self.free_row = self.rows[main.row][ROW_NEXT_FREE]
        for frame in group:
            if frame.kind is FrameKind.KEY:
                self.keys[main.row] = b"".join(word.to_bytes(WORD_BYTES, "little") for word in frame.payload)
        self.row_count = max(self.row_count, main.row + 1)

    def _row(self, frame: Frame, report: Report) -> None:
        """The row after a frame; whether it goes on where the last one ended."""
        known = self.rows.get(frame.row)
        if known is not None and frame.previous and frame.previous != known[ROW_FRAME]:
            report(f"frame {frame.sequence} follows {frame.previous} in row {frame.row}, not {known[ROW_FRAME]}")
        whole = known is not None and frame.row not in self.partly and frame.previous
        if known is not None and whole and (stood := known[ROW_STATE] & NONE) != frame.before:
            report(f"frame {frame.sequence} finds row {frame.row} in configuration {frame.before}, not {stood}")
        if frame.image:
            self._image(frame, report)
        elif frame.previous:
            if frame.kind in IMAGE_KINDS or (
                frame.outcome in (Outcome.ACCEPTED, Outcome.DEFERRED) and frame.kind is not FrameKind.POSITION
            ):
                report(f"frame {frame.sequence} changed row {frame.row}, and does not tell how")
            if known is None:
                self.partly.add(frame.row)
            words = [0] * self.tables.row_words if known is None else known
            words[ROW_FRAME] = frame.sequence
            self.rows[frame.row] = words

    def _image(self, frame: Frame, report: Report) -> None:
        image = [*frame.image]
        after = image[ROW_STATE] & NONE
        expected = 0 if frame.kind is FrameKind.RELEASE else frame.after
        if image[ROW_FRAME] != frame.sequence or after != expected or after >= self.tables.configuration_count:
            report(f"frame {frame.sequence} and the row that it brings do not agree")
        self.partly.discard(frame.row)
        self.rows[frame.row] = image

    def _note(self, group: list[Frame]) -> None:
        """The idempotency key of an input that was taken."""
        main = group[0]
        keys = [frame.payload for frame in group if frame.kind is FrameKind.IDEMPOTENCY]
        if main.kind is not FrameKind.EVENT or not keys or main.outcome not in NOTED_OUTCOMES:
            return
        arguments = [main.argument, *[0] * (ARGUMENT_WORDS - 1)]
        if len(group) > 1 and group[1].kind is FrameKind.ARGUMENTS:
            arguments[1:] = group[1].payload
        told = digest(main.row | main.generation << 32, main.event, arguments) if main.event != EVENT_NONE else 0
        self.noted[keys[0][0], keys[0][1]] = (main.sequence, told, main.outcome)
