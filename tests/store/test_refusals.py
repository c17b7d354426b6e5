"""What is in the way of an opening: each a clear error, nothing damaged, nothing left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from errno import EACCES, EDQUOT, EIO, ENOSPC, EROFS
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm import Event, Flow, State
from fsm.engine.crc32c import crc32c
from fsm.store import directory as directories
from fsm.store import identity, superblock
from fsm.store.directory import Directory
from tests.store.inputs import LOAD, NOTE, Parcel


class Letter(Flow):
    """Another flow."""

    class Send(Event):
        pass

    new = State(initial=True)
    sent = State(final=True)
    new.on(Send, to=sent)


@pytest.fixture
def made(place: Path, engine_name: str) -> Path:
    """A store with an instance, closed."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.step(engine.start("a"), LOAD, 7)
    return place


def contents(*folders: Path) -> dict[str, bytes]:
    """Every file below, whole."""
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """To be called before an opening that fails: at the end, every file is as it was then."""
    before: list[dict[str, bytes]] = []
    yield lambda: before.append(contents(tmp_path))
    assert before and before[0] == contents(tmp_path)


def memory_of(place: Path, memory_folder: Path) -> Path:
    """The memory of the store."""
    store = Directory.at(str(place))
    return memory_folder / f"fsm-{superblock.read(store).uuid.hex()}-1"


# --- nothing, or something else, where the store should be ---


def test_no_store_and_no_flow(place: Path, tmp_path: Path, engine_name: str) -> None:
    """The flow is what a store is made of."""
    with pytest.raises(fsm.StoreError, match=r"there is no store here. Give the flow too"):
        fsm.open(place, engine=engine_name)
    assert not place.exists()


def test_a_directory_that_is_no_store(place: Path, untouched: Any, engine_name: str) -> None:
    """It has something else in it, and keeps it."""
    place.mkdir()
    (place / "letters").write_text("keep")
    untouched()
    with pytest.raises(fsm.StoreError, match="the directory has 'letters' and no superblock"):
        fsm.open(place, Parcel, engine=engine_name)


def test_a_file_where_the_directory_should_be(place: Path, untouched: Any, engine_name: str) -> None:
    """A store is a directory."""
    place.write_text("keep")
    untouched()
    with pytest.raises(fsm.StoreError, match="A store is a directory: move what is there away"):
        fsm.open(place, Parcel, engine=engine_name)


@pytest.mark.parametrize("name", ["superblock", "lock", "takeover"])
def test_a_directory_where_a_file_should_be(made: Path, name: str, engine_name: str) -> None:
    """Not read, and not taken away."""
    (made / name).unlink()
    (made / name).mkdir()
    with pytest.raises(fsm.StoreError, match=name):
        fsm.open(made, engine=engine_name)
    assert (made / name).is_dir()


@pytest.mark.parametrize("name", ["tables", "journal"])
def test_a_file_where_a_directory_of_the_store_should_be(made: Path, name: str, engine_name: str) -> None:
    """The same the other way round."""
    shutil.rmtree(made / name)
    (made / name).write_text("")
    with pytest.raises(fsm.StoreError, match=name):
        fsm.open(made, engine=engine_name)


def test_a_symbolic_link_to_a_store(made: Path, tmp_path: Path, untouched: Any, engine_name: str) -> None:
    """Who named it may have meant another one."""
    link = tmp_path / "link"
    link.symlink_to(made)
    untouched()
    with pytest.raises(fsm.StoreError, match=r"symbolic link. name what it points to|symbolic link"):
        fsm.open(link, engine=engine_name)


@pytest.mark.parametrize("name", ["superblock", "lock", "tables", "journal"])
def test_a_symbolic_link_within_a_store(made: Path, tmp_path: Path, name: str, engine_name: str) -> None:
    """A file of a stranger in the place of ours is not followed."""
    (made / name).rename(tmp_path / name)
    (made / name).symlink_to(tmp_path / name)
    with pytest.raises(fsm.StoreError, match="symbolic link"):
        fsm.open(made, engine=engine_name)


