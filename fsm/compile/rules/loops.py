"""Whether every macrostep comes to an end.

    configurations that are left at once ──▶ no way to rest ──▶ cycles of eventless transitions
    an event that waits, where it may come first ──▶ no way to an empty queue ──▶ cycles of raised events

What is reported never ends whatever the fields are, since guards are taken to hold or not as they like.
"""

from __future__ import annotations

from typing import Final

from fsm.compile.configurations import Configuration
from fsm.compile.rules.macrosteps import Macrosteps, Place, Way, Ways, cycles, endless
from fsm.compile.rules.parts import raised
from fsm.compile.rules.reach import Reach
from fsm.compile.rules.report import Report, lines_of
from fsm.compile.rules.ways import named
from fsm.compile.tree import bits

REMEDY: Final = "Let one of them ask for what another one changes, or lead to where the flow waits for an event."

Restless = dict[tuple[Configuration], list[tuple[Way, tuple[Configuration]]]]


def check_cycles(report: Report, reach: Reach) -> None:
    """Report what never ends, whatever the fields are."""
    told: set[frozenset[int]] = set()
    restless = never_resting(reach)
    for cycle in (*cycles(restless), *cycles(never_empty(reach, restless))):
        _report_cycle(report, reach, cycle, told)


def never_resting(reach: Reach) -> Restless:
    """The configurations from which eventless transitions lead on for ever."""
    starts = [(each,) for each in reach.configurations if each in reach.passing]
    return endless(starts, Macrosteps(reach).eventless, nodes_max=len(reach.configurations))


def never_empty(reach: Reach, restless: Restless) -> dict[Place, list[tuple[Way, Place]]]:
    """The places at which an event comes first whose handling raises events without end."""
    steps = Macrosteps(reach)
    starts = (
        Place(configuration, (column,))
        for column in _circular(reach)
        for configuration in reach.resting
        if configuration.active & reach.columns.trying[column] and _may_come(reach, configuration, column)
    )

    def ahead(place: Place) -> Ways[Place]:
        return None if (place.configuration,) in restless else steps.ahead(place)

    return endless(starts, ahead)


def _report_cycle(report: Report, reach: Reach, cycle: list[Way], told: set[frozenset[int]]) -> None:
    numbers = frozenset(number for way in cycle for number in way.transitions)
    if not numbers or numbers in told:
        return
    told.add(numbers)
    transitions = [reach.tree.transitions[number] for number in sorted(numbers)]
    events = sorted({way.column for way in cycle if way.column != reach.columns.always})
    lines = lines_of(transitions)
    if events:
        names = named(reach.columns.title(column) for column in events)
        again = "is raised again by what handles it" if len(events) == 1 else "are raised by what handles them"
        what = f"{names} {again}, without end ({lines})"
    elif len(transitions) == 1:
        what = f"The eventless transition of {transitions[0].source} is enabled again whenever it was taken ({lines})"
    else:
        sources = named(dict.fromkeys(transition.source for transition in transitions))
        what = f"Eventless transitions lead in a circle through {sources} ({lines})"
    message = f"{what}, whatever the fields are: a step that comes there never ends, and is refused as bound."
    report.add("eventless-cycle", transitions[0], message, REMEDY)


def _may_come(reach: Reach, configuration: Configuration, column: int) -> bool:
    """Whether an event may be the first internal one there: any event may come from outside, done only if it is."""
    state = next((state for state, number in reach.columns.done.items() if number == column), None)
    return state is None or reach.completes(state, configuration)


def _circular(reach: Reach) -> list[int]:
    """The internal events that may lead to themselves, as far as a look at single transitions tells."""
    after = {column: _raisable(reach, column) for column in reach.internal}
    if reach.columns.always is not None and after:
        eventless = _raisable(reach, reach.columns.always)
        after = {column: found | eventless for column, found in after.items()}
    circular = []
    for column in after:
        seen, waiting = set[int](), [column]
        while waiting:
            ahead = after[waiting.pop()] - seen
            seen |= ahead
            waiting += ahead
        if column in seen:
            circular.append(column)
    return circular


def _raisable(reach: Reach, column: int) -> set[int]:
    """The internal events that what is taken in a column may raise."""
    tree, columns, found = reach.tree, reach.columns, set[int]()
    for group in reach.groups(column):
        for number in reach.live(group):
            left, entered = reach.scope(number), reach.enters(number, group.memory)
            if reach.is_historic(number):
                entered = left  # whatever may be remembered
            names = raised(tree.transitions[number].actions)
            names |= {name for state in bits(left & group.active) for name in raised(tree.states[state].exit)}
            names |= {name for state in bits(entered) for name in raised(tree.states[state].entry)}
            found |= {columns.event_ids[name] for name in names}
            found |= {number for state, number in columns.done.items() if tree.inside[state] & entered & tree.final}
    return found & set(reach.internal)
