"""Draw tables as a Mermaid state diagram.

    Tables ──draw()──▶ stateDiagram-v2: states, the initial one, transitions, ends, notes

States are named s0, s1, ... by their id, and what people read is a label, so any text may stand in a name or guard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fsm.formats.labels import flow_notes, notes, plain, title
from fsm.layout import StateKind
from fsm.tables import Tables

SAFE = frozenset(" _.,+-*/()=!'[]?@$^|~")
"""Punctuation that means nothing to Mermaid in a label; anything else is written as its code, `#58;` for a colon."""
NAMED = {"<": "#lt;", ">": "#gt;", '"': "#quot;", "&": "#amp;"}


def draw(tables: Tables) -> str:
    """The diagram as text, which ends in a newline."""
    return "\n".join(_lines(tables)) + "\n"


def _lines(tables: Tables) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    %% {escape(tables.name)} {tables.fingerprint[:16]}"
    yield "    classDef poison fill:#fdd,stroke:#c00,color:#900"
    for state in tables.states:
        yield f'    state "{escape(state.name)}" as s{state.id}'
    for state in tables.states:
        if state.initial:
            yield f"    [*] --> s{state.id}"
    for transition in tables.transitions:
        target = transition.source if transition.target is None else transition.target
        yield f"    s{transition.source} --> s{target} : {escape(title(tables, transition))}"
    for state in tables.states:
        if state.kind is StateKind.FINAL:
            yield f"    s{state.id} --> [*]"
        if state.kind is StateKind.POISON:
            yield f"    class s{state.id} poison"
    for state in tables.states:
        extra = flow_notes(tables) if state.initial else []
        yield from _note(state.id, [*extra, *notes(tables, state)])


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
