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
from fsm.records import State
from fsm.tables import Tables

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
        arrows = {} if self.nesting.is_flat else self.nesting.arrows()
        self.arrows = {route: shared for route, shared in arrows.items() if shared[0].targets}
        """Without those that have no target: what they do is told in the note beside their state."""
        self.within = {route.source for route in self.arrows if route.within}

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
        yield from self.flat_arrows() if self.nesting.is_flat else self.nested_arrows()
        yield from self.outcome()
        for state in tables.states:
            yield from _note(state.id, self.note(state))

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
        for route, shared in self.arrows.items():
            if route.detour and route.domain == parent:
                yield f"{indent}state p{shared[0].id} <<{'fork' if len(route.targets) > 1 else 'choice'}>>"

    def block(self, state: State, indent: str) -> Iterator[str]:
        """All that stands between the braces of a state with others inside."""
        yield from self.inside(state.id, indent)
        if state.id in self.within:
            yield f'{indent}state "in {escape(state.name)}" as w{state.id}'
        yield from self.initial(state.id, indent)
        yield from self.ends(state.id, indent)

    def initial(self, parent: int, indent: str) -> Iterator[str]:
        """The arrow to what entering the parent enters."""
        for state in self.nesting.children[parent]:
            if state.initial:
                yield f"{indent}[*] --> s{state.id}"

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

    def flat_arrows(self) -> Iterator[str]:
        """An arrow for each transition, with a label on one line."""
        for transition in self.tables.transitions:
            target = transition.targets[0] if transition.targets else transition.source
            yield f"    s{transition.source} --> s{target} : {escape(title(self.tables, transition))}"

    def nested_arrows(self) -> Iterator[str]:
        """An arrow for each way that transitions take, or the parts of it, and from each history to its default.

        All stand outside of the blocks: inside of one, Mermaid would take both ends for states of that block.
        """
        for state in self.tables.states:
            if state.default is not None:
                yield f"    s{state.id} --> s{state.default} : {DEFAULT}"
        for route, shared in self.arrows.items():
            parts = ("<br>".join(map(escape, title_parts(self.tables, each))) for each in shared)
            begin, label = f"{'w' if route.within else 's'}{route.source}", f" : {'<br><br>'.join(parts)}"
            if route.detour:
                point = f"p{shared[0].id}"
                yield f"    {begin} --> {point}{label}"
                begin, label = point, ""
            for target in route.targets:
                yield f"    {begin} --> s{target}{label}"

    def note(self, state: State) -> list[str]:
        """What stands beside a state: what it does, what is noted, and at the initial one what is about the flow."""
        lines = flow_notes(self.tables) if state.initial and state.parent == NONE else []
        lines += duties(self.tables, state)
        if not self.nesting.is_flat:
            own = (each for each in self.tables.transitions if each.source == state.id and not each.targets)
            lines += [title(self.tables, each) for each in own]
        return [*lines, *notes(self.tables, state)]


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
