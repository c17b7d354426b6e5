"""Both engines through their whole interface, in any order: results, errors and their texts, and bytes are equal.

start find key send step step_many state fields version select release reserve advance untold sync close ──▶ Pair
"""

from __future__ import annotations

from types import new_class
from typing import Any

import numpy
import pytest
from hypothesis import assume, event, note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, precondition, rule

from fsm.define import Event, Integer
from fsm.layout import HEADER_FIELDS, INT64_MAX, INT64_MIN, NONE, UINT64_MASK
from fsm.testing import flows, inputs
from fsm.testing.inputs import STRAY, any_words
from fsm.testing.kinds import NEAR, OPTIONS, TEXTS
from tests.differential.pair import Journal, Pair, Raised
from tests.differential.profiles import TIMEOUT, effort
from tests.differential.trio import compiled

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]

keys = st.one_of(
    st.sampled_from(["a", "b", "ord-1", "é" * 32, "k" * 64]),
    st.sampled_from([0, 1, -1, INT64_MIN, INT64_MAX]),
    st.sampled_from(["", "k" * 65, "a\0b", 1 << 63, 1.5, None, True, b"a"]),
    st.integers(0, 5),
)
values = st.one_of(
    any_words,
    st.booleans(),
    st.sampled_from(OPTIONS),
    st.sampled_from(TEXTS),
    st.sampled_from(["1.25", "2 s", None, 0.5]),
)
strange = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([1 << 63, -(1 << 63) - 1, 1 << 64, -(1 << 70), True, 1.0, "1", None, b"1", numpy.int64(3)]),
)
"""What may stand where an int64 should: integers of any kind and size, and what is no integer."""


class Foreign(Event):
    """An event of no flow."""

    quantity: Integer = Integer()


