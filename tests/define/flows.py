"""Flows that the tests of define share, and a way to ask what a broken one says."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from fsm.define import Boolean, Choice, Decimal, Duration, Event, Flow, Integer, State, Text, Timestamp
from fsm.errors import DefinitionError
from fsm.layout import Finding


class Trade(Flow):
    """A trade with one field of each type."""

    lots = Integer()
    more = Integer()
    price = Decimal(2)
    rate = Decimal(4)
    halted = Boolean()
    ready = Boolean()
    traded = Timestamp()
    patience = Duration()
    side = Choice("buy", "sell")
    isin = Text(12)
    venue = Text(4)

    class Fill(Event):
        """News of each type."""

        lots: Integer = Integer()
        price: Decimal = Decimal(2)
        at: Timestamp = Timestamp()
        last: Boolean = Boolean()
        side: Choice = Choice("buy", "sell", default="buy")

    class Cancel(Event):
        """No arguments."""

    open = State(initial=True)
    done = State(final=True)
    open.on(Fill, to=done)


def problems(write: Callable[[], object]) -> list[Finding]:
    """Every finding of a definition that is written in a function."""
    with pytest.raises(DefinitionError) as caught:
        write()
    return list(caught.value.problems)


def rules(write: Callable[[], object]) -> list[str]:
    """The rules that a definition breaks, in order of the lines."""
    return [finding.rule for finding in problems(write)]


def line_here() -> int:
    """The line of the caller."""
    return sys._getframe(1).f_lineno
