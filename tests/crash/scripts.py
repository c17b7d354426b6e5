"""What victims do: operations by name, so that the process that is killed and the one that is not do the same.

    SCRIPTS[name] = Script(flow, what is done before, what is watched)        perform(engine, operation) ──▶ a text

An operation is its name and what it is given; instances are named by key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from fsm import FsmError, Outcome
from fsm.engine.arguments import initial_words
from fsm.engine.keys import encode_key
from tests.crash import flows, small

SECOND = 1_000_000_000
NOBODY = (1 << 64) - 1
Operation = tuple[Any, ...]


class Script(NamedTuple):
    """The operations of a victim; those of `before` are done when it is first watched."""

    flow: str
    before: tuple[Operation, ...]
    watched: tuple[Operation, ...]
    settings: Mapping[str, int] = {}
    ring_bytes: int = small.RING_BYTES

    @property
    def flow_class(self) -> Any:
        """The flow."""
        return getattr(flows, self.flow)


def step(name: str | int, event: str, /, *words: int, **more: object) -> Operation:
    """An event with its words, and what goes with it: key, expected, correlation."""
    return ("step", name, event, words, more)


def perform(engine: Any, operation: Operation) -> str:
    """Do it; the text says what came of it."""
    name, *given = operation
    try:
        result = OPERATIONS[name](engine, *given)
    except FsmError as error:
        return type(error).__name__
    return f"{name} {result}"


def prepare(engine: Any, script: Script) -> list[Callable[[], object]]:
    """The watched operations as calls that need little Python, which would be stepped through as well."""
    moving = {operation[1] for operation in script.watched if operation[0] in ("start", "release")}
    return [_prepared(engine, operation, moving) for operation in script.watched]


def _prepared(engine: Any, operation: Operation, moving: set[str | int]) -> Callable[[], object]:
    name, key, *given = operation[:2] if len(operation) == 2 else operation
    if name == "start":
        return partial(engine._start, encode_key(key), initial_words(engine.tables, *given))
    if name == "step" and key not in moving and (found := engine.find(key)) is not None:
        event, words, more = given
        return partial(engine.step, found, engine.tables.event_ids.get(event, 99), *words, **more)
    if name == "release":
        return lambda: engine._release(NOBODY if (found := engine.find(key)) is None else found)
    if name == "step_many":
        arrays = _arrays(engine, key, *given)
        return lambda: [engine._step_many_into(*arrays, None), arrays[-1].tolist()][1]
    return partial(perform, engine, operation)


def text(operation: Operation, result: object) -> str:
    """What `perform` would have said of a prepared operation."""
    return result if isinstance(result, str) else f"{operation[0]} {result}"


def _step(engine: Any, key: str | int, event: str, words: tuple[int, ...], more: Mapping[str, object]) -> str:
    found = engine.find(key)
    event_id = engine.tables.event_ids.get(event, 99)
    return Outcome(engine.step(NOBODY if found is None else found, event_id, *words, **more)).label


def _send(engine: Any, key: str | int, event: str, arguments: Any, more: Mapping[str, object]) -> str:
    return str(engine.send(key, event, arguments, **more).outcome.label)


def _start(engine: Any, key: str | int, fields: Mapping[str, object]) -> int:
    return int(engine.start(key, **fields))


def _release(engine: Any, key: str | int) -> str:
    found = engine.find(key)
    engine.release(found)
    return str(found)


def _arrays(engine: Any, keys: tuple[Any, ...], events: tuple[str, ...], words: Any, tokens: Any) -> tuple[Any, ...]:
    import numpy

    handles = [engine.find(key) for key in keys]
    return (
        numpy.array([NOBODY if handle is None else handle for handle in handles], numpy.uint64),
        numpy.array([engine.tables.event_ids[event] for event in events]),
        numpy.array(words, numpy.int64).reshape(len(keys), -1),
        None,
        None if tokens is None else numpy.array([[token, 0] for token in tokens], numpy.uint64),
        numpy.zeros(len(keys), numpy.uint8),
    )


OPERATIONS: dict[str, Any] = {
    "step": _step,
    "send": _send,
    "start": _start,
    "release": _release,
    "advance": lambda engine, now: engine.advance(now),
    "mark": lambda engine, words: engine._mark(list(words)),
    "reserve": lambda engine, capacity: engine.reserve(capacity),
    "sync": lambda engine: engine.sync(),
}

DESK = (("start", "a", {}), ("start", 7, {"leaves": 3}), step("a", "Buy", 100))
WAITING = (("start", "w", {}), ("start", "v", {}))

SCRIPTS = {
    "start": Script(
        "Desk",
        DESK,
        (("start", "b", {}), ("start", "c", {"leaves": 5, "filled": 1}), ("start", "b", {}), ("start", "d", {})),
    ),
    "guarded step": Script(
        "Desk", DESK, (step("a", "Fill", 10), step("a", "Fill", 20, 1, 2, 3, 4, 5), step(7, "Buy", 5))
    ),
    "refusals": Script(
        "Desk",
        DESK,
        (
            step("a", "Fill", 1000),
            step("a", "Buy", 1),
            step("a", "Note"),
            step("a", "Split", 0),
            step("a", "Fill", 1, expected=9),
            step("a", "Nothing"),
            step("nobody", "Fill", 1, 2),
        ),
    ),
    "by name": Script(
        "Desk",
        DESK,
        (
            ("send", "nobody", "Split", {"parts": 1}, {}),
            ("send", "nobody", "Split", {"parts": 1}, {"key": 5, "correlation": "why"}),
            ("send", "a", "Split", {"parts": 3}, {"key": "a text", "correlation": 6}),
        ),
    ),
    "keys": Script(
        "Desk",
        DESK,
        (
            step("a", "Fill", 10, key=11),
            step("a", "Fill", 10, key=11),
            step("a", "Fill", 20, key=11),
            step("a", "Fill", 2000, key=12),
            step("a", "Note", key=12, correlation="because"),
            step("a", "Fill", 1, 2, 3, 4, 5, 6, key=13, correlation=77),
        ),
    ),
    "many keys": Script(
        "Desk",
        (*DESK, *(step("a", "Fill", 1, key=key) for key in (1, 2, 3))),
        tuple(step("a", "Fill", 1, key=key) for key in (4, 5, 2, 6, 7, 4, 8, 1)),
        {"idempotency_window": 2},
    ),
    # The slots of 6 and 7 in the index are the same, so 6 stands behind the one that 7 leaves.
    "released": Script(
        "Desk",
        (*DESK, step(7, "Cancel"), ("start", 6, {}), step(6, "Cancel")),
        (
            ("release", 7),
            ("release", 6),
            step(7, "Buy", 1),
            ("start", "f", {}),
            ("start", 7, {"leaves": 9}),
            ("start", "g", {}),
            step("g", "Cancel"),
            ("release", "g"),
        ),
    ),
    "timers": Script(
        "Waiting",
        (*WAITING, step("w", "Open", 9 * SECOND)),
        (
            ("advance", 5 * SECOND),
            step("v", "Open", 12 * SECOND),
            ("advance", 6 * SECOND),
            ("advance", 20 * SECOND),
        ),
    ),
    "deferred": Script(
        "Waiting",
        (*WAITING, step("v", "Nudge", key=20), step("v", "Order", 1, 2, key=20)),
        (
            step("w", "Order", 3, 5),
            step("w", "Order", 0, 7),
            step("w", "Order", 2, 11, key=21),
            step("w", "Order", 1, 1),
            step("w", "Open", 9 * SECOND, key=22),
            step("w", "Nudge"),
            step("w", "Shut"),
            step("w", "Order", 4, 4),
            step("w", "Open", 9 * SECOND),
        ),
    ),
    "timer with deferred": Script(
        "Waiting",
        (
            *WAITING, step("w", "Open", 3 * SECOND), ("advance", 3 * SECOND), step("w", "Order", 1, 2),
            step("w", "Order", 0, 2),
        ),
        (step("w", "Open", 4 * SECOND), ("advance", 4 * SECOND), step("w", "Order", 5, 6), ("advance", 30 * SECOND)),
    ),
    "ring": Script(
        "Desk",
        (*DESK, *(step("a", "Fill", 1) for _ in range(8))),
        tuple(step("a", "Fill", 1, 2, 3, 4, 5, 6) for _ in range(14)),
        ring_bytes=small.LEAST_RING,
    ),
    "growth": Script(
        "Desk",
        DESK,
        (("start", "b", {}), ("reserve", 9), ("start", "c", {}), ("start", "d", {}), ("start", "e", {}),
         step("e", "Buy", 3)),
    ),
    "crowded index": Script(
        "Desk",
        (*DESK, step(7, "Cancel"), ("release", 7), *(
            operation for key in range(10, 16)
            for operation in (("start", key, {}), step(key, "Cancel"), ("release", key))
        )),
        (("start", 16, {}), step(16, "Cancel"), ("release", 16), ("start", 17, {}), step(17, "Buy", 2)),
    ),
    "position": Script(
        "Desk", DESK, (("mark", (1, 2, 3)), step("a", "Fill", 1), ("mark", tuple(range(1, 14))), ("mark", ()))
    ),
    "batch": Script(
        "Desk",
        (*DESK, step("a", "Fill", 1, key=30)),
        (
            ("step_many", ("a", "nobody", 7, "a"), ("Fill", "Fill", "Buy", "Fill"), (1, 2, 3, 500), None),
            ("step_many", ("a", "a", "a"), ("Fill", "Fill", "Note"), (1, 2, 3), (31, 31, 32)),
        ),
    ),
}  # fmt: skip
