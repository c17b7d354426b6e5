"""Draw tables as a DOT graph, for Graphviz.

Tables ──draw()──▶ digraph: a dot leads to the initial state, final ones have two rings, poison is red
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.formats.labels import flow_notes, notes, plain, title
from fsm.layout import StateKind
from fsm.tables import State, Tables

SHAPES = {
    StateKind.FINAL: "shape=doublecircle",
    StateKind.POISON: 'shape=box, style="rounded,filled", color="#cc0000", fillcolor="#ffdddd", fontcolor="#990000"',
}
PLAIN_SHAPE = 'shape=box, style="rounded"'


def draw(tables: Tables) -> str:
    """The graph as text, which ends in a newline."""
    return "\n".join(_lines(tables)) + "\n"


def _lines(tables: Tables) -> Iterator[str]:
    yield f"digraph {quoted(tables.name)} {{"
    yield "    rankdir=LR;"
    yield '    node [fontname="sans-serif"];'
    yield '    edge [fontname="sans-serif", fontsize=10];'
    for state in tables.states:
        yield f"    s{state.id} [label={quoted(state.name)}, {SHAPES.get(state.kind, PLAIN_SHAPE)}];"
    for state in tables.states:
        if state.initial:
            yield '    start [label="", shape=point, width=0.15];'
            yield f"    start -> s{state.id};"
    for transition in tables.transitions:
        target = transition.source if transition.target is None else transition.target
        style = ", style=dashed" if transition.target is None else ""
        yield f"    s{transition.source} -> s{target} [label={quoted(title(tables, transition))}{style}];"
    for state in tables.states:
        yield from _note(tables, state)
    yield "}"


def quoted(text: str) -> str:
    """The text as a DOT string: Graphviz reads backslashes and HTML entities in labels."""
    escaped = plain(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _note(tables: Tables, state: State) -> Iterator[str]:
    lines = [*(flow_notes(tables) if state.initial else []), *notes(tables, state)]
    if not lines:
        return
    label = "\\l".join(quoted(line)[1:-1] for line in lines)
    yield f'    note{state.id} [label="{label}\\l", shape=note, fontsize=10];'
    yield f"    note{state.id} -> s{state.id} [style=dotted, arrowhead=none];"
