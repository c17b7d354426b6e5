"""A flow with everything that an input can bring, and inputs of every kind of group, each ready to be given.

Case(prepare, give): on a fresh engine, `prepare` brings it there and `give` is the one input that is looked at
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import fsm
from fsm import Event, Flow, Integer, State


class Parcel(Flow):
    """A parcel: guards, a fault, an ignored event, deferred ones, timers that step and that are refused."""

    weight = Integer(default=3)
    stops = Integer()

    class Load(Event):
        weight: Integer = Integer()
        floor: Integer = Integer()

    class Unload(Event):
        pass

    class Note(Event):
        pass

    class Weigh(Event):
        parts: Integer = Integer()

    class Hurry(Event):
        pass

    class Lose(Event):
        pass

    new = State(initial=True)
    moving = State()
    resting = State()
    done = State(final=True)
    lost = State(poison=True)

    new.on(Load, when=Load.weight > 0, to=moving, do=weight.set(Load.weight))
    new.defers(Unload, Hurry, at_most=2)
    new.on(Weigh, do=weight.set(weight // Weigh.parts))
    moving.on(Hurry, to=resting, do=stops.add(1))
    moving.on(Unload, to=done)
    moving.ignores(Note)
    moving.on(Lose, to=lost)
    moving.after("10 s", to=resting, do=stops.add(1))
    moving.after("20 s", when=stops > 99, to=done)
    resting.on(Unload, to=done)
    resting.on(Load, to=moving)


LOAD, UNLOAD, NOTE, WEIGH, HURRY, LOSE = range(6)
SECOND = 1_000_000_000


class Case(NamedTuple):
    """One input, and what comes before it."""

    prepare: Callable[[Any], None]
    give: Callable[[Any], None]


def nothing(engine: Any) -> None:
    """An engine without instances."""


def new(engine: Any) -> None:
    """Two parcels, the first of them new."""
    engine.start("p0")
    engine.start("p1")


def moving(engine: Any) -> None:
    """Two parcels, the first of them on its way."""
    new(engine)
    engine.step(0, LOAD, 7)


def waiting(engine: Any) -> None:
    """Two parcels, the first of which holds two deferred events."""
    new(engine)
    engine.step(0, HURRY, 1)
    engine.step(0, UNLOAD, 2)


def ended(engine: Any) -> None:
    """Two parcels, the first of them done."""
    moving(engine)
    engine.step(0, UNLOAD)


def released(engine: Any) -> None:
    """Of three parcels two were done and released."""
    new(engine)
    engine.start(77)
    for row in (0, 1, 2):
        engine.step(row, LOAD, 7)
        engine.step(row, UNLOAD)
    for row in (0, 2):
        engine.release(row)


def retiring(engine: Any) -> None:
    """A parcel that is done, in a row of the last generation."""
    ended(engine)
    words = memoryview(engine.memory.rows).cast("Q")
    words[0] |= 0xFFFF << 32


def keyed(engine: Any) -> None:
    """Keys that fill a window of four, all but one."""
    moving(engine)
    for key in (1, 2, 3):
        engine.step(0, NOTE, key=key)


def full(engine: Any) -> None:
    """Keys that fill a window of four: the next one begins the other generation."""
    keyed(engine)
    engine.step(0, NOTE, key=4)


def swapped(engine: Any) -> None:
    """Both generations are full."""
    full(engine)
    for key in (5, 6, 7, 8):
        engine.step(0, NOTE, key=key)


def refused_start(engine: Any, key: Any) -> None:
    """A start that raises, since the key is there."""
    with suppress(fsm.Exists):
        engine.start(key)


CASES = {
    "start": Case(new, lambda engine: engine.start("p2")),
    "first start": Case(nothing, lambda engine: engine.start(5)),
    "start with fields": Case(new, lambda engine: engine.start("p2", weight=-9)),
    "start in a released row": Case(released, lambda engine: engine.start("p2")),
    "start of a released key": Case(released, lambda engine: engine.start("p0")),
    "start that exists": Case(new, lambda engine: refused_start(engine, "p0")),
    "accepted": Case(new, lambda engine: engine.step(0, LOAD, 7)),
    "accepted with arguments": Case(new, lambda engine: engine.step(0, LOAD, 7, -1)),
    "accepted without a state": Case(new, lambda engine: engine.step(0, WEIGH, 1)),
    "guard": Case(new, lambda engine: engine.step(0, LOAD, -7)),
    "fault": Case(new, lambda engine: engine.step(0, WEIGH, 0)),
    "ignored": Case(moving, lambda engine: engine.step(0, NOTE)),
    "unhandled": Case(moving, lambda engine: engine.step(0, LOAD, 5, 6)),
    "ended": Case(ended, lambda engine: engine.step(0, LOAD, 5)),
    "deferred": Case(new, lambda engine: engine.step(0, UNLOAD, 1, 2)),
    "deferred behind another": Case(waiting, lambda engine: engine.step(0, UNLOAD)),
    "given again": Case(waiting, lambda engine: engine.step(0, LOAD, 5, 6)),
    "given again, with all that it brings": Case(
        waiting, lambda engine: engine.step(0, LOAD, 5, 6, key=9, correlation="c")
    ),
    "version": Case(moving, lambda engine: engine.step(0, UNLOAD, expected=9)),
    "unknown event": Case(moving, lambda engine: engine.step(0, 70)),
    "unknown instance": Case(moving, lambda engine: engine.step(70, NOTE, 1, 2, key=5)),
    "unknown key": Case(moving, lambda engine: engine.send("nobody", "Load", {"weight": 1, "floor": 2})),
    "timer": Case(moving, lambda engine: engine.advance(10 * SECOND)),
    "timers, one of them refused": Case(moving, lambda engine: engine.advance(20 * SECOND)),
    "release": Case(ended, lambda engine: engine.release(0)),
    "release behind another": Case(released, lambda engine: engine.release(1)),
    "release that retires": Case(retiring, lambda engine: engine.release(0xFFFF << 32)),
    "position": Case(moving, lambda engine: engine._mark([1, 2, 3])),
    "long position": Case(moving, lambda engine: engine._mark(range(9))),
    "first key": Case(moving, lambda engine: engine.step(0, NOTE, key=1)),
    "key": Case(keyed, lambda engine: engine.step(0, UNLOAD, key=4)),
    "key that begins a generation": Case(full, lambda engine: engine.step(0, NOTE, key=5)),
    "key that begins a generation anew": Case(swapped, lambda engine: engine.step(0, NOTE, key=9)),
    "duplicate": Case(keyed, lambda engine: engine.step(0, NOTE, key=2)),
    "key reused": Case(keyed, lambda engine: engine.step(0, UNLOAD, key=2)),
    "key of a refused input": Case(keyed, lambda engine: engine.step(0, LOAD, key=12)),
    "correlation": Case(moving, lambda engine: engine.step(0, LOSE, correlation=5)),
}
"""By name: every kind of group."""
