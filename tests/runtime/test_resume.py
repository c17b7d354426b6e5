"""A run on a store: killed between any two inputs and taken up again, it leaves what an undisturbed one leaves."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm import Outcome
from fsm.runtime import Batch, Ingest
from fsm.runtime.resume import SourceDiffers
from tests.runtime.cut import Source, run, run_killed
from tests.runtime.sources import CLOSE, FILL, SOURCES, SUBMIT, Order, batch, live, orders, undisturbed


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of the stores goes with the test."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path / "memory"))


@pytest.mark.parametrize("name", SOURCES)
def test_a_run_that_is_killed_before_any_input_leaves_what_an_undisturbed_one_leaves(
    name: str, engine_name: str, tmp_path: Path
) -> None:
    """The same frames, rows and account, wherever the one kill is."""
    expected = undisturbed(tmp_path, name, engine_name)
    for left in range(1_000):
        path = tmp_path / str(left)
        if run(path, *SOURCES[name], engine_name, left) is not None:
            break
        found = run_killed(path, *SOURCES[name], engine_name, [])
        assert expected.left() == found.left(), f"killed after {left} inputs"
        assert (left == 0) == (found.resumed_at is None)
    print(f"{left} places")
    assert left > 5


@pytest.mark.parametrize("name", SOURCES)
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_end(
    name: str, engine_name: str, tmp_path: Path
) -> None:
    """After every single input, after every two, three and four, and after numbers drawn at random."""
    expected = undisturbed(tmp_path, name, engine_name)
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    ways: list[Iterable[int]] = [[each] * 1_000 for each in (2, 3, 4)]
    ways += [[draw.randint(0, 9) for _ in range(20)] for _ in range(10)]
    for number, lives in enumerate(ways):
        found = run_killed(tmp_path / str(number), *SOURCES[name], engine_name, lives)
        assert expected.left() == found.left(), lives


def test_the_account_is_that_of_an_ingest_without_a_store(engine_name: str, tmp_path: Path) -> None:
    """Outcomes of rows and of what is made up, starts, rows left out and parked."""
    stored = undisturbed(tmp_path, "orders", engine_name)
    ingest = Ingest(fsm.Engine(Order, engine=engine_name))
    for each in orders(ingest.engine):
        ingest.take(each)
    rows, made_up = ingest.counts()
    assert [rows.tolist(), made_up.tolist()] == [stored.account.rows.tolist(), stored.account.made_up.tolist()]
    account = ingest.started, ingest.events, ingest.left_out, ingest.parked_count, ingest.made_up, ingest.taken
    last = stored.last
    assert account == (
        stored.account.started, last.events, last.left_out, last.parked, last.made_up, stored.taken
    )  # fmt: skip


def test_what_became_of_timers_is_counted_from_the_journal(engine_name: str, tmp_path: Path) -> None:
    """The same counts as the engine's own."""
    stored = undisturbed(tmp_path, "lapses", engine_name)
    with fsm.open(tmp_path / "undisturbed", engine=engine_name) as engine:
        counted = {each.label: int(stored.account.untold[each]) for each in Outcome if stored.account.untold[each]}
        assert engine.untold == counted != {}


# --- a source that has ended, and others ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_has_ended_is_not_taken_again(name: str, engine_name: str, tmp_path: Path) -> None:
    """The same account, no frame more."""
    first = undisturbed(tmp_path, name, engine_name)
    again = undisturbed(tmp_path, name, engine_name)
    assert first.left() == again.left()
    assert (0, first.sequence) == (again.taken, again.resumed_at)


def test_another_source_goes_on_with_the_instances_that_are_there(engine_name: str, tmp_path: Path) -> None:
    """With an account of its own; afterwards each of the two is known, and neither is taken again."""

    def more(engine: Any) -> Iterable[Batch]:
        yield batch(left_out=1)
        yield batch((7, FILL, 5), (10, SUBMIT, 5))

    first = run(tmp_path / "store", Order, orders, engine_name)
    second = run(tmp_path / "store", Order, more, engine_name)
    assert first is not None and second is not None
    assert (None, 2, 1, 2, 2) == (
        second.resumed_at, second.taken, second.account.started, second.last.events, second.last.source
    )  # fmt: skip
    assert [0, 1] == [int(second.account.rows[each]) for each in (Outcome.IGNORED, Outcome.ENDED)]
    for source, before in ((orders, first), (more, second)):
        again = run(tmp_path / "store", Order, source, engine_name)
        assert again is not None
        assert (0, second.sequence, before.last) == (again.taken, again.sequence, again.last)
        assert before.account.rows.tolist() == again.account.rows.tolist()


