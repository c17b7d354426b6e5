"""Frames of every kind, word by word, against what the layout says.

input ──engine with a ring──▶ words in the ring ══ expected(kind, row, event, ...) with checksums made bit by bit
"""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import fsm
from fsm import Event, Flow, Integer, State
from fsm.engine.crc32c import checksum, crc32c
from fsm.layout import (
    EVENT_NONE,
    FRAME_WORDS,
    INT64_MAX,
    KEY_INTEGER,
    NONE,
    ROW_FRAME,
    ROW_LIVE,
    UINT64_MASK,
    FrameKind,
    Outcome,
)
from tests.engine.orders import CANCEL, EXECUTE, NOTE, SPLIT, SUBMIT, Order, row_words, working_order
from tests.engine.ring import RingMemory, open_journalled

SECOND = 1_000_000_000
UNKNOWN = UINT64_MASK
ORDER_KEY = int.from_bytes(b"ord-1", "little")


class Task(Flow):
    """It waits for time, keeps events for later, and can fault at its start."""

    total = Integer()
    most = Integer(default=1)

    class Put(Event):
        quantity: Integer = Integer()
        weight: Integer = Integer()

    class Go(Event):
        pass

    early = State(initial=True)
    later = State()
    over = State(final=True)

    early.on_entry(most.add(1))
    early.defers(Put, at_most=2)
    early.on(Go, to=later)
    early.after("10 s", to=over)
    later.on(Put, when=Put.quantity > 0, do=total.add(Put.quantity * Put.weight))
    later.after("5 s", when=total > 100, to=over)


PUT, GO = range(2)


class Wide(Flow, waive={"unread-field": "looked at"}):
    """Six words of fields: a row of two lines."""

    name = fsm.Text(32)
    a = Integer()
    b = Integer(default=7)
    only = State(initial=True, final=True)


def bitwise(words: list[int]) -> int:
    """CRC-32C as its definition has it."""
    crc = 0xFFFF_FFFF
    for byte in b"".join(word.to_bytes(8, "little") for word in words):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


def frame(memory: RingMemory, sequence: int) -> list[int]:
    """The words of a frame in the ring, and behind one without an image whatever lay there."""
    first = (sequence & memory.get("ring_frames") - 1) * memory.frame_words
    return memoryview(memory.ring).cast("Q")[first : first + memory.frame_words].tolist()


def expected(sequence: int, told: int, words: list[int], image: list[int] | None = None) -> list[int]:
    """All words of a frame: `told` is word 2 without the flag of an image, `words` are those from the third on."""
    fixed = [told | (2 << 56 if image is not None else 0), *words]
    assert 6 == len(fixed)
    above = 0 if image is None else bitwise(image)
    return [sequence, bitwise([sequence, *fixed]) | above << 32, *fixed, *(image or [])]


def main(
    sequence: int, kind: FrameKind, outcome: int, *, row: int = 0, event: int = 0, linked: bool = False, time: int = 0,
    before: int = NONE, after: int = NONE, previous: int = 0, generation: int = 0, place: int = NONE, argument: int = 0,
    image: list[int] | None = None,
) -> list[int]:  # fmt: skip
    """The words of a main frame, or of an event given again."""
    told = row | event << 32 | outcome << 48 | (linked | kind << 2) << 56
    words = [time, before | after << 32, previous, generation | place << 32, argument & UINT64_MASK]
    return expected(sequence, told, words, image)


def more(
    sequence: int, kind: FrameKind, row: int, payload: list[int], memory: RingMemory, *, linked: bool = False
) -> list[int]:
    """The words of a continuation frame."""
    told = row | len(payload) << 32 | (linked | kind << 2) << 56
    payload = [word & UINT64_MASK for word in payload]
    if len(payload) <= 5:
        return expected(sequence, told, payload + [0] * (5 - len(payload)))
    behind = payload[5:] + [0] * (memory.frame_words - FRAME_WORDS - len(payload[5:]))
    return expected(sequence, told, payload[:5], behind)


