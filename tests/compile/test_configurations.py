"""The walk of configurations: what multiplies, what does not, and code that grows with the sum of the regions."""

from __future__ import annotations

import pytest

from fsm.compile import compile
from fsm.compile.cells import Program, lower
from fsm.compile.configurations import TooMany, Walk
from fsm.compile.tree import bits
from fsm.define.chart import Chart, StateKind, Transition
from tests.compile.charts import (
    INTEGER,
    argument,
    chart,
    compound,
    event,
    history,
    less,
    limit_order,
    on,
    parallel,
    small_chart,
    state,
)
from tests.compile.charts import constant as number

MANY = 10_000


def names(walk: Walk) -> list[tuple[str, ...]]:
    """The atomic states of each configuration, by id."""
    states = walk.tree.states
    return [tuple(states[each].name for each in bits(found.active & walk.tree.atomic)) for found in walk.configurations]


def regions(count: int, *, apart: bool = True) -> Chart:
    """So many regions of two states; one event moves each of them to and fro, under a guard of each state's own."""
    inner, transitions = [], []
    for at in range(count):
        inner.append(compound(f"r{at}", state(f"a{at}", initial=True), state(f"b{at}")))
        for step, (source, target) in enumerate((("a", "b"), ("b", "a"))):
            limit = number(2 * at + step) if apart else number(0)
            transitions.append(on(f"{source}{at}", "Go", less(limit, argument("Go", "x")), to=f"{target}{at}"))
    return chart(
        states=[parallel("p", *inner, initial=True)], events=[event("Go", ("x", INTEGER))], transitions=transitions
    )


def instructions(flow: Chart) -> int:
    return len(lowered(flow).assembly.code)


def lowered(flow: Chart) -> Program:
    return lower(Walk(flow, MANY))


def test_the_configurations_of_a_flat_flow_are_its_states() -> None:
    """In document order, so that the id of a configuration is that of its state."""
    walk = Walk(limit_order(), MANY)
    assert [(each.name,) for each in walk.tree.states] == names(walk)
    assert 0 == walk.ids[walk.initial]


def test_regions_multiply() -> None:
    """Two regions of two states each are four configurations, and the first is where an instance begins."""
    walk = Walk(regions(2), MANY)
    assert [("a0", "a1"), ("a0", "b1"), ("b0", "a1"), ("b0", "b1")] == names(walk)


def test_regions_that_always_move_together_do_not_multiply() -> None:
    """Without guards both go at once: what lies between is passed through, and no instance rests there."""
    left = compound("r", state("r1", initial=True), state("r2"))
    right = compound("s", state("s1", initial=True), state("s2"))
    flow = small_chart(
        [parallel("p", left, right, initial=True)],
        on("r1", "Go", to="r2"), on("r2", "Go", to="r1"), on("s1", "Go", to="s2"), on("s2", "Go", to="s1"),
    )  # fmt: skip
    walk = Walk(flow, MANY)
    assert [("r1", "s1"), ("r2", "s2")] == names(walk)
    assert len(walk.ids) > len(walk.configurations)


def test_guards_that_exclude_each_other_do_not_multiply() -> None:
    """One of two regions moves in a step, never both."""
    left = compound("r", state("r1", initial=True), state("r2", StateKind.FINAL))
    right = compound("s", state("s1", initial=True), state("s2", StateKind.FINAL))
    x = argument("Go", "x")
    flow = chart(
        states=[parallel("p", left, right, initial=True), state("z", StateKind.FINAL)],
        events=[event("Go", ("x", INTEGER)), event("Stop")],
        transitions=[
            on("r1", "Go", less(x, number(0)), to="r2"),
            on("s1", "Go", less(number(0), x), to="s2"),
            on("r2", "Go", to="r2"),
            on("s2", "Go", to="s2"),
            on("p", "Stop", to="z"),
        ],
    )
    assert ("r2", "s2") in names(Walk(flow, MANY))  # one after the other
    walk = Walk(flow, MANY)
    assert ("r2", "s2") not in {names(walk)[walk.ids[each]] for each in walk.reached(walk.initial, 0)}


def remembering(*transitions: Transition) -> list[tuple[str, ...]]:
    """c with c1 and c2 and a history of it, x and y outside."""
    c = compound("c", state("c1", initial=True), state("c2"), history("h"), initial=True)
    flow = small_chart([c, state("x"), state("y", StateKind.FINAL)], on("c1", "Go", to="c2"), *transitions)
    return names(Walk(flow, MANY))


def test_what_a_history_remembers_multiplies_where_it_can_be_asked_for() -> None:
    """Outside there are as many configurations as there is to remember."""
    assert 2 == remembering(on("c", "Stop", to="x"), on("x", "Back", to="h")).count(("x",))


def test_what_a_history_remembers_is_forgotten_where_nobody_can_ask() -> None:
    """From y there is no way to the history: it is one configuration."""
    found = remembering(on("c", "Stop", to="x"), on("x", "Back", to="h"), on("x", "Go", to="y"))
    assert (2, 1) == (found.count(("x",)), found.count(("y",)))


def test_a_history_that_nothing_goes_to_costs_nothing() -> None:
    """It is declared, and makes no difference."""
    assert 1 == remembering(on("c", "Stop", to="x")).count(("x",))


def test_too_many_configurations_end_the_walk_early() -> None:
    """Forty regions of two states are 2**40 configurations: nobody waits for them."""
    with pytest.raises(TooMany):
        Walk(regions(40), 500)


@pytest.mark.parametrize("apart", [True, False])
def test_code_grows_with_the_sum_of_the_regions(apart: bool) -> None:
    """Per region, and per configuration where guards differ; multiplied out it would be 3**n leaves."""
    sizes = {count: instructions(regions(count, apart=apart)) for count in (4, 6, 8)}
    for count, size in sizes.items():
        bound = 12 * count if not apart else 12 * count * 2**count
        assert size < bound, sizes
    assert sizes[8] < 3**8 * 4


def test_the_members_of_a_parallel_state_share_their_programs() -> None:
    """What one region does is written once, whatever the others do: 3**5 configurations, and code for 15 states."""
    inner = [compound(f"r{at}", state(f"a{at}", initial=True), state(f"b{at}"), state(f"c{at}")) for at in range(5)]
    transitions = [
        on(source, f"Go{at}", less(number(at), argument(f"Go{at}", "x")), to=target)
        for at in range(5)
        for source, target in ((f"a{at}", f"b{at}"), (f"b{at}", f"c{at}"), (f"c{at}", f"a{at}"))
    ]
    flow = chart(
        states=[parallel("p", *inner, initial=True)],
        events=[event(f"Go{at}", ("x", INTEGER)) for at in range(5)],
        transitions=transitions,
        waivers=(("no-final-state", "it goes round"),),
    )
    tables = compile(flow)
    assert 3**5 == tables.configuration_count
    assert len(tables.code) <= 3 * 15
