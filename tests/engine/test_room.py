"""Where nothing can be taken: no room in the journal, another writer, memory that is damaged. Nothing is changed then.

full ring ──make_room──▶ emptied, and the input is taken │ busy: nothing was taken │ an error: nothing was taken
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import fsm
from fsm.engine.frames import group_max, is_whole
from fsm.layout import HEADER_FIELDS, NONE, ROW_STATE, ROW_VERSION, UINT64_MASK, Outcome
from tests.engine.orders import EXECUTE, NOTE, SUBMIT, Order, open_engine, working_order
from tests.engine.ring import EPOCH, RingMemory, open_journalled
from tests.engine.test_journal import GO, PUT, Task
from tests.engine.test_release import filled_order

SECOND = 1_000_000_000
BUSY, TAKEN = Outcome.BUSY, Outcome.ACCEPTED


def areas(memory: Any) -> tuple[bytes, ...]:
    """Every byte that an engine may change."""
    names = ("header", "rows", "keys", "index", "ring", "idempotency")
    return tuple(bytes(getattr(memory, name) or b"") for name in names)


def full(name: str, flow: Any = Order) -> tuple[Any, RingMemory]:
    """An engine with two instances whose ring has no room for one more input, and may not be emptied."""
    engine, memory = open_journalled(flow, name, ring_frames=16)
    if flow is Order:
        working_order(engine)
        filled_order(engine, 2)
    else:
        engine.start(1)
        engine.start(2)
        engine.step(1, PUT, 5, 30)
    memory.make_room()
    memory.is_busy = True
    while memory.get("applied") + group_max(engine.tables.deferral_slots) - memory.get("written") <= 16:
        engine.step(99, NOTE if flow is Order else GO)
    return engine, memory


class TestAFullRing:
    """`make_room` empties it; where that must not be waited for, the outcome is busy."""

    def test_it_is_emptied_on_the_way(self, engine_name: str) -> None:
        """Of a hundred groups every frame leaves it once, in order, whole; and the last are in it still."""
        engine, memory = open_journalled(Order, engine_name, ring_frames=8)
        for number in range(100):
            order = working_order(engine, number, 9) if number < 8 else number % 8
            engine.step(order, EXECUTE, number % 3, number)
        memory.make_room()
        assert engine.sequence == len(memory.drained) > 200
        for number, words in enumerate(memory.drained, 1):
            assert is_whole(words, number)

    def test_busy_takes_nothing(self, engine_name: str) -> None:
        """Whatever is given; it can be given again once there is room."""
        engine, memory = full(engine_name)
        before = areas(memory)
        assert BUSY == engine.step(0, EXECUTE, 10) == engine.step(0, 99) == engine.step(5, 0)
        assert not Outcome.BUSY.refused
        sent = engine.send("ord-1", "Note")
        assert (BUSY, 0, "the journal has no room now; nothing was taken, and it can be given again") == (
            sent.outcome, sent.instance, sent.reason
        )  # fmt: skip
        sent = engine.send("nobody", "Note")
        assert (BUSY, None, True) == (sent.outcome, sent.instance, sent.reason.startswith("the journal has no room"))
        assert before == areas(memory)
        memory.is_busy = False
        assert TAKEN == engine.step(0, EXECUTE, 10)

    def test_what_has_no_outcome_raises(self, engine_name: str) -> None:
        """Start, whether the key is there or not, release, position."""
        engine, memory = full(engine_name)
        before = areas(memory)
        calls: list[tuple[str, Callable[[], Any]]] = [
            ("start", lambda: engine.start("new")), ("start", lambda: engine.start("ord-1")),
            ("release", lambda: engine.release(1)), ("_mark", lambda: engine._mark([1])),
        ]  # fmt: skip
        for name, call in calls:
            with pytest.raises(fsm.StoreError, match=f"{name}: the ring of the journal is full") as caught:
                call()
            assert fsm.StoreError is type(caught.value)
        assert before == areas(memory)

    def test_the_rest_of_a_batch_is_busy(self, engine_name: str) -> None:
        """From the first input on that was not taken; none at all is no error either."""
        engine, memory = open_journalled(Order, engine_name, ring_frames=16)
        working_order(engine)
        memory.make_room()
        memory.is_busy = True
        outcomes = engine.step_many([0] * 20, [EXECUTE] * 20, [[1]] * 20)
        assert [TAKEN] * 12 + [BUSY] * 8 == outcomes.tolist()
        assert 88 == engine.fields(0)["leaves"]
        into = numpy.full(20, 77, numpy.uint8)
        before = areas(memory)
        engine.step_many([0] * 20, [EXECUTE] * 20, [[1]] * 20, outcomes=into)
        assert [BUSY] * 20 == into.tolist()
        assert before == areas(memory)

    def test_whatever_ends_a_batch_leaves_its_outcomes_true(self, engine_name: str) -> None:
        """An interrupt while the ring is emptied: what was taken has its outcome, the rest is busy."""
        engine, memory = open_journalled(Order, engine_name, ring_frames=8)
        order = working_order(engine)
        memory.error = KeyboardInterrupt()  # type: ignore[assignment]
        outcomes, before = numpy.zeros(30, numpy.uint8), engine.sequence
        with pytest.raises(KeyboardInterrupt):
            engine.step_many([order] * 30, [NOTE] * 30, [[0]] * 30, outcomes=outcomes)
        taken = engine.sequence - before
        assert 0 < taken < 30
        assert [Outcome.BUSY] * (30 - taken) == outcomes[taken:].tolist()
        assert Outcome.BUSY not in outcomes[:taken].tolist()

    def test_a_takeover_amid_a_batch_is_never_told_as_busy(self, engine_name: str) -> None:
        """The one input that was being taken may have been: whoever gave it is told of the other writer."""
        engine, memory = open_journalled(Order, engine_name, ring_frames=8)
        order = working_order(engine)
        emptied = memory.make_room

        def overtaken() -> bool:
            memory.set("fence", EPOCH + 1)
            return emptied()

        memory.make_room = overtaken  # type: ignore[method-assign]
        with pytest.raises(fsm.StaleEpoch):
            engine.step_many([order] * 30, [NOTE] * 30, [[0]] * 30)

    def test_timers_that_were_not_fired_are_due_still(self, engine_name: str) -> None:
        """The error says so; the clock has moved on all the same."""
        engine, memory = full(engine_name, Task)
        with pytest.raises(fsm.StoreError, match="advance: the ring of the journal is full"):
            engine.advance(20 * SECOND)
        assert (20 * SECOND, {}) == (engine.now_ns, engine.untold)
        assert BUSY == engine.step_many([0], [GO], [[]], times=[20 * SECOND])[0]
        memory.is_busy = False
        assert 2 == engine.advance(20 * SECOND)
        assert {"accepted": 2, "ended": 1} == engine.untold, "and the event that was deferred was given again"

    def test_an_error_takes_nothing(self, engine_name: str) -> None:
        """The disk is full, say: every call raises it, a batch only for its first input."""
        engine, memory = full(engine_name)
        memory.error = fsm.StoreError("the disk is full")
        before = areas(memory)
        calls: list[Callable[[], Any]] = [
            lambda: engine.step(0, EXECUTE, 10), lambda: engine.start("new"), lambda: engine.release(1),
            lambda: engine._mark([1]), lambda: engine.step_many([0], [NOTE], [0]), lambda: engine.send("ord-1", "Note"),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(fsm.StoreError, match="the disk is full"):
                call()
        assert before == areas(memory)
        memory.error, memory.is_busy = None, False
        memory.make_room()
        memory.error = fsm.StoreError("the disk is full")
        assert [TAKEN, BUSY] == sorted(set(engine.step_many([0] * 20, [EXECUTE] * 20, [[1]] * 20).tolist()))

    def test_a_group_needs_room_for_all_that_it_may_bring(self, engine_name: str) -> None:
        """Before it is decided: also a step that would write one frame."""
        engine, memory = open_journalled(Task, engine_name, ring_frames=16)
        assert 9 == group_max(engine.tables.deferral_slots)
        engine.start(1)
        memory.make_room()
        memory.is_busy = True
        taken = 0
        while Outcome.UNKNOWN_INSTANCE == engine.step(9, GO):
            taken += 1
        assert 16 - 9 + 1 == taken


class TestAnotherWriter:
    """Whoever took over has put up a fence: this writer stops."""

    def test_nothing_is_taken_behind_a_fence(self, engine_name: str) -> None:
        """And the error says which epoch is held, and which is current."""
        engine, memory = open_journalled(Order, engine_name)
        working_order(engine)
        filled_order(engine, 2)
        memory.set("fence", EPOCH + 2)
        before = areas(memory)
        calls: list[Callable[[], Any]] = [
            lambda: engine.step(0, EXECUTE, 1), lambda: engine.step(0, EXECUTE, 1, key=1), lambda: engine.start("new"),
            lambda: engine.release(1), lambda: engine.advance(5), lambda: engine._mark([1]),
            lambda: engine.send("ord-1", "Note"), lambda: engine.send("nobody", "Note"), lambda: engine.reserve(99),
            lambda: engine.step_many([0], [NOTE], [0]), lambda: engine.step_many([0], [NOTE], [0], times=[9]),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(fsm.StaleEpoch, match="this writer holds epoch 7 and the store is at 9") as caught:
                call()
            assert (EPOCH, EPOCH + 2) == (caught.value.held, caught.value.current)
        assert before == areas(memory)
        assert (("working",), 0) == (engine.state(0), engine.find("ord-1")), "looking is no harm"


class TestDamage:
    """A row is checked when it is used: what would lead beyond the tables is an error, and nothing is written."""

    @pytest.mark.parametrize("configuration", [5, 1 << 20, NONE])
    def test_a_configuration_that_is_none(self, engine_name: str, configuration: int) -> None:
        """The other instances go on. (Memory without a journal is this process's own, and comes from nobody else.)"""
        engine: Any = open_journalled(Order, engine_name)[0]
        working_order(engine)
        order = working_order(engine, 2)
        rows = memoryview(engine.memory.rows).cast("Q")
        rows[8 + ROW_STATE] = rows[8 + ROW_STATE] >> 32 << 32 | configuration
        before = areas(engine.memory)
        calls: list[Callable[[], Any]] = [
            lambda: engine.step(order, EXECUTE, 1), lambda: engine.step(order, EXECUTE, 1, expected=1),
            lambda: engine.send(2, "Note"), lambda: engine.state(order), lambda: engine.fields(order),
            lambda: engine.timers(order), lambda: engine.deferred(order), lambda: engine.release(order),
            lambda: engine.select(state="new"), lambda: engine.step_many([order], [NOTE], [0]),
            lambda: engine.start(2),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(
                fsm.CorruptStore, match=rf"rows: byte 64: row 1 has configuration {configuration},"
            ) as caught:
                call()
            assert ("rows", 64) == (caught.value.file, caught.value.offset)
        assert before == areas(engine.memory)
        assert TAKEN == engine.step(0, EXECUTE, 1)

    @pytest.mark.parametrize(
        ("word", "value", "found"),
        [(0, 3, "3 deferred events, and there is room for 2"), (0, UINT64_MASK, "deferred events"),
         (1, 2, "deferred event 2, and flow Task has 2"), (4, 9, "deferred event 9")],
    )  # fmt: skip
    def test_a_queue_of_deferred_events_that_is_none(self, engine_name: str, word: int, value: int, found: str) -> None:
        """More than there is room for, or an event that the flow has not."""
        engine, memory = open_journalled(Task, engine_name)
        engine.start(1)
        for _ in range(2):
            engine.step(0, PUT, 1, 2)
        word += engine.tables.deferral_word
        memoryview(memory.rows).cast("Q")[word] = value
        before = areas(memory)
        calls: list[Callable[[], Any]] = [
            lambda: engine.step(0, GO), lambda: engine.step(0, PUT, 1), lambda: engine.deferred(0),
            lambda: engine.step_many([0], [GO], [[]]),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(fsm.CorruptStore, match=found) as caught:
                call()
            assert 8 * word == caught.value.offset
        assert before == areas(memory)
        with pytest.raises(fsm.CorruptStore, match=found):
            engine.advance(60 * SECOND)
        assert before[1:] == areas(memory)[1:]

    @pytest.mark.parametrize(("head", "where"), [(9, ("header", 8 * HEADER_FIELDS["free_row"])), (1, ("rows", 0))])
    def test_a_chain_of_free_rows_that_is_none(self, engine_name: str, head: int, where: tuple[str, int]) -> None:
        """It leads beyond the rows, or to one that holds an instance."""
        engine = open_engine(engine_name)
        working_order(engine)
        memoryview(engine.memory.header).cast("Q")[HEADER_FIELDS["free_row"]] = head
        before = areas(engine.memory)
        with pytest.raises(fsm.CorruptStore, match="free") as caught:
            engine.start("new")
        assert where == (caught.value.file, caught.value.offset)
        assert before == areas(engine.memory)

    def test_an_index_full_of_nonsense_ends(self, engine_name: str) -> None:
        """Each slot is looked at once, and none of them names a row that is not there."""
        engine = open_engine(engine_name, capacity=4)
        working_order(engine)
        index = memoryview(engine.memory.index).cast("Q")
        for nonsense in (UINT64_MASK, 1 << 63, 0xABCD << 32 | 9, NONE - 1):
            for slot in range(len(index)):
                index[slot] = nonsense
            assert (None, None) == (engine.find("ord-1"), engine.find(7))
            with pytest.raises(fsm.CorruptStore, match="index: byte 0: every slot is taken"):
                engine.start(7)


def test_every_row_of_a_batch_has_the_second_of_its_own_time(engine_name: str) -> None:
    """Whether its event came with one argument or with more, which the core tells in another way."""

    class Parcel(fsm.Flow, waive={"no-way-out": "it is only weighed"}):
        """Flat: nothing waits, nothing is deferred."""

        total = fsm.Integer(waive={"unread-field": "looked at"})

        class Put(fsm.Event):
            quantity: fsm.Integer = fsm.Integer()
            weight: fsm.Integer = fsm.Integer()

        open = fsm.State(initial=True)
        open.on(Put, do=total.add(Put.quantity * Put.weight))

    engine, memory = open_journalled(Parcel, engine_name)
    parcels = [engine.start(number) for number in range(4)]
    arguments = [[5, 0], [5, 1], [5, 0], [5, 1]]
    times = [100_000_000_000, 200_000_000_000, 300_000_000_000, 400_000_000_000]
    assert [0] * 4 == engine.step_many(parcels, [0] * 4, arguments, times=times).tolist()
    rows, size = memoryview(memory.rows).cast("Q"), engine.tables.row_words
    assert [100, 200, 300, 400] == [rows[number * size + ROW_VERSION] >> 32 for number in range(4)]


def test_timers_are_found_in_rows_that_were_there_before(engine_name: str) -> None:
    """Whoever attaches to memory knows nothing of its rows until time is asked for."""
    from fsm.engine.protocol import engine_over

    engine, memory = open_journalled(Task, engine_name)
    engine.start(1)
    engine.step(engine.start(2), GO)
    other = engine_over(engine.tables, memory, engine_name)
    assert Outcome.ACCEPTED == other.step(0, GO)
    assert 2 == other.advance(20 * SECOND)
    assert {"guard": 2} == other.untold


def test_closing_lets_go_of_the_memory_first(engine_name: str) -> None:
    """A memory can unmap what no view is left of; whatever it raises, the engine is closed."""
    engine, memory = open_journalled(Order, engine_name)
    working_order(engine)

    def close() -> None:
        for name in ("header", "rows", "keys", "index", "ring"):
            if name != "header":
                getattr(memory, name).close()
        raise fsm.StoreError("the disk is full")

    memory.close = close  # type: ignore[method-assign]
    with pytest.raises(fsm.StoreError, match="the disk is full"):
        engine.close()
    with pytest.raises(fsm.FsmError, match="this engine is closed"):
        engine.step(0, SUBMIT, 1)
    engine.close()


def test_a_refused_engine_says_why(engine_name: str) -> None:
    """As in a forked child: its memory is let go of, and not closed."""
    engine, memory = open_journalled(Order, engine_name)
    working_order(engine)
    memory.close = lambda: pytest.fail("was closed")  # type: ignore[method-assign]
    engine._refuse(fsm.StoreLocked("orders", "a forked child"))
    for call in (lambda: engine.step(0, EXECUTE, 1), lambda: engine.find(1), lambda: engine.sequence):
        with pytest.raises(fsm.StoreLocked, match="store orders is locked: a forked child"):
            call()
    engine.close()
    memory.ring.close()
