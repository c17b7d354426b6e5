"""Whether the tables can hold a chart, before anything walks it.

terms ──▶ deep? long?        states ──▶ nested too deep?        fields, timer slots, deferred events ──▶ words of a row
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fsm.compile.cells import Program
from fsm.compile.code import Code
from fsm.compile.columns import TIMED, stacked
from fsm.compile.rules.parts import actions_of, owners, uses
from fsm.compile.rules.report import Report
from fsm.compile.tree import Tree
from fsm.define.chart import Action, Conditional, Term
from fsm.layout import ROW_FIELDS, ROW_WORDS_MAX, TIMER_SLOTS_MAX
from fsm.tablecheck import REGISTERS_MAX

TERM_DEPTH_MAX: Final = 100
TERM_NODES_MAX: Final = 10_000
"""What one guard or value may hold: beyond it, nobody could say what it means, and recursion would not end well."""
NESTING_MAX: Final = 100
"""States inside each other, and conditions of actions inside each other."""

CODE_MAX: Final = 1 << 20
"""Instructions of a flow."""
COLUMNS_MAX: Final = 10
"""Columns that a message names."""


def check_terms(report: Report) -> None:
    """Terms and actions that can be walked by recursion."""
    deep = f"Conditions of actions nest deeper than {NESTING_MAX}."
    for owner in owners(report.chart):
        if _depth(actions_of(owner)) > NESTING_MAX:
            report.add("too-large", owner, deep, "Write the actions one after the other.")
    for use in uses(report.chart):
        if not _is_small(use.term):
            message = f"A term nests deeper than {TERM_DEPTH_MAX} or holds more than {TERM_NODES_MAX} operations."
            report.add("too-large", use.subject, message, "Keep intermediate values in fields.", use.place)


def check_nesting(report: Report) -> None:
    """States that can be walked by recursion, once each is known to stand behind its parent."""
    depths: dict[str | None, int] = {None: 0}
    for state in report.chart.states:
        depths[state.name] = depths[state.parent] + 1
        if depths[state.name] == NESTING_MAX + 1:
            message = f"State {state.name} stands inside {NESTING_MAX} others, and {NESTING_MAX - 1} are allowed."
            report.add("too-large", state, message, "Put it further out, or split the flow.")


def check_row(report: Report) -> None:
    """The words of an instance: fields, timers that may run at once, events that may wait."""
    chart, slots = report.chart, _timer_slots(report)
    if slots > TIMER_SLOTS_MAX:
        message = f"{slots} timers may run at once in an instance, and {TIMER_SLOTS_MAX} are allowed."
        report.add("too-large", chart, message, "Use fewer timers in regions that are active together.")
    code = Code(chart, {}, slots)
    if code.row_words > ROW_WORDS_MAX:
        fields = code.timer_word - ROW_FIELDS
        waiting = 1 + code.deferral_slots * code.deferral_words if chart.defers else 0
        message = (
            f"An instance would take {code.row_words} words, {ROW_FIELDS} of them its header, {fields} fields, {slots} "
            f"timers, {waiting} deferred events; {ROW_WORDS_MAX} are allowed."
        )
        remedy = "Keep in the flow only the fields that guards and actions use, and let fewer events wait (at_most=)."
        report.add("too-large", chart, message, remedy)


def _timer_slots(report: Report) -> int:
    tree = Tree(report.chart)
    times = {(t.source, t.trigger, t.moment) for t in report.chart.transitions if t.trigger in TIMED}
    own: dict[int, int] = {}
    for source, _, _ in times:
        own[tree.ids[source]] = own.get(tree.ids[source], 0) + 1
    return max((end for *_, end in stacked(tree, own)), default=0)


def _depth(actions: Iterable[Action]) -> int:
    """How deep conditions nest."""
    deepest, waiting = 0, [(action, 1) for action in actions]
    while waiting:
        action, depth = waiting.pop()
        if isinstance(action, Conditional):
            deepest = max(deepest, depth)
            waiting += [(inner, depth + 1) for inner in (*action.then, *action.otherwise)]
    return deepest


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


def check_program(report: Report, program: Program) -> None:
    """The code that was made: its length, and what its instructions name."""
    chart, assembly = report.chart, program.assembly
    if program.register_count > REGISTERS_MAX:
        message = f"The code names {program.register_count} registers, {len(assembly.constants)} of them constants."
        report.add("too-large", chart, message, f"An instruction can name {REGISTERS_MAX}: split the flow.")
    if len(assembly.code) > CODE_MAX:
        message = f"The code has {len(assembly.code)} instructions, and {CODE_MAX} are allowed. {_largest(program)}"
        report.add(
            "too-large", chart, message, "Split the flow, write shorter guards, or let fewer regions decide on it."
        )


def _largest(program: Program) -> str:
    """The columns that the most code was made for, and the regions that decide there."""
    columns = program.walk.columns
    told = [
        f"{columns.title(column)} {size}{_deciding(program, column)}"
        for column, size in program.sizes.most_common(COLUMNS_MAX)
    ]
    return f"The most were made for {', '.join(told)}."


def _deciding(program: Program, column: int) -> str:
    """The regions in which something is tried in a column, where there are several."""
    tree, tried = program.walk.tree, program.walk.columns.trying[column]
    regions = [
        tree.states[region].name
        for state in range(len(tree.states))
        if tree.is_parallel(state)
        for region in tree.children[state]
        if (tree.inside[region] | 1 << region) & tried
    ]
    return f" (in {' and '.join(regions)})" if len(regions) > 1 else ""
