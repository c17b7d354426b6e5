"""A memory with a journal that goes nowhere, or into one file: a store's memory, less all that a step never sees.

Ringed ──make_room()──▶ nobody (a burst: what the ring holds is dropped) | pwrite to `descriptor` (sustained)
       ──like()───────▶ the same bytes in another memory, for a floor to work on
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

import numpy

from fsm.engine.memory import PrivateMemory
from fsm.layout import FRAME_WORDS, HEADER_FIELDS, WORD_BYTES
from fsm.tables import Tables

RING_BYTES = 1 << 20
"""As a store has it."""


class Ringed(PrivateMemory):
    """Private memory, or files in /dev/shm as a store maps them, with a ring."""

    path = "a ring for benchmarks"

    def __init__(self, tables: Tables, capacity: int, *, shared: bool = False, window: int = 1_000_000) -> None:
        super().__init__(tables, capacity)
        self.frame_bytes = (FRAME_WORDS + tables.row_words) * WORD_BYTES
        self.ring: Any = mmap.mmap(-1, RING_BYTES)
        self.descriptor, self.position, self.is_shared = -1, 0, shared
        if shared:
            self.rows, self.ring, self.header = (shared_copy(area) for area in (self.rows, self.ring, self.header))
        self.words = numpy.frombuffer(self.header, numpy.uint64)
        for name, value in {
            "frame_bytes": self.frame_bytes,
            "ring_frames": RING_BYTES // self.frame_bytes,
            "idempotency_window": window,
        }.items():
            self.words[HEADER_FIELDS[name]] = value

    def make_room(self) -> bool:
        """What is committed leaves the ring."""
        written, applied = int(self.words[HEADER_FIELDS["written"]]), int(self.words[HEADER_FIELDS["applied"]])
        frames, first = RING_BYTES // self.frame_bytes, written + 1
        while self.descriptor >= 0 and first <= applied:
            slot = first & frames - 1
            run = min(frames - slot, applied - first + 1)
            begin, end = slot * self.frame_bytes, (slot + run) * self.frame_bytes
            with memoryview(self.ring) as ring:
                assert os.pwrite(self.descriptor, ring[begin:end], self.position) == end - begin
            self.position += end - begin
            first += run
        self.words[HEADER_FIELDS["written"]] = applied
        return True

    def make_idempotency(self) -> None:
        """Both generations of the index of keys."""
        from fsm.engine.idempotency import area_bytes
        from fsm.engine.memory import area

        self.idempotency = area(area_bytes(int(self.words[HEADER_FIELDS["idempotency_window"]])))

    def like(self) -> dict[str, Any]:
        """Arrays of the same kind that hold the same: rows, ring, header."""
        copy = shared_copy if self.is_shared else private_copy
        return {name: numpy.frombuffer(copy(getattr(self, name)), numpy.uint64) for name in ("rows", "ring", "header")}


def private_copy(area: Any) -> Any:
    """The same bytes in private memory, on huge pages where they are offered."""
    from fsm.engine.memory import area as private

    made = private(len(area))
    memoryview(made)[:] = memoryview(area)
    return made


def shared_copy(area: Any) -> Any:
    """The same bytes in a file of its own in shared memory, preallocated and already without a name."""
    with tempfile.TemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:
        os.posix_fallocate(file.fileno(), 0, len(area))
        made = mmap.mmap(file.fileno(), len(area))
    memoryview(made)[:] = memoryview(area)
    return made
