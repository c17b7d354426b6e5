"""Random flows under random events and times: two engines and a reading of the chart agree on every step.

    flows() ──compile──▶ Tables ──inputs()──▶ native ─┐
                │                       └───▶ mirror ─┼─ outcomes, bytes, states, fields, timers, deferred events
                └──chart_of────▶ Interpreter ─────────┘

The interpreter walks the chart and shares nothing with the compiler: it is what catches an error that both engines
would run faithfully.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy
import pytest
from hypothesis import assume, event, given, note
from hypothesis import strategies as st

import fsm
from fsm.compile import configurations
from fsm.layout import Cell, Opcode, Outcome, StateKind, Trigger
from fsm.testing import Input, flows, inputs
from fsm.testing.flows import random_flow
from fsm.testing.inputs import Stream
from tests.differential.pair import AREAS, Journal, Pair, Raised
from tests.differential.profiles import TIMEOUT, effort, seeds
from tests.differential.trio import KEYS, Trio, compiled, fields_at_start

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]


def drawn(data: st.DataObject) -> Callable[[int], int]:
    """Numbers that hypothesis chooses, and makes small."""
    return lambda count: int(data.draw(st.integers(0, count - 1)))


def test_engines_and_the_chart_agree_on_flows_by_the_hundred() -> None:
    """As below, on flows from seeds: many times as many in the same time, though nothing makes a failure small."""
    for seed in seeds(500):
        play(seed, 60)


def test_they_agree_where_selections_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Selections with many sets of transitions are compiled in another way, here those with a few as well."""
    marked = 0

    def select(*given: Any, direct_max: int) -> Any:
        nonlocal marked
        selection = chosen(*given, direct_max)
        marked += selection.marker is not None
        return selection

    chosen = configurations.select
    for direct_max in (0, 1, 2):
        monkeypatch.setattr(configurations, "select", partial(select, direct_max=direct_max))
        for seed in seeds(60):
            play(10_000 * (1 + direct_max) + seed, 60, nested=True)
    assert marked > 500 / 180 * 3 * len(list(seeds(60)))


class Together(fsm.Flow, waive={"unread-field": "looked at"}):
    """Two regions that one event ends at once."""

    ends = fsm.Integer()

    class Go(fsm.Event):
        """Both end."""

    with fsm.Parallel(initial=True) as both:
        with fsm.Region() as left:
            left_open = fsm.State(initial=True)
            left_closed = fsm.State(final=True)
        with fsm.Region() as right:
            right_open = fsm.State(initial=True)
            right_closed = fsm.State(final=True)
    over = fsm.State(final=True)

    left_open.on(Go, to=left_closed)
    right_open.on(Go, to=right_closed)
    right.on_done(do=ends.add(1))
    both.on_done(do=ends.add(10), to=over)


