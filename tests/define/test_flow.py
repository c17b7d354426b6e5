"""What a class body becomes: the chart, in document order, and nothing lost."""

from __future__ import annotations

import types
from typing import Any

import pytest

from fsm.define import Choice, Decimal, Event, Flow, Integer, State, Text, chart_of, render
from fsm.layout import FieldKind, StateKind
from tests.define.flows import Trade, line_here, problems


class LimitOrder(Flow, waive={"b-rule": "because", "a-rule": "so"}):
    """One limit order at a venue,
    from submission to its end.

        indented
    """

    quantity = Integer()
    leaves = Integer(default=7, waive={"unread-field": "shown"})
    first_line = line_here()

    class Submit(Event):
        quantity: Integer = Integer()

    class Execute(Event, waive={"unhandled-event": "an example"}):
        quantity: Integer = Integer()

    class Cancel(Event):
        pass

    new = State(initial=True)
    working = State(waive={"no-way-out": "an example"})
    part_filled = State()
    filled = State(final=True)
    quarantined = State(poison=True)

    live = part_filled | working
    live.on(Execute, when=(Execute.quantity > 0) & (Execute.quantity < leaves), to=part_filled)
    new.on(Submit, when=Submit.quantity > 0, to=working, do=[quantity.set(Submit.quantity), leaves.set(1)])
    working.on(Cancel, to=filled, waive={"overlapping-guards": "an example"})
    last_line = line_here()
    live.on(Execute, when="Execute.quantity == leaves", to=filled, do="leaves = 0; quantity -= 1")
    filled.on(Execute, to=quarantined)
    live.ignores(Submit)


def test_members_stand_in_document_order() -> None:
    """Fields, events and states are in order of declaration, and events are numbered from 0."""
    chart = chart_of(LimitOrder)
    assert [field.name for field in chart.fields] == ["quantity", "leaves"]
    assert [event.name for event in chart.events] == ["Submit", "Execute", "Cancel"]
    assert [state.name for state in chart.states] == ["new", "working", "part_filled", "filled", "quarantined"]
    assert [LimitOrder.Submit.id, LimitOrder.Execute.id, LimitOrder.Cancel.id] == [0, 1, 2]


def test_transitions_are_ordered_by_state_and_then_by_declaration() -> None:
    """A group declares for each member, and each state keeps the order of its own calls."""
    chart = chart_of(LimitOrder)
    found = [(t.source, t.event, t.guard and render(t.guard), *t.targets) for t in chart.transitions]
    part = "Execute.quantity > 0 and Execute.quantity < leaves"
    assert found == [
        ("new", "Submit", "Submit.quantity > 0", "working"),
        ("working", "Execute", part, "part_filled"),
        ("working", "Cancel", None, "filled"),
        ("working", "Execute", "Execute.quantity == leaves", "filled"),
        ("part_filled", "Execute", part, "part_filled"),
        ("part_filled", "Execute", "Execute.quantity == leaves", "filled"),
        ("filled", "Execute", None, "quarantined"),
    ]


def test_actions_keep_their_order_and_their_text() -> None:
    """Actions by method and by text become the same kind of writes."""
    chart = chart_of(LimitOrder)
    assert [action.text for action in chart.transitions[0].actions] == [
        "quantity.set(Submit.quantity)",
        "leaves.set(1)",
    ]
    assert [action.text for action in chart.transitions[3].actions] == ["leaves.set(0)", "quantity.subtract(1)"]


def test_ignored_events_name_their_source() -> None:
    """`ignores` on a group is one entry for each member, in order of the states."""
    assert [(ignore.source, ignore.event) for ignore in chart_of(LimitOrder).ignores] == [
        ("working", "Submit"),
        ("part_filled", "Submit"),
    ]


def test_states_have_their_kinds() -> None:
    """initial, final and poison become what the chart calls them."""
    states = chart_of(LimitOrder).states
    assert [state.initial for state in states] == [True, False, False, False, False]
    atomic = StateKind.ATOMIC
    assert [state.kind for state in states] == [atomic, atomic, atomic, StateKind.FINAL, StateKind.POISON]


def test_a_place_is_the_users_line() -> None:
    """Fields, transitions and the flow itself know the file and line that declare them."""
    chart = chart_of(LimitOrder)
    assert {part.place.file for part in (*chart.fields, *chart.events, *chart.states, *chart.transitions)} == {__file__}
    assert chart.fields[1].place.line == LimitOrder.first_line - 1
    assert chart.events[0].place.line == LimitOrder.first_line + 2
    cancel = next(t for t in chart.transitions if t.event == "Cancel")
    assert cancel.place.line == LimitOrder.last_line - 1
    assert chart.place.line < chart.fields[0].place.line


