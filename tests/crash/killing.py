"""Kill a worker again and again, at moments that are drawn by lot, and hold what is left to a model.

    fork ─▶ worker at full speed ──acknowledges in shared memory──▶ SIGKILL after a number of units that is drawn
      ▲                                                                 │
      └──── from the input behind the last one ◀── equal ◀── model ◀── open: recovered

    python -m tests.crash.killing            KILLS=5000 SEED=… FLOW=Desk|Waiting ENGINE=native|mirror; prints a report

A kill comes when a number of units was acknowledged, not after a time; where in a step it hits is up to the machine.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import tempfile
from operator import add
from pathlib import Path
from random import Random
from shutil import rmtree
from time import perf_counter
from typing import Any, NamedTuple

import fsm
from fsm.layout import HEADER_FIELDS
from tests.crash import small
from tests.crash.observe import idempotency
from tests.crash.plan import CAPACITY, FLOWS, INSTANCES, WINDOW, Model, Plan, Worker
from tests.crash.recovering import Lost

UNITS_MAX = {"native": 400, "mirror": 60}
"""Units between two kills, at the most, but for what is done until the kill arrives."""
BATCH = {"native": 8192, "mirror": 64}
FRAMES_MAX = 1_000_000
"""Of one store: then the next one is begun, since a journal keeps what it has."""
RING_BYTES, SEGMENT_BYTES = 1 << 16, 1 << 22


class Report(NamedTuple):
    """What a run of kills came to."""

    kills: int
    units: int
    inputs: int
    frames: int
    redone: int
    inside: int
    batches_cut: int

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.units} units with {self.inputs} inputs in {self.frames} frames; "
            f"{self.inside} kills left something to redo, {self.redone} frames in all; "
            f"{self.batches_cut} batches were cut in two; 0 inputs lost"
        )


class Shared:
    """What a worker tells whoever kills it: units acknowledged, and why it ended, if it did."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 8192)
        self.words = memoryview(self.memory).cast("Q")

    def tell(self, text: str) -> None:
        """Leave a text behind."""
        self.memory[4096:8192] = text.encode()[:4095].ljust(4096, b"\0")

    def told(self) -> str:
        """The text, or none."""
        return self.memory[4096:8192].rstrip(b"\0").decode()


def kill_often(folder: Path, flow: str, engine_name: str, seed: int, kills: int) -> Report:
    """Run workers on a store and kill each; on one store after another, if there are many kills.

    Raises `Lost` where what is left is not what the model says.
    """
    os.environ["FSM_MEMORY_DIR"] = str(folder)
    report = Report(0, 0, 0, 0, 0, 0, 0)
    while report.kills < kills:
        with small.sizes(ring_bytes=RING_BYTES, segment_bytes=SEGMENT_BYTES):
            more = kill_on_one_store(folder, flow, engine_name, seed + report.kills, kills - report.kills)
        report = Report(*map(add, report, more))
        for left in (folder / "store", *folder.glob("fsm-*")):
            rmtree(left)
    return report


def kill_on_one_store(folder: Path, flow: str, engine_name: str, seed: int, kills: int) -> Report:
    """Until all kills were made, or its journal is long."""
    plan, random, shared = Plan(flow, seed, BATCH[engine_name]), Random(seed), Shared()
    model, store, kill = Model(plan, engine_name), folder / "store", 0
    redone = inside = cut = 0
    create(store, flow, engine_name)
    while kill < kills and model.frames < FRAMES_MAX:
        begin = shared.words[0] = model.unit
        shared.words[1] = 0
        worker = start_worker(store, engine_name, plan, model, shared)
        if random.random() < 0.15:
            wait_while_it_opens(shared, random.randrange(3000))
        else:
            wait_for(worker, shared, moment(random, plan, begin, UNITS_MAX[engine_name]))
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        try:
            applied, sequence = check(store, engine_name, plan, model, shared.words[0])
        except Lost as error:
            raise Lost(f"kill {kill} of seed {seed}, {shared.words[0]} units acknowledged: {error}") from None
        kill += 1
        redone += sequence - applied
        inside += sequence > applied
        cut += model.inside > 0
    return Report(kill, model.unit, model.inputs, model.frames, redone, inside, cut)


def moment(random: Random, plan: Plan, begin: int, most: int) -> int:
    """How many units are to be acknowledged before the kill; often the next one is a batch, which takes a while."""
    target = begin + 1 + int(random.random() ** 2 * most)
    if random.random() < 0.6:
        target = next((unit for unit in range(target, target + 500) if plan[unit].kind == "many"), target)
    return target


