"""What a class body declares without a value: nothing would come of it, and nothing would say so.

    quantity: Integer              a type alone ──────────────┐
    held = State                   a class, not its instance ─┼──▶ findings: no-value, no-event
    class Stop:                    a class that is no event ──┘

A name that begins with _ and one that is annotated with ClassVar are the user's own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, get_origin

from fsm.define.chart import Place
from fsm.define.fields import Boolean, Choice, Decimal, Duration, Field, Integer, Text, Timestamp
from fsm.define.places import Problem
from fsm.define.states import History, Node, Parallel, Region, State
from fsm.layout import Finding

WRITTEN: dict[type, str] = {
    Integer: "Integer()",
    Decimal: "Decimal(2)",
    Boolean: "Boolean()",
    Timestamp: "Timestamp()",
    Duration: "Duration()",
    Choice: 'Choice("buy", "sell")',
    Text: "Text(12)",
    State: "State()",
    Parallel: "Parallel()",
    Region: "Region()",
    History: "History()",
}
"""How an instance of each is written, for the remedy."""
KNOWN: dict[str, Any] = {"ClassVar": ClassVar, **{type_.__name__: type_ for type_ in WRITTEN}}


def valueless_arguments(event: type, place: Place) -> list[Finding]:
    """What the body of an event holds that becomes no argument."""
    meanings = _meanings(event)
    problems = _class_problems(f"event {event.__name__}", vars(event), meanings, ())
    for name, meaning in meanings.items():
        if meaning is not ClassVar and not isinstance(vars(event).get(name), Field):
            problems.setdefault(name, _type_alone(f"event {event.__name__}", name, meaning))
    return [problem.at(place) for problem in problems.values()]


def valueless_members(
    flow: type, body: Mapping[str, Any], events: type, place: Place, places: Mapping[str, Place]
) -> list[Finding]:
    """What the body of a flow holds that becomes no member; `places` has the lines of its names, where known."""
    meanings = _meanings(flow)
    problems = _class_problems(f"flow {flow.__name__}", body, meanings, (events,))
    for name, meaning in meanings.items():
        if _known(meaning) and not isinstance(body.get(name), Field | Node):
            problems.setdefault(name, _type_alone(f"flow {flow.__name__}", name, meaning))
    return [problem.at(places.get(name, place)) for name, problem in problems.items()]


def _class_problems(
    where: str, body: Mapping[str, Any], meanings: Mapping[str, Any], taken: tuple[type, ...]
) -> dict[str, Problem]:
    return {
        name: _class_alone(where, name, member)
        for name, member in body.items()
        if isinstance(member, type) and not issubclass(member, taken)
        if not name.startswith("_") and meanings.get(name) is not ClassVar
    }


def _class_alone(where: str, name: str, member: type) -> Problem:
    if member in WRITTEN:
        message = f"{where}: {name!r} is the class {member.__name__}, and an instance of it was expected."
        return Problem("no-value", message, f"Write `{name} = {WRITTEN[member]}`.")
    if where.startswith("event "):
        message = f"{where}: {name!r} is the class {member.__name__}, and only arguments were expected."
        return Problem("no-event", message, "Declare it outside the event; events stand in the body of the flow.")
    message = f"{where}: {name!r} is the class {member.__name__}, which is no event."
    return Problem(
        "no-event", message, f"Derive it from Event, `class {name}(Event):`, or declare it outside the flow."
    )


def _type_alone(where: str, name: str, meaning: Any) -> Problem:
    message = f"{where}: {name!r} is declared without a value."
    if _known(meaning):
        return Problem("no-value", message, f"Write `{name}: {meaning.__name__} = {WRITTEN[meaning]}`.")
    remedy = f"Write `{name}: Integer = Integer()`, or another type of fsm; ClassVar marks what is no argument."
    return Problem("no-value", f"{where}: {name!r} is declared without a value that is a type of fsm.", remedy)


def _known(meaning: Any) -> bool:
    return isinstance(meaning, type) and meaning in WRITTEN


def _meanings(cls: type) -> dict[str, Any]:
    """What the annotations in the body of a class stand for, as far as can be told."""
    return {name: _meaning(annotation, cls.__module__) for name, annotation in _annotations(cls).items()}


def _annotations(cls: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        # From 3.14 on they are made when asked for, and a name in them may not be there yet.
        import annotationlib

        return dict(annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF))
    return dict(vars(cls).get("__annotations__", {}))


def _meaning(annotation: Any, module: str) -> Any:
    text = getattr(annotation, "__forward_arg__", annotation)
    if not isinstance(text, str):
        return get_origin(annotation) or annotation
    first, *rest = text.strip("'\" ").partition("[")[0].strip().split(".")
    meaning = getattr(sys.modules.get(module), first, None)
    for name in rest:
        meaning = getattr(meaning, name, None)
    # A name of a function, or one that is there for type checkers only, is taken by how it is spelt.
    return KNOWN.get((rest or [first])[-1], text) if meaning is None else meaning
