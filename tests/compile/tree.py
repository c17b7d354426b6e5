"""The chart as a tree: what stands in what, in which order, and in which slot a timer is kept.

Chart ──▶ Tree: parents, children, ancestors, LCCA (SCXML Appendix D), slots of timers
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fsm.define.chart import Chart, StateKind, Term, Transition, Trigger

ROOT = ""
"""The flow itself: what the states at the top stand in, as Appendix D's element `scxml`."""
HISTORIES = (StateKind.HISTORY_SHALLOW, StateKind.HISTORY_DEEP)


class Cause(NamedTuple):
    """What is looked for in transitions: an event, that a state is done, or a timer."""

    trigger: Trigger
    name: str
    """Of the event; else of the state whose transitions are meant."""
    moment: Term | None = None

    def matches(self, transition: Transition) -> bool:
        """Whether the transition is one for this cause."""
        if self.trigger is Trigger.EVENT:
            return transition.trigger is Trigger.ANY or (transition.trigger, transition.event) == self[:2]
        return (transition.trigger, transition.source, transition.moment) == self


class Armed(NamedTuple):
    """A timer that waits."""

    deadline: int
    number: int
    """Of this arming: another one of the same slot, even to the same deadline, has another number."""


class Tree:
    """The states of a chart by name; document order is that of the chart."""

    def __init__(self, chart: Chart) -> None:
        self.states = {state.name: state for state in chart.states}
        self.order = {state.name: position for position, state in enumerate(chart.states)}
        self.parents = {state.name: state.parent or ROOT for state in chart.states}
        self.inside: dict[str, list[str]] = {name: [] for name in (ROOT, *self.states)}
        for name, parent in self.parents.items():
            self.inside[parent].append(name)
        self.transitions: dict[str, list[Transition]] = {name: [] for name in self.states}
        for transition in chart.transitions:
            self.transitions[transition.source].append(transition)
        self.slots: dict[Cause, int] = {}
        self._place_timers(ROOT, 0)

    def in_order(self, names: Iterable[str]) -> list[str]:
        """The states in document order."""
        return sorted(names, key=self.order.__getitem__)

    # --- the predicates and functions of Appendix D ---

    def is_compound_state(self, name: str) -> bool:
        return name != ROOT and self.states[name].kind is StateKind.COMPOUND

    def is_parallel_state(self, name: str) -> bool:
        return name != ROOT and self.states[name].kind is StateKind.PARALLEL

    def is_history_state(self, name: str) -> bool:
        return self.states[name].kind in HISTORIES

    def is_final_state(self, name: str) -> bool:
        return self.states[name].kind is StateKind.FINAL

    def is_atomic_state(self, name: str) -> bool:
        return not self.is_compound_state(name) and not self.is_parallel_state(name)

    def is_descendant(self, name: str, ancestor: str) -> bool:
        return ancestor in self.get_proper_ancestors(name)

    def get_proper_ancestors(self, name: str, end: str | None = None) -> list[str]:
        """What the state stands in, innermost first: up to and with ROOT, or up to but without `end`."""
        ancestors = []
        while name != ROOT:
            name = self.parents[name]
            ancestors.append(name)
        if end is None:
            return ancestors
        return ancestors[: ancestors.index(end)] if end in ancestors else []

    def get_child_states(self, name: str) -> list[str]:
        """The children that can be active: without history states."""
        return [child for child in self.inside[name] if not self.is_history_state(child)]

    def get_histories(self, name: str) -> list[str]:
        """The children that are history states."""
        return [child for child in self.inside[name] if self.is_history_state(child)]

    def get_initial(self, name: str) -> str:
        """The child to enter by default: it may be a history state."""
        return next(child for child in self.inside[name] if self.states[child].initial)

    def find_lcca(self, names: Sequence[str]) -> str:
        """The innermost compound state, or ROOT, that the first stands in and that holds all the others."""
        head, *tail = names
        for ancestor in self.get_proper_ancestors(head):
            compound = ancestor == ROOT or self.is_compound_state(ancestor)
            if compound and all(self.is_descendant(name, ancestor) for name in tail):
                return ancestor
        raise AssertionError(f"{names} stand in nothing")

    # --- timers ---

    def timers(self, name: str) -> list[Cause]:
        """The timers of a state in order: transitions with an equal moment share one."""
        timed = [each for each in self.transitions[name] if each.trigger in (Trigger.AFTER, Trigger.AT)]
        return list(dict.fromkeys(Cause(each.trigger, name, each.moment) for each in timed))

    def _place_timers(self, name: str, first: int) -> int:
        """Give slots to the timers of a state and of all inside it; returns the slot behind them."""
        for cause in self.timers(name) if name != ROOT else ():
            self.slots[cause] = first
            first += 1
        if self.is_parallel_state(name):
            for child in self.inside[name]:
                first = self._place_timers(child, first)
            return first
        return max((self._place_timers(child, first) for child in self.inside[name]), default=first)
