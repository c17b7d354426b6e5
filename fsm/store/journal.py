"""The journal on files: every frame that left the ring, in segments.

    ring ──append()──▶ journal/<first sequence>-<epoch>.frames ──read(sequence)──▶ the bytes of a frame
    0     magic 8 │ layout version 4 │ 0 4 │ uuid 16 │ fingerprint 32 │ epoch 8 │ first sequence 8 │ frame bytes 8
          │ 0 36 │ CRC-32C of the bytes before 4      128 bytes, then zeros
    4096  frames, each at 4096 + (sequence - first) * frame bytes

A segment belongs to the writer that began it. A writer from which the store was taken may still write to segments of
its own: one whose epoch is lower than that of a segment before it does not count, and of two that begin at the same
frame the one with the higher epoch does.
"""

from __future__ import annotations

import os
from struct import Struct

from fsm.engine.crc32c import crc32c
from fsm.errors import CorruptStore, StoreError
from fsm.layout import LAYOUT_VERSION, UINT64_MASK
from fsm.store.directory import pwrite, reported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from fsm.store.directory import Directory

SEGMENT_BYTES: int = 64 << 20
"""Of a segment at the most, its header with it: the next frame begins another one."""
MAGIC: Final = b"fsm jrnl"
HEADER: Final = Struct("<8sII 16s32s QQQ 36xI")
HEADER_BYTES: Final = 4096
SUFFIX: Final = ".frames"


class Segment:
    """One file of frames: the first, the epoch of the writer that began it, and the name."""

    __slots__ = ("epoch", "first", "name")

    def __init__(self, first: int, epoch: int) -> None:
        self.first, self.epoch = first, epoch
        self.name = f"{first:020}-{epoch:08}{SUFFIX}"


