"""Recovery: whatever store a writer was killed behind, the memory that is opened is that before the input or after it.

engine on a ring ──every store of an input──▶ an image of the memory behind each ──recover()──▶ before, or after
                                                  └── and killed again behind every store of recovery itself
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import setitem
from typing import Any

import pytest

import fsm
from fsm.engine import commit
from fsm.engine.areas import Areas
from fsm.engine.protocol import engine_over
from fsm.layout import HEADER_FIELDS, UINT64_MASK
from fsm.store import recovery
from fsm.store.recovery import recover
from fsm.tables import Tables
from tests.engine.ring import RingMemory
from tests.store.inputs import CASES, Case, Parcel

AREAS = ("header", "rows", "keys", "index", "ring", "idempotency")
APPLIED = HEADER_FIELDS["applied"]
Image = dict[str, bytes]


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The compiled flow."""
    return fsm.compile(Parcel)


def fresh(tables: Tables) -> RingMemory:
    """A memory that holds nothing yet."""
    return RingMemory(tables, 8, ring_frames=32, window=4)


def image_of(memory: RingMemory) -> Image:
    """Every area, as bytes."""
    return {name: bytes(area) for name in AREAS if (area := getattr(memory, name)) is not None}


def memory_of(tables: Tables, image: Image) -> RingMemory:
    """A memory that is in this state."""
    memory = fresh(tables)
    if "idempotency" in image:
        memory.make_idempotency()
    for name, data in image.items():
        getattr(memory, name)[:] = data
    return memory


def images_within(memory: RingMemory, give: Any) -> list[Image]:
    """The memory behind each store that `give` makes; groups that follow one another are all in the list."""
    images: list[Image] = []

    def recorded(area: Any, place: Any, value: Any) -> None:
        setitem(area, place, value)
        images.append(image_of(memory))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "setitem", recorded)
        give()
    return images


def run(tables: Tables, case: Case) -> tuple[Image, list[Image]]:
    """The memory before a case's input, and behind each of its stores."""
    memory = fresh(tables)
    engine = engine_over(tables, memory, "mirror")
    case.prepare(engine)
    before = image_of(memory)
    return before, images_within(memory, lambda: case.give(engine))


def applied_of(image: Image) -> int:
    """The mark of an image."""
    return memoryview(image["header"]).cast("Q")[APPLIED]


def settled(before: Image, images: list[Image]) -> list[Image]:
    """The states between groups: the one before the first, and the one behind each."""
    states = [before]
    for image in images:
        if applied_of(image) != applied_of(states[-1]):
            states.append(image)
    return states


def without(image: Image, *names: str) -> Image:
    """The image without some areas, and without the engine's time, which moves before a timer's frames."""
    header = bytearray(image["header"])
    at = HEADER_FIELDS["now_ns"] * 8
    header[at : at + 8] = bytes(8)
    return {name: data for name, data in {**image, "header": bytes(header)}.items() if name not in names}


@pytest.mark.parametrize("name", CASES)
def test_a_kill_behind_any_store_leaves_the_state_before_the_input_or_after_it(tables: Tables, name: str) -> None:
    """And which of them tells the commit word of the last frame: nothing else."""
    before, images = run(tables, CASES[name])
    states = settled(before, images)
    ends = [applied_of(state) for state in states]
    assert len(ends) > 1
    for image in images:
        memory = memory_of(tables, image)
        done = recover(memory, tables)
        expected = states[ends.index(memory.get("applied"))]
        recovered = image_of(memory)
        assert (memory.get("applied") == applied_of(image)) == (not done)
        if done:
            assert without(expected) == without(recovered)
        else:
            made = () if "idempotency" in expected else ("idempotency",)
            assert without(expected, "ring") == without(recovered, "ring", *made)


@pytest.mark.parametrize("name", CASES)
def test_a_frame_counts_from_its_commit_word_on(tables: Tables, name: str) -> None:
    """Behind the last frame's commit word every image recovers to the state after, before it none does."""
    before, images = run(tables, CASES[name])
    end = applied_of(settled(before, images)[1])
    seen = []
    for image in images:
        if applied_of(image) <= end:
            memory = memory_of(tables, image)
            recover(memory, tables)
            seen.append(memory.get("applied") >= end)
    assert sorted(seen) == seen and seen[0] is False and seen[-1] is True


@pytest.mark.parametrize("name", CASES)
def test_recovering_twice_changes_nothing(tables: Tables, name: str) -> None:
    """What was recovered is recovered."""
    _, images = run(tables, CASES[name])
    for image in images:
        memory = memory_of(tables, image)
        recover(memory, tables)
        once = image_of(memory)
        assert not recover(memory, tables)
        assert once == image_of(memory)


