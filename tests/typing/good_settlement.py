"""A nested flow with time, as product.md shows it: neither type checker finds anything in it."""

import datetime

from fsm import Duration, Event, Flow, History, Integer, Parallel, Region, State, Timestamp, raise_, when


class Settlement(Flow, microsteps_max=32, raised_max=8):
    """Securities against cash, each leg in a region of its own."""

    quantity = Integer()
    tries = Integer()
    due = Timestamp()
    patience = Duration(default="30 s")

    class Matched(Event):
        """Both sides said the same."""

        quantity: Integer = Integer()

    class Deliver(Event):
        """One lot arrives."""

        quantity: Integer = Integer()
        at: Timestamp = Timestamp()

    class Late(Event):
        """Raised here, and sent by people."""

    class Hold(Event):
        """Stop the clock."""

    instructed = State(initial=True)
    with Parallel() as settling:
        with Region() as securities:
            reserved = State(initial=True)
            delivered = State(final=True)
        with Region(waive={"no-way-out": "an example of a waiver"}) as cash:
            with State(initial=True) as blocking:
                asked = State(initial=True)
                blocked = State()
            paid = State(final=True)
            where = History(default=blocking)
        everywhere = History(deep=True)
    with State() as held:
        asleep = State()
        last = History(initial=True, default=asleep, waive={"a-rule": "an example of a waiver"})
    settled = State(final=True)
    quarantined = State(poison=True)

    instructed.on(Matched, do=quantity.set(Matched.quantity), to=settling)
    instructed.on(Hold, to=(reserved, blocked), stay=False)
    instructed.on(Late, to=[delivered, where])
    reserved.on(Deliver, when=Deliver.quantity == quantity, do=[due.set(Deliver.at), raise_(Late)], to=delivered)
    reserved.on(Event, when=tries < 3, do="tries += 1; raise_(Late)", waive={"a-rule": "an example of a waiver"})
    cash.on(Late, to=blocked, stay=True)
    (blocking | cash).on_done(do="tries = 1")
    (asked | blocked).after("200 ms", do=when(tries > 3, raise_(Late), "tries = 0"), to=paid)
    blocking.after(patience * 2, when=tries > 0, to=paid, waive={"a-rule": "an example of a waiver"})
    blocking.after(datetime.timedelta(seconds=1), do=tries.add(1))
    blocking.after(1_000_000, to=asked, stay=True)
    settling.at(due, when="tries > 0", to=quarantined, stay=False)
    settling.always(when=tries == 9, do=tries.set(0), to=quarantined)
    settling.on_done(when=quantity > 0, do=tries.set(0), to=settled)
    settling.on(Hold, to=held)
    held.on(Matched, to=everywhere)
    (settling | held).defers(Matched, Deliver, at_most=4)
    (settling | instructed).on_entry(tries.set(0), "quantity = 0", raise_(Late))
    held.on_exit(when(tries > 0, tries.subtract(1)), raise_(Late))
    with held as again:
        awake = State()
        asleep.on(Late, to=awake)
    again.on(Late, to=last)


region: Region = Settlement.securities
parallel: Parallel = Settlement.settling
history: History = Settlement.everywhere
state: State = Settlement.held
name: str | None = Settlement.everywhere.name
