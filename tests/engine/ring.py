"""A memory with a journal for tests: the ring and all else in anonymous memory, and what is drained in a list.

RingMemory ──make_room()──▶ frames (written, applied] move from the ring into `drained`, word by word
           ──open_journalled()──▶ an engine on it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsm
from fsm.engine.frames import Frame, group_max, is_whole
from fsm.engine.idempotency import area_bytes
from fsm.engine.memory import PrivateMemory, area
from fsm.engine.protocol import engine_over
from fsm.layout import FRAME_IMAGE, FRAME_INPUT, FRAME_WORDS, HEADER_FIELDS, WORD_BYTES
from fsm.tables import Tables, tables_of

EPOCH = 7


class RingMemory(PrivateMemory):
    """Memory of this process with a journal, which is kept in a list.

    drained     words of each frame that left the ring, in order
    is_busy     whether `make_room` says that it must not be waited for
    error       what `make_room` raises, if anything
    """

    path = "a ring for tests"

    def __init__(self, tables: Tables, capacity: int = 8, *, ring_frames: int = 64, window: int = 1000) -> None:
        super().__init__(tables, capacity)
        assert ring_frames >= group_max(tables.deferral_slots) and ring_frames & ring_frames - 1 == 0
        self.frame_words = FRAME_WORDS + tables.row_words
        self.words = memoryview(self.header).cast("Q")
        self.set("frame_bytes", self.frame_words * WORD_BYTES)
        self.set("ring_frames", ring_frames)
        self.set("idempotency_window", window)
        self.set("epoch", EPOCH)
        self.ring = area(ring_frames * self.frame_words * WORD_BYTES)
        self.drained: list[tuple[int, ...]] = []
        self.is_busy = False
        self.error: Exception | None = None

    def grown(self, capacity: int) -> Any:
        """The same journal behind larger areas."""
        larger: Any = super().grown(capacity)
        larger.__class__ = type(self)
        for name in ("frame_words", "ring", "idempotency", "drained", "is_busy", "error"):
            setattr(larger, name, getattr(self, name))
        larger.words = memoryview(larger.header).cast("Q")
        return larger

    def make_room(self) -> bool:
        """All frames that were committed leave the ring."""
        if self.error is not None:
            raise self.error
        if not self.is_busy:
            self.drained += [tuple(self.frame(n)) for n in range(self.get("written") + 1, self.get("applied") + 1)]
            self.set("written", self.get("applied"))
        return not self.is_busy

    def sync(self) -> None:
        """As a store does, but that nothing is on a disk."""
        self.make_room()
        self.set("durable", self.get("written"))

    def make_idempotency(self) -> None:
        """Both generations."""
        assert self.idempotency is None
        self.idempotency = area(area_bytes(self.get("idempotency_window")))

    def frame(self, sequence: int) -> Any:
        """The words of a frame, as it was drained or lies in the ring; one without an image has nothing behind it."""
        if sequence <= len(self.drained):
            return self.drained[sequence - 1]
        first = (sequence & self.get("ring_frames") - 1) * self.frame_words
        words = memoryview(self.ring).cast("Q")[first : first + self.frame_words].tolist()
        assert is_whole(words, sequence), f"frame {sequence} is not whole: {words}"
        return words if words[FRAME_INPUT] >> 56 & FRAME_IMAGE else words[:FRAME_WORDS]

    def frames(self, first: int = 1) -> Iterator[Frame]:
        """What every frame tells, from a number on."""
        return (Frame(self.frame(sequence)) for sequence in range(first, self.get("applied") + 1))

    def get(self, name: str) -> int:
        """A word of the header."""
        return self.words[HEADER_FIELDS[name]]

    def set(self, name: str, value: int) -> None:
        """A word of the header becomes this."""
        self.words[HEADER_FIELDS[name]] = value


def open_journalled(flow: Any, name: str, capacity: int = 8, **journal: int) -> tuple[fsm.Engine, RingMemory]:
    """An engine with a journal, and its memory."""
    tables = tables_of(flow)
    memory = RingMemory(tables, capacity, **journal)
    return engine_over(tables, memory, name), memory
