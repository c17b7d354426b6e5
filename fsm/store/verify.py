"""Look at every byte of a store that somebody answers for: what `fsm.open` leaves out, because it must be quick.

    superblock, tables, header ──▶ readable at all
    segments, ring ──frame by frame──▶ Account ──▶ rows, keys, index, free rows, counts, idempotency keys agree with it

Nothing is repaired or written: what a killed writer has left is made good in a private copy of the memory first.
"""

from __future__ import annotations

import os
from collections import namedtuple
from contextlib import suppress

from fsm.errors import CorruptStore, StoreError
from fsm.layout import FRAME_SEQUENCE, HEADER_FIELDS, UINT64_MASK, WORD_BYTES
from fsm.store import superblock as superblocks
from fsm.store.account import Account
from fsm.store.agree import agree
from fsm.store.directory import Directory
from fsm.store.flows import stored_tables
from fsm.store.journal import HEADER, HEADER_BYTES
from fsm.store.lock import Lock, guard
from fsm.store.memory import SharedMemory
from fsm.store.recovery import recover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NamedTuple

    from fsm.tables import Tables

    class Problem(NamedTuple):
        """What is wrong: in which file, at which byte, and why."""

        file: str
        offset: int
        reason: str

else:
    Problem = namedtuple("Problem", "file offset reason")

APPLIED: Final = HEADER_FIELDS["applied"]
WRITTEN: Final = HEADER_FIELDS["written"]


class Report(list["Problem"]):
    """The problems that were found: none, where the list is empty.

    frames       that were looked at
    rows         that were compared with their frames
    unchecked    rows whose frames are not at hand any more
    """

    frames = rows = unchecked = 0

    def add(self, file: str, offset: int, reason: str) -> None:
        """One more problem."""
        self.append(Problem(file, offset, reason))

    def __str__(self) -> str:
        lines = [f"{problem.file}: byte {problem.offset}: {problem.reason}" for problem in self]
        lines.append(
            f"{len(self)} problems; {self.frames} frames and {self.rows} rows were looked at, "
            f"{self.unchecked} rows have frames that are not at hand"
        )
        return "\n".join(lines)


def verify(path: str | os.PathLike[str]) -> Report:
    """Every problem of a store that nobody has open; it takes time in proportion to its rows and frames.

    Raises `StoreLocked` where a process has it open for writing, `StoreError` where there is no store.
    """
    report = Report()
    try:
        store = Directory.at(os.fspath(path))
    except FileNotFoundError:
        raise StoreError(f"{os.fspath(path)}: there is no store here.") from None
    try:
        with guard(store):
            try:
                lock = Lock.take(store)
            except FileNotFoundError:
                report.add(store.file("lock"), 0, "the lock file was taken away")
                return report
            try:
                _verify(store, report)
            except CorruptStore as error:
                report.add(error.file, error.offset, error.reason)
            except (StoreError, FileNotFoundError) as error:
                report.add(store.path, 0, str(error))
            finally:
                lock.release()
    finally:
        store.close()
    return report


def _verify(store: Directory, report: Report) -> None:
    superblock = superblocks.read(store)
    _slots(store, report)
    tables = stored_tables(store, superblock.fingerprint)
    memory = SharedMemory.attach(store, None, superblock, mode="copy")
    try:
        memory.fit(tables)
        if memory.words[HEADER_FIELDS["fence"]]:
            report.add(memory.directory.file("header"), HEADER_FIELDS["fence"] * WORD_BYTES, "a takeover was cut short")
        if memory.words[HEADER_FIELDS["epoch"]] > superblock.epoch:
            reason = f"the memory was opened with epoch {memory.words[HEADER_FIELDS['epoch']]}, and the superblock "
            report.add(store.file(superblocks.NAME), 0, reason + f"says {superblock.epoch}")
        if memory.window != superblock.window:
            reason = f"the window is {superblock.window} keys here, and {memory.window} in the memory"
            report.add(store.file(superblocks.NAME), 0, reason)
        recover(memory, tables)
        account = _frames(memory, tables, report)
        agree(memory, tables, account, report)
    finally:
        memory.let_go()


def _slots(store: Directory, report: Report) -> None:
    """Both slots are whole: one that is not is overwritten by the next opening, and nothing is lost, but it is told."""
    data = store.read(superblocks.NAME, 1 << 16)
    path = store.file(superblocks.NAME)
    if len(data) != superblocks.FILE_BYTES:
        report.add(path, min(len(data), superblocks.FILE_BYTES), f"{superblocks.FILE_BYTES} bytes were made")
    for offset in superblocks.SLOTS:
        if superblocks._slot(data, offset) is None:
            report.add(path, offset, "this slot is not whole")
    between = data[superblocks.SLOT_BYTES : superblocks.SLOTS[1]]
    if any(between):
        report.add(path, superblocks.SLOT_BYTES, "there is something between the two slots")


