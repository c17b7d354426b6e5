"""Flows at random, written as people write them: a class with fields, events, states and transitions.

    fields, events ──▶ nest of states ──▶ what moves them ──▶ what nobody reaches or leaves is tied in ──▶ Flow

Almost every flow compiles. Rules that a random flow cannot help breaking are waived: what a random guard hides, and
ways that go on for ever until a bound ends them, are part of what is to be tested.
"""

from __future__ import annotations

from types import new_class
from typing import Any, Final

from hypothesis import strategies as st

from fsm.compile.rules.report import RULES
from fsm.define import Event, Flow, Integer
from fsm.layout import ARGUMENT_WORDS
from fsm.testing.kinds import KINDS, Draw, Kind, between, chance, field, pick, word_count
from fsm.testing.moves import Given, Moves, habits
from fsm.testing.nests import Nest
from fsm.testing.reach import connect
from fsm.testing.terms import DURATION, INTEGER, TIMESTAMP

STATES_MAX: Final = 5
"""Of a flat flow; a nest has more."""
EVENTS_MAX: Final = 4
FIELDS_MAX: Final = 7
CONFIGURATIONS_MAX: Final = 300
"""What a nested flow seldom exceeds; pass it to `fsm.compile`, and leave out a flow that does."""
NESTED_KINDS: Final = (INTEGER, DURATION, TIMESTAMP, *KINDS)
WAIVED: Final = {
    name: "made at random" for name, rule in RULES.items() if rule.waivable and rule.severity == "error"
}  # fmt: skip


@st.composite
def flows(draw: Any, *, depth: int = 3, nested: bool | None = None) -> type[Flow]:
    """Flows with all kinds of fields, guards and actions, groups, ignored events, faults.

    depth      of guards and values, in levels
    nested     False: flat flows. True: compound and parallel states, histories, timers, deferral, raised events,
               eventless transitions, small bounds. None: now one, now the other
    """
    return random_flow(lambda count: int(draw(st.integers(0, count - 1))), depth, nested)


def random_flow(draw: Draw, depth: int = 3, nested: bool | None = None) -> type[Flow]:
    """The same from any source of numbers: `random_flow(Random(seed).randrange)` is fast, and cannot be made small."""
    if nested is None:
        nested = chance(draw, 60)
    has = habits(draw, nested)
    kinds = NESTED_KINDS if nested else KINDS
    field_count = between(draw, 1, 4 if nested else FIELDS_MAX)
    fields = {f"field_{number}": _variable(draw, kinds) for number in range(field_count)}
    events = [_event(draw, number, nested) for number in range(between(draw, 1, 3 if nested else EVENTS_MAX))]
    nest = Nest(draw)
    parts = nest.grow() if nested else nest.flat(between(draw, 1, STATES_MAX))
    trace = Integer() if has.trace else None
    moves = Moves(draw, parts, fields, events, has, trace, min(depth, 2) if nested else depth)
    moves.declare()
    connecting = connect(draw, parts, moves.pairs)

    def body(names: dict[str, Any]) -> None:
        names.update((name, variable) for name, (_, variable) in fields.items())
        if trace is not None:
            names["trace"] = trace
        names.update((event.__name__, event) for event in (*(event for event, _ in events), *connecting))
        for number, part in enumerate(parts):
            names[f"{'history' if part.is_history else 'state'}_{number}"] = part.state

    return new_class("Random", (Flow,), {"waive": WAIVED, **_bounds(draw, nested)}, body)


def _bounds(draw: Draw, nested: bool) -> dict[str, int]:
    """Now and then small ones, so that steps exceed them."""
    bounds = {}
    if nested and chance(draw, 25):
        bounds["microsteps_max"] = between(draw, 1, 5)
    if nested and chance(draw, 25):
        bounds["raised_max"] = between(draw, 1, 2)
    return bounds


def _variable(draw: Draw, kinds: tuple[Kind, ...]) -> tuple[Kind, Any]:
    kind = pick(draw, kinds)
    return kind, field(draw, kind)


def _event(draw: Draw, number: int, nested: bool) -> Given:
    """An event class, and its arguments as expressions; in a nested flow often none, so that it can be raised."""
    kinds: dict[str, Kind] = {}
    room = ARGUMENT_WORDS
    for position in range(0 if nested and chance(draw, 50) else between(draw, 0, ARGUMENT_WORDS)):
        kind = pick(draw, [kind for kind in KINDS if word_count(kind) <= room])
        kinds[f"argument_{position}"] = kind
        room -= word_count(kind)
        if not room:
            break
    declared = {name: field(draw, kind) for name, kind in kinds.items()}
    event = new_class(f"Event{number}", (Event,), {}, lambda names: names.update(declared))
    return event, {name: (kind, getattr(event, name)) for name, kind in kinds.items()}
