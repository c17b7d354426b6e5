"""The whole state of a store, as values that can be compared: of what was recovered, and of what was never killed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fsm.layout import (
    FRAME_IMAGE,
    FRAME_INPUT,
    FRAME_WORDS,
    HEADER_FIELDS,
    IDEMPOTENCY_WORDS,
    KEY_BYTES,
    NONE,
    ROW_LIVE,
    UNTOLD_OUTCOMES,
    FrameKind,
)

State = dict[str, Any]
HEADER = (
    "row_count", "now_ns", "place", "free_row", "position", "applied", "idempotency_window", "fence", "capacity",
)  # fmt: skip


def observe(engine: Any, keys: Iterable[str | int]) -> State:
    """Rows, instances by key, counters, the idempotency index, every group of the journal."""
    memory, tables = engine.memory, engine.tables
    header = memoryview(memory.header).cast("Q")
    state: State = {name: header[HEADER_FIELDS[name]] for name in HEADER}
    first = HEADER_FIELDS["untold"]
    state["untold"] = header[first : first + UNTOLD_OUTCOMES].tolist()
    count, words = state["row_count"], tables.row_words
    rows = memoryview(memory.rows).cast("Q")
    state["rows"] = [rows[row * words : (row + 1) * words].tolist() for row in range(count)]
    state["keys"] = [bytes(memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]) for row in range(count)]
    state["found"] = {key: engine.find(key) for key in keys}
    state["instances"] = {
        handle: (
            engine.key(handle), engine.state(handle), engine.fields(handle), engine.version(handle),
            engine.timers(handle), engine.deferred(handle),
        )
        for handle in live(state["rows"])
    }  # fmt: skip
    state["len"] = len(engine)
    used = sum(1 for entry in memoryview(memory.index).cast("Q") if entry)
    state["index_excess"] = header[HEADER_FIELDS["index_filled"]] - used
    state["journal"] = [frame(engine, sequence) for sequence in range(1, state["applied"] + 1)]
    state["idempotency"] = idempotency(memory, header)
    state["words of the position"] = engine._position()
    return state


def live(rows: list[list[int]]) -> list[int]:
    """The handles of the rows that hold an instance."""
    return [row | (words[0] >> 32 & 0xFFFF) << 32 for row, words in enumerate(rows) if words[0] >> 48 & ROW_LIVE]


def frame(engine: Any, sequence: int) -> tuple[int, ...]:
    """The words of a frame that count."""
    words = engine.memory.frame(sequence)
    has_image = words[FRAME_INPUT] >> 56 & FRAME_IMAGE
    return tuple(words) if has_image else tuple(words[:FRAME_WORDS])


def idempotency(memory: Any, header: memoryview) -> Any:
    """The keys that count, in each generation, with what the header says of it."""
    since = HEADER_FIELDS["idempotency_since"]
    found = []
    if memory.idempotency is None:
        return [(0, 0, []), (0, 0, [])]
    area = memoryview(memory.idempotency).cast("Q")
    half = len(area) // 2
    for generation in (0, 1):
        begun, count = header[since + generation], header[since + 2 + generation]
        slots = (
            area[at : at + IDEMPOTENCY_WORDS].tolist()
            for at in range(generation * half, (generation + 1) * half, IDEMPOTENCY_WORDS)
        )
        entries = sorted(slot for slot in slots if begun and slot[2] >= begun) if begun else []
        assert not begun or count == len(entries), f"{count} keys are counted, and {entries} are there"
        found.append((begun, count, entries))
    return found


def groups(journal: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """The frames of a journal, input by input."""
    found: list[list[tuple[int, ...]]] = [[]]
    for words in journal:
        found[-1].append(words)
        if not words[FRAME_INPUT] >> 56 & 1:
            found.append([])
    assert not found[-1], "the last frame is linked to one that is not there"
    return found[:-1]


def kind(words: tuple[int, ...]) -> FrameKind:
    """The kind of a frame."""
    return FrameKind(words[FRAME_INPUT] >> 58)


def row_of(words: tuple[int, ...]) -> int:
    """The row of a frame."""
    return words[FRAME_INPUT] & NONE


def difference(expected: State, actual: State) -> str:
    """Where two states differ, in a few lines."""
    lines = []
    for name, value in expected.items():
        other = actual[name]
        if value == other:
            continue
        if isinstance(value, list) and isinstance(other, list):
            lines.append(f"{name}: expected {len(value)}, found {len(other)}")
            lines += [
                f"    {at}: expected {one}\n    {' ' * len(str(at))}  found    {two}"
                for at, (one, two) in enumerate(zip(value, other, strict=False))
                if one != two
            ]
        else:
            lines.append(f"{name}: expected {value}\n{' ' * len(name)}  found    {other}")
    return "\n".join(lines)
