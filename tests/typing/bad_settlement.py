"""Mistakes in nesting and time: both type checkers find each line that is marked, and no other."""

from fsm import Duration, Event, Flow, History, Integer, Parallel, Region, State, Timestamp, raise_, when


class Settlement(Flow):
    """A flow with mistakes in it."""

    tries = Integer()
    due = Timestamp()
    patience = Duration()

    class Deliver(Event):
        """One lot arrives."""

        quantity: Integer = Integer()
        at: Timestamp = Timestamp()

    class Late(Event):
        """No arguments."""

    instructed = State(initial=True)
    with Parallel() as settling:
        with Region() as cash:
            blocked = State(initial=True)
            paid = State(final=True)
            where = History(default="blocked")  # E: a name is no state
            again = History(default=where)  # E: a history is no default
        with Region(initial=True) as securities:  # E: a region is always entered
            reserved = State(initial=True)
    with Parallel(final=True) as over:  # E: a parallel state is never final
        pass
    group = instructed | blocked
    with group as nested:  # E: a group has nothing inside
        pass
    with where as inner:  # E: nor has a history
        pass

    instructed.on(Late, to=group)  # E: a group is no target
    instructed.on(Late, to=[group])  # E: nor is it one of several
    instructed.on(Late, to=("blocked", reserved))  # E: a name is no state
    instructed.on(Late, to=settling, stay="yes")  # E: a truth
    instructed.on(Late(), to=settling)  # E: an input is no event class
    instructed.on_done(Late, to=settling)  # E: no event is named
    instructed.on_done(stay="yes")  # E: a truth
    instructed.always(tries > 3)  # E: a guard is named
    instructed.always(when=tries)  # E: a number is no condition
    instructed.after(1.5, to=paid)  # E: a float is no duration
    instructed.after(due, to=paid)  # E: a moment is no duration
    instructed.after(patience * patience, to=paid)  # E: nor is a product of two
    instructed.after(to=paid)  # E: a duration is missing
    instructed.at("30 s", to=paid)  # E: a constant is no field
    instructed.at(patience, to=paid)  # E: nor is a duration a moment
    instructed.at(due + patience, to=paid)  # E: an expression is no field
    instructed.at(Deliver.at, to=paid)  # E: nor is an argument
    instructed.defers(Late)  # E: how many is missing
    instructed.defers(Late, at_most="4")  # E: a number
    instructed.defers("Late", at_most=4)  # E: a name is no event
    instructed.on_entry(tries)  # E: a value is no action
    instructed.on_exit(do=tries.set(0))  # E: actions have no name there
    instructed.on_entry(raise_("Late"))  # E: a name is no event
    instructed.on_entry(raise_(Late()))  # E: an input is no event class
    instructed.on_entry(when(tries > 0, raise_(instructed)))  # E: nor is a state
    where.on(Late, to=paid)  # E: a history has no transitions
    where.after("1 s", to=paid)  # E: nor timers
    where.on_entry(tries.set(0))  # E: nor actions
    instructed.emit(Late)  # E: no such declaration


parallel: Parallel = Settlement.cash  # E: a region is none
history: History = Settlement.instructed  # E: nor is a state a history
