"""Actions, as they are written; names come at the end of the flow.

leaves.subtract(Execute.quantity)            SetAction  ─┐
when(leaves == 0, done.set(True))            WhenAction ─┼──class end──▶ chart.Set, chart.Conditional, chart.Raise
raise_(Cancel)                               RaiseAction ┤
"leaves -= Execute.quantity"                 TextAction ─┘
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from fsm.define import terms
from fsm.define.chart import Place, Term
from fsm.define.expressions import Value, build, term_of
from fsm.define.places import Problem, caller

if TYPE_CHECKING:
    import datetime
    import decimal
    from collections.abc import Sequence

    from fsm.define.events import Event
    from fsm.define.expressions import (
        ChoiceValue,
        Condition,
        DecimalValue,
        DurationValue,
        IntegerValue,
        TextValue,
        TimestampValue,
    )
    from fsm.define.fields import Field


class Action:
    """What a transition does: a write of a field, or an event that it raises."""

    _place: Place


class SetAction(Action):
    """field := term"""

    def __init__(self, field: Field, term: Term, place: Place) -> None:
        self._field = field
        self._term = term
        self._place = place


class WhenAction(Action):
    """Actions under a condition."""

    def __init__(self, test: Term, then: tuple[Action, ...], otherwise: tuple[Action, ...], place: Place) -> None:
        self._condition = test
        self._then = then
        self._otherwise = otherwise
        self._place = place


class RaiseAction(Action):
    """An event to be taken inside the step."""

    def __init__(self, event: Any, place: Place) -> None:
        self._event = event
        self._place = place


class BrokenAction(Action):
    """What was to be an action and is none; the end of the flow tells."""

    def __init__(self, problem: Problem) -> None:
        self._place = caller()
        self._finding = problem.at(self._place)


class TextAction(Action):
    """Actions as text, read when the names are known."""

    def __init__(self, text: str, place: Place) -> None:
        self._text = text
        self._place = place


@overload
def when(
    condition: Condition | str, action: Action | str, /, *actions: Action | str,
    otherwise: Action | str | Sequence[Action | str] = ...,
) -> Action: ...  # fmt: skip
@overload
def when(  # type: ignore[overload-overlap]
    condition: Condition | str, a: IntegerValue | int, b: IntegerValue | int, /
) -> IntegerValue: ...
@overload
def when(
    condition: Condition | str, a: DecimalValue, b: DecimalValue | decimal.Decimal | int | str, /
) -> DecimalValue: ...
@overload
def when(condition: Condition | str, a: decimal.Decimal | int | str, b: DecimalValue, /) -> DecimalValue: ...
@overload
def when(condition: Condition | str, a: Condition | bool, b: Condition | bool, /) -> Condition: ...
@overload
def when(condition: Condition | str, a: TimestampValue, b: TimestampValue | datetime.datetime, /) -> TimestampValue: ...
@overload
def when(condition: Condition | str, a: DurationValue, b: DurationValue | datetime.timedelta, /) -> DurationValue: ...
@overload
def when(condition: Condition | str, a: ChoiceValue, b: ChoiceValue | str, /) -> ChoiceValue: ...
@overload
def when(condition: Condition | str, a: TextValue, b: TextValue | bytes, /) -> TextValue: ...
def when(condition: Any, /, *parts: Any, otherwise: Any = ()) -> Any:
    """Actions that run only under a condition, or one of two values.

    `when(leaves == 0, done.set(True), otherwise=done.set(False))` is an action; the condition sees the writes of the
    actions before it. `when(leaves < limit, leaves, limit)` is a value. A condition and an action may be text.
    """
    test = condition_of(condition)
    unconditional = isinstance(otherwise, tuple) and not otherwise
    if len(parts) == 2 and unconditional and not all(isinstance(part, Action | str) for part in parts):
        return build(terms.choose, test, *map(term_of, parts))
    then = actions_of(parts) or (BrokenAction(_no_action(())),)
    return WhenAction(test, then, actions_of(otherwise), caller())


def raise_(event: type[Event]) -> Action:
    """Put an event of the flow, which has no arguments, into the queue: it is taken before the step ends."""
    return RaiseAction(event, caller())


def actions_of(given: object) -> tuple[Action, ...]:
    """One action, or some of them, as a tuple; text becomes an action that is read later."""
    if isinstance(given, Action | str):
        given = (given,)
    if not isinstance(given, tuple | list):
        return (BrokenAction(_no_action(given)),)
    return tuple(map(_action_of, given))


def condition_of(given: object) -> Term:
    """The term of a condition; text is read when the names are known, and what is no condition is told then."""
    if isinstance(given, str):
        return Term("text", terms.BOOLEAN, (), (given, caller()))
    try:
        return terms.condition(given._term if isinstance(given, Value) else given)
    except Problem as problem:
        return Term("broken", terms.BOOLEAN, (), problem.at(caller()))


def _action_of(given: object) -> Action:
    if isinstance(given, str):
        return TextAction(given, caller())
    if isinstance(given, Action):
        return given
    return BrokenAction(_no_action(given))


def _no_action(given: object) -> Problem:
    found = terms.describe(given._term.type) + " value" if isinstance(given, Value) else repr(given)
    remedy = 'Write field.set(...), when(...), or text: "leaves = 0".'
    return Problem("no-action", f"an action was expected, and {found} was found.", remedy)
