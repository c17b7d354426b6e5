"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.cli import main
from tests.conftest import ROOT

EXAMPLE = str(ROOT / "examples/limit_order.py")
GOOD_ROWS = "34200.1,1,7,100,5850000,1\n34200.2,4,7,100,5850000,1\n34200.3,3,9,100,5850000,1\n"

CLEAN = """
from fsm import Event, Flow, Integer, State

class Order(Flow):
    \"\"\"An order.\"\"\"

    class Fill(Event):
        pass

    new = State(initial=True)
    filled = State(final=True)
    new.on(Fill, to=filled)
"""
FLAWED = CLEAN + "    lost = State()\n"
NESTED = """
from fsm import Event, Flow, Parallel, Region, State

class Delivery(Flow):
    \"\"\"Two legs; a note that comes too early waits.\"\"\"

    class Match(Event):
        pass

    class Deliver(Event):
        pass

    class Pay(Event):
        pass

    class Note(Event):
        pass

    new = State(initial=True)
    with Parallel() as legs:
        with Region() as left:
            reserved = State(initial=True)
            delivered = State(final=True)
        with Region() as right:
            blocked = State(initial=True)
            paid = State(final=True)
    settled = State(final=True)
    late = State(final=True)
    new.on(Match, to=legs)
    new.defers(Note, at_most=2)
    reserved.on(Deliver, to=delivered)
    blocked.on(Pay, to=paid)
    legs.on(Note)
    legs.after("30 s", to=late)
    legs.on_done(to=settled)

def events(path):
    keys, ids = [1, 1, 1, 2, 1, 3], [3, 0, 1, 0, 2, 0]
    yield keys, ids, None, [0, 0, 0, 30_000_000_000, 30_000_000_000, 50_000_000_000]
"""
UNMADE = CLEAN.replace("to=filled)", "to=filled, when='quantity > 0')")
TWO_FLOWS = CLEAN + CLEAN.replace("class Order", "class Other")
WARNED = CLEAN.replace("    new = State", "    class Late(Event):\n        pass\n\n    new = State")


@pytest.fixture
def flow(tmp_path: Path) -> Any:
    """Write a module, and give its path."""

    def write(source: str, name: str = "flows.py") -> str:
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def day(tmp_path: Path) -> str:
    """Three rows of messages."""
    path = tmp_path / "day.csv"
    path.write_text(GOOD_ROWS, encoding="ascii")
    return str(path)


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith("\n") and "Traceback" not in text


