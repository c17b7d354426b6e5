"""Idempotency keys: an input that was taken is known when it comes again, and nothing else is.

key ──first time──▶ taken ──again, the same──▶ duplicate      ──another input──▶ key_reused
                └──▶ refused: it may come again
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import numpy
import pytest

import fsm
from fsm.engine.keys import idempotency_words
from fsm.layout import HEADER_FIELDS, INT64_MIN, ROW_FRAME, FrameKind, Outcome
from tests.engine.orders import CANCEL, EXECUTE, NOTE, SUBMIT, Order, instance_of, row_words, working_order
from tests.engine.ring import RingMemory, open_journalled

TAKEN, IGNORED, SEEN, REUSED = Outcome.ACCEPTED, Outcome.IGNORED, Outcome.DUPLICATE, Outcome.KEY_REUSED


@pytest.fixture
def order(engine_name: str) -> tuple[Any, RingMemory]:
    """An order that was submitted, and another one; a window of four keys."""
    engine, memory = open_journalled(Order, engine_name, window=4)
    working_order(engine)
    working_order(engine, 2)
    return engine, memory


def noted(memory: RingMemory) -> list[tuple[int, ...]]:
    """The slots of both generations that hold anything: generation, key, frame, outcome."""
    words = memoryview(memory.idempotency).cast("Q").tolist()
    slots = len(words) // 8
    return [
        (at // slots, words[4 * at] | words[4 * at + 1] << 64, words[4 * at + 2], words[4 * at + 3] & 0xFF)
        for at in range(2 * slots)
        if words[4 * at + 2]
    ]


def test_an_input_that_was_taken_is_a_duplicate(order: Any) -> None:
    """As often as it comes; nothing but its last frame changes."""
    engine, _ = order
    assert TAKEN == engine.step(0, EXECUTE, 10, key="k")
    before, version = instance_of(engine, 0), engine.version(0)
    for _ in range(3):
        assert SEEN == engine.step(0, EXECUTE, 10, key="k")
    assert (before, version) == (instance_of(engine, 0), engine.version(0))
    assert TAKEN == engine.step(0, EXECUTE, 10)
    assert TAKEN == engine.step(0, EXECUTE, 10, key="another")


def test_frames_tell_the_key_and_the_frame_that_it_came_with(order: Any) -> None:
    """0 for the first time; a duplicate has no image, and is the last input of its row."""
    engine, memory = order
    first = engine.sequence + 1
    engine.step(0, EXECUTE, 10, key=1 << 64)
    engine.step(0, EXECUTE, 10, key=1 << 64, expected=999)
    taken, key, again, seen = memory.frames(first)
    assert [(TAKEN, True, FrameKind.EVENT), (SEEN, True, FrameKind.EVENT)] == [
        (each.outcome, each.linked, each.kind) for each in (taken, again)
    ]
    assert [(0, 1, 0), (0, 1, first)] == [key.payload, seen.payload]
    assert ((), first, first + 2) == (again.image, again.previous, row_words(engine, 0)[ROW_FRAME])
    assert (again.before, 10) == (again.after, again.argument)


@pytest.mark.parametrize(
    "other", [(2 | 0 << 32, EXECUTE, 10), (0, EXECUTE, 11), (0, NOTE, 10), (0, EXECUTE, 10, 1), (0, 99, 10)]
)
def test_the_key_with_another_input_is_refused(order: Any, other: tuple[int, ...]) -> None:
    """Another instance, event or argument, also one that the event has not, or that nobody knows."""
    engine, memory = order
    assert TAKEN == engine.step(0, EXECUTE, 10, key="k")
    before = instance_of(engine, 0), instance_of(engine, 1), noted(memory)
    handle = 1 if other[0] == 2 else other[0]
    assert REUSED == engine.step(handle, *other[1:], key="k")
    assert before == (instance_of(engine, 0), instance_of(engine, 1), noted(memory))
    assert Outcome.KEY_REUSED.refused
    sent = engine.send("ord-1", "Note", key="k")
    assert (REUSED, "the key of this Note came with another input before") == (sent.outcome, sent.reason)
    told = [each for each in memory.frames() if each.kind is FrameKind.EVENT][-2]
    assert (0xFFFF if 99 == other[1] else other[1], 0xFFFF_FFFF) == (told.event, told.place)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ((0, EXECUTE, 0), Outcome.GUARD),
        ((0, SUBMIT, 1), Outcome.UNHANDLED),
        ((7, EXECUTE, 1), Outcome.UNKNOWN_INSTANCE),
        ((0, 99), Outcome.UNKNOWN_EVENT),
        ((0, EXECUTE, INT64_MIN), Outcome.OVERFLOW),
    ],
)
def test_what_is_refused_leaves_no_trace(order: Any, given: tuple[int, ...], outcome: int) -> None:
    """It is refused again when it comes again, and its key serves another input."""
    engine, memory = order
    for _ in range(2):
        assert outcome == engine.step(*given, key=5)
    assert Outcome.VERSION == engine.step(0, EXECUTE, 1, key=5, expected=9)
    assert [] == noted(memory)
    assert [0, 0] == [memory.get("idempotency_since"), memory.get("idempotency_count")]
    assert TAKEN == engine.step(0, EXECUTE, 1, key=5)


def test_what_was_ignored_or_deferred_is_taken(order: Any) -> None:
    """And so a duplicate the next time."""
    engine, memory = order
    assert [IGNORED, SEEN] == [engine.step(0, NOTE, key="n") for _ in range(2)]
    assert [IGNORED] == [outcome for *_, outcome in noted(memory)]


def test_keys_are_remembered_for_one_window_and_forgotten_behind_two(order: Any) -> None:
    """A generation is full at the window's number of keys; then the other is begun anew."""
    engine, memory = order
    frames = {}

    def take(key: int) -> int:
        frames[key] = engine.sequence + 1
        return int(engine.step(0, NOTE, key=key))

    since, count = HEADER_FIELDS["idempotency_since"], HEADER_FIELDS["idempotency_count"]
    assert [IGNORED] * 4 == [take(key) for key in (1, 2, 3, 4)]
    assert [frames[1], 0, 4, 0] == [*memory.words[since : since + 2], *memory.words[count : count + 2]]
    assert [memory.get("applied") - 1, count, 4] == [memory.get(f"counted_{what}") for what in ("by", "word", "value")]
    assert [IGNORED] * 4 == [take(key) for key in (5, 6, 7, 8)]
    assert [frames[1], frames[5], 4, 4] == [*memory.words[since : since + 2], *memory.words[count : count + 2]]
    assert [SEEN] * 8 == [engine.step(0, NOTE, key=key) for key in range(1, 9)], (
        "nothing is forgotten within the window"
    )
    assert IGNORED == take(9)
    assert [frames[9], frames[5], 1, 4] == [*memory.words[since : since + 2], *memory.words[count : count + 2]]
    assert [SEEN] * 5 == [engine.step(0, NOTE, key=key) for key in range(5, 10)]
    assert IGNORED == take(1), "forgotten: it was in the generation that was begun anew"
    current = sorted(
        (key, frame) for generation, key, frame, _ in noted(memory) if generation == 0 and frame >= frames[9]
    )
    assert [(1, frames[1]), (9, frames[9])] == current


