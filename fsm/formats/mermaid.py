"""Draw tables as a Mermaid state diagram.

    Tables ──draw()──▶ stateDiagram-v2: states, the initial one, transitions, ends, notes

States are named s0, s1, ... by their id, and what people read is a label, so any text may stand in a name or guard.
A state with others inside is a block; `--` stands between the regions of a parallel one. Mermaid has no sign for a
history: it is a state whose label begins with H, or with H* where it is deep. `nesting` tells which way an arrow takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fsm.formats.labels import DEFAULT, HISTORIES, duties, flow_notes, notes, plain, title, title_parts
from fsm.formats.nesting import Nesting
from fsm.layout import NONE, StateKind
from fsm.tables import State, Tables, Transition

SAFE = frozenset(" _.,+-*/()=!'[]?@$^|~")
"""Punctuation that means nothing to Mermaid in a label; anything else is written as its code, `#58;` for a colon."""
NAMED = {"<": "#lt;", ">": "#gt;", '"': "#quot;", "&": "#amp;"}


def draw(tables: Tables) -> str:
    """The diagram as text, which ends in a newline."""
    return "\n".join(_Picture(tables).lines()) + "\n"


class _Picture:
    """A picture in the making."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.nesting = Nesting(tables)
        self.routes = {each.id: self.nesting.route(each) for each in tables.transitions}
        self.within = {each.source for each in tables.transitions if each.targets and self.routes[each.id].within}

    def lines(self) -> Iterator[str]:
        tables = self.tables
        yield "stateDiagram-v2"
        yield f"    %% {escape(tables.name)} {tables.fingerprint[:16]}"
        yield "    classDef poison fill:#fdd,stroke:#c00,color:#900"
        if not self.nesting.is_flat:
            yield "    classDef history fill:#ffe"
            yield "    classDef within fill:#fff,color:#666"
        yield from self.inside(NONE, "    ")
        yield from self.initial(NONE, "    ")
        for transition in tables.transitions:
            yield from self.arrow(transition)
        yield from self.outcome()
        for state in tables.states:
            extra = flow_notes(tables) if state.initial and state.parent == NONE else []
            yield from _note(state.id, [*extra, *duties(tables, state), *notes(tables, state)])

    def inside(self, parent: int, indent: str) -> Iterator[str]:
        """What is inside a state: states, blocks, and the points that arrows pass there."""
        for number, state in enumerate(self.nesting.children[parent]):
            if number and self.nesting.is_parallel(parent):
                yield f"{indent}--"
            mark = HISTORIES.get(state.kind)
            opening = f'{indent}state "{escape(f"{mark} {state.name}" if mark else state.name)}" as s{state.id}'
            if self.nesting.is_composite(state.id):
                yield f"{opening} {{"
                yield from self.block(state, indent + "    ")
                yield f"{indent}}}"
            else:
                yield opening
        for number, route in self.routes.items():
            if route.detour and route.domain == parent:
                yield f"{indent}state p{number} <<{'fork' if len(route.targets) > 1 else 'choice'}>>"

    def block(self, state: State, indent: str) -> Iterator[str]:
        """All that stands between the braces of a state with others inside."""
        yield from self.inside(state.id, indent)
        if state.id in self.within:
            yield f'{indent}state "in {escape(state.name)}" as w{state.id}'
        yield from self.initial(state.id, indent)
        yield from self.ends(state.id, indent)

    def initial(self, parent: int, indent: str) -> Iterator[str]:
        """The arrow to what entering the parent enters, and from a history to its default."""
        for state in self.nesting.children[parent]:
            if state.initial:
                yield f"{indent}[*] --> s{state.id}"
            if state.default is not None:
                yield f"{indent}s{state.id} --> s{state.default} : {DEFAULT}"

    def ends(self, parent: int, indent: str) -> Iterator[str]:
        """An arrow from each final state inside a state, which is done then."""
        for state in self.nesting.children[parent]:
            if state.kind is StateKind.FINAL:
                yield f"{indent}s{state.id} --> [*]"

    def outcome(self) -> Iterator[str]:
        """The ends of the outermost states, and what colours any; within a block Mermaid takes no notice of that."""
        for state in self.tables.states:
            if state.kind is StateKind.FINAL and state.parent == NONE:
                yield f"    s{state.id} --> [*]"
            if state.kind is StateKind.POISON:
                yield f"    class s{state.id} poison"
            if state.kind in HISTORIES:
                yield f"    class s{state.id} history"
        for source in sorted(self.within):
            yield f"    class w{source} within"

    def arrow(self, transition: Transition) -> Iterator[str]:
        """The arrow of a transition, or the parts of it."""
        route = self.routes[transition.id]
        label = f" : {self.title(transition)}"
        begin = f"w{route.source}" if route.source in self.within and transition.stay else f"s{route.source}"
        if route.detour:
            yield f"    {begin} --> p{transition.id}{label}"
            begin, label = f"p{transition.id}", ""
        for target in route.targets:
            yield f"    {begin} --> s{target}{label}"

    def title(self, transition: Transition) -> str:
        """The label of an arrow: on one line where the flow is flat."""
        if self.nesting.is_flat:
            return escape(title(self.tables, transition))
        return "<br>".join(map(escape, title_parts(self.tables, transition)))


def escape(text: str) -> str:
    """The text as a label: what could mean something to Mermaid or HTML is written as a code."""
    escaped = (
        character if character.isalnum() or character in SAFE else NAMED.get(character, f"#{ord(character)};")
        for character in plain(text)
    )
    # Inside a note these two words would end it, in either case.
    return re.sub("(?i)(end) (note)", r"\1#32;\2", "".join(escaped))


def _note(state_id: int, lines: Iterable[str]) -> Iterator[str]:
    lines = list(lines)
    if not lines:
        return
    yield f"    note right of s{state_id}"
    for line in lines:
        yield f"        {escape(line)}"
    yield "    end note"
