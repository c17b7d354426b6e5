"""What charts are checked by in tests: a sound flow to break, and the findings of one rule."""

from __future__ import annotations

from typing import Any

from fsm.compile import check
from fsm.define.chart import Chart, Field, StateKind, Term
from tests.compile.charts import INTEGER, argument, at, chart, constant, event, field, on, state

SIZE = argument("Go", "size")
LIMIT = field("limit")
TEN = constant(10)


def small(*transitions: Any, **more: Any) -> Chart:
    """A sound flow a -> z on Go(size), with `transitions` of state a in place of its own."""
    parts: dict[str, Any] = {
        "states": [state("a", initial=True, line=3), state("z", StateKind.FINAL, line=4)],
        "events": [event("Go", ("size", INTEGER), line=5)],
        "transitions": transitions or [on("a", "Go", to="z", line=6)],
    }
    return chart(**{**parts, **more})


def found(chart: Chart, rule: str) -> list[tuple[str, int]]:
    """The places of the findings of a rule."""
    return [(finding.file, finding.line) for finding in check(chart) if finding.rule == rule]


def lines(chart: Chart, rule: str) -> list[int]:
    """The lines of the findings of a rule."""
    return [line for _, line in found(chart, rule)]


def told(chart: Chart, rule: str) -> str:
    """The message and the remedy of the only finding of a rule."""
    (finding,) = (finding for finding in check(chart) if finding.rule == rule)
    assert finding.message.endswith(".") and finding.remedy.endswith(".")
    return f"{finding.message} {finding.remedy}"


def limit_field(line: int = 2) -> Field:
    """The field that LIMIT reads."""
    return Field("limit", INTEGER, 0, at(line))


def guarded(first: Term, second: Term | None, **more: Any) -> Chart:
    """Two transitions on Go from a, in lines 7 and 8."""
    transitions = (on("a", "Go", first, to="z", line=7), on("a", "Go", second, line=8))
    return small(*transitions, fields=[limit_field()], **more)
