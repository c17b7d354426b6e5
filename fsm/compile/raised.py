"""Whether a raised event comes to somebody.

raise ──▶ configurations after it ──eventless transitions, internal events──▶ one that handles the event, or none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsm.compile.configurations import Configuration
from fsm.compile.parts import Owner, flat
from fsm.compile.reach import Reach
from fsm.compile.report import Report
from fsm.define.chart import Action, Raise


def check_raises(report: Report, reach: Reach) -> None:
    """Report each event that is raised where no state ever handles it, or ignores it by declaration."""
    for number, state in enumerate(report.chart.states):
        if reach.active >> number & 1:
            entered = [each for each in reach.configurations if each.active >> number & 1] if state.entry else []
            _check(report, reach, state, state.entry, entered)
            _check(report, reach, state, state.exit, reach.configurations)
    for number in sorted(reach.taken):
        transition = report.chart.transitions[number]
        if any(isinstance(action, Raise) for action in flat(transition.actions)):
            _check(report, reach, transition, transition.actions, _after(reach, number))


def _check(
    report: Report, reach: Reach, owner: Owner, actions: Sequence[Action], after: Sequence[Configuration]
) -> None:
    for action in flat(actions):
        if isinstance(action, Raise) and not _is_handled(reach, action.event, after):
            message = f"{action.event} is raised here, and no state that can be active then handles or ignores it."
            remedy = f"Add a transition on {action.event} there, say ignores({action.event}), or do not raise it."
            report.add("unhandled-raise", owner, message, remedy, action.place)


def _after(reach: Reach, number: int) -> list[Configuration]:
    """What is active after a microstep with a transition."""
    found: dict[Configuration, None] = {}
    source = reach.tree.sources[number]
    for column in reach.columns_of(number):
        always = column == reach.columns.always
        for before in reach.configurations if always else reach.resting:
            if before.active >> source & 1 and reach.walk.lists(before, column):
                found |= dict.fromkeys(after for chosen, after in reach.after(before, column) if number in chosen)
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
    if configuration.active & reach.tree.ends:
        return
    always = () if reach.columns.always is None else (reach.columns.always,)
    for column in always if configuration in reach.passing else (*always, *reach.internal):
        if reach.groups(column):
            yield from (after for _, after in reach.after(configuration, column))