# --- help and usage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", "check", "draw", "run", "info"])
def test_help_shows_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Something that can be typed."""
    code, out, _ = output_of(capsys, *command.split(), "--help")
    assert (0, True) == (code, f"fsm {command or 'check'} " in out and "limit_order.py" in out)


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """They mean something."""
    assert "Exit codes: 0 done, 1" in output_of(capsys, "--help")[1]


@pytest.mark.parametrize("arguments", [["nonsense"], ["check"], ["run", EXAMPLE], ["draw", EXAMPLE, "--format", "png"]])
def test_a_wrong_command_line_is_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """With the usage on stderr and nothing on stdout."""
    code, out, err = output_of(capsys, *arguments)
    assert (2, "", True) == (code, out, "Usage" in err and "Traceback" not in err)


def test_a_missing_extra_is_one_line_that_names_it() -> None:
    """The library itself depends on nothing."""
    program = "import sys; sys.modules['rich_click'] = None; import fsm.cli"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert (2, "") == (done.returncode, done.stdout)
    assert "fsm: the command line needs rich_click: pip install 'fsm[cli]'\n" == done.stderr


# --- check ------------------------------------------------------------------------------------------------------------


def test_a_clean_flow_is_exit_code_0(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """And says that nothing was found, and how many configurations there are."""
    path = flow(CLEAN)
    summary = f"{path}: 2 configurations\n{path}: 0 errors, 0 warnings, 0 waived\n"
    assert (0, summary, "") == output_of(capsys, "check", path)


def test_check_counts_configurations_and_names_what_multiplies_them(
    capsys: pytest.CaptureFixture[str], flow: Any
) -> None:
    """Also of a flow with errors, as far as it can be walked; a class that was not made has none."""
    path = flow(NESTED)
    out = output_of(capsys, "check", path)[1]
    counted = out.splitlines()[-2]
    assert counted.startswith(f"{path}: 7 configurations")
    assert "region left of legs 2, region right of legs 2" in counted
    path = flow(FLAWED, "b.py")
    assert f"{path}: 2 configurations\n" in output_of(capsys, "check", path)[1]
    assert "configuration" not in output_of(capsys, "check", flow(UNMADE, "c.py"))[1]


def test_a_flawed_flow_is_exit_code_1(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """Each finding with rule, file:line and remedy."""
    path = flow(FLAWED)
    code, out, _ = output_of(capsys, "check", path)
    line = FLAWED.splitlines().index("    lost = State()") + 1
    assert (1, True) == (code, f"{path}:{line}: error [" in out and "Remedy: " in out)


def test_findings_can_be_read_by_a_program(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """One object a finding."""
    code, out, _ = output_of(capsys, "check", flow(FLAWED), "--json")
    findings = json.loads(out)
    assert 1 == code
    assert {"rule", "severity", "file", "line", "message", "remedy", "waived"} == set(findings[0])
    assert "error" in {finding["severity"] for finding in findings}


def test_a_class_that_cannot_be_made_has_findings_as_well(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """A definition error while the file runs is reported as `check` reports."""
    path = flow(UNMADE)
    code, out, err = output_of(capsys, "check", path)
    assert (1, "", True) == (code, err, f"{path}:{len(UNMADE.splitlines())}: error [" in out)


def test_a_warning_fails_only_when_asked_to(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """`--strict` is for the CI of a flow."""
    path = flow(WARNED)
    assert (0, 1) == (output_of(capsys, "check", path)[0], output_of(capsys, "check", path, "--strict")[0])


def test_a_waived_finding_is_shown_as_waived(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """With the reason, and it fails nothing."""
    rule = json.loads(output_of(capsys, "check", flow(WARNED, "a.py"), "--json")[1])[0]["rule"]
    path = flow(WARNED.replace("Late(Event)", f"Late(Event, waive={{{rule!r}: 'for the next release'}})"), "b.py")
    code, out, _ = output_of(capsys, "check", path, "--strict")
    assert (0, True) == (code, "Waived: for the next release" in out and out.endswith("0 warnings, 1 waived\n"))


# --- FLOW -------------------------------------------------------------------------------------------------------------


def test_a_flow_is_named_by_file_by_name_or_by_module(
    capsys: pytest.CaptureFixture[str], flow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three ways to write FLOW."""
    path = flow(TWO_FLOWS, "named_flows.py")
    monkeypatch.chdir(Path(path).parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names = [
        json.loads(output_of(capsys, "info", name, "--json")[1])["flow"]
        for name in (f"{path}:Order", "named_flows.py:Other", "named_flows:Order")
    ]
    assert ["Order", "Other", "Order"] == names


@pytest.mark.parametrize(
    ("source", "suffix", "message"),
    [
        (TWO_FLOWS, "", "expected one flow, found Order, Other"),
        (TWO_FLOWS, ":Missing", "no flow named Missing; found Order, Other"),
        ("x = 1\n", "", "expected one flow, found none"),
        ("x = = 1\n", "", "SyntaxError"),
        ("import fsm\n\nfsm.nonsense\n", "", "flows.py:3: AttributeError: module 'fsm' has no attribute 'nonsense'"),
        ("import sys\nsys.exit(5)\n", "", "flows.py:2: SystemExit: 5"),
        ("import sys\nsys.exit()\n", "", "flows.py:2: SystemExit\n"),
        (
            "x = 1\nimport no_such_package.part\n",
            "",
            "flows.py:2: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("import json\njson.loads('{')\n", "", "flows.py:2: JSONDecodeError"),
        ("raise ValueError('two\\nlines')\n", "", "flows.py:1: ValueError: two lines\n"),
    ],
)
def test_a_flow_that_cannot_be_loaded_is_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], flow: Any, source: str, suffix: str, message: str
) -> None:
    """It says what was expected and what was found."""
    code, out, err = output_of(capsys, "check", flow(source) + suffix)
    assert (3, "", True) == (code, out, message in err)
    assert one_line(err)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py", "missing.py: no such file."),
        ("missing/file", "missing/file: no such file."),
        ("missing_module", "missing_module: no module named missing_module."),
        ("missing.module:Name", "missing.module: no module named missing."),
        ("email.missing", "email.missing: no module named email.missing."),
        ("", "'' names no file and no module."),
        (":Name", "'' names no file and no module."),
        ("a..b", "'a..b' names no file and no module."),
        (".a", "'.a' names no file and no module."),
    ],
)
def test_a_file_or_module_that_is_not_there_is_exit_code_3(
    capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    """One line, which tells what FLOW may be."""
    forms = "Give path.py, path.py:Name or package.module:Name."
    assert (3, "", f"fsm: {message} {forms}\n") == output_of(capsys, "check", name)


def test_a_file_of_any_name_is_run_as_python(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """A path with a slash in it is a file."""
    assert 0 == output_of(capsys, "check", flow(CLEAN, "flow.txt"))[0]


# --- draw and info ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "opening"), [("mermaid", "stateDiagram-v2"), ("dot", "digraph")])
def test_a_flow_is_drawn(capsys: pytest.CaptureFixture[str], flow: Any, language: str, opening: str) -> None:
    """As text for the usual tools."""
    code, out, _ = output_of(capsys, "draw", flow(CLEAN), "--format", language)
    assert (0, True) == (code, opening in out and "filled" in out and "Fill" in out)


def test_a_flawed_flow_is_not_drawn(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """Its findings go to stderr."""
    code, out, err = output_of(capsys, "draw", flow(FLAWED))
    assert (1, "", True) == (code, out, "error [" in err)


def test_info_says_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """Version, engine and layout."""
    facts = json.loads(output_of(capsys, "info", "--json")[1])
    assert (fsm.__version__, fsm.get_include()) == (facts["version"], facts["include"])
    assert {"python", "native", "engine", "layout_version"} <= set(facts)


def test_info_says_what_a_flow_takes(capsys: pytest.CaptureFixture[str], flow: Any) -> None:
    """Sizes, and the fingerprint whole."""
    path = flow(CLEAN)
    facts = json.loads(output_of(capsys, "info", path, "--json")[1])
    assert ("Order", 2, 1, 64) == tuple(facts[name] for name in ("flow", "configurations", "events", "row_bytes"))
    assert (1, 0, 0, 0) == tuple(facts[name] for name in ("columns", "timers", "timer_slots", "deferred_events"))
    code, out, _ = output_of(capsys, "info", path)
    assert (0, True) == (code, facts["fingerprint"] in out)


def test_info_says_how_many_timers_and_deferred_events_an_instance_has_room_for(
    capsys: pytest.CaptureFixture[str], flow: Any
) -> None:
    """And how many columns and configurations the tables have: four events, one done state, one timer slot."""
    facts = json.loads(output_of(capsys, "info", flow(NESTED), "--json")[1])
    names = ("states", "configurations", "events", "columns", "timers", "timer_slots", "deferred_events", "row_bytes")
    assert (10, 7, 4, 6, 1, 1, 2, 64) == tuple(facts[name] for name in names)


# --- run --------------------------------------------------------------------------------------------------------------


def test_run_prints_an_account_of_every_row(capsys: pytest.CaptureFixture[str], day: str) -> None:
    """A table on stdout, and no progress where stderr is no terminal."""
    code, out, err = output_of(capsys, "run", EXAMPLE, day)
    assert (0, "") == (code, err)
    for words in ("rows read", "filled", "refused: unknown_instance", "step p99.9", "its floor", "LimitOrder on"):
        assert words in out


def test_run_reports_to_programs_in_json(capsys: pytest.CaptureFixture[str], day: str, engine_name: str) -> None:
    """The names that others rely on."""
    code, out, _ = output_of(capsys, "run", EXAMPLE, day, "--json", "--engine", engine_name)
    report = json.loads(out)
    assert 0 == code
    assert {
        "flow": "LimitOrder",
        "engine": engine_name,
        "events": 3,
        "instances": 1,
        "states": {"filled": 1},
        "outcomes": {"accepted": 2, "refused": 1},
        "refusals": {"unknown_instance": 1},
    }.items() <= report.items()
    assert (64, True) == (len(report["fingerprint"]), report["seconds"] > 0)


def test_run_tells_what_became_of_timers_and_deferred_events(
    capsys: pytest.CaptureFixture[str], flow: Any, day: str, engine_name: str
) -> None:
    """By outcome, apart from the events; a flow without any has no such key."""
    path = flow(NESTED)
    code, out, _ = output_of(capsys, "run", path, day, "--json", "--engine", engine_name)
    report = json.loads(out)
    assert (0, {"accepted": 2}) == (code, report["untold"])
    assert {"accepted": 4, "deferred": 1, "refused": 1} == report["outcomes"]
    states = {"legs (left/reserved and right/blocked)": 2, "late": 1}
    assert (states, 3, 6) == (report["states"], report["instances"], report["rows"])
    out = output_of(capsys, "run", path, day, "--engine", engine_name)[1]
    for words in ("timers and deferred events: accepted", "legs (left/reserved and right/blocked)"):
        assert words in out
    assert "untold" not in json.loads(output_of(capsys, "run", EXAMPLE, day, "--json")[1])


def test_parked_rows_are_written_with_row_reason_and_content(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, day: str
) -> None:
    """To the byte, so that they can be mended and given again."""
    bad = b"\x00\xff no row\n"
    Path(day).write_bytes(GOOD_ROWS.encode() + bad)
    parked = tmp_path / "parked.jsonl"
    code, out, _ = output_of(capsys, "run", EXAMPLE, day, "--parked", str(parked))
    row = json.loads(parked.read_text(encoding="utf-8"))
    assert (0, 4, bad) == (code, row["row"], row["content"].encode("latin-1") + b"\n")
    assert row["reason"] in out


@pytest.mark.parametrize("damage", ["cut", "flipped", "tail"])
def test_a_broken_gzip_file_is_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, damage: str
) -> None:
    """Cut short, changed inside, or followed by something else."""
    data = bytearray(gzip.compress(GOOD_ROWS.encode() * 1000))
    if damage == "cut":
        del data[-20:]
    elif damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    else:
        data += b"more"
    path = tmp_path / "day.csv.gz"
    path.write_bytes(data)
    code, out, err = output_of(capsys, "run", EXAMPLE, str(path))
    assert (3, "", True) == (code, out, one_line(err))


@pytest.mark.parametrize("source", ["/nowhere/day.csv", "/"])
def test_an_input_that_cannot_be_opened_is_exit_code_3(capsys: pytest.CaptureFixture[str], source: str) -> None:
    """One line that names it."""
    code, _, err = output_of(capsys, "run", EXAMPLE, source)
    assert (3, True) == (code, one_line(err) and source in err)


def test_a_module_without_events_cannot_be_run(capsys: pytest.CaptureFixture[str], flow: Any, day: str) -> None:
    """It says what was expected."""
    code, _, err = output_of(capsys, "run", flow(CLEAN), day)
    assert (3, True) == (code, one_line(err) and "expected a function events(path, engine)" in err)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "def events(p):\n    yield [1], 0\n    1 / 0",
            "events failed after 1 rows of DAY: FLOW:15: ZeroDivisionError",
        ),
        ("def events(p):\n    1 / 0", "events failed after 0 rows of DAY: FLOW:14: ZeroDivisionError"),
        ("import sys\ndef events(p):\n    yield sys.exit(5)", "after 0 rows of DAY: FLOW:15: SystemExit: 5"),
        ("def events(p):\n    yield open('/nowhere')", "FLOW:14: FileNotFoundError: "),
        ("def events(p):\n    raise OSError(12, 'no memory')", "FLOW:14: OSError: [Errno 12] no memory"),
        ("def events(p):\n    return 3", "events returned 3, and batches were expected: yield them"),
        ("def events(p):\n    pass", "events returned None, and batches were expected: yield them"),
        ("def events(p, engine, third):\n    yield [1], 0", "expected a function events(path, engine)"),
        ("def events():\n    yield [1], 0", "expected a function events(path, engine)"),
        ("events = iter", "expected a function events(path, engine)"),
        ("def events(p):\n    yield 5", "batch 1, after 0 rows of DAY: expected a Batch, or a tuple"),
        ("def events(p):\n    yield [1], 0\n    yield None", "batch 2, after 1 rows of DAY: expected a Batch, or a"),
        ("def events(p):\n    yield [1.5]", "batch 1, after 0 rows of DAY: the list is no batch: TypeError: "),
        ("def events(p):\n    yield [1.5], 0", "keys: expected integers, found float64"),
        ("def events(p):\n    yield ['a'], 0", "keys: expected integers, found <U1"),
        ("def events(p):\n    yield [1, 2, 3], 0, None, [1, 2]", "times: expected 3 of them, found the shape (2,)"),
        ("def events(p):\n    yield [1], 0, [[0] * 7]", "batch 1, after 0 rows of DAY: the engine cannot run it: "),
        ("def events(p, e):\n    e.close()\n    yield [1], 0", "engine cannot run it: FsmError: "),
    ],
)
def test_whatever_fails_in_events_is_one_line_with_its_place(
    capsys: pytest.CaptureFixture[str], flow: Any, day: str, body: str, message: str
) -> None:
    """Exit code 3, and no report: 1 would say that the flow is wrong, and `mend the input` that the input is."""
    path = flow(CLEAN + body + "\n")
    code, out, err = output_of(capsys, "run", path, day)
    assert (3, "", True) == (code, out, one_line(err))
    assert message.replace("DAY", day).replace("FLOW", path) in err
    assert "Mend the input" not in err


