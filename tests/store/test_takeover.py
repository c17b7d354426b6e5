"""`takeover=True`: the store goes on in other memory, whatever a writer that was stopped still does to the old one."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fsm
import fsm.store
from fsm.errors import StoreLocked
from fsm.layout import HEADER_FIELDS
from fsm.store import superblock as superblocks
from fsm.store import takeover
from fsm.store.directory import Directory
from fsm.store.lock import guard
from fsm.store.verify import verify
from tests.store.scenes import Worker, answers, memory_of, open_store

FENCE = HEADER_FIELDS["fence"] * 8


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store goes; its memory lies beside it."""
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path))
    return tmp_path / "orders"


@pytest.fixture
def worker(place: Path, engine_name: str) -> Iterator[Worker]:
    """A writer in another process, which has seen a day."""
    with Worker(place, engine_name) as made:
        made.do("busy_day(engine)")
        yield made


def taking(place: Path, engine_name: str | None = None) -> Any:
    """The same store, taken over."""
    return fsm.store.open(place, engine=engine_name, takeover=True)


def test_a_stopped_writer_is_taken_from_and_told(place: Path, engine_name: str, worker: Worker) -> None:
    """Everything it answered is there; when it wakes, its next call is refused, and what it does nobody sees."""
    with fsm.store.open(place, readonly=True) as reader:
        expected = answers(reader)
        worker.stop()
        with pytest.raises(StoreLocked):
            open_store(place, engine_name)
        with taking(place, engine_name) as engine:
            assert expected == answers(engine)
            engine.start("new")
            worker.wake()
            assert "StaleEpoch" in worker.do("engine.start('lost')")
            assert "StaleEpoch" in worker.do("engine.step(0, 1, 3)")
            assert "StaleEpoch" in worker.do("engine.advance(1 << 50)")
            worker.do("engine.close()")
            assert engine.find("lost") is None
            assert answers(engine) == answers(reader)
            assert 4 == len(reader)
        assert [] == verify(place)


def test_an_epoch_is_never_given_twice(place: Path, engine_name: str, worker: Worker) -> None:
    """Each writer has a higher one; both slots of the superblock name the new memory."""
    old = memory_of(place.parent)
    before = superblocks.read(Directory.at(str(place)))
    taking(place, engine_name).close()
    after = superblocks.read(Directory.at(str(place)))
    assert before.epoch < after.epoch
    assert before.incarnation + 1 == after.incarnation
    data = (place / "superblock").read_bytes()
    for offset in superblocks.SLOTS:
        damaged = bytearray(data)
        damaged[offset : offset + 512] = bytes(512)
        (place / "superblock").write_bytes(damaged)
        assert after.incarnation == superblocks.read(Directory.at(str(place))).incarnation
    assert not old.exists()


def test_the_journal_of_a_fenced_writer_ends_where_the_new_one_begins(
    place: Path, engine_name: str, worker: Worker
) -> None:
    """What it appended before counts, what it appends afterwards does not."""
    worker.do("engine.sync()")
    worker.do("engine.step(0, 1, 1)")
    worker.stop()
    with taking(place, engine_name) as engine:
        segments = sorted(path.name for path in (place / "journal").iterdir())
        assert 2 == len(segments)
        engine.start("new")
        engine.sync()
        frames = [engine.memory.frame(number).tobytes() for number in range(1, engine.sequence + 1)]
        worker.wake()
        worker.do("engine.sync()")
        worker.do("engine.close()")
    with open_store(place, engine_name) as engine:
        assert frames == [engine.memory.frame(number).tobytes() for number in range(1, engine.sequence + 1)]
    assert [] == verify(place)


def test_without_a_live_writer_it_is_an_ordinary_opening(place: Path, engine_name: str) -> None:
    """No new memory, whether the last writer closed or was killed."""
    with Worker(place, engine_name) as worker:
        worker.do("busy_day(engine)")
        worker.kill()
    before = memory_of(place.parent)
    taking(place, engine_name).close()
    taking(place, engine_name).close()
    assert before == memory_of(place.parent)


def test_a_store_that_this_process_has_is_not_taken_over(place: Path, engine_name: str) -> None:
    """It could be closed: that is said."""
    with open_store(place, engine_name) as engine:
        engine.start("a")
        with pytest.raises(StoreLocked, match="in this process"):
            taking(place, engine_name)
        assert 0 == engine.step(engine.find("a"), 0, 1, 1)


def test_two_takers_are_kept_apart(place: Path, engine_name: str, worker: Worker) -> None:
    """And so are a taker and an opening that is under way."""
    worker.stop()
    store = Directory.at(str(place))
    for alone in (True, False):
        with guard(store, alone=alone), pytest.raises(StoreLocked):
            taking(place, engine_name)
    with guard(store), guard(store):
        pass
    store.close()
    taking(place, engine_name).close()


def test_a_store_that_grew_is_taken_over(place: Path, engine_name: str, worker: Worker) -> None:
    """With its longer rows, and the index that was made anew; it grows on."""
    worker.do("engine.reserve(100)")
    worker.do("engine.reserve(200)")
    with fsm.store.open(place, readonly=True) as reader:
        expected = answers(reader)
    worker.stop()
    with taking(place, engine_name) as engine:
        assert (expected, 200) == (answers(engine), engine.capacity)
        engine.reserve(500)
        assert expected == answers(engine)
    assert [] == verify(place)