def create(store: Path, flow: str, engine_name: str) -> None:
    """The store, with nothing in it."""
    fsm.open(store, FLOWS[flow], capacity=CAPACITY, engine=engine_name, idempotency_window=WINDOW).close()


def start_worker(store: Path, engine_name: str, plan: Plan, model: Model, shared: Shared) -> int:
    """A process that goes on where the model stands; its number."""
    child = os.fork()
    if child:
        return child
    try:  # Whatever happens here, this process must not go on as its parent.
        shared.words[1] = 1
        with fsm.open(store, engine=engine_name) as engine:
            worker, unit, after = Worker(engine), model.unit, model.inside
            while True:
                worker.do(plan[unit], after)
                unit, after = unit + 1, 0
                shared.words[0] = unit
    except BaseException as error:
        shared.tell(f"{type(error).__name__}: {error}")
    finally:
        os._exit(1)


def wait_for(worker: int, shared: Shared, target: int) -> None:
    """Until so much is acknowledged."""
    turns = 0
    while shared.words[0] < target:
        turns += 1
        if turns % 1024 == 0:
            ended, _ = os.waitpid(worker, os.WNOHANG)
            if ended:
                raise Lost(f"the worker ended by itself behind unit {shared.words[0]}: {shared.told()}")
            os.sched_yield()


def wait_while_it_opens(shared: Shared, turns: int) -> None:
    """Until the worker has begun, and then for some turns of this process: it is killed while it recovers."""
    while not shared.words[1]:
        os.sched_yield()
    for _ in range(turns):
        os.sched_yield()


def check(store: Path, engine_name: str, plan: Plan, model: Model, acknowledged: int) -> tuple[int, int]:
    """Recover, and compare. Returns the last frame that showed before, and the last one that does now."""
    model.go_on(acknowledged)
    [header_file] = store.parent.glob("fsm-*/header")
    applied = int.from_bytes(header_file.read_bytes()[HEADER_FIELDS["applied"] * 8 :][:8], "little")
    with fsm.open(store, engine=engine_name) as engine:
        sequence = engine.sequence
        now = {model.engine.now_ns}
        if (unit := plan[model.unit]).kind == "advance":
            now.add(max(model.engine.now_ns, *unit.words))
        if sequence != model.frames and unit.kind == "advance":
            engine.advance(*unit.words)  # some of the timers that were due were fired
        before = model.frames
        if not model.go_on_to(engine.sequence):
            raise Lost(f"{sequence} frames, expected {before}, or up to {model.frames} with the unit that was begun")
        now.add(model.engine.now_ns)
        compare(engine, model, now)
    return applied, sequence


def compare(engine: Any, model: Model, now: set[int]) -> None:
    """The whole state, as far as it can be seen."""
    expect("now_ns", engine.now_ns in now, True)
    expect("len", len(engine), len(model.engine))
    expect("untold", engine.untold, model.engine.untold)
    expect("position", engine._position(), model.position)
    for number in range(INSTANCES):
        handle = model.engine.find(number)
        expect(f"find({number})", engine.find(number), handle)
        if handle is None:
            continue
        for name in ("key", "state", "fields", "version", "timers", "deferred"):
            expect(f"{name}({number})", getattr(engine, name)(handle), getattr(model.engine, name)(handle))
    found = sorted(idempotency(engine.memory, memoryview(engine.memory.header).cast("Q")), reverse=True)
    for (_, _, entries), tokens in zip(found, model.tokens, strict=True):
        expect("idempotency keys", sorted((low, high) for low, high, *_ in entries), sorted(tokens))


def expect(name: str, found: object, expected: object) -> None:
    """Raise where they differ."""
    if found != expected:
        raise Lost(f"{name}: expected {expected}, found {found}")


def main() -> int:
    """The long run, as the environment asks for it."""
    kills, seed = int(os.environ.get("KILLS", "5000")), int(os.environ.get("SEED", "0")) or Random().getrandbits(32)
    flows = [os.environ["FLOW"]] if "FLOW" in os.environ else list(FLOWS)
    for flow in flows:
        for engine_name in [os.environ["ENGINE"]] if "ENGINE" in os.environ else ["native", "mirror"]:
            share = kills // len(flows) if engine_name == "native" else kills // len(flows) // 10
            print(f"{flow} on {engine_name}: seed {seed}", flush=True)
            shm = Path("/dev/shm")
            with tempfile.TemporaryDirectory(prefix="killed-fsm-", dir=shm if shm.is_dir() else None) as folder:
                begin = perf_counter()
                report = kill_often(Path(folder), flow, engine_name, seed, share)
                print(f"{flow} on {engine_name}: {report}; {perf_counter() - begin:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
