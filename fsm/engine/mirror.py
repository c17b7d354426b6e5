"""The mirror: the engine in plain Python over the same buffers, and the specification that the native core is held to.

    handle ──▶ row ──▶ image ──macrostep──▶ image after it ──deferred events given again──▶ commit to the row
    advance ─▶ timers that are due, in order ──▶ each the same as an event

Read this first, and `macrostep.py` with it. They say each thing once, in the order in which it happens; `native/step.h`
and its neighbours say the same in C, with tricks.
"""

from __future__ import annotations

from array import array
from heapq import heapify, heappop, heappush
from operator import index as integer
from time import monotonic_ns

from fsm.engine.keys import INTEGER_KEY, hash_key
from fsm.engine.macrostep import Decision, Macrostep
from fsm.engine.protocol import UNKNOWN, Engine
from fsm.errors import ConcurrentUse, FsmError, StoreFull
from fsm.layout import (
    ARGUMENT_WORDS,
    GENERATION_MASK,
    HEADER_FIELDS,
    INT64_MAX,
    INT64_MIN,
    KEY_BYTES,
    KEY_INTEGER,
    NONE,
    ROW_FRAME,
    ROW_LIVE,
    ROW_STATE,
    ROW_VERSION,
    UINT64_MASK,
    UNTOLD_OUTCOMES,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

    from fsm.engine.memory import PrivateMemory
    from fsm.tables import Tables

SEQUENCE: Final = HEADER_FIELDS["sequence"]
NOW: Final = HEADER_FIELDS["now_ns"]
PLACE: Final = HEADER_FIELDS["place"]
ROW_COUNT: Final = HEADER_FIELDS["row_count"]
CAPACITY: Final = HEADER_FIELDS["capacity"]
UNTOLD: Final = slice(HEADER_FIELDS["untold"], HEADER_FIELDS["untold"] + UNTOLD_OUTCOMES)


class MirrorEngine(Engine):
    """Engine "mirror": what the native core does, a hundred times slower, wherever Python runs."""

    __slots__ = ("_due", "_header_words", "_index", "_macrostep", "_moments", "_rows", "_writer", "memory", "tables")
    engine = "mirror"
    _writer: object

    def _attach(self, tables: Tables, memory: PrivateMemory, index_is_empty: bool = False) -> None:
        """Take the buffers of `memory`, which `tables` fit."""
        rows, header = memoryview(memory.rows).cast("Q"), memoryview(memory.header).cast("Q")
        index = memoryview(memory.index).cast("Q")
        if index_is_empty:
            for row in range(header[ROW_COUNT]):
                key = memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]
                hashed = hash_key(key)
                index[find_slot(index, memory.keys, key, hashed)] = hashed >> 32 << 32 | row + 1
        moments = [
            (_signed(rows[row * tables.row_words + word]), row, word)
            for row in (range(header[ROW_COUNT]) if tables.timer_slots else ())
            for word in range(tables.field_end, tables.field_end + tables.timer_slots)
            if rows[row * tables.row_words + word]
        ]
        heapify(moments)
        macrostep, due = Macrostep(tables), set[tuple[int, int]]()
        # No call from here on, so that no signal can cut it in two.
        self.tables, self.memory, self._writer = tables, memory, self._writer if index_is_empty else None
        self._rows, self._header_words, self._index = rows, header, index
        self._macrostep, self._moments, self._due = macrostep, moments, due

    @property
    def sequence(self) -> int:
        """The number of the last input taken: 0 before the first."""
        return self._header("sequence", "sequence")

    # --- the step ---

    def step(
        self,
        instance: int,
        event_id: int,
        a0: int = 0,
        a1: int = 0,
        a2: int = 0,
        a3: int = 0,
        a4: int = 0,
        a5: int = 0,
        /,
        *,
        key: object = None,
        expected: int | None = None,
        correlation: object = None,
    ) -> int:
        """One event run to completion; returns an `Outcome` code. `fsm.engine.protocol` documents it."""
        instance = _word("instance", instance, 0, UINT64_MASK)
        event_id = _word("event_id", event_id, 0, NONE)
        words = [_word("argument", word, INT64_MIN, INT64_MAX) for word in (a0, a1, a2, a3, a4, a5)]
        if expected is not None:
            expected = _word("expected", expected, 0, UINT64_MASK)
        return int(self._alone("step", self._step, instance, event_id, words, key, expected, correlation))

    def _step(
        self, instance: int, event_id: int, words: list[int], key: object, expected: int | None, correlation: object
    ) -> Outcome:
        if key is not None or correlation is not None:
            raise ValueError(
                "step: key= and correlation= are kept by a journal, and this engine has none. "
                "Leave them out, or open the flow on a store."
            )
        return self._take(instance, event_id, words, expected)

    def _take(self, instance: int, event_id: int, arguments: list[int], expected: int | None = None) -> Outcome:
        """Number the input, find its row, decide, and write what was decided: all of it, or nothing."""
        header, row_words = self._header_words, self.tables.row_words
        base = self._base(instance)
        if base is None:
            header[SEQUENCE] += 1
            return Outcome.UNKNOWN_INSTANCE
        image = self._rows[base : base + row_words].tolist()
        return self._commit(base, self._decide(image, event_id, arguments, expected), image)

    def _decide(self, image: list[int], event_id: int, arguments: list[int], expected: int | None) -> Decision:
        """What becomes of the event; touches nothing."""
        if not 0 <= event_id < self.tables.event_count:
            return Decision(Outcome.UNKNOWN_EVENT, image)
        if expected is not None and image[ROW_VERSION] & NONE != expected:
            return Decision(Outcome.VERSION, image)
        decision = self._macrostep.decide(image, event_id, arguments, self._header_words[NOW])
        if decision.outcome is Outcome.DEFERRED:
            return self._deferred(image, decision.at_most, event_id, arguments)
        return decision

    def _commit(self, base: int, decision: Decision, before: list[int], *, told: bool = True) -> Outcome:
        """Give deferred events again, then write what all of it came to."""
        header, rows = self._header_words, self._rows
        sequence, outcomes = header[SEQUENCE] + 1, [] if told else [decision.outcome]
        decision.image[ROW_FRAME] = sequence
        last, slots, place = decision, set(decision.slots), decision.place
        for again in self._given_again(before, decision):
            sequence += 1
            again.image[ROW_FRAME] = sequence
            outcomes.append(again.outcome)
            slots |= again.slots
            last, place = again, place if again.place is None else again.place
        self._keep_moments(base, last.image, slots)
        after, untold = array("Q", last.image), header[UNTOLD].tolist()
        for outcome in outcomes:
            untold[outcome] += 1
        counts, place = array("Q", untold), header[PLACE] if place is None else place
        # No call from here on, so that no signal can cut it in two.
        rows[base : base + len(after)] = after
        header[UNTOLD] = counts
        header[PLACE] = place
        header[SEQUENCE] = sequence
        return decision.outcome

    # --- deferred events: how many wait, then each with its id and argument words, oldest first ---

    def _deferred(self, image: list[int], at_most: int, event_id: int, arguments: list[int]) -> Decision:
        """The event at the end of the queue, where there is room."""
        word, size = self.tables.deferral_word, self.tables.deferral_words
        count = image[word] if size else 0
        if count >= at_most:
            return Decision(Outcome.DEFERRAL_FULL, image)
        after, first = [*image], word + 1 + count * size
        after[word] = count + 1
        after[first : first + size] = [event_id, *(argument & UINT64_MASK for argument in arguments[: size - 1])]
        return Decision(Outcome.DEFERRED, after)

    def _given_again(self, before: list[int], decision: Decision) -> Iterator[Decision]:
        """What becomes of deferred events once the active states have changed, in order; each sees the one before."""
        word, size = self.tables.deferral_word, self.tables.deferral_words
        image, position = decision.image, 0
        if not size or decision.outcome is not Outcome.ACCEPTED or not self._moved(before, image):
            return
        while position < image[word]:
            first = word + 1 + position * size
            event_id, *arguments = (_signed(value) for value in image[first : first + size])
            arguments += [0] * (ARGUMENT_WORDS - len(arguments))
            again = self._macrostep.decide(image, event_id, arguments, self._header_words[NOW])
            if again.outcome is Outcome.DEFERRED:
                position += 1
                continue
            moved = again.outcome is Outcome.ACCEPTED and self._moved(image, again.image)
            image = again.image = self._without(again.image, first)
            position = 0 if moved else position
            yield again

    def _moved(self, before: list[int], after: list[int]) -> bool:
        """Whether other states are active; configurations may differ in what history remembers alone."""
        tables, old, new = self.tables, before[ROW_STATE] & NONE, after[ROW_STATE] & NONE
        return old != new and tables.active_states(old) != tables.active_states(new)

    def _without(self, image: list[int], first: int) -> list[int]:
        """The image without the deferred event that begins at a word; those behind it move up."""
        word, size = self.tables.deferral_word, self.tables.deferral_words
        end = word + 1 + image[word] * size
        after = [*image[:first], *image[first + size : end], *[0] * size, *image[end:]]
        after[word] -= 1
        return after

    # --- timers ---

    def _keep_moments(self, base: int, image: list[int], slots: set[int]) -> None:
        """Note the deadlines of slots that were set; what is due in this `advance` no longer is, if it was set."""
        row = base // self.tables.row_words
        if len(self._moments) > 2 * self._header_words[ROW_COUNT] * self.tables.timer_slots + 64:
            # Most are of timers that were cancelled or armed anew since. A sorted list is a heap.
            self._moments = sorted(moment for moment in set(self._moments) if self._is_armed(*moment))
        for word in sorted(slots):
            self._due.discard((row, word))
            if image[word]:
                heappush(self._moments, (_signed(image[word]), row, word))

    def _fire_due(self, now_ns: int) -> int:
        """Fire what is due, by deadline, then row, then slot. What is armed meanwhile waits for the next time."""
        if now_ns < self._header_words[NOW]:
            return 0
        self._header_words[NOW] = now_ns
        due: list[tuple[int, int, int]] = []
        done = fired = 0
        try:
            while self._moments and self._moments[0][0] <= now_ns:
                due.append(self._moments[0])
                heappop(self._moments)
            due = [moment for moment in dict.fromkeys(due) if self._is_armed(*moment)]
            self._due = {(row, word) for _, row, word in due}
            for _, row, word in due:
                if (row, word) in self._due:
                    self._fire(row, word)
                    fired += 1
                done += 1
        finally:
            for moment in due[done:]:  # an interrupt came: the rest is due still, and what was fired is armed no more
                heappush(self._moments, moment)
        return fired

    def _is_armed(self, deadline: int, row: int, word: int) -> bool:
        return _signed(self._rows[row * self.tables.row_words + word]) == deadline

    def _fire(self, row: int, word: int) -> None:
        """One timer: its slot is empty before its step is tried, and stays so where that is refused."""
        tables = self.tables
        base = row * tables.row_words
        image = self._rows[base : base + tables.row_words].tolist()
        image[word] = 0
        column = tables.timer_column + word - tables.field_end
        decision = self._macrostep.decide(image, column, [0] * ARGUMENT_WORDS, self._header_words[NOW])
        decision.slots |= {word}
        self._commit(base, decision, image, told=False)

    def _base(self, instance: int) -> int | None:
        """Word offset of the row of a live instance of this generation."""
        row, generation = instance & NONE, instance >> 32
        if row >= self._header_words[ROW_COUNT]:
            return None
        base = row * self.tables.row_words
        # A sum, so that bits of the handle above the generation are never taken for the flags of the row.
        if self._rows[base + ROW_STATE] >> 32 != generation + (ROW_LIVE << 16):
            return None
        return base

    # --- the clock, and the end ---

    def advance(self, now_ns: int, /) -> int:
        """Move the clock forward to `now_ns`, and fire what is due by then; returns how many timers that were."""
        now_ns = _word("now_ns", now_ns, 0, INT64_MAX)
        return int(self._alone("advance", self._fire_due, now_ns))

    def close(self) -> None:
        """Let go of the memory; every later call raises."""
        if self.memory is not None:
            self._alone("close", self._close)

    def _close(self) -> None:
        self.memory: Any = None
        del self._rows, self._header_words, self._index, self._moments

    def _enter(self, operation: str) -> None:
        """Refuse a second thread and a closed engine."""
        if self.memory is None:
            raise FsmError(f"{operation}: this engine is closed. Open another one.")
        if self._writer is not None:
            raise ConcurrentUse(operation)

    def _alone(self, operation: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Call `work` with every other thread kept out; whatever interrupts it opens the gate again."""
        writer = object()
        try:
            if self.memory is None or self._writer is not None:
                self._enter(operation)
            self._writer = writer  # nothing was called since it was found free, so no thread came in between
            return work(*arguments)
        finally:
            if self._writer is writer:
                self._writer = None

    # --- keys ---

    def _find(self, key: bytes) -> int | None:
        self._enter("find")
        entry = self._index[find_slot(self._index, self.memory.keys, key, hash_key(key))]
        return self._handle(entry) if entry else None

    def _start(self, key: bytes, initial: memoryview) -> tuple[int, int]:
        started: tuple[int, int] = self._alone("start", self._start_row, key, initial)
        return started

    def _start_row(self, key: bytes, initial: memoryview) -> tuple[int, int]:
        """The handle of the key, and ACCEPTED where it is new; EXISTS, or what the start came to, and no instance."""
        header, rows, index, row_words = self._header_words, self._rows, self._index, self.tables.row_words
        sequence, row, hashed = header[SEQUENCE] + 1, header[ROW_COUNT], hash_key(key)
        slot = find_slot(index, self.memory.keys, key, hashed)
        if entry := index[slot]:
            frame = ((entry & NONE) - 1) * row_words + ROW_FRAME
            handle = self._handle(entry)
            rows[frame] = sequence
            header[SEQUENCE] = sequence
            return handle, Outcome.EXISTS
        if row >= header[CAPACITY]:
            raise StoreFull(header[CAPACITY])
        second = header[NOW] // 1_000_000_000 & NONE
        state = self.tables.initial_configuration | ROW_LIVE << 48
        decision = self._macrostep.start(
            [state, sequence, second << 32, *initial.cast("B").cast("Q").tolist()], header[NOW]
        )
        if decision.outcome is not Outcome.ACCEPTED:
            place = header[PLACE] if decision.place is None else decision.place
            header[PLACE] = place
            header[SEQUENCE] = sequence
            return UNKNOWN, decision.outcome
        self.memory.keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] = key
        base, image = row * row_words, array("Q", decision.image)
        self._keep_moments(base, decision.image, set(decision.slots))
        # No call from here on, so that no signal can cut it in two.
        rows[base : base + row_words] = image
        index[slot] = hashed >> 32 << 32 | row + 1
        header[ROW_COUNT] = row + 1
        header[SEQUENCE] = sequence
        return row, Outcome.ACCEPTED

    def _handle(self, entry: int) -> int:
        """The handle of the row that an index entry names: row in the low half, its generation above."""
        row = (entry & NONE) - 1
        return row | (self._rows[row * self.tables.row_words] >> 32 & GENERATION_MASK) << 32

    # --- many at a time ---

    def _step_many_into(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, outcomes: Any, nanoseconds: Any
    ) -> None:
        self._alone("step_many", self._step_all, instances, event_ids, arguments, times, outcomes, nanoseconds)

    def _step_all(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, outcomes: Any, nanoseconds: Any
    ) -> None:
        padding = [0] * (ARGUMENT_WORDS - arguments.shape[1])
        moments = [-1] * len(instances) if times is None else times.tolist()
        inputs = zip(instances.tolist(), event_ids.tolist(), arguments.tolist(), moments, strict=True)
        for position, (instance, event_id, words, moment) in enumerate(inputs):
            self._fire_due(moment)
            begin = monotonic_ns()
            outcomes[position] = self._take(instance, event_id, words + padding)
            if nanoseconds is not None:
                nanoseconds[position] = min(monotonic_ns() - begin, NONE)

    def _find_many_into(self, keys: Any, handles: Any) -> None:
        self._enter("find")
        for position, key in enumerate(_integer_keys(keys)):
            found = self._find(key)
            handles[position] = UNKNOWN if found is None else found

    def _start_many_into(self, keys: Any, handles: Any) -> None:
        self._alone("start", self._start_all, keys, handles)

    def _start_all(self, keys: Any, handles: Any) -> None:
        for position, key in enumerate(_integer_keys(keys)):
            entry = self._index[find_slot(self._index, self.memory.keys, key, hash_key(key))]
            handles[position] = self._handle(entry) if entry else self._start_row(key, self.tables.initial)[0]

    def _select(self, wanted: bytes, changed_before: int) -> list[int]:
        self._enter("select")
        handles = []
        for row in range(self._header_words[ROW_COUNT]):
            base = row * self.tables.row_words
            state = self._rows[base + ROW_STATE]
            live = state >> 48 & ROW_LIVE and wanted[state & NONE]
            if live and self._rows[base + ROW_VERSION] >> 32 < changed_before:
                handles.append(row | (state >> 32 & GENERATION_MASK) << 32)
        return handles

    @staticmethod
    def _clock_floor_ns() -> int:
        """What two readings of the clock cost, at the least: the floor of every latency that is measured."""
        return min(-monotonic_ns() + monotonic_ns() for _ in range(1000))


def find_slot(index: memoryview, keys: Any, key: bytes, hashed: int) -> int:
    """The slot of the key, or the free one where it would go. The index is never more than half full."""
    mask = len(index) - 1
    slot = hashed & mask
    while entry := index[slot]:
        row = (entry & NONE) - 1
        if entry >> 32 == hashed >> 32 and keys[row * KEY_BYTES : (row + 1) * KEY_BYTES] == key:
            break
        slot = slot + 1 & mask
    return slot


def _signed(word: int) -> int:
    """A uint64 read as an int64."""
    return word - (1 << 64) if word > INT64_MAX else word


def _word(name: str, value: Any, low: int, high: int) -> int:
    """An argument as the core's C types take it. Raises `TypeError` or `OverflowError`."""
    number = integer(value)
    if not low <= number <= high:
        raise OverflowError(f"{name}: expected {low} to {high}, found {number}")
    return number


def _integer_keys(keys: Any) -> Iterator[bytes]:
    return (INTEGER_KEY.pack(KEY_INTEGER, key) for key in keys.tolist())
