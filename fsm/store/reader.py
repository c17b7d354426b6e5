"""An engine that only looks: on a store that another process writes, or that nobody has open.

    mapping, read-only ──▶ View ──seqlock──▶ a row as it stood at one moment ─┐
    ring above `applied` ──▶ Overlay: what a killed writer has committed ─────┴──▶ find state fields version select ...

It takes no lock that a writer could meet, writes nothing and repairs nothing. What it answers was so at some moment of
the call: each row by itself, not several rows together. Where the memory has grown, or another writer took over into
new memory, the next call maps anew.
"""

from __future__ import annotations

from array import array
from operator import index as integer

from fsm.engine.keys import decode_key, hash_key
from fsm.engine.trouble import check_row
from fsm.errors import CorruptStore, StoreError
from fsm.layout import (
    GENERATION_MASK,
    HEADER_FIELDS,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_LIVE,
    ROW_STATE,
    ROW_VERSION,
    UINT64_MASK,
    UNTOLD_OUTCOMES,
    WORD_BYTES,
    Outcome,
)
from fsm.store.mapped import Mapped
from fsm.store.overlay import FREE_DEPTH, Overlay
from fsm.store.view import TRIES, View, probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.engine.protocol import Engine
    from fsm.tables import Compilable, Tables

APPLIED: Final = HEADER_FIELDS["applied"]
EPOCH: Final = HEADER_FIELDS["epoch"]
FREE_ROW: Final = HEADER_FIELDS["free_row"]
INDEX_SHAPE: Final = HEADER_FIELDS["index_shape"]
NOW: Final = HEADER_FIELDS["now_ns"]
ROW_COUNT: Final = HEADER_FIELDS["row_count"]
UNTOLD: Final = slice(HEADER_FIELDS["untold"], HEADER_FIELDS["untold"] + UNTOLD_OUTCOMES)


def open_reader(path: Any, flow: Compilable | Tables | None = None, *, engine: str | None = None) -> Engine:
    """The engine of `fsm.open(path, readonly=True)`. `engine` changes nothing: what reads is the same for both."""
    reader = Reader.__new__(Reader)
    reader._open(path, flow)
    return reader


