"""Charts by hand, for tests of what comes after the definition: short makers, and the orders of the documentation."""

from __future__ import annotations

from typing import Any

from fsm.define.chart import (
    Argument,
    Chart,
    Defer,
    Event,
    Field,
    FieldKind,
    Ignore,
    Place,
    Raise,
    Set,
    State,
    StateKind,
    Term,
    Transition,
    Trigger,
    Type,
)

INTEGER = Type(FieldKind.INTEGER)
BOOLEAN = Type(FieldKind.BOOLEAN)
DURATION = Type(FieldKind.DURATION)
TIMESTAMP = Type(FieldKind.TIMESTAMP)
Targets = str | tuple[str, ...] | None
FILE = "flows.py"


def at(line: int) -> Place:
    return Place(FILE, line)


def constant(value: int | bytes, type: Type = INTEGER) -> Term:
    return Term("constant", type, value=value)


def field(name: str, type: Type = INTEGER) -> Term:
    return Term("field", type, value=name)


def argument(event: str, name: str, type: Type = INTEGER) -> Term:
    return Term("argument", type, value=(event, name))


def less(left: Term, right: Term) -> Term:
    return Term("less", BOOLEAN, (left, right))


def equal(left: Term, right: Term) -> Term:
    return Term("equal", BOOLEAN, (left, right))


def both(*terms: Term) -> Term:
    return Term("and", BOOLEAN, terms)


def either(*terms: Term) -> Term:
    return Term("or", BOOLEAN, terms)


def negated(term: Term) -> Term:
    return Term("not", BOOLEAN, (term,))


def apply(operation: str, *operands: Term, value: Any = None, type: Type = INTEGER) -> Term:
    return Term(operation, type, operands, value)


def set_(name: str, term: Term, line: int = 1, text: str | None = None) -> Set:
    return Set(name, term, text or f"{name}.set(...)", at(line))


def state(name: str, kind: StateKind = StateKind.ATOMIC, *, initial: bool = False, line: int = 1, **more: Any) -> State:
    return State(name, kind, initial, None, at(line), **more)


def inside(parent: State, *children: State | list[State]) -> list[State]:
    """A state and what is inside it, in document order: a child is a state, or a list that this function made."""
    made = [parent]
    for child in children:
        first, *rest = child if isinstance(child, list) else [child]
        made += [first._replace(parent=parent.name), *rest]
    return made


def compound(name: str, *children: State | list[State], **more: Any) -> list[State]:
    """A compound state or a region: `compound("c", state("a", initial=True), state("b"))`."""
    return inside(state(name, StateKind.COMPOUND, **more), *children)


def parallel(name: str, *children: State | list[State], **more: Any) -> list[State]:
    return inside(state(name, StateKind.PARALLEL, **more), *children)


def history(name: str, *, deep: bool = False, **more: Any) -> State:
    """`default="b"` says where to go while nothing is remembered."""
    return state(name, StateKind.HISTORY_DEEP if deep else StateKind.HISTORY_SHALLOW, **more)


def event(name: str, *arguments: tuple[str, Type], line: int = 1, **more: Any) -> Event:
    made, offset = [], 0
    for argument_name, type in arguments:
        made.append(Argument(argument_name, type, offset))
        offset += type.words
    return Event(name, tuple(made), at(line), **more)


def raise_(event: str, line: int = 1) -> Raise:
    return Raise(event, f"raise {event}", at(line))


def transition(
    source: str, trigger: Trigger, event: str = "", guard: Term | None = None, do: tuple[Any, ...] = (),
    to: Targets = None, line: int = 1, **more: Any,
) -> Transition:  # fmt: skip
    """Any transition; `to` is a name, several, or None where only the actions run."""
    targets = () if to is None else (to,) if isinstance(to, str) else tuple(to)
    return Transition(source, trigger, event, guard, do, targets, at(line), **more)


def on(
    source: str, event: str, guard: Term | None = None, do: tuple[Any, ...] = (), to: Targets = None, line: int = 1,
    **more: Any,
) -> Transition:  # fmt: skip
    return transition(source, Trigger.EVENT, event, guard, do, to, line, **more)


def on_any(source: str, guard: Term | None = None, **more: Any) -> Transition:
    """On every event of the flow."""
    return transition(source, Trigger.ANY, "", guard, **more)


def on_done(source: str, guard: Term | None = None, **more: Any) -> Transition:
    return transition(source, Trigger.DONE, "", guard, **more)


