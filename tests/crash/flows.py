"""The flows of victims: small rows, so that an image is small, and all that a step can do.

Desk     new ──Buy──▶ working ──Fill, guard, two writes──▶ working ──Cancel──▶ done
Waiting  shut ⇄ open, with timers, regions, and events that are deferred while it is shut
"""

from __future__ import annotations

from fsm import Event, Flow, Integer, Parallel, Region, State, Timestamp, raise_


class Desk(Flow):
    """Flat, and a row of 64 bytes: what the core does the short way."""

    leaves = Integer()
    filled = Integer()
    value = Integer(waive={"unread-field": "written only"})

    class Buy(Event):
        quantity: Integer = Integer()

    class Fill(Event):
        quantity: Integer = Integer()
        price: Integer = Integer()
        venue: Integer = Integer()
        clerk: Integer = Integer()
        lot: Integer = Integer()
        fee: Integer = Integer()

    class Split(Event):
        parts: Integer = Integer()

    class Note(Event):
        pass

    class Cancel(Event):
        pass

    new = State(initial=True)
    working = State()
    done = State(final=True)

    new.on(Buy, when=Buy.quantity > 0, to=working, do=[leaves.set(Buy.quantity), filled.set(0)])
    new.on(Cancel, to=done)
    working.on(
        Fill,
        when=(Fill.quantity > 0) & (Fill.quantity <= leaves),
        do=[
            leaves.subtract(Fill.quantity),
            filled.add(Fill.quantity),
            value.set(Fill.price + Fill.venue + Fill.clerk + Fill.lot + Fill.fee),
        ],
    )
    working.on(Split, do=leaves.set(filled // Split.parts))
    working.on(Cancel, to=done)
    working.ignores(Note)


class Waiting(Flow):
    """Regions, two timers, three events that may wait, each with two words: a row of several cache lines."""

    total = Integer(waive={"unread-field": "written only"})
    until = Timestamp()

    class Open(Event):
        until: Timestamp = Timestamp()

    class Shut(Event):
        pass

    class Order(Event):
        quantity: Integer = Integer()
        price: Integer = Integer()

    class Nudge(Event):
        pass

    class Ping(Event):
        pass

    class End(Event):
        pass

    shut = State(initial=True)
    with Parallel() as opened:
        with Region() as left:
            one = State(initial=True)
            two = State()
        with Region() as right:
            only = State(initial=True)
    over = State(final=True)

    shut.on(Open, to=opened, do=until.set(Open.until))
    shut.defers(Order, at_most=3)
    shut.on(End, to=over)
    opened.on(Order, when=Order.quantity > 0, do=total.add(Order.quantity * Order.price))
    opened.on(Shut, to=shut)
    opened.on(End, to=over)
    opened.at(until, to=shut)
    one.on(Ping, to=two)
    two.on(Ping, to=one)
    left.after("5 s", do=total.add(1))
    right.on(Nudge, do=[total.add(1), raise_(Ping)])
