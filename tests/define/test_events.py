"""Events: expressions on the class, values on an instance, words for the engine."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest

from fsm.define import Boolean, Choice, Decimal, Duration, Event, Flow, Integer, State, Text, Timestamp
from fsm.define.expressions import IntegerValue


class Wide(Flow):
    """Events of all types."""

    class Fill(Event):
        lots: Integer = Integer()
        price: Decimal = Decimal(2)
        last: Boolean = Boolean()
        side: Choice = Choice("buy", "sell", default="sell")
        isin: Text = Text(12)

    class Wait(Event):
        at: Timestamp = Timestamp()
        length: Duration = Duration()

    class Cancel(Event):
        pass

    class Base(Event):
        lots: Integer = Integer()

    class Derived(Base):
        more: Integer = Integer()

    new = State(initial=True)


def fill(**changed: Any) -> Any:
    """A fill."""
    return Wide.Fill(**{"lots": 4, "price": "1.25", "last": True, "isin": "DE0007164600", **changed})


def test_an_instance_reads_as_values() -> None:
    """Each argument comes back as its type says; a default stands in for what is not said."""
    event = fill()
    assert (event.lots, event.price, event.last, event.side) == (4, decimal.Decimal("1.25"), True, "sell")
    assert event.isin == b"DE0007164600"


def test_an_instance_holds_int64_words() -> None:
    """A text takes little-endian words, padded with NUL."""
    isin = b"DE0007164600".ljust(16, b"\0")
    words = tuple(int.from_bytes(isin[at : at + 8], "little", signed=True) for at in (0, 8))
    assert fill(lots=-1, side="buy").words == (-1, 125, 1, 0, *words)
    assert Wide.Cancel().words == ()


def test_moments_and_lengths_are_ns() -> None:
    """An aware datetime, a timedelta and text become ns."""
    at = datetime.datetime(1970, 1, 1, 1, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    event = Wide.Wait(at=at, length="200 ms")
    assert (event.at, event.length, event.words) == (0, 200_000_000, (0, 200_000_000))


def test_the_class_gives_expressions() -> None:
    """An argument on the class is a value that is not known yet."""
    argument: Any = Wide.Fill.lots
    assert isinstance(argument, IntegerValue)
    assert not hasattr(argument, "set")


def test_events_compare_by_class_and_words() -> None:
    """Equal words of another event are another event."""
    assert fill() == fill()
    assert hash(fill()) == hash(fill())
    assert fill() != fill(lots=5)
    assert Wide.Cancel() != Wide.Base(lots=1)
    assert Wide.Base(lots=1) != 1


def test_an_event_is_immutable() -> None:
    """News does not change after it came."""
    event = fill()
    for name in ("lots", "words", "other"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(event, name, 5)
    assert event.lots == 4


def test_an_event_shows_its_arguments() -> None:
    """The text of an event can be read, and mostly be written back."""
    assert repr(Wide.Base(lots=3)) == "Wide.Base(lots=3)"
    assert repr(Wide.Cancel()) == "Wide.Cancel()"


def test_arguments_are_inherited() -> None:
    """Those of the base come first."""
    event = Wide.Derived(lots=1, more=2)
    assert (event.words, event.lots, event.more) == ((1, 2), 1, 2)
    assert [Wide.Base.id, Wide.Derived.id] == [3, 4]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"lots": "4"}, TypeError, "argument 'lots': an int was expected, and '4' (str) was found"),
        ({"lots": True}, TypeError, "an int"),
        ({"lots": 1 << 63}, ValueError, "64 bits"),
        ({"price": 1.25}, TypeError, "float"),
        ({"price": "1.255"}, ValueError, "at most 2 places"),
        ({"last": 1}, TypeError, "True or False"),
        ({"side": "hold"}, ValueError, "'buy', 'sell'"),
        ({"isin": b"DE\0"}, ValueError, "NUL"),
        ({"isin": "DE00071646001"}, ValueError, "at most 12 bytes"),
        ({"lotz": 1}, TypeError, "no argument 'lotz'. It takes: lots, price, last, side, isin"),
    ],
)
def test_a_wrong_argument_is_told(changed: dict[str, Any], error: type[Exception], said: str) -> None:
    """What was expected, what was found, and for which argument."""
    with pytest.raises(error) as caught:
        fill(**changed)
    assert said in str(caught.value)
    assert str(caught.value).startswith("Wide.Fill")


def test_a_missing_argument_is_told() -> None:
    """With the list of what there is."""
    with pytest.raises(TypeError, match=r"Wide\.Base needs 'lots'"):
        Wide.Base()  # type: ignore[call-arg]


def test_an_argument_is_given_by_name() -> None:
    """A value without a name is told with the list of what there is."""
    with pytest.raises(TypeError, match=r"Wide\.Base takes its arguments by name, and 4 was found.* It takes: lots"):
        Wide.Base(4)  # type: ignore[call-arg]


def test_a_naive_datetime_names_no_moment() -> None:
    """Without a time zone it could be any."""
    with pytest.raises(ValueError, match="time zone"):
        Wide.Wait(at=datetime.datetime(2026, 1, 1), length=0)
