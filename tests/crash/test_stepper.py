"""The stepper sees each store once, whole and in order, and what a call writes page by page.

victim: three words into a mapped file ─▶ a file of three pages by one pwrite ─▶ renamed ─▶ removed
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.crash.stepping import (
    FORBIDDEN,
    Image,
    complain_where_forbidden,
    make_control,
    victim_environment,
    watch,
)

pytestmark = [
    pytest.mark.native,  # the stepper needs a compiler, which a pure build must not: the mirror is watched here too
    pytest.mark.skipif("FSM_SANITIZE" in os.environ, reason="a sanitizer's own stores would be stepped through"),
]

VICTIM = """
import mmap, os, signal, sys

def words(path, size):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, size)
    return memoryview(mmap.mmap(descriptor, size)).cast("Q")

directory, control = sys.argv[1], words(sys.argv[2], 4096)
mapped = words(directory + "/mapped", 8192)
os.kill(os.getpid(), signal.SIGSTOP)
for number in range(3):
    mapped[number * 300] = number + 1
    control[0] += 1
descriptor = os.open(directory + "/written", os.O_RDWR | os.O_CREAT, 0o600)
os.pwrite(descriptor, b"x" * 10_000, 0)
os.rename(directory + "/written", directory + "/renamed")
os.unlink(directory + "/renamed")
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.parametrize("mode", ["instructions", "stores"])
def test_every_image_is_recorded_once(mode: str, stepper: Path, tmp_path: Path) -> None:
    """Before and behind each store, of the file and of what was acknowledged; three pages are three images."""
    directory, control = tmp_path / "watched", tmp_path / "control"
    directory.mkdir()
    make_control(control)
    victim = [sys.executable, "-c", VICTIM, str(directory), str(control)]
    environment = victim_environment(tmp_path)
    record = watch(stepper, mode, control, tmp_path / "record", [directory], victim, environment)
    images = list(record.images())
    found = [(image.acknowledged, stored(image), sizes(image)) for image in images]

    stores = [(done, stored, {}) for number in range(3) for done, stored in ((number, number + 1), (number + 1,) * 2)]
    written = [{"written": size} for size in (0, 4096, 8192, 10_000)]
    calls = [(3, 3, each) for each in (*written, {"renamed": 10_000}, {})]
    assert [(0, 0, {}), *stores, *calls] == found
    assert len(images) - 1 == record.changes
    assert len(images) - 1 == len(list(record.distinct())), "the last image is one that was seen already"
    assert record.steps > 10_000 if mode == "instructions" else record.steps == 6


def stored(image: Image) -> int:
    """How many words of the mapped file hold their number; the others must be zero."""
    [data] = [file.data for path, file in image.files.items() if path.endswith("/mapped") and file is not None]
    words = memoryview(data.ljust(8192, b"\0")).cast("Q").tolist()
    count = sum(1 for word in words if word)
    assert [number + 1 for number in range(count)] == [words[number * 300] for number in range(count)]
    return count


def sizes(image: Image) -> dict[str, int]:
    """The other files, and how much of each is written."""
    files = {Path(path).name: file for path, file in image.files.items() if not path.endswith("/mapped")}
    return {name: len(file.data.rstrip(b"\0")) for name, file in files.items() if file is not None}


def test_where_ptrace_is_forbidden_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure, unless somebody says that it is so: then the reason of a skip."""
    monkeypatch.delenv("FSM_NO_PTRACE", raising=False)
    with pytest.raises(pytest.fail.Exception, match=r"ptrace is forbidden here.*FSM_NO_PTRACE=1"):
        complain_where_forbidden(FORBIDDEN)
    monkeypatch.setenv("FSM_NO_PTRACE", "1")
    with pytest.raises(pytest.skip.Exception, match="ptrace is forbidden here"):
        complain_where_forbidden(FORBIDDEN)
    complain_where_forbidden(0)