class Reader(Mapped):
    """Engine "reader": what an engine tells, and nothing that it does."""

    __slots__ = ()
    engine = "reader"

    # --- rows ---

    def _row(self, instance: int, operation: str) -> memoryview:
        """A copy of the words of a live row. Raises `LookupError`, and `CorruptStore` for a row that cannot be."""
        view = self._current(operation)
        try:
            instance = integer(instance)
        except TypeError:
            raise TypeError(f"{operation}: expected a handle, as start and find give it; found {instance!r}") from None
        row, generation = instance & NONE, instance >> 32
        overlay = self._pending(view)
        if 0 <= generation <= GENERATION_MASK and row < self._row_count(view, overlay):
            words = self._record_of(view, overlay, row)
            if words[ROW_STATE] >> 32 == generation | ROW_LIVE << 16:
                if not self._trusting or words[ROW_STATE] & NONE >= self.tables.configuration_count:
                    check_row(self.tables, words, row)
                return words
        raise LookupError(f"instance {instance} is unknown: no row {row} of generation {generation} holds one")

    def _states(self, row: memoryview) -> tuple[str, ...]:
        configuration = row[ROW_STATE] & NONE
        names: tuple[str, ...] | None = self._names.get(configuration)
        if names is None:
            names = self._names[configuration] = super()._states(row)
        return names

    def _record(self, instance: int) -> bytes:
        """The words of a live row at one moment. Raises `LookupError`."""
        return self._row(instance, "record").tobytes()

    def _record_of(self, view: View, overlay: Overlay | None, row: int) -> memoryview:
        words = view.record(row)
        if overlay is not None and row in overlay.rows and overlay.rows[row][ROW_FRAME] >= words[ROW_FRAME]:
            return memoryview(array("Q", overlay.rows[row]))
        return words

    def _row_count(self, view: View, overlay: Overlay | None) -> int:
        count: int = view.header[ROW_COUNT] if overlay is None else overlay.row_count
        if count > view.capacity:
            reason = f"{count} rows are in use, and there is room for {view.capacity}"
            raise CorruptStore("header", ROW_COUNT * WORD_BYTES, reason)
        return count

    def _select(self, wanted: bytes, changed_before: int) -> list[int]:
        view = self._current("select")
        overlay = self._pending(view)
        laid = {} if overlay is None else overlay.rows
        count, size, handles = self._row_count(view, overlay), view.row_words, []
        # One word tells where an instance stands, and is stored whole.
        for row, state in enumerate(view.rows[: count * size : size].tolist()):
            if row in laid:
                state = self._record_of(view, overlay, row)[ROW_STATE]
            if not state >> 48 & ROW_LIVE:
                continue
            if state & NONE >= len(wanted):
                check_row(self.tables, view.record(row), row)
                continue
            if wanted[state & NONE]:
                words = self._record_of(view, overlay, row)
                alive, configuration = words[ROW_STATE] >> 48 & ROW_LIVE, words[ROW_STATE] & NONE
                stands = alive and configuration < len(wanted) and wanted[configuration]
                if stands and words[ROW_VERSION] >> 32 < changed_before:
                    handles.append(row | (words[ROW_STATE] >> 32 & GENERATION_MASK) << 32)
        return handles

    # --- keys ---

    def _find(self, key: bytes) -> int | None:
        hashed = hash_key(key)
        for _ in range(TRIES):
            view = self._current("find")
            overlay = self._pending(view)
            if overlay is not None and key in overlay.keys:
                return overlay.keys[key]
            handle, slot = probe(view, key, hashed)
            if slot is None and view.header[INDEX_SHAPE] == view.index_shape:
                if handle is None or overlay is None or handle & NONE not in overlay.rows:
                    return handle
                row = handle & NONE
                return row | (self._record_of(view, overlay, row)[ROW_STATE] >> 32 & GENERATION_MASK) << 32
        if slot is None:
            raise StoreError(f"store {self._path}: it grows faster than it can be mapped. Read it again.")
        raise CorruptStore("index", slot * WORD_BYTES, f"the slot of key {decode_key(key)!r} names a row without one")

    def key(self, instance: int, /) -> str | int:
        """The key that an instance was started with. Raises `LookupError` for an unknown one."""
        row = integer(instance) & NONE
        for _ in range(TRIES):
            self._row(instance, "key")
            view = self._current("key")
            overlay = self._pending(view)
            key = view.key(row) if overlay is None or row not in overlay.row_keys else overlay.row_keys[row]
            state = view.rows[row * view.row_words + ROW_STATE]
            if any(key) and (state >> 32 == instance >> 32 | ROW_LIVE << 16 or overlay is not None):
                try:
                    return decode_key(key)
                except UnicodeDecodeError as error:
                    reason = f"the key of row {row} is no text: {error}"
                    raise CorruptStore("keys", row * KEY_BYTES, reason) from None
        raise CorruptStore("keys", row * KEY_BYTES, f"row {row} holds an instance and has no key")

    def _position(self) -> list[int] | None:
        """The words that were marked last, or None."""
        journal = self.memory.journal
        journal.epoch = self._current("position").header[EPOCH]
        journal.look()
        return super()._position()

    def _find_many_into(self, keys: Any, handles: Any) -> None:
        from fsm.engine.keys import INTEGER_KEY
        from fsm.layout import KEY_INTEGER

        for position, key in enumerate(keys.tolist()):
            found = self._find(INTEGER_KEY.pack(KEY_INTEGER, key))
            handles[position] = UINT64_MASK if found is None else found

    # --- the header ---

    def _header(self, name: str, operation: str) -> int:
        value: int = self._current(operation).header[HEADER_FIELDS[name]]
        return value

    def _enter(self, operation: str) -> None:
        self._current(operation)

    @property
    def sequence(self) -> int:
        """The number of the last frame that is committed."""
        view = self._current("sequence")
        overlay = self._pending(view)
        last: int = view.header[APPLIED] if overlay is None else overlay.last
        return last

    @property
    def durable_sequence(self) -> int:
        """The last frame that is known to be on the disk."""
        return self._header("durable", "durable_sequence")

    @property
    def now_ns(self) -> int:
        """The writer's time."""
        view = self._current("now_ns")
        overlay = self._pending(view)
        now: int = view.header[NOW] if overlay is None else overlay.now_ns
        return now

    @property
    def untold(self) -> dict[str, int]:
        """What became, by outcome, of inputs that no caller was told of: timers, and deferred events given again."""
        view = self._current("untold")
        overlay = self._pending(view)
        counts = view.header[UNTOLD].tolist() if overlay is None else overlay.untold
        return {outcome.label: counts[outcome] for outcome in Outcome if outcome < len(counts) and counts[outcome]}

    def __len__(self) -> int:
        for _ in range(TRIES):
            view = self._current("len")
            overlay = self._pending(view)
            count, free = self._row_count(view, overlay), view.header[FREE_ROW] if overlay is None else overlay.free_row
            if not free:
                return count
            if free > count:
                reason = f"the chain of free rows leads to row {free - 1}, and there are {count}"
                raise CorruptStore("header", FREE_ROW * WORD_BYTES, reason)
            words = self._record_of(view, overlay, free - 1)
            if words[ROW_STATE] >> 48 & ROW_LIVE:
                continue  # it was taken from the chain meanwhile
            if overlay is None and (view.header[FREE_ROW] != free or view.header[ROW_COUNT] != count):
                continue
            if words[FREE_DEPTH] <= count:
                return count - words[FREE_DEPTH]
            reason = f"{words[FREE_DEPTH]} rows are free from row {free - 1} on, and there are {count}"
            raise CorruptStore("rows", (free - 1) * view.row_bytes + FREE_DEPTH * WORD_BYTES, reason)
        raise CorruptStore("header", FREE_ROW * WORD_BYTES, "the chain of free rows leads to a row that is not free")
