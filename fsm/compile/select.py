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
from typing import Final, NamedTuple

from fsm.compile.code import Source
from fsm.compile.decide import Decision
from fsm.compile.tree import ROOT, Memory, Tree
from fsm.define import render
from fsm.define.chart import Transition

DIRECT_MAX: Final = 8
"""Sets of transitions that are leaves of their own; with more of them the lists are marked."""

MARKED: Final = "marked"
"""The leaf where some transition is enabled, and the marks tell which."""
NOTHING: Final[tuple[int, ...]] = ()
"""The leaf where no transition is enabled."""

Lists = tuple[tuple[int, ...], ...]
Domains = dict[int, int | None]


class Selection:
    """A decision. Where there is a `marker`, mark n is 1 + the position in list n of what that list chose, or 0."""

    def __init__(self, decision: Decision, root: int, lists: Lists, marker: Marker | None = None) -> None:
        self.decision, self.root, self.lists, self.marker = decision, root, lists, marker
        leaves = decision.leaves(root)
        self.sets = sorted(leaf for leaf in leaves if isinstance(leaf, tuple))
        """The leaves that are sets of transitions, in a fixed order, the empty one included."""


class Conflicts:
    """How the transitions of some lists stand to each other, where their domains are these."""

    def __init__(self, tree: Tree, domains: Domains) -> None:
        self.tree = tree
        self.domains = domains

    def conflict(self, first: int, second: int) -> bool:
        """Whether both would leave a common state. A domain has active states inside, so nested ones have some."""
        one, other = self.domains[first], self.domains[second]
        if one is None or other is None:
            return False
        return (
            one == other or ROOT in (one, other) or self.tree.is_inside(one, other) or self.tree.is_inside(other, one)
        )

    def overrides(self, second: int, first: int) -> bool:
        """Whether a transition wins against one that came before it."""
        return self.tree.is_inside(self.tree.sources[second], self.tree.sources[first])

    def added(self, chosen: tuple[int, ...], number: int) -> tuple[int, ...]:
        """The set after one more transition was chosen."""
        against = [other for other in chosen if other != number and self.conflict(number, other)]
        if number in chosen or not all(self.overrides(number, other) for other in against):
            return chosen
        return (*(other for other in chosen if other not in against), number)


def select(tree: Tree, lists: Lists, memory: Memory, direct_max: int = DIRECT_MAX) -> Selection:
    """The selection between lists of transitions, in document order of the atomic states."""
    lists = tuple(dict.fromkeys(lists))
    domains = {number: tree.domain(number, memory) for each in lists for number in each}
    conflicts = Conflicts(tree, domains)
    return _direct(tree, lists, conflicts, direct_max) or _marked(tree, lists, conflicts)


def _direct(tree: Tree, lists: Lists, conflicts: Conflicts, direct_max: int) -> Selection | None:
    """The decision whose leaves are sets, or None where these are too many."""
    decision = Decision()
    reached: list[set[tuple[int, ...]]] = [{NOTHING}]
    for each in lists:
        ahead = {conflicts.added(chosen, number) for chosen in reached[-1] for number in each} | reached[-1]
        if len(ahead) > max(direct_max, len(each) + 1 if len(lists) == 1 else 0):
            return None
        reached.append(ahead)
    after = {chosen: decision.leaf(chosen) for chosen in reached[-1]}
    for position in reversed(range(len(lists))):
        after = {
            chosen: _asked(
                tree, decision, lists[position], after[chosen],
                lambda number, chosen=chosen, after=after: after[conflicts.added(chosen, number)],  # type: ignore[misc]
            )
            for chosen in reached[position]
        }  # fmt: skip
    return Selection(decision, decision.pruned(after[NOTHING]), lists)


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
    fixed: frozenset[int] = frozenset()
    """Transitions of later lists that what was chosen before keeps out."""
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
        every = {number for each in lists for number in each}
        self.late = frozenset(
            number for number in every
            if any(conflicts.conflict(number, o) and conflicts.overrides(o, number) for o in every - {number})
        )  # fmt: skip
        """Transitions that another list may still override: they are followed last."""

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
        if known or number in past.fixed or not all(conflicts.overrides(number, other) for other, _ in against):
            return Choice(None, (), self._kept(position + 1, past))
        present = (*(each for each in past.present if each not in against), (number, position))
        return Choice(number, tuple(against), self._kept(position + 1, Past(present, past.fixed, True)))

    def _kept(self, position: int, past: Past) -> Past:
        """The past without what the lists from `position` on cannot tell."""
        ahead = {number for each in self.lists[position:] for number in each}
        present, fixed = [], set(past.fixed)
        for chosen, at in past.present:
            against = [number for number in ahead if number != chosen and self.conflicts.conflict(number, chosen)]
            if chosen in ahead or any(self.conflicts.overrides(number, chosen) for number in against):
                present.append((chosen, at))
            else:
                fixed |= set(against)
        return Past(tuple(present), frozenset(fixed & ahead), past.some)


def _marked(tree: Tree, lists: Lists, conflicts: Conflicts) -> Selection:
    """The decision that marks what each list chose: made from the end, one node for each past that differs."""
    marker, decision = Marker(lists, conflicts), Decision()
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
    return Selection(decision, decision.pruned(root), lists, marker)
