"""Pictures and listings of tables: golden ones, and names that mean something to Mermaid or Graphviz."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from fsm.compile import compile
from fsm.compile.cells import lower
from fsm.compile.configurations import Walk
from fsm.compile.emit import emit
from fsm.define.chart import Field, Ignore, StateKind
from fsm.formats import dot, mermaid
from fsm.formats.labels import title
from fsm.formats.listing import disassemble
from fsm.layout import NONE
from fsm.tables import Tables
from tests.compile.charts import BOOLEAN, INTEGER, argument, at, chart, constant, event, limit_order, on, set_, state
from tests.compile.random_statecharts import random_statechart
from tests.compile.test_canonical import full
from tests.formats.statechart import Statechart

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


# --- states inside each other -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nested() -> Tables:
    """The flow of `tests/formats/statechart.py`, which says everything once."""
    return compile(Statechart)


@pytest.mark.parametrize(
    ("draw", "suffix"), [*DRAWERS, (disassemble, "listing"), (lambda tables: tables.chart, "chart")]
)
def test_a_statechart_is_drawn_as_the_golden_one(nested: Tables, draw: Callable[[Tables], str], suffix: str) -> None:
    """Nesting, regions, histories, every kind of transition; opcodes, columns and successors; what is hashed."""
    assert (GOLDEN / f"statechart.{suffix}").read_text() == draw(nested)


def id_of(tables: Tables, name: str) -> int:
    return next(each.id for each in tables.states if each.name == name)


def block_of(lines: list[str], opening: str) -> list[str]:
    """The lines of a block, by what opens it, without those of the blocks inside it."""
    first = next(number for number, line in enumerate(lines) if opening in line)
    depth, inner = 1, []
    for line in lines[first + 1 :]:
        depth += line.endswith("{")
        if depth == 1 and not line.endswith("}"):
            inner.append(line.strip())
        depth -= line.strip() == "}"
        if not depth:
            break
    return inner


def test_every_state_is_drawn_inside_its_parent(nested: Tables) -> None:
    """In blocks of Mermaid and in clusters of DOT."""
    mermaid_lines, dot_lines = mermaid.draw(nested).splitlines(), dot.draw(nested).splitlines()
    parents = {state.parent for state in nested.states}
    for each in nested.states:
        if each.parent == NONE or each.id in parents:
            continue
        assert any(line.endswith(f" as s{each.id}") for line in block_of(mermaid_lines, f" as s{each.parent} {{"))
        cluster = block_of(dot_lines, f"subgraph cluster_s{each.parent} {{")
        assert any(line.startswith(f"s{each.id} [") for line in cluster)


def test_regions_are_set_apart(nested: Tables) -> None:
    """By `--` in Mermaid, by a dashed border in DOT; a history of the parallel state is one of them in Mermaid only."""
    legs = id_of(nested, "legs")
    assert 2 == block_of(mermaid.draw(nested).splitlines(), f" as s{legs} {{").count("--")
    lines = dot.draw(nested).splitlines()
    for name, style in (("left", "dashed"), ("right", "dashed"), ("legs", "rounded"), ("inner", "rounded")):
        assert f"style={style};" in block_of(lines, f"subgraph cluster_s{id_of(nested, name)} {{")
    assert f's{id_of(nested, "ear")} [label="ear", shape=box, style="rounded,dashed"];' in map(str.strip, lines)


def test_mermaid_is_told_of_a_state_in_its_own_block_first(nested: Tables) -> None:
    """An arrow inside a block would move its ends into that block, so only those from and to `[*]` stand there."""
    lines = mermaid.draw(nested).splitlines()
    for each in nested.states:
        if not any(other.parent == each.id for other in nested.states):
            continue
        block = block_of(lines, f" as s{each.id} {{")
        ends = {end for line in block for end in re.findall(r"\bs(\d+)\b", line) if "-->" in line}
        assert {nested.states[int(end)].parent for end in ends} <= {each.id}
        assert all("[*]" in line for line in block if "-->" in line)


def test_each_transition_says_what_triggers_it(nested: Tables) -> None:
    """An event, any event, a time, a moment, nothing, or that what is inside is done."""
    texts = {title(nested, transition) for transition in nested.transitions}
    assert {
        "Next [count > 5] (stays in working)",
        "Note / count.add(1) (stays)",
        "any event [count > 7]",
        "after 30 s [count < 3]",
        "after wait * 2",
        "at due",
        "always [count == 3]",
        "done",
    } <= texts


def arrows(lines: list[str], begin: str) -> list[str]:
    """Where the arrows from a node of DOT or Mermaid lead."""
    found = (re.match(rf"\s*{begin} -+> (\S+?);?( |$)", line) for line in lines)
    return [match[1] for match in found if match]


@pytest.mark.parametrize("draw", [mermaid.draw, dot.draw])
def test_an_arrow_is_seen_to_leave_what_it_leaves(nested: Tables, draw: Callable[[Tables], str]) -> None:
    """From region to region, around a state, out of one and back into it: by way of a point outside of all that."""
    lines = draw(nested).splitlines()
    domains = {
        ("b", "d"): "working",
        ("ear", "ear"): "working",
        ("d", "inner"): "right",
        ("working", "working"): None,
    }
    for (source, target), domain in domains.items():
        ids = id_of(nested, source), (id_of(nested, target),)
        transition = next(each for each in nested.transitions if (each.source, each.targets) == ids)
        point = f"p{transition.id}"
        assert 1 == len(arrows(lines, point))
        opening = "digraph|stateDiagram" if domain is None else f"s{id_of(nested, domain)} {{"
        block = lines if domain is None else block_of(lines, opening)
        indent = 4 if domain is None else None
        declared = [line for line in block if re.match(rf"\s*(state )?{point} [\[<]", line)]
        assert 1 == len(declared)
        assert indent is None or indent == len(declared[0]) - len(declared[0].lstrip())


@pytest.mark.parametrize("draw", [mermaid.draw, dot.draw])
def test_an_arrow_with_several_targets_forks(nested: Tables, draw: Callable[[Tables], str]) -> None:
    """Outside of the parallel state, as one arrow."""
    lines = draw(nested).splitlines()
    fork = next(each.id for each in nested.transitions if len(each.targets) == 2)
    assert [f"s{id_of(nested, name)}" for name in ("b", "d")] == arrows(lines, f"p{fork}")


@pytest.mark.parametrize("draw", [mermaid.draw, dot.draw])
def test_an_arrow_that_keeps_its_source_begins_inside(nested: Tables, draw: Callable[[Tables], str]) -> None:
    """At a node that says so."""
    text = draw(nested)
    working, first = id_of(nested, "working"), id_of(nested, "first")
    assert '"in working"' in text
    assert f"s{first}" in arrows(text.splitlines(), f"w{working}")


@pytest.mark.parametrize("draw", [mermaid.draw, dot.draw])
def test_a_history_shows_how_deep_it_is_and_where_it_leads_at_first(
    nested: Tables, draw: Callable[[Tables], str]
) -> None:
    """With UML's mark before its name, and an arrow to its default."""
    text = draw(nested)
    assert '"H again"' in text and '"H* resumed"' in text
    assert [f"s{id_of(nested, 'b')}"] == arrows(text.splitlines(), f"s{id_of(nested, 'resumed')}")


