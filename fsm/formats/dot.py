"""Draw tables as a DOT graph, for Graphviz.

    Tables ──draw()──▶ digraph: a dot leads to the initial state, final ones have two rings, poison is red
                       states inside each other are clusters, regions are dashed ones

What a state does without leaving it is told inside its box. An arrow of a composite state begins or ends at the border
of its cluster. One that keeps its source active begins inside, at "in NAME"; one that would not be seen to leave what
it leaves goes by way of a point (`nesting` tells which).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from fsm.formats.labels import DEFAULT, HISTORIES, duties, flow_notes, notes, plain, title, title_parts
from fsm.formats.nesting import Nesting
from fsm.layout import NONE, StateKind
from fsm.records import State, Transition
from fsm.tables import Tables

SHAPES = {
    StateKind.FINAL: "shape=doublecircle",
    StateKind.POISON: 'shape=box, style="rounded,filled", color="#cc0000", fillcolor="#ffdddd", fontcolor="#990000"',
    StateKind.HISTORY_SHALLOW: 'shape=ellipse, style=filled, fillcolor="#eeeeff"',
    StateKind.HISTORY_DEEP: 'shape=ellipse, style=filled, fillcolor="#eeeeff"',
}
PLAIN_SHAPE = 'shape=box, style="rounded"'
REGION_SHAPE = 'shape=box, style="rounded,dashed"'
WIDE_FINAL_SHAPE = 'shape=box, style="rounded", peripheries=2'
"""Circles are larger than all else: around several lines, and where clusters stand close."""
DOT_SHAPE = 'label="", shape=point, width=0.15'
POINT_SHAPE = 'label="", shape=point, width=0.04'
FORK_SHAPE = 'label="", shape=box, style=filled, fillcolor=black, width=0.06, height=0.4'
WITHIN_SHAPE = 'shape=box, style="rounded,dashed", color="#888888", fontcolor="#666666", fontsize=10'
LINE_WIDTH = 44
"""Characters of a line of a label in flows with nested states, where long labels push the boxes apart."""


def draw(tables: Tables) -> str:
    """The graph as text, which ends in a newline."""
    return "\n".join(_Picture(tables).lines()) + "\n"


class _Picture:
    """A picture in the making."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.nesting = Nesting(tables)
        arrows = {} if self.nesting.is_flat else self.nesting.arrows()
        self.arrows = {route: shared for route, shared in arrows.items() if shared[0].targets}
        """Without those that have no target: what they do is told inside their state."""
        self.within = {route.source for route in self.arrows if route.within}

    def lines(self) -> Iterator[str]:
        tables = self.tables
        yield f"digraph {quoted(tables.name)} {{"
        if self.nesting.is_flat:
            yield "    rankdir=LR;"
        else:
            yield "    rankdir=TB;"
            yield "    newrank=true;"
            yield "    compound=true;"
            yield '    graph [fontname="sans-serif", labeljust=l];'
        yield '    node [fontname="sans-serif"];'
        yield '    edge [fontname="sans-serif", fontsize=10];'
        yield from self.inside(NONE, "    ")
        yield from self.initial(NONE, "    ")
        yield from self.flat_arrows() if self.nesting.is_flat else self.nested_arrows()
        for state in tables.states:
            yield from self.note(state)
        yield "}"

    def inside(self, parent: int, indent: str) -> Iterator[str]:
        """What is inside a state: boxes and clusters, and the points that arrows pass there."""
        for state in self.nesting.children[parent]:
            if self.nesting.is_composite(state.id):
                yield from self.cluster(state, indent)
            else:
                yield f"{indent}s{state.id} [label={self.name(state)}, {self.shape(state)}];"
        for route, shared in self.arrows.items():
            if route.detour and route.domain == parent:
                yield f"{indent}p{shared[0].id} [{FORK_SHAPE if len(route.targets) > 1 else POINT_SHAPE}];"

    def cluster(self, state: State, indent: str) -> Iterator[str]:
        """A composite state: a region, that is a child of a parallel state, has a dashed border."""
        inner = indent + "    "
        style = "dashed" if self.nesting.is_parallel(state.parent) else "rounded"
        yield f"{indent}subgraph cluster_s{state.id} {{"
        yield f"{inner}label={self.name(state)};"
        yield f"{inner}style={style};"
        yield from self.inside(state.id, inner)
        yield from self.initial(state.id, inner)
        if state.id in self.within:
            yield f"{inner}w{state.id} [label={quoted(f'in {state.name}')}, {WITHIN_SHAPE}];"
        yield f"{indent}}}"

    def name(self, state: State) -> str:
        """The label of a state: its name, and what it does; for a cluster its notes too, which have no box there."""
        if state.kind in HISTORIES:
            return quoted(f"{HISTORIES[state.kind]} {state.name}")
        lines = list(duties(self.tables, state))
        if not self.nesting.is_flat:
            own = (each for each in self.tables.transitions if each.source == state.id and not each.targets)
            lines += [title(self.tables, each) for each in own]
        if self.nesting.is_composite(state.id):
            lines += notes(self.tables, state)
        lines = [part for line in lines for part in self.broken(line)]
        return _lines([state.name, *lines]) if lines else quoted(state.name)

    def shape(self, state: State) -> str:
        """The shape of a state without others inside."""
        if state.kind is StateKind.FINAL and (not self.nesting.is_flat or any(duties(self.tables, state))):
            return WIDE_FINAL_SHAPE
        if state.kind is StateKind.ATOMIC and self.nesting.is_parallel(state.parent):
            return REGION_SHAPE
        return SHAPES.get(state.kind, PLAIN_SHAPE)

    def initial(self, parent: int, indent: str) -> Iterator[str]:
        """A dot, and the arrow from it to what entering the parent enters; from a history, to its default."""
        for state in self.nesting.children[parent]:
            if state.initial:
                dot = "start" if parent == NONE else f"i{parent}"
                yield f"{indent}{dot} [{DOT_SHAPE}];"
                yield f"{indent}{self.edge((dot, ''), self.head(state.id))}"
            if state.default is not None:
                label = f"label={quoted(DEFAULT)}"
                yield f"{indent}{self.edge((f's{state.id}', ''), self.head(state.default), label)}"

    def flat_arrows(self) -> Iterator[str]:
        """An arrow for each transition, with a label on one line."""
        for transition in self.tables.transitions:
            target = transition.targets[0] if transition.targets else transition.source
            style = "" if transition.targets else ", style=dashed"
            yield f"    s{transition.source} -> s{target} [label={quoted(title(self.tables, transition))}{style}];"

    def nested_arrows(self) -> Iterator[str]:
        """An arrow for each way that transitions take, or the parts of it."""
        for route, shared in self.arrows.items():
            label = f"label={self.title(shared)}"
            begin = (f"w{route.source}", "") if route.within else self.tail(route.source)
            if route.detour:
                point = f"p{shared[0].id}", ""
                yield f"    {self.edge(begin, point, label, 'arrowhead=none')}"
                begin, label = point, ""
            for target in route.targets:
                yield f"    {self.edge(begin, self.head(target), label)}"

    def tail(self, state: int) -> tuple[str, str]:
        """The node that an arrow from a state begins at, and the attribute that cuts it at the border of a cluster."""
        if not self.nesting.is_composite(state):
            return f"s{state}", ""
        return f"s{self.nesting.last_leaf(state)}", f"ltail=cluster_s{state}"

    def head(self, state: int) -> tuple[str, str]:
        """The same for where an arrow ends."""
        if not self.nesting.is_composite(state):
            return f"s{state}", ""
        return f"s{self.nesting.first_leaf(state)}", f"lhead=cluster_s{state}"

    def edge(self, begin: tuple[str, str], end: tuple[str, str], *attributes: str) -> str:
        """An edge between two nodes, each with what cuts it at a border."""
        given = ", ".join(each for each in (*attributes, begin[1], end[1]) if each)
        return f"{begin[0]} -> {end[0]}" + (f" [{given}];" if given else ";")

    def title(self, shared: list[Transition]) -> str:
        """The label of an arrow: trigger, guard and actions on lines of their own; transitions with a line between."""
        lines: list[str] = []
        for transition in shared:
            lines += [""] if lines else []
            lines += [line for part in title_parts(self.tables, transition) for line in self.broken(part)]
        return _lines(lines)

    def broken(self, text: str) -> list[str]:
        """The text in lines that are not too long, for a label that stands in the way of boxes."""
        return wrap(plain(text), LINE_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

    def note(self, state: State) -> Iterator[str]:
        """A box beside a state with what is noted about it, beside the initial one with what is about the flow."""
        lines = flow_notes(self.tables) if state.initial and state.parent == NONE else []
        if self.nesting.is_composite(state.id):
            at, cut = self.head(state.id)
        else:
            lines = [*lines, *notes(self.tables, state)]
            at, cut = f"s{state.id}", ""
        if lines:
            yield f"    note{state.id} [label={_lines(lines)}, shape=note, fontsize=10];"
            yield f"    {self.edge((f'note{state.id}', ''), (at, cut), 'style=dotted, arrowhead=none')}"


def quoted(text: str) -> str:
    """The text as a DOT string: Graphviz reads backslashes and HTML entities in labels."""
    escaped = plain(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _lines(lines: Iterable[str]) -> str:
    """Lines as one string, each ended as Graphviz ends one that stands to the left."""
    return '"' + "".join(quoted(line)[1:-1] + "\\l" for line in lines) + '"'
