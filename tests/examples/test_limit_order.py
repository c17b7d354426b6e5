"""The example on real days, on days with nonsense in them, and on a day that it makes up itself."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fsm.runtime.ingest import PARKED_KEPT_MAX
from fsm.tools.load import load
from fsm.tools.replay import replay
from tests.conftest import ROOT

EXAMPLE = str(ROOT / "examples/limit_order.py")
LINE_BYTES_MAX, SHOWN_BYTES = 4096, 200
DAYS = {
    "AAPL_2012-06-21_34200000_37800000_message_50.csv.gz": {
        "instances": 44_256,
        "states": {"filled": 2_944, "cancelled": 40_786, "part_cancelled": 146, "closed": 380},
        "refusals": {"unknown_instance": 84},
        "left_out": 2_201,
        "rows": 91_997,
    },
    "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz": {
        "instances": 27_845,
        "states": {"filled": 4_234, "cancelled": 13_599, "part_cancelled": 244, "closed": 9_768},
        "refusals": {"unknown_instance": 7_467},
        "left_out": 2_445,
        "rows": 57_515,
    },
}
NONSENSE = [
    b"34200.5,9,17,100,5850000,1",  # a type that does not exist
    b"34200.5,1,17,-100,5850000,1",  # a negative size: an event, which the flow refuses
    b"34200.5,4,17,9223372036854775807,5850000,1",  # an enormous size: as well
    b"34200.5,1,17,9223372036854775808,5850000,1",  # one more, which no int64 holds
    b"34200.5,one,17,100,5850000,1",
    b"34200.5,1,17",
    b"\x00\xff\x1f\x8b,\xfe",
    b"",
    b"nan,1,17,100,5850000,1",
    b"34200.5,1,17,100,5850000,1,1",
    b"34200.5,1,17," + b"9" * 4_000 + b",5850000,1",
    b"34200.5,1,17," + b"9" * 10_000 + b",5850000,1",
]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example as a module."""
    return load(EXAMPLE)[0]


def run(path: Path, engine: str | None = None) -> tuple[dict[str, Any], Any]:
    """The report and the account of a replay, after the checks that hold for every day."""
    report, ingest = replay(EXAMPLE, str(path), engine=engine)
    assert report["rows"] == report["events"] + report["left_out"] + report["parked"]
    assert report["events"] == sum(report["outcomes"].values())
    assert report["outcomes"].get("refused", 0) == sum(report["refusals"].values())
    assert report["instances"] == sum(report["states"].values())
    return report, ingest


def with_nonsense(lines: list[bytes], seed: int) -> list[bytes]:
    """The lines with one in a thousand made nonsense."""
    print(f"seed {seed}")
    generator = random.Random(seed)
    return [generator.choice(NONSENSE) if generator.random() < 0.001 else line for line in lines]


@pytest.mark.parametrize("name", DAYS)
def test_a_real_day_ends_as_it_did(name: str, engine_name: str, shared_data: Callable[[str], Path]) -> None:
    """Every order ends where the venue's messages leave it, and nothing but orphans is refused."""
    report, _ = run(shared_data("lobster") / name, engine_name)
    assert DAYS[name] == {key: report[key] for key in DAYS[name]}
    assert (0, engine_name) == (report["parked"], report["engine"])
    assert {"accepted": DAYS[name]["states"]["closed"]} == report["made_up"]["outcomes"]


@pytest.mark.native
@pytest.mark.parametrize("name", DAYS)
def test_both_engines_leave_equal_bytes_after_a_real_day(name: str, shared_data: Callable[[str], Path]) -> None:
    """Rows, keys, index and header."""
    memories = []
    for engine in ("native", "mirror"):
        memory = run(shared_data("lobster") / name, engine)[1].engine.memory
        memories.append([bytes(area) for area in (memory.header, memory.rows, memory.keys, memory.index)])
    assert memories[0] == memories[1]


