"""Every type of field, its constants, operators and actions: neither type checker finds anything here."""

import datetime
import decimal

from fsm import (
    Boolean,
    Choice,
    Decimal,
    Duration,
    Event,
    Flow,
    Integer,
    State,
    Text,
    Timestamp,
    maximum,
    minimum,
    multiply,
    when,
)


class Trade(Flow):
    """A trade with one field of each type."""

    lots = Integer(default=1)
    price = Decimal(4, default="1.25")
    value = Decimal(2)
    halted = Boolean(default=False)
    traded = Timestamp()
    patience = Duration(default="200 ms")
    side = Choice("buy", "sell", default="sell")
    isin = Text(12, default=b"DE0007164600")

    class Fill(Event):
        """News of each type."""

        lots: Integer = Integer()
        price: Decimal = Decimal(4)
        last: Boolean = Boolean()
        at: Timestamp = Timestamp()
        side: Choice = Choice("buy", "sell", default="buy")
        venue: Text = Text(4)

    class Wait(Event):
        """A length of time."""

        extra: Duration = Duration()

    open = State(initial=True)
    done = State(final=True)

    open.on(
        Fill,
        when=~halted
        & (Fill.lots >= 1)
        & ((Fill.lots + lots) * 2 // 3 % 7 != -lots)
        & (Fill.price <= price)
        & (Fill.price > "1.25")
        & (price * lots < decimal.Decimal("99.5"))
        & (Fill.last == True)  # noqa: E712
        & (Fill.at - traded < "3 s")
        & (Fill.at < traded + patience)
        & (Fill.side == "buy")
        & (Fill.side != side)
        & (isin == "DE0007164600")
        & (Fill.venue != b"XETR"),
        do=[
            lots.set(minimum(Fill.lots, 10)),
            lots.add(1),
            price.set(Fill.price),
            price.add("0.0001"),
            value.set(multiply(Fill.price, Fill.lots, divide_by=decimal.Decimal("1.00"), rounding="half_even")),
            value.set(Fill.price.rescale(2, rounding="down")),
            value.add(lots.rescale(2)),
            lots.set(Fill.price.to_integer(rounding="half_even")),
            halted.set(Fill.last | (lots > 5)),
            halted.set(False),
            traded.set(maximum(traded, Fill.at)),
            traded.add("1 min"),
            side.set("sell"),
            side.set(Fill.side),
            isin.set(b"DE0007164600"),
            when(lots == 0, halted.set(True), "lots = 0", otherwise=[lots.set(when(halted, 0, lots))]),
        ],
        to=done,
    )
    open.on(Wait, when=Wait.extra * 2 + "1 ms" > patience, do=patience.set(Wait.extra - datetime.timedelta(seconds=1)))
    open.on(Wait, when=halted, do=["patience = 0", patience.subtract("1 ns")])


fill = Trade.Fill(lots=4, price="1.25", last=True, at=datetime.datetime.now(tz=datetime.UTC), venue="XETR")
lots: int = fill.lots
price: decimal.Decimal = fill.price
last: bool = fill.last
at: int = fill.at
side: str = fill.side
venue: bytes = fill.venue
extra: int = Trade.Wait(extra="200 ms").extra
