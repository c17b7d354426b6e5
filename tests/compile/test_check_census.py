"""How many configurations a flow has, what multiplies them, and what `check` says of too many."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import fsm
from fsm.compile import check, configurations, survey
from fsm.compile.rules.reach import Reach
from fsm.define.chart import Chart, StateKind
from tests.compile.charts import compound, constant, field, history, less, on, parallel, small_chart, state
from tests.compile.checking import told

FINAL = state("z", StateKind.FINAL)
SOME = less(field("n"), constant(3))


def ring(name: str, size: int, event: str) -> tuple[list[Any], list[Any]]:
    """A region that goes round, and its transitions."""
    names = [f"{name}s{number}" for number in range(size)]
    ways = [on(one, event, to=other) for one, other in pairwise([*names, names[0]])]
    return compound(name, *(state(each, initial=each == names[0]) for each in names)), ways


def rings(*sizes: int, more: Any = (), apart: bool = True) -> Chart:
    """A parallel state p with regions r0, r1, ... of these sizes, each with an event of its own or all with one."""
    made = [ring(f"r{at}", size, f"E{at if apart else 0}") for at, size in enumerate(sizes)]
    ways = [way for _, each in made for way in each]
    events = " ".join(f"E{at}" for at in range(len(sizes)))
    p = parallel("p", *(region for region, _ in made), *more, initial=True)
    return small_chart([p, FINAL], *ways, on("p", "Stop", to="z"), events=f"{events} Stop")


def test_a_flat_flow_has_as_many_configurations_as_states() -> None:
    """Nothing multiplies them."""
    census = survey(small_chart([state("a", initial=True), FINAL], on("a", "Go", to="z"))).census
    assert census is not None
    assert (2, True, 2, ()) == census
    assert "2 configurations" == str(census)


def test_regions_multiply_and_are_named_the_largest_first() -> None:
    """The walk finds what comes about; the product is of what could."""
    census = survey(rings(2, 5, 3)).census
    assert census is not None
    assert (31, True, 31) == census[:3]
    assert [("r1", 5, "p"), ("r2", 3, "p"), ("r0", 2, "p")] == [part[:3] for part in census.parts]
    text = "31 configurations of 31 combinations (region r1 of p 5, region r2 of p 3, region r0 of p 2)"
    assert text == str(census)
    together = survey(rings(2, 2, apart=False)).census
    assert together is not None
    assert (3, True, 5) == together[:3]


def test_a_parallel_state_inside_a_region_multiplies_inside_it() -> None:
    """A compound state has the sum of what is inside, a parallel one the product."""
    inner = parallel("q", compound("x", state("x1", initial=True), state("x2")),
                     compound("y", state("y1", initial=True), state("y2")))  # fmt: skip
    outer = compound("o", inner, state("o2", initial=True))
    flow = small_chart([parallel("p", outer, state("s"), initial=True), FINAL], on("o2", "Go", to="q"),
                       on("p", "Stop", to="z"))  # fmt: skip
    census = survey(flow).census
    assert census is not None
    assert [("o", 5), ("x", 2), ("y", 2)] == [part[:2] for part in census.parts]
    assert 6 == census.combinations


@pytest.mark.parametrize(
    ("made", "size"), [(history("h"), 3), (history("h", deep=True), 4), (history("h", initial=True, default="c1"), 3)]
)
def test_a_history_multiplies_by_what_it_may_remember(made: Any, size: int) -> None:
    """Nothing, or one of the children; deep, anything inside."""
    d = compound("d", state("d1", initial=True), state("d2"))
    first = not made.initial
    c = compound("c", state("c1", initial=first), d, made, initial=True)
    flow = small_chart([c, state("a"), FINAL], on("c1", "Go", to="d"), on("d1", "Go", to="d2"), on("d2", "Go", to="c1"),
                       on("c", "Stop", to="a"), on("a", "Go", to="h"), on("a", "Back", to="z"))  # fmt: skip
    census = survey(flow).census
    assert census is not None
    assert [("h", size, "c", True)] == [tuple(part) for part in census.parts]
    assert f"history h of c {size}" in str(census)


def test_too_many_configurations_are_told_with_what_multiplies_them() -> None:
    """Regions and histories in order, so that the reader knows where to begin."""
    flow = rings(9, 10, 11, 12)
    message = told(flow, "too-many-configurations")
    assert "The flow has more than 4096 configurations." in message
    assert "What multiplies them: region r3 of p 12, region r2 of p 11, region r1 of p 10, region r0 of p 9." in message
    census = survey(flow).census
    assert census is not None
    assert (4096, False, 9 * 10 * 11 * 12 + 1) == census[:3]
    assert str(census).startswith("more than 4096 configurations of 11881 combinations (region r3 of p 12, ")


def test_ten_of_many_regions_are_named() -> None:
    """The others are counted."""
    message = told(rings(*[2] * 40), "too-many-configurations")
    assert 10 == message.count("region r")
    assert ", 30 more." in message
    assert "of more than 1000000000000 combinations" in str(survey(rings(*[2] * 41)).census)


@pytest.mark.parametrize("apart", [True, False])
def test_a_walk_ends_where_there_are_too_many(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2 to the 60 configurations it looks at little more than are allowed, decided one by one or all at once."""
    made: list[None] = []
    monkeypatch.setattr(configurations.Walk, "_after", counted(configurations.Walk._after, made))
    flow = rings(*[2] * 60, apart=apart)
    guarded = flow._replace(transitions=tuple(each._replace(guard=SOME) for each in flow.transitions))
    assert ["too-many-configurations"] == [finding.rule for finding in check(guarded, configurations_max=100)]
    assert len(made) < 100 * 100


def counted(function: Any, calls: list[None]) -> Any:
    """The function, which notes each call."""

    def noting(*arguments: Any) -> Any:
        calls.append(None)
        return function(*arguments)

    return noting


def test_many_configurations_are_grouped_before_they_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried in a column is decided once for all configurations that try the same there."""
    asked: list[None] = []
    monkeypatch.setattr(Reach, "may_take", counted(Reach.may_take, asked))
    flow = rings(6, 6, 6, 6)
    census = survey(flow).census
    assert census is not None
    assert 1297 == census.configurations
    assert len(asked) < 500


def test_a_flow_that_cannot_be_walked_has_no_census() -> None:
    """Its findings say why."""
    findings, census = survey(small_chart([state("a")]))
    assert (None, ["no-initial-state"]) == (census, [finding.rule for finding in findings])


def test_a_survey_has_the_findings_of_check() -> None:
    """Of one walk."""

    class Breaker(fsm.Flow):
        class Trip(fsm.Event):
            pass

        closed = fsm.State(initial=True)
        open = fsm.State()
        closed.on(Trip, to=open)
        open.on(Trip, to=closed)

    findings, census = survey(Breaker)
    assert [str(finding) for finding in fsm.check(Breaker)] == [str(finding) for finding in findings]
    assert "2 configurations" == str(census)
