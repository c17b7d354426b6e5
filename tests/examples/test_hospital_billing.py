"""The example on the whole log of a hospital, on logs with nonsense in them, and on packages of its own."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fsm import Engine, check
from fsm.runtime import Ingest
from fsm.tools.load import load
from fsm.tools.replay import replay
from tests.conftest import ROOT

EXAMPLE = str(ROOT / "examples/hospital_billing.py")
LOG = "eventlogs/hospital_billing.csv.gz"
EVENTS, PACKAGES, AGREEING_MIN = 49_951, 10_000, 49_384
AGREEING = 49_817
DIFFERING = {
    ("Billed", "STORNO"): 28,
    ("Invoice rejected", "REJECT"): 24,
    ("Billable", "DELETE"): 7,
    ("Billable", "JOIN-PAT"): 4,
    ("Released", "MANUAL"): 4,
    ("Billed", "MANUAL"): 3,
    ("Billed", "CODE OK"): 3,
    ("In progress", "DELETE"): 1,
    ("Invoice rejected", "STORNO"): 1,
    ("Released", "DELETE"): 1,
    ("Released", "SET STATUS"): 1,
    ("Unbillable", "DELETE"): 1,
}
REFUSED = {
    "unhandled": {
        ("Invoice rejected", "BILLED"): 30,
        ("Rejected", "BILLED"): 11,
        ("Invoice rejected", "CODE OK"): 1,
        ("Billed", "RELEASE"): 1,
    },
    "guard": {("Invoice rejected", "STORNO"): 9, ("Billed", "BILLED"): 2, ("Billable", "REJECT"): 2},
}
HEADER = b"case_id,activity,resource,timestamp,casetype,closecode,flagd,state"
NONSENSE = {
    b"7,NEW,ResA,2013-01-01 08:00:00,A,,True": "columns: expected 8, found 7",
    b"": "columns: expected 8, found 1",
    b"7,OLD,ResA,2013-01-01 08:00:00,A,,True,": "activity: expected one of NEW, CHANGE DIAGN, ",
    b"7,NEW,ResA,2013-02-30 08:00:00,A,,True,": "timestamp: expected one like 2013-12-31 23:59:59, found '2013-02-30 ",
    b"7,NEW,ResA,1969-12-31 23:59:59,A,,True,": "timestamp: expected one like 2013-12-31 23:59:59, found '1969-12-31 ",
    b"7,NEW,ResA,9999-12-31 23:59:59,A,,True,": "timestamp: expected one like 2013-12-31 23:59:59, found '9999-12-31 ",
    b"7,NEW,ResA,2013-01-01T08:00:00,A,,True,": "timestamp: expected one like 2013-12-31 23:59:59, found '2013-01-01T",
    b"7,NEW,ResA,,A,,True,": "timestamp: expected one like 2013-12-31 23:59:59, found ''",
    b"7,NEW,ResA,2013-01-01 08:00:00,K,,True,": "casetype: expected one of A, B, C, D, E, F, G, H or nothing, ",
    b"7,NEW,ResA,2013-01-01 08:00:00,A,,1,": "flagd: expected one of False, True or nothing, found '1'",
    b"7,FIN,ResA,2013-01-01 08:00:00,,HH,,": "closecode: expected one of A, B, ",
    b"\xff,NEW,ResA,2013-01-01 08:00:00,A,,True,": "'utf-8' codec can't decode byte 0xff",
    b"9" * 4_097: "line: expected at most 4096 bytes, found more: the first 200 are kept",
}
HOUR = 3_600 * 10**9


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example as a module."""
    return load(EXAMPLE)[0]


def run(path: Path, engine: str) -> tuple[dict[str, Any], Any]:
    """The report and the account of a replay, after the checks that hold for every log."""
    report, ingest = replay(EXAMPLE, str(path), engine=engine)
    assert report["rows"] == report["events"] + report["left_out"] + report["parked"]
    assert report["events"] == sum(report["outcomes"].values())
    assert report["outcomes"].get("refused", 0) == sum(report["refusals"].values())
    assert report["instances"] == sum(report["states"].values())
    return report, ingest


