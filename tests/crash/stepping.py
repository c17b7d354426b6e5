"""Runs a victim under `stepper.c`, and gives back every image of its files: what a kill at that moment would leave.

    compile_stepper ──▶ watch(victim) ──record──▶ images(): acknowledged, files ──▶ put_back(): the files as they were

What is put back lies in the directories where it lay, since a store knows its directory by its inode.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FORBIDDEN = 77
ACKNOWLEDGED, OUTCOMES = 0, 8
"""Words of the control file: how much was acknowledged, and from there on what became of each."""
CONTROL_BYTES = 4096


class File(NamedTuple):
    """A file as it was: its bytes, how long it is (beyond the bytes, zeros), and its mode."""

    data: bytes
    size: int
    mode: int


class Image(NamedTuple):
    """What a kill leaves: files and directories by path, and how many operations were acknowledged by then."""

    acknowledged: int
    step: int
    address: str
    files: Mapping[str, File | None]

    def digest(self) -> bytes:
        """The same for the same bytes in the same places."""
        hashed = hashlib.blake2b(digest_size=16)
        for path, file in sorted(self.files.items()):
            hashed.update(f"{path}\0{None if file is None else file.size}\0".encode())
            hashed.update(b"" if file is None else file.data)
        return hashed.digest()


class Record:
    """What the stepper wrote. `steps` and `changes` are known once the images were read to the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps = 0
        self.changes = 0

    def images(self) -> Iterator[Image]:
        """Every image, in order, the one before the first step included; the same bytes may come again."""
        names: dict[bytes, str] = {}
        files: dict[str, File | None] = {}
        with self.path.open("rb") as record:
            for line in record:
                kind, *words = line.rstrip(b"\n").split(b" ")
                if kind == b"D":
                    name, offset, length = names[words[0]], int(words[1]), int(words[2])
                    old, new = files[name], record.read(length)
                    assert old is not None
                    data = old.data.ljust(offset, b"\0")
                    files[name] = old._replace(data=data[:offset] + new + data[offset + length :])
                elif kind == b"I":
                    yield Image(int(words[0]), int(words[1]), words[2].decode(), dict(files))
                elif kind == b"F":
                    names[words[0]] = name = os.fsdecode(b" ".join(words[3:]))
                    files[name] = File(b"", int(words[1]), int(words[2], 8))
                elif kind == b"T":
                    name, size = names[words[0]], int(words[1])
                    old = files[name]
                    assert old is not None
                    files[name] = File(old.data[:size], size, old.mode)
                elif kind == b"R":
                    files.pop(names[words[0]], None)
                elif kind == b"M":
                    files[os.fsdecode(b" ".join(words))] = None
                elif kind == b"X":
                    files.pop(os.fsdecode(b" ".join(words)), None)
                elif kind == b"E":
                    self.steps, self.changes = int(words[0]), int(words[1])

    def distinct(self) -> Iterator[Image]:
        """Every image once, for each number of acknowledged operations that it was seen with."""
        seen = set()
        for image in self.images():
            mark = image.acknowledged, image.digest()
            if mark not in seen:
                seen.add(mark)
                yield image


def compile_stepper(folder: Path) -> Path:
    """The stepper, compiled into a folder."""
    program = folder / "stepper"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-O2", "-Wall", "-Werror", "-o", program, HERE / "stepper.c"], check=True)
    return program


def victim_command(*arguments: object) -> list[str]:
    """The command line of `victim.py`."""
    return [sys.executable, "-S", str(HERE / "victim.py"), *map(str, arguments)]


def victim_environment(memory: Path) -> dict[str, str]:
    """Where a victim finds what it imports, and puts its memory. Nothing about it depends on chance."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {
        **os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
        "FSM_MEMORY_DIR": str(memory),
    }  # fmt: skip


def make_control(path: Path) -> memoryview:
    """The control file, zeroed, and its words."""
    path.write_bytes(bytes(CONTROL_BYTES))
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), CONTROL_BYTES)).cast("Q")


def stepper_command(
    stepper: Path, mode: str, control: Path, record: Path, watched: Sequence[Path], victim: Sequence[str]
) -> list[str]:
    """The command line of the stepper; directories by the names that the kernel gives them."""
    real = [str(path.resolve()) for path in (control, record, *watched)]
    return [str(stepper), mode, *real, "--", *victim]


def watch(
    stepper: Path, mode: str, control: Path, record: Path, watched: Sequence[Path], victim: Sequence[str],
    environment: Mapping[str, str],
) -> Record:  # fmt: skip
    """Run a victim to the end of its script, and record every image of the watched directories."""
    command = stepper_command(stepper, mode, control, record, watched, victim)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    complain_where_forbidden(done.returncode)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return Record(record)


def complain_where_forbidden(code: int) -> None:
    """A proof that is left out must not look like one that was made."""
    if code == FORBIDDEN:
        message = "ptrace is forbidden here, so no victim can be stepped through"
        if os.environ.get("FSM_NO_PTRACE") == "1":
            pytest.skip(f"{message} (FSM_NO_PTRACE=1 says so)")
        pytest.fail(f"{message}. Allow it (a container needs SYS_PTRACE), or set FSM_NO_PTRACE=1 to leave this out.")


def put_back(image: Image, watched: Sequence[Path]) -> None:
    """Make the watched directories what they were; they themselves keep their inodes."""
    top = {str(path.resolve()) for path in watched}
    for root in top:
        clear(Path(root), keep={path for path, file in image.files.items() if file is None})
    for path, file in sorted(image.files.items()):
        if file is None:
            if path not in top and not os.path.isdir(path):
                os.mkdir(path, 0o700)
            continue
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, file.mode)
        try:
            os.write(descriptor, file.data)
            os.ftruncate(descriptor, file.size)
        finally:
            os.close(descriptor)


def clear(root: Path, keep: set[str]) -> None:
    """Remove what lies in a directory, but not the directories to be kept."""
    with os.scandir(root) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            else:
                clear(Path(entry.path), keep)
                if entry.path not in keep:
                    os.rmdir(entry.path)
