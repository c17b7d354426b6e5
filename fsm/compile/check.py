"""Look at a chart as a whole, and report every rule that it breaks.

    Chart ──names, sizes──▶ sound? ──structure──▶ guards ──▶ Report
                              └─no──▶ Report, since nothing else can be said of names that mean nothing

`docs/check-rules.md` has each rule with an example and its remedy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fsm.compile.configurations import TooMany, Walk
from fsm.compile.guards import check_guards
from fsm.compile.report import RULES, Report, Subject
from fsm.compile.tree import HISTORIES
from fsm.define import render
from fsm.define.chart import Action, Chart, Conditional, Event, Field, Place, Set, State, Term, Transition, Trigger
from fsm.layout import ROW_FIELDS, ROW_WORDS_MAX, StateKind

DIVISORS: Final = {"floor_divide": 1, "modulo": 1, "scale": 2}
"""Which operand divides."""
TERM_DEPTH_MAX: Final = 100
TERM_NODES_MAX: Final = 10_000
"""What one guard or value may hold: beyond it, nobody could say what it means, and recursion would not end well."""


def examine(chart: Chart, configurations_max: int, *, warnings: bool = True) -> tuple[Report, Walk | None]:
    """The report on `chart`, and its configurations; without `warnings` the costly ones are not looked for."""
    report = Report(chart)
    check_waivers(report)
    check_sizes(report, configurations_max)
    if not report.stops():
        check_names(report)
    if any(not RULES[finding.rule].waivable and finding.rule != "unknown-waiver" for finding in report.findings()):
        return report, None
    check_initial(report)
    if any(not RULES[finding.rule].waivable and finding.rule != "unknown-waiver" for finding in report.findings()):
        return report, None
    try:
        walk = Walk(chart, configurations_max)
    except TooMany as many:
        message = f"The flow has more than {configurations_max} configurations ({many.found} were found)."
        report.add("too-many-configurations", chart, message, "Split the flow, or pass configurations_max= to compile.")
        return report, None
    check_states(report, walk)
    check_events(report)
    check_fields(report)
    check_divisors(report)
    check_guards(report, warnings=warnings)
    return report, walk


def check_waivers(report: Report) -> None:
    """Each waiver names a rule that can be waived."""
    chart = report.chart
    subjects: list[Subject] = [chart, *chart.fields, *chart.events, *chart.states, *chart.transitions]
    for subject in subjects:
        for rule, _ in subject.waivers:
            if rule not in RULES or not RULES[rule].waivable:
                why = "there is no such rule" if rule not in RULES else "without it nothing can be compiled"
                known = ", ".join(name for name, known in RULES.items() if known.waivable)
                report.add(
                    "unknown-waiver", subject, f"Rule {rule!r} is waived here, and {why}.", f"Waive one of: {known}."
                )


def check_sizes(report: Report, configurations_max: int) -> None:
    """What the tables could not hold, or the compiler not walk, before anything walks it."""
    chart = report.chart
    words = ROW_FIELDS + sum(field.type.words for field in chart.fields)
    if words > ROW_WORDS_MAX:
        message = f"An instance would take {words} words, {ROW_FIELDS} of them its header; {ROW_WORDS_MAX} are allowed."
        report.add("too-large", chart, message, "Keep in the flow only the fields that guards and actions use.")
    for transition in chart.transitions:
        guards = () if transition.guard is None else (transition.guard,)
        for term in (*guards, *_terms(transition.actions)):
            if not _is_small(term):
                message = f"A term nests deeper than {TERM_DEPTH_MAX} or holds more than {TERM_NODES_MAX} operations."
                report.add("too-large", transition, message, "Keep intermediate values in fields.")


def check_names(report: Report) -> None:
    """Every name means one thing. `fsm.define` sees to it; a chart made in another way is looked at here."""
    chart = report.chart
    kinds: tuple[tuple[str, Sequence[State | Event | Field]], ...] = (
        ("state", chart.states), ("event", chart.events), ("field", chart.fields),
    )  # fmt: skip
    for kind, subjects in kinds:
        counts = Counter(subject.name for subject in subjects)
        for subject in subjects:
            if counts[subject.name] > 1:
                message = f"{counts[subject.name]} {kind}s have the name {subject.name}."
                report.add("name-twice", subject, message, f"Give each {kind} a name of its own.")
    states, events = {state.name for state in chart.states}, {event.name for event in chart.events}
    for transition in chart.transitions:
        _check_known(report, chart, "state", transition.source, states, transition.place)
        if transition.trigger is Trigger.EVENT:
            _check_known(report, chart, "event", transition.event, events, transition.place)
        for target in transition.targets:
            _check_known(report, chart, "state", target, states, transition.place)
        _check_operands(report, transition)
    for ignore in chart.ignores:
        _check_known(report, chart, "state", ignore.source, states, ignore.place)
        _check_known(report, chart, "event", ignore.event, events, ignore.place)


def check_initial(report: Report) -> None:
    """An instance begins somewhere, and so does every state with children, each in one place only."""
    chart = report.chart
    parallel = {state.name for state in chart.states if state.kind is StateKind.PARALLEL}
    around: list[State | None] = [None, *(state for state in chart.states if state.kind is StateKind.COMPOUND)]
    for parent in around:
        name = None if parent is None else parent.name
        initial = [state for state in chart.states if state.initial and state.parent == name]
        if not initial:
            what = (
                f"Flow {chart.name} does not say where an instance begins."
                if parent is None
                else (f"State {parent.name} does not say which of its states is entered first.")
            )
            report.add("no-initial-state", parent or chart, what, "Write State(initial=True) for one state.")
        for state in initial[1:]:
            report.add("several-initial-states", state, f"State {state.name} is initial, and {initial[0].name} is too.",
                       "Keep initial=True on one state.")  # fmt: skip
    for state in chart.states:
        if state.initial and state.parent in parallel:
            report.add("several-initial-states", state, f"State {state.name} is initial, and so is every region.",
                       "Leave initial=True out: all children of a parallel state are entered.")  # fmt: skip


def check_states(report: Report, walk: Walk) -> None:
    """Every state can be reached, and can be left or says that it need not be."""
    chart, tree = report.chart, walk.tree
    reached = 0
    for configuration in walk.configurations:
        reached |= configuration.active
    leaving = _leaving(walk)
    for number, state in enumerate(chart.states):
        if state.kind in HISTORIES:
            continue
        if not reached >> number & 1:
            report.add("unreachable-state", state, f"No way leads from the initial state to {state.name}.",
                       f"Add a transition to {state.name}, or remove it.")  # fmt: skip
        rests = state.kind in (StateKind.FINAL, StateKind.POISON)
        if tree.atomic >> number & 1 and not rests and not leaving >> number & 1:
            message = f"No transition leads out of {state.name}, which is neither final nor poison."
            report.add("no-way-out", state, message,
                       "Add a transition to another state, or say final=True or poison=True.")  # fmt: skip
    if not any(state.kind is StateKind.FINAL and state.parent is None for state in chart.states):
        report.add("no-final-state", chart, f"Flow {chart.name} has no final state: its instances never end.",
                   "Say final=True where an instance is done; waive the rule if it runs for ever.")  # fmt: skip


def _leaving(walk: Walk) -> int:
    """The atomic states that some transition of their own or of a state around them leaves for another."""
    tree, left = walk.tree, 0
    for configuration in walk.configurations:
        for column in range(walk.columns.count):
            for number in dict.fromkeys(n for each in walk.lists(configuration, column) for n in each):
                after = walk.after(configuration, number)
                left |= configuration.active & ~after.active
    return left & tree.atomic


def check_events(report: Report) -> None:
    """Every event matters to some state."""
    chart = report.chart
    known = {transition.event for transition in chart.transitions} | {ignore.event for ignore in chart.ignores}
    for event in chart.events:
        if event.name not in known:
            report.add("unhandled-event", event, f"No state handles or ignores {event.name}: it is always refused.",
                       f"Add a transition on {event.name}, or remove it.")  # fmt: skip


def check_fields(report: Report) -> None:
    """Every field is read by a guard or an action, and written by an action."""
    chart = report.chart
    read, written = set(), set()
    for transition in chart.transitions:
        guards = () if transition.guard is None else (transition.guard,)
        for term in (*guards, *_terms(transition.actions)):
            read |= {leaf.value for leaf in _leaves(term) if leaf.operation == "field"}
        written |= {action.field for action in _sets(transition.actions)}
    for field in chart.fields:
        if field.name not in read:
            report.add("unread-field", field, f"No guard and no action reads {field.name}.",
                       "Remove it, or waive the rule where it is kept for those who look at the instance.")  # fmt: skip
        if field.name not in written:
            report.add("unwritten-field", field, f"No action writes {field.name}: it stays what start() gives it.",
                       "Set it in an action, or waive the rule where start() is meant to give it.")  # fmt: skip


def check_divisors(report: Report) -> None:
    """No term divides by a constant that is zero: it would fault whenever it is evaluated."""
    for transition in report.chart.transitions:
        guards = [] if transition.guard is None else [(transition.guard, transition.place)]
        for term, place in (*guards, *_placed_terms(transition.actions)):
            for node in _nodes(term):
                divisor = node.operands[DIVISORS[node.operation]] if node.operation in DIVISORS else None
                if divisor and divisor.operation == "constant" and divisor.value == 0:
                    report.add("division-by-zero", transition, f"{render(node)} divides by zero, whatever comes.",
                               "Divide by another number, or by a field or argument.", place)  # fmt: skip


def _check_known(report: Report, chart: Chart, kind: str, name: str, known: set[str], place: Place) -> None:
    if name not in known:
        found = ", ".join(sorted(known)) or "none"
        report.add("unknown-name", chart, f"There is no {kind} {name}. The {kind}s are: {found}.",
                   f"Declare {kind} {name}, or name another.", place)  # fmt: skip


def _check_operands(report: Report, transition: Transition) -> None:
    chart = report.chart
    fields = {field.name for field in chart.fields}
    arguments = {event.name: {argument.name for argument in event.arguments} for event in chart.events}
    for action in _sets(transition.actions):
        _check_known(report, chart, "field", action.field, fields, action.place)
    guards = () if transition.guard is None else (transition.guard,)
    for leaf in (leaf for term in (*guards, *_terms(transition.actions)) for leaf in _leaves(term)):
        if leaf.operation == "field":
            _check_known(report, chart, "field", leaf.value, fields, transition.place)
        elif leaf.operation == "argument" and leaf.value[0] != transition.event:
            report.add("foreign-argument", transition,
                       f"{'.'.join(leaf.value)} is used on {transition.event}, which does not carry it.",
                       f"Use an argument of {transition.event}.")  # fmt: skip
        elif leaf.operation == "argument":
            names = arguments.get(leaf.value[0], set())
            _check_known(report, chart, "argument", leaf.value[1], names, transition.place)


def _is_small(term: Term) -> bool:
    waiting = [(term, 1)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > TERM_DEPTH_MAX or count > TERM_NODES_MAX:
            return False
        waiting.extend((operand, depth + 1) for operand in node.operands)
    return True


def _leaves(term: Term) -> Iterator[Term]:
    return (node for node in _nodes(term) if not node.operands)


def _nodes(term: Term) -> Iterator[Term]:
    yield term
    for operand in term.operands:
        yield from _nodes(operand)


def _terms(actions: Iterable[Action]) -> Iterator[Term]:
    return (term for term, _ in _placed_terms(actions))


def _placed_terms(actions: Iterable[Action]) -> Iterator[tuple[Term, Place]]:
    """The values and conditions of actions, in order, and where they stand."""
    for action in actions:
        if isinstance(action, Set):
            yield action.term, action.place
        elif isinstance(action, Conditional):
            yield action.condition, action.place
            yield from _placed_terms((*action.then, *action.otherwise))


def _sets(actions: Iterable[Action]) -> Iterator[Set]:
    for action in actions:
        if isinstance(action, Set):
            yield action
        elif isinstance(action, Conditional):
            yield from _sets((*action.then, *action.otherwise))
