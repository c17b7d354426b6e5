"""Look for circles of eventless transitions with guards which go on for ever under values that can be shown.

    eventless microsteps ──shortest circle through each──▶ changes nothing that its guards ask ──witness──▶ Report

Nothing is reported without such values. Where an action changes what a guard asks, the circle may come to an end, and
whether it does is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fsm.compile.canonical import term_text
from fsm.compile.configurations import Configuration
from fsm.compile.rules.loops import REMEDY
from fsm.compile.rules.parts import read, written
from fsm.compile.rules.reach import Reach
from fsm.compile.rules.report import Report, lines_of
from fsm.compile.rules.witness import shown, witness
from fsm.compile.tree import bits
from fsm.define.chart import FieldKind, Term, Type

BOOLEAN: Final = Type(FieldKind.BOOLEAN)
TRUE: Final = Term("constant", BOOLEAN, value=1)
LOOKS_MAX: Final = 20_000
"""Steps of the search in one flow."""
LOOP_MAX: Final = 12
"""Microsteps of the longest circle that is looked for."""

Loop = tuple[tuple[Configuration, tuple[int, ...]], ...]
"""A circle: where it stands, and the transitions that are taken there."""


def check_loops(report: Report, reach: Reach) -> None:
    """Report circles of eventless transitions which go on for ever under values that can be shown."""
    told: set[frozenset[int]] = set()
    for loop in _loops(reach):
        numbers = frozenset(number for _, chosen in loop for number in chosen)
        if numbers in told:
            continue
        told.add(numbers)
        found = _values(reach, loop)
        if found is None:
            continue
        transitions = [reach.tree.transitions[number] for number in sorted(numbers)]
        values = ", ".join(f"{term_text(leaf)} = {shown(leaf.type, value)}" for leaf, value in found)
        who = "transition" if len(transitions) == 1 else "transitions"
        goes = "is enabled again whenever it was taken" if len(transitions) == 1 else "lead in a circle"
        message = (
            f"The eventless {who} in {lines_of(transitions)} {goes} when {values}, and nothing there changes that: "
            "such a step never ends, and is refused as bound."
        )
        report.add("eventless-loop", transitions[0], message, REMEDY)


def _values(reach: Reach, loop: Loop) -> list[tuple[Term, int | bytes]] | None:
    """Fields and values with which a circle goes on for ever, if it changes nothing that its guards ask."""
    tree, walk = reach.tree, reach.walk
    changed, asked, conditions = set[str](), set[str](), list[Term]()
    for configuration, chosen in loop:
        for number in chosen:
            changed |= written(tree.transitions[number].actions)
            for state in bits(walk.left(configuration, number)):
                changed |= written(tree.states[state].exit)
            for state in bits(walk.entered(configuration, number)):
                changed |= written(tree.states[state].entry)
        assert reach.columns.always is not None
        for each in walk.lists(configuration, reach.columns.always):
            asked |= read(*(tree.transitions[number].guard for number in each))
            conditions += _conditions(reach, each, chosen)
    if changed & asked or not conditions:
        return None
    both = Term("and", BOOLEAN, (TRUE, *dict.fromkeys(conditions)))
    return witness(both, TRUE)


def _conditions(reach: Reach, asked: tuple[int, ...], chosen: tuple[int, ...]) -> Iterator[Term]:
    """What makes a list of transitions choose one of those that are chosen, or else none."""
    for number in asked:
        guard = reach.tree.transitions[number].guard
        if number in chosen:
            if guard is not None:
                yield guard
            return
        yield Term("not", BOOLEAN, (guard or TRUE,))


def _loops(reach: Reach) -> Iterator[Loop]:
    """The shortest circle through each eventless microstep that may be on one, as long as the search may last."""
    ways = _circling(reach)
    budget = LOOKS_MAX
    for start, microsteps in ways.items():
        for chosen, first in microsteps:
            came: dict[Configuration, tuple[Configuration, tuple[int, ...]] | None] = {first: None}
            front = [first]
            for _ in range(LOOP_MAX):
                if start in came or not front or budget <= 0:
                    break
                ahead = [(node, taken, after) for node in front for taken, after in ways.get(node, ())]
                budget -= 1 + len(ahead)
                front = []
                for node, taken, after in ahead:
                    if after not in came:
                        came[after] = node, taken
                        front.append(after)
            if start in came:
                yield ((start, chosen), *_back(came, start))


def _back(
    came: dict[Configuration, tuple[Configuration, tuple[int, ...]] | None], end: Configuration
) -> list[tuple[Configuration, tuple[int, ...]]]:
    """The microsteps that led to the end of a search, from its beginning."""
    line = []
    step = came[end]
    while step is not None:
        line.append(step)
        step = came[step[0]]
    return line[::-1]


def _circling(reach: Reach) -> dict[Configuration, list[tuple[tuple[int, ...], Configuration]]]:
    """The eventless microsteps that may be on a circle: without those that come from nowhere, or lead nowhere."""
    always = reach.columns.always
    if always is None:
        return {}
    walk, trying = reach.walk, reach.columns.trying[always]
    ways = {}
    for each in reach.configurations:
        if each.active & reach.tree.ends or not each.active & trying:
            continue
        if walk.selection(walk.lists(each, always)).marker is None:
            ways[each] = reach.after(each, always)
    while True:
        entered = {after for microsteps in ways.values() for _, after in microsteps}
        kept = {
            node: [(chosen, after) for chosen, after in microsteps if after in ways]
            for node, microsteps in ways.items()
            if node in entered
        }
        kept = {node: microsteps for node, microsteps in kept.items() if microsteps}
        if sum(map(len, kept.values())) == sum(map(len, ways.values())):
            return kept
        ways = kept
