"""Pictures and listings of tables: golden ones, and names that mean something to Mermaid or Graphviz."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fsm.compile import compile
from fsm.define.chart import Field, Ignore, StateKind
from fsm.formats import dot, mermaid
from fsm.formats.listing import disassemble
from fsm.tables import Tables
from tests.compile.charts import BOOLEAN, INTEGER, argument, at, chart, constant, event, limit_order, on, set_, state
from tests.compile.test_canonical import full

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ODD = 'a"b\\c;d:e#f%%{g}<h>&i\nend note\t--> [*] \u00e9 \u2028'
DRAWERS = [(mermaid.draw, "mmd"), (dot.draw, "dot")]


def odd_tables() -> Tables:
    """Texts that a picture must not take for its own, wherever a user may put one."""
    write = set_("total", constant(1), text=ODD)
    return compile(
        chart(
            name=ODD,
            states=[state("a", initial=True), state(ODD, waivers=(("no-way-out", ODD),)), state("z", StateKind.FINAL)],
            events=[event("Go", ("flag", BOOLEAN)), event(ODD)],
            fields=[Field("total", INTEGER, 0, at(1))],
            transitions=[
                on("a", "Go", argument("Go", "flag", BOOLEAN), to=ODD),
                on(ODD, ODD, do=(write,), to="z", waivers=(("constant-guard", ODD),)),
            ],
            ignores=[Ignore("a", ODD, at(1))],
            waivers=(("unread-field", ODD),),
        )
    )


@pytest.mark.parametrize("name", ["limit_order", "full"])
@pytest.mark.parametrize(("draw", "suffix"), DRAWERS)
def test_a_picture_is_the_golden_one(name: str, draw: Callable[[Tables], str], suffix: str) -> None:
    """States, initial, final and poison ones, guards, actions, ignores and waivers."""
    made = limit_order() if name == "limit_order" else full()
    assert (GOLDEN / f"{name}.{suffix}").read_text() == draw(compile(made))


@pytest.mark.parametrize("draw", [mermaid.draw, dot.draw, disassemble])
def test_a_picture_comes_from_the_tables_alone(draw: Callable[[Tables], str]) -> None:
    """From their bytes, that is: whoever has a file can look at it."""
    tables = compile(full())
    assert draw(tables) == draw(Tables.from_bytes(tables.to_bytes()))


def test_odd_characters_stay_inside_their_label_in_mermaid() -> None:
    """One line stays one line, and nothing is left that Mermaid would read as its own."""
    lines = mermaid.draw(odd_tables()).splitlines()
    for line in lines[3:]:
        match = re.fullmatch(r'    state "(.*)" as s\d|    s\d --> s\d : (.*)|        (.*)', line)
        if match is None:
            assert re.fullmatch(
                r"    (\[\*\] --> s\d|s\d --> \[\*\]|note right of s\d|end note|class s\d poison)", line
            )
            continue
        label = next(group for group in match.groups() if group is not None)
        assert not set(re.sub(r"#\w+;", "", label)) & set('"\\;:%{}<>&#\n\t')
        assert "end note" not in label
    assert 2 == sum(line.strip() == "end note" for line in lines)


def test_mermaid_labels_say_what_was_written() -> None:
    """Codes read back as the characters, control characters as spaces."""
    names = {"lt": "<", "gt": ">", "quot": '"', "amp": "&"}
    escaped = mermaid.escape(ODD)
    read = re.sub(r"#(\w+);", lambda code: names.get(code[1]) or chr(int(code[1])), escaped)
    assert ODD.replace("\n", " ").replace("\t", " ").replace("\u2028", " ") == read


def test_odd_characters_stay_inside_their_string_in_dot() -> None:
    """Every line is statements of DOT, with strings whose quotes and backslashes are escaped."""
    string = r'"(?:[^"\\\n]|\\["\\l])*"'
    attribute = rf"\w+=(?:{string}|[\w.]+)"
    attributes = rf" \[{attribute}(?:, {attribute})*\]"
    statement = rf"    (?:\w+ -> \w+|\w+)(?:{attributes})?;|    rankdir=LR;|digraph {string} \{{|\}}"
    for line in dot.draw(odd_tables()).splitlines():
        assert re.fullmatch(statement, line), line
    assert dot.quoted('a"b\\c&lt;') == '"a\\"b\\\\c&amp;lt;"'


def test_a_transition_that_stays_says_so() -> None:
    """It is drawn as a loop, and is none: nothing is left or entered."""
    assert " (stays)" in mermaid.draw(compile(limit_order()))
    assert "style=dashed" in dot.draw(compile(limit_order()))
    assert "(stays)" not in mermaid.draw(compile(full()))
