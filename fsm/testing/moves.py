"""What moves a nest, at random: transitions of all kinds, timers, deferral, what happens on entry and exit.

    parts, fields, events ──▶ Moves(...).declare() ──▶ the states of the parts, as a flow declares them

Each flow has some habits only, drawn first: one with few things in it shows best how these go together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from fsm.define import Event
from fsm.testing.kinds import Draw, Kind, between, chance, constant, pick
from fsm.testing.nests import Part
from fsm.testing.terms import DURATION, TIMESTAMP, Scope

MOMENTS: Final = (0, 1, 2, 5, 10, 100, "1 us", "1 s")
"""Lengths of time that a flow waits: short ones, so that many are due together."""
TRACE_MODULUS: Final = 1_000_003

Given = tuple[Any, dict[str, tuple[Kind, Any]]]
"""An event class, and its arguments as expressions."""


class Habits(NamedTuple):
    """What a flow has besides transitions on events."""

    any_event: bool
    always: bool
    timers: bool
    raises: bool
    defers: bool
    content: bool
    """Actions on entry and exit."""
    trace: bool
    """A field that tells the order of all actions."""


def habits(draw: Draw, nested: bool) -> Habits:
    """Those of one flow."""
    return Habits(*(chance(draw, percent if nested else 0) for percent in (40, 50, 65, 50, 45, 60, 75)))


class Moves:
    """The transitions between some parts, as they are declared, and which parts they join."""

    def __init__(
        self, draw: Draw, parts: list[Part], fields: Mapping[str, tuple[Kind, Any]], events: list[Given],
        habits: Habits, trace: Any, depth: int,
    ) -> None:  # fmt: skip
        self.draw, self.fields, self.events, self.habits = draw, fields, events, habits
        self.states = [part for part in parts if not part.is_history]
        self.parts, self.depth = parts, depth
        self.pairs: set[tuple[Part, Part]] = set()
        """(source, target) of what may be taken."""
        self._trace, self._marks = trace, 0
        self._closed: set[tuple[Part, object]] = set()
        self._silent = Scope(draw, fields, {}, self._raised)

    @property
    def _raised(self) -> list[Any]:
        return [event for event, arguments in self.events if not arguments] if self.habits.raises else []

    def declare(self) -> None:
        """All of it."""
        draw, habits = self.draw, self.habits
        for event, arguments in self.events:
            scope = Scope(draw, self.fields, arguments, self._raised)
            for _ in range(between(draw, 1, len(self.states) // (3 if self.nested else 1) + 2)):
                self._on(event, scope)
            for parallel in [part for part in self.states if part.kind == "parallel" and chance(draw, 50)]:
                self._on_together(event, scope, parallel)
            if chance(draw, 30):
                pick(draw, self.states).state.ignores(event)
            for _ in range(between(draw, 0, 3) if habits.defers else 0):
                self._defers(event)
        movers = [part for part in self.states if part.kind != "final"]
        for wanted, declare, among in (
            (habits.any_event, self._on_any, self.states), (habits.always, self._always, movers),
            (habits.timers, self._timer, movers),
        ):  # fmt: skip
            for _ in range(between(draw, 1, len(among) // 3 + 1) if wanted and among else 0):
                declare(pick(draw, among))
        for part in self.states:
            if part.children and chance(draw, 60):
                self._declare(part.state.on_done, [part], "done", self._silent, unguarded=70)
            self._content(part)

    @property
    def nested(self) -> bool:
        """Whether some state stands in another."""
        return any(part.children for part in self.states)

    # --- kinds of transitions ---

    def _on(self, event: Any, scope: Scope) -> None:
        """A transition of a state or of a group."""
        members = [part for part in self.states if chance(self.draw, 30 if not self.nested else 5)]
        members = members or [pick(self.draw, self.states)]
        source: Any = members[0].state
        for part in members[1:]:
            source = source | part.state
        self._declare(partial(source.on, event), members, event, scope, unguarded=55 if self.nested else 40)

    def _on_together(self, event: Any, scope: Scope, parallel: Part) -> None:
        """A transition in each of most regions of a parallel state, which may be taken at once; perhaps to its end."""
        finish = chance(self.draw, 40)
        for region in parallel.children:
            inside = [part for part in (region, *region.inside()) if not part.is_history]
            finals = [part for part in region.children if part.kind == "final"]
            if finish and region.kind == "parallel":
                self._on_together(event, scope, region)
            elif finish and finals:
                self._declare(partial(region.state.on, event), [region], event, scope, unguarded=80, targets=finals)
            elif inside and chance(self.draw, 80):
                part = pick(self.draw, inside)
                self._declare(partial(part.state.on, event), [part], event, scope, unguarded=60)

    def _on_any(self, part: Part) -> None:
        self._declare(partial(part.state.on, Event), [part], Event, self._silent, unguarded=10)

    def _always(self, part: Part) -> None:
        self._declare(part.state.always, [part], "always", self._silent, unguarded=6)

    def _timer(self, part: Part) -> None:
        """One or two transitions at the same time."""
        draw, leaves = self.draw, self._silent.leaves
        kinds = [kind for kind in (TIMESTAMP, DURATION) if kind in leaves]
        kind = pick(draw, kinds) if kinds and chance(draw, 60) else None
        moment: Any = pick(draw, MOMENTS)
        if kind is not None:
            moment = pick(draw, leaves[kind]) if kind == TIMESTAMP else self._silent.value(kind, between(draw, 0, 2))
            if chance(draw, 30):  # what is set on entry counts
                part.state.on_entry(pick(draw, leaves[kind]).set(constant(draw, kind)))
        declare = part.state.at if kind == TIMESTAMP else part.state.after
        for number in range(2 if chance(draw, 25) else 1):
            self._declare(partial(declare, moment), [part], (number, id(moment)), self._silent, unguarded=60)

    def _declare(
        self, declare: Callable[..., None], members: list[Part], cause: object, scope: Scope, unguarded: int,
        targets: list[Part] | None = None,
    ) -> None:  # fmt: skip
        draw = self.draw
        guard = None if chance(draw, unguarded) else self._guard(scope)
        targets = self._targets(members[0]) if targets is None else targets
        inside = [{*part.inside()} for part in members if part.kind == "compound"]
        stay = len(inside) == len(members) and bool(targets) and all({*targets} <= each for each in inside)
        more = {"stay": True} if stay and cause != "done" and chance(draw, 50) else {}
        states = [part.state for part in targets]
        declare(when=guard, do=self._actions(scope), to=states if len(states) != 1 else states[0], **more)
        for part in members:
            if (part, cause) not in self._closed:  # behind one without a guard, nothing is ever taken
                self.pairs |= {(part, target) for target in targets}
            if guard is None:
                self._closed.add((part, cause))

    def _defers(self, event: Any) -> None:
        """A state that defers, often one without children; and perhaps what it stands in, with another bound."""
        draw = self.draw
        part = pick(draw, self.states if chance(draw, 30) else [part for part in self.states if not part.children])
        for each in part.around():
            each.state.defers(event, at_most=between(draw, 1, 4))
            if not chance(draw, 40):
                break

    # --- what stands in them ---

    def _targets(self, source: Part) -> list[Part]:
        """None, one part, which is often a near one, or one of each of some regions."""
        draw = self.draw
        if not chance(draw, 75 if self.nested else 50):
            return []
        region = source.parent is not None and source.parent.kind == "parallel"
        near = source.children if region else self.parts if source.parent is None else source.parent.children
        finals = [part for part in near if part.kind == "final"]
        if finals and chance(draw, 30 if source.parent is not None else 5):
            return [pick(draw, finals)]
        if near and source.kind != "parallel" and chance(draw, 45):
            return [pick(draw, near)]
        histories = [part for part in self.parts if part.is_history]
        if histories and chance(draw, 30):
            return [pick(draw, histories)]
        parallels = [part for part in self.parts if part.kind == "parallel"]
        if not parallels or not chance(draw, 20):
            return [pick(draw, self.parts)]
        regions = [part for part in pick(draw, parallels).children if not part.is_history]
        chosen = [region for region in regions if chance(draw, 70)] or regions
        return [pick(draw, [region, *region.inside()]) for region in chosen]

    def _guard(self, scope: Scope) -> Any:
        """A condition, or one that holds so often whatever the fields are: what ran before decides."""
        if self._trace is not None and chance(self.draw, 40):
            count = between(self.draw, 2, 4)
            return self._trace % count == between(self.draw, 0, count - 1)
        return scope.condition(self.depth)

    def _actions(self, scope: Scope) -> list[Any]:
        draw = self.draw
        count = between(draw, 0, 3 if not self.nested else 2 if self.habits.raises else 1)
        return self._mark() + [scope.action(self.depth) for _ in range(count)]

    def _content(self, part: Part) -> None:
        """What happens on entry and exit."""
        for declare in (part.state.on_entry, part.state.on_exit):
            actions = self._mark()
            if self.habits.content and chance(self.draw, 30):
                actions.append(self._silent.action(self.depth))
            if actions:
                declare(*actions)

    def _mark(self) -> list[Any]:
        """An action that tells by a number of its own when it ran."""
        if self._trace is None:
            return []
        self._marks += 1
        return [self._trace.set((self._trace * 31 + self._marks) % TRACE_MODULUS)]
