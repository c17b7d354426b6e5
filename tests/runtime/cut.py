"""An engine that dies: it takes so many inputs, then raises, as if its process were killed between two of them.

    Ingest ──▶ Cut ──one at a time──▶ engine          no input left ──▶ Killed

Each place where a process can be killed between two groups of the journal is one where the number runs out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import fsm
from fsm.runtime import Batch, Ingest
from fsm.runtime.journal import Account, Journal
from fsm.runtime.resume import StoredRun

Source = Callable[[Any], Iterable[Batch]]


class Killed(BaseException):
    """The process is no more."""


class Cut:
    """An engine with so many inputs left; None: it does not die."""

    def __init__(self, engine: Any, left: int | None) -> None:
        self._engine, self._left = engine, left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __len__(self) -> int:
        return len(self._engine)

    def _spend(self) -> None:
        if self._left is not None:
            if not self._left:
                raise Killed
            self._left -= 1

    def _mark(self, words: list[int]) -> None:
        self._spend()
        self._engine._mark(words)

    def _start_many(self, keys: Any) -> Any:
        if self._left is None:
            return self._engine._start_many(keys)
        handles = []
        for key in range(len(keys)):
            self._spend()
            handles.extend(self._engine._start_many(keys[key : key + 1]).tolist())
        return np.array(handles, np.uint64)

    def advance(self, now_ns: int) -> int:
        self._spend()
        fired: int = self._engine.advance(now_ns)
        return fired

    def _step_many_timed(self, instances: Any, *arrays: Any, nanoseconds: Any, **more: Any) -> None:
        if self._left is None:
            self._engine._step_many_timed(instances, *arrays, nanoseconds=nanoseconds, **more)
            return
        for event in range(len(instances)):
            one = slice(event, event + 1)
            if more.get("times") is not None and more["times"][event] >= 0:
                self.advance(int(more["times"][event]))
            self._spend()
            self._engine._step_many_timed(
                instances[one], *(array[one] for array in arrays), nanoseconds=nanoseconds[one],
                **{name: None if array is None else array[one] for name, array in more.items()},
            )  # fmt: skip


class Run:
    """What a run left: the store's frames and rows, the account, and what the process took itself."""

    def __init__(self, engine: Any, run: StoredRun, ingest: Ingest, path: Path) -> None:
        journal = Journal(engine, path)
        self.frames = [counting(block) for block in journal.blocks(1, journal.applied)]
        rows = len(engine) * engine.tables.row_bytes
        self.rows, self.keys = bytes(engine.memory.rows[:rows]), bytes(engine.memory.keys[: len(engine) * 64])
        self.account: Account = run.account()
        self.last = run.positions[-1][1]
        self.resumed_at, self.taken, self.sequence = run.resumed_at, ingest.taken, engine.sequence
        self.parked = [each.row for each in ingest.parked]

    def left(self) -> tuple[Any, ...]:
        """Everything that a run with kills must share with one without."""
        account = tuple(np.asarray(part).tolist() for part in self.account)
        return np.concatenate(self.frames).tolist(), self.rows, self.keys, account, self.last, self.parked


def counting(frames: Any) -> Any:
    """Frames without the words that do not count in them."""
    frames[(frames[:, 2] >> np.uint64(57) & np.uint64(1)) == 0, 8:] = 0
    return frames


def run(path: Path, flow: Any, source: Source, engine_name: str, left: int | None = None, **options: Any) -> Run | None:
    """Run a source on the store at `path`, with so many inputs to live; None where it was killed."""
    with fsm.open(path, flow, engine=engine_name, **options) as engine:
        ingest = Ingest(Cut(engine, left))  # type: ignore[arg-type]
        try:
            stored = StoredRun(ingest, str(path))
            for batch in source(engine):
                stored.take(batch)
            stored.end()
        except Killed:
            return None
        return Run(engine, stored, ingest, path)


def run_killed(path: Path, flow: Any, source: Source, engine_name: str, lives: Iterable[int], **options: Any) -> Run:
    """Run a source whose process is killed after so many inputs each time, then once to its end."""
    for left in lives:
        if (ended := run(path, flow, source, engine_name, left, **options)) is not None:
            return ended
    ended = run(path, flow, source, engine_name, **options)
    assert ended is not None, "nobody kills the last"
    return ended
