"""What an engine is: the public interface, and the friendly half that both engines share.

    start, release ─▶ _start, _release ┐
    find, select ─▶ _find, _select     │
    send ─▶ step, or _refuse_unknown   ├─▶ NativeEngine: native/engine.pyx   or   MirrorEngine: fsm/engine/mirror.py
    step_many ─▶ _step_many_into       │
    _mark ─▶ _write_position           ┘

`step` itself is not wrapped: it is the method of the engine, since a Python frame costs more than a step. What each of
the two brings, `step` among it, is told by `fsm.engine.contract`.
"""

from __future__ import annotations

import os
from _operator import index as integer

from fsm.engine import trouble
from fsm.engine.areas import free_rows, words_of
from fsm.engine.keys import decode_key, encode_key
from fsm.engine.memory import PrivateMemory, check_capacity
from fsm.errors import CorruptStore, Exists, StartFault
from fsm.layout import (
    FRAME_INPUT,
    FRAME_PAYLOAD,
    FRAME_WORDS,
    GENERATION_MASK,
    HEADER_FIELDS,
    INT64_MIN,
    NONE,
    ROW_LIVE,
    ROW_STATE,
    UINT64_MASK,
    UNTOLD_OUTCOMES,
    WORD_BYTES,
    Cell,
    FrameKind,
    Outcome,
    StateKind,
)
from fsm.tables import Tables, tables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final, NoReturn, Self

    import numpy
    from numpy.typing import ArrayLike, NDArray

    from fsm.engine.contract import Contract
    from fsm.engine.sending import Step
    from fsm.engine.waiting import Armed, Deferred
    from fsm.tables import Compilable

else:
    Contract = object

UNKNOWN: Final = UINT64_MASK
"""The handle of no instance: an input given with it is refused as `unknown_instance`."""

ENGINES: Final = ("native", "mirror")


def default_engine() -> str:
    """The engine that `FSM_ENGINE` names, else `native`: nothing falls back in silence."""
    return os.environ.get("FSM_ENGINE") or "native"