def test_a_key_says_what_it_is(order: Any) -> None:
    """An integer of 128 bits, a UUID, or text and bytes, which are hashed."""
    name = uuid.UUID("12345678-1234-5678-1234-567812345678")
    assert (name.int & (1 << 64) - 1, name.int >> 64) == idempotency_words(name) == idempotency_words(name.int)
    hashed = hashlib.blake2b("é".encode(), digest_size=16).digest()
    words = int.from_bytes(hashed[:8], "little"), int.from_bytes(hashed[8:], "little")
    assert words == idempotency_words("é") == idempotency_words("é".encode()) == idempotency_words(numpy_key(words))
    assert (0, 1 << 63) == idempotency_words(1 << 127)
    engine, _ = order
    assert [TAKEN, SEEN] == [engine.step(0, EXECUTE, 1, key=key) for key in ("é", "é".encode())]


def numpy_key(words: tuple[int, int]) -> int:
    """The number of a key of two words."""
    return words[0] | words[1] << 64


@pytest.mark.parametrize(
    ("key", "error"),
    [(0, ValueError), (-1, ValueError), (1 << 128, ValueError), ("", ValueError), (b"", ValueError),
     ("\ud800", ValueError), (True, TypeError), (1.5, TypeError), (("a",), TypeError), (uuid.UUID(int=0), ValueError)],
)  # fmt: skip
def test_what_is_no_key_is_an_error(order: Any, key: Any, error: Any) -> None:
    """And takes nothing, nor makes the area for keys."""
    engine, memory = order
    before = engine.sequence
    with pytest.raises(error, match="key: expected"):
        engine.step(0, EXECUTE, 1, key=key)
    with pytest.raises(error, match="key: expected"):
        engine.send("nobody", "Cancel", key=key)
    assert (before, None) == (engine.sequence, memory.idempotency)