@pytest.mark.parametrize("draw", [mermaid.draw, dot.draw])
def test_what_a_state_does_by_itself_is_told(nested: Tables, draw: Callable[[Tables], str]) -> None:
    """On entry and exit, what it defers and ignores, and what is waived for its transitions."""
    text = re.sub(r"\\l *", " ", draw(nested).replace("#59;", ";").replace("#gt;", ">").replace("#58;", ":"))
    for words in (
        "entry / count.add(1); raise_(Note)",
        "exit / when(count > 9, count.set(0))",
        "defers Next, Back while fewer than 3 events wait",
        "defers Stop while fewer than 2 events wait",
        "ignores Note",
        "waives overlapping-guards for any event to lost: it is the last resort",
        "waives constant-guard for after 30 s to right_end: only to show a waiver of a timer",
    ):
        assert words in text


def test_an_arrow_of_a_cluster_is_cut_at_its_border_alone(nested: Tables) -> None:
    """Graphviz draws no arrow that should end at the border of a cluster from inside it."""
    inside: dict[str, set[str]] = {}
    open_clusters: list[str] = []
    for line in map(str.strip, dot.draw(nested).splitlines()):
        if line.startswith("subgraph "):
            open_clusters.append(line.split()[1])
        elif line == "}" and open_clusters:
            open_clusters.pop()
        elif (node := re.match(r"(\w+) \[", line)) and " -> " not in line:
            for cluster in open_clusters:
                inside.setdefault(cluster, set()).add(node[1])
        elif edge := re.match(r"(\w+) -> (\w+)", line):
            tail, head = edge.groups()
            for cluster in re.findall(r"lhead=(\w+)", line):
                assert head in inside[cluster] and tail not in inside[cluster]
            for cluster in re.findall(r"ltail=(\w+)", line):
                assert tail in inside[cluster] and head not in inside[cluster]


def test_a_listing_names_configurations_columns_and_timers(nested: Tables) -> None:
    """Each configuration is told once in full, and what follows calls it by its number."""
    lines = disassemble(nested).splitlines()
    assert re.fullmatch(r"c0 idle; successors 0 c\d+, 1 c\d+", lines[0])
    initial = nested.initial_configuration
    assert any(line.startswith(f"c{initial} Go: run ") for line in lines)
    assert f"c{initial} Next: defer while fewer than 3 wait" in lines
    assert f"start: run {nested.start}" in lines or nested.start == NONE
    for words in (" timer0 after wait * 2: ", " always: ", " done of legs: "):
        assert any(words in line for line in lines), words
    for opcode in (
        "next successor ",
        "go successor ",
        "follow successor ",
        "arm timer0 after ",
        "raise Note",
        "cancel ",
    ):
        assert any(line[5:].startswith(opcode) for line in lines), opcode


@pytest.mark.parametrize("seed", range(20))
def test_any_statechart_can_be_drawn_and_listed(seed: int) -> None:
    """Braces are matched, every arrow leads from and to something that is drawn, and all code is listed."""
    tables = emit(lower(Walk(random_statechart(Random(seed)), 5_000)))
    text = dot.draw(tables)
    names = set(re.findall(r"^\s*(\w+) \[(?!.* -> )", text, re.MULTILINE))
    edges = re.findall(r"^\s*(\w+) -> (\w+)", text, re.MULTILINE)
    assert {end for edge in edges for end in edge} <= names
    assert set(re.findall(r"l(?:head|tail)=(\w+)", text)) <= set(re.findall(r"subgraph (\w+)", text))
    assert text.count("{\n") == len(re.findall(r"^\s*\}$", text, re.MULTILINE))
    text = mermaid.draw(tables)
    names = set(re.findall(r"^\s*state (?:\".*\" as )?(\w+)", text, re.MULTILINE)) | {"[*]"}
    edges = re.findall(r"^\s*(\S+) --> (\S+)", text, re.MULTILINE)
    assert {end for edge in edges for end in edge} <= names
    assert len(tables.code) == len(re.findall(r"^ *\d+ \w", disassemble(tables), re.MULTILINE))
