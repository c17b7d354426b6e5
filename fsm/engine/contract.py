"""What each of the two engines brings, for people and type checkers: nothing here is there when a program runs.

Contract ──is what──▶ NativeEngine: native/engine.pyx   and   MirrorEngine: fsm/engine/mirror.py   bring
   └──is under──────▶ Engine: fsm/engine/protocol.py, the half that they share
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy
    from numpy.typing import NDArray

    from fsm.engine.memory import PrivateMemory
    from fsm.tables import Tables


class Contract:
    """The calls that an engine makes itself, and the steps behind those that it shares."""

    __slots__ = ()
    engine: str
    tables: Tables
    memory: PrivateMemory

    @property
    def sequence(self) -> int:
        """The number of the last frame; without a journal, of the last input taken. 0 before the first."""
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

        a0..a5         int64 words of the event's arguments, in order; missing ones are 0, words beyond them unread
        key            idempotency key: an integer of 1 to 2**128 - 1, a `uuid.UUID`, text or bytes. An input that
                       was accepted, ignored or deferred with it is `duplicate` when it is given again, and
                       another input with it is `key_reused`; neither changes anything. Remembered for the last
                       one to two windows of keys (`idempotency_window` of `fsm.open`)
        expected       version that the instance must have, else the event is refused
        correlation    text of 1 to 64 bytes as UTF-8, or an int64, which is kept in the journal with the input

        A refusal raises nothing, and neither does `busy`: nothing was taken, for want of room in the journal. A
        word that is no int64 raises before anything is taken; so do `key` and `correlation` without a journal
        (`ValueError`), and a journal or memory that cannot go on (`StoreError`: the disk is full, `StaleEpoch`,
        `CorruptStore`).
        """
        raise AssertionError

    def advance(self, now_ns: int, /) -> int:
        """Move the clock forward to `now_ns` (0 to 2**63 - 1) and fire the timers that are due by then.

        They are fired by deadline, then row, then slot, each as an input of its own, stamped with `now_ns`. What is
        armed meanwhile waits for the next call. An earlier time than before changes nothing. Returns how many
        timers were fired; `untold` counts what became of them.

        Raises `StoreError` where the journal has no room for all of them: those that were not fired are due still.
        """
        raise AssertionError

    def close(self) -> None:
        """Let go of the memory; every later call raises `FsmError`. A store keeps its memory and its journal.

        Raises `StoreError` where the journal cannot be written; the engine is closed all the same.
        """
        raise AssertionError

    def _attach(self, tables: Tables, memory: PrivateMemory, index_is_empty: bool = False) -> None:
        """Take the buffers, and tell the header how large they are; fill the index by key where it is empty.

        Either all of it is done or nothing. The index has `memory.index_shape` slots, whatever the header says.
        """

    def _refuse(self, error: Exception) -> None:
        """Let go of the memory without closing it: every later call raises `error`."""

    def _enter(self, operation: str) -> None:
        """Raise where the engine is closed, or another thread is inside."""

    def _alone(self, operation: str, work: Any, *arguments: Any) -> Any:
        """Call `work` with every other thread kept out."""

    def _find(self, key: bytes) -> int | None:
        raise AssertionError

    def _start(self, key: bytes, initial: memoryview) -> tuple[int, int]:
        """Handle and `Outcome` code: accepted, exists (and whose it is), or what refused the start."""
        raise AssertionError

    def _release(self, instance: int) -> int:
        """Free the row of an instance that has ended: accepted, or unknown instance. `StoreError` for no room."""
        raise AssertionError

    def _refuse_unknown(
        self, named: bytes, event_id: int, words: Sequence[int], key: object, correlation: object
    ) -> int:
        """An event for a key (64 bytes) that has no instance, which a journal keeps; returns an `Outcome` code."""
        raise AssertionError

    def _write_position(self, data: bytes) -> None:
        """A frame with these words, and that it is the last of its kind. `StoreError` for no room."""

    def _find_many_into(self, keys: NDArray[numpy.int64], handles: NDArray[numpy.uint64]) -> None: ...
    def _start_many_into(self, keys: NDArray[numpy.int64], handles: NDArray[numpy.uint64]) -> None: ...
    def _step_many_into(
        self, instances: Any, event_ids: Any, arguments: Any, times: Any, keys: Any, outcomes: Any, nanoseconds: Any
    ) -> None: ...
    @staticmethod
    def _clock_floor_ns() -> int:
        raise AssertionError

    def _select(self, wanted: bytes, changed_before: int) -> list[int]:
        raise AssertionError
