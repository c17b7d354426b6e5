"""Instances: keys, handles, rows, growth, and which ones stand where."""

from __future__ import annotations

from typing import Any

import pytest

import fsm
from fsm.layout import INT64_MAX, INT64_MIN, ROW_FIELDS, ROW_FRAME, ROW_LIVE, ROW_STATE, ROW_VERSION, Outcome
from tests.engine.orders import CANCEL, EXECUTE, SUBMIT, instance_of, open_engine, row_words, working_order

SECOND_NS = 1_000_000_000


class TestKeys:
    """Text of 1 to 64 bytes, or an int64."""

    @pytest.mark.parametrize("key", ["a", "k" * 64, "é" * 32, "\x01\x00"[:1], 0, 1, -1, INT64_MIN, INT64_MAX])
    def test_a_key_finds_its_instance_and_comes_back(self, engine_name: str, key: str | int) -> None:
        """Beside others that look like it."""
        engine = open_engine(engine_name)
        others = [engine.start(other) for other in ("b", 2, "k" * 63)]
        handle = engine.start(key)
        assert handle not in others
        assert (handle, key) == (engine.find(key), engine.key(handle))

    @pytest.mark.parametrize("key", ["", "k" * 65, "é" * 33, "a\0", 1 << 63, INT64_MIN - 1])
    def test_a_key_of_another_size_is_an_error(self, engine_name: str, key: Any) -> None:
        """And takes nothing."""
        engine = open_engine(engine_name)
        for call in (engine.start, engine.find):
            with pytest.raises(ValueError, match="key: expected"):
                call(key)
        assert (0, 0) == (len(engine), engine.sequence)

    @pytest.mark.parametrize("key", [None, 1.0, True, b"a", ("a",)])
    def test_a_key_of_another_type_is_an_error(self, engine_name: str, key: Any) -> None:
        """And takes nothing."""
        engine = open_engine(engine_name)
        for call in (engine.start, engine.find):
            with pytest.raises(TypeError, match="key: expected str or int"):
                call(key)
        assert (0, 0) == (len(engine), engine.sequence)

    def test_a_number_and_its_digits_are_two_keys(self, engine_name: str) -> None:
        """1 is not "1"."""
        engine = open_engine(engine_name)
        assert engine.start(1) != engine.start("1")

    def test_an_unknown_key_is_found_nowhere(self, engine_name: str) -> None:
        """None, in an empty engine and in a full one."""
        engine = open_engine(engine_name, capacity=1)
        assert engine.find("a") is None
        engine.start("a")
        assert engine.find("b") is None

    def test_a_key_that_is_there_is_refused_and_counted(self, engine_name: str) -> None:
        """The error has key and handle; the instance keeps everything but the number of its last frame."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        before, sequence = instance_of(engine, order), engine.sequence
        with pytest.raises(fsm.Exists) as caught:
            engine.start("ord-1", quantity=3)
        assert ("ord-1", order) == (caught.value.key, caught.value.instance)
        assert (before, sequence + 1) == (instance_of(engine, order), engine.sequence)
        assert sequence + 1 == row_words(engine, order)[ROW_FRAME]

    def test_thousands_of_keys_are_kept_apart(self, engine_name: str) -> None:
        """The index is half full then, and many hashes collide in it."""
        engine = open_engine(engine_name, capacity=2_048)
        handles = [engine.start(key) for key in range(1_024)] + [engine.start(f"k{key}") for key in range(1_024)]
        assert list(range(2_048)) == handles
        assert handles == [engine.find(key) for key in range(1_024)] + [engine.find(f"k{n}") for n in range(1_024)]


class TestHandles:
    """A handle is a row and its generation, and nothing else is one."""

    @pytest.mark.parametrize(
        "stray", [1, 8, 1 << 31, 0xFFFF_FFFF, 1 << 32, 1 << 47, 1 << 48, 1 << 49, 3 << 48, 1 << 63, (1 << 64) - 1]
    )
    def test_any_other_number_is_an_unknown_instance(self, engine_name: str, stray: int) -> None:
        """Refused by `step`, an error of `state`, `fields`, `version` and `key`; no row is touched."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        before, sequence = row_words(engine, order), engine.sequence
        assert 0 == order
        assert Outcome.UNKNOWN_INSTANCE == engine.step(order | stray, EXECUTE, 1)
        assert (before, sequence + 1) == (row_words(engine, order), engine.sequence)
        for look in (engine.state, engine.fields, engine.version, engine.key):
            with pytest.raises(LookupError, match="is unknown"):
                look(order | stray)

    def test_a_handle_of_an_older_generation_is_unknown(self, engine_name: str) -> None:
        """A row that was used again does not take the news of the one before."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        words = memoryview(engine.memory.rows).cast("Q")
        words[ROW_STATE] += 1 << 32  # what using the row again will do
        assert Outcome.UNKNOWN_INSTANCE == engine.step(order, EXECUTE, 1)
        assert Outcome.ACCEPTED == engine.step(order | 1 << 32, EXECUTE, 1)
        assert order | 1 << 32 == engine.find("ord-1")
        assert [order | 1 << 32] == engine.select()
        assert 99 == engine.fields(order | 1 << 32)["leaves"]

    def test_a_row_that_was_never_started_is_unknown(self, engine_name: str) -> None:
        """Zeroed memory is no instance."""
        engine = open_engine(engine_name)
        assert Outcome.UNKNOWN_INSTANCE == engine.step(0, SUBMIT, 1)
        assert bytes(engine.memory.rows) == bytes(len(engine.memory.rows))


class TestRows:
    """What a row holds, to the word."""

    def test_five_fields_take_64_bytes(self, engine_name: str) -> None:
        """And a sixth takes the next line."""
        engine = open_engine(engine_name, capacity=10)
        assert (64, 640, 640) == (engine.tables.row_bytes, len(engine.memory.rows), len(engine.memory.keys))

        class Six(fsm.Flow):
            """Six words of fields."""

            name = fsm.Text(32)
            a = fsm.Integer()
            b = fsm.Integer()
            only = fsm.State(initial=True, final=True)

        assert 128 == fsm.compile(Six).row_bytes

    def test_the_words_of_a_row_are_where_the_layout_says(self, engine_name: str) -> None:
        """Configuration, generation and flags; frame; version and second; fields in order."""
        engine = open_engine(engine_name)
        engine.advance(1_700_000_000 * SECOND_NS + 5)
        order = working_order(engine, quantity=42)
        words = row_words(engine, order)
        assert 1 | ROW_LIVE << 48 == words[ROW_STATE]
        assert 2 == words[ROW_FRAME]
        assert 1 | 1_700_000_000 << 32 == words[ROW_VERSION]
        assert [42, 42, 0, 0, int.from_bytes(b"XETR", "little")] == words[ROW_FIELDS:]

    def test_start_gives_fields_by_name(self, engine_name: str) -> None:
        """The others have their defaults."""
        engine = open_engine(engine_name)
        order = engine.start("ord-1", quantity=-3, side="sell", urgent=True, venue=b"XLON")
        fields = {"quantity": -3, "leaves": 5, "side": "sell", "urgent": True, "venue": b"XLON"}
        assert (fields, 0) == (engine.fields(order), engine.version(order))

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"quantity": 1 << 63}, ValueError),
            ({"quantity": 1.5}, TypeError),
            ({"side": "hold"}, ValueError),
            ({"urgent": 1}, TypeError),
            ({"venue": b"X" * 9}, ValueError),
            ({"price": 1}, TypeError),
        ],
    )
    def test_a_field_that_is_none_starts_nothing(self, engine_name: str, fields: Any, error: Any) -> None:
        """The message names it."""
        engine = open_engine(engine_name)
        with pytest.raises(error, match=next(iter(fields))):
            engine.start("ord-1", **fields)
        assert (0, 0, None) == (len(engine), engine.sequence, engine.find("ord-1"))


class TestRoom:
    """`StoreFull` and `reserve`."""

    def test_a_full_engine_loses_nothing(self, engine_name: str) -> None:
        """One too many is an error with the capacity; all else goes on."""
        engine = open_engine(engine_name, capacity=2)
        first, second = working_order(engine, 1), working_order(engine, 2)
        before = [bytes(area) for area in (engine.memory.header, engine.memory.rows, engine.memory.index)]
        with pytest.raises(fsm.StoreFull, match="reserve") as caught:
            engine.start(3)
        assert 2 == caught.value.capacity
        assert before == [bytes(area) for area in (engine.memory.header, engine.memory.rows, engine.memory.index)]
        assert [Outcome.ACCEPTED] * 2 == [engine.step(order, EXECUTE, 1) for order in (first, second)]
        with pytest.raises(fsm.Exists):
            engine.start(1)

    def test_reserve_keeps_everything(self, engine_name: str) -> None:
        """Keys, handles, fields, versions, clock and sequence, in a larger memory."""
        engine = open_engine(engine_name, capacity=2)
        engine.advance(5 * SECOND_NS)
        first, second = working_order(engine, "a", 10), working_order(engine, -7, 20)
        before = [row_words(engine, order) for order in (first, second)], engine.sequence, bytes(engine.memory.keys)
        engine.reserve(100)
        assert (100, 2) == (engine.capacity, len(engine))
        keys = bytes(engine.memory.keys)[: 2 * 64]
        assert before == ([row_words(engine, order) for order in (first, second)], engine.sequence, keys)
        assert (first, second) == (engine.find("a"), engine.find(-7))
        assert list(range(2, 100)) == [engine.start(f"more-{number}") for number in range(98)]
        assert Outcome.ACCEPTED == engine.step(second, EXECUTE, 20)
        assert 5 == row_words(engine, second)[ROW_VERSION] >> 32

    @pytest.mark.parametrize("capacity", [-1, 0, 1, 8])
    def test_reserve_never_shrinks(self, engine_name: str, capacity: int) -> None:
        """A smaller number changes nothing."""
        engine = open_engine(engine_name)
        rows = engine.memory.rows
        engine.reserve(capacity)
        assert (8, True) == (engine.capacity, rows is engine.memory.rows)

    @pytest.mark.parametrize("capacity", [0, -1, 1 << 32, (1 << 32) - 1])
    def test_a_capacity_that_no_row_index_reaches_is_an_error(self, engine_name: str, capacity: int) -> None:
        """Said before any memory is asked for."""
        with pytest.raises(ValueError, match="capacity: expected 1 to"):
            open_engine(engine_name, capacity=capacity)


class TestSelect:
    """Which instances stand where."""

    def test_by_state_in_order_of_rows(self, engine_name: str) -> None:
        """All of them without a state."""
        engine = open_engine(engine_name)
        orders = [working_order(engine, key) for key in range(3)]
        new = engine.start("new")
        engine.step(orders[1], CANCEL)
        assert [orders[0], orders[2]] == engine.select(state="working")
        assert [new] == engine.select(state="new")
        assert [] == engine.select(state="filled")
        assert [*orders, new] == engine.select()

    def test_an_unknown_state_is_an_error_that_names_the_others(self, engine_name: str) -> None:
        """Nothing is guessed."""
        with pytest.raises(ValueError, match="no state 'lost'; it has new, working"):
            open_engine(engine_name).select(state="lost")

    def test_by_the_time_since_the_last_change(self, engine_name: str) -> None:
        """A row keeps its second; what was refused is no change."""
        engine = open_engine(engine_name)
        engine.advance(100 * SECOND_NS)
        old = working_order(engine, "old")
        engine.advance(160 * SECOND_NS)
        recent = working_order(engine, "recent")
        assert Outcome.GUARD == engine.step(old, EXECUTE, 0)
        assert [old, recent] == engine.select(older_than_ns=0)
        assert [old] == engine.select(older_than_ns=60 * SECOND_NS)
        assert [] == engine.select(older_than_ns=60 * SECOND_NS + 1)
        assert [] == engine.select(state="new", older_than_ns=0)
        assert [] == engine.select(older_than_ns=1 << 70)
        assert [old, recent] == engine.select(older_than_ns=-(1 << 70))


class TestTheClock:
    """The engine reads none; `advance` moves its own."""

    def test_an_earlier_time_changes_nothing(self, engine_name: str) -> None:
        """Clocks step back."""
        engine = open_engine(engine_name)
        assert 0 == engine.advance(50 * SECOND_NS)
        header = bytes(engine.memory.header)
        assert 0 == engine.advance(49 * SECOND_NS)
        assert header == bytes(engine.memory.header)

    def test_a_change_is_stamped_with_the_second(self, engine_name: str) -> None:
        """Of the engine's clock, also after an earlier time was given."""
        engine = open_engine(engine_name)
        engine.advance(50 * SECOND_NS + 999_999_999)
        engine.advance(3)
        order = engine.start("ord-1")
        assert 50 == row_words(engine, order)[ROW_VERSION] >> 32
        engine.advance((1 << 63) - 1)  # the year 2262: times are int64 words, as deadlines are
        engine.step(order, SUBMIT, 1)
        assert ((1 << 63) - 1) // SECOND_NS & 0xFFFF_FFFF == row_words(engine, order)[ROW_VERSION] >> 32

    @pytest.mark.parametrize(("time", "error"), [(-1, OverflowError), (1 << 63, OverflowError), (1.5, TypeError)])
    def test_what_is_no_time_is_an_error(self, engine_name: str, time: Any, error: Any) -> None:
        """And moves nothing."""
        engine = open_engine(engine_name)
        header = bytes(engine.memory.header)
        with pytest.raises(error):
            engine.advance(time)
        assert header == bytes(engine.memory.header)


def test_version_wraps_at_32_bits(engine_name: str) -> None:
    """The half of the word beside it keeps the second."""
    engine = open_engine(engine_name)
    engine.advance(7 * SECOND_NS)
    order = working_order(engine)
    memoryview(engine.memory.rows).cast("Q")[ROW_VERSION] |= 0xFFFF_FFFF
    assert Outcome.ACCEPTED == engine.step(order, EXECUTE, 1)
    assert (0, 7) == (engine.version(order), row_words(engine, order)[ROW_VERSION] >> 32)
    assert Outcome.ACCEPTED == engine.step(order, EXECUTE, 1, expected=0)