# --- the journal ---


def _frames(memory: SharedMemory, tables: Tables, report: Report) -> Account:
    """Every frame from the first that there is, from its file, and behind `written` from the ring."""
    applied, written = memory.words[APPLIED], memory.words[WRITTEN]
    ring = Ring(memory)
    _segments(memory, written, report)
    segments = memory.journal.segments
    first = segments[0].first if segments and segments[0].first <= written else written + 1
    if first > 1:
        report.add(memory.store.file("journal"), 0, f"the journal begins with frame {first}")
    account = Account(tables, first)
    for sequence in range(first, applied + 1):
        words, file, offset = ring.words(sequence), ring.path, ring.offset(sequence)
        if sequence <= written:
            data, file, offset = _from_segment(memory, sequence, report)
            if data is not None and words[FRAME_SEQUENCE] == sequence and data != words:
                report.add(ring.path, ring.offset(sequence), f"frame {sequence} is not what the journal's file has")
            words = data if data is not None else words

        def add(reason: str, file: str = file, offset: int = offset) -> None:
            report.add(file, offset, reason)

        account.follow(words, add)
        report.frames += 1
    if account.is_open:
        report.add(ring.path, ring.offset(applied), f"frame {applied} is linked, and is the last one")
    _ring(ring, applied, memory.group_max, report)
    return account


class Ring:
    """The frames of the ring as lists of words."""

    def __init__(self, memory: SharedMemory) -> None:
        self.path = memory.directory.file("ring")
        self.frames, self._size = memory.ring_frames, memory.frame_words
        self._ring = memoryview(memory.ring).cast("B").cast("Q")

    def words(self, sequence: int) -> list[int]:
        """What lies where a frame is, or was."""
        first = sequence % self.frames * self._size
        return list(self._ring[first : first + self._size])

    def offset(self, sequence: int) -> int:
        """Where a frame is, in bytes."""
        return sequence % self.frames * self._size * WORD_BYTES


def _from_segment(memory: SharedMemory, sequence: int, report: Report) -> tuple[list[int] | None, str, int]:
    """The words of a frame in its file, or None; and the file and the byte where it is."""
    segment = next((each for each in reversed(memory.journal.segments) if each.first <= sequence), None)
    if segment is None:
        return None, memory.store.file("journal"), 0
    file = os.path.join(memory.store.path, "journal", segment.name)
    offset = HEADER_BYTES + (sequence - segment.first) * memory.journal.frame_bytes
    try:
        return list(memoryview(memory.journal.read(sequence)).cast("Q")), file, offset
    except CorruptStore as error:
        report.add(error.file, error.offset, f"frame {sequence}: {error.reason}")
        return None, file, offset


def _segments(memory: SharedMemory, written: int, report: Report) -> None:
    """What else is in the directory and in the segments: nothing but their headers and frames."""
    live = memory.journal.segments
    for at, segment in enumerate(live):
        path = os.path.join(memory.store.path, "journal", segment.name)
        with suppress(FileNotFoundError):
            with open(path, "rb") as file:
                header = file.read(HEADER_BYTES)
            if any(header[HEADER.size :]):
                report.add(path, HEADER.size, "there is something behind the header")
            size = os.stat(path).st_size
            last = written if segment is live[-1] else live[at + 1].first - 1
            end = HEADER_BYTES + max(last - segment.first + 1, 0) * memory.journal.frame_bytes
            if size < end:
                report.add(path, size, f"the file ends here, and has frames up to byte {end}")


def _ring(ring: Ring, applied: int, group_max: int, report: Report) -> None:
    """Each slot holds the frame that came last, or what a writer that was killed has begun over it."""
    for sequence in range(max(1, applied - ring.frames + 1), applied + 1):
        found = ring.words(sequence)[FRAME_SEQUENCE]
        begun = sequence + ring.frames
        clobbered = begun <= applied + group_max and found in (begun, begun ^ UINT64_MASK)
        if found != sequence and not clobbered:
            report.add(ring.path, ring.offset(sequence), f"frame {found} is where {sequence} was")
    for slot in range(applied + 1 + group_max, ring.frames):
        if any(ring.words(slot)):
            report.add(ring.path, ring.offset(slot), "there is something where no frame was written yet")


__all__: Any = ["Problem", "Report", "verify"]
