"""The messages of a day with a key for each event, every 50th given twice: at once, or with the messages that follow.

    fsm run tests/examples/doubled_orders.py:LimitOrder FILE --store DIR

With KILL_AT in the environment the process ends itself by SIGKILL once its store has that frame: a thread looks at the
header's `applied` while the core steps, and at the latest between two batches it is seen.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import limit_order
from limit_order import HALT, HIDDEN, LimitOrder, batch_of, blocks, parse

from fsm.layout import HEADER_FIELDS
from fsm.runtime import Batch

EVERY = 50
limit_order.BLOCK_BYTES = 1 << 15  # many batches, so that many are begun when the process is killed


def events(path: str, engine: Any) -> Iterator[Batch]:
    """As the example, with the doubled events and the keys."""
    kill_at = int(os.environ.get("KILL_AT", "0"))
    if kill_at:
        Thread(target=_watch, args=(engine, kill_at), daemon=True).start()
    now = first = 0
    late = np.empty((0, 7), np.int64)
    for first_row, block, progress in blocks(path):
        rows, parked = parse(block, first_row)
        visible = rows[(rows[:, 1] != HIDDEN) & (rows[:, 1] != HALT)]
        given, late = doubled(visible, first, late)
        yield keyed(given, left_out=len(rows) - len(visible), parked=parked, progress=progress)
        first, now = first + len(visible), int(visible[:, 0].max(initial=now))
        _die(engine, kill_at)
    yield keyed(late)
    live = np.concatenate([np.asarray(engine.select(state=name), np.uint64) for name in ("working", "part_filled")])
    yield Batch(None, LimitOrder.Close.id, None, now, instances=np.sort(live), made_up=True, progress=1)


def doubled(rows: np.ndarray, first: int, late: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows with their numbers from `first` on, after those that are late; every other double is late itself."""
    numbers = np.arange(first, first + len(rows))
    numbered = np.column_stack([rows, numbers])
    twice = numbers % EVERY == EVERY - 1
    at_once = twice & (numbers // EVERY % 2 == 0)
    return np.concatenate([late, np.repeat(numbered, 1 + at_once, axis=0)]), numbered[twice & ~at_once]


def keyed(rows: np.ndarray, **account: Any) -> Batch:
    """The batch of numbered rows, each with the key of its number."""
    batch = batch_of(rows[:, :6], **account)
    batch.idempotency_keys = np.column_stack([rows[:, 6] + 1, np.full(len(rows), 7)]).astype(np.uint64)
    return batch


def _watch(engine: Any, kill_at: int) -> None:
    while True:
        _die(engine, kill_at)


def _die(engine: Any, kill_at: int) -> None:
    if kill_at and memoryview(engine.memory.header).cast("Q")[HEADER_FIELDS["applied"]] >= kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