def check(memory: RingMemory, *frames: list[int]) -> None:
    """These are the last frames, and nothing follows them."""
    first = frames[0][0]
    assert first + len(frames) - 1 == memory.get("applied")
    assert list(frames) == [frame(memory, first + at)[: len(words)] for at, words in enumerate(frames)]


@pytest.fixture
def order(engine_name: str) -> tuple[Any, RingMemory]:
    """An order that was submitted, at 3 s: frames 1 to 3 are there."""
    engine, memory = open_journalled(Order, engine_name)
    engine.advance(3 * SECOND)
    working_order(engine)
    assert 3 == engine.sequence
    return engine, memory


@pytest.fixture
def task(engine_name: str) -> tuple[Any, RingMemory]:
    """A task at its beginning: frames 1 and 2 are there."""
    engine, memory = open_journalled(Task, engine_name)
    assert (0, 2) == (engine.start(5), engine.sequence)
    return engine, memory


def test_the_checksum_is_that_of_its_standard() -> None:
    """The check value of CRC-32C, its parts one after the other, and its words; and as the definition has it."""
    data = b"123456789"
    assert 0xE306_9283 == crc32c(data) == crc32c(data[4:], crc32c(data[:4]))
    words = [0, UINT64_MASK, 0x0123_4567_89AB_CDEF]
    assert bitwise(words) == checksum(words) == crc32c(b"".join(word.to_bytes(8, "little") for word in words))


