"""What is wrong with a definition: every problem, each with its rule, file and line, all at once."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

import fsm.define
from fsm.define import Boolean, Choice, Decimal, Duration, Event, Flow, Integer, State, Text, multiply, when
from fsm.define.rules import RULES
from fsm.errors import DefinitionError
from tests.define.flows import Trade, line_here, problems, rules


def test_all_problems_come_at_once_with_their_lines() -> None:
    """One error holds them all, sorted by line, in the user's file."""
    lines: list[int] = []

    def write() -> None:
        class Broken(Flow):
            id = Integer()
            price = Decimal(19)
            start = lines.append(line_here())

            class Submit(Event):
                words: Integer = Integer()

            new = State(initial=True)
            State()
            new.on(Submit, when="nothing > 0", to=None)
            new.on(Trade.Cancel)

    found = problems(write)
    start = lines[0]
    assert [(f.rule, f.line - start) for f in found] == [
        ("reserved-name", -2),
        ("decimal-places", -1),
        ("reserved-name", 3),
        ("unnamed-state", 6),
        ("unknown-name", 7),
        ("foreign-event", 8),
    ]
    assert {f.file for f in found} == {__file__}
    assert all(f.remedy and f.severity == "error" for f in found)


def with_event(**arguments: Any) -> type:
    """A flow with one event of these arguments."""
    event = type("News", (Event,), arguments)
    return type(Flow)("Made", (Flow,), {"News": event, "new": State(initial=True)})


def with_members(**members: Any) -> type:
    """A flow with these members."""
    return type(Flow)("Made", (Flow,), {**members, "new": State(initial=True)})


@pytest.mark.parametrize("name", ["id", "words", "signature", "_hidden", "class", "None", "__slots"])
def test_reserved_names_are_refused_for_all_kinds(name: str) -> None:
    """Fields, states, events and arguments share one set of reserved names."""
    assert rules(lambda: with_members(**{name: Integer()})) == ["reserved-name"]
    assert rules(lambda: with_members(**{name: State()})) == ["reserved-name"]
    assert rules(lambda: with_members(**{name: type(name, (Event,), {})})) == ["reserved-name"]
    assert rules(lambda: with_event(**{name: Integer()})) == ["reserved-name"]


@pytest.mark.parametrize("name", ["a b", "1st", "", "a.b"])
def test_a_name_is_an_identifier(name: str) -> None:
    """Programs make names too, and text must be able to say them."""
    assert rules(lambda: with_members(**{name: Integer()})) == ["reserved-name"]


def test_six_argument_words_fit_and_seven_do_not() -> None:
    """A text of 32 bytes takes four words."""
    with_event(a=Text(32), b=Integer(), c=Integer())
    (finding,) = problems(lambda: with_event(a=Text(32), b=Integer(), c=Integer(), d=Integer()))
    assert finding.rule == "too-many-arguments"
    assert "7 words" in finding.message


@pytest.mark.parametrize("places", [-1, 19, "2", 1.0, True, None])
def test_places_are_0_to_18(places: Any) -> None:
    """Anything else is told with what was found."""
    (finding,) = problems(lambda: with_members(price=Decimal(places)))
    assert (finding.rule, repr(places) in finding.message) == ("decimal-places", True)


@pytest.mark.parametrize("size", [0, 33, "4", True, None])
def test_texts_have_1_to_32_bytes(size: Any) -> None:
    """Anything else is told with what was found."""
    (finding,) = problems(lambda: with_members(isin=Text(size)))
    assert (finding.rule, repr(size) in finding.message) == ("text-size", True)


