"""Limit orders at a venue, replayed from a day of LOBSTER messages.

    FILE ──blocks of whole lines──▶ clean runs: numpy ──────────┐
                              └──▶ dirty lines, one by one ─────┴──▶ Batch ──▶ LimitOrder
                                        └──▶ parked, with a reason

    fsm run examples/limit_order.py FILE          replay a file, plain or gzipped
    python examples/limit_order.py FILE           write a made-up day of one million messages

A line has six columns and no header: seconds after midnight, type, order id, size, price times 10 000, side. Types: 1
submission, 2 partial cancel, 3 deletion, 4 execution, 5 execution of a hidden order, 7 halt. The last two belong to no
order that was submitted, and are left out. The file does not tell its date: times are ns after midnight.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsm import Choice, Decimal, Event, Flow, Integer, State
from fsm.runtime import Batch, Parked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fsm import Engine


SHOWN = "no guard needs it: it is kept for those who look at an order"


class LimitOrder(Flow):
    """One limit order at a venue, from submission to its end."""

    quantity = Integer(waive={"unread-field": SHOWN})
    leaves = Integer()
    price = Decimal(4, waive={"unread-field": SHOWN})
    side = Choice("buy", "sell", waive={"unread-field": SHOWN})

    class Submit(Event):
        quantity: Integer = Integer()
        price: Decimal = Decimal(4)
        side: Choice = Choice("buy", "sell")

    class Reduce(Event):
        quantity: Integer = Integer()

    class Cancel(Event):
        pass

    class Execute(Event):
        quantity: Integer = Integer()

    class Close(Event):
        pass

    new = State(initial=True)
    working = State()
    part_filled = State()
    filled = State(final=True)
    cancelled = State(final=True)
    part_cancelled = State(final=True)
    closed = State(final=True)
    quarantined = State(poison=True)

    new.on(
        Submit,
        when=(Submit.quantity > 0) & (Submit.price > 0),
        to=working,
        do=[
            quantity.set(Submit.quantity),
            leaves.set(Submit.quantity),
            price.set(Submit.price),
            side.set(Submit.side),
        ],
    )

    live = working | part_filled
    live.on(
        Execute,
        when=(Execute.quantity > 0) & (Execute.quantity < leaves),
        to=part_filled,
        do=leaves.subtract(Execute.quantity),
    )
    live.on(Execute, when=Execute.quantity == leaves, to=filled, do=leaves.set(0))
    live.on(Reduce, when=(Reduce.quantity > 0) & (Reduce.quantity < leaves), do=leaves.subtract(Reduce.quantity))
    working.on(Reduce, when=Reduce.quantity == leaves, to=cancelled)
    part_filled.on(Reduce, when=Reduce.quantity == leaves, to=part_cancelled)
    working.on(Cancel, to=cancelled)
    part_filled.on(Cancel, to=part_cancelled)
    live.on(Close, to=closed)

    # The venue may match before it sees our cancel: its report wins, and a person looks at it.
    gone = cancelled | part_cancelled
    gone.on(Execute, to=quarantined)


BLOCK_BYTES = 1 << 18
LINE_BYTES_MAX, SHOWN_BYTES = 4096, 200
SUBMIT, REDUCE, CANCEL, EXECUTE, HIDDEN, HALT = 1, 2, 3, 4, 5, 7
EVENT_IDS = {SUBMIT: LimitOrder.Submit.id, REDUCE: LimitOrder.Reduce.id, CANCEL: LimitOrder.Cancel.id,
             EXECUTE: LimitOrder.Execute.id}  # fmt: skip
EVENT_ID_OF_TYPE = np.array([EVENT_IDS.get(kind, 0) for kind in range(HALT + 1)])
SIDE_OF_SIGN = {1: 0, -1: 1}

# Real days hold times like 35821.088778456004: a float printed too far, which means the nearest nanosecond.
SECONDS = rb"(?:[0-7]?[0-9]{1,4}|8[0-5][0-9]{3}|86[0-3][0-9]{2})(?:\.[0-9]{1,18})?"
# At most 15 digits, which a float holds exactly: what is longer goes the slow way.
CLEAN_RUN = re.compile(rb"(?:" + SECONDS + rb",[1-57],-?[0-9]{1,15},-?[0-9]{1,15},-?[0-9]{1,15},-?1\n)*+")
TIME = re.compile(SECONDS)
INTEGER = re.compile(rb"[+-]?[0-9]+")


def events(path: str, engine: Engine) -> Iterator[Batch]:
    """The messages of a day in order, then `Close` for every order that is still live."""
    now = 0
    for first_row, block, progress in blocks(path):
        rows, parked = parse(block, first_row)
        visible = rows[(rows[:, 1] != HIDDEN) & (rows[:, 1] != HALT)]
        yield batch_of(visible, left_out=len(rows) - len(visible), parked=parked, progress=progress)
        now = int(visible[:, 0].max(initial=now))
    live = np.concatenate([np.asarray(engine.select(state=name), np.uint64) for name in ("working", "part_filled")])
    yield Batch(None, LimitOrder.Close.id, None, now, instances=np.sort(live), made_up=True, progress=1)


def blocks(path: str) -> Iterator[tuple[int, bytes, float | None]]:
    """Whole lines of a plain or gzipped file, about `BLOCK_BYTES` at once.

    Each block comes with the number of its first line and the share of the file that is read by then; None for a pipe.
    A line that is too long loses some of what follows its first `LINE_BYTES_MAX` bytes, never all: it stays too long.
    """
    row, rest = 1, b""
    with open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        zipped = raw.peek(2)[:2] == b"\x1f\x8b"
        file = gzip.GzipFile(fileobj=raw) if zipped else raw
        while data := file.read(BLOCK_BYTES):
            whole, newline, rest = (rest + data).replace(b"\r\n", b"\n").rpartition(b"\n")
            yield row, whole + newline, raw.tell() / size if size else None
            row += whole.count(b"\n") + len(newline)
            rest = rest[: LINE_BYTES_MAX + 2]  # all of it would be copied again with each block
    if rest:
        yield row, rest + b"\n", 1 if size else None


def parse(block: bytes, first_row: int) -> tuple[np.ndarray, list[Parked]]:
    """int64[n, 6] of the lines that are messages, in ns and as the file has them, and the lines that are none."""
    parts, parked, row, position = [np.empty((0, 6), np.int64)], [], first_row, 0
    while position < len(block):
        run = CLEAN_RUN.match(block, position)
        end = run.end() if run else position
        if end > position:
            parts.append(_numbers(block[position:end]))
            row += len(parts[-1])
        position = block.find(b"\n", end) + 1 or len(block)
        if line := block[end:position]:
            try:
                parts.append(np.array([_message(line.rstrip(b"\n"))], np.int64))
            except ValueError as reason:
                content = line.rstrip(b"\n")
                kept = content if len(content) <= LINE_BYTES_MAX else content[:SHOWN_BYTES]
                parked.append(Parked(row, str(reason), kept))
            row += 1
    return np.concatenate(parts), parked


def _numbers(run: bytes) -> np.ndarray:
    """int64[n, 6] of lines that are known to be clean."""
    table = np.fromstring(run.replace(b"\n", b","), np.float64, sep=",").reshape(-1, 6)
    table[:, 0] *= 1e9
    return np.rint(table).astype(np.int64)


def _message(line: bytes) -> list[int]:
    """The six numbers of one line. Raises ValueError with the reason why it is no message."""
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"line: expected at most {LINE_BYTES_MAX} bytes, found more: the first {SHOWN_BYTES} are kept")
    columns = line.split(b",")
    if len(columns) != 6:
        raise ValueError(f"columns: expected 6, found {len(columns)}")
    if not TIME.fullmatch(columns[0]):
        raise ValueError(f"time: expected seconds after midnight, found {_shown(columns[0])}")
    seconds, _, fraction = columns[0].partition(b".")
    time = int(seconds) * 10**9 + (int(fraction.ljust(18, b"0")) + 5 * 10**8) // 10**9
    names = ("type", "order id", "size", "price", "side")
    kind, order, size, price, side = (_integer(*pair) for pair in zip(names, columns[1:], strict=True))
    if kind not in (*EVENT_IDS, HIDDEN, HALT):
        raise ValueError(f"type: expected 1, 2, 3, 4, 5 or 7, found {kind}")
    if side not in SIDE_OF_SIGN:
        raise ValueError(f"side: expected 1 or -1, found {side}")
    return [time, kind, order, size, price, side]


def _integer(name: str, text: bytes) -> int:
    # The length is looked at first: Python refuses to read a number of thousands of digits.
    if INTEGER.fullmatch(text) and len(text) <= 20 and -(1 << 63) <= (number := int(text)) < 1 << 63:
        return number
    raise ValueError(f"{name}: expected an integer of 64 bits, found {_shown(text)}")


def _shown(text: bytes) -> str:
    return repr(text[:40])[1:] + ("..." if len(text) > 40 else "")


def batch_of(rows: np.ndarray, **account: Any) -> Batch:
    """The events that rows of messages stand for; `account` is what the batch tells besides."""
    time, kind, order, size, price, side = rows.T
    arguments = np.zeros((len(rows), 3), np.int64)
    arguments[:, 0] = np.where(kind == CANCEL, 0, size)
    submits = kind == SUBMIT
    arguments[submits, 1] = price[submits]
    arguments[submits, 2] = side[submits] < 0
    return Batch(order, EVENT_ID_OF_TYPE[kind], arguments, time, **account)


# --- a made-up day ---------------------------------------------------------------------------------------------------

SHARE_ORPHAN = 0.002  # messages for orders that nobody submitted
SHARE_OVERFILL = 0.001  # executions of more than is left
SHARE_LATE_CANCEL = 0.002  # deletions of orders that are filled
SHARE_LATE_FILL = 0.0005  # executions of orders that are cancelled
SHARE_HIDDEN = 0.02


def generate(path: str | Path, events: int = 1_000_000, seed: int = 20120621) -> None:
    """Write a day of `events` messages; the same arguments give the same bytes on every machine."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(_messages(events, random.Random(seed).random))


