"""`readonly=True`: what a writer has taken, as it stands, beside the writer, without one, and after one was killed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import fsm
import fsm.store
from fsm.layout import FRAME_INPUT, HEADER_FIELDS, NONE
from tests.store.scenes import Worker, answers, busy_day, memory_of, open_store


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store goes; its memory lies beside it."""
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path))
    return tmp_path / "orders"


def reading(path: Path) -> Any:
    """A reader."""
    return fsm.store.open(path, readonly=True)


def test_a_reader_tells_what_the_engine_does(place: Path, engine_name: str) -> None:
    """Beside it, after every kind of input, and after it is closed."""
    with open_store(place, engine_name) as engine:
        with reading(place) as reader:
            assert answers(engine) == answers(reader)
            busy_day(engine)
            assert answers(engine) == answers(reader)
            expected = answers(engine)
            engine.close()
            assert expected == answers(reader)
        with reading(place) as reader:
            assert expected == answers(reader)


def test_a_reader_writes_nothing(place: Path, engine_name: str) -> None:
    """No byte of any file changes, and none is made."""
    with open_store(place, engine_name) as engine:
        busy_day(engine)

        def files() -> dict[str, str]:
            return {
                str(path): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(place.parent.rglob("*"))
                if path.is_file()
            }

        before = files()
        with reading(place) as reader:
            answers(reader)
        assert before == files()


def test_a_reader_is_no_writer_and_keeps_none_away(place: Path, engine_name: str) -> None:
    """It takes no lock: a writer opens beside it, and another reader."""
    open_store(place, engine_name).close()
    with reading(place) as reader, reading(place), open_store(place, engine_name) as engine:
        engine.start("a")
        assert 1 == len(reader)
        with pytest.raises(fsm.StoreError, match="read-only"):
            reader.start("b")
        assert "reader" == reader.engine
        assert isinstance(reader, fsm.Engine)
        assert "<Engine reader of Order" in repr(reader)


def test_a_reader_follows_growth(place: Path, engine_name: str) -> None:
    """Rows, keys and another index, mapped with the next call."""
    with open_store(place, engine_name, capacity=2) as engine, reading(place) as reader:
        engine.start("a")
        assert 2 == reader.capacity
        for round_number in range(1, 6):
            engine.reserve(2 << round_number)
            handle = engine.start(round_number)
            assert (2 << round_number, handle) == (reader.capacity, reader.find(round_number))
            assert ("new",) == reader.state(handle)
        assert engine.select() == reader.select()


def test_every_record_is_that_of_its_last_frame(place: Path, engine_name: str) -> None:
    """What `_record` gives agrees with the journal, for a row that was refused something last, too."""
    with open_store(place, engine_name) as engine, reading(place) as reader:
        busy_day(engine)
        for handle in engine.select():
            words = memoryview(reader._record(handle)).cast("Q")
            frame = reader.memory.frame(words[1])
            assert handle & NONE == frame[FRAME_INPUT] & NONE


@pytest.mark.parametrize("call", ["engine.step(0, 1, 1)", "busy_day(engine)"])
def test_a_reader_beside_a_writer_that_was_killed(place: Path, engine_name: str, call: str) -> None:
    """Everything that was answered is there, and the next writer finds the same."""
    with Worker(place, engine_name) as worker:
        worker.do("busy_day(engine)" if call != "busy_day(engine)" else "None")
        worker.do(call)
        with reading(place) as reader:
            told = int(worker.do("engine.sequence"))
            assert told == reader.sequence
            worker.kill()
            before = answers(reader)
            with open_store(place, engine_name) as engine:
                assert before == answers(engine) == answers(reader)


