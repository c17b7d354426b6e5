"""One bit of one file is another one, or a file is cut: nothing crashes, and no wrong answer is called right.

    every place ──sample, or all with FSM_DAMAGE=full──▶ a process that opens, reads and uses the store
        ──▶ told: a clear error    same: every answer as before    verify: it reports a problem    excused: see EXCUSED

What a place comes to is judged in a process of its own, in batches: one that dies names the place that killed it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.layout import HEADER_FIELDS
from tests.conftest import ROOT
from tests.crash import damage

FULL = os.environ.get("FSM_DAMAGE", "") == "full"
SAMPLE = 250
BATCH = 2000
SEED = int(os.environ.get("FSM_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


def word_of(place: damage.Place) -> int:
    """The word that a bit is in."""
    return place[2] // 64


def is_word(*names: str) -> Callable[[damage.Place], bool]:
    """Whether a place is a bit of a word of the header."""
    words = {HEADER_FIELDS[name] for name in names}
    return lambda place: place[0].endswith("/header") and place[1] == "bit" and word_of(place) in words


EXCUSED: list[tuple[str, Callable[[damage.Place], bool]]] = [
    (
        "`advance` moves the clock without a frame where nothing is due, so a later time is one as well",
        is_word("now_ns"),
    ),
    ("a growth that was killed leaves longer files, so a smaller capacity is one as well", is_word("capacity")),
    (
        "tables whose checksum was computed anew are other tables: their code and names are checked to be some, "
        "and the fingerprint is that of the chart alone, which the compiler is not asked for again",
        lambda place: place[0].endswith(".tables") and place[1] == "bit" and place[3],
    ),
    (
        "a frame above `applied` whose checksum was computed anew is a frame: nothing else tells of it yet",
        lambda place: place[0].endswith("/ring") and place[1] == "bit" and place[3],
    ),
]
"""Places where a wrong answer cannot be told from a right one, and why."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store whose writer was killed within its last step, and its memory beside it."""
    folder = tmp_path_factory.mktemp("damage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSM_MEMORY_DIR", str(folder))
        command(folder / "store", "make")
        yield folder / "store"


def command(store: Path, what: str, *more: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`damage.py` on the store."""
    program = f"import sys; sys.path.append({str(ROOT)!r}); from tests.crash import damage; damage.main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, what, str(store), *more], input=given, capture_output=True, text=True
    )
    assert done.returncode == 0 or what == "try", done.stderr
    return done


def every_place(baseline: damage.Baseline) -> list[damage.Place]:
    """Each bit, with its checksum as it was and computed anew, and each length, of each file."""
    places: list[damage.Place] = []
    for name, data in baseline.files.items():
        places += [(name, "bit", bit, anew) for bit in range(len(data) * 8) for anew in (False, True)]
        places += [(name, "cut", size, False) for size in range(len(data))]
    return places


def chosen(baseline: damage.Baseline, draw: random.Random) -> list[damage.Place]:
    """All of them, or as many of each file: most bytes are of the journal and the tables."""
    places = every_place(baseline)
    if FULL:
        return places
    groups: dict[tuple[str, str, bool], list[damage.Place]] = {}
    for place in places:
        groups.setdefault((place[0], place[1], place[3]), []).append(place)
    share = max(SAMPLE // len(groups), 1)
    return [place for group in groups.values() for place in draw.sample(group, min(share, len(group)))]


def verdicts(store: Path, engine_name: str, places: list[damage.Place]) -> Iterator[tuple[damage.Place, str]]:
    """What each place comes to; a process that dies in one of them is a verdict too."""
    while places:
        batch = places[:BATCH]
        done = command(store, "try", engine_name, given="\n".join(map(json.dumps, batch)))
        lines: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
        for tried, verdict in zip(lines[::2], lines[1::2], strict=False):
            yield tuple(tried), verdict
        if done.returncode == 0:
            assert len(lines) == 2 * len(batch)
        elif len(lines) % 2:
            yield tuple(lines[-1]), f"crashed with {done.returncode}: {done.stderr[-300:]}"
        else:
            pytest.fail(f"nothing could be tried: {done.stderr[-2000:]}")
        places = places[(len(lines) + 1) // 2 :]


def excuse(place: damage.Place, verdict: str) -> str | None:
    """Why a wrong answer is none that could be told, or None."""
    if not verdict.startswith("wrong"):
        return None
    return next((reason for reason, holds in EXCUSED if holds(place)), None)


@pytest.mark.timeout(0 if FULL else 300)
def test_damage_is_told_or_harmless(store: Path, engine_name: str) -> None:
    """Wherever it is: no crash, no strange exception, and no wrong answer without a word of it."""
    print(f"seed {SEED}")
    baseline = damage.Baseline(store)
    counts: Counter[str] = Counter()
    failures = []
    for place, verdict in verdicts(store, engine_name, chosen(baseline, random.Random(SEED))):
        kind = "excused" if excuse(place, verdict) else verdict.partition(":")[0]
        counts[f"{Path(place[0]).name} {place[1]} {kind}"] += 1
        if kind not in ("told", "same", "verify", "excused"):
            failures.append(f"{place}: {verdict}")
    print("\n".join(f"{count:7} {name}" for name, count in sorted(counts.items())))
    assert not failures, f"seed {SEED}\n" + "\n".join(failures[:20])
    assert {name.rpartition("/")[2] for name, data in baseline.files.items() if data} == {
        name.partition(" ")[0] for name in counts
    }


@pytest.mark.parametrize(
    "name", ["lock", "superblock", "tables", "journal", "header", "rows", "keys", "ring", "index-0"]
)
def test_a_file_that_was_taken_away_is_told(store: Path, engine_name: str, name: str) -> None:
    """By its name: opening it is refused, and nothing else is touched."""
    baseline = damage.Baseline(store)
    for path in [*store.parent.rglob(f"{name}/*"), *store.parent.rglob(name)]:
        if path.is_file():
            path.unlink()
    done = command(store, "open", engine_name)
    baseline.restore()
    assert done.stdout.strip() in ("StoreError", "CorruptStore")
