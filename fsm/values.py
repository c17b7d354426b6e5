"""Values as people write them, and the int64 words that an instance and a step hold.

    40 · Decimal("1.25") · True · "buy" · "200 ms" · b"DE0007164600"
        └──to_words──▶ (int64, ...) ──from_words──▶ the value again

    kind         parameter   to_words takes                                from_words gives
    INTEGER      0           int                                           int
    DECIMAL      places      decimal.Decimal, int, text ("1.25")           decimal.Decimal with that many places
    BOOLEAN      0           bool                                          bool
    TIMESTAMP    0           int (ns since 1970, UTC), aware datetime      int
    DURATION     0           int (ns), timedelta, text ("200 ms")          int
    CHOICE       0           one of the options                            the option; an index outside of them as int
    TEXT         bytes       bytes or text, at most that long, no NUL      bytes

Nothing is rounded and nothing wraps around: what a word cannot hold exactly is a ValueError.
"""

from __future__ import annotations

from _operator import index

from fsm.layout import INT64_MAX, INT64_MIN, TEXT_BYTES_MAX, UINT64_MASK, WORD_BYTES, FieldKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

PLACES_MAX: Final = 18
"""10 ** 18 is the largest power of ten that an int64 holds."""

UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
"""Units that the text of a duration may name, in ns."""


def to_words(kind: FieldKind, parameter: int, options: Sequence[str], value: object) -> tuple[int, ...]:
    """The int64 words of a value; TypeError or ValueError says what was expected and what was found."""
    if kind == FieldKind.TEXT:
        return _text_words(parameter, value)
    if kind == FieldKind.CHOICE:
        return (_choice_word(options, value),)
    if kind == FieldKind.DECIMAL:
        return (_decimal_word(parameter, value),)
    return (_PLAIN[kind](value),)


def from_words(kind: FieldKind, parameter: int, options: Sequence[str], words: Sequence[int]) -> Any:
    """The value that int64 words hold."""
    if kind == FieldKind.TEXT:
        return text_bytes(words).rstrip(b"\0")
    word = words[0]
    if kind == FieldKind.BOOLEAN:
        return word != 0
    if kind == FieldKind.CHOICE:
        return options[word] if 0 <= word < len(options) else word
    if kind == FieldKind.DECIMAL:
        from decimal import Decimal

        return Decimal(digits(word, parameter))
    return word


def digits(word: int, places: int) -> str:
    """A scaled integer as people write it.

    >>> digits(-125, 2)
    '-1.25'
    """
    sign, text = ("-" if word < 0 else ""), str(abs(word)).rjust(places + 1, "0")
    return f"{sign}{text[:-places]}.{text[-places:]}" if places else sign + text


def duration_text(word: int) -> str:
    """ns in the largest unit that takes them whole.

    >>> duration_text(200_000_000)
    '200 ms'
    """
    unit = next(unit for unit in reversed(UNITS_NS) if word % UNITS_NS[unit] == 0)
    return f"{word // UNITS_NS[unit]} {unit}" if word else "0 ns"


def text_words(padded: bytes) -> tuple[int, ...]:
    """Little-endian words of bytes; the last is filled up with NUL."""
    padded = padded.ljust(-len(padded) % WORD_BYTES + len(padded), b"\0")
    chunks = (padded[at : at + WORD_BYTES] for at in range(0, len(padded), WORD_BYTES))
    return tuple(int.from_bytes(chunk, "little", signed=True) for chunk in chunks)


def text_bytes(words: Sequence[int]) -> bytes:
    """The bytes of little-endian words, padding included."""
    return b"".join((word & UINT64_MASK).to_bytes(WORD_BYTES, "little") for word in words)


def _text_words(size: int, value: object) -> tuple[int, ...]:
    if not 1 <= size <= TEXT_BYTES_MAX:
        raise ValueError(f"a text has 1 to {TEXT_BYTES_MAX} bytes, and {size} was asked for")
    if isinstance(value, str):
        found = value.encode()
    elif isinstance(value, bytes | bytearray):
        found = bytes(value)
    else:
        raise TypeError(f"bytes or text was expected, and {_found(value)} was found")
    if len(found) > size:
        raise ValueError(f"at most {size} bytes were expected, and {value!r} has {len(found)}")
    if 0 in found:
        raise ValueError(f"bytes without NUL were expected, and {value!r} has one")
    return text_words(found.ljust(size, b"\0"))


