"""Reason about guards with the decisions that they compile to: a leaf that pruning cuts off cannot be reached.

    guard ──outcomes──▶ {True}: always true, {False}: never true
    transitions of one state and trigger ──select──▶ one that is no leaf: shadowed by those before it
    every selection of the walk          ──taken───▶ one that is no leaf: shadowed by states inside, by other regions
    guards that are open both ways ──▶ check_overlaps

Pruning proves only what it can: what it leaves open is not reported, except overlaps, which come with a witness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fsm.compile.columns import TIMED
from fsm.compile.rules.overlaps import check_overlaps
from fsm.compile.rules.prove import bounds, disjoint, implies, outcomes
from fsm.compile.rules.reach import Reach
from fsm.compile.rules.report import Report, lines_of
from fsm.compile.select import select
from fsm.compile.titles import titled
from fsm.define import render
from fsm.define.chart import Chart, Term, Transition, Trigger

PROOFS_MAX: Final = 20_000
"""Implications tried in one flow, to name the transition that shadows another; without a name it is shadowed still."""


def check_guards(report: Report, reach: Reach, *, warnings: bool = True) -> None:
    """Shadowed transitions; as warnings constant and overlapping guards."""
    transitions = report.chart.transitions
    found = [None if each.guard is None else outcomes(each.guard) for each in transitions]
    cells = cells_of(report.chart)
    live = {number for cell in cells for number in _live(reach, cell)}
    budget = iter(range(PROOFS_MAX))
    for number, transition in enumerate(transitions):
        # What can never hold is not taken either, but nothing shadows it: its guard is constant.
        if found[number] == {False}:
            continue
        if number not in live:
            _report_shadowed(report, transition, _before(transitions, cells, number), budget)
        elif number not in reach.taken:
            _check_taken(report, reach, number)
    if not warnings:
        return
    for transition, outcome in zip(transitions, found, strict=True):
        if transition.guard is not None and outcome is not None and len(outcome) == 1:
            _report_constant(report, transition, transition.guard, True in outcome)
    open_ = {number for number, outcome in enumerate(found) if outcome is not None and len(outcome) == 2} & live
    check_overlaps(report, [[transitions[number] for number in cell if number in open_] for cell in cells])


def cells_of(chart: Chart) -> list[list[int]]:
    """The transitions that one state tries one after the other: of an event those on any event too."""
    cells: dict[tuple[str, object], list[int]] = {}
    specific = {(each.source, each.event) for each in chart.transitions if each.trigger is Trigger.EVENT}
    for number, transition in enumerate(chart.transitions):
        source, trigger, event, *_ = transition
        if trigger is Trigger.EVENT:
            cells.setdefault((source, event), []).append(number)
        elif trigger is Trigger.ANY:
            named = [each.name for each in chart.events if (source, each.name) in specific]
            # Events that nothing else is declared for are all alike.
            others = [""] if len(named) < len(chart.events) else []
            for name in (*named, *others):
                cells.setdefault((source, name), []).append(number)
        else:
            cells.setdefault((source, (trigger, transition.moment)), []).append(number)
    return list(cells.values())


def _live(reach: Reach, cell: Sequence[int]) -> Iterator[int]:
    """Those of a cell that may be taken, if nothing else is active."""
    selection = select(reach.tree, (tuple(cell),))
    return (number for each in selection.sets() for number in each)


# --- by transitions of the same state ---


def _before(transitions: Sequence[Transition], cells: Iterable[Sequence[int]], number: int) -> list[Transition]:
    """The transitions that stand before one that none of its cells takes; those of the first cell will do."""
    cell = next(cell for cell in cells if number in cell)
    return [transitions[other] for other in cell[: cell.index(number)]]


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


def _report_shadowed(
    report: Report, transition: Transition, earlier: Sequence[Transition], budget: Iterator[int]
) -> None:
    shadow = _shadow(earlier, transition, budget)
    if shadow is None:
        what = "the transitions before it together take"
    else:
        guard = "has no guard" if shadow.guard is None else f"has the guard {render(shadow.guard)}"
        what = f"the one in line {shadow.place.line} {guard} and takes"
    message = f"The {titled(transition)} is never taken: {what} {_all(transition)} that it would."
    report.add("shadowed-transition", transition, message, "Declare it earlier, narrow the other guard, or remove it.")


def _all(transition: Transition) -> str:
    return "every event" if transition.trigger in (Trigger.EVENT, Trigger.ANY) else "everything"


# --- by transitions of other states ---


def _check_taken(report: Report, reach: Reach, number: int) -> None:
    """A transition that its own state would take, and that no selection takes where the state is active."""
    transition, source = reach.tree.transitions[number], reach.tree.sources[number]
    undone = transition.trigger is Trigger.DONE and source not in reach.done
    passing = transition.trigger is not Trigger.ALWAYS and not reach.rested >> source & 1
    if not reach.active >> source & 1 or undone or (passing and transition.trigger in TIMED):
        return  # told by another rule
    if passing:
        what = f"{transition.source} is left at once by an eventless transition ({eventless(reach, source)})"
    else:
        takers = _takers(reach, number)
        if not takers:
            return
        what = f"{_others(takers)} {_all(transition)} that it would"
    message = f"The {titled(transition)} of {transition.source} is never taken: {what}."
    report.add("shadowed-transition", transition, message, "Narrow the other guard, or remove it.")


def eventless(reach: Reach, source: int) -> str:
    """Where the transitions stand that leave every configuration with a state at once."""
    always = reach.columns.always
    assert always is not None
    found = {
        number for group in reach.groups(always) if group.active >> source & 1 for number in reach.live(group)
    }  # fmt: skip
    return lines_of(reach.tree.transitions[number] for number in found)


def _takers(reach: Reach, number: int) -> list[Transition]:
    """What is taken in place of a transition."""
    source = reach.tree.sources[number]
    found = {
        other
        for column in reach.columns_of(number)
        for group in reach.groups(column)
        if group.active >> source & 1
        for other in reach.live(group)
    }
    return [reach.tree.transitions[other] for other in sorted(found)]


def _others(takers: Sequence[Transition]) -> str:
    sources = sorted({taker.source for taker in takers})
    whose = f"of {sources[0]}" if len(sources) == 1 else "of other states"
    if len(takers) > 1:
        return f"those {whose} in {lines_of(takers)} take"
    guard = takers[0].guard
    return f"the one {whose} in {lines_of(takers)} {'has no guard' if guard is None else 'comes first'} and takes"


# --- guards without a choice ---


def _report_constant(report: Report, transition: Transition, guard: Term, holds: bool) -> None:
    outcome = "always holds" if holds else "can never hold"
    remedy = (
        "Leave when= out, or compare with something that varies."
        if holds
        else "Widen the guard until some event passes it, or remove the transition."
    )
    message = f"The guard {render(guard)} of the {titled(transition)} {outcome}."
    report.add("constant-guard", transition, message, remedy)