class Killed(BaseException):
    """A taker that is killed: nothing behind it runs."""


CALLS = [
    (Directory, "create"),
    (Directory, "open"),
    (Directory, "rename"),
    (Directory, "unlink"),
    (takeover.Journal, "begin"),
    (takeover.Lock, "replace"),
    (superblocks, "write"),
    (takeover, "set_fence"),
    (takeover, "remove"),
]
"""What a takeover does to files: a process may be killed before or behind each of them."""


def takeover_in_a_child(place: Path, after: int, behind: bool) -> bool:
    """A takeover that is killed at its n-th call that touches files; whether it got to its end."""
    child = os.fork()
    if child == 0:
        count = 0

        def counting(call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == after and not behind:
                    os._exit(9)
                told = call(*arguments, **named)
                if count == after:
                    os._exit(9)
                return told

            return counted

        try:
            for owner, name in CALLS:
                setattr(owner, name, counting(getattr(owner, name)))
            taking(place, "mirror")
            os._exit(0)
        except BaseException as error:
            print(f"taker: {error!r}", flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), f"the taker that was to be killed at call {after} failed"
    return code == 0


@pytest.mark.parametrize("old_writer", ["dies", "is stopped"])
def test_a_taker_killed_at_any_call_leaves_a_store_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old_writer: str
) -> None:
    """With all that was answered, whether the old writer is stopped still or has died meanwhile."""
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path))
    stride = 1 if os.environ.get("FSM_DAMAGE") == "full" else 4
    first = random.SystemRandom().randrange(1, stride + 1)
    print(f"killed at call {first}, and every {stride} from there")
    for after in range(first, 100, stride):
        behind = (after % 2 == 0) == (old_writer == "dies")
        place = tmp_path / f"orders-{after}"
        with Worker(place, "mirror") as worker:
            worker.do("busy_day(engine)")
            with fsm.store.open(place, readonly=True) as reader:
                expected = answers(reader)
                worker.stop()
                done = takeover_in_a_child(place, after, behind)
                if old_writer == "dies":
                    worker.kill()
                    engine = fsm.store.open(place, engine="mirror")
                else:
                    engine = taking(place, "mirror")
                with engine:
                    assert expected == answers(engine) == answers(reader), f"killed at call {after}"
                    engine.start("new")
                    if old_writer != "dies":
                        worker.wake()
                        assert "StaleEpoch" in worker.do("engine.start('lost')")
                    assert answers(engine) == answers(reader)
        assert [] == verify(place), f"killed at call {after}"
        assert 1 == len(list(tmp_path.glob("fsm-*"))), f"killed at call {after}: memory is left behind"
        for path in [*place.rglob("*"), *memory_of(tmp_path).iterdir()]:
            if path.is_file():
                path.unlink()
        memory_of(tmp_path).rmdir()
        if done:
            break
    else:
        pytest.fail("the takeover never came to its end")
    assert after > 10


def test_a_takeover_that_fails_lets_the_old_writer_go_on(
    place: Path, engine_name: str, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for the second memory: nothing was fenced, and nothing is left behind."""

    def full(*arguments: Any, **named: Any) -> Any:
        raise fsm.StoreError("no room")

    for name in ("SharedMemory", "Journal"):
        with monkeypatch.context() as patched:
            patched.setattr(getattr(takeover, name), "make" if name == "SharedMemory" else "begin", full)
            with pytest.raises(fsm.StoreError, match="no room"):
                taking(place, engine_name)
        assert 1 == len(list(place.parent.glob("fsm-*")))
    assert "0" == worker.do("engine.step(0, 0, 100, 1) and 0")
    worker.do("engine.close()")
    assert [] == verify(place)


def test_a_writer_that_does_not_stand_still_is_left_alone(
    place: Path, engine_name: str, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is given up after so many times, and the writer may go on."""
    header = memory_of(place.parent) / "header"
    words = bytearray(header.read_bytes())
    moving = HEADER_FIELDS["now_ns"] * 8
    original = takeover.SharedMemory.attach

    class Moving:
        """A memory whose header is another one at each look."""

        def __init__(self, memory: Any) -> None:
            self._memory, self._looks = memory, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._memory, name)

        @property
        def header(self) -> bytes:
            self._looks += 1
            words[moving] = self._looks & 0xFF
            return bytes(words)

    def attach(store: Any, lock: Any, superblock: Any, **more: Any) -> Any:
        memory = original(store, lock, superblock, **more)
        return Moving(memory) if more.get("mode") == "read" else memory

    with monkeypatch.context() as patched:
        patched.setattr(takeover.SharedMemory, "attach", attach)
        with pytest.raises(fsm.StoreError, match="did not stand still"):
            taking(place, engine_name)
    assert bytes(8) == header.read_bytes()[FENCE : FENCE + 8]
    assert "StaleEpoch" not in worker.do("engine.step(0, 1, 1)")
