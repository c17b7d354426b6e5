"""What a killed process leaves is opened again, and held to what a process that nobody kills comes to.

image ──put back──▶ open ──▶ state ═ after k or k + 1 inputs, k of them acknowledged ──▶ go on to the end ═ the end
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import unpack
from typing import Any, NamedTuple

from fsm.layout import FRAME_INPUT, FRAME_PLACE, FRAME_WORDS, HEADER_FIELDS, NONE, FrameKind
from tests.crash import small
from tests.crash.observe import State, difference, groups, kind, live, observe, row_of
from tests.crash.scripts import Operation, Script, perform, step
from tests.crash.stepping import Image, Record, put_back


class Lost(AssertionError):
    """An image that does not open, or opens as what never was."""


class Place:
    """The directories of one store, and the files that tell of its victim."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.store, self.memory = self.folder / "store", self.folder / "memory"
        self.control, self.record = self.folder / "control", self.folder / "record"
        self.folder.mkdir(exist_ok=True)
        self.memory.mkdir()
        self.store.mkdir(mode=0o700)

    @property
    def watched(self) -> tuple[Path, Path]:
        """What belongs to an image."""
        return self.store, self.memory

    @contextmanager
    def open(self, flow: Any, engine: str, *, ring_bytes: int = small.RING_BYTES, **more: Any) -> Iterator[Any]:
        """The store, opened in this process."""
        before = os.environ.get("FSM_MEMORY_DIR")
        os.environ["FSM_MEMORY_DIR"] = str(self.memory)
        try:
            with small.sizes(ring_bytes=ring_bytes), small.open_store(self.store, flow, engine, **more) as opened:
                yield opened
        finally:
            if before is None:
                del os.environ["FSM_MEMORY_DIR"]
            else:
                os.environ["FSM_MEMORY_DIR"] = before


class Known(NamedTuple):
    """A state that may be found, and how many of the single operations it has behind it."""

    done: int
    state: State


class Reference:
    """The states of a script that runs undisturbed, after each input."""

    def __init__(self, place: Place, script: Script, engine_name: str) -> None:
        self.script, self.keys = script, keys_of(script)
        self.singles: list[Operation] = []
        self.ends = [0]
        """By operation: how many single ones it and those before it come to."""
        for operation in script.watched:
            self.singles += singles(operation)
            self.ends.append(len(self.singles))
        with place.open(script.flow_class, engine_name, ring_bytes=script.ring_bytes, **script.settings) as engine:
            for operation in script.before:
                perform(engine, operation)
            self.states = [observe(engine, self.keys)]
            self.indexes = [index_of(engine)]
            self.results = []
            for operation in self.singles:
                self.results.append(perform(engine, operation))
                self.states.append(observe(engine, self.keys))
                self.indexes.append(index_of(engine))
            self.answers = self.ask_again(engine)
        self.rows = {
            (row, words[1]): words
            for before, after in zip(self.states, [*self.states[1:], self.states[-1]], strict=True)
            for state in (before, *between(before, after))
            for row, words in enumerate(state["rows"])
        }
        """Every row that a reader may see, by its number and its last frame."""

    def allowed(self, acknowledged: int) -> list[Known]:
        """What may be found where so many operations were acknowledged: the state behind them, or behind the next."""
        first = self.ends[acknowledged]
        last = self.ends[min(acknowledged + 1, len(self.ends) - 1)]
        found = [Known(first, self.states[first])]
        for done in range(first, last):
            found += (Known(done, state) for state in between(self.states[done], self.states[done + 1]))
            (build, filled), before = self.indexes[done], self.states[done]
            if build != self.indexes[done + 1][0]:
                # Killed between the two stores by which a new index is taken hold of: then it is made anew once more.
                excess = filled - len(live(before["rows"]))
                found += [Known(done, {**before, "index_excess": excess})]
            found.append(Known(done + 1, self.states[done + 1]))
        return found

    def ask_again(self, engine: Any) -> list[str]:
        """What becomes of everything that came with a key, given once more: it is known, or was never taken."""
        given = [*(each for operation in self.script.before for each in singles(operation)), *self.singles]
        return [perform(engine, operation) for operation in given if operation[0] == "step" and "key" in operation[4]]

    def go_on(self, engine: Any, done: int) -> None:
        """The rest of the script, which must come to what it comes to without a kill."""
        results = [perform(engine, operation) for operation in self.singles[done:]]
        expected = self.results[done:]
        if results and self.singles[done][0] == "advance":
            expected[0] = results[0]  # some of its timers may have been fired before the kill
        if results != expected:
            raise Lost(f"after operation {done}: expected {expected}, found {results}")
        end = observe(engine, self.keys)
        if end != self.states[-1]:
            raise Lost(f"at the end of the script:\n{difference(self.states[-1], end)}")
        answers = self.ask_again(engine)
        if answers != self.answers:
            raise Lost(f"given again: expected {self.answers}, found {answers}")


