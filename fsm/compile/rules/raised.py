"""Whether a raised event comes to somebody.

raise ──▶ configurations after it ──eventless transitions, internal events──▶ one that handles the event, or none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsm.compile.columns import raises
from fsm.compile.configurations import Configuration
from fsm.compile.rules.parts import Owner, flat, raised
from fsm.compile.rules.reach import Reach
from fsm.compile.rules.report import Report
from fsm.define.chart import Action, Raise


def check_raises(report: Report, reach: Reach) -> None:
    """Report each event that is raised where no state ever handles it, or ignores it by declaration."""
    chart = report.chart
    # Where a top-level final state is entered, all that waits is dropped.
    configurations = reach.configurations if any(raises(chart)) else []
    going_on = [each for each in configurations if not each.active & reach.tree.ends]
    for number in [number for number, state in enumerate(chart.states) if reach.active >> number & 1]:
        state = chart.states[number]
        if raised(state.entry):
            _check(report, reach, state, state.entry, [each for each in going_on if each.active >> number & 1])
        _check(report, reach, state, state.exit, going_on)
    for number in sorted(reach.taken):
        if raised(chart.transitions[number].actions):
            _check(report, reach, chart.transitions[number], chart.transitions[number].actions, _after(reach, number))


def _check(
    report: Report, reach: Reach, owner: Owner, actions: Sequence[Action], after: Sequence[Configuration]
) -> None:
    for action in flat(actions):
        if isinstance(action, Raise) and not _is_handled(reach, action.event, after):
            message = f"{action.event} is raised here, and no state that can be active then handles or ignores it."
            remedy = f"Add a transition on {action.event} there, say ignores({action.event}), or do not raise it."
            report.add("unhandled-raise", owner, message, remedy, action.place)


def _after(reach: Reach, number: int) -> list[Configuration]:
    """What is active after a microstep with a transition, if that is not the end of the flow."""
    found: dict[Configuration, None] = {}
    source = reach.tree.sources[number]
    for column in reach.columns_of(number):
        always = column == reach.columns.always
        for before in reach.configurations if always else reach.resting:
            if before.active >> source & 1 and reach.walk.lists(before, column):
                found |= dict.fromkeys(after for chosen, after in _on(reach, before, column) if number in chosen)
    return list(found)


def _is_handled(reach: Reach, event: str, after: Sequence[Configuration]) -> bool:
    """Whether some configuration that internal events may lead to from here does something about an event."""
    ignoring = sum(1 << reach.tree.ids[ignore.source] for ignore in reach.chart.ignores if ignore.event == event)
    handling = reach.columns.trying[reach.columns.event_ids[event]] | ignoring
    if not handling & reach.rested:
        return False
    seen = set(after)
    waiting = list(seen)
    while waiting:
        configuration = waiting.pop()
        if configuration.active & handling and configuration not in reach.passing:
            return True
        ahead = set(_ahead(reach, configuration)) - seen
        seen |= ahead
        waiting += ahead
    return False


def _ahead(reach: Reach, configuration: Configuration) -> Iterator[Configuration]:
    """What follows within the same macrostep."""
    always = () if reach.columns.always is None else (reach.columns.always,)
    for column in always if configuration in reach.passing else (*always, *reach.internal):
        if reach.groups(column):
            yield from (after for _, after in _on(reach, configuration, column))


def _on(reach: Reach, before: Configuration, column: int) -> Iterator[tuple[tuple[int, ...], Configuration]]:
    """What a microstep can come to without an end of the flow."""
    for chosen, after in reach.after(before, column):
        if not after.active & reach.tree.ends or not reach.ends(before, chosen):
            yield chosen, after
