"""Hostile tables: whatever bytes come, an error that says where, or tables that run safely and alike on both engines.

`FSM_HOSTILE` multiplies the work: 1 by default, for a minute; 20 for a night.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from fsm.compile import compile
from fsm.errors import CorruptTables
from fsm.tables import Tables
from tests.compile.charts import INTEGER, argument, chart, constant, event, less, limit_order, on, set_, state
from tests.compile.random_charts import emitted
from tests.compile.statecharts import whole
from tests.conftest import ENGINES
from tests.tables.hostile import (
    Judge,
    coded,
    edited,
    emitted_statechart,
    exercise,
    flipped,
    replaced,
    resealed,
    shuffled,
)

AMOUNT = int(os.environ.get("FSM_HOSTILE", "1"))


def tiny() -> Tables:
    """The smallest flow with a guard and an action: each bit of it can be tried."""
    from fsm.define.chart import Field, Place, StateKind

    size = argument("Go", "size")
    return compile(
        chart(
            states=[state("a", initial=True), state("z", StateKind.FINAL)],
            events=[event("Go", ("size", INTEGER))],
            fields=[Field("total", INTEGER, 0, Place("f", 1))],
            transitions=[on("a", "Go", less(constant(0), size), (set_("total", size),), "z")],
        )
    )


def samples() -> list[Tables]:
    """Tables of every kind: tiny, the documentation's orders, and random ones with every instruction."""
    return [tiny(), compile(limit_order()), emitted(1), emitted(2), compile(whole()), emitted_statechart(3)]


@pytest.fixture(scope="module")
def valid() -> list[bytes]:
    """The bytes that are damaged."""
    return [tables.to_bytes() for tables in samples()]


def judged(data: bytes) -> Judge:
    """A judge that does not run again what the original does."""
    return Judge(Tables.from_bytes(data), ENGINES)


def test_valid_tables_run_alike_on_both_engines() -> None:
    """The undamaged ones, for the start."""
    for tables in samples():
        exercise(tables, ENGINES, 300)


@pytest.mark.parametrize("sample", range(2))
def test_every_flipped_bit_is_noticed(valid: list[bytes], sample: int) -> None:
    """Under the checksum, no single bit gets through, wherever it stands."""
    judge = judged(valid[sample])
    for mutant in flipped(valid[sample]):
        judge.take(mutant)
    assert (8 * len(valid[sample]), 0) == (judge.refused, judge.accepted)


@pytest.mark.parametrize("sample", range(6))
@pytest.mark.parametrize("finish", [bytes, resealed])
def test_every_truncation_is_noticed(valid: list[bytes], sample: int, finish: object) -> None:
    """Also with a checksum that agrees: the header says how long the file is."""
    assert callable(finish)
    judge = judged(valid[sample])
    for length in range(len(valid[sample])):
        judge.take(finish(valid[sample][:length]))
    assert 0 == judge.accepted


def test_random_bytes_are_no_tables() -> None:
    """Of any length, also behind a valid beginning."""
    random = Random(3)
    head = tiny().to_bytes()
    for _ in range(2000 * AMOUNT):
        junk = random.randbytes(random.randrange(3000))
        for data in (junk, head[: random.randrange(500)] + junk, resealed(head[:16] + junk)):
            with pytest.raises(CorruptTables):
                Tables.from_bytes(data)


def test_every_flipped_bit_under_a_new_checksum_is_refused_or_harmless(valid: list[bytes]) -> None:
    """With the fingerprint computed anew as well, so that the chart may differ too."""
    judge = judged(valid[0])
    for mutant in flipped(valid[0]):
        judge.take(resealed(mutant))
    assert judge.refused > 1000 and judge.accepted > 100 and judge.ran > 20


@pytest.mark.parametrize("sample", [0, 1, 4])
def test_every_byte_at_its_ends_under_a_new_checksum_is_refused_or_harmless(valid: list[bytes], sample: int) -> None:
    """Zero, the largest, and the sign."""
    judge = judged(valid[sample])
    for mutant in replaced(valid[sample]):
        judge.take(resealed(mutant))
    assert judge.refused > 1000 and judge.accepted > 100


@pytest.mark.parametrize("sample", range(6))
@pytest.mark.parametrize(("way", "count"), [(edited, 1200), (coded, 3500), (shuffled, 600)])
def test_words_and_sections_under_a_new_checksum_are_refused_or_harmless(
    valid: list[bytes], sample: int, way: object, count: int
) -> None:
    """Indexes at their ends, plausible instructions, sections in each other's places."""
    assert callable(way)
    judge = judged(valid[sample])
    for mutant in way(valid[sample], Random(sample), count * AMOUNT):
        judge.take(resealed(mutant))
    assert judge.refused > 0
    assert way is not coded or judge.ran > 50


def test_the_error_says_where(valid: list[bytes]) -> None:
    """Offset and reason are attributes, and stand in the message."""
    with pytest.raises(CorruptTables) as caught:
        Tables.from_bytes(valid[0][:-1])
    assert (16, True) == (caught.value.offset, "bytes" in caught.value.reason)
    assert caught.value.reason in str(caught.value)
