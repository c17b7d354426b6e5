"""The memory of a store: an engine's areas as files in shared memory, which outlive the process.

    /dev/shm/fsm-<uuid>-<incarnation>/
        header │ rows │ keys │ index-<build> │ ring │ idempotency (made at the first key)

    superblock ──attach()──▶ checked: whose memory it is, sizes ──mmap──▶ SharedMemory ──▶ engine
    engine ──make_room(), sync(), close()──▶ frames of the ring to the journal's files
           ──grown()──▶ rows and keys longer, another index; the header says so once the engine has filled it

Every file is allocated before it is mapped, and measured before it is mapped again: a store to memory must not fail.
"""

from __future__ import annotations

import mmap
import os

from fsm.engine.frames import group_max, is_whole
from fsm.engine.idempotency import area_bytes
from fsm.engine.memory import check_capacity, index_bits
from fsm.engine.trouble import check_fence
from fsm.errors import CorruptStore, StoreError
from fsm.layout import FRAME_WORDS, HEADER_FIELDS, KEY_BYTES, NONE, WORD_BYTES
from fsm.store.directory import DIRECTORY_MODE, Directory, ignored, memory_path, pwrite, remove, reported
from fsm.store.identity import HEADER_BYTES, bytes_of, check_header, damaged, first_header, gone
from fsm.store.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.store.lock import Lock
    from fsm.store.superblock import Superblock
    from fsm.tables import Tables

RING_BYTES: int = 1 << 20
"""Of the ring of a store that is made; more where a group of its flow needs more."""
INDEX_BITS_MAX: Final = 40
PROTECTION: Final = {
    "write": (mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE),
    "read": (mmap.MAP_SHARED, mmap.PROT_READ),
    "copy": (mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE),
}


