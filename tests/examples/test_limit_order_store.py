"""A real day on a store: doubled events, a worker that is killed again and again, and the same end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsm
from fsm import Outcome
from fsm.layout import HEADER_FIELDS
from fsm.runtime import Ingest
from fsm.runtime.ingest import count_states
from fsm.tools.load import load
from tests.conftest import ROOT

EXAMPLE = str(ROOT / "examples/limit_order.py")
DOUBLED = str(ROOT / "tests/examples/doubled_orders.py") + ":LimitOrder"
HOUR = "lobster/AAPL_2012-06-21_34200000_37800000_message_50.csv.gz"
KILLS, EVERY = 20, 50


def undisturbed(path: Path, engine_name: str) -> tuple[Ingest, np.ndarray]:
    """The example without a store and without doubles: its account, and the outcome of each event from a row."""
    module, flow = load(EXAMPLE)
    ingest = Ingest(fsm.Engine(flow, engine=engine_name))
    outcomes = []
    for batch in module.events(str(path), ingest.engine):
        found = ingest.take(batch)
        outcomes.append(found[:0] if batch.made_up else found)
    return ingest, np.concatenate(outcomes)


class Worker:
    """`fsm run` on a store, in processes that end themselves."""

    def __init__(self, path: Path, folder: Path, engine_name: str) -> None:
        self.store, self.memory = folder / "store", folder / "memory"
        self.memory.mkdir()
        self.command = [sys.executable, "-P", "-m", "fsm.cli", "run", DOUBLED, str(path), "--json"]
        self.command += ["--store", str(self.store), "--engine", engine_name]

    def run(self, kill_at: int) -> subprocess.CompletedProcess[str]:
        """One process, to its end."""
        more = {"FSM_MEMORY_DIR": str(self.memory), "KILL_AT": str(kill_at)}
        return subprocess.run(self.command, env={**os.environ, **more}, capture_output=True, text=True)

    def applied(self) -> int:
        """The last frame of the store, read from its memory as it lies there."""
        (header,) = self.memory.glob("fsm-*/header")
        return memoryview(header.read_bytes()).cast("Q")[HEADER_FIELDS["applied"]]


def masked(engine: Any) -> np.ndarray:
    """Rows without the number of their last frame, which counts the doubles too."""
    rows = np.frombuffer(engine.memory.rows, np.uint64).reshape(-1, engine.tables.row_words)[: len(engine)].copy()
    rows[:, 1] = 0
    return rows


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("engine_name", "lines"), [pytest.param("native", None, marks=pytest.mark.native), ("mirror", 8_000)]
)
def test_doubled_events_and_a_worker_that_is_killed_again_and_again_change_nothing(
    engine_name: str, lines: int | None, shared_data: Callable[[str], Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The states of an undisturbed run without doubles; the doubles are duplicates, those of refused events refused."""
    path = hour_of(shared_data(HOUR), lines, tmp_path)
    expected, outcomes = undisturbed(path, engine_name)
    twice = outcomes[EVERY - 1 :: EVERY]
    accepted = int(np.count_nonzero(twice == Outcome.ACCEPTED))
    # Each event has one frame or, with its arguments, two, and one for its key; a start has two.
    frames = int(2 * len(outcomes) + 2 * len(twice) + 2 * expected.started)
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    worker, killed = Worker(path, tmp_path, engine_name), []
    for moment in sorted(draw.randint(1, frames * 9 // 10) for _ in range(KILLS)):
        kill_at = max(moment, killed[-1] + 1 if killed else 0)
        done = worker.run(kill_at)
        assert -signal.SIGKILL == done.returncode, done.stderr
        killed.append(worker.applied())
    print(f"killed at frames {killed}")
    done = worker.run(0)
    assert 0 == done.returncode, done.stderr
    report = json.loads(done.stdout)

    assert len(outcomes) + len(twice) == report["events"]
    assert (expected.left_out, expected.started) == (report["left_out"], report["instances"])
    assert count_states(expected.engine) == report["states"]
    assert {**expected.outcomes(), "refused": sum(expected.refusals().values()) + len(twice) - accepted} == {
        name: count for name, count in report["outcomes"].items() if name != "duplicate"
    }
    assert accepted == report["outcomes"]["duplicate"] == report["store"]["duplicates"]
    assert {"unknown_instance"} == set(report["refusals"]) == set(expected.refusals())
    assert (expected.made_up, expected.outcomes(made_up=True)) == (
        report["made_up"]["events"], report["made_up"]["outcomes"]
    )  # fmt: skip
    assert killed[-1] <= report["store"]["resumed_at"] <= report["store"]["sequence"]
    if lines is None:
        assert {"filled": 2_944, "cancelled": 40_786, "part_cancelled": 146, "closed": 380} == report["states"]
    monkeypatch.setenv("FSM_MEMORY_DIR", str(worker.memory))
    with fsm.open(worker.store, engine=engine_name) as engine:
        assert np.array_equal(masked(expected.engine), masked(engine))


def hour_of(path: Path, lines: int | None, folder: Path) -> Path:
    """The file, or its first lines."""
    if lines is None:
        return path
    import gzip

    part = folder / "part.csv"
    part.write_bytes(b"".join(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:lines]))
    return part
