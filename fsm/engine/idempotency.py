"""The index of idempotency keys, in plain Python: which inputs were taken already, and as what.

    two generations of tables, slots of four words:  │ key 128 │ its frame │ digest of the input 56, outcome 8 │

A generation is full at the window's number of keys; then the other one is begun anew, by noting the frame at which it
was: whatever an older frame left there is free. So a key is forgotten between one window and two after it came, nothing
is ever deleted, and doing an insert again is harmless.

    key, digest ──find()──▶ Taken, by an earlier input      ──insertion()──▶ Insertion: the words, and where they go
"""

from __future__ import annotations

from fsm.engine.keys import mix
from fsm.engine.memory import index_bits
from fsm.layout import HASH_SEED, HEADER_FIELDS, IDEMPOTENCY_WORDS, UINT64_MASK, WORD_BYTES, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

SINCE: Final = HEADER_FIELDS["idempotency_since"]
COUNT: Final = HEADER_FIELDS["idempotency_count"]
WINDOW: Final = HEADER_FIELDS["idempotency_window"]

FRAME: Final = 2
"""The word of a slot that holds the frame."""
NOTED: Final = 3
"""The word of a slot that holds digest and outcome."""
NOTED_OUTCOMES: Final = frozenset({Outcome.ACCEPTED, Outcome.IGNORED, Outcome.DEFERRED})
"""What was refused leaves no trace here: it may be given again with its key."""


class Taken:
    """An input that was taken with a key: its frame, its digest, and what became of it."""

    __slots__ = ("digest", "frame", "outcome")

    def __init__(self, frame: int, digest: int, outcome: int) -> None:
        self.frame, self.digest, self.outcome = frame, digest, outcome


class Insertion:
    """How a key is noted: stores in this order, and then the count of its generation.

    since       the word of the header that names where the generation begins, or None where it goes on
    offset      of the slot, in words: key low, key high and `noted` are stored, and its frame last of them
    counter     the word of the header with the keys of the generation, and the number there after this one
    """

    __slots__ = ("count", "counter", "noted", "offset", "since")

    def __init__(self, since: int | None, offset: int, noted: int, counter: int, count: int) -> None:
        self.since, self.offset, self.noted, self.counter, self.count = since, offset, noted, counter, count


def area_bytes(window: int) -> int:
    """Bytes of the area for so many keys in a generation."""
    return 2 * IDEMPOTENCY_WORDS * WORD_BYTES << index_bits(window)


def digest(instance: int, event_id: int, arguments: Sequence[int]) -> int:
    """56 bits that tell one input from another: its instance, event and six argument words."""
    hashed = HASH_SEED
    for word in (instance, event_id, *arguments):
        hashed = mix(hashed, word & UINT64_MASK)
    return hashed >> 8


def find(header: memoryview, area: memoryview, key: tuple[int, int]) -> Taken | None:
    """The input that was taken with the key, as the newer generation has it, then as the older."""
    current = current_generation(header)
    for generation in (current, 1 - current):
        since = header[SINCE + generation]
        offset = _slot(area, generation, since, key) if since else None
        if offset is not None and not _is_free(area[offset + FRAME], since):
            noted = area[offset + NOTED]
            return Taken(area[offset + FRAME], noted >> 8, noted & 0xFF)
    return None


def insertion(
    header: memoryview, area: memoryview, key: tuple[int, int], frame: int, digest: int, outcome: int
) -> Insertion | None:
    """How the key of a frame is noted; it is in no generation, or only because this was begun before.

    None where a damaged area has no room: then the key is not known later, and nothing worse.
    """
    generation = current_generation(header)
    since, count = header[SINCE + generation], header[COUNT + generation]
    begins = since == 0 or (count >= header[WINDOW] and since != frame)
    if begins and since:
        generation = 1 - generation
    since = frame if begins else since
    offset = _slot(area, generation, since, key)
    if offset is None:
        return None
    return Insertion(
        SINCE + generation if begins else None,
        offset,
        digest << 8 | outcome,
        COUNT + generation,
        1 if since == frame else count + 1,
    )


def current_generation(header: memoryview) -> int:
    """The one that was begun last."""
    return int(header[SINCE + 1] > header[SINCE])


def _slot(area: memoryview, generation: int, since: int, key: tuple[int, int]) -> int | None:
    """Word offset of the slot of the key in a generation, or of the free one where it goes; looks at each slot once."""
    slots = len(area) // (2 * IDEMPOTENCY_WORDS)
    first = mix(mix(HASH_SEED, key[0]), key[1])
    for probe in range(slots):
        offset = (generation * slots + (first + probe & slots - 1)) * IDEMPOTENCY_WORDS
        if _is_free(area[offset + FRAME], since) or (area[offset], area[offset + 1]) == key:
            return offset
    return None


def _is_free(frame: int, since: int) -> bool:
    return frame == 0 or frame < since
