"""Each thing that tables must hold: one word changed, and the reason names it."""

from __future__ import annotations

from struct import calcsize, pack_into

import pytest

from fsm.compile import compile
from fsm.errors import CorruptTables
from fsm.layout import ENGINE_REGISTERS, Cell, Opcode, Outcome, Trigger
from fsm.tables import ENTRY, SECTIONS, Tables
from tests.compile.charts import limit_order
from tests.compile.statecharts import whole
from tests.tables.hostile import entry_at, resealed

VALID = compile(limit_order()).to_bytes()
WHOLE = compile(whole()).to_bytes()
"""Timers in words 6 and 7, deferral behind them, a done trigger and eventless transitions."""
FAR = 1 << 20


def with_word(section: str, index: int, value: int, valid: bytes = VALID) -> bytes:
    """The orders of the documentation with one word of a section changed, under seals that agree."""
    changed = bytearray(valid)
    typecode = SECTIONS[section][0]
    offset, size = ENTRY.unpack_from(valid, entry_at(section))
    index %= size // calcsize(f"<{typecode}")
    pack_into(f"<{typecode}", changed, offset + index * calcsize(f"<{typecode}"), value)
    return resealed(bytes(changed))


def in_header(code: str, at: int, value: int, valid: bytes = VALID) -> bytes:
    """The same with a word of the header changed."""
    changed = bytearray(valid)
    pack_into(code, changed, at, value)
    return resealed(bytes(changed))


def word(opcode: int, a: int = 0, b: int = 0, c: int = 0, mode: int = 0) -> int:
    """An instruction."""
    return opcode | mode << 8 | a << 16 | b << 32 | c << 48