@pytest.mark.parametrize("direct_max", [0, 8])
def test_regions_that_end_together_are_done(direct_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marked or not, the parallel state is done once, behind its last region."""
    monkeypatch.setattr(configurations, "select", partial(configurations.select, direct_max=direct_max))
    tables = compiled(Together)
    assert tables is not None
    with Trio(Together, tables) as trio:
        trio.start("order", {})
        assert Outcome.ACCEPTED == trio.give(Input(0, 0, (), None, None))
        assert ("over",) == trio.pair.call("state", trio.handles[0])
        assert {"ends": 11} == trio.pair.call("fields", trio.handles[0])


def play(seed: int, count: int, nested: bool | None = None) -> None:
    """So many inputs for the flow of a seed."""
    draw = Random(seed).randrange
    flow = random_flow(draw, nested=nested)
    tables = compiled(flow)
    if tables is None:
        return
    given_: Any = None
    try:
        with Trio(flow, tables) as trio:
            for key in KEYS:
                trio.start(key, fields_at_start(draw, tables))
            stream = Stream(draw, tables)
            for _ in range(count if trio.handles else 0):
                given_ = stream.next()
                trio.give(given_)
    except AssertionError as error:
        error.add_note(f"FSM_SEED={seed}, {given_}\n{tables.chart}")
        raise


@effort(100)
@given(st.data())
def test_engines_and_the_chart_agree_on_every_step(data: st.DataObject) -> None:
    """Outcomes and bytes are equal after each input, and what the rows mean is what the chart says."""
    flow = data.draw(flows())
    tables = compiled(flow)
    assume(tables is not None)
    assert tables is not None
    note(tables.chart)
    with Trio(flow, tables) as trio:
        for key in KEYS:
            trio.start(key, fields_at_start(drawn(data), tables))
        assume(trio.handles)
        for given_ in data.draw(inputs(tables)):
            note(str(given_))
            event(trio.give(given_).label)


@effort(60)
@given(st.data())
def test_a_batch_is_its_events_on_both_engines(data: st.DataObject) -> None:
    """Outcomes and bytes of a batch of any width and pace are those of its events one after the other."""
    tables = compiled(data.draw(flows()))
    assume(tables is not None)
    assert tables is not None
    note(tables.chart)
    journal = data.draw(st.sampled_from([None, Journal()]))
    many, single = Pair(tables, journal=journal), Pair(tables, journal=journal)
    handles = [many.call("start", key) for key in KEYS]
    assert handles == [single.call("start", key) for key in KEYS]
    handles = [handle for handle in handles if not isinstance(handle, Raised)]
    stream = data.draw(inputs(tables, count_max=60))
    width = data.draw(st.integers(0, 6))
    words = [(*given_.words, *[0] * 6)[:width] for given_ in stream]
    rows = [given_.handle(handles) for given_ in stream]
    keys = [data.draw(st.integers(0, 4)) if journal else 0 for _ in stream]
    outcomes = many.call(
        "step_many",
        numpy.array(rows, numpy.uint64),
        numpy.array([given_.event_id for given_ in stream]),
        numpy.array(words, numpy.int64).reshape(len(stream), width),
        times=numpy.array([given_.now_ns or 0 for given_ in stream]),
        keys=None if journal is None else numpy.array([[key, 0] for key in keys], numpy.uint64).reshape(-1, 2),
    )
    for given_, row, given_words, key, outcome in zip(stream, rows, words, keys, outcomes, strict=True):
        single.call("advance", given_.now_ns or 0)
        assert outcome == single.call("step", row, given_.event_id, *given_words, key=key or None)
        event(Outcome(outcome).label)
    if journal is None or any(keys):
        for area in AREAS:
            assert bytes(getattr(single.native.memory, area) or b"") == bytes(getattr(many.native.memory, area) or b"")
    many.close()
    single.close()


def test_the_generator_reaches_every_outcome_and_instruction() -> None:
    """What the properties above cannot reach, they cannot compare: all of it comes up in a short run."""
    outcomes: Counter[str] = Counter()
    untold: Counter[str] = Counter()
    made: Counter[object] = Counter()
    fired = 0
    for seed in seeds(150):
        draw = Random(seed).randrange
        tables = compiled(random_flow(draw, nested=None if seed % 2 else True))
        if tables is None:
            continue
        made.update(Opcode(word & 0xFF) for word in tables.code)
        made.update(Cell(cell & 0xFF) for cell in memoryview(tables.cells).cast("B").cast("Q"))
        made.update(state.kind for state in tables.states)
        made.update(each for move in tables.transitions for each in (move.trigger, (move.stay, len(move.targets))))
        engine = fsm.Engine(tables, capacity=4, engine="native")
        handles = [handle for key in KEYS if isinstance(handle := start(engine, key, outcomes), int)]
        stream = Stream(draw, tables)
        for given_ in (stream.next() for _ in range(60 if handles else 0)):
            fired += engine.advance(given_.now_ns or 0)
            handle = given_.handle(handles)
            expected = given_.expected(engine.version(handle)) if handle in handles else None
            outcomes[Outcome(engine.step(handle, given_.event_id, *given_.words, expected=expected)).label] += 1
        untold.update(engine.untold)
    assert {
        "accepted", "ignored", "deferred", "unhandled", "guard", "ended", "overflow", "division", "bound",
        "deferral_full", "unknown_instance", "unknown_event", "version", "start fault",
    } == {*outcomes}  # fmt: skip
    assert {"accepted", "guard", "bound"} <= {*untold}
    assert 300 < fired < untold.total() - 10, "timers, and deferred events that are given again"
    kinds = (*Opcode, *Cell, *StateKind, *Trigger, (True, 1), (False, 0), (False, 2), (False, 3))
    assert not [kind for kind in kinds if kind not in made]


def start(engine: Any, key: Any, outcomes: Counter[str]) -> int | None:
    """The handle of a new instance, or None for one whose start faults."""
    try:
        return int(engine.start(key))
    except fsm.StartFault:
        outcomes["start fault"] += 1
        return None
