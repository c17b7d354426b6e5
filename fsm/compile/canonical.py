"""Write a chart as the text that says what it means, and nothing else: the fingerprint is the SHA-256 of it.

    Chart ──▶ one line for each field, event, state, transition ──▶ fingerprint

Two flows with this text in common step alike; a line that differs is a difference that `Tables.difference` shows, so
each line stands for itself. Docstrings, places and Python aliases are left out, because they change nothing in a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json import dumps

from fsm.define.chart import (
    MICROSTEPS_MAX,
    RAISED_MAX,
    Action,
    Argument,
    Chart,
    Raise,
    Set,
    State,
    Term,
    Transition,
    Trigger,
    Type,
)
from fsm.layout import FieldKind
from fsm.tables import SEMANTICS_VERSION


def canonical(chart: Chart) -> str:
    """The text of `chart`, in document order, one declaration a line."""
    return "\n".join(_lines(chart)) + "\n"


def _lines(chart: Chart) -> Iterator[str]:
    yield f"fsm semantics {SEMANTICS_VERSION}"
    yield f"flow {chart.name}{_bounds(chart)}{_waivers(chart.waivers)}"
    for field in chart.fields:
        yield f"field {field.name}: {type_text(field.type)} = {_value(field.default)}{_waivers(field.waivers)}"
    for event in chart.events:
        yield f"event {event.name}({', '.join(map(_argument, event.arguments))}){_waivers(event.waivers)}"
    for state in chart.states:
        yield _state(state)
    for transition in chart.transitions:
        yield _transition(transition)
    for ignore in chart.ignores:
        yield f"ignore {ignore.source}: {ignore.event}"
    for defer in chart.defers:
        yield f"defer {defer.source}: {defer.event} at most {defer.at_most}"


def term_text(term: Term) -> str:
    """A term as calls: `less(Execute.quantity, leaves)`. Terms with one text come to the same words.

    Whether a result is an Integer or a Decimal without places is left out, since the words are the same.
    """
    if term.operation == "constant":
        plain = term.type.kind is FieldKind.INTEGER
        return _value(term.value) + ("" if plain else f":{type_text(term.type)}")
    if term.operation == "field":
        return str(term.value)
    if term.operation == "argument":
        return ".".join(term.value)
    mode = f" {term.value.name.lower()}" if term.operation == "scale" else ""
    return f"{term.operation}{mode}({', '.join(map(term_text, term.operands))})"


def type_text(type: Type) -> str:
    """A type as it is written in a flow: `decimal(2)`, `choice("buy", "sell")`, `text(12)`."""
    name = type.kind.name.lower()
    if type.kind is FieldKind.DECIMAL:
        return f"{name}({type.places})"
    if type.kind is FieldKind.TEXT:
        return f"{name}({type.size})"
    return f"{name}({', '.join(map(dumps, type.options))})" if type.kind is FieldKind.CHOICE else name


def _argument(argument: Argument) -> str:
    return f"{argument.name}: {type_text(argument.type)} at {argument.offset}"


def _bounds(chart: Chart) -> str:
    """The bounds of a macrostep, where they are not the usual ones."""
    bounds = {"microsteps": (chart.microsteps_max, MICROSTEPS_MAX), "raised": (chart.raised_max, RAISED_MAX)}
    return "".join(f" {name} at most {value}" for name, (value, usual) in bounds.items() if value != usual)


def _state(state: State) -> str:
    parent = f" in {state.parent}" if state.parent is not None else ""
    initial = " initial" if state.initial else ""
    default = f" default {state.default}" if state.default is not None else ""
    entry = f" entry {{{_actions(state.entry)}}}" if state.entry else ""
    exit = f" exit {{{_actions(state.exit)}}}" if state.exit else ""
    kind = state.kind.name.lower()
    return f"state {state.name}: {kind}{initial}{parent}{default}{entry}{exit}{_waivers(state.waivers)}"


def _transition(transition: Transition) -> str:
    stay = " stay" if transition.stay else ""
    guard = f" [{term_text(transition.guard)}]" if transition.guard is not None else ""
    actions = f" / {_actions(transition.actions)}" if transition.actions else ""
    target = f" -> {', '.join(transition.targets)}" if transition.targets else ""
    trigger = _trigger(transition)
    return f"{transition.source}: {trigger}{stay}{guard}{actions}{target}{_waivers(transition.waivers)}"


def _trigger(transition: Transition) -> str:
    """An event by its name, any other trigger with a mark that no name has."""
    if transition.trigger is Trigger.EVENT:
        return transition.event
    moment = f" {term_text(transition.moment)}" if transition.moment is not None else ""
    return f"*{transition.trigger.name.lower()}{moment}"


def _actions(actions: Iterable[Action]) -> str:
    return "; ".join(map(_action, actions))


def _action(action: Action) -> str:
    if isinstance(action, Set):
        return f"{action.field} = {term_text(action.term)}"
    if isinstance(action, Raise):
        return f"raise {action.event}"
    otherwise = f" else {{{_actions(action.otherwise)}}}" if action.otherwise else ""
    return f"if {term_text(action.condition)} {{{_actions(action.then)}}}{otherwise}"


def _value(value: int | bytes) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(int(value))


def _waivers(waivers: Iterable[tuple[str, str]]) -> str:
    return "".join(f" waives {rule}: {dumps(reason)}" for rule, reason in waivers)