@pytest.mark.parametrize("name", ["header", "rows", "keys", "index-0", "ring"])
def test_a_symbolic_link_within_the_memory(
    made: Path, memory_folder: Path, tmp_path: Path, name: str, engine_name: str
) -> None:
    """The same for the areas."""
    memory = memory_of(made, memory_folder)
    (memory / name).rename(tmp_path / name)
    (memory / name).symlink_to(tmp_path / name)
    with pytest.raises(fsm.StoreError, match="symbolic link"):
        fsm.open(made, engine=engine_name)


def test_a_pipe_where_a_file_should_be(made: Path, engine_name: str) -> None:
    """Nobody waits for its other end."""
    (made / "superblock").unlink()
    os.mkfifo(made / "superblock", 0o600)
    with pytest.raises(fsm.StoreError, match="a file was expected, and something else is there"):
        fsm.open(made, engine=engine_name)


def test_another_users_store(made: Path, untouched: Any, monkeypatch: pytest.MonkeyPatch, engine_name: str) -> None:
    """Whoever owns it may change it under our hands."""
    untouched()
    other = os.geteuid() + 1
    monkeypatch.setattr(directories.os, "geteuid", lambda: other)
    with pytest.raises(fsm.StoreError, match=f"belongs to user {other - 1}, and this process runs as {other}"):
        fsm.open(made, engine=engine_name)


# --- another flow, another version ---


def test_another_flow_prints_the_difference(made: Path, untouched: Any, engine_name: str) -> None:
    """Of the charts, line by line."""
    untouched()
    with pytest.raises(fsm.TablesMismatch) as caught:
        fsm.open(made, Letter, engine=engine_name)
    stored, given = fsm.compile(Parcel), fsm.compile(Letter)
    assert (stored.fingerprint, given.fingerprint) == (caught.value.expected, caught.value.found)
    assert stored.difference(given) == caught.value.difference
    assert "-event Load(" in caught.value.difference and "+event Send()" in caught.value.difference


def test_other_tables_print_the_difference_too(made: Path, untouched: Any, engine_name: str) -> None:
    """As a flow does."""
    untouched()
    with pytest.raises(fsm.TablesMismatch, match="event Send"):
        fsm.open(made, fsm.compile(Letter), engine=engine_name)


def with_version(slot: bytes, version: int) -> bytes:
    """A slot of the superblock of another version, whole."""
    body = slot[:8] + version.to_bytes(4, "little") + slot[12:-4]
    return body + crc32c(body).to_bytes(4, "little")


@pytest.mark.parametrize(("version", "who"), [(3, "a newer fsm"), (1, "the fsm that made it")])
def test_another_layout_version(made: Path, untouched: Any, version: int, who: str, engine_name: str) -> None:
    """Said before anything else is looked at."""
    data = bytearray((made / "superblock").read_bytes())
    for offset in superblock.SLOTS:
        data[offset : offset + 512] = with_version(bytes(data[offset : offset + 512]), version)
    (made / "superblock").write_bytes(data)
    untouched()
    with pytest.raises(fsm.StoreError, match=rf"has layout version {version}, and this fsm reads version 2.*{who}"):
        fsm.open(made, engine=engine_name)


# --- damaged files ---


@pytest.mark.parametrize("slot", superblock.SLOTS)
def test_one_damaged_slot_of_the_superblock_is_none(made: Path, slot: int, engine_name: str) -> None:
    """The other one serves, and the epochs go on."""
    data = bytearray((made / "superblock").read_bytes())
    data[slot + 40] ^= 1
    (made / "superblock").write_bytes(data)
    with fsm.open(made, engine=engine_name) as engine:
        assert 2 == engine.memory.words[26]  # type: ignore[attr-defined]
        assert ("moving",) == engine.state(0)
    fsm.open(made, engine=engine_name).close()


@pytest.mark.parametrize("size", [0, 1, 511, 4096, None])
def test_no_whole_slot_of_the_superblock(made: Path, untouched: Any, size: int | None, engine_name: str) -> None:
    """Cut short, or damaged in both."""
    data = bytearray((made / "superblock").read_bytes())
    for offset in superblock.SLOTS:
        data[offset + 40] ^= 1
    (made / "superblock").write_bytes(data[:size])
    untouched()
    with pytest.raises(fsm.CorruptStore, match="neither of its two slots is whole") as caught:
        fsm.open(made, engine=engine_name)
    assert (str(made / "superblock"), 0) == (caught.value.file, caught.value.offset)


