"""What can happen in a configuration, as columns: events, done states, eventless transitions, timer slots.

    transitions ──▶ column ──▶ for each atomic state, the transitions that it tries there, innermost first

A timer is a time of a state: its transitions with an equal duration or field share one. It has a slot in the row while
the state is active. Children of a compound state share slots, since one of them is active at a time; the regions of a
parallel state stand one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fsm.compile.tree import ROOT, Tree
from fsm.define.chart import Action, Chart, Conditional, Place, Raise, Term, Trigger

TIMED = frozenset({Trigger.AFTER, Trigger.AT})
NOTHING: tuple[int, ...] = ()


class Timer(NamedTuple):
    """A time of a state, and its slot."""

    state: int
    slot: int
    trigger: Trigger
    moment: Term
    place: Place
    transitions: tuple[int, ...]


class Columns:
    """The columns of a chart, and what each state does in them."""

    def __init__(self, chart: Chart, tree: Tree) -> None:
        self.tree = tree
        self.event_count = len(chart.events)
        self.event_ids = {event.name: number for number, event in enumerate(chart.events)}
        kinds = {transition.trigger for transition in chart.transitions}
        awaited = sorted({tree.ids[t.source] for t in chart.transitions if t.trigger is Trigger.DONE})
        self.done = {state: self.event_count + number for number, state in enumerate(awaited)}
        """The column of each state whose done event somebody waits for."""
        self.always = self.event_count + len(awaited) if Trigger.ALWAYS in kinds else None
        self.timer_column = self.event_count + len(awaited) + (self.always is not None)
        self.timers = _timers(chart, tree)
        self.timer_slots = max((timer.slot + 1 for timer in self.timers), default=0)
        self.count = self.timer_column + self.timer_slots
        self.timers_of: dict[int, list[Timer]] = {}
        for timer in self.timers:
            self.timers_of.setdefault(timer.state, []).append(timer)
        raised = {action.event for action in raises(chart)}
        self.raisable = {self.event_ids[name] for name in raised} | set(range(self.event_count, self.timer_column))
        """Columns whose programs may run while internal events wait, so that the macrostep goes on after them."""
        self._handlers = self._handled(chart)
        self.tried: list[dict[int, tuple[int, ...]]] = [self._by_atom(column) for column in range(self.count)]
        """Of each column, for each atomic state that tries any: its transitions and its ancestors', innermost first."""
        self.trying = [sum(1 << atom for atom in tried) for tried in self.tried]

    def title(self, column: int) -> str:
        """What a message calls a column."""
        states = self.tree.states
        if column < self.event_count:
            return next(name for name, number in self.event_ids.items() if number == column)
        if column == self.always:
            return "always"
        for state, number in self.done.items():
            if number == column:
                return f"done of {states[state].name}"
        return f"timer slot {column - self.timer_column}"

    def _handled(self, chart: Chart) -> list[dict[int, list[int]]]:
        """Of each column, the transitions of each state, in document order."""
        handlers: list[dict[int, list[int]]] = [{} for _ in range(self.count)]
        for number, transition in enumerate(chart.transitions):
            source = self.tree.ids[transition.source]
            for column in self._columns(transition.trigger, transition.event, source):
                handlers[column].setdefault(source, []).append(number)
        for timer in self.timers:
            handlers[self.timer_column + timer.slot][timer.state] = list(timer.transitions)
        return handlers

    def _columns(self, trigger: Trigger, event: str, source: int) -> Iterable[int]:
        if trigger is Trigger.EVENT:
            return (self.event_ids[event],)
        if trigger is Trigger.ANY:
            return range(self.event_count)
        if trigger is Trigger.DONE:
            return (self.done[source],)
        return () if self.always is None or trigger in TIMED else (self.always,)

    def _by_atom(self, column: int) -> dict[int, tuple[int, ...]]:
        handlers, tree = self._handlers[column], self.tree
        if not handlers:
            return {}
        tried: dict[int, tuple[int, ...]] = {}
        for state in range(len(tree.states)):
            if tree.atomic >> state & 1:
                chain = (state, *tree.ancestors(state))
                found = [number for each in chain for number in handlers.get(each, NOTHING)]
                if found:
                    tried[state] = _as_far_as_needed(found, tree)
        return tried


def _as_far_as_needed(numbers: list[int], tree: Tree) -> tuple[int, ...]:
    """The transitions up to the first without a guard: nothing behind it is ever asked."""
    for position, number in enumerate(numbers):
        if tree.transitions[number].guard is None:
            return tuple(numbers[: position + 1])
    return tuple(numbers)


def _timers(chart: Chart, tree: Tree) -> tuple[Timer, ...]:
    times: dict[tuple[int, Trigger, Term], list[int]] = {}
    for number, transition in enumerate(chart.transitions):
        if transition.trigger in TIMED:
            assert transition.moment is not None
            times.setdefault((tree.ids[transition.source], transition.trigger, transition.moment), []).append(number)
    own: dict[int, int] = {}
    for state, _, _ in times:
        own[state] = own.get(state, 0) + 1
    next_slot = {state: base for state, base, _ in stacked(tree, own)}
    timers = []
    for (state, trigger, moment), numbers in times.items():
        place = chart.transitions[numbers[0]].place
        timers.append(Timer(state, next_slot[state], trigger, moment, place, tuple(numbers)))
        next_slot[state] += 1
    return tuple(timers)


def stacked(tree: Tree, own: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    """(state, first number, end) where each state has `own` numbers that no state active with it has.

    A state's own come first, then those of its children: the same for each child of a compound state, one behind the
    other for the children of a parallel one. `end` is behind the last number used in the subtree.
    """
    ends: dict[int, int] = {}
    order: list[tuple[int, int, int]] = []

    def walk(state: int, base: int) -> int:
        end = first = base + (own.get(state, 0) if state != ROOT else 0)
        for child in tree.children[state]:
            begin = end if tree.is_parallel(state) else first
            end = max(end, walk(child, begin))
        ends[state] = end
        if state != ROOT:
            order.append((state, base, end))
        return end

    walk(ROOT, 0)
    yield from order


def raises(chart: Chart) -> Iterator[Raise]:
    """Every action of a chart that raises an event."""
    for state in chart.states:
        yield from _raises((*state.entry, *state.exit))
    for transition in chart.transitions:
        yield from _raises(transition.actions)


def _raises(actions: Iterable[Action]) -> Iterator[Raise]:
    for action in actions:
        if isinstance(action, Raise):
            yield action
        elif isinstance(action, Conditional):
            yield from _raises((*action.then, *action.otherwise))
