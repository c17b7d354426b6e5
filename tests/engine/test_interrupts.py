"""An interrupt (Ctrl-C) may come wherever Python looks for signals: at every call and every return.

for n = 1, 2, 3 ...: a fresh engine ──operation, KeyboardInterrupt at the nth look──▶ old state or new, whole
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from operator import setitem
from typing import Any

import pytest

import fsm
import fsm.engine.batches  # with NumPy, before anything is interrupted: an import must not be
from fsm.engine import commit
from fsm.engine.frames import is_whole
from fsm.layout import HEADER_FIELDS
from tests.engine.orders import EXECUTE, open_engine, working_order
from tests.engine.ring import open_journalled
from tests.engine.test_journal import GO, PUT, Task

SECOND = 1_000_000_000


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
    areas = (memory.header, memory.rows, memory.keys, memory.index, memory.ring, memory.idempotency)
    return tuple(bytes(area or b"") for area in areas)


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


AGAIN = 1 << 32
"""The handle of row 0 in its second generation."""
JOURNALLED: dict[str, Callable[[Any], Any]] = {
    "step": lambda engine: engine.step(AGAIN, PUT, 3, 4, correlation="c"),
    "duplicate": lambda engine: engine.step(AGAIN, PUT, 1, 2, key="k"),
    "step that gives events again": lambda engine: engine.step(AGAIN, GO, key=9),
    "send to nobody": lambda engine: engine.send("nobody", "Go", key=3),
    "start": lambda engine: engine.start("new", total=4),
    "start of a key that is there": lambda engine: engine._start(b"again".ljust(64, b"\0"), engine.tables.initial),
    "release": lambda engine: engine.release(1),
    "mark": lambda engine: engine._mark([1, 2, 3]),
    "advance": lambda engine: engine.advance(15 * SECOND),
}
"""What an engine with a journal takes, one input each."""


def journalled(name: str) -> Any:
    """A row that was used again and has an event that waits, one that has ended, and one whose time comes at 15 s."""
    engine, _ = open_journalled(Task, name)
    engine.start("first")
    engine.start("ended")
    engine.advance(10 * SECOND)
    engine.release(0)
    assert (AGAIN, 2) == (engine.start("again"), engine.start("timed"))
    engine.step(AGAIN, PUT, 1, 2, key="k")
    engine.step(2, GO)
    return engine


def words_but_the_clock(memory: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The clock is no input: it may have moved before the first timer is fired."""
    now_ns = 8 * HEADER_FIELDS["now_ns"]
    return (memory[0][:now_ns], memory[0][now_ns + 8 :], *memory[1:])


@pytest.mark.parametrize("operation", JOURNALLED)
def test_an_input_of_a_journal_is_whole_or_absent(engine_name: str, operation: str) -> None:
    """Frames and views are those of before or of after; what follows is taken, and every frame is whole."""
    operate, engine = JOURNALLED[operation], journalled(engine_name)
    before = words_but_the_clock(memory_of(engine))
    operate(engine)
    after, found = words_but_the_clock(memory_of(engine)), set()
    assert before != after
    for at in count(1):
        engine = journalled(engine_name)
        if not interrupted(lambda engine=engine: operate(engine), at):
            break
        found.add([before, after].index(words_but_the_clock(memory_of(engine))))
        engine.start("another")
        assert all(is_whole(engine.memory.frame(number), number) for number in range(1, engine.sequence + 1))
    assert 0 in found, "nothing was interrupted: the test proves nothing"


@pytest.mark.parametrize("operation", JOURNALLED)
def test_a_store_after_the_other_leads_from_the_old_state_to_the_new(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the mirror, which makes them in one call: the commit word comes before all views, `applied` behind them."""
    engine = journalled("mirror")
    first, memory = engine.sequence + 1, engine.memory
    stores: list[tuple[str, Any]] = []

    def store(area: Any, place: Any, value: Any) -> None:
        names = [name for name in ("ring", "header") if area.obj is memoryview(getattr(memory, name)).obj]
        stores.append(((*names, "view")[0], place))
        setitem(area, place, value)

    monkeypatch.setattr(commit, "setitem", store)
    JOURNALLED[operation](engine)
    told = 3 * (engine.sequence - first + 1)
    assert {"ring"} == {area for area, _ in stores[:told]}
    assert "ring" not in {area for area, _ in stores[told:]}
    last = (engine.sequence & memory.get("ring_frames") - 1) * memory.frame_words
    assert [("ring", last), ("header", HEADER_FIELDS["applied"])] == [stores[told - 1], stores[-1]]
    counters = [place for area, place in stores[told:] if area == "header"]
    for at, place in enumerate(counters):
        if place == HEADER_FIELDS["counted_value"]:
            names = ("counted_by", "counted_value", "counted_word", "counted_by")
            assert [HEADER_FIELDS[name] for name in names] == counters[at - 1 : at + 3]
