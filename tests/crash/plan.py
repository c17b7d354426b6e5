"""What workers do for ever, and what it must come to: the same plan from the same seed, whoever reads it.

    Plan(seed)[unit] ──▶ one operation, or a batch ──▶ Worker: on a store that is killed
                                                  └──▶ Model: on private memory, with a dictionary of idempotency keys

A unit is acknowledged once it has returned. The model says how many frames each input takes, so the sequence of a store
that was recovered tells which input was the last.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import numpy

import fsm
from fsm import Outcome
from tests.crash.flows import Desk, Waiting
from tests.crash.scripts import NOBODY, SECOND

CHUNK = 256
INSTANCES = 48
CAPACITY = 64
WINDOW = 200
"""Idempotency keys that are remembered at least: small, so that they are forgotten often."""
FLOWS = {"Desk": Desk, "Waiting": Waiting}
KEPT = (Outcome.ACCEPTED, Outcome.IGNORED, Outcome.DEFERRED)


class Unit(NamedTuple):
    """What is acknowledged together: kind, the instance's key, the event, words, an idempotency key or 0.

    A batch is the numbers of its instances, the ids of its events, its words, and its idempotency keys or None.
    """

    kind: str
    key: Any = None
    event: Any = 0
    words: Any = ()
    token: Any = 0


class Plan:
    """The units of a seed, by number; `batch` is how many inputs a batch has, if it is a long one."""

    def __init__(self, flow: str, seed: int, batch: int) -> None:
        self.flow, self.seed, self.batch = flow, seed, batch
        self.tables = fsm.compile(FLOWS[flow])
        self.ids = self.tables.event_ids
        self._chunk = lru_cache(4)(self._make_chunk)

    def __getitem__(self, unit: int) -> Unit:
        return self._chunk(unit // CHUNK)[unit % CHUNK]

    def _make_chunk(self, chunk: int) -> list[Unit]:
        random = Random(f"{self.seed} {self.flow} {chunk}")
        if chunk == 0:
            return [Unit("start", number % INSTANCES) for number in range(CHUNK)]
        draw = self._desk if self.flow == "Desk" else self._waiting
        return [draw(random, chunk * CHUNK + number) for number in range(CHUNK)]

    def _desk(self, random: Random, unit: int) -> Unit:
        number, choice = random.randrange(INSTANCES), random.random()
        if choice < 0.5:
            return Unit("step", number, self.ids["Fill"], (random.randrange(1, 4),))
        if choice < 0.6:
            return Unit("step", number, self.ids["Fill"], tuple(random.randrange(3) for _ in range(6)))
        if choice < 0.75:
            return Unit("step", number, self.ids["Buy"], (random.randrange(10_000),))
        if choice < 0.9:
            token = max(CHUNK, unit - random.randrange(3 * WINDOW)) if random.random() < 0.4 else unit
            return Unit("step", token % INSTANCES, self.ids["Fill"], (token % 3 + 1,), token)
        if choice < 0.93:
            return Unit("step", number, self.ids["Cancel"])
        if choice < 0.95:
            return Unit("release", number)
        if choice < 0.97:
            return Unit("start", number)
        if choice < 0.98:
            return Unit("mark", words=(unit, unit * 3))
        return self._batch(random, unit)

    def _batch(self, random: Random, unit: int) -> Unit:
        arrays = numpy.random.default_rng([self.seed, unit])
        count, tokens = self.batch, None
        events = numpy.where(arrays.random(count) < 0.1, self.ids["Buy"], self.ids["Fill"])
        if random.random() < 0.7:  # much is done behind the commit of an input with a key
            tokens = numpy.zeros((count, 2), numpy.uint64)
            tokens[:, 0] = unit
            tokens[:, 1] = arrays.integers(1, 4 * count, count)
            tokens[::16] = 0
        return Unit("many", arrays.integers(0, INSTANCES, count), events, arrays.integers(0, 3, (count, 1)), tokens)

    def _waiting(self, random: Random, unit: int) -> Unit:
        number, choice, now = random.randrange(INSTANCES), random.random(), unit * SECOND // 50
        token = unit if random.random() < 0.2 else 0
        if choice < 0.3:
            return Unit("step", number, self.ids["Order"], (random.randrange(3), random.randrange(1, 9)), token)
        if choice < 0.5:
            return Unit("step", number, self.ids["Open"], (now + random.randrange(8 * SECOND),), token)
        if choice < 0.6:
            return Unit("step", number, self.ids["Shut"])
        if choice < 0.75:
            return Unit("step", number, self.ids["Nudge"])
        if choice < 0.9:
            return Unit("advance", words=(now,))
        if choice < 0.92:
            return Unit("step", number, self.ids["End"])
        if choice < 0.95:
            return Unit("release", number)
        if choice < 0.98:
            return Unit("start", number)
        return Unit("mark", words=(unit,))


class Worker:
    """Does units on an engine that has a journal, or one by one what is left of a batch."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.handles = numpy.array([self._find(number) for number in range(INSTANCES)], numpy.uint64)

    def _find(self, number: int) -> int:
        found = self.engine.find(number)
        return NOBODY if found is None else int(found)

    def do(self, unit: Unit, after: int = 0) -> None:
        """The unit, without the first inputs of a batch that were taken already."""
        engine = self.engine
        if unit.kind == "step":
            engine.step(int(self.handles[unit.key]), unit.event, *unit.words, key=unit.token or None)
        elif unit.kind == "many":
            tokens = None if unit.token is None else unit.token[after:]
            engine.step_many(self.handles[unit.key[after:]], unit.event[after:], unit.words[after:], keys=tokens)
        elif unit.kind == "advance":
            engine.advance(*unit.words)
        elif unit.kind == "mark":
            engine._mark(list(unit.words))
        else:
            self.begin_or_end(unit)

    def begin_or_end(self, unit: Unit) -> bool:
        """A start, or a release of an instance that has ended; whether there was anything to do it to."""
        engine, number = self.engine, unit.key
        try:
            if unit.kind == "start":
                engine.start(number)
            elif (handle := self._find(number)) == NOBODY or engine.state(handle)[-1] not in ("done", "over"):
                return False
            else:
                engine.release(handle)
        except fsm.Exists:
            return True
        finally:
            self.handles[number] = self._find(number)
        return True