class Interface(RuleBasedStateMachine):
    """A pair, and the handles that it gave."""

    handles = Bundle("handles")
    any_handle = st.one_of(handles, handles, handles, st.sampled_from(STRAY))

    @initialize(target=handles, data=st.data(), capacity=st.integers(1, 5))
    def open(self, data: st.DataObject, capacity: int) -> Any:
        tables = compiled(data.draw(flows()))
        assume(tables is not None)
        assert tables is not None
        self.tables = tables
        note(self.tables.chart)
        self.pair = Pair(self.tables, capacity, data.draw(st.sampled_from([None, Journal()])))
        self.events = [new_class(each.name, (Event,), {}) for each in self.tables.events if not each.arguments]
        self.pair.call("advance", data.draw(st.sampled_from([0, 1, 1_700_000_000_000_000_000])))
        started = [self.pair.call("start", key) for key in ("a", 0)[:capacity]]
        return multiple(*(handle for handle in started if not isinstance(handle, Raised)))

    # --- instances ---

    @rule(target=handles, key=keys)
    def start(self, key: Any) -> Any:
        """A new instance, one that exists, one too many, or a bad key."""
        handle = self.pair.call("start", key)
        return multiple() if isinstance(handle, Raised) else handle

    @rule(target=handles, data=st.data(), key=keys)
    def start_with_fields(self, data: st.DataObject, key: Any) -> Any:
        """Fields by name: right, of a wrong type, and unknown."""
        names = st.sampled_from([*(field.name for field in self.tables.fields), "nothing"])
        handle = self.pair.call("start", key, **data.draw(st.dictionaries(names, values, max_size=3)))
        return multiple() if isinstance(handle, Raised) else handle

    @rule(key=keys)
    def find(self, key: Any) -> None:
        self.pair.call("find", key)

    @rule(handle=any_handle)
    def look(self, handle: int) -> None:
        """All that an instance shows."""
        for name in ("key", "state", "fields", "version"):
            self.pair.call(name, handle)

    @rule(data=st.data(), older_than_ns=st.one_of(st.none(), any_words, strange))
    def select(self, data: st.DataObject, older_than_ns: Any) -> None:
        names = [None, *(state.name for state in self.tables.states), "nowhere"]
        self.pair.call("select", state=data.draw(st.sampled_from(names)), older_than_ns=older_than_ns)

    @rule(handle=st.one_of(any_handle, strange))
    def release(self, handle: Any) -> None:
        """One that has ended, one that has not, and none."""
        event(f"release: {'error' if isinstance(self.pair.call('release', handle), Raised) else 'released'}")

    # --- what a journal keeps ---

    @rule(words=st.lists(st.sampled_from([0, 1, UINT64_MASK, -1, 1.5]), max_size=4))
    def mark(self, words: list[Any]) -> None:
        """A position, or words that are none; then the last one."""
        self.pair.call("_mark", words)
        self.pair.call("_position")

    @rule()
    def sync(self) -> None:
        self.pair.call("sync")
        self.pair.do(lambda engine: engine.durable_sequence)

    # --- events ---

    @rule(data=st.data(), handle=any_handle)
    def step(self, data: st.DataObject, handle: int) -> None:
        """An event that fits, with or without an expected version."""
        (given,) = data.draw(inputs(self.tables, count_max=1, now_ns=self.now_ns))
        version = self.pair.call("version", handle)
        expected = given.expected(version) if isinstance(version, int) else given.ahead
        outcome = self.pair.call("step", handle, given.event_id, *given.words, expected=expected)
        event(f"step: {'error' if isinstance(outcome, Raised) else outcome}")

    @rule(data=st.data(), handle=any_handle)
    def step_wrongly(self, data: st.DataObject, handle: int) -> None:
        """What is no int64, no handle, no event, no version; too many arguments or too few."""
        given: list[Any] = [handle, 0, *data.draw(st.lists(any_words, max_size=6))]
        given[data.draw(st.integers(0, len(given) - 1))] = data.draw(strange)
        names = st.sampled_from(["expected", "key", "correlation"])
        self.pair.call("step", *given, **data.draw(st.dictionaries(names, strange, max_size=2)))

    @rule(data=st.data(), key=st.one_of(st.sampled_from(["a", 0]), keys))
    def send_by_name(self, data: st.DataObject, key: Any) -> None:
        """Name and arguments: right, missing, of wrong types; an unknown name."""
        known = data.draw(st.sampled_from([*self.tables.events, *self.tables.events, None]))
        if known is None:
            self.pair.call("send", key, "Nothing", {"quantity": 1})
            return
        arguments = {argument.name: data.draw(_fitting(argument)) for argument in known.arguments}
        if arguments and data.draw(st.integers(0, 9)) == 9:
            arguments[data.draw(st.sampled_from([*arguments, "nothing"]))] = data.draw(values)
        expected = data.draw(st.sampled_from([None, None, None, 0, 1, -1, "1"]))
        kept = data.draw(st.dictionaries(st.sampled_from(["key", "correlation"]), keys, max_size=2))
        sent = self.pair.call("send", key, known.name, arguments, expected=expected, **kept)
        event(f"send: {sent.type.__name__ if isinstance(sent, Raised) else sent.outcome.label}")

    @rule(data=st.data(), key=st.one_of(st.sampled_from(["a", 0]), keys))
    def send_an_object(self, data: st.DataObject, key: Any) -> None:
        """An event object of the flow, of none, or no event at all."""
        made = [event() for event in self.events]
        self.pair.call("send", key, data.draw(st.sampled_from([*made, Foreign(quantity=1), 5, None])))

    @rule(data=st.data(), width=st.integers(0, 6), timed=st.booleans())
    def step_many(self, data: st.DataObject, width: int, timed: bool) -> None:
        """A batch: known handles and others, events and none, times that go back and forth."""
        given = data.draw(inputs(self.tables, count_max=12, now_ns=self.now_ns))
        count = data.draw(st.integers(0, len(given)))
        handles = [0, 1, 2, 3]
        rows = [each.handle(handles) for each in given[:count]]
        words = [(*each.words, *[0] * 6)[:width] for each in given[:count]]
        times = numpy.array([each.now_ns or -1 for each in given[:count]], numpy.int64) if timed else None
        self.pair.call(
            "step_many",
            numpy.array(rows, numpy.uint64),
            numpy.array([each.event_id for each in given[:count]], numpy.int64),
            numpy.array(words, numpy.int64).reshape(count, width),
            times=times,
            keys=data.draw(st.sampled_from([None, None, numpy.full((count, 2), 3, numpy.uint64)])),
        )

    @rule(data=st.data())
    def step_many_wrongly(self, data: st.DataObject) -> None:
        """Arrays of other lengths, shapes and types; signed handles, negative events, arrays with gaps."""
        arrays = st.sampled_from([
            [], [0], [-1], [0, 1], [[0], [1]], [[0] * 7], [[0, 1]], [0.5], ["a"], [1 << 63], 3, [True], None,
            numpy.arange(8, dtype=numpy.int64)[::4], numpy.zeros((2, 0), numpy.int64), numpy.array([-5, 0], numpy.int8),
            numpy.zeros((2, 4), numpy.int64)[:, ::2], numpy.array([UINT64_MASK, 0], numpy.uint64),
        ])  # fmt: skip
        times = data.draw(st.one_of(st.none(), arrays))
        outcomes = data.draw(st.sampled_from([None, 1, numpy.uint8, numpy.int8]))
        instances, event_ids, arguments = data.draw(arrays), data.draw(arrays), data.draw(arrays)

        def call(engine: Any) -> Any:
            into = None if outcomes is None else numpy.zeros(2, outcomes) if outcomes != 1 else numpy.zeros(1, "u1")
            return engine.step_many(instances, event_ids, arguments, times=times, outcomes=into)

        self.pair.do(call, f"step_many({instances!r}, {event_ids!r}, {arguments!r}, {times!r}, {outcomes})")

    @rule(given=st.lists(st.integers(-2, 5), max_size=4))
    def start_many(self, given: list[int]) -> None:
        """Those that are there, new ones, and more than there is room for."""
        self.pair.call("_start_many", numpy.array(given, numpy.int64))
        self.pair.call("_find_many", numpy.array([*given, INT64_MIN], numpy.int64))

    # --- the engine itself ---

    @property
    def now_ns(self) -> int:
        """The clock of both."""
        return int(memoryview(self.pair.mirror.memory.header).cast("Q")[HEADER_FIELDS["now_ns"]])

    @rule(wait=st.sampled_from([*NEAR, -1, 10**9, 10**11]))
    def wait(self, wait: int) -> None:
        """Timers fire."""
        event(f"advance: {min(self.pair.call('advance', min(max(self.now_ns + wait, 0), INT64_MAX)), 3)} fired")

    @rule(now_ns=st.one_of(any_words, strange))
    def advance_anywhere(self, now_ns: Any) -> None:
        """To any time, and to what is none."""
        self.pair.call("advance", now_ns)

    @rule(capacity=st.sampled_from([0, 1, 3, 5, 6, 9, 17, -1, NONE, "many"]))
    @precondition(lambda self: self.pair.native.capacity < 17)
    def reserve(self, capacity: Any) -> None:
        self.pair.call("reserve", capacity)

    @rule()
    def look_at_the_engine(self) -> None:
        self.pair.do(lambda engine: (engine.capacity, len(engine), engine.sequence, engine.untold))

    def teardown(self) -> None:
        """A closed engine refuses every call in the same words."""
        if not hasattr(self, "pair"):
            return
        pair = self.pair
        pair.call("close")
        pair.call("close")
        no_words = numpy.zeros((0, 0), numpy.int64)
        for name, arguments in {
            "start": ("a",), "find": ("a",), "key": (0,),
            "release": (0,), "sync": (), "_mark": ([],), "_position": (),
            "state": (0,), "fields": (0,), "version": (0,), "select": (),
            "step": (0, 0), "send": ("a", self.tables.events[0].name, {}), "step_many": ([], [], no_words),
            "_start_many": ([],), "_find_many": ([],), "advance": (0,), "reserve": (9,), "__len__": (),
        }.items():  # fmt: skip
            assert isinstance(pair.call(name, *arguments), Raised), name
        assert isinstance(pair.do(lambda engine: engine.step(0, 0, expected=0)), Raised)
        for look in (lambda engine: engine.sequence, lambda engine: engine.untold):
            assert isinstance(pair.do(look), Raised)


def _fitting(argument: Any) -> st.SearchStrategy[Any]:
    """Values that `send` takes for an argument, most of the time."""
    by_kind: dict[str, st.SearchStrategy[Any]] = {
        "BOOLEAN": st.booleans(),
        "CHOICE": st.sampled_from(argument.options or ("?",)),
        "TEXT": st.sampled_from([text for text in TEXTS if len(text) <= argument.parameter] or [b""]),
        "DECIMAL": st.integers(-3, 9),
    }
    return by_kind.get(argument.kind.name, any_words)


TestInterface = Interface.TestCase
TestInterface.settings = effort(200, steps=50)