def test_tables_that_were_taken_away(made: Path, engine_name: str) -> None:
    """Without them nobody knows what the rows mean."""
    next((made / "tables").iterdir()).unlink()
    with pytest.raises(fsm.CorruptStore, match="the tables of the store were taken away"):
        fsm.open(made, engine=engine_name)


def test_damaged_tables(made: Path, untouched: Any, engine_name: str) -> None:
    """And those of another flow under their name."""
    path = next((made / "tables").iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    untouched()
    with pytest.raises(fsm.CorruptStore, match="the checksum does not agree"):
        fsm.open(made, engine=engine_name)


def test_tables_of_another_flow_under_their_name(made: Path, untouched: Any, engine_name: str) -> None:
    """The name of the file is the fingerprint that is meant."""
    next((made / "tables").iterdir()).write_bytes(fsm.compile(Letter).to_bytes())
    untouched()
    with pytest.raises(fsm.CorruptStore, match="these are the tables of"):
        fsm.open(made, engine=engine_name)


def test_a_lock_file_that_was_taken_away(made: Path, engine_name: str) -> None:
    """Somebody may have the store open by the file that is gone: only people can tell."""
    (made / "lock").unlink()
    with pytest.raises(fsm.StoreError, match=r"its lock file was taken away.*put an empty file"):
        fsm.open(made, engine=engine_name)
    (made / "lock").touch(0o600)
    fsm.open(made, engine=engine_name).close()


@pytest.mark.parametrize("name", ["header", "rows", "keys", "index-0", "ring", "idempotency"])
def test_a_file_of_memory_that_was_deleted(
    made: Path, memory_folder: Path, tmp_path: Path, name: str, engine_name: str
) -> None:
    """Says which, and what is in the journal."""
    with fsm.open(made, engine=engine_name) as engine:
        engine.step(0, NOTE, key=5)
    before = contents(made)
    (memory_of(made, memory_folder) / name).unlink()
    with pytest.raises(fsm.StoreError, match=rf"has lost {name}.*the journal has the frames 1 to 5 on file"):
        fsm.open(made, engine=engine_name)
    assert before == contents(made)


@pytest.mark.parametrize("name", ["header", "rows", "keys", "index-0", "ring", "idempotency"])
@pytest.mark.parametrize("keep", [0, -1])
def test_a_file_of_memory_that_was_cut_short(
    made: Path, memory_folder: Path, name: str, keep: int, engine_name: str
) -> None:
    """Found before it is mapped: behind its end there is SIGBUS."""
    with fsm.open(made, engine=engine_name) as engine:
        engine.step(0, NOTE, key=5)
    path = memory_of(made, memory_folder) / name
    size = path.stat().st_size
    os.truncate(path, size + keep if keep else 0)
    with pytest.raises(fsm.CorruptStore, match=f"the file ends here, and {size} bytes were made") as caught:
        fsm.open(made, engine=engine_name)
    assert str(path) == caught.value.file


def test_memory_that_is_gone(made: Path, memory_folder: Path, untouched: Any, engine_name: str) -> None:
    """As behind a start of the machine: the error tells what is left."""
    shutil.rmtree(memory_of(made, memory_folder))
    untouched()
    with pytest.raises(fsm.StoreError, match=r"is not there.*frames 1 to 3 on file.*begin another store"):
        fsm.open(made, engine=engine_name)


def test_memory_of_another_boot(made: Path, untouched: Any, monkeypatch: pytest.MonkeyPatch, engine_name: str) -> None:
    """It lies on a disk, and the machine went down while it was written: nobody knows how much of it is there."""
    untouched()
    monkeypatch.setattr(identity, "boot_id", lambda: bytes(16))
    with pytest.raises(fsm.StoreError, match="was made before the machine was started last"):
        fsm.open(made, engine=engine_name)


def test_a_damaged_header(made: Path, memory_folder: Path, engine_name: str) -> None:
    """Whatever never changes is under its checksum."""
    path = memory_of(made, memory_folder) / "header"
    whole = path.read_bytes()
    for bit in range(0, 24 * 64, 7):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(fsm.StoreError):
            fsm.open(made, engine=engine_name)
    path.write_bytes(whole)
    fsm.open(made, engine=engine_name).close()


def test_memory_of_another_layout_version(made: Path, memory_folder: Path, engine_name: str) -> None:
    """Under a checksum that is right: a later fsm has made it."""
    path = memory_of(made, memory_folder) / "header"
    data = bytearray(path.read_bytes())
    words = memoryview(data).cast("Q")
    words[1] = 3
    words[identity.CHECKSUM] = identity.header_checksum(words)
    path.write_bytes(data)
    with pytest.raises(fsm.StoreError, match="this memory has layout version 3, and this fsm has 2"):
        fsm.open(made, engine=engine_name)


# --- copies and names ---


def test_a_copied_directory_never_gets_the_originals_memory(made: Path, tmp_path: Path, engine_name: str) -> None:
    """It has the same uuid and is another directory."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    before = contents(copy)
    with pytest.raises(fsm.StoreError, match=r"this directory is a copy: the memory .* belongs to the original"):
        fsm.open(copy, engine=engine_name)
    assert before == contents(copy)
    with fsm.open(made, engine=engine_name) as engine:
        assert ("moving",) == engine.state(0)


def test_a_renamed_directory_opens(made: Path, tmp_path: Path, engine_name: str) -> None:
    """It is the same directory, whatever it is called; also while it is open."""
    made.rename(tmp_path / "renamed")
    with fsm.open(tmp_path / "renamed", engine=engine_name) as engine:
        (tmp_path / "renamed").rename(tmp_path / "again")
        assert ("moving",) == engine.state(0)
        engine.step(0, NOTE)
        engine.sync()
    with fsm.open(tmp_path / "again", engine=engine_name) as engine:
        assert 4 == engine.sequence


# --- no room, no right ---


def failing(name: str, number: int) -> Callable[..., Any]:
    """A system call that fails."""

    def fails(*arguments: object, **named: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fails


@pytest.mark.parametrize("number", [EACCES, EROFS, ENOSPC, EDQUOT, EIO])
@pytest.mark.parametrize("call", ["mkdir", "posix_fallocate", "pwrite", "fdatasync", "fsync", "rename"])
def test_a_creation_that_fails_leaves_nothing(
    tmp_path: Path,
    memory_folder: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    engine_name: str,
) -> None:
    """Whichever call it is that fails: no directory, no draft, no memory, no folder above."""
    with monkeypatch.context() as patch:
        patch.setattr(directories.os, call, failing(call, number))
        with pytest.raises(fsm.StoreError, match=os.strerror(number)):
            fsm.open(place / "below", Parcel, engine=engine_name)
    assert ([], [memory_folder]) == (list(memory_folder.iterdir()), list(tmp_path.iterdir()))
    fsm.open(place / "below", Parcel, engine=engine_name).close()


def opening_calls(patch: pytest.MonkeyPatch, number: int, name: str) -> list[str]:
    """Have the n-th of the calls that an opening makes fail; the list grows with each of them."""
    made: list[str] = []
    call = getattr(os, name)

    def fails(*arguments: Any, **named: Any) -> Any:
        made.append(name)
        if len(made) == number + 1:
            raise OSError(EROFS, os.strerror(EROFS))
        return call(*arguments, **named)

    patch.setattr(directories.os, name, fails)
    return made


@pytest.mark.parametrize("call", ["open", "stat", "pread", "pwrite", "fdatasync", "listdir"])
def test_an_opening_that_fails_lets_go_of_everything(
    made: Path, memory_folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, engine_name: str
) -> None:
    """At any of its calls: the next one finds the store as it was, unlocked, and no descriptor is left."""
    files = contents(memory_folder, made)
    number, failed = 0, True
    fsm.open(made, engine=engine_name).close()
    descriptors = len(os.listdir("/proc/self/fd"))
    while failed:
        with monkeypatch.context() as patch:
            calls = opening_calls(patch, number, call)
            try:
                engine = fsm.open(made, engine=engine_name)
            except fsm.StoreError as error:
                assert os.strerror(EROFS) in str(error)
            else:
                engine.close()
            failed = len(calls) > number
        assert descriptors == len(os.listdir("/proc/self/fd"))
        number += 1
    assert number > 1
    with fsm.open(made, engine=engine_name) as engine:
        assert (3, ("moving",)) == (engine.sequence, engine.state(0))
    assert set(files) == set(contents(memory_folder, made))


def test_memory_lies_within_the_store_where_there_is_no_shared_memory(
    place: Path, memory_folder: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str
) -> None:
    """And is renamed with it."""
    monkeypatch.delenv("FSM_MEMORY_DIR")
    monkeypatch.setattr(directories, "SHARED_MEMORY", str(place / "none"))
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
    assert (place / "memory-1" / "rows").is_file()
    place.rename(place.parent / "renamed")
    with fsm.open(place.parent / "renamed", engine=engine_name) as engine:
        assert 2 == engine.sequence


def test_too_little_shared_memory(
    place: Path, memory_folder: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str
) -> None:
    """Asked before anything is allocated."""
    room = os.statvfs(memory_folder)

    class Full:
        f_bavail, f_frsize = 10, room.f_frsize

    monkeypatch.setattr(directories.os, "statvfs", lambda fd: Full)
    with pytest.raises(fsm.StoreError, match=r"the memory of the store needs \d+ bytes, and \d+ are free there"):
        fsm.open(place, Parcel, engine=engine_name)
    assert ([], False) == (list(memory_folder.iterdir()), place.exists())


def test_more_rows_than_there_is_room_for(place: Path, memory_folder: Path, engine_name: str) -> None:
    """A clear error, and the store that was there stays as it was."""
    with pytest.raises(fsm.StoreError, match="are free there"):
        fsm.open(place, Parcel, capacity=1 << 31, engine=engine_name)
    assert ([], False) == (list(memory_folder.iterdir()), place.exists())
    fsm.open(place, Parcel, engine=engine_name).close()
    with pytest.raises(fsm.StoreError, match="are free there"):
        fsm.open(place, Parcel, capacity=1 << 31, engine=engine_name)
    with fsm.open(place, engine=engine_name) as engine:
        assert 1024 == engine.capacity


def test_a_disk_that_is_full_takes_no_step_and_loses_none(
    place: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str
) -> None:
    """What does not fit into the ring is not taken; what was taken is there, and goes on once there is room."""
    monkeypatch.setattr("fsm.store.memory.RING_BYTES", 4096)
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        with monkeypatch.context() as patch:
            patch.setattr(directories.os, "pwrite", failing("pwrite", ENOSPC))
            with pytest.raises(fsm.StoreError, match="No space left"):
                for _ in range(100):
                    engine.step(0, NOTE)
            taken = engine.sequence
            assert ("new",) == engine.state(0)
        engine.step(0, LOAD, 7)
        assert (taken + 1, ("moving",)) == (engine.sequence, engine.state(0))
    with fsm.open(place, engine=engine_name) as engine:
        assert (taken + 1, ("moving",)) == (engine.sequence, engine.state(0))


def test_closing_on_a_full_disk_lets_go_all_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str
) -> None:
    """The error is told, the frames stay in memory, and the next opening has them."""
    engine = fsm.open(place, Parcel, engine=engine_name)
    engine.start("a")
    with monkeypatch.context() as patch:
        patch.setattr(directories.os, "pwrite", failing("pwrite", ENOSPC))
        with pytest.raises(fsm.StoreError, match="No space left"):
            engine.close()
    with fsm.open(place, engine=engine_name) as engine:
        assert (2, ("new",)) == (engine.sequence, engine.state(0))


def test_a_sync_that_failed_is_final(place: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str) -> None:
    """What the disk has then nobody knows; asking again would hide that."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        with monkeypatch.context() as patch:
            patch.setattr(directories.os, "fdatasync", failing("fdatasync", EIO))
            with pytest.raises(fsm.StoreError, match=r"cannot be brought to the disk|cannot be written"):
                engine.sync()
        assert 0 == engine.durable_sequence