def test_a_reader_polls_while_a_writer_runs(place: Path, engine_name: str) -> None:
    """Each row is whole: its fields are those of its version."""
    with Worker(place, engine_name) as worker:
        worker.do("busy_day(engine)")
        with reading(place) as reader:
            handle = reader.find("b")
            worker.do(f"engine.step({handle}, 0, 100_000_000, 1)")
            count = 300_000 if engine_name == "native" else 10_000
            worker.begin(f"sum(engine.step({handle}, 1, 1) for _ in range({count}))")
            seen, reads = set(), 0
            while not worker.has_finished():
                reads += 1
                record = memoryview(reader._record(handle)).cast("Q")
                # Every step takes one away, so what is left and the version come to the same.
                assert 100_000_001 == record[4] + (record[2] & NONE), "a torn row"
                seen.add(record[1])
            assert "0" == worker.finish()
            assert count + 1 == reader.version(handle)
            print(f"{len(seen)} states of the row were seen in {reads} reads")


def test_a_reader_of_another_flow_is_told_the_difference(place: Path, engine_name: str) -> None:
    """As a writer is."""

    class Other(fsm.Flow):
        """Another flow."""

        class Go(fsm.Event):
            pass

        new = fsm.State(initial=True)
        end = fsm.State(final=True)
        new.on(Go, to=end)

    open_store(place, engine_name).close()
    with pytest.raises(fsm.TablesMismatch):
        fsm.store.open(place, Other, readonly=True)


def test_there_is_nothing_to_read(place: Path) -> None:
    """No directory, an empty one, a store without its memory: each is said."""
    with pytest.raises(fsm.StoreError, match="there is no store here"):
        reading(place)
    place.mkdir(mode=0o700)
    with pytest.raises(fsm.StoreError, match="there is no store here"):
        reading(place)
    place.rmdir()
    open_store(place).close()
    for path in memory_of(place.parent).iterdir():
        path.unlink()
    memory_of(place.parent).rmdir()
    with pytest.raises(fsm.StoreError, match="is not there"):
        reading(place)


def test_a_closed_reader_says_so(place: Path) -> None:
    """Every call, and closing it twice is nothing."""
    open_store(place).close()
    reader = reading(place)
    reader.close()
    reader.close()
    for call in (len, lambda each: each.find("a"), lambda each: each.state(0), lambda each: each.select()):
        with pytest.raises(fsm.FsmError, match="is closed"):
            call(reader)


def test_a_damaged_row_is_said_when_it_is_read(place: Path, engine_name: str) -> None:
    """A configuration that the flow does not have; the other rows are read on."""
    with open_store(place, engine_name) as engine:
        busy_day(engine)
    rows = memory_of(place.parent) / "rows"
    data = bytearray(rows.read_bytes())
    data[0:4] = (1 << 20).to_bytes(4, "little")
    rows.write_bytes(data)
    with reading(place) as reader:
        with pytest.raises(fsm.StoreError, match="configuration 1048576"):
            reader.state(0)
        assert ("new",) == reader.state(reader.find("b"))


def test_memory_made_anew_without_a_fence_is_found(place: Path, engine_name: str) -> None:
    """Whoever lost the memory cannot say so in it: the superblock is looked at now and then."""
    from fsm.store import mapped as module
    from fsm.store import superblock as superblocks
    from fsm.store.directory import Directory

    with open_store(place, engine_name) as engine:
        engine.start("a")
    with reading(place) as reader:
        store = Directory.at(str(place))
        superblock = superblocks.read(store)
        memory = memory_of(place.parent)
        memory.rename(memory.with_name(memory.name.rpartition("-")[0] + "-2"))
        header = bytearray((memory_of(place.parent) / "header").read_bytes())
        header[HEADER_FIELDS["now_ns"] * 8] = 7
        copied = memory_of(place.parent) / "header"
        copied.unlink()
        copied.write_bytes(header)
        copied.chmod(0o600)
        superblocks.write(store, superblock.next(epoch=superblock.epoch, incarnation=2))
        told = {reader.now_ns for _ in range(module.SUPERBLOCK_EVERY + 1)}
        assert {0, 7} == told
        store.close()