@pytest.mark.parametrize("options", [(), ("a", "a"), ("a", ""), ("a", 1), (["a"],)])
def test_options_are_different_texts(options: Any) -> None:
    """None, repeated, empty or no text at all: a definition error."""
    assert rules(lambda: with_members(side=Choice(*options))) == ["choice-options"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Integer(default="1"),  # type: ignore[arg-type]
        lambda: Integer(default=True),
        lambda: Integer(default=1 << 63),
        lambda: Decimal(2, default="1.255"),
        lambda: Decimal(2, default=1.25),  # type: ignore[arg-type]
        lambda: Boolean(default=1),  # type: ignore[arg-type]
        lambda: Choice("a", "b", default="c"),
        lambda: Text(2, default=b"abc"),
        lambda: Text(2, default=b"a\0"),
        lambda: Duration(default="5 parsecs"),
    ],
)
def test_a_default_fits_its_type(make: Any) -> None:
    """What a word cannot hold exactly is a definition error at the field's line."""
    (finding,) = problems(lambda: with_members(field=make()))
    assert (finding.rule, finding.file) == ("type-mix", __file__)


def test_a_name_is_used_once() -> None:
    """A class body keeps the last value of a name; what it hides is found all the same."""

    def write() -> None:
        class Twice(Flow):
            new = State(initial=True)
            working = State()
            working = State()
            lots = Integer()
            lots = State()  # type: ignore[assignment]

    assert rules(write) == ["name-twice", "name-twice"]


def test_a_name_is_not_taken_from_a_member() -> None:
    """A state whose name stands for a number at the end of the body cannot be meant."""

    def write() -> None:
        class Taken(Flow):
            new = State(initial=True)
            working = State()
            working = 5  # type: ignore[assignment]

    assert rules(write) == ["name-twice"]


def test_a_state_has_a_name() -> None:
    """A state that was made and bound to nothing is found, used or not."""

    def write() -> None:
        class Nameless(Flow):
            class Go(Event):
                pass

            new = State(initial=True)
            new.on(Go, to=State())
            State()

    assert rules(write) == ["unnamed-state", "unnamed-state"]


def test_a_state_is_final_or_poison() -> None:
    """Both at once has no meaning."""
    assert rules(lambda: with_members(end=State(final=True, poison=True))) == ["state-kind"]


def test_a_target_is_one_state_of_this_flow() -> None:
    """A name, a group, another flow's state: each is told."""
    other = State()

    def write() -> None:
        class Lost(Flow):
            class Go(Event):
                pass

            new = State(initial=True)
            done = State()
            new.on(Go, to="done")  # type: ignore[arg-type]
            new.on(Go, to=new | done)  # type: ignore[arg-type]
            new.on(Go, to=Trade.done)
            new.on(Go, to=other)

    assert rules(write) == ["unnamed-state", "foreign-state", "foreign-state", "foreign-state"]


def test_an_event_is_one_of_this_flow() -> None:
    """A name, another flow's event, an instance: each is told."""

    def write() -> None:
        class Deaf(Flow):
            class Go(Event):
                pass

            new = State(initial=True)
            new.on("Go")  # type: ignore[arg-type]
            new.on(Trade.Cancel)
            new.on(Go())  # type: ignore[arg-type]
            new.ignores(Trade.Fill)

    assert rules(write) == ["foreign-event"] * 4


def test_arguments_are_those_of_the_event_at_hand() -> None:
    """Another event's arguments have no value in this transition, in guards, actions and text alike."""

    def write() -> None:
        class Mixed(Flow):
            lots = Integer()

            class Go(Event):
                lots: Integer = Integer()

            class Stop(Event):
                lots: Integer = Integer()

            new = State(initial=True)
            new.on(Go, when=Stop.lots > 0)
            new.on(Go, do=lots.set(Stop.lots))
            new.on(Go, when="Stop.lots > 0")
            new.on(Go, do="lots = Stop.lots")
            new.on(Go, do=when(lots == 0, when(Stop.lots > 0, lots.set(1))))
            new.on(Go, when=Go.lots > 0, do=lots.set(Go.lots))

    found = problems(write)
    assert [f.rule for f in found] == ["foreign-argument"] * 5
    assert "Stop.lots" in found[0].message