def written(path: Path, *lines: bytes) -> str:
    """A log of these lines below the header."""
    path.write_bytes(b"\n".join((HEADER, *lines, b"")))
    return str(path)


# --- the real log ----------------------------------------------------------------------------------------------------


def test_the_flow_follows_the_billing_system(
    example: ModuleType, engine_name: str, shared_data: Callable[[str], Path]
) -> None:
    """It agrees with what was recorded as often as is asked for; all else is listed, what it refuses by reason."""
    found = example.compare(str(shared_data(LOG)), engine_name)
    assert (AGREEING, DIFFERING, REFUSED) == (found.agreeing, found.differing, found.refused)
    refused = sum(sum(counts.values()) for counts in REFUSED.values())
    assert EVENTS == AGREEING + sum(DIFFERING.values()) + refused
    assert AGREEING >= AGREEING_MIN


def test_a_replay_accounts_for_every_row(engine_name: str, shared_data: Callable[[str], Path]) -> None:
    """Each is an event, and the outcomes are those of the comparison."""
    report, ingest = run(shared_data(LOG), engine_name)
    assert (EVENTS, EVENTS, PACKAGES) == (report["rows"], report["events"], report["instances"])
    assert {why: sum(counts.values()) for why, counts in REFUSED.items()} == report["refusals"]
    assert (3, engine_name) == (report["outcomes"]["ignored"], report["engine"])
    # Of 1914 packages of kinds that nobody closes, 9 were deleted and one was billed within 60 h.
    assert {"accepted": 1_904} == ingest.engine.untold


@pytest.mark.native
def test_both_engines_leave_equal_bytes_after_the_log(shared_data: Callable[[str], Path]) -> None:
    """Rows, keys, index and header."""
    memories = []
    for engine in ("native", "mirror"):
        memory = run(shared_data(LOG), engine)[1].engine.memory
        memories.append([bytes(area) for area in (memory.header, memory.rows, memory.keys, memory.index)])
    assert memories[0] == memories[1]


