"""Workers at full speed, killed by SIGKILL at moments drawn by lot: short here, long by `make crash`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.crash.killing import kill_often
from tests.crash.plan import FLOWS

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "0")) or Random().getrandbits(32)


@pytest.mark.parametrize("flow", FLOWS)
def test_no_kill_loses_what_was_acknowledged(
    flow: str, engine_name: str, shared_folder: Path, monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, Any], None],
) -> None:  # fmt: skip
    """After each kill the store is what the model says, up to the input that was under way."""
    monkeypatch.setenv("FSM_MEMORY_DIR", "")  # so that it is what it was afterwards
    folder = shared_folder / f"kills-{flow}-{engine_name}"
    folder.mkdir()
    print(f"seed {SEED}")
    report = kill_often(folder, flow, engine_name, SEED, KILLS)
    print(report)
    record_property("report", str(report))
    assert KILLS == report.kills
    assert report.units >= KILLS
