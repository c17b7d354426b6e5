"""The states of a chart as a tree of bit masks, and the sets that a transition leaves and enters.

    Chart ──▶ Tree: ancestors, descendants, what is entered by default
    transition, what histories remember ──▶ domain, entered states          SCXML, Appendix D

States are known by their ids, which are the document order; a set of states is an int with a bit for each. Whatever is
inside a state has the ids right behind its own, so a subtree is a range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_
from typing import Final

from fsm.define.chart import Chart, StateKind

ROOT: Final = -1
"""The parent of the outermost states, which is never left."""
HISTORIES: Final = frozenset({StateKind.HISTORY_SHALLOW, StateKind.HISTORY_DEEP})

Memory = tuple[int, ...]
"""For each history state of the chart, the states that it remembers; 0 where there is nothing to remember."""


def bits(mask: int) -> Iterator[int]:
    """The ids in a set, in document order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Tree:
    """What of a chart never changes."""

    def __init__(self, chart: Chart) -> None:
        states = chart.states
        self.states = states
        self.ids = {state.name: number for number, state in enumerate(states)}
        self.parents = [ROOT if state.parent is None else self.ids[state.parent] for state in states]
        self.children: dict[int, list[int]] = {number: [] for number in range(ROOT, len(states))}
        """Of each state, in document order, without histories."""
        self.histories = [number for number, state in enumerate(states) if state.kind in HISTORIES]
        self.inside = self._subtrees()
        """Of each state the set of those within it; of ROOT all."""
        for number, state in enumerate(states):
            if state.kind not in HISTORIES:
                self.children[self.parents[number]].append(number)
        self.depths = [len(list(self.ancestors(number))) for number in range(len(states))]
        self.atomic = sum(1 << n for n, s in enumerate(states) if s.kind not in HISTORIES and not self.children[n])
        """Every state without children."""
        self.final = sum(1 << number for number, state in enumerate(states) if state.kind is StateKind.FINAL)
        self.ends = self.final & sum(1 << number for number in self.children[ROOT])
        """The top-level final states, which end a macrostep."""
        self.transitions = chart.transitions
        self.sources = [self.ids[transition.source] for transition in chart.transitions]
        self.targets = [tuple(self.ids[name] for name in transition.targets) for transition in chart.transitions]
        self.domains = [self._domain(transition) for transition in range(len(self.targets))]
        """Of each transition the state within which it happens: what is active inside is left. None without targets."""
        self.conflicts = self._conflicts()
        """Of each transition, as a set of bits, the others that would leave a state that it leaves, if both could."""
        self._entered: dict[tuple[tuple[int, ...], int, Memory], int] = {}

    def _subtrees(self) -> dict[int, int]:
        inside = dict.fromkeys(range(ROOT, len(self.states)), 0)
        for number in reversed(range(len(self.states))):
            inside[self.parents[number]] |= inside[number] | 1 << number
        return inside

    def ancestors(self, state: int) -> Iterator[int]:
        """The proper ancestors, innermost first, without ROOT."""
        while (state := self.parents[state]) != ROOT:
            yield state

    def is_inside(self, state: int, ancestor: int) -> bool:
        """Whether a state is a proper descendant of another, or of ROOT."""
        return bool(self.inside[ancestor] >> state & 1)

    def _are_nested(self, one: int, other: int) -> bool:
        """Whether two states, or ROOT, are the same or one is inside the other."""
        return one == other or ROOT in (one, other) or self.is_inside(one, other) or self.is_inside(other, one)

    def is_parallel(self, state: int) -> bool:
        """Whether all children of a state are active together."""
        return state != ROOT and self.states[state].kind is StateKind.PARALLEL

    def initial(self, state: int) -> int:
        """The child that entering a compound state, or ROOT, enters."""
        inner = (child for child in range(len(self.states)) if self.parents[child] == state)
        return next(child for child in inner if self.states[child].initial)

    # --- what a transition leaves ---

    def _domain(self, transition: int) -> int | None:
        # A history stands for itself here, and not for what it remembers: else what is around that might be entered
        # though it was not left (docs/semantics.md names this difference from SCXML).
        source, targets = self.sources[transition], self.targets[transition]
        if not targets:
            return None
        if self.transitions[transition].stay:
            return source
        for ancestor in self.ancestors(source):
            if not self.is_parallel(ancestor) and all(self.is_inside(target, ancestor) for target in targets):
                return ancestor
        return ROOT

    def _conflicts(self) -> list[int]:
        """Those whose domains are nested: a domain has active states inside, so such two have some in common."""
        having: dict[int, int] = {}
        for transition, domain in enumerate(self.domains):
            if domain is not None:
                having[domain] = having.get(domain, 0) | 1 << transition
        nested = {
            one: reduce(or_, (those for other, those in having.items() if self._are_nested(one, other)))
            for one in having
        }
        return [0 if d is None else nested[d] & ~(1 << transition) for transition, d in enumerate(self.domains)]

    def _effective(self, targets: Iterable[int], memory: Memory) -> list[int]:
        """The targets, with what stands for history states in their place."""
        found: list[int] = []
        for target in targets:
            if self.states[target].kind in HISTORIES:
                remembered = memory[self.histories.index(target)]
                found += bits(remembered) if remembered else self._effective(self.default_of(target), memory)
            else:
                found.append(target)
        return found

    def default_of(self, history: int) -> list[int]:
        """Where a history state leads while there is nothing to remember."""
        default, parent = self.states[history].default, self.parents[history]
        if default is not None:
            return [self.ids[default]]
        return self.children[parent] if self.is_parallel(parent) else [self.initial(parent)]

    def remember(self, active: int, left: int, memory: Memory) -> Memory:
        """What histories remember once the states `left` of the `active` ones are left."""
        if not any(left >> self.parents[history] & 1 for history in self.histories):
            return memory
        after = list(memory)
        for position, history in enumerate(self.histories):
            parent = self.parents[history]
            if left >> parent & 1:
                deep = self.states[history].kind is StateKind.HISTORY_DEEP
                kept = self.inside[parent] & self.atomic if deep else self._set(self.children[parent])
                after[position] = active & kept
        return tuple(after)

    # --- what a transition enters ---

    def entered(self, targets: tuple[int, ...], domain: int, memory: Memory) -> int:
        """The set of states that going to `targets` enters, inside `domain`."""
        key = targets, domain, memory
        if key not in self._entered:
            entry = _Entry(self, memory)
            for target in targets:
                entry.add_descendants(target)
            for target in self._effective(targets, memory):
                entry.add_ancestors(target, domain)
            self._entered[key] = entry.states
        return self._entered[key]

    def _set(self, states: Iterable[int]) -> int:
        return sum(1 << state for state in states)