class Engine(Contract):
    """Instances of one flow, in private memory, without a journal. `fsm.open` gives the same engine on a store.

    flow        a `Flow` class, or `Tables`
    capacity    instances; each takes a row of `tables.row_bytes` (64 for up to five words of fields), 64 bytes of
                key, and 16 to 32 of the index by key; `reserve` grows it
    engine      "native" or "mirror"; the default is `default_engine()`

    One writer: a second thread inside raises `ConcurrentUse`. Handles are integers: the row in the low 32 bits, its
    generation above. Raises `DefinitionError` for a flow that does not compile, `ImportError` where the native core
    is asked for and was not built.
    """

    __slots__ = ()

    def __new__(
        cls, flow: Compilable | Tables | None = None, *, capacity: int = 1024, engine: str | None = None
    ) -> Self:
        chosen: Any = engine_class(engine) if cls is Engine else cls
        made: Self = chosen.__new__(chosen) if cls is Engine else super().__new__(cls)
        return made

    def __init__(self, flow: Compilable | Tables, *, capacity: int = 1024, engine: str | None = None) -> None:
        if engine not in (None, self.engine):
            raise ValueError(f"engine: this class is {self.engine!r}, and {engine!r} was asked for. Use fsm.Engine.")
        if getattr(self, "tables", None) is not None:
            raise TypeError("this engine was made already: __init__ is not called again. Make another engine.")
        tables = tables_of(flow)
        self._attach(tables, PrivateMemory(tables, capacity))

    def __init_subclass__(cls) -> None:
        if not cls.__module__.startswith(("fsm.engine.", "fsm.store.")):
            raise TypeError(
                "fsm.Engine is not subclassed: its calls are made for its own two classes. Hold one instead."
            )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an engine is neither copied nor pickled: two would write to one memory. Make another engine.")

    # --- instances ---

    def start(self, key: str | int, /, **fields: object) -> int:
        """A new instance in the initial configuration; returns its handle.

        key       text of 1 to 64 bytes as UTF-8, or an int64
        fields    values by name; the others have their defaults

        The initial states are entered: entry actions run, timers are armed, eventless transitions are taken.

        Raises `Exists` for a key that is there and `StartFault` where an entry action faults (both counted as a refusal
        first), `StoreFull` without a free row, another `StoreError` where the journal has no room, and `TypeError` or
        `ValueError` for a field or key that is none, before anything is taken.
        """
        words = self.tables.initial
        if fields:
            from fsm.engine.arguments import initial_words

            words = initial_words(self.tables, fields)
        handle, code = self._start(encode_key(key), words)
        if code == Outcome.EXISTS:
            raise Exists(key, handle)
        if code != Outcome.ACCEPTED:
            from fsm.engine.reason import fault

            outcome = Outcome(code)
            raise StartFault(key, outcome.label, fault(self.tables, outcome, self._header("place", "start")))
        return handle

    def release(self, instance: int, /) -> None:
        """Forget an instance that has ended, and free its row and its key for another one.

        Its handle is unknown from then on: a row is used again with a new generation. Nothing is released by itself,
        so that late news finds an instance that has ended. Raises `ValueError` for one that has not (some event or
        timer could still move it), `LookupError` for an unknown one, and `StoreError` where the journal has no room.
        """
        row = self._row(instance, "release")
        if not _has_ended(self.tables, row[ROW_STATE] & NONE):
            standing = ", ".join(self._states(row))
            raise ValueError(
                f"release: instance {instance} has not ended: it stands in {standing}, where an event or a timer can "
                "move it. Release it once it has ended."
            )
        if self._release(integer(instance)) != Outcome.ACCEPTED:
            raise _unknown(instance)

    def find(self, key: str | int, /) -> int | None:
        """The handle of a key, or None."""
        return self._find(encode_key(key))

    def key(self, instance: int, /) -> str | int:
        """The key that an instance was started with. Raises `LookupError` for an unknown one."""
        self._row(instance, "key")
        first = (instance & NONE) * 64
        return decode_key(self.memory.keys[first : first + 64])

    def state(self, instance: int, /) -> tuple[str, ...]:
        """Names of the active states, outermost first. Raises `LookupError` for an unknown instance."""
        return self._states(self._row(instance, "state"))

    def fields(self, instance: int, /) -> dict[str, Any]:
        """Values by name, as their types write them. Raises `LookupError` for an unknown instance."""
        from fsm.values import from_words

        row = self._row(instance, "fields").cast("B").cast("q")
        return {
            field.name: from_words(
                field.kind, field.parameter, field.options, tuple(row[field.word : field.word + field.word_count])
            )
            for field in self.tables.fields
        }

    def timers(self, instance: int, /) -> list[Armed]:
        """The timers that are armed, earliest first: (state, moment, deadline_ns).

        `moment` is the time as the flow says it: `after 30 s`. Raises `LookupError` for an unknown instance.
        """
        from fsm.engine.waiting import armed

        return armed(self.tables, self._row(instance, "timers").cast("B").cast("q"))

    def deferred(self, instance: int, /) -> list[Deferred]:
        """The events that are deferred, oldest first: (event, arguments by name).

        Raises `LookupError` for an unknown instance.
        """
        from fsm.engine.waiting import deferred

        return deferred(self.tables, self._row(instance, "deferred").cast("B").cast("q"))

    def version(self, instance: int, /) -> int:
        """Accepted steps so far, modulo 2**32. Raises `LookupError` for an unknown instance."""
        return self._row(instance, "version")[2] & NONE

    def select(self, *, state: str | None = None, older_than_ns: int | None = None) -> list[int]:
        """Handles of the instances where `state` is active, in order of their rows.

        older_than_ns    only those whose last change lies at least this long before the engine's clock (which a row
                         keeps to the second)

        Raises `ValueError` for a name that is no state of the flow.
        """
        tables = self.tables
        if state is not None and state not in (known := [each.name for each in tables.states]):
            raise ValueError(f"select: flow {tables.name} has no state {state!r}; it has {', '.join(known)}")
        wanted = bytes(
            state is None or any(state == active.name for active in tables.active_states(configuration))
            for configuration in range(tables.configuration_count)
        )
        changed_before = NONE + 1
        if older_than_ns is not None:
            age_ns = integer(older_than_ns)
            changed_before = min(max(0, (self._header("now_ns", "select") - age_ns) // 1_000_000_000 + 1), NONE + 1)
        return self._select(wanted, changed_before)

    # --- events ---

    def send(
        self,
        instance_key: str | int,
        event: Any,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        key: object = None,
        expected: int | None = None,
        correlation: object = None,
    ) -> Step:
        """One event by the key of its instance and by name, with the reason in words.

        event                         an instance of an event class of the flow, or the name of one, with its
                                      `arguments` by name
        key, expected, correlation    as `step` takes them: `key` is the one by which an input is known again

        An unknown key or name is a refusal. Raises `TypeError` or `ValueError` for arguments that do not fit the
        event, before anything is taken, and what else `step` raises.
        """
        from fsm.engine.sending import send

        return send(self, instance_key, event, arguments, key, expected, correlation)

    def step_many(
        self,
        instances: ArrayLike,
        event_ids: ArrayLike,
        arguments: ArrayLike,
        *,
        keys: ArrayLike | None = None,
        times: ArrayLike | None = None,
        outcomes: NDArray[numpy.uint8] | None = None,
    ) -> NDArray[numpy.uint8]:
        """`step` over arrays, with the GIL released; returns uint8[n], an `Outcome` code each.

        instances    uint64[n] or int64[n] handles; all ones (-1) for an instance that is not known
        event_ids    int[n]
        arguments    int64[n, k] or int64[n], k at most 6
        keys         uint64[n, 2] idempotency keys, low word and high word; both 0 for an input without one
        times        int64[n], ns: before event i, does what `advance(times[i])` does
        outcomes     uint8[n] to write into

        Where the journal has no room the outcome is `busy`, of that input and of all behind it: none of them was taken.
        Raises `ValueError` or `TypeError` for arrays that do not fit, before anything is taken, and `StoreError` where
        not even the first input can be; behind the first, what would have been raised is `busy`, and raised by the
        next call. `StaleEpoch` is always raised, since nobody can say what became of the input that was being taken;
        whatever is raised, `outcomes` tells what was taken before.
        """
        from fsm.engine.batches import prepare

        self._enter("step_many")
        if keys is not None and self.memory.ring is None:
            raise trouble.no_journal("step_many", "keys= is")
        batch = prepare(instances, event_ids, arguments, times, keys, outcomes)
        self._step_many_into(*batch, None)
        return batch.outcomes

    def _step_many_timed(
        self,
        instances: ArrayLike,
        event_ids: ArrayLike,
        arguments: ArrayLike,
        *,
        nanoseconds: NDArray[numpy.uint32],
        keys: ArrayLike | None = None,
        times: ArrayLike | None = None,
        outcomes: NDArray[numpy.uint8] | None = None,
    ) -> NDArray[numpy.uint8]:
        """`step_many` that writes what each step took, by the monotonic clock, into uint32[n]."""
        from fsm.engine.batches import prepare

        self._enter("step_many")
        if keys is not None and self.memory.ring is None:
            raise trouble.no_journal("step_many", "keys= is")
        batch = prepare(instances, event_ids, arguments, times, keys, outcomes)
        if nanoseconds.shape != batch.outcomes.shape:
            raise ValueError(f"nanoseconds: expected {batch.outcomes.shape}, found {nanoseconds.shape}")
        self._step_many_into(*batch, nanoseconds)
        return batch.outcomes

    def _find_many(self, keys: ArrayLike) -> NDArray[numpy.uint64]:
        """Handles of integer keys int64[n], all ones where there is none."""
        from fsm.engine.batches import integer_keys

        given, handles = integer_keys(keys)
        self._find_many_into(given, handles)
        return handles

    def _start_many(self, keys: ArrayLike) -> NDArray[numpy.uint64]:
        """Start the integer keys int64[n] that have no instance yet, in order; the handles of all."""
        from fsm.engine.batches import integer_keys

        given, handles = integer_keys(keys)
        self._start_many_into(given, handles)
        return handles

    # --- the engine itself ---

    def reserve(self, capacity: int, /) -> None:
        """Make room for `capacity` instances in all; a smaller number changes nothing."""
        # Alone, since a step taken while the rows are copied would be lost.
        self._alone("reserve", self._grow, check_capacity(capacity, least=INT64_MIN))

    def _grow(self, capacity: int) -> None:
        header = words_of(self.memory.header)
        trouble.check_fence(header, self.memory)
        if capacity > header[HEADER_FIELDS["capacity"]]:
            self._make_anew(capacity)

    def _make_anew(self, capacity: int) -> None:
        """Go on in memory for so many rows, with an index that knows of no key that was released."""
        outgrown = self.memory
        self._attach(self.tables, outgrown.grown(capacity), True)
        outgrown.close()

    # --- the journal ---

    @property
    def durable_sequence(self) -> int:
        """The last frame that is known to be on the disk; 0 without a journal."""
        return self._header("durable", "durable_sequence")

    def sync(self) -> None:
        """Make durable what was taken so far: `durable_sequence` is then at least what `sequence` was.

        Raises `StoreError` where the disk cannot take it, and `ValueError` without a journal.
        """
        self._need_journal("sync", "what sync makes durable is")
        self._alone("sync", self._sync)

    def _sync(self) -> None:
        memory: Any = self.memory
        memory.sync()

    def _mark(self, words: Sequence[int]) -> None:
        """Keep how far a source was read, in order with the inputs: uint64 words, at most `row_words` + 5.

        Raises `ValueError` without a journal, and `StoreError` where it has no room.
        """
        self._need_journal("_mark", "a position is")
        given, most = [integer(word) for word in words], self.tables.row_words + FRAME_WORDS - FRAME_PAYLOAD
        if len(given) > most or not all(0 <= word <= UINT64_MASK for word in given):
            raise ValueError(f"_mark: expected up to {most} words of 64 bits, found {given}")
        self._write_position(b"".join(word.to_bytes(WORD_BYTES, "little") for word in given))

    def _position(self) -> list[int] | None:
        """The words that were marked last, or None."""
        sequence = self._header("position", "position")
        if sequence == 0:
            return None
        memory: Any = self.memory
        try:
            told, frame = memory.frame(sequence)[FRAME_INPUT], memory.frame(sequence + 1)  # DATA, behind it
        except LookupError:
            told = UINT64_MASK
        if told >> 58 != FrameKind.POSITION:
            reason = f"frame {sequence} would be the last position, and is none"
            raise CorruptStore("header", HEADER_FIELDS["position"] * WORD_BYTES, reason)
        count = frame[FRAME_INPUT] >> 32 & 0xFFFF
        return [int(word) for word in frame[FRAME_PAYLOAD : FRAME_PAYLOAD + count]]

    def _need_journal(self, operation: str, what: str) -> None:
        self._enter(operation)
        if self.memory.ring is None:
            raise trouble.no_journal(operation, what)

    # --- numbers ---

    @property
    def now_ns(self) -> int:
        """The engine's time, as `advance` or the `times` of `step_many` moved it last: 0 before the first."""
        return self._header("now_ns", "now_ns")

    @property
    def untold(self) -> dict[str, int]:
        """What became, by outcome, of inputs that no caller was told of: timers, and deferred events given again."""
        first = HEADER_FIELDS["untold"]
        self._enter("untold")
        counts = words_of(self.memory.header)[first : first + UNTOLD_OUTCOMES].tolist()
        return {outcome.label: counts[outcome] for outcome in Outcome if outcome < UNTOLD_OUTCOMES and counts[outcome]}

    @property
    def capacity(self) -> int:
        """Instances that there is room for."""
        return self._header("capacity", "capacity")

    def __len__(self) -> int:
        """Instances that were started and not released."""
        self._enter("len")
        header, rows = words_of(self.memory.header), words_of(self.memory.rows)
        return header[HEADER_FIELDS["row_count"]] - free_rows(header, rows, self.tables.row_words)

    def __bool__(self) -> bool:
        return True  # an engine without instances is still an engine

    def __enter__(self) -> Self:
        self._enter("with")
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Engine {self.engine} of {self.tables.name} {self.tables.fingerprint[:16]}>"

    def _header(self, name: str, operation: str) -> int:
        self._enter(operation)
        return words_of(self.memory.header)[HEADER_FIELDS[name]]

    def _row(self, instance: int, operation: str) -> memoryview:
        """The words of a live row, which lead nowhere but into the tables. Raises `LookupError`, `CorruptStore`."""
        try:
            instance = integer(instance)
        except TypeError:
            raise TypeError(f"{operation}: expected a handle, as start and find give it; found {instance!r}") from None
        index, generation = instance & NONE, instance >> 32
        if 0 <= instance <= UINT64_MASK and index < self._header("row_count", operation):
            words = self.tables.row_words
            row = words_of(self.memory.rows)[index * words : (index + 1) * words]
            if row[ROW_STATE] >> 32 == (generation | ROW_LIVE << 16) and generation <= GENERATION_MASK:
                trouble.check_row(self.tables, row, index)
                return row
        raise _unknown(instance)

    def _states(self, row: memoryview) -> tuple[str, ...]:
        return tuple(state.name for state in self.tables.active_states(row[0] & NONE))


def engine_over(tables: Tables, memory: Any, engine: str | None = None) -> Engine:
    """An engine on memory that somebody else made, and that fits the tables; `engine` as `Engine` takes it."""
    chosen = engine_class(engine)
    made = chosen.__new__(chosen)
    made._attach(tables, memory)
    return made


def _unknown(instance: int) -> LookupError:
    index, generation = instance & NONE, instance >> 32
    return LookupError(f"instance {instance} is unknown: no row {index} of generation {generation} holds one")


def _has_ended(tables: Tables, configuration: int) -> bool:
    """Whether an instance stands in final and poison states alone, where nothing is declared for any event."""
    active = tables.active_states(configuration)
    parents = {state.parent for state in active}
    leaves = [state for state in active if state.id not in parents]
    refusals = {Cell.REFUSE | outcome << 8 for outcome in (Outcome.ENDED, Outcome.UNHANDLED)}
    done = range(tables.done_column, tables.done_column + tables.done_count)
    return all(state.kind in (StateKind.FINAL, StateKind.POISON) for state in leaves) and all(
        tables.cells[configuration, column] in refusals for column in range(tables.column_count) if column not in done
    )


def engine_class(name: str | None) -> type[Engine]:
    """The class of an engine by name."""
    name = default_engine() if name is None else name
    if name == "mirror":
        from fsm.engine.mirror import MirrorEngine

        return MirrorEngine
    if name == "native":
        from fsm.engine.native import NativeEngine

        return NativeEngine
    raise ValueError(f"engine: expected one of {', '.join(ENGINES)}, found {name!r} (argument engine= or FSM_ENGINE)")
