"""A store that is small enough to compare all of it after every instruction: four rows, a ring of a few frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsm
from fsm.store import journal, memory

CAPACITY = 4
WINDOW = 8
"""Idempotency keys."""
RING_BYTES = 1 << 14
"""64 frames or more, so that a script need not drain it."""
LEAST_RING = 1
"""A ring holds two of the largest groups at the least; this one no more."""
SEGMENT_BYTES = journal.HEADER_BYTES + 20 * 128
"""A header, and some frames: so that one segment ends and the next begins."""


def open_store(path: Any, flow: Any, engine: str | None, **more: Any) -> Any:
    """`fsm.open` of a small store; whoever opens one that is there takes it as it is."""
    given = {"idempotency_window": WINDOW, "capacity": CAPACITY, **more} if flow is not None else more
    return fsm.open(path, flow, engine=engine, **given)


@contextmanager
def sizes(*, ring_bytes: int = RING_BYTES, segment_bytes: int = SEGMENT_BYTES) -> Iterator[None]:
    """The sizes of rings and segments that are made meanwhile."""
    before = memory.RING_BYTES, journal.SEGMENT_BYTES
    memory.RING_BYTES, journal.SEGMENT_BYTES = ring_bytes, segment_bytes
    try:
        yield
    finally:
        memory.RING_BYTES, journal.SEGMENT_BYTES = before