class TestEvents:
    """The main frame of an event, and what else it brings."""

    def test_an_accepted_event_has_the_row_as_it_stands_after_it(self, order: Any) -> None:
        """With the frame as its last one, in the image as in the row."""
        engine, memory = order
        assert Outcome.ACCEPTED == engine.step(0, EXECUTE, 40)
        image = row_words(engine, 0)
        assert [4, 4] == [image[ROW_FRAME], engine.sequence]
        check(memory, main(4, FrameKind.EVENT, 0, event=EXECUTE, time=3 * SECOND, before=1, after=1, previous=3,
                           argument=40, image=image))  # fmt: skip

    @pytest.mark.parametrize(
        ("event", "argument", "outcome"),
        [(EXECUTE, 0, Outcome.GUARD), (NOTE, -1, Outcome.IGNORED), (SUBMIT, 5, Outcome.UNHANDLED)],
    )
    def test_what_changes_nothing_has_no_image(self, order: Any, event: int, argument: int, outcome: int) -> None:
        """The words behind the fixed part stay as they were, and of the row only its last frame changes."""
        engine, memory = order
        ring, before = memoryview(memory.ring).cast("Q"), row_words(engine, 0)
        behind = range(4 * memory.frame_words + FRAME_WORDS, 5 * memory.frame_words)
        for word in behind:
            ring[word] = 0xDEAD
        assert outcome == engine.step(0, event, argument)
        words = main(
            4, FrameKind.EVENT, outcome, event=event, time=3 * SECOND, before=1, after=1, previous=3, argument=argument
        )
        check(memory, words)
        assert {0xDEAD} == {ring[word] for word in behind}
        assert [*before[:ROW_FRAME], 4, *before[ROW_FRAME + 1 :]] == row_words(engine, 0)

    def test_a_fault_tells_its_place(self, order: Any) -> None:
        """As the header does."""
        engine, memory = order
        assert Outcome.DIVISION == engine.step(0, SPLIT, 0)
        place = memory.get("place")
        assert place < len(engine.tables.sources)
        check(memory, main(4, FrameKind.EVENT, Outcome.DIVISION, event=SPLIT, time=3 * SECOND, before=1, after=1,
                           previous=3, place=place))  # fmt: skip

    @pytest.mark.parametrize("event_id", [6, 99, EVENT_NONE, 70_000, NONE])
    def test_an_unknown_event_tells_the_id_that_was_given(self, order: Any, event_id: int) -> None:
        """In place of a place, since it may be wider than the field for events."""
        engine, memory = order
        assert Outcome.UNKNOWN_EVENT == engine.step(0, event_id, 1)
        check(memory, main(4, FrameKind.EVENT, Outcome.UNKNOWN_EVENT, event=EVENT_NONE, time=3 * SECOND, before=1,
                           after=1, previous=3, place=event_id, argument=1))  # fmt: skip
        assert NONE == memory.get("place")

    @pytest.mark.parametrize(("expect", "place"), [(0, 0), (7, 7), (NONE, NONE), (1 << 40, NONE)])
    def test_another_version_tells_the_one_that_was_expected(self, order: Any, expect: int, place: int) -> None:
        """Or NONE, where that has no room."""
        engine, memory = order
        assert Outcome.VERSION == engine.step(0, EXECUTE, 1, expected=expect)
        check(memory, main(4, FrameKind.EVENT, Outcome.VERSION, event=EXECUTE, time=3 * SECOND, before=1, after=1,
                           previous=3, place=place, argument=1))  # fmt: skip

    @pytest.mark.parametrize("handle", [1, 5 << 32, UNKNOWN, 1 << 48, 1 << 63 | 77])
    def test_an_unknown_instance_is_told_by_its_handle(self, order: Any, handle: int) -> None:
        """No row is touched."""
        engine, memory = order
        before = bytes(memory.rows)
        assert Outcome.UNKNOWN_INSTANCE == engine.step(handle, EXECUTE, 1)
        check(memory, main(4, FrameKind.EVENT, Outcome.UNKNOWN_INSTANCE, row=handle & NONE, event=EXECUTE,
                           time=3 * SECOND, generation=handle >> 32 & 0xFFFF, argument=1))  # fmt: skip
        assert before == bytes(memory.rows)

    def test_an_unknown_key_follows_its_event(self, order: Any) -> None:
        """With an event that is not known either."""
        engine, memory = order
        for name, event in (("Cancel", CANCEL), ("Nothing", EVENT_NONE)):
            first = engine.sequence + 1
            sent = engine.send(-2, name)
            assert (Outcome.UNKNOWN_INSTANCE, None, first + 1) == (sent.outcome, sent.instance, sent.sequence)
            told = main(first, FrameKind.EVENT, Outcome.UNKNOWN_INSTANCE, row=NONE, event=event, linked=True,
                        time=3 * SECOND, generation=0xFFFF)  # fmt: skip
            check(memory, told, more(first + 1, FrameKind.KEY, NONE, [KEY_INTEGER, -2, 0, 0, 0, 0, 0, 0], memory))

    @pytest.mark.parametrize("words", [(1, 0, 0, 0, 0, 9), (0, -1), (1, 2, 3, 4, 5, -(1 << 63))])
    def test_further_arguments_follow_where_one_is_not_zero(self, order: Any, words: tuple[int, ...]) -> None:
        """All five of them, also those that the event has not; the last frame of the group commits it."""
        engine, memory = order
        assert Outcome.UNHANDLED == engine.step(0, SUBMIT, *words)
        told = main(4, FrameKind.EVENT, Outcome.UNHANDLED, event=SUBMIT, linked=True, time=3 * SECOND, before=1,
                    after=1, previous=3, argument=words[0])  # fmt: skip
        arguments = [*words[1:], *[0] * (6 - len(words))]
        check(memory, told, more(5, FrameKind.ARGUMENTS, 0, arguments, memory))
        assert 5 == engine.sequence
        assert 4 == row_words(engine, 0)[ROW_FRAME]

    def test_what_an_event_brings_stands_in_one_order(self, order: Any) -> None:
        """Arguments, key of the instance, idempotency key, correlation: the largest group without deferral."""
        engine, memory = order
        key = 3 << 64 | 2
        assert (
            Outcome.UNKNOWN_INSTANCE
            == engine.send("x", "Submit", {"quantity": 1, "side": "sell"}, key=key, correlation="é" * 32).outcome
        )
        text = "é".encode() * 4
        check(
            memory,
            main(4, FrameKind.EVENT, Outcome.UNKNOWN_INSTANCE, row=NONE, event=SUBMIT, linked=True, time=3 * SECOND,
                 generation=0xFFFF, argument=1),
            more(5, FrameKind.ARGUMENTS, NONE, [1, 0, 0, 0, 0], memory, linked=True),
            more(6, FrameKind.KEY, NONE, [ord("x"), 0, 0, 0, 0, 0, 0, 0], memory, linked=True),
            more(7, FrameKind.IDEMPOTENCY, NONE, [2, 3, 0], memory, linked=True),
            more(8, FrameKind.CORRELATION, NONE, [int.from_bytes(text, "little")] * 8, memory),
        )  # fmt: skip

    def test_a_batch_is_told_like_its_events(self, engine_name: str) -> None:
        """Negative event ids among them, which are no number that an id can have."""
        many, one = (open_journalled(Order, engine_name) for _ in range(2))
        handles, events, arguments = (
            [0, 0, 9, 0, -1],
            [SUBMIT, EXECUTE, 5, -3, NOTE],
            [[9, 1], [3, 0], [0, 0], [2, 0], [0, 4]],
        )
        for engine, _ in (many, one):
            working_order(engine)
        many[0].step_many(handles, events, arguments, keys=numpy.array([[0, 0], [1, 0], [0, 0], [0, 2], [5, 5]], "u8"),
                          times=[1, 2, 3, 4, 5])  # fmt: skip
        places = [told.place for told in many[1].frames() if told.outcome == Outcome.UNKNOWN_EVENT]
        assert [NONE] == places
        for position, key in enumerate([None, 1, None, 2 << 64, 5 << 64 | 5]):
            one[0].advance(position + 1)
            event = events[position] if events[position] >= 0 else NONE
            one[0].step(handles[position] % (1 << 64), event, *arguments[position], key=key)
        for area in ("header", "rows", "ring"):
            assert bytes(getattr(one[1], area)) == bytes(getattr(many[1], area))