@pytest.mark.parametrize(
    ("correlation", "error"), [("", ValueError), ("x" * 65, ValueError), (1 << 63, ValueError), (True, TypeError)]
)
def test_what_is_no_correlation_is_an_error(order: Any, correlation: Any, error: Any) -> None:
    """And takes nothing."""
    engine, _ = order
    before = engine.sequence
    with pytest.raises(error, match="correlation: expected"):
        engine.step(0, EXECUTE, 1, correlation=correlation)
    assert before == engine.sequence


def test_a_correlation_is_kept_with_its_input(order: Any) -> None:
    """Also of one that is refused."""
    engine, memory = order
    first = engine.sequence + 1
    engine.step(0, EXECUTE, 1, correlation=-4)
    engine.step(0, SUBMIT, 1, correlation="c")
    told = list(memory.frames(first))
    assert [(256, (1 << 64) - 4, 0), (ord("c"), 0, 0)] == [
        each.payload[:3] for each in told if each.kind is FrameKind.CORRELATION
    ]


def test_a_batch_has_keys(order: Any) -> None:
    """Two words each; none where both are 0."""
    engine, memory = order
    keys = numpy.array([[1, 0], [1, 0], [0, 0], [0, 0], [0, 1], [1, 0]], numpy.uint64)
    outcomes = engine.step_many([0] * 6, [EXECUTE] * 6, [1, 1, 1, 1, 1, 2], keys=keys)
    assert [TAKEN, SEEN, TAKEN, TAKEN, TAKEN, REUSED] == outcomes.tolist()
    assert [(0, 1), (0, 1 << 64)] == sorted((generation, key) for generation, key, *_ in noted(memory))
    all_ones = numpy.full((1, 2), (1 << 64) - 1, numpy.uint64)
    assert [TAKEN] == engine.step_many([0], [EXECUTE], [1], keys=all_ones).tolist()


@pytest.mark.parametrize("keys", [[1], [[1]], [[1, 2, 3]], [[1, 2], [3, 4]], [[0.5, 1]], 3])
def test_keys_that_do_not_fit_are_an_error(order: Any, keys: Any) -> None:
    """And nothing is taken."""
    engine, _ = order
    before = engine.sequence
    with pytest.raises((ValueError, TypeError), match="keys: "):
        engine.step_many([0], [CANCEL], [0], keys=keys)
    assert before == engine.sequence


def test_the_area_is_made_at_the_first_key(order: Any) -> None:
    """And kept when the memory grows."""
    engine, memory = order
    engine.step(0, EXECUTE, 1)
    assert memory.idempotency is None
    engine.step(0, EXECUTE, 1, key=1)
    assert 2 * 8 * 32 == len(memory.idempotency)
    engine.reserve(1000)
    assert SEEN == engine.step(0, EXECUTE, 1, key=1)


def test_one_that_cannot_be_made_takes_nothing(order: Any) -> None:
    """The disk is full, say."""
    engine, memory = order
    before = bytes(memory.header), bytes(memory.rows), bytes(memory.ring)

    def fail() -> None:
        raise fsm.StoreError("no room for keys")

    memory.make_idempotency = fail  # type: ignore[method-assign]
    for call in (lambda: engine.step(0, EXECUTE, 1, key=1), lambda: engine.step_many([0], [0], [0], keys=[[1, 1]])):
        with pytest.raises(fsm.StoreError, match="no room for keys"):
            call()
    assert before == (bytes(memory.header), bytes(memory.rows), bytes(memory.ring))
    assert TAKEN == engine.step(0, EXECUTE, 1)
