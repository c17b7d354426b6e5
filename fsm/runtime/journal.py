"""The journal of a store as arrays: what a run took, and what became of it.

    segments ─┐
              ├─▶ blocks of frames, uint64[n, F] ──┬──▶ behind: the inputs behind a position
    the ring ─┘                                    └──▶ account: outcomes, starts, timers of a whole run

For whoever counts: frames are not checked beyond their numbers here. Who reads one frame and must be sure of it asks
the store's memory for it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fsm.errors import CorruptStore, StoreError
from fsm.layout import (
    EVENT_NONE,
    FRAME_ARGUMENT,
    FRAME_INPUT,
    FRAME_PAYLOAD,
    FRAME_PLACE,
    FRAME_SEQUENCE,
    GENERATION_MASK,
    HEADER_FIELDS,
    NONE,
    UINT64_MASK,
    FrameKind,
    Outcome,
)
from fsm.runtime.ingest import ABSENT, Past

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fsm.engine import Engine
    from fsm.runtime.batch import Batch

SEGMENT: Final = re.compile(r"(\d{20})-(\d{8})\.frames")
"""A segment's file: its first frame, and the epoch of its writer."""
SEGMENT_HEADER_BYTES: Final = 4096
BLOCK_FRAMES: Final = 1 << 14
OUTCOMES: Final = 256


class Account(NamedTuple):
    """What became of the inputs of a run, by `Outcome` code, int64[256] each.

    rows, made_up    events that came from rows of the source, and those that it made up
    untold           timers, and deferred events that were given again
    started          instances that were started
    """

    rows: NDArray[np.int64]
    made_up: NDArray[np.int64]
    untold: NDArray[np.int64]
    started: int


class Behind(NamedTuple):
    """Inputs in their order: events (outcome, id or EVENT_NONE, first argument), starts (handle; all ones: refused)."""

    outcomes: NDArray[np.uint8]
    event_ids: NDArray[np.uint16]
    arguments: NDArray[np.uint64]
    starts: NDArray[np.uint64]

    def part_of(self, batch: Batch, event_count: int) -> Past:
        """What of a batch these are. Raises `StoreError` where they are events of something else."""
        count = min(len(self.outcomes), len(batch))
        given = batch.event_ids[:count]
        same = self.event_ids[:count] == np.where((given >= 0) & (given < event_count), given, EVENT_NONE)
        if batch.arguments.shape[1]:
            same &= self.arguments[:count] == batch.arguments[:count, 0].view(np.uint64)
        if not same.all():
            raise StoreError(
                f"event {int(np.argmin(same)) + 1} of the batch is not the one that the journal holds in its place: "
                "this store was stepped from elsewhere. Nothing was taken. Run the input on a store of its own."
            )
        return Past(self.outcomes[:count], self.starts)


