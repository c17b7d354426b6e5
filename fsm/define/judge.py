"""From the members of a class body to a chart, with every problem on the way.

    members ──name──▶ names ──resolve guards, actions, targets──▶ Chart
       └──────────findings──────────┴──▶ DefinitionError, sorted by line

Nothing stops at the first problem; only when all are known is the error raised.
"""

from __future__ import annotations

from typing import Any

from fsm.define import chart
from fsm.define.chart import Chart, Place
from fsm.define.events import Event
from fsm.define.fields import Field
from fsm.define.names import naming_problem
from fsm.define.places import Problem
from fsm.define.resolve import Names, Resolver, nameless
from fsm.define.states import Body, On, State
from fsm.define.valueless import valueless_members
from fsm.errors import DefinitionError
from fsm.layout import Finding


def judge(
    flow: type, body: dict[str, Any], place: Place, waivers: tuple[tuple[str, str], ...], findings: list[Finding]
) -> Chart:
    """The chart of a class body; raises DefinitionError with all that is wrong in it, and with `findings` before it."""
    members = _members(body, findings)
    lines = {name: line for name, _, line in body.bound} if isinstance(body, Body) else {}
    findings += valueless_members(flow, body, Event, place, lines)
    names = Names(flow.__name__)
    for name, member in members:
        names.add(name, member)
        findings += _member_findings(name, member)
    resolver = Resolver(names, findings)
    findings += _nameless_findings(body, names)
    result = Chart(
        flow.__name__,
        _documentation(flow.__doc__ or ""),
        tuple(chart.Field(name, f._type, f._default, f._place, f._waivers) for name, f in names.fields.items()),
        tuple(chart.Event(name, e._arguments, e._place, e._waivers) for name, e in names.events.items()),
        tuple(chart.State(name, s._kind, s._initial, None, s._place, s._waivers) for name, s in names.states.items()),
        tuple(_transition(name, on, resolver) for name, state in names.states.items() for on in state._transitions),
        tuple(_ignore(name, *ignored, resolver) for name, state in names.states.items() for ignored in state._ignores),
        place,
        waivers,
    )
    if findings:
        raise DefinitionError(_sorted(findings))
    _own(flow, names)
    return result


def _documentation(docstring: str) -> str:
    """A docstring without the indentation of its class, which Python 3.13 leaves out and others keep."""
    first, *rest = docstring.expandtabs().strip().splitlines() or [""]
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.rstrip(), *(line[margin:].rstrip() for line in rest)])


def _members(body: dict[str, Any], findings: list[Finding]) -> list[tuple[str, Any]]:
    """Names and what they stand for: the first name of each, since another one is an alias."""
    bound: list[tuple[str, Any, Place | None]] = list(body.bound) if isinstance(body, Body) else []
    bound += [(name, value, None) for name, value in body.items()]
    first: dict[int, str] = {}
    places: dict[str, Place] = {}
    members: list[tuple[str, Any]] = []
    for name, value, place in bound:
        if not _is_member(value) or id(value) in first:
            continue
        first[id(value)] = name
        if name in places:
            message = f"the name {name!r} is used twice: line {places[name].line} declares it first."
            findings.append(Problem("name-twice", message, "Give each its own name.").at(value._place))
        places.setdefault(name, value._place)
        members.append((name, value))
        if place and body.get(name) is not value and not _is_member(body.get(name)):
            message = f"the name {name!r} stands for something else at the end of the class body."
            findings.append(Problem("name-twice", message, "Give each its own name.").at(value._place))
    return members


def _is_member(value: object) -> bool:
    return isinstance(value, Field | State) or (isinstance(value, type) and issubclass(value, Event))


def _member_findings(name: str, member: Any) -> list[Finding]:
    findings = list(member._findings)
    kind = "field" if isinstance(member, Field) else "state" if isinstance(member, State) else "event"
    problem = naming_problem(kind, name)
    if problem:
        findings.append(problem.at(member._place))
    if member._owner is not None:
        message = f"{kind} {name!r} belongs to flow {member._owner.__name__} already."
        findings.append(Problem("foreign-" + kind, message, "Declare one for this flow.").at(member._place))
    if kind == "event" and member.__name__ != name:
        message = f"event class {member.__name__} is bound to the name {name!r}."
        findings.append(Problem("event-name", message, "Use one name for both.").at(member._place))
    return findings


def _nameless_findings(body: dict[str, Any], names: Names) -> list[Finding]:
    made = body.states if isinstance(body, Body) else []
    return [nameless(state) for state in made if not names.knows(state)]


def _transition(source: str, on: On, resolver: Resolver) -> chart.Transition:
    event = resolver.event(on.event, on.place)
    guard = None if on.guard is None else resolver.condition(on.guard, event, on.place)
    actions = resolver.actions(on.actions, event, on.place)
    target = None if on.target is None else resolver.target(on.target, on.place)
    return chart.Transition(source, event or "", guard, actions, target, on.place, on.waivers)


def _ignore(source: str, event: Any, place: Place, resolver: Resolver) -> chart.Ignore:
    return chart.Ignore(source, resolver.event(event, place) or "", place)


def _own(flow: type, names: Names) -> None:
    """Tell the members whose they are; from here on they are complete."""
    owned: list[tuple[str, Field | State]] = [*names.fields.items(), *names.states.items()]
    for name, member in owned:
        member._owner, member._name = flow, name
    for number, event in enumerate(names.events.values()):
        event._owner, event.id = flow, number


def _sorted(findings: list[Finding]) -> list[Finding]:
    # A group declares once for many states: what is wrong there is told once.
    unique = {(f.file, f.line, f.rule, f.message): f for f in findings}
    return sorted(unique.values(), key=lambda finding: (finding.file, finding.line))
