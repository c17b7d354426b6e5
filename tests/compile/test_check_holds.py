"""What `check` says of charts made at random holds on the interpreter, which walks the chart and knows no compiler."""

from __future__ import annotations

import os
from collections import defaultdict
from random import Random
from typing import Any

import pytest

from fsm.compile.configurations import Configuration, Walk
from fsm.compile.rules.check import examine
from fsm.compile.rules.loops import never_empty, never_resting
from fsm.compile.rules.parts import acts
from fsm.compile.rules.reach import Reach
from fsm.compile.tree import bits
from fsm.define.chart import Chart, Raise, Transition
from fsm.layout import Finding, Outcome
from tests.compile.charts import at
from tests.compile.interpreter import Fault, World
from tests.compile.random_charts import random_input
from tests.compile.random_statecharts import NESTED_EVENTS, random_statechart
from tests.compile.scxml import Statechart
from tests.compile.tree import Cause

CHARTS = int(os.environ.get("FSM_CHARTS", "20"))
LIVES, STEPS = 5, 40
FAULTS = (Outcome.OVERFLOW, Outcome.DIVISION, Outcome.BOUND)
CONFIGURATIONS_MAX = 1000

States = frozenset[str]


class Watched:
    """What instances of a chart did; a transition is known by its line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moves: dict[int, list[States]] = defaultdict(list)
        """Of each transition taken, the states that were left and entered in that microstep."""
        self.active: set[States] = set()
        self.rested: set[States] = set()
        self.answers: set[tuple[Outcome, str, States]] = set()
        self.heard: set[str] = set()
        """Raised events that some transition took."""
        self.faults = False
        """Whether the step of some timer faulted, so that a longer one had its turn."""
        raised: dict[int, Cause] = {}
        microstep, select, enqueue = Statechart.microstep, Statechart.select_transitions, Statechart.enqueue

        def watched(instance: Statechart, enabled: list[Transition]) -> None:
            before = len(instance.trace)
            lasting = [self.moves[each.place.line] for each in enabled]
            microstep(instance, enabled)
            self.active.add(frozenset(instance.configuration))
            words = [step.split() for step in instance.trace[before:]]
            left, entered = (frozenset(word[-1] for word in words if word[0] == what) for what in ("leave", "enter"))
            for each in lasting:
                each.append(left & entered)

        def heard(instance: Statechart, cause: Cause) -> list[Transition]:
            found = select(instance, cause)
            if found and id(cause) in raised:
                self.heard.add(cause.name)
            return found

        def queued(instance: Statechart, cause: Cause) -> None:
            raised[id(cause)] = cause  # kept, so that no other has its id
            enqueue(instance, cause)

        monkeypatch.setattr(Statechart, "enqueue", queued)
        monkeypatch.setattr(Statechart, "microstep", watched)
        monkeypatch.setattr(Statechart, "select_transitions", heard)

    def live(self, chart: Chart, random: Random) -> None:
        """One instance, some events and some time."""
        world = World()
        try:
            world.start(chart)
        except Fault:
            return
        instance = world.interpreters[0]
        for _ in range(STEPS):
            self.active.add(frozenset(instance.configuration))
            self.rested.add(frozenset(instance.configuration))
            if random.random() < 0.3:
                world.advance(world.now + random.choice((1, 2, 5, 30)))
                continue
            before = frozenset(instance.configuration)
            given, words = random_input(random, NESTED_EVENTS)
            self.answers.add((world.step(0, given.name, words), given.name, before))
        self.faults |= any(outcome in FAULTS for outcome in world.fired)


def placed(chart: Chart) -> Chart:
    """The chart with a line of its own for each state, transition, ignore, defer and action."""
    lines = iter(range(1000, 100_000))

    def each(parts: Any) -> Any:
        return tuple(part._replace(place=at(next(lines))) for part in parts)

    return chart._replace(
        states=tuple(state._replace(entry=each(state.entry), exit=each(state.exit)) for state in each(chart.states)),
        transitions=tuple(way._replace(actions=each(way.actions)) for way in each(chart.transitions)),
        ignores=each(chart.ignores), defers=each(chart.defers),
    )  # fmt: skip


def never(watched: Watched, chart: Chart, finding: Finding, findings: list[Finding]) -> bool:
    """Whether nothing was seen that a finding says never happens."""
    rule, line = finding.rule, finding.line
    if rule == "unreachable-state":
        name = next(state.name for state in chart.states if state.place.line == line)
        return all(name not in active for active in watched.active)
    if rule in ("shadowed-transition", "never-done"):
        return line not in watched.moves
    if rule == "timer-never-fires":
        return watched.faults or line not in watched.moves
    if rule == "timer-restarts":
        name = finding.message.split(" leaves and enters ")[1].split(",")[0]
        return all(name in again for again in watched.moves[line])
    if rule == "dead-ignore":
        ignore = next(each for each in chart.ignores if each.place.line == line)
        ignored = (found[1:] for found in watched.answers if found[0] is Outcome.IGNORED)
        return not any(event == ignore.event and ignore.source in active for event, active in ignored)
    if rule == "dead-defer":
        defer = next(each for each in chart.defers if each.place.line == line)
        deferred = (found[1:] for found in watched.answers if found[0] in (Outcome.DEFERRED, Outcome.DEFERRAL_FULL))
        return not any(
            event == defer.event and deferrer(chart, event, active) == defer.source for event, active in deferred
        )
    if rule == "unhandled-raise":
        # An event is never heard if all that raise it are reported.
        raising = [action for owner, action in acts(chart) if isinstance(action, Raise)]
        places = {(finding.line, finding.message.split()[0]) for finding in findings if finding.rule == rule}
        event = finding.message.split()[0]
        told = all((action.place.line, event) in places for action in raising if action.event == event)
        return not told or event not in watched.heard
    return True


def deferrer(chart: Chart, event: str, active: States) -> str:
    """The state that defers an event: the innermost, and of those the first of the document."""
    parents = {state.name: state.parent for state in chart.states}
    order = list(parents)

    def depth(name: str | None) -> int:
        return 0 if name is None else 1 + depth(parents[name])

    found = {each.source for each in chart.defers if each.event == event} & active
    return min(found, key=lambda name: (-depth(name), order.index(name)))


def named(walk: Walk) -> dict[Configuration, States]:
    """The active states of each configuration by name."""
    states = walk.tree.states
    return {each: frozenset(states[number].name for number in bits(each.active)) for each in walk.configurations}


@pytest.fixture(params=range(CHARTS))
def seed(request: pytest.FixtureRequest) -> int:
    """Of one random chart; it is the number of the test."""
    return int(request.param)


def test_what_is_reported_never_happens(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """States, transitions and timers that never are, declarations that are dead, events that nobody hears."""
    random = Random(seed)
    chart = placed(random_statechart(random))
    report, walk, _ = examine(chart, CONFIGURATIONS_MAX)
    watched = Watched(monkeypatch)
    for _ in range(LIVES if walk else 0):
        watched.live(chart, random)
    findings = report.findings()
    assert [] == [f"seed {seed}: {finding}" for finding in findings if not never(watched, chart, finding, findings)]
    if walk is None:
        return
    reach = Reach(walk)
    names = named(walk)
    assert watched.active <= {names[each] for each in reach.configurations}
    assert watched.rested <= {names[each] for each in reach.resting}
    assert {*watched.moves} <= {chart.transitions[number].place.line for number in reach.taken}


def test_what_never_ends_is_refused_as_a_fault(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No instance rests where eventless transitions lead on, and no event is accepted that is raised without end."""
    random = Random(seed)
    chart = random_statechart(random)
    _, walk, _ = examine(chart, CONFIGURATIONS_MAX, warnings=False)
    if walk is None:
        return
    watched = Watched(monkeypatch)
    for _ in range(LIVES):
        watched.live(chart, random)
    reach = Reach(walk)
    names = named(walk)
    found = never_resting(reach)
    restless = {configuration for (configuration,) in found}
    endless = {names[each] for each in restless} - {names[each] for each in {*reach.configurations} - restless}
    assert not watched.rested & endless
    waiting = {(names[configuration], waiting) for configuration, waiting in never_empty(reach, found)}
    for outcome, event, active in watched.answers:
        # What histories remember is not seen here, so only what is active once in the walk is told apart.
        if sum(each == active for each in names.values()) == 1:
            column = walk.columns.event_ids[event]
            assert outcome is not Outcome.ACCEPTED or (active, (column,)) not in waiting, f"seed {seed}: {event}"
