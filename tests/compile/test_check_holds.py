"""What `check` says of charts made at random holds on the interpreter, which walks the chart and knows no compiler."""

from __future__ import annotations

import os
from collections import defaultdict
from random import Random
from typing import Any

import pytest

from fsm.compile.check import examine
from fsm.compile.loops import never_empty, never_resting
from fsm.compile.reach import Reach
from fsm.compile.tree import bits
from fsm.define.chart import Chart, Transition
from fsm.layout import Outcome
from tests.compile.charts import at
from tests.compile.interpreter import Fault, World
from tests.compile.random_charts import random_input
from tests.compile.random_statecharts import NESTED_EVENTS, random_statechart
from tests.compile.scxml import Statechart

CHARTS = int(os.environ.get("FSM_CHARTS", "60"))
LIVES, STEPS = 6, 40
FAULTS = (Outcome.OVERFLOW, Outcome.DIVISION, Outcome.BOUND)


class Watched:
    """What instances of a chart did: the transitions taken, by place, and the states that were active together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: set[int] = set()
        self.active: set[frozenset[str]] = set()
        self.rested: set[frozenset[str]] = set()
        self.answers: set[tuple[Outcome, str, frozenset[str]]] = set()
        self.moves: dict[int, list[tuple[frozenset[str], frozenset[str]]]] = defaultdict(list)
        self.faults = False
        """Whether the step of some timer faulted, so that a longer one had its turn."""
        microstep = Statechart.microstep

        def watched(instance: Statechart, enabled: list[Transition]) -> None:
            before = len(instance.trace)
            self.taken |= {each.place.line for each in enabled}
            microstep(instance, enabled)
            self.active.add(frozenset(instance.configuration))
            words = [step.split() for step in instance.trace[before:]]
            left, entered = (frozenset(word[-1] for word in words if word[0] == what) for what in ("leave", "enter"))
            for each in enabled:
                self.moves[each.place.line].append((left, entered))

        monkeypatch.setattr(Statechart, "microstep", watched)

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
    """The chart with a line of its own for each state, transition, ignore and defer."""
    lines = iter(range(1000, 100_000))

    def each(parts: Any) -> Any:
        return tuple(part._replace(place=at(next(lines))) for part in parts)

    return chart._replace(
        states=each(chart.states), transitions=each(chart.transitions), ignores=each(chart.ignores),
        defers=each(chart.defers),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(CHARTS))
def test_what_is_reported_never_happens(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """States that are unreachable, transitions that are never taken, declarations that are dead; and what never ends."""
    random = Random(seed)
    chart = placed(random_statechart(random))
    report, walk, _ = examine(chart, 2000)
    if walk is None:
        return
    watched = Watched(monkeypatch)
    for _ in range(LIVES):
        watched.live(chart, random)
    seen = frozenset[str]().union(*watched.active)
    states = {state.place.line: state.name for state in chart.states}
    declared = {each.place.line: each for each in (*chart.ignores, *chart.defers)}
    depths = {name: len(list(walk.tree.ancestors(number))) for name, number in walk.tree.ids.items()}
    for finding in report.findings():
        line, where = finding.line, f"seed {seed}: {finding}"
        if finding.rule == "unreachable-state":
            assert states[line] not in seen, where
        elif finding.rule in ("shadowed-transition", "never-done"):
            assert line not in watched.taken, where
        elif finding.rule == "timer-never-fires":
            assert watched.faults or line not in watched.taken, where
        elif finding.rule == "timer-restarts":
            name = finding.message.split(" leaves and enters ")[1].split(",")[0]
            assert all(name in left & entered for left, entered in watched.moves[line]), where
        elif finding.rule == "dead-ignore":
            source, event, _ = declared[line]
            assert not any((Outcome.IGNORED, event) == each[:2] and source in each[2] for each in watched.answers), (
                where
            )
        elif finding.rule == "dead-defer":
            source, event, *_ = declared[line]
            for outcome, name, active in watched.answers:
                if name == event and outcome in (Outcome.DEFERRED, Outcome.DEFERRAL_FULL) and source in active:
                    others = {each.source for each in chart.defers if each.event == event} & active
                    order = sorted(others, key=lambda each: (-depths[each], walk.tree.ids[each]))
                    assert source != order[0], where
    reach = Reach(walk)
    names = {
        each: frozenset(walk.tree.states[state].name for state in bits(each.active)) for each in walk.configurations
    }
    assert watched.active <= {names[each] for each in reach.configurations}
    assert watched.rested <= {names[each] for each in reach.resting}
    taken = {chart.transitions[number].place.line for number in reach.taken}
    assert watched.taken <= taken
    restless = {configuration for (configuration,) in never_resting(reach)}
    endless = {names[each] for each in restless} - {names[each] for each in {*reach.configurations} - restless}
    assert not watched.rested & endless
    waiting = {(names[configuration], waiting) for configuration, waiting in never_empty(reach, never_resting(reach))}
    for outcome, event, active in watched.answers:
        if sum(each == active for each in names.values()) == 1:
            column = walk.columns.event_ids[event]
            assert outcome is not Outcome.ACCEPTED or (active, (column,)) not in waiting, f"seed {seed}: {event}"
