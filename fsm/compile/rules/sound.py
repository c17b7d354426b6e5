"""Whether the parts of a chart mean something: names, nesting, and where an instance begins.

    Chart ──names──▶ every name stands for one thing ──shape──▶ states nest ──initial──▶ there is something to walk

`fsm.define` sees to most of it while a class is read; a chart made in another way is looked at here. Each step asks
only what the one before has shown, and none of them ends in anything but findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from fsm.compile.columns import TIMED
from fsm.compile.rules.parts import Use, acts, nodes, uses
from fsm.compile.rules.report import FATAL, Report
from fsm.compile.tree import HISTORIES
from fsm.define.chart import Chart, Event, Field, Place, Raise, Set, State, Transition, Trigger
from fsm.define.shape import shape_findings
from fsm.layout import ARGUMENT_WORDS, Finding, StateKind

BOUND_MAX: Final = 65_535
NAMES_MAX: Final = 20
"""Names that a message lists."""


def check_names(report: Report) -> None:
    """Every name means one thing."""
    chart = report.chart
    kinds: tuple[tuple[str, Sequence[State | Event | Field]], ...] = (
        ("state", chart.states), ("event", chart.events), ("field", chart.fields),
    )  # fmt: skip
    known = {kind: dict.fromkeys(subject.name for subject in subjects) for kind, subjects in kinds}
    for kind, subjects in kinds:
        counts = Counter(subject.name for subject in subjects)
        for subject in subjects:
            if counts[subject.name] > 1:
                message = f"{counts[subject.name]} {kind}s have the name {subject.name}."
                report.add("name-twice", subject, message, f"Give each {kind} a name of its own.")
    for kind, name, place in _named(chart):
        if name not in known[kind]:
            found = _listed(sorted(known[kind]))
            report.add("unknown-name", chart, f"There is no {kind} {name}. The {kind}s are: {found}.",
                       f"Declare {kind} {name}, or name another.", place)  # fmt: skip
    arguments = {event.name: {argument.name for argument in event.arguments} for event in chart.events}
    for use in uses(chart):
        _check_arguments(report, use, arguments)


def _named(chart: Chart) -> Iterator[tuple[str, str, Place]]:
    """(kind, name, place) for all that a chart names."""
    for state in chart.states:
        yield from (("state", name, state.place) for name in (state.parent, state.default) if name is not None)
    for transition in chart.transitions:
        yield "state", transition.source, transition.place
        yield from (("state", target, transition.place) for target in transition.targets)
        if transition.trigger is Trigger.EVENT:
            yield "event", transition.event, transition.place
    declared = [(ignore.source, ignore.event, ignore.place) for ignore in chart.ignores]
    declared += [(defer.source, defer.event, defer.place) for defer in chart.defers]
    for source, event, place in declared:
        yield "state", source, place
        yield "event", event, place
    for _, action in acts(chart):
        if isinstance(action, Set):
            yield "field", action.field, action.place
        elif isinstance(action, Raise):
            yield "event", action.event, action.place
    for use in uses(chart):
        yield from (("field", node.value, use.place) for node in nodes(use.term) if node.operation == "field")


def _listed(names: list[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join([*names[:NAMES_MAX], *([f"{more} more"] if more > 0 else [])]) or "none"


def _check_arguments(report: Report, use: Use, arguments: dict[str, set[str]]) -> None:
    """Only the arguments of the event at hand have values."""
    for node in nodes(use.term):
        if node.operation != "argument":
            continue
        event, name = node.value
        if event != use.event:
            where = f"on {use.event}, which does not carry it" if use.event else "where no event is at hand"
            remedy = f"Use an argument of {use.event}." if use.event else "Keep it in a field when its event comes."
            report.add("foreign-argument", use.subject, f"{event}.{name} is used {where}.", remedy, use.place)
        elif name not in arguments.get(event, ()):
            message = f"There is no argument {event}.{name}."
            report.add("unknown-name", report.chart, message, f"Declare it in event {event}.", use.place)


def check_shape(report: Report) -> None:
    """States nest, and transitions lead across them, as the rules of `fsm.define` demand."""
    chart = report.chart
    for rule, place, message, remedy in (*_nesting(chart), *_triggers(chart), *_room(chart)):
        report.adopt(Finding(rule, FATAL.severity, *place, message, remedy))
    if not report.fatal():
        for finding in shape_findings(chart.states, chart.transitions):
            report.adopt(finding)


Told = Iterator[tuple[str, Place, str, str]]
"""Rule, place, message, remedy."""


def _nesting(chart: Chart) -> Told:
    """Children stand right behind their parent, and only where something can stand inside."""
    kinds = {state.name: state.kind for state in chart.states}
    filled = {state.parent for state in chart.states if state.kind not in HISTORIES}
    around: list[str] = []
    for state in chart.states:
        while around and around[-1] != state.parent:
            around.pop()
        if state.parent is not None and not around:
            message = f"State {state.name} is inside {state.parent}, and does not stand behind it in the chart."
            yield "nesting", state.place, message, "List a state, then all that is inside it, then the next one."
        elif state.parent is not None and kinds[state.parent] is StateKind.ATOMIC:
            message = f"{state.parent} is a state without children, and {state.name} stands inside it."
            yield "no-children", state.place, message, "Make it a compound state."
        if state.kind is StateKind.PARALLEL and state.name not in filled:
            message = f"a Parallel has regions, and {state.name} has none."
            yield "parallel-regions", state.place, message, "Put states inside it."
        around.append(state.name)


def _triggers(chart: Chart) -> Told:
    """Timers have a moment, and raised events no arguments."""
    for transition in chart.transitions:
        moment = transition.moment
        if (transition.trigger in TIMED) != (moment is not None) or (moment is not None and not _is_moment(transition)):
            found = "none" if moment is None else f"a {moment.type.kind.name.lower()} {moment.operation}"
            message = f"after has a Duration, at a Timestamp field, no other trigger a moment; {found} was found."
            yield "timer-moment", transition.place, message, "Give the transition the moment of its trigger."
    events = {event.name: event for event in chart.events}
    for _, action in acts(chart):
        if isinstance(action, Raise) and events[action.event].arguments:
            message = f"{action.event} is raised, and has arguments, which nobody gives."
            yield "raised-arguments", action.place, message, "Raise an event without arguments; keep values in fields."


def _is_moment(transition: Transition) -> bool:
    moment = transition.moment
    assert moment is not None
    if transition.trigger is Trigger.AT:
        return moment.operation == "field" and moment.type.words == 1
    return moment.type.words == 1 and not (moment.operation == "constant" and moment.value < 0)


def _room(chart: Chart) -> Told:
    """Bounds that an instance can have."""
    for defer in chart.defers:
        if defer.at_most < 1:
            message = f"{defer.source} defers {defer.event}, and {defer.at_most} may wait."
            yield "defer-room", defer.place, message, "Let at least one wait."
    for name, bound in (("microsteps_max", chart.microsteps_max), ("raised_max", chart.raised_max)):
        if not 1 <= bound <= BOUND_MAX:
            yield "flow-limit", chart.place, f"{name} is {bound}.", f"Give a number from 1 to {BOUND_MAX}."
    for event in chart.events:
        words = max((argument.offset + argument.type.words for argument in event.arguments), default=0)
        if words > ARGUMENT_WORDS:
            message = f"The arguments of {event.name} take {words} words."
            yield "too-many-arguments", event.place, message, f"An event has room for {ARGUMENT_WORDS}."


def check_initial(report: Report) -> None:
    """An instance begins somewhere, and so does every state with children, each in one place only."""
    chart = report.chart
    parallel = {state.name for state in chart.states if state.kind is StateKind.PARALLEL}
    around: list[State | None] = [None, *(state for state in chart.states if state.kind is StateKind.COMPOUND)]
    inside: dict[str | None, list[State]] = {}
    for state in chart.states:
        inside.setdefault(state.parent, []).append(state)
    for parent in around:
        _check_one_initial(report, parent, inside.get(parent.name if parent else None, []))
    for state in chart.states:
        if state.initial and state.parent in parallel:
            report.add("several-initial-states", state, f"State {state.name} is initial, and so is every region.",
                       "Leave initial=True out: all children of a parallel state are entered.")  # fmt: skip


def _check_one_initial(report: Report, parent: State | None, inside: list[State]) -> None:
    initial = [state for state in inside if state.initial]
    if not initial:
        what = (
            f"Flow {report.chart.name} does not say where an instance begins."
            if parent is None
            else f"State {parent.name} does not say which of its states is entered first."
        )
        report.add("no-initial-state", parent or report.chart, what, "Write State(initial=True) for one state.")
    for state in initial[1:]:
        report.add("several-initial-states", state, f"State {state.name} is initial, and {initial[0].name} is too.",
                   "Keep initial=True on one state.")  # fmt: skip