class Journal:
    """The frames of an engine that is open on the store at `path`, by their numbers."""

    def __init__(self, engine: Engine, path: str | Path) -> None:
        self._engine = engine
        self._folder = Path(path) / "journal"
        self._words = self._header("frame_bytes") // 8

    @property
    def _memory(self) -> Any:
        return self._engine.memory  # another one whenever it has grown

    def _header(self, name: str) -> int:
        return memoryview(self._memory.header).cast("Q")[HEADER_FIELDS[name]]

    @property
    def applied(self) -> int:
        """The last frame there is."""
        return self._header("applied")

    @property
    def position(self) -> int:
        """The last frame that says how far a source was read, or 0."""
        return self._header("position")

    def data(self, sequence: int) -> list[int]:
        """What a POSITION frame says: the words of the frame behind it."""
        try:
            told, frame = self._memory.frame(sequence)[FRAME_INPUT], self._memory.frame(sequence + 1)
        except LookupError:
            told = UINT64_MASK
        if told >> 58 != FrameKind.POSITION or frame[FRAME_INPUT] >> 58 != FrameKind.DATA:
            raise CorruptStore(str(self._folder), 0, f"frame {sequence} would be a position of its source, and is none")
        words: list[int] = frame[FRAME_PAYLOAD : FRAME_PAYLOAD + (frame[FRAME_INPUT] >> 32 & 0xFFFF)].tolist()
        return words

    # --- blocks ---

    def blocks(self, first: int, last: int) -> Iterator[NDArray[np.uint64]]:
        """The frames from `first` to `last`, in order, uint64[n, F]."""
        written, awaited = min(last, self._header("written")), first
        for path, begin, limit in self._segments():
            for start in range(max(first, begin), min(written, limit) + 1, BLOCK_FRAMES):
                if start != awaited:
                    break  # a segment between this one and the one before it is missing
                count = min(BLOCK_FRAMES, min(written, limit) + 1 - start)
                offset = SEGMENT_HEADER_BYTES + (start - begin) * self._words * 8
                words = np.fromfile(path, np.uint64, count * self._words, offset=offset)
                yield self._checked(words, start, count, path, offset)
                awaited += count
        if awaited <= written:
            raise CorruptStore(str(self._folder), 0, f"expected a segment with frame {awaited}, and there is none")
        ring = np.frombuffer(self._memory.ring, np.uint64).reshape(-1, self._words)
        for start in range(max(first, written + 1), last + 1, BLOCK_FRAMES):
            count = min(BLOCK_FRAMES, last + 1 - start)
            slots = np.arange(start, start + count) & len(ring) - 1
            yield self._checked(ring[slots].ravel(), start, count, "ring", int(slots[0]) * self._words * 8)

    def _segments(self) -> list[tuple[Path, int, int]]:
        """Each segment that counts, with the first and the last frame that it may hold.

        A writer that was taken over may go on writing to its own: what a later epoch wrote begins where it ended.
        """
        found = [SEGMENT.fullmatch(path.name) for path in self._folder.iterdir()]
        named = [(int(name[2]), int(name[1]), name[0]) for name in found if name]
        segments, limit = [], UINT64_MASK
        for _, begin, name in sorted(named, reverse=True):
            if begin < limit:
                segments.append((self._folder / name, begin, limit - 1))
                limit = begin
        return segments[::-1]

    def _checked(
        self, words: NDArray[np.uint64], first: int, count: int, file: str | Path, offset: int
    ) -> NDArray[np.uint64]:
        frames = words[: len(words) // self._words * self._words].reshape(-1, self._words)
        wrong = np.flatnonzero(frames[:, FRAME_SEQUENCE] != np.arange(first, first + len(frames), dtype=np.uint64))
        if len(wrong) or len(frames) < count:
            place = int(wrong[0]) if len(wrong) else len(frames)
            reason = f"expected frame {first + place}, and it is not there"
            raise CorruptStore(str(file), offset + place * self._words * 8, reason)
        return frames

    # --- what is counted ---

    def behind(self, position: int) -> Behind:
        """The inputs of the frames behind `position`."""
        parts = [_behind(frames) for frames in self.blocks(position + 1, self.applied)]
        return Behind(*map(np.concatenate, zip(*parts, strict=True))) if parts else _behind(self._no_frames())

    def _no_frames(self) -> NDArray[np.uint64]:
        return np.empty((0, self._words), np.uint64)

    def account(self, positions: Sequence[tuple[int, int, bool]], last: int) -> Account:
        """What became of the inputs behind each of the positions (frame, events of its batch, made up), up to `last`.

        Of the events behind a position only as many count as its batch has: others are not of the source.
        """
        rows, made_up, untold = (np.zeros(OUTCOMES, np.int64) for _ in range(3))
        places = np.array([place for place, _, _ in positions], np.uint64)
        counts = np.array([count for _, count, _ in positions], np.int64)
        invented = np.array([each for _, _, each in positions], np.bool_)
        started, section, seen = 0, -1, 0  # of the events of the batch at `section` so many were seen
        for frames in self.blocks(positions[0][0], last) if positions else ():
            kinds, _, codes = _inputs(frames)
            told = np.flatnonzero(kinds == FrameKind.EVENT)
            batches = np.searchsorted(places, frames[told, FRAME_SEQUENCE]).astype(np.int64) - 1
            # The place of each event within its batch: events before it in this block, and those in blocks before.
            first = np.searchsorted(batches, batches)
            within = np.arange(len(told)) - first + np.where(batches == section, seen, 0)
            counted = within < counts[batches]
            for invents, into in ((False, rows), (True, made_up)):
                into += np.bincount(codes[told[counted & (invented[batches] == invents)]], minlength=OUTCOMES)
            if len(told):
                section, seen = int(batches[-1]), int(within[-1]) + 1
            untold += np.bincount(codes[(kinds == FrameKind.TIMER) | (kinds == FrameKind.AGAIN)], minlength=OUTCOMES)
            started += int(np.count_nonzero((kinds == FrameKind.START) & (codes == Outcome.ACCEPTED)))
        return Account(rows, made_up, untold, started)


def _behind(frames: NDArray[np.uint64]) -> Behind:
    kinds, events, codes = _inputs(frames)
    told, begun = kinds == FrameKind.EVENT, kinds == FrameKind.START
    generations = frames[begun, FRAME_PLACE] & np.uint64(GENERATION_MASK)
    handles = frames[begun, FRAME_INPUT] & np.uint64(NONE) | generations << np.uint64(32)
    starts = np.where(codes[begun] == Outcome.ACCEPTED, handles, ABSENT)
    return Behind(codes[told], events[told], frames[told, FRAME_ARGUMENT], starts)


def _inputs(frames: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint8]]:
    """Kind, event and outcome of each frame."""
    word = frames[:, FRAME_INPUT]
    return (
        (word >> np.uint64(58)).astype(np.uint8),
        (word >> np.uint64(32)).astype(np.uint16),
        (word >> np.uint64(48)).astype(np.uint8),
    )
