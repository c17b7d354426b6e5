"""Memory that survives: an engine whose instances and journal are files, found again by whoever opens them next.

    open(path, flow)
      │ nothing there ──▶ creation: beside the path, then renamed into place
      ▼
    directory ─▶ lock ─▶ superblock ─▶ tables, and the flow compared with them ─▶ memory, identified and measured
      ─▶ recovery: groups that were committed and do not show yet ─▶ next epoch ─▶ engine

    <path>/  lock │ superblock │ takeover │ tables/ │ journal/       /dev/shm/fsm-<uuid>-<incarnation>/  the areas

Opening takes the same time for one row and for ten million. A process that is killed at any instruction has lost no
step that was answered, and left none half made.
"""

from __future__ import annotations

import os
from _operator import index as integer

from fsm.engine.memory import CAPACITY_MAX, check_capacity
from fsm.engine.protocol import engine_class, engine_over
from fsm.errors import CorruptStore, StoreError, StoreLocked
from fsm.layout import HEADER_FIELDS, SEQUENCE_MAX, WORD_BYTES
from fsm.store import superblock as superblocks
from fsm.store.directory import Directory, tidy
from fsm.store.flows import require_same, stored_tables
from fsm.store.lock import Lock, guard
from fsm.store.memory import SharedMemory
from fsm.store.recovery import recover
from fsm.tables import tables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from fsm.engine import Engine
    from fsm.store.superblock import Superblock
    from fsm.tables import Compilable, Tables

CAPACITY: Final = 1024
WINDOW: Final = 1_000_000
EPOCH: Final = HEADER_FIELDS["epoch"]
FENCE: Final = HEADER_FIELDS["fence"]
WRITTEN: Final = HEADER_FIELDS["written"]


def open(
    path: str | os.PathLike[str],
    flow: Compilable | Tables | None = None,
    *,
    capacity: int | None = None,
    engine: str | None = None,
    readonly: bool = False,
    at: int | None = None,
    takeover: bool = False,
    durability: str = "process",
    strict: bool = False,
    full: str = "wait",
    idempotency_window: int = WINDOW,
) -> Engine:
    """The engine of a store, which is made where there is none. It runs the tables that are stored with it.

    path        a directory; what is live is in shared memory, or where `FSM_MEMORY_DIR` says
    flow        a `Flow` class or `Tables`: needed to make a store, else only compared with the stored ones
    capacity    instances that there is room for at the least; 1024 for a new store
    engine      "native" or "mirror", as for `Engine`: a store that one wrote the other one opens
    readonly    look at it, beside a writer or without one
    takeover    take it from a process that is stopped or hangs; without one it opens as always
    full        what a step does when the ring of the journal is full: "wait" for the files, or refuse as "busy"
    idempotency_window    keys that are known again, at the least; it stays as it was when the store was made

    An input that was answered survives the end of this process, however it ends. `sync` brings its frame to the disk;
    what is to be had from that after the machine was started anew, a later version tells.

    Raises `StoreLocked`, `CorruptStore`, `TablesMismatch`, or `StoreError` for what else is in the way; nothing is
    damaged then, and nothing is left behind.
    """
    window = _checked(at, durability, strict, full, idempotency_window)
    rows = None if capacity is None else check_capacity(capacity)
    if not (given := os.fsdecode(path)):
        raise ValueError("open: path: expected the path of a directory, found an empty text")
    where = os.path.abspath(given)
    if readonly:
        from fsm.store.reader import open_reader

        if takeover:
            raise ValueError("open: readonly=True takes nothing over. Leave one of the two out.")
        return open_reader(where, flow, engine=engine)
    engine_class(engine)  # raises before anything is touched
    store = _directory(where, flow, CAPACITY if rows is None else rows, window)
    try:
        if takeover and not _is_free(store):
            from fsm.store.takeover import take_over

            if flow is not None:
                require_same(stored_tables(store, superblocks.read(store).fingerprint), flow)
            lock, _ = take_over(store)
        else:
            lock = None
        made = _open(store, lock, flow, engine, full, window)
    except BaseException:
        store.close()
        raise
    if rows is not None and rows > made.capacity:
        try:
            made.reserve(rows)
        except BaseException:
            made.close()
            raise
    return made


