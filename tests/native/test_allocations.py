"""A step calls no allocator, and nor does the time: counted by calls, so that what is taken and given back counts too.

    counting.c ──LD_PRELOAD──▶ python -c PROGRAM     calls during 100 000 steps - calls during 1 000 steps = 0

Python's own allocator is told to go through malloc (PYTHONMALLOC), so objects that are made count too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif("FSM_SANITIZE" in os.environ, reason="a sanitizer has an allocator of its own"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and the names of glibc"),
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PROGRAM = """
import ctypes, json, os, sys
from itertools import cycle, repeat
import numpy
import fsm
from tests.engine.orders import CANCEL, EXECUTE, NOTE, SPLIT, SUBMIT, open_engine, working_order
from tests.native.charts import Charted

calls = ctypes.CDLL(os.environ["LD_PRELOAD"]).allocator_calls
calls.restype = ctypes.c_ulong
engine = open_engine("native")
step, order = engine.step, working_order(engine, quantity=1 << 62)
ended = working_order(engine, "ended")
step(ended, CANCEL)
large, version = 1 << 40, 7

def cost(action, count):
    before = calls()
    action(count)
    return calls() - before

def measured(action, few, many):
    '''Calls of the allocator that `many` need beyond `few`, the machinery of counting included in both.'''
    cost(action, few), cost(action, many)  # the first turns fill caches
    return cost(action, many) - cost(action, few)

def expecting(count):
    for _ in repeat(None, count):
        step(order, EXECUTE, 1, expected=version)

def nothing(count):
    for _ in repeat(None, count):
        pass

def making(count):
    for _ in repeat(None, count):
        [None]

def direct(event_id, word):
    def run(count):
        for _ in repeat(None, count):
            step(order, event_id, word)
    return run

size = 200_000
batches = {count: tuple(numpy.full(count, value) for value in (order, EXECUTE, 1)) for count in (1_000, size)}
outcomes = {count: numpy.zeros(count, numpy.uint8) for count in (1_000, size)}

def batch(count):
    engine.step_many(*batches[count], outcomes=outcomes[count])

def ended_loop(count):
    for _ in repeat(None, count):
        step(ended, NOTE)

def unknown(count):
    for _ in repeat(None, count):
        step(5, NOTE)

charted = fsm.Engine(Charted, capacity=128, engine="native")
instances = charted._start_many(numpy.arange(128)).tolist()
send, first, clock = charted.step, instances[0], 0
events = ("Open", "Close", "Wait", "Nudge", "Fail")
OPEN, CLOSE, WAIT, NUDGE, FAIL = (charted.tables.event_ids[name] for name in events)

def arming(count):
    for _ in repeat(None, count):
        send(first, OPEN)
        send(first, CLOSE)

def deferring(count):
    for _ in repeat(None, count):
        send(first, WAIT, 7)
        send(first, OPEN)
        send(first, CLOSE)

def while_open(event_id):
    def run(count):
        send(first, OPEN)
        for _ in repeat(None, count):
            send(first, event_id)
        send(first, CLOSE)
    return run

def firing(times):
    for instance, now in zip(cycle(instances), times):
        charted.advance(now)
        send(instance, OPEN)

def passing(times):
    for now in times:
        charted.advance(now)

def timed_batch(times):
    count = len(times)
    charted.step_many(*charted_batches[count], times=numpy.array(times), outcomes=outcomes[count])

def measured_in_time(action, few, many, pace, together=1):
    '''The same for what goes on with the time, whose objects are made before anything is counted.'''
    global clock
    turns = []
    for count in (few, many, many, few):
        turns.append([clock + number // together * together * pace for number in range(count)])
        clock += count * pace
    given = iter(turns)
    return measured(lambda count: action(next(given)), few, many)

charted_batches = {
    count: (numpy.arange(count) // 2 % 100, numpy.tile([OPEN, CLOSE], count // 2), numpy.zeros((count, 0), int))
    for count in (1_000, size)
}
second = 1_000_000_000
results = {
    "nothing": measured(nothing, 1_000, 100_000),
    "a list made each time": measured(making, 1_000, 100_000),
    "accepted": measured(direct(EXECUTE, 1), 1_000, 100_000),
    "accepted, a large argument": measured(direct(EXECUTE, large), 1_000, 100_000),
    "refused by a guard": measured(direct(EXECUTE, 0), 1_000, 100_000),
    "refused by a fault": measured(direct(SPLIT, 0), 1_000, 100_000),
    "ignored": measured(direct(NOTE, 0), 1_000, 100_000),
    "unhandled": measured(direct(SUBMIT, 1), 1_000, 100_000),
    "ended": measured(ended_loop, 1_000, 100_000),
    "unknown instance": measured(unknown, 1_000, 100_000),
    "expected": measured(expecting, 1_000, 100_000),
    "step_many": measured(batch, 1_000, size),
    "timers armed and cancelled": measured(arming, 1_000, 100_000),
    "deferred and given again": measured(deferring, 1_000, 100_000),
    "raised, in regions": measured(while_open(NUDGE), 1_000, 100_000),
    "undone in a later microstep": measured(while_open(FAIL), 1_000, 100_000),
    "timers fired one by one": measured_in_time(firing, 1_280, 128_000, second),
    # 256 at once: enough to let other threads run, and a number that Python has an object for.
    "timers fired together": measured_in_time(firing, 1_280, 128_000, second, together=128),
    "nothing due": measured_in_time(passing, 1_000, 100_000, 1),
    "step_many in time": measured_in_time(timed_batch, 1_000, size, second // 2),
    "untold": charted.untold,
}
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each loop of the program costs in calls of the allocator."""
    library = tmp_path_factory.mktemp("counting") / "counting.so"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / "counting.c"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}
    # The root last, as in the suite itself: an installed fsm goes before the tree.
    program = f"import sys; sys.path.append({str(ROOT)!r})\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "" == done.stderr
    return dict(json.loads(done.stdout))


CHARTED = (
    "timers armed and cancelled", "deferred and given again", "raised, in regions", "undone in a later microstep",
    "timers fired one by one", "timers fired together", "nothing due",
)  # fmt: skip


def test_calls_are_counted(counted: dict[str, Any]) -> None:
    """An empty loop needs none, and one that makes a list at least two a turn: the measure measures."""
    assert 0 == counted["nothing"]
    assert counted["a list made each time"] >= 2 * 99_000


@pytest.mark.parametrize(
    "case",
    [
        "accepted", "accepted, a large argument", "refused by a guard", "refused by a fault", "ignored", "unhandled",
        "ended", "unknown instance", "expected",
    ],
)  # fmt: skip
def test_a_step_calls_no_allocator(counted: dict[str, Any], case: str) -> None:
    """Whatever becomes of the event: 99 000 steps more, and not one call more."""
    assert 0 == counted[case]


@pytest.mark.parametrize("case", CHARTED)
def test_no_part_of_a_chart_calls_the_allocator(counted: dict[str, Any], case: str) -> None:
    """Regions, timers, deferred and raised events: whatever they need was there when the engine was made."""
    assert 0 == counted[case]


def test_what_was_measured_happened(counted: dict[str, Any]) -> None:
    """Both timers of the instances were fired by the hundred thousand, and deferred events were given again."""
    assert {"accepted"} == set(counted["untold"])
    assert counted["untold"]["accepted"] > 4 * 200_000 + 200_000


def test_a_batch_calls_no_allocator_for_its_events(counted: dict[str, Any]) -> None:
    """A thousand events or 200 000: the same number of calls."""
    assert (0, 0) == (counted["step_many"], counted["step_many in time"])
