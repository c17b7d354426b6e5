"""A flow as product.md shows it: neither type checker finds anything in it."""

from fsm import Engine, Event, Flow, Integer, Outcome, State, Step, Tables, check, compile


class LimitOrder(Flow, waive={"overlapping-guards": "an example of a waiver"}):
    """One limit order at a venue, from submission to its end."""

    quantity = Integer()
    leaves = Integer(default=0, waive={"unread-field": "shown to people"})

    class Submit(Event):
        quantity: Integer = Integer()

    class Execute(Event):
        quantity: Integer = Integer()

    class Reduce(Event, waive={"unhandled-event": "an example of a waiver"}):
        quantity: Integer = Integer()

    class Cancel(Event):
        pass

    new = State(initial=True)
    working = State()
    part_filled = State(waive={"no-way-out": "an example of a waiver"})
    filled = State(final=True)
    cancelled = State(final=True)
    quarantined = State(poison=True)

    new.on(
        Submit,
        when=Submit.quantity > 0,
        to=working,
        do=[quantity.set(Submit.quantity), leaves.set(Submit.quantity)],
    )

    live = working | part_filled
    live.on(
        Execute,
        when=(Execute.quantity > 0) & (Execute.quantity < leaves),
        to=part_filled,
        do=leaves.subtract(Execute.quantity),
    )
    live.on(Execute, when=Execute.quantity == leaves, to=filled, do=leaves.set(0), waive={"overlapping-guards": "why"})
    live.on(Reduce, when="Reduce.quantity > 0 and Reduce.quantity < leaves", do="leaves -= Reduce.quantity")
    live.on(Cancel, to=cancelled)
    (live | new).ignores(Reduce, Cancel)

    # The venue may match before it sees our cancel: its report wins.
    cancelled.on(Execute, to=quarantined)


event = LimitOrder.Execute(quantity=40)
quantity: int = event.quantity
number: int = LimitOrder.Execute.id
words: tuple[int, ...] = event.words
name: str | None = LimitOrder.working.name

tables: Tables = compile(LimitOrder)
rules: list[str] = [finding.rule for finding in check(LimitOrder)]
engine = Engine(tables, capacity=16, engine="mirror")
with Engine(LimitOrder, engine="mirror") as other:
    order: int = other.start("ord-1")
    sent: Step = other.send("ord-1", LimitOrder.Submit(quantity=40))
    outcome: Outcome = sent.outcome
    instance: int | None = sent.instance
    version: int | None = sent.version
    states: tuple[str, ...] = sent.states
    reason: str = sent.reason
    accepted: bool = sent.accepted
