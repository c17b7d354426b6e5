"""Flows at random, written as people write them: a class with fields, events, states and transitions.

    fields, events ──▶ states, groups ──▶ on(), ignores() ──▶ what nobody reaches or leaves is tied in ──▶ Flow

Almost every flow compiles. `shadowed-transition` is waived: what a random guard hides is part of what is to be tested.
"""

from __future__ import annotations

from types import new_class
from typing import Any, Final

from hypothesis import strategies as st

from fsm.define import Event, Flow, Integer, State
from fsm.layout import ARGUMENT_WORDS
from fsm.testing.kinds import KINDS, Draw, Kind, between, chance, field, pick, word_count
from fsm.testing.terms import Scope

STATES_MAX: Final = 5
EVENTS_MAX: Final = 4
FIELDS_MAX: Final = 7
FINAL, POISON = 6, 7  # of the eight kinds to draw from; the others are plain
WAIVED: Final = {"shadowed-transition": "made at random"}


@st.composite
def flows(draw: Any, *, depth: int = 3) -> type[Flow]:
    """Flat flows: all kinds of fields, guards and actions up to `depth` levels, groups, ignored events, faults."""
    return random_flow(lambda count: int(draw(st.integers(0, count - 1))), depth)


def random_flow(draw: Draw, depth: int = 3) -> type[Flow]:
    """The same from any source of numbers: `random_flow(Random(seed).randrange)` is fast, and cannot be made small."""
    fields = {f"field_{number}": _variable(draw) for number in range(between(draw, 1, FIELDS_MAX))}
    events = [_event(draw, number) for number in range(between(draw, 1, EVENTS_MAX))]
    ways = _Ways(draw, between(draw, 1, STATES_MAX))
    for event, arguments in events:
        scope = Scope(draw, fields, arguments)
        for _ in range(between(draw, 1, len(ways.states) + 2)):
            ways.add(event, scope, depth)
        if chance(draw, 30):
            pick(draw, ways.states).ignores(event)
    connecting = ways.connect()

    def body(names: dict[str, Any]) -> None:
        for name, (_, variable) in fields.items():
            names[name] = variable
        for event in (*(event for event, _ in events), *connecting):
            names[event.__name__] = event
        for number, state in enumerate(ways.states):
            names[f"state_{number}"] = state

    return new_class("Random", (Flow,), {"waive": WAIVED}, body)


class _Ways:
    """States, the transitions between them as they are declared, and which states these join."""

    def __init__(self, draw: Draw, count: int) -> None:
        self.draw = draw
        kinds = [between(draw, 0, 7) if count > 1 else FINAL for _ in range(count)]
        self.states = [
            State(initial=n == 0, final=kind == FINAL, poison=kind == POISON) for n, kind in enumerate(kinds)
        ]
        self.rests = {number for number, kind in enumerate(kinds) if kind in (FINAL, POISON)}
        self.pairs: set[tuple[int, int]] = set()

    def add(self, event: Any, scope: Scope, depth: int) -> None:
        """One transition of a state or a group."""
        draw, last = self.draw, len(self.states) - 1
        members = [number for number in range(last + 1) if chance(draw, 30)] or [between(draw, 0, last)]
        source: Any = self.states[members[0]]
        for number in members[1:]:
            source = source | self.states[number]
        guard = scope.condition(depth) if chance(draw, 60) else None
        actions = [scope.action(depth) for _ in range(between(draw, 0, 3))]
        target = between(draw, 0, last) if chance(draw, 50) else None
        source.on(event, when=guard, do=actions, to=None if target is None else self.states[target])
        if target is not None:
            self.pairs |= {(number, target) for number in members}

    def connect(self) -> list[Any]:
        """One more event for the states that `check` would refuse: nobody reaches them, or nobody leaves them."""
        event: Any = new_class("Connect", (Event,), {}, lambda names: names.update(to=Integer()))
        before = len(self.pairs)
        for target in range(len(self.states)):
            if target not in (reached := self._reached()):
                self._join(event, pick(self.draw, sorted(reached)), target)
        leaving = {source for source, target in self.pairs if source != target}
        for source in range(len(self.states)):
            if source not in leaving | self.rests:
                self._join(event, source, (source + 1) % len(self.states))
        return [event] if len(self.pairs) > before else []

    def _join(self, event: Any, source: int, target: int) -> None:
        self.states[source].on(event, when=event.to == target, to=self.states[target])
        self.pairs.add((source, target))

    def _reached(self) -> set[int]:
        reached: set[int] = set()
        ahead = {0}
        while ahead:
            reached |= ahead
            ahead = {target for source, target in self.pairs if source in reached} - reached
        return reached


def _variable(draw: Draw) -> tuple[Kind, Any]:
    kind = pick(draw, KINDS)
    return kind, field(draw, kind)


def _event(draw: Draw, number: int) -> tuple[Any, dict[str, tuple[Kind, Any]]]:
    """An event class, and its arguments as expressions."""
    kinds: dict[str, Kind] = {}
    room = ARGUMENT_WORDS
    for position in range(between(draw, 0, ARGUMENT_WORDS)):
        kind = pick(draw, [kind for kind in KINDS if word_count(kind) <= room])
        kinds[f"argument_{position}"] = kind
        room -= word_count(kind)
        if not room:
            break
    declared = {name: field(draw, kind) for name, kind in kinds.items()}
    event = new_class(f"Event{number}", (Event,), {}, lambda names: names.update(declared))
    return event, {name: (kind, getattr(event, name)) for name, kind in kinds.items()}
