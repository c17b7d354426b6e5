"""Why an input was refused, in words, from the tables and the row alone.

outcome, event, row ──reason()───▶ "no guard of Fund holds in cash/gathering: covered asks blocked < due (flows.py:7)"
configuration ───────standing()──▶ "settling (securities/short and cash/covered)"
place of a fault ────fault()─────▶ "overflow in total.add(Go.n) (flows.py:12)"
"""

from __future__ import annotations

from fsm.layout import NONE, ROW_STATE, ROW_VERSION, TERMINAL_OPCODES, Opcode, Outcome, Trigger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsm.records import Defer, Transition
    from fsm.tables import Tables

FAULTS = {Outcome.OVERFLOW: "overflow", Outcome.DIVISION: "division by zero", Outcome.BOUND: "a value out of bounds"}


def reason(
    tables: Tables, outcome: Outcome, event: str, row: memoryview | None, place: int, expected: int | None
) -> str:
    """One sentence for people; empty where nothing was refused.

    row         the words of the instance, which a refusal has left as they were; None where it is unknown
    place       of the last fault, as the header of the engine has it
    expected    the version that the caller demanded
    """
    if outcome in FAULTS:
        return f"{fault(tables, outcome, place)}; the step was undone"
    if outcome is Outcome.UNKNOWN_EVENT:
        return f"flow {tables.name} has no event {event}"
    if outcome is Outcome.BUSY:
        return "the journal has no room now; nothing was taken, and it can be given again"
    if outcome is Outcome.UNKNOWN_INSTANCE or row is None:
        return "no instance has this key or handle"
    configuration = row[ROW_STATE] & NONE
    if outcome is Outcome.UNHANDLED:
        return f"state {standing(tables, configuration)} declares nothing for {event}"
    if outcome is Outcome.ENDED:
        return f"the instance has ended in {standing(tables, configuration)}, which declares nothing for {event}"
    if outcome is Outcome.GUARD:
        asked = _guards(tables, configuration, event)
        return f"no guard of {event} holds in {standing(tables, configuration)}: {asked}"
    if outcome is Outcome.DEFERRAL_FULL:
        return _full(tables, configuration, event, row[tables.deferral_word] if tables.deferral_slots else 0)
    if outcome is Outcome.VERSION:
        return f"version {expected} was expected, and the instance is at {row[ROW_VERSION] & NONE}"
    if outcome is Outcome.KEY_REUSED:
        return f"the key of this {event} came with another input before"
    return outcome.label if outcome.refused else ""


def standing(tables: Tables, configuration: int) -> str:
    """Where an instance stands: `filled`, `intake/received`, `settling (securities/short and cash/covered)`.

    A state inside another stands behind a slash; states that are active beside each other stand in brackets.
    """
    inside: dict[int, list[str]] = {}
    # From the end: whatever is inside a state stands behind it, so its text is made by then.
    for state in reversed(dict.fromkeys(tables.active_states(configuration))):
        inner = inside.pop(state.id, [])[::-1]
        text = f"{state.name} ({' and '.join(inner)})" if len(inner) > 1 else "/".join([state.name, *inner])
        inside.setdefault(state.parent, []).append(text)
    return " and ".join(inside.get(NONE, [])[::-1])


def fault(tables: Tables, outcome: Outcome, place: int) -> str:
    """What went wrong in a step that was undone, and where in the source."""
    if outcome not in FAULTS:
        return f"the program of the start ends in {outcome.label}"
    opcodes = _opcodes(tables, place) if outcome is Outcome.BOUND else set()
    if Opcode.RAISE in opcodes:
        return f"more than {tables.raised_max} internal events would wait, at {_source(tables, place)}"
    if outcome is Outcome.BOUND and (place == NONE or opcodes & TERMINAL_OPCODES):
        last = "" if place == NONE else f", the last of them by {_source(tables, place)}"
        return f"more than {tables.microsteps_max} microsteps after the first{last}"
    return f"{FAULTS[outcome]} in {_source(tables, place)}"


def _opcodes(tables: Tables, place: int) -> set[int]:
    """What the instructions of a source do: a bound is that of a value, of the queue, or of the microsteps."""
    if place == NONE:
        return set()
    return {word & 0xFF for word, source in zip(tables.code, tables.places, strict=True) if source == place}


def _source(tables: Tables, place: int) -> str:
    if place == NONE:
        return "an instruction without a source"
    source = tables.sources[place]
    return f"{source.text} ({source.file}:{source.line})"


def _guards(tables: Tables, configuration: int, event: str) -> str:
    """The guards that were asked; where states lie inside each other, with the state that asks."""
    asked = list(dict.fromkeys(_asked(tables, configuration, event)))
    nested = len(tables.active_states(configuration)) > 1
    lines = []
    for transition in asked:
        who = f"{tables.states[transition.source].name} asks " if nested else ""
        lines.append(f"{who}{transition.guard} ({transition.file}:{transition.line})")
    return "; ".join(lines)


def _asked(tables: Tables, configuration: int, event: str) -> Iterator[Transition]:
    """The transitions that an event looks at, in the order in which they are tried: innermost states first."""
    active = tables.active_states(configuration)
    parents = {state.parent for state in active}
    for state in active:
        source = NONE if state.id in parents else state.id
        while source != NONE:
            yield from (each for each in tables.transitions if each.source == source and _takes(tables, each, event))
            source = tables.states[source].parent


def _takes(tables: Tables, transition: Transition, event: str) -> bool:
    if transition.trigger is Trigger.EVENT:
        return bool(tables.events[transition.event].name == event)
    return transition.trigger is Trigger.ANY


def _full(tables: Tables, configuration: int, event: str, waiting: int) -> str:
    """Who would have deferred the event, and why there is no room."""
    defer = _deferring(tables, configuration, event)
    events = "1 event waits" if waiting == 1 else f"{waiting} events wait"
    if defer is None:
        return f"{event} is to wait, and there is no room: {events} already"
    return (
        f"{event} is to wait, and there is no room: {events} already, and {tables.states[defer.source].name} defers it "
        f"while fewer than {defer.at_most} do ({defer.file}:{defer.line})"
    )


def _deferring(tables: Tables, configuration: int, event: str) -> Defer | None:
    """What the innermost active state that defers the event says; of several, the first in document order."""
    active = [state.id for state in tables.active_states(configuration)]
    saying = [each for each in tables.defers if each.source in active and tables.events[each.event].name == event]
    return max(saying, key=lambda each: (_depth(tables, each.source), -active.index(each.source)), default=None)


def _depth(tables: Tables, state: int) -> int:
    depth = 0
    while (state := tables.states[state].parent) != NONE:
        depth += 1
    return depth
