"""Timers of many instances: both engines fire the same ones in the same order, and the chart says which.

flows with timers ──▶ 120 instances ──batches with times, long and short──▶ native ─┐
                               └─────────────────────────────────────────▶ mirror ─┼─ bytes, frames, order
                               └─────────────────────────────────────────▶ World ──┘
"""

from __future__ import annotations

from random import Random

import numpy
import pytest

from fsm.testing.flows import random_flow
from fsm.testing.inputs import Input, Stream
from tests.differential.pair import Journal
from tests.differential.profiles import TIMEOUT, seeds
from tests.differential.trio import Trio, compiled, fields_at_start

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]
INSTANCES = 120


def test_many_instances_wait_for_time_alike() -> None:
    """Due together, due in the past, armed anew while others fire, and over a jump of years."""
    fired = 0
    for seed in seeds(30):
        draw = Random(seed).randrange
        flow = random_flow(draw, nested=True)
        tables = compiled(flow)
        if tables is None or not tables.timer_slots:
            continue
        journal = Journal(groups=3) if seed % 3 == 0 else None
        with Trio(flow, tables, capacity=INSTANCES, journal=journal) as trio:
            for key in range(INSTANCES):
                trio.start(key, fields_at_start(draw, tables))
            stream = Stream(draw, tables)
            for _ in range(12 if trio.handles else 0):
                inputs = [stream.next()._replace(instance=draw(INSTANCES)) for _ in range(25)]
                batch(trio, inputs)
            fired += sum(trio.pair.mirror.untold.values())
    assert fired > 5000


def batch(trio: Trio, inputs: list[Input]) -> None:
    """Many inputs in one call, which the reading takes one after the other."""
    handles = [given.handle(trio.handles) for given in inputs]
    words = [(*given.words, *[0] * 6)[:6] for given in inputs]
    outcomes = trio.pair.call(
        "step_many",
        numpy.array(handles, numpy.uint64),
        numpy.array([given.event_id for given in inputs]),
        numpy.array(words, numpy.int64),
        times=numpy.array([-1 if given.now_ns is None else given.now_ns for given in inputs]),
    )
    trio.follow(inputs, handles, outcomes)
