"""Why an input was refused, in words, from the tables alone."""

from __future__ import annotations

from fsm.layout import NONE, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fsm.tables import Tables

FAULTS = {Outcome.OVERFLOW: "overflow", Outcome.DIVISION: "division by zero", Outcome.BOUND: "a value out of bounds"}


def reason(
    tables: Tables,
    outcome: Outcome,
    states: tuple[str, ...],
    event: str,
    place: int,
    versions: tuple[int | None, int | None],
) -> str:
    """One sentence for people; empty where nothing was refused."""
    where = " and ".join(states)
    if outcome in FAULTS:
        return f"{FAULTS[outcome]} in {_source(tables, place)}; the step was undone"
    if outcome is Outcome.UNHANDLED:
        return f"state {where} declares nothing for {event}"
    if outcome is Outcome.ENDED:
        return f"the instance has ended in {where}, which declares nothing for {event}"
    if outcome is Outcome.GUARD:
        return f"no guard of {event} holds in {where}: {_guards(tables, states, event)}"
    if outcome is Outcome.UNKNOWN_INSTANCE:
        return "no instance has this key or handle"
    if outcome is Outcome.UNKNOWN_EVENT:
        return f"flow {tables.name} has no event {event}"
    if outcome is Outcome.VERSION:
        expected, found = versions
        return f"version {expected} was expected, and the instance is at {found}"
    return outcome.label if outcome.refused else ""


def _source(tables: Tables, place: int) -> str:
    if place == NONE:
        return "an instruction without a source"
    source = tables.sources[place]
    return f"{source.text} ({source.file}:{source.line})"


def _guards(tables: Tables, states: tuple[str, ...], event: str) -> str:
    asked = [
        f"{transition.guard} ({transition.file}:{transition.line})"
        for transition in tables.transitions
        if transition.guard is not None
        and tables.events[transition.event].name == event
        and tables.states[transition.source].name in states
    ]
    return "; ".join(asked)