class SharedMemory:
    """What `fsm.engine.memory.PrivateMemory` is, on files, with a journal.

    store, directory    of the store, and of this memory
    path                of the store, for messages
    mode                "write"; "read": shared, and cannot be stored to; "copy": stores stay in this process
    full                "wait": a full ring is emptied within the step; "busy": it is refused
    words               the header as uint64
    """

    header: Any
    rows: Any
    keys: Any
    index: Any
    ring: Any
    idempotency: Any
    words: memoryview
    journal: Journal

    def __init__(self, store: Directory, directory: Directory, lock: Lock | None, mode: str) -> None:
        self.store, self.directory, self.lock, self.mode = store, directory, lock, mode
        self.path = store.path
        self.full = "wait"
        self._failed: StoreError | None = None
        self.idempotency = None

    # --- made, and found again ---

    @classmethod
    def make(
        cls,
        store: Directory,
        lock: Lock | None,
        superblock: Superblock,
        tables: Tables,
        capacity: int,
        *,
        frames: int | None = None,
    ) -> SharedMemory:
        """The files of a superblock's incarnation, complete, or none of them. Raises `StoreError` without the room.

        frames    of the ring, where they are those of another memory
        """
        path = memory_path(store, superblock.uuid, superblock.incarnation)
        frames = ring_frames(tables) if frames is None else frames
        sizes = area_sizes(tables, capacity, frames)
        remove(path)  # of a creation that was killed
        with reported(f"memory of store {store.path}: {path} cannot be made"):
            os.mkdir(path, DIRECTORY_MODE)
        try:
            directory = Directory.at(path)
            try:
                _require_room(directory, sum(sizes.values()))
                for name, size in sizes.items():
                    os.close(directory.create(name, size))
                fd = directory.create("header", HEADER_BYTES)
                try:
                    with reported(f"{directory.file('header')} cannot be written"):
                        pwrite(fd, first_header(store, superblock, header_sizes(tables, capacity, frames)), 0)
                finally:
                    os.close(fd)
                directory.sync()
            finally:
                directory.close()
            return cls.attach(store, lock, superblock)
        except BaseException:
            remove(path)
            raise

    @classmethod
    def attach(
        cls,
        store: Directory,
        lock: Lock | None,
        superblock: Superblock,
        *,
        mode: str = "write",
        path: str | None = None,
    ) -> SharedMemory:
        """Map the memory that a superblock names. Raises `StoreError` where it is gone, another's, or damaged."""
        path = memory_path(store, superblock.uuid, superblock.incarnation) if path is None else path
        try:
            directory = Directory.at(path)
        except FileNotFoundError:
            raise gone(store, path, "is not there") from None
        memory = cls(store, directory, lock, mode)
        try:
            memory.header = memory._map("header", HEADER_BYTES)
            memory.words = memoryview(memory.header).cast("Q")
            check_header(memory.words, store, directory, superblock)
            memory._map_areas()
            frame_bytes = memory.frame_words * WORD_BYTES
            memory.journal = Journal(
                store.sub("journal"),
                superblock.uuid,
                superblock.fingerprint,
                frame_bytes,
                max(superblock.epoch, memory.words[HEADER_FIELDS["epoch"]]),
            )
        except FileNotFoundError as error:
            refusal = gone(store, path, f"has lost {error.filename}")
            memory.let_go()
            raise refusal from None
        except BaseException:
            memory.let_go()
            raise
        return memory

    def fit(self, tables: Tables) -> None:
        """Take note of the flow. Raises `CorruptStore` where rows or frames have another size than it needs."""
        self.group_max = group_max(tables.deferral_slots)
        if self.row_bytes != tables.row_bytes or bytes_of(self.words, "fingerprint", 4).hex() != tables.fingerprint:
            raise damaged(
                self.directory, "row_bytes", f"rows of {self.row_bytes} bytes are not those of flow {tables.name}"
            )
        if self.ring_frames < 2 * self.group_max:
            raise damaged(
                self.directory, "ring_frames", f"{self.ring_frames} frames are too few for groups of {self.group_max}"
            )

    def _map_areas(self) -> None:
        """Map the rows, keys and index that the header names, and the rest where it is not mapped yet."""
        words = self.words
        self.row_bytes: int = words[HEADER_FIELDS["row_bytes"]]
        self.frame_words: int = words[HEADER_FIELDS["frame_bytes"]] // WORD_BYTES
        self.ring_frames: int = words[HEADER_FIELDS["ring_frames"]]
        self.window: int = words[HEADER_FIELDS["idempotency_window"]]
        capacity, shape = words[HEADER_FIELDS["capacity"]], words[HEADER_FIELDS["index_shape"]]
        if not 1 <= capacity < NONE or words[HEADER_FIELDS["row_count"]] > capacity:
            rows = words[HEADER_FIELDS["row_count"]]
            raise damaged(self.directory, "capacity", f"there is room for {capacity} rows, and {rows} are in use")
        bits = shape & 0xFF
        if not index_bits(capacity) <= bits <= INDEX_BITS_MAX:
            raise damaged(self.directory, "index_shape", f"an index of 2**{bits} slots is none for {capacity} rows")
        self.rows = self._map("rows", capacity * self.row_bytes)
        self.keys = self._map("keys", capacity * KEY_BYTES)
        self.index = self._map(index_name(shape), WORD_BYTES << bits, exactly=True)
        self.capacity, self.index_shape = capacity, shape
        self.ring = self._map("ring", self.ring_frames * self.frame_words * WORD_BYTES, exactly=True)
        used = any(words[HEADER_FIELDS["idempotency_since"] :][:2])
        if used or self.directory.has("idempotency"):
            self.idempotency = self._map("idempotency", area_bytes(self.window), exactly=True)

    def _map(self, name: str, size: int, *, exactly: bool = False) -> mmap.mmap:
        """A file of the memory. Its length is looked at first: what is mapped beyond it would be a SIGBUS."""
        try:
            fd = self.directory.open(name, os.O_RDWR if self.mode == "write" else os.O_RDONLY)
        except FileNotFoundError:
            raise FileNotFoundError(0, "", name) from None
        try:
            found = os.fstat(fd).st_size
            if found < size or (exactly and found != size):
                raise CorruptStore(self.directory.file(name), found, f"the file ends here, and {size} bytes were made")
            flags, protection = PROTECTION[self.mode]
            with reported(f"{self.directory.file(name)} cannot be mapped"):
                mapped = mmap.mmap(fd, size, flags=flags, prot=protection)
        finally:
            os.close(fd)
        if size >= 1 << 21 and hasattr(mmap, "MADV_HUGEPAGE"):
            with ignored(OSError):  # a hint, which not every kernel takes
                mapped.madvise(mmap.MADV_HUGEPAGE)
        return mapped

    def remap(self) -> bool:
        """Map anew where the header says that the memory has grown; whether it has."""
        now = self.words[HEADER_FIELDS["capacity"]], self.words[HEADER_FIELDS["index_shape"]]
        if now == (self.capacity, self.index_shape):
            return False
        self._map_areas()
        return True

    # --- what an engine asks of it ---

    def grown(self, capacity: int) -> SharedMemory:
        """The same memory with room for at least as many rows, and an empty index.

        An engine that takes hold of it stores capacity and index into the header. Until then this one counts, and what
        a killed process leaves opens as it was; `close` of this one takes its index away afterwards.
        """
        capacity = max(check_capacity(capacity), self.capacity)
        larger = SharedMemory.__new__(SharedMemory)
        larger.__dict__.update(self.__dict__)
        larger.capacity = capacity
        larger.index_shape = ((self.index_shape >> 8) + 1) << 8 | max(index_bits(capacity), self.index_shape & 0xFF)
        sizes = {"rows": capacity * self.row_bytes, "keys": capacity * KEY_BYTES}
        index = index_name(larger.index_shape)
        index_bytes = WORD_BYTES << (larger.index_shape & 0xFF)
        _require_room(self.directory, index_bytes + (capacity - self.capacity) * (self.row_bytes + KEY_BYTES))
        for name, size in sizes.items():
            with reported(f"{self.directory.file(name)} cannot be opened"):
                fd = self.directory.open(name, os.O_RDWR)
            try:
                self.directory.extend(fd, name, size)
            finally:
                os.close(fd)
        os.close(self.directory.create(index, index_bytes))
        larger.rows, larger.keys = self._map("rows", sizes["rows"]), self._map("keys", sizes["keys"])
        larger.index = self._map(index, index_bytes)
        return larger

    def make_room(self) -> bool:
        """Hand the ring to the journal's files, where a step may wait for that. Raises `StoreError` if it cannot be."""
        if self.full == "busy":
            return False
        self._drain()
        return True

    def make_idempotency(self) -> None:
        """Make the area for keys, whole before it has its name."""
        if self.idempotency is None:
            size = area_bytes(self.window)
            os.close(self.directory.create("idempotency.part", size))
            self.directory.rename("idempotency.part", "idempotency")
            self.idempotency = self._map("idempotency", size, exactly=True)

    def sync(self) -> None:
        """Have every frame that was applied on the disk."""
        if self._failed is not None:
            raise self._failed
        self._drain()
        if self.words[HEADER_FIELDS["durable"]] == self.words[HEADER_FIELDS["written"]]:
            return
        try:
            self.journal.sync(self.words[HEADER_FIELDS["durable"]] + 1)
        except StoreError as error:
            self._failed = error  # what the disk has now nobody knows: asking it again would hide that
            raise
        self.words[HEADER_FIELDS["durable"]] = self.words[HEADER_FIELDS["written"]]

    def _drain(self) -> None:
        words = self.words
        check_fence(words, self)
        written, applied = words[HEADER_FIELDS["written"]], words[HEADER_FIELDS["applied"]]
        if written < applied:
            with reported(f"the journal of store {self.path} cannot be written"):
                self.journal.append(self.ring, written + 1, applied)
            words[HEADER_FIELDS["written"]] = applied

    def frame(self, sequence: int) -> memoryview:
        """The words of a frame. Raises `LookupError` where there is none yet, `CorruptStore` where it is damaged."""
        if not 1 <= sequence <= self.words[HEADER_FIELDS["applied"]]:
            raise LookupError(f"store {self.path}: there is no frame {sequence} yet")
        size = self.frame_words * WORD_BYTES
        offset = sequence % self.ring_frames * size
        frame = memoryview(bytes(self.ring[offset : offset + size])).cast("Q")
        if frame[0] == sequence and is_whole(frame.tolist(), sequence):
            return frame
        if sequence > self.words[HEADER_FIELDS["written"]]:
            raise CorruptStore(self.directory.file("ring"), offset, f"frame {sequence} is damaged")
        self.journal.epoch = max(self.journal.epoch, self.words[HEADER_FIELDS["epoch"]])
        frame = memoryview(self.journal.read(sequence)).cast("Q")
        if not is_whole(frame.tolist(), sequence):
            raise CorruptStore(self.store.file("journal"), 0, f"frame {sequence} is damaged")
        return frame

    def close(self) -> None:
        """Hand the ring to files, unlock, let go; the memory stays. Outgrown memory takes its index away instead."""
        if self.words[HEADER_FIELDS["index_shape"]] != self.index_shape and self.mode == "write":
            for outgrown in (self.rows, self.keys, self.index):
                _close(outgrown)
            self.directory.unlink(index_name(self.index_shape))
            return
        try:
            if self.lock is not None and not self.words[HEADER_FIELDS["fence"]]:
                self._drain()
                self.journal.require_files()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Unlock, close and unmap, and nothing else."""
        if self.lock is not None:
            self.lock.release()
            self.store.close()
        if hasattr(self, "journal"):
            self.journal.close()
        self.directory.close()
        if hasattr(self, "words"):
            self.words.release()
        for name in ("header", "rows", "keys", "index", "ring", "idempotency"):
            _close(getattr(self, name, None))

    def clean(self) -> None:
        """Take away what a process that was killed while the memory grew has left."""
        kept = {"header", "rows", "keys", "ring", "idempotency", index_name(self.index_shape)}
        for name in self.directory.names():
            if name not in kept and (name.startswith("index-") or name.endswith(".part")):
                self.directory.unlink(name)


def area_sizes(tables: Tables, capacity: int, frames: int) -> dict[str, int]:
    """Bytes of each file beside the header."""
    capacity = check_capacity(capacity)
    return {
        "rows": capacity * tables.row_bytes,
        "keys": capacity * KEY_BYTES,
        index_name(0): WORD_BYTES << index_bits(capacity),
        "ring": frames * frame_bytes(tables),
    }


def header_sizes(tables: Tables, capacity: int, frames: int) -> dict[str, int]:
    """What the header says of them."""
    return {
        "row_bytes": tables.row_bytes,
        "frame_bytes": frame_bytes(tables),
        "ring_frames": frames,
        "capacity": capacity,
        "index_shape": index_bits(capacity),
    }


def frame_bytes(tables: Tables) -> int:
    """Bytes of a frame of this flow."""
    return (FRAME_WORDS + tables.row_words) * WORD_BYTES


def ring_frames(tables: Tables) -> int:
    """Frames of a new ring: a power of two, and at least twice the largest group."""
    fitting = 1 << (max(RING_BYTES // frame_bytes(tables), 1)).bit_length() - 1
    return max(fitting, 1 << (2 * group_max(tables.deferral_slots) - 1).bit_length())


def index_name(shape: int) -> str:
    """The file of the index by key: each time it is made anew it has another name."""
    return f"index-{shape >> 8}"


def _require_room(directory: Directory, size: int) -> None:
    with reported(f"{directory.path} cannot be asked for its room"):
        room = os.statvfs(directory.fd)
    if (free := room.f_bavail * room.f_frsize) < size:
        raise StoreError(
            f"{directory.path}: the memory of the store needs {size} bytes, and {free} are free there. Nothing was "
            "kept. Ask for less capacity, free some space, or name a directory with more room in FSM_MEMORY_DIR."
        )


def _close(area: Any) -> None:
    """Unmap, unless somebody looks at it still: then it goes with them."""
    if area is not None:
        with ignored(BufferError):
            area.close()
