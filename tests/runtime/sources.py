"""Flows and sources for runs that are killed: submissions that come late, timers, starts that are refused.

a source(engine) ──▶ batches, the same each time, but for those that are made up
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fsm import Duration, Event, Flow, Integer, State, Timestamp
from fsm.runtime import Batch, Parked
from tests.runtime.cut import Run, Source, run


class Order(Flow):
    """Submitted, filled or closed; a submission of nothing divides by zero at the next start."""

    quantity = Integer()

    class Submit(Event):
        quantity: Integer = Integer()

    class Fill(Event):
        quantity: Integer = Integer()

    class Close(Event):
        pass

    new = State(initial=True)
    working = State()
    filled = State(final=True)
    closed = State(final=True)
    new.on(Submit, when=Submit.quantity > 0, to=working, do=quantity.set(Submit.quantity))
    working.on(Fill, when=Fill.quantity == quantity, to=filled)
    working.on(Close, to=closed)


SUBMIT, FILL, CLOSE = Order.Submit.id, Order.Fill.id, Order.Close.id


class Timed(Flow):
    """An order that lapses after ten nanoseconds, is noted too early, and cannot be started late in time."""

    wait = Duration(default=10)
    last = Timestamp(default=40)

    class Submit(Event):
        pass

    class Fill(Event):
        pass

    class Note(Event):
        pass

    new = State(initial=True)
    working = State()
    filled = State(final=True)
    lapsed = State(final=True)
    new.on(Submit, to=working)
    new.after(wait, to=lapsed)
    new.defers(Note, at_most=2)
    working.on(Fill, to=filled)
    working.on(Note)
    working.after(wait, to=lapsed)
    working.at(last, to=filled)


class Faulting(Flow):
    """A start that cannot be made while the field has its default."""

    parts = Integer()

    class Go(Event):
        pass

    a = State(initial=True)
    b = State(final=True)
    a.on_entry(parts.set(100 // parts))
    a.on(Go, to=b)


class Overflowing(Flow):
    """A start that cannot be made from some time on."""

    wait = Duration(default=(1 << 63) - 100)

    class Go(Event):
        pass

    a = State(initial=True)
    b = State(final=True)
    a.on(Go, to=b)
    a.after(wait, to=b)


def batch(*events: tuple[int, ...], **details: Any) -> Batch:
    """A batch of (key, event id, quantity)."""
    rows = np.array(events, np.int64).reshape(-1, 3)
    return Batch(rows[:, 0], rows[:, 1], rows[:, 2:], **details)


def live(engine: Any) -> np.ndarray:
    return np.array(engine.select(state="working"), np.uint64)


def orders(engine: Any) -> Iterable[Batch]:
    """Events before and behind submissions of their keys, refusals, rows that are no events, then Close for all."""
    yield batch(left_out=1)
    yield batch((7, FILL, 5), (7, SUBMIT, 5), (9, SUBMIT, 1), (7, FILL, 4), (8, CLOSE, 0), (9, SUBMIT, 2), (3, 9, 1))
    yield batch()
    yield batch(parked=[Parked(9, "columns: expected 6, found 1", b"x")])
    yield batch((8, FILL, 1), (3, SUBMIT, 2), (8, SUBMIT, -1), (8, SUBMIT, 6), (7, FILL, 5), left_out=2)
    yield Batch(None, CLOSE, instances=[each for each in live(engine) if engine.key(each) == 9], made_up=True)
    yield batch((4, SUBMIT, 2), (9, CLOSE, 0), (5, SUBMIT, 7))
    yield Batch(None, CLOSE, instances=live(engine), made_up=True)


def times(*events: tuple[int, int, int]) -> Batch:
    """A batch of (key, event id, time)."""
    rows = np.array(events, np.int64).reshape(-1, 3)
    return Batch(rows[:, 0], rows[:, 1], None, rows[:, 2])


def lapses(engine: Any) -> Iterable[Batch]:
    """Timers between the events, notes that wait, and a source that moves the clock itself."""
    submit, fill, note = Timed.Submit.id, Timed.Fill.id, Timed.Note.id
    yield times(
        (1, fill, 1), (1, note, 1), (2, submit, 3), (1, submit, 3), (3, submit, 4), (2, fill, 13), (4, note, 13)
    )
    engine.advance(20)
    yield times((4, submit, 21), (5, submit, 19), (6, note, 23), (6, note, 24), (6, note, 24), (1, fill, 24))
    yield times((6, submit, 29), (5, fill, 30), (7, submit, 31), (7, fill, 45), (8, submit, 45))
    engine.advance(60)


def faults(engine: Any) -> Iterable[Batch]:
    """Starts that are refused: each is tried once in a batch."""
    yield Batch([1, 2, 1], [0, 0, 0])
    yield Batch([2, 3], [0, 0])


def overflows(engine: Any) -> Iterable[Batch]:
    """Starts that are refused from some time on, and tried with each submission."""
    yield times((1, 0, 5), (2, 0, 200), (3, 0, 100), (2, 0, 300), (1, 0, 300))
    yield times((4, 0, 300), (4, 0, 301))


SOURCES: dict[str, tuple[Any, Source]] = {
    "orders": (Order, orders),
    "lapses": (Timed, lapses),
    "faults": (Faulting, faults),
    "overflows": (Overflowing, overflows),
}


def undisturbed(path: Path, name: str, engine_name: str) -> Run:
    """What a source leaves whose process nobody kills."""
    ended = run(path / "undisturbed", *SOURCES[name], engine_name)
    assert ended is not None
    return ended