@pytest.mark.parametrize("name", DAYS)
def test_a_real_day_with_nonsense_in_it_loses_nothing(
    name: str, engine_name: str, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """Rows in are events plus rows left out plus rows parked with a reason, and refusals have reasons."""
    lines = gzip.decompress((shared_data("lobster") / name).read_bytes()).splitlines()
    dirty = with_nonsense(lines, seed=sum(name.encode()))
    path = tmp_path / "dirty.csv"
    path.write_bytes(b"\n".join(dirty))
    report, ingest = run(path, engine_name)
    assert len(lines) == report["rows"]
    assert 0 < report["parked"] < 200
    kept = {parked.row: parked.content for parked in ingest.parked if parked.reason}
    whole = {row: line if len(line) <= LINE_BYTES_MAX else line[:SHOWN_BYTES] for row, line in enumerate(dirty, 1)}
    assert {row: whole[row] for row in kept} == kept
    assert report["parked"] == len(kept)
    assert {"unknown_instance"} < set(report["refusals"])


def test_rows_that_are_no_messages_are_parked_with_a_reason(example: ModuleType) -> None:
    """Each names its column, what was expected and what was found."""
    rows, parked = example.parse(b"\n".join(NONSENSE) + b"\n", 1)
    assert [-100, (1 << 63) - 1] == rows[:, 3].tolist()
    assert [
        "type: expected 1, 2, 3, 4, 5 or 7, found 9",
        "size: expected an integer of 64 bits, found '9223372036854775808'",
        "type: expected an integer of 64 bits, found 'one'",
        "columns: expected 6, found 3",
        "columns: expected 6, found 2",
        "columns: expected 6, found 1",
        "time: expected seconds after midnight, found 'nan'",
        "columns: expected 6, found 7",
        f"size: expected an integer of 64 bits, found '{'9' * 40}'...",
        "line: expected at most 4096 bytes, found more: the first 200 are kept",
    ] == [each.reason for each in parked]
    assert [1, 4, 5, 6, 7, 8, 9, 10, 11, 12] == [each.row for each in parked]
    assert (NONSENSE[-2], NONSENSE[-1][:200]) == (parked[-2].content, parked[-1].content)


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        (b"0", 0),
        (b"34200.004241176", 34_200_004_241_176),
        (b"35821.088778456004", 35_821_088_778_456),
        (b"86399.999999999", 86_399_999_999_999),
        (b"86400", None),
        (b"-1", None),
        (b"1e3", None),
    ],
)
def test_times_are_read_to_the_nanosecond(example: ModuleType, time: bytes, nanoseconds: int | None) -> None:
    """On the fast way and, with an order id of 16 digits, on the slow way."""
    for order in (b"1", b"1000000000000000"):
        rows, parked = example.parse(time + b",1," + order + b",100,5850000,1\n", 1)
        assert ([nanoseconds] if nanoseconds is not None else []) == rows[:, 0].tolist()
        assert (nanoseconds is None) == (len(parked) == 1)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 20])
def test_blocks_are_whole_lines_wherever_they_are_cut(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newline: bytes, block_bytes: int
) -> None:
    """Plain or gzipped, with either newline, with the last line ended or not."""
    monkeypatch.setattr(example, "BLOCK_BYTES", block_bytes)
    lines = [b"34200.%d,1,%d,100,5850000,1" % (each, each) for each in range(20)]
    for write in (bytes, gzip.compress):
        for end in (b"", newline):
            path = tmp_path / "day"
            path.write_bytes(write(newline.join(lines) + end))
            found = list(example.blocks(str(path)))
            assert b"".join(line + b"\n" for line in lines) == b"".join(block for _, block, _ in found)
            assert [1 + b"".join(b for _, b, _ in found[:at]).count(b"\n") for at in range(len(found))] == [
                row for row, _, _ in found
            ]