def _checked(at: int | None, durability: str, strict: bool, full: str, window: int) -> int:
    """Refuse what is not there yet, by name, and what is no value; returns the window as an int."""
    if at is not None:
        raise ValueError("open: at= (the past of a store) is not there yet. Leave it out to open it as it is now.")
    if durability != "process":
        raise ValueError(
            f"open: durability={durability!r} is not there yet. 'process' is: a step that was answered survives the "
            "end of this process; sync() brings its frame to the disk."
        )
    if strict:
        raise ValueError("open: strict=True (frames that share no sector) is not there yet. Leave it out.")
    if full not in ("wait", "busy"):
        raise ValueError(f"open: full= is 'wait' or 'busy', found {full!r}")
    keys = integer(window)
    if not 1 <= keys <= CAPACITY_MAX:
        raise ValueError(f"open: idempotency_window= is 1 to {CAPACITY_MAX} keys, found {keys}")
    return keys


def _directory(path: str, flow: Compilable | Tables | None, capacity: int, window: int) -> Directory:
    """The directory of the store; it is made where nothing is, or an empty directory."""
    try:
        store = Directory.at(path)
        if store.has(superblocks.NAME):
            return store
        names = store.names()
        store.close()
        if names:
            raise StoreError(
                f"{path}: there is no store here: the directory has {names[0]!r} and no superblock. "
                "Nothing was touched. Choose an empty directory or a new path."
            )
    except FileNotFoundError:
        pass
    if flow is None:
        raise StoreError(f"{path}: there is no store here. Give the flow too, fsm.open(path, flow), to make one.")
    from fsm.store.creation import create

    create(path, tables_of(flow), capacity, window)
    return Directory.at(path)


def _is_free(store: Directory) -> bool:
    """Whether no process has the store; raises `StoreLocked` where this one has it itself."""
    try:
        _lock(store).release()
    except StoreLocked as error:
        if error.reason.startswith("it is open in this process"):
            raise
        return False
    return True


def _open(
    store: Directory,
    lock: Lock | None,
    flow: Compilable | Tables | None,
    engine: str | None,
    full: str,
    window: int,
) -> Engine:
    """Lock, identify, recover, begin the next epoch: from here on this process is the writer."""
    memory: SharedMemory | None = None
    try:
        with guard(store):
            lock = _lock(store) if lock is None else lock
            superblock = superblocks.read(store)
            tables = stored_tables(store, superblock.fingerprint)
            if flow is not None:
                require_same(tables, flow)
            if window not in (WINDOW, superblock.window):
                raise StoreError(
                    f"store {store.path}: its idempotency window is {superblock.window} keys, and {window} were asked "
                    "for. It stays as it was when the store was made: leave idempotency_window out."
                )
            memory, superblock = _memory(store, lock, superblock, tables)
            memory.full = full
            recover(memory, tables)
            memory.journal.require(memory.words[WRITTEN])
            memory.clean()
            tidy(store, superblock)
            _next_epoch(memory, superblock)
        made = engine_over(tables, memory, engine)
    except BaseException:
        if memory is not None:
            memory.let_go()
        elif lock is not None:
            lock.release()
        raise
    lock.watch(made, store, memory.directory, memory.journal)
    return made


def _lock(store: Directory) -> Lock:
    try:
        return Lock.take(store)
    except FileNotFoundError:
        raise StoreError(
            f"store {store.path}: its lock file was taken away, so another process may have it open and nobody could "
            "tell. Make sure that none has, then put an empty file named 'lock' there."
        ) from None


def _memory(store: Directory, lock: Lock, superblock: Superblock, tables: Tables) -> tuple[SharedMemory, Superblock]:
    """The memory that counts, and its superblock: a takeover that was killed within is done first."""
    memory = SharedMemory.attach(store, lock, superblock)
    if memory.words[FENCE]:
        from fsm.store.takeover import move

        memory.lock = None
        memory.let_go()
        superblock = move(store, lock, superblock, tables)
        memory = SharedMemory.attach(store, lock, superblock)
    memory.fit(tables)
    return memory, superblock


def _next_epoch(memory: SharedMemory, superblock: Superblock) -> None:
    """Into the superblock first: no two writers ever have the same."""
    epoch = max(superblock.epoch, memory.words[EPOCH]) + 1
    if epoch > SEQUENCE_MAX:
        raise CorruptStore(memory.directory.file("header"), EPOCH * WORD_BYTES, f"epoch {epoch - 1} is none")
    superblocks.write(memory.store, superblock.next(epoch=epoch))
    memory.words[EPOCH] = epoch
    memory.journal.epoch = epoch
