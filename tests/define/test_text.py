"""Text means what the operators mean, and says where it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.define import Condition, Value, maximum, minimum, multiply, render, when
from fsm.define.chart import Conditional, Place, Raise, Set, Term
from fsm.define.places import Problem
from fsm.define.resolve import Names
from fsm.define.text import parse_actions, parse_condition
from tests.define.flows import Trade
from tests.define.test_expressions import D, f, named, t

NAMES = Names("Trade")
for _name, _member in vars(Trade).items():
    if not _name.startswith("_"):
        NAMES.add(_name, _member)
PLACE = Place("flows.py", 7)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lots > 0 and lots < Fill.lots", (t.lots > 0) & (t.lots < f.lots)),
        ("(lots > 0) & (lots < Fill.lots)", (t.lots > 0) & (t.lots < f.lots)),
        ("0 < lots <= Fill.lots != 7", (t.lots > 0) & (t.lots <= f.lots) & (f.lots != 7)),
        ("lots > 0 or not halted", (t.lots > 0) | ~t.halted),
        ("~halted | ready & Fill.last", ~t.halted | (t.ready & f.last)),
        ("halted", t.halted),
        ("halted == True", t.halted),
        ("halted == ready", t.halted == t.ready),
        ("not not halted", t.halted),
        ("5 == lots", t.lots == 5),
        ("-lots + -3 - +2 < 0", -t.lots + -3 - 2 < 0),
        ("lots * 2 // 3 % 4 == 1", t.lots * 2 // 3 % 4 == 1),
        ("price >= 1.25", t.price >= "1.25"),
        ("price > -0.05", t.price > "-0.05"),
        ("price * 1.5 == rate.rescale(3, rounding='down')", t.price * D("1.5") == t.rate.rescale(3, rounding="down")),
        ("lots == price.to_integer(rounding='up')", t.lots == t.price.to_integer("up")),
        ("price.rescale(4) < rate", t.price.rescale(4) < t.rate),
        ("lots.rescale(2) < price", t.lots.rescale(2) < t.price),
        ("side == 'buy' and Fill.side != side", (t.side == "buy") & (f.side != t.side)),
        ("isin == 'DE' or isin == b'FR'", (t.isin == "DE") | (t.isin == b"FR")),
        ("Fill.at - traded > '200 ms'", f.at - t.traded > "200 ms"),
        ("Fill.at < traded + patience * 2", f.at < t.traded + t.patience * 2),
        ("minimum(lots, 5) < maximum(1, Fill.lots)", minimum(t.lots, 5) < maximum(1, f.lots)),
        ("when(halted, 1, lots) == 1", when(t.halted, 1, t.lots) == 1),
        ("multiply(lots, 3) > 0", multiply(t.lots, 3) > 0),
        (
            "multiply(price, lots, divide_by=3, rounding='half_even') > 0",
            multiply(t.price, t.lots, divide_by=3, rounding="half_even") > 0,
        ),
        ("  lots > 0\n and halted ", (t.lots > 0) & t.halted),
    ],
)
def test_text_means_what_operators_mean(text: str, value: Value) -> None:
    """The same term, whichever way it was written."""
    assert parse_condition(text, NAMES) == named(value)


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("lots >", "text-syntax", "column 7"),
        ("", "text-syntax", ""),
        ("lots > 0; halted", "text-syntax", "column 9"),
        ("leaves > 0", "unknown-name", "column 1: there is no field 'leaves'"),
        ("lots > 0 and leaves > 0", "unknown-name", "column 14"),
        ("halted and lotz > 0", "unknown-name", "column 12"),
        ("Gone.lots > 0", "unknown-name", "there is no event 'Gone'"),
        ("lots > Fill.lotz", "unknown-name", "column 8: event Fill has no argument 'lotz'"),
        ("lots", "type-mix", "a condition was expected"),
        ("5", "type-mix", "a condition was expected"),
        ("lots > 0 & lots < 5", "type-mix", "column 8: & stands between conditions"),
        ("lots and halted", "type-mix", "a condition was expected"),
        ("price < rate", "scale-mix", "column 1: Decimal(2) < Decimal(4)"),
        ("price > 1.255", "type-mix", "at most 2 places"),
        ("lots > 1.5", "type-mix", "an int was expected"),
        ("lots > 1e3", "type-mix", "an int was expected"),
        ("venue == 1.5", "type-mix", "bytes or text was expected, and 1.5 (float) was found"),
        ("-1.5 == venue", "type-mix", "bytes or text was expected, and -1.5 (float) was found"),
        ("side == 1.5", "type-mix", "and 1.5 (float) was found"),
        ("patience > 1.5", "type-mix", "and 1.5 (float) was found"),
        ("lots.to_integer() > 1", "type-mix", "a Decimal was expected"),
        ("price.to_integer() > 1", "rounding", "half_even"),
        ("isin < 'DE'", "type-mix", "has no order"),
        ("side == 'hold'", "type-mix", "'hold'"),
        ("-halted", "type-mix", "has no minus"),
        ("lots / 2 > 1", "text-syntax", "column 1: `lots / 2` is not in the language"),
        ("lots in (1, 2)", "text-syntax", "not in the language"),
        ("lots is None", "text-syntax", "not in the language"),
        ("lots ** 2 > 1", "text-syntax", "not in the language"),
        ("lots if halted else 1", "text-syntax", "not in the language"),
        ("(lambda: 1)() > 0", "text-syntax", "not in the language"),
        ("[x for x in lots]", "text-syntax", "not in the language"),
        ("__import__('os').system('true')", "text-syntax", "not in the language"),
        ("lots.__class__ == 1", "unknown-name", "there is no event 'lots'"),
        ("Fill.at.year > 1", "text-syntax", "not in the language"),
        ("open('x')", "text-syntax", "not in the language"),
        ("minimum(1) > 0", "text-syntax", "not in the language"),
        ("minimum(lots, 2, rounding='up') > 0", "text-syntax", "not in the language"),
        ("multiply(lots, 2, divide_by=3) > 0", "rounding", "half_even"),
        ("multiply(lots, 2, divide_by=3, rounding='nearest') > 0", "rounding", "'nearest'"),
        ("multiply(lots, 2, divide_by=3, round='up') > 0", "text-syntax", "not in the language"),
        ("lots.rescale(2, 3) > 0", "text-syntax", "not in the language"),
        ("minimum(*lots) > 0", "text-syntax", "not in the language"),
        ("multiply(lots, 2, **lots) > 0", "text-syntax", "not in the language"),
        ("f'{lots}' == 1", "text-syntax", "not in the language"),
        ("(lots := 1) > 0", "text-syntax", "not in the language"),
        ("lots > ...", "text-syntax", "not in the language"),
        ("lots > 1j", "text-syntax", "not in the language"),
        ("raise_(Cancel)", "text-syntax", "column 1: `raise_(Cancel)` is not in the language"),
        ("not 5", "type-mix", "a condition was expected"),
        ("-'5' < lots", "text-syntax", "not in the language"),
        ("lots > 99999999999999999999", "type-mix", "64 bits"),
        ("lots > 0\0", "text-syntax", ""),
        ("(" * 500 + "halted" + ")" * 500, "text-syntax", ""),
        ("not " * 2_000 + "halted", "too-deep", ""),
        ("lots" + " + 1" * 200 + " > 0", "too-deep", ""),
        ("lots" + " + 1" * 2_000 + " > 0", "too-deep", ""),
        ("halted or " * 2_000 + "halted", "text-syntax", "10000 characters"),
    ],
)
def test_wrong_text_says_where(text: str, rule: str, said: str) -> None:
    """A rule, the text, the column, and what is possible."""
    with pytest.raises(Problem) as caught:
        parse_condition(text, NAMES)
    assert (caught.value.rule, said in caught.value.message) == (rule, True), caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("wrong", ["lots > ", "lotz", "[lots]", "price < rate", "'" + "x" * 900 + "' in lots"])
@pytest.mark.parametrize("before", [0, 1, 30, 90])
@pytest.mark.parametrize("after", [0, 30])
def test_a_long_text_is_quoted_about_the_column(wrong: str, before: int, after: int) -> None:
    """A message repeats what is about the mistake, and not ten thousand characters."""
    with pytest.raises(Problem) as caught:
        parse_condition("halted and " * before + wrong + " or halted" * after, NAMES)
    quote = caught.value.message.rpartition(", column ")[0]
    assert 0 < len(quote) <= 80 + len("''......")
    assert len(caught.value.message) < 400
    assert caught.value.message.count("lot") or caught.value.message.count("x" * 40) or "rate" in quote


@pytest.mark.parametrize(
    ("text", "remedy"),
    [("lots += price", ".to_integer("), ("price.add(rate)", ".rescale(2, r"), ("price *= price", ".rescale(2, r")],
)
def test_the_remedy_of_a_write_names_the_places_of_the_field(text: str, remedy: str) -> None:
    """As for the operators."""
    with pytest.raises(Problem) as caught:
        parse_actions(text, NAMES, PLACE)
    assert remedy in caught.value.remedy


def test_columns_count_characters() -> None:
    """Letters of several bytes are one column each."""
    with pytest.raises(Problem, match="column 21"):
        parse_condition("isin == 'ÄÖÜ' and lo > 0".replace("and ", "and   "), NAMES)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("lots = 0", ["lots.set(0)"]),
        ("lots += Fill.lots", ["lots.add(Fill.lots)"]),
        ("lots -= 1; price = 1.25", ["lots.subtract(1)", "price.set(1.25)"]),
        ("lots = lots + 1\nlots *= 2", ["lots.add(1)", "lots.set(lots * 2)"]),
        ("lots.set(1)", ["lots.set(1)"]),
        ("lots.add(1); lots.subtract(Fill.lots)", ["lots.add(1)", "lots.subtract(Fill.lots)"]),
        ("halted = lots > 0", ["halted.set(lots > 0)"]),
        ("halted = True", ["halted.set(True)"]),
        ("traded += '1 s'", ["traded.add('1 s')"]),
        ("side = 'sell'; isin = b'DE'", ["side.set('sell')", "isin.set(b'DE')"]),
        ("when(halted, lots.set(0))", ["when(halted, lots.set(0))"]),
        (
            "when(halted, lots.set(0), lots.add(1), otherwise=[lots.set(2), lots.set(3)])",
            ["when(halted, lots.set(0), lots.add(1), otherwise=[lots.set(2), lots.set(3)])"],
        ),
        ("when(halted, lots.set(0), otherwise=lots.set(2))", ["when(halted, lots.set(0), otherwise=lots.set(2))"]),
        ("raise_(Cancel)", ["raise_(Cancel)"]),
        ("lots = 1; raise_( Cancel )", ["lots.set(1)", "raise_(Cancel)"]),
        (
            "when(halted, raise_(Cancel), otherwise=[lots.set(2), raise_(Cancel)])",
            ["when(halted, raise_(Cancel), otherwise=[lots.set(2), raise_(Cancel)])"],
        ),
    ],
)
def test_actions_as_text(text: str, written: list[str]) -> None:
    """Assignments and calls become writes, in order, and their own text reads back as the same."""
    actions = parse_actions(text, NAMES, PLACE)
    assert [action.text for action in actions] == written
    assert parse_actions("; ".join(written), NAMES, PLACE) == actions
    assert {action.place for action in actions} == {PLACE}


def test_actions_hold_terms() -> None:
    """What a write holds is the term of its value; a condition holds both ways."""
    (write,) = parse_actions("lots -= Fill.lots", NAMES, PLACE)
    assert isinstance(write, Set)
    assert (write.field, write.term) == ("lots", named(t.lots - f.lots))
    (branch,) = parse_actions("when(halted, lots.set(0))", NAMES, PLACE)
    assert isinstance(branch, Conditional)
    assert (branch.condition, len(branch.then), branch.otherwise) == (named(t.halted), 1, ())
    assert parse_actions("raise_(Cancel)", NAMES, PLACE) == (Raise("Cancel", "raise_(Cancel)", PLACE),)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "text-syntax"),
        ("lots", "text-syntax"),
        ("lots > 0", "text-syntax"),
        ("leaves = 0", "unknown-name"),
        ("Fill.lots = 0", "text-syntax"),
        ("lots = price", "scale-mix"),
        ("lots += price", "scale-mix"),
        ("price.add(rate)", "scale-mix"),
        ("venue = 1.5", "type-mix"),
        ("lots = 'x'", "type-mix"),
        ("halted = 5", "type-mix"),
        ("lots = lots = 0", "text-syntax"),
        ("lots /= 2", "text-syntax"),
        ("lots, price = 1, 2", "text-syntax"),
        ("lots.increase(1)", "text-syntax"),
        ("lots.set(1, 2)", "text-syntax"),
        ("side.add('buy')", "type-mix"),
        ("leaves.add(1)", "unknown-name"),
        ("when(halted)", "text-syntax"),
        ("when()", "text-syntax"),
        ("when(halted, lots)", "text-syntax"),
        ("when(halted, lots.set(1), els=lots.set(2))", "text-syntax"),
        ("import os", "text-syntax"),
        ("del lots", "text-syntax"),
        ("if halted: lots = 1", "text-syntax"),
        ("lots: int = 1", "text-syntax"),
        ("lots = ", "text-syntax"),
        ("lots += 1" * 2_000, "text-syntax"),
        ("traded = traded - traded", "type-mix"),
        ("lots = lots" + " + 1" * 300, "too-deep"),
        ("raise_(Gone)", "unknown-name"),
        ("raise_(lots)", "unknown-name"),
        ("raise_(Event)", "unknown-name"),
        ("raise_(Fill)", "raised-arguments"),
        ("raise_()", "text-syntax"),
        ("raise_(Cancel())", "text-syntax"),
        ("raise_(Cancel, Cancel)", "text-syntax"),
        ("raise_(*Cancel)", "text-syntax"),
        ("raise_(event=Cancel)", "text-syntax"),
        ("raise_('Cancel')", "text-syntax"),
        ("raise_(Cancel.lots)", "text-syntax"),
        ("lots = raise_(Cancel)", "text-syntax"),
        ("when(raise_(Cancel), lots.set(0))", "text-syntax"),
        ("raise Cancel", "text-syntax"),
    ],
)
def test_wrong_actions_say_so(text: str, rule: str) -> None:
    """Neither evaluated nor guessed."""
    with pytest.raises(Problem) as caught:
        parse_actions(text, NAMES, PLACE)
    assert caught.value.rule == rule, caught.value.message


MODES = ["down", "up", "floor", "ceiling", "half_even", "half_up", "half_down"]
CONSTANTS = st.one_of(st.integers(-5, 5), st.integers(-(1 << 63), (1 << 63) - 1))
OTHERS = [
    t.halted, f.last, t.price > "1.25", t.price * D("1.50") <= f.price * t.price.rescale(2, rounding="up") * D(1),
    t.rate.rescale(2, rounding="floor") != f.price, t.side == "sell", f.side != t.side, t.isin == b"DE\"'",
    f.at - t.traded > "1.5 s", t.patience // "2 s" == 3, t.traded + t.patience * 2 < f.at - "1 d",
    t.patience % "7 min" == "3 ns", t.halted == f.last, maximum(t.patience, "1 h") > t.patience // 3,
    t.price * D(3) * t.lots.rescale(0) > "-0.05", t.rate.to_integer("up") != t.lots,
    t.price.rescale(0, "up").to_integer() < 3,
]  # fmt: skip


@st.composite
def integers(draw: st.DrawFn, depth: int) -> Any:
    """Integer expressions of all shapes."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([t.lots, t.more, f.lots]))
    a = draw(integers(depth - 1))
    b, c = (draw(st.one_of(integers(depth - 1), CONSTANTS)) for _ in range(2))
    return draw(st.sampled_from([
        lambda: a + b, lambda: b - a, lambda: a * b, lambda: b // a, lambda: a % b, lambda: -a, lambda: minimum(a, b),
        lambda: maximum(b, a), lambda: when(draw(conditions(depth - 1)), a, b), lambda: a.rescale(2) // t.price,
        lambda: multiply(a, b, divide_by=c, rounding=draw(st.sampled_from(MODES))),
    ]))()  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn, depth: int) -> Any:
    """Conditions over integer expressions, and over each other type."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(OTHERS))
    if draw(st.booleans()):
        a, b = draw(integers(depth - 1)), draw(st.one_of(integers(depth - 1), CONSTANTS))
        return draw(st.sampled_from([lambda: a < b, lambda: a > b, lambda: a >= b, lambda: b == a, lambda: a != b]))()
    c, d = draw(conditions(depth - 1)), draw(conditions(depth - 1))
    return draw(st.sampled_from([lambda: c & d, lambda: c | d, lambda: ~c, lambda: c == d]))()


@given(conditions(4))
def test_rendered_terms_read_back_as_themselves(condition: Condition) -> None:
    """For any condition: parse(render(term)) == term."""
    term: Term = named(condition)
    assert parse_condition(render(term), NAMES) == term


@given(st.text(max_size=40))
def test_any_text_is_a_term_or_a_problem(text: str) -> None:
    """Nothing else comes out of the parser, whatever goes in."""
    for parse in (lambda: parse_condition(text, NAMES), lambda: parse_actions(text, NAMES, PLACE)):
        try:
            parse()
        except Problem as problem:
            assert problem.rule


WORDS = "lots halted Fill.lots price 5 1.5 'buy' ( ) + - < == and not & ~ minimum( , . when( = ; rescale( lambda [ ] :"
PIECES = [*WORDS.split(), "\n", "divide_by=", "raise_( Cancel"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_mix_of_words_is_a_term_or_a_problem(text: str) -> None:
    """The same with words of the language, which get further."""
    test_any_text_is_a_term_or_a_problem.hypothesis.inner_test(text)  # type: ignore[attr-defined]