def test_waivers_are_sorted_pairs_everywhere() -> None:
    """Flow, field, event, state and transition carry their own."""
    chart = chart_of(LimitOrder)
    assert chart.waivers == (("a-rule", "so"), ("b-rule", "because"))
    assert chart.fields[1].waivers == (("unread-field", "shown"),)
    assert chart.events[1].waivers == (("unhandled-event", "an example"),)
    assert chart.states[1].waivers == (("no-way-out", "an example"),)
    assert [t.waivers for t in chart.transitions if t.event == "Cancel"] == [(("overlapping-guards", "an example"),)]


def test_documentation_has_no_indentation_of_its_class() -> None:
    """Python 3.13 strips it at compile time and others do not, so the chart does."""
    expected = "One limit order at a venue,\nfrom submission to its end.\n\n    indented"
    assert chart_of(LimitOrder).documentation == expected


def test_defaults_are_words_or_padded_bytes() -> None:
    """A default is checked and converted when it is declared."""

    class Defaults(Flow):
        number = Integer(default=-1)
        price = Decimal(2, default="1.25")
        side = Choice("buy", "sell", default="sell")
        first = Choice("buy", "sell")
        isin = Text(12, default="DE00")
        empty = Text(3)
        new = State(initial=True)

    assert [field.default for field in chart_of(Defaults).fields] == [-1, 125, 1, 0, b"DE00" + bytes(8), bytes(3)]


def test_arguments_take_the_six_words_in_order() -> None:
    """The offset of an argument counts the words before it; a text takes one for each 8 bytes."""

    class Wide(Flow):
        class News(Event):
            isin: Text = Text(12)
            price: Decimal = Decimal(2)
            side: Choice = Choice("buy", "sell")

        new = State(initial=True)

    (event,) = chart_of(Wide).events
    assert [(a.name, a.offset) for a in event.arguments] == [("isin", 0), ("price", 2), ("side", 3)]
    assert Wide.News.signature == (
        ("isin", int(FieldKind.TEXT), 12, ()),
        ("price", int(FieldKind.DECIMAL), 2, ()),
        ("side", int(FieldKind.CHOICE), 0, ("buy", "sell")),
    )


def test_aliases_and_loop_variables_leave_no_trace() -> None:
    """A second name for a member is no member; semantics.md keeps Python aliases out of the fingerprint."""

    class Looped(Flow):
        class Cancel(Event):
            pass

        new = State(initial=True)
        working = State()
        done = State(final=True)
        Stop = Cancel
        for state in (new, working):
            state.on(Stop, to=done)

    chart = chart_of(Looped)
    assert [state.name for state in chart.states] == ["new", "working", "done"]
    assert [event.name for event in chart.events] == ["Cancel"]
    assert len(chart.transitions) == 2


def make_members() -> dict[str, Any]:
    """The members of a flow, made before the class is."""
    submit: Any = types.new_class("Submit", (Event,), {}, lambda body: body.update(lots=Integer()))
    new, done, lots = State(initial=True), State(final=True), Integer()
    new.on(submit, when=(submit.lots > 0) & (lots == 0), to=done, do=lots.set(submit.lots))
    return {"lots": lots, "Submit": submit, "new": new, "done": done, "__doc__": "Made."}


@pytest.mark.parametrize("way", ["type", "new_class"])
def test_a_flow_can_be_made_by_a_program(way: str) -> None:
    """Members first, the class after; the chart is the same as from a class body."""
    members = make_members()
    made: Any
    if way == "type":
        made = type(Flow)("Made", (Flow,), members)
    else:
        made = types.new_class("Made", (Flow,), {}, lambda body: body.update(members))
    chart = chart_of(made)
    assert (chart.name, chart.documentation) == ("Made", "Made.")
    assert chart.place.file == __file__
    assert [t.guard and render(t.guard) for t in chart.transitions] == ["Submit.lots > 0 and lots == 0"]
    assert made.Submit(lots=3).words == (3,)


def test_a_flow_has_no_instances() -> None:
    """Calling a flow says what to do instead."""
    with pytest.raises(TypeError, match="open an engine"):
        LimitOrder()


def test_chart_of_takes_flows_only() -> None:
    """The base class and anything else are refused."""
    for thing in (Flow, int, "LimitOrder", None):
        with pytest.raises(TypeError, match=r"derived from fsm\.Flow"):
            chart_of(thing)  # type: ignore[arg-type]


def test_a_complete_flow_takes_no_more_transitions() -> None:
    """The chart is made with the class; a late `on` would be lost, so it is an error."""
    (finding,) = problems(lambda: Trade.open.on(Trade.Cancel, to=Trade.done))
    assert (finding.rule, finding.file) == ("flow-complete", __file__)
    assert "Trade" in finding.message