class TestStarts:
    """The frame of a start, its key, and the fields that it was given."""

    def test_a_start_has_a_key_and_no_configuration_before(self, engine_name: str) -> None:
        """And no fields, where they are those of every start."""
        engine, memory = open_journalled(Order, engine_name)
        engine.advance(3 * SECOND)
        engine.start("other")
        assert 1 == engine.start("ord-1", leaves=5)
        image = row_words(engine, 1)
        assert [ROW_LIVE << 48, 3, 3 << 32] == image[:3]
        told = main(3, FrameKind.START, 0, row=1, linked=True, time=3 * SECOND, after=0, image=image)
        check(memory, told, more(4, FrameKind.KEY, 1, [ORDER_KEY, 0, 0, 0, 0, 0, 0, 0], memory))

    def test_fields_follow_where_some_were_given(self, engine_name: str) -> None:
        """All of them, as they were before the entry actions."""
        engine, memory = open_journalled(Task, engine_name)
        engine.start(5, total=-3)
        words = row_words(engine, 0)
        assert [UINT64_MASK - 2, 2] == words[3:5]
        check(memory, main(1, FrameKind.START, 0, linked=True, after=0, image=words),
              more(2, FrameKind.KEY, 0, [KEY_INTEGER, 5, 0, 0, 0, 0, 0, 0], memory, linked=True),
              more(3, FrameKind.FIELDS, 0, [-3, 1, *[0] * (len(words) - 5)], memory))  # fmt: skip

    def test_many_fields_run_on_behind_the_fixed_part(self, engine_name: str) -> None:
        """Thirteen words, in a frame of twenty-four."""
        engine, memory = open_journalled(Wide, engine_name)
        engine.start("w", name=b"n" * 32, a=-1)
        name = int.from_bytes(b"n" * 8, "little")
        told = main(1, FrameKind.START, 0, linked=True, after=0, image=row_words(engine, 0))
        fields = [name] * 4 + [-1, 7] + [0] * 7
        check(memory, told, more(2, FrameKind.KEY, 0, [ord("w"), *[0] * 7], memory, linked=True),
              more(3, FrameKind.FIELDS, 0, fields, memory))  # fmt: skip
        assert 24 == memory.frame_words

    def test_a_key_that_is_there_is_told_as_its_instance(self, order: Any) -> None:
        """Its last frame is that of the refused start."""
        engine, memory = order
        with pytest.raises(fsm.Exists):
            engine.start("ord-1", quantity=2)
        told = main(4, FrameKind.START, Outcome.EXISTS, linked=True, time=3 * SECOND, before=1, after=1, previous=3)
        fields = [2, 5, 0, 0, int.from_bytes(b"XETR", "little")]
        check(memory, told, more(5, FrameKind.KEY, 0, [ORDER_KEY, *[0] * 7], memory, linked=True),
              more(6, FrameKind.FIELDS, 0, fields, memory))  # fmt: skip
        assert 4 == row_words(engine, 0)[ROW_FRAME]

    def test_a_start_that_faults_has_no_row(self, task: Any) -> None:
        """But key, fields and place."""
        engine, memory = task
        before = bytes(memory.rows), bytes(memory.keys), bytes(memory.index)
        with pytest.raises(fsm.StartFault, match="overflow"):
            engine.start("t", most=INT64_MAX)
        place = memory.get("place")
        assert place < len(engine.tables.sources)
        told = main(3, FrameKind.START, Outcome.OVERFLOW, row=NONE, linked=True, place=place)
        fields = [0, INT64_MAX, *[0] * (engine.tables.row_words - 5)]
        check(memory, told, more(4, FrameKind.KEY, NONE, [ord("t"), *[0] * 7], memory, linked=True),
              more(5, FrameKind.FIELDS, NONE, fields, memory))  # fmt: skip
        assert before == (bytes(memory.rows), bytes(memory.keys), bytes(memory.index))
        assert (1, 1) == (len(engine), memory.get("index_filled"))


