"""The superblock: which memory and which flow a store has, in two slots, so that one is whole whatever is cut short.

    0     slot │ magic 8 │ layout version 4 │ 0 4 │ counter 8 │ uuid 16 │ epoch 8 │ incarnation 8
               │ fingerprint 32 │ window 8 │ 0 ... │ CRC-32C of the bytes before 4 │        512 bytes
    4096  the other slot

The higher counter wins. A new one goes into the slot that is not in use, and is on the disk before it counts.
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
    from typing import Final

    from fsm.store.directory import Directory

NAME: Final = "superblock"
MAGIC: Final = b"fsm supr"
SLOT: Final = Struct("<8sII Q16sQQ 32sQ 412xI")
SLOT_BYTES: Final = 512
SLOTS: Final = (0, 4096)
FILE_BYTES: Final = 4096 + SLOT_BYTES
FIELDS: Final = ("counter", "epoch", "fingerprint", "incarnation", "uuid", "window")


class Superblock:
    """What a slot says.

    counter       how often one was written: it names the slot
    uuid          16 bytes: of the store, and of its memory
    epoch         of the writer that opened it last
    incarnation   of the memory: a forced takeover makes another one
    fingerprint   hex: of the flow
    window        idempotency keys that are known again
    """

    __slots__ = FIELDS

    def __init__(
        self, uuid: bytes, fingerprint: str, window: int, *, counter: int = 0, epoch: int = 0, incarnation: int = 1
    ) -> None:
        self.counter, self.uuid, self.epoch, self.incarnation = counter, uuid, epoch, incarnation
        self.fingerprint, self.window = fingerprint, window

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Superblock) and all(getattr(self, name) == getattr(other, name) for name in FIELDS)

    def __hash__(self) -> int:
        return hash((self.uuid, self.counter))

    def next(self, *, epoch: int, incarnation: int | None = None) -> Superblock:
        """The one to write after this one."""
        return Superblock(
            self.uuid,
            self.fingerprint,
            self.window,
            counter=self.counter + 1,
            epoch=epoch,
            incarnation=self.incarnation if incarnation is None else incarnation,
        )


def create(store: Directory, superblock: Superblock) -> None:
    """A new file with the first superblock in both slots."""
    os.close(store.create(NAME, FILE_BYTES))
    write(store, superblock)
    write(store, superblock.next(epoch=superblock.epoch))


def write(store: Directory, superblock: Superblock) -> Superblock:
    """Put one into the slot of its counter, for good; returns it."""
    assert superblock.incarnation > 0 and superblock.epoch <= UINT64_MASK
    body = SLOT.pack(
        MAGIC, LAYOUT_VERSION, 0, superblock.counter, superblock.uuid, superblock.epoch, superblock.incarnation,
        bytes.fromhex(superblock.fingerprint), superblock.window, 0,
    )[:-4]  # fmt: skip
    with reported(f"{store.file(NAME)} cannot be written"):
        fd = store.open(NAME, os.O_RDWR)
        try:
            pwrite(fd, body + crc32c(body).to_bytes(4, "little"), SLOTS[superblock.counter % 2])
            os.fdatasync(fd)
        finally:
            os.close(fd)
    return superblock


def read(store: Directory) -> Superblock:
    """The superblock that counts. Raises `FileNotFoundError`, `CorruptStore`, or `StoreError` for another version."""
    data = store.read(NAME, 1 << 16)
    found = [slot for slot in (_slot(data, offset) for offset in SLOTS) if slot is not None]
    if not found:
        raise CorruptStore(
            store.file(NAME),
            0,
            "neither of its two slots is whole, so nothing says which memory and flow this store has",
        )
    _, version, superblock = max(found, key=lambda slot: slot[0])
    if superblock is None:
        raise StoreError(
            f"{store.path}: this store has layout version {version}, and this fsm reads version {LAYOUT_VERSION}. "
            f"Nothing was touched. Open it with {'a newer' if version > LAYOUT_VERSION else 'the'} fsm that made it."
        )
    return superblock


def _slot(data: bytes, offset: int) -> tuple[int, int, Superblock | None] | None:
    """The counter and version of a slot that is whole, and what it says where the version is ours."""
    slot = data[offset : offset + SLOT_BYTES]
    if len(slot) < SLOT_BYTES or slot[:8] != MAGIC or crc32c(slot[:-4]) != int.from_bytes(slot[-4:], "little"):
        return None
    _, version, _, counter, uuid, epoch, incarnation, fingerprint, window, _ = SLOT.unpack(slot)
    if version != LAYOUT_VERSION:
        return counter, version, None
    if SLOTS[counter % 2] != offset or incarnation == 0:
        return None
    superblock = Superblock(uuid, fingerprint.hex(), window, counter=counter, epoch=epoch, incarnation=incarnation)
    return counter, version, superblock


assert SLOT.size == SLOT_BYTES