@pytest.mark.parametrize("name", CASES)
def test_an_input_that_was_lost_with_its_process_can_be_given_again(tables: Tables, name: str) -> None:
    """Given again to the recovered memory, it comes to the very same bytes."""
    case = CASES[name]
    before, images = run(tables, case)
    after = images[-1]
    for image in images:
        memory = memory_of(tables, image)
        recover(memory, tables)
        if memory.get("applied") == applied_of(before):
            case.give(engine_over(tables, memory, "mirror"))
            assert after == image_of(memory)


class Killed(Exception):
    """The process ends here."""


class Stepping:
    """Words that can be stored to so many times."""

    def __init__(self, words: Any, left: list[int]) -> None:
        self._words, self._left = words, left

    def __getitem__(self, place: Any) -> Any:
        return self._words[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        if self._left[0] == 0:
            raise Killed
        self._left[0] -= 1
        self._words[place] = value

    def __len__(self) -> int:
        return len(self._words)


def kills_in_recovery(tables: Tables, image: Image, patch: pytest.MonkeyPatch) -> Iterator[RingMemory]:
    """The memory behind each store of its recovery."""
    stores, finished = 0, False
    while not finished:
        memory, left = memory_of(tables, image), [stores]

        class Counted(Areas):
            def __init__(self, memory: Any, row_words: int, left: list[int] = left) -> None:
                super().__init__(memory, row_words)
                for name in AREAS:
                    if getattr(self, name) is not None:
                        setattr(self, name, Stepping(getattr(self, name), left))

        patch.setattr(recovery, "Areas", Counted)
        try:
            recover(memory, tables)
            finished = True
        except Killed:
            stores += 1
        patch.undo()
        yield memory


@pytest.mark.parametrize("name", CASES)
def test_a_kill_in_recovery_is_recovered_from(tables: Tables, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind any of its stores, for an image half of whose frames and half of whose views are there."""
    _, images = run(tables, CASES[name])
    for image in images[:: max(1, len(images) // 12)]:
        whole = memory_of(tables, image)
        recover(whole, tables)
        expected = image_of(whole)
        for memory in kills_in_recovery(tables, image, monkeypatch):
            recover(memory, tables)
            assert expected == image_of(memory)


def test_an_applied_mark_that_went_back_is_found(tables: Tables) -> None:
    """The rows then show later frames than the journal would make: a damaged header, refused."""
    memory = fresh(tables)
    engine = engine_over(tables, memory, "mirror")
    CASES["deferred behind another"].prepare(engine)
    applied = memory.get("applied")
    for mark in range(1, applied - 1):
        damaged = memory_of(tables, image_of(memory))
        damaged.set("applied", mark)
        with pytest.raises(fsm.CorruptStore):
            recover(damaged, tables)


def test_an_applied_mark_of_no_frame_is_found(tables: Tables) -> None:
    """Neither one behind the ring's frames nor one before `written` is believed."""
    memory = fresh(tables)
    engine = engine_over(tables, memory, "mirror")
    CASES["key"].prepare(engine)
    image = image_of(memory)
    for field, value in (("applied", 30), ("applied", 1 << 62), ("written", UINT64_MASK), ("durable", 5)):
        damaged = memory_of(tables, image)
        damaged.set(field, value)
        with pytest.raises(fsm.CorruptStore):
            recover(damaged, tables)


def test_the_work_does_not_grow_with_the_rows(tables: Tables) -> None:
    """Two groups take as many stores among a thousand rows as among three."""
    few, many = (fresh_with(tables, rows) for rows in (3, 1000))
    assert few == many


def fresh_with(tables: Tables, rows: int) -> int:
    """How many looks at rows recovery takes behind a kill, in a memory with so many of them."""
    memory = RingMemory(tables, 1024, ring_frames=4096, window=4)
    engine = engine_over(tables, memory, "mirror")
    for key in range(rows):
        engine.start(key)
    images = images_within(memory, lambda: engine.step(0, 0, 7))
    looks = 0

    class Looking(Stepping):
        def __getitem__(self, place: Any) -> Any:
            nonlocal looks
            looks += 1
            return super().__getitem__(place)

    class Counted(Areas):
        def __init__(self, memory: Any, row_words: int) -> None:
            super().__init__(memory, row_words)
            self.rows = Looking(self.rows, [1 << 30])  # type: ignore[assignment]

    committed = next(image for image in reversed(images) if applied_of(image) != applied_of(images[-1]))
    for name in ("header", "rows", "ring"):
        getattr(memory, name)[:] = committed[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "Areas", Counted)
        assert recover(memory, tables)
    return looks