def test_no_room_for_instances_is_no_fault_of_the_input(
    capsys: pytest.CaptureFixture[str], flow: Any, day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the batch, and says what there was no room for."""

    def refuse(engine: object, capacity: int) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(fsm.Engine, "reserve", refuse)
    path = flow(CLEAN + "def events(p):\n    yield [1], 0\n    yield range(2_000), 0\n")
    code, _, err = output_of(capsys, "run", path, day)
    assert (3, True) == (code, one_line(err))
    assert f"{path}: batch 2, after 1 rows of {day}: the engine cannot run it: " in err
    assert "OSError: [Errno 12] Cannot allocate memory" in err
    assert "Mend the input" not in err


def test_every_parked_row_is_written_though_few_are_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flow: Any, day: str
) -> None:
    """They are written batch by batch."""
    source = (
        "from fsm.runtime import Batch, Parked\ndef events(p):\n    for row in range(3_000):\n"
        "        yield Batch([], [], parked=[Parked(row + 1, 'no row', b'x')])\n"
    )
    parked = tmp_path / "parked.jsonl"
    code, out, _ = output_of(capsys, "run", flow(CLEAN + source), day, "--parked", str(parked))
    rows = [json.loads(line)["row"] for line in parked.read_text("utf-8").splitlines()]
    assert (0, list(range(1, 3_001)), True) == (code, rows, "and 2 997 more" in out)


def test_the_input_is_not_overwritten_by_its_parked_rows(capsys: pytest.CaptureFixture[str], day: str) -> None:
    """By whatever name it is called."""
    code, _, err = output_of(capsys, "run", EXAMPLE, day, "--parked", f"{Path(day).parent}/./{Path(day).name}")
    assert (2, GOOD_ROWS, True) == (code, Path(day).read_text("ascii"), "INPUT itself" in err)


def test_events_may_take_the_path_alone_and_yield_tuples(
    capsys: pytest.CaptureFixture[str], flow: Any, day: str
) -> None:
    """The smallest source."""
    source = CLEAN + "\ndef events(path):\n    yield [1, 2, 1], [0, 0, 0], None, None\n"
    report = json.loads(output_of(capsys, "run", flow(source), day, "--json")[1])
    assert ({"filled": 2}, {"ended": 1}, 3) == (report["states"], report["refusals"], report["events"])


def test_an_engine_that_does_not_exist_is_one_line(
    capsys: pytest.CaptureFixture[str], day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FSM_ENGINE is checked like an option; nothing falls back in silence."""
    monkeypatch.setenv("FSM_ENGINE", "nonsense")
    code, _, err = output_of(capsys, "run", EXAMPLE, day)
    assert (3, True) == (code, one_line(err) and "nonsense" in err)


def test_the_command_runs_as_a_process(day: str) -> None:
    """Exit code and streams are those of the functions."""
    command = [sys.executable, "-P", "-m", "fsm.cli", "run", EXAMPLE, day, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "error"})
    assert (0, "", 3) == (done.returncode, done.stderr, json.loads(done.stdout)["events"])


