"""Rehearse the crash: run a flow on a store, kill its process at random moments, and hold it to an undisturbed run.

    fsm run ... --store DIR/undisturbed ───────────────────────────────────────────────▶ ┐
    fsm run ... --store DIR/killed ──SIGKILL──▶ the same again ──SIGKILL──▶ ... the end ─┴▶ frames, rows, counts: equal?

The worker is an ordinary `fsm run` in a process of its own, which knows of nothing. Its killer maps the header of the
store's memory to read, looks at the number of the last frame until it has passed one that was drawn at random, and
kills: wherever the worker is by then. Both stores are removed at the end, and kept where they differ.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fsm.errors import FsmError
from fsm.layout import FRAME_IMAGE, FRAME_INPUT, FRAME_WORDS, HEADER_FIELDS, HEADER_WORDS, KEY_BYTES
from fsm.runtime.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from numpy.typing import NDArray

    from fsm.engine import Engine

RUNS: Final = ("undisturbed", "killed")
MARK: Final = "rehearsal"
"""The file in DIR that says that a rehearsal made what is in there, and where the memory is."""
MEMORY_PREFIX: Final = "fsm-rehearsal-"
KILLED_WITHIN: Final = 0.9
"""The last kill is due before this share of the frames: the worker should not end before it."""
ATTEMPTS: Final = 5
"""Killed runs that are tried: a small source may be at its end before its process can be killed."""
LOOKS: Final = 1 << 10
"""Looks at the header between two questions whether the worker lives."""
COMPARED_FRAMES: Final = 1 << 14

MAY_DIFFER: Final = {
    "uuid": "each store has its own",
    "directory": "device and inode of the store",
    "boot": "of the machine",
    "checksum": "of the three",
    "epoch": "one more for each opening",
    "written": "how much the files have by now",
    "durable": "how much the disk has by now",
}
"""Words of the header that two runs of the same inputs need not share, and why."""
OF_ONE_PROCESS: Final = ("taken", "seconds", "engine_seconds", "latency_ns", "store")
"""What a report says of the process that made it."""


class RehearsalError(FsmError):
    """The rehearsal could not be held, or the killed run differs from the undisturbed one."""


def rehearse(
    name: str, source: str, folder: str | None = None, *, kills: int = 3, seed: int | None = None,
    engine: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run `source` through the module `name` twice, once killed `kills` times; what was measured.

    The report is that of the undisturbed run, with `seed`, which draws the moments, `restarts` and `equal`. The stores
    are made in `folder`, or in a temporary one. Raises `RehearsalError`.
    """
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    with _Place(folder) as place:
        report = _undisturbed_run(place, name, source, engine)
        frames, generator = report["store"]["sequence"], random.Random(seed)
        for _ in range(ATTEMPTS):
            moments = sorted(generator.randint(1, max(1, int(frames * KILLED_WITHIN))) for _ in range(kills))
            again, restarts = _killed_run(place, name, source, engine, moments)
            if len(restarts) == kills:
                break
            place.remove("killed")
        else:
            raise RehearsalError(
                f"{source} was at its end before the process could be killed {kills} times. "
                "Nothing was compared. Give more events, or fewer --kills."
            )
        differences = _differences(place, engine)
        differences += [key for key in report if key not in OF_ONE_PROCESS and report[key] != again[key]]
        if differences:
            place.kept = True
            raise RehearsalError(
                f"killed {kills} times (seed {seed}), the run differs from the undisturbed one in "
                f"{', '.join(differences)}. Both stores are kept in {place.folder}, their memory in {place.memory}."
            )
    return {
        **report,
        "seed": seed,
        "restarts": restarts,
        "equal": {
            "frames": frames,
            "rows": report["instances"],
            "events": report["events"] + report["made_up"]["events"],
            "may_differ": [*MAY_DIFFER, *OF_ONE_PROCESS],
        },
    }


def _undisturbed_run(place: _Place, name: str, source: str, engine: str | None) -> dict[str, Any]:
    """The report of a run whose process nobody kills, unless this one comes to its own end."""
    worker = _Worker(place, "undisturbed", name, source, engine)
    try:
        return worker.ended()
    finally:
        worker.stop()


