"""What is declared for a state: events, time, done, entry and exit, and what each becomes in the chart."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from fsm.define import (
    Duration,
    Event,
    Flow,
    History,
    Integer,
    Parallel,
    Region,
    State,
    Timestamp,
    chart_of,
    raise_,
    when,
)
from fsm.define.chart import Conditional, Defer, Raise, Term, Transition
from fsm.define.render import render, render_action
from fsm.define.terms import DURATION, TIMESTAMP
from fsm.layout import Trigger
from tests.define.flows import Trade, line_here, problems


class Settlement(Flow):
    """Every way to declare something."""

    tries = Integer()
    due = Timestamp()
    patience = Duration()

    class Deliver(Event):
        quantity: Integer = Integer()
        wait: Duration = Duration()
        by: Timestamp = Timestamp()

    class Late(Event):
        pass

    class Hold(Event):
        pass

    new = State(initial=True)
    with Parallel() as settling:
        with Region() as left:
            one = State(initial=True)
            two = State(final=True)
            where = History()
        with Region() as right:
            three = State(initial=True)
            four = State(final=True)
    with State() as working:
        five = State(initial=True)
        six = State()
    done = State(final=True)

    new.on(Event, when=tries > 0, do=raise_(Late), to=settling)
    new.on(Deliver, to=(one, four))
    new.on(Hold, to=[where, three])
    new.on(Late, to=())
    new.always(when="tries == 3", do="tries = 0; raise_(Hold)", to=working)
    settling.on_done(when=tries < 9, do=tries.add(1), to=done)
    (left | right | working).on_done(do="tries += 1")
    working.after("200 ms", to=done)
    working.after(datetime.timedelta(seconds=2), to=done)
    working.after(0, do=tries.add(1))
    working.after(patience * 2 + "1 s", when=tries > 0, to=six, stay=True)
    working.at(due, to=done, waive={"a-rule": "an example"})
    working.on(Deliver, to=six, stay=True)
    working.on(Hold, do=raise_(Late), stay=True)
    first = line_here()
    (settling | working).defers(Deliver, Hold, at_most=4)
    working.defers(Late, at_most=1000)
    working.on_entry(tries.set(1), "tries += 1; raise_(Late)", when(tries > 0, raise_(Hold)))
    working.on_entry(tries.set(2))
    (working | new).on_exit("tries -= 1")
    done.on_entry(tries.set(0))


def of(source: str, trigger: Trigger | None = None) -> list[Transition]:
    """The transitions of a state, in order."""
    return [t for t in chart_of(Settlement).transitions if t.source == source and trigger in (None, t.trigger)]


def constant(length_ns: int) -> Term:
    """A constant Duration."""
    return Term("constant", DURATION, (), length_ns)


def test_the_base_class_of_events_stands_for_any() -> None:
    """It is no event of the flow, so the transition names none."""
    any_event, *others = of("new")
    assert (any_event.trigger, any_event.event, any_event.targets) == (Trigger.ANY, "", ("settling",))
    assert [(t.trigger, t.event) for t in others[:3]] == [
        (Trigger.EVENT, "Deliver"),
        (Trigger.EVENT, "Hold"),
        (Trigger.EVENT, "Late"),
    ]


def test_a_transition_has_one_target_or_several_or_none() -> None:
    """A tuple or a list, in the order that was written; a history stands for what is in its region."""
    assert [t.targets for t in of("new")] == [("settling",), ("one", "four"), ("where", "three"), (), ("working",)]


def test_what_waits_for_no_event_names_none() -> None:
    """`always` and `on_done` have a guard, actions and targets as `on` has."""
    (always,) = of("new", Trigger.ALWAYS)
    assert (always.event, always.guard and render(always.guard), always.targets) == ("", "tries == 3", ("working",))
    assert [action.text for action in always.actions] == ["tries.set(0)", "raise_(Hold)"]
    (done,) = of("settling")
    assert (done.trigger, done.event, done.targets) == (Trigger.DONE, "", ("done",))
    assert [t.source for t in chart_of(Settlement).transitions if t.trigger is Trigger.DONE] == [
        "settling", "left", "right", "working",
    ]  # fmt: skip


def test_after_takes_a_constant_or_an_expression_of_fields() -> None:
    """Text, a timedelta and ns are constants of one type."""
    found = [t.moment for t in of("working", Trigger.AFTER)]
    assert found[:3] == [constant(200_000_000), constant(2_000_000_000), constant(0)]
    assert found[3] is not None
    assert (found[3].type, render(found[3])) == (DURATION, "patience * 2 + '1 s'")


def test_at_takes_a_field() -> None:
    """Its term has the name of the field."""
    (at,) = of("working", Trigger.AT)
    assert at.moment == Term("field", TIMESTAMP, (), "due")
    assert at.waivers == (("a-rule", "an example"),)
    assert [t.moment for t in of("new")] == [None] * 5


def test_stay_is_written_down() -> None:
    """For events and for time; a transition without a target stays anyway."""
    assert [(t.targets, t.stay) for t in of("working")] == [
        ((), False), (("done",), False), (("done",), False), ((), False), (("six",), True), (("done",), False),
        (("six",), True), ((), True),
    ]  # fmt: skip


def test_deferrals_name_their_source_their_room_and_their_line() -> None:
    """For each member of a group, in order of the states."""
    found = [(d.source, d.event, d.at_most, d.place.line - Settlement.first) for d in chart_of(Settlement).defers]
    assert found == [
        ("settling", "Deliver", 4, 1),
        ("settling", "Hold", 4, 1),
        ("working", "Deliver", 4, 1),
        ("working", "Hold", 4, 1),
        ("working", "Late", 1000, 2),
    ]
    assert isinstance(chart_of(Settlement).defers[0], Defer)


def test_entry_and_exit_actions_are_those_of_the_state_in_order() -> None:
    """Several calls add up; a group adds to each member; a final state may have them too."""
    states = {state.name: state for state in chart_of(Settlement).states}
    assert [action.text for action in states["working"].entry] == [
        "tries.set(1)", "tries.add(1)", "raise_(Late)", "when(tries > 0, raise_(Hold))", "tries.set(2)",
    ]  # fmt: skip
    assert [action.text for action in states["working"].exit] == ["tries.subtract(1)"]
    assert [action.text for action in states["new"].exit] == ["tries.subtract(1)"]
    assert [action.text for action in states["done"].entry] == ["tries.set(0)"]
    assert {name for name, state in states.items() if state.entry} == {"working", "done"}
    places = [action.place.line - Settlement.first for action in states["working"].entry]
    assert places == [3, 3, 3, 3, 4]


def test_a_raised_event_is_named() -> None:
    """By a call or by text, alone or under a condition; its text reads as it was written."""
    (raised,) = of("new", Trigger.ANY)[0].actions
    assert raised == Raise("Late", "raise_(Late)", raised.place)
    assert (raised.place.file, render_action(raised)) == (__file__, "raise_(Late)")
    branch = next(state for state in chart_of(Settlement).states if state.name == "working").entry[3]
    assert isinstance(branch, Conditional)
    assert [action.text for action in branch.then] == ["raise_(Hold)"]


def test_flat_flows_declare_what_they_did() -> None:
    """An event, one target, nothing else."""
    (transition,) = chart_of(Trade).transitions
    assert (transition.trigger, transition.event, transition.targets) == (Trigger.EVENT, "Fill", ("done",))
    assert (transition.stay, transition.moment, chart_of(Trade).defers) == (False, None, ())


def test_an_alias_of_the_base_class_is_no_event() -> None:
    """It stands for any event under another name."""

    class Aliased(Flow):
        Anything = Event
        new = State(initial=True)
        new.on(Anything)

    assert chart_of(Aliased).events == ()
    assert [t.trigger for t in chart_of(Aliased).transitions] == [Trigger.ANY]


def declared(write: Any) -> Any:
    """A flow in which something is declared: `write` has its members as attributes."""

    def make() -> None:
        class Declared(Flow):
            tries = Integer()
            due = Timestamp()
            patience = Duration()

            class Deliver(Event):
                quantity: Integer = Integer()
                wait: Duration = Duration()
                by: Timestamp = Timestamp()

            class Late(Event):
                pass

            new = State(initial=True)
            with Parallel() as settling:
                with Region() as left:
                    one = State(initial=True)
                    two = State()
                with Region() as right:
                    three = State(initial=True)
                    with Parallel() as deeper:
                        with Region() as upper:
                            four = State(initial=True)
                        with Region() as lower:
                            five = State(initial=True)
                where = History()
            done = State(final=True)
            stuck = State(poison=True)
            write(type("Members", (), {name: value for name, value in locals().items() if name != "write"}))

    return make


@pytest.mark.parametrize(
    "write",
    [
        lambda m: m.new.on(Event, when=m.Deliver.quantity > 0),
        lambda m: m.new.on(Event, do="tries = Deliver.quantity"),
        lambda m: m.new.always(when=m.Deliver.quantity > 0),
        lambda m: m.new.always(when="Deliver.quantity > 0"),
        lambda m: m.settling.on_done(do=m.tries.set(m.Deliver.quantity)),
        lambda m: m.new.after("1 s", do=when(m.tries > 0, m.tries.set(m.Deliver.quantity))),
        lambda m: m.new.after("1 s", do=when(m.Deliver.quantity > 0, raise_(m.Late))),
        lambda m: m.new.after(m.Deliver.wait),
        lambda m: m.new.after(m.Deliver.wait * 2 + m.patience),
        lambda m: m.new.at(m.due, when=m.Deliver.quantity > 0),
        lambda m: m.new.on_entry(m.tries.set(m.Deliver.quantity)),
        lambda m: m.new.on_entry("tries = Deliver.quantity"),
        lambda m: m.new.on_exit(m.tries.add(m.Deliver.quantity)),
        lambda m: (m.new | m.one).on_exit("tries += Deliver.quantity"),
    ],
)
def test_arguments_have_no_value_where_no_event_is_at_hand(write: Any) -> None:
    """Told at the line, with what to do instead."""
    (finding,) = problems(declared(write))
    assert (finding.rule, finding.file) == ("foreign-argument", __file__)
    assert "Deliver." in finding.message and "no event is at hand" in finding.message


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (lambda m: m.new.after("-1 s"), "timer-moment"),
        (lambda m: m.new.after(-1), "timer-moment"),
        (lambda m: m.new.after(datetime.timedelta(days=-1)), "timer-moment"),
        (lambda m: m.new.after(m.due), "timer-moment"),
        (lambda m: m.new.after(m.tries * 2), "timer-moment"),
        (lambda m: m.new.after(m.tries > 0), "timer-moment"),
        (lambda m: m.new.after("soon"), "type-mix"),
        (lambda m: m.new.after(1.5), "type-mix"),
        (lambda m: m.new.after(True), "type-mix"),
        (lambda m: m.new.after(None), "type-mix"),
        (lambda m: m.new.after(1 << 63), "type-mix"),
        (lambda m: m.new.after(Trade.patience), "foreign-field"),
        (lambda m: m.new.at(m.patience), "timer-moment"),
        (lambda m: m.new.at(m.due + "1 s"), "timer-moment"),
        (lambda m: m.new.at(m.Deliver.by), "timer-moment"),
        (lambda m: m.new.at(0), "timer-moment"),
        (lambda m: m.new.at("due"), "timer-moment"),
        (lambda m: m.new.at(Trade.traded), "foreign-field"),
        (lambda m: m.new.defers(m.Late), "defer-room"),
        (lambda m: m.new.defers(m.Late, at_most=0), "defer-room"),
        (lambda m: m.new.defers(m.Late, at_most=1001), "defer-room"),
        (lambda m: m.new.defers(m.Late, at_most="4"), "defer-room"),
        (lambda m: m.new.defers(m.Late, at_most=True), "defer-room"),
        (lambda m: m.new.defers(Event, at_most=4), "foreign-event"),
        (lambda m: m.new.defers(Trade.Cancel, at_most=4), "foreign-event"),
        (lambda m: m.new.ignores(Event), "foreign-event"),
        (lambda m: m.new.on(m.Late, do=raise_(m.Deliver)), "raised-arguments"),
        (lambda m: m.new.on_entry("raise_(Deliver)"), "raised-arguments"),
        (lambda m: m.new.on_exit(when(m.tries > 0, raise_(m.Deliver))), "raised-arguments"),
        (lambda m: m.new.on(m.Late, do=raise_(Trade.Cancel)), "foreign-event"),
        (lambda m: m.new.on(m.Late, do=raise_(Event)), "foreign-event"),
        (lambda m: m.new.on(m.Late, do=raise_("Late")), "foreign-event"),
        (lambda m: m.new.on(m.Late, do=raise_(m.Late())), "foreign-event"),
        (lambda m: m.new.on(m.Late, do="raise_(Gone)"), "unknown-name"),
        (lambda m: m.new.on_entry(m.tries), "no-action"),
        (lambda m: m.new.on_exit([m.tries.set(0)]), "no-action"),
        (lambda m: m.new.on_exit("tries ="), "text-syntax"),
        (lambda m: m.done.always(to=m.new), "restless-final"),
        (lambda m: m.done.after("1 s", to=m.new), "restless-final"),
        (lambda m: m.done.at(m.due, to=m.new), "restless-final"),
        (lambda m: m.done.on_done(to=m.new), "restless-final"),
        (lambda m: m.new.on_done(to=m.done), "done-source"),
        (lambda m: m.stuck.on_done(to=m.done), "done-source"),
        (lambda m: (m.settling | m.new).on_done(to=m.done), "done-source"),
        (lambda m: m.new.on(m.Late, to=m.done, stay=True), "stay-inside"),
        (lambda m: m.new.on(m.Late, stay=True), "stay-inside"),
        (lambda m: m.settling.on(m.Late, to=m.one, stay=True), "stay-inside"),
        (lambda m: m.left.on(m.Late, to=m.left, stay=True), "stay-inside"),
        (lambda m: m.left.after("1 s", to=m.three, stay=True), "stay-inside"),
        (lambda m: m.left.always(to=m.new, stay=True), "stay-inside"),
        (lambda m: m.new.on(m.Late, to=(m.one, m.two)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=(m.one, m.one)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=(m.one, m.done)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=(m.one, m.left)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=(m.left, m.settling)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=(m.where, m.one)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=(m.one, m.four, m.five)), "several-targets"),
        (lambda m: m.new.on(m.Late, to=[m.one, "three"]), "foreign-state"),
        (lambda m: m.new.on(m.Late, to=[m.one | m.three]), "foreign-state"),
        (lambda m: m.new.on(m.Late, to=[m.one, Trade.open]), "foreign-state"),
        (lambda m: m.new.on(m.Late, to={m.one}), "foreign-state"),
    ],
)
def test_what_cannot_be_meant_is_told(write: Any, rule: str) -> None:
    """One finding, at the line, with a remedy."""
    (finding,) = problems(declared(write))
    assert (finding.rule, finding.file, bool(finding.remedy)) == (rule, __file__, True), finding


@pytest.mark.parametrize(
    "write",
    [
        lambda m: m.new.on(m.Late, to=[m.one]),
        lambda m: m.new.on(m.Late, to=(m.two, m.three)),
        lambda m: m.new.on(m.Late, to=(m.right, m.left)),
        lambda m: m.new.on(m.Late, to=(m.five, m.four)),
        lambda m: m.new.on(m.Late, to=(m.two, m.five)),
        lambda m: m.new.on(m.Late, to=m.where),
        lambda m: m.left.on(m.Late, to=m.two, stay=True),
        lambda m: m.right.on(m.Late, to=(m.four, m.five), stay=True),
        lambda m: m.done.on(m.Late, to=m.new),
        lambda m: m.done.on(Event, to=m.new),
        lambda m: m.done.ignores(m.Late),
        lambda m: m.stuck.after("1 s", to=m.new),
        lambda m: m.new.after(-m.patience, to=m.done),
        lambda m: m.deeper.on_done(to=m.done),
        lambda m: m.new.defers(m.Late, at_most=1),
        lambda m: m.new.on_entry(),
    ],
)
def test_what_can_be_meant_is_taken(write: Any) -> None:
    """The valid side of the same rules."""
    declared(write)()


def test_all_findings_of_a_nested_flow_come_at_once() -> None:
    """Names, nesting, guards and ways, sorted by line."""
    lines: list[int] = []

    def write() -> None:
        class Broken(Flow):
            class Go(Event):
                lots: Integer = Integer()

            start = lines.append(line_here())
            with Parallel(initial=True) as both:
                with Region() as left:
                    one = State(final=True)
                with State(final=True) as right:
                    two = State()
            lost = Region()
            one.after("1 s", to=two)
            left.on(Go, when="nothing", to=two, stay=True)
            both.always(when=Go.lots > 0)
            both.on_exit(raise_(Go))
            both.defers(Go, at_most=0)

    found = problems(write)
    assert [(f.rule, f.line - lines[0]) for f in found] == [
        ("parallel-regions", 4),
        ("no-children", 5),
        ("region-place", 6),
        ("restless-final", 7),
        ("unknown-name", 8),
        ("stay-inside", 8),
        ("foreign-argument", 9),
        ("raised-arguments", 10),
        ("defer-room", 11),
    ]
