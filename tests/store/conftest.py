"""What tests of stores share: memory in a folder of the test, and a place for the store."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def memory_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the memory of stores lies: not in the machine's shared memory, so that a test can count what is left."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setenv("FSM_MEMORY_DIR", str(folder))
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store is made; nothing is there yet."""
    return tmp_path / "store"
