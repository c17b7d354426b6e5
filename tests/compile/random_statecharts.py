"""Statecharts made at random: states inside each other, up to three deep, with all that moves them.

Random(seed) ──random_statechart()──▶ Chart ──random_input(random, NESTED_EVENTS)──▶ event, six words
"""

from __future__ import annotations

from random import Random
from typing import Any

from fsm.define.chart import Chart, Event, Field, State
from fsm.define.chart import StateKind as Kind
from fsm.layout import Trigger
from tests.compile.charts import (
    DURATION,
    TIMESTAMP,
    after,
    at,
    chart,
    compound,
    constant,
    defer,
    event,
    field,
    history,
    ignore,
    parallel,
    raise_,
    set_,
    state,
    transition,
    when_due,
)
from tests.compile.random_charts import EVENTS, FIELDS, Terms

NESTED_FIELDS = (*FIELDS, Field("wait", DURATION, 5, at(7)), Field("due", TIMESTAMP, 0, at(8)))
NESTED_EVENTS = (*EVENTS, event("Tock"))
HISTORIES = (Kind.HISTORY_SHALLOW, Kind.HISTORY_DEEP)
MOMENTS = (0, 1, 2, 5, 20)
Part = State | list[State]


def random_statechart(random: Random) -> Chart:
    """A chart that `check` might refuse, and whose start may fault."""
    nest = Nest(random)
    parts = nest.children(3, top=True)
    states = [each for part in parts for each in (part if isinstance(part, list) else [part])]
    sources = [each for each in states if each.kind not in HISTORIES]
    pairs = [(each.name, given.name) for each in sources for given in NESTED_EVENTS]
    return chart(
        states=states,
        events=NESTED_EVENTS,
        transitions=[made for each in sources for made in nest.transitions(each, states)],
        fields=NESTED_FIELDS,
        ignores=[ignore(*pair) for pair in pairs if random.random() < 0.1],
        defers=[defer(*pair, random.randint(1, 3)) for pair in pairs if random.random() < 0.1],
        microsteps_max=random.choice((4, 64)),
        raised_max=random.choice((2, 16)),
    )


class Nest:
    """States inside each other, and transitions between them."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0

    def name(self) -> str:
        """The next one."""
        self.count += 1
        return f"s{self.count}"

    def children(self, depth: int, top: bool = False) -> list[Part]:
        """What may stand in a compound state, or the flow: states, of which one is initial, and often a final one."""
        random = self.random
        first, *others = [self.part(depth) for _ in range(random.randint(1, 3))]
        begin = first[0] if isinstance(first, list) else first
        history_first = not top and random.random() < 0.1
        initial = begin._replace(initial=not history_first)
        made = [[initial, *first[1:]] if isinstance(first, list) else initial, *others]
        if random.random() < 0.6:
            made.append(state(self.name(), Kind.FINAL, **self.content()))
        if history_first or (not top and random.random() < 0.4):
            default = begin.name if history_first or random.random() < 0.5 else None
            made.append(history(self.name(), deep=random.random() < 0.5, initial=history_first, default=default))
        return made

    def part(self, depth: int) -> Part:
        """An atomic, compound or parallel state with all that is inside."""
        random = self.random
        kind = random.choice((Kind.ATOMIC, Kind.COMPOUND, Kind.PARALLEL)) if depth else Kind.ATOMIC
        name = self.name()
        if kind is Kind.ATOMIC:
            return state(name, kind, **self.content())
        if kind is Kind.COMPOUND:
            return compound(name, *self.children(depth - 1), **self.content())
        regions: list[Part] = [self.part(depth - 1) for _ in range(random.randint(1, 3))]
        if random.random() < 0.3:
            regions.append(history(self.name(), deep=random.random() < 0.5))
        return parallel(name, *regions, **self.content())

    def content(self) -> dict[str, Any]:
        """Actions on entry and exit, now and then."""
        return {when: self.actions() for when in ("entry", "exit") if self.random.random() < 0.25}

    def actions(self, given: Event = NESTED_EVENTS[-1]) -> tuple[Any, ...]:
        """Writes, raised events, and moments for timers."""
        random = self.random
        choices = (
            Terms(random, given).action(1),
            raise_(random.choice(("Tick", "Tock"))),
            set_("wait", constant(random.choice((-1, *MOMENTS)), DURATION), text="wait"),
            set_("due", constant(random.choice((0, 3, 9, 30)), TIMESTAMP), text="due"),
        )
        return tuple(random.choice(choices) for _ in range(random.choice((0, 1, 1, 2))))

    def transitions(self, source: State, states: list[State]) -> list[Any]:
        """Transitions of one state, with the triggers that its kind may have."""
        random = self.random
        triggers = [Trigger.EVENT, Trigger.EVENT, Trigger.ANY]
        if source.kind is not Kind.FINAL:
            triggers += [Trigger.ALWAYS, Trigger.AFTER, Trigger.AFTER, Trigger.AT]
        if source.kind in (Kind.COMPOUND, Kind.PARALLEL):
            triggers += [Trigger.DONE] * 3
        return [self.transition(source, random.choice(triggers), states) for _ in range(random.choice((0, 1, 2, 2, 3)))]

    def transition(self, source: State, trigger: Trigger, states: list[State]) -> Any:
        """One transition; an eventless one has a guard, most others have none."""
        random = self.random
        given = random.choice(NESTED_EVENTS) if trigger is Trigger.EVENT else NESTED_EVENTS[-1]
        guarded = random.random() < (0.95 if trigger is Trigger.ALWAYS else 0.3)
        to = self.targets(states)
        more: dict[str, Any] = {
            "guard": Terms(random, given).condition(1) if guarded else None,
            "do": self.actions(given),
            "to": to,
            "stay": source.kind is Kind.COMPOUND and {*to} <= inside_of(source.name, states) and random.random() < 0.5,
        }  # fmt: skip
        if trigger is Trigger.AFTER:
            constant_or_field = field("wait", DURATION) if random.random() < 0.4 else random.choice(MOMENTS)
            return after(source.name, constant_or_field, **more)
        if trigger is Trigger.AT:
            return when_due(source.name, "due", **more)
        return transition(source.name, trigger, given.name if trigger is Trigger.EVENT else "", **more)

    def targets(self, states: list[State]) -> tuple[str, ...]:
        """None, any one state, or one of each of two regions."""
        random = self.random
        parallels = [each for each in states if each.kind is Kind.PARALLEL]
        if parallels and random.random() < 0.15:
            outer = random.choice(parallels).name
            regions = [each.name for each in states if each.parent == outer and each.kind not in HISTORIES]
            chosen = random.sample(regions, min(2, len(regions)))
            return tuple(random.choice([each, *sorted(inside_of(each, states))]) for each in chosen)
        return () if random.random() < 0.15 else (random.choice(states).name,)


def inside_of(outer: str, states: list[State]) -> set[str]:
    """The names of what stands in a state."""
    found = {outer}
    for each in states:
        if each.parent in found:
            found.add(each.name)
    return found - {outer}