CASES = {
    "rows of odd size": (in_header("<I", 24, 9), "rows of 9 words"),
    "too many temporaries": (in_header("<I", 28, 2000), "2000 temporaries"),
    "more registers than operands name": (in_header("<I", 28, 0xFFFF), "registers"),
    "initial configuration": (in_header("<I", 64, 6), "the initial one is 6"),
    "name of the flow": (in_header("<I", 72, FAR), "no string"),
    "cell to nowhere": (with_word("cells", 0, Cell.GO | 6 << 32), "leads nowhere"),
    "cell of no kind": (with_word("cells", 0, 5), "leads nowhere"),
    "cell into no code": (with_word("cells", 0, Cell.PROGRAM | FAR << 32), "leads nowhere"),
    "cell that refuses with accepted": (with_word("cells", 0, Cell.REFUSE), "leads nowhere"),
    "cell with spare bits": (with_word("cells", 0, Cell.IGNORE | 1 << 20), "leads nowhere"),
    "opcode": (with_word("code", 0, word(26)), "no instruction"),
    "mode": (with_word("code", 1, word(Opcode.MOVE, 3, 8, 0, mode=1)), "no instruction"),
    "rounding": (with_word("code", 1, word(Opcode.DIVIDE, 3, 8, 0, mode=7)), "no instruction"),
    "divide before widen": (with_word("code", 1, word(Opcode.DIVIDE, 3, 8)), "accumulator"),
    "read of the header of a row": (with_word("code", 1, word(Opcode.MOVE, 3, 2)), "reads register 2"),
    "read behind the fields": (with_word("code", 1, word(Opcode.MOVE, 3, 5)), "reads register 5"),
    "read behind the constants": (with_word("code", 1, word(Opcode.MOVE, 3, 16)), "reads register 16"),
    "write of a header": (with_word("code", 1, word(Opcode.MOVE, 0, 8)), "writes register 0"),
    "write of the time": (with_word("code", 1, word(Opcode.MOVE, 14, 8)), "writes register 14"),
    "write of an argument": (with_word("code", 1, word(Opcode.MOVE, 8, 8)), "writes register 8"),
    "write of a constant": (with_word("code", 1, word(Opcode.MOVE, 15, 8)), "writes register 15"),
    "jump out of the code": (with_word("code", 0, word(Opcode.JUMP_LESS, 8, 8, 0xFFFF)), "goes on at"),
    "long jump out of the code": (with_word("code", 0, word(Opcode.JUMP, 0, 0xFFFF, 0xFFFF)), "goes on at"),
    "fall out of the code": (with_word("code", -1, word(Opcode.MOVE, 3, 8)), "goes on at"),
    "go to no configuration": (with_word("code", -1, word(Opcode.GO, 0, 6)), "goes to configuration 6"),
    "refuse with accepted": (with_word("code", -1, word(Opcode.REFUSE, Outcome.ACCEPTED)), "no refusal"),
    "place": (with_word("places", 6, 2), "is no source"),
    "configuration order": (with_word("configurations", 1, 5), "after the next"),
    "configuration cover": (with_word("configurations", -1, 5), "do not cover"),
    "active state": (with_word("active", 0, 6), "6 is no state"),
    "name of a state": (with_word("states", 0, FAR), "is no string"),
    "kind of a state": (with_word("states", 1, 7), "is no state kind"),
    "parent of a state": (with_word("states", 2, 0), "does not stand before"),
    "arguments of an event": (with_word("events", 1, 9), "arguments 9 to 10"),
    "too many arguments": (with_word("events", 2, 7), "arguments 0 to 7"),
    "words of an event": (with_word("events", 3, 2), "2 words"),
    "kind of an argument": (with_word("arguments", 1, 7), "unknown"),
    "place of an argument": (with_word("arguments", 5, 1), "begins at word 1"),
    "options of an argument": (with_word("arguments", 4, 1), "options 0 to 1"),
    "field outside the row": (with_word("fields", 5, 8), "has no room for 9"),
    "field in the header": (with_word("fields", 5, 2), "word 2 is outside"),
    "source of a transition": (with_word("transitions", 0, 6), "6 is no state"),
    "trigger of a transition": (with_word("transitions", 1, 6), "6 is no trigger"),
    "event of a transition": (with_word("transitions", 2, 4), "4 is no event"),
    "event of an eventless transition": (with_word("transitions", 1, Trigger.ALWAYS), "do not go together"),
    "staying that is neither yes nor no": (with_word("transitions", 3, 2), "2 is no boolean"),
    "targets of a transition": (with_word("transitions", 5, 99), "targets 0 to 99"),
    "target of a transition": (with_word("targets", 0, 6), "6 is no state"),
    "guard of a transition": (with_word("transitions", 6, FAR), "is no string"),
    "history without a default": (with_word("states", 4, FAR), "is no state"),
    "done triggers": (in_header("<I", 80, 99, WHOLE), "done_count is 99"),
    "eventless columns": (in_header("<I", 84, 2, WHOLE), "always_count is 2"),
    "timer slots": (in_header("<I", 88, 65, WHOLE), "timer_slots is 65"),
    "timer slots beyond the row": (in_header("<I", 88, 64, WHOLE), "has no room"),
    "deferred events": (in_header("<I", 92, 1001, WHOLE), "deferral_slots is 1001"),
    "deferred events of no words": (in_header("<I", 96, 0, WHOLE), "deferred events of 0 words"),
    "deferred events of many words": (in_header("<I", 96, 8, WHOLE), "deferred events of 8 words"),
    "successors": (in_header("<I", 100, 5000, WHOLE), "5000 for each of"),
    "no room for internal events": (in_header("<I", 104, 0, WHOLE), "are 1 or more"),
    "internal events": (in_header("<I", 104, 1025, WHOLE), "raised_max is 1025"),
    "microsteps": (in_header("<I", 108, 1 << 16, WHOLE), "microsteps_max is 65536"),
    "start": (in_header("<I", 112, FAR, WHOLE), "the start program begins at"),
    "timer of a new instance": (with_word("initial", 3, 1, WHOLE), "timers or deferred events"),
    "deferred events of a new instance": (with_word("initial", 5, 1, WHOLE), "timers or deferred events"),
    "spare": (in_header("<I", 116, 1, WHOLE), "spare word"),
    "successor of no configuration": (with_word("successors", 0, FAR, WHOLE), "beyond the"),
    "cell that defers too many": (with_word("cells", 0, Cell.DEFER | 9 << 32, WHOLE), "leads nowhere"),
    "program that defers too many": (with_word("code", 0, word(Opcode.DEFER, 9), WHOLE), "defers while 9 wait"),
    "successor by no number": (with_word("code", 0, word(Opcode.FOLLOW, 0, 99), WHOLE), "follows successor 99"),
    "go by no number": (with_word("code", -1, word(Opcode.GO, 0, 99, mode=1), WHOLE), "follows successor 99"),
    "next by no number": (with_word("code", -1, word(Opcode.NEXT, 0, 99, mode=1), WHOLE), "follows successor 99"),
    "go by no mode": (with_word("code", 0, word(Opcode.GO, mode=2), WHOLE), "no instruction"),
    "field armed as a timer": (with_word("code", 0, word(Opcode.ARM, 5, 4), WHOLE), "no timer slot"),
    "deferral cancelled as a timer": (with_word("code", 0, word(Opcode.CANCEL, 8), WHOLE), "no timer slot"),
    "timer armed at a timer": (with_word("code", 0, word(Opcode.ARM, 6, 7), WHOLE), "reads register 7"),
    "timer written as a field": (with_word("code", 0, word(Opcode.MOVE, 6, 5), WHOLE), "writes register 6"),
    "raise of an eventless column": (with_word("code", 0, word(Opcode.RAISE, 4), WHOLE), "raises column 4"),
    "event raised by nothing that is taken": (
        with_word("code", 1, word(Opcode.REFUSE, Outcome.GUARD), with_word("code", 0, word(Opcode.RAISE, 0), WHOLE)),
        "an event was raised on the way",
    ),
    "slot of a timer": (with_word("timers", 1, 2, WHOLE), "2 is no slot"),
    "state that defers": (with_word("defers", 0, FAR, WHOLE), "is no state"),
    "transition of a source": (with_word("sources", 1, 99), "99 is no transition"),
    "order of strings": (with_word("strings", 1, FAR), "is not between"),
    "string that is no text": (with_word("text", 0, 0xFF), "no UTF-8"),
    "chart that is no text": (with_word("chart", 0, 0xFF), "no UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_wrong_word_is_refused_with_its_reason(name: str) -> None:
    """Whoever reads the message can find the word."""
    data, reason = CASES[name]
    with pytest.raises(CorruptTables, match=reason):
        Tables.from_bytes(data)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [(0, 0, "magic"), (8, 1, "format version 2"), (16, 80, "the header says"), (68, 2, "semantics version")],
)
def test_a_header_of_another_kind_is_refused(at: int, value: int, reason: str) -> None:
    """Magic, versions and length come before anything else."""
    with pytest.raises(CorruptTables, match=reason):
        Tables.from_bytes(in_header("<I", at, value))


def test_another_fingerprint_is_refused() -> None:
    """The fingerprint is that of the chart in the file, or nothing."""
    from fsm.tables import sealed

    changed = bytearray(VALID)
    changed[40] ^= 1
    with pytest.raises(CorruptTables, match="fingerprint"):
        Tables.from_bytes(sealed(bytes(changed)))


def test_a_temporary_must_be_written_on_every_way() -> None:
    """Written on one way of two is not enough."""
    from tests.compile.random_charts import emitted

    tables = emitted(1)
    assert tables.temporary_count > 0
    first = tables.row_words + ENGINE_REGISTERS
    changed = bytearray(tables.to_bytes())
    offset, _ = ENTRY.unpack_from(changed, entry_at("code"))
    entry = min(cell >> 32 for cell in tables.cells.cast("B").cast("Q") if cell & 0xFF == Cell.PROGRAM)
    pack_into("<Q", changed, offset + 8 * entry, word(Opcode.MOVE, 3, first))
    with pytest.raises(CorruptTables, match="before it is written"):
        Tables.from_bytes(resealed(bytes(changed)))


def test_valid_tables_survive_the_way_to_bytes_and_back() -> None:
    """Every name and number, and the bytes themselves."""
    tables = Tables.from_bytes(VALID)
    assert VALID == tables.to_bytes()
    assert ["new", "working", "part_filled", "filled", "cancelled", "quarantined"] == [s.name for s in tables.states]
    assert ("LimitOrder", 8, 5) == (tables.name, tables.row_words, tables.field_end)
