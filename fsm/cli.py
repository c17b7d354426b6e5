"""The command `fsm`: arguments in, text or JSON out, and an exit code.

arguments ──click──▶ check · draw · run · rehearse · info ──▶ fsm.tools, fsm.formats ──▶ stdout, exit code
                                └── FsmError, OSError ──▶ one line on stderr, exit code

0   done; `check` found no error
1   the flow has errors
2   the command line is wrong, or the extra `cli` is not installed
3   the input could not be read or run
130 interrupted; 141 whoever read the output stopped reading: what a shell says of tools that such an end kills
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsm
from fsm.errors import DefinitionError, FsmError
from fsm.tools.load import LoadError, load_flow

try:
    import rich_click as click
except ModuleNotFoundError as missing:
    print(f"fsm: the command line needs {missing.name}: pip install 'fsm[cli]'", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fsm.compile import Census
    from fsm.layout import Finding
    from fsm.runtime import Batch, Ingest, Parked

FLAWED, USAGE, FAILED, INTERRUPTED, UNREAD = 1, 2, 3, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process, without `arguments`), and return its exit code."""
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_output()
        return UNREAD
    except OSError as error:
        print(f"fsm: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        _drop_output()
        return FAILED


def _drop_output() -> None:
    """Send what stdout still holds nowhere, if it cannot be written: Python would try at exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> int:
    """The exit code of a command line whose output can be written. Raises `OSError` where it cannot."""
    try:
        return int(commands.main(arguments, prog_name="fsm", standalone_mode=False) or 0)
    except SystemExit as end:
        # click ends the process by itself where nobody reads what it prints, with 1, which means a flawed flow here.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        raise
    except click.ClickException as error:
        error.show()
        return USAGE
    except DefinitionError as error:
        _print_findings(error.problems, sys.stderr)
        return FLAWED
    except FsmError as error:
        print(f"fsm: {error}", file=sys.stderr)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fsm.__version__, prog_name="fsm")
def commands() -> None:
    """State machines for settlement flows: check, draw and run them.

    \b
    Examples:
      fsm check examples/limit_order.py
      fsm draw examples/limit_order.py --format dot | dot -Tsvg > order.svg
      fsm run examples/limit_order.py day.csv.gz --json
      fsm run examples/limit_order.py day.csv.gz --store var/orders
      fsm rehearse examples/limit_order.py day.csv.gz --kills 3
      fsm info

    Exit codes: 0 done, 1 the flow has errors, 2 wrong command line, 3 the input could not be read or run,
    130 interrupted, 141 nobody reads the output.
    """


@commands.command()
@click.argument("flow")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as a JSON list.")
@click.option("--strict", is_flag=True, help="Let a warning that is not waived fail as an error does.")
def check(flow: str, as_json: bool, strict: bool) -> int:
    """Print every problem of a definition, each with its rule, its place and a remedy, and count its configurations.

    FLOW is path.py, path.py:Name or package.module:Name; the file is run.

    \b
    Examples:
      fsm check examples/limit_order.py
      fsm check settlement.flows:Delivery --json

    Exit codes: 0 no error that is not waived, 1 errors, 3 FLOW cannot be loaded.
    """
    findings, census = _survey_of(flow)
    if as_json:
        _print_json([{name: getattr(finding, name) for name in finding.__slots__} for finding in findings])
    else:
        _print_findings(findings, sys.stdout)
        if census is not None:
            print(f"{flow}: {census}")
        print(_summary(flow, findings))
    fatal = ("error", "warning") if strict else ("error",)
    return FLAWED if any(finding.severity in fatal and finding.waived is None for finding in findings) else 0


def _survey_of(flow: str) -> tuple[Sequence[Finding], Census | None]:
    """What there is to say of a flow: findings and configurations, or what kept the class from being made."""
    from fsm.compile import survey

    try:
        return survey(load_flow(flow))
    except DefinitionError as error:
        return error.problems, None


def _print_findings(findings: Iterable[Finding], file: Any) -> None:
    for finding in findings:
        print(finding, file=file)


def _summary(flow: str, findings: Sequence[Finding]) -> str:
    open_ones = [finding for finding in findings if finding.waived is None]
    errors = sum(finding.severity == "error" for finding in open_ones)
    warnings, waived = len(open_ones) - errors, len(findings) - len(open_ones)
    return f"{flow}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}, {waived} waived"


@commands.command()
@click.argument("flow")
@click.option("--format", "language", type=click.Choice(["mermaid", "dot"]), default="mermaid", show_default=True)
def draw(flow: str, language: str) -> int:
    """Print a picture of a flow as text for Mermaid or Graphviz.

    FLOW is path.py, path.py:Name or package.module:Name; the file is run.

    \b
    Examples:
      fsm draw examples/limit_order.py > order.mmd
      fsm draw examples/limit_order.py --format dot | dot -Tsvg > order.svg
    """
    from fsm.formats import dot, mermaid

    tables = fsm.compile(load_flow(flow))
    print({"mermaid": mermaid, "dot": dot}[language].draw(tables).rstrip("\n"))
    return 0


@commands.command()
@click.argument("module")
@click.argument("source", metavar="INPUT")
@click.option("--engine", type=click.Choice(["native", "mirror"]), help="Default: FSM_ENGINE, else native.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--parked", "parked_path", metavar="FILE", help="Write the rows that are no events there, as JSON lines.")
@click.option("--store", metavar="DIR", help="Keep instances and journal there, and go on where a run on it stopped.")
@click.option(
    "--idempotency-window", "window", type=click.IntRange(min=1), metavar="N",
    help="Keys of events that a new store remembers.  [default: 1000000]",
)  # fmt: skip
def run(
    module: str,
    source: str,
    engine: str | None,
    as_json: bool,
    parked_path: str | None,
    store: str | None,
    window: int | None,
) -> int:
    """Replay INPUT through the flow of MODULE and its generator events(path, engine).

    MODULE is path.py, path.py:Name or package.module:Name; the file is run.

    Every row of INPUT is accounted for: rows = events + left out + parked. An event whose key has no instance starts
    one if the flow handles or defers it where an instance rests after its start; else it is refused as
    unknown_instance. Timers fire as the times of the events pass them.

    With --store, a run that was killed is taken up by the same command: INPUT is read from its beginning, what the
    store has taken is skipped, and the report is of the whole run. Once INPUT has ended, the command takes nothing, and
    another INPUT goes on with the instances that are there.

    \b
    Examples:
      fsm run examples/limit_order.py AAPL_message.csv.gz
      fsm run examples/limit_order.py day.csv --engine mirror --json
      fsm run examples/limit_order.py day.csv --parked parked.jsonl
      fsm run examples/limit_order.py day.csv --store var/orders
    """
    if window is not None and store is None:
        raise click.UsageError("--idempotency-window is of a store: give --store DIR too.")
    try:
        from fsm.tools.replay import replay
        from fsm.tools.report import Progress, print_report
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    with _parked_file(parked_path, source) as write, Progress(source) as progress:

        def watch(ingest: Ingest, batch: Batch) -> None:
            write(batch.parked)
            progress.show(ingest)

        report, ingest = replay(
            module, source, engine=engine, store=store, idempotency_window=window, watch=watch
        )  # fmt: skip
        ingest.engine.close()
    if as_json:
        _print_json(report)
    else:
        print_report(report, ingest.parked)
    return 0


@commands.command()
@click.argument("module")
@click.argument("source", metavar="INPUT")
@click.option("--kills", type=click.IntRange(min=1), default=3, show_default=True, help="How often the run is killed.")
@click.option("--seed", type=int, help="Draws the moments.  [default: another each time; it is printed]")
@click.option("--store", metavar="DIR", help="Make the two stores there, until the end.  [default: a temporary folder]")
@click.option("--engine", type=click.Choice(["native", "mirror"]), help="Default: FSM_ENGINE, else native.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def rehearse(
    module: str, source: str, kills: int, seed: int | None, store: str | None, engine: str | None, as_json: bool
) -> int:
    """Run INPUT on a store, kill the process with SIGKILL at random moments, and compare with an undisturbed run.

    Both runs are what `fsm run MODULE INPUT --store` is, in processes of their own. The killed one is taken up again
    after each kill. At the end both have the same rows, outcomes and journal; else it is an error that says where not.

    \b
    Examples:
      fsm rehearse examples/limit_order.py day.csv
      fsm rehearse examples/limit_order.py day.csv --kills 20 --seed 7 --json

    Exit codes: 0 both are equal, 3 they differ, or INPUT could not be run.
    """
    try:
        from fsm.tools.rehearsal import rehearse
        from fsm.tools.report import print_rehearsal
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    report = rehearse(module, source, store, kills=kills, seed=seed, engine=engine)
    if as_json:
        _print_json(report)
    else:
        print_rehearsal(report)
    return 0


def _missing(error: ModuleNotFoundError) -> Exception:
    """What to raise where a module is missing that an extra brings."""
    if error.name != "numpy":
        return error
    return LoadError("fsm run hands arrays to the engine and needs numpy: pip install 'fsm[arrays]'")


@contextmanager
def _parked_file(path: str | None, source: str) -> Iterator[Callable[[Sequence[Parked]], None]]:
    """What writes one JSON object a row; `content` holds a byte as the character of its number (ISO 8859-1)."""
    if path is None:
        yield lambda parked: None
        return
    if Path(path).exists() and Path(source).exists() and Path(path).samefile(source):
        raise click.UsageError(f"--parked {path} is INPUT itself: it would be overwritten. Name another file.")
    with Path(path).open("w", encoding="utf-8") as file:

        def write(parked: Sequence[Parked]) -> None:
            for row, reason, content in parked:
                file.write(json.dumps({"row": row, "reason": reason, "content": content.decode("latin-1")}) + "\n")

        yield write


@commands.command()
@click.argument("flow", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as one JSON object.")
def info(flow: str | None, as_json: bool) -> int:
    """Print what is installed, and with FLOW what the flow holds and takes.

    \b
    Examples:
      fsm info
      fsm info examples/limit_order.py --json
    """
    from fsm.tools.info import facts_of, installed

    facts = {"version": fsm.__version__, **installed(), "include": fsm.get_include()}
    facts |= facts_of(fsm.compile(load_flow(flow))) if flow else {}
    if as_json:
        _print_json(facts)
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):18} {value}")
    return 0


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


if __name__ == "__main__":
    sys.exit(main())