def index_of(engine: Any) -> tuple[int, int]:
    """How often the index by key was made anew, and how many of its slots the header counts."""
    header = memoryview(engine.memory.header).cast("Q")
    return header[HEADER_FIELDS["index_shape"]] >> 8, header[HEADER_FIELDS["index_filled"]]


class Watched(NamedTuple):
    """A script that was watched on an engine: where, what it comes to undisturbed, and what was seen."""

    place: Place
    reference: Reference
    record: Record
    engine_name: str


def keys_of(script: Script) -> list[str | int]:
    """The keys of instances that a script names, and one that nobody has."""
    found: dict[str | int, None] = {"absent": None}
    for operation in (*script.before, *script.watched):
        for each in singles(operation):
            if each[0] in ("start", "step", "release", "send"):
                found[each[1]] = None
    return list(found)


def singles(operation: Operation) -> list[Operation]:
    """A batch as what it is made of; anything else as it is."""
    if operation[0] != "step_many":
        return [operation]
    _, keys, events, words, tokens = operation
    return [
        step(key, event, word, **({} if tokens is None else {"key": token}))
        for key, event, word, token in zip(keys, events, words, tokens or keys, strict=True)
    ]


def between(before: State, after: State) -> Iterator[State]:
    """The states between two, where one operation is several inputs: the clock moved, then timer by timer."""
    fired = groups(after["journal"][len(before["journal"]) :])
    if not fired or kind(fired[0][0]) is not FrameKind.TIMER:
        if before["now_ns"] != after["now_ns"]:
            yield {**before, "now_ns": after["now_ns"]}
        return
    state = copy.deepcopy({**before, "now_ns": after["now_ns"]})
    yield copy.deepcopy(state)
    for group in fired[:-1]:
        for number, words in enumerate(group):
            if kind(words) not in (FrameKind.TIMER, FrameKind.AGAIN):
                continue
            state["rows"][row_of(words)] = list(words[FRAME_WORDS:])
            state["untold"][words[FRAME_INPUT] >> 48 & 0xFF] += 1
            if words[FRAME_PLACE] >> 32 != NONE:
                state["place"] = words[FRAME_PLACE] >> 32
            assert words[0] == state["applied"] + 1 + number
        state["journal"] = [*state["journal"], *group]
        state["applied"] += len(group)
        state["instances"] = None  # what rows say; they were compared
        yield copy.deepcopy(state)


def judge(image: Image, place: Place, reference: Reference, engine_name: str, allowed: Sequence[Known]) -> Known:
    """Open what an image left, and go on with the script. Returns the state that it was."""
    try:
        read_rows(image, reference)
        put_back(image, place.watched)
        with place.open(None, engine_name) as engine:
            known = recognise(observe(engine, reference.keys), allowed)
            reference.go_on(engine, known.done)
    except Lost as error:
        raise Lost(f"{where(image)}: {error}") from None
    except Exception as error:
        raise Lost(f"{where(image)}: {type(error).__name__}: {error}") from error
    return known


def read_rows(image: Image, reference: Reference) -> None:
    """What a reader sees: a row that is not marked as busy is whole."""
    size = len(reference.states[0]["rows"][0]) * 8
    for path, file in image.files.items():
        if file is None or not path.endswith("/rows"):
            continue
        for row in range(file.size // size):
            words = [*unpack(f"<{size // 8}Q", file.data[row * size :][:size].ljust(size, b"\0"))]
            expected = reference.rows.get((row, words[1]), words)
            if words != expected:
                raise Lost(f"row {row} is not marked as busy, and is not that of its frame: {words}, not {expected}")


def recognise(found: State, allowed: Sequence[Known]) -> Known:
    """Which of the states that may be there it is."""
    for known in allowed:
        if known.state == ({**found, "instances": None} if known.state["instances"] is None else found):
            return known
    apart = [difference(known.state, found) for known in allowed]
    raise Lost("this is no state of the script. The nearest differs in\n" + min(apart, key=len))


def where(image: Image) -> str:
    """How to find the moment again."""
    return f"killed at step {image.step} (address {image.address}), {image.acknowledged} acknowledged"
