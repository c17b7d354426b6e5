"""Walk the configurations of a chart: the sets of states that can be active together, with what histories remember.

    Chart ──initial──▶ Configuration ──transitions that may be enabled──▶ Configuration ──▶ ...      until none is new

Guards are taken to hold or not, each as it likes, as far as they are not shown to exclude each other: a configuration
may be walked that no instance ever reaches, and none is left out. A flat flow has one active state, so its
configurations are its states.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import NamedTuple

from fsm.compile.columns import Columns
from fsm.compile.select import Lists, Marker, Past, Selection, select
from fsm.compile.tree import HISTORIES, ROOT, Memory, Tree, bits
from fsm.define.chart import Chart

Seen = set[tuple[object, ...]]
"""States of affairs between lists that are marked, which were looked at already."""


class Configuration(NamedTuple):
    """A set of active states, and what histories remember where it can matter."""

    active: int
    memory: Memory


class TooMany(Exception):
    """The walk found more configurations than are allowed."""

    def __init__(self, found: int) -> None:
        self.found = found


class Walk:
    """The configurations that can be reached, and the way from each to the next."""

    def __init__(self, chart: Chart, configurations_max: int) -> None:
        self.chart = chart
        self.tree = Tree(chart)
        self.columns = Columns(chart, self.tree)
        self._selections: dict[Lists, Selection] = {}
        self._ahead = self._states_ahead() if self.tree.histories else {}
        self._asking = [self._who_asks(history) for history in self.tree.histories]
        self._seen: Seen = set()
        self._afters: dict[tuple[Configuration, int], Configuration] = {}
        self.initial = self._initial()
        found = self._walk(configurations_max)
        self.configurations = sorted(found, key=lambda each: (tuple(bits(each.active)), each.memory))
        """Those in which an instance can rest; its position is the id of each."""
        passed = dict.fromkeys(after for after in self._afters.values() if after not in found)
        self.ids = {each: number for number, each in enumerate((*self.configurations, *passed))}
        """The ids, and behind them numbers for what is only passed through within a microstep."""

    def lists(self, configuration: Configuration, column: int) -> Lists:
        """What the active atomic states try in a column, in document order; empty where they try nothing."""
        trying = configuration.active & self.columns.trying[column]
        if not trying:
            return ()
        tried = self.columns.tried[column]
        return tuple(dict.fromkeys(tried[atom] for atom in bits(trying)))

    def selection(self, lists: Lists) -> Selection:
        """The selection between lists."""
        if lists not in self._selections:
            self._selections[lists] = select(self.tree, lists)
        return self._selections[lists]

    def after(self, configuration: Configuration, transition: int) -> Configuration:
        """The configuration after one transition alone; several that do not conflict may come in any order."""
        key = configuration, transition
        if key not in self._afters:
            self._afters[key] = self._after(configuration, transition)
        return self._afters[key]

    def followed(self) -> dict[tuple[int, int], int]:
        """(number of a configuration, transition) ──▶ number of the one after it, for all that was walked."""
        numbered = self.ids.keys()
        return {
            (self.ids[before], number): self.ids[after]
            for (before, number), after in self._afters.items()
            if before in numbered and after in numbered
        }

    def left(self, configuration: Configuration, transition: int) -> int:
        """The states that a transition leaves."""
        domain = self.tree.domains[transition]
        return 0 if domain is None else configuration.active & self.tree.inside[domain]

    def entered(self, configuration: Configuration, transition: int) -> int:
        """The states that a transition enters."""
        tree, (active, memory) = self.tree, configuration
        domain = tree.domains[transition]
        if domain is None:
            return 0
        return tree.entered(
            tree.targets[transition], domain, tree.remember(active, active & tree.inside[domain], memory)
        )

    def _initial(self) -> Configuration:
        nothing = (0,) * len(self.tree.histories)
        return Configuration(self.tree.entered((self.tree.initial(ROOT),), ROOT, nothing), nothing)

    def _after(self, configuration: Configuration, transition: int) -> Configuration:
        left, entered = self.left(configuration, transition), self.entered(configuration, transition)
        if not left | entered:
            return configuration
        active = configuration.active & ~left | entered
        memory = self.tree.remember(configuration.active, left, configuration.memory)
        return Configuration(active, self._relevant(active, memory))

    def _relevant(self, active: int, memory: Memory) -> Memory:
        """Without what no transition can ask for before it is remembered anew."""
        if not any(memory):
            return memory
        parents = (self.tree.parents[history] for history in self.tree.histories)
        return tuple(
            kept if active & (inside if active >> parent & 1 else ahead) else 0
            for kept, (inside, ahead), parent in zip(memory, self._asking, parents, strict=True)
        )

    def _who_asks(self, history: int) -> tuple[int, int]:
        """The states from which it may come to a transition to a history, within its parent and from anywhere."""
        tree = self.tree
        parent = tree.parents[history]
        asking = {s for s, targets in zip(tree.sources, tree.targets, strict=True) if history in targets}
        # The parent itself is among them where its own transition stays inside it.
        inside = self._before({s for s in asking if s == parent or tree.is_inside(s, parent)})
        inside &= tree.inside[parent] | 1 << parent
        if tree.states[history].initial or any(state.default == tree.states[history].name for state in tree.states):
            return inside, tree.inside[ROOT]  # entering the parent asks, whoever does it
        return inside, self._before(asking)

    def _before(self, sources: set[int]) -> int:
        """The states from which it may come to one of these being active."""
        return sum(1 << state for state, ahead in self._ahead.items() if any(ahead >> source & 1 for source in sources))

    def _states_ahead(self) -> dict[int, int]:
        """Of each state, roughly which may be active from the time on when it is: none that may be is left out."""
        tree = self.tree
        ahead = {state: 1 << state for state in range(len(tree.states))}
        for source, targets in zip(tree.sources, tree.targets, strict=True):
            for target in targets:
                around = tree.parents[target] if tree.states[target].kind in HISTORIES else target
                ahead[source] |= 1 << around | tree.inside[around]
                for ancestor in tree.ancestors(around):
                    ahead[source] |= 1 << ancestor | (tree.inside[ancestor] if tree.is_parallel(ancestor) else 0)
        changed = True
        while changed:
            wider = {state: reduce(or_, (ahead[each] for each in bits(mask))) for state, mask in ahead.items()}
            changed, ahead = wider != ahead, wider
        return ahead

    def _walk(self, configurations_max: int) -> dict[Configuration, None]:
        found = {self.initial: None}
        waiting = [self.initial]
        while waiting:
            before = waiting.pop()
            for column in range(self.columns.count):
                for after in self._reached(before, column, self._seen):
                    if after not in found:
                        found[after] = None
                        waiting.append(after)
                        if len(found) > configurations_max:
                            raise TooMany(len(found))
        return found

    def reached(self, before: Configuration, column: int, seen: Seen | None = None) -> list[Configuration]:
        """What one microstep can come to when the column is what happens, each once; empty where nothing is enabled.

        Calls that are handed one `seen` share what they look at, and what one of them gave the others leave out.
        """
        return list(dict.fromkeys(self._reached(before, column, set() if seen is None else seen)))

    def _reached(self, before: Configuration, column: int, seen: Seen) -> Iterator[Configuration]:
        lists = self.lists(before, column)
        if not lists or (before.active & self.tree.ends and column >= self.columns.event_count):
            return
        selection = self.selection(lists)
        if selection.marker is not None:
            yield from self._follow(selection.marker, 0, Past(), (), before, seen)
            return
        for chosen in selection.sets():
            after = before
            for number in chosen:
                after = self.after(after, number)
            yield after

    def _follow(
        self, marker: Marker, position: int, past: Past, late: tuple[int, ...], node: Configuration,
        seen: Seen,
    ) -> Iterator[Configuration]:  # fmt: skip
        """The same for lists that are marked: one after the other, each state of affairs looked at once."""
        ahead = marker.lists[position:]
        key = ahead, tuple(chosen for chosen, _ in past.present), past.fixed, late, node
        if key in seen:
            return
        seen.add(key)
        if not ahead:
            for number in late:
                node = self.after(node, number)
            yield node
            return
        if self.tree.transitions[ahead[0][-1]].guard is not None:
            yield from self._follow(marker, position + 1, marker.passed(position, past), late, node, seen)
        for number in ahead[0]:
            choice = marker.choice(position, past, number)
            kept = tuple(each for each in late if each not in {other for other, _ in choice.dropped})
            after = node
            if choice.number is not None and (position, number) in marker.late:
                kept = (*kept, number)
            elif choice.number is not None:
                after = self.after(node, number)
            yield from self._follow(marker, position + 1, choice.past, kept, after, seen)
