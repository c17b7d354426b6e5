"""A store is made beside its path and renamed to it: there is all of it, or nothing.

    .<name>.new-<uuid>/ ─▶ lock ─▶ tables ─▶ journal ─▶ memory ─▶ superblock ──rename──▶ <name>/
          └── of a creation that was killed: nobody has its lock, so the next creation takes it away, and its memory

What fails on the way is taken away again, with the folders above it that were made for it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EEXIST, ENOTEMPTY

from fsm.errors import StoreError, StoreLocked
from fsm.store import superblock as superblocks
from fsm.store.directory import DIRECTORY_MODE, Directory, memory_path, remove, reported
from fsm.store.flows import store_tables
from fsm.store.lock import Lock
from fsm.store.memory import SharedMemory
from fsm.store.superblock import Superblock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fsm.tables import Tables

UUID_BYTES = 16


def create(path: str, tables: Tables, capacity: int, window: int) -> None:
    """Make the store of a flow at a path where nothing is, or an empty directory. Raises `StoreError`.

    If somebody else makes one there meanwhile, that one stays.
    """
    folder, name = os.path.split(path)
    made = _make_folders(folder)
    try:
        parent = Directory.at(folder) if made else _foreign(folder)
        try:
            _take_away_orphans(parent, name)
            uuid = os.urandom(UUID_BYTES)
            _create(
                parent,
                name,
                f".{name}.new-{uuid.hex()}",
                Superblock(uuid, tables.fingerprint, window),
                tables,
                capacity,
            )
        finally:
            parent.close()
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):
                os.rmdir(folder)
        raise


def _create(parent: Directory, name: str, draft: str, superblock: Superblock, tables: Tables, capacity: int) -> None:
    store = parent.make(draft)
    memory = memory_path(store, superblock.uuid, superblock.incarnation)
    try:
        lock = Lock.take(store, make=True)
        try:
            store_tables(store, tables)
            store.make("journal").close()
            SharedMemory.make(store, None, superblock, tables, capacity).close()
            superblocks.create(store, superblock)
            store.sync()
            with reported(f"{parent.file(name)} cannot be made"):
                try:
                    os.rename(draft, name, src_dir_fd=parent.fd, dst_dir_fd=parent.fd)
                except OSError as error:
                    if error.errno not in (EEXIST, ENOTEMPTY):
                        raise
                    remove(memory)  # somebody was faster: the opening that follows finds theirs
                    remove(store.path)
        finally:
            lock.release()
        parent.sync()
    except BaseException:
        remove(memory)
        remove(store.path)
        raise
    finally:
        store.close()


def _make_folders(folder: str) -> list[str]:
    """The folders above the store that were not there, outermost first; they are now."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    made: list[str] = []
    for folder in reversed(missing):
        try:
            with reported(f"{folder} cannot be made"), suppress(FileExistsError):
                os.mkdir(folder, DIRECTORY_MODE)
                made.append(folder)
        except BaseException:
            for each in reversed(made):
                with suppress(OSError):
                    os.rmdir(each)
            raise
    return made


def _foreign(folder: str) -> Directory:
    """A folder that may be anybody's, and reached by a symbolic link: the store is within it."""
    with reported(f"{folder} cannot be opened"):
        return Directory(folder, os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def _take_away_orphans(parent: Directory, name: str) -> None:
    """What creations of this path that were killed have left. One that is under way keeps its lock."""
    begins = f".{name}.new-"
    for draft in parent.names():
        if not draft.startswith(begins):
            continue
        try:
            store = parent.sub(draft)
        except (FileNotFoundError, StoreError):
            continue  # gone, or not ours
        try:
            lock = Lock.take(store, make=True)
        except (FileNotFoundError, StoreLocked, StoreError):
            store.close()
            continue
        with suppress(ValueError):
            remove(memory_path(store, bytes.fromhex(draft[len(begins) :]), 1))
        remove(store.path)
        lock.release()
        store.close()