def _killed_run(
    place: _Place, name: str, source: str, engine: str | None, moments: list[int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The report of a run that is killed as soon as it is seen to have each of these frames, and its restarts.

    There are fewer of those, and no report, where it was at its end before it could be killed so often.
    """
    restarts: list[dict[str, Any]] = []
    worker = _Worker(place, "killed", name, source, engine)
    try:
        for moment in moments:
            if not worker.reaches(max(moment, worker.taken_up + 1)) or (killed := worker.kill()) is None:
                return {}, restarts
            worker = _Worker(place, "killed", name, source, engine)
            restarts.append(worker.restarted(killed))
        return worker.ended(), restarts
    finally:
        worker.stop()


# --- the worker, and what its killer sees of it -----------------------------------------------------------------------


class _Killed(NamedTuple):
    """A worker that was killed: when that began, when it was seen to be gone, and what its header said then."""

    began_ns: int
    reaped_ns: int
    epoch: int
    applied: int


class _Worker:
    """A process that runs `fsm run` on a store.

    taken_up    the last frame that was there when it had opened the store
    """

    def __init__(self, place: _Place, run: str, name: str, source: str, engine: str | None) -> None:
        self._header: memoryview | None = None
        self._memory = place.memory_of(run)
        self.taken_up = 0
        options = [] if engine is None else ["--engine", engine]
        command = [name, source, "--store", str(place.folder / run), "--json", *options]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fsm.cli", "run", *command],
            env={**os.environ, "FSM_MEMORY_DIR": str(self._memory)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ended(self) -> dict[str, Any]:
        """Its report, once it has ended by itself."""
        out, err = self._process.communicate()
        if self._process.returncode:
            reason = err.strip().removeprefix("fsm: ") or "it said nothing"
            raise RehearsalError(f"the run ended with {self._process.returncode}: {reason}")
        report: dict[str, Any] = json.loads(out)
        return report

    def reaches(self, frame: int) -> bool:
        """Look until it has made this frame: True; False where it ended before."""
        return self._sees(lambda words: words[APPLIED] >= frame)

    def kill(self) -> _Killed | None:
        """Kill it; None where it had ended by itself."""
        began, words = monotonic_ns(), self._words()
        self._process.kill()
        code, reaped = self._process.wait(), monotonic_ns()
        killed = _Killed(began, reaped, words[EPOCH], words[APPLIED])
        self.stop()
        return killed if code == -signal.SIGKILL else None

    def restarted(self, killed: _Killed) -> dict[str, Any]:
        """Look until it has taken its first input; what was measured, in ms from the kill of the one before it."""
        opened = monotonic_ns() if self._sees(lambda words: words[EPOCH] != killed.epoch) else None
        self.taken_up = self._words()[APPLIED]
        first = monotonic_ns() if self.reaches(self.taken_up + 1) else None
        marks = {"reaped_ms": killed.reaped_ns, "opened_ms": opened, "first_input_ms": first}
        took = {name: None if mark is None else (mark - killed.began_ns) / 1e6 for name, mark in marks.items()}
        return {"killed_at": killed.applied, "taken_up": self.taken_up, **took}

    def stop(self) -> None:
        """End it, if it lives, and let go of its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._header = None

    def _sees(self, what: Any) -> bool:
        """Look at the header until it shows what is waited for; False where the worker ended without it."""
        while True:
            for _ in range(LOOKS):
                if what(self._words()):
                    return True
                os.sched_yield()
            if self._process.poll() is not None:
                if self._process.returncode:
                    self.ended()  # raises what went wrong
                return bool(what(self._words()))

    def _words(self) -> memoryview | list[int]:
        """The header of the store's memory as words; all 0 until it is there."""
        if self._header is None:
            for path in self._memory.glob("fsm-*/header"):
                with suppress(FileNotFoundError), open(path, "rb") as file:
                    if os.fstat(file.fileno()).st_size >= HEADER_WORDS * 8:
                        mapped = mmap.mmap(file.fileno(), HEADER_WORDS * 8, prot=mmap.PROT_READ)
                        self._header = memoryview(mapped).cast("Q")
        return self._header if self._header is not None else ABSENT_HEADER


APPLIED: Final = HEADER_FIELDS["applied"]
EPOCH: Final = HEADER_FIELDS["epoch"]
ABSENT_HEADER: Final = [0] * HEADER_WORDS


# --- the places -------------------------------------------------------------------------------------------------------


class _Place:
    """A folder for two stores, and one for their memory; both gone at the end, unless they are `kept`."""

    def __init__(self, folder: str | None) -> None:
        self.kept = False
        self.folder = Path(tempfile.mkdtemp(prefix=MEMORY_PREFIX) if folder is None else folder)
        self.mark = self.folder / MARK
        self._refuse_another()
        self._clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        shared = Path(os.environ.get("FSM_MEMORY_DIR") or "/dev/shm")
        base = shared if os.access(shared, os.W_OK | os.X_OK) else self.folder
        self.memory = Path(tempfile.mkdtemp(prefix=MEMORY_PREFIX, dir=base))
        self.mark.write_text(f"{self.memory}\n", encoding="utf-8")
        self._lock = self.mark.open("rb")
        flock(self._lock, LOCK_EX | LOCK_NB)  # as long as this process lives
        for run in RUNS:
            self.memory_of(run).mkdir()

    def memory_of(self, run: str) -> Path:
        """Where the memory of one of the stores is made."""
        return self.memory / run

    def remove(self, run: str) -> None:
        """Remove one of the stores, so that it can be made anew."""
        for path in (self.folder / run, self.memory_of(run)):
            shutil.rmtree(path)
        self.memory_of(run).mkdir()

    def _clear(self) -> None:
        """Remove what an earlier rehearsal left. Raises `RehearsalError` for a folder that holds anything else."""
        if self.mark.is_file():
            memory = Path(self.mark.read_text(encoding="utf-8").strip())
            if memory.name.startswith(MEMORY_PREFIX):
                shutil.rmtree(memory, ignore_errors=True)
            for run in RUNS:
                shutil.rmtree(self.folder / run, ignore_errors=True)
            self.mark.unlink()
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise RehearsalError(
                f"{self.folder}: expected no such folder, or an empty one: the stores in it are removed at the end. "
                "Name another."
            )

    def _refuse_another(self) -> None:
        """Raise `RehearsalError` where another rehearsal is in the folder at this moment."""
        with suppress(FileNotFoundError, NotADirectoryError), self.mark.open("rb") as file:
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise RehearsalError(f"{self.folder}: another rehearsal is in there. Name another folder.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._lock.close()
        if not self.kept:
            self._clear()
            self.folder.rmdir()


# --- what is held to what ---------------------------------------------------------------------------------------------


def _differences(place: _Place, engine: str | None) -> list[str]:
    """Names of what differs between the two stores."""
    with _opened(place, "undisturbed", engine) as first, _opened(place, "killed", engine) as second:
        differences = [name for name, one, other in _areas(first, second) if one != other]
        journals = [Journal(machine, place.folder / run) for run, machine in zip(RUNS, (first, second), strict=True)]
        for start in range(1, first.sequence + 1, COMPARED_FRAMES):
            end = min(first.sequence, second.sequence, start + COMPARED_FRAMES - 1)
            one, other = (_frames(journal, start, end) for journal in journals)
            if not np.array_equal(one, other):
                place_of = int(np.argmax((one != other).any(axis=1))) + start
                return [*differences, f"frame {place_of}"]
        return differences


@contextmanager
def _opened(place: _Place, run: str, engine: str | None) -> Iterator[Engine]:
    from fsm.store import open as open_store

    before = os.environ.get("FSM_MEMORY_DIR")
    os.environ["FSM_MEMORY_DIR"] = str(place.memory_of(run))
    try:
        machine = open_store(str(place.folder / run), engine=engine)
    finally:
        os.environ.pop("FSM_MEMORY_DIR")
        if before is not None:
            os.environ["FSM_MEMORY_DIR"] = before
    with machine:
        yield machine


def _areas(*engines: Engine) -> Iterator[tuple[str, object, object]]:
    """Each thing that two stores must share, by name, as it is in each."""
    words = [memoryview(engine.memory.header).cast("Q").tolist() for engine in engines]
    names = sorted(HEADER_FIELDS, key=HEADER_FIELDS.__getitem__)
    for name, end in zip(names, [*(HEADER_FIELDS[name] for name in names[1:]), HEADER_WORDS], strict=True):
        if name not in MAY_DIFFER:
            one, other = (each[HEADER_FIELDS[name] : end] for each in words)
            yield f"header {name}", one, other
    for name, size in (("rows", engines[0].tables.row_bytes), ("keys", KEY_BYTES), ("index", 0), ("idempotency", 0)):
        areas = [getattr(engine.memory, name) for engine in engines]
        used = [None if size == 0 else each[HEADER_FIELDS["row_count"]] * size for each in words]
        parts = [b"" if area is None else bytes(area[:end]) for area, end in zip(areas, used, strict=True)]
        yield name, parts[0], parts[1]


def _frames(journal: Journal, first: int, last: int) -> NDArray[np.uint64]:
    """Frames, without the words that do not count in them: the ring leaves there what an older frame had."""
    frames = np.concatenate([*journal.blocks(first, last)])
    without = (frames[:, FRAME_INPUT] >> np.uint64(56) & np.uint64(FRAME_IMAGE)) == 0
    frames[without, FRAME_WORDS:] = 0
    return frames
