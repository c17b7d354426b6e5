"""Names for what had none: fields, arguments, events and states that a class body refers to.

    Term("field", value=<the field>) ──Names──▶ Term("field", value="leaves")
    Term("text", value="leaves > 0") ──Names──▶ Term("less", ...)

What cannot be named becomes a finding, and something of the right type stands in for it: the rest is judged too.
"""

from __future__ import annotations

from typing import Any

from fsm.define import chart, terms
from fsm.define.actions import Action, BrokenAction, RaiseAction, SetAction, TextAction, WhenAction
from fsm.define.chart import Place, Term
from fsm.define.events import Event
from fsm.define.fields import Field
from fsm.define.places import Problem
from fsm.define.render import with_text
from fsm.define.sources import Group
from fsm.define.states import Node
from fsm.layout import Finding

NO_EVENT = ""
"""In place of an event's name: none is at hand, or it is not known which, so no argument has a value."""
NEVER = Term("constant", terms.BOOLEAN, (), 0)
"""Stands in for a condition that could not be read."""


class Names:
    """What a flow calls its members; the scope of text."""

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.fields: dict[str, Field] = {}
        self.events: dict[str, type[Event]] = {}
        self.states: dict[str, Node] = {}
        self._names: dict[int, str] = {}

    def add(self, name: str, member: Any) -> None:
        """A member and its name."""
        by_kind: Any = self.fields if isinstance(member, Field) else self.states
        if isinstance(member, type):
            by_kind = self.events
        by_kind.setdefault(name, member)
        self._names[id(member)] = name

    def knows(self, member: object) -> bool:
        """Whether a member is this flow's."""
        return id(member) in self._names

    def of(self, member: object) -> str | None:
        """The name of a member, or None for another flow's."""
        return self._names.get(id(member))

    def field(self, name: str) -> Term:
        """The term of a field, for text."""
        if name in self.fields:
            return Term("field", self.fields[name]._type, (), name)
        raise Problem("unknown-name", f"there is no field {name!r}.", f"Fields: {_listed(self.fields)}.")

    def argument(self, event: str, name: str) -> Term:
        """The term of an argument, for text."""
        if event not in self.events:
            raise Problem("unknown-name", f"there is no event {event!r}.", f"Events: {_listed(self.events)}.")
        for argument in self.events[event]._arguments:
            if argument.name == name:
                return Term("argument", argument.type, (), (event, name))
        listed = _listed(self.events[event]._fields)
        raise Problem("unknown-name", f"event {event} has no argument {name!r}.", f"Arguments: {listed}.")

    def raised(self, event: str) -> str:
        """The name of an event that is raised: one without arguments."""
        if event not in self.events:
            raise Problem("unknown-name", f"there is no event {event!r}.", f"Events: {_listed(self.events)}.")
        if self.events[event]._fields:
            message = f"event {event} is raised, and it takes arguments: {_listed(self.events[event]._fields)}."
            raise Problem("raised-arguments", message, "Raise an event without arguments; it reads the fields.")
        return event


