"""A reader beside a writer at full speed: no row that it reads is put together from two steps.

    writer ──tick k of an instance brings k──▶ row: version k, last k, left -k(k+1)/2 ──▶ reader: do they agree?

`benchmarks/bench_reader.py` does the same ten million times, and says what it costs.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fsm.store
from fsm import Event, Flow, Integer, State
from fsm.layout import FRAME_WORDS, NONE, ROW_LIVE, UINT64_MASK, WORD_BYTES
from tests.conftest import ROOT

READS = {"native": 20_000, "mirror": 4_000}

WRITER = """
import select, sys
import fsm.store, fsm.store.journal
from tests.store.test_reader_live import Ticks
# What leaves the ring is dropped: a file of frames would grow by gigabytes, and nobody here reads it.
fsm.store.journal.Journal.append = lambda self, ring, first, last: None
engine = fsm.store.open(sys.argv[1], Ticks, capacity=100, engine=sys.argv[2])
handles = [engine.start(key) for key in range(int(sys.argv[3]))]
print("started", flush=True)
step, tick, k = engine.step, Ticks.Tick.id, 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(1000 // len(handles)):
        k += 1
        for handle in handles:
            assert step(handle, tick, k) == 0
print(k, flush=True)
"""


class Ticks(Flow, waive={"no-final-state": "the writer never ends"}):
    """Takes ticks without end."""

    left = Integer(waive={"unread-field": "the reader looks at it"})
    last = Integer(waive={"unread-field": "the reader looks at it"})

    class Tick(Event):
        amount: Integer = Integer()

    one = State(initial=True)
    two = State()

    one.on(Tick, when=Tick.amount > 0, do=[left.subtract(Tick.amount), last.set(Tick.amount)], to=two)
    two.on(Tick, when=Tick.amount > 0, do=[left.subtract(Tick.amount), last.set(Tick.amount)], to=one)


@pytest.fixture(params=[100, 1])
def instances(request: pytest.FixtureRequest) -> int:
    """Many rows, or one that is always being written."""
    return int(request.param)


@pytest.fixture
def writer(place: Path, engine_name: str, instances: int) -> Iterator[subprocess.Popen[str]]:
    """A process that steps every instance in turn until its input ends or has a line."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            f"import sys; sys.path.append({str(ROOT)!r})\n{WRITER}",
            str(place),
            engine_name,
            str(instances),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    yield process
    process.communicate()


def agrees(data: bytes, handle: int) -> bool:
    """Whether the words of a row are those of one version of it."""
    state, _, version, left, last, *rest = struct.unpack("<8Q", data)
    ticks = version & NONE
    whole = ROW_LIVE << 48 | handle & ~NONE | ticks % 2, -(ticks * (ticks + 1) // 2) & UINT64_MASK, ticks
    return (state, left, last) == whole and not any(rest)


def image_of(view: Any, frame: int) -> bytes | None:
    """The row in a frame, if the ring has that frame still when it has been copied."""
    first = (frame & view.ring_mask) * view.frame_words
    words = view.ring[first : first + view.frame_words].tobytes()
    # It was whole before the row named it, and whoever overwrites it begins with its first word.
    return words[FRAME_WORDS * WORD_BYTES :] if view.ring[first] == frame else None


def test_no_row_is_torn(writer: subprocess.Popen[str], place: Path, engine_name: str, instances: int) -> None:
    """Every read is one version of the row, the one that its frame tells of, and never older than the last read."""
    order = random.Random(20120621)
    with fsm.store.open(place, readonly=True) as reader:
        handles = [reader.find(key) for key in range(instances)]
        seen, torn, other, compared, changed = dict.fromkeys(handles, 0), [], [], 0, 0
        for _ in range(READS[engine_name]):
            handle = order.choice(handles)
            data = reader._record(handle)
            frame = int.from_bytes(data[8:16], "little")
            image = image_of(reader._view, frame)
            if not agrees(data, handle) or frame < seen[handle]:
                torn.append((handle, data.hex()))
            if image is not None and image != data:
                other.append((handle, data.hex(), image.hex()))
            compared += image is not None
            changed += frame > seen[handle]
            seen[handle] = frame
    ticks = int(writer.communicate("stop\n")[0])
    print(f"{ticks} ticks of each, {compared} reads compared with their frame, {changed} of a row that had changed")
    assert ([], []) == (torn[:3], other[:3])
    assert compared > 0 and ticks > 0
