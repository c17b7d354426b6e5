"""A creation that is killed leaves nothing that the next one does not take away, and nothing half made in its place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.store import creation
from tests.store.inputs import Parcel

CALLS = ("mkdir", "open", "posix_fallocate", "pwrite", "fdatasync", "fsync", "rename")


def killed_at(call_number: int, place: Path, tables: fsm.Tables | None) -> bool:
    """Fork a process that opens or makes a store and ends before its n-th call of these; whether it came so far."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    left = call_number

    def counted(call: Any) -> Any:
        def before(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(9)
            left -= 1
            return call(*arguments, **named)

        return before

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    status = 1
    try:
        fsm.open(place, tables, engine="mirror")
        status = 0
    finally:
        os._exit(status)


def test_a_kill_before_any_call_leaves_what_opens_or_nothing(place: Path, tmp_path: Path, memory_folder: Path) -> None:
    """And the next opening takes the rest away."""
    tables = fsm.compile(Parcel)
    number = made = 0
    while killed_at(number, place, tables):
        made += place.exists()
        with fsm.open(place, tables, engine="mirror") as engine:
            assert (0, 1024) == (engine.sequence, engine.capacity)
            engine.start("a")
        assert {place, memory_folder} == set(tmp_path.iterdir())
        assert 1 == len(list(memory_folder.iterdir()))
        shutil.rmtree(place)
        shutil.rmtree(next(memory_folder.iterdir()))
        number += 1
    assert number > 30
    assert 0 < made < number


def test_a_kill_before_any_call_of_an_opening_leaves_what_opens(place: Path) -> None:
    """As it was; at the most an epoch was given to nobody."""
    with fsm.open(place, Parcel, engine="mirror") as engine:
        engine.start("a")
    number = 0
    while killed_at(number, place, None):
        with fsm.open(place, engine="mirror") as engine:
            assert (2, 0) == (engine.sequence, engine.find("a"))
        number += 1
    assert number > 10


def test_a_draft_that_is_under_way_is_left_alone(place: Path, engine_name: str) -> None:
    """Its lock is held: another process makes a store of this name at this moment."""
    draft = place.parent / f".{place.name}.new-{'0' * 32}"
    draft.mkdir(0o700)
    store = creation.Directory.at(str(draft))
    lock = creation.Lock.take(store, make=True)
    fsm.open(place, Parcel, engine=engine_name).close()
    assert draft.is_dir()
    lock.release()


def test_whoever_is_slower_opens_what_the_other_one_made(
    place: Path, tmp_path: Path, memory_folder: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str
) -> None:
    """Two make one store at one moment: one of them is there, and nothing of the other."""
    make = creation.store_tables

    def and_another(store: Any, tables: Any) -> None:
        monkeypatch.setattr(creation, "store_tables", make)
        with fsm.open(place, tables, engine=engine_name) as engine:
            engine.start("theirs")
        make(store, tables)

    monkeypatch.setattr(creation, "store_tables", and_another)
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        assert 0 == engine.find("theirs")
    assert {place, memory_folder} == set(tmp_path.iterdir())
    assert 1 == len(list(memory_folder.iterdir()))