class Resolver:
    """Resolves the parts of one transition after the other; what is wrong goes to `findings`."""

    def __init__(self, names: Names, findings: list[Finding]) -> None:
        self.names = names
        self.findings = findings

    def event(self, event: Any, place: Place) -> str | None:
        """The name of an event, or None where it is not this flow's."""
        name = self.names.of(event)
        if name is None or name not in self.names.events:
            found = event.__name__ if isinstance(event, type) else repr(event)
            message = f"an event of flow {self.names.flow} was expected, and {found} was found."
            remedy = f"Name one of its event classes: {_listed(self.names.events)}."
            self.findings.append(Problem("foreign-event", message, remedy).at(place))
            return None
        return name

    def targets(self, states: Any, place: Place) -> tuple[str, ...]:
        """The names of the targets that `to=` was given: one state, several, or none."""
        listed = states if isinstance(states, tuple | list) else () if states is None else (states,)
        return tuple(name for state in listed if (name := self.target(state, place)) is not None)

    def target(self, state: Any, place: Place) -> str | None:
        """The name of a target, or None where it is no state of this flow."""
        name = self.names.of(state) if isinstance(state, Node) else None
        if name is None and isinstance(state, Node) and state._owner is None:
            self.findings.append(nameless(state))
        elif name is None:
            self.findings.append(self._no_target(state).at(place))
        return name

    def condition(self, term: Term, event: str | None, place: Place) -> Term:
        """A guard with names."""
        return self._resolved(term, event, place)

    def moment(self, term: Term, place: Place) -> Term:
        """When a timer fires, with names."""
        return self._resolved(term, NO_EVENT, place)

    def actions(self, actions: tuple[Action, ...], event: str | None, place: Place) -> tuple[chart.Action, ...]:
        """Actions with names."""
        return tuple(done for action in actions for done in self._action(action, event))

    def _action(self, action: Action, event: str | None) -> tuple[chart.Action, ...]:
        place = action._place
        if isinstance(action, SetAction):
            name = self._field_name(action._field, place)
            return (with_text(chart.Set(name, self._resolved(action._term, event, place), "", place)),)
        if isinstance(action, WhenAction):
            test = self.condition(action._condition, event, place)
            then, otherwise = (self.actions(part, event, place) for part in (action._then, action._otherwise))
            return (with_text(chart.Conditional(test, then, otherwise, "", place)),)
        if isinstance(action, TextAction):
            return self._text_actions(action._text, event, place)
        if isinstance(action, RaiseAction):
            return self._raise(action._event, place)
        assert isinstance(action, BrokenAction)
        self.findings.append(action._finding)
        return ()

    def _raise(self, event: Any, place: Place) -> tuple[chart.Action, ...]:
        name = self.event(event, place)
        try:
            return () if name is None else (with_text(chart.Raise(self.names.raised(name), "", place)),)
        except Problem as problem:
            self.findings.append(problem.at(place))
            return ()

    def _text_actions(self, text: str, event: str | None, place: Place) -> tuple[chart.Action, ...]:
        from fsm.define.text import parse_actions

        try:
            actions = parse_actions(text, self.names, place)
        except Problem as problem:
            self.findings.append(problem.at(place))
            return ()
        for term in (term for action in actions for term in _terms_of(action)):
            self._checked(term, event, place)
        return actions

    def _text_condition(self, text: str, place: Place) -> Term:
        from fsm.define.text import parse_condition

        try:
            return parse_condition(text, self.names)
        except Problem as problem:
            self.findings.append(problem.at(place))
            return NEVER

    def _resolved(self, term: Term, event: str | None, place: Place) -> Term:
        try:
            terms.shallow(term)
        except Problem as problem:
            self.findings.append(problem.at(place))
            return NEVER
        return self._checked(self._named(term, place), event, place)

    def _named(self, term: Term, place: Place) -> Term:
        if term.operation == "text":
            return self._text_condition(*term.value)
        if term.operation == "broken":
            self.findings.append(term.value)
            return NEVER
        if term.operation == "field":
            return term._replace(value=self._field_name(term.value, place))
        if term.operation == "argument":
            owner, field = term.value
            return term._replace(value=(self.names.of(owner) or owner.__name__, owner._name_of(field)))
        return term._replace(operands=tuple(self._named(operand, place) for operand in term.operands))

    def _field_name(self, field: Field, place: Place) -> str:
        name = self.names.of(field)
        if name is None:
            owner = f"flow {field._owner.__name__}" if field._owner else "no flow"
            message = f"a field of {owner} is used in flow {self.names.flow}."
            remedy = f"Use one of its own fields: {_listed(self.names.fields)}."
            self.findings.append(Problem("foreign-field", message, remedy).at(place))
        return name or "?"

    def _checked(self, term: Term, event: str | None, place: Place) -> Term:
        """The term, after a look at whose arguments it uses: only those of the event at hand have values."""
        if term.operation == "argument" and event is not None and term.value[0] != event:
            self.findings.append(self._no_value(".".join(term.value), event).at(place))
        for operand in term.operands:
            self._checked(operand, event, place)
        return term

    def _no_value(self, argument: str, event: str) -> Problem:
        if event != NO_EVENT:
            remedy = f"Only arguments of {event} have a value there: {_listed(self.names.events[event]._fields)}."
            return Problem("foreign-argument", f"{argument} is used in a transition on {event}.", remedy)
        message = f"{argument} is used where no event is at hand, or none that is known to have it."
        remedy = "Keep it in a field when its event comes, `do=seen.set(...)`, and use the field here."
        return Problem("foreign-argument", message, remedy)

    def _no_target(self, state: Any) -> Problem:
        remedy = f"Name one state of this flow: {_listed(self.names.states)}."
        if isinstance(state, Group):
            return Problem("foreign-state", "a transition goes to one state, and a group was found.", remedy)
        if not isinstance(state, Node):
            return Problem("foreign-state", f"a state was expected, and {state!r} was found.", remedy)
        owner = state._owner.__name__ if state._owner else "?"
        return Problem("foreign-state", f"state {state._name!r} belongs to flow {owner}.", remedy)


def nameless(state: Node) -> Finding:
    """The finding of a state that was bound to no name."""
    remedy = "Assign it to a name in the class body: working = State()."
    return Problem("unnamed-state", "this state has no name.", remedy).at(state._place)


def _terms_of(action: chart.Action) -> list[Term]:
    if isinstance(action, chart.Set):
        return [action.term]
    if isinstance(action, chart.Raise):
        return []
    inner = [term for part in (*action.then, *action.otherwise) for term in _terms_of(part)]
    return [action.condition, *inner]


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"
