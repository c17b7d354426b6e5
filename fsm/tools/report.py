"""The report of a replay, as people read it, and the progress before it.

report of fsm.tools.replay, rehearsal ──▶ a table on stdout          Ingest ──▶ a bar on stderr, on a terminal only
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
    from collections.abc import Iterable, Iterator, Sequence

    from fsm.runtime import Ingest, Parked

PARKED_SHOWN = 3


class Output(Console):
    """Stdout. Where nobody reads it any more, the command line decides what that means."""

    def on_broken_pipe(self) -> NoReturn:
        """Pass the error on: rich would end the process with an exit code of its own."""
        raise BrokenPipeError


def print_report(report: dict[str, Any], parked: Sequence[Parked]) -> None:
    """Print a table with a section for each part of the account, and the first rows that were parked."""
    _print_table(report, _sections(report))
    for row, reason, content in parked[:PARKED_SHOWN]:
        Output(soft_wrap=True).print(f"parked row {row}: {reason}: {content[:60]!r}", markup=False, highlight=False)
    if report["parked"] > PARKED_SHOWN:
        print(f"... and {_count(report['parked'] - PARKED_SHOWN)} more; --parked FILE writes all of them")


def print_rehearsal(report: dict[str, Any]) -> None:
    """Print the undisturbed run as `print_report` does, then each restart of the killed one, and what is equal."""
    _print_table(report, _sections(report))
    for number, restart in enumerate(report["restarts"], 1):
        print(
            f"kill {number}: at frame {_count(restart['killed_at'])}, taken up at {_count(restart['taken_up'])}; "
            f"ms from SIGKILL: reaped {_ms(restart['reaped_ms'])}, store open {_ms(restart['opened_ms'])}, "
            f"first input {_ms(restart['first_input_ms'])}"
        )
    equal, may_differ = report["equal"], ", ".join(report["equal"]["may_differ"])
    print(
        f"equal to the undisturbed run: {_count(equal['rows'])} rows, outcomes of {_count(equal['events'])} events, "
        f"{_count(equal['frames'])} frames of the journal (seed {report['seed']})"
    )
    print(f"may differ, and was not compared: {may_differ}")


def _print_table(report: dict[str, Any], sections: Iterable[list[tuple[str, str]]]) -> None:
    store = f", store {report['store']['path']}" if "store" in report else ""
    title = Text(f"{report['flow']} on {report['source']}{store}")  # as text: a path may hold brackets
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for section in sections:
        for name, value in section:
            table.add_row(name, value)
        table.add_section()
    Output(soft_wrap=True).print(table)


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
    if store := report.get("store"):
        yield [
            ("epoch of its writer", _count(store["epoch"])),
            ("frames", _count(store["sequence"])),
            ("taken up at frame", "-" if store["resumed_at"] is None else _count(store["resumed_at"])),
            ("duplicates", _count(store["duplicates"])),
        ]
        yield [("events, by this process", _count(report["taken"]))]
    steps, latency = report["taken"], report["latency_ns"]
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


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"


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
