"""The journal's files: every frame that was ever taken can be read, from the ring or from a segment, and is checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.engine.frames import is_whole
from fsm.store.directory import Directory
from fsm.store.journal import HEADER_BYTES, Journal, live_segments
from tests.store.inputs import LOAD, NOTE, Parcel

FRAME_BYTES = 192


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rings of 32 frames, segments of 100."""
    monkeypatch.setattr("fsm.store.memory.RING_BYTES", 32 * FRAME_BYTES)
    monkeypatch.setattr("fsm.store.journal.SEGMENT_BYTES", HEADER_BYTES + 100 * FRAME_BYTES)


def fill(engine: Any, count: int) -> None:
    """So many frames more."""
    for _ in range(count):
        engine.step(0, NOTE)


def sequences_in(place: Path) -> dict[str, list[int]]:
    """The numbers of the frames in each segment."""
    found = {}
    for path in sorted((place / "journal").iterdir()):
        words = memoryview(path.read_bytes()[HEADER_BYTES:]).cast("Q")
        found[path.name] = words[:: FRAME_BYTES // 8].tolist()
    return found


def test_many_laps_of_the_ring_go_to_files(engine_name: str, place: Path) -> None:
    """In order, without a gap, in as many segments as they take."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        fill(engine, 338)
    assert {
        "00000000000000000001-00000001.frames": list(range(1, 101)),
        "00000000000000000101-00000001.frames": list(range(101, 201)),
        "00000000000000000201-00000001.frames": list(range(201, 301)),
        "00000000000000000301-00000001.frames": list(range(301, 341)),
    } == sequences_in(place)


def test_every_frame_can_be_read(engine_name: str, place: Path) -> None:
    """Wherever it is: the newest in the ring, the others in files."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        fill(engine, 250)
        memory: Any = engine.memory
        for sequence in range(1, engine.sequence + 1):
            words = memory.frame(sequence)
            assert is_whole(words.tolist(), sequence)
        for sequence in (0, engine.sequence + 1, -1):
            with pytest.raises(LookupError):
                memory.frame(sequence)


def test_a_store_that_was_opened_again_goes_on_in_the_same_segment(engine_name: str, place: Path) -> None:
    """A service that is restarted every hour has no file for each time."""
    for _ in range(5):
        with fsm.open(place, Parcel, engine=engine_name) as engine:
            engine.start("a") if engine.find("a") is None else fill(engine, 10)
    assert {"00000000000000000001-00000001.frames": list(range(1, 43))} == sequences_in(place)


def test_a_drain_that_was_cut_is_done_again(engine_name: str, place: Path) -> None:
    """The files have frames behind `written`; the next one writes the same over them."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        fill(engine, 20)
        engine.sync()
        memory: Any = engine.memory
        memory.words[48] = 5  # as a process leaves it that was killed before it moved the mark
        fill(engine, 5)
        engine.sync()
    assert [list(range(1, 28))] == list(sequences_in(place).values())


def test_sync_brings_to_the_disk_what_another_opening_appended(
    engine_name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every segment that has a frame above the durable mark, and no other."""
    synced: list[str] = []
    fdatasync = os.fdatasync

    def noted(fd: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))[:20])
        fdatasync(fd)

    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        fill(engine, 110)
        engine.sync()
        fill(engine, 200)
    with fsm.open(place, engine=engine_name) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", noted)
            engine.sync()
            engine.sync()
        assert (engine.sequence, 312) == (engine.durable_sequence, engine.sequence)
    assert [f"{first:020}" for first in (101, 201, 301)] == synced


def test_a_segment_of_a_writer_that_was_fenced_does_not_count() -> None:
    """Its epoch is lower than that of a segment before it; and of two that begin together the higher one counts."""
    names = [
        "00000000000000000001-00000003.frames",
        "00000000000000000101-00000003.frames",
        "00000000000000000150-00000005.frames",
        "00000000000000000150-00000004.frames",
        "00000000000000000201-00000003.frames",
        "00000000000000000300-00000007.frames",
        "00000000000000000310-00000009.frames",
        "00000000000000000400-00000006.frames.part",
        "1-1.frames",
        "notes",
    ]
    found = [(segment.first, segment.epoch) for segment in live_segments(names, 7)]
    assert [(1, 3), (101, 3), (150, 5), (300, 7)] == found


@pytest.mark.parametrize("cut", [0, 1, HEADER_BYTES, HEADER_BYTES + 5 * FRAME_BYTES, -1])
def test_a_last_segment_that_was_cut_short_is_found_at_opening(engine_name: str, place: Path, cut: int) -> None:
    """What was handed to the files is not in the ring for ever."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        fill(engine, 30)
    (path,) = (place / "journal").iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    with pytest.raises(fsm.CorruptStore) as caught:
        fsm.open(place, engine=engine_name)
    assert str(path) == caught.value.file
    path.write_bytes(data)
    fsm.open(place, engine=engine_name).close()


def test_a_journal_that_was_taken_away_is_found_at_opening(engine_name: str, place: Path) -> None:
    """All of it."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
    (path,) = (place / "journal").iterdir()
    path.unlink()
    with pytest.raises(fsm.CorruptStore, match="the journal ends with frame 0, and 2 were handed to it"):
        fsm.open(place, engine=engine_name)


def test_a_flipped_bit_in_a_segment_is_found_when_it_is_read(engine_name: str, place: Path) -> None:
    """Frame by frame; the header of a segment when it is opened."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        engine.step(0, LOAD, 7)
        fill(engine, 80)
        engine.sync()
        (path,) = (place / "journal").iterdir()
        whole = path.read_bytes()
        for offset in (*range(0, 128, 3), *range(HEADER_BYTES, HEADER_BYTES + 64, 3)):
            damaged = bytearray(whole)
            damaged[offset] ^= 0x10
            path.write_bytes(damaged)
            memory: Any = engine.memory
            journal = Journal(
                Directory.at(str(place / "journal")), memory_uuid(memory), engine.tables.fingerprint, FRAME_BYTES
            )
            with pytest.raises(fsm.StoreError):
                frame = journal.read(1)
                assert not is_whole(memoryview(frame).cast("Q").tolist(), 1)
                raise fsm.CorruptStore(str(path), offset, "as memory.frame says")
        path.write_bytes(whole)


def memory_uuid(memory: Any) -> bytes:
    """Of the store."""
    return memory.words[12:14].tobytes()  # type: ignore[no-any-return]