# --- where the output goes --------------------------------------------------------------------------------------------

COMMANDS = [["--help"], ["check", EXAMPLE], ["check", EXAMPLE, "--json"], ["draw", EXAMPLE], ["info"], ["run", EXAMPLE]]


def with_stdout(stdout: Any, arguments: list[str], day: str) -> subprocess.CompletedProcess[str]:
    """A command line in a process of its own, with its output going there."""
    command = [sys.executable, "-P", "-m", "fsm.cli", *arguments, *([day] if arguments[0] == "run" else [])]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_stops_reading_is_no_failure_of_the_flow(arguments: list[str], day: str) -> None:
    """`fsm check ... | head -1` says nothing on stderr and ends with 141, as other tools do."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as unread:
        done = with_stdout(unread, arguments, day)
    assert (141, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written_is_one_line_and_exit_code_3(arguments: list[str], day: str) -> None:
    """A full disk does not look like success."""
    with open("/dev/full", "wb") as full:
        done = with_stdout(full, arguments, day)
    assert (3, "fsm: output: No space left on device\n") == (done.returncode, done.stderr)


def test_a_terminal_is_shown_how_much_of_the_input_is_read(day: str) -> None:
    """A bar up to 100 %, and the rows."""
    screen, terminal = pty.openpty()
    command = [sys.executable, "-P", "-m", "fsm.cli", "run", EXAMPLE, day, "--json"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, env=environment)
    os.close(terminal)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert (0, 3) == (done.returncode, json.loads(done.stdout)["rows"])
    assert "100%" in shown and "3 rows" in shown
