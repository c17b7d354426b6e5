"""Memory that somebody changed, with checksums that are right: refused and untouched, or harmless; never a crash.

the memory behind a commit ──a word of a frame, of the header or of a row becomes another──▶ recover()
    ──▶ CorruptStore, and every area is as it was        ──▶ or rows that lead nowhere but into the tables
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import fsm
from fsm.engine.frames import checksums, is_whole
from fsm.engine.protocol import engine_over
from fsm.engine.trouble import check_row
from fsm.layout import HEADER_FIELDS, NONE, ROW_LIVE, UINT64_MASK, FrameKind, Outcome
from fsm.store.recovery import recover
from fsm.tables import Tables
from tests.engine.ring import RingMemory
from tests.store.inputs import CASES, HURRY, LOAD, UNLOAD, Parcel
from tests.store.test_recovery import Image, fresh, image_of, memory_of, run

FRAME_WORDS = 24
BITS = 64


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The compiled flow."""
    return fsm.compile(Parcel)


def committed(tables: Tables, name: str) -> Image:
    """The memory as a kill right behind the commit of the first group of a case leaves it."""
    _, images = run(tables, CASES[name])
    for image in images:
        memory = memory_of(tables, image)
        if recover(memory, tables):
            return image
    raise AssertionError("no image has a group that was committed and does not show")


def frames_of(memory: RingMemory) -> list[tuple[int, memoryview]]:
    """The frames behind `applied`, each with the words in the ring."""
    ring = memoryview(memory.ring).cast("Q")
    found = []
    sequence = memory.get("applied") + 1
    while True:
        first = sequence % memory.get("ring_frames") * FRAME_WORDS
        words = ring[first : first + FRAME_WORDS]
        if not is_whole(words.tolist(), sequence):
            return found
        found.append((sequence, words))
        sequence += 1


def others(word: int) -> Iterator[int]:
    """What a word may become: extremes, neighbours, and one with a third of its bits turned, each by itself."""
    yield from (0, 1, NONE, NONE << 32, UINT64_MASK, 1 << 63, word + 1 & UINT64_MASK, word - 1 & UINT64_MASK)
    for bit in range(word % 3, BITS, 3):
        yield word ^ 1 << bit


def recovered_or_untouched(memory: RingMemory, tables: Tables) -> bool:
    """Whether it was recovered, to rows that are possible; else it was refused, and nothing changed."""
    before = image_of(memory)
    try:
        recover(memory, tables)
    except fsm.CorruptStore:
        assert before == image_of(memory)
        return False
    rows = memoryview(memory.rows).cast("Q")
    assert memory.get("row_count") <= memory.capacity
    for row in range(memory.get("row_count")):
        words = rows[row * tables.row_words : (row + 1) * tables.row_words].tolist()
        assert words[1] >> 63 == 0
        if words[0] >> 48 & ROW_LIVE:
            check_row(tables, words, row)
    return True


@pytest.mark.parametrize("name", CASES)
def test_any_word_of_a_frame_under_a_new_checksum(tables: Tables, name: str) -> None:
    """The rows are possible afterwards, and those that the frame does not name are as they were."""
    image = committed(tables, name)
    count = len(frames_of(memory_of(tables, image)))
    refused = taken = 0
    for number in range(count):
        for word in range(2, FRAME_WORDS):
            values = frames_of(memory_of(tables, image))[number][1].tolist()
            for value in {*others(values[word])} - {values[word]}:
                memory = memory_of(tables, image)
                _, words = frames_of(memory)[number]
                words[word] = value
                words[1] = checksums(words.tolist())
                done = recovered_or_untouched(memory, tables)
                refused, taken = refused + (not done), taken + done
    assert refused > 0 and taken > 0


@pytest.mark.parametrize("name", ["given again", "start in a released row", "release behind another", "key"])
def test_an_engine_goes_on_behind_any_frame_that_is_taken(tables: Tables, name: str, engine_name: str) -> None:
    """A step, a start and a release raise at the most: no engine leaves its memory."""
    image = committed(tables, name)
    for number, (_, original) in enumerate(frames_of(memory_of(tables, image))):
        for word in range(2, FRAME_WORDS):
            for value in (0, NONE, UINT64_MASK, original[word] ^ 1, original[word] ^ 1 << 40):
                memory = memory_of(tables, image)
                _, words = frames_of(memory)[number]
                words[word] = value
                words[1] = checksums(words.tolist())
                if recovered_or_untouched(memory, tables):
                    exercise(engine_over(tables, memory, engine_name))


