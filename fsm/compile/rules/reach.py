"""What can happen in the walked configurations, and which of them an instance can come to.

    Walk ──search──▶ configurations: those that events, timers and done states lead to as they come
                     resting: not left at once by an eventless transition; only there anything comes from outside
                     done:    states that can be done
         ──groups──▶ for each column, configurations that try the same there ──▶ Group

A walk takes every column to be possible everywhere. Here a configuration that is left at once sees neither events nor
timers, and `on_done` is taken only for states that some configuration completes. What is found may still be more than
any instance reaches, since guards are taken to hold or not as they like; nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from fsm.compile.columns import raises
from fsm.compile.configurations import Configuration, Seen, Walk
from fsm.compile.rules.outcomes import is_certain, taken
from fsm.compile.select import NOTHING, Lists, Selection
from fsm.compile.tree import HISTORIES, Memory
from fsm.define.chart import Trigger


class Group(NamedTuple):
    """Configurations in which the active states try the same in a column."""

    lists: Lists
    memory: Memory
    """What histories remember there, where it makes a difference; else of one of them."""
    active: int
    """The states that are active in some of them."""


class Reach:
    """The configurations that count, by what can happen in them."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.tree, self.columns = walk, walk.tree, walk.columns
        self.chart = walk.chart
        raised = {self.columns.event_ids[action.event] for action in raises(walk.chart)}
        self.internal: Final = tuple(sorted(raised | set(self.columns.done.values())))
        """The columns of internal events."""
        self._taken: dict[Selection, frozenset[int]] = {}
        self._groups: dict[int, list[Group]] = {}
        self._historic = _historic(walk)
        self.passing = {each for each in walk.configurations if self._is_passing(each)}
        """Those that are left at once, whatever the fields."""
        self.done = {state for state in self.columns.done if any(map(self._completes(state), walk.configurations))}
        """States with `on_done` that can be done."""
        self.configurations = walk.configurations
        if self.passing or len(self.done) < len(self.columns.done):
            self.done = set()
            found = self._search()
            self.configurations = [each for each in walk.configurations if each in found]
        self.resting = [each for each in self.configurations if each not in self.passing]
        self.active = _union(self.configurations)
        """The states that are ever active."""
        self.rested = _union(self.resting)
        """The states that are active while an instance waits for something to happen."""
        self.taken = frozenset(
            number
            for column in range(self.columns.count)
            for group in self.groups(column)
            for number in self.live(group)
        )
        """The transitions that are ever taken."""

    # --- what is tried, and what is taken ---

    def groups(self, column: int) -> list[Group]:
        """What is tried in a column, wherever it can happen."""
        if column not in self._groups:
            self._groups[column] = self._grouped(column)
        return self._groups[column]

    def _grouped(self, column: int) -> list[Group]:
        if column in self.columns.done.values() and not any(self.columns.done[state] == column for state in self.done):
            return []
        tried = {number for each in self.columns.tried[column].values() for number in each}
        keyed = not tried.isdisjoint(self._historic)
        # By states first, which is quick, and then by what they try, which few of them do differently.
        masks: dict[tuple[int, Memory], tuple[Configuration, int]] = {}
        trying = self.columns.trying[column]
        for configuration in self.configurations if column == self.columns.always else self.resting:
            key = configuration.active & trying, configuration.memory if keyed else NOTHING
            first, union = masks.get(key, (configuration, 0))
            masks[key] = first, union | configuration.active
        groups: dict[tuple[Lists, Memory], Group] = {}
        for (mask, memory), (first, union) in masks.items():
            if mask and (column < self.columns.event_count or not first.active & self.tree.ends):
                lists = self.walk.lists(first, column)
                group = groups.get((lists, memory), Group(lists, first.memory, 0))
                groups[lists, memory] = group._replace(active=group.active | union)
        return list(groups.values())

    def selection(self, group: Group) -> Selection:
        """How one of them is taken."""
        return self.walk.selection(group.lists)

    def takes(self, configuration: Configuration, column: int) -> bool:
        """Whether some transition is taken there, whatever the fields and arguments."""
        lists = self.walk.lists(configuration, column)
        return bool(lists) and is_certain(self.walk.selection(lists), self.tree)

    def live(self, group: Group) -> frozenset[int]:
        """The transitions that may be taken where a group tries them."""
        return self.may_take(self.selection(group))

    def may_take(self, selection: Selection) -> frozenset[int]:
        """The transitions that a selection may come to."""
        if selection not in self._taken:
            self._taken[selection] = taken(selection, self.tree)
        return self._taken[selection]

    def columns_of(self, number: int) -> Iterator[int]:
        """The columns in which a transition is tried."""
        transition, columns = self.tree.transitions[number], self.columns
        source = self.tree.sources[number]
        if transition.trigger is Trigger.EVENT:
            yield columns.event_ids[transition.event]
        elif transition.trigger is Trigger.ANY:
            yield from range(columns.event_count)
        elif transition.trigger is Trigger.DONE:
            yield columns.done[source]
        elif transition.trigger is Trigger.ALWAYS:
            assert columns.always is not None
            yield columns.always
        else:
            timers = columns.timers_of[source]
            yield from (columns.timer_column + timer.slot for timer in timers if number in timer.transitions)

    def where(self, number: int) -> Iterator[tuple[int, Group]]:
        """Where a transition may be taken: columns, and groups in them."""
        for column in self.columns_of(number):
            for group in self.groups(column):
                if number in self.live(group):
                    yield column, group

    # --- what is left, and what is entered ---

    def is_historic(self, number: int) -> bool:
        """Whether what a transition leaves or enters depends on what histories remember."""
        return number in self._historic

    def scope(self, number: int) -> int:
        """The states that a transition leaves where they are active."""
        domain = self.tree.domains[number]
        return 0 if domain is None else self.tree.inside[domain]

    def enters(self, number: int, memory: Memory) -> int:
        """The states that a transition enters; asked of one that is not historic, it is the same everywhere."""
        domain = self.tree.domains[number]
        return 0 if domain is None else self.tree.entered(self.tree.targets[number], domain, memory)

    # --- the way from configuration to configuration ---

    def after(
        self, before: Configuration, column: int, seen: Seen | None = None
    ) -> list[tuple[tuple[int, ...], Configuration]]:
        """What a microstep can come to: the transitions (where they are marked, all that may be), what is active then.

        With `seen` those ways are left out that were gone before with the same.
        """
        lists = self.walk.lists(before, column)
        if not lists:
            return []
        selection = self.walk.selection(lists)
        if selection.marker is not None:
            every = tuple(sorted(self.may_take(selection)))
            return [(every, each) for each in self.walk.reached(before, column, seen)]
        found = []
        for chosen in selection.sets():
            node = before
            for number in chosen:
                node = self.walk.after(node, number)
            if chosen:
                found.append((chosen, node))
        return found

    def ends(self, before: Configuration, chosen: tuple[int, ...]) -> bool:
        """Whether a microstep enters a top-level final state, which ends the macrostep and drops what waits."""
        return any(self.walk.entered(before, number) & self.tree.ends for number in chosen)

    def _is_passing(self, configuration: Configuration) -> bool:
        always = self.columns.always
        return always is not None and not configuration.active & self.tree.ends and self.takes(configuration, always)

    def possible(self, configuration: Configuration) -> Sequence[int]:
        """The columns that can happen in a configuration, those of done states included."""
        if configuration in self.passing:
            assert self.columns.always is not None
            return (self.columns.always,)
        return range(self.columns.event_count if configuration.active & self.tree.ends else self.columns.count)

    def _search(self) -> set[Configuration]:
        awaited = {column: state for state, column in self.columns.done.items()}
        completing = {state: self._completes(state) for state in self.columns.done}
        held: dict[int, list[Configuration]] = {state: [] for state in self.columns.done}
        found: set[Configuration] = set()
        seen: Seen = set()
        waiting: list[tuple[Configuration, tuple[int, ...]]] = [(self.walk.initial, NOTHING)]
        while waiting:
            before, columns = waiting.pop()
            if before not in found:
                found.add(before)
                for state in [state for state in completing if state not in self.done and completing[state](before)]:
                    self.done.add(state)
                    waiting += [(each, (self.columns.done[state],)) for each in held.pop(state)]
                columns = tuple(self.possible(before))
            for column in columns:
                if column in awaited and awaited[column] not in self.done:
                    held[awaited[column]].append(before)
                else:
                    waiting += [(after, NOTHING) for _, after in self.after(before, column, seen) if after not in found]
        return found

    def completes(self, state: int, configuration: Configuration) -> bool:
        """Whether a state is done in a configuration."""
        return self._completes(state)(configuration)

    def _completes(self, state: int) -> _Completes:
        return _Completes(self.walk, state)


class _Completes:
    """Whether a configuration completes a state: SCXML's isInFinalState."""

    def __init__(self, walk: Walk, state: int) -> None:
        self.tree, self.state = walk.tree, state
        self.finals = self._finals(state)

    def _finals(self, state: int) -> list[int]:
        """Sets of states of each of which one is active then."""
        tree = self.tree
        if tree.is_parallel(state):
            return [each for region in tree.children[state] for each in self._finals(region)]
        return [sum(1 << child for child in tree.children[state] if tree.final >> child & 1)]

    def __call__(self, configuration: Configuration) -> bool:
        return all(configuration.active & each for each in self.finals)


def _union(configurations: Iterable[Configuration]) -> int:
    active = 0
    for configuration in configurations:
        active |= configuration.active
    return active


def _historic(walk: Walk) -> frozenset[int]:
    """The transitions for which it matters what histories remember."""
    tree = walk.tree
    entered = any(tree.states[history].initial for history in tree.histories)
    return frozenset(
        number
        for number, targets in enumerate(tree.targets)
        if targets and (entered or any(tree.states[target].kind in HISTORIES for target in targets))
    )