def _choice_word(options: Sequence[str], value: object) -> int:
    if not isinstance(value, str):
        raise TypeError(f"one of {_listed(options)} was expected, and {_found(value)} was found")
    if value not in options:
        raise ValueError(f"one of {_listed(options)} was expected, and {value!r} was found")
    return options.index(value)


def _decimal_word(places: int, value: object) -> int:
    expected = f"a decimal.Decimal, an int or text with at most {places} places"
    if isinstance(value, bool | float):
        raise TypeError(f"{expected} was expected, and {_found(value)} was found")
    if isinstance(value, str):
        sign, number, exponent = _split_digits(value, expected)
    elif hasattr(value, "as_tuple"):
        sign, number, exponent = _split_decimal(value, expected)
    else:
        return _in_range(_integer(value, expected) * 10**places, value)
    if number == 0:
        return 0
    # A number of this size is out of range whatever its digits; its power of ten would only cost memory.
    if exponent + places > PLACES_MAX + 1:
        raise ValueError(f"a number that fits in 64 bits was expected, and {value!r} was found")
    if exponent + places >= 0:
        return _in_range(sign * number * 10 ** (exponent + places), value)
    text = str(number)
    dropped = -(exponent + places)
    if text[-dropped:].strip("0") or dropped >= len(text):
        raise ValueError(f"at most {places} places were expected, and {value!r} has more")
    return _in_range(sign * int(text[:-dropped]), value)


def _split_decimal(value: Any, expected: str) -> tuple[int, int, int]:
    negative, number, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{expected} was expected, and {value!r} was found")
    return (-1 if negative else 1), int("".join(map(str, number)) or "0"), exponent


def _split_digits(text: str, expected: str) -> tuple[int, int, int]:
    unsigned = text.strip()
    sign = -1 if unsigned.startswith("-") else 1
    whole, _, fraction = unsigned.removeprefix("-" if sign < 0 else "+").partition(".")
    number = whole + fraction
    if not (number.isascii() and number.isdigit()) or len(number) > 64:
        raise ValueError(f"{expected} was expected, and {text!r} was found")
    return sign, int(number), -len(fraction)


def _boolean_word(value: object) -> int:
    if not isinstance(value, bool):
        raise TypeError(f"True or False was expected, and {_found(value)} was found")
    return int(value)


def _integer_word(value: object) -> int:
    return _in_range(_integer(value, "an int"), value)


def _timestamp_word(value: object) -> int:
    if hasattr(value, "utcoffset"):
        return _in_range(_datetime_ns(value), value)
    return _in_range(_integer(value, "an int (ns since 1970, UTC) or an aware datetime"), value)


def _datetime_ns(value: Any) -> int:
    from datetime import UTC, datetime, timedelta

    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"an aware datetime was expected, and {value!r} names no time zone")
    return int((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)) * 1_000


def _duration_word(value: object) -> int:
    expected = 'an int (ns), a timedelta or text like "200 ms"'
    if isinstance(value, str):
        return _in_range(_duration_ns(value, expected), value)
    if hasattr(value, "microseconds"):
        from datetime import timedelta

        if isinstance(value, timedelta):
            return _in_range(value // timedelta(microseconds=1) * 1_000, value)
    return _in_range(_integer(value, expected), value)


def _duration_ns(text: str, expected: str) -> int:
    stripped = text.strip()
    number = stripped.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit_ns = UNITS_NS.get(stripped[len(number) :])
    if unit_ns is None:
        raise ValueError(f"{expected} with a unit of {_listed(tuple(UNITS_NS))} was expected, and {text!r} was found")
    sign, digit, exponent = _split_digits(number, expected)
    nanoseconds, rest = divmod(digit * unit_ns, int(10**-exponent))
    if rest:
        raise ValueError(f"a whole number of ns was expected, and {text!r} is none")
    return sign * nanoseconds


def _integer(value: Any, expected: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{expected} was expected, and {_found(value)} was found")
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{expected} was expected, and {_found(value)} was found") from None


def _in_range(word: int, value: object) -> int:
    if not INT64_MIN <= word <= INT64_MAX:
        raise ValueError(f"a number that fits in 64 bits was expected, and {value!r} was found")
    return word


def _listed(options: Sequence[str]) -> str:
    return ", ".join(map(repr, options))


def _found(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"


_PLAIN: Final[dict[FieldKind, Callable[[object], int]]] = {
    FieldKind.INTEGER: _integer_word,
    FieldKind.BOOLEAN: _boolean_word,
    FieldKind.TIMESTAMP: _timestamp_word,
    FieldKind.DURATION: _duration_word,
}
