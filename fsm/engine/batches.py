"""The arrays of `step_many`: what callers hand over, in the types that the engines read. Imports NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

try:
    import numpy
except ImportError as error:
    raise ImportError("step_many takes arrays, and NumPy is not installed: pip install 'fsm[arrays]'") from error
from numpy.typing import ArrayLike, NDArray

from fsm.layout import ARGUMENT_WORDS


class Batch(NamedTuple):
    """n events; every array is contiguous and of its type."""

    instances: NDArray[numpy.uint64]
    event_ids: NDArray[numpy.int64]
    arguments: NDArray[numpy.int64]
    times: NDArray[numpy.int64] | None
    keys: NDArray[numpy.uint64] | None
    outcomes: NDArray[numpy.uint8]


def prepare(
    instances: ArrayLike,
    event_ids: ArrayLike,
    arguments: ArrayLike,
    times: ArrayLike | None,
    keys: ArrayLike | None,
    outcomes: NDArray[numpy.uint8] | None,
) -> Batch:
    """Check lengths and types. Copies only what is not contiguous or of another integer type."""
    handles = _words("instances", instances, 1).view(numpy.uint64)
    count = len(handles)
    words = _words("arguments", arguments, None)
    words = words.reshape(count, -1) if words.ndim == 1 and len(words) == count and count else words
    if words.ndim == 1 and not len(words):
        words = words.reshape(count, 0)
    if words.ndim != 2 or words.shape[1] > ARGUMENT_WORDS:
        raise ValueError(f"arguments: expected int64[{count}, up to {ARGUMENT_WORDS}], found {words.shape}")
    outcomes = numpy.empty(count, numpy.uint8) if outcomes is None else _writable(outcomes)
    batch = Batch(
        handles,
        _words("event_ids", event_ids, 1),
        words,
        None if times is None else _words("times", times, 1),
        None if keys is None else _key_words(keys),
        outcomes,
    )
    for name, array in zip(Batch._fields, batch, strict=True):
        if array is not None and (len(array) != count or (name == "outcomes" and array.ndim != 1)):
            raise ValueError(f"{name}: expected {count} of them, as of instances; found shape {array.shape}")
        if array is not None and name != "outcomes" and numpy.may_share_memory(array, outcomes):
            raise ValueError(f"outcomes: shares memory with {name}, which would change while it is read. Give another.")
    return batch


def _key_words(keys: ArrayLike) -> NDArray[numpy.uint64]:
    """Idempotency keys, contiguous uint64[n, 2]: low word, high word."""
    words = _words("keys", keys, 2).view(numpy.uint64)
    if words.shape[1] != 2:
        raise ValueError(f"keys: expected uint64[{len(words)}, 2], found {words.shape}")
    return words


def integer_keys(keys: ArrayLike) -> tuple[NDArray[numpy.int64], NDArray[numpy.uint64]]:
    """int64[n] keys, and room for their handles."""
    given = _words("keys", keys, 1)
    return given, numpy.empty(len(given), numpy.uint64)


def _writable(outcomes: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
    """`outcomes` where the engine can write into it as it is."""
    if not isinstance(outcomes, numpy.ndarray) or outcomes.dtype != numpy.uint8:
        found = outcomes.dtype if isinstance(outcomes, numpy.ndarray) else type(outcomes).__name__
        raise TypeError(f"outcomes: expected an array of uint8, found {found}")
    if not outcomes.flags.c_contiguous or not outcomes.flags.writeable:
        what = "strided" if outcomes.flags.writeable else "read-only"
        raise TypeError(f"outcomes: expected a contiguous and writable array, found a {what} one")
    return outcomes


def _words(name: str, values: ArrayLike, dimensions: int | None) -> NDArray[Any]:
    """Contiguous int64; a uint64 keeps its bits, so that a handle of all ones is one, and so is any key."""
    array = numpy.asarray(values)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(numpy.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, found {array.dtype}")
    if dimensions is not None and array.ndim != dimensions:
        raise ValueError(f"{name}: expected {dimensions} dimension, found shape {array.shape}")
    if array.dtype == numpy.uint64:
        if name not in ("instances", "keys") and array.size and int(array.max()) > numpy.iinfo(numpy.int64).max:
            raise ValueError(f"{name}: expected int64, found {array.max()}")
        array = array.view(numpy.int64) if array.flags.c_contiguous else array.copy().view(numpy.int64)
    return numpy.ascontiguousarray(array, dtype=numpy.int64)
