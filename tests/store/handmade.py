"""A memory made by hand, and a writer that stops after every store: what a reader answers must be right at each.

Writer(tables).start(...), .step(...), .release(...) ──▶ generators that yield after each store
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fsm.engine.areas import entry
from fsm.engine.frames import Group, group_max
from fsm.engine.keys import WORDS, encode_key, hash_key
from fsm.engine.memory import index_bits
from fsm.layout import (
    COUNTED_DONE,
    FRAME_WORDS,
    HEADER_FIELDS,
    HEADER_WORDS,
    INDEX_RELEASED,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_FRAME_BUSY,
    ROW_LIVE,
    UINT64_MASK,
    FrameKind,
    Outcome,
)
from fsm.tables import Tables


class Memory:
    """The areas of a store's memory, in this process."""

    idempotency: Any = None

    def __init__(self, tables: Tables, capacity: int, ring_frames: int = 16) -> None:
        frame_words = FRAME_WORDS + tables.row_words
        assert ring_frames >= 2 * group_max(tables.deferral_slots)
        self.capacity, self.index_shape = capacity, index_bits(capacity)
        self.header = bytearray(HEADER_WORDS * 8)
        self.rows = bytearray(capacity * tables.row_bytes)
        self.keys = bytearray(capacity * KEY_BYTES)
        self.index = bytearray(8 << self.index_shape)
        self.ring = bytearray(ring_frames * frame_words * 8)
        words = memoryview(self.header).cast("Q")
        for name, value in {
            "frame_bytes": frame_words * 8,
            "ring_frames": ring_frames,
            "capacity": capacity,
            "index_shape": self.index_shape,
            "place": NONE,
        }.items():
            words[HEADER_FIELDS[name]] = value