def _messages(count: int, chance: Callable[[], float]) -> Iterator[str]:
    """Lines of a day: orders come, are filled in parts, reduced or deleted, and some messages are wrong."""
    live: list[list[int]] = []  # [order id, leaves, price, side]
    filled, deleted, next_order = [0], [0], 1_000_000
    shares = (SHARE_ORPHAN, SHARE_OVERFILL, SHARE_LATE_CANCEL, SHARE_LATE_FILL, SHARE_HIDDEN)
    limits = [sum(shares[: end + 1]) for end in range(len(shares))]
    for index in range(count):
        nanoseconds = 34_200 * 10**9 + index * (23_400 * 10**9 // count) + int(chance() * 1000)
        time = f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
        draw = chance()
        if live and draw < limits[-1]:
            order, leaves, price, side = live[int(chance() * len(live))]
            if draw < limits[0]:
                kind, order, size = (CANCEL, EXECUTE)[chance() < 0.5], 1 + int(chance() * 999_999), 100
            elif draw < limits[1]:
                kind, size = EXECUTE, leaves + 100
            elif draw < limits[2]:
                kind, order, size = CANCEL, filled[int(chance() * len(filled))], 100
            elif draw < limits[3]:
                kind, order, size = EXECUTE, deleted.pop() if len(deleted) > 1 else 1, 100
            else:
                kind, order, size = HIDDEN, 0, 100
        elif not live or draw < 0.48:
            next_order += 1 + int(chance() * 9)
            kind, order, size = SUBMIT, next_order, 100 * (1 + int(chance() * 10))
            price, side = 5_850_000 + 100 * int(chance() * 200), 1 if chance() < 0.5 else -1
            live.append([order, size, price, side])
        else:
            at = int(chance() * len(live))
            order, leaves, price, side = live[at]
            kind, size = _life(leaves, chance())
            live[at][1] -= size
            if not live[at][1]:
                (deleted if kind == CANCEL else filled).append(order)
                live[at] = live[-1]
                live.pop()
        yield f"{time},{kind},{order},{size},{price},{side}\n"


def _life(leaves: int, draw: float) -> tuple[int, int]:
    """What befalls a live order next: the type of the message, and its size."""
    if draw < 0.6:
        return CANCEL, leaves
    if draw < 0.85 or leaves <= 100:
        return EXECUTE, leaves
    return (EXECUTE if draw < 0.95 else REDUCE), 100


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/limit_order.py FILE    (writes a made-up day to FILE)")
    generate(sys.argv[1])
