"""What a source yields: events in order, as arrays, and an account of the rows that are none.

    a file, a feed ──events(path, engine)──▶ Batch(keys, event_ids, arguments, times) ──▶ Ingest

Rows of the source = events taken + rows left out + rows parked with a reason. Nothing vanishes. On a store, a batch
that comes from rows is a function of the source alone: it is made again after a kill, and its digest must be the same.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

SHAPE: Final = Struct("<4q5?")


class Parked(NamedTuple):
    """A row that is no event: kept with the reason, for whoever mends it and gives it again."""

    row: int
    """Number of the row in its source, from 1."""
    reason: str
    content: bytes


class Batch:
    """Events in the order of their source; what `events(path, engine)` yields.

    keys        int64[n]: integer keys of the instances; or None, and `instances` are handles, uint64[n]
    event_ids   int64[n], or one for all of them
    arguments   int64[n, k], k at most 6, or None: no event has any
    times       int64[n] in ns, or None; before event i the engine's clock moves to times[i]
    idempotency_keys    uint64[n, 2], low and high half, or None; an event whose two words are 0 has none. An event that
                comes again with its key is a duplicate, and not taken twice. They need a store
    left_out    rows read for this batch that the source leaves out on purpose
    parked      rows read for this batch that are no events
    made_up     these events come from no row: they are counted apart. They may depend on the engine's state
    progress    0 to 1: how far the source is read, for whoever waits; None where nobody can tell
    """

    __slots__ = (
        "arguments", "event_ids", "idempotency_keys", "instances", "keys", "left_out", "made_up", "parked", "progress",
        "times",
    )  # fmt: skip

    def __init__(
        self,
        keys: ArrayLike | None,
        event_ids: ArrayLike,
        arguments: ArrayLike | None = None,
        times: ArrayLike | None = None,
        *,
        instances: ArrayLike | None = None,
        idempotency_keys: ArrayLike | None = None,
        left_out: int = 0,
        parked: Sequence[Parked] = (),
        made_up: bool = False,
        progress: float | None = None,
    ) -> None:
        if (keys is None) == (instances is None):
            raise ValueError("a Batch takes keys or instances: give one of them, and None for the other")
        self.keys = None if keys is None else _row("keys", keys)
        self.instances = None if instances is None else _row("instances", instances).view(np.uint64)
        count = len(self)
        self.event_ids = _column("event_ids", event_ids, count)
        self.arguments = np.zeros((count, 0), np.int64) if arguments is None else _integers("arguments", arguments)
        self.times = None if times is None else _column("times", times, count)
        self.idempotency_keys = None if idempotency_keys is None else _pairs(idempotency_keys, count)
        self.left_out = left_out
        self.parked = parked
        self.made_up = made_up
        self.progress = progress
        if progress is not None and not 0 <= progress <= 1:
            raise ValueError(f"a Batch: progress: expected 0 to 1, or None, found {progress}")
        if left_out < 0 or not all(isinstance(each, Parked) and isinstance(each.content, bytes) for each in parked):
            raise ValueError("a Batch: left_out is 0 or more, and parked holds Parked(row, reason, content in bytes)")
        if self.arguments.ndim != 2 or len(self.arguments) != count:
            raise ValueError(f"a Batch of {count} events: expected arguments[{count}, k], found {self.arguments.shape}")

    def __len__(self) -> int:
        return len(self.keys if self.keys is not None else self.instances)  # type: ignore[arg-type]

    @property
    def empty(self) -> bool:
        """Whether it brings neither events nor rows that are accounted for."""
        return not (len(self) or self.left_out or self.parked)

    def digest(self, before: int = 0) -> int:
        """CRC-32 of everything that the batch brings, behind what has the digest `before`; progress is not in it."""
        arrays = (self.keys, self.instances, self.event_ids, self.arguments, self.times, self.idempotency_keys)
        there = (array is not None for array in (self.keys, self.instances, self.times, self.idempotency_keys))
        shape = (len(self), self.arguments.shape[1], self.left_out, len(self.parked))
        digest = crc32(SHAPE.pack(*shape, *there, self.made_up), before)
        for array in arrays:
            if array is not None and array.size:
                digest = crc32(array.data, digest)
        for row, reason, content in self.parked:
            digest = crc32(content, crc32(f"{row} {reason}\n".encode(errors="surrogatepass"), digest))
        return digest


def _row(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """int64[n]."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"a Batch: {name}: expected one for each event, found the shape {array.shape}")
    return _integers(name, array)


def _column(name: str, values: ArrayLike, count: int) -> NDArray[np.int64]:
    """int64[count]; one value stands for as many."""
    array = _integers(name, values)
    if array.shape not in ((), (1,), (count,)):
        raise ValueError(f"a Batch of {count} events: {name}: expected {count} of them, found the shape {array.shape}")
    return np.ascontiguousarray(np.broadcast_to(array, count))


def _pairs(values: ArrayLike, count: int) -> NDArray[np.uint64]:
    """uint64[count, 2]. Signed words keep their bits, as those of handles do."""
    array = np.asarray(values)
    if array.shape != (count, 2):
        raise ValueError(f"a Batch of {count} events: idempotency_keys: expected [{count}, 2], found {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"a Batch: idempotency_keys: expected integers, found {array.dtype}")
    return np.ascontiguousarray(array).astype(np.uint64, copy=False)


def _integers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """The values as contiguous int64. Raises TypeError for fractions and text: NumPy would cut them off in silence."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"a Batch: {name}: expected integers, found {array.dtype}")
    if name != "instances" and array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"a Batch: {name}: expected int64, found {array.max()}")
    return np.ascontiguousarray(array, np.int64) if array.ndim else array.astype(np.int64)
