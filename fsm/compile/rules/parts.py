"""What guards, actions and moments of a chart are made of, with whom they belong to and where they stand.

    chart ──uses──▶ Use(term, subject, place, event)      guards, values, conditions, moments
          ──acts──▶ (subject, action)                     writes and raises, those under a condition too

`check` looks at all of them alike: what holds of a guard holds of an entry action.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fsm.define.chart import Action, Chart, Conditional, Place, Raise, Set, State, Term, Transition, Trigger

Owner = State | Transition
"""Whom an action or a term belongs to."""


class Use(NamedTuple):
    """A term, and where it is used."""

    term: Term
    subject: Owner
    place: Place
    event: str | None
    """The event whose arguments have values there."""


def uses(chart: Chart) -> Iterator[Use]:
    """Every guard, moment, and value or condition of an action."""
    for state in chart.states:
        yield from _in_actions(state, (*state.entry, *state.exit), None)
    for transition in chart.transitions:
        event = transition.event if transition.trigger is Trigger.EVENT else None
        if transition.guard is not None:
            yield Use(transition.guard, transition, transition.place, event)
        if transition.moment is not None:
            yield Use(transition.moment, transition, transition.place, None)
        yield from _in_actions(transition, transition.actions, event)


def _in_actions(subject: Owner, actions: Iterable[Action], event: str | None) -> Iterator[Use]:
    for action in flat(actions):
        if isinstance(action, Set):
            yield Use(action.term, subject, action.place, event)
        elif isinstance(action, Conditional):
            yield Use(action.condition, subject, action.place, event)


def acts(chart: Chart) -> Iterator[tuple[Owner, Action]]:
    """Every action, with whom it belongs to."""
    for owner in owners(chart):
        for action in flat(actions_of(owner)):
            yield owner, action


def owners(chart: Chart) -> Iterator[Owner]:
    """All that may have actions."""
    yield from chart.states
    yield from chart.transitions


def actions_of(owner: Owner) -> tuple[Action, ...]:
    """The actions of a transition, or of a state on entry and exit."""
    return (*owner.entry, *owner.exit) if isinstance(owner, State) else owner.actions


def flat(actions: Iterable[Action]) -> Iterator[Action]:
    """Actions in order, each condition before what stands under it."""
    waiting = list(actions)[::-1]
    while waiting:
        action = waiting.pop()
        yield action
        if isinstance(action, Conditional):
            waiting += (*action.then, *action.otherwise)[::-1]


def written(actions: Iterable[Action]) -> set[str]:
    """The fields that some actions may write."""
    return {action.field for action in flat(actions) if isinstance(action, Set)}


def raised(actions: Iterable[Action]) -> set[str]:
    """The events that some actions may raise."""
    return {action.event for action in flat(actions) if isinstance(action, Raise)}


def nodes(term: Term) -> Iterator[Term]:
    """A term and all within it."""
    yield term
    for operand in term.operands:
        yield from nodes(operand)


def read(*terms: Term | None) -> set[str]:
    """The fields that some terms ask for."""
    return {
        node.value for term in terms if term is not None for node in nodes(term) if node.operation == "field"
    }  # fmt: skip
