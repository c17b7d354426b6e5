"""How instances begin and end, and how far a source was read: the inputs that are no events.

    start ──▶ a released row or a new one ──entry actions──▶ Commit: START, KEY, FIELDS; key, row, index, row count
    release ─▶ Commit: RELEASE; index, key, row, chain of free rows          mark ─▶ Commit: POSITION, DATA

Released rows are a chain, newest first: each names the next one, and tells how many there are from it on.
"""

from __future__ import annotations

from fsm.engine import trouble
from fsm.engine.areas import ROW_DEPTH, entry, find_slot, free_rows
from fsm.engine.commit import FREE_ROW, NOW, PLACE, POSITION, ROW_COUNT, Commit
from fsm.engine.keys import WORDS, hash_key
from fsm.errors import StoreFull
from fsm.layout import (
    GENERATION_MASK,
    HEADER_FIELDS,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_LIVE,
    ROW_NEXT_FREE,
    ROW_STATE,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from fsm.engine.inputs import Inputs

CAPACITY: Final = HEADER_FIELDS["capacity"]
INDEX_FILLED: Final = HEADER_FIELDS["index_filled"]


def is_crowded(inputs: Inputs) -> bool:
    """Whether the index by key has so few free slots, for all the keys that were released, that it is made anew."""
    return inputs.areas.header[INDEX_FILLED] * 4 >= len(inputs.areas.index) * 3


def start(inputs: Inputs, key: bytes, initial: memoryview) -> tuple[int, Outcome] | None:
    """The row of the key and ACCEPTED where it is new, EXISTS where it was there; NONE, and what refused the start.

    None where there is no room. Raises `StoreFull`.
    """
    areas = inputs.areas
    hashed = hash_key(key)
    slot, found = find_slot(areas.index, areas.keys, key, hashed)
    if found is not None:
        return _refuse_start(inputs, key, initial, found)
    row, next_free = _free_row(inputs)
    if slot is None:
        raise trouble.no_free_slot()
    if not inputs.has_room():
        return None
    generation = areas.rows[row * areas.row_words + ROW_STATE] >> 32 & GENERATION_MASK
    state = inputs.tables.initial_configuration | generation << 32 | ROW_LIVE << 48
    now_ns: int = areas.header[NOW]
    second = now_ns // 1_000_000_000 & NONE
    image = [state, 0, second << 32, *initial.cast("B").cast("Q").tolist()]
    decision = inputs.macrostep.start(image, now_ns)
    commit = Commit(areas)
    if decision.outcome is not Outcome.ACCEPTED:
        place = NONE if decision.place is None else decision.place
        commit.tell(FrameKind.START, decision.outcome, place=place)
        _bring_start(inputs, commit, NONE, key, initial)
        if decision.place is not None:
            commit.head(PLACE, place)
        commit.carry_out()
        return NONE, decision.outcome
    after = decision.image[ROW_STATE] & NONE
    sequence = commit.tell(
        FrameKind.START, Outcome.ACCEPTED, row=row, after=after, generation=generation, image=decision.image
    )
    _bring_start(inputs, commit, row, key, initial)
    if next_free is not None:
        commit.head(FREE_ROW, next_free)
    commit.name(row, key)
    commit.row(row, decision.image)
    commit.index(slot, entry(hashed, row), sequence)
    commit.head(ROW_COUNT, max(areas.header[ROW_COUNT], row + 1))
    if inputs.moments is not None:
        inputs.moments.keep(row, decision.image, set(decision.slots))
    commit.carry_out()
    return row, Outcome.ACCEPTED


def _refuse_start(inputs: Inputs, key: bytes, initial: memoryview, row: int) -> tuple[int, Outcome] | None:
    """The key has an instance: that is told, and is the last input of its row."""
    before = inputs.checked(row)
    if not inputs.has_room():
        return None
    commit, configuration = Commit(inputs.areas), before[ROW_STATE] & NONE
    sequence = commit.tell(
        FrameKind.START,
        Outcome.EXISTS,
        row=row,
        before=configuration,
        after=configuration,
        previous=before[ROW_FRAME],
        generation=before[ROW_STATE] >> 32 & GENERATION_MASK,
    )
    _bring_start(inputs, commit, row, key, initial)
    commit.touch(row, sequence)
    commit.carry_out()
    return row, Outcome.EXISTS


def _bring_start(inputs: Inputs, commit: Commit, row: int, key: bytes, initial: memoryview) -> None:
    """The key that was given, and the fields, before entry actions, where they are not those that every start has."""
    commit.bring(FrameKind.KEY, row, WORDS.unpack(key))
    fields = initial.tolist()
    if fields != inputs.tables.initial.tolist():
        commit.bring(FrameKind.FIELDS, row, fields)


def _free_row(inputs: Inputs) -> tuple[int, int | None]:
    """The row of the next instance: the head of the chain of free ones and what follows it, or one never used."""
    header, free_row = inputs.areas.header, inputs.areas.header[FREE_ROW]
    if free_row == 0:
        if header[ROW_COUNT] >= header[CAPACITY]:
            raise StoreFull(header[CAPACITY])
        row = header[ROW_COUNT]
        trouble.check_fresh_row(inputs.areas.row(row), row)
        return row, None
    row = free_row - 1
    words = inputs.areas.row(row)
    trouble.check_free_row(inputs.tables, words, row, header[ROW_COUNT])
    return row, words[ROW_NEXT_FREE]


def release(inputs: Inputs, instance: int) -> Outcome:
    """Free the row of an instance that has ended: ACCEPTED, UNKNOWN_INSTANCE, or BUSY where there is no room."""
    areas, row = inputs.areas, inputs.row_of(instance)
    if row is None:
        return Outcome.UNKNOWN_INSTANCE
    before = inputs.checked(row)
    if not inputs.has_room():
        return Outcome.BUSY
    generation = before[ROW_STATE] >> 32 & GENERATION_MASK
    image, retired = _released(inputs, generation), generation == GENERATION_MASK
    key = areas.key(row)
    slot, found = find_slot(areas.index, areas.keys, key, hash_key(key))
    commit = Commit(areas)
    commit.tell(
        FrameKind.RELEASE,
        Outcome.ACCEPTED,
        row=row,
        before=before[ROW_STATE] & NONE,
        previous=before[ROW_FRAME],
        generation=generation,
        image=image,
    )
    if slot is not None and found == row:
        commit.release(slot)
    commit.name(row, bytes(KEY_BYTES))
    commit.row(row, image)
    if not retired:
        commit.head(FREE_ROW, row + 1)
    commit.carry_out()
    return Outcome.ACCEPTED


def _released(inputs: Inputs, generation: int) -> list[int]:
    """The words of a released row: of the next generation, and the head of the chain.

    Behind the last generation there is none: such a row is retired, and in no chain.
    """
    image = [0] * inputs.tables.row_words
    image[ROW_STATE] = min(generation + 1, GENERATION_MASK) << 32
    if generation < GENERATION_MASK:
        image[ROW_NEXT_FREE] = inputs.areas.header[FREE_ROW]
        image[ROW_DEPTH] = 1 + free_rows(inputs.areas.header, inputs.areas.rows, inputs.tables.row_words)
    return image


def mark(inputs: Inputs, words: Sequence[int]) -> Outcome:
    """A frame that tells how far a source was read: ACCEPTED, or BUSY where there is no room."""
    if not inputs.has_room():
        return Outcome.BUSY
    commit = Commit(inputs.areas)
    sequence = commit.tell(FrameKind.POSITION, Outcome.ACCEPTED)
    commit.bring(FrameKind.DATA, NONE, words)
    commit.head(POSITION, sequence)
    commit.carry_out()
    return Outcome.ACCEPTED