def test_fields_are_those_of_this_flow() -> None:
    """Another flow's field, or one that is bound to nothing, is told with whose it is."""
    loose = Integer()

    def write() -> None:
        class Mixed(Flow):
            class Go(Event):
                pass

            new = State(initial=True)
            new.on(Go, when=Trade.lots > 0)
            new.on(Go, do=loose.set(1))

    found = problems(write)
    assert [f.rule for f in found] == ["foreign-field", "foreign-field"]
    assert "flow Trade" in found[0].message


def test_an_argument_has_a_value() -> None:
    """A type alone, a class in place of its instance and a plain value would vanish in silence."""

    def write() -> None:
        class Forgotten(Flow):
            class Go(Event):
                quantity: Integer
                count: int
                limit: Integer = Integer  # type: ignore[assignment]
                size: int = 5
                note: ClassVar[str] = "kept"
                kind: ClassVar[type] = Integer
                lots: Integer = Integer()

            class Stop(Event):
                class Inner(Event):
                    pass

            new = State(initial=True)

    found = problems(write)
    assert [f.rule for f in found] == ["no-value"] * 4 + ["no-event"]
    said = {f.message.split("'")[1]: f.remedy for f in found}
    assert sorted(said) == ["Inner", "count", "limit", "quantity", "size"]
    assert said["quantity"] == "Write `quantity: Integer = Integer()`."
    assert {f.file for f in found} == {__file__}


def test_a_member_has_a_value() -> None:
    """In a flow, too: types alone, classes in place of instances, and classes that are no events."""
    lines: list[int] = []

    def write() -> None:
        class Forgotten(Flow):
            total: Integer
            price: fsm.define.Decimal
            waiting: State
            owner: str
            held = lines.append(line_here()) or State
            lots = Integer

            class Stop:
                pass

            _helper = dict
            kind: ClassVar[type] = dict
            later: Integer
            later = Integer()
            new = State(initial=True)

    found = problems(write)
    assert sorted((f.rule, f.message.split("'")[1]) for f in found) == [
        ("no-event", "Stop"),
        ("no-value", "held"),
        ("no-value", "lots"),
        ("no-value", "price"),
        ("no-value", "total"),
        ("no-value", "waiting"),
    ]
    at = {f.message.split("'")[1]: f.line - lines[0] for f in found}
    assert (at["held"], at["lots"], at["Stop"]) == (0, 1, 3)
    assert next(f.remedy for f in found if "'held'" in f.message) == "Write `held = State()`."


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("written", ["Integer", "Int", "define.Integer", "'Integer'"])
def test_a_type_alone_is_found_however_it_is_written(future: str, written: str) -> None:
    """By another name, through a module, as text, and with annotations that are not evaluated."""
    source = f"""{future}
from fsm import define
from fsm.define import Event, Flow, Integer, State
Int = Integer

class Written(Flow):
    total: {written}

    class Go(Event):
        lots: {written}

    new = State(initial=True)
"""
    module = ModuleType("tests.define.written")
    sys.modules[module.__name__] = module
    try:
        found = rules(lambda: exec(compile(source, "written.py", "exec"), vars(module)))
    finally:
        del sys.modules[module.__name__]
    assert found == ["no-value", "no-value"]


def test_an_event_keeps_the_problems_of_its_base() -> None:
    """What is wrong with an inherited argument is wrong in the derived event."""

    class Base(Event):
        lots: Integer

    class Derived(Base):
        more: Integer = Integer()

    with pytest.raises(DefinitionError, match="no-value"):
        Derived(lots=1, more=2)


def test_members_belong_to_one_flow() -> None:
    """A field, state or event that another flow has cannot be taken over."""
    taken = {"lots": Trade.lots, "Cancel": Trade.Cancel, "done": Trade.done}
    assert sorted(rules(lambda: with_members(**taken))) == ["foreign-event", "foreign-field", "foreign-state"]


def test_an_event_has_one_name() -> None:
    """`send` knows an event by the name of its class, so the class and the attribute agree."""
    assert rules(lambda: with_members(Go=type("Gone", (Event,), {}))) == ["event-name"]


