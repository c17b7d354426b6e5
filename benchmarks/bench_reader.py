"""What does a reader beside a writer see, how fast, and what does it cost the writer?

    writer process ──step_many at full speed──▶ store ◀──`readonly=True`── this process: 1 000 instances, or one

Measured: reads of whole rows, in random order, by a reader's own path, each checked. Tick k of an instance brings the
amount k, so version, both fields and configuration of a row follow from each other, and a row that was put together
from two steps shows. Each is also compared with the image in the frame of its version, word for word, where the ring
holds that frame still. One torn row fails the benchmark. The writer's cost is the time of the processor that a step
takes it, with and without a reader in turns. The store lies in shared memory, and segments of its journal are taken
away as they fill.

A copy that takes no heed of the writer is hardly ever torn where there are 1 000 rows, since a row is seldom written
just then; where there is one it is, and so that is read too. Writer and reader have a processor each.

FSM_READS is how many reads there are: 10 000 000 take some minutes. Estimated beforehand: 3 us a read, which is Python;
1.1 times the writer's step, for lines of the cache that go back and forth.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy
import pytest
from flows import Ticking

import fsm
from fsm.layout import FRAME_WORDS, NONE, ROW_LIVE, UINT64_MASK, WORD_BYTES

READS = int(os.environ.get("FSM_READS", "10_000_000"))
TURNS = 10
BATCH = 20_000  # ticks in a call of the writer
WORDS = struct.Struct("<8Q")


def write(path: str, instances: int) -> None:
    """The writer: runs from one line of its input to the next, and says what that came to."""
    alone_on(-1)
    engine = fsm.open(path, Ticking, capacity=instances, engine="native")
    order = numpy.random.default_rng(7).permutation(engine._start_many(numpy.arange(instances)))
    each = BATCH // instances
    handles, event_ids = numpy.tile(order, each), numpy.full(BATCH, Ticking.Tick.id, numpy.int64)
    amounts = numpy.repeat(numpy.arange(1, each + 1), instances).reshape(-1, 1)
    outcomes, journal = numpy.zeros(BATCH, numpy.uint8), Path(path) / "journal"
    print("started", flush=True)
    os.set_blocking(sys.stdin.fileno(), False)
    while True:
        steps = 0
        while not (line := os_line()):
            time.sleep(0.001)
        if line != "run":
            break
        begin = time.process_time_ns()
        while not os_line():
            engine.step_many(handles, event_ids, amounts, outcomes=outcomes)
            assert not outcomes.any()
            amounts += each
            steps += BATCH
            if steps % (50 * BATCH) == 0:
                for segment in sorted(journal.iterdir())[:-1]:
                    segment.unlink()
        print(steps, time.process_time_ns() - begin, flush=True)
    engine.close()


def alone_on(which: int) -> None:
    """Stay on one processor, if there are several: who shares one never sees the other in the middle of a row."""
    os.sched_setaffinity(0, [sorted(os.sched_getaffinity(0))[which]])


def os_line() -> str:
    """A line of the input if there is one."""
    try:
        return os.read(sys.stdin.fileno(), 64).decode().strip()
    except BlockingIOError:
        return ""


class Writer:
    """The other process."""

    def __init__(self, path: str, instances: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, path, str(instances)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.answer() == ["started"]

    def tell(self, line: str) -> None:
        """One line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[str]:
        """The words of its answer."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def during(self, work: Callable[[], object]) -> float:
        """Run while `work` does; ns of the processor that a step took."""
        self.tell("run")
        work()
        self.tell("pause")
        steps, nanoseconds = map(int, self.answer())
        return nanoseconds / steps

    def close(self) -> None:
        """Have it close the store."""
        self.tell("end")
        self.process.communicate()


class Poll:
    """Reads, and what they came to."""

    def __init__(self, reader: Any, instances: int) -> None:
        self.reader = reader
        handles = [int(reader.find(key)) for key in range(instances)]
        self.handles = cycle(numpy.random.default_rng(8).permutation(handles).tolist())
        self.read = self.torn = self.with_frame = self.moved = 0
        self.seen = dict.fromkeys(handles, 0)

    def __call__(self, count: int) -> None:
        """So many reads."""
        record, view, unpack, live = self.reader._record, self.reader._view, WORDS.unpack, ROW_LIVE << 48
        ring, mask, size = view.ring, view.ring_mask, view.frame_words
        image = slice(FRAME_WORDS * WORD_BYTES, None)
        seen = self.seen
        for handle in islice(self.handles, count):
            data = record(handle)
            state, frame, version, left, amount, *rest = unpack(data)
            ticks = version & NONE
            if (
                state != live | (handle & ~NONE) | (ticks > 0)
                or amount != ticks
                or left != -(ticks * (ticks + 1) // 2) & UINT64_MASK
                or any(rest)
            ):
                self.torn += 1
            first = (frame & mask) * size
            words = ring[first : first + size].tobytes()
            if ring[first] == frame:  # and so it was before: a frame comes and goes by its first word
                self.with_frame += 1
                self.torn += words[image] != data
            self.moved += seen[handle] != frame
            seen[handle] = frame
        self.read += count


@pytest.mark.parametrize("instances", [1_000, 1])
def bench_reader(instances: int, benchmark: Any, row: Callable[..., None], note: Callable[[str], None]) -> None:
    """Ten million reads beside a writer at full speed; a tenth as many of one row that it always writes. None torn."""
    reads = READS if instances > 1 else READS // 10
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    alone: list[float] = []
    beside: list[float] = []
    seconds: list[float] = []
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = os.path.join(folder, "store")
        writer = Writer(path, instances)
        with fsm.open(path, readonly=True) as reader:
            poll = Poll(reader, instances)

            def turn() -> None:
                begin = time.perf_counter()
                poll(reads // TURNS)
                seconds.append(time.perf_counter() - begin)

            def turns() -> None:
                for _ in range(TURNS):
                    alone.append(writer.during(lambda: time.sleep(min(2.0, reads / 5_000_000))))
                    beside.append(writer.during(turn))

            alone_on(0)
            benchmark.pedantic(turns, rounds=1)
            os.sched_setaffinity(0, before)
        writer.close()
    row(min(beside), min(alone), floor_name="the writer alone", aim="-", what=" a writer's step")
    fastest, unwatched = min(seconds) * 1e9 * TURNS / reads, min(alone)
    row(fastest, unwatched, floor_name="a writer's step", aim="-", what=" a checked read")
    note(
        f"{poll.read} reads, {1e9 / fastest:.0f} a second at best, {poll.with_frame} compared with their frame, "
        f"{poll.moved} of a row that had changed since it was last read, {poll.torn} torn"
    )
    assert poll.torn == 0 and poll.with_frame > 0 and poll.moved > 0


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))