def test_what_was_recorded_is_no_input(example: ModuleType, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """A log that says something else in the column of the state, or has none, gives the same events."""
    whole = [line.split(b",") for line in gzip.decompress(shared_data(LOG).read_bytes()).splitlines()]
    column = whole[0].index(b"state")
    false, less = tmp_path / "false.csv", tmp_path / "less.csv"
    false.write_bytes(b"\n".join(b",".join((*line[:column], b"state", *line[column + 1 :])) for line in whole))
    less.write_bytes(b"\n".join(b",".join((*line[:column], *line[column + 1 :])) for line in whole))
    engine = Engine(example.BillingPackage)
    told = [
        [(*batch.keys, *batch.event_ids, *batch.arguments.flat, *batch.times) for batch in example.events(path, engine)]
        for path in (str(shared_data(LOG)), str(false), str(less))
    ]
    assert told[0] == told[1] == told[2]


def test_a_log_with_nonsense_in_it_loses_nothing(
    engine_name: str, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """Rows in are events plus rows parked with a reason, wherever they stand."""
    seed = 20_151_213
    print(f"seed {seed}")
    generator = random.Random(seed)
    lines = gzip.decompress(shared_data(LOG).read_bytes()).splitlines()
    dirty = [generator.choice([*NONSENSE]) if generator.random() < 0.002 else line for line in lines[1:]]
    path = tmp_path / "dirty.csv"
    path.write_bytes(b"\n".join((lines[0], *dirty)))
    report, ingest = run(path, engine_name)
    assert (EVENTS, 0) == (report["rows"], report["left_out"])
    assert 0 < report["parked"] < 200
    assert {number for number, line in enumerate(dirty, 1) if line in NONSENSE} == {each.row for each in ingest.parked}
    # A package whose opening is nonsense is not known.
    assert {"unhandled", "guard", "unknown_instance"} == set(report["refusals"])


# --- reading a log ---------------------------------------------------------------------------------------------------


def test_rows_that_are_no_events_are_parked_with_a_reason(example: ModuleType, tmp_path: Path) -> None:
    """Each says what was expected in which column, and what was found."""
    good = b"7,NEW,ResA,2013-01-01 08:00:00,A,,True,In progress"
    rows, parked = example.read(written(tmp_path / "log.csv", good, *NONSENSE, good))
    assert (2, len(NONSENSE)) == (len(rows), len(parked))
    for number, (each, line, reason) in enumerate(zip(parked, NONSENSE, NONSENSE.values(), strict=True), 2):
        assert (number, line[:200]) == (each.row, each.content)
        assert each.reason.startswith(reason)


def test_a_log_of_nothing_but_nonsense_has_no_events(tmp_path: Path, engine_name: str) -> None:
    """Its rows are all parked."""
    report, _ = run(Path(written(tmp_path / "log.csv", b"one", b"two")), engine_name)
    assert (2, 0, 2, 0) == (report["rows"], report["events"], report["parked"], report["instances"])


@pytest.mark.parametrize("content", [b"", b"case_id,activity,resource,timestamp,casetype,closecode\n"])
def test_a_log_without_a_column_is_an_error(example: ModuleType, tmp_path: Path, content: bytes) -> None:
    """The message names it."""
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not found: .*flagd"):
        example.read(str(path))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("write", [bytes, gzip.compress])
def test_lines_are_read_plain_or_gzipped(
    example: ModuleType, tmp_path: Path, newline: bytes, write: Callable[[bytes], bytes]
) -> None:
    """With either end, and the last one with none; of one that is too long, little is kept."""
    path = tmp_path / "log"
    path.write_bytes(write(newline.join((b"a,b", b"", b"x" * 4_096, b"x" * 100_000, b"y"))))
    assert [3, 0, 4_096, 1] == [len(line) for line in example.lines(str(path)) if len(line) != 4_098]


def test_events_come_in_order_of_time_and_a_case_never_goes_back(example: ModuleType, tmp_path: Path) -> None:
    """Of two at one time the one that stands first comes first; a case without a name is one."""
    rows, _ = example.read(
        written(
            tmp_path / "log.csv",
            b"QK,NEW,ResA,2013-10-01 09:00:00,A,,True,In progress",
            b"QK,RELEASE,,2013-10-27 02:33:58,,,,Released",
            b"QK,CODE OK,,2013-10-27 02:16:30,,,,",
            b",NEW,ResA,2013-10-27 02:33:58,A,,True,In progress",
            b",FIN,ResA,2013-09-01 09:00:00,,A,,Closed",
            b"QL,NEW,ResA,2013-10-01 08:00:00,A,,True,In progress",
        )
    )
    assert [(2, "NEW"), (0, "NEW"), (0, "RELEASE"), (0, "CODE OK"), (1, "NEW"), (1, "FIN")] == [
        (row.key, row.activity) for row in rows
    ]
    assert 1_382_841_238 * 10**9 == rows[2].time == rows[3].time == rows[5].time


@pytest.mark.parametrize("size", [1, 2, 4096])
def test_batches_are_cut_anywhere(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_name: str, size: int
) -> None:
    """A package is started with its batch, but its time begins with its opening: 60 h later, and not sooner."""
    monkeypatch.setattr(example, "EVENTS_OF_A_BATCH", size)
    path = written(
        tmp_path / "log.csv",
        b"old,NEW,ResA,2013-01-01 08:00:00,A,,True,",
        b"gone,NEW,ResJA,2013-01-09 22:57:00,C,,False,",
        b"gone,DELETE,ResP,2013-01-10 09:00:00,,,,",
        b"kept,NEW,ResJA,2013-01-09 22:58:00,C,,False,",
        b"kept,DELETE,ResP,2013-01-13 09:00:00,,,,",
    )
    ingest = Ingest(Engine(example.BillingPackage, engine=engine_name))
    progress: list[float] = []
    for batch in example.events(path, ingest.engine):
        ingest.take(batch)
        progress.append(batch.progress)
    found = [ingest.engine.state(handle) for handle in ingest.engine.select()]
    assert [("valid", "under_care"), ("cancelled", "under_care"), ("cancelled", "billable")] == [
        (states[2], states[-1]) for states in found
    ]
    assert ({"accepted": 5}, {"accepted": 1}) == (ingest.outcomes(), ingest.engine.untold)
    assert (sorted(progress), 1) == (progress, progress[-1])


def test_the_comparison_is_printed_by_reason(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], engine_name: str
) -> None:
    """What is no package, what is refused, what is elsewhere; a blank state is the one before."""
    path = written(
        tmp_path / "log.csv",
        b"7,NEW,ResA,2013-01-01 08:00:00,A,,True,In progress",
        b"7,FIN,ResA,2013-01-02 08:00:00,,A,,Closed",
        b"7,RELEASE,,2013-01-03 08:00:00,,,,Released",
        b"7,CODE OK,,2013-01-04 08:00:00,,,,",
        b"7,DELETE,,2013-01-05 08:00:00,,,,Released",
        b"7,STORNO,,2013-01-06 08:00:00,,,,Billable",
        b"8,FIN,ResA,2013-01-02 08:00:00,,A,,Closed",
    )
    example.print_comparison(example.compare(path, engine_name))
    assert [
        "4  taken to the state that was recorded",
        "1  taken to another",
        "1  Released, DELETE",
        "1  refused: unknown_instance",
        "1  no package, FIN",
        "1  refused: unhandled",
        "1  Closed, STORNO",
        "0  timers fired besides",
    ] == [line.strip() for line in capsys.readouterr().out.splitlines()]


# --- the flow --------------------------------------------------------------------------------------------------------


USUAL: dict[str, dict[str, str | bool]] = {
    "New": {"kind": "unchanged", "needs_code": False},
    "Close": {"code": "A"},
    "Storno": {"by": "care"},
    "Reject": {"by": "desk"},
}


class Desk:
    """One package, to which things happen."""

    def __init__(self, example: ModuleType, engine: str) -> None:
        self.flow = example.BillingPackage
        self.engine = Engine(self.flow, capacity=1, engine=engine)
        self.package = self.engine.start(0)

    def take(self, *names: str, **arguments: str | bool) -> str:
        """Give events by name, and return the outcome of the last, whose arguments these are."""
        for name in names[:-1]:
            assert "accepted" == self.take(name), name
        event = getattr(self.flow, names[-1])(**{**USUAL.get(names[-1], {}), **arguments})
        label: str = self.engine.send(0, event).outcome.label
        return label

    @property
    def states(self) -> tuple[str, str]:
        """The innermost state on the way to the invoice, and whether the package is valid."""
        states = self.engine.state(self.package)
        return states[-1], states[2] if len(states) > 2 else ""


@pytest.fixture
def desk(example: ModuleType, engine_name: str) -> Desk:
    """A package of kind A that needs a code, just opened."""
    made = Desk(example, engine_name)
    assert "accepted" == made.take("New", kind="A", needs_code=True)
    return made


def test_the_definition_has_nothing_to_report(example: ModuleType) -> None:
    """But that it has no final state, with the reason."""
    assert [("no-final-state", example.NEVER_OVER)] == [(f.rule, f.waived) for f in check(example.BillingPackage)]


@pytest.mark.parametrize(
    ("events", "leaf"),
    [
        ([], "under_care"),
        (["ChangeDiagnosis", "ChangeEnd", "JoinPatient"], "under_care"),
        (["Close"], "closed"),
        (["Close", "Reopen"], "under_care"),
        (["Close", "Release"], "uncoded"),
        (["Close", "Release", "CodeNotOk"], "code_refused"),
        (["Close", "Release", "CodeError"], "code_failed"),
        (["Close", "Release", "CodeNotOk", "CodeOk"], "coded"),
        (["Close", "Release", "CodeOk", "Release"], "uncoded"),
        (["Close", "Release", "CodeOk", "Bill"], "invoiced"),
        (["Close", "Release", "CodeOk", "Bill", "Storno"], "invoice_rejected"),
        (["Close", "Release", "CodeOk", "Bill", "Storno", "Reject"], "billable"),
        (["Close", "Release", "CodeOk", "Bill", "Storno", "Reject", "Bill"], "invoiced"),
    ],
)
def test_a_package_goes_its_way_to_the_invoice(desk: Desk, events: list[str], leaf: str) -> None:
    """Forward, and backward where something was wrong."""
    assert not events or "accepted" == desk.take(*events)
    assert (leaf, "valid") == desk.states


def test_a_package_without_anything_to_bill_is_empty(desk: Desk) -> None:
    """The close code says so; a person may think otherwise."""
    assert ("accepted", ("empty", "valid")) == (desk.take("Close", code="H"), desk.states)
    assert "unhandled" == desk.take("Release")
    assert ("accepted", ("under_care", "valid")) == (desk.take("SetStatus"), desk.states)


@pytest.mark.parametrize("answer", ["Release", "CodeNotOk", "CodeError"])
def test_no_invoice_is_sent_without_a_code(desk: Desk, answer: str) -> None:
    """It may not have come yet, or there is none."""
    assert ("accepted", "unhandled") == (desk.take("Close", "Release", answer), desk.take("Bill"))


def test_a_package_that_needs_no_code_waits_for_none(example: ModuleType, engine_name: str) -> None:
    """It is billed from there."""
    desk = Desk(example, engine_name)
    desk.take("New", kind="F", needs_code=False)
    assert ("accepted", ("exempt", "valid")) == (desk.take("Close", "Release"), desk.states)
    assert ("accepted", ("invoiced", "valid")) == (desk.take("Bill"), desk.states)


def test_an_answer_about_a_package_that_was_reopened_is_ignored(desk: Desk) -> None:
    """It is asked for again."""
    desk.take("Close", "Release", "Reopen")
    assert ("ignored", "ignored", ("under_care", "valid")) == (desk.take("CodeOk"), desk.take("CodeError"), desk.states)


def test_a_second_invoice_is_sent_for_a_second_part_only(desk: Desk, example: ModuleType, engine_name: str) -> None:
    """Else it is refused by its guard."""
    desk.take("Close", "Release", "CodeOk", "Bill")
    assert "guard" == desk.take("Bill")
    twofold = Desk(example, engine_name)
    twofold.take("New", kind="A", needs_code=True)
    assert "accepted" == twofold.take("New", "Close", "Close", "Release", "Release", "CodeOk", "Bill", "Bill")
    assert "accepted" == twofold.take("Storno", "Storno", "Reject", "Reject", "Bill", "Bill")
    assert "accepted" == twofold.take("Storno", by="batch")
    assert ("accepted", ("billable", "valid")) == (twofold.take("Storno", by="unchanged"), twofold.states)


@pytest.mark.parametrize(
    ("storno_by", "cancelled", "reject_by", "rejected"),
    [
        ("batch", "billable", "batch", "billable"),
        ("desk", "invoice_rejected", "unchanged", "billable"),
        ("unchanged", "invoice_rejected", "unchanged", "billable"),
        ("care", "invoice_rejected", "care", "billable"),
        ("care", "invoice_rejected", "unchanged", "rejected"),
    ],
)
def test_what_is_wrong_with_an_invoice_shows_in_who_takes_it_back(
    desk: Desk, storno_by: str, cancelled: str, reject_by: str, rejected: str
) -> None:
    """The batch account corrects; the desk rejects an invoice, and those who gave care the package itself."""
    desk.take("Close", "Release", "CodeOk", "Bill")
    assert ("accepted", (cancelled, "valid")) == (desk.take("Storno", by=storno_by), desk.states)
    # Nobody rejects what is billable.
    assert ("guard" if cancelled == "billable" else "accepted") == desk.take("Reject", by=reject_by)
    assert (rejected, "valid") == desk.states


def test_a_rejected_package_is_not_billed_again_as_it_is(desk: Desk) -> None:
    """It is reopened, or released for another code."""
    desk.take("Close", "Release", "CodeOk", "Bill", "Storno")
    assert ("accepted", "unhandled") == (desk.take("Reject", by="unchanged"), desk.take("Bill"))
    assert ("accepted", ("coded", "valid")) == (desk.take("Release", "CodeOk"), desk.states)


@pytest.mark.parametrize("events", [["Close"], ["Close", "Release", "CodeNotOk"], ["Close", "Release", "CodeOk"]])
def test_an_unbillable_package_goes_back_to_where_it_was(desk: Desk, events: list[str]) -> None:
    """However deep inside."""
    desk.take(*events)
    before = desk.states
    assert ("accepted", ("unbillable", "valid")) == (desk.take("SetStatus"), desk.states)
    assert ("accepted", before) == (desk.take("SetStatus"), desk.states)


@pytest.mark.parametrize(
    ("events", "leaf"),
    [
        (["ChangeDiagnosis"], "under_care"),
        (["Close"], "closed"),
        (["Close", "Release"], "uncoded"),
        (["Close", "Release", "CodeNotOk"], "code_refused"),
        (["Close", "Release", "CodeOk"], "closed"),
        (["Close", "Release", "CodeOk", "Bill", "Storno", "Reject"], "billable"),
        (["Close", "SetStatus"], "unbillable"),
    ],
)
def test_a_deleted_package_keeps_its_state(desk: Desk, events: list[str], leaf: str) -> None:
    """But for a code, which is given back. To delete it again changes nothing."""
    for _ in range(2):
        assert ("accepted", (leaf, "cancelled")) == (desk.take(*events, "Delete"), desk.states)
        events = []


def test_what_is_on_an_invoice_is_not_deleted(desk: Desk) -> None:
    """The invoice must be taken back first."""
    assert ("accepted", "unhandled") == (desk.take("Close", "Release", "CodeOk", "Bill"), desk.take("Delete"))
    assert ("accepted", "unhandled") == (desk.take("Storno"), desk.take("Delete"))


def test_an_invoice_for_a_deleted_package_is_looked_at_by_a_person(desk: Desk) -> None:
    """Also where the package could be billed if it were valid."""
    desk.take("Close", "Release", "CodeOk", "Bill", "Storno", "Reject", "Delete")
    assert ("accepted", ("quarantined", "")) == (desk.take("Bill"), desk.states)


@pytest.mark.parametrize(
    ("events", "leaf"),
    [
        (["Close", "Release", "Manual"], "uncoded"),
        (["Close", "Release", "CodeOk", "Manual"], "closed"),
        (["Close", "Release", "CodeError", "Manual"], "closed"),
        (["Close", "Release", "CodeOk", "Bill", "Manual"], "recoding"),
        (["Close", "Release", "CodeOk", "Bill", "Manual", "CodeOk", "Manual"], "invoiced"),
        (["Close", "Release", "CodeOk", "Bill", "CodeOk", "CodeOk"], "recoded"),
        (["Close", "Release", "CodeOk", "Bill", "CodeOk", "Manual"], "invoiced"),
    ],
)
def test_operations_put_a_package_right_by_hand(desk: Desk, events: list[str], leaf: str) -> None:
    """A code is looked for anew; where there is an invoice, it stands."""
    assert ("accepted", (leaf, "valid")) == (desk.take(*events), desk.states)


@pytest.mark.parametrize(("kind", "leaf"), [("C", "billable"), ("H", "billable"), ("A", "under_care")])
def test_some_kinds_become_billable_by_themselves(example: ModuleType, engine_name: str, kind: str, leaf: str) -> None:
    """60 h after the opening, if nobody deletes them before."""
    desk = Desk(example, engine_name)
    desk.engine.advance(HOUR)
    desk.take("New", kind=kind, needs_code=False)
    assert desk.engine.advance(61 * HOUR - 1) == 0
    before = desk.states
    desk.engine.advance(61 * HOUR)
    assert ("collected" if leaf == "billable" else leaf, leaf) == (before[0], desk.states[0])


def test_a_deleted_package_does_not_become_billable(example: ModuleType, engine_name: str) -> None:
    """Its timer is gone."""
    desk = Desk(example, engine_name)
    desk.take("New", kind="C", needs_code=False)
    assert ("accepted", 0) == (desk.take("Delete"), desk.engine.advance(100 * HOUR))
    assert ("under_care", "cancelled") == desk.states
