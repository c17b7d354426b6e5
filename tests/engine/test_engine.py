"""The engine itself: which one it is, what it says of an event, and its end."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy
import pytest

import fsm
from fsm.engine import default_engine
from fsm.layout import Outcome
from tests.engine.orders import EXECUTE, SUBMIT, Order, open_engine, row_words, working_order


class TestChoice:
    """Nothing falls back in silence."""

    def test_the_engine_that_was_asked_for(self, engine_name: str) -> None:
        """Its name is in the engine and in its `repr`."""
        engine = fsm.Engine(Order, engine=engine_name)
        assert engine_name == engine.engine
        assert f"<Engine {engine_name} of Order {engine.tables.fingerprint[:16]}>" == repr(engine)
        assert isinstance(engine, fsm.Engine)

    def test_the_environment_decides_else(self, engine_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """`FSM_ENGINE`, and an argument goes before it."""
        monkeypatch.setenv("FSM_ENGINE", engine_name)
        assert engine_name == fsm.Engine(Order).engine == default_engine()
        assert "mirror" == fsm.Engine(Order, engine="mirror").engine

    def test_native_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nobody says anything."""
        monkeypatch.delenv("FSM_ENGINE", raising=False)
        assert "native" == default_engine()

    def test_an_unknown_engine_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also from the environment; it names the two."""
        with pytest.raises(ValueError, match="native, mirror"):
            fsm.Engine(Order, engine="fast")
        monkeypatch.setenv("FSM_ENGINE", "fast")
        with pytest.raises(ValueError, match="FSM_ENGINE"):
            fsm.Engine(Order)

    def test_a_class_of_one_engine_refuses_the_other(self, engine_name: str) -> None:
        """The class is the choice already."""
        other = {"native": "mirror", "mirror": "native"}[engine_name]
        with pytest.raises(ValueError, match=r"Use fsm\.Engine"):
            type(open_engine(engine_name))(Order, engine=other)

    def test_tables_will_do_in_place_of_a_flow(self, engine_name: str) -> None:
        """They are what it runs."""
        tables = fsm.compile(Order)
        assert tables is fsm.Engine(tables, engine=engine_name).tables
        with pytest.raises((TypeError, fsm.FsmError)):
            fsm.Engine("Order", engine=engine_name)  # type: ignore[arg-type]


class TestSend:
    """The friendly form, with the reason in words."""

    def test_an_accepted_event(self, engine_name: str) -> None:
        """By object and by name."""
        engine = open_engine(engine_name)
        order = engine.start("ord-1")
        step = engine.send("ord-1", Order.Submit(quantity=100, side="sell"))
        assert fsm.Step(Outcome.ACCEPTED, order, 2, 1, ("working",), "") == step
        assert step.accepted
        step = engine.send("ord-1", "Execute", {"quantity": 100}, expected=1)
        assert fsm.Step(Outcome.ACCEPTED, order, 3, 2, ("filled",), "") == step

    @pytest.mark.parametrize(
        ("event", "outcome", "words"),
        [
            ("Submit", Outcome.UNHANDLED, "state working declares nothing for Submit"),
            ("Execute", Outcome.GUARD, "no guard of Execute holds in working: Execute.quantity == leaves"),
            ("Nothing", Outcome.UNKNOWN_EVENT, "flow Order has no event Nothing"),
        ],
    )
    def test_a_refused_event_says_why(self, engine_name: str, event: str, outcome: Outcome, words: str) -> None:
        """The state and version are what they were."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        given: Any = {"Submit": {"quantity": 1, "side": "buy"}, "Execute": {"quantity": 0}}.get(event)
        step = engine.send("ord-1", event, given)
        assert (outcome, order, 1, ("working",)) == (step.outcome, step.instance, step.version, step.states)
        assert words in step.reason
        assert not step.accepted

    def test_an_unknown_key_is_a_refusal_like_any_other(self, engine_name: str) -> None:
        """Numbered, with nothing known of the instance."""
        engine = open_engine(engine_name)
        step = engine.send("nobody", Order.Cancel())
        assert (Outcome.UNKNOWN_INSTANCE, None, 1, None, ()) == step[:5]
        assert "no instance has this key" in step.reason

    def test_another_version_is_refused(self, engine_name: str) -> None:
        """In words."""
        engine = open_engine(engine_name)
        working_order(engine)
        step = engine.send("ord-1", Order.Cancel(), expected=7)
        assert (Outcome.VERSION, 1) == (step.outcome, step.version)
        assert "version" in step.reason

    def test_an_ignored_event_has_no_reason(self, engine_name: str) -> None:
        """It was declared."""
        engine = open_engine(engine_name)
        working_order(engine)
        step = engine.send("ord-1", Order.Note())
        assert (Outcome.IGNORED, "") == (step.outcome, step.reason)

    @pytest.mark.parametrize(
        ("event", "arguments", "error"),
        [
            ("Execute", None, TypeError),
            ("Execute", {"quantity": 1, "price": 2}, TypeError),
            ("Execute", {"quantity": "1"}, TypeError),
            ("Execute", {"quantity": 1 << 63}, ValueError),
            ("Submit", {"quantity": 1, "side": "hold"}, ValueError),
        ],
    )
    def test_arguments_that_do_not_fit_take_nothing(
        self, engine_name: str, event: str, arguments: Any, error: type[Exception]
    ) -> None:
        """A programming error, said by name."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        before, sequence = row_words(engine, order), engine.sequence
        with pytest.raises(error):
            engine.send("ord-1", event, arguments)
        assert (before, sequence) == (row_words(engine, order), engine.sequence)

    def test_an_event_of_another_flow_takes_nothing(self, engine_name: str) -> None:
        """Of the same name, with other arguments."""

        class Execute(fsm.Event):
            price: fsm.Integer = fsm.Integer()

        engine = open_engine(engine_name)
        working_order(engine)
        sequence = engine.sequence
        with pytest.raises(TypeError, match="is not the event Execute of flow Order"):
            engine.send("ord-1", Execute(price=1))
        with pytest.raises(TypeError, match="has its arguments already"):
            engine.send("ord-1", Order.Execute(quantity=1), {"quantity": 1})
        assert sequence == engine.sequence


class TestTheEnd:
    """A closed engine holds nothing, and says that it is closed."""

    def test_every_later_call_raises(self, engine_name: str) -> None:
        """Closing again does not."""
        engine = open_engine(engine_name)
        order = working_order(engine)
        engine.close()
        engine.close()
        calls: Any = [
            lambda: engine.step(order, EXECUTE, 1), lambda: engine.step(order, EXECUTE, 1, expected=1),
            lambda: engine.step(order, EXECUTE, 1 << 40), lambda: engine.start("b"), lambda: engine.find("ord-1"),
            lambda: engine.state(order), lambda: engine.fields(order), lambda: engine.version(order),
            lambda: engine.key(order), lambda: engine.select(), lambda: engine.send("ord-1", Order.Cancel()),
            lambda: engine.step_many([0], [0], [0]), lambda: engine.advance(1), lambda: engine.reserve(100),
            lambda: engine.sequence, lambda: engine.capacity, lambda: len(engine),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(fsm.FsmError, match=r"this engine is closed\. Open another one\."):
                call()
        assert "Order" in repr(engine)

    def test_a_with_block_closes(self, engine_name: str) -> None:
        """Also where it is left by an error."""
        with pytest.raises(ZeroDivisionError), open_engine(engine_name) as engine:
            working_order(engine)
            raise ZeroDivisionError
        with pytest.raises(fsm.FsmError, match="closed"):
            engine.find("ord-1")

    def test_memory_goes_with_the_engine(self, engine_name: str) -> None:
        """Nothing keeps it: no cycle, no view left open."""
        engine = open_engine(engine_name)
        working_order(engine)
        memory = weakref.ref(engine.memory)
        engine.close()
        gc.collect()
        assert memory() is None

    def test_an_engine_that_is_dropped_gives_its_memory_back(self, engine_name: str) -> None:
        """Without `close`."""
        engine = open_engine(engine_name)
        memory = weakref.ref(engine.memory)
        del engine
        gc.collect()
        assert memory() is None


def test_engines_share_nothing(engine_name: str) -> None:
    """Two on one flow have their own instances."""
    one, other = open_engine(engine_name), open_engine(engine_name)
    assert one.start("a") == other.start("a")
    assert Outcome.ACCEPTED == one.step(0, SUBMIT, 1)
    assert (("working",), ("new",)) == (one.state(0), other.state(0))


def test_an_engine_without_instances_is_true(engine_name: str) -> None:
    """`if engine:` asks whether there is one, not whether it holds anything."""
    engine = open_engine(engine_name)
    assert (0, True) == (len(engine), bool(engine))


def test_an_engine_is_not_copied_subclassed_or_made_twice(engine_name: str) -> None:
    """Two objects would write to one memory: each way to get there is one clear error."""
    engine = open_engine(engine_name)
    for attempt in (lambda: copy.copy(engine), lambda: pickle.dumps(engine), lambda: engine.__init__(Order)):
        with pytest.raises(TypeError, match="Make another engine"):
            attempt()
    with pytest.raises(TypeError, match="not subclassed"):
        type("Mine", (fsm.Engine,), {})


def test_tables_are_frozen_and_compare_by_what_they_say() -> None:
    """The engines believe tables; a copy by pickle passes the checks again."""
    tables = fsm.compile(Order)
    with pytest.raises(AttributeError, match="frozen"):
        tables.code = memoryview(b"")
    assert tables == pickle.loads(pickle.dumps(tables))
    assert tables is not pickle.loads(pickle.dumps(tables))


def test_memory_that_cannot_be_had_is_a_clear_error(engine_name: str) -> None:
    """The message names the bytes; a capacity that is no number is one too."""
    with pytest.raises(MemoryError, match="bytes of memory cannot be had"):
        fsm.Engine(Order, capacity=2**32 - 2**10, engine=engine_name)
    for capacity in (1.5, "a", None):
        with pytest.raises(TypeError, match="expected a number of instances"):
            fsm.Engine(Order, capacity=capacity, engine=engine_name)
    with pytest.raises(ValueError, match="expected 1 to"):
        fsm.Engine(Order, capacity=0, engine=engine_name)


def test_outcomes_that_share_memory_with_an_input_are_refused(engine_name: str) -> None:
    """The inputs would change while they are read, and not in the same way on both engines."""
    engine = open_engine(engine_name)
    handles = numpy.zeros(5, numpy.int64)
    with pytest.raises(ValueError, match="shares memory with instances"):
        engine.step_many(handles, handles, handles, outcomes=handles.view(numpy.uint8)[8:13])
    assert 0 == engine.sequence
