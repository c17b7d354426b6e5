"""The rules that a definition is checked by, and the report that gathers what breaks them.

rule, place, message, remedy ──add()──▶ Report ──findings()──▶ sorted, waivers applied
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fsm.define.chart import Chart, Event, Field, Place, State, Transition
from fsm.layout import Finding


class Rule(NamedTuple):
    """What `check` looks for."""

    severity: str
    waivable: bool


ERROR = Rule("error", waivable=True)
FATAL = Rule("error", waivable=False)
"""What leaves nothing to compile: a reason does not help."""
WARNING = Rule("warning", waivable=True)

RULES = {
    "no-initial-state": FATAL,
    "several-initial-states": FATAL,
    "unknown-name": FATAL,
    "name-twice": FATAL,
    "foreign-argument": FATAL,
    "unknown-waiver": FATAL,
    "too-large": FATAL,
    "too-many-configurations": FATAL,
    "unreachable-state": ERROR,
    "no-way-out": ERROR,
    "shadowed-transition": ERROR,
    "eventless-cycle": ERROR,
    "division-by-zero": ERROR,
    "no-final-state": WARNING,
    "never-done": WARNING,
    "unhandled-event": WARNING,
    "unhandled-raise": WARNING,
    "unread-field": WARNING,
    "unwritten-field": WARNING,
    "constant-guard": WARNING,
    "overlapping-guards": WARNING,
    "eventless-loop": WARNING,
    "dead-ignore": WARNING,
    "dead-defer": WARNING,
    "timer-never-fires": WARNING,
    "timer-restarts": WARNING,
    "stale-moment": WARNING,
}
"""By name, as `docs/check-rules.md` explains them, beside those that hold while a class is read."""

Subject = Chart | Field | Event | State | Transition


def lines_of(transitions: Iterable[Transition]) -> str:
    """Where some transitions stand, for a message: `line 7`, `lines 7 and 9`, `lines 3, 7 and 9`."""
    lines = [str(line) for line in sorted({transition.place.line for transition in transitions})]
    if len(lines) > LINES_MAX:
        lines = [*lines[: LINES_MAX - 1], f"{len(lines) - LINES_MAX + 1} more"]
    named = f"{', '.join(lines[:-1])} and {lines[-1]}" if len(lines) > 1 else lines[0]
    return f"line{'s' * (len(lines) > 1)} {named}"


LINES_MAX = 4
"""Places that a message names."""


class Report:
    """Findings as they come up; a waiver of the subject, of its state or of the flow covers them."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._states = {state.name: state for state in chart.states}
        self._findings: dict[tuple[str, str, int, str, str | None], Finding] = {}

    def add(self, rule: str, subject: Subject, message: str, remedy: str, place: Place | None = None) -> None:
        """One finding about `subject`, at its own place or at `place`; the same words at one place are one finding."""
        file, line = place or subject.place
        waived = self._waiver(rule, subject) if RULES[rule].waivable else None
        self.adopt(Finding(rule, RULES[rule].severity, file, line, message, remedy, waived))

    def adopt(self, finding: Finding) -> None:
        """A finding that was made elsewhere, as by the rules of `fsm.define`."""
        key = finding.rule, finding.file, finding.line, finding.message, finding.waived
        self._findings.setdefault(key, finding)

    def findings(self) -> list[Finding]:
        """All of them, by file and line."""
        return sorted(self._findings.values(), key=lambda finding: (finding.file, finding.line, finding.rule))

    def stops(self) -> bool:
        """Whether there is an error that no waiver covers."""
        return any(finding.severity == "error" and finding.waived is None for finding in self._findings.values())

    def fatal(self) -> bool:
        """Whether there is nothing to walk: a rule is broken without which the parts of the chart mean nothing."""
        rules = {finding.rule for finding in self._findings.values()} - {"unknown-waiver"}
        return any(not RULES.get(rule, FATAL).waivable for rule in rules)

    def _waiver(self, rule: str, subject: Subject) -> str | None:
        waivers = [*subject.waivers]
        if isinstance(subject, Transition):
            waivers += self._states[subject.source].waivers
        waivers += self.chart.waivers
        return next((reason for name, reason in waivers if name == rule), None)