class TestTime:
    """Timers and deferred events: inputs that no caller is told of."""

    def test_a_timer_is_a_group_of_its_own(self, task: Any) -> None:
        """Told by its column; the counter of its outcome is changed by its frame."""
        engine, memory = task
        assert 1 == engine.advance(10 * SECOND)
        column = engine.tables.timer_column
        words = main(3, FrameKind.TIMER, 0, event=column, time=10 * SECOND, before=0, after=2, previous=1,
                     image=row_words(engine, 0))  # fmt: skip
        check(memory, words)
        untold = fsm.layout.HEADER_FIELDS["untold"]
        assert [3, untold, 1] == [memory.get(f"counted_{what}") for what in ("by", "word", "value")]
        assert {"accepted": 1} == engine.untold

    def test_a_refused_timer_has_an_image_too(self, task: Any) -> None:
        """Since its slot is emptied."""
        engine, memory = task
        engine.step(0, GO)
        before = row_words(engine, 0)
        assert 1 == engine.advance(7 * SECOND)
        image = row_words(engine, 0)
        assert 1 == sum(old != new for old, new in zip(before[2:], image[2:], strict=True))
        (told,) = memory.frames(4)
        check(memory, main(4, FrameKind.TIMER, Outcome.GUARD, event=told.event, time=7 * SECOND, before=1, after=1,
                           previous=3, image=image))  # fmt: skip
        assert engine.tables.timer_column <= told.event < engine.tables.column_count

    def test_timers_that_are_due_together_are_groups_one_after_the_other(self, task: Any) -> None:
        """By deadline, then row."""
        engine, memory = task
        engine.start(6)
        assert 2 == engine.advance(60 * SECOND)
        assert [(5, 0, False), (6, 1, False)] == [(each.sequence, each.row, each.linked) for each in memory.frames(5)]

    def test_a_deferred_event_has_an_image_and_waits(self, task: Any) -> None:
        """Its version stays."""
        engine, memory = task
        assert Outcome.DEFERRED == engine.step(0, PUT, 3, 4)
        image = row_words(engine, 0)
        assert 0 == engine.version(0)
        told = main(3, FrameKind.EVENT, Outcome.DEFERRED, event=PUT, linked=True, before=0, after=0, previous=1,
                    argument=3, image=image)  # fmt: skip
        check(memory, told, more(4, FrameKind.ARGUMENTS, 0, [4, 0, 0, 0, 0], memory))

    def test_events_given_again_are_in_the_group_of_what_moved_the_instance(self, task: Any) -> None:
        """Each with the row after it, which it leaves even where it is refused; behind it its own arguments."""
        engine, memory = task
        for words in ((3, 4), (-5, 0), (1, 1)):
            engine.step(0, PUT, *words)
        assert [Outcome.DEFERRED, Outcome.DEFERRED, Outcome.DEFERRAL_FULL] == [
            each.outcome for each in memory.frames(3) if each.kind is FrameKind.EVENT
        ]
        first, previous = engine.sequence + 1, row_words(engine, 0)[ROW_FRAME]
        assert Outcome.ACCEPTED == engine.step(0, GO)
        told = list(memory.frames(first))
        E, A, G = FrameKind.EVENT, FrameKind.ARGUMENTS, FrameKind.AGAIN
        assert [E, G, A, G] == [each.kind for each in told]
        assert [True, True, True, False] == [each.linked for each in told]
        accepted, guard = Outcome.ACCEPTED, Outcome.GUARD
        assert [(accepted, previous), (accepted, first), (guard, first + 1)] == [
            (each.outcome, each.previous) for each in told if each.kind is not A
        ]
        assert row_words(engine, 0) == list(told[3].image)
        assert [first, first + 1, first + 3] == [each.image[ROW_FRAME] for each in told if each.image]
        assert [0, 12, 12] == [each.image[3] for each in told if each.image]
        check(memory, *(frame(memory, first + at) for at in range(3)),
              main(first + 3, G, guard, event=PUT, before=1, after=1, previous=first + 1, argument=-5,
                   image=row_words(engine, 0)))  # fmt: skip
        assert {"accepted": 1, "guard": 1} == engine.untold
        untold = fsm.layout.HEADER_FIELDS["untold"]
        assert [first + 3, untold + guard, 1] == [memory.get(f"counted_{what}") for what in ("by", "word", "value")]


