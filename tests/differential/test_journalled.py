"""Engines with a journal: they write the same frames, and what rows and keys mean is what the inputs were.

flows ──inputs, keys, correlations, positions, releases, a ring that is full──▶ native ─┐
                                                                       └──▶ mirror ─┼─ bytes, frames, drained frames
                                                                       └──▶ reading ─┘  outcomes, duplicates, rows
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

import fsm
from fsm.layout import NONE
from fsm.testing import Input
from fsm.testing.flows import random_flow
from fsm.testing.inputs import Stream
from fsm.testing.kinds import chance, pick
from tests.differential.pair import Journal, Raised
from tests.differential.profiles import TIMEOUT, seeds
from tests.differential.trio import KEYS, Trio, compiled, fields_at_start

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]


class Short(fsm.Flow, waive={"unread-field": "looked at"}):
    """It ends soon, by an event or by itself, and keeps for later what comes too early."""

    total = fsm.Integer()

    class Put(fsm.Event):
        """Too early at first."""

        quantity: fsm.Integer = fsm.Integer()
        weight: fsm.Integer = fsm.Integer()

    class Go(fsm.Event):
        """Whoever waits goes on."""

    class Stop(fsm.Event):
        """The end."""

    early = fsm.State(initial=True)
    later = fsm.State()
    over = fsm.State(final=True)
    lost = fsm.State(poison=True)

    early.defers(Put, at_most=2)
    early.on(Go, to=later)
    early.after("5 s", to=later)
    later.on(Put, when=Put.quantity > 0, do=total.add(Put.quantity * Put.weight))
    later.on(Put, when=Put.quantity == -1, to=lost)
    later.on(Stop, to=over)
    later.after("5 s", when=total > 3, to=over)


def test_engines_and_the_chart_agree_with_a_journal() -> None:
    """On every frame too, of flows by the hundred, in a ring that wraps every few inputs."""
    count, seen = len([*seeds(200)]), Counter[str]()
    for seed in seeds(200):
        draw = Random(seed).randrange
        play(random_flow(draw), seed, draw, seen)
    expect(seen, count / 200, duplicate=150, key_reused=300, drained=15_000, busy=150, marked=150)


def test_they_agree_on_rows_that_are_used_again() -> None:
    """Of instances that end after a few inputs, under old keys and new ones; news for the old ones find nobody."""
    count, seen = len([*seeds(60)]), Counter[str]()
    for seed in seeds(60):
        play(Short, seed, Random(seed).randrange, seen, count=120)
    expect(seen, count / 60, released=300, again=300, unknown_instance=300, deferred=100, duplicate=50)


def expect(seen: Counter[str], share: float, **least: int) -> None:
    """What cannot come up cannot be compared."""
    assert not {name: seen[name] for name in least if seen[name] < least[name] * share}, seen


def play(flow: type[fsm.Flow], seed: int, draw: Callable[[int], int], seen: Counter[str], *, count: int = 60) -> None:
    """So many inputs for a flow, and what stands around them."""
    tables = compiled(flow)
    if tables is None:
        return
    given: Any = None
    try:
        with Trio(flow, tables, journal=Journal()) as trio:
            for key in KEYS:
                trio.start(key, fields_at_start(draw, tables))
            stream, kept = Stream(draw, tables), list[tuple[Input, int]]()
            for _ in range(count if trio.handles else 0):
                given = stream.next()
                if given.instance >= 0 and chance(draw, 85):  # else news for those of old, too
                    given = given._replace(instance=len(trio.handles) - 1 - draw(4))
                give(trio, given, draw, kept, seen)
            seen["drained"] += len(trio.pair.mirror.memory.drained)
    except AssertionError as error:
        error.add_note(f"FSM_SEED={seed}, {given}\n{tables.chart}")
        raise


def give(
    trio: Trio, given: Input, draw: Callable[[int], int], kept: list[tuple[Input, int]], seen: Counter[str]
) -> None:
    """An input with what a journal keeps of it, now and then an earlier one again; around it lives end and begin."""
    key = 1 + draw(7) if chance(draw, 50) else None
    if kept and chance(draw, 15):
        again, key = pick(draw, kept)
        given = again._replace(now_ns=given.now_ns)
    elif key is not None:
        kept.append((given, key))
    outcome = trio.give(given, key, pick(draw, (None, None, "c" * 64, -7)))
    seen[outcome.label] += 1
    if chance(draw, 20):
        seen["released"] += sum(trio.release(handle) for handle in [*trio.live])
    while len(trio.live) < 4 and chance(draw, 20):
        before = len(trio.handles)
        trio.start(pick(draw, (*KEYS, draw(30))), fields_at_start(draw, trio.pair.tables))
        seen["again"] += len(trio.handles) > before and trio.handles[-1] > NONE
    if chance(draw, 4):
        seen["busy"] += trio.give_to_a_full_ring(given)
    if chance(draw, 8):
        trio.pair.call("_mark", [draw(1 << 62) for _ in range(draw(6))])
        seen["marked"] += not isinstance(trio.pair.call("_position"), Raised)
