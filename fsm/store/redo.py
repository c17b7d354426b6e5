"""The views of a group, made anew: each store may have been made before, and making it again is harmless.

    Group, checked ──▶ chain of free rows, key, row, counter, index, row count ─▶ idempotency ─▶ counters ─▶ place

The order is that of a step (`fsm.engine.commit`), so a process that is killed here is taken up in the same way.
"""

from __future__ import annotations

from array import array

from fsm.engine import idempotency
from fsm.engine.areas import entry, find_slot
from fsm.engine.keys import WORDS, hash_key
from fsm.layout import (
    COUNTED_DONE,
    GENERATION_MASK,
    HEADER_FIELDS,
    INDEX_RELEASED,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_FRAME_BUSY,
    ROW_NEXT_FREE,
    ROW_STATE,
    ROW_VERSION,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from fsm.engine.areas import Areas
    from fsm.store.groups import Group

ROW_COUNT: Final = HEADER_FIELDS["row_count"]
FREE_ROW: Final = HEADER_FIELDS["free_row"]
INDEX_FILLED: Final = HEADER_FIELDS["index_filled"]
PLACE: Final = HEADER_FIELDS["place"]
POSITION: Final = HEADER_FIELDS["position"]
COUNTED_BY: Final = HEADER_FIELDS["counted_by"]
COUNTED_WORD: Final = HEADER_FIELDS["counted_word"]
COUNTED_VALUE: Final = HEADER_FIELDS["counted_value"]
SINCE: Final = HEADER_FIELDS["idempotency_since"]
COUNT: Final = HEADER_FIELDS["idempotency_count"]
UNTOLD: Final = HEADER_FIELDS["untold"]
FAULTS: Final = frozenset({Outcome.OVERFLOW, Outcome.DIVISION, Outcome.BOUND})


def redo(group: Group) -> None:
    """Make the views of a group that was checked."""
    areas, main = group.areas, group.main
    if main.kind == FrameKind.POSITION:
        areas.header[POSITION] = main.sequence
    elif main.kind == FrameKind.START and main.outcome == Outcome.ACCEPTED:
        _start(group)
    elif main.kind == FrameKind.RELEASE:
        _release(group)
    elif group.row is not None:
        if group.touches:
            areas.rows[group.row * areas.row_words + ROW_FRAME] = main.sequence
        else:
            _write(areas, group.row, group.heads[-1].image)
    _note_key(group)
    for head in group.heads:
        if head.kind in (FrameKind.TIMER, FrameKind.AGAIN):
            count(areas, UNTOLD + head.outcome, head.sequence)
    for head in group.heads:
        if head.outcome in FAULTS:
            areas.header[PLACE] = head.place


def count(areas: Areas, word: int, sequence: int, value: int | None = None) -> None:
    """A counter of the header counts a frame once, though that was begun before; `value` is what it becomes."""
    header = areas.header
    by = header[COUNTED_BY] & ~COUNTED_DONE
    if sequence < by or (sequence == by and header[COUNTED_BY] & COUNTED_DONE):
        return
    if sequence > by:
        new = header[word] + 1 if value is None else value
        header[COUNTED_BY] |= COUNTED_DONE
        header[COUNTED_VALUE] = new
        header[COUNTED_WORD] = word
        header[COUNTED_BY] = sequence
    header[word] = header[COUNTED_VALUE]


def _start(group: Group) -> None:
    areas, main = group.areas, group.main
    row, key = main.row, WORDS.pack(*group.brought[FrameKind.KEY])
    if areas.header[FREE_ROW] == row + 1:
        areas.header[FREE_ROW] = areas.rows[row * areas.row_words + ROW_NEXT_FREE]
    areas.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] = key
    _write(areas, row, main.image)
    hashed = hash_key(key)
    slot, _ = find_slot(areas.index, areas.keys, key, hashed)
    if slot is not None:
        if areas.index[slot] == 0 or _is_counting(areas, main.sequence):
            count(areas, INDEX_FILLED, main.sequence)
        areas.index[slot] = entry(hashed, row)
    areas.header[ROW_COUNT] = max(areas.header[ROW_COUNT], row + 1)


def _is_counting(areas: Areas, sequence: int) -> bool:
    """Whether this frame has begun to count: the slot that it took was free, though it no longer is."""
    return areas.header[COUNTED_BY] & ~COUNTED_DONE == sequence


def _release(group: Group) -> None:
    areas, main = group.areas, group.main
    key = areas.key(main.row)
    slot, found = find_slot(areas.index, areas.keys, key, hash_key(key))
    if slot is not None and found == main.row and any(key):
        areas.index[slot] = INDEX_RELEASED
    areas.keys[main.row * KEY_BYTES : (main.row + 1) * KEY_BYTES] = bytes(KEY_BYTES)
    _write(areas, main.row, main.image)
    if main.generation != GENERATION_MASK:
        areas.header[FREE_ROW] = main.row + 1


def _write(areas: Areas, row: int, image: Sequence[int]) -> None:
    """The row becomes the image; meanwhile its word 1 says that it is not whole."""
    first = row * areas.row_words
    areas.rows[first + ROW_FRAME] = image[ROW_FRAME] | ROW_FRAME_BUSY
    areas.rows[first + ROW_STATE] = image[ROW_STATE]
    areas.rows[first + ROW_VERSION : first + areas.row_words] = array("Q", image[ROW_VERSION:])
    areas.rows[first + ROW_FRAME] = image[ROW_FRAME]


def _note_key(group: Group) -> None:
    """The idempotency key of an input that was taken."""
    areas, main = group.areas, group.main
    brought = group.brought.get(FrameKind.IDEMPOTENCY)
    if brought is None or areas.idempotency is None or main.outcome not in idempotency.NOTED_OUTCOMES:
        return
    key = brought[0], brought[1]
    arguments = [main.argument, *group.brought.get(FrameKind.ARGUMENTS, (0,) * 5)]
    digest = idempotency.digest(main.row | main.generation << 32, main.event, arguments)
    header, area = areas.header, areas.idempotency
    taken = idempotency.find(header, area, key)
    if taken is not None and taken.frame == main.sequence:
        # It is there already, in the generation that is now current, whose count may say by now that it is full.
        current = idempotency.current_generation(header)
        begun = header[SINCE + current] == main.sequence
        count(areas, COUNT + current, main.sequence, 1 if begun else header[COUNT + current] + 1)
        return
    insertion = idempotency.insertion(header, area, key, main.sequence, digest, main.outcome)
    if insertion is None:
        return
    if insertion.since is not None:
        header[insertion.since] = main.sequence
    at = insertion.offset
    area[at], area[at + 1] = key
    area[at + idempotency.NOTED] = insertion.noted
    area[at + idempotency.FRAME] = main.sequence
    count(areas, insertion.counter, main.sequence, insertion.count)


assert NONE == INDEX_RELEASED
