"""One settlement instruction, on an engine and beside it on the interpreter of charts.

    Desk ──give, wait──▶ engine ───────┐
                    └──▶ interpreter ──┴── outcome, states, fields, timers: equal after every input

Time begins when the instruction comes: it is to be settled on day 1, the cut-off of that day is at hour 40, and the
house gives up after day 9.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import fsm
from fsm.define.chart import Transition
from fsm.define.flow import chart_of
from fsm.layout import Outcome, StateKind
from fsm.tables import Tables
from fsm.tools.load import load_flow
from fsm.values import from_words
from tests.compile.interpreter import World
from tests.conftest import ROOT

HOUR = 3_600_000_000_000
MINUTE = HOUR // 60
DAY_1, PARTIAL_FROM, CUT_OFF, LATEST = 24 * HOUR, 38 * HOUR, 40 * HOUR, 240 * HOUR
NEXT_CUT_OFF = 64 * HOUR

Settlement: Any = load_flow(str(ROOT / "examples/settlement.py"))
CHART = chart_of(Settlement)
INNERMOST = (StateKind.ATOMIC, StateKind.FINAL, StateKind.POISON)


compiled = cache(fsm.compile)


class Desk:
    """One instruction; without the name of an engine, on the interpreter alone."""

    def __init__(self, engine_name: str | None) -> None:
        self.engine = fsm.Engine(compiled(Settlement), capacity=1, engine=engine_name) if engine_name else None
        self.instance = self.engine.start("one") if self.engine else 0
        self.world = World()
        self.world.start(CHART)
        self.beside = self.world.interpreters[0]
        self.entered: set[str] = set()
        self.taken: set[Transition] = set()
        self._watch()
        self._compare()

    def _watch(self) -> None:
        microstep = self.beside.microstep

        def watched(enabled: list[Transition]) -> None:
            self.taken |= set(enabled)
            microstep(enabled)

        self.beside.microstep = watched  # type: ignore[method-assign]

    def give(self, event: str, **arguments: Any) -> str:
        """The outcome of one event."""
        given = getattr(Settlement, event)(**arguments)
        outcome = self.world.step(0, event, (*given.words, 0, 0, 0, 0, 0, 0)[:6])
        if self.engine:
            assert (outcome, event) == (Outcome(self.engine.step(self.instance, given.id, *given.words)), event)
        self._compare()
        return outcome.label

    def all(self, *events: str, **arguments: Any) -> None:
        """Several events without arguments, or one with them: each is accepted."""
        for event in events:
            assert (event, "accepted") == (event, self.give(event, **arguments))

    def wait(self, until: int) -> int:
        """How many timers fired."""
        fired = self.world.advance(until)
        if self.engine:
            assert fired == self.engine.advance(until)
        self._compare()
        return fired

    def _compare(self) -> None:
        self.entered |= {line.removeprefix("enter ") for line in self.beside.trace if line.startswith("enter ")}
        if self.engine is None:
            return
        tables: Tables = self.engine.tables
        assert self.beside.active == self.engine.state(self.instance)
        assert self.fields == self.engine.fields(self.instance)
        assert self.beside.version == self.engine.version(self.instance)
        row = memoryview(self.engine.memory.rows).cast("q")
        slots = row[tables.field_end : tables.field_end + tables.timer_slots].tolist()
        assert self.beside.timers == {slot: deadline for slot, deadline in enumerate(slots) if deadline}
        assert len(self.beside.deferred) == row[tables.deferral_word]
        assert self.world.untold == self.engine.untold

    @property
    def states(self) -> str:
        """The innermost active states: one, or that of each leg."""
        kinds = {state.name: state.kind for state in CHART.states}
        return " ".join(name for name in self.beside.active if kinds[name] in INNERMOST)

    @property
    def fields(self) -> dict[str, Any]:
        """Values by name."""
        words = self.beside.words
        return {
            each.name: from_words(each.type.kind, each.type.places, each.type.options, words[each.name])
            for each in CHART.fields
        }

    def shows(self, **expected: Any) -> None:
        """These fields hold these values; amounts are given as ints or text."""
        found = {name: self.fields[name] for name in expected}
        assert {name: Decimal(value) if isinstance(value, str) else value for name, value in expected.items()} == found

    # --- how far it has come ---

    def instructed(self, quantity: object = 100, amount: object = 5000, partial: bool = True) -> Desk:
        """Received and valid."""
        self.all(
            "Instruct", quantity=quantity, amount=amount, partial=partial,
            settlement_date=DAY_1, cut_off=CUT_OFF, latest=LATEST,
        )  # fmt: skip
        return self

    def matched(self, **terms: Any) -> Desk:
        """Both sides agree; the day has not come."""
        self.instructed(**terms).all("Enrich", "Match")
        return self

    def settling(self, **terms: Any) -> Desk:
        """Both legs at their start."""
        self.matched(**terms).wait(DAY_1)
        return self

    def paying(self, **terms: Any) -> Desk:
        """All is found and covered, and the cash is ordered to move."""
        self.settling(**terms)
        self.all("Reserve", quantity=self.fields["lot"])
        self.all("Fund", amount=self.fields["due"])
        assert "earmarked paying" == self.states
        return self

    def delivering(self, **terms: Any) -> Desk:
        """The cash has moved, and the securities are to follow."""
        self.paying(**terms).pay()
        assert "delivering paid" == self.states
        return self

    def pay(self) -> None:
        """The bank says that it paid."""
        self.all("Paid", order=self.fields["order"], amount=self.fields["due"])

    def deliver(self) -> None:
        """The register says that it delivered."""
        self.all("Delivered", order=self.fields["order"], quantity=self.fields["lot"])
