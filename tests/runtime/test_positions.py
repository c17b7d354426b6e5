"""Positions and the journal that they stand in: stepped from elsewhere, foreign, damaged, hostile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsm
from fsm import Outcome
from fsm.errors import CorruptStore, StoreError
from fsm.runtime import Batch, Ingest, Parked
from fsm.runtime.ingest import count_states
from fsm.runtime.journal import Journal
from fsm.runtime.resume import MAGIC, Position, StoredRun
from tests.runtime.cut import run, run_killed
from tests.runtime.sources import FILL, SUBMIT, Order, batch, orders, undisturbed


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of the stores goes with the test."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path / "memory"))


def test_a_store_that_was_stepped_from_elsewhere_meanwhile_is_an_error(engine_name: str, tmp_path: Path) -> None:
    """Events that are not of the source stand behind its position: how far it was taken cannot be told."""
    assert run(tmp_path / "store", Order, orders, engine_name, 8) is None
    with fsm.open(tmp_path / "store", engine=engine_name) as engine:
        engine.step(engine.find(7), FILL, 9)
    with pytest.raises(StoreError, match="stepped from elsewhere"):
        run(tmp_path / "store", Order, orders, engine_name)


def test_what_was_stepped_from_elsewhere_between_two_batches_is_not_counted(engine_name: str, tmp_path: Path) -> None:
    """The batch before it was taken whole, so the run goes on; rows are events of the source and nothing else."""
    assert run(tmp_path / "store", Order, orders, engine_name, 11) is None
    with fsm.open(tmp_path / "store", engine=engine_name) as engine:
        assert Outcome.GUARD == engine.step(engine.find(7), FILL, 9)
    ended = run(tmp_path / "store", Order, orders, engine_name)
    assert ended is not None
    assert 15 == ended.last.events == int(ended.account.rows.sum())


def test_a_position_that_no_run_wrote_is_an_error(engine_name: str, tmp_path: Path) -> None:
    """Another program has its own marks in this store."""
    with fsm.open(tmp_path / "store", Order, engine=engine_name) as engine:
        engine._mark([1, 2, 3])
    with pytest.raises(StoreError, match="not written by a run"):
        run(tmp_path / "store", Order, orders, engine_name)


def test_events_with_idempotency_keys_are_duplicates_when_they_come_again(engine_name: str, tmp_path: Path) -> None:
    """In the same batch, in another, and after a kill; a refused one left no trace, so it is judged again."""

    def keyed(*keys: int) -> dict[str, Any]:
        return {"idempotency_keys": np.array([(key, 0) for key in keys], np.uint64)}

    def source(engine: Any) -> Iterable[Batch]:
        yield batch((1, SUBMIT, 1), (1, SUBMIT, 1), (1, FILL, 2), (1, FILL, 2), **keyed(1, 1, 2, 2))
        yield batch((1, SUBMIT, 1), (2, SUBMIT, 1), (2, SUBMIT, 1), (1, FILL, 1), **keyed(1, 0, 3, 1))

    expected = run(tmp_path / "undisturbed", Order, source, engine_name)
    assert expected is not None
    counts = {each.label: int(expected.account.rows[each]) for each in Outcome if expected.account.rows[each]}
    assert {"accepted": 2, "duplicate": 2, "guard": 2, "unhandled": 1, "key_reused": 1} == counts
    for left in range(15):
        found = run_killed(tmp_path / str(left), Order, source, engine_name, [left])
        assert expected.left() == found.left(), left


def test_frames_are_read_from_segments_and_ring(engine_name: str, tmp_path: Path) -> None:
    """Whichever they are in, in blocks of any size, each once and in order."""
    with fsm.open(tmp_path / "store", Order, engine=engine_name) as engine:
        journal = Journal(engine, tmp_path / "store")
        engine.reserve(20)
        for key in range(20):
            engine.start(key)
            if key == 10:
                engine.sync()
        last = engine.sequence
        found = np.concatenate([*journal.blocks(1, last)])
        assert list(range(1, last + 1)) == found[:, 0].tolist()
        assert found[4:-4].tolist() == np.concatenate([*journal.blocks(5, last - 4)]).tolist()
        assert [] == [*journal.blocks(last + 1, last)]
        assert {"new": 20} == count_states(engine)


def test_an_engine_without_a_journal_has_no_source_to_take_up(engine_name: str) -> None:
    """A run is on a store, or it is not."""
    with fsm.Engine(Order, engine=engine_name) as engine, pytest.raises((AttributeError, ValueError)):
        StoredRun(Ingest(engine), "nowhere").take(batch((1, SUBMIT, 1)))


# --- a journal that is not what it was --------------------------------------------------------------------------------


def marked(path: Path, engine_name: str, **words: int) -> None:
    """Write a position that is like the first one of the orders, but for some words."""
    position = Position(0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0)._replace(**words)
    with fsm.open(path, Order, engine=engine_name) as engine:
        engine._mark([MAGIC, *position])


@pytest.mark.parametrize("words", [{"previous": 1}, {"first": 1}, {"first": 9, "previous": 9}, {"size": 1 << 63}])
def test_a_position_that_does_not_lie_behind_those_it_names_is_an_error(
    words: dict[str, int], engine_name: str, tmp_path: Path
) -> None:
    """A hostile store cannot send a run around in circles."""
    marked(tmp_path / "store", engine_name, **words)
    with pytest.raises(CorruptStore, match="frame 1 does not lie behind"):
        run(tmp_path / "store", Order, orders, engine_name)


def test_a_position_that_names_a_frame_of_another_kind_is_an_error(engine_name: str, tmp_path: Path) -> None:
    """It would be one of its source."""
    with fsm.open(tmp_path / "store", Order, engine=engine_name) as engine:
        engine.start(1)
    marked(tmp_path / "store", engine_name, first=1, previous=1)
    with pytest.raises(CorruptStore, match="frame 1 would be a position"):
        run(tmp_path / "store", Order, orders, engine_name)


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_segment_that_is_damaged_is_an_error(damage: str, engine_name: str, tmp_path: Path) -> None:
    """Nothing is counted from what is left of it."""
    undisturbed(tmp_path, "orders", engine_name)
    with fsm.open(tmp_path / "undisturbed", engine=engine_name) as engine:
        journal = Journal(engine, tmp_path / "undisturbed")
        (segment,) = (tmp_path / "undisturbed/journal").iterdir()
        data = bytearray(segment.read_bytes())
        if damage == "missing":
            segment.unlink()
        elif damage == "cut":
            segment.write_bytes(data[: 4096 + 300])
        else:
            data[4096 + 5 * engine.memory.frame(1).nbytes] ^= 1
            segment.write_bytes(data)
        with pytest.raises(CorruptStore):
            list(journal.blocks(1, journal.applied))


def test_what_a_writer_that_was_taken_over_still_writes_is_not_read(engine_name: str, tmp_path: Path) -> None:
    """Its segments have a lower epoch, and begin where the later writer's are."""
    undisturbed(tmp_path, "orders", engine_name)
    with fsm.open(tmp_path / "undisturbed", engine=engine_name) as engine:
        journal = Journal(engine, tmp_path / "undisturbed")
        expected = np.concatenate([*journal.blocks(1, journal.applied)]).tolist()
        (segment,) = (tmp_path / "undisturbed/journal").iterdir()
        segment.with_name("00000000000000000005-00000000.frames").write_bytes(b"stale")
        segment.with_name("no-segment.frames").touch()
        assert expected == np.concatenate([*journal.blocks(1, journal.applied)]).tolist()


