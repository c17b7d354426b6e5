"""Compiled charts do what their charts say: every engine against an interpreter that walks the chart."""

from __future__ import annotations

import os
from random import Random

import pytest

import fsm
from fsm.layout import ROW_FIELDS, Outcome
from tests.compile.interpreter import Interpreter
from tests.compile.random_charts import emitted, random_chart, random_input

CHARTS = int(os.environ.get("FSM_CHARTS", "40"))
STEPS = 150


def row_words(engine: fsm.Engine, tables: fsm.Tables) -> list[int]:
    """The field words of the first instance."""
    return memoryview(engine.memory.rows)[: tables.row_bytes].cast("q").tolist()[ROW_FIELDS:]


@pytest.mark.parametrize("seed", range(CHARTS))
def test_tables_step_as_the_chart_says(seed: int, engine_name: str) -> None:
    """Outcome, state and every field agree after each step, faults and refusals included."""
    random = Random(seed)
    chart = random_chart(random)
    tables = emitted(seed)
    engine = fsm.Engine(tables, capacity=1, engine=engine_name)
    instance = engine.start("order")
    interpreter = Interpreter(chart)
    seen = set()
    for number in range(STEPS):
        event, words = random_input(random)
        expected = interpreter.step(event.name, words)
        actual = Outcome(engine.step(instance, tables.event_ids[event.name], *words))
        seen.add(actual)
        where = f"seed {seed}, step {number}: {event.name}{words}"
        assert (expected, interpreter.state) == (actual, *engine.state(instance)), where
        fields = [word for field in chart.fields for word in interpreter.words[field.name]]
        assert fields == row_words(engine, tables)[: len(fields)], where
        if random.random() < 0.02:
            engine = fsm.Engine(tables, capacity=1, engine=engine_name)
            instance, interpreter = engine.start("order"), Interpreter(chart)
    assert seen
