"""An interrupt (Ctrl-C) may come wherever Python looks for signals: at every call and every return.

for n = 1, 2, 3 ...: a fresh engine ──operation, KeyboardInterrupt at the nth look──▶ old state or new, whole
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import fsm
import fsm.engine.batches  # with NumPy, before anything is interrupted: an import must not be
from tests.engine.orders import EXECUTE, open_engine, working_order


def interrupted(operation: Callable[[], Any], at: int) -> bool:
    """Run the operation and raise KeyboardInterrupt at look number `at`; whether it got that far."""
    looks = 0
    inside = False

    def look(frame: Any, event: str, argument: Any) -> None:
        nonlocal looks
        looks += inside
        if looks == at and inside:
            raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        inside = True
        operation()
        inside = False
    except KeyboardInterrupt:
        return True
    finally:
        inside = False
        sys.setprofile(None)
    return False


def interrupts(engine_name: str, operate: Callable[[Any], Any]) -> Iterator[tuple[Any, int]]:
    """An engine with a working order for each place where the operation can be interrupted, and that order."""
    for at in count(1):
        engine = open_engine(engine_name)
        order = working_order(engine)
        if not interrupted(lambda engine=engine: operate(engine), at):
            assert at > 2, "nothing was interrupted: the test proves nothing"
            return
        yield engine, order


def memory_of(engine: Any) -> tuple[bytes, ...]:
    """All that a step may change."""
    memory = engine.memory
    return tuple(bytes(area) for area in (memory.header, memory.rows, memory.keys, memory.index))


def test_reserve_is_whole_or_absent(engine_name: str) -> None:
    """The engine has its old room or the new; every key is found, and it goes on."""
    for engine, order in interrupts(engine_name, lambda engine: engine.reserve(1000)):
        assert engine.capacity in (8, 1000)
        assert order == engine.find("ord-1")
        for number in range(7):
            engine.start(number)
        engine.reserve(2000)
        assert [engine.find(number) for number in range(7)] == [order + 1 + number for number in range(7)]
        assert fsm.Outcome.ACCEPTED == engine.step(order, EXECUTE, 40)


def test_a_step_is_whole_or_absent(engine_name: str) -> None:
    """The memory is that of before or of after, and never of in between; the next step is taken."""
    engine = open_engine(engine_name)
    working_order(engine)
    before = memory_of(engine)
    engine.send("ord-1", "Execute", {"quantity": 40})
    after = memory_of(engine)
    for engine, order in interrupts(engine_name, lambda engine: engine.send("ord-1", "Execute", {"quantity": 40})):
        assert memory_of(engine) in (before, after)
        assert fsm.Outcome.ACCEPTED == engine.step(order, EXECUTE, 10)


def test_a_start_is_whole_or_absent(engine_name: str) -> None:
    """A key has a whole instance, or none and can be started again."""
    for engine, order in interrupts(engine_name, lambda engine: engine.start("ord-2", quantity=7)):
        found = engine.find("ord-2")
        if found is None:
            found = engine.start("ord-2", quantity=7)
        assert (order + 1, 7, 2) == (found, engine.fields(found)["quantity"], len(engine))


def two_executions(engine: Any) -> None:
    """A batch of two steps of the same order."""
    engine.step_many([0, 0], [EXECUTE, EXECUTE], [[10], [10]])


def test_a_batch_keeps_whole_steps(engine_name: str) -> None:
    """Some steps of the batch were taken and the rest not."""
    for engine, order in interrupts(engine_name, two_executions):
        taken = engine.version(order) - 1
        assert taken in (0, 1, 2)
        assert 100 - 10 * taken == engine.fields(order)["leaves"]
        assert fsm.Outcome.ACCEPTED == engine.step(order, EXECUTE, 10)
