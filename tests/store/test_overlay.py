"""What a reader answers at every store of a writer: what was so until the commit word, what is so from it on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import fsm
from fsm.engine.keys import WORDS
from fsm.layout import HEADER_FIELDS, ROW_FRAME_BUSY, FrameKind
from fsm.store.reader import Reader
from fsm.store.view import View
from tests.engine.orders import Order
from tests.store.handmade import Memory, Writer

TABLES = fsm.compile(Order)
WORKING = 1
FILLED = 2


def reader_of(memory: Memory) -> Any:
    """A reader on a memory made by hand, which never grows."""
    reader: Any = Reader.__new__(Reader)
    reader.memory, reader.tables, reader._view = memory, TABLES, View(memory, TABLES.row_words)
    reader._overlay, reader._calls, reader._trusting, reader._names = None, 1 << 60, True, {}
    return reader


def answers(reader: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """All that a reader tells."""
    told: dict[str, Any] = {
        "len": len(reader), "sequence": reader.sequence, "untold": reader.untold, "select": reader.select(),
        "working": reader.select(state="working"),
    }  # fmt: skip
    for key in keys:
        handle = reader.find(key)
        told[key] = handle
        if handle is not None:
            told[key] = (
                handle, reader.key(handle), reader.state(handle), reader.fields(handle), reader.version(handle),
                reader._record(handle),
            )  # fmt: skip
    return told


def operations(writer: Writer) -> Iterator[tuple[str, Iterator[None]]]:
    """A day: instances come, step, are refused, end, go, and their rows are used again."""
    yield "start", writer.start("a")
    yield "start", writer.start(7)
    yield "step", writer.step(0, WORKING, [5, 6])
    yield "refused", writer.refuse(0)
    yield "timer", writer.step(1, WORKING, [9, 8], FrameKind.TIMER)
    yield "step", writer.step(0, FILLED, [1])
    yield "release", writer.release(0)
    yield "start in a released row", writer.start("b")
    yield "start", writer.start("c")
    yield "release", writer.release(1)
    yield "release", writer.release(2)
    yield "start in a released row", writer.start("a")
    for number in range(20):
        yield "step", writer.step(2, WORKING, [number])


def test_a_reader_sees_each_input_from_its_commit_on_and_nothing_before() -> None:
    """At every store: the same answers from the old rows and the journal as from the rows afterwards."""
    memory = Memory(TABLES, 4)
    writer, keys = Writer(memory, TABLES), ("a", 7, "b", "c")
    stores = overlaid = 0
    for name, stepping in operations(writer):
        before, committed = answers(reader_of(memory), keys), writer.committed
        seen: list[tuple[bool, dict[str, Any]]] = []
        for _ in stepping:
            reader = reader_of(memory)
            seen.append((writer.committed != committed, answers(reader, keys)))
            stores += 1
            overlaid += reader._overlay is not None and bool(reader._overlay.rows)
        after = answers(reader_of(memory), keys)
        assert before != after
        for at, (is_committed, told) in enumerate(seen):
            assert (after if is_committed else before) == told, f"{name}: store {at} of {len(seen)}"
    assert stores > 300 and overlaid > 100


def test_one_reader_follows_a_writer_that_is_stopped_at_every_store() -> None:
    """The overlay that it keeps is made anew where the ring shows more."""
    memory = Memory(TABLES, 4)
    writer, keys = Writer(memory, TABLES), ("a", 7, "b", "c")
    reader = reader_of(memory)
    for _, stepping in operations(writer):
        for _ in stepping:
            assert answers(reader_of(memory), keys) == answers(reader, keys)


def test_a_row_is_answered_from_its_frame_while_it_is_written() -> None:
    """Half of the words are new: the busy bit says so, and the ring has all of them."""
    memory = Memory(TABLES, 4)
    writer = Writer(memory, TABLES)
    for stepping in (writer.start("a"), writer.step(0, WORKING, [5, 6])):
        list(stepping)
    expected = writer.row(0)
    view = View(memory, TABLES.row_words)
    assert expected == view.record(0).tolist()
    writer.rows[1] |= ROW_FRAME_BUSY
    writer.rows[3] = 0xDEAD
    assert expected == view.record(0).tolist()


def test_a_row_that_changes_all_the_time_is_told_by_refusals_behind_a_copy() -> None:
    """A copy is whole where no frame between its two stamps brought an image."""
    memory = Memory(TABLES, 4)
    writer = Writer(memory, TABLES)
    for stepping in (writer.start("a"), writer.refuse(0), writer.refuse(0)):
        list(stepping)
    view = View(memory, TABLES.row_words)
    assert [] == view._image(0, writer.rows[1], 1)
    assert None is view._image(1, writer.rows[1], 1)
    assert view._image(0, writer.rows[1], 0)[3:] == writer.row(0)[3:]


def test_a_row_busy_with_a_frame_that_is_not_there_is_damaged() -> None:
    """Nothing says what the row is, and nothing is made up."""
    memory = Memory(TABLES, 4)
    writer = Writer(memory, TABLES)
    list(writer.start("a"))
    writer.rows[1] = 99 | ROW_FRAME_BUSY
    with pytest.raises(fsm.StoreError, match="row 0 is being written by frame 99"):
        View(memory, TABLES.row_words).record(0)


def test_a_damaged_frame_above_applied_is_not_laid_over() -> None:
    """Its checksum tells, so the group never was committed."""
    memory = Memory(TABLES, 4)
    writer, reader = Writer(memory, TABLES), reader_of(memory)
    list(writer.start("a"))
    stepping = writer.step(0, WORKING, [5, 6])
    while writer.committed != 4:
        next(stepping)
    assert 4 == reader.sequence
    first = 3 * writer.frame_words
    for word in range(1, writer.frame_words):
        writer.ring[first + word] ^= 1 << 17
        assert 2 == reader_of(memory).sequence
        writer.ring[first + word] ^= 1 << 17
    assert 4 == reader_of(memory).sequence


def test_a_group_without_its_last_frame_is_not_laid_over() -> None:
    """LINKED: the input commits with the last of its frames."""
    memory = Memory(TABLES, 4)
    writer, reader = Writer(memory, TABLES), reader_of(memory)
    for _ in writer.start("a"):
        if writer.committed:
            break
        assert (0, None, 0) == (reader.sequence, reader.find("a"), len(reader))
    assert (2, 0, 1) == (reader.sequence, reader.find("a"), len(reader))


@pytest.mark.parametrize(
    "call",
    [
        lambda reader: reader.step(0, 0),
        lambda reader: reader.start("a"),
        lambda reader: reader.send("a", "Submit"),
        lambda reader: reader.step_many([], [], []),
        lambda reader: reader.advance(1),
        lambda reader: reader.release(0),
        lambda reader: reader.reserve(10),
        lambda reader: reader.sync(),
        lambda reader: reader._mark([1]),
    ],
)
def test_what_would_write_is_refused(call: Any) -> None:
    """And says why."""
    reader = reader_of(Memory(TABLES, 4))
    reader._store = type("Store", (), {"path": "var/orders"})
    with pytest.raises(fsm.StoreError, match="read-only"):
        call(reader)


def test_a_damaged_header_or_key_is_said() -> None:
    """More rows than there is room for, a chain that leads nowhere, a key that is no text."""
    memory = Memory(TABLES, 4)
    writer = Writer(memory, TABLES)
    list(writer.start("a"))
    writer.words[HEADER_FIELDS["row_count"]] = 5
    with pytest.raises(fsm.StoreError, match="5 rows are in use"):
        reader_of(memory).state(0)
    writer.words[HEADER_FIELDS["row_count"]] = 1
    writer.words[HEADER_FIELDS["free_row"]] = 9
    with pytest.raises(fsm.StoreError, match="the chain of free rows"):
        len(reader_of(memory))
    writer.words[HEADER_FIELDS["free_row"]] = 0
    memory.keys[:2] = b"\xff\xfe"
    with pytest.raises(fsm.StoreError, match="is no text"):
        reader_of(memory).key(0)
    assert 8 == len(WORDS.unpack(bytes(memory.keys[:64])))
