"""Charts by hand, for tests of what comes after the definition: short makers, and the orders of the documentation."""

from __future__ import annotations

from typing import Any

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
    Type,
)

INTEGER = Type(FieldKind.INTEGER)
BOOLEAN = Type(FieldKind.BOOLEAN)
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


def event(name: str, *arguments: tuple[str, Type], line: int = 1, **more: Any) -> Event:
    made, offset = [], 0
    for argument_name, type in arguments:
        made.append(Argument(argument_name, type, offset))
        offset += type.words
    return Event(name, tuple(made), at(line), **more)


def on(
    source: str, event: str, guard: Term | None = None, do: tuple[Any, ...] = (), to: str | None = None, line: int = 1,
    **more: Any,
) -> Transition:  # fmt: skip
    return Transition(source, event, guard, do, to, at(line), **more)


def chart(
    *,
    states: Any,
    events: Any,
    transitions: Any,
    fields: Any = (),
    ignores: Any = (),
    name: str = "Sample",
    **more: Any,
) -> Chart:
    order = {state.name: index for index, state in enumerate(states)}
    ordered = sorted(transitions, key=lambda transition: order.get(transition.source, -1))
    return Chart(name, "", tuple(fields), tuple(events), tuple(states), tuple(ordered), tuple(ignores), at(1), **more)


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
