"""Compiled charts do what their charts say: every engine against an interpreter that walks the chart.

Charts made directly, so that `check` may have something against them; `tests/differential` does the same with flows.
"""

from __future__ import annotations

import os
from random import Random

import pytest

import fsm
from fsm.compile.cells import lower
from fsm.compile.configurations import TooMany, Walk
from fsm.compile.emit import emit
from fsm.define.chart import Chart, Event
from fsm.layout import Outcome
from fsm.tables import Tables
from tests.compile.random_charts import EVENTS, random_chart, random_input
from tests.compile.random_statecharts import NESTED_EVENTS, random_statechart
from tests.differential.reading import Reading

CHARTS = int(os.environ.get("FSM_CHARTS", "40"))


@pytest.mark.parametrize("seed", range(CHARTS))
def test_tables_of_a_flat_chart_step_as_it_says(seed: int, engine_name: str) -> None:
    """Every word of the row agrees after each step, faults and refusals included."""
    random = Random(seed)
    chart = random_chart(random)
    tables = emit(lower(Walk(chart, 100)))
    for _ in range(3):
        play(random, chart, tables, EVENTS, engine_name, steps=50)


@pytest.mark.parametrize("seed", range(CHARTS))
def test_tables_of_a_nested_chart_step_as_it_says(seed: int, engine_name: str) -> None:
    """The same with regions, histories, timers, deferral, and starts that fault."""
    random = Random(seed)
    chart = random_statechart(random)
    try:
        tables = emit(lower(Walk(chart, 300)))
    except TooMany:
        return
    play(random, chart, tables, NESTED_EVENTS, engine_name, steps=100)


def play(
    random: Random, chart: Chart, tables: Tables, events: tuple[Event, ...], engine_name: str, *, steps: int
) -> None:
    """So many events for one instance, and time between them."""
    engine, reading = fsm.Engine(tables, capacity=1, engine=engine_name), Reading(chart, tables)
    if reading.start() is not Outcome.ACCEPTED:
        with pytest.raises(fsm.StartFault):
            engine.start("order")
        return
    instance, now_ns = engine.start("order"), 0
    for _ in range(steps):
        if random.random() < 0.3:
            now_ns = max(0, now_ns + random.randint(-1, 8))
            assert reading.advance(now_ns) == engine.advance(now_ns)
        event, words = random_input(random, events)
        event_id = tables.event_ids[event.name]
        assert reading.step(0, event_id, words) == engine.step(instance, event_id, *words)
        reading.check(engine)
    engine.close()
