"""Opening a store: what was done to it is there again, whichever engine did it, and nothing is looked at in vain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm import Outcome
from fsm.store import superblock as superblocks
from fsm.store.directory import Directory
from tests.source.test_imports import HEAVY, loaded_by
from tests.store.inputs import HURRY, LOAD, NOTE, SECOND, UNLOAD, WEIGH, Parcel

OPEN = """
import fsm
engine = fsm.open(sys.argv[1], engine=sys.argv[2])
engine.step(engine.find("a"), 0, 7)
engine.close()
"""


def told(engine: Any, handle: int) -> list[Any]:
    """All that an engine tells of an instance."""
    return [
        engine.key(handle),
        engine.state(handle),
        engine.fields(handle),
        engine.version(handle),
        engine.timers(handle),
        engine.deferred(handle),
    ]


def story(engine: Any) -> list[Any]:
    """All that it tells of everything."""
    return [
        [told(engine, handle) for handle in engine.select()],
        (engine.sequence, engine.now_ns, engine.untold, len(engine), engine.capacity),
    ]


def busy_day(engine: Any) -> None:
    """Inputs of most kinds."""
    for number in range(5):
        engine.start(number)
    engine.start("a", weight=50)
    engine.advance(SECOND)
    engine.step(0, HURRY)
    engine.step(1, UNLOAD, 3)
    engine.step(1, LOAD, 8)
    engine.step(2, LOAD, 9)
    engine.step(2, UNLOAD)
    engine.step(3, WEIGH, 0)
    engine.step(3, LOAD, 1, key=77)
    engine.step(3, NOTE, key="text", correlation="c")
    engine.advance(12 * SECOND)
    engine.release(2)
    engine.start("in the released row")


def test_a_store_that_is_closed_opens_as_it_was(engine_name: str, place: Path) -> None:
    """Rows, keys, timers, deferred events, time, counters and sequence."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        busy_day(engine)
        before = story(engine)
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        assert before == story(engine)
        assert Outcome.DUPLICATE == engine.step(3, LOAD, 1, key=77)


def test_a_store_that_nobody_closed_opens_as_it_was(engine_name: str, place: Path) -> None:
    """An engine that is dropped lets go of its store like a process that ends."""
    engine = fsm.open(place, Parcel, engine=engine_name)
    busy_day(engine)
    before = story(engine)
    del engine
    with fsm.open(place, engine=engine_name) as again:
        assert before == story(again)


@pytest.mark.native
@pytest.mark.parametrize(("first", "second"), [("native", "mirror"), ("mirror", "native")])
def test_what_one_engine_wrote_the_other_one_opens(place: Path, first: str, second: str) -> None:
    """The bytes are the same."""
    with fsm.open(place, Parcel, engine=first) as engine:
        busy_day(engine)
        before = story(engine)
    with fsm.open(place, engine=second) as engine:
        assert before == story(engine)


def test_steps_go_on_where_they_ended(engine_name: str, place: Path) -> None:
    """Sequence numbers, timers that are armed and deferred events too."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        handle = engine.start("a")
        engine.step(handle, UNLOAD)
    with fsm.open(place, engine=engine_name) as engine:
        handle = engine.find("a")
        assert handle is not None
        assert Outcome.ACCEPTED == engine.step(handle, LOAD, 1)
        assert (("done",), 5) == (engine.state(handle), engine.sequence)
        engine.step(engine.start("b"), LOAD, 1)
    with fsm.open(place, engine=engine_name) as engine:
        other = engine.find("b")
        assert other is not None
        assert 1 == engine.advance(10 * SECOND)
        assert ("resting",) == engine.state(other)


def test_each_opening_is_the_next_epoch(engine_name: str, place: Path) -> None:
    """In the superblock and in the header."""
    epochs = []
    for _ in range(3):
        with fsm.open(place, Parcel, engine=engine_name) as engine:
            store = Directory.at(str(place))
            epochs.append((engine.memory.words[26], superblocks.read(store).epoch))  # type: ignore[attr-defined]
    assert [(1, 1), (2, 2), (3, 3)] == epochs


def test_a_flow_that_is_the_same_is_not_compiled(
    engine_name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chart is compared with that of the stored tables."""
    fsm.open(place, Parcel, engine=engine_name).close()

    def compile_flow(flow: Any) -> Any:
        raise AssertionError("compiled")

    monkeypatch.setattr("fsm.tables.front_end", compile_flow)
    engine = fsm.open(place, Parcel, engine=engine_name)
    engine.close()


