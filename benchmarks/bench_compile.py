"""What does compiling a large statechart cost, and what of it costs what?

Measured: seconds from a chart to tables, and its parts (check, walk, cells and code, tables), for 500 states with
20 000 configurations: three regions that multiply, and a long flat part. Beside it, as a floor, one pass over all cells
that makes a tuple and looks it up: what any program in Python must do at the least. Not measured: reading the class
body. Estimated beforehand: 40 times the floor, half of it the walk.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fsm.compile import check, compile
from fsm.compile.cells import lower
from fsm.compile.configurations import Walk
from fsm.compile.emit import emit
from fsm.define.chart import (
    Argument,
    Chart,
    Event,
    Field,
    FieldKind,
    Place,
    Set,
    State,
    StateKind,
    Term,
    Transition,
    Trigger,
    Type,
)

HERE = Place("bench_compile.py", 1)
INTEGER, BOOLEAN = Type(FieldKind.INTEGER), Type(FieldKind.BOOLEAN)
MANY = 30_000


def large(regions: int = 3, inside: int = 27, beside: int = 415, events: int = 12) -> Chart:
    """`inside` ** `regions` configurations that multiply, and a chain of `beside` states behind them."""
    names = [f"Event{number}" for number in range(events)]
    states = [State("work", StateKind.PARALLEL, True, None, HERE)]
    for region in range(regions):
        states.append(State(f"region_{region}", StateKind.COMPOUND, False, "work", HERE))
        states += [
            State(f"s{region}_{at}", StateKind.ATOMIC, at == 0, f"region_{region}", HERE) for at in range(inside)
        ]
    states += [State(f"chain_{at}", StateKind.ATOMIC, False, None, HERE) for at in range(beside - 1)]
    states.append(State("end", StateKind.FINAL, False, None, HERE))
    transitions = [_transition("work", names[-1], "chain_0", 0)]
    for region in range(regions):
        for at in range(inside):
            transitions += [
                _transition(f"s{region}_{at}", names[(at + region + step) % (events - 1)],
                            f"s{region}_{(at + 1 + step) % inside}", region)
                for step in range(2)
            ]  # fmt: skip
    for at in range(beside - 1):
        target = f"chain_{at + 1}" if at + 2 < beside else "end"
        transitions.append(_transition(f"chain_{at}", names[at % events], target, 0))
    fields = [Field(f"count_{region}", INTEGER, 0, HERE) for region in range(regions)]
    made = [Event(name, (Argument("amount", INTEGER, 0),), HERE) for name in names]
    return Chart("Large", "", tuple(fields), tuple(made), tuple(states), tuple(transitions), (), HERE)


def _transition(source: str, event: str, target: str, region: int) -> Transition:
    amount, count = Term("argument", INTEGER, (), (event, "amount")), Term("field", INTEGER, (), f"count_{region}")
    guard = Term("less", BOOLEAN, (count, amount))
    action = Set(f"count_{region}", amount, f"count_{region}.set({event}.amount)", HERE)
    return Transition(source, Trigger.EVENT, event, guard, (action,), (target,), HERE)


def bench_compile_500_states_and_20_000_configurations(
    beside: Callable[..., float], parts: Callable[[str, dict[str, float]], None]
) -> None:
    """From chart to tables. Aim: under 10 s; the ratio says how much of it is more than touching every cell."""
    chart = large()
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        begin = time.perf_counter()
        done = work()
        seconds[name] = time.perf_counter() - begin
        return done

    walk = timed("walk", lambda: Walk(chart, MANY))
    assert isinstance(walk, Walk)
    program = timed("cells and code", lambda: lower(walk))
    timed("tables", lambda: emit(program))  # type: ignore[arg-type]
    timed("check, all of it", lambda: check(chart, configurations_max=MANY))
    cells = len(walk.configurations) * walk.columns.count
    assert (500, True) == (len(chart.states), len(walk.configurations) >= 20_000)

    def floor() -> None:
        seen: dict[tuple[int, int], int] = {}
        for configuration in range(len(walk.configurations)):
            for column in range(walk.columns.count):
                key = (configuration, column)
                if key not in seen:
                    seen[key] = column

    beside(
        lambda: compile(chart, configurations_max=MANY), floor, count=cells, rounds=2,
        floor_name="a dict entry a cell", aim="10 s",
    )  # fmt: skip
    parts(f"{len(walk.configurations)} configurations, {cells} cells", seconds)
