"""Arrays of events: the same as one after the other, and arrays that do not fit."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import fsm
from fsm.layout import ROW_VERSION, UINT64_MASK, Outcome
from tests.engine.orders import CANCEL, EXECUTE, NOTE, SPLIT, SUBMIT, open_engine, row_words, working_order

SECOND_NS = 1_000_000_000
INPUTS = [
    (0, SUBMIT, (10, 1)), (0, EXECUTE, (4, 0)), (0, EXECUTE, (0, 0)), (1, EXECUTE, (1, 0)), (0, NOTE, (0, 0)),
    (2, EXECUTE, (0, 9)),
    (UINT64_MASK, EXECUTE, (1, 0)), (9, EXECUTE, (1, 0)), (0, SPLIT, (0, 0)), (0, EXECUTE, (6, 0)),
    (0, EXECUTE, (1, 0)), (1, SUBMIT, (5, 3)), (1, SUBMIT, (5, 0)), (0, 6, (0, 0)), (1, -1, (0, 0)),
    (1, CANCEL, (7, 7)),
]  # fmt: skip


def arrays(inputs: Any) -> tuple[Any, Any, Any]:
    """Columns of a list of inputs."""
    handles, event_ids, words = zip(*inputs, strict=True)
    return numpy.array(handles, numpy.uint64), numpy.array(event_ids), numpy.array(words)


def test_a_batch_is_its_events_one_after_the_other(engine_name: str) -> None:
    """Outcomes and every byte, except that a negative event can be passed in an array only."""
    many, single = open_engine(engine_name), open_engine(engine_name)
    for engine in (many, single):
        for key in range(3):
            engine.start(key)
    outcomes = many.step_many(*arrays(INPUTS))
    expected = [single.step(handle, event_id & 0xFFFF_FFFF, *words) for handle, event_id, words in INPUTS]
    assert expected == outcomes.tolist()
    for area in ("header", "rows", "keys", "index"):
        assert bytes(getattr(single.memory, area)) == bytes(getattr(many.memory, area))
    assert {
        Outcome.ACCEPTED, Outcome.GUARD, Outcome.IGNORED, Outcome.UNHANDLED, Outcome.UNKNOWN_INSTANCE,
        Outcome.DIVISION, Outcome.ENDED, Outcome.BOUND, Outcome.UNKNOWN_EVENT,
    } == set(expected)  # fmt: skip


@pytest.mark.parametrize("kind", [numpy.int8, numpy.uint8, numpy.int32, numpy.uint32, numpy.int64, numpy.uint64])
def test_any_integer_array_will_do(engine_name: str, kind: Any) -> None:
    """Of any width, with gaps, and as a plain list."""
    engine = open_engine(engine_name)
    engine.start("a")
    gaps = numpy.array([[SUBMIT, 9], [EXECUTE, 9]], kind)[:, 0]
    assert [0, 0] == engine.step_many(numpy.zeros(2, kind), gaps, numpy.array([10, 3], kind)).tolist()
    assert [0] == engine.step_many([0], [EXECUTE], [[7]]).tolist()
    assert ("filled",) == engine.state(0)


@pytest.mark.parametrize("unknown", [numpy.array([-1]), numpy.array([UINT64_MASK], numpy.uint64), [-1]])
def test_a_handle_of_all_ones_is_an_unknown_instance(engine_name: str, unknown: Any) -> None:
    """For an input whose instance is not known, signed or not; it is numbered like any other."""
    engine = open_engine(engine_name)
    assert [Outcome.UNKNOWN_INSTANCE] == engine.step_many(unknown, [EXECUTE], [[1]]).tolist()
    assert 1 == engine.sequence


@pytest.mark.parametrize("width", range(7))
def test_missing_words_are_zero(engine_name: str, width: int) -> None:
    """Whatever the batch before had passed."""
    engine = open_engine(engine_name)
    engine.start("a")
    engine.step_many([5], [EXECUTE], numpy.full((1, 6), 7))
    words = numpy.ones((1, 6), numpy.int64)[:, :width]
    (outcome,) = engine.step_many([0], [SUBMIT], words)
    assert (Outcome.GUARD if width == 0 else Outcome.ACCEPTED) == outcome
    if width:
        assert ("buy" if width == 1 else "sell") == engine.fields(0)["side"]


def test_times_move_the_clock_before_each_event(engine_name: str) -> None:
    """As `advance` does: an earlier one changes nothing."""
    engine = open_engine(engine_name)
    for key in range(4):
        engine.start(key)
    times = numpy.array([5, 3, -9, 8]) * SECOND_NS
    engine.step_many(range(4), [SUBMIT] * 4, [1] * 4, times=times)
    assert [5, 5, 5, 8] == [row_words(engine, row)[ROW_VERSION] >> 32 for row in range(4)]
    engine.start("later")
    assert 8 == row_words(engine, 4)[ROW_VERSION] >> 32


def test_outcomes_are_written_where_the_caller_says(engine_name: str) -> None:
    """And that array is what comes back."""
    engine = open_engine(engine_name)
    outcomes = numpy.full(2, 255, numpy.uint8)
    assert outcomes is engine.step_many([0, 0], [0, 0], [1, 1], outcomes=outcomes)
    assert [Outcome.UNKNOWN_INSTANCE] * 2 == outcomes.tolist()


def test_an_empty_batch_takes_nothing(engine_name: str) -> None:
    """Of any width, in an empty engine."""
    engine = open_engine(engine_name)
    assert [] == engine.step_many([], [], []).tolist()
    assert [] == engine.step_many([], [], numpy.zeros((0, 6), int), times=[]).tolist()
    assert 0 == engine.sequence


FROZEN = numpy.zeros(2, numpy.uint8)
FROZEN.flags.writeable = False
WRONG: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "fewer events": ({"event_ids": [0]}, ValueError),
    "more arguments": ({"arguments": [[1]] * 3}, ValueError),
    "seven words": ({"arguments": [[1] * 7] * 2}, ValueError),
    "three dimensions": ({"arguments": numpy.zeros((2, 1, 1), int)}, ValueError),
    "a matrix of instances": ({"instances": [[0], [0]]}, ValueError),
    "one number": ({"instances": 0}, ValueError),
    "floats": ({"arguments": [1.0, 2.0]}, TypeError),
    "text": ({"event_ids": ["Execute", "Cancel"]}, TypeError),
    "booleans": ({"event_ids": [True, False]}, TypeError),
    "an argument too large": ({"arguments": numpy.array([1 << 63, 0], numpy.uint64)}, ValueError),
    "fewer times": ({"times": [1]}, ValueError),
    "times in floats": ({"times": [1.0, 2.0]}, TypeError),
    "fewer outcomes": ({"outcomes": numpy.zeros(1, numpy.uint8)}, ValueError),
    "wide outcomes": ({"outcomes": numpy.zeros(2, numpy.int64)}, TypeError),
    "outcomes with gaps": ({"outcomes": numpy.zeros(4, numpy.uint8)[::2]}, TypeError),
    "outcomes that cannot be written": ({"outcomes": FROZEN}, TypeError),
    "a matrix of outcomes": ({"outcomes": numpy.zeros((2, 1), numpy.uint8)}, ValueError),
    "idempotency keys": ({"keys": numpy.zeros((2, 2), numpy.uint64)}, ValueError),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_do_not_fit_take_nothing(engine_name: str, case: str) -> None:
    """Said before the first event, with the name of the array."""
    changed, error = WRONG[case]
    engine = open_engine(engine_name)
    order = working_order(engine)
    before, sequence = row_words(engine, order), engine.sequence
    given: dict[str, Any] = {"instances": [0, 0], "event_ids": [EXECUTE, EXECUTE], "arguments": [1, 1]} | changed
    arguments = [given.pop(name) for name in ("instances", "event_ids", "arguments")]
    with pytest.raises(error, match="|".join(changed)):
        engine.step_many(*arguments, **given)
    assert (before, sequence) == (row_words(engine, order), engine.sequence)


def test_many_keys_are_started_and_found_in_order(engine_name: str) -> None:
    """New ones once, those that are there as they are; all ones where there is none."""
    engine = open_engine(engine_name)
    assert [0, 1, 0, 2] == engine._start_many([7, -1, 7, 8]).tolist()
    assert (3, 3) == (len(engine), engine.sequence)
    assert [1, UINT64_MASK, 2] == engine._find_many(numpy.array([-1, 9, 8])).tolist()
    assert [0, 2] == [engine.find(7), engine.find(8)]


def test_many_keys_without_room_start_the_first_ones(engine_name: str) -> None:
    """What there was room for is there."""
    engine = open_engine(engine_name, capacity=2)
    with pytest.raises(fsm.StoreFull):
        engine._start_many([1, 2, 3])
    assert (2, [0, 1, UINT64_MASK]) == (len(engine), engine._find_many([1, 2, 3]).tolist())


def test_timed_steps_do_the_same(engine_name: str) -> None:
    """A time for each, and nothing else differs."""
    plain, timed = open_engine(engine_name), open_engine(engine_name)
    for engine in (plain, timed):
        engine.start(0)
    nanoseconds = numpy.zeros(len(INPUTS), numpy.uint32)
    expected = plain.step_many(*arrays(INPUTS)).tolist()
    assert expected == timed._step_many_timed(*arrays(INPUTS), nanoseconds=nanoseconds).tolist()
    assert bytes(plain.memory.rows) == bytes(timed.memory.rows)
    with pytest.raises(ValueError, match="nanoseconds"):
        timed._step_many_timed(*arrays(INPUTS), nanoseconds=nanoseconds[:3])
