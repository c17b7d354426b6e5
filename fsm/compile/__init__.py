"""Turn a flow into dense tables.

    Flow ──chart_of──▶ Chart ──check──▶ Findings
                         │        └──▶ DefinitionError: every problem, not the first
                         ├──walk──▶ configurations ──select, decide──▶ cells ──microstep──▶ code
                         │                                             └──assemble──▶ program ──emit──▶ Tables
                         └──canonical──▶ fingerprint

Runs once, at start-up, so it prefers clarity to speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fsm.compile.cells import Program, lower
from fsm.compile.emit import emit
from fsm.compile.rules.census import Census
from fsm.compile.rules.check import Examined, examine
from fsm.compile.rules.sizes import check_program
from fsm.define import chart_of
from fsm.define.chart import Chart
from fsm.errors import DefinitionError
from fsm.layout import Finding
from fsm.tables import Tables

if TYPE_CHECKING:
    from fsm.define import Flow


CONFIGURATIONS_MAX = 4096


def compile(flow: type[Flow] | Chart, *, configurations_max: int = CONFIGURATIONS_MAX) -> Tables:
    """The tables of `flow`. Raises `DefinitionError` with every finding of severity error that no waiver covers."""
    chart = _chart(flow)
    (report, _, _), program = _examined(chart, configurations_max, warnings=False)
    if report.stops() or program is None:
        raise DefinitionError([f for f in report.findings() if f.severity == "error" and f.waived is None])
    return emit(program)


def check(flow: type[Flow] | Chart, *, configurations_max: int = CONFIGURATIONS_MAX) -> list[Finding]:
    """Every problem of a definition, by file and line: errors, warnings, and what is waived, with the reason."""
    return survey(flow, configurations_max=configurations_max).findings


class Survey(NamedTuple):
    """What there is to say of a definition."""

    findings: list[Finding]
    """As `check` returns them."""
    census: Census | None
    """How many configurations there are, and what multiplies them; None where nothing could be walked."""


def survey(flow: type[Flow] | Chart, *, configurations_max: int = CONFIGURATIONS_MAX) -> Survey:
    """What `check` finds, and the count of configurations, of one walk."""
    (report, _, census), _ = _examined(_chart(flow), configurations_max)
    return Survey(report.findings(), census)


def _examined(chart: Chart, configurations_max: int, *, warnings: bool = True) -> tuple[Examined, Program | None]:
    """The report on `chart`, and its program where there is nothing in the way of one."""
    examined = examine(chart, configurations_max, warnings=warnings)
    if examined.report.stops() or examined.walk is None:
        return examined, None
    program = lower(examined.walk)
    check_program(examined.report, program)
    return examined, program


def _chart(flow: type[Flow] | Chart) -> Chart:
    return flow if isinstance(flow, Chart) else chart_of(flow)


__all__ = ["Census", "Survey", "check", "compile", "survey"]