class Model(Worker):
    """The same in private memory: what the state must be, and how many frames the journal has by then."""

    def __init__(self, plan: Plan, engine_name: str) -> None:
        self.plan = plan
        super().__init__(fsm.Engine(plan.tables, capacity=CAPACITY, engine=engine_name))
        self.unit = self.inside = self.frames = self.inputs = 0
        self.tokens: list[dict[Any, Any]] = [{}, {}]
        """Idempotency keys and their inputs: the generation that is being filled, and the one before."""
        self.position: list[int] | None = None

    def go_on(self, unit: int) -> None:
        """Do all units before this one."""
        while self.unit < unit:
            each = self.plan[self.unit]
            if each.kind == "many" and each.token is None and not self.inside:
                super().do(each)
                self._take(len(each.key), len(each.key))
            else:
                while self._one(each):
                    pass
            self.unit, self.inside = self.unit + 1, 0

    def go_on_to(self, frames: int) -> bool:
        """Do inputs of the unit at hand until the journal has so many frames; whether it ever does."""
        while self.frames < frames:
            if not self._one(self.plan[self.unit]):
                self.unit, self.inside = self.unit + 1, 0
                return self.frames == frames
        return self.frames == frames

    def _take(self, inputs: int, frames: int) -> None:
        self.inputs += inputs
        self.frames += frames

    def _one(self, unit: Unit) -> bool:
        """The next input of the unit at hand; False where that was the last."""
        engine, before = self.engine, self.engine.sequence
        if unit.kind == "many":
            at = self.inside
            token = 0 if unit.token is None else tuple(unit.token[at].tolist())
            event, words = int(unit.event[at]), tuple(unit.words[at].tolist())
            self._step(int(self.handles[unit.key[at]]), event, words, token if token != (0, 0) else 0)
            self.inside += 1
            return self.inside < len(unit.key)
        if unit.kind == "step":
            token = (unit.token, 0) if unit.token else 0
            self._step(int(self.handles[unit.key]), unit.event, unit.words, token)
        elif unit.kind == "mark":
            self.position = list(unit.words)
            self._take(1, 2)
        elif unit.kind == "advance":
            fired = engine.advance(*unit.words)
            again = engine.sequence - before - fired
            self._take(fired, fired + 2 * again)
        elif self.begin_or_end(unit):
            self._take(1, 2 if unit.kind == "start" else 1)
        return False

    def _step(self, handle: int, event: int, words: tuple[int, ...], token: Any) -> None:
        frames = 1 + any(words[1:]) + bool(token)
        seen = None if not token or handle == NOBODY else self.tokens[0].get(token, self.tokens[1].get(token))
        if seen is None:
            before = self.engine.sequence
            outcome = self.engine.step(handle, event, *words)
            frames += 2 * (self.engine.sequence - before - 1)  # each event given again has arguments
            if token and outcome in KEPT:
                self._keep(token, (handle, event, words))
        self._take(1, frames)

    def _keep(self, token: Any, given: Any) -> None:
        if len(self.tokens[0]) >= WINDOW:
            self.tokens = [{}, self.tokens[0]]
        self.tokens[0][token] = given
