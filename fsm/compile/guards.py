"""Reason about guards with the decisions that they compile to: a leaf that pruning cuts off cannot be reached.

    guard ──outcomes──▶ {True}: always true, {False}: never true
    cell  ──pruned────▶ a transition that is no leaf: shadowed by those before it
                  └───▶ no leaf UNSELECTED: nothing is left to ignore
    guards that are open both ways ──▶ check_overlaps

Pruning proves only what it can: what it leaves open is not reported, except overlaps, which come with a witness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fsm.compile.overlaps import check_overlaps
from fsm.compile.prove import bounds, disjoint, implies, outcomes
from fsm.compile.report import Report, titled
from fsm.compile.select import NOTHING, select
from fsm.compile.tree import Tree
from fsm.define import render
from fsm.define.chart import Ignore, Term, Transition

PROOFS_MAX: Final = 20_000
"""Implications tried in one flow, to name the transition that shadows another; without a name it is shadowed still."""


def check_guards(report: Report, *, warnings: bool = True) -> None:
    """Shadowed transitions, cell by cell; as warnings constant and overlapping guards, and what is never ignored."""
    chart = report.chart
    ignores = {(ignore.source, ignore.event): ignore for ignore in chart.ignores}
    budget = iter(range(PROOFS_MAX))
    cells = []
    tree = Tree(chart)
    by_cell: dict[tuple[str, str], list[int]] = {}
    for number, transition in enumerate(chart.transitions):
        by_cell.setdefault((transition.source, transition.event), []).append(number)
    for cell, ids in by_cell.items():
        transitions = [chart.transitions[transition_id] for transition_id in ids]
        taken = select(tree, (tuple(ids),), (0,) * len(tree.histories))
        sets = taken.sets
        live = {number for each in sets for number in each}
        _check_shadowed(report, transitions, [transition_id in live for transition_id in ids], budget)
        if not warnings:
            continue
        _check_constant(report, transitions)
        cells.append([
            transition for transition_id, transition in zip(ids, transitions, strict=True)
            if transition_id in live and transition.guard is not None and len(outcomes(transition.guard)) == 2
        ])  # fmt: skip
        if cell in ignores and NOTHING not in sets:
            _report_dead_ignore(report, ignores[cell])
    check_overlaps(report, cells)


def _check_shadowed(report: Report, transitions: Sequence[Transition], live: list[bool], budget: Iterator[int]) -> None:
    for position, transition in enumerate(transitions):
        # What can never hold is not taken either, but nothing shadows it: its guard is constant.
        if not live[position] and (transition.guard is None or True in outcomes(transition.guard)):
            _report_shadowed(report, transition, _shadow(transitions[:position], transition, budget))


def _check_constant(report: Report, transitions: Sequence[Transition]) -> None:
    for transition in transitions:
        if transition.guard is not None and len(found := outcomes(transition.guard)) == 1:
            _report_constant(report, transition, transition.guard, True in found)


def _shadow(earlier: Sequence[Transition], transition: Transition, budget: Iterator[int]) -> Transition | None:
    """The transition that alone shadows another, if it can be told."""
    for other in earlier:
        if other.guard is None or other.guard == transition.guard:
            return other
    known = bounds(transition.guard)
    near = (other for other in earlier if not disjoint(bounds(other.guard), known))
    return next((other for other, _ in zip(near, budget, strict=False) if _shadows(other, transition)), None)


def _shadows(first: Transition, second: Transition) -> bool:
    assert first.guard is not None
    return outcomes(first.guard) == {True} if second.guard is None else implies(second.guard, first.guard)


def _report_constant(report: Report, transition: Transition, guard: Term, holds: bool) -> None:
    outcome = "always holds" if holds else "can never hold"
    remedy = (
        "Leave when= out, or compare with something that varies."
        if holds
        else "Widen the guard until some event passes it, or remove the transition."
    )
    message = f"The guard {render(guard)} of the {titled(transition)} {outcome}."
    report.add("constant-guard", transition, message, remedy)


def _report_shadowed(report: Report, transition: Transition, shadow: Transition | None) -> None:
    if shadow is None:
        what = "the transitions before it together take"
    else:
        guard = "has no guard" if shadow.guard is None else f"has the guard {render(shadow.guard)}"
        what = f"the one in line {shadow.place.line} {guard} and takes"
    message = f"The {titled(transition)} is never taken: {what} every event that it would."
    report.add("shadowed-transition", transition, message, "Declare it earlier, narrow the other guard, or remove it.")


def _report_dead_ignore(report: Report, ignore: Ignore) -> None:
    state = next(state for state in report.chart.states if state.name == ignore.source)
    message = f"State {state.name} never ignores {ignore.event}, though it says so: its transitions take every one."
    report.add("dead-ignore", state, message, "Remove it, or give the transition a guard.", ignore.place)
