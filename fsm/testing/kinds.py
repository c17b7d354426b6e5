"""Types, constants and words to draw from: few of each, so that two of them are often equal, and the edges.

Draw, Kind ──▶ field()     a declaration, with a default or without one
          ├──▶ constant()  a value as people write it
          └──▶ words()     the int64 words that a caller passes, right or wrong
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as Number
from typing import Any, Final

from fsm.define import Boolean, Choice, Decimal, Duration, Integer, Text, Timestamp
from fsm.layout import INT64_MAX, INT64_MIN, FieldKind
from fsm.values import digits, text_words

Draw = Callable[[int], int]
"""`draw(n)` is a number below n, the smaller the simpler: hypothesis draws it, or a seeded `Random.randrange`."""

NEAR: Final = (0, 1, 2, 3, 5, 7, 10, 100)
EDGES: Final = (
    0, -1, -2, -3, -7, 1 << 31, (1 << 30) - 1, 1 << 30, (1 << 32) - 1, 1 << 32, 3_037_000_500,
    INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1,
)  # fmt: skip
"""Where words, digits of Python's integers and products overflow."""

OPTIONS: Final = ("buy", "sell", "short")
TEXTS: Final = (b"", b"A", b"B", b"AAAA", b"AAAAAAAA", b"AAAAAAAAA", b"A" * 12, b"A" * 31 + b"B")
PLACES: Final = (0, 2, 6, 18)
SIZES: Final = (1, 4, 8, 12, 32)
ROUNDINGS: Final = ("down", "up", "floor", "ceiling", "half_even", "half_up", "half_down")

Kind = tuple[FieldKind, int]
"""A kind and its parameter: places of a Decimal, bytes of a Text."""

KINDS: Final[tuple[Kind, ...]] = (
    (FieldKind.INTEGER, 0),
    (FieldKind.INTEGER, 0),
    (FieldKind.BOOLEAN, 0),
    (FieldKind.CHOICE, 0),
    (FieldKind.TIMESTAMP, 0),
    (FieldKind.DURATION, 0),
    *((FieldKind.DECIMAL, places) for places in PLACES),
    *((FieldKind.TEXT, size) for size in SIZES),
)


def pick(draw: Draw, among: Any) -> Any:
    """One of some things; the first is the simplest."""
    return among[draw(len(among))]


def chance(draw: Draw, percent: int) -> bool:
    """True so often; False is the simpler one."""
    return draw(100) >= 100 - percent


def between(draw: Draw, low: int, high: int) -> int:
    """A number from `low` to `high`."""
    return low + draw(high - low + 1)


def word(draw: Draw, percent: int = 100) -> int:
    """A word of 64 bits, so often a far one: at an edge, or anywhere."""
    if not chance(draw, percent):
        return int(pick(draw, NEAR))
    return int(pick(draw, EDGES)) if chance(draw, 60) else draw(1 << 64) + INT64_MIN


def word_count(kind: Kind) -> int:
    """Words of 8 bytes that a value takes."""
    return (kind[1] + 7) // 8 if kind[0] is FieldKind.TEXT else 1


def field(draw: Draw, kind: Kind) -> Any:
    """A field or argument of the kind, as a class body declares it."""
    default = {"default": constant(draw, kind)} if chance(draw, 40) else {}
    if kind[0] is FieldKind.CHOICE:
        return Choice(*OPTIONS, **default)
    if kind[0] is FieldKind.DECIMAL:
        return Decimal(kind[1], **default)
    if kind[0] is FieldKind.TEXT:
        return Text(kind[1], **default)
    plain: Any = {
        FieldKind.INTEGER: Integer,
        FieldKind.BOOLEAN: Boolean,
        FieldKind.TIMESTAMP: Timestamp,
        FieldKind.DURATION: Duration,
    }[kind[0]]
    return plain(**default)


def constant(draw: Draw, kind: Kind) -> Any:
    """A constant of the kind, as a flow writes it."""
    if kind[0] is FieldKind.BOOLEAN:
        return draw(2) == 1
    if kind[0] is FieldKind.CHOICE:
        return pick(draw, OPTIONS)
    if kind[0] is FieldKind.TEXT:
        return pick(draw, [text for text in TEXTS if len(text) <= kind[1]])
    number = word(draw, 25)
    return Number(digits(number, kind[1])) if kind[0] is FieldKind.DECIMAL else number


def words(draw: Draw, kind: Kind) -> tuple[int, ...]:
    """The words of an argument as a caller passes them: mostly of its type, and any word now and then."""
    count = word_count(kind)
    if chance(draw, 10):
        return tuple(word(draw) for _ in range(count))
    if kind[0] is FieldKind.TEXT:
        text = pick(draw, [text for text in TEXTS if len(text) <= kind[1]])
        return text_words(text.ljust(kind[1], b"\0"))
    if kind[0] in (FieldKind.BOOLEAN, FieldKind.CHOICE):
        return (draw(2 if kind[0] is FieldKind.BOOLEAN else len(OPTIONS)),)
    return (word(draw, 30),)
