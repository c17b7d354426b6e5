"""The words of a picture, whatever draws it: what stands on an arrow, in a state, and what is noted beside it.

Transition ──title()──▶ "Execute [Execute.quantity == leaves] / leaves.set(0)"
state      ──duties()─▶ "entry / chases.add(1)", "defers Cancel while fewer than 2 events wait"
state      ──notes()──▶ "ignores Reduce", "waives no-way-out: an operator looks after it"
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.layout import StateKind, Trigger
from fsm.records import State, Transition
from fsm.tables import Tables

HISTORIES = {StateKind.HISTORY_SHALLOW: "H", StateKind.HISTORY_DEEP: "H*"}
"""How UML marks a history: a star where all that was inside is remembered."""
DEFAULT = "if nothing is remembered"
"""On the arrow from a history to its default."""


def title(tables: Tables, transition: Transition) -> str:
    """Trigger, guard and actions of a transition, as UML writes them; then what of its source it keeps."""
    return " ".join(title_parts(tables, transition))


def title_parts(tables: Tables, transition: Transition) -> list[str]:
    """The same, part by part, for pictures that break lines."""
    parts = [trigger(tables, transition)]
    if transition.guard is not None:
        parts.append(f"[{transition.guard}]")
    if transition.actions is not None:
        parts.append(f"/ {transition.actions}")
    if not transition.targets:
        parts.append("(stays)")
    elif transition.stay:
        parts.append(f"(stays in {tables.states[transition.source].name})")
    return parts


def trigger(tables: Tables, transition: Transition) -> str:
    """What makes a transition be tried: `Execute`, `any event`, `after 30 s`, `at cut_off`, `done`, `always`."""
    if transition.event is not None:
        return str(tables.events[transition.event].name)
    if transition.moment is not None:
        return f"{transition.trigger.name.lower()} {transition.moment}"
    return {Trigger.ANY: "any event", Trigger.DONE: "done"}.get(transition.trigger, "always")


def duties(tables: Tables, state: State) -> Iterator[str]:
    """What a state does whenever it is entered or left, and what it keeps for later."""
    if state.entry is not None:
        yield f"entry / {state.entry}"
    if state.exit is not None:
        yield f"exit / {state.exit}"
    kept: dict[int, list[str]] = {}
    for defer in tables.defers:
        if defer.source == state.id:
            kept.setdefault(defer.at_most, []).append(tables.events[defer.event].name)
    for at_most, names in kept.items():
        yield f"defers {', '.join(names)} while fewer than {at_most} events wait"


def notes(tables: Tables, state: State) -> list[str]:
    """What a state ignores, and the rules waived for it and for its transitions, in the order of the tables."""
    ignored = [tables.events[ignore.event].name for ignore in tables.ignores if ignore.source == state.id]
    lines = [f"ignores {', '.join(ignored)}"] if ignored else []
    own = {_subject(tables, each): _short(tables, each) for each in tables.transitions if each.source == state.id}
    for subject, rule, reason in tables.waivers:
        if subject == f"state {state.name}":
            lines.append(f"waives {rule}: {reason}")
        elif subject in own:
            lines.append(f"waives {rule} for {own[subject]}: {reason}")
    return lines


def _subject(tables: Tables, transition: Transition) -> str:
    """What the waivers of the tables call a transition."""
    source = tables.states[transition.source].name
    if transition.trigger is Trigger.EVENT:
        return f"transition {source} on {tables.events[transition.event].name}"
    if transition.moment is None:
        what = {Trigger.ANY: "on any event", Trigger.DONE: "on done"}.get(transition.trigger, "always")
    else:
        what = f"{transition.trigger.name.lower()} {transition.moment}"
    return f"transition {what}{_to(tables, transition)} of {source}"


def _short(tables: Tables, transition: Transition) -> str:
    """What a note beside its source calls a transition."""
    on = trigger(tables, transition)
    return on if transition.trigger is Trigger.EVENT else on + _to(tables, transition)


def _to(tables: Tables, transition: Transition) -> str:
    names = [tables.states[target].name for target in transition.targets]
    return f" to {' and '.join(names)}" if names else ""


def flow_notes(tables: Tables) -> list[str]:
    """The rules waived for the flow, its fields and its events."""
    kinds = ("flow ", "field ", "event ")
    return [f"{w.subject} waives {w.rule}: {w.reason}" for w in tables.waivers if w.subject.startswith(kinds)]


def plain(text: str) -> str:
    """The text on one line, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
