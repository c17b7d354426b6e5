"""The mirror: the engine in plain Python over the same buffers, and the specification that the native core is held to.

    handle ──▶ row ──▶ image ──macrostep──▶ image after it ──deferred events given again──▶ Commit: frames, then views
    advance ─▶ timers that are due, in order ──▶ each the same as an event

Read this first, then `inputs.py`, `instances.py` and `macrostep.py`, and `commit.py` for the order of the stores. They
say each thing once, in the order in which it happens; `native/step.h` and its neighbours say it in C, with tricks.
"""

from __future__ import annotations

from operator import index as integer
from time import monotonic_ns

from fsm.engine import instances, trouble
from fsm.engine.areas import ROW_COUNT, Areas
from fsm.engine.commit import NOW
from fsm.engine.inputs import Input, Inputs
from fsm.engine.keys import INTEGER_KEY, encode_key, idempotency_words
from fsm.engine.moments import Moments
from fsm.engine.protocol import UNKNOWN, Engine
from fsm.errors import ConcurrentUse, FsmError, StaleEpoch, StoreError
from fsm.layout import (
    ARGUMENT_WORDS,
    HEADER_FIELDS,
    INT64_MAX,
    INT64_MIN,
    KEY_INTEGER,
    NONE,
    ROW_STATE,
    ROW_VERSION,
    UINT64_MASK,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Final

    from fsm.engine.memory import PrivateMemory
    from fsm.engine.moments import Moment
    from fsm.tables import Tables

CAPACITY: Final = HEADER_FIELDS["capacity"]
INDEX_SHAPE: Final = HEADER_FIELDS["index_shape"]
INDEX_FILLED: Final = HEADER_FIELDS["index_filled"]


class MirrorEngine(Engine):
    """Engine "mirror": what the native core does, a hundred times slower, wherever Python runs."""

    __slots__ = ("__weakref__", "_closed", "_inputs", "_writer", "memory", "tables")
    engine = "mirror"
    _writer: object
    _closed: Exception | None

    def _attach(self, tables: Tables, memory: PrivateMemory, index_is_empty: bool = False) -> None:
        """Take the buffers of `memory`, which `tables` fit."""
        areas = Areas(memory, tables.row_words)
        inputs, header = Inputs(tables, memory, areas), areas.header
        filled = areas.fill_index() if index_is_empty else header[INDEX_FILLED]
        capacity, shape = memory.capacity, memory.index_shape
        # No call from here on, so that no signal can cut it in two.
        header[INDEX_SHAPE] = shape
        header[INDEX_FILLED] = filled  # behind the shape: of the outgrown index it would be too few, and it fills up
        header[CAPACITY] = capacity
        self.tables, self.memory, self._writer = tables, memory, self._writer if index_is_empty else None
        self._inputs, self._closed = inputs, None

    @property
    def sequence(self) -> int:
        """The number of the last frame; without a journal, of the last input. 0 before the first."""
        return self._header("applied", "sequence")

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
        """One event run to completion; returns an `Outcome` code. `fsm.engine.contract` documents it."""
        instance = _word("instance", instance, 0, UINT64_MASK)
        event_id = _word("event_id", event_id, 0, NONE)
        words = [_word("argument", word, INT64_MIN, INT64_MAX) for word in (a0, a1, a2, a3, a4, a5)]
        if expected is not None:
            expected = _word("expected", expected, 0, UINT64_MASK)
        return int(self._alone("step", self._step, Input(instance, event_id, words, expected), key, correlation))

    def _refuse_unknown(
        self, named: bytes, event_id: int, words: Sequence[int], key: object, correlation: object
    ) -> int:
        given = Input(UNKNOWN, event_id, [*words, *[0] * (ARGUMENT_WORDS - len(words))], named=named)
        return int(self._alone("send", self._step, given, key, correlation))

    def _step(self, given: Input, key: Any, correlation: Any) -> Outcome:
        if key is not None or correlation is not None:
            if self._inputs.areas.ring is None:
                raise trouble.no_journal("step", "key= and correlation= are")
            given.key = None if key is None else idempotency_words(key)
            given.correlation = None if correlation is None else encode_key(correlation, "correlation")
        self._inputs.prepare(keyed=given.key is not None)
        return self._inputs.take(given)

    # --- timers and the clock ---

    def advance(self, now_ns: int, /) -> int:
        """Move the clock forward to `now_ns`, and fire what is due by then; returns how many timers that were."""
        now_ns = _word("now_ns", now_ns, 0, INT64_MAX)
        return int(self._alone("advance", self._advance, now_ns))

    def _advance(self, now_ns: int) -> int:
        self._inputs.prepare()
        fired, all_of_them = self._fire_due(now_ns)
        if not all_of_them:
            raise trouble.busy_timers(fired)
        return fired

    def _fire_due(self, now_ns: int) -> tuple[int, bool]:
        """Fire what is due, by deadline, then row, then slot. What is armed meanwhile waits for the next time.

        Returns how many timers were fired, and whether there was room for all of them; the others are due still.
        """
        inputs = self._inputs
        if now_ns < inputs.areas.header[NOW]:
            return 0, True
        inputs.areas.header[NOW] = now_ns
        if inputs.moments is None:
            inputs.moments = Moments(inputs.areas, inputs.tables)
        due: list[Moment] = []
        done = fired = 0
        try:
            inputs.moments.take_due(now_ns, due)
            for _, row, word in due:
                if (row, word) in inputs.moments.due:
                    if not inputs.fire(row, word):
                        return fired, False
                    fired += 1
                done += 1
        finally:
            inputs.moments.give_back(due[done:])  # of what an interrupt or a full ring left over
        return fired, True

    # --- instances ---

    def _find(self, key: bytes) -> int | None:
        self._enter("find")
        row = self._inputs.areas.find(key)
        return None if row is None else self._inputs.areas.handle(row)

    def _start(self, key: bytes, initial: memoryview) -> tuple[int, int]:
        handle, outcome = self._alone("start", self._start_row, key, initial)
        return int(handle), int(outcome)

    def _start_row(self, key: bytes, initial: memoryview) -> tuple[int, Outcome]:
        """The handle of the key, and ACCEPTED where it is new; EXISTS, or what the start came to, and no instance."""
        self._inputs.prepare()
        if instances.is_crowded(self._inputs):
            self._make_anew(self.memory.capacity)
        started = instances.start(self._inputs, key, initial)
        if started is None:
            raise trouble.busy("start")
        row, outcome = started
        return UNKNOWN if row == NONE else self._inputs.areas.handle(row), outcome

    def _release(self, instance: int) -> int:
        return int(self._alone("release", self._release_row, instance))

    def _release_row(self, instance: int) -> Outcome:
        self._inputs.prepare()
        outcome = instances.release(self._inputs, instance)
        if outcome is Outcome.BUSY:
            raise trouble.busy("release")
        return outcome

    def _write_position(self, data: bytes) -> None:
        self._alone("_mark", self._write_words, memoryview(data).cast("Q").tolist())

    def _write_words(self, words: list[int]) -> None:
        self._inputs.prepare()
        if instances.mark(self._inputs, words) is Outcome.BUSY:
            raise trouble.busy("_mark")

    # --- many at a time ---

    def _step_many_into(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, keys: Any, outcomes: Any, nanoseconds: Any
    ) -> None:
        self._alone("step_many", self._step_all, instances, event_ids, arguments, times, keys, outcomes, nanoseconds)

    def _step_all(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, keys: Any, outcomes: Any, nanoseconds: Any
    ) -> None:
        """What stops the batch behind its first input is told by the call that gives the rest again.

        But for a takeover, and for what is no error of the store: then the caller's own array says what was taken.
        """
        if keys is not None and len(instances):
            self._inputs.prepare(keyed=True)
        padding = [0] * (ARGUMENT_WORDS - arguments.shape[1])
        moments = [-1] * len(instances) if times is None else times.tolist()
        pairs = [[0, 0]] * len(instances) if keys is None else keys.tolist()
        inputs = zip(instances.tolist(), event_ids.tolist(), arguments.tolist(), moments, pairs, strict=True)
        for position, (instance, event_id, words, moment, (low, high)) in enumerate(inputs):
            given = Input(instance, event_id, words + padding, key=(low, high) if low or high else None)
            try:
                self._inputs.prepare()
                _, is_room = self._fire_due(moment)
                begin = monotonic_ns()
                outcome = self._inputs.take(given) if is_room else Outcome.BUSY
            except BaseException as error:
                outcomes[position:] = Outcome.BUSY
                if position == 0 or isinstance(error, StaleEpoch) or not isinstance(error, StoreError):
                    raise
                return
            if outcome is Outcome.BUSY:
                outcomes[position:] = Outcome.BUSY
                break
            outcomes[position] = outcome
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
            row = self._inputs.areas.find(key)
            handles[position] = (
                self._inputs.areas.handle(row) if row is not None else self._start_row(key, self.tables.initial)[0]
            )

    def _select(self, wanted: bytes, changed_before: int) -> list[int]:
        self._enter("select")
        areas = self._inputs.areas
        handles = []
        for row in range(areas.header[ROW_COUNT]):
            if areas.is_live(row):
                words = self._inputs.checked(row)
                if wanted[words[ROW_STATE] & NONE] and words[ROW_VERSION] >> 32 < changed_before:
                    handles.append(areas.handle(row))
        return handles

    @staticmethod
    def _clock_floor_ns() -> int:
        """What two readings of the clock cost, at the least: the floor of every latency that is measured."""
        return min(-monotonic_ns() + monotonic_ns() for _ in range(1000))

    # --- one writer, and the end ---

    def close(self) -> None:
        """Let go of the memory; every later call raises."""
        if self.memory is not None:
            self._alone("close", self._close)

    def _close(self) -> None:
        self._let_go().close()

    def _refuse(self, error: Exception) -> None:
        """Let go of the memory without closing it; every later call raises `error`."""
        self._closed = error
        if self.memory is not None:
            self._let_go()

    def _let_go(self) -> Any:
        """The memory, of which this engine has hold no longer."""
        memory: Any = self.memory
        self.memory: Any = None
        self._writer = None
        del self._inputs
        return memory

    def _enter(self, operation: str) -> None:
        """Refuse a second thread and a closed engine."""
        if self.memory is None:
            raise self._closed or FsmError(f"{operation}: this engine is closed. Open another one.")
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


def _word(name: str, value: Any, low: int, high: int) -> int:
    """An argument as the core's C types take it. Raises `TypeError` or `OverflowError`."""
    number = integer(value)
    if not low <= number <= high:
        raise OverflowError(f"{name}: expected {low} to {high}, found {number}")
    return number


def _integer_keys(keys: Any) -> Iterator[bytes]:
    return (INTEGER_KEY.pack(KEY_INTEGER, key) for key in keys.tolist())
