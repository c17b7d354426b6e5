"""What an engine is: the public interface, and the friendly half that both engines share.

    start ─▶ _start ┐
    find  ─▶ _find  │
    send  ─▶ step   ├─▶ NativeEngine: native/engine.pyx   or   MirrorEngine: fsm/engine/mirror.py
    step_many ─▶ _step_many_into
    select ─▶ _select ┘

`step` itself is not wrapped: it is the method of the engine, since a Python frame costs more than a step.
"""

from __future__ import annotations

import os
from collections import namedtuple
from operator import index as integer

from fsm.engine.arguments import event_words, initial_words
from fsm.engine.keys import decode_key, encode_key
from fsm.engine.memory import PrivateMemory, check_capacity
from fsm.engine.reason import fault, reason
from fsm.engine.waiting import armed, deferred
from fsm.errors import Exists, StartFault
from fsm.layout import (
    GENERATION_MASK,
    HEADER_FIELDS,
    INT64_MIN,
    NONE,
    ROW_LIVE,
    ROW_VERSION,
    UINT64_MASK,
    UNTOLD_OUTCOMES,
    Outcome,
)
from fsm.tables import Tables, tables_of
from fsm.values import from_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final, NoReturn, Self

    import numpy
    from numpy.typing import ArrayLike, NDArray

    from fsm.engine.waiting import Armed, Deferred
    from fsm.tables import Compilable

UNKNOWN: Final = UINT64_MASK
"""The handle of no instance: an input given with it is refused as `unknown_instance`."""

ENGINES: Final = ("native", "mirror")


if TYPE_CHECKING:
    from typing import NamedTuple

    class _Step(NamedTuple):
        outcome: Outcome
        instance: int | None
        sequence: int
        version: int | None
        states: tuple[str, ...]
        reason: str

else:
    _Step = namedtuple("_Step", "outcome instance sequence version states reason")


class Step(_Step):
    """What became of one `send`.

    outcome     `Outcome`
    instance    handle, or None where the key is unknown
    sequence    number of this input
    version     accepted steps of the instance, after this one; None where it is unknown
    states      names of the active states, after this step; empty where it is unknown
    reason      one sentence why it was refused, with the place of a fault; empty otherwise
    """

    __slots__ = ()

    @property
    def accepted(self) -> bool:
        """Whether the step changed the instance."""
        return self.outcome is Outcome.ACCEPTED


def default_engine() -> str:
    """The engine that `FSM_ENGINE` names, else `native`: nothing falls back in silence."""
    return os.environ.get("FSM_ENGINE") or "native"


