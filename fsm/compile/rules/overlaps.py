"""Find the guards of a cell that can hold at once, without comparing each with each.

    guards ──bounds──▶ sorted along the term that most of them bound ──sweep──▶ pairs whose ranges meet
    pair   ──holds_somewhere──▶ not excluded ──witness──▶ values under which both hold ──▶ Report

What is found has values to show for it. Looking ends after so many pairs, since a warning is not worth minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, islice, product
from typing import Any, Final

from fsm.compile.canonical import term_text
from fsm.compile.rules.prove import bounds, disjoint, holds_somewhere
from fsm.compile.rules.report import Report
from fsm.compile.rules.witness import TRIES_MAX, shown, witness
from fsm.compile.titles import titled
from fsm.define import render
from fsm.define.chart import Term, Transition

MEETINGS_MAX: Final = 100_000
"""Pairs that are looked at in one flow."""
PAIRS_MAX: Final = 10_000
"""Different pairs of guards of which pruning decides whether they exclude each other."""
TRIES_IN_ALL: Final = 200_000
"""Sets of values tried for one flow."""


def check_overlaps(report: Report, cells: Sequence[Sequence[Transition]]) -> None:
    """Report the overlaps within each cell. The members of a group have the same guards: looked at once."""
    meeting = list(islice((pair for cell in cells for pair in _meeting(cell)), MEETINGS_MAX))
    guards = dict.fromkeys((_guard(first), _guard(second)) for first, second in meeting)
    unproved = [pair for pair in islice(guards, PAIRS_MAX) if holds_somewhere(*pair)]
    tries = min(TRIES_MAX, TRIES_IN_ALL // max(1, len(unproved)))
    found = {pair: values for pair in unproved if (values := witness(*pair, tries)) is not None}
    for first, second in meeting:
        pair = _guard(first), _guard(second)
        if pair in found:
            _report_overlap(report, first, second, found[pair])


def _meeting(cell: Sequence[Transition]) -> Iterator[tuple[Transition, Transition]]:
    """The pairs of a cell, the one declared first in front, without those whose ranges exclude each other."""
    ranges = [bounds(transition.guard) for transition in cell]
    bounded = Counter(term for known in ranges for term in known)
    along = max(bounded, key=lambda term: bounded[term], default=None)
    limits = [(*known[along], position) for position, known in enumerate(ranges) if along in known]
    inside = [position for *_, position in limits]
    wide = [position for position, known in enumerate(ranges) if along not in known]
    for pair in chain(_swept(sorted(limits)), combinations(wide, 2), product(wide, inside)):
        first, second = sorted(pair)
        if not disjoint(ranges[first], ranges[second]):
            yield cell[first], cell[second]


def _swept(limits: Sequence[tuple[Any, Any, int]]) -> Iterator[tuple[int, int]]:
    """The pairs of ranges (low, high, position) that meet, of ranges that are sorted."""
    open_: list[tuple[Any, int]] = []
    for low, high, position in limits:
        open_ = [(known, other) for known, other in open_ if known >= low]
        yield from ((other, position) for _, other in open_)
        open_.append((high, position))


def _report_overlap(
    report: Report, first: Transition, second: Transition, values: Sequence[tuple[Term, int | bytes]]
) -> None:
    when = ", ".join(f"{term_text(leaf)} = {shown(leaf.type, value)}" for leaf, value in values)
    message = (
        f"The {titled(second)} overlaps with the one in line {first.place.line}: {render(_guard(first))} and "
        f"{render(_guard(second))} both hold{' when ' + when if when else ''}. The first one is taken."
    )
    remedy = "Make the guards exclude each other, or waive the rule where their order is meant."
    report.add("overlapping-guards", second, message, remedy)


def _guard(transition: Transition) -> Term:
    assert transition.guard is not None
    return transition.guard