# --- batches ----------------------------------------------------------------------------------------------------------


def test_everything_that_a_batch_brings_is_in_its_digest() -> None:
    """But not how far the source is read; and what came before it is."""
    parts: list[dict[str, Any]] = [
        {}, {"left_out": 1}, {"made_up": True}, {"parked": [Parked(1, "a", b"b")]}, {"parked": [Parked(2, "a", b"b")]},
        {"parked": [Parked(1, "\ud800", b"b")]}, {"parked": [Parked(1, "a", b"c")]}, {"idempotency_keys": [[1, 2]]},
        {"keys": None, "instances": [1]}, {"keys": [2]}, {"event_ids": [1]}, {"arguments": [[1]]}, {"arguments": [[0]]},
        {"times": [0]}, {"times": [1]},
    ]  # fmt: skip
    batches = [Batch(**{"keys": [1], "event_ids": [0], **part}) for part in parts]
    assert len(parts) == len({each.digest() for each in batches})
    assert batches[0].digest() == Batch([1], [0], progress=0.5).digest() != batches[0].digest(1)


@pytest.mark.parametrize(("keys", "error"), [([[1]], ValueError), ([1, 2], ValueError), ([[0.5, 1]], TypeError)])
def test_idempotency_keys_are_pairs_of_integers(keys: Any, error: type[Exception]) -> None:
    """One pair for each event."""
    with pytest.raises(error, match="idempotency_keys: expected"):
        Batch([1], [0], idempotency_keys=keys)


def test_a_ring_that_is_full_is_emptied_between_events(
    engine_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a step says busy instead of waiting, nothing is lost and nothing is taken twice."""
    monkeypatch.setattr("fsm.store.memory.RING_BYTES", 1)
    with fsm.open(tmp_path / "store", Order, engine=engine_name, full="busy") as engine:
        ingest = Ingest(engine)
        outcomes = ingest.take(batch((7, SUBMIT, 5), *[(7, FILL, 4)] * 100, (7, FILL, 5)))
        assert [Outcome.ACCEPTED, *[Outcome.GUARD] * 100, Outcome.ACCEPTED] == outcomes.tolist()
        assert 2 + 102 == engine.sequence
