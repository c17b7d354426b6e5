"""Whether every macrostep comes to an end.

configurations that are left at once ──▶ no way to rest: eventless-cycle
an event that is raised by what handles it ──▶ no way to an empty queue: eventless-cycle
eventless transitions with guards, in a circle ──▶ nothing on it changes what they ask: eventless-loop, with values
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fsm.compile.canonical import term_text
from fsm.compile.configurations import Configuration
from fsm.compile.macrosteps import Macrosteps, Place, Way, cycles, endless
from fsm.compile.parts import raised, read, written
from fsm.compile.reach import Reach
from fsm.compile.report import Report, lines_of
from fsm.compile.tree import bits
from fsm.compile.ways import named
from fsm.compile.witness import shown, witness
from fsm.define.chart import FieldKind, Term, Type

BOOLEAN: Final = Type(FieldKind.BOOLEAN)
TRUE: Final = Term("constant", BOOLEAN, value=1)
LOOKS_MAX: Final = 20_000
"""Steps of the search for circles with guards."""
LOOP_MAX: Final = 12
"""Microsteps of the longest circle with guards that is looked for."""
REMEDY: Final = "Let one of them ask for what another one changes, or lead to where the flow waits for an event."

Loop = tuple[tuple[Configuration, tuple[int, ...]], ...]
"""A circle: where it stands, and the transitions that are taken there."""


def check_cycles(report: Report, reach: Reach) -> None:
    """Report what never ends, whatever the fields are."""
    steps = Macrosteps(reach)
    resting = endless(((each,) for each in reach.configurations if each in reach.passing), steps.eventless)
    told: set[frozenset[int]] = set()
    for cycle in cycles(resting):
        _report_cycle(report, reach, cycle, told)
    starts = [
        Place(configuration, (column,))
        for column in _circular(reach)
        for configuration in reach.resting
        if configuration.active & reach.columns.trying[column] and _may_come(reach, configuration, column)
    ]  # fmt: skip

    def ahead(place: Place) -> list[tuple[Way, Place]] | None:
        return None if (place.configuration,) in resting else steps.ahead(place)

    for cycle in cycles(endless(starts, ahead)):
        _report_cycle(report, reach, cycle, told)


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
            left, entered = reach.scope(number, group.memory), reach.enters(number, group.memory)
            if reach.is_historic(number):
                entered = left  # whatever may be remembered
            names = raised(tree.transitions[number].actions)
            names |= {name for state in bits(left & group.active) for name in raised(tree.states[state].exit)}
            names |= {name for state in bits(entered) for name in raised(tree.states[state].entry)}
            found |= {columns.event_ids[name] for name in names}
            found |= {number for state, number in columns.done.items() if tree.inside[state] & entered & tree.final}
    return found & set(reach.internal)


# --- circles with guards ---


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
        if walk.selection(walk.lists(each, always), each.memory).marker is None:
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
