"""Random programs, straight into tables: every instruction with every operand, also those that no flow needs today.

instructions ──tables.build──▶ Tables ──random words, times──▶ native ─┐
                                                           └──▶ mirror ─┴─ outcomes and bytes equal
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st

from fsm.layout import INT64_MAX, INT64_MIN, ROW_FIELDS, Cell, Opcode, Outcome, Rounding
from fsm.tables import Tables
from fsm.testing.kinds import NEAR, Draw, between, chance, pick, word
from tests.differential.pair import Pair, Raised
from tests.differential.profiles import TIMEOUT, effort, seeds
from tests.differential.programs import EVENTS, Shape, instruction, random_tables, tables_of

pytestmark = [pytest.mark.native, pytest.mark.timeout(TIMEOUT)]
FLAT = Shape(field_count=1)
WAITS = (*NEAR, -5, 1 << 30, 1 << 32, 3_037_000_500)


def run(draw: Draw, tables: Tables) -> Counter[str]:
    """Events and times for two instances; what came of them."""
    pair = Pair(tables, capacity=2)
    handles = [pair.call("start", key) for key in ("one", 2)]
    handles = [handle for handle in handles if not isinstance(handle, Raised)]
    outcomes: Counter[str] = Counter()
    now_ns = 0
    for _ in range(between(draw, 4, 12) if handles else 0):
        if tables.timer_slots and chance(draw, 50):
            now_ns = min(max(now_ns + pick(draw, WAITS), 0), INT64_MAX)
            pair.call("advance", now_ns)
        words = [word(draw, 60) for _ in range(draw(7))]
        outcomes[Outcome(pair.call("step", pick(draw, handles), draw(EVENTS), *words)).label] += 1
    outcomes.update(pair.do(lambda engine: engine.untold))
    pair.close()
    return outcomes


@effort(150)
@given(st.data())
def test_every_instruction_does_the_same_on_both_engines(data: st.DataObject) -> None:
    """Any program on any words at any time: equal outcomes, equal bytes, equal places of faults."""

    def draw(count: int) -> int:
        return int(data.draw(st.integers(0, count - 1)))

    tables = random_tables(draw)
    note("\n".join(f"{code & 0xFF:3} {code >> 16 & 0xFFFF} {code >> 32 & 0xFFFF} {code >> 48}" for code in tables.code))
    for outcome in run(draw, tables):
        event(outcome)


def test_programs_by_the_thousand_do_the_same_and_reach_every_instruction_and_outcome() -> None:
    """The same from seeds; what is never made is never compared."""
    opcodes: Counter[int] = Counter()
    outcomes: Counter[str] = Counter()
    for seed in seeds(1500):
        draw = Random(seed).randrange
        tables = random_tables(draw)
        opcodes.update(code & 0xFF for code in tables.code)
        try:
            outcomes.update(run(draw, tables))
        except AssertionError as error:
            error.add_note(f"FSM_SEED={seed}")
            raise
    assert {*Opcode} == {Opcode(code) for code in opcodes}
    assert {
        "accepted", "ignored", "deferred", "guard", "unhandled", "overflow", "division", "bound", "deferral_full",
    } == set(outcomes)  # fmt: skip


@pytest.mark.parametrize("mode", list(Rounding))
@pytest.mark.parametrize("divisor", [1, -1, 2, -2, 3, -3, 4, INT64_MIN, INT64_MAX])
def test_a_wide_quotient_is_rounded_alike(mode: Rounding, divisor: int) -> None:
    """All roundings at and around the half and the edges of an int64, with both signs."""
    divide = [
        instruction(Opcode.WIDEN, 0, 8, 9),
        instruction(Opcode.DIVIDE, ROW_FIELDS, 10, 0, mode),
        instruction(Opcode.STAY),
    ]
    pair = Pair(tables_of(FLAT, divide, [Cell.PROGRAM] * 4, initial=[0]), capacity=1)
    handle = pair.call("start", "one")
    for first in (0, 1, -1, 5, -5, 6, -6, 7, -7, INT64_MAX, INT64_MIN):
        for second in (1, -1, INT64_MIN, divisor):
            pair.call("step", handle, 0, first, second, divisor)
    pair.close()


@pytest.mark.parametrize("dividend", [0, 1, -1, 5, -5, 6, INT64_MAX, INT64_MIN])
@pytest.mark.parametrize("divisor", [1, -1, 2, -2, 3, -3, INT64_MAX, INT64_MIN])
def test_a_remainder_has_the_sign_of_the_divisor(dividend: int, divisor: int) -> None:
    """Python's remainder, on both engines, even where C has none."""
    code = [instruction(Opcode.MODULO, ROW_FIELDS, 8, 9), instruction(Opcode.STAY)]
    pair = Pair(tables_of(FLAT, code, [Cell.PROGRAM] * 4, initial=[0]), capacity=1)
    handle = pair.call("start", "one")
    assert Outcome.ACCEPTED == pair.call("step", handle, 0, dividend, divisor)
    assert dividend % divisor == pair.row(handle)[ROW_FIELDS]
    pair.close()