class Engine:
    """Instances of one flow, in private memory, without a journal.

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
        if not cls.__module__.startswith("fsm.engine."):
            raise TypeError(
                "fsm.Engine is not subclassed: its calls are made for its own two classes. Hold one instead."
            )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an engine is neither copied nor pickled: two would write to one memory. Make another engine.")

    # --- what each engine brings ---

    if TYPE_CHECKING:
        engine: str
        tables: Tables
        memory: PrivateMemory

        @property
        def sequence(self) -> int:
            """The number of the last input taken: 0 before the first."""
            raise AssertionError

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
            """One event run to completion; returns an `Outcome` code, 0 for accepted.

            a0..a5      int64 words of the event's arguments, in order; missing ones are 0, words beyond them unread
            expected    version that the instance must have, else the event is refused
            key, correlation    need a journal; `ValueError` without one

            A refusal raises nothing. A word that is no int64 raises before anything is taken.
            """
            raise AssertionError

        def advance(self, now_ns: int, /) -> int:
            """Move the clock forward to `now_ns` (0 to 2**63 - 1) and fire the timers that are due by then.

            They are fired by deadline, then row, then slot, each as an input of its own, stamped with `now_ns`. What is
            armed meanwhile waits for the next call. An earlier time than before changes nothing. Returns how many
            timers were fired; `untold` counts what became of them.
            """
            raise AssertionError

        def close(self) -> None:
            """Let go of the memory; every later call raises `FsmError`."""
            raise AssertionError

        def _attach(self, tables: Tables, memory: PrivateMemory, index_is_empty: bool = False) -> None:
            """Take the buffers; fill the index by key from the rows where it is empty."""

        def _enter(self, operation: str) -> None:
            """Raise where the engine is closed, or another thread is inside."""

        def _alone(self, operation: str, work: Any, *arguments: Any) -> Any:
            """Call `work` with every other thread kept out."""

        def _find(self, key: bytes) -> int | None:
            raise AssertionError

        def _start(self, key: bytes, initial: memoryview) -> tuple[int, int]:
            """Handle and `Outcome` code: accepted, exists (and whose it is), or what refused the start."""
            raise AssertionError

        def _find_many_into(self, keys: NDArray[numpy.int64], handles: NDArray[numpy.uint64]) -> None: ...
        def _start_many_into(self, keys: NDArray[numpy.int64], handles: NDArray[numpy.uint64]) -> None: ...
        def _step_many_into(
            self, instances: Any, event_ids: Any, arguments: Any, times: Any, outcomes: Any, nanoseconds: Any
        ) -> None: ...
        @staticmethod
        def _clock_floor_ns() -> int:
            raise AssertionError

        def _select(self, wanted: bytes, changed_before: int) -> list[int]:
            raise AssertionError

    # --- instances ---

    def start(self, key: str | int, /, **fields: object) -> int:
        """A new instance in the initial configuration; returns its handle.

        key       text of 1 to 64 bytes as UTF-8, or an int64
        fields    values by name; the others have their defaults

        The initial states are entered: entry actions run, timers are armed, eventless transitions are taken.

        Raises `Exists` for a key that is there and `StartFault` where an entry action faults (both counted as a refusal
        first), `StoreFull` without a free row, and `TypeError` or `ValueError` for a field or key that is none, before
        anything is taken.
        """
        handle, code = self._start(encode_key(key), initial_words(self.tables, fields))
        if code == Outcome.EXISTS:
            raise Exists(key, handle)
        if code != Outcome.ACCEPTED:
            outcome = Outcome(code)
            raise StartFault(key, outcome.label, fault(self.tables, outcome, self._header("place", "start")))
        return handle

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
        return armed(self.tables, self._row(instance, "timers").cast("B").cast("q"))

    def deferred(self, instance: int, /) -> list[Deferred]:
        """The events that are deferred, oldest first: (event, arguments by name).

        Raises `LookupError` for an unknown instance.
        """
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
        key: str | int,
        event: Any,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        expected: int | None = None,
    ) -> Step:
        """One event by key and by name, with the reason in words.

        event        an instance of an event class of the flow, or the name of one, with its `arguments` by name

        An unknown key or name is a refusal. Raises `TypeError` or `ValueError` for arguments that do not fit the
        event, before anything is taken.
        """
        self._enter("send")
        encoded = encode_key(key)
        name, words = event_words(self.tables, event, arguments)
        found = self._find(encoded)
        outcome = Outcome(
            self.step(
                UNKNOWN if found is None else found, self.tables.event_ids.get(name, NONE), *words, expected=expected
            )
        )
        row = None if found is None else self._row(found, "send")
        states = () if row is None else self._states(row)
        version = None if row is None else row[ROW_VERSION] & NONE
        why = reason(self.tables, outcome, name, row, self._header("place", "send"), expected)
        return Step(outcome, found, self.sequence, version, states, why)

    def step_many(
        self,
        instances: ArrayLike,
        event_ids: ArrayLike,
        arguments: ArrayLike,
        *,
        keys: object = None,
        times: ArrayLike | None = None,
        outcomes: NDArray[numpy.uint8] | None = None,
    ) -> NDArray[numpy.uint8]:
        """`step` over arrays, with the GIL released; returns uint8[n], an `Outcome` code each.

        instances    uint64[n] or int64[n] handles; all ones (-1) for an instance that is not known
        event_ids    int[n]
        arguments    int64[n, k] or int64[n], k at most 6
        times        int64[n], ns: before event i, does what `advance(times[i])` does
        outcomes     uint8[n] to write into

        Raises `ValueError` or `TypeError` for arrays that do not fit, before anything is taken.
        """
        from fsm.engine.batches import prepare

        if keys is not None:
            raise ValueError("step_many: keys= is kept by a journal, and this engine has none. Leave it out.")
        self._enter("step_many")
        batch = prepare(instances, event_ids, arguments, times, outcomes)
        self._step_many_into(*batch, None)
        return batch.outcomes

    def _step_many_timed(
        self,
        instances: ArrayLike,
        event_ids: ArrayLike,
        arguments: ArrayLike,
        *,
        nanoseconds: NDArray[numpy.uint32],
        times: ArrayLike | None = None,
        outcomes: NDArray[numpy.uint8] | None = None,
    ) -> NDArray[numpy.uint8]:
        """`step_many` that writes what each step took, by the monotonic clock, into uint32[n]."""
        from fsm.engine.batches import prepare

        self._enter("step_many")
        batch = prepare(instances, event_ids, arguments, times, outcomes)
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
        if capacity > memoryview(self.memory.header).cast("Q")[HEADER_FIELDS["capacity"]]:
            self._attach(self.tables, self.memory.grown(capacity), True)

    @property
    def now_ns(self) -> int:
        """The engine's time, as `advance` or the `times` of `step_many` moved it last: 0 before the first."""
        return self._header("now_ns", "now_ns")

    @property
    def untold(self) -> dict[str, int]:
        """What became, by outcome, of inputs that no caller was told of: timers, and deferred events given again."""
        first = HEADER_FIELDS["untold"]
        self._enter("untold")
        counts = memoryview(self.memory.header).cast("Q")[first : first + UNTOLD_OUTCOMES].tolist()
        return {outcome.label: counts[outcome] for outcome in Outcome if outcome < UNTOLD_OUTCOMES and counts[outcome]}

    @property
    def capacity(self) -> int:
        """Instances that there is room for."""
        return self._header("capacity", "capacity")

    def __len__(self) -> int:
        return self._header("row_count", "len")

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
        return memoryview(self.memory.header).cast("Q")[HEADER_FIELDS[name]]

    def _row(self, instance: int, operation: str) -> memoryview:
        """The words of a live row. Raises `LookupError`."""
        try:
            instance = integer(instance)
        except TypeError:
            raise TypeError(f"{operation}: expected a handle, as start and find give it; found {instance!r}") from None
        index, generation = instance & NONE, instance >> 32
        if 0 <= instance <= UINT64_MASK and index < self._header("row_count", operation):
            words = self.tables.row_words
            row = memoryview(self.memory.rows).cast("Q")[index * words : (index + 1) * words]
            if row[0] >> 32 == (generation | ROW_LIVE << 16) and generation <= GENERATION_MASK:
                return row
        raise LookupError(f"instance {instance} is unknown: no row {index} of generation {generation} holds one")

    def _states(self, row: memoryview) -> tuple[str, ...]:
        return tuple(state.name for state in self.tables.active_states(row[0] & NONE))


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
