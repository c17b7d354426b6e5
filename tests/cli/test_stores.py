"""`fsm run --store` and `fsm rehearse`: what they print, where, and with which exit code."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.cli import main
from tests.conftest import ROOT

EXAMPLE = str(ROOT / "examples/limit_order.py")
OF_ONE_PROCESS = ("taken", "seconds", "engine_seconds", "latency_ns", "store", "engine", "source")

FLOW = '''
import os, signal
from pathlib import Path
import numpy as np
from fsm import Event, Flow, Integer, State
from fsm.runtime import Batch, Parked

class Order(Flow):
    """An order."""

    quantity = Integer()

    class Submit(Event):
        quantity: Integer = Integer()

    class Fill(Event):
        pass

    class Close(Event):
        pass

    new = State(initial=True)
    working = State()
    filled = State(final=True)
    closed = State(final=True)
    new.on(Submit, when=Submit.quantity > 0, to=working, do=quantity.set(Submit.quantity))
    working.on(Fill, when=quantity > 0, to=filled)
    working.on(Close, to=closed)

def events(path, engine):
    """A line is a batch: its keys, submitted and filled, but for every third."""
    for number, line in enumerate(Path(path).read_text().splitlines()):
        keys = np.array(line.split(), np.int64)
        if os.environ.get("DIE") == str(number):
            os.kill(os.getpid(), signal.SIGKILL)
        parked = [Parked(number + 1, "no reason", line.encode())]
        yield Batch(np.repeat(keys, 2), np.tile([0, 1], len(keys)), np.repeat(keys % 3, 2)[:, None], parked=parked)
    yield Batch(None, 2, instances=engine.select(state="working"), made_up=True)
    if os.environ.get("DIE") == "end":
        os.kill(os.getpid(), signal.SIGKILL)
'''
KEYED = FLOW.replace("parked=parked)", "parked=parked, idempotency_keys=[[key, 1] for key in np.repeat(keys, 2)])")


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of the stores goes with the test."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path / "memory"))


class Place:
    """A module, an input, and a store that is not there yet."""

    def __init__(self, folder: Path, engine_name: str) -> None:
        self.module, self.source, self.store = folder / "flows.py", folder / "input.txt", folder / "store"
        self.engine = engine_name
        self.module.write_text(FLOW, encoding="utf-8")
        self.write(range(1, 40), range(20, 60), range(60, 90))

    def write(self, *batches: range) -> None:
        """Make an input of these keys."""
        self.source.write_text("".join(" ".join(map(str, keys)) + "\n" for keys in batches), encoding="ascii")

    def command(self, *options: str, name: str = "run") -> list[str]:
        """A command line on the two, with the store."""
        return [name, str(self.module), str(self.source), "--store", str(self.store), "--engine", self.engine, *options]

    def die(self, where: str) -> None:
        """Run it in a process that kills itself."""
        command = [sys.executable, "-P", "-m", "fsm.cli", *self.command()]
        done = subprocess.run(command, env={**os.environ, "DIE": where}, capture_output=True, text=True)
        assert (-signal.SIGKILL, "") == (done.returncode, done.stdout)


@pytest.fixture
def place(tmp_path: Path, engine_name: str) -> Place:
    """On each engine in turn."""
    return Place(tmp_path, engine_name)


def output_of(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def report_of(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    code, out, err = output_of(capsys, [*arguments, "--json"])
    assert (0, "") == (code, err)
    report: dict[str, Any] = json.loads(out)
    return report


def whole(report: dict[str, Any]) -> dict[str, Any]:
    """What a report says of the whole run."""
    return {key: value for key, value in report.items() if key not in OF_ONE_PROCESS}


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith("\n") and "Traceback" not in text


# --- run --store ------------------------------------------------------------------------------------------------------


def test_a_run_on_a_store_reports_what_one_without_reports(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """And the facts of the store; the same again takes nothing and reports the same."""
    without = report_of(capsys, ["run", str(place.module), str(place.source)])
    first, again = (report_of(capsys, place.command()) for _ in range(2))
    assert whole(without) == whole(first) == whole(again)
    assert (without["events"] + without["made_up"]["events"], 0) == (first["taken"], again["taken"])
    sequence = first["store"]["sequence"]
    assert {"path": str(place.store), "epoch": 1, "sequence": sequence, "resumed_at": None, "duplicates": 0} == {
        **first["store"]
    }
    assert {**first["store"], "epoch": 2, "resumed_at": sequence} == again["store"]
    assert "store" not in without


@pytest.mark.parametrize("deaths", [["0"], ["1"], ["2", "2", "1"], ["1", "2", "end"]])
def test_a_run_that_was_killed_is_taken_up_by_the_same_command(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path, deaths: list[str]
) -> None:
    """The report is of the whole run, and the parked rows are all there."""
    expected = report_of(capsys, ["run", str(place.module), str(place.source)])
    for where in deaths:
        place.die(where)
    parked = tmp_path / "parked.jsonl"
    report = report_of(capsys, place.command("--parked", str(parked)))
    assert whole(expected) == whole(report)
    assert 3 == len(parked.read_text(encoding="utf-8").splitlines())
    taken_up = report["store"]["resumed_at"]
    assert (deaths == ["0"], len(deaths) + 1) == (taken_up is None, report["store"]["epoch"])
    assert report["taken"] < report["events"] + report["made_up"]["events"] or taken_up is None


def test_the_table_tells_the_store_too(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """With what is of this process alone."""
    output_of(capsys, place.command())
    code, out, err = output_of(capsys, place.command())
    assert (0, "") == (code, err)
    for words in (str(place.store), "taken up at frame", "duplicates", "epoch of its writer", "by this process"):
        assert words in out


def test_another_input_goes_on_with_the_instances_that_are_there(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """Its report is of it alone, but the states, which are those of the store."""
    first = report_of(capsys, place.command())
    place.write(range(85, 95))
    report = report_of(capsys, place.command())
    assert (20, 5) == (report["events"], report["instances"])
    assert report["refusals"]["ended"] > 0
    assert sum(report["states"].values()) == first["instances"] + 5


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([range(2, 40), range(20, 60), range(60, 90)], "batch 1, after 0 rows"),
        ([range(1, 40), range(20, 61), range(60, 90)], "batch 2, after 79 rows"),
        ([range(1, 40)], "after 79 rows, which is the end of"),
    ],
)
def test_an_input_that_differs_is_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], place: Place, batches: list[range], message: str
) -> None:
    """It says where; given the right one, the run goes on as if nothing had been."""
    expected = report_of(capsys, ["run", str(place.module), str(place.source)])
    place.die("end")
    right = place.source.read_text(encoding="ascii")
    place.write(*batches)
    code, out, err = output_of(capsys, place.command())
    assert (3, "", True) == (code, out, one_line(err)), err
    assert f"fsm: {place.module}: " in err and message in err and str(place.store) in err
    place.source.write_text(right, encoding="ascii")
    assert whole(expected) == whole(report_of(capsys, place.command()))


def test_an_input_that_has_grown_since_it_ended_is_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """Its rows would come twice."""
    report_of(capsys, place.command())
    place.write(range(1, 40), range(20, 60), range(60, 90), range(90, 99))
    code, out, err = output_of(capsys, place.command())
    assert (3, "", True) == (code, out, one_line(err) and "batch 4, after 221 rows" in err), err


def test_a_store_that_is_in_use_is_one_line_and_exit_code_3(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """It says who has it."""
    report_of(capsys, place.command())
    with fsm.open(place.store, engine=place.engine):
        code, out, err = output_of(capsys, place.command())
    assert (3, "", True) == (code, out, one_line(err) and str(place.store) in err)
    report_of(capsys, place.command())


def test_the_store_of_another_flow_is_exit_code_3(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """With the difference of the charts; nothing is taken."""
    report_of(capsys, place.command())
    place.module.write_text(FLOW.replace("quantity > 0, to=filled", "quantity > 1, to=filled"), "utf-8")
    code, out, err = output_of(capsys, place.command())
    assert (3, "", True) == (code, out, "less(1, quantity)" in err and "Traceback" not in err)


def test_a_store_that_is_a_file_is_one_line_and_exit_code_3(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """And the file stays."""
    place.store.write_text("mine", encoding="ascii")
    code, out, err = output_of(capsys, place.command())
    assert (3, "", True) == (code, out, one_line(err) and str(place.store) in err)
    assert "mine" == place.store.read_text(encoding="ascii")


def test_idempotency_keys_make_duplicates(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """Each key comes with two events here: the second of them is refused, and those of another batch are duplicates."""
    place.module.write_text(KEYED, encoding="utf-8")
    report = report_of(capsys, place.command("--idempotency-window", "500"))
    # Keys 1, 4, ... 2, 5, ... are submitted; 3, 6, ... are refused, and leave no key.
    accepted = sum(1 for key in range(1, 90) if key % 3)
    again = sum(1 for key in range(20, 40) if key % 3)
    assert (accepted, again) == (report["outcomes"]["accepted"], report["outcomes"]["duplicate"])
    assert (accepted + again, again) == (report["refusals"]["key_reused"], report["store"]["duplicates"])


def test_idempotency_keys_without_a_store_are_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """Nobody would keep them."""
    place.module.write_text(KEYED, encoding="utf-8")
    code, out, err = output_of(capsys, ["run", str(place.module), str(place.source), "--engine", place.engine])
    assert (3, "", True) == (code, out, one_line(err) and "journal" in err)


def test_a_window_without_a_store_is_exit_code_2(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """It is of a store."""
    code, out, err = output_of(capsys, ["run", EXAMPLE, str(place.source), "--idempotency-window", "5"])
    assert (2, "", True) == (code, out, "--store" in err)


# --- rehearse ---------------------------------------------------------------------------------------------------------


def busy(place: Place) -> None:
    """Make the source slow enough to be killed in the midst of it."""
    source = FLOW.replace("yield Batch(np", "sum(range(100_000))\n        yield Batch(np")
    place.module.write_text(source, encoding="utf-8")
    place.write(*(range(10 * batch + 1, 10 * batch + 15) for batch in range(200)))


@pytest.mark.slow
def test_a_rehearsal_kills_the_run_and_finds_both_equal(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    """It says what it measured and compared, and leaves nothing behind."""
    busy(place)
    expected = report_of(capsys, ["run", str(place.module), str(place.source)])
    report = report_of(capsys, place.command("--kills", "2", "--seed", "7", name="rehearse"))
    assert whole(expected) == whole({key: report[key] for key in report if key not in ("seed", "restarts", "equal")})
    assert (7, 2, report["instances"]) == (report["seed"], len(report["restarts"]), report["equal"]["rows"])
    for restart in report["restarts"]:
        assert 0 < restart["killed_at"] <= restart["taken_up"] < report["equal"]["frames"]
        assert 0 < restart["reaped_ms"] < restart["opened_ms"] < restart["first_input_ms"]
    assert ([], False) == (list((tmp_path / "memory").iterdir()), place.store.exists())


@pytest.mark.slow
def test_a_rehearsal_prints_each_restart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """For people, with the seed; in a folder of its own where none is named."""
    place = Place(tmp_path, "mirror")
    busy(place)
    command = ["rehearse", str(place.module), str(place.source), "--engine", "mirror", "--kills", "1"]
    code, out, err = output_of(capsys, command)
    assert (0, "") == (code, err)
    pattern = r"kill 1: at frame [\d ]+, taken up at [\d ]+; ms from SIGKILL: reaped [\d.]+, store open [\d.]+, first"
    assert re.search(pattern, out)
    assert re.search(r"equal to the undisturbed run: .* frames of the journal \(seed \d+\)\nmay differ.* epoch", out)
    assert [] == list((tmp_path / "memory").iterdir())


@pytest.mark.slow
def test_a_rehearsal_of_a_source_that_is_never_the_same_is_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    """The process that takes up finds another batch; nothing is left behind."""
    busy(place)
    place.module.write_text(
        place.module.read_text("utf-8").replace("np.repeat(keys % 3, 2)", "np.repeat(keys % 3 + os.getpid(), 2)"),
        "utf-8",
    )
    code, out, err = output_of(capsys, place.command("--kills", "1", name="rehearse"))
    assert (3, "", True) == (code, out, one_line(err) and "not the same source" in err), err
    assert ([], False) == (list((tmp_path / "memory").iterdir()), place.store.exists())


def test_a_rehearsal_does_not_touch_a_folder_that_holds_something(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """It would remove what is in there."""
    place.store.mkdir()
    (place.store / "mine").touch()
    code, out, err = output_of(capsys, place.command(name="rehearse"))
    assert (3, "", True) == (code, out, one_line(err) and str(place.store) in err)
    assert (place.store / "mine").exists()


def test_two_rehearsals_do_not_share_a_folder(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    """One would remove what the other is in the midst of; what a killed one left is removed by the next."""
    left = tmp_path / "memory" / "fsm-rehearsal-left"
    for path in (place.store / "killed", left / "killed"):
        path.mkdir(parents=True)
    mark = place.store / "rehearsal"
    mark.write_text(f"{left}\n", encoding="utf-8")
    place.source.unlink()
    with mark.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, out, err = output_of(capsys, place.command(name="rehearse"))
        assert (3, "", True, True) == (code, out, one_line(err) and "another rehearsal" in err, left.exists())
    assert 3 == output_of(capsys, place.command(name="rehearse"))[0]
    assert (False, False) == (left.exists(), place.store.exists())


def test_a_rehearsal_of_what_cannot_be_run_says_what_the_run_says(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    """In one line; the folders are gone."""
    place.source.unlink()
    code, out, err = output_of(capsys, place.command(name="rehearse"))
    assert (3, "", True) == (code, out, one_line(err) and "No such file" in err), err
    assert not place.store.exists()
