"""The stored structs are told three times, and are the same: for Python, for C, and for Cython.

fsm/layout.py ◀──equal──▶ fsm/include/fsm/layout.h ◀──equal──▶ fsm/abi.pxd
      └──────equal──▶ fsm.engine._native.layout(): what the C compiler made of it
"""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

import fsm
from fsm import layout
from fsm.layout import (
    HEADER_FIELDS,
    HEADER_WORDS,
    KEY_BYTES,
    LINE_WORDS,
    WORD_BYTES,
    Cell,
    FrameKind,
    Going,
    Opcode,
    Outcome,
    Rounding,
)

HEADER = Path(fsm.get_include()) / "fsm" / "layout.h"
ABI = Path(fsm.get_include()).parent / "abi.pxd"

ENUMS: dict[str, tuple[type[IntEnum], str]] = {
    "fsm_outcome": (Outcome, "FSM_"),
    "fsm_cell": (Cell, "FSM_CELL_"),
    "fsm_opcode": (Opcode, "FSM_OP_"),
    "fsm_going": (Going, "FSM_GOING_"),
    "fsm_frame_kind": (FrameKind, "FSM_FRAME_"),
    "fsm_rounding": (Rounding, "FSM_ROUND_"),
}
CONSTANTS = {
    "FSM_LAYOUT_VERSION": layout.LAYOUT_VERSION,
    "FSM_NONE": layout.NONE,
    "FSM_ARGUMENT_WORDS": layout.ARGUMENT_WORDS,
    "FSM_NOW_OFFSET": layout.NOW_OFFSET,
    "FSM_ENGINE_REGISTERS": layout.ENGINE_REGISTERS,
    "FSM_UNTOLD_OUTCOMES": layout.UNTOLD_OUTCOMES,
    "FSM_TIMER_SLOTS_MAX": layout.TIMER_SLOTS_MAX,
    "FSM_HASH_SEED": layout.HASH_SEED,
    "FSM_HASH_FACTOR": layout.HASH_FACTOR,
    "FSM_ROW_LIVE": layout.ROW_LIVE,
    "FSM_KEY_INTEGER": layout.KEY_INTEGER,
    "FSM_ROW_FRAME_BUSY": layout.ROW_FRAME_BUSY,
    "FSM_ROW_NEXT_FREE": layout.ROW_NEXT_FREE,
    "FSM_COUNTED_DONE": layout.COUNTED_DONE,
    "FSM_INDEX_RELEASED": layout.INDEX_RELEASED,
    "FSM_FRAME_WORDS": layout.FRAME_WORDS,
    "FSM_FRAME_PAYLOAD": layout.FRAME_PAYLOAD,
    "FSM_FRAME_LINKED": layout.FRAME_LINKED,
    "FSM_FRAME_IMAGE": layout.FRAME_IMAGE,
    "FSM_EVENT_NONE": layout.EVENT_NONE,
    "FSM_IDEMPOTENCY_WORDS": layout.IDEMPOTENCY_WORDS,
}


def enum_of(text: str, name: str) -> str:
    """The names of an enum in C, up to its brace."""
    found = re.search(rf"enum {name} \{{(.*?)\}}", text, re.DOTALL)
    assert found is not None, f"{HEADER} has no enum {name}"
    return found[1]


@pytest.mark.parametrize("name", ENUMS)
def test_enums_have_the_same_members(name: str) -> None:
    """Name by name and number by number, in the header and for Cython."""
    members, prefix = ENUMS[name]
    expected = {prefix + member.name: member.value for member in members}
    given = re.findall(r"(FSM_\w+) = (\d+)", enum_of(HEADER.read_text(encoding="utf-8"), name))
    assert expected == {member: int(value) for member, value in given}
    block = ABI.read_text(encoding="utf-8").split(f"cdef enum {name}:")[1].split("cdef enum")[0]
    assert list(expected) == re.findall(r"FSM_\w+", block)


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_have_the_same_values(name: str) -> None:
    """Those that both sides use."""
    found = re.search(rf"#define {name} (?:UINT\d+_C\()?(\w+)\)?", HEADER.read_text(encoding="utf-8"))
    assert found is not None, f"{HEADER} does not define {name}"
    assert CONSTANTS[name] == int(found[1], 0)


def test_every_constant_of_the_header_is_compared() -> None:
    """A new one is added to the list above; the version of the ABI is the header's own."""
    defined = re.findall(r"#define (FSM_\w+) \S", HEADER.read_text(encoding="utf-8"))
    assert {*CONSTANTS, "FSM_ABI_VERSION"} == set(defined)


@pytest.mark.native
def test_structs_lie_where_the_layout_says() -> None:
    """Sizes and offsets as the C compiler sees them."""
    from fsm.engine import _native

    sizes, seen = _native.layout()
    line_bytes, header_bytes = LINE_WORDS * WORD_BYTES, HEADER_WORDS * WORD_BYTES
    frame_bytes = layout.FRAME_WORDS * WORD_BYTES
    assert {"row": line_bytes, "header": header_bytes, "key": KEY_BYTES, "frame": frame_bytes} == sizes
    assert HEADER_FIELDS == seen


@pytest.mark.parametrize("mark", ["applied", "written", "durable"])
def test_what_readers_poll_has_a_line_of_its_own(mark: str) -> None:
    """What the writer changes beside it would take the line from them."""
    lines = [word // LINE_WORDS for word in HEADER_FIELDS.values()]
    assert 1 == lines.count(HEADER_FIELDS[mark] // LINE_WORDS)