def exercise(engine: Any) -> None:
    """Whatever can be done to the first rows."""
    for handle in (0, 1, 2, 1 << 32, 2 | 1 << 32):
        for call in (
            lambda handle=handle: engine.step(handle, LOAD, 5),
            lambda handle=handle: engine.step(handle, HURRY, key=3),
            lambda handle=handle: engine.step(handle, UNLOAD),
            lambda handle=handle: engine.state(handle),
            lambda handle=handle: engine.release(handle),
        ):
            refused(call)
    for key in range(9):
        refused(lambda key=key: engine.start(key))
    refused(lambda: engine.advance(1 << 40))


def refused(call: Any) -> None:
    """Call it; it may raise what is documented, and nothing else."""
    with suppress(fsm.FsmError, LookupError, ValueError):
        call()


@pytest.mark.parametrize("name", ["accepted", "given again, with all that it brings", "start in a released row"])
def test_any_bit_of_a_frame_without_a_new_checksum_is_found(tables: Tables, name: str) -> None:
    """Of a frame that was committed, in every word that counts."""
    image = committed(tables, name)
    for number, (sequence, original) in enumerate(frames_of(memory_of(tables, image))):
        for word in range(FRAME_WORDS if original[2] >> 56 & 2 else 8):
            for bit in range(word % 3, BITS, 3):
                memory = memory_of(tables, image)
                frames_of(memory)[number][1][word] ^= 1 << bit
                with pytest.raises(fsm.CorruptStore):
                    recover(memory, tables)
                    raise AssertionError(f"frame {sequence}, word {word}, bit {bit}")


@pytest.mark.parametrize("name", ["accepted", "start in a released row", "release behind another", "key"])
def test_any_word_of_the_header_is_found_or_harmless(tables: Tables, name: str, engine_name: str) -> None:
    """What changes there is under no checksum: nobody believes more of it than he checks."""
    image = committed(tables, name)
    fields = [word for field, word in HEADER_FIELDS.items() if word >= HEADER_FIELDS["row_count"]]
    for word in fields:
        original = memory_of(tables, image).words[word]
        for value in (0, 1, 7, 8, NONE, UINT64_MASK, 1 << 63, original ^ 1):
            memory = memory_of(tables, image)
            memory.words[word] = value
            if word == HEADER_FIELDS["row_count"] and value > memory.capacity:
                continue  # refused when the memory is mapped
            if recovered_or_untouched(memory, tables):
                exercise(engine_over(tables, memory, engine_name))


def test_a_frame_in_the_middle_that_is_not_there_is_found(tables: Tables) -> None:
    """Whoever lost it lost a step that was answered."""
    memory = fresh(tables)
    engine = engine_over(tables, memory, "mirror")
    CASES["key"].prepare(engine)
    applied = memory.get("applied")
    engine.step(0, LOAD, 1)
    engine.step(0, LOAD, 1)
    memory.set("applied", applied)
    ring = memoryview(memory.ring).cast("Q")
    ring[(applied + 1) % 32 * FRAME_WORDS] ^= UINT64_MASK
    with pytest.raises(fsm.CorruptStore, match=f"frame {applied + 1} is not there, and the one behind it is"):
        recover(memory, tables)


def test_a_group_that_never_ends_is_found(tables: Tables) -> None:
    """More frames than any input has."""
    memory = fresh(tables)
    engine = engine_over(tables, memory, "mirror")
    engine.start("a")
    for _ in range(12):
        engine.step(0, LOAD, -1)
    memory.set("applied", 2)
    for sequence in range(3, 15):
        words = memoryview(memory.ring).cast("Q")[sequence * FRAME_WORDS : (sequence + 1) * FRAME_WORDS]
        words[2] |= 1 << 56
        words[1] = checksums(words.tolist())
    with pytest.raises(fsm.CorruptStore, match="a group of more than 9 frames"):
        recover(memory, tables)


def test_kinds_and_outcomes_are_those_of_the_layout() -> None:
    """The tests above make frames by hand: these numbers are what they count on."""
    assert (32, 37) == (FrameKind.ARGUMENTS, max(FrameKind))
    assert 32 == max(Outcome)