def test_opening_without_a_flow_loads_neither_define_nor_compile(engine_name: str, place: Path) -> None:
    """Nor anything heavy: no NumPy, no multiprocessing, no logging."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
    loaded = loaded_by(OPEN, str(place), engine_name)
    assert "fsm.store" in loaded
    assert set() == {name for name in loaded if name.startswith(("fsm.define", "fsm.compile"))}
    assert set() == loaded & (HEAVY | {"uuid", "hashlib", "pathlib", "typing", "shutil", "difflib"})


def test_tables_serve_as_well_as_a_flow(engine_name: str, place: Path) -> None:
    """To make a store, and to compare with one."""
    tables = fsm.compile(Parcel)
    fsm.open(place, tables, engine=engine_name).close()
    fsm.open(place, tables, engine=engine_name).close()


def test_an_empty_directory_becomes_a_store(engine_name: str, place: Path) -> None:
    """It may have been made on purpose; whatever is in one stays, and is no store."""
    place.mkdir()
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
    assert 0o700 == place.stat().st_mode & 0o777


def test_folders_above_a_store_are_made(engine_name: str, place: Path) -> None:
    """As many as are missing."""
    fsm.open(place / "a" / "b", Parcel, engine=engine_name).close()
    assert (place / "a" / "b" / "superblock").is_file()


def test_everything_is_the_owners_alone(engine_name: str, place: Path, memory_folder: Path) -> None:
    """Files 0600 and directories 0700, in the store and in its memory."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        engine.step(0, NOTE, key=1)
        engine.sync()
        found = [place, *place.rglob("*"), *memory_folder.rglob("*")]
    assert len(found) > 10
    assert set() == {path.name for path in found if path.stat().st_mode & 0o777 != (0o700 if path.is_dir() else 0o600)}


def test_everything_in_memory_is_allocated(engine_name: str, place: Path, memory_folder: Path) -> None:
    """A sparse file would end in SIGBUS where there is no room."""
    fsm.open(place, Parcel, engine=engine_name).close()
    sparse = {path.name for path in memory_folder.rglob("*") if path.stat().st_blocks * 512 < path.stat().st_size}
    assert set() == sparse


def test_capacity_grows_at_opening_and_never_shrinks(engine_name: str, place: Path) -> None:
    """`capacity` is what there is room for at the least."""
    capacities = []
    for capacity in (None, 5000, 10, None):
        with fsm.open(place, Parcel, capacity=capacity, engine=engine_name) as engine:
            capacities.append(engine.capacity)
    assert [1024, 5000, 5000, 5000] == capacities


def test_the_window_of_idempotency_keys_stays(engine_name: str, place: Path) -> None:
    """Another one is refused; leaving it out is not asking for the default."""
    fsm.open(place, Parcel, idempotency_window=5, engine=engine_name).close()
    with fsm.open(place, engine=engine_name) as engine:
        assert 5 == engine.memory.window  # type: ignore[attr-defined]
    with pytest.raises(fsm.StoreError, match="its idempotency window is 5 keys, and 6 were asked for"):
        fsm.open(place, idempotency_window=6, engine=engine_name)


def test_a_full_ring_waits_or_is_busy(engine_name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the opening says; `sync` empties it."""
    monkeypatch.setattr("fsm.store.memory.RING_BYTES", 4096)
    with fsm.open(place, Parcel, full="busy", engine=engine_name) as engine:
        engine.start("a")
        outcomes = [engine.step(0, NOTE) for _ in range(40)]
        assert Outcome.BUSY == outcomes[-1]
        taken = engine.sequence
        engine.sync()
        assert (Outcome.UNHANDLED, taken + 1) == (engine.step(0, NOTE), engine.sequence)
        assert taken == engine.durable_sequence
    with fsm.open(place, engine=engine_name) as engine:
        assert {int(Outcome.UNHANDLED)} == {engine.step(0, NOTE) for _ in range(200)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"at": 5}, "not there yet"),
        ({"durability": "disk"}, "'process' is"),
        ({"strict": True}, "not there yet"),
        ({"full": "later"}, "'wait' or 'busy'"),
        ({"idempotency_window": 0}, "idempotency_window"),
        ({"capacity": 0}, "capacity"),
        ({"engine": "steam"}, "expected one of native, mirror"),
        ({"readonly": True, "takeover": True}, "one of the two"),
    ],
)
def test_what_is_not_there_is_refused_by_name(place: Path, given: dict[str, Any], message: str) -> None:
    """Before anything is touched."""
    with pytest.raises(ValueError, match=message):
        fsm.open(place, Parcel, **given)
    assert not place.exists()


def test_descriptors_are_given_back(engine_name: str, place: Path) -> None:
    """By `close`, and by an opening that fails."""
    fsm.open(place, Parcel, engine=engine_name).close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with fsm.open(place, engine=engine_name) as engine:
            engine.start("a") if engine.find("a") is None else engine.step(0, NOTE)
            engine.sync()
            with pytest.raises(fsm.StoreLocked):
                fsm.open(place, engine=engine_name)
    assert before == len(os.listdir("/proc/self/fd"))
