"""A flow that says everything a statechart can say, once each: what the golden pictures and listings show."""

from __future__ import annotations

from fsm import Duration, Event, Flow, History, Integer, Parallel, Region, State, Timestamp, raise_, when


class Statechart(Flow, microsteps_max=8, raised_max=4):
    """Two legs beside each other, with all that may happen to them."""

    count = Integer()
    wait = Duration(default="2 s", waive={"unwritten-field": "who starts an instance says it"})
    due = Timestamp(waive={"unwritten-field": "the same"})

    class Go(Event):
        size: Integer = Integer()

    class Next(Event):
        pass

    class Back(Event):
        pass

    class Note(Event):
        """Raised too, so it may come from either side."""

    class Stop(Event):
        pass

    idle = State(initial=True)
    with State() as working:
        again = History()
        first = State(initial=True)
        with Parallel() as legs:
            with Region() as left:
                a = State(initial=True)
                b = State()
                left_end = State(final=True)
            with Region() as right:
                with State(initial=True) as inner:
                    c = State(initial=True)
                    d = State()
                right_end = State(final=True)
            resumed = History(deep=True, default=b)
        with Parallel() as watching:
            eye = State(waive={"no-way-out": "it only looks on"})
            ear = State()
    stopped = State(final=True)
    ended = State(final=True)
    lost = State(poison=True)

    idle.on(Go, when=Go.size > 0, to=working, do=count.set(Go.size))
    idle.on(Go, when=Go.size < 0, to=(b, d))  # a fork
    idle.defers(Next, Back, at_most=3)
    idle.ignores(Note)

    working.on_entry(count.add(1), raise_(Note))
    working.on_exit(when(count > 9, count.set(0)))
    working.on(Note, do=count.add(1))  # keeps whatever is active
    working.on(Next, when=count > 5, to=first, stay=True)  # working itself is neither left nor entered
    working.on(Back, when=count > 5, to=working)  # all of it is left and entered anew
    working.on(Event, when=count > 7, to=lost, waive={"overlapping-guards": "it is the last resort"})
    working.on(Stop, when=count > 1, to=stopped)
    working.after(wait * 2, to=lost)

    first.on(Next, to=legs)
    first.on(Back, to=idle)
    a.on(Next, to=b)
    a.on(Back, to=a)  # a loop: a is left and entered
    b.always(when=count == 3, to=left_end)
    b.on(Back, to=d)  # from region to region: both legs are left
    c.after("30 s", when=count < 3, to=d)
    c.after("30 s", to=right_end, waive={"constant-guard": "only to show a waiver of a timer"})
    d.at(due, to=right_end)
    d.on(Back, to=inner)
    first.on(Go, to=watching)
    ear.on(Go, to=ear)  # a region of one state: the other is left with it
    watching.on(Next, to=first)
    legs.defers(Stop, at_most=2)
    legs.on_done(to=ended)
    ended.on_entry(count.set(-1))
    ended.on(Back, to=again)
    lost.on(Back, to=resumed)
