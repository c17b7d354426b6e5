"""Values and words: exact both ways, or an error that says what was expected."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.layout import INT64_MAX, INT64_MIN, FieldKind
from fsm.values import duration_text, from_words, text_bytes, to_words

INT64 = st.integers(INT64_MIN, INT64_MAX)
D = decimal.Decimal


@given(INT64)
def test_a_word_of_any_number_comes_back(word: int) -> None:
    """Integers, moments and lengths are their own words."""
    for kind in (FieldKind.INTEGER, FieldKind.TIMESTAMP, FieldKind.DURATION):
        assert to_words(kind, 0, (), word) == (word,)
        assert from_words(kind, 0, (), (word,)) == word


@given(INT64, st.integers(0, 18))
def test_a_decimal_of_any_word_comes_back(word: int, places: int) -> None:
    """From Decimal and from text alike, with all its places."""
    value = from_words(FieldKind.DECIMAL, places, (), (word,))
    assert value == D(word).scaleb(-places, decimal.Context(prec=40))
    assert value.as_tuple().exponent == -places
    assert to_words(FieldKind.DECIMAL, places, (), value) == (word,)
    assert to_words(FieldKind.DECIMAL, places, (), f"{value:f}") == (word,)


@given(st.integers(1, 32).flatmap(lambda size: st.tuples(st.just(size), st.binary(max_size=size))))
def test_text_comes_back_without_padding(case: tuple[int, bytes]) -> None:
    """Bytes without NUL come back as they were; with one they are refused."""
    size, value = case
    if 0 in value:
        with pytest.raises(ValueError, match="NUL"):
            to_words(FieldKind.TEXT, size, (), value)
        return
    words = to_words(FieldKind.TEXT, size, (), value)
    assert len(words) == (size + 7) // 8
    assert all(INT64_MIN <= word <= INT64_MAX for word in words)
    assert text_bytes(words) == value.ljust(8 * len(words), b"\0")
    assert from_words(FieldKind.TEXT, size, (), words) == value


def test_a_choice_is_the_index_of_its_option() -> None:
    """An index that no option has reads as the index."""
    options = ("buy", "sell")
    assert to_words(FieldKind.CHOICE, 0, options, "sell") == (1,)
    assert [from_words(FieldKind.CHOICE, 0, options, (word,)) for word in (0, 1, 2, -1)] == ["buy", "sell", 2, -1]


def test_a_boolean_is_true_when_it_is_not_0() -> None:
    """Whatever word an input brings."""
    assert [to_words(FieldKind.BOOLEAN, 0, (), value) for value in (False, True)] == [(0,), (1,)]
    assert [from_words(FieldKind.BOOLEAN, 0, (), (word,)) for word in (0, 1, 5, -1)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("kind", "places", "value", "word"),
    [
        (FieldKind.DECIMAL, 2, D("1E+3"), 100_000),
        (FieldKind.DECIMAL, 2, D("1.2500"), 125),
        (FieldKind.DECIMAL, 2, D("-0.00"), 0),
        (FieldKind.DECIMAL, 2, " +7.5 ", 750),
        (FieldKind.DECIMAL, 2, "-.05", -5),
        (FieldKind.DECIMAL, 2, 3, 300),
        (FieldKind.DECIMAL, 0, D("0E+999999999"), 0),
        (FieldKind.DURATION, 0, "200 ms", 200_000_000),
        (FieldKind.DURATION, 0, "1.5s", 1_500_000_000),
        (FieldKind.DURATION, 0, "-2 min", -120_000_000_000),
        (FieldKind.DURATION, 0, "1 d", 86_400_000_000_000),
        (FieldKind.DURATION, 0, datetime.timedelta(microseconds=-1), -1_000),
        (FieldKind.TIMESTAMP, 0, datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), 1_767_312_000_000_000_000),
        (FieldKind.TIMESTAMP, 0, datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=datetime.UTC), -1_000_000_000),
    ],
)
def test_values_of_people_are_exact(kind: FieldKind, places: int, value: Any, word: int) -> None:
    """Each way to write a value gives this word."""
    assert to_words(kind, places, (), value) == (word,)


@pytest.mark.parametrize(
    ("kind", "parameter", "value", "error"),
    [
        (FieldKind.INTEGER, 0, True, TypeError),
        (FieldKind.INTEGER, 0, 1.0, TypeError),
        (FieldKind.INTEGER, 0, "1", TypeError),
        (FieldKind.INTEGER, 0, None, TypeError),
        (FieldKind.INTEGER, 0, INT64_MAX + 1, ValueError),
        (FieldKind.INTEGER, 0, INT64_MIN - 1, ValueError),
        (FieldKind.DECIMAL, 2, 1.5, TypeError),
        (FieldKind.DECIMAL, 2, False, TypeError),
        (FieldKind.DECIMAL, 2, "1.255", ValueError),
        (FieldKind.DECIMAL, 2, D("0.001"), ValueError),
        (FieldKind.DECIMAL, 2, D("NaN"), ValueError),
        (FieldKind.DECIMAL, 2, D("Infinity"), ValueError),
        (FieldKind.DECIMAL, 2, D("1E+999999"), ValueError),
        (FieldKind.DECIMAL, 2, D("1E-999999"), ValueError),
        (FieldKind.DECIMAL, 18, 10, ValueError),
        (FieldKind.DECIMAL, 2, "", ValueError),
        (FieldKind.DECIMAL, 2, ".", ValueError),
        (FieldKind.DECIMAL, 2, "1e3", ValueError),
        (FieldKind.DECIMAL, 2, "1_0", ValueError),
        (FieldKind.DECIMAL, 2, "١", ValueError),
        (FieldKind.DECIMAL, 2, "1" * 5_000, ValueError),
        (FieldKind.BOOLEAN, 0, 1, TypeError),
        (FieldKind.BOOLEAN, 0, None, TypeError),
        (FieldKind.TIMESTAMP, 0, "now", TypeError),
        (FieldKind.TIMESTAMP, 0, datetime.datetime(2026, 1, 1), ValueError),
        (FieldKind.TIMESTAMP, 0, datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC), ValueError),
        (FieldKind.DURATION, 0, "200", ValueError),
        (FieldKind.DURATION, 0, "ms", ValueError),
        (FieldKind.DURATION, 0, "5 weeks", ValueError),
        (FieldKind.DURATION, 0, "0.5 ns", ValueError),
        (FieldKind.DURATION, 0, "99999999 d", ValueError),
        (FieldKind.DURATION, 0, 1.5, TypeError),
        (FieldKind.CHOICE, 0, "hold", ValueError),
        (FieldKind.CHOICE, 0, 0, TypeError),
        (FieldKind.TEXT, 4, "ABCDE", ValueError),
        (FieldKind.TEXT, 4, "ÄÖÜ", ValueError),
        (FieldKind.TEXT, 4, "A\0", ValueError),
        (FieldKind.TEXT, 4, 5, TypeError),
        (FieldKind.TEXT, 33, b"", ValueError),
    ],
)
def test_what_a_word_cannot_hold_is_refused(
    kind: FieldKind, parameter: int, value: Any, error: type[Exception]
) -> None:
    """Nothing is rounded, cut or wrapped."""
    with pytest.raises(error, match=r"expected|asked for"):
        to_words(kind, parameter, ("buy", "sell") if kind is FieldKind.CHOICE else (), value)


@given(INT64)
def test_the_text_of_a_duration_reads_back(word: int) -> None:
    """The largest unit that takes it whole."""
    assert to_words(FieldKind.DURATION, 0, (), duration_text(word)) == (word,)


def test_the_text_of_a_duration_is_short() -> None:
    """As people write it."""
    assert [duration_text(word) for word in (0, 7, 200_000_000, -60_000_000_000)] == [
        "0 ns",
        "7 ns",
        "200 ms",
        "-1 min",
    ]
