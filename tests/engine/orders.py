"""The flow that the tests of engines step: guards, writes, faults, an ignored event, a final and a poison state."""

from __future__ import annotations

from typing import Any

import fsm
from fsm import Boolean, Choice, Event, Flow, Integer, State, Text
from fsm.layout import ROW_FIELDS


class Order(Flow):
    """An order with five words of fields: 64 bytes."""

    quantity = Integer()
    leaves = Integer(default=5)
    side = Choice("buy", "sell")
    urgent = Boolean()
    venue = Text(8, default=b"XETR")

    class Submit(Event):
        quantity: Integer = Integer()
        side: Choice = Choice("buy", "sell")

    class Execute(Event):
        quantity: Integer = Integer()

    class Split(Event):
        parts: Integer = Integer()

    class Note(Event):
        pass

    class Cancel(Event):
        pass

    class Route(Event):
        venue: Text = Text(8)

    new = State(initial=True)
    working = State()
    filled = State(final=True)
    cancelled = State(final=True)
    quarantined = State(poison=True)

    new.on(
        Submit,
        when=Submit.quantity > 0,
        to=working,
        do=[quantity.set(Submit.quantity), leaves.set(Submit.quantity), side.set(Submit.side)],
    )
    new.on(Route, when=Route.venue != venue, do=venue.set(Route.venue))
    working.on(Execute, when=Execute.quantity == leaves, to=filled, do=leaves.set(0))
    # The first write has happened in the registers when the second one overflows.
    working.on(Execute, when=Execute.quantity != 0, do=[urgent.set(True), leaves.subtract(Execute.quantity)])
    working.on(Split, do=[urgent.set(True), leaves.set(leaves // Split.parts)])
    working.on(Cancel, to=cancelled)
    working.ignores(Note)
    cancelled.on(Execute, to=quarantined)


SUBMIT, EXECUTE, SPLIT, NOTE, CANCEL, ROUTE = range(6)


def open_engine(name: str, capacity: int = 8, flow: Any = Order) -> fsm.Engine:
    """An engine on `Order`."""
    return fsm.Engine(flow, capacity=capacity, engine=name)


def working_order(engine: fsm.Engine, key: str | int = "ord-1", quantity: int = 100) -> int:
    """An order that was submitted."""
    handle = engine.start(key)
    assert fsm.Outcome.ACCEPTED == engine.step(handle, SUBMIT, quantity)
    return handle


def row_words(engine: fsm.Engine, handle: int) -> list[int]:
    """The words of a row."""
    first = (handle & 0xFFFF_FFFF) * engine.tables.row_bytes
    return memoryview(engine.memory.rows)[first : first + engine.tables.row_bytes].cast("Q").tolist()


def instance_of(engine: fsm.Engine, handle: int) -> list[int]:
    """The words of a row but the number of the last frame, which every input changes."""
    words = row_words(engine, handle)
    return [words[0], words[2], *words[ROW_FIELDS:]]
