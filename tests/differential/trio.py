"""Two engines and a reading of the chart that are given the same inputs, and must agree after each.

flow ──compile──▶ Tables ──▶ Pair(native, mirror) ─┐
  └────chart_of────────────▶ Reading ──────────────┴─ give(Input): outcome, every byte, what every word means
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

import fsm
from fsm.define import chart_of
from fsm.layout import FieldKind, Outcome
from fsm.tables import Tables
from fsm.testing import Input
from fsm.testing.flows import CONFIGURATIONS_MAX
from fsm.testing.kinds import Draw, chance, word
from tests.differential.pair import Pair
from tests.differential.reading import Reading, compare

READING = os.environ.get("FSM_READING", "1") != "0"
"""FSM_READING=0 leaves out the reading of the chart: what only that can see is not seen, as `tests/mutants` shows."""
KEYS = ("order", -1, 7)
NUMBERS = (FieldKind.INTEGER, FieldKind.TIMESTAMP, FieldKind.DURATION)


def compiled(flow: type[fsm.Flow]) -> Tables | None:
    """The tables of a flow made at random, or None where it has too many configurations to be looked at."""
    try:
        return fsm.compile(flow, configurations_max=CONFIGURATIONS_MAX)
    except fsm.DefinitionError as error:
        assert {"too-many-configurations"} == {problem.rule for problem in error.problems}, error
        return None


def fields_at_start(draw: Draw, tables: Tables) -> dict[str, int]:
    """Some fields by name, as `start` takes them, and their words."""
    return {field.name: word(draw, 20) for field in tables.fields if field.kind in NUMBERS and chance(draw, 30)}


class Trio:
    """Three that take the same inputs; every call raises AssertionError where they differ."""

    def __init__(self, flow: type[fsm.Flow], tables: Tables, capacity: int = 4) -> None:
        self.pair = Pair(tables, capacity)
        self.reading = Reading(chart_of(flow), tables)
        self.handles: list[int] = []

    def __enter__(self) -> Trio:
        return self

    def __exit__(self, type: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.pair.close()

    def start(self, key: Any, fields: dict[str, int]) -> None:
        """A new instance, unless its start faults."""

        def call(engine: Any) -> Any:
            try:
                return engine.start(key, **fields)
            except fsm.StartFault as fault:
                return str(fault), fault.outcome

        started = self.pair.do(call, f"start {key!r} {fields}")
        if isinstance(started, int):
            self.handles.append(started)
        outcome = "accepted" if isinstance(started, int) else started[1]
        if READING:
            words = {name: (word,) for name, word in fields.items()}
            compare(f"start {key!r}", self.reading.start(words).label, outcome)
            self.check()

    def give(self, given: Input) -> Outcome:
        """One input, and before it the clock."""
        if given.now_ns is not None:
            fired = self.pair.call("advance", given.now_ns)
            if READING:
                compare("timers fired", self.reading.advance(given.now_ns), fired)
                self.check()
        handle = given.handle(self.handles)
        row = self.handles.index(handle) if handle in self.handles else None
        expected = None if row is None else given.expected(self.pair.mirror.version(handle))
        outcome = Outcome(self.pair.call("step", handle, given.event_id, *given.words, expected=expected))
        if READING:
            compare("outcome", self.reading.step(row, given.event_id, given.words, expected), outcome)
            self.check()
        return outcome

    def follow(self, inputs: list[Input], handles: list[int], outcomes: list[int]) -> None:
        """The reading of a batch that the engines took, without expected versions."""
        if not READING:
            return
        rows = {handle: row for row, handle in enumerate(self.handles)}
        for given, handle, outcome in zip(inputs, handles, outcomes, strict=True):
            if given.now_ns is not None:
                self.reading.advance(given.now_ns)
            compare("outcome", self.reading.step(rows.get(handle), given.event_id, given.words), outcome)
        self.check()

    def check(self) -> None:
        """The engines are equal in every byte when they have answered; so it is enough to look at one."""
        self.reading.check(self.pair.mirror)
