"""How many configurations a flow has, and what multiplies them.

    states ──▶ a compound state has the sum of what its children have, a parallel one the product; histories remember
           ──▶ Census: configurations, and the regions and histories that multiply them, the largest first

The walk finds how many configurations come about; the product is what there would be if every combination did.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final, NamedTuple

from fsm.compile.tree import ROOT, Tree
from fsm.define.chart import Chart, StateKind

PARTS_MAX: Final = 10
"""The parts that a text names."""
COUNT_MAX: Final = 10**12
"""Beyond it a number tells nothing but that it is large."""


class Part(NamedTuple):
    """A region, which multiplies the configurations of its parallel state, or a history, which multiplies all."""

    name: str
    size: int
    """What can be active in the region, or remembered by the history, nothing included."""
    of: str
    """The state that it stands in."""
    is_history: bool = False

    def __str__(self) -> str:
        return f"{'history' if self.is_history else 'region'} {self.name} of {self.of} {_number(self.size)}"


class Census(NamedTuple):
    """The configurations of a flow."""

    configurations: int
    complete: bool
    """False where there are more than that: the walk was given up."""
    combinations: int
    """What there would be if everything in one region came together with everything in the others."""
    parts: tuple[Part, ...]
    """What multiplies them, the largest first."""

    def __str__(self) -> str:
        one = self.configurations == 1 and self.complete
        found = f"{'' if self.complete else 'more than '}{self.configurations} configuration{'' if one else 's'}"
        return f"{found} of {_number(self.combinations)} combinations ({self.multiplied()})" if self.parts else found

    def multiplied(self) -> str:
        """The largest parts in words: `region cash of settling 8, history kept of cash 9`."""
        more = len(self.parts) - PARTS_MAX
        return ", ".join([*map(str, self.parts[:PARTS_MAX]), *([f"{more} more"] if more > 0 else [])])


def census(chart: Chart, configurations: int, *, complete: bool = True) -> Census:
    """The census of a chart of which so many configurations were walked."""
    tree = Tree(chart)
    counts = _counts(tree)
    parts = sorted((*_regions(tree, counts), *_histories(tree, counts)), key=lambda part: -part.size)
    remembered = prod(part.size for part in parts if part.is_history)
    return Census(configurations, complete, counts[ROOT] * remembered, tuple(parts))


def _counts(tree: Tree) -> dict[int, int]:
    """What can be active in each state, by itself."""
    counts: dict[int, int] = {}
    for state in (*reversed(range(len(tree.states))), ROOT):
        inside = [counts[child] for child in tree.children[state]]
        counts[state] = (prod(inside) if tree.is_parallel(state) else sum(inside)) or 1
    return counts


def _regions(tree: Tree, counts: dict[int, int]) -> Iterator[Part]:
    for state in range(len(tree.states)):
        if tree.is_parallel(state):
            for region in tree.children[state]:
                if counts[region] > 1:
                    yield Part(tree.states[region].name, counts[region], tree.states[state].name)


def _histories(tree: Tree, counts: dict[int, int]) -> Iterator[Part]:
    for history in tree.histories:
        parent = tree.parents[history]
        deep = tree.states[history].kind is StateKind.HISTORY_DEEP
        # The children of a parallel state are active together, so a shallow history of one remembers them or nothing.
        shallow = 1 if tree.is_parallel(parent) else len(tree.children[parent])
        remembered = 1 + (counts[parent] if deep else shallow)
        yield Part(tree.states[history].name, remembered, tree.states[parent].name, is_history=True)


def _number(count: int) -> str:
    return str(count) if count <= COUNT_MAX else f"more than {COUNT_MAX}"
