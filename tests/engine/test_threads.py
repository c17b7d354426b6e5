"""One writer: whoever enters an engine while another thread is inside gets `ConcurrentUse`, and nothing is taken.

worker: step_many, again and again ──inside──▶ engine ◀──▶ main: one call, until it is refused
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy
import pytest

import fsm
from fsm.engine import PrivateMemory
from tests.engine.orders import EXECUTE, NOTE, open_engine, working_order

BATCH = {"native": 200_000, "mirror": 500}

CALLS: dict[str, Callable[[Any], Any]] = {
    "step": lambda engine: engine.step(0, NOTE),
    "step with expected": lambda engine: engine.step(0, NOTE, expected=1),
    "step_many": lambda engine: engine.step_many([0], [NOTE], [[]]),
    "send": lambda engine: engine.send("ord-1", "Note", {}),
    "start": lambda engine: engine.start("ord-1"),
    "find": lambda engine: engine.find("ord-1"),
    "state": lambda engine: engine.state(0),
    "fields": lambda engine: engine.fields(0),
    "version": lambda engine: engine.version(0),
    "key": lambda engine: engine.key(0),
    "select": lambda engine: engine.select(),
    "advance": lambda engine: engine.advance(0),
    "reserve": lambda engine: engine.reserve(1),
    "sequence": lambda engine: engine.sequence,
    "len": len,
    "start many": lambda engine: engine._start_many([]),
    "find many": lambda engine: engine._find_many([1]),
}


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads take turns often: the mirror is inside Python all the time."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("call", CALLS)
def test_a_second_thread_is_refused(engine_name: str, call: str, frequent_switches: None) -> None:
    """Sooner or later the call falls into a batch; until then it is an ordinary one, and every input is counted."""
    engine = open_engine(engine_name)
    working_order(engine)
    before = engine.sequence
    count = BATCH[engine_name]
    batch = numpy.zeros(count, numpy.int64), numpy.full(count, NOTE), numpy.zeros((count, 0), numpy.int64)
    refused, counted = threading.Event(), 0

    def work() -> None:
        nonlocal counted
        while not refused.is_set():
            with suppress(fsm.ConcurrentUse):  # the main thread may be inside as well
                engine.step_many(*batch)
                counted += count

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while not refused.is_set():
            try:
                with suppress(fsm.Exists):
                    CALLS[call](engine)
                counted += call in ("step", "step with expected", "step_many", "send", "start")
            except fsm.ConcurrentUse as error:
                refused.set()
                assert "one writer" in str(error)
    finally:
        refused.set()
        worker.join()
    # `send` steps, then looks: it may be refused between the two.
    assert engine.sequence - before - counted in ((0, 1) if call == "send" else (0,))
    assert (100, 100, 1) == (engine.fields(0)["quantity"], engine.fields(0)["leaves"], engine.version(0))


@pytest.mark.parametrize("call", [*CALLS, "close"])
def test_nobody_steps_while_memory_grows(engine_name: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step taken into the old rows after they were copied would be lost: it is refused, and the engine goes on."""
    engine = open_engine(engine_name)
    order = working_order(engine)
    grown = PrivateMemory.grown
    refused: list[Exception] = []

    def grown_under_attack(memory: PrivateMemory, capacity: int) -> PrivateMemory:
        try:
            (lambda: engine.close() if call == "close" else CALLS[call](engine))()
        except fsm.FsmError as error:
            refused.append(error)
        return grown(memory, capacity)

    monkeypatch.setattr(PrivateMemory, "grown", grown_under_attack)
    sequence = engine.sequence
    engine.reserve(100)
    assert [fsm.ConcurrentUse] == [type(error) for error in refused]
    assert (sequence, 100) == (engine.sequence, engine.capacity)
    assert fsm.Outcome.ACCEPTED == engine.step(order, EXECUTE, 40)


def test_memory_that_cannot_grow_leaves_the_engine_as_it_was(engine_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes out, and the next step is taken."""
    engine = open_engine(engine_name)
    order = working_order(engine)

    def fail(memory: PrivateMemory, capacity: int) -> None:
        raise MemoryError

    monkeypatch.setattr(PrivateMemory, "grown", fail)
    with pytest.raises(MemoryError):
        engine.reserve(100)
    assert fsm.Outcome.ACCEPTED == engine.step(order, EXECUTE, 40)
    assert (8, 60) == (engine.capacity, engine.fields(order)["leaves"])


def test_threads_that_take_turns_are_served(engine_name: str) -> None:
    """One writer at a time is no rule about which thread."""
    engine = open_engine(engine_name)
    order = working_order(engine)
    outcomes: list[int] = []
    for _ in range(3):
        worker = threading.Thread(target=lambda: outcomes.append(engine.step(order, EXECUTE, 1)))
        worker.start()
        worker.join()
    assert ([0, 0, 0], 97) == (outcomes, engine.fields(order)["leaves"])
