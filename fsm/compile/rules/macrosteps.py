"""The ways of a macrostep, from microstep to microstep, and those that never end.

    (configuration, internal events that wait) ──eventless, else the oldest event──▶ the next ──▶ ... ──▶ rest

Guards are taken to hold or not as they like, so a place from which no way leads to rest has none whatever the fields
are. Where the ways cannot be told (too many, or marked) the place is taken to come to rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from fsm.compile.configurations import Configuration
from fsm.compile.rules.reach import Reach
from fsm.compile.tree import ROOT, bits
from fsm.define.chart import Action, Conditional, Raise

NODES_MAX: Final = 10_000
"""Places that are looked at in one flow."""
VARIANTS_MAX: Final = 32
"""What the conditions of one microstep's actions may come to."""


class Place(NamedTuple):
    """Where a macrostep stands: the active states, and the columns of the internal events that wait."""

    configuration: Configuration
    waiting: tuple[int, ...]


class Way(NamedTuple):
    """A microstep: transitions that are taken, in a column."""

    transitions: tuple[int, ...]
    column: int


Node = TypeVar("Node", bound=tuple[object, ...])
Ways = list[tuple[Way, Node]] | None
"""The microsteps from a place, or None where it may come to rest."""


def endless(
    starts: Iterable[Node], ahead: Callable[[Node], Ways[Node]], nodes_max: int = NODES_MAX
) -> dict[Node, list[tuple[Way, Node]]]:
    """The places from which no way leads to rest, with the ways from them; beyond `nodes_max` all come to rest."""
    ways: dict[Node, Ways[Node]] = {}
    waiting = [*starts][::-1]
    while waiting:
        node = waiting.pop()
        if node not in ways:
            ways[node] = ahead(node) if len(ways) < nodes_max else None
            waiting += [after for _, after in ways[node] or ()]
    before: dict[Node, list[Node]] = {node: [] for node in ways}
    for node, found in ways.items():
        for _, after in found or ():
            before[after].append(node)
    ending = {node for node, found in ways.items() if found is None}
    waiting = [*ending]
    while waiting:
        ahead_of = set(before[waiting.pop()]) - ending
        ending |= ahead_of
        waiting += ahead_of
    return {node: found for node, found in ways.items() if found is not None and node not in ending}


def cycles(places: dict[Node, list[tuple[Way, Node]]]) -> list[list[Way]]:
    """A cycle, or a way into a full queue, from each of these places; each place is passed once."""
    found, passed = [], set[Node]()
    for start in places:
        line: dict[Node, int] = {}
        ways: list[Way] = []
        node = start
        while node not in passed and node not in line and places[node]:
            line[node] = len(ways)
            way, node = places[node][0]
            ways.append(way)
        if node in line or not places[node]:
            found.append(ways[line.get(node, 0) :])
        passed |= {*line, node}
    return [ways for ways in found if ways]


class Macrosteps:
    """The ways of the macrosteps of a flow."""

    def __init__(self, reach: Reach) -> None:
        self.reach, self.tree, self.columns = reach, reach.tree, reach.columns
        self._raises: dict[tuple[Configuration, tuple[int, ...]], list[tuple[int, ...]]] = {}

    def eventless(self, node: tuple[Configuration]) -> Ways[tuple[Configuration]]:
        """The eventless microsteps from a configuration that is left at once."""
        (configuration,) = node
        if configuration not in self.reach.passing:
            return None
        assert self.columns.always is not None
        always = self.columns.always
        return [(Way(chosen, always), (after,)) for chosen, after in self.reach.after(configuration, always)]

    def ahead(self, place: Place) -> Ways[Place]:
        """The microsteps from a place: eventless ones where there are any, else those of the oldest event."""
        configuration, waiting = place
        if len(waiting) > self.reach.chart.raised_max:
            return []
        ways: list[tuple[Way, Place]] = []
        always = self.columns.always
        if always is not None and self.reach.walk.lists(configuration, always):
            eventless = self._ways(configuration, always, waiting)
            if eventless is None:
                return None
            ways += eventless
        if configuration in self.reach.passing:
            return ways
        if not waiting:
            return None
        column, *others = waiting
        handled = self._ways(configuration, column, tuple(others))
        if handled is None:
            return None
        if not self.reach.takes(configuration, column):
            ways.append((Way((), column), Place(configuration, tuple(others))))
        return ways + handled

    def _ways(self, configuration: Configuration, column: int, waiting: tuple[int, ...]) -> Ways[Place]:
        walk, ways = self.reach.walk, list[tuple[Way, Place]]()
        lists = walk.lists(configuration, column)
        if lists and walk.selection(lists).marker is not None:
            return None
        for chosen, after in self.reach.after(configuration, column):
            variants = self.raises(configuration, chosen)
            if len(variants) > VARIANTS_MAX:
                return None
            if self.reach.ends(configuration, chosen):
                variants, waiting = [()], ()  # the end of the flow drops what waits
            ways += [(Way(chosen, column), Place(after, waiting + raised)) for raised in variants]
        return ways

    def raises(self, before: Configuration, chosen: tuple[int, ...]) -> list[tuple[int, ...]]:
        """What a microstep may raise, in order: the columns, for whatever the conditions of its actions come to."""
        if (before, chosen) not in self._raises:
            self._raises[before, chosen] = self._raised_by(before, chosen)
        return self._raises[before, chosen]

    def _raised_by(self, before: Configuration, chosen: tuple[int, ...]) -> list[tuple[int, ...]]:
        walk, tree, left, entered = self.reach.walk, self.tree, 0, 0
        for number in chosen:
            left |= walk.left(before, number)
            entered |= walk.entered(before, number)
        variants: list[tuple[int, ...]] = [()]
        for state in [*bits(left)][::-1]:
            variants = self._raised(tree.states[state].exit, variants)
        for number in chosen:
            variants = self._raised(tree.transitions[number].actions, variants)
        active = before.active & ~left
        for state in bits(entered):
            active |= 1 << state
            variants = self._raised(tree.states[state].entry, variants)
            done = self._done(state, active)
            variants = [(*variant, *done) for variant in variants]
        return variants

    def _raised(self, actions: Iterable[Action], before: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        variants = before
        for action in actions:
            if len(variants) > VARIANTS_MAX:
                return variants
            if isinstance(action, Raise):
                column = self.columns.event_ids[action.event]
                # An event that nothing handles is dropped, whenever its turn comes.
                variants = [(*each, column) for each in variants] if self.columns.trying[column] else variants
            elif isinstance(action, Conditional):
                branches = (self._raised(branch, variants) for branch in (action.then, action.otherwise))
                variants = list(dict.fromkeys(each for branch in branches for each in branch))
        return variants

    def _done(self, state: int, active: int) -> tuple[int, ...]:
        """The columns of what is done once a state is entered."""
        tree, parent = self.tree, self.tree.parents[state]
        if not tree.final >> state & 1 or parent == ROOT:
            return ()
        around = tree.parents[parent]
        whole = tree.is_parallel(around) and self.reach.completes(around, Configuration(active, ()))
        finished = (parent, around) if whole else (parent,)
        return tuple(self.columns.done[each] for each in finished if each in self.columns.done)
