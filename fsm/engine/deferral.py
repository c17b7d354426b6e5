"""Deferred events: kept in the row, oldest first, and given again once other states are active.

word    │ how many wait │ id, arguments │ id, arguments │ 0 ...
"""

from __future__ import annotations

from fsm.engine.macrostep import Decision, signed
from fsm.layout import ARGUMENT_WORDS, NONE, ROW_STATE, UINT64_MASK, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fsm.engine.macrostep import Macrostep
    from fsm.tables import Tables


def defer(tables: Tables, image: list[int], at_most: int, event_id: int, arguments: Sequence[int]) -> Decision:
    """The event at the end of the queue, where there is room."""
    word, size = tables.deferral_word, tables.deferral_words
    count = image[word] if size else 0
    if count >= at_most:
        return Decision(Outcome.DEFERRAL_FULL, image)
    after, first = [*image], word + 1 + count * size
    after[word] = count + 1
    after[first : first + size] = [event_id, *(argument & UINT64_MASK for argument in arguments[: size - 1])]
    return Decision(Outcome.DEFERRED, after)


def given_again(
    macrostep: Macrostep, before: list[int], decision: Decision, now_ns: int
) -> Iterator[tuple[int, list[int], list[int], Decision]]:
    """What becomes of deferred events once the active states have changed, in order; each sees the one before.

    Gives the event's id, its six argument words, the image before it and the decision, whose image lacks the event.
    """
    tables = macrostep.tables
    word, size = tables.deferral_word, tables.deferral_words
    image, position = decision.image, 0
    if not size or decision.outcome is not Outcome.ACCEPTED or not has_moved(tables, before, image):
        return
    while position < image[word]:
        first = word + 1 + position * size
        event_id, *arguments = (signed(value) for value in image[first : first + size])
        arguments += [0] * (ARGUMENT_WORDS - len(arguments))
        again = macrostep.decide(image, event_id, arguments, now_ns)
        if again.outcome is Outcome.DEFERRED:
            position += 1
            continue
        moved = again.outcome is Outcome.ACCEPTED and has_moved(tables, image, again.image)
        again.image = _without(tables, again.image, first)
        yield event_id, arguments, image, again
        image, position = again.image, 0 if moved else position


def has_moved(tables: Tables, before: list[int], after: list[int]) -> bool:
    """Whether other states are active; configurations may differ in what history remembers alone."""
    old, new = before[ROW_STATE] & NONE, after[ROW_STATE] & NONE
    return old != new and tables.active_states(old) != tables.active_states(new)


def _without(tables: Tables, image: list[int], first: int) -> list[int]:
    """The image without the deferred event that begins at a word; those behind it move up."""
    word, size = tables.deferral_word, tables.deferral_words
    end = word + 1 + image[word] * size
    after = [*image[:first], *image[first + size : end], *[0] * size, *image[end:]]
    after[word] -= 1
    return after
