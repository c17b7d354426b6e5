"""Look at a chart as a whole, and report every rule that it breaks.

    Chart ──waivers, sizes, names, shape, initial──▶ sound? ──walk──▶ Reach ──▶ states, guards, loops, timers ──▶ Report
                                                       └─no──▶ Report: nothing else can be said of what means nothing

`docs/check-rules.md` has each rule with an example and its remedy.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fsm.compile.configurations import TooMany, Walk
from fsm.compile.rules.census import Census, census
from fsm.compile.rules.circles import check_loops
from fsm.compile.rules.guards import check_guards
from fsm.compile.rules.loops import check_cycles
from fsm.compile.rules.parts import acts, nodes, read, uses
from fsm.compile.rules.raised import check_raises
from fsm.compile.rules.reach import Reach
from fsm.compile.rules.refused import check_declared
from fsm.compile.rules.report import RULES, Report, Subject
from fsm.compile.rules.sizes import check_nesting, check_row, check_terms
from fsm.compile.rules.sound import check_initial, check_names, check_shape
from fsm.compile.rules.timing import check_timers
from fsm.compile.rules.ways import check_states
from fsm.define import render
from fsm.define.chart import Chart, Set, Trigger

DIVISORS: Final = {"floor_divide": 1, "modulo": 1, "scale": 2}
"""Which operand divides."""
SOUND: Final = (check_terms, check_names, check_shape, check_nesting, check_initial, check_row)
"""What a chart is asked before it is walked; each asks only what holds where the one before found nothing."""


class Examined(NamedTuple):
    """A report, and where the chart is sound its configurations: walked, or counted until there were too many."""

    report: Report
    walk: Walk | None = None
    census: Census | None = None


def examine(chart: Chart, configurations_max: int, *, warnings: bool = True) -> Examined:
    """The report on `chart`, and its configurations; without `warnings` the costly ones are not looked for."""
    report = Report(chart)
    check_waivers(report)
    for look in SOUND:
        look(report)
        if report.fatal():
            return Examined(report)
    try:
        walk = Walk(chart, configurations_max)
    except TooMany:
        counted = census(chart, configurations_max, complete=False)
        report_too_many(report, counted)
        return Examined(report, None, counted)
    reach = Reach(walk)
    check_states(report, reach)
    check_guards(report, reach, warnings=warnings)
    check_cycles(report, reach)
    check_divisors(report)
    if warnings:
        for warn in (check_events, check_fields):
            warn(report)
        for look_at in (check_loops, check_raises, check_declared, check_timers):
            look_at(report, reach)
    return Examined(report, walk, census(chart, len(walk.configurations)))


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


def report_too_many(report: Report, counted: Census) -> None:
    """What there is more of than is allowed, and what multiplies it."""
    parts = f" What multiplies them: {counted.multiplied()}." if counted.parts else ""
    message = f"The flow has more than {counted.configurations} configurations.{parts}"
    remedy = "Split the flow, make one region of two that move together, or pass configurations_max= to compile."
    report.add("too-many-configurations", report.chart, message, remedy)


def check_events(report: Report) -> None:
    """Every event matters to some state."""
    chart = report.chart
    if any(transition.trigger is Trigger.ANY for transition in chart.transitions):
        return
    known = {transition.event for transition in chart.transitions} | {ignore.event for ignore in chart.ignores}
    deferred = {defer.event for defer in chart.defers}
    for event in chart.events:
        if event.name in known:
            continue
        message = f"No state handles or ignores {event.name}: it is always refused."
        if event.name in deferred:
            message = f"No state handles or ignores {event.name}: where it is deferred it is kept, and refused at last."
        report.add("unhandled-event", event, message, f"Add a transition on {event.name}, or remove it.")


def check_fields(report: Report) -> None:
    """Every field is read by a guard, an action or a timer, and written by an action."""
    chart = report.chart
    asked = read(*(use.term for use in uses(chart)))
    written = {action.field for _, action in acts(chart) if isinstance(action, Set)}
    awaited = read(*(transition.moment for transition in chart.transitions if transition.trigger is Trigger.AT))
    for field in chart.fields:
        if field.name not in asked:
            report.add("unread-field", field, f"No guard, action or timer reads {field.name}.",
                       "Remove it, or waive the rule where it is kept for those who look at the instance.")  # fmt: skip
        if field.name not in written:
            never = " A timer at 0 is never armed." if field.name in awaited and not field.default else ""
            message = f"No action writes {field.name}: it stays what start() gives it.{never}"
            report.add("unwritten-field", field, message,
                       "Set it in an action, or waive the rule where start() is meant to give it.")  # fmt: skip


def check_divisors(report: Report) -> None:
    """No term divides by a constant that is zero: it would fault whenever it is evaluated."""
    for use in uses(report.chart):
        for node in nodes(use.term):
            divisor = node.operands[DIVISORS[node.operation]] if node.operation in DIVISORS else None
            if divisor and divisor.operation == "constant" and divisor.value == 0:
                report.add("division-by-zero", use.subject, f"{render(node)} divides by zero, whatever comes.",
                           "Divide by another number, or by a field or argument.", use.place)  # fmt: skip