def test_blocks_tell_how_far_the_file_is_read(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From above 0 to 1, in bytes of the file as it lies there; a pipe cannot tell."""
    monkeypatch.setattr(example, "BLOCK_BYTES", 1000)
    data = b"34200.1,1,7,100,5850000,1\n" * 1000
    for write in (bytes, gzip.compress):
        path = tmp_path / "day"
        path.write_bytes(write(data))
        shares = [share for _, _, share in example.blocks(str(path))]
        assert (sorted(shares), 1) == (shares, shares[-1])
    reader, writer = os.pipe()
    with open(writer, "wb") as pipe:
        pipe.write(data[:260])
    assert [(1, data[:260], None)] == list(example.blocks(f"/dev/fd/{reader}"))
    os.close(reader)


@pytest.mark.parametrize("block_bytes", [1, 5000, 1 << 16])
@pytest.mark.parametrize("filling", [b"0", b"\x00", b"\r"])
def test_a_line_without_an_end_is_one_parked_row(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filling: bytes, block_bytes: int
) -> None:
    """Between two good ones; no more of it is held than a block and the longest line."""
    monkeypatch.setattr(example, "BLOCK_BYTES", block_bytes)
    good = b"34200.1,1,7,100,5850000,1\n"
    path = tmp_path / "day.csv"
    path.write_bytes(good + filling * 20_000 + b"\n" + good + filling * 20_000)
    found = list(example.blocks(str(path)))
    assert max(len(block) for _, block, _ in found) <= block_bytes + LINE_BYTES_MAX + 3
    batches = [example.parse(block, row) for row, block, _ in found]
    assert (2, [2, 4]) == (
        sum(len(rows) for rows, _ in batches),
        [each.row for _, parked in batches for each in parked],
    )
    assert {("line", filling * SHOWN_BYTES)} == {
        (each.reason.split(":")[0], each.content) for _, parked in batches for each in parked
    }


def test_the_parked_rows_in_memory_are_few_and_the_count_is_whole(tmp_path: Path) -> None:
    """A file of nothing but nonsense does not grow the process row by row."""
    path = tmp_path / "day.csv"
    path.write_bytes(b"\n" * 3 * PARKED_KEPT_MAX)
    report, ingest = run(path, "mirror")
    assert (3 * PARKED_KEPT_MAX, PARKED_KEPT_MAX) == (report["parked"], len(ingest.parked))


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_real_data_that_is_absent_fails_in_ci_and_is_skipped_elsewhere(
    shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    """Where it is skipped, the summary says which set is missing."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-set"):
        shared_data("no-such-set")


def test_the_made_up_day_is_the_same_every_time(example: ModuleType, tmp_path: Path) -> None:
    """And another one with another seed."""
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        example.generate(tmp_path / name, events=2_000, seed=seed)
    days = [(tmp_path / name).read_bytes() for name in "abc"]
    assert (True, False) == (days[0] == days[1], days[0] == days[2])


def test_the_made_up_day_holds_the_faults_that_it_states(example: ModuleType, tmp_path: Path, engine_name: str) -> None:
    """Orphans, overfills, late cancels and late fills come in their shares."""
    count = 40_000
    example.generate(tmp_path / "day.csv", events=count)
    report, _ = run(tmp_path / "day.csv", engine_name)
    shares = {
        "unknown_instance": example.SHARE_ORPHAN,
        "guard": example.SHARE_OVERFILL,
        "ended": example.SHARE_LATE_CANCEL,
    }
    assert (count, 0) == (report["rows"], report["parked"])
    assert set(shares) == set(report["refusals"])
    for reason, share in shares.items():
        assert 0.5 * share * count < report["refusals"][reason] < 1.5 * share * count
    assert 0.5 * example.SHARE_LATE_FILL * count < report["states"]["quarantined"]
    assert {"filled", "cancelled", "part_cancelled", "closed", "quarantined"} == set(report["states"])


def test_a_refused_submission_is_not_closed(tmp_path: Path, engine_name: str) -> None:
    """It never was live: it stays where it was refused."""
    path = tmp_path / "day.csv"
    path.write_bytes(b"34200.1,1,7,-5,5850000,1\n34200.2,1,8,5,5850000,-1\n")
    report, ingest = run(path, engine_name)
    assert {"new": 1, "closed": 1} == report["states"]
    assert {"guard": 1} == report["refusals"]
    assert "sell" == ingest.engine.fields(ingest.engine.find(8))["side"]
