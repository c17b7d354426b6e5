"""Whether what a state says of events that it does not take is ever so: that it ignores or defers them.

configurations ──▶ those in which an event comes to nothing ──▶ the innermost that defers, else all that ignore
                                                                 └── the rest of the declarations is dead
"""

from __future__ import annotations

from typing import NamedTuple

from fsm.compile.rules.reach import Reach
from fsm.compile.rules.report import Report
from fsm.compile.tree import bits
from fsm.define.chart import Defer, Ignore


class Answers(NamedTuple):
    """Sets of states, by what they are to an event in some configuration."""

    asked: int
    """Active where no transition takes every one."""
    ignoring: int
    deferring: int


def check_declared(report: Report, reach: Reach) -> None:
    """Report each `ignores` and `defers` that never comes to anything."""
    chart, ids = report.chart, reach.tree.ids
    events = {ignore.event for ignore in chart.ignores} | {defer.event for defer in chart.defers}
    answers = {name: _answers(reach, name) for name in events}
    for ignore in chart.ignores:
        if reach.active & ~answers[ignore.event].ignoring & 1 << ids[ignore.source]:
            _report(report, reach, ignore, answers[ignore.event].asked)
    for defer in chart.defers:
        if reach.active & ~answers[defer.event].deferring & 1 << ids[defer.source]:
            _report(report, reach, defer, answers[defer.event].asked)


def _answers(reach: Reach, name: str) -> Answers:
    """Who answers for an event that no transition takes, over all configurations."""
    tree, column = reach.tree, reach.columns.event_ids[name]
    sources = {tree.ids[defer.source] for defer in reach.chart.defers if defer.event == name}
    defers = sum(1 << source for source in sources)
    certain = {0: False}
    innermost = {0: 0}
    asked = ignoring = deferring = 0
    for configuration in reach.resting:
        active = configuration.active
        trying, found = active & reach.columns.trying[column], active & defers
        if trying not in certain:
            certain[trying] = reach.takes(configuration, column)
        if certain[trying]:
            continue
        asked |= active
        if found not in innermost:
            innermost[found] = 1 << max(bits(found), key=lambda state: (tree.depths[state], -state))
        deferring |= innermost[found]
        ignoring |= 0 if found else active
    return Answers(asked, ignoring, deferring)


def _report(report: Report, reach: Reach, declared: Ignore | Defer, asked: int) -> None:
    state = reach.tree.ids[declared.source]
    rule, verb = ("dead-ignore", "ignores") if isinstance(declared, Ignore) else ("dead-defer", "defers")
    both = any((defer.source, defer.event) == declared[:2] for defer in report.chart.defers)
    remedy = "Remove it."
    if not reach.rested >> state & 1:
        why = "an eventless transition leaves it at once"
    elif not asked >> state & 1:
        why, remedy = "some transition takes every one", "Remove it, or give the transition a guard."
    elif isinstance(declared, Ignore) and both:
        why = "it defers them"
    else:
        why = "another state that is active with it defers them first"
    message = f"State {declared.source} never {verb} {declared.event}, though it says so: {why}."
    report.add(rule, report.chart.states[state], message, remedy, declared.place)
