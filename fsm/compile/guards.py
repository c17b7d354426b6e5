"""Reason about guards with the decisions that they compile to: a leaf that pruning cuts off cannot be reached.

    guard ──pruned──▶ leaves {yes}: always true, {no}: never true
    cell  ──pruned──▶ a transition that is no leaf: shadowed by those before it
    a & b ──pruned──▶ no leaf yes: disjoint, else ──witness()──▶ values under which both hold

Pruning proves only what it can: what it leaves open is not reported, except overlaps, which come with a witness.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from fsm.compile.canonical import term_text
from fsm.compile.cells import select, transitions_by_cell
from fsm.compile.decide import BOOLEAN, Decision
from fsm.compile.report import Report
from fsm.compile.witness import TRIES_MAX, shown, witness
from fsm.define import render
from fsm.define.chart import Term, Transition

TRIES_IN_ALL: Final = 200_000
"""Sets of values tried for one flow, so that a flow of many guards is not checked for minutes."""
TRUE: Final = Term("constant", BOOLEAN, value=1)


def check_guards(report: Report) -> None:
    """Constant guards, shadowed transitions and overlapping guards, cell by cell."""
    chart = report.chart
    overlapping: list[tuple[Transition, Transition]] = []
    for ids in transitions_by_cell(chart).values():
        transitions = [chart.transitions[transition_id] for transition_id in ids]
        taken = select(chart, ids)
        live = taken.decision.leaves(taken.root)
        open_guards = []
        for position, (transition_id, transition) in enumerate(zip(ids, transitions, strict=True)):
            outcomes = {True} if transition.guard is None else _outcomes(transition.guard)
            if transition.guard is not None and len(outcomes) == 1:
                _report_constant(report, transition, transition.guard, True in outcomes)
            if True in outcomes and transition_id not in live:
                _report_shadowed(report, transition, transitions[:position])
            elif len(outcomes) == 2:
                open_guards.append(transition)
        overlapping += combinations(open_guards, 2)
    _check_overlaps(report, overlapping)


def holds_somewhere(first: Term, second: Term) -> bool:
    """Whether both conditions might hold at once, as far as pruning can tell."""
    decision = Decision()
    yes, no = decision.leaf(True), decision.leaf(False)
    root = decision.condition(first, decision.condition(second, yes, no), no)
    return True in decision.leaves(decision.pruned(root))


def implies(first: Term, second: Term) -> bool:
    """Whether the second condition is shown to hold wherever the first does."""
    decision = Decision()
    yes, no = decision.leaf(True), decision.leaf(False)
    root = decision.condition(first, decision.condition(second, no, yes), no)
    return True not in decision.leaves(decision.pruned(root))


def _outcomes(guard: Term) -> set[object]:
    decision = Decision()
    root = decision.condition(guard, decision.leaf(True), decision.leaf(False))
    return set(decision.leaves(decision.pruned(root)))


def _report_constant(report: Report, transition: Transition, guard: Term, holds: bool) -> None:
    outcome = "always holds" if holds else "can never hold"
    remedy = "Leave it out, or write what is meant." if holds else "Remove the transition, or write what is meant."
    report.add("constant-guard", transition, f"The guard {render(guard)} of {_title(transition)} {outcome}.", remedy)


def _report_shadowed(report: Report, transition: Transition, earlier: Sequence[Transition]) -> None:
    shadow = next((other for other in earlier if _shadows(other, transition)), None)
    if shadow is None:
        what = "the transitions before it together take"
    else:
        guard = "has no guard" if shadow.guard is None else f"has the guard {render(shadow.guard)}"
        what = f"the one in line {shadow.place.line} {guard} and takes"
    message = f"{_title(transition)} is never taken: {what} every event that it would."
    report.add("shadowed-transition", transition, message, "Declare it earlier, narrow the other guard, or remove it.")


def _shadows(first: Transition, second: Transition) -> bool:
    if first.guard is None:
        return True
    if second.guard is None:
        return _outcomes(first.guard) == {True}
    return implies(second.guard, first.guard)


def _check_overlaps(report: Report, pairs: Sequence[tuple[Transition, Transition]]) -> None:
    """Report the pairs for which a witness is found. The members of a group have the same guards: looked at once."""
    guards = dict.fromkeys((first.guard or TRUE, second.guard or TRUE) for first, second in pairs)
    unproved = [pair for pair in guards if holds_somewhere(*pair)]
    tries = min(TRIES_MAX, TRIES_IN_ALL // max(1, len(unproved)))
    found = {pair: values for pair in unproved if (values := witness(*pair, tries)) is not None}
    for first, second in pairs:
        pair = first.guard or TRUE, second.guard or TRUE
        if pair in found:
            _report_overlap(report, first, second, found[pair])


def _report_overlap(
    report: Report, first: Transition, second: Transition, values: Sequence[tuple[Term, int | bytes]]
) -> None:
    assert first.guard is not None and second.guard is not None
    when = ", ".join(f"{term_text(leaf)} = {shown(leaf.type, value)}" for leaf, value in values)
    message = (
        f"{_title(second)} overlaps with the one in line {first.place.line}: {render(first.guard)} and "
        f"{render(second.guard)} both hold{' when ' + when if when else ''}. The first one is taken."
    )
    remedy = "Make the guards exclude each other, or waive the rule where their order is meant."
    report.add("overlapping-guards", second, message, remedy)


def _title(transition: Transition) -> str:
    target = f" to {transition.target}" if transition.target is not None else ""
    return f"The transition on {transition.event}{target}"