@pytest.mark.parametrize("left", range(7))
def test_a_second_source_is_taken_up_as_well(left: int, engine_name: str, tmp_path: Path) -> None:
    """Wherever it was killed."""

    def more(engine: Any) -> Iterable[Batch]:
        yield batch((7, FILL, 5), (10, SUBMIT, 5), (10, FILL, 5))

    ends = []
    for number, lives in enumerate(([], [left])):
        run(tmp_path / str(number), Order, orders, engine_name)
        ends.append(run_killed(tmp_path / str(number), Order, more, engine_name, lives).left())
    assert ends[0] == ends[1]


def changed(*batches: int) -> Source:
    """The orders, with a quantity changed in some batches."""

    def source(engine: Any) -> Iterable[Batch]:
        for number, each in enumerate(orders(engine)):
            if number in batches:
                each.arguments[0, 0] += 1
            yield each

    return source


def short(engine: Any) -> Iterable[Batch]:
    """The orders, cut off."""
    yield from list(orders(engine))[:2]


def long(engine: Any) -> Iterable[Batch]:
    """The orders, and one more."""
    yield from orders(engine)
    yield batch((11, SUBMIT, 5))


@pytest.mark.parametrize(
    ("source", "message"), [(changed(1), "something else"), (changed(4), "something else"), (short, "with more of it")]
)
def test_a_source_that_differs_from_what_was_taken_is_an_error(
    source: Source, message: str, engine_name: str, tmp_path: Path
) -> None:
    """Where a batch was changed, or where it ends too early; nothing is taken from it."""
    assert run(tmp_path / "store", Order, orders, engine_name, 25) is None
    with fsm.open(tmp_path / "store", engine=engine_name) as engine:
        before = engine.sequence
    with pytest.raises(SourceDiffers, match=message):
        run(tmp_path / "store", Order, source, engine_name)
    with fsm.open(tmp_path / "store", engine=engine_name) as engine:
        assert before == engine.sequence


@pytest.mark.parametrize(
    ("source", "message"), [(changed(4), "something else"), (short, "with more of it"), (long, "something else")]
)
def test_a_source_that_begins_as_one_that_has_ended_must_go_on_like_it(
    source: Source, message: str, engine_name: str, tmp_path: Path
) -> None:
    """Else rows would be doubled: a file that has grown is not another one."""
    undisturbed(tmp_path, "orders", engine_name)
    with pytest.raises(SourceDiffers, match=message):
        run(tmp_path / "undisturbed", Order, source, engine_name)


def test_a_source_without_events_ends_once(engine_name: str, tmp_path: Path) -> None:
    """Rows that are left out are counted, and no batch at all is a source too."""
    for name, source in {"rows": lambda engine: [batch(left_out=3)], "nothing": lambda engine: [batch()]}.items():
        first, again = (run(tmp_path / name, Order, source, engine_name) for _ in range(2))
        assert first is not None and again is not None
        assert (first.left(), first.sequence) == (again.left(), again.sequence)
        assert (3 * (name == "rows"), 0) == (again.last.left_out, again.last.events)


# --- what a source makes up -------------------------------------------------------------------------------------------


def test_a_batch_that_is_made_up_anew_is_taken_as_it_stands(engine_name: str, tmp_path: Path) -> None:
    """Its events are neither those that were recorded nor as many as are missing: all of them are accounted for."""

    def source(engine: Any) -> Iterable[Batch]:
        yield batch(*((key, SUBMIT, 1) for key in range(6)))
        yield Batch(None, CLOSE, instances=live(engine)[: 2 + len(live(engine)) // 2], made_up=True)

    assert run(tmp_path / "store", Order, source, engine_name, 1 + 12 + 1 + 2) is None
    ended = run(tmp_path / "store", Order, source, engine_name)
    assert ended is not None
    assert (2 + 4, 6) == (ended.last.made_up, int(ended.account.made_up[Outcome.ACCEPTED]))


def test_a_batch_that_is_made_up_the_same_again_is_taken_once(engine_name: str, tmp_path: Path) -> None:
    """Also where its events were refused, so that the engine's state tells nothing."""

    def source(engine: Any) -> Iterable[Batch]:
        yield batch((1, SUBMIT, 1), (2, SUBMIT, 1))
        yield batch((1, FILL, 7), (2, FILL, 7), (1, FILL, 8), made_up=True)
        yield batch((2, FILL, 7), (1, FILL, 1), made_up=True)

    expected = run(tmp_path / "undisturbed", Order, source, engine_name)
    assert expected is not None
    for left in range(14):
        found = run_killed(tmp_path / str(left), Order, source, engine_name, [left])
        assert expected.left() == found.left(), left
