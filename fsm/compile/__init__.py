"""Turn a flow into dense tables.

    Flow ──chart_of──▶ Chart ──check──▶ Findings
                         │        └──▶ DefinitionError: every problem, not the first
                         ├──walk──▶ configurations ──select, decide──▶ cells ──microstep──▶ code
                         │                                             └──assemble──▶ program ──emit──▶ Tables
                         └──canonical──▶ fingerprint

Runs once, at start-up, so it prefers clarity to speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm.compile.cells import Program, lower
from fsm.compile.check import examine
from fsm.compile.emit import emit
from fsm.compile.report import Report
from fsm.define import chart_of
from fsm.define.chart import Chart
from fsm.errors import DefinitionError
from fsm.layout import Finding
from fsm.tablecheck import REGISTERS_MAX
from fsm.tables import Tables

if TYPE_CHECKING:
    from fsm.define import Flow


CONFIGURATIONS_MAX = 4096
CODE_MAX = 1 << 20


def compile(flow: type[Flow] | Chart, *, configurations_max: int = CONFIGURATIONS_MAX) -> Tables:
    """The tables of `flow`. Raises `DefinitionError` with every finding of severity error that no waiver covers."""
    chart = _chart(flow)
    report, program = _examined(chart, configurations_max, warnings=False)
    if report.stops() or program is None:
        raise DefinitionError([f for f in report.findings() if f.severity == "error" and f.waived is None])
    return emit(program)


def check(flow: type[Flow] | Chart, *, configurations_max: int = CONFIGURATIONS_MAX) -> list[Finding]:
    """Every problem of a definition, by file and line: errors, warnings, and what is waived, with the reason."""
    return _examined(_chart(flow), configurations_max)[0].findings()


def _examined(chart: Chart, configurations_max: int, *, warnings: bool = True) -> tuple[Report, Program | None]:
    """The report on `chart`, and its program where there is nothing in the way of one."""
    report, walk = examine(chart, configurations_max, warnings=warnings)
    if report.stops() or walk is None:
        return report, None
    program = lower(walk)
    registers = program.register_count
    if registers > REGISTERS_MAX:
        message = f"The code names {registers} registers, {len(program.assembly.constants)} of them constants."
        report.add("too-large", chart, message, f"An instruction can name {REGISTERS_MAX}: split the flow.")
    if len(program.assembly.code) > CODE_MAX:
        message = f"The code has {len(program.assembly.code)} instructions, and {CODE_MAX} are allowed."
        report.add("too-large", chart, message, "Split the flow, or write shorter guards.")
    return report, program


def _chart(flow: type[Flow] | Chart) -> Chart:
    return flow if isinstance(flow, Chart) else chart_of(flow)


__all__ = ["check", "compile"]