def always(source: str, guard: Term | None = None, **more: Any) -> Transition:
    return transition(source, Trigger.ALWAYS, "", guard, **more)


def after(source: str, duration: int | Term, guard: Term | None = None, **more: Any) -> Transition:
    """A time after entry: ns, or a term."""
    moment = constant(duration, DURATION) if isinstance(duration, int) else duration
    return transition(source, Trigger.AFTER, "", guard, moment=moment, **more)


def when_due(source: str, name: str, guard: Term | None = None, **more: Any) -> Transition:
    """At the moment in a field of this name (`state.at`): the name `at` is taken here by places."""
    return transition(source, Trigger.AT, "", guard, moment=field(name, TIMESTAMP), **more)


def ignore(source: str, event: str, line: int = 1) -> Ignore:
    return Ignore(source, event, at(line))


def defer(source: str, event: str, at_most: int = 4, line: int = 1) -> Defer:
    return Defer(source, event, at_most, at(line))


def chart(
    *,
    states: Any,
    events: Any = (),
    transitions: Any = (),
    fields: Any = (),
    ignores: Any = (),
    defers: Any = (),
    name: str = "Sample",
    **more: Any,
) -> Chart:
    """A chart of parts: `states` may be lists of `compound` and `parallel`, and transitions are put in order."""
    flat = [each for part in states for each in (part if isinstance(part, list) else [part])]
    order = {state.name: index for index, state in enumerate(flat)}
    ordered = sorted(transitions, key=lambda transition: order.get(transition.source, -1))
    return Chart(
        name, "", tuple(fields), tuple(events), tuple(flat), tuple(ordered), tuple(ignores), at(1),
        defers=tuple(defers), **more,
    )  # fmt: skip


def show(text: str) -> Set:
    """An action that changes nothing of a `small_chart`, and is seen in the trace of its interpreter."""
    return set_("n", field("n"), text=text)


def small_chart(states: Any, *transitions: Transition, events: str = "Go Stop Back", **more: Any) -> Chart:
    """A chart with events that have no arguments, and a field of each kind that transitions and timers need."""
    fields = [Field("n", INTEGER, 0, at(1)), Field("wait", DURATION, 0, at(1)), Field("due", TIMESTAMP, 0, at(1))]
    named = [event(name) for name in events.split()]
    return chart(states=states, events=named, transitions=transitions, fields=fields, **more)


def limit_order() -> Chart:
    """The orders of the documentation, as `chart_of` gives them."""
    submitted, executed, reduced = (argument(name, "quantity") for name in ("Submit", "Execute", "Reduce"))
    leaves, zero = field("leaves"), constant(0)
    live = ("working", "part_filled")
    transitions = [
        on("new", "Submit", less(zero, submitted), (
            set_("quantity", submitted, 32, "quantity.set(Submit.quantity)"),
            set_("leaves", submitted, 32, "leaves.set(Submit.quantity)"),
        ), "working", 31),
    ]  # fmt: skip
    for source in live:
        left = apply("subtract", leaves, executed)
        reduced_left = apply("subtract", leaves, reduced)
        transitions += [
            on(source, "Execute", both(less(zero, executed), less(executed, leaves)),
               (set_("leaves", left, 35, "leaves.subtract(Execute.quantity)"),), "part_filled", 35),
            on(source, "Execute", equal(executed, leaves), (set_("leaves", zero, 36, "leaves.set(0)"),), "filled", 36),
            on(source, "Reduce", both(less(zero, reduced), less(reduced, leaves)),
               (set_("leaves", reduced_left, 37, "leaves.subtract(Reduce.quantity)"),), None, 37),
            on(source, "Cancel", to="cancelled", line=38),
        ]  # fmt: skip
    transitions.append(on("cancelled", "Execute", to="quarantined", line=41))
    return chart(
        name="LimitOrder",
        fields=[Field("quantity", INTEGER, 0, at(6)), Field("leaves", INTEGER, 0, at(7))],
        events=[
            event("Submit", ("quantity", INTEGER), line=9),
            event("Execute", ("quantity", INTEGER), line=12),
            event("Reduce", ("quantity", INTEGER), line=15),
            event("Cancel", line=18),
        ],
        states=[
            state("new", initial=True, line=21),
            state("working", line=22),
            state("part_filled", line=23),
            state("filled", StateKind.FINAL, line=24),
            state("cancelled", StateKind.FINAL, line=25),
            state("quarantined", StateKind.POISON, line=26),
        ],
        transitions=transitions,
    )