def test_an_argument_has_one_name() -> None:
    """One object under two names would be two arguments with one value."""
    shared = Integer()
    assert rules(lambda: with_event(a=shared, b=shared)) == ["name-twice"]


def test_a_flow_is_derived_from_flow_alone() -> None:
    """Neither another flow nor a mixin is allowed beside it."""

    def derive() -> None:
        class Derived(Trade):
            pass

    def mix() -> None:
        class Mixed(Flow, dict):  # type: ignore[type-arg]
            new = State(initial=True)

    assert rules(derive) == ["inheritance"]
    assert rules(mix) == ["inheritance"]


def test_actions_and_conditions_are_collected_too() -> None:
    """What is no action and what is no condition does not hide the problems after it."""

    def write() -> None:
        class Wrong(Flow):
            lots = Integer()
            price = Decimal(2)

            class Go(Event):
                lots: Integer = Integer()

            new = State(initial=True)
            new.on(Go, when=lots)  # type: ignore[arg-type]
            new.on(Go, when=True)  # type: ignore[arg-type]
            new.on(Go, do=lots)  # type: ignore[arg-type]
            new.on(Go, do=[5])  # type: ignore[list-item]
            new.on(Go, do=lots.set("5"))  # type: ignore[arg-type]
            new.on(Go, do=lots.set(price))  # type: ignore[arg-type]
            new.on(Go, do=price.add(lots))  # type: ignore[arg-type]
            new.on(Go, do=when(lots, lots.set(1)))  # type: ignore[call-overload]
            new.on(Go, do=when(lots > 0, lots))  # type: ignore[call-overload]
            new.on(Go, do=[])

    found = rules(write)
    assert found == [
        "type-mix", "type-mix", "no-action", "no-action", "type-mix", "scale-mix", "scale-mix", "type-mix", "no-action",
    ]  # fmt: skip


def test_a_problem_of_a_group_is_told_once() -> None:
    """A group declares for many states; its mistake is one mistake."""

    def write() -> None:
        class Grouped(Flow):
            class Go(Event):
                pass

            a = State(initial=True)
            b = State()
            (a | b).on(Go, when="c > 0")

    assert rules(write) == ["unknown-name"]


def test_a_waiver_has_a_reason() -> None:
    """A rule without a reason is no waiver."""
    for waive in ({"no-final": ""}, {"": "reason"}, {"no-final": None}):
        with pytest.raises(DefinitionError, match="waiver"):
            State(waive=waive)  # type: ignore[arg-type]


def test_a_broken_event_makes_no_instances() -> None:
    """An event with problems says them when it is used before its flow is there."""

    class News(Event):
        id: Integer = Integer()  # type: ignore[assignment]

    with pytest.raises(DefinitionError, match="reserved-name"):
        News(id=1)


def test_very_deep_expressions_are_refused() -> None:
    """Whoever walks a term may do so by recursion."""

    def write(depth: int) -> None:
        class Deep(Flow):
            lots = Integer()

            class Go(Event):
                pass

            new = State(initial=True)
            total = lots + 1
            for _ in range(depth):
                total = total + 1
            new.on(Go, when=total > 0)

    write(80)
    assert rules(lambda: write(5_000)) == ["too-deep"]


def test_rounding_is_named() -> None:
    """A division says how it rounds."""
    for mode in (None, "nearest", "HALF_EVEN", 4):
        with pytest.raises(DefinitionError, match=r"rounding.*half_even"):
            multiply(Trade.lots, 3, divide_by=2, rounding=mode)  # type: ignore[call-overload]


def test_every_rule_is_tested_and_written_down() -> None:
    """A rule without a test here, or a test without a rule, is a mistake."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [rule for rule in RULES if f'"{rule}"' not in tests and f"{rule!r}" not in tests] == []
    page = (Path(__file__).parents[2] / "docs/check-rules.md").read_text("utf-8").partition("## While the class")[2]
    assert [rule for rule in RULES if f"`{rule}`" not in page] == []
