"""Which transitions are enabled together: the selection of SCXML's Appendix D, as one decision.

    lists of transitions, one for each atomic state that tries any ──▶ Selection: a decision whose leaves are
        sets of transitions (a few sets)      ──▶ each leaf a tuple of transition ids in order of execution
        sets of transitions (too many)        ──▶ marks: which transition each list chose; one leaf for all of them

Each list is asked for its first transition whose guard holds. What two of them choose may conflict, where both would
leave a common state: then the one whose source lies inside the other's source wins, else the one that comes first.
The lists are asked one after the other, and of what came before only that is kept which can still make a difference,
so that the decision grows with the sum of the lists and not with their product.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final, NamedTuple

from fsm.compile.code import Source
from fsm.compile.decide import Decision
from fsm.compile.tree import Tree, bits
from fsm.define import render
from fsm.define.chart import Transition

DIRECT_MAX: Final = 8
"""Sets of transitions that are leaves of their own; with more of them the lists are marked."""

MARKED: Final = "marked"
"""The leaf where some transition is enabled, and the marks tell which."""
NOTHING: Final[tuple[int, ...]] = ()
"""The leaf where no transition is enabled."""

Lists = tuple[tuple[int, ...], ...]


class Selection:
    """A decision. Where there is a `marker`, mark n is 1 + the position in list n of what that list chose, or 0."""

    def __init__(self, lists: Lists, make: Callable[[], tuple[Decision, int]], marker: Marker | None = None) -> None:
        self.lists, self.marker, self._make = lists, marker, make

    @cached_property
    def _decided(self) -> tuple[Decision, int]:
        return self._make()

    @property
    def decision(self) -> Decision:
        """Made when it is asked for, since a walk past marks can do without."""
        return self._decided[0]

    @property
    def root(self) -> int:
        """Where the decision begins."""
        return self._decided[1]

    def sets(self) -> list[tuple[int, ...]]:
        """The leaves that are sets of transitions, in a fixed order, the empty one included."""
        return self._sets

    @cached_property
    def _sets(self) -> list[tuple[int, ...]]:
        return sorted(leaf for leaf in self.decision.leaves(self.root) if isinstance(leaf, tuple))


class Conflicts:
    """How transitions stand to each other."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def conflict(self, first: int, second: int) -> bool:
        """Whether both would leave a common state."""
        return bool(self.tree.conflicts[first] >> second & 1)

    def overrides(self, second: int, first: int) -> bool:
        """Whether a transition wins against one that came before it."""
        return self.tree.is_inside(self.tree.sources[second], self.tree.sources[first])

    def added(self, chosen: tuple[int, ...], number: int) -> tuple[int, ...]:
        """The set after one more transition was chosen."""
        against = [other for other in chosen if other != number and self.conflict(number, other)]
        if number in chosen or not all(self.overrides(number, other) for other in against):
            return chosen
        return (*(other for other in chosen if other not in against), number)


def select(tree: Tree, lists: Lists, direct_max: int = DIRECT_MAX) -> Selection:
    """The selection between lists of transitions, in document order of the atomic states."""
    conflicts = Conflicts(tree)
    reached = _sets(lists, conflicts, direct_max)
    if reached is not None:
        return Selection(lists, lambda: _direct(lists, conflicts, reached))
    marker = Marker(lists, conflicts)
    return Selection(lists, lambda: _marked(marker), marker)


def _sets(lists: Lists, conflicts: Conflicts, direct_max: int) -> list[set[tuple[int, ...]]] | None:
    """Before each list, and behind the last, the sets that may have been chosen; None where these are too many."""
    reached: list[set[tuple[int, ...]]] = [{NOTHING}]
    for each in lists:
        ahead = {conflicts.added(chosen, number) for chosen in reached[-1] for number in each} | reached[-1]
        if len(ahead) > direct_max and len(lists) > 1:
            return None
        reached.append(ahead)
    return reached


def _direct(lists: Lists, conflicts: Conflicts, reached: list[set[tuple[int, ...]]]) -> tuple[Decision, int]:
    """The decision whose leaves are sets."""
    decision, tree = Decision(), conflicts.tree

    def taken(after: dict[tuple[int, ...], int], chosen: tuple[int, ...]) -> Callable[[int], int]:
        return lambda number: after[conflicts.added(chosen, number)]

    after = {chosen: decision.leaf(chosen) for chosen in reached[-1]}
    for asked, before in zip(reversed(lists), reversed(reached[:-1]), strict=True):
        after = {chosen: _asked(tree, decision, asked, after[chosen], taken(after, chosen)) for chosen in before}
    return decision, decision.pruned(after[NOTHING])


