"""Random lives of a settlement instruction, and what must hold in each of their moments.

Stream(desk, seed).life() ──▶ one input after the other, most of which fit      laws(desk), the books of a clerk
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from tests.examples.settlement_desk import CHART, DAY_1, HOUR, MINUTE, Desk


def laws(desk: Desk) -> None:
    """What holds whatever happens."""
    now, active = desk.fields, set(desk.beside.active)
    assert min(value for value in now.values() if isinstance(value, Decimal)) >= 0
    assert now["quantity"] == now["settled_quantity"] + now["remaining_quantity"]
    assert now["amount"] == now["settled_amount"] + now["exposed"] + now["remaining_amount"]
    assert now["reserved"] <= now["lot"] and now["blocked"] <= now["due"]
    assert (now["exposed"] > 0) == bool(active & {"delivering", "undelivered", "one_sided"})
    assert (now["settled_quantity"] > 0) == (now["settled_amount"] > 0)
    assert ("settled" in active) == (now["settled_quantity"] == now["quantity"] > 0)
    if "settled" not in active:
        assert now["lot"] <= now["remaining_quantity"]
        assert now["due"] <= now["remaining_amount"] + now["exposed"]
    if "gathering" in active:
        assert ("covered" in active) == (now["blocked"] == now["due"])
    if "failing" in active:
        assert now["blocked"] == 0
    if active & {"delivering", "paying", "doubtful"}:
        assert now["reserved"] == now["lot"]
    if not active & {"settling", "failing", "cancelling", "in_doubt", "one_sided"}:
        assert (0, 0) == (now["reserved"], now["blocked"])
    if active & {"cancelled", "part_settled"}:
        assert (now["settled_quantity"] > 0) == ("part_settled" in active)


WEIGHTS = {"Reject": 0.05, "Cancel": 0.2, "Hold": 0.1, "Mismatch": 0.1, "Recall": 0.1, "PaymentRefused": 0.1}


class Stream:
    """Random inputs that go deep: most of them fit what is there, some do not."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.random = Random(seed)
        self.silence = self.random.choice([0.1, 0.3, 0.8])
        self.delivered = self.paid = Decimal(0)

    def part(self, most: Decimal) -> Decimal:
        """All of it, a part, nothing, or too much."""
        cents = int(most * 100)
        some = self.random.randint(0, max(cents, 1))
        return Decimal(self.random.choice([cents, cents, some, some, cents + 1, 0])) / 100

    def arguments(self, event: str) -> dict[str, Any]:
        """Values for an event."""
        now, random = self.desk.fields, self.random
        order = now["order"] - (random.random() < 0.1)
        match event:
            case "Instruct":
                days = sorted(random.sample(range(1, 12), 3)) if random.random() < 0.9 else [3, 2, 1]
                return {
                    "quantity": Decimal(random.randint(0, 400)) / 100, "amount": Decimal(random.randint(0, 900)) / 100,
                    "partial": random.random() < 0.8, "settlement_date": days[0] * DAY_1,
                    "cut_off": days[1] * DAY_1, "latest": days[2] * DAY_1,
                }  # fmt: skip
            case "Hold" | "Release" | "Cancel" | "Withdraw":
                return {"by": random.choice(["us", "them"])}
            case "Reserve":
                return {"quantity": self.part(now["lot"] - now["reserved"])}
            case "Fund":
                return {"amount": self.part(now["due"] - now["blocked"])}
            case "Recall" | "Amend":
                return {"amount": self.part(now["blocked"] if event == "Recall" else now["amount"])}
            case "Paid":
                return {"order": order, "amount": now["due"] if random.random() < 0.9 else self.part(now["due"])}
            case "Delivered":
                return {"order": order, "quantity": now["lot"] if random.random() < 0.9 else self.part(now["lot"])}
            case "PaymentRefused" | "DeliveryRefused" | "Returned":
                return {"order": order}
            case "Recycle":
                return {"cut_off": now["cut_off"] + random.randint(-1, 48) * HOUR}
            case "Resolve":
                return {"finding": random.choice(["moved", "unmoved"])}
        return {}

    def life(self) -> Iterator[None]:
        """Up to 120 inputs, to an end; most lives are matched before, so that they come to the legs."""
        if self.random.random() < 0.7:
            terms = self.arguments("Instruct")
            self.desk.matched(quantity=terms["quantity"] + 1, amount=terms["amount"] + 1, partial=terms["partial"])
        for _ in range(120):
            self.go()
            yield
            if self.desk.states in ("settled", "part_settled", "cancelled", "rejected"):
                return

    def go(self) -> None:
        """One input, and the books that a clerk keeps beside it."""
        active = set(self.desk.beside.active)
        if self.random.random() < self.silence:
            deadlines = [at for at in self.desk.beside.timers.values() if at > self.desk.world.now]
            later = self.desk.world.now + self.random.choice([1, 15 * MINUTE, 6 * HOUR])
            self.desk.wait(min(deadlines) if deadlines and self.random.random() < 0.7 else later)
            return
        before, event = self.desk.fields, self.event(active)
        arguments = self.arguments(event)
        if self.desk.give(event, **arguments) != "accepted":
            return
        moved = arguments.get("finding") == "moved"
        if event == "Delivered" or (moved and "one_sided" in active):
            self.delivered += before["lot"]
        if (event == "Paid" and arguments["amount"] == before["due"]) or (moved and "in_doubt" in active):
            self.paid += before["due"]
        if event == "Returned":
            self.paid -= before["due"]

    def event(self, active: set[str]) -> str:
        """Mostly one that some active state waits for."""
        handled = sorted({each.event for each in CHART.transitions if each.event and each.source in active})
        if not handled or self.random.random() < 0.1:
            handled = [each.name for each in CHART.events]
        return self.one_of(handled)

    def one_of(self, events: list[str]) -> str:
        """One of these; those that end it all, or lead backwards, are rare."""
        return self.random.choices(events, [WEIGHTS.get(each, 1) for each in events])[0]
