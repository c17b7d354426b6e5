"""Which transitions a selection may come to, for those who look at it and write no code.

a few sets: the leaves of its decision                marks: what each list may choose, one list after the other
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.compile.select import NOTHING, Marker, Past, Selection
from fsm.compile.tree import Tree


def taken(selection: Selection, tree: Tree) -> frozenset[int]:
    """The transitions that may be taken."""
    if selection.marker is None:
        return frozenset(number for chosen in selection.sets() for number in chosen)
    return frozenset(_marked(selection.marker, tree))


def is_certain(selection: Selection, tree: Tree) -> bool:
    """Whether some transition is enabled, whatever the fields and arguments."""
    if selection.marker is None:
        return NOTHING not in selection.sets()
    # Its decision is made for the code, and is not worth making here to know of guards that leave nothing over.
    return any(tree.transitions[asked[-1]].guard is None for asked in selection.lists)


def _marked(marker: Marker, tree: Tree) -> Iterator[int]:
    """What some list chooses, unless a later one overrides it on every way."""
    seen = {(0, Past())}
    waiting = [(0, Past())]
    while waiting:
        position, past = waiting.pop()
        if position == len(marker.lists):
            continue
        for number in marker.lists[position]:
            choice = marker.choice(position, past, number)
            if choice.number is not None and _stays(marker, tree, position, number, choice.past):
                yield number
        ahead = set(_ahead(marker, tree, position, past, None)) - seen
        seen |= ahead
        waiting += ahead


def _stays(marker: Marker, tree: Tree, position: int, number: int, past: Past) -> bool:
    """Whether what a list chose may be there at the end."""
    if (position, number) not in marker.late:
        return True
    places = {(position + 1, past)}
    for _ in marker.lists[position + 1 :]:
        places = {after for place in places for after in _ahead(marker, tree, *place, (number, position))}
    return bool(places)


def _ahead(
    marker: Marker, tree: Tree, position: int, past: Past, kept: tuple[int, int] | None
) -> Iterator[tuple[int, Past]]:
    """What may be known behind a list, where it does not override `kept`."""
    asked = marker.lists[position]
    if tree.transitions[asked[-1]].guard is not None:
        yield position + 1, marker.passed(position, past)
    for number in asked:
        choice = marker.choice(position, past, number)
        if kept not in choice.dropped:
            yield position + 1, choice.past
