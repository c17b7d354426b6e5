"""Whether every state can be reached, be left and be done.

Reach ──active──▶ states that are never active, and why
      ──left────▶ states that nothing leaves; configurations in which nothing happens any more
      ──done────▶ states that are never done, though on_done waits for it
"""

from __future__ import annotations

from collections.abc import Iterable

from fsm.compile.configurations import Configuration
from fsm.compile.rules.reach import Reach
from fsm.compile.rules.report import Report, lines_of
from fsm.compile.tree import HISTORIES, ROOT, bits
from fsm.define.chart import State, Trigger
from fsm.layout import StateKind


def check_states(report: Report, reach: Reach) -> None:
    """Every state can be reached, and can be left or says that it need not be."""
    _check_reached(report, reach)
    _check_left(report, reach)
    _check_done(report, reach)
    _check_final(report)


def named(names: Iterable[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


# --- reached ---


def _check_reached(report: Report, reach: Reach) -> None:
    """The outermost states that are never active, and the histories that nothing goes to."""
    tree = reach.tree
    for number, state in enumerate(tree.states):
        parent = tree.parents[number]
        if parent != ROOT and not reach.active >> parent & 1:
            continue
        if state.kind in HISTORIES:
            _check_history(report, state)
        elif not reach.active >> number & 1:
            message, remedy = _unreachable(reach, number)
            report.add("unreachable-state", state, message, remedy)


def _check_history(report: Report, history: State) -> None:
    chart = report.chart
    aimed = any(history.name in transition.targets for transition in chart.transitions)
    if not aimed and not history.initial:
        report.add("unreachable-state", history, f"No transition goes to history {history.name}.",
                   f"Add a transition to {history.name}, or remove it.")  # fmt: skip


def _unreachable(reach: Reach, number: int) -> tuple[str, str]:
    """Message and remedy, by what would lead to a state if it could be taken."""
    tree, name = reach.tree, reach.tree.states[number].name
    inside = tree.inside[number] | 1 << number
    leading = [
        transition
        for transition, source, targets in zip(tree.transitions, tree.sources, tree.targets, strict=True)
        if not inside >> source & 1 and reach.active >> source & 1 and any(inside >> target & 1 for target in targets)
    ]
    if not leading:
        return f"No way leads from the initial state to {name}.", f"Add a transition to {name}, or remove it."
    undone = {transition.source for transition in leading if transition.trigger is Trigger.DONE}
    if undone and all(t.trigger is Trigger.DONE and tree.ids[t.source] not in reach.done for t in leading):
        message = f"Only on_done of {named(sorted(undone))} leads to {name}, and nothing completes {_it(undone)}."
        return message, f"Let a final state be entered in {named(sorted(undone))}, or lead to {name} by an event."
    left = {transition.source for transition in leading if not reach.rested >> tree.ids[transition.source] & 1}
    if all(transition.source in left for transition in leading):
        message = f"What leads to {name} begins in {named(sorted(left))}, which an eventless transition leaves at once."
        return message, "Give the eventless transition a guard, or remove what never happens."
    message = f"What leads to {name}, in {lines_of(leading)}, is never taken."
    return message, f"Let one of them be taken, add a transition to {name}, or remove it."


def _it(names: set[str]) -> str:
    return "it" if len(names) == 1 else "them"


# --- left ---


def _check_left(report: Report, reach: Reach) -> None:
    """Atomic states that nothing leaves for another, and ends that are none."""
    tree = reach.tree
    resting = tree.final | sum(1 << n for n, state in enumerate(tree.states) if state.kind is StateKind.POISON)
    # What no instance rests in holds none: where it leads to itself for ever, that is another rule.
    passed = reach.active & ~reach.rested
    stuck = tree.atomic & ~resting & ~passed & ~_left(reach)
    for number in bits(stuck):
        state = tree.states[number]
        message = f"No transition leads out of {state.name}, which is neither final nor poison."
        report.add("no-way-out", state, message,
                   "Add a transition to another state, or say final=True or poison=True.")  # fmt: skip
    _check_ends(report, reach)


def _left(reach: Reach) -> int:
    """The states that some transition leaves, and does not enter again."""
    tree, left = reach.tree, 0
    for column in range(reach.columns.count):
        for group in reach.groups(column):
            # Most transitions leave and enter the same wherever they are taken, so each is looked at once.
            for number in reach.live(group):
                scope = reach.scope(number) & group.active
                if scope & ~left:
                    left |= scope & ~(0 if reach.is_historic(number) else reach.enters(number, group.memory))
    # Of states that are never active, no more can be told than that something is declared that leads elsewhere.
    unreached = tree.atomic & ~reach.active
    for source, targets in zip(tree.sources, tree.targets, strict=True):
        if targets and targets != (source,):
            left |= (tree.inside[source] | 1 << source) & unreached
    return left & tree.atomic


def _check_ends(report: Report, reach: Reach) -> None:
    """Configurations of final states alone, none of them at the top, in which nothing can happen any more."""
    tree = reach.tree
    told: set[str] = set()
    for configuration in reach.resting:
        atoms = configuration.active & tree.atomic
        if atoms & ~tree.final or atoms & tree.ends or _moves(reach, configuration):
            continue
        around = next(tree.states[number] for number in bits(configuration.active))
        if around.name in told:
            continue
        told.add(around.name)
        finals = named(tree.states[number].name for number in bits(atoms))
        are = "are" if atoms & atoms - 1 else "is"
        message = f"Nothing leaves {around.name} once {finals} {are} active: an instance rests there and is not ended."
        report.add("no-way-out", around, message,
                   f"Add a transition, as {around.name}.on_done(to=...), or a final state beside it.")  # fmt: skip


def _moves(reach: Reach, configuration: Configuration) -> bool:
    """Whether something leads from a configuration to another one."""
    columns = (column for column in reach.possible(configuration) if reach.groups(column))
    return any(after != configuration for column in columns for _, after in reach.after(configuration, column))


# --- done ---


def _check_done(report: Report, reach: Reach) -> None:
    """What on_done waits for comes at some time."""
    for transition in report.chart.transitions:
        state = reach.tree.ids[transition.source]
        if transition.trigger is Trigger.DONE and reach.active >> state & 1 and state not in reach.done:
            message = f"The transition on done of {transition.source} is never taken: {_undone(reach, state)}."
            report.add("never-done", transition, message,
                       f"Let a final state be entered in {transition.source}, or wait for something else.")  # fmt: skip


def _undone(reach: Reach, state: int) -> str:
    tree = reach.tree
    if not tree.is_parallel(state):
        finals = [tree.states[child].name for child in tree.children[state] if tree.final >> child & 1]
        return f"nothing leads to {named(finals)}" if finals else "no state directly inside it is final"
    for region in tree.children[state]:
        if region not in _completed(reach, [region]):
            return f"region {tree.states[region].name} is never done, since {_undone(reach, region)}"
    return "its regions are never done together"


def _completed(reach: Reach, states: list[int]) -> set[int]:
    return {state for state in states if any(reach.completes(state, each) for each in reach.configurations)}


def _check_final(report: Report) -> None:
    chart = report.chart
    finals = [state for state in chart.states if state.kind is StateKind.FINAL]
    if any(state.parent is None for state in finals):
        return
    inner = f" ({finals[0].name} ends {finals[0].parent} only)" if finals else ""
    report.add("no-final-state", chart, f"Flow {chart.name} has no final state{inner}: its instances never end.",
               "Say final=True where an instance is done; waive the rule if it runs for ever.")  # fmt: skip
