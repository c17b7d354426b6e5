"""What does a step cost in a batch, when memory has to answer?

Measured: `step_many` with guard and two writes, instances in random order, 64-byte rows on huge pages where offered, no
journal. Not measured: making the arrays, sorted order. Estimated beforehand: 9 ns a step in cache, where the program is
the cost, 25 ns from memory, where the rows are.

Beside two floors: the loop in C that makes the same loads and stores but has nothing to interpret, and the least that
could be done for this one flow, in place.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy
import pytest
from flows import Ticking

import fsm
from fsm.layout import HEADER_FIELDS

EVENTS = 1_000_000


def prepared(engine_name: str, instances: int, events: int) -> tuple[Any, tuple[Any, ...]]:
    """An engine with that many instances, and arrays of ticks for them in random order."""
    engine = fsm.Engine(Ticking, capacity=instances, engine=engine_name)
    engine._start_many(numpy.arange(instances))
    random = numpy.random.default_rng(20120621)
    handles = random.integers(0, instances, events).astype(numpy.uint64)
    event_ids = numpy.full(events, Ticking.Tick.id, numpy.int64)
    amounts = random.integers(1, 5, (events, 1))
    return engine, (handles, event_ids, amounts, numpy.zeros(events, numpy.uint8))


@pytest.mark.parametrize("floor_name", ["C loop, same loads and stores", "C loop, in place"])
@pytest.mark.parametrize("instances", [1_000, 100_000, 1_000_000, 10_000_000])
def bench_step_many_native(instances: int, floor_name: str, beside: Callable[..., float], floors: ModuleType) -> None:
    """Native `step_many` beside a loop in C. Aim: 1.5 times the one that makes the same loads and stores."""
    engine, (handles, event_ids, amounts, outcomes) = prepared("native", instances, EVENTS)
    rows = numpy.frombuffer(engine.memory.rows, numpy.uint64).reshape(-1, 8)
    header = numpy.frombuffer(engine.memory.header, numpy.uint64)
    cells = numpy.frombuffer(engine.tables.cells, numpy.uint64)
    code = numpy.frombuffer(engine.tables.code, numpy.uint64)
    image = numpy.zeros(64, numpy.int64)
    in_place = floor_name.endswith("in place")

    def work() -> None:
        engine.step_many(handles, event_ids, amounts, outcomes=outcomes)

    def floor() -> None:
        floors.walk(
            rows, header, image, cells, code, engine.tables.event_count, handles, event_ids, amounts, outcomes,
            HEADER_FIELDS["applied"], HEADER_FIELDS["now_ns"], in_place,
        )  # fmt: skip

    work()
    assert not outcomes.any()
    floor()
    assert not outcomes.any()
    beside(work, floor, count=EVENTS, floor_name=floor_name, aim="-" if in_place else "1.50", rounds=9)


@pytest.mark.parametrize("instances", [1_000, 10_000])
def bench_step_many_mirror(instances: int, beside: Callable[..., float]) -> None:
    """The mirror's `step_many` beside the native one."""
    events = 5_000
    works = []
    for name in ("mirror", "native"):
        engine, (handles, event_ids, amounts, outcomes) = prepared(name, instances, events)
        works.append(lambda e=engine, a=(handles, event_ids, amounts), o=outcomes: e.step_many(*a, outcomes=o))
    beside(*works, count=events, floor_name="native step_many", aim="-", rounds=3)
