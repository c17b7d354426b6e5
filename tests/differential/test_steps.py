"""Random flows under random events: two engines and a reading of the chart agree on every step.

    flows() ──compile──▶ Tables ──inputs()──▶ native ─┐
                │                       └───▶ mirror ─┼─ outcomes, bytes, states, fields
                └──chart_of────▶ Interpreter ─────────┘

The interpreter walks the chart and shares nothing with the compiler: it is what catches an error that both engines
would run faithfully.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy
import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

import fsm
from fsm.define import chart_of
from fsm.layout import ROW_FIELDS, Outcome
from fsm.testing import Input, flows, inputs
from fsm.testing.flows import random_flow
from fsm.testing.inputs import random_input
from tests.compile.interpreter import Interpreter
from tests.differential.pair import AREAS, Pair
from tests.differential.profiles import TIMEOUT, effort, seeds

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]
KEYS = ("order", -1, 7)


def test_engines_and_the_chart_agree_on_flows_by_the_hundred() -> None:
    """As below, on flows from seeds: ten times as many in the same time, though nothing makes a failure small."""
    for seed in seeds(400):
        draw = Random(seed).randrange
        flow = random_flow(draw)
        tables = fsm.compile(flow)
        pair = Pair(tables)
        handles = [pair.call("start", key) for key in KEYS]
        readers = [Interpreter(chart_of(flow)) for _ in handles]
        for number in range(60):
            given_ = random_input(draw, tables)
            try:
                step(pair, handles, readers, given_)
            except AssertionError as error:
                error.add_note(f"FSM_SEED={seed}, input {number}: {given_}\n{tables.chart}")
                raise
        pair.close()


@effort(150)
@given(st.data())
def test_engines_and_the_chart_agree_on_every_step(data: st.DataObject) -> None:
    """Outcomes and bytes are equal after each input, and state and fields are what the chart says."""
    flow = data.draw(flows())
    tables = fsm.compile(flow)
    note(tables.chart)
    pair = Pair(tables)
    handles = [pair.call("start", key) for key in KEYS]
    readers = [Interpreter(chart_of(flow)) for _ in handles]
    for given_ in data.draw(inputs(tables)):
        note(str(given_))
        event(Outcome(step(pair, handles, readers, given_)).label)
    pair.close()


def step(pair: Pair, handles: list[int], readers: list[Interpreter], given_: Input) -> int:
    """One input for the pair, and for the interpreter of the instance if it gets that far."""
    if given_.now_ns is not None:
        pair.call("advance", given_.now_ns)
    handle = given_.handle(handles)
    known = handle in handles
    before = pair.row(handle) if known else []
    version = pair.call("version", handle) if known else 0
    expected = given_.expected(version)
    outcome: int = pair.call("step", handle, given_.event_id, *given_.words, expected=expected)
    if not known:
        assert Outcome.UNKNOWN_INSTANCE == outcome
        return outcome
    reader = readers[handles.index(handle)]
    assert outcome_of(reader, pair.tables, given_, expected, version) == outcome
    assert (reader.state,) == pair.call("state", handle)
    words = [word for field in reader.chart.fields for word in reader.words[field.name]]
    after = pair.row(handle)
    assert words == after[ROW_FIELDS:][: len(words)]
    if outcome != Outcome.ACCEPTED:
        assert (before[0], before[2:]) == (after[0], after[2:]), "a refused event changed the instance"
    return outcome


def outcome_of(reader: Interpreter, tables: fsm.Tables, given_: Input, expected: int | None, version: int) -> Outcome:
    """What the input should become of an instance at this version."""
    if given_.event_id >= tables.event_count:
        return Outcome.UNKNOWN_EVENT
    if expected is not None and expected != version:
        return Outcome.VERSION
    words = (*given_.words, *[0] * (6 - len(given_.words)))
    return reader.step(tables.events[given_.event_id].name, words)


@effort(100)
@given(st.data())
def test_a_batch_is_its_events_on_both_engines(data: st.DataObject) -> None:
    """Outcomes and bytes of a batch of any width and pace are those of its events one after the other."""
    tables = fsm.compile(data.draw(flows()))
    note(tables.chart)
    many, single = Pair(tables), Pair(tables)
    handles = [many.call("start", key) for key in KEYS]
    assert handles == [single.call("start", key) for key in KEYS]
    stream = data.draw(inputs(tables, count_max=60))
    width = data.draw(st.integers(0, 6))
    words = [(*given_.words, *[0] * 6)[:width] for given_ in stream]
    rows = [given_.handle(handles) for given_ in stream]
    outcomes = many.call(
        "step_many",
        numpy.array(rows, numpy.uint64),
        numpy.array([given_.event_id for given_ in stream]),
        numpy.array(words, numpy.int64).reshape(len(stream), width),
        times=numpy.array([given_.now_ns or 0 for given_ in stream]),
    )
    for given_, row, given_words, outcome in zip(stream, rows, words, outcomes, strict=True):
        single.call("advance", given_.now_ns or 0)
        assert outcome == single.call("step", row, given_.event_id, *given_words)
    for area in AREAS:
        assert bytes(getattr(single.native.memory, area)) == bytes(getattr(many.native.memory, area))
    many.close()
    single.close()


def test_the_generator_reaches_every_outcome_and_instruction() -> None:
    """What the property above cannot reach, it cannot compare: most outcomes and opcodes come up in a short run."""
    outcomes: Counter[int] = Counter()
    codes: Counter[int] = Counter()

    @settings(effort(150), derandomize=True, database=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        tables = fsm.compile(data.draw(flows()))
        codes.update(word & 0xFF for word in tables.code)
        engine = fsm.Engine(tables, capacity=4, engine="native")
        handles = [engine.start(key) for key in KEYS]
        for given_ in data.draw(inputs(tables)):
            outcomes[engine.step(given_.handle(handles), given_.event_id, *given_.words)] += 1

    run()
    refusals = ("unhandled", "guard", "ended", "overflow", "division", "unknown_instance", "unknown_event")
    assert {"accepted", "ignored", *refusals} <= {Outcome(code).label for code in outcomes}
    assert len(codes) >= 15
