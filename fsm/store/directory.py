"""Directories of a store, held by a descriptor: what is in them is reached through it, wherever it is renamed to.

    path ──at()──▶ Directory ──open(), create(), sub(), make()──▶ files and directories that are ours, never a symlink
    store ──memory_path()──▶ /dev/shm/fsm-<uuid>-<incarnation>, or within the store where there is no shared memory

Everything is owned by whoever runs this process, files with mode 0600 and directories 0700, and nothing else is taken.
What goes wrong is a `StoreError` that says where, what was expected and found, and what to do.
"""

from __future__ import annotations

import os
from errno import EACCES, EDQUOT, EEXIST, ELOOP, EMFILE, ENFILE, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS
from stat import S_ISDIR, S_ISLNK, S_ISREG

from fsm.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from fsm.store.superblock import Superblock

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
ALWAYS: Final = os.O_CLOEXEC | os.O_NOFOLLOW
SHARED_MEMORY: Final = "/dev/shm"

ADVICE: Final = {
    EACCES: "Give this user the right to write there, or choose another directory.",
    EPERM: "Give this user the right to write there, or choose another directory.",
    EROFS: "The file system is read-only: mount it for writing, or choose another directory.",
    ENOSPC: "Free some space, or choose another place.",
    EDQUOT: "The quota is used up: free some space, or choose another place.",
    ELOOP: "A store never follows a symbolic link: name what it points to.",
    ENOTDIR: "A store is a directory: move what is there away, or choose another path.",
    ENOENT: "It was deleted, or never made.",
    EEXIST: "Something is there already: move it away, or choose another path.",
    EMFILE: "This process has too many files open: raise the limit, or close some.",
    ENFILE: "The machine has too many files open.",
}


