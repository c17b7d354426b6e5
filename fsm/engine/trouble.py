"""What is wrong with an engine's memory or journal, said by both engines in the same words.

row, tables ─check_row()─▶ CorruptStore        header ─check_fence()─▶ StaleEpoch
busy(), no_journal() ─▶ an error to raise
"""

from __future__ import annotations

from fsm.errors import CorruptStore, StaleEpoch, StoreError
from fsm.layout import HEADER_FIELDS, NONE, ROW_LIVE, ROW_STATE, WORD_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from fsm.tables import Tables


def check_row(tables: Tables, words: Sequence[int], row: int) -> None:
    """Raise `CorruptStore` for a row that would lead beyond the tables or beyond itself; `words` are all of it."""
    configuration = words[ROW_STATE] & NONE
    if configuration >= tables.configuration_count:
        raise _corrupt(tables, row, ROW_STATE, f"configuration {configuration}", tables.configuration_count)
    if not tables.deferral_words:
        return
    count = words[tables.deferral_word]
    if count > tables.deferral_slots:
        problem = f"{count} deferred events, and there is room for {tables.deferral_slots}"
        raise CorruptStore("rows", _offset(tables, row, tables.deferral_word), f"row {row} has {problem}")
    first = tables.deferral_word + 1
    for word in range(first, first + count * tables.deferral_words, tables.deferral_words):
        if words[word] >= tables.event_count:
            raise _corrupt(tables, row, word, f"deferred event {words[word]}", tables.event_count)


def check_free_row(tables: Tables, words: Sequence[int], row: int, row_count: int) -> None:
    """Raise `CorruptStore` for a row that the chain of free ones leads to and that is none; `words` are those of it."""
    if row >= row_count:
        reason = f"the chain of free rows leads to row {row}, and there are {row_count}"
        raise CorruptStore("header", HEADER_FIELDS["free_row"] * WORD_BYTES, reason)
    if words[ROW_STATE] >> 48 & ROW_LIVE:
        reason = f"row {row} is in the chain of free rows and holds an instance"
        raise CorruptStore("rows", _offset(tables, row, ROW_STATE), reason)


def check_fresh_row(words: Sequence[int], row: int) -> None:
    """Raise `CorruptStore` for a row behind all others that holds an instance; `words` begin with it."""
    if words[ROW_STATE] >> 48 & ROW_LIVE:
        reason = f"the header tells of {row} rows, and the one behind them holds an instance"
        raise CorruptStore("header", HEADER_FIELDS["row_count"] * WORD_BYTES, reason)


def no_free_slot() -> CorruptStore:
    """The index by key has no slot for a key, which one that is made anew in time always has."""
    return CorruptStore("index", 0, "every slot is taken, and the header tells of free ones")


def check_fence(header: memoryview, memory: Any) -> None:
    """Raise `StaleEpoch` where another writer took over; `header` is words."""
    fence = header[HEADER_FIELDS["fence"]]
    if fence:
        raise StaleEpoch(header[HEADER_FIELDS["epoch"]], fence, getattr(memory, "path", None))


def busy(operation: str) -> StoreError:
    """The journal has no room, and must not be waited for."""
    return StoreError(
        f"{operation}: the ring of the journal is full, and this store was opened with full='busy'. Nothing was taken. "
        "Call sync(), then give it again."
    )


def busy_timers(fired: int) -> StoreError:
    """The same amid the timers that are due."""
    return StoreError(
        "advance: the ring of the journal is full, and this store was opened with full='busy'. The clock has moved, "
        f"and {fired} timers were fired; the rest is due still. Call sync(), then advance() again."
    )


def no_journal(operation: str, what: str) -> ValueError:
    """What only a journal keeps was given: `what` is "keys= is", or "key= and correlation= are"."""
    it = "them" if what.endswith(" are") else "it"
    return ValueError(
        f"{operation}: {what} kept by a journal, and this engine has none. Leave {it} out, or open the flow on a store."
    )


def _corrupt(tables: Tables, row: int, word: int, found: str, count: int) -> CorruptStore:
    reason = f"row {row} has {found}, and flow {tables.name} has {count} of them"
    return CorruptStore("rows", _offset(tables, row, word), reason)


def _offset(tables: Tables, row: int, word: int) -> int:
    return row * tables.row_bytes + word * WORD_BYTES
