"""Where a state stands: inside the `with` block it was made in, in document order, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.define import Event, Flow, History, Integer, Parallel, Region, State, chart_of
from fsm.define.chart import Chart
from fsm.errors import DefinitionError
from fsm.layout import StateKind
from tests.define.flows import Trade, line_here, problems, rules


class Settlement(Flow):
    """Securities against cash, each leg in a region of its own."""

    quantity = Integer()

    class Matched(Event):
        pass

    class Deliver(Event):
        quantity: Integer = Integer()

    instructed = State(initial=True)
    with Parallel() as settling:
        with Region(waive={"no-way-out": "an example"}) as securities:
            reserved = State(initial=True)
            delivered = State(final=True)
        with Region() as cash:
            with State(initial=True) as blocking:
                line = line_here()
                asked = State(initial=True)
                blocked = State()
            paid = State(final=True)
            where = History()
        alone = Region()
        everywhere = History(deep=True, default=blocked)
    settled = State(final=True)
    with State() as held:
        last = State(initial=True)
    quarantined = State(poison=True)

    blocked.on(Matched, to=paid)
    instructed.on(Matched, to=settling)
    settling.on(Matched, to=held)
    reserved.on(Deliver, when=Deliver.quantity == quantity, to=delivered)
    settling.on_done(to=settled)


def tree_of(flow: Any) -> dict[str, str | None]:
    """Each state and its parent, in document order."""
    return {state.name: state.parent for state in chart_of(flow).states}


def made(**members: Any) -> type:
    """A flow of members that a program made."""
    return type(Flow)("Made", (Flow,), members)


def test_a_state_is_a_child_of_the_block_it_is_made_in() -> None:
    """And stands right after its parent, before whatever follows that."""
    assert tree_of(Settlement) == {
        "instructed": None,
        "settling": None,
        "securities": "settling",
        "reserved": "securities",
        "delivered": "securities",
        "cash": "settling",
        "blocking": "cash",
        "asked": "blocking",
        "blocked": "blocking",
        "paid": "cash",
        "where": "cash",
        "alone": "settling",
        "everywhere": "settling",
        "settled": None,
        "held": None,
        "last": "held",
        "quarantined": None,
    }
    assert list(tree_of(Settlement))[:5] == ["instructed", "settling", "securities", "reserved", "delivered"]


def test_states_with_children_have_kinds_of_their_own() -> None:
    """A region is a compound state, or an atomic one; a history is shallow or deep."""
    kinds = {state.name: state.kind for state in chart_of(Settlement).states}
    assert kinds["settling"] is StateKind.PARALLEL
    assert (kinds["cash"], kinds["alone"], kinds["blocking"]) == (
        StateKind.COMPOUND,
        StateKind.ATOMIC,
        StateKind.COMPOUND,
    )
    assert (kinds["where"], kinds["everywhere"]) == (StateKind.HISTORY_SHALLOW, StateKind.HISTORY_DEEP)
    assert (kinds["paid"], kinds["quarantined"], kinds["asked"]) == (
        StateKind.FINAL,
        StateKind.POISON,
        StateKind.ATOMIC,
    )


def test_a_nested_state_keeps_its_place_its_waivers_and_its_default() -> None:
    """As one at the top does."""
    states = {state.name: state for state in chart_of(Settlement).states}
    assert (states["asked"].place.file, states["asked"].place.line) == (__file__, Settlement.line + 1)
    assert states["securities"].waivers == (("no-way-out", "an example"),)
    assert (states["where"].default, states["everywhere"].default) == (None, "blocked")
    assert [name for name, state in states.items() if state.initial] == [
        "instructed", "reserved", "blocking", "asked", "last",
    ]  # fmt: skip


def test_transitions_stand_in_the_order_of_their_source_states() -> None:
    """Not in the order of their declaration."""
    assert [(t.source, *t.targets) for t in chart_of(Settlement).transitions] == [
        ("instructed", "settling"),
        ("settling", "held"),
        ("settling", "settled"),
        ("reserved", "delivered"),
        ("blocked", "paid"),
    ]


def test_a_with_block_gives_the_state_itself() -> None:
    """So that `as` binds what was made, and its name is known in the end."""
    assert isinstance(Settlement.settling, Parallel)
    assert isinstance(Settlement.cash, Region)
    assert (Settlement.settling.name, Settlement.everywhere.name) == ("settling", "everywhere")
    assert repr(Settlement.everywhere) == "<History everywhere>"


def test_a_block_can_be_opened_again() -> None:
    """What is made there is added; siblings stand together all the same."""

    class Again(Flow):
        with State(initial=True) as first:
            a = State(initial=True)
        second = State()
        with first:
            b = State()
            with a as same:
                c = State(initial=True)
        with c:
            d = State(initial=True)

    assert list(tree_of(Again).items()) == [
        ("first", None), ("a", "first"), ("c", "a"), ("d", "c"), ("b", "first"), ("second", None),
    ]  # fmt: skip


def test_an_error_inside_a_block_closes_it() -> None:
    """Whoever catches it goes on outside of the state."""

    class Caught(Flow):
        try:
            with State(initial=True) as outer:
                inner = State(initial=True)
                raise KeyError
        except KeyError:
            pass
        after = State()

    assert tree_of(Caught) == {"outer": None, "inner": "outer", "after": None}


@contextmanager
def leg() -> Iterator[Any]:
    """A block that somebody else opens and closes."""
    with Region() as region:
        yield region


def pair() -> tuple[State, State]:
    """Two states that a function makes."""
    return State(initial=True), State(final=True)


def test_what_a_function_makes_is_inside_the_block_that_called_it() -> None:
    """A helper, a context manager and an ExitStack are no frontiers."""

    class Helped(Flow):
        with Parallel(initial=True) as both:
            with leg() as left:
                one, two = pair()
            with ExitStack() as stack:
                right = stack.enter_context(Region())
                three = State(initial=True)
            with Region() as more:
                four, five = [State(initial=not number) for number in range(2)]
        over = State(final=True)

    parents = {"left": "both", "one": "left", "two": "left", "right": "both", "three": "right"}
    assert tree_of(Helped) == {"both": None, **parents, "more": "both", "four": "more", "five": "more", "over": None}


def test_a_program_can_nest_without_a_class_body() -> None:
    """Members first, the class after: the order is that of the names, and the nesting that of the blocks."""
    with State(initial=True) as outer:
        first, second = State(initial=True), State()
    last = State()
    assert tree_of(made(last=last, second=second, outer=outer, first=first)) == {
        "last": None,
        "outer": None,
        "second": "outer",
        "first": "outer",
    }


def test_threads_nest_each_for_itself() -> None:
    """The block that one thread has open is nothing to another."""
    others: list[State] = []
    with State() as outer:
        thread = threading.Thread(target=lambda: others.append(State()))
        thread.start()
        thread.join()
        inner = State()
    assert tree_of(made(outer=outer, inner=inner, other=others[0])) == {"outer": None, "inner": "outer", "other": None}


def test_a_flow_in_a_block_of_another_begins_at_its_own_top() -> None:
    """Each class body has its own blocks."""
    inner: list[Any] = []

    class Outer(Flow):
        with State(initial=True) as outer:

            class _Inner(Flow):
                with State(initial=True) as own:
                    deep = State(initial=True)

            inner.append(_Inner)
            nested = State(initial=True)

    assert tree_of(inner[0]) == {"own": None, "deep": "own"}
    assert tree_of(Outer) == {"outer": None, "nested": "outer"}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_any_tree_stands_in_preorder(choices: list[int]) -> None:
    """State n is a child of the top, or of one before it; a model by recursion gives the same order."""
    states: list[State] = []
    parents: list[int] = []
    for number, choice in enumerate(choices):
        parent = choice % (number + 1) - 1
        parents.append(parent)
        with ExitStack() as stack:
            if parent >= 0:
                stack.enter_context(states[parent])
            states.append(State())

    def walk(parent: int) -> Iterator[tuple[str, str | None]]:
        for number, of in enumerate(parents):
            if of == parent:
                yield f"s{number}", None if parent < 0 else f"s{parent}"
                yield from walk(number)

    flow = made(**{f"s{number}": state for number, state in enumerate(states)})
    assert list(walk(-1)) == list(tree_of(flow).items())


def test_a_tree_may_be_deep() -> None:
    """Nobody walks it by recursion."""
    states = [State()]
    for _ in range(2_000):
        with states[-1]:
            states.append(State())
    flow = made(**{f"s{number}": state for number, state in enumerate(states)})
    assert list(tree_of(flow)) == [f"s{number}" for number in range(2_001)]


def test_a_block_without_a_name_is_an_unnamed_state() -> None:
    """Used or not, with children or without, in a class body or made by a program."""

    def write() -> None:
        class Nameless(Flow):
            new = State(initial=True)
            with State():
                inner = State(initial=True)
            with Parallel() as both:
                Region()
                History()

    lost = made_nameless_parent()
    assert rules(write) == ["unnamed-state"] * 3
    assert rules(lambda: made(inner=lost)) == ["unnamed-state"]
    with State() as outer:
        State()
    assert rules(lambda: made(outer=outer)) == ["unnamed-state"]


def test_states_that_a_function_makes_and_nobody_names_are_found() -> None:
    """In a comprehension and in a helper; a whole flow that is made on the way has names of its own."""

    def write() -> None:
        class Careless(Flow):
            new = State(initial=True)
            count = len([State() for _ in range(2)])
            pair()
            whole = chart_of(made(new=State(initial=True))).name
            with State() as outer:
                first, *_ = [State(initial=True), State()]

    assert rules(write) == ["unnamed-state"] * 3


def made_nameless_parent() -> State:
    """A state whose parent nobody can name."""
    with State():
        return State()


def test_names_of_nested_states_share_one_scope() -> None:
    """Two regions that use one name lose a state, and it is found."""

    def write() -> None:
        class Twice(Flow):
            with Parallel(initial=True) as both:
                with Region() as left:
                    start = State(initial=True)
                with Region() as right:
                    start = State(initial=True)
                    with start:
                        start = State(initial=True)

    assert rules(write) == ["name-twice", "name-twice"]


def test_hidden_parents_make_no_circle() -> None:
    """Two names that each hide the parent of the other: an error, and an end."""

    def write() -> None:
        class Circle(Flow):
            loose = (State(),)
            with loose[0]:
                b = State(initial=True)
            with State() as b:
                a = State(initial=True)
            a = loose[0]
            b.on_done(to=a)

    assert rules(write).count("name-twice") == 2


def test_a_state_is_named_where_it_is_made() -> None:
    """A state from outside is no child of the block it is named in, and looks like one."""

    def write() -> None:
        class Borrowed(Flow):
            loose = (State(), State(), State())
            with State(initial=True) as outer:
                first = loose[0]
                with State(initial=True) as inner:
                    again = outer
                    same = first
            second = loose[1]
            with State() as third:
                fourth = State(initial=True)
                alias = second
            with loose[2] as fifth:
                sixth = State(initial=True)

    (finding,) = problems(write)
    assert (finding.rule, "'first'" in finding.message) == ("nesting", True)


def test_a_block_stands_in_no_strange_block() -> None:
    """A state that was made elsewhere does not move into the block that it is opened in, nor into itself."""

    def write() -> None:
        class Strange(Flow):
            first = State(initial=True)
            with State() as second, first:
                a = State(initial=True)
            with second, second:
                b = State(initial=True)
            third = State()

    found = problems(write)
    assert [finding.rule for finding in found] == ["nesting", "nesting"]
    assert found[0].line == found[1].line - 2


def test_a_group_has_nothing_inside() -> None:
    """It is a way to write, and no state."""

    def write() -> None:
        class Grouped(Flow):
            a = State(initial=True)
            b = State()
            with a | b:  # type: ignore[attr-defined]
                c = State()

    assert rules(write) == ["nesting"]


def test_a_complete_flow_takes_no_more_states() -> None:
    """Its states are not opened again, in a class body or outside."""

    def write() -> None:
        class Late(Flow):
            new = State(initial=True)
            with Trade.open:
                inner = State()

    (finding,) = problems(write)
    assert (finding.rule, "Trade" in finding.message) == ("flow-complete", True)
    assert rules(lambda: Trade.done.__enter__()) == ["flow-complete"]
    assert tree_of(made(new=State(initial=True))) == {"new": None}


def test_a_state_of_another_flow_is_no_parent() -> None:
    """Not even while that other flow is not complete: each misses what the other has."""

    def write() -> None:
        class Outer(Flow):
            mine = State(initial=True)
            theirs = mine

            class _Inner(Flow):
                new = State(initial=True)
                with Outer_mine():
                    inner = State()

    def Outer_mine() -> Any:
        return mine[0]

    mine = [State()]
    assert rules(write) == ["unnamed-state"]


def inside(make: Callable[[], Any]) -> Callable[[], None]:
    """A flow that nests a state in what is made."""

    def write() -> None:
        class Nested(Flow):
            with State(initial=True) as top:
                start = State(initial=True)
                with make() as outer:
                    inner = State(initial=True)

    return write


@pytest.mark.parametrize(
    "make", [lambda: State(final=True), lambda: State(poison=True), History, lambda: History(deep=True)]
)
def test_what_rests_or_remembers_has_no_children(make: Callable[[], Any]) -> None:
    """Final, poison, history."""
    assert rules(inside(make)) == ["no-children"]


def test_a_plain_state_has_children() -> None:
    """Whether it is initial or not."""
    inside(State)()
    inside(Parallel)()


def test_a_region_stands_in_a_parallel() -> None:
    """Neither at the top, nor in a compound state, nor in another region."""

    def write() -> None:
        class Lost(Flow):
            alone = Region()
            with State(initial=True) as outer:
                nested = Region()
            with Parallel() as both:
                with Region() as left:
                    inner = Region()
                with State() as right:
                    start = State(initial=True)

    found = problems(write)
    assert [finding.rule for finding in found] == ["region-place"] * 3
    assert ["in the flow," in found[0].message, "in outer," in found[1].message] == [True, True]


def test_a_parallel_has_regions() -> None:
    """At least one; a history is none, and what rests from the start is none either."""

    def write() -> None:
        class Empty(Flow):
            none = Parallel(initial=True)
            with Parallel() as remembered:
                where = History()
            with Parallel() as resting:
                done = State(final=True)
                stuck = State(poison=True)
                fine = State()

    assert rules(write) == ["parallel-regions"] * 4


def test_a_history_stands_in_a_state() -> None:
    """At the top there is nothing to remember."""

    def write() -> None:
        class Lost(Flow):
            new = State(initial=True)
            where = History()

    assert rules(write) == ["history-place"]


def test_the_default_of_a_history_is_a_state_inside_its_parent() -> None:
    """However deep; no history, not the parent, nothing outside, and no name."""

    def write() -> None:
        class Remembers(Flow):
            new = State(initial=True)
            with State() as outer:
                with State(initial=True) as first:
                    deep = State(initial=True)
                a = History(default=first)
                b = History(default=deep)
                c = History(deep=True, default=deep)
                d = History(default=a)  # type: ignore[arg-type]
                e = History(default=outer)
                f = History(default=new)
                g = History(default="first")  # type: ignore[arg-type]
                h = History(default=Trade.open)
                i = History(default=new | deep)  # type: ignore[arg-type]

    found = problems(write)
    assert [f.rule for f in found] == ["history-default"] * 3 + ["foreign-state"] * 3
    assert "d is a state inside outer, and a, a history, was found" in found[0].message


def test_an_initial_history_has_a_default() -> None:
    """What entering the parent enters would be the history itself."""

    def write() -> None:
        class Circle(Flow):
            with State(initial=True) as outer:
                first = State()
                where = History(initial=True)

    assert rules(write) == ["history-default"]


def test_nothing_is_declared_for_a_history() -> None:
    """It is left as soon as it is entered; each call is told by its line."""

    def write() -> None:
        class Busy(Flow):
            class Go(Event):
                pass

            with State(initial=True) as outer:
                first = State(initial=True)
                where: Any = History()
            where.on(Go, to=first)
            where.after("1 s", to=first)
            where.on_entry("x = 1")
            where.ignores(Go)
            where.always(to=first)
            first.on(Go, to=where)

    assert rules(write) == ["history-source"] * 5
    with pytest.raises(DefinitionError, match="foreign-state"):
        History() | State()  # type: ignore[operator]
    with pytest.raises(DefinitionError, match="foreign-state"):
        State() | History()  # type: ignore[operator]


def test_what_is_nested_has_a_value_too() -> None:
    """A class in place of its instance, and a type alone."""

    def write() -> None:
        class Forgotten(Flow):
            both: Parallel
            with State(initial=True) as outer:
                left = Region
                where = History

    found = problems(write)
    assert sorted((f.rule, f.remedy) for f in found) == [
        ("no-value", "Write `both: Parallel = Parallel()`."),
        ("no-value", "Write `left = Region()`."),
        ("no-value", "Write `where = History()`."),
    ]


def test_a_flow_bounds_what_an_input_may_cause() -> None:
    """The usual bounds, others, and none that is no number in range."""

    def bounded(**limits: Any) -> Chart:
        class Bounded(Flow, **limits):  # type: ignore[misc]
            new = State(initial=True)

        return chart_of(Bounded)

    usual = bounded()
    assert (usual.microsteps_max, usual.raised_max) == (64, 16)
    most = bounded(microsteps_max=65_535, raised_max=1_024)
    assert (most.microsteps_max, most.raised_max) == (65_535, 1_024)
    for wrong in (0, -1, 65_536, "3", True, None, 1.0):
        assert rules(lambda wrong=wrong: bounded(microsteps_max=wrong)) == ["flow-limit"]
    for wrong in (0, 1_025, None):
        assert rules(lambda wrong=wrong: bounded(raised_max=wrong)) == ["flow-limit"]
    assert rules(lambda: bounded(microsteps_max=0, raised_max=0)) == ["flow-limit", "flow-limit"]
