"""One writer: a second process, a second opening in one process, a forked child: each is refused in its own words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.store.directory import Directory
from fsm.store.lock import Lock
from tests.store.inputs import LOAD, NOTE, Parcel

HOLD = """
import fsm, sys
engine = fsm.open(sys.argv[1], engine=sys.argv[2])
print("open", flush=True)
sys.stdin.read()
"""


def in_child(work: Any) -> str:
    """What `work` returns in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    told = b""
    while part := os.read(reading, 4096):
        told += part
    os.close(reading)
    os.waitpid(pid, 0)
    return told.decode()


def refusal(work: Any) -> str:
    """The reason of the `StoreLocked` that a call raises."""
    try:
        work()
    except fsm.StoreLocked as error:
        return error.reason
    except Exception as error:
        return f"raised {error!r}"
    return "nothing was raised"


def test_a_second_opening_in_this_process(engine_name: str, place: Path) -> None:
    """The first one goes on."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        with pytest.raises(fsm.StoreLocked, match="it is open in this process already") as caught:
            fsm.open(place, engine=engine_name)
        assert (str(place), 0) == (caught.value.path, engine.step(0, LOAD, 7))
        with pytest.raises(fsm.StoreLocked, match="it is open in this process already"):
            fsm.open(place, engine=engine_name, takeover=True)
    fsm.open(place, engine=engine_name).close()


def test_a_second_process(engine_name: str, place: Path) -> None:
    """Until it ends, however it ends."""
    fsm.open(place, Parcel, engine=engine_name).close()
    command = [sys.executable, "-c", HOLD, str(place), engine_name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert b"open\n" == holder.stdout.readline()
        with pytest.raises(fsm.StoreLocked, match="another process has it open for writing"):
            fsm.open(place, engine=engine_name)
        holder.kill()
        holder.wait()
        fsm.open(place, engine=engine_name).close()


def test_a_forked_child_refuses_every_call(engine_name: str, place: Path) -> None:
    """The parent writes on; what the child has is a picture of a store that moves."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        handle = engine.start("a")
        calls = {
            "step": lambda: engine.step(handle, LOAD, 7),
            "start": lambda: engine.start("b"),
            "state": lambda: engine.state(handle),
            "advance": lambda: engine.advance(5),
            "sync": engine.sync,
            "find": lambda: engine.find("a"),
        }
        told = in_child(lambda: [f"{name}: {refusal(call)}" for name, call in calls.items()])
        for name in calls:
            assert f"{name}: this process was forked from the one that has it open" in told
        assert (0, 3) == (engine.step(handle, LOAD, 7), engine.sequence)


def test_a_forked_child_can_close_what_it_has(engine_name: str, place: Path) -> None:
    """That takes the lock from nobody."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        assert "None" == in_child(engine.close)
        with pytest.raises(fsm.StoreLocked, match="in this process already"):
            fsm.open(place, engine=engine_name)
        assert 0 == engine.step(0, LOAD, 7)


def test_a_forked_child_is_told_of_another_process(engine_name: str, place: Path) -> None:
    """It is not the one that has the store open."""
    with fsm.open(place, Parcel, engine=engine_name):
        told = in_child(lambda: refusal(lambda: fsm.open(place, engine=engine_name)))
    assert "another process has it open for writing" == told


def test_a_forked_child_that_lives_on_keeps_no_lock(engine_name: str, place: Path) -> None:
    """The parent closes, the child is there still, and the next opening succeeds."""
    engine = fsm.open(place, Parcel, engine=engine_name)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    engine.start("a")
    engine.close()
    fsm.open(place, engine=engine_name).close()
    os.close(writing)
    os.waitpid(pid, 0)


def test_a_fork_amid_a_step_of_another_thread(engine_name: str, place: Path) -> None:
    """The child refuses though the thread that was inside is not there any more."""
    with fsm.open(place, Parcel, engine=engine_name) as engine:
        engine.start("a")
        going, inside = True, threading.Event()

        def steps() -> None:
            while going:
                engine.step(0, NOTE)
                inside.set()

        thread = threading.Thread(target=steps)
        thread.start()
        inside.wait()
        try:
            told = [in_child(lambda: refusal(lambda: engine.step(0, NOTE))) for _ in range(20)]
        finally:
            going = False
            thread.join()
        assert {"this process was forked from the one that has it open"} == set(told)


def test_a_lock_of_a_file_that_is_not_in_place_counts_for_nothing(place: Path, engine_name: str) -> None:
    """Whoever locks what was replaced meanwhile has locked something else."""
    fsm.open(place, Parcel, engine=engine_name).close()
    store = Directory.at(str(place))
    held = Lock.take(store)
    (place / "lock").unlink()
    (place / "lock").touch(0o600)
    other = Lock.take(store)
    assert held.is_held() and other.is_held()
    held.release()
    other.release()


def test_closing_twice_is_closing_once(engine_name: str, place: Path) -> None:
    """And a closed engine says so."""
    engine = fsm.open(place, Parcel, engine=engine_name)
    engine.close()
    engine.close()
    with pytest.raises(fsm.FsmError, match="closed"):
        engine.start("a")
    fsm.open(place, engine=engine_name).close()
