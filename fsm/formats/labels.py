"""The words of a picture, whatever draws it: what stands on an arrow, and what is noted beside a state.

Transition ──title()──▶ "Execute [Execute.quantity == leaves] / leaves.set(0)"
state      ──notes()──▶ "ignores Reduce", "waives no-way-out: an operator looks after it"
"""

from __future__ import annotations

from fsm.tables import State, Tables, Transition


def title(tables: Tables, transition: Transition) -> str:
    """Event, guard and actions of a transition, as UML writes them; without a target it says that the state stays."""
    parts = [tables.events[transition.event].name]
    if transition.guard is not None:
        parts.append(f"[{transition.guard}]")
    if transition.actions is not None:
        parts.append(f"/ {transition.actions}")
    if transition.target is None:
        parts.append("(stays)")
    return " ".join(parts)


def notes(tables: Tables, state: State) -> list[str]:
    """What a state ignores, and the rules waived for it and for its transitions, in the order of the tables."""
    ignored = [tables.events[ignore.event].name for ignore in tables.ignores if ignore.source == state.id]
    lines = [f"ignores {', '.join(ignored)}"] if ignored else []
    own = f"state {state.name}", f"transition {state.name} on "
    for subject, rule, reason in tables.waivers:
        if subject == own[0]:
            lines.append(f"waives {rule}: {reason}")
        elif subject.startswith(own[1]):
            lines.append(f"waives {rule} for {subject.removeprefix(own[1])}: {reason}")
    return lines


def flow_notes(tables: Tables) -> list[str]:
    """The rules waived for the flow, its fields and its events."""
    kinds = ("flow ", "field ", "event ")
    return [f"{w.subject} waives {w.rule}: {w.reason}" for w in tables.waivers if w.subject.startswith(kinds)]


def plain(text: str) -> str:
    """The text on one line, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