class TestPositions:
    """How far a source was read, among the inputs that came of it."""

    def test_the_last_position_is_found(self, order: Any) -> None:
        """In the ring, and where it left the ring."""
        engine, memory = order
        assert engine._position() is None
        engine._mark([1, UINT64_MASK])
        check(memory, main(4, FrameKind.POSITION, 0, row=NONE, linked=True, time=3 * SECOND),
              more(5, FrameKind.DATA, NONE, [1, UINT64_MASK], memory))  # fmt: skip
        assert ([1, UINT64_MASK], 4) == (engine._position(), memory.get("position"))
        most = list(range(engine.tables.row_words + 5))
        engine._mark(most)
        engine.step(0, NOTE)
        memory.make_room()
        assert most == engine._position()
        engine._mark([])
        assert [] == engine._position()

    def test_what_is_no_position_is_an_error(self, order: Any) -> None:
        """Too many words, and words that are none."""
        engine, _ = order
        for words in ([0] * 14, [-1], [1 << 64]):
            with pytest.raises(ValueError, match="_mark: expected up to 13 words"):
                engine._mark(words)
        assert 3 == engine.sequence


def test_without_a_journal_what_it_keeps_is_refused(engine_name: str) -> None:
    """In words, before anything is taken."""
    engine: Any = fsm.Engine(Order, engine=engine_name)
    order = working_order(engine)
    for call in (
        lambda: engine.step(order, EXECUTE, 1, key=1), lambda: engine.step(order, EXECUTE, 1, correlation="c"),
        lambda: engine.send("ord-1", "Cancel", key="k"), lambda: engine.send("x", "Cancel", correlation=1),
        lambda: engine.step_many([0], [EXECUTE], [1], keys=[[1, 0]]), lambda: engine._mark([1]), engine.sync,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"kept by a journal|is kept by|are kept by|and this engine has none"):
            call()
    assert (2, 0, None) == (engine.sequence, engine.durable_sequence, engine._position())


def test_sync_makes_durable_what_was_taken(order: Any) -> None:
    """And tells how far that is."""
    engine, _ = order
    assert 0 == engine.durable_sequence
    engine.sync()
    assert 3 == engine.durable_sequence == engine.sequence
