"""Memory that grows: rows and keys in place, an index made anew, and a kill anywhere in between."""

from __future__ import annotations

import os
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.layout import HEADER_FIELDS
from fsm.store import directory as directories
from fsm.store.memory import SharedMemory
from tests.store.inputs import LOAD, UNLOAD, Parcel

CAPACITY = HEADER_FIELDS["capacity"]
SHAPE = HEADER_FIELDS["index_shape"]


def filled(place: Path, engine_name: str, rows: int = 8) -> Any:
    """An engine whose rows are all taken."""
    engine = fsm.open(place, Parcel, capacity=rows, engine=engine_name)
    for key in range(rows):
        engine.start(key)
    return engine


def files(memory_folder: Path) -> dict[str, int]:
    """Name and size of each file of the one memory."""
    (memory,) = memory_folder.iterdir()
    return {path.name: path.stat().st_size for path in memory.iterdir()}


def test_a_full_store_says_so_and_grows(engine_name: str, place: Path) -> None:
    """Nothing is lost by it."""
    with filled(place, engine_name) as engine:
        with pytest.raises(fsm.StoreFull):
            engine.start("more")
        engine.reserve(20)
        assert (8, 20) == (engine.start("more"), engine.capacity)
        assert list(range(8)) == [engine.find(key) for key in range(8)]
    with fsm.open(place, engine=engine_name) as engine:
        assert (9, 20, 8) == (len(engine), engine.capacity, engine.find("more"))
        assert list(range(8)) == [engine.find(key) for key in range(8)]


def test_the_index_that_was_outgrown_is_taken_away(engine_name: str, place: Path, memory_folder: Path) -> None:
    """Its name is that of its build."""
    with filled(place, engine_name) as engine:
        assert "index-0" in files(memory_folder)
        for capacity in (20, 300):
            engine.reserve(capacity)
    names = {name for name in files(memory_folder) if name.startswith("index")}
    assert {"index-2"} == names
    assert 8 << 10 == files(memory_folder)["index-2"]


def test_keys_and_steps_after_growth_survive(engine_name: str, place: Path) -> None:
    """The ring and the idempotency keys are those from before."""
    with filled(place, engine_name) as engine:
        engine.step(3, LOAD, 7, key=5)
        engine.reserve(100)
        assert fsm.Outcome.DUPLICATE == engine.step(3, LOAD, 7, key=5)
        sequence = engine.sequence
    with fsm.open(place, engine=engine_name) as engine:
        assert (sequence, ("moving",)) == (engine.sequence, engine.state(3))
        assert fsm.Outcome.DUPLICATE == engine.step(3, LOAD, 7, key=5)


def test_released_keys_make_the_index_anew(engine_name: str, place: Path, memory_folder: Path) -> None:
    """Without another capacity: it was crowded by keys that are gone."""
    with fsm.open(place, Parcel, capacity=8, engine=engine_name) as engine:
        for number in range(60):
            handle = engine.start(number)
            engine.step(handle, LOAD, 7)
            engine.step(handle, UNLOAD)
            engine.release(handle)
        engine.start("last")
        assert 8 == engine.capacity
    assert [name for name in files(memory_folder) if name.startswith("index")] != ["index-0"]
    with fsm.open(place, engine=engine_name) as engine:
        assert (1, ("new",)) == (len(engine), engine.state(engine.find("last")))  # type: ignore[arg-type]
        assert engine.find(59) is None


class Killed(Exception):
    """The process ends here."""


CUTS = ["rows", "keys", "index", "mapped", "filled", "shape", "capacity", "closed"]


def grow_until(memory: SharedMemory, engine: Any, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow to 40 rows, and stop behind a part of it."""
    extend, create = directories.Directory.extend, directories.Directory.create

    def extended(self: Any, fd: int, name: str, size: int) -> None:
        extend(self, fd, name, size)
        if name == cut:
            raise Killed

    def created(self: Any, name: str, size: int = 0) -> int:
        fd = create(self, name, size)
        if cut == "index":
            raise Killed
        return fd

    with monkeypatch.context() as patch:
        patch.setattr(directories.Directory, "extend", extended)
        patch.setattr(directories.Directory, "create", created)
        larger = memory.grown(40)
    if cut == "mapped":
        raise Killed
    # What `_attach` does, store by store.
    other = fsm.Engine(engine.tables, capacity=40, engine="mirror")
    for key in range(8):
        other.start(key)
    if cut != "filled":
        larger.index[:] = bytes(other.memory.index)
        memory.words[SHAPE] = larger.index_shape
    else:
        larger.index[: len(larger.index) // 2] = bytes(other.memory.index)[: len(larger.index) // 2]
    if cut in ("filled", "shape"):
        raise Killed
    memory.words[CAPACITY] = 40
    if cut == "closed":
        memory.close()
    raise Killed


@pytest.mark.parametrize("cut", CUTS)
def test_a_kill_amid_growth_leaves_what_opens(
    engine_name: str, place: Path, memory_folder: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """With the old capacity, or with the new one; and no index is left that nobody uses."""
    engine = filled(place, engine_name)
    memory: Any = engine.memory
    with pytest.raises(Killed):
        grow_until(memory, engine, cut, monkeypatch)
    del engine, memory
    with fsm.open(place, engine=engine_name) as again:
        assert (40 if cut in ("capacity", "closed") else 8) == again.capacity
        assert list(range(8)) == [again.find(key) for key in range(8)]
        assert 1 == len([name for name in files(memory_folder) if name.startswith("index")])
        again.reserve(100)
        assert 8 == again.start("more")
    with fsm.open(place, engine=engine_name) as again:
        assert (9, 100) == (len(again), again.capacity)


@pytest.mark.parametrize("number", range(4))
def test_growth_without_room_changes_nothing(
    engine_name: str, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever of the allocations it is that fails."""
    with filled(place, engine_name) as engine:
        left, fallocate = number, os.posix_fallocate

        def fails(fd: int, offset: int, size: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            fallocate(fd, offset, size)

        with monkeypatch.context() as patch:
            patch.setattr(directories.os, "posix_fallocate", fails)
            if number < 3:
                with pytest.raises(fsm.StoreError, match="No space left"):
                    engine.reserve(1000)
                assert 8 == engine.capacity
            else:
                engine.reserve(1000)
        assert list(range(8)) == [engine.find(key) for key in range(8)]
        assert 0 == engine.step(0, LOAD, 7)
    with fsm.open(place, engine=engine_name) as again:
        assert ("moving",) == again.state(0)
