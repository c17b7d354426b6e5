"""Who may write: one process, and in it one engine.

    lock file ──flock──▶ Lock      another process has it ─┐
    registry of this process: which stores are open here ──┴──▶ StoreLocked, each in its own words
    fork ──▶ in the child: descriptors closed (not unlocked: the parent writes on), every engine refuses

The kernel gives the lock back when its process ends, however it ends. No pid is read and no time is waited for.
"""

from __future__ import annotations

import os
from _weakref import ref
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock

from fsm.errors import StoreError, StoreLocked
from fsm.store.directory import reported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.store.directory import Directory

NAME: Final = "lock"
GATE: Final = "takeover"
"""The file that keeps takers apart from each other, and from whoever is opening the store."""
_held: Final[dict[tuple[int, int], ref[Lock]]] = {}
"""The locks of this process, by device and inode of their file; what nobody holds any more counts no longer."""


class Lock:
    """The right to write to a store, until `release` or the end of the process."""

    __slots__ = ("__weakref__", "_descriptors", "_engine", "_fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path, self._fd = path, fd
        self._engine: ref[Any] | None = None
        self._descriptors: list[Any] = []

    @classmethod
    def take(cls, store: Directory, *, make: bool = False) -> Lock:
        """Lock a store, at once. Raises `StoreLocked`; `FileNotFoundError` where there is no lock file to `make`."""
        fd = store.open(NAME, os.O_RDWR | (os.O_CREAT if make else 0))
        try:
            try:
                flock(fd, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise cls._refusal(store, fd) from None
            except OSError as error:
                raise StoreError(f"{store.file(NAME)} cannot be locked ({error.strerror}).") from error
            _require_in_place(store, fd)
        except BaseException:
            os.close(fd)
            raise
        lock = cls(store.path, fd)
        _held[_identity(fd)] = ref(lock)
        return lock

    @classmethod
    def replace(cls, store: Directory) -> Lock:
        """Lock a new file in the place of one that another process has locked: for a takeover alone."""
        name = f"{NAME}.{os.getpid()}"
        fd = store.create(name)
        try:
            flock(fd, LOCK_EX | LOCK_NB)
            with reported(f"{store.file(name)} cannot take the place of {NAME}"):
                os.rename(name, NAME, src_dir_fd=store.fd, dst_dir_fd=store.fd)
        except BaseException:
            os.close(fd)
            store.unlink(name)
            raise
        lock = cls(store.path, fd)
        _held[_identity(fd)] = ref(lock)
        return lock

    @staticmethod
    def _refusal(store: Directory, fd: int) -> StoreLocked:
        if (held := _held.get(_identity(fd))) is not None and held() is not None:
            return StoreLocked(store.path, "it is open in this process already")
        return StoreLocked(store.path, "another process has it open for writing")

    def is_held(self) -> bool:
        """Whether it was not released yet."""
        return self._fd >= 0

    def watch(self, engine: object, *descriptors: Any) -> None:
        """Note what must refuse, and what must be closed, in a forked child."""
        self._engine, self._descriptors = ref(engine), list(descriptors)

    def release(self) -> None:
        """Let another have it: at once, even where a child that was forked has a copy of the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            _held.pop(_identity(fd), None)
            flock(fd, LOCK_UN)
            os.close(fd)

    def let_go(self) -> None:
        """In a forked child: close the copy of the descriptor, for the parent keeps the lock, and refuse every call."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        os.close(fd)
        engine = None if self._engine is None else self._engine()
        if engine is not None:
            engine._refuse(StoreLocked(self.path, "this process was forked from the one that has it open"))
        for descriptor in self._descriptors:
            descriptor.close()

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class guard:
    """Held while a store is opened; `alone`, while it is taken over. Raises `StoreLocked` where that is under way."""

    __slots__ = ("_alone", "_fd", "_store")

    def __init__(self, store: Directory, *, alone: bool = False) -> None:
        self._store, self._alone = store, alone

    def __enter__(self) -> None:
        self._fd = self._store.open(GATE, os.O_RDWR | os.O_CREAT)
        try:
            flock(self._fd, (LOCK_EX if self._alone else LOCK_SH) | LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            what = "opening it or taking it over" if self._alone else "taking it over"
            raise StoreLocked(self._store.path, f"another process is {what}") from None
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(self, *error: object) -> None:
        os.close(self._fd)


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _require_in_place(store: Directory, fd: int) -> None:
    """The file that was locked is the one that the next opening would lock."""
    with reported(f"{store.file(NAME)} was taken away while it was locked"):
        found = os.stat(NAME, dir_fd=store.fd, follow_symlinks=False)
    if (found.st_dev, found.st_ino) != _identity(fd):
        raise StoreError(f"{store.file(NAME)} was replaced while it was locked. Nothing was touched. Open it again.")


def _let_go_of_all() -> None:
    for held in list(_held.values()):
        if (lock := held()) is not None:
            lock.let_go()
    _held.clear()


os.register_at_fork(after_in_child=_let_go_of_all)
