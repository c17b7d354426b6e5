"""Whose memory it is: what its header says for good, under a checksum, and the sizes that the rest of it has.

store, flow, machine ──first_header()──▶ header of new memory
header ──check_header()──▶ nothing, or StoreError: damaged, of another version, of another boot, of another directory
"""

from __future__ import annotations

import os

from fsm.engine.crc32c import checksum
from fsm.engine.memory import CAPACITY_MAX
from fsm.errors import CorruptStore, StoreError
from fsm.layout import (
    FRAME_WORDS,
    HEADER_FIELDS,
    HEADER_MAGIC,
    HEADER_WORDS,
    LAYOUT_VERSION,
    LINE_WORDS,
    NONE,
    ROW_WORDS_MAX,
    UINT64_MASK,
    WORD_BYTES,
)
from fsm.store.directory import reported
from fsm.store.journal import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from fsm.store.directory import Directory
    from fsm.store.superblock import Superblock

HEADER_BYTES: Final = HEADER_WORDS * WORD_BYTES
FIXED_WORDS: Final = 24
"""Words of the header that never change; the checksum is one of them."""
CHECKSUM: Final = HEADER_FIELDS["checksum"]
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


def first_header(store: Directory, superblock: Superblock, sizes: dict[str, int]) -> bytes:
    """The header of memory that holds nothing yet; `sizes` are the fields that tell how large what is."""
    header = bytearray(HEADER_BYTES)
    words = memoryview(header).cast("Q")
    for field, value in {
        "magic": HEADER_MAGIC,
        "layout_version": LAYOUT_VERSION,
        "idempotency_window": superblock.window,
        "epoch": superblock.epoch,
        "place": NONE,
        **sizes,
    }.items():
        words[HEADER_FIELDS[field]] = value
    for field, data in {
        "fingerprint": bytes.fromhex(superblock.fingerprint),
        "uuid": superblock.uuid,
        "directory": b"".join((part & UINT64_MASK).to_bytes(WORD_BYTES, "little") for part in store.identity()),
        "boot": boot_id(),
    }.items():
        first = HEADER_FIELDS[field] * WORD_BYTES
        header[first : first + len(data)] = data
    words[CHECKSUM] = header_checksum(words)
    return bytes(header)


def check_header(words: memoryview, store: Directory, memory: Directory, superblock: Superblock) -> None:
    """Raise `StoreError` unless this is the header of the memory of this store, made since the machine was started."""
    if words[HEADER_FIELDS["magic"]] != HEADER_MAGIC:
        raise damaged(memory, "magic", "this is no memory of a store")
    if (version := words[HEADER_FIELDS["layout_version"]]) != LAYOUT_VERSION:
        raise StoreError(
            f"{memory.file('header')}: this memory has layout version {version}, and this fsm has {LAYOUT_VERSION}. "
            "Nothing was touched. Open the store with the fsm that made it."
        )
    if words[CHECKSUM] != header_checksum(words):
        raise damaged(memory, "checksum", "the checksum of its first part does not agree")
    if not _is_possible(words):
        raise damaged(memory, "row_bytes", "rows, frames, ring or window have a size that none has")
    if bytes_of(words, "boot", 2) != boot_id():
        raise gone(store, memory.path, "was made before the machine was started last")
    if (
        bytes_of(words, "uuid", 2) != superblock.uuid
        or bytes_of(words, "fingerprint", 4).hex() != superblock.fingerprint
    ):
        raise damaged(memory, "uuid", "this memory belongs to another store or flow")
    _check_directory(words, store, memory)


def _is_possible(words: memoryview) -> bool:
    """Whether the sizes in the header are ones that somebody makes: no flow is known yet."""
    row_bytes, frame_bytes, frames, window = (
        words[HEADER_FIELDS[field]] for field in ("row_bytes", "frame_bytes", "ring_frames", "idempotency_window")
    )
    return (
        row_bytes % (LINE_WORDS * WORD_BYTES) == 0
        and LINE_WORDS <= row_bytes // WORD_BYTES <= ROW_WORDS_MAX
        and frame_bytes == FRAME_WORDS * WORD_BYTES + row_bytes
        and 1 <= frames < NONE
        and frames & frames - 1 == 0
        and 1 <= window <= CAPACITY_MAX
    )


def _check_directory(words: memoryview, store: Directory, memory: Directory) -> None:
    first = HEADER_FIELDS["directory"]
    device, inode = words[first : first + 2].tolist()
    found = store.identity()
    if (device, inode) != tuple(part & UINT64_MASK for part in found):
        raise StoreError(
            f"store {store.path}: this directory is a copy: the memory {memory.path} belongs to the original, inode "
            f"{inode} of device {device}, and this one is inode {found[1]} of device {found[0]}. Nothing was touched. "
            "Open the original: the files of a store are nothing without its memory."
        )


def bytes_of(words: memoryview, field: str, count: int) -> bytes:
    """A field of the header that takes several words."""
    first = HEADER_FIELDS[field]
    return words[first : first + count].tobytes()


def header_checksum(words: Sequence[int] | memoryview) -> int:
    """Over what never changes in a header."""
    return checksum([*words[:CHECKSUM], *words[CHECKSUM + 1 : FIXED_WORDS]])


def damaged(memory: Directory, field: str, reason: str) -> CorruptStore:
    """The error for a header in which a field cannot be."""
    return CorruptStore(memory.file("header"), HEADER_FIELDS[field] * WORD_BYTES, reason)


def boot_id() -> bytes:
    """16 bytes that are others after each start of the machine; zeros where the system does not tell."""
    try:
        with reported(f"{BOOT_ID} cannot be read", missing=False):
            fd = os.open(BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return bytes(16)
    try:
        return bytes.fromhex(os.read(fd, 64).decode().strip().replace("-", ""))
    finally:
        os.close(fd)


def gone(store: Directory, path: str, how: str) -> StoreError:
    """The error for memory that is no more: what is known of it, and what is left."""
    return StoreError(
        f"store {store.path}: its memory {path} {how}: the machine was started anew, or somebody took files away. "
        f"Nothing was touched; {told(store)}. This version of fsm cannot make the memory anew from that. "
        "Keep the directory, and begin another store."
    )
