"""Rows of ended instances, used again: handles, generations, the chain of free rows, and the index by key.

started ──ends──▶ released: row in the chain, key forgotten ──start──▶ the same row, its next generation
"""

from __future__ import annotations

from typing import Any

import pytest

import fsm
from fsm.layout import (
    HEADER_FIELDS,
    INDEX_RELEASED,
    NONE,
    ROW_FRAME,
    ROW_NEXT_FREE,
    ROW_STATE,
    FrameKind,
    Outcome,
)
from tests.engine.orders import CANCEL, EXECUTE, Order, open_engine, row_words, working_order
from tests.engine.ring import open_journalled

SECOND = 1_000_000_000


def filled_order(engine: Any, key: str | int) -> int:
    """An order that has ended."""
    order = working_order(engine, key, 5)
    assert Outcome.ACCEPTED == engine.step(order, EXECUTE, 5)
    return order


def header_word(engine: Any, name: str) -> int:
    """A word of the header."""
    return memoryview(engine.memory.header).cast("Q")[HEADER_FIELDS[name]]


def index_of(engine: Any) -> list[int]:
    """The slots that are not free."""
    return [slot for slot in memoryview(engine.memory.index).cast("Q") if slot]


class TestRelease:
    """What is forgotten, and what is not."""

    def test_a_released_instance_is_unknown(self, engine_name: str) -> None:
        """By handle and by key; the others are not touched."""
        engine = open_engine(engine_name)
        other, order = working_order(engine, "other"), filled_order(engine, "a")
        engine.release(order)
        assert (None, 1, [other]) == (engine.find("a"), len(engine), engine.select())
        assert Outcome.UNKNOWN_INSTANCE == engine.step(order, EXECUTE, 1)
        assert Outcome.UNKNOWN_INSTANCE == engine.send("a", "Cancel").outcome
        for look in (engine.state, engine.fields, engine.key, engine.release):
            with pytest.raises(LookupError, match="is unknown"):
                look(order)
        assert other == engine.find("other")

    def test_its_row_is_used_again_with_a_new_generation(self, engine_name: str) -> None:
        """Also for the same key; news for the one before are for nobody."""
        engine = open_engine(engine_name)
        for generation in range(1, 4):
            order = filled_order(engine, "a")
            engine.release(order)
            again = engine.start("a")
            assert (generation << 32, again) == (again, engine.find("a"))
            assert Outcome.UNKNOWN_INSTANCE == engine.step(order, EXECUTE, 1)
            assert (("new",), 0, 1) == (engine.state(again), engine.version(again), len(engine))
            engine.step(again, 0, 5)
            engine.step(again, EXECUTE, 5)
            engine.release(again)
            engine = open_engine(engine_name)
            for _ in range(generation):
                engine.release(filled_order(engine, "b"))

    def test_rows_are_used_again_newest_first(self, engine_name: str) -> None:
        """The chain tells the next one and how many there are; len counts none of them."""
        engine = open_engine(engine_name, capacity=4)
        orders = [filled_order(engine, key) for key in range(4)]
        for order, number in ((1, 3), (3, 2), (0, 1)):
            engine.release(orders[order])
            assert number == len(engine)
        assert 1 == header_word(engine, "free_row")
        chain = [row_words(engine, row)[ROW_NEXT_FREE : ROW_NEXT_FREE + 2] for row in (0, 3, 1)]
        assert [[4, 3], [2, 2], [0, 1]] == chain
        assert [0, 3, 1] == [engine.start(key) & NONE for key in ("x", "y", "z")]
        assert (4, 0) == (len(engine), header_word(engine, "free_row"))
        with pytest.raises(fsm.StoreFull):
            engine.start("one too many")

    @pytest.mark.parametrize("events", [[], [0], [0, CANCEL]])
    def test_what_may_go_on_is_not_released(self, engine_name: str, events: list[int]) -> None:
        """Neither at its beginning, nor on its way, nor in a final state that takes late news."""
        engine = open_engine(engine_name)
        order = engine.start("a")
        for event in events:
            assert Outcome.ACCEPTED == engine.step(order, event, 5)
        before = bytes(engine.memory.header), bytes(engine.memory.rows)
        with pytest.raises(
            ValueError, match=r"release: instance 0 has not ended: it stands in (new|working|cancelled)"
        ):
            engine.release(order)
        assert before == (bytes(engine.memory.header), bytes(engine.memory.rows))

    def test_a_poisoned_instance_is_released_by_whom_it_waited_for(self, engine_name: str) -> None:
        """Nothing else can move it."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        engine.step(order, CANCEL)
        engine.step(order, EXECUTE, 1)
        assert ("quarantined",) == engine.state(order)
        engine.release(order)
        assert 0 == len(engine)

    @pytest.mark.parametrize("handle", ["a", None, 1.0])
    def test_what_is_no_handle_is_an_error(self, engine_name: str, handle: Any) -> None:
        """As it is of every call that takes one."""
        with pytest.raises(TypeError, match="release: expected a handle"):
            open_engine(engine_name).release(handle)

    def test_the_last_generation_is_not_used_again(self, engine_name: str) -> None:
        """A handle of old must never name a new instance; the row is lost."""
        engine = open_engine(engine_name, capacity=2)
        order = filled_order(engine, "a")
        memoryview(engine.memory.rows).cast("Q")[ROW_STATE] |= 0xFFFF << 32
        engine.release(order | 0xFFFF << 32)
        assert [0xFFFF << 32, engine.sequence, *[0] * 6] == row_words(engine, 0)
        assert (0, 1) == (header_word(engine, "free_row"), engine.start("b"))
        with pytest.raises(fsm.StoreFull):
            engine.start("c")
        assert (Outcome.UNKNOWN_INSTANCE, None) == (engine.step(0, CANCEL), engine.find("a"))

    def test_links_of_the_chain_are_taken_for_no_timers(self, engine_name: str) -> None:
        """In a flow without fields they stand where the deadlines of live rows do."""

        class Timed(fsm.Flow):
            class End(fsm.Event):
                pass

            waiting = fsm.State(initial=True)
            over = fsm.State(final=True)
            waiting.on(End, to=over)
            waiting.after("10 s", to=over)

        for asked_before in (True, False):
            engine = fsm.Engine(Timed, engine=engine_name, capacity=4)
            if asked_before:
                engine.advance(1)
            handles = [engine.start(key) for key in range(4)]
            for handle in handles[:3]:
                engine.step(handle, 0)
                engine.release(handle)
            assert 1 == engine.advance(20 * SECOND)
            assert {"accepted": 1} == engine.untold


class TestFrames:
    """What the journal tells of it."""

    def test_a_release_is_told_with_the_row_that_is_free(self, engine_name: str) -> None:
        """Of the generation that ended; the row then names its frame, and the next start follows on nothing."""
        engine, memory = open_journalled(Order, engine_name)
        engine.advance(9)
        order = filled_order(engine, "a")
        previous, configuration = row_words(engine, order)[ROW_FRAME], row_words(engine, order)[ROW_STATE] & NONE
        engine.release(order)
        (told,) = memory.frames(previous + 1)
        found = (told.kind, told.linked, told.row, told.event, told.outcome, told.now_ns, told.before, told.after,
                 told.previous, told.generation, told.place, told.argument)  # fmt: skip
        assert (FrameKind.RELEASE, False, 0, 0, 0, 9, configuration, NONE, previous, 0, NONE, 0) == found
        assert [1 << 32, previous + 1, 0, 0, 1, 0, 0, 0] == list(told.image) == row_words(engine, 0)
        assert bytes(64) == bytes(engine.memory.keys)[:64]
        engine.start("b")
        start, key = memory.frames(previous + 2)
        assert (FrameKind.START, 0, 1, 0, NONE) == (
            start.kind,
            start.row,
            start.generation,
            start.previous,
            start.before,
        )
        assert (FrameKind.KEY, (ord("b"), *[0] * 7)) == (key.kind, key.payload)


class TestTheIndex:
    """Slots of released keys are looked past, used again, and thrown away before there are too many."""

    def test_released_slots_are_used_again(self, engine_name: str) -> None:
        """And counted once: `index_filled` is how many slots are not free."""
        engine = open_engine(engine_name)
        for _ in range(20):
            engine.release(filled_order(engine, "a"))
        assert ([INDEX_RELEASED], 1) == (index_of(engine), header_word(engine, "index_filled"))
        engine.start("a")
        assert INDEX_RELEASED not in index_of(engine)

    def test_keys_behind_a_released_slot_are_found(self, engine_name: str) -> None:
        """Whatever order they came in: half of a full index is released, and the rest is still there."""
        engine = open_engine(engine_name, capacity=64)
        orders = {key: filled_order(engine, key) for key in range(64)}
        for key in range(0, 64, 2):
            engine.release(orders[key])
        assert [orders[key] if key % 2 else None for key in range(64)] == [engine.find(key) for key in range(64)]
        for key in range(0, 64, 2):
            with pytest.raises(fsm.Exists):
                engine.start(key + 1)
            assert engine.start(key) == engine.find(key)
        assert 64 == len(engine)

    def test_it_is_made_anew_before_it_is_crowded(self, engine_name: str) -> None:
        """Every start has a free slot on its way; the shape tells how often that was."""
        engine = open_engine(engine_name, capacity=4)
        keep = working_order(engine, "keep")
        for number in range(40):
            engine.release(filled_order(engine, number))
            assert header_word(engine, "index_filled") == len(index_of(engine)) <= 6
        assert 3 == header_word(engine, "index_shape") & 0xFF
        assert 2 < header_word(engine, "index_shape") >> 8 == engine.memory.index_shape >> 8
        assert keep == engine.find("keep")
        assert (4, 1, None) == (engine.capacity, len(engine), engine.find(39))

    def test_growth_forgets_released_slots(self, engine_name: str) -> None:
        """And the chain of free rows goes on."""
        engine = open_engine(engine_name, capacity=3)
        orders = [filled_order(engine, key) for key in "abc"]
        engine.release(orders[1])
        engine.reserve(100)
        assert (2, 2, 2) == (len(engine), header_word(engine, "index_filled"), len(index_of(engine)))
        assert [1 | 1 << 32, 3] == [engine.start(key) for key in "de"]
        assert [orders[0], None, orders[2]] == [engine.find(key) for key in "abc"]
