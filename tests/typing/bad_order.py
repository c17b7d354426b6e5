"""Mistakes: both type checkers find each line that is marked, and no other."""

from fsm import Boolean, Choice, Decimal, Engine, Event, Flow, Integer, State, Text, Timestamp, minimum, multiply, when


class Order(Flow):
    """A flow with mistakes in it."""

    leaves = Integer(default="4")  # E: a default of another type
    price = Decimal("2")  # E: places are a number
    venue = Text(4)
    other = Text(4)
    side = Choice("buy", "sell")
    halted = Boolean()
    traded = Timestamp()
    misspelt = Integer(defualt=4)  # E: no such option

    class Execute(Event):
        """A fill."""

        quantity: Integer = Integer()
        venue: Text = Text(4)

    class Cancel(Event):
        """No arguments."""

    working = State(initial=True)
    filled = State(finale=True)  # E: no such option

    working.on(Execute, to="filled")  # E: a name is no state
    working.on("Execute", to=filled)  # E: a name is no event
    working.on(Execute, when=Execute.price > 0)  # E: no such argument
    working.on(Execute, when=Execute.quantity)  # E: a number is no condition
    working.on(Execute, when=Execute.venue < venue)  # E: text has no order
    working.on(Execute, when=side > "buy")  # E: a choice has no order
    working.on(Execute, when=(leaves > 0) & leaves)  # E: a number is no condition
    working.on(Execute, when=leaves < "4")  # E: a number is not compared with text
    working.on(Execute, when=leaves < 1.5)  # E: nor with a float
    working.on(Execute, when=leaves + venue > 0)  # E: a number and text have no sum
    working.on(Execute, when=traded + traded > 0)  # E: two moments have no sum
    working.on(Execute, do=leaves.set("x"))  # E: a number is not set to text
    working.on(Execute, do=leaves.set(venue))  # E: nor to a text field
    working.on(Execute, do=leaves.increase(1))  # E: no such action
    working.on(Execute, do=venue.add(b"x"))  # E: text does not grow
    working.on(Execute, do=Execute.quantity.set(1))  # E: an argument is never set
    working.on(Execute, do=leaves)  # E: a value is no action
    working.on(Execute, do=leaves.set(multiply(leaves, 3, divide_by=2, rounding="nearest")))  # E: no such mode
    working.on(Execute, do=leaves.set(minimum(venue, other)))  # E: text has no minimum
    working.on(Execute, do=leaves.set(price.rescale(0, rounding="down")))  # E: a decimal is no integer
    working.on(Execute, do=when(leaves, leaves.set(0)))  # E: a number is no condition
    working.on(Execute, then=filled)  # E: no such option
    working.ignores("Cancel")  # E: a name is no event


Order.Execute(quantty=4, venue="X")  # E: a misspelt argument
Order.Execute(quantity=4)  # E: a missing argument
Order.Execute(quantity="4", venue="X")  # E: a wrong type
Order.Execute(4, "X")  # E: arguments are named
Order.Cancel(quantity=4)  # E: no such argument
Order.Execute(quantity=4, venue="X").price  # E: no such argument
Order.Execute.price  # E: no such argument
Order.Submit  # E: no such event
text: str = Order.Execute(quantity=4, venue="X").quantity  # E: a number is no text

Engine("Order")  # E: a name is no flow
Engine(3)  # E: a number is no flow
Engine(Order.Execute)  # E: an event is no flow
Engine(int)  # E: a class that is no flow
Engine(Order, capacity="4")  # E: a number of instances
sent = Engine(Order).send("ord-1", "Cancel")
version: str = sent.version  # E: a number, or None
states: list[str] = sent.states  # E: a tuple
sent.outcom  # E: no such attribute
sent.reason = "none"  # E: what became of an event does not change
