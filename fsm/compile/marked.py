"""Write the code of many regions that decide at once: it grows with their sum, not with their product.

    decision, list by list ──marks──▶ which transition each list chose
    then for each list, as its mark says:  exits, last list first ─▶ actions ─▶ entries ─▶ the next configuration

What a region enters may finish a parallel state. Whether it does depends on the other regions: on those before it as
they are after the step, on those behind it as they are, if they are not left in this step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import NamedTuple

from fsm.compile.code import Source
from fsm.compile.microstep import Microsteps
from fsm.compile.select import MARKED, NOTHING, Marker, Selection
from fsm.compile.tree import ROOT, bits
from fsm.layout import Opcode


class Choice(NamedTuple):
    """What a list may have chosen: its mark has this value then."""

    list: int
    value: int
    transition: int
    left: int
    entered: int


Choices = tuple[tuple[Choice, ...], ...]


def marked(microsteps: Microsteps, selection: Selection, choices: Choices, active: int, unselected: int) -> int:
    """The step that begins the program of a selection with marks, made where these states are active."""
    assert selection.marker is not None
    writer = _Writer(microsteps, selection.marker, choices, active)
    ends: dict[Hashable, int] = {MARKED: writer.enter(), NOTHING: unselected}
    return microsteps.code.decision(selection.decision, selection.root, ends, len(choices))


class _Writer:
    """The dispatch behind the marks, made from its end."""

    def __init__(self, microsteps: Microsteps, marker: Marker, choices: Choices, active: int) -> None:
        self.microsteps, self.code, self.tree = microsteps, microsteps.code, microsteps.tree
        self.choices, self.active, self.late = choices, active, marker.late
        self.free = len(choices)
        """The first temporary behind the marks."""

    def enter(self) -> int:
        """The step that begins the dispatch."""
        columns, first = self.microsteps.columns, self.choices[0][0]
        # Whether anything is left to do is not known here; to find nothing to do is harmless.
        goes_on = columns.always is not None or bool(columns.raisable)
        source = self.microsteps.source((first.transition,)) if goes_on else None
        step = self.code.end(Opcode.NEXT_STAY if goes_on else Opcode.STAY, source=source)
        for write in (partial(self._follow, True), partial(self._follow, False), self._entry, self._actions):
            for choices in reversed(self.choices):
                step = self._each(choices, step, write)
        for choices in self.choices:
            step = self._each(choices, step, self._exit)
        return step

    def _each(self, choices: tuple[Choice, ...], next: int, write: Callable[[Choice, int], int]) -> int:
        """Do what the mark of a list says, then go on."""
        step = next
        for choice in reversed(choices):
            step = self.code.chosen(choice.list, choice.value, write(choice, next), step)
        return step

    def _follow(self, late: bool, choice: Choice, next: int) -> int:
        number = choice.transition
        if number not in self.microsteps.successors or ((choice.list, number) in self.late) != late:
            return next
        if choice.entered & self.tree.ends:
            next = self.code.end(Opcode.STAY)  # a top-level final state: whatever waits is dropped
        return self.code.follow(self.microsteps.successors[number], next)

    def _actions(self, choice: Choice, next: int) -> int:
        return self.code.actions(self.tree.transitions[choice.transition].actions, next, self.free)

    def _exit(self, choice: Choice, next: int) -> int:
        return self.microsteps.exit(choice.left & self.microsteps.leaving, choice.entered, next, self.free)

    def _entry(self, choice: Choice, next: int) -> int:
        """Enter the states of a choice, each followed by what it finishes."""
        for state in reversed(list(bits(choice.entered & self.microsteps.entering))):
            next = self._finish(choice, state, next)
            next = self.microsteps.entry(1 << state, (), next, self.free)
        return next

    def _finish(self, choice: Choice, state: int, next: int) -> int:
        """What is done once a final state is entered: its parent, and around it a parallel state that is done then."""
        tree, done = self.tree, self.microsteps.columns.done
        parent = tree.parents[state]
        if not tree.final >> state & 1 or parent == ROOT:
            return next
        around, step = tree.parents[parent], next
        if tree.is_parallel(around) and around in done:
            step = self._raise(around, state, next)
            for region in reversed(tree.children[around]):
                if region != parent:
                    step = self._if_done(region, choice, state, step, next)
        return self._raise(parent, state, step) if parent in done else step

    def _raise(self, finished: int, final: int, next: int) -> int:
        source = Source(f"done of {self.tree.states[finished].name}", *self.tree.states[final].place)
        return self.code.raised(self.microsteps.columns.done[finished], next, source)

    def _if_done(self, region: int, choice: Choice, state: int, yes: int, no: int) -> int:
        """Go on at `yes` where a region is in a final state when a choice enters `state`, else at `no`."""
        tree = self.tree
        if tree.is_parallel(region):
            for child in reversed(tree.children[region]):
                yes = self._if_done(child, choice, state, yes, no)
            return yes
        if choice.entered >> region & 1:  # the same transition enters the region: what it entered so far counts
            return yes if self._final_child(region, choice.entered & (1 << state) - 1) else no
        step = yes if self._final_child(region, self.active) else no
        for other in (each for choices in self.choices for each in choices):
            if other.list != choice.list and self._moves(region, other):
                finished = other.list < choice.list and self._final_child(region, other.entered)
                step = self.code.chosen(other.list, other.value, yes if finished else no, step)
        return step

    def _moves(self, region: int, choice: Choice) -> bool:
        """Whether a choice leaves the active child of a region, and the region itself not."""
        children = self.tree.children[region]
        return not choice.left >> region & 1 and any(choice.left >> child & 1 for child in children)

    def _final_child(self, region: int, states: int) -> bool:
        final = self.tree.final & states
        return any(final >> child & 1 for child in self.tree.children[region])
