"""Write the code of microsteps: what is left, what the transitions do, what is entered.

    set of transitions in a configuration ──▶ Plan ──▶ exit actions, timers cancelled     innermost first, backwards
                                                       transition actions                 in order
                                                       entry actions, timers armed, done  outermost first
                                                       go, or next where the macrostep goes on

Plans that say the same are one plan, whatever the configuration: it tells the next one by the number of a transition,
which `Tables.successors` turns into a configuration. Where no state is parallel and none a history, the next
configuration does not depend on the one before, and stands in the code itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fsm.compile.code import Code, Source
from fsm.compile.columns import stacked
from fsm.compile.configurations import Configuration, Walk
from fsm.compile.titles import titled
from fsm.compile.tree import ROOT, bits
from fsm.define import render_moment
from fsm.define.chart import Conditional, Raise, Trigger
from fsm.layout import Going, Opcode


class Plan(NamedTuple):
    """A microstep, as far as code depends on it."""

    transitions: tuple[int, ...]
    left: int
    """Of the states that are left, those that do something then or have timers."""
    entered: int
    """The same of those that are entered, and final states."""
    done: tuple[tuple[int, int], ...]
    """(final state, state that is done when it is entered), in order."""
    goes_on: bool
    next: int
    """The next configuration where the code names it, else -1."""


class Microsteps:
    """The code of all plans of a chart."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.tree, self.columns = walk, walk.tree, walk.columns
        names = {event.name: number for number, event in enumerate(walk.chart.events)}
        self.code = Code(walk.chart, names, self.columns.timer_slots)
        self.relative = any(map(self.tree.is_parallel, range(len(self.tree.states)))) or bool(self.tree.histories)
        self.successors = self._numbered() if self.relative else {}
        """Of each transition with targets, a number that no other has that can be enabled beside it."""
        self.successor_count = max(self.successors.values(), default=-1) + 1
        states = self.tree.states
        self.leaving = sum(1 << n for n, s in enumerate(states) if s.exit or n in self.columns.timers_of)
        self.entering = self.tree.final | sum(
            1 << n for n, s in enumerate(states) if s.entry or n in self.columns.timers_of
        )
        self.raising = [_raises(transition.actions) for transition in self.tree.transitions]
        self._raising_states = sum(1 << n for n, s in enumerate(states) if _raises((*s.entry, *s.exit)))
        self._made: dict[Plan, int] = {}

    def plan(self, configuration: Configuration, transitions: tuple[int, ...], column: int | None) -> Plan:
        """What the transitions do in a configuration when the column is what happens."""
        walk, after, left, entered = self.walk, configuration, 0, 0
        for number in transitions:
            left |= walk.left(configuration, number)
            entered |= walk.entered(configuration, number)
            after = walk.after(after, number)
        done = self.done(configuration.active & ~left, entered)
        raises = any(self.raising[number] for number in transitions) or (left | entered) & self._raising_states
        goes_on = self._goes_on(after, entered, bool(done or raises) or column in self.columns.raisable)
        next = -1 if self.relative or not entered else walk.ids[after]
        return Plan(transitions, left & self.leaving, entered & self.entering, done, goes_on, next)

    def initial_plan(self) -> Plan:
        """Entering the initial configuration."""
        initial = self.walk.initial
        done = self.done(0, initial.active)
        goes_on = self._goes_on(initial, initial.active, bool(done or initial.active & self._raising_states))
        return Plan((), 0, initial.active & self.entering, done, goes_on, -1)

    def done(self, active: int, entered: int) -> tuple[tuple[int, int], ...]:
        """Which states are done, in order, as the states `entered` are added to the active ones."""
        if not entered & self.tree.final or not self.columns.done:
            return ()
        found = []
        for state in bits(entered):
            active |= 1 << state
            parent = self.tree.parents[state]
            if not self.tree.final >> state & 1 or parent == ROOT:
                continue
            around = self.tree.parents[parent]
            whole = self.tree.is_parallel(around) and self._is_done(around, active)
            found += [(state, each) for each in (parent, *([around] if whole else [])) if each in self.columns.done]
        return tuple(found)

    def _is_done(self, state: int, active: int) -> bool:
        """Whether a state is in a final state: SCXML's isInFinalState."""
        tree = self.tree
        if tree.is_parallel(state):
            return all(self._is_done(region, active) for region in tree.children[state])
        return any(active >> child & 1 and tree.final >> child & 1 for child in tree.children[state])

    def _goes_on(self, after: Configuration, entered: int, waiting: bool) -> bool:
        """Whether the macrostep is not over: an eventless transition may be enabled, or an internal event wait."""
        if entered & self.tree.ends:
            return False
        always = self.columns.always
        return waiting or (always is not None and bool(after.active & self.columns.trying[always]))

    def enter(self, plan: Plan) -> int:
        """The step that begins a plan."""
        if plan not in self._made:
            step = self.end(plan)
            step = self.entry(plan.entered, plan.done, step)
            for number in reversed(plan.transitions):
                step = self.code.actions(self.tree.transitions[number].actions, step)
            self._made[plan] = self.exit(plan.left, plan.entered, step)
        return self._made[plan]

    def end(self, plan: Plan) -> int:
        """The end of the program: the next configuration."""
        moving = [number for number in plan.transitions if number in self.successors]
        source = self.source(plan.transitions) if plan.goes_on else None
        go, stay = (Opcode.NEXT, Opcode.NEXT_STAY) if plan.goes_on else (Opcode.GO, Opcode.STAY)
        if plan.next >= 0:
            return self.code.end(go, plan.next, Going.ABSOLUTE, source)
        if len(moving) == 1:
            return self.code.end(go, self.successors[moving[0]], Going.SUCCESSOR, source)
        step = self.code.end(stay, source=source)
        for number in reversed(moving):
            step = self.code.follow(self.successors[number], step)
        return step

    def entry(self, entered: int, done: tuple[tuple[int, int], ...], next: int, temporary: int = 0) -> int:
        """Enter states, outermost first: their actions, then their timers, then the states that are done by it."""
        for state in reversed(list(bits(entered))):
            definition = self.tree.states[state]
            for final, finished in reversed(done):
                if final == state:
                    text = f"done of {self.tree.states[finished].name}"
                    next = self.code.raised(self.columns.done[finished], next, Source(text, *definition.place))
            for timer in reversed(self.columns.timers_of.get(state, [])):
                after = timer.trigger is Trigger.AFTER
                text = f"{'after' if after else 'at'} {render_moment(timer.moment)}"
                source = Source(text, *timer.place)
                next = self.code.arm(timer.slot, timer.moment, after, next, source, temporary)
            next = self.code.actions(definition.entry, next, temporary)
        return next

    def exit(self, left: int, entered: int, next: int, temporary: int = 0) -> int:
        """Leave states, innermost and last first: their actions, then their timers, unless another takes the slot."""
        columns = self.columns
        armed = {timer.slot for state in bits(entered) for timer in columns.timers_of.get(state, ())}
        for state in bits(left):
            for timer in reversed(columns.timers_of.get(state, [])):
                if timer.slot not in armed:
                    next = self.code.cancel(timer.slot, next)
            next = self.code.actions(self.tree.states[state].exit, next, temporary)
        return next

    def source(self, transitions: tuple[int, ...]) -> Source:
        """Whom a fault names that comes from going on too long."""
        if not transitions:
            return Source("the start", *self.walk.chart.place)
        transition = self.tree.transitions[transitions[0]]
        return Source(f"the {titled(transition)}", *transition.place)

    def _numbered(self) -> dict[int, int]:
        """Numbers for transitions with targets: those of states that cannot be active together may be the same."""
        moving: dict[int, list[int]] = {}
        for number, targets in enumerate(self.tree.targets):
            if targets:
                moving.setdefault(self.tree.sources[number], []).append(number)
        bases = stacked(self.tree, {state: len(numbers) for state, numbers in moving.items()})
        return {n: base + at for state, base, _ in bases for at, n in enumerate(moving.get(state, []))}


def _raises(actions: Iterable[object]) -> bool:
    """Whether some of these actions may raise an event."""
    return any(
        isinstance(action, Raise) or (isinstance(action, Conditional) and _raises((*action.then, *action.otherwise)))
        for action in actions
    )