class Journal:
    """The segments of a store. It believes the header of each when it first touches it, and no frame in it."""

    def __init__(
        self, directory: Directory, uuid: bytes, fingerprint: str, frame_bytes: int, epoch: int = UINT64_MASK
    ) -> None:
        self._directory, self._uuid, self._fingerprint = directory, uuid, bytes.fromhex(fingerprint)
        self.frame_bytes, self.epoch = frame_bytes, epoch
        self.segments: list[Segment] = []
        self._writing: tuple[Segment, int] | None = None
        self._reading: tuple[Segment, int] | None = None
        self.look()

    def look(self) -> None:
        """See anew which segments there are."""
        self.segments = live_segments(self._directory.names(), self.epoch)

    # --- writing ---

    def append(self, ring: Any, first: int, last: int) -> None:
        """Hand the frames `first` to `last` of a ring to files. Done again where it failed, it writes the same."""
        frame_bytes, frames = memoryview(ring).cast("B"), len(memoryview(ring).cast("B")) // self.frame_bytes
        while first <= last:
            segment, fd = self._segment_for(first)
            slot = first % frames
            room = (SEGMENT_BYTES - HEADER_BYTES) // self.frame_bytes - (first - segment.first)
            count = min(last - first + 1, frames - slot, max(room, 1))
            part = frame_bytes[slot * self.frame_bytes : (slot + count) * self.frame_bytes]
            with reported(f"{self._directory.file(segment.name)}: {len(part)} bytes cannot be written"), part:
                pwrite(fd, part, self._offset(segment, first))
            first += count

    def begin(self, first: int, epoch: int) -> Segment:
        """A new segment, whole before it has its name. Frames from `first` on go there."""
        self._finish()
        segment = Segment(first, epoch)
        body = HEADER.pack(
            MAGIC, LAYOUT_VERSION, 0, self._uuid, self._fingerprint, epoch, first, self.frame_bytes, 0
        )[:-4]  # fmt: skip
        header = body + crc32c(body).to_bytes(4, "little")
        self._directory.write(segment.name, header.ljust(HEADER_BYTES, b"\0"))
        self.segments = live_segments([*(each.name for each in self.segments), segment.name], self.epoch)
        return segment

    def sync(self, first: int) -> None:
        """Have the frames from `first` on, as far as they were appended, on the disk; whoever appended them."""
        begun = max((at for at, segment in enumerate(self.segments) if segment.first <= first), default=0)
        for segment in self.segments[begun:]:
            writing = self._writing is not None and self._writing[0].name == segment.name
            fd = self._writing[1] if self._writing is not None and writing else self._open(segment, os.O_RDWR)
            try:
                with reported(f"{self._directory.file(segment.name)} cannot be brought to the disk"):
                    os.fdatasync(fd)
                self._require_name(fd, segment)
            finally:
                if not writing:
                    os.close(fd)

    def require_files(self) -> None:
        """Raise `StoreError` where the segment that was written last has been taken away meanwhile."""
        if self._writing is not None:
            self._require_name(self._writing[1], self._writing[0])

    def _require_name(self, fd: int, segment: Segment) -> None:
        if os.fstat(fd).st_nlink == 0:
            path = self._directory.file(segment.name)
            raise StoreError(
                f"{path}: this segment of the journal was taken away while it was written, and its frames with it. The "
                "memory of the store is whole. Put the file back from wherever it went before the store is opened anew."
            )

    def _segment_for(self, sequence: int) -> tuple[Segment, int]:
        """The segment that a frame goes to, open for writing."""
        last = self.segments[-1] if self.segments else None
        most = max(SEGMENT_BYTES, HEADER_BYTES + self.frame_bytes)
        if last is None or last.first > sequence or self._offset(last, sequence + 1) > most:
            last = self.begin(sequence, self.epoch)
        if self._writing is None or self._writing[0].name != last.name:
            self._finish()
            fd = self._open(last, os.O_RDWR)
            held, expected = os.fstat(fd).st_size, self._offset(last, sequence)
            if held < expected:
                os.close(fd)
                raise self._cut(last, held, expected)
            self._writing = last, fd
        return self._writing

    def _finish(self) -> None:
        """Let go of the segment that was written to last: another one is begun."""
        if self._writing is not None:
            _, fd = self._writing
            self._writing = None
            os.close(fd)

    # --- reading ---

    def read(self, sequence: int) -> bytes:
        """The bytes of a frame. Raises `LookupError` where no segment has it, `CorruptStore` where one is cut short."""
        try:
            return self._read(sequence)
        except (LookupError, CorruptStore):
            names = [segment.name for segment in self.segments]
            self.look()
            if names == [segment.name for segment in self.segments]:
                raise
        return self._read(sequence)  # the writer has begun another segment since

    def _read(self, sequence: int) -> bytes:
        segment = self._holding(sequence)
        if self._reading is None or self._reading[0].name != segment.name:
            if self._reading is not None:
                os.close(self._reading[1])
                self._reading = None
            self._reading = segment, self._open(segment, os.O_RDONLY)
        offset = self._offset(segment, sequence)
        with reported(f"{self._directory.file(segment.name)} cannot be read"):
            data = os.pread(self._reading[1], self.frame_bytes, offset)
        if len(data) < self.frame_bytes:
            raise self._cut(segment, offset + len(data), offset + self.frame_bytes)
        return data

    def frames(self, first: int, last: int) -> Iterator[bytes]:
        """The bytes of the frames `first` to `last`, in order."""
        for sequence in range(first, last + 1):
            yield self.read(sequence)

    def end(self) -> int:
        """The last frame that the files have room for: what was written, and perhaps a little that was not finished."""
        if not self.segments:
            return 0
        last = self.segments[-1]
        fd = self._open(last, os.O_RDONLY)
        try:
            return last.first + max(0, os.fstat(fd).st_size - HEADER_BYTES) // self.frame_bytes - 1
        finally:
            os.close(fd)

    def require(self, written: int) -> None:
        """Raise `CorruptStore` where the files end before a frame that was handed to them. Looks at the last one."""
        if written and self.end() < written:
            name = self.segments[-1].name if self.segments else ""
            raise CorruptStore(
                self._directory.file(name),
                0,
                f"the journal ends with frame {self.end()}, and {written} were handed to it: files were taken away or "
                "cut short",
            )

    def _holding(self, sequence: int) -> Segment:
        for segment in reversed(self.segments):
            if segment.first <= sequence:
                return segment
        raise LookupError(f"{self._directory.path}: no segment has frame {sequence}")

    def _open(self, segment: Segment, flags: int) -> int:
        """The descriptor of a segment whose header says what its name does."""
        path = self._directory.file(segment.name)
        try:
            fd = self._directory.open(segment.name, flags)
        except FileNotFoundError:
            raise CorruptStore(path, 0, "this segment of the journal was taken away") from None
        try:
            with reported(f"{path} cannot be read"):
                data = os.pread(fd, HEADER.size, 0)
            self._check_header(segment, data, path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _check_header(self, segment: Segment, data: bytes, path: str) -> None:
        if len(data) < HEADER.size or data[:8] != MAGIC or crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise CorruptStore(path, 0, "the header of this segment is damaged")
        _, version, _, uuid, fingerprint, epoch, first, frame_bytes, _ = HEADER.unpack(data)
        if version != LAYOUT_VERSION:
            raise StoreError(
                f"{path}: this segment has layout version {version}, and this fsm reads version {LAYOUT_VERSION}. "
                "Open the store with the fsm that wrote it."
            )
        expected = (self._uuid, self._fingerprint, segment.epoch, segment.first, self.frame_bytes)
        if (uuid, fingerprint, epoch, first, frame_bytes) != expected:
            raise CorruptStore(path, 16, "this segment belongs to another store, flow or place in the journal")

    def _offset(self, segment: Segment, sequence: int) -> int:
        return HEADER_BYTES + (sequence - segment.first) * self.frame_bytes

    def _cut(self, segment: Segment, held: int, expected: int) -> CorruptStore:
        return CorruptStore(
            self._directory.file(segment.name), held, f"the file ends here, and has frames up to byte {expected}"
        )

    def close(self) -> None:
        """Let go of the files."""
        for held in (self._writing, self._reading):
            if held is not None:
                os.close(held[1])
        self._writing = self._reading = None
        self._directory.close()

    def __del__(self) -> None:
        self.close()


def told(store: Directory) -> str:
    """What the journal of a store has, for a message; believes what it finds."""
    try:
        directory = store.sub("journal")
        segments = live_segments(directory.names())
        if not segments:
            return "the journal has no frame on file"
        fd = directory.open(segments[-1].name)
        try:
            header, size = os.pread(fd, HEADER.size, 0), os.fstat(fd).st_size
        finally:
            os.close(fd)
        frame_bytes = max(HEADER.unpack(header)[7], 1) if len(header) == HEADER.size else 1 << 62
        last = segments[-1].first + max(0, size - HEADER_BYTES) // frame_bytes - 1
        return f"the journal has the frames {segments[0].first} to {last} on file"
    except (OSError, StoreError):
        return "the journal is not there either"


def live_segments(names: list[str], epoch: int = UINT64_MASK) -> list[Segment]:
    """The segments that count, of the names in the directory, by their first frame; none of a later epoch."""
    found: dict[int, Segment] = {}
    for segment in sorted(filter(None, map(parsed, names)), key=lambda each: (each.first, each.epoch)):
        if segment.epoch <= epoch:
            found[segment.first] = segment
    live: list[Segment] = []
    for segment in found.values():
        if not live or segment.epoch >= live[-1].epoch:
            live.append(segment)
    return live


def parsed(name: str) -> Segment | None:
    """The segment that a name is of, or None."""
    first, dash, rest = name.partition("-")
    epoch = rest.removesuffix(SUFFIX)
    if not (dash and rest.endswith(SUFFIX) and first.isascii() and first.isdigit() and epoch.isascii()):
        return None
    if not epoch.isdigit():
        return None
    segment = Segment(int(first), int(epoch))
    return segment if segment.name == name and segment.first else None


assert HEADER.size == 128
