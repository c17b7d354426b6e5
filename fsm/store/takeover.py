"""Take a store from a writer that is stopped or hangs, and is not dead: it may wake between any two of its stores.

    old memory ──fence──▶ its writer begins no other call
        └──copied while it stands still──▶ memory of the next incarnation
               journal: a segment of the new epoch ─▶ lock: a new file ─▶ superblock, both slots ─▶ old memory removed

An epoch alone does not stop a process that sleeps between looking at it and storing. So nothing that the old writer has
mapped or open is written or read again: whatever it still stores goes to files that have no name any more, or behind
the end of a segment where nobody looks. The call that it was in when it was stopped looks at the fence once more behind
its commit, and raises `StaleEpoch`, since the new writer may not have it: what was not seen here is not acknowledged.

Killed anywhere: until the superblock names the new memory the old one counts, and its fence tells the next opening to
move it first (`move`); from then on the new one counts.
"""

from __future__ import annotations

import os

from fsm.errors import StoreError
from fsm.layout import HEADER_FIELDS, WORD_BYTES
from fsm.store import superblock as superblocks
from fsm.store.directory import Directory, memory_path, pwrite, remove, reported
from fsm.store.flows import stored_tables
from fsm.store.journal import Journal, parsed
from fsm.store.lock import Lock, guard
from fsm.store.memory import SharedMemory, index_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from fsm.store.superblock import Superblock
    from fsm.tables import Tables

COPIES: Final = 100
"""Times that the memory is copied, before a writer that does not stand still is left alone."""

EPOCH: Final = HEADER_FIELDS["epoch"]
FENCE: Final = HEADER_FIELDS["fence"]
INDEX_SHAPE: Final = HEADER_FIELDS["index_shape"]
WRITTEN: Final = HEADER_FIELDS["written"]


def take_over(store: Directory) -> tuple[Lock, Superblock]:
    """Take a store that another process has locked. Returns with the lock held and the superblock that counts.

    Raises `StoreLocked` where somebody else is doing the same, `StoreError` where the memory cannot be copied: then
    everything is as before, and the old writer goes on.
    """
    with guard(store, alone=True):
        superblock = superblocks.read(store)
        return _moved(store, superblock, stored_tables(store, superblock.fingerprint), None)


def move(store: Directory, lock: Lock, superblock: Superblock, tables: Tables) -> Superblock:
    """The same for whoever has the lock, and finds a fence in the memory: a takeover was killed within."""
    return _moved(store, superblock, tables, lock)[1]


def _moved(store: Directory, superblock: Superblock, tables: Tables, lock: Lock | None) -> tuple[Lock, Superblock]:
    following = superblock.next(epoch=superblock.epoch + 1, incarnation=superblock.incarnation + 1)
    old = SharedMemory.attach(store, None, superblock, mode="read")
    try:
        old.fit(tables)
        try:
            lock = _into_fresh_memory(store, old, following, tables, lock)
        except BaseException:
            remove(memory_path(store, superblock.uuid, following.incarnation))
            raise
    finally:
        old.let_go()
    # From the first byte of it on, either superblock may be the one that the next opening finds: both memories stay.
    superblocks.write(store, following)
    following = superblocks.write(store, following.next(epoch=following.epoch))
    remove(old.directory.path)
    return lock, following


def _into_fresh_memory(
    store: Directory, old: SharedMemory, following: Superblock, tables: Tables, lock: Lock | None
) -> Lock:
    """Copy the memory, begin the segment, replace the lock: all that comes before the superblock."""
    fresh = _made_alike(store, old, following, tables)
    try:
        # What can fail for want of room has been done; from here on the old writer is kept out.
        set_fence(old.directory.path, following.epoch)
        try:
            written = _copy(old, fresh, tables.row_words, following.epoch)
            _begin_segment(store, following, old.frame_words * WORD_BYTES, written)
            return Lock.replace(store) if lock is None else lock
        except BaseException:
            if lock is None:
                _drop_segments(store, following.epoch)
                set_fence(old.directory.path, 0)
            raise
    finally:
        fresh.let_go()


def _made_alike(store: Directory, old: SharedMemory, following: Superblock, tables: Tables) -> SharedMemory:
    """Memory of the next incarnation, with areas of the same lengths as the old one has."""
    fresh = SharedMemory.make(store, None, following, tables, old.capacity, frames=old.ring_frames)
    try:
        if fresh.index_shape != old.index_shape:
            fresh.directory.unlink(index_name(fresh.index_shape))
            os.close(fresh.directory.create(index_name(old.index_shape), len(old.index)))
            fresh.words[INDEX_SHAPE] = old.index_shape
            fresh.remap()
        if old.idempotency is not None:
            fresh.make_idempotency()
    except BaseException:
        fresh.let_go()
        raise
    return fresh


def set_fence(path: str, epoch: int) -> None:
    """Store into the header of a memory which epoch fences its writer off; 0 lets it go on."""
    directory = Directory.at(path)
    try:
        fd = directory.open("header", os.O_RDWR)
        try:
            with reported(f"{path}/header cannot be written"):
                pwrite(fd, epoch.to_bytes(WORD_BYTES, "little"), FENCE * WORD_BYTES)
        finally:
            os.close(fd)
    finally:
        directory.close()


def _copy(old: SharedMemory, fresh: SharedMemory, row_words: int, epoch: int) -> int:
    """Everything that steps change, as it stood while nothing moved; returns the last frame that the files have.

    The header is read before and after: no call that ended was in between. One that is within its stores may go on
    meanwhile, so the ring is copied last: whatever shows in the other areas has its frames there, and is done again
    from there by the opening that follows. The index comes behind the keys, since a release takes its slot first.
    """
    for _ in range(COPIES):
        before = bytes(old.header)
        for area in ("rows", "keys", "index", "idempotency", "ring"):
            source = getattr(old, area)
            if source is not None:
                with memoryview(source) as given, memoryview(getattr(fresh, area)) as taken:
                    taken[: len(given)] = given
        if before == bytes(old.header):
            break
    else:
        raise StoreError(
            f"{old.directory.path}: its writer is at work, and did not stand still for any of {COPIES} copies. "
            "Stop that process (kill -STOP), then take the store over; or end it, and open the store."
        )
    words = memoryview(before).cast("Q")
    for word in range(HEADER_FIELDS["capacity"], len(words)):
        fresh.words[word] = {EPOCH: epoch, FENCE: 0}.get(word, words[word])
    return words[WRITTEN]


def _begin_segment(store: Directory, following: Superblock, frame_bytes: int, written: int) -> None:
    """Whatever the old writer appends to its segment lies behind the first frame of this one: nobody looks there."""
    _drop_segments(store, following.epoch)
    journal = Journal(store.sub("journal"), following.uuid, following.fingerprint, frame_bytes)
    try:
        journal.begin(written + 1, following.epoch)
    finally:
        journal.close()


def _drop_segments(store: Directory, epoch: int) -> None:
    """Take away what a takeover that came to nothing has begun: no superblock has named its epoch."""
    journal = store.sub("journal")
    try:
        for name in journal.names():
            if (segment := parsed(name)) is not None and segment.epoch >= epoch:
                journal.unlink(name)
    finally:
        journal.close()
