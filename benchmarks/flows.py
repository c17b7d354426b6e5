"""The flow that the step benchmarks run: one guard and two writes, and the ways to be refused."""

from fsm import Event, Flow, Integer, State


class Ticking(Flow, waive={"no-final-state": "a benchmark never ends"}):
    """Takes ticks without end, in one state."""

    left = Integer(waive={"unread-field": "written by the benchmark"})
    last = Integer(waive={"unread-field": "written by the benchmark"})

    class Tick(Event):
        amount: Integer = Integer()

    class Go(Event):
        pass

    class Never(Event):
        pass

    one = State(initial=True)
    two = State()

    one.on(Tick, when=Tick.amount > 0, do=[left.subtract(Tick.amount), last.set(Tick.amount)], to=two)
    two.on(Tick, when=Tick.amount > 0, do=[left.subtract(Tick.amount), last.set(Tick.amount)], to=two)
    one.on(Go, to=two)
    two.on(Go, to=two)
    (one | two).on(Never, when=left > 0, to=one)


class ByHand:
    """The same in if and elif, as people write it."""

    __slots__ = ("last", "left", "state")

    def __init__(self) -> None:
        self.state, self.left, self.last = "two", 0, 0

    def step(self, event: str, amount: int) -> bool:
        """One event; whether it was accepted."""
        if self.state == "two" or self.state == "one":
            if event == "tick":
                if amount > 0:
                    self.left -= amount
                    self.last = amount
                    self.state = "two"
                    return True
                return False
            if event == "go":
                self.state = "two"
                return True
        return False