class Directory:
    """A directory of ours, by its descriptor; `path` is where it was when it was opened, for messages."""

    __slots__ = ("fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path, self.fd = path, fd

    @classmethod
    def at(cls, path: str, *, within: Directory | None = None) -> Directory:
        """Open a directory by its path, or by its name in another. `FileNotFoundError` where nothing is there."""
        where = path if within is None else within.file(path)
        outer = None if within is None else within.fd
        with reported(f"{where} cannot be opened as a directory of a store", missing=False):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | ALWAYS, dir_fd=outer)
            except NotADirectoryError as error:  # so Linux says of a symbolic link too
                if S_ISLNK(os.stat(path, dir_fd=outer, follow_symlinks=False).st_mode):
                    raise OSError(ELOOP, "it is a symbolic link") from error
                raise
        try:
            _require_ours(os.fstat(fd), where)
        except BaseException:
            os.close(fd)
            raise
        return cls(where, fd)

    def sub(self, name: str) -> Directory:
        """A directory in this one."""
        return Directory.at(name, within=self)

    def make(self, name: str) -> Directory:
        """A new directory in this one."""
        with reported(f"{self.file(name)} cannot be made"):
            os.mkdir(name, DIRECTORY_MODE, dir_fd=self.fd)
        return self.sub(name)

    def file(self, name: str) -> str:
        """The path of a file in it, for messages."""
        return os.path.join(self.path, name)

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """The descriptor of a file of ours. `FileNotFoundError` where it is not there, unless it is to be made."""
        with reported(f"{self.file(name)} cannot be opened", missing=bool(flags & os.O_CREAT)):
            fd = os.open(name, flags | ALWAYS | os.O_NONBLOCK, FILE_MODE, dir_fd=self.fd)
        try:
            found = os.fstat(fd)
            if not S_ISREG(found.st_mode):
                raise StoreError(f"{self.file(name)}: a file was expected, and something else is there. Move it away.")
            _require_ours(found, self.file(name))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def create(self, name: str, size: int = 0) -> int:
        """The descriptor of a new file with all its bytes allocated; where that fails, there is none."""
        self.unlink(name)  # of a creation that was killed
        fd = self.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            self.extend(fd, name, size)
        except BaseException:
            os.close(fd)
            self.unlink(name)
            raise
        return fd

    def extend(self, fd: int, name: str, size: int) -> None:
        """Allocate a file up to `size` bytes, so that no store to it can fail: a sparse one ends in SIGBUS."""
        held = os.fstat(fd).st_size
        if size <= held:
            return
        with reported(f"{self.file(name)}: {size} bytes cannot be had"):
            room = os.statvfs(fd)
            if (free := room.f_bavail * room.f_frsize) < size - held:
                raise StoreError(
                    f"{self.file(name)}: {size - held} bytes are needed, and the file system has {free} free. "
                    "Ask for less capacity, free some space, or name a directory with more room in FSM_MEMORY_DIR."
                )
            try:
                os.posix_fallocate(fd, held, size - held)
            except BaseException:
                os.ftruncate(fd, held)
                raise

    def read(self, name: str, most: int = 1 << 30) -> bytes:
        """All of a file. `FileNotFoundError` where it is not there."""
        fd = self.open(name)
        try:
            with reported(f"{self.file(name)} cannot be read"):
                size = os.fstat(fd).st_size
                if size > most:
                    raise StoreError(f"{self.file(name)}: expected at most {most} bytes, found {size}.")
                return os.pread(fd, size, 0)
        finally:
            os.close(fd)

    def write(self, name: str, data: bytes) -> None:
        """A file with these bytes, on the disk before it has its name."""
        part = name + ".part"
        fd = self.create(part, len(data))
        try:
            with reported(f"{self.file(name)} cannot be written"):
                pwrite(fd, data, 0)
                os.fdatasync(fd)
        finally:
            os.close(fd)
        self.rename(part, name)

    def names(self) -> list[str]:
        """The names in it, in order."""
        with reported(f"{self.path} cannot be listed"):
            return sorted(os.listdir(self.fd))

    def has(self, name: str) -> bool:
        """Whether there is something of that name."""
        try:
            with reported(f"{self.file(name)} cannot be looked at", missing=False):
                os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def rename(self, name: str, other: str) -> None:
        """Give a file in it another name, for good."""
        with reported(f"{self.file(name)} cannot become {other}"):
            os.rename(name, other, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        self.sync()

    def unlink(self, name: str) -> None:
        """Take a file away, where it is there."""
        with ignored(FileNotFoundError), reported(f"{self.file(name)} cannot be taken away", missing=False):
            os.unlink(name, dir_fd=self.fd)

    def sync(self) -> None:
        """Have the names in it on the disk."""
        with reported(f"{self.path} cannot be brought to the disk"):
            os.fsync(self.fd)

    def identity(self) -> tuple[int, int]:
        """Device and inode: what a directory keeps when it is renamed, and no copy of it has."""
        found = os.fstat(self.fd)
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Let go of it."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


# Two classes rather than contextlib: its import costs a process that opens a store more than all of this package does.
class reported:
    """An `OSError` within is a `StoreError`; FileNotFoundError passes where `missing` things are expected."""

    __slots__ = ("_missing", "_what")

    def __init__(self, what: str, *, missing: bool = True) -> None:
        self._what, self._missing = what, missing

    def __enter__(self) -> None: ...

    def __exit__(self, type: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, OSError) or (isinstance(error, FileNotFoundError) and not self._missing):
            return
        advice = ADVICE.get(error.errno or 0, "")
        raise StoreError(f"{self._what} ({error.strerror or error}). {advice}".rstrip()) from error


class ignored:
    """These errors within end it, and nothing else comes of them."""

    __slots__ = ("_errors",)

    def __init__(self, *errors: type[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None: ...

    def __exit__(self, type: object, error: BaseException | None, traceback: object) -> bool:
        return isinstance(error, self._errors)


def pwrite(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of it, or raise `OSError`."""
    view = memoryview(data).cast("B")
    while len(view):
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def memory_path(store: Directory, uuid: bytes, incarnation: int) -> str:
    """Where the memory of a store lives: in `FSM_MEMORY_DIR`, in shared memory, or within the store."""
    chosen = os.environ.get("FSM_MEMORY_DIR") or (SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else "")
    if not chosen:
        return store.file(f"memory-{incarnation}")
    return os.path.join(os.path.abspath(chosen), f"fsm-{uuid.hex()}-{incarnation}")


def tidy(store: Directory, superblock: Superblock) -> None:
    """Take away the memory of a takeover that was killed: the one that it made, or the one that it came from."""
    for incarnation in (superblock.incarnation - 1, superblock.incarnation + 1):
        remove(memory_path(store, superblock.uuid, incarnation))


def remove(path: str) -> None:
    """Take away a directory of ours and all that is in it; what is not ours, or not there, stays as it is."""
    try:
        directory = Directory.at(path)
    except (FileNotFoundError, StoreError):
        return
    try:
        for name in directory.names():
            inner = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
            if S_ISDIR(inner.st_mode):
                remove(directory.file(name))
            else:
                directory.unlink(name)
        with ignored(OSError):
            os.rmdir(path)
    finally:
        directory.close()


def _require_ours(found: os.stat_result, where: str) -> None:
    if found.st_uid != os.geteuid():
        raise StoreError(
            f"{where} belongs to user {found.st_uid}, and this process runs as {os.geteuid()}. Nothing was touched. "
            "Run as that user, or choose another path."
        )
