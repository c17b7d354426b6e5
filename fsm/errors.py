"""Every error that `fsm` raises, in one hierarchy.

    FsmError ─ DefinitionError(.problems) · CorruptTables(.offset, .reason)
             │ TablesMismatch(.expected, .found, .difference) · Exists(.key, .instance)
             │ StartFault(.key, .outcome, .reason) · ConcurrentUse(.operation)
             └ StoreError ─ StoreFull(.capacity) · StoreLocked(.path, .reason) · StaleEpoch(.held, .current, .path)
                          └ CorruptStore(.file, .offset, .reason)

A message says what happened, where, what was expected and found, and what to do next. The attributes
carry the same facts for programs. A refusal is not an error: it is an outcome (`fsm.Outcome`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsm.layout import Finding


class FsmError(Exception):
    """The root: catch it to catch whatever this library raises by intent."""


class DefinitionError(FsmError):
    """A flow that cannot be compiled; `problems` holds every finding, not the first only."""

    def __init__(self, problems: Sequence[Finding]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        heading = f"{len(lines)} problems in this definition:\n" if len(lines) > 1 else ""
        super().__init__(heading + "\n".join(lines))


class CorruptTables(FsmError):
    """Bytes that are no tables: damaged, cut short, of another version, or hostile."""

    def __init__(self, offset: int, reason: str) -> None:
        self.offset = offset
        self.reason = reason
        super().__init__(
            f"tables: byte {offset}: {reason}. Nothing was loaded. Compile the flow again, or restore the file."
        )


class TablesMismatch(FsmError):
    """Two flows that should be one: the fingerprints, and the difference of the charts, line by line."""

    def __init__(self, expected: str, found: str, difference: str) -> None:
        self.expected = expected
        self.found = found
        self.difference = difference
        super().__init__(f"the flow is {found[:16]}, and {expected[:16]} was expected. They differ in:\n{difference}")


class Exists(FsmError):
    """`start` with a key that has an instance already; the refusal is accounted for like any other."""

    def __init__(self, key: str | int, instance: int) -> None:
        self.key = key
        self.instance = instance
        super().__init__(f"key {key!r} has instance {instance} already. Step that one, or choose another key.")


class StartFault(FsmError):
    """`start` of an instance whose entry actions fault: there is no instance, and the refusal is accounted for."""

    def __init__(self, key: str | int, outcome: str, reason: str) -> None:
        self.key = key
        self.outcome = outcome
        self.reason = reason
        super().__init__(
            f"key {key!r} was not started: {reason}. Nothing was kept. Start it with other fields, or mend the flow."
        )


class ConcurrentUse(FsmError):
    """A second thread entered an engine that has one writer."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(
            f"{operation}: another thread is inside this engine, which has one writer. Nothing was taken. "
            "Give each thread its own engine, or hold a lock around the calls."
        )


class StoreError(FsmError):
    """The memory or the files of an engine cannot do what was asked."""


class StoreFull(StoreError):
    """No row is left for another instance; nothing was taken and nothing lost."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        super().__init__(f"all {capacity} rows hold an instance. Call reserve(n) with a larger n, then give it again.")


class StoreLocked(StoreError):
    """Somebody has the store open for writing; `reason` says who, as far as that is known."""

    def __init__(self, path: str, reason: str = "another process has it open for writing") -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"store {path} is locked: {reason}. Nothing was changed. Close it there first, or open it here with "
            "readonly=True; takeover=True takes it from a writer that hangs."
        )


class StaleEpoch(StoreError):
    """Another writer took the store over while this one had it; what this one still does is lost, so it stops."""

    def __init__(self, held: int, current: int, path: str | None = None) -> None:
        self.held = held
        self.current = current
        self.path = path
        store = "this store" if path is None else f"store {path}"
        super().__init__(
            f"{store}: this writer holds epoch {held} and the store is at {current}: another writer took over. "
            "Nothing more is taken here. Reopen to go on, and give again what was not answered."
        )


class CorruptStore(StoreError):
    """What no writer leaves: a damaged file or area of memory, by name, and the byte in it where that was found."""

    def __init__(self, file: str, offset: int, reason: str) -> None:
        self.file = file
        self.offset = offset
        self.reason = reason
        super().__init__(
            f"{file}: byte {offset}: {reason}. Nothing was changed. Keep a copy of the store, and restore it from a "
            "backup or a snapshot."
        )
