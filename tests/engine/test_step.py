"""One event: each outcome, what it leaves behind, and calls that are no event at all."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import fsm
from fsm.layout import HEADER_FIELDS, INT64_MAX, INT64_MIN, NONE, ROW_FRAME, Outcome
from tests.engine.orders import (
    CANCEL,
    EXECUTE,
    NOTE,
    ROUTE,
    SPLIT,
    SUBMIT,
    Order,
    instance_of,
    open_engine,
    row_words,
    working_order,
)


def test_an_accepted_event_changes_state_fields_and_version_together(engine_name: str) -> None:
    """All of a step is there after it."""
    engine = open_engine(engine_name)
    order = engine.start("ord-1")
    assert Outcome.ACCEPTED == engine.step(order, SUBMIT, 100, 1)
    assert ("working",) == engine.state(order)
    fields = {"quantity": 100, "leaves": 100, "side": "sell", "urgent": False, "venue": b"XETR"}
    assert fields == engine.fields(order)
    assert 1 == engine.version(order)


def test_an_event_without_target_keeps_the_state(engine_name: str) -> None:
    """Only its actions run, and it counts."""
    engine = open_engine(engine_name)
    order = working_order(engine)
    assert Outcome.ACCEPTED == engine.step(order, EXECUTE, 40)
    assert (("working",), 60, 2) == (engine.state(order), engine.fields(order)["leaves"], engine.version(order))


REFUSED = {
    "unhandled": (SUBMIT, (1,), Outcome.UNHANDLED),
    "guard": (EXECUTE, (0,), Outcome.GUARD),
    "overflow": (EXECUTE, (INT64_MIN,), Outcome.OVERFLOW),
    "division": (SPLIT, (0,), Outcome.DIVISION),
    "unknown event": (6, (), Outcome.UNKNOWN_EVENT),
    "no event of any flow": (NONE, (), Outcome.UNKNOWN_EVENT),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_event_changes_nothing(engine_name: str, case: str) -> None:
    """Nothing but the number of the last frame: no field of an action that had run, and no version."""
    event_id, words, outcome = REFUSED[case]
    engine = open_engine(engine_name)
    order = working_order(engine)
    before = instance_of(engine, order)
    assert outcome == engine.step(order, event_id, *words)
    assert before == instance_of(engine, order)
    assert engine.sequence == row_words(engine, order)[ROW_FRAME]
    assert 1 == engine.version(order)


def test_an_event_in_a_final_state_is_refused_as_ended(engine_name: str) -> None:
    """What ended says so, unless it declares the late event."""
    engine = open_engine(engine_name)
    order = working_order(engine)
    assert Outcome.ACCEPTED == engine.step(order, CANCEL)
    assert Outcome.ENDED == engine.step(order, CANCEL)
    assert Outcome.ACCEPTED == engine.step(order, EXECUTE, 1)
    assert ("quarantined",) == engine.state(order)
    assert Outcome.UNHANDLED == engine.step(order, EXECUTE, 1)


def test_an_ignored_event_is_taken_and_changes_nothing(engine_name: str) -> None:
    """It has a number, and no version."""
    engine = open_engine(engine_name)
    order = working_order(engine)
    before, sequence = instance_of(engine, order), engine.sequence
    assert Outcome.IGNORED == engine.step(order, NOTE)
    assert (before, sequence + 1) == (instance_of(engine, order), engine.sequence)


def test_a_fault_leaves_its_place(engine_name: str) -> None:
    """`send` says which action divided by zero, and where it stands."""
    engine = open_engine(engine_name)
    order = working_order(engine)
    place = HEADER_FIELDS["place"]
    assert NONE == memoryview(engine.memory.header).cast("Q")[place]
    step = engine.send("ord-1", Order.Split(parts=0))
    assert (Outcome.DIVISION, False, order, 1) == (step.outcome, step.accepted, step.instance, step.version)
    assert step.reason.startswith("division by zero in leaves.set(leaves // Split.parts) (")
    assert "orders.py:" in step.reason
    assert NONE != memoryview(engine.memory.header).cast("Q")[place]


def test_a_choice_outside_its_options_is_refused(engine_name: str) -> None:
    """A word from outside is looked at before a field keeps it."""
    engine = open_engine(engine_name)
    order = engine.start("ord-1")
    before = instance_of(engine, order)
    assert Outcome.BOUND == engine.step(order, SUBMIT, 100, 2)
    assert Outcome.BOUND == engine.step(order, SUBMIT, 100, -1)
    assert before == instance_of(engine, order)


def test_missing_arguments_are_zero(engine_name: str) -> None:
    """Whatever the step before had passed."""
    engine = open_engine(engine_name)
    order = engine.start("ord-1")
    assert Outcome.UNKNOWN_EVENT == engine.step(order, 6, 1, 1, 1, 1, 1, 1)
    assert Outcome.ACCEPTED == engine.step(order, SUBMIT, 100)
    assert "buy" == engine.fields(order)["side"]
    assert Outcome.GUARD == engine.step(order, EXECUTE)


@pytest.mark.parametrize("quantity", [1, (1 << 30) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, 1 << 60, INT64_MAX])
def test_an_argument_may_be_any_int64(engine_name: str, quantity: int) -> None:
    """Across the sizes that an interpreter treats in different ways."""
    engine = open_engine(engine_name)
    order = working_order(engine, quantity=quantity)
    assert quantity == engine.fields(order)["quantity"]
    assert Outcome.ACCEPTED == engine.step(order, EXECUTE, -1) or quantity == INT64_MAX
    assert Outcome.OVERFLOW == engine.step(order, EXECUTE, -INT64_MAX)


def test_all_six_words_arrive_in_order(engine_name: str) -> None:
    """An event with six arguments, with and without the last ones."""

    class Wide(fsm.Flow):
        """Keeps what it was given."""

        total = fsm.Integer()

        class Give(fsm.Event):
            a: fsm.Integer = fsm.Integer()
            b: fsm.Integer = fsm.Integer()
            c: fsm.Integer = fsm.Integer()
            d: fsm.Integer = fsm.Integer()
            e: fsm.Integer = fsm.Integer()
            f: fsm.Integer = fsm.Integer()

        only = fsm.State(initial=True, final=True)
        only.on(
            Give,
            do=total.set(Give.a * 100_000 + Give.b * 10_000 + Give.c * 1_000 + Give.d * 100 + Give.e * 10 + Give.f),
        )

    engine = open_engine(engine_name, flow=Wide)
    instance = engine.start(1)
    for count in range(7):
        engine.step(instance, 0, *range(1, count + 1))
        assert int("123456"[:count].ljust(6, "0")) == engine.fields(instance)["total"]


class TestExpected:
    """`expected=` demands a version."""

    def test_the_right_version_is_stepped(self, engine_name: str) -> None:
        """Also as it grows."""
        engine = open_engine(engine_name)
        order = engine.start("ord-1")
        assert Outcome.ACCEPTED == engine.step(order, SUBMIT, 100, expected=0)
        assert Outcome.ACCEPTED == engine.step(order, EXECUTE, 40, expected=1)

    @pytest.mark.parametrize("expected", [0, 2, 1 + (1 << 32), (1 << 64) - 1])
    def test_another_version_is_refused(self, engine_name: str, expected: int) -> None:
        """The instance keeps what it is, and the input its number."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        before, sequence = instance_of(engine, order), engine.sequence
        assert Outcome.VERSION == engine.step(order, EXECUTE, 40, expected=expected)
        assert (before, sequence + 1) == (instance_of(engine, order), engine.sequence)

    def test_an_unknown_event_or_instance_comes_first(self, engine_name: str) -> None:
        """The version of nothing is no reason."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        assert Outcome.UNKNOWN_EVENT == engine.step(order, 6, expected=9)
        assert Outcome.UNKNOWN_INSTANCE == engine.step(order + 1, EXECUTE, expected=9)


class TestCallsThatAreNone:
    """What is no int64 is a programming error: it raises before anything is taken."""

    WRONG: ClassVar[Any] = {
        "argument too large": ((0, EXECUTE, 1 << 63), {}, OverflowError),
        "argument too small": ((0, EXECUTE, -(1 << 63) - 1), {}, OverflowError),
        "last argument too large": ((0, EXECUTE, 1, 2, 3, 4, 5, 1 << 64), {}, OverflowError),
        "argument is a float": ((0, EXECUTE, 1.0), {}, TypeError),
        "argument is text": ((0, EXECUTE, "1"), {}, TypeError),
        "argument is None": ((0, EXECUTE, None), {}, TypeError),
        "handle below 0": ((-1, EXECUTE), {}, OverflowError),
        "handle too large": ((1 << 64, EXECUTE), {}, OverflowError),
        "handle is text": (("ord-1", EXECUTE), {}, TypeError),
        "event below 0": ((0, -1), {}, OverflowError),
        "event too large": ((0, 1 << 32), {}, OverflowError),
        "event is a name": ((0, "Execute"), {}, TypeError),
        "version below 0": ((0, EXECUTE, 1), {"expected": -1}, OverflowError),
        "version is text": ((0, EXECUTE, 1), {"expected": "1"}, TypeError),
        "no event": ((0,), {}, TypeError),
        "nothing": ((), {}, TypeError),
        "seven arguments": ((0, EXECUTE, 1, 2, 3, 4, 5, 6, 7), {}, TypeError),
        "handle by name": ((), {"instance": 0, "event_id": EXECUTE}, TypeError),
        "argument by name": ((0, EXECUTE), {"a0": 1}, TypeError),
        "unknown name": ((0, EXECUTE, 1), {"retry": 1}, TypeError),
        "idempotency key": ((0, EXECUTE, 1), {"key": 1}, ValueError),
        "correlation": ((0, EXECUTE, 1), {"correlation": "x"}, ValueError),
    }

    @pytest.mark.parametrize("case", WRONG)
    def test_it_raises_and_takes_nothing(self, engine_name: str, case: str) -> None:
        """No number, no change."""
        arguments, named, error = self.WRONG[case]
        engine = open_engine(engine_name)
        order = working_order(engine)
        before, sequence = row_words(engine, order), engine.sequence
        with pytest.raises(error):
            engine.step(*arguments, **named)
        assert (before, sequence) == (row_words(engine, order), engine.sequence)

    @pytest.mark.parametrize("name", ["key", "correlation"])
    def test_what_needs_a_journal_says_so(self, engine_name: str, name: str) -> None:
        """The signature of `step` is final; what it cannot keep yet it refuses with a way on."""
        engine = open_engine(engine_name)
        with pytest.raises(ValueError, match=r"key= and correlation= are kept by a journal.*open the flow on a store"):
            engine.step(engine.start("ord-1"), SUBMIT, 1, **{name: 7})

    def test_every_argument_left_out_by_name_is_the_same_step(self, engine_name: str) -> None:
        """`None` for each of the named ones."""
        engine = open_engine(engine_name)
        order = engine.start("ord-1")
        assert Outcome.ACCEPTED == engine.step(order, SUBMIT, 7, key=None, expected=None, correlation=None)

    @pytest.mark.parametrize("way", ["argument", "handle", "version", "time"])
    def test_a_number_that_closes_the_engine_gets_an_error(self, engine_name: str, way: str) -> None:
        """Reading what is no int may run any code: the engine looks at itself afterwards."""
        engine = open_engine(engine_name)
        order = working_order(engine)

        class Closing:
            """An integer that closes the engine when it is read."""

            def __index__(self) -> int:
                engine.close()
                return order

        calls: Any = {
            "argument": lambda: engine.step(order, EXECUTE, Closing()),
            "handle": lambda: engine.step(Closing(), EXECUTE, 1),
            "version": lambda: engine.step(order, EXECUTE, 1, expected=Closing()),
            "time": lambda: engine.advance(Closing()),
        }
        with pytest.raises(fsm.FsmError, match="closed"):
            calls[way]()

    def test_an_argument_that_grows_the_engine_is_harmless(self, engine_name: str) -> None:
        """The step goes to the larger memory."""
        engine = open_engine(engine_name, capacity=1)
        order = working_order(engine)

        class Growing:
            """An integer that reserves when it is read."""

            def __index__(self) -> int:
                engine.reserve(5_000)
                return 40

        assert Outcome.ACCEPTED == engine.step(order, EXECUTE, Growing())
        assert (60, 5_000) == (engine.fields(order)["leaves"], engine.capacity)


def test_text_is_compared_whole(engine_name: str) -> None:
    """Words of text come as words."""
    engine = open_engine(engine_name)
    order = engine.start("ord-1")
    (word,) = Order.Route(venue=b"XETR").words
    assert Outcome.GUARD == engine.step(order, ROUTE, word)
    assert Outcome.ACCEPTED == engine.send("ord-1", Order.Route(venue=b"XETRA")).outcome
    assert b"XETRA" == engine.fields(order)["venue"]
