"""A small store that is damaged in one place at a time, and what is said of it: run in a process of its own.

damage.py make STORE          makes the store, works on it, and dies in the middle of its last step
damage.py try STORE ENGINE    reads places from its input; tells of each, before it is tried and after

place: file, what ("bit" or "cut"), where, whether checksums are computed anew
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import fsm
import fsm.store
from fsm.engine.crc32c import crc32c
from fsm.engine.frames import checksums
from fsm.errors import Exists, StoreFull
from fsm.layout import HEADER_FIELDS
from fsm.store import identity, journal, memory, superblock
from fsm.store.verify import verify
from tests.crash.flows import Waiting

SECOND: Final = 1_000_000_000
KEYS: Final = ("a", "b", 3, "c", "d")
FRAME_BYTES: Final = memory.frame_bytes(fsm.compile(Waiting))
Place = tuple[str, str, int, bool]


def make(path: Path) -> None:
    """A day with a little of everything, and a last step whose frames are committed and that nothing shows yet."""
    memory.RING_BYTES = 32 * FRAME_BYTES
    engine: Any = fsm.store.open(path, Waiting, capacity=4, engine="mirror", idempotency_window=4)
    a, b, c = engine.start("a", total=5), engine.start("b"), engine.start(3)
    for number in range(3):
        engine.step(a, 2, number, 7, key=number + 1)
    engine.step(a, 0, 4 * SECOND)
    engine.step(b, 2, 1, 1, key=9)
    engine.step(b, 2, 2, 2)
    engine.step(c, 5)
    engine.release(c)
    engine.step(a, 3)
    engine.sync()
    engine.start("c")
    engine._mark([7])
    engine.advance(5 * SECOND)
    engine.step(a, 2, 4, 4, key=11, correlation="x")
    engine.step(a, 2, 4, 5, key=11)
    engine.step(a, 99)
    applied = engine.sequence
    engine.step(b, 0, 20 * SECOND, key=12)
    engine.memory.words[HEADER_FIELDS["applied"]] = applied
    os._exit(0)


def use(engine: Any) -> list[Any]:
    """Everything that can be asked and done, and what came of it."""
    told: list[Any] = [len(engine), engine.sequence, engine.untold, engine.select(), engine._position()]
    told += [engine.select(state="opened"), engine.select(older_than_ns=SECOND)]
    handles = [engine.find(key) for key in KEYS]
    told.append(handles)
    for handle in [each for each in handles if each is not None]:
        for ask in (engine.key, engine.state, engine.fields, engine.version, engine.timers, engine.deferred):
            told.append(answer(ask, handle))
    a, b = handles[0], handles[1]
    for handle in [each for each in (a, b, 2 | 1 << 32) if each is not None]:
        told.append([engine.step(handle, 2, 1, 2), engine.step(handle, 2, 4, 4, key=11)])
        told.append([engine.step(handle, 2, 6, 6, key=77), engine.step(handle, 3), engine.step(handle, 4)])
    told += [answer(engine.start, "a"), answer(engine.start, "d"), answer(engine.start, "e"), answer(engine.start, "f")]
    told.append(engine.advance(7 * SECOND))
    told.append(engine.advance(40 * SECOND))
    told += [engine.step(handle, 5) for handle in handles if handle is not None]
    told += [answer(engine.release, handle) for handle in handles if handle is not None]
    told += [engine.untold, len(engine), engine.find("a"), engine.select(), engine.sequence]
    return told


def answer(call: Callable[..., Any], *given: Any) -> Any:
    """What a call returns; or the name of an error that is an answer, as that a handle is unknown."""
    try:
        return call(*given)
    except (Exists, StoreFull, LookupError, ValueError) as error:
        if isinstance(error, (UnicodeError, IndexError)):
            raise
        return type(error).__name__


# --- the files, as they were, and damaged ---


class Baseline:
    """Every file of a store and its memory, to be put back."""

    def __init__(self, path: Path) -> None:
        self.path, self.root = path, path.parent
        self.files = {str(file.relative_to(self.root)): file.read_bytes() for file in files_of(self.root)}

    def restore(self, damaged: str | None = None, data: bytes = b"") -> None:
        """All files as they were, but one."""
        for folder in self.root.glob("fsm-*"):
            if not any(name.startswith(folder.name + "/") for name in self.files):
                shutil.rmtree(folder)
        for file in files_of(self.root):
            if str(file.relative_to(self.root)) not in self.files:
                file.unlink()
        for name, content in self.files.items():
            file = self.root / name
            file.parent.mkdir(mode=0o700, exist_ok=True)
            content = data if name == damaged else content
            if not file.exists() or file.read_bytes() != content:
                file.touch(mode=0o600)
                file.write_bytes(content)


def files_of(root: Path) -> list[Path]:
    """The files of a store and its memory."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def damaged(name: str, data: bytes, place: Place) -> bytes:
    """The bytes of a file with one bit changed, or cut; checksums computed anew where that is asked for."""
    _, what, where, anew = place
    if what == "cut":
        return data[:where]
    changed = bytearray(data)
    changed[where // 8] ^= 1 << where % 8
    if anew:
        seal(name, changed, where // 8)
    return bytes(changed)


def seal(name: str, data: bytearray, at: int) -> None:
    """Make the checksum right that a byte is under."""
    kind = Path(name).name
    if kind == "superblock":
        first = 0 if at < 4096 else 4096
        data[first + 508 : first + 512] = crc32c(bytes(data[first : first + 508])).to_bytes(4, "little")
    elif kind == "header":
        words = memoryview(data).cast("Q")
        words[identity.CHECKSUM] = identity.header_checksum(words)
    elif kind.endswith(".tables"):
        data[12:16] = crc32(bytes(data[16:])).to_bytes(4, "little")
    elif kind.endswith(journal.SUFFIX) and at < journal.HEADER_BYTES:
        size = journal.HEADER.size
        data[size - 4 : size] = crc32c(bytes(data[: size - 4])).to_bytes(4, "little")
    elif kind == "ring" or kind.endswith(journal.SUFFIX):
        base = 0 if kind == "ring" else journal.HEADER_BYTES
        first = base + (at - base) // FRAME_BYTES * FRAME_BYTES
        words = memoryview(data)[first : first + FRAME_BYTES].cast("Q")
        words[1] = checksums(words.tolist())


def attempt(baseline: Baseline, engine_name: str) -> tuple[str, Any]:
    """What opening and using the store comes to: `told` of an error, or the answers."""
    try:
        engine = fsm.store.open(baseline.path, engine=engine_name)
        try:
            told = use(engine)
        except BaseException:
            engine.memory.let_go() if engine_name == "mirror" else engine.close()
            raise
        engine.close()
    except fsm.FsmError as error:
        return "told", type(error).__name__
    return "answers", json.loads(json.dumps(told))


def reading(baseline: Baseline) -> tuple[str, Any]:
    """What a reader says: that must not crash either."""
    try:
        with fsm.store.open(baseline.path, readonly=True) as reader:
            found = [reader.find(key) for key in KEYS]
            told = [answer(reader.state, each) for each in found if each is not None]
            return "answers", json.loads(json.dumps([found, told, len(reader), reader.select(), reader.untold]))
    except fsm.FsmError as error:
        return "told", type(error).__name__


def judge(baseline: Baseline, engine_name: str, place: Place, expected: Any, expected_reading: Any) -> str:
    """`told`, `same`, `verify`, or `wrong` and what differs."""
    name = place[0]
    data = damaged(name, baseline.files[name], place)
    baseline.restore(name, data)
    read = reading(baseline)
    outcome, answers = attempt(baseline, engine_name)
    right = outcome == "told" or answers == expected
    if right and (read[0] == "told" or read[1] == expected_reading):
        return "told" if outcome == "told" else "same"
    baseline.restore(name, data)
    if verify(baseline.path):
        return "verify"
    if right:
        return f"wrong: a reader says {read[1]}"
    at = next((at for at, (one, two) in enumerate(zip(expected, answers, strict=False)) if one != two), -1)
    return f"wrong: answer {at} is {answers[at]}, and was {expected[at]}"


def try_all(path: Path, engine_name: str) -> None:
    """Each place that is named, one a line; the name first, so that whoever waits knows where it ended."""
    baseline = Baseline(path)
    outcome, expected = attempt(baseline, engine_name)
    assert outcome == "answers", expected
    baseline.restore()
    _, expected_reading = reading(baseline)
    assert verify(path) == [], str(verify(path))
    for line in sys.stdin:
        place: Place = tuple(json.loads(line))
        print(json.dumps(place), flush=True)
        try:
            verdict = judge(baseline, engine_name, place, expected, expected_reading)
        except Exception as error:
            verdict = f"raised {type(error).__name__}: {error}"
        print(json.dumps(verdict), flush=True)
    baseline.restore()


def main(arguments: list[str]) -> None:
    """What `arguments` say."""
    what, path, *more = arguments
    if what == "make":
        make(Path(path))
    elif what == "open":
        print(attempt(Baseline(Path(path)), *more)[1])
    else:
        try_all(Path(path), *more)


assert superblock.SLOT_BYTES == 512

if __name__ == "__main__":
    main(sys.argv[1:])