def _asked(tree: Tree, decision: Decision, asked: tuple[int, ...], otherwise: int, taken: Callable[[int], int]) -> int:
    """Ask the guards of a list in order; the first that holds is taken."""
    root = otherwise
    for number in reversed(asked):
        transition = tree.transitions[number]
        yes = taken(number)
        if transition.guard is None:
            root = yes
            continue
        root = decision.condition(transition.guard, yes, root, guard_source(transition))
    return root


def guard_source(transition: Transition) -> Source:
    """Whom a fault in the guard names."""
    assert transition.guard is not None
    return Source(render(transition.guard), *transition.place)


class Past(NamedTuple):
    """What of the lists asked so far can still make a difference."""

    present: tuple[tuple[int, int], ...] = ()
    """(transition, list that chose it) that a later list may override or choose again."""
    fixed: int = 0
    """Transitions of later lists, as a set of bits, that what was chosen before keeps out."""
    some: bool = False
    """Whether anything was chosen."""


class Choice(NamedTuple):
    """What a list may choose, and what follows from it."""

    number: int | None
    """A transition that is chosen and enters the set, or None where nothing enters it."""
    dropped: tuple[tuple[int, int], ...]
    """(transition, list that chose it) that it overrides."""
    past: Past


class Marker:
    """The lists, asked one after the other, with what each choice leaves to know."""

    def __init__(self, lists: Lists, conflicts: Conflicts) -> None:
        self.lists, self.conflicts = lists, conflicts
        self._choices: dict[tuple[int, Past, int], Choice] = {}
        self._ahead = [sum(1 << n for n in {n for each in lists[at:] for n in each}) for at in range(len(lists) + 1)]
        """Of each position, as a set of bits, what the lists from there on may choose."""
        against = conflicts.tree.conflicts
        self._at_odds = any(against[number] & self._ahead[0] for each in lists for number in each)
        self.late = frozenset(
            (position, number)
            for position, each in enumerate(lists if self._at_odds else ())
            for number in each
            if any(conflicts.overrides(o, number) for o in bits(against[number] & self._ahead[position + 1]))
        )
        """(list, transition) that a later list may still override: such transitions are followed last."""

    def choice(self, position: int, past: Past, number: int) -> Choice:
        """What follows where the list at `position` finds a transition enabled."""
        key = position, past, number
        if key not in self._choices:
            self._choices[key] = self._choice(*key)
        return self._choices[key]

    def passed(self, position: int, past: Past) -> Past:
        """What is known behind the list at `position` where nothing of it is enabled."""
        return self._kept(position + 1, past)

    def _choice(self, position: int, past: Past, number: int) -> Choice:
        conflicts = self.conflicts
        against = [(other, at) for other, at in past.present if other != number and conflicts.conflict(number, other)]
        known = any(number == other for other, _ in past.present)
        kept_out = past.fixed >> number & 1
        if known or kept_out or not all(conflicts.overrides(number, other) for other, _ in against):
            return Choice(None, (), self._kept(position + 1, past))
        present = (*(each for each in past.present if each not in against), (number, position))
        return Choice(number, tuple(against), self._kept(position + 1, Past(present, past.fixed, True)))

    def _kept(self, position: int, past: Past) -> Past:
        """The past without what the lists from `position` on cannot tell."""
        if not past.present and not past.fixed:
            return past
        ahead, against = self._ahead[position], self.conflicts.tree.conflicts
        present, fixed = [], past.fixed & ahead
        for chosen, at in past.present:
            opposed = against[chosen] & ahead
            if ahead >> chosen & 1 or any(self.conflicts.overrides(number, chosen) for number in bits(opposed)):
                present.append((chosen, at))
            else:
                fixed |= opposed
        return Past(tuple(present), fixed, past.some)


def _marked(marker: Marker) -> tuple[Decision, int]:
    """The decision that marks what each list chose: made from the end, one node for each past that differs."""
    decision, lists, tree = Decision(), marker.lists, marker.conflicts.tree
    made: dict[tuple[int, Past], int] = {}

    def node(position: int, past: Past) -> int:
        if (position, past) not in made:
            if position == len(lists):
                made[position, past] = decision.leaf(MARKED if past.some else NOTHING)
            else:
                otherwise = node(position + 1, marker.passed(position, past))
                asked = lists[position]
                made[position, past] = _asked(tree, decision, asked, otherwise, lambda n: taken(position, past, n))
        return made[position, past]

    def taken(position: int, past: Past, number: int) -> int:
        choice = marker.choice(position, past, number)
        next = node(position + 1, choice.past)
        if choice.number is None:
            return next
        for _, at in choice.dropped:
            next = decision.mark(at, 0, next)
        return decision.mark(position, 1 + lists[position].index(number), next)

    root = node(0, Past())
    for position in reversed(range(len(lists))):
        root = decision.mark(position, 0, root)
    return decision, decision.pruned(root)
