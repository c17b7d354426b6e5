"""How long is an engine gone when its process is killed?

    writer, stepping ──SIGKILL──▶ reaped ──▶ a new process: Python, imports, fsm.open, find, step ──▶ its answer

Measured: whole processes, from the kill to the answer to the first accepted step, Python's own start included; beside
it `python -c pass` in turns with them, and where the time goes. The store is opened without a flow; each writer has
touched every row, key and slot before it is killed, so that its death has all of them to unmap. With bytecode, as an
installation has it, and without: `PYTHONDONTWRITEBYTECODE=1` has every import compiled from its source.
Not measured: a cold disk, a lost page cache, a reboot.
Estimated beforehand: 10 ms for Python, 10 for imports, 2 for the opening; 1 and 10 ms for the death of a writer with 1
and 10 million rows.

FSM_ROWS is the most instances that are measured: 10 000 000 take 2 GB of shared memory and 3 GB of disk.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from flows import Ticking

import fsm

ROWS_MAX = int(os.environ.get("FSM_ROWS", "10_000_000"))
SIZES = [size for size in (1_000_000, 10_000_000) if size <= ROWS_MAX] or [ROWS_MAX]
AIMS = {1_000_000: "floor + 50 ms", 10_000_000: "floor + 190 ms"}
CASES = {"native": ("native", True), "mirror": ("mirror", True), "native, no bytecode": ("native", False)}
ROUNDS = 9
KEY = 4_711
TICK = Ticking.Tick.id

WRITER = """
import os, sys
import numpy
import fsm
path, tick, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
engine = fsm.open(path, engine="native")
handles = engine._find_many(numpy.arange(rows))
engine.step_many(handles, numpy.full(rows, tick), numpy.ones((rows, 1), numpy.int64))
handle, step = int(handles[-1]), engine.step
while True:
    for _ in range(20_000):
        step(handle, tick, 1)
    os.write(1, b".")
"""

RESTARTED = """
from time import perf_counter_ns
began = perf_counter_ns()
import os, sys
import fsm
fsm.open
if sys.argv[2] == "native":
    import fsm.engine.native
else:
    import fsm.engine.mirror
imported = perf_counter_ns()
engine = fsm.open(sys.argv[1], engine=sys.argv[2])
opened = perf_counter_ns()
outcome = engine.step(engine.find(int(sys.argv[4])), int(sys.argv[3]), 1)
stepped = perf_counter_ns()
os.write(1, b"%d %d %d %d %d" % (outcome, began, imported, opened, stepped))
os._exit(0)
"""
PARTS = ("reaped", "Python's start", "imports", "open", "find and step", "answer read")


class Store:
    """A store with so many instances, and the processes that come and go on it."""

    def __init__(self, path: Path, rows: int) -> None:
        import numpy

        self.path, self.rows = path, rows
        engine = fsm.open(path, Ticking, capacity=rows, engine="native")
        engine._start_many(numpy.arange(rows))
        engine.close()

    def writer(self) -> subprocess.Popen[bytes]:
        """A process that steps, and has been doing so for a while."""
        command = [sys.executable, "-c", WRITER, str(self.path), str(TICK), str(self.rows)]
        made = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert made.stdout is not None
        assert b"..." == made.stdout.read(3)
        return made

    def restart(self, writer: subprocess.Popen[bytes], engine: str, environment: dict[str, str]) -> list[float]:
        """Kill the writer and start another process: when each of `PARTS` was over, in ms after the kill."""
        command = [sys.executable, "-c", RESTARTED, str(self.path), engine, str(TICK), str(KEY)]
        killed = time.perf_counter_ns()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        reaped = time.perf_counter_ns()
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as made:
            assert made.stdout is not None
            said = os.read(made.stdout.fileno(), 200)
            answered = time.perf_counter_ns()
        assert 0 == made.returncode and writer.stdout is not None
        writer.stdout.close()
        outcome, *moments = map(int, said.split())
        assert 0 == outcome, "the step was not accepted"
        return [(moment - killed) / 1e6 for moment in (reaped, *moments, answered)]


@pytest.fixture(scope="module", params=SIZES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The files on the disk, the memory in a folder of its own in /dev/shm; both are taken away afterwards."""
    path, shared = tmp_path_factory.mktemp("restart"), tempfile.mkdtemp(prefix="bench-restart-", dir="/dev/shm")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FSM_MEMORY_DIR", shared)
        yield Store(path / "store", request.param)
    shutil.rmtree(shared)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What of the environment has the bytecode of whatever is imported kept."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}


@pytest.mark.parametrize("case", CASES)
def bench_restart(
    case: str, store: Store, bytecode: dict[str, str], benchmark: Any, row: Callable[..., None],
    note: Callable[[str], None],
) -> None:  # fmt: skip
    """From the kill of a writer to the first answer of its successor."""
    engine, is_kept = CASES[case]
    environment = {**os.environ, **(bytecode if is_kept else {"PYTHONDONTWRITEBYTECODE": "1"})}
    found: list[list[float]] = []
    bare: list[float] = []
    store.restart(store.writer(), engine, environment)  # bytecode, page cache

    def prepared() -> tuple[tuple[subprocess.Popen[bytes]], dict[str, object]]:
        begin = time.perf_counter_ns()
        subprocess.run([sys.executable, "-c", "pass"], check=True, env=environment)
        bare.append((time.perf_counter_ns() - begin) / 1e6)
        return (store.writer(),), {}

    def restart(writer: subprocess.Popen[bytes]) -> None:
        found.append(store.restart(writer, engine, environment))

    benchmark.pedantic(restart, setup=prepared, rounds=ROUNDS)
    ours, theirs = median(moments[-1] for moments in found), median(bare)
    aim = AIMS.get(store.rows, "-")
    row(ours * 1e6, theirs * 1e6, floor_name="python -c pass", aim=aim)
    spans = [[end - begin for begin, end in zip((0.0, *moments), moments, strict=False)] for moments in found]
    parts = ", ".join(f"{name} {median(took):.1f}" for name, took in zip(PARTS, zip(*spans, strict=True), strict=True))
    note(f"{ours:.1f} ms, {ours - theirs:.1f} above python -c pass (medians of {ROUNDS}); ms for each part: {parts}")
