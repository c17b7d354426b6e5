"""Small statecharts for tests of the interpreter, and how they are driven.

nested(on("c1", "Go", to="d2")) ──▶ Interpreter ──go(instance, "Go")──▶ Outcome
"""

from __future__ import annotations

from typing import Any

from fsm.define.chart import Chart, StateKind
from fsm.layout import Outcome
from tests.compile.charts import (
    after,
    always,
    apply,
    compound,
    constant,
    defer,
    equal,
    field,
    history,
    less,
    on,
    on_any,
    on_done,
    parallel,
    raise_,
    set_,
    small_chart,
    state,
    when_due,
)
from tests.compile.interpreter import Interpreter, World

N = field("n")
NOTHING = (0,) * 6
"""The words of an event without arguments."""
NO = equal(constant(0), constant(1))
DIVIDED = equal(apply("modulo", constant(1), N), constant(0))
"""A guard that faults while n is 0."""
COUNT = set_("n", apply("add", N, constant(1)), text="count")


def go(interpreter: Interpreter, *events: str) -> Outcome:
    """The outcome of the last of some events without arguments."""
    return [interpreter.step(event, NOTHING) for event in events][-1]


def nested(*transitions: Any, **more: Any) -> Interpreter:
    """a, and c with c1, c2 and d inside, d with d1 and d2; started in c1."""
    d = compound("d", state("d1", initial=True), state("d2"))
    c = compound("c", state("c1", initial=True), state("c2"), d, initial=True)
    return Interpreter(small_chart([c, state("a")], *transitions, **more))


def regions(*transitions: Any, **more: Any) -> Interpreter:
    """p with regions r (r1, r2) and s (s1, s2), and x beside it."""
    r = compound("r", state("r1", initial=True), state("r2"))
    s = compound("s", state("s1", initial=True), state("s2"))
    return Interpreter(small_chart([parallel("p", r, s, initial=True), state("x")], *transitions, **more))


def two(*transitions: Any, **more: Any) -> Any:
    """A chart of a, which is initial, and b."""
    return small_chart([state("a", initial=True), state("b")], *transitions, **more)


def started(chart: Any, now: int = 0, **words: int) -> tuple[World, Interpreter]:
    """A world at a time, and the only instance in it, with words of its fields."""
    world = World(now)
    world.start(chart, {name: (word,) for name, word in words.items()})
    return world, world.interpreters[0]


def whole() -> Chart:
    """A little of everything: regions, history, timers, deferral, raised events, eventless transitions."""
    left = compound("left", state("l1", initial=True, exit=(COUNT,)), state("l2", StateKind.FINAL))
    right = compound("right", state("r1", initial=True), state("r2", StateKind.FINAL, entry=(COUNT,)), history("back"))
    states = [
        state("idle", initial=True), parallel("work", left, right), state("done", StateKind.FINAL), state("stopped"),
    ]  # fmt: skip
    more = less(field("n"), constant(5))
    return small_chart(
        states,
        on("idle", "Go", do=(COUNT,), to="work"),
        after("work", field("wait"), to="stopped"),
        on("work", "Stop", to="stopped"),
        on_done("work", to="done"),
        on("l1", "Go", more, (raise_("Back"),), "l2"),
        on("r1", "Go", more, to="r2"),
        on("r1", "Back", equal(field("n"), constant(2)), (COUNT,)),
        when_due("r1", "due", to="r2"),
        on("stopped", "Go", to="back"),
        always("stopped", less(constant(9), field("n")), to="done"),
        on_any("stopped", less(constant(7), field("n")), do=(COUNT,), to="idle"),
        defers=[defer("idle", "Stop", 2)],
    )
