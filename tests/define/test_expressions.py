"""What operators build, which types go together, and what people read."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import pytest

from fsm.define import Value, maximum, minimum, multiply, render, when
from fsm.define.chart import FieldKind, Rounding, Term, Type
from fsm.define.expressions import term_of
from fsm.define.resolve import Names, Resolver
from fsm.errors import DefinitionError
from tests.define.flows import Trade, line_here, problems

INTEGER = Type(FieldKind.INTEGER)
BOOLEAN = Type(FieldKind.BOOLEAN)
MOMENT = Type(FieldKind.TIMESTAMP)
LENGTH = Type(FieldKind.DURATION)
t: Any = Trade
f: Any = Trade.Fill
D = decimal.Decimal


def named(value: Any) -> Term:
    """The term of a value, with the names of Trade."""
    names = Names("Trade")
    for name, member in vars(Trade).items():
        if not name.startswith("_"):
            names.add(name, member)
    findings: list[Any] = []
    term = Resolver(names, findings).condition(term_of(value), "Fill", Trade.open._place)
    assert findings == []
    return term


def places(count: int) -> Type:
    """The type of a decimal."""
    return Type(FieldKind.DECIMAL, count)


LOTS = Term("field", INTEGER, (), "lots")
FILLED = Term("argument", INTEGER, (), ("Fill", "lots"))


def number(value: int) -> Term:
    """A constant Integer."""
    return Term("constant", INTEGER, (), value)


def test_comparisons_are_less_equal_and_not() -> None:
    """All six are made of two, so that equal meanings are one guard."""
    less = Term("less", BOOLEAN, (LOTS, FILLED))
    more = Term("less", BOOLEAN, (FILLED, LOTS))
    equal = Term("equal", BOOLEAN, (LOTS, FILLED))
    assert named(t.lots < f.lots) == less
    assert named(t.lots > f.lots) == more
    assert named(t.lots <= f.lots) == Term("not", BOOLEAN, (more,))
    assert named(t.lots >= f.lots) == Term("not", BOOLEAN, (less,))
    assert named(t.lots == f.lots) == equal
    assert named(t.lots != f.lots) == Term("not", BOOLEAN, (equal,))


def test_the_order_of_writing_is_kept() -> None:
    """Python asks a subclass on the right first; a field is not one of what is on its left."""
    assert named(f.lots == t.lots).operands == (FILLED, LOTS)
    assert named(f.lots + 1 == t.lots).operands == (Term("add", INTEGER, (FILLED, number(1))), LOTS)
    assert named(f.lots - t.lots).operands == (FILLED, LOTS)
    assert named(5 - t.lots).operands == (number(5), LOTS)


def test_a_constant_stands_on_the_right_of_an_equation() -> None:
    """`5 == x` and `x == 5` are one term."""
    assert named(5 == t.lots) == named(t.lots == 5) == Term("equal", BOOLEAN, (LOTS, number(5)))


def test_conjunctions_are_flat_and_double_negation_is_none() -> None:
    """Nested & of & are one list, left to right, and ~~x is x."""
    a, b, c = t.lots > 0, t.lots < 9, t.halted
    assert named((a & b) & c) == named(a & (b & c)) == Term("and", BOOLEAN, (named(a), named(b), named(c)))
    assert named((a | b) | c) == Term("or", BOOLEAN, (named(a), named(b), named(c)))
    assert named((a | b) & c).operands == (named(a | b), named(c))
    assert named(~~a) == named(a)


def test_booleans_are_conditions_and_compare_by_truth() -> None:
    """A word is true when it is not 0, so two Booleans are never compared as words."""
    halted, ready = named(t.halted), named(t.ready)
    assert halted.type == BOOLEAN
    assert named(t.halted == True) == halted  # noqa: E712
    assert named(t.halted == False) == Term("not", BOOLEAN, (halted,))  # noqa: E712
    assert named(t.halted != True) == Term("not", BOOLEAN, (halted,))  # noqa: E712
    both = Term("and", BOOLEAN, (halted, ready))
    neither = Term("and", BOOLEAN, (Term("not", BOOLEAN, (halted,)), Term("not", BOOLEAN, (ready,))))
    assert named(t.halted == t.ready) == Term("or", BOOLEAN, (both, neither))


@pytest.mark.parametrize(
    ("write", "type_"),
    [
        (lambda: t.lots + f.lots, INTEGER),
        (lambda: 1 + t.lots, INTEGER),
        (lambda: -t.lots, INTEGER),
        (lambda: t.lots // 2 % f.lots, INTEGER),
        (lambda: t.price + f.price, places(2)),
        (lambda: "0.25" + t.price, places(2)),
        (lambda: t.price - 1, places(2)),
        (lambda: t.price * t.lots, places(2)),
        (lambda: t.lots * t.price, places(2)),
        (lambda: t.price * 3, places(2)),
        (lambda: t.price * t.rate, places(6)),
        (lambda: t.price * D("1.5"), places(3)),
        (lambda: t.price // "0.05", INTEGER),
        (lambda: t.price % "0.05", places(2)),
        (lambda: t.price.rescale(4), places(4)),
        (lambda: t.price.rescale(0, rounding="down"), places(0)),
        (lambda: t.lots.rescale(2), places(2)),
        (lambda: t.price.to_integer("down"), INTEGER),
        (lambda: t.price.rescale(0, rounding="down").to_integer(), INTEGER),
        (lambda: +t.price, places(2)),
        (lambda: f.at - t.traded, LENGTH),
        (lambda: f.at - "1 s", MOMENT),
        (lambda: f.at - t.patience, MOMENT),
        (lambda: f.at + t.patience, MOMENT),
        (lambda: "1 s" + f.at, MOMENT),
        (lambda: t.patience + f.at, MOMENT),
        (lambda: 1_000 - f.at, LENGTH),
        (lambda: t.patience * 2 + "1 ms" - datetime.timedelta(seconds=1), LENGTH),
        (lambda: 2 * t.patience, LENGTH),
        (lambda: t.patience // 2, LENGTH),
        (lambda: t.patience // "2 s", INTEGER),
        (lambda: t.patience % "2 s", LENGTH),
        (lambda: -t.patience, LENGTH),
        (lambda: minimum(t.lots, 5), INTEGER),
        (lambda: maximum("0.5", t.price), places(2)),
        (lambda: minimum(f.at, t.traded), MOMENT),
        (lambda: when(t.halted, t.lots, 0), INTEGER),
        (lambda: when(t.halted, "sell", t.side), Type(FieldKind.CHOICE, options=("buy", "sell"))),
        (lambda: when("halted", f.price, "1.25"), places(2)),
        (lambda: multiply(t.lots, 3, divide_by=7, rounding="floor"), INTEGER),
        (lambda: multiply(t.price, t.lots, divide_by=3, rounding="up"), places(2)),
        (lambda: multiply(t.price, t.rate, divide_by=D("1.0000"), rounding="half_even"), places(2)),
        (lambda: multiply(t.lots, t.price, divide_by=t.price, rounding="half_up"), places(0)),
        (lambda: multiply(t.patience, 2, divide_by=3, rounding="down"), LENGTH),
        (lambda: multiply(t.lots, 3), INTEGER),
    ],
)
def test_types_that_go_together(write: Callable[[], Value], type_: Type) -> None:
    """What comes out has this type."""
    assert write()._term.type == type_


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (lambda: t.price + t.rate, "scale-mix"),
        (lambda: t.price + t.lots, "scale-mix"),
        (lambda: t.lots < t.price, "scale-mix"),
        (lambda: t.price == f.lots, "scale-mix"),
        (lambda: t.price + "0.125", "type-mix"),
        (lambda: t.price + 1.5, "type-mix"),
        (lambda: t.lots + "1", "type-mix"),
        (lambda: t.lots + True, "type-mix"),
        (lambda: t.lots + (1 << 63), "type-mix"),
        (lambda: t.lots == None, "type-mix"),  # noqa: E711
        (lambda: t.lots + t.halted, "type-mix"),
        (lambda: t.lots + t.traded, "type-mix"),
        (lambda: t.traded + f.at, "type-mix"),
        (lambda: t.patience - f.at, "type-mix"),
        (lambda: t.patience * t.patience, "type-mix"),
        (lambda: t.patience * t.price, "type-mix"),
        (lambda: t.lots // t.patience, "type-mix"),
        (lambda: -t.traded, "type-mix"),
        (lambda: t.side < "sell", "type-mix"),
        (lambda: t.side == "hold", "type-mix"),
        (lambda: t.side == t.isin, "type-mix"),
        (lambda: t.isin < b"DE", "type-mix"),
        (lambda: t.isin == t.venue, "type-mix"),
        (lambda: t.venue == b"XETRA", "type-mix"),
        (lambda: t.isin + b"x", "type-mix"),
        (lambda: t.halted < t.ready, "type-mix"),
        (lambda: t.halted == 1, "type-mix"),
        (lambda: t.lots & (t.lots > 0), "type-mix"),
        (lambda: (t.lots > 0) | 1, "type-mix"),
        (lambda: ~t.lots, "type-mix"),
        (lambda: t.lots / 2, "rounding"),
        (lambda: 2 / t.lots, "rounding"),
        (lambda: t.lots**2, "no-operator"),
        (lambda: 2**t.lots, "no-operator"),
        (lambda: abs(t.price), "no-operator"),
        (lambda: divmod(t.lots, 2), "no-operator"),
        (lambda: round(t.price, 1), "no-operator"),
        (lambda: t.halted ^ t.ready, "no-operator"),
        (lambda: t.lots << 2, "no-operator"),
        (lambda: 8 >> t.lots, "no-operator"),
        (lambda: t.lots @ t.lots, "no-operator"),
        (lambda: +t.isin, "type-mix"),
        (lambda: t.open | 3, "foreign-state"),
        (lambda: 3 | t.open, "foreign-state"),
        (lambda: (t.open | t.done) | t.lots, "foreign-state"),
        (lambda: t.price.to_integer(), "rounding"),
        (lambda: t.price.to_integer("nearest"), "rounding"),
        (lambda: t.price.to_integer("down") + t.price, "scale-mix"),
        (lambda: (t.rate * t.rate) * (t.rate * t.rate) * t.rate, "scale-mix"),
        (lambda: multiply(t.lots, 1, divide_by=t.price, rounding="down"), "scale-mix"),
        (lambda: multiply(t.lots, t.isin, divide_by=2, rounding="down"), "type-mix"),
        (lambda: multiply(t.lots, t.traded, divide_by=2, rounding="down"), "type-mix"),
        (lambda: t.price.rescale(1), "rounding"),
        (lambda: t.price.rescale(19), "decimal-places"),
        (lambda: t.price.rescale(True), "decimal-places"),
        (lambda: minimum(t.isin, t.isin), "type-mix"),
        (lambda: maximum(t.lots, t.price), "scale-mix"),
        (lambda: when(t.halted, t.lots, t.isin), "type-mix"),
    ],
)
def test_types_that_do_not_go_together(write: Callable[[], Value], rule: str) -> None:
    """A definition error at once, at the line of the operator."""
    (finding,) = problems(write)
    assert (finding.rule, finding.file) == (rule, __file__)


def test_an_error_names_the_line_and_the_remedy() -> None:
    """Two scales: the message names both types, the remedy names rescale."""
    line = line_here() + 2
    with pytest.raises(DefinitionError) as caught:
        t.price + t.rate
    (finding,) = caught.value.problems
    assert (finding.line, finding.message) == (line, "Decimal(2) + Decimal(4) mixes scales.")
    assert ".rescale(4" in finding.remedy


@pytest.mark.parametrize(
    "write",
    [
        lambda: 0 < t.lots < 9,
        lambda: t.lots > 0 and t.halted,
        lambda: t.lots > 0 or t.halted,
        lambda: not t.halted,
        lambda: t.lots in (f.lots, 1),
        lambda: bool(t.lots),
    ],
)
def test_the_truth_of_an_expression_is_an_error(write: Callable[[], object]) -> None:
    """Python would decide now what only an event can decide; the remedy names the operators."""
    (finding,) = problems(write)
    assert finding.rule == "ambiguous-truth"
    assert all(sign in finding.remedy for sign in "&|~")


def test_expressions_have_no_hash() -> None:
    """What has no truth cannot be a key."""
    for value in (t.lots, f.lots, t.lots > 0):
        with pytest.raises(TypeError, match="unhashable"):
            hash(value)


def test_constants_are_exact_at_the_scale_of_the_field() -> None:
    """1.25 at two places is the word 125, from text, Decimal and int alike."""
    assert named(t.price > "1.25").operands[0] == Term("constant", places(2), (), 125)
    assert named(t.price > D("1.250")) == named(t.price > "1.25")
    assert named(t.price > 1).operands[0] == Term("constant", places(2), (), 100)
    assert named(t.isin == "DE00").operands[1].value == b"DE00" + bytes(8)
    assert named(t.patience > "200 ms").operands[0].value == 200_000_000
    at = datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
    assert named(t.traded > at).operands[0].value == 1_000_000_000
    assert named(t.side == "sell").operands[1].value == 1


def test_multiply_divides_once_and_names_its_rounding() -> None:
    """The term holds all three operands and the mode."""
    term = named(multiply(t.lots, 3, divide_by=f.lots, rounding="half_even"))
    assert (term.operation, term.operands, term.value) == ("scale", (LOTS, number(3), FILLED), Rounding.HALF_EVEN)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda: (f.lots > 0) & (f.lots < t.lots), "Fill.lots > 0 and Fill.lots < lots"),
        (lambda: (f.lots >= 0) | ~(f.lots <= 5), "Fill.lots >= 0 or Fill.lots > 5"),
        (lambda: f.lots != t.lots, "Fill.lots != lots"),
        (lambda: 0 < t.lots, "lots > 0"),
        (lambda: ~(t.halted & t.ready), "not (halted and ready)"),
        (lambda: (t.halted | t.ready) & ~f.last, "(halted or ready) and not Fill.last"),
        (lambda: t.lots - (f.lots - 1), "lots - (Fill.lots - 1)"),
        (lambda: t.lots - f.lots - 1, "lots - Fill.lots - 1"),
        (lambda: (t.lots + 1) * 2, "(lots + 1) * 2"),
        (lambda: -(t.lots + 1) * -2, "-(lots + 1) * -2"),
        (lambda: t.lots // 2 % 3, "lots // 2 % 3"),
        (lambda: t.price > "1.25", "price > 1.25"),
        (lambda: t.price * D("1.5"), "price * 1.5"),
        (lambda: t.price.rescale(4), "price.rescale(4)"),
        (lambda: (t.price + 1).rescale(0, rounding="down"), "(price + 1.00).rescale(0, rounding='down')"),
        (lambda: t.patience > "1.5 s", "patience > '1500 ms'"),
        (lambda: t.price.to_integer("down") > 3, "price.to_integer(rounding='down') > 3"),
        (
            lambda: (t.price * 2).rescale(0, "up").to_integer() > 3,
            "(price * 2).rescale(0, rounding='up').to_integer() > 3",
        ),
        (lambda: (t.side == "buy") & (t.isin == b"DE"), "side == 'buy' and isin == b'DE'"),
        (lambda: minimum(t.lots, 5) + when(t.halted, 1, t.lots), "minimum(lots, 5) + when(halted, 1, lots)"),
        (
            lambda: multiply(t.lots, 3, divide_by=2, rounding="half_up"),
            "multiply(lots, 3, divide_by=2, rounding='half_up')",
        ),
    ],
)
def test_terms_read_as_people_write_them(write: Callable[[], Value], text: str) -> None:
    """Parentheses only where they are needed, and comparisons as they were meant."""
    assert render(named(write())) == text


@pytest.mark.parametrize(
    ("write", "message", "call"),
    [
        (lambda: t.lots.set(t.price), "Setting Integer to Decimal(2)", "the Decimal(2) to Integer with .to_integer(r"),
        (lambda: t.lots.set(t.price.rescale(0, "up")), "Setting Integer to Decimal(0)", "with .to_integer()."),
        (lambda: t.price.set(t.lots), "Setting Decimal(2) to Integer", "the Integer to Decimal(2) with .rescale(2)."),
        (lambda: t.price.set(t.price * t.price), "Setting Decimal(2) to Decimal(4)", '.rescale(2, rounding="half_'),
        (lambda: t.rate.set(t.price), "Setting Decimal(4) to Decimal(2)", "with .rescale(4)."),
        (lambda: t.price.add(t.rate), "Decimal(2) + Decimal(4)", 'to Decimal(2) with .rescale(2, rounding='),
        (lambda: t.lots.subtract(t.price), "Integer - Decimal(2)", "with .to_integer(rounding="),
    ],
)  # fmt: skip
def test_the_remedy_of_a_write_leads_to_the_type_of_the_field(
    write: Callable[[], Any], message: str, call: str
) -> None:
    """It names the places of what is written to, and a rounding where digits may be lost."""
    finding = write()._finding
    assert (finding.rule, f"{message} mixes scales.") == ("scale-mix", finding.message)
    assert call in finding.remedy


@pytest.mark.parametrize(
    ("write", "message", "call"),
    [
        (lambda: t.rate < t.price, "Decimal(4) < Decimal(2) mixes scales.", "to Decimal(4) with .rescale(4)."),
        (lambda: t.lots == t.price.rescale(0, "up"), "Integer == Decimal(0) mixes scales.", "to Decimal(0) with .r"),
        (lambda: minimum(t.lots, t.price), "The minimum of Integer and Decimal(2) mixes scales.", "with .rescale(2)."),
        (lambda: when(t.halted, t.lots, t.isin), "A choice by when() between Integer and Text(12) has no meaning.", ""),
    ],
)  # fmt: skip
def test_the_remedy_of_an_operation_loses_no_digits(write: Callable[[], Any], message: str, call: str) -> None:
    """The operand with fewer places is to get more; the message is a sentence."""
    (finding,) = problems(write)
    assert (message, True) == (finding.message, call in finding.remedy), finding.remedy


def test_what_the_remedies_say_is_accepted() -> None:
    """One step, and no further finding."""
    from fsm.define.actions import SetAction

    assert all(
        isinstance(action, SetAction)
        for action in (
            t.lots.set(t.price.to_integer(rounding="half_even")),
            t.lots.set(t.price.rescale(0, rounding="down").to_integer()),
            t.price.set((t.price * t.price).rescale(2, rounding="half_even")),
            t.price.add(t.rate.rescale(2, rounding="half_even")),
            t.price.set(t.lots.rescale(2)),
        )
    )
    assert named(t.lots == t.price.to_integer("half_even")).operation == "equal"
    assert named(t.lots.rescale(0) == t.price.rescale(0, "up")).operation == "equal"
