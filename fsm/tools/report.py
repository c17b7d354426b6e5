"""The report of a replay, as people read it, and the progress before it.

report of fsm.tools.replay ──▶ a table on stdout          Ingest ──▶ a bar on stderr, on a terminal only
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn, Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from fsm.runtime.ingest import LATENCY_NS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fsm.runtime import Ingest, Parked

PARKED_SHOWN = 3


class Output(Console):
    """Stdout. Where nobody reads it any more, the command line decides what that means."""

    def on_broken_pipe(self) -> NoReturn:
        """Pass the error on: rich would end the process with an exit code of its own."""
        raise BrokenPipeError


def print_report(report: dict[str, Any], parked: Sequence[Parked]) -> None:
    """Print a table with a section for each part of the account."""
    title = Text(f"{report['flow']} on {report['source']}")  # as text: a path may hold brackets
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for section in _sections(report):
        for name, value in section:
            table.add_row(name, value)
        table.add_section()
    console = Output(soft_wrap=True)
    console.print(table)
    for row, reason, content in parked[:PARKED_SHOWN]:
        console.print(f"parked row {row}: {reason}: {content[:60]!r}", markup=False, highlight=False)
    if report["parked"] > PARKED_SHOWN:
        print(f"... and {_count(report['parked'] - PARKED_SHOWN)} more; --parked FILE writes all of them")


def _sections(report: dict[str, Any]) -> Iterator[list[tuple[str, str]]]:
    yield [("fingerprint", report["fingerprint"][:16]), ("engine", report["engine"])]
    yield [(f"rows {name}", _count(report[key])) for name, key in ROWS.items()]
    yield [("instances", _count(report["instances"])), *_counts("", report["states"])]
    yield [*_counts("events ", report["outcomes"]), *_counts("refused: ", report["refusals"])]
    if report.get("untold"):
        yield _counts("timers and deferred events: ", report["untold"])
    made_up = report["made_up"]
    if made_up["events"]:
        yield [*_counts("made up ", made_up["outcomes"]), *_counts("made up, refused: ", made_up["refusals"])]
    steps, latency = report["events"] + made_up["events"], report["latency_ns"]
    yield [
        ("seconds, with reading the input", f"{report['seconds']:.3f}"),
        ("events a second, with reading", _rate(steps, report["seconds"])),
        ("events a second, engine alone", _rate(steps, report["engine_seconds"])),
    ]
    yield [
        *((f"step {share}", _ns(latency[share])) for share in ("p50", "p99", "p99.9")),
        ("its floor: two clock readings", _ns(latency["floor"])),
    ]


ROWS = {"read": "rows", "taken as events": "events", "left out": "left_out", "parked": "parked"}


def _counts(prefix: str, counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(prefix + name, _count(count)) for name, count in counts.items()]


def _count(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _rate(count: int, seconds: float) -> str:
    return _count(round(count / seconds)) if seconds else "-"


def _ns(nanoseconds: int) -> str:
    return f"{nanoseconds} ns" if nanoseconds < LATENCY_NS_MAX else f"{LATENCY_NS_MAX} ns or more"


class Progress:
    """How much of the source is read, where it can tell, and its rows so far; silent where stderr is no terminal."""

    def __init__(self, title: str) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(title, total=None, rows=0)

    def show(self, ingest: Ingest) -> None:
        """What has been read by now."""
        share = ingest.progress
        self._bar.update(self._task, total=None if share is None else 1.0, completed=share or 0.0, rows=ingest.rows)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.stop()
