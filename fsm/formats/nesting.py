"""How a picture draws states inside each other, and which way an arrow takes.

    Tables ──▶ Nesting: children, what is composite
    Transition ──route()──▶ Route: where it begins and ends, and what it passes on the way

A transition happens within a domain: the innermost state around it that is neither left nor entered. Where the line
from source to target would not show that (from a state to one inside it, to one around it, or from region to region),
the arrow goes by way of a point in the domain, so that it is seen to leave what it leaves. An arrow with several
targets forks there.
"""

from __future__ import annotations

from typing import NamedTuple

from fsm.formats.labels import HISTORIES
from fsm.layout import NONE, StateKind
from fsm.records import State, Transition
from fsm.tables import Tables


class Route(NamedTuple):
    """The way of an arrow, in a flow that is not flat."""

    source: int
    targets: tuple[int, ...]
    """Where it ends; the source itself where the transition has none."""
    within: bool
    """It begins inside its source, which is a composite state and stays active."""
    domain: int
    """The state that the way by a point or a fork leads through, or NONE for the outermost level."""
    detour: bool
    """It goes by way of a point in the domain; with several targets, of a fork."""


class Nesting:
    """The states of a flow as boxes."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.children: dict[int, list[State]] = {}
        """Of each state with any, and of NONE: what is inside, in document order."""
        for state in tables.states:
            self.children.setdefault(state.parent, []).append(state)
        self.is_flat = len(self.children) == 1

    def is_composite(self, state: int) -> bool:
        """Whether other states are inside."""
        return state in self.children

    def is_parallel(self, state: int) -> bool:
        """Whether all children of a state are active together."""
        return state != NONE and self.tables.states[state].kind is StateKind.PARALLEL

    def route(self, transition: Transition) -> Route:
        """The way of the arrow for a transition."""
        source = transition.source
        targets = transition.targets or (source,)
        within = self.is_composite(source) and (transition.stay or not transition.targets)
        if within or not transition.targets:
            return Route(source, targets, within, source, len(targets) > 1)
        domain = self._domain(source, targets)
        nested = any(self._nested(source, target) for target in targets)
        hidden = domain != self._around(source, targets)
        return Route(source, targets, False, domain, nested or hidden or len(targets) > 1)

    def arrows(self) -> dict[Route, list[Transition]]:
        """The transitions that share an arrow, in document order: lines beside each other would hide their labels."""
        found: dict[Route, list[Transition]] = {}
        for transition in self.tables.transitions:
            found.setdefault(self.route(transition), []).append(transition)
        return found

    def first_leaf(self, state: int) -> int:
        """A state without others in it that entering a state comes to: what an arrow to the box points to."""
        while state in self.children:
            inner = self._entered(state)
            state = next((child.id for child in inner if child.initial), inner[0].id)
        return state

    def last_leaf(self, state: int) -> int:
        """A state without others in it that stands at the end: what an arrow from the box begins at."""
        while state in self.children:
            state = self._entered(state)[-1].id
        return state

    def ancestors(self, state: int) -> list[int]:
        """The states around a state, innermost first, and NONE."""
        found = []
        while state != NONE:
            state = self.tables.states[state].parent
            found.append(state)
        return found

    def _entered(self, state: int) -> list[State]:
        """What is inside a state and can be active; where tables have nothing but histories there, these."""
        inner = self.children[state]
        return [child for child in inner if child.kind not in HISTORIES] or inner

    def _nested(self, source: int, target: int) -> bool:
        """Whether a line between the two would begin or end inside the other, or be a loop around a box."""
        if source == target:
            return self.is_composite(source)
        return source in self.ancestors(target) or target in self.ancestors(source)

    def _around(self, source: int, targets: tuple[int, ...]) -> int:
        """The innermost state around all of them."""
        others = [self.ancestors(target) for target in targets]
        return next(each for each in self.ancestors(source) if all(each in other for other in others))

    def _domain(self, source: int, targets: tuple[int, ...]) -> int:
        """The same, but no parallel state: a transition between regions leaves all of them."""
        around = self._around(source, targets)
        return next(each for each in (around, *self.ancestors(around)) if not self.is_parallel(each))
