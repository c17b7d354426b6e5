"""What does the same change of one row cost where people keep such rows today?

Measured: one event with a guard and two writes to one row, from Python, that a kill of the process does not undo, and
that nobody waits for the disk for: a step of a store opened by `fsm.open`, SQLite (WAL, synchronous=NORMAL), LMDB
(sync=False), and Redis (no persistence, a Lua script over a Unix socket, one round trip). Not measured: many rows, many
clients, the disk. What is not installed is reported as not present: the package `lmdb` (dependency group `bench`), and
a `redis-server` on the path or named by FSM_REDIS.

Estimated beforehand: SQLite 300 times our step, LMDB 80, Redis 800. Each has to find its row, begin and commit; we have
the row in place, and one process that writes.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from bench_step import calls
from flows import Ticking

import fsm

COUNT = 2_000
OURS = "journalled step, fsm.open"
ORDER = 7


class Sqlite:
    """A table of rows in a file, one statement a transaction."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / "peer.sqlite", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=NORMAL",
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, state INTEGER, remaining INTEGER, last INTEGER)",
            f"INSERT INTO orders VALUES ({ORDER}, 1, 0, 0)",
        ):
            self.connection.execute(statement)

    def tick(self, order: int, amount: int) -> None:
        """The transition: where the guard holds."""
        if amount > 0:
            self.connection.execute(
                "UPDATE orders SET state = 2, remaining = remaining - ?, last = ? WHERE id = ?",
                (amount, amount, order),
            )

    def row(self, order: int) -> tuple[int, ...]:
        """State, remaining, last."""
        found: tuple[int, ...] = self.connection.execute(
            "SELECT state, remaining, last FROM orders WHERE id = ?", (order,)
        ).fetchone()
        return found

    def close(self) -> None:
        """Let go."""
        self.connection.close()


class Lmdb:
    """A record of three words under a key."""

    words = struct.Struct("<qqq")

    def __init__(self, folder: Path) -> None:
        lmdb = pytest.importorskip("lmdb")
        self.environment = lmdb.open(str(folder / "peer.lmdb"), sync=False, map_size=1 << 26)
        with self.environment.begin(write=True) as transaction:
            transaction.put(self.key(ORDER), self.words.pack(1, 0, 0))

    @staticmethod
    def key(order: int) -> bytes:
        """The key of an order."""
        return order.to_bytes(8, "big")

    def tick(self, order: int, amount: int) -> None:
        """Read, decide and write in one transaction."""
        if amount > 0:
            key = self.key(order)
            with self.environment.begin(write=True) as transaction:
                _, remaining, _ = self.words.unpack(transaction.get(key))
                transaction.put(key, self.words.pack(2, remaining - amount, amount))

    def row(self, order: int) -> tuple[int, ...]:
        """State, remaining, last."""
        with self.environment.begin() as transaction:
            return self.words.unpack(transaction.get(self.key(order)))

    def close(self) -> None:
        """Let go."""
        self.environment.close()


class Redis:
    """A hash in a server of our own, which a script changes."""

    script = (
        "if tonumber(ARGV[1]) > 0 then "
        "redis.call('HINCRBY', KEYS[1], 'remaining', -ARGV[1]) "
        "redis.call('HSET', KEYS[1], 'state', 2, 'last', ARGV[1]) end return 0"
    )

    def __init__(self, folder: Path) -> None:
        server = os.environ.get("FSM_REDIS") or shutil.which("redis-server")
        if server is None:
            pytest.skip("redis-server")
        path = folder / "socket"
        arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self.server = subprocess.Popen([server, *arguments], stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        assert any("accept connections" in line for line in self.server.stdout), "redis-server ended"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.digest = self.call("SCRIPT", "LOAD", self.script).split(b"\r\n")[1]
        self.call("HSET", "7", "state", "1", "remaining", "0", "last", "0")

    def call(self, *words: object) -> bytes:
        """One command, one answer."""
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
        answer = self.socket.recv(4096)
        assert not answer.startswith(b"-"), answer
        return answer

    def tick(self, order: int, amount: int) -> None:
        """The script, in one round trip."""
        self.call(b"EVALSHA", self.digest, b"1", order, amount)

    def row(self, order: int) -> tuple[int, ...]:
        """State, remaining, last."""
        answer = self.call("HMGET", order, "state", "remaining", "last").split(b"\r\n")
        return tuple(int(answer[line]) for line in (2, 4, 6))

    def close(self) -> None:
        """Stop the server that was started here."""
        self.socket.close()
        self.server.terminate()
        self.server.communicate()


PEERS: dict[str, Callable[[Path], Any]] = {"sqlite": Sqlite, "lmdb": Lmdb, "redis": Redis}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for all of them, where the benchmarks are built."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent.parent / "build") as made:
        yield Path(made)


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest, folder: Path, note: Callable[[str], None]) -> Iterator[Any]:
    """One of them, with its row; or the test is skipped, and the table says so."""
    try:
        made = PEERS[request.param](folder)
    except pytest.skip.Exception as missing:
        note(f"not present here ({missing})")
        raise
    yield made
    made.close()


def bench_peer(peer: Any, folder: Path, beside: Callable[..., float]) -> None:
    """A peer's change of one row beside a journalled step."""
    with fsm.open(folder / "store", Ticking, capacity=16, engine="native") as engine:
        order = engine.start(ORDER)
        engine.step(order, Ticking.Tick.id, 3)
        peer.tick(ORDER, 3)
        peer.tick(ORDER, -3)
        assert peer.row(ORDER) == (2, engine.fields(order)["left"], engine.fields(order)["last"]) == (2, -3, 3)

        def work() -> None:
            tick = peer.tick
            for _ in repeat(None, COUNT):
                tick(ORDER, 3)

        # More steps of ours than theirs in a turn, so that the clock sees them; the figures are per step.
        ours = calls(engine.step, order, Ticking.Tick.id, 3)
        beside(work, ours, count=COUNT, floor_count=20_000, floor_name=OURS, aim="-", rounds=9)
