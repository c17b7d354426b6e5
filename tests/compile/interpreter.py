"""What a chart means, said by walking it: no decisions, no code, nothing shared with the compiler.

Interpreter(chart).step(event, words, now) ──▶ Outcome      active, words, timers, deferred are those of an instance
World().advance(now) ──▶ how many timers fired              the same for several instances with one clock

`scxml.py` has the algorithm of a macrostep; here stands what becomes of inputs: events that no transition takes,
deferred ones that are given again, timers that are due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fsm.define.chart import Chart, Defer, Trigger
from fsm.layout import Outcome
from tests.compile.scxml import Statechart
from tests.compile.terms import Fault, word_tuple
from tests.compile.tree import ROOT, Cause

__all__ = ["Fault", "Interpreter", "World", "word_tuple"]

Given = tuple[int, ...]
"""Six words of arguments."""


class Interpreter(Statechart):
    """One instance of a chart, started; raises `Fault` where it cannot be."""

    def __init__(self, chart: Chart, now: int = 0, words: dict[str, tuple[int, ...]] | None = None) -> None:
        super().__init__(chart, now, words)
        self.deferred: list[tuple[str, Given]] = []
        self.untold: list[Outcome] = []
        """What became of the events given again."""
        self.sequence_used = 0
        """Inputs taken after the start: events given, timers fired, deferred events given again."""
        self.start()

    @property
    def timers(self) -> dict[int, int]:
        """The deadline of each armed slot."""
        return {slot: self.armed[slot].deadline for slot in sorted(self.armed)}

    def step(self, event: str, given: Sequence[int], now: int | None = None) -> Outcome:
        """The outcome of one event with six words of arguments; `trace` and clock begin anew."""
        before = self._begin(self.now if now is None else now)
        outcome = self._take(event, tuple(given))
        if outcome is Outcome.DEFERRED:
            if len(self.deferred) >= self._deferring(event)[0].at_most:
                return Outcome.DEFERRAL_FULL
            self.deferred.append((event, tuple(given)))
        self._give_again(before)
        return outcome

    def fire(self, slot: int, now: int) -> Outcome:
        """The outcome of one timer that is armed and due: whatever it is, the slot is not armed as it was."""
        assert self.armed[slot].deadline <= now, f"slot {slot} is due at {self.armed[slot].deadline}, and it is {now}"
        before = self._begin(now)
        cause = next(each for each, at in self.tree.slots.items() if at == slot and each.name in self.configuration)
        del self.armed[slot]
        outcome = self.run_to_completion(cause)
        self._give_again(before)
        return Outcome.GUARD if outcome is None else outcome

    def _begin(self, now: int) -> set[str]:
        """Number an input; returns the states that are active before it."""
        self.now = now
        self.trace = []
        self.sequence_used += 1
        return set(self.configuration)

    def _take(self, event: str, given: Given) -> Outcome:
        """The outcome of an event here and now; whoever calls keeps one that is deferred."""
        arguments = next(each.arguments for each in self.chart.events if each.name == event)
        self.arguments = {
            (event, argument.name): given[argument.offset : argument.offset + argument.type.words]
            for argument in arguments
        }
        outcome = self.run_to_completion(Cause(Trigger.EVENT, event))
        return self._not_taken(event) if outcome is None else outcome

    def _not_taken(self, event: str) -> Outcome:
        """What becomes of an event that enables no transition."""
        if self._deferring(event):
            return Outcome.DEFERRED
        if any(each.event == event and each.source in self.configuration for each in self.chart.ignores):
            return Outcome.IGNORED
        if self.guard_said_no:
            return Outcome.GUARD
        rests = any(self.tree.is_final_state(name) and self.tree.parents[name] == ROOT for name in self.configuration)
        return Outcome.ENDED if rests else Outcome.UNHANDLED

    def _deferring(self, event: str) -> list[Defer]:
        """What active states say that defer the event: the innermost first, and in document order."""
        found = [each for each in self.chart.defers if each.event == event and each.source in self.configuration]
        depths = {each.source: len(self.tree.get_proper_ancestors(each.source)) for each in found}
        return sorted(found, key=lambda each: (-depths[each.source], self.tree.order[each.source]))

    def _give_again(self, before: set[str]) -> None:
        """Give the deferred events again, oldest first, if other states are active than before."""
        position = 0 if self.configuration != before else len(self.deferred)
        while position < len(self.deferred):
            before = set(self.configuration)
            outcome = self._take(*self.deferred[position])
            if outcome is Outcome.DEFERRED:
                position += 1
                continue
            del self.deferred[position]
            self.sequence_used += 1
            self.untold.append(outcome)
            if self.configuration != before:
                position = 0


class World:
    """Instances, which may be of several charts, with one clock; a row is a position in `interpreters`."""

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.interpreters: list[Interpreter] = []
        self.fired: list[Outcome] = []
        """What became of the timers."""

    @property
    def sequence_used(self) -> int:
        """Inputs taken by all after their starts."""
        return sum(each.sequence_used for each in self.interpreters)

    @property
    def untold(self) -> dict[str, int]:
        """How many timers fired and events given again came to each outcome, by its label."""
        told_nobody = [*self.fired, *(outcome for each in self.interpreters for outcome in each.untold)]
        return dict(Counter(outcome.label for outcome in told_nobody))

    def start(self, chart: Chart, words: dict[str, tuple[int, ...]] | None = None) -> int:
        """The row of a new instance; a `Fault` leaves nothing."""
        self.interpreters.append(Interpreter(chart, self.now, words))
        return len(self.interpreters) - 1

    def step(self, row: int, event: str, given: Sequence[int]) -> Outcome:
        """An event at the time that it is."""
        return self.interpreters[row].step(event, given, self.now)

    def advance(self, now: int) -> int:
        """Move the clock, and fire what is due and stays as it is now; returns how many fired."""
        if now < self.now:
            return 0
        self.now = now
        due = [
            (armed.deadline, row, slot, armed.number)
            for row, each in enumerate(self.interpreters)
            for slot, armed in each.armed.items()
            if armed.deadline <= now
        ]
        before = len(self.fired)
        for _, row, slot, number in sorted(due):
            armed = self.interpreters[row].armed.get(slot)
            if armed is not None and armed.number == number:
                self.fired.append(self.interpreters[row].fire(slot, now))
        return len(self.fired) - before
