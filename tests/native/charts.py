"""A flow that does all that a flat one cannot: regions, raised events, two timers, deferred events, a fault on the way.

closed ──Open──▶ opened ══╦═ left     one ⇄ two, on Ping
   ▲                │     ╚═ right    Nudge raises Ping
   └──Close, 10 s───┘
"""

from __future__ import annotations

from fsm import Event, Flow, Integer, Parallel, Region, State, raise_


class Charted(Flow, waive={"no-final-state": "it runs as long as it is measured"}):
    """One instance of everything."""

    total = Integer(waive={"unread-field": "written only"})
    nothing = Integer(waive={"unwritten-field": "0, to divide by"})

    class Open(Event):
        pass

    class Close(Event):
        pass

    class Wait(Event):
        number: Integer = Integer()

    class Nudge(Event):
        pass

    class Ping(Event):
        pass

    class Fail(Event):
        pass

    class Broken(Event):
        pass

    closed = State(initial=True)
    with Parallel() as opened:
        with Region() as left:
            one = State(initial=True)
            two = State()
        with Region() as right:
            only = State(initial=True)

    closed.on(Open, to=opened)
    closed.defers(Wait, at_most=3)
    opened.on(Wait, do=total.add(Wait.number))
    opened.on(Close, to=closed)
    one.on(Ping, to=two)
    two.on(Ping, to=one)
    left.after("5 s", do=total.add(1))
    right.on(Nudge, do=[total.add(1), raise_(Ping)])
    right.after("10 s", to=closed)
    opened.on(Fail, do=[total.add(1), raise_(Broken)])
    opened.on(Broken, do=total.set(total // nothing))