class Writer:
    """Stores what the specification says, in its order; each operation yields after every store."""

    def __init__(self, memory: Memory, tables: Tables) -> None:
        self.memory, self.tables = memory, tables
        self.words = memoryview(memory.header).cast("Q")
        self.rows = memoryview(memory.rows).cast("Q")
        self.ring = memoryview(memory.ring).cast("Q")
        self.index = memoryview(memory.index).cast("Q")
        self.frame_words = FRAME_WORDS + tables.row_words
        self.committed = 0

    def get(self, name: str) -> int:
        """A word of the header."""
        return self.words[HEADER_FIELDS[name]]

    def group(self) -> Group:
        """A group behind the last."""
        return Group(self.get("applied"), self.get("now_ns"), self.frame_words)

    def commit(self, group: Group) -> Iterator[None]:
        """The frames, word by word; the last commit word is the commit."""
        for words in group.close():
            first = (words[0] & self.get("ring_frames") - 1) * self.frame_words
            self.ring[first] = words[0] ^ UINT64_MASK
            yield
            for offset, word in enumerate(words[1:], 1):
                self.ring[first + offset] = word
            yield
            if words[0] == group.sequence:
                self.committed = group.sequence
            self.ring[first] = words[0]
            yield

    def row(self, row: int) -> list[int]:
        """The words of a row."""
        return self.rows[row * self.tables.row_words : (row + 1) * self.tables.row_words].tolist()

    def image(self, row: int, words: Sequence[int]) -> Iterator[None]:
        """The words of a row, behind the busy bit."""
        first = row * self.tables.row_words
        self.rows[first + ROW_FRAME] = words[ROW_FRAME] | ROW_FRAME_BUSY
        yield
        for offset, word in enumerate(words):
            if offset != ROW_FRAME:
                self.rows[first + offset] = word
                yield
        self.rows[first + ROW_FRAME] = words[ROW_FRAME]
        yield

    def put(self, name: str, value: int, offset: int = 0) -> Iterator[None]:
        """A word of the header."""
        self.words[HEADER_FIELDS[name] + offset] = value
        yield

    def count(self, name: str, sequence: int, offset: int = 0) -> Iterator[None]:
        """One more, so that it can be done again."""
        word = HEADER_FIELDS[name] + offset
        value = self.words[word] + 1
        yield from self.put("counted_by", self.get("counted_by") | COUNTED_DONE)
        yield from self.put("counted_value", value)
        yield from self.put("counted_word", word)
        yield from self.put("counted_by", sequence)
        self.words[word] = value
        yield

    def start(self, key: str | int, fields: Sequence[int] = ()) -> Iterator[None]:
        """A new instance in the first free row."""
        free = self.get("free_row")
        row = free - 1 if free else self.get("row_count")
        encoded = encode_key(key)
        generation = self.row(row)[0] >> 32 & 0xFFFF
        state = self.tables.initial_configuration | generation << 32 | ROW_LIVE << 48
        image = [state, 0, 0, *fields, *[0] * (self.tables.row_words - 3 - len(fields))]
        group = self.group()
        main = group.tell(
            FrameKind.START, 0, row=row, after=self.tables.initial_configuration, generation=generation, image=image
        )
        group.bring(FrameKind.KEY, row, WORDS.unpack(encoded))
        image[ROW_FRAME] = main
        yield from self.commit(group)
        if free:
            yield from self.put("free_row", self.row(row)[3])
        self.memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] = encoded
        yield
        yield from self.image(row, image)
        hashed = hash_key(encoded)
        slot = hashed & len(self.index) - 1
        while self.index[slot] not in (0, INDEX_RELEASED):
            slot = slot + 1 & len(self.index) - 1
        if self.index[slot] == 0:
            yield from self.count("index_filled", main)
        self.index[slot] = entry(hashed, row)
        yield
        yield from self.put("row_count", max(self.get("row_count"), row + 1))
        yield from self.put("applied", group.sequence)

    def step(
        self, row: int, configuration: int, fields: Sequence[int], kind: FrameKind = FrameKind.EVENT
    ) -> Iterator[None]:
        """An accepted step, or a timer's."""
        before = self.row(row)
        after = [*before]
        after[0] = before[0] >> 32 << 32 | configuration
        after[2] += 1
        after[3 : 3 + len(fields)] = fields
        group = self.group()
        after[ROW_FRAME] = group.tell(
            kind, 0, row=row, before=before[0] & NONE, after=configuration, previous=before[1],
            generation=before[0] >> 32 & 0xFFFF, image=after,
        )  # fmt: skip
        group.bring(FrameKind.ARGUMENTS, row, [1, 2, 3, 4, 5])
        yield from self.commit(group)
        yield from self.image(row, after)
        if kind is FrameKind.TIMER:
            yield from self.count("untold", after[ROW_FRAME], Outcome.ACCEPTED)
        yield from self.put("applied", group.sequence)

    def refuse(self, row: int) -> Iterator[None]:
        """A step that changes nothing."""
        before = self.row(row)
        group = self.group()
        main = group.tell(
            FrameKind.EVENT, Outcome.GUARD, row=row, before=before[0] & NONE, after=before[0] & NONE,
            previous=before[1], generation=before[0] >> 32 & 0xFFFF,
        )  # fmt: skip
        yield from self.commit(group)
        self.rows[row * self.tables.row_words + ROW_FRAME] = main
        yield
        yield from self.put("applied", group.sequence)

    def release(self, row: int) -> Iterator[None]:
        """The row is free again."""
        before, free = self.row(row), self.get("free_row")
        depth = 1 + (self.row(free - 1)[4] if free else 0)
        generation = before[0] >> 32 & 0xFFFF
        image = [generation + 1 << 32, 0, 0, free, depth, *[0] * (self.tables.row_words - 5)]
        group = self.group()
        image[ROW_FRAME] = group.tell(
            FrameKind.RELEASE, 0, row=row, before=before[0] & NONE, previous=before[1], generation=generation,
            image=image,
        )  # fmt: skip
        yield from self.commit(group)
        key = self.memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]
        slot = next(at for at, word in enumerate(self.index) if word == entry(hash_key(bytes(key)), row))
        self.index[slot] = INDEX_RELEASED
        yield
        for offset in range(0, KEY_BYTES, 8):
            self.memory.keys[row * KEY_BYTES + offset : row * KEY_BYTES + offset + 8] = bytes(8)
            yield
        yield from self.image(row, image)
        yield from self.put("free_row", row + 1)
        yield from self.put("applied", group.sequence)
