"""Stores that have seen a day, and processes that work on one until they are stopped.

busy_store(path, engine) ──▶ an engine that has taken a little of everything
Worker(path, engine, body) ──▶ a process that runs `body`, line by line as it is told, and can be stopped or killed
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsm.store
from tests.conftest import ROOT
from tests.crash.flows import Desk, Waiting
from tests.engine.orders import Order

FLOWS = {"Order": Order, "Desk": Desk, "Waiting": Waiting}

PRELUDE = """
import sys
import fsm.store
from tests.store.scenes import FLOWS, busy_day
path, engine_name, flow = sys.argv[1:4]
engine = fsm.store.open(path, FLOWS[flow], capacity=8, engine=engine_name, idempotency_window=8)
for line in sys.stdin:
    try:
        told = eval(line, {"engine": engine, "fsm": fsm, "busy_day": busy_day, "os": __import__("os")})
    except Exception as error:
        told = error
    print(repr(told), flush=True)
"""


class Worker:
    """A process that has a store open, and evaluates what it is told."""

    def __init__(self, path: Any, engine_name: str, flow: str = "Order") -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                f"import sys; sys.path.append({str(ROOT)!r})\n{PRELUDE}",
                str(path),
                engine_name,
                flow,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )

    def do(self, line: str) -> str:
        """What a line comes to, as `repr` has it."""
        self.begin(line)
        return self.finish()

    def begin(self, line: str) -> None:
        """Tell it, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def finish(self) -> str:
        """Wait for what it came to."""
        assert self._process.stdout is not None
        told = self._process.stdout.readline().strip()
        assert told, "the worker is gone"
        return told

    def has_finished(self) -> bool:
        """Whether it has said what the line came to; asking does not wait."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def stop(self) -> None:
        """SIGSTOP, and wait until it stands."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def wake(self) -> None:
        """SIGCONT."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *details: object) -> None:
        self.kill()


def busy_day(engine: Any) -> int:
    """Starts, steps, refusals, keys, a release and a row used again, growth, a position; returns the last frame."""
    first, second = engine.start("a"), engine.start(7, quantity=3)
    engine.advance(3_000_000_000)
    engine.step(first, 0, 100, 1)
    for number in range(12):
        engine.step(first, 1, 3, key=number + 1, correlation="c" if number % 3 else None)
    engine.step(first, 1, 3, key=12)
    engine.step(first, 1, 4, key=12)
    engine.step(first, 2, 0)
    engine.step(first, 99)
    engine.step(first, 1, 5, expected=2)
    engine.send("nobody", "Cancel")
    engine.step(second, 0, 5, 0)
    engine.step(second, 1, 5)
    engine.release(second)
    engine.start("b")
    engine.start("c")
    engine._mark([1, 2, 3])
    return int(engine.sequence)


def answers(engine: Any, keys: tuple[Any, ...] = ("a", 7, "b", "c", "nobody")) -> dict[Any, Any]:
    """What an engine tells of its instances."""
    told: dict[Any, Any] = {
        "len": len(engine), "sequence": engine.sequence, "untold": engine.untold, "select": engine.select(),
        "now": engine.now_ns, "position": engine._position(), "old": engine.select(older_than_ns=1),
    }  # fmt: skip
    for key in keys:
        handle = engine.find(key)
        told[key] = None if handle is None else (
            handle, engine.key(handle), engine.state(handle), engine.fields(handle), engine.version(handle),
            engine.timers(handle), engine.deferred(handle),
        )  # fmt: skip
    return told


def memory_of(folder: Path) -> Path:
    """The one memory directory in a folder."""
    (found,) = folder.glob("fsm-*")
    return found


def open_store(path: Any, engine_name: str | None = None, **more: Any) -> Any:
    """A small store of orders."""
    return fsm.store.open(path, Order, engine=engine_name, **{"capacity": 8, "idempotency_window": 8, **more})