class _Entry:
    """A set of states to enter, as it grows."""

    def __init__(self, tree: Tree, memory: Memory) -> None:
        self.tree = tree
        self.memory = memory
        self.states = 0

    def add_descendants(self, state: int) -> None:
        """The state, and what entering it enters."""
        tree = self.tree
        if tree.states[state].kind in HISTORIES:
            remembered = self.memory[tree.histories.index(state)]
            inner = list(bits(remembered)) if remembered else tree.default_of(state)
            for child in inner:
                self.add_descendants(child)
            for child in inner:
                self.add_ancestors(child, tree.parents[state])
            return
        self.states |= 1 << state
        if tree.is_parallel(state):
            self._add_regions(state)
        elif tree.children[state]:
            first = tree.initial(state)
            self.add_descendants(first)
            self.add_ancestors(first, state)

    def add_ancestors(self, state: int, domain: int) -> None:
        """The ancestors of a state within the domain, and the other regions of those that are parallel."""
        for ancestor in self.tree.ancestors(state):
            if ancestor == domain:
                return
            self.states |= 1 << ancestor
            if self.tree.is_parallel(ancestor):
                self._add_regions(ancestor)

    def _add_regions(self, parallel: int) -> None:
        for region in self.tree.children[parallel]:
            if not self.states & (self.tree.inside[region] | 1 << region):
                self.add_descendants(region)
