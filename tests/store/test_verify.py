"""`verify`: nothing to say of a store that writers left, and something of each kind of damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fsm
import fsm.store
from fsm.errors import StoreLocked
from fsm.layout import HEADER_FIELDS
from fsm.store.verify import Problem, verify
from tests.crash.flows import Waiting
from tests.store.scenes import Worker, busy_day, memory_of, open_store


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store goes; its memory lies beside it."""
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path))
    return tmp_path / "orders"


def test_a_store_that_a_writer_left_has_no_problem(place: Path, engine_name: str) -> None:
    """Made, used, closed, opened by the other engine, used on."""
    open_store(place, engine_name).close()
    assert [] == verify(place)
    with open_store(place, engine_name) as engine:
        last = busy_day(engine)
    report = verify(place)
    assert [] == report
    assert (last, 3, 0) == (report.frames, report.rows, report.unchecked)
    assert f"0 problems; {last} frames and 3 rows were looked at" in str(report)
    with open_store(place, "mirror") as engine:
        engine.step(0, 1, 1)
        engine.reserve(50)
        engine.start("d")
        for number in range(100, 130):
            engine.step(0, 1, 1, key=number)
    assert [] == verify(place)


def test_a_flow_with_timers_and_deferred_events_has_no_problem(place: Path, engine_name: str) -> None:
    """What nobody was told of is counted from the frames."""
    with fsm.store.open(place, Waiting, capacity=4, engine=engine_name) as engine:
        for name in ("a", "b"):
            handle = engine.start(name)
            for number in range(4):
                engine.send(name, "Order", {"quantity": number, "price": 2})
            engine.send(name, "Open", {"until": 9_000_000_000})
            engine.send(name, "Nudge")
            assert handle == engine.find(name)
        engine.advance(6_000_000_000)
        engine.advance(20_000_000_000)
        assert engine.untold
    assert [] == verify(place)


def test_a_killed_writer_leaves_no_problem(place: Path, engine_name: str) -> None:
    """Nor does a journal of several segments, with a ring that was lapped."""
    with Worker(place, engine_name) as worker:
        worker.do("busy_day(engine)")
        worker.do("[engine.step(0, 1, 1) for _ in range(9_000)][-1]")
        worker.kill()
    report = verify(place)
    assert [] == report
    assert report.frames > 9_000


def test_a_store_that_is_open_is_refused(place: Path, engine_name: str) -> None:
    """It would be read while it changes."""
    with open_store(place, engine_name), pytest.raises(StoreLocked):
        verify(place)
    with pytest.raises(fsm.StoreError, match="no store"):
        verify(place / "nowhere")


def flip(file: str, offset: int) -> Callable[[Path, Path], None]:
    """One bit of a file of the store (`journal`: of its only segment) or of its memory."""

    def damage(store: Path, memory: Path) -> None:
        path = memory / file
        if not path.exists():
            path = next((store / "journal").iterdir()) if file == "journal" else store / file
        data = bytearray(path.read_bytes())
        data[offset] ^= 4
        path.write_bytes(data)

    return damage


def cut(file: str, size: int) -> Callable[[Path, Path], None]:
    """A file that ends too early."""

    def damage(store: Path, memory: Path) -> None:
        path = next((store / "journal").iterdir()) if file == "journal" else memory / file
        path.write_bytes(path.read_bytes()[:size])

    return damage


def header(name: str) -> int:
    """The byte of a word of the header."""
    return HEADER_FIELDS[name] * 8


DAMAGE: dict[str, Any] = {
    "a configuration": flip("rows", 0),
    "a field": flip("rows", 24),
    "the last frame of a row": flip("rows", 8),
    "a version": flip("rows", 16),
    "behind the last row": flip("rows", 64 * 5),
    "a key": flip("keys", 1),
    "behind the last key": flip("keys", 64 * 5),
    "a frame in the ring": flip("ring", 128 + 20),
    "a frame in the journal": flip("journal", 4096 + 20),
    "the header of a segment": flip("journal", 20),
    "behind the header of a segment": flip("journal", 200),
    "a segment that is cut": cut("journal", 5000),
    "rows that are cut": cut("rows", 100),
    "untold": flip("header", header("untold")),
    "row count": flip("header", header("row_count")),
    "free row": flip("header", header("free_row")),
    "place": flip("header", header("place")),
    "position": flip("header", header("position")),
    "index filled": flip("header", header("index_filled")),
    "how many idempotency keys": flip("header", header("idempotency_count")),
    "a reserved word": flip("header", 31 * 8),
    "the fixed part of the header": flip("header", header("uuid")),
    "an epoch": flip("header", header("epoch") + 1),
    "the superblock": flip("superblock", 20),
    "its other slot": flip("superblock", 4096 + 20),
    "between its slots": flip("superblock", 1000),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_told_where(place: Path, name: str) -> None:
    """One bit, or the end of a file: a problem that names the file."""
    with open_store(place, "mirror") as engine:
        busy_day(engine)
    DAMAGE[name](place, memory_of(place.parent))
    report = verify(place)
    assert report, name
    for problem in report:
        assert isinstance(problem, Problem)
        assert str(place.parent) in problem.file or "index" in problem.file
        assert problem.reason
        assert problem.offset >= 0
    with pytest.raises(AttributeError):
        fsm.verify  # noqa: B018 - it is in fsm.store.verify, and not among the public names


def test_verify_repairs_nothing(place: Path) -> None:
    """What a killed writer left is made good in a private copy."""
    with Worker(place, "mirror") as worker:
        worker.do("busy_day(engine)")
        worker.kill()
    files = [path for path in place.parent.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    verify(place)
    assert before == {path: path.read_bytes() for path in files}
