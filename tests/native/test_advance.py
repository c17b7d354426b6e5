"""Time in the native engine: who may come in while many timers are fired, and how many timers there can be."""

from __future__ import annotations

import threading

import numpy
import pytest

import fsm
from fsm.engine import PrivateMemory
from tests.native.charts import Charted

pytestmark = pytest.mark.native

INSTANCES = 50_000
SECOND = 1_000_000_000


def opened() -> fsm.Engine:
    """An engine with two timers armed in each of its instances."""
    engine = fsm.Engine(Charted, capacity=INSTANCES, engine="native")
    handles = engine._start_many(numpy.arange(INSTANCES))
    opens = numpy.full(INSTANCES, engine.tables.event_ids["Open"])
    assert not engine.step_many(handles, opens, numpy.zeros((INSTANCES, 0), numpy.int64)).any()
    return engine


def test_a_second_thread_is_refused_while_many_timers_are_fired() -> None:
    """The time lets other threads run then, and none of them may come in."""
    for _ in range(100):
        engine = opened()
        sequence, fired, refused = engine.sequence, [], False
        worker = threading.Thread(target=lambda engine=engine, fired=fired: fired.append(engine.advance(60 * SECOND)))
        worker.start()
        while worker.is_alive() and not refused:
            try:
                engine.find(0)
            except fsm.ConcurrentUse:
                refused = True
        worker.join()
        assert ([2 * INSTANCES], sequence + 2 * INSTANCES) == (fired, engine.sequence)
        if refused:
            return
    pytest.fail("no call fell into a hundred calls that fired a hundred thousand timers each")


def test_more_timers_than_can_be_numbered_are_refused() -> None:
    """In words, before anything is changed: the engine goes on with the memory that it has."""
    engine = opened()
    memory = PrivateMemory(engine.tables, 4)
    memory.capacity = 1 << 31
    with pytest.raises(
        ValueError, match=r"capacity: expected 1 to \d+ instances of a flow with 2 timers each, found 2147"
    ):
        engine._attach(engine.tables, memory)
    assert (INSTANCES, 2 * INSTANCES) == (engine.capacity, engine.advance(60 * SECOND))
