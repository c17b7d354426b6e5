"""When a timer fires: `after` a length of time, or `at` the moment that a field holds.

"200 ms", timedelta, int ns  ──▶ a constant Duration   ┐
patience * 2                 ──▶ a Duration expression ┼──▶ Transition.moment
settlement_due               ──▶ a Timestamp field     ┘

What is neither becomes a broken term, which the end of the flow tells.
"""

from __future__ import annotations

from fsm.define import terms
from fsm.define.chart import Term
from fsm.define.expressions import Value
from fsm.define.places import Problem, caller


def length_of(given: object) -> Term:
    """The term of what `after` was given."""
    try:
        return _length(given)
    except Problem as problem:
        return Term("broken", terms.DURATION, (), problem.at(caller()))


def moment_of(given: object) -> Term:
    """The term of what `at` was given."""
    if isinstance(given, Value) and given._term.type == terms.TIMESTAMP and given._term.operation == "field":
        return given._term
    message = f"at() takes a Timestamp field of the flow, and {_found(given)} was found."
    problem = Problem("timer-moment", message, "Keep the moment in a Timestamp field: due.set(...), then at(due, ...).")
    return Term("broken", terms.TIMESTAMP, (), problem.at(caller()))


def _length(given: object) -> Term:
    remedy = 'Write "200 ms", a timedelta, a number of ns, or an expression of Duration fields.'
    if isinstance(given, Value):
        if given._term.type == terms.DURATION:
            return given._term
        raise Problem("timer-moment", f"after() takes a Duration, and {_found(given)} was found.", remedy)
    length = terms.constant(terms.DURATION, given)
    if length.value < 0:
        raise Problem("timer-moment", f"after() takes a Duration from 0 on, and {given!r} was found.", remedy)
    return length


def _found(given: object) -> str:
    if not isinstance(given, Value):
        return repr(given)
    what = {"field": "field", "argument": "argument"}.get(given._term.operation, "expression")
    return f"{terms.describe(given._term.type)} {what}"
