"""From the members of a class body to a chart, with every problem on the way.

    members ──name──▶ names ──preorder──▶ states ──resolve guards, actions, targets──▶ Chart
       └──────────findings──────────┴────────┴──▶ DefinitionError, sorted by line

Nothing stops at the first problem; only when all are known is the error raised.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fsm.define import chart
from fsm.define.chart import Chart, Place
from fsm.define.events import Event
from fsm.define.fields import Field
from fsm.define.names import naming_problem
from fsm.define.nesting import Binding, Body
from fsm.define.places import Problem
from fsm.define.resolve import NO_EVENT, Names, Resolver, nameless
from fsm.define.shape import shape_findings
from fsm.define.sources import On
from fsm.define.states import History, Node, Parallel, Region, State
from fsm.define.valueless import valueless_members
from fsm.errors import DefinitionError
from fsm.layout import Finding, StateKind, Trigger


class Limits(NamedTuple):
    """The keywords of a flow that bound what one input may cause, as they were given."""

    microsteps_max: Any
    raised_max: Any


MOST = Limits(65_535, 1_024)
"""The largest of each."""


def judge(
    flow: type,
    body: dict[str, Any],
    place: Place,
    waivers: tuple[tuple[str, str], ...],
    limits: Limits,
    findings: list[Finding],
) -> Chart:
    """The chart of a class body; raises DefinitionError with all that is wrong in it, and with `findings` before it."""
    members = _members(body, findings)
    lines = {each.name: each.place for each in body.bound if each.place} if isinstance(body, Body) else {}
    findings += _limit_findings(limits, place)
    findings += valueless_members(flow, body, Event, place, lines)
    names = Names(flow.__name__)
    for name, member in members:
        names.add(name, member)
        findings += _member_findings(name, member)
    resolver = Resolver(names, findings)
    findings += _nameless_findings(body, names)
    nodes = _preorder(names)
    sources = {name: node for name, node in nodes.items() if isinstance(node, State)}
    states = tuple(_state(name, node, names, resolver) for name, node in nodes.items())
    transitions = tuple(_transition(name, on, resolver) for name, s in sources.items() for on in s._transitions)
    findings += shape_findings(states, transitions)
    result = Chart(
        flow.__name__,
        _documentation(flow.__doc__ or ""),
        tuple(chart.Field(name, f._type, f._default, f._place, f._waivers) for name, f in names.fields.items()),
        tuple(chart.Event(name, e._arguments, e._place, e._waivers) for name, e in names.events.items()),
        states,
        transitions,
        tuple(_ignore(name, *ignored, resolver) for name, state in sources.items() for ignored in state._ignores),
        place,
        waivers,
        tuple(_defer(name, *deferred, resolver) for name, state in sources.items() for deferred in state._defers),
        *limits,
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
    bound = list(body.bound) if isinstance(body, Body) else []
    bound += [Binding(name, value, None) for name, value in body.items()]
    first: dict[int, str] = {}
    places: dict[str, Place] = {}
    members: list[tuple[str, Any]] = []
    for name, value, place, block in bound:
        if not _is_member(value) or id(value) in first:
            continue
        first[id(value)] = name
        if name in places:
            message = f"the name {name!r} is used twice: line {places[name].line} declares it first."
            findings.append(Problem("name-twice", message, "Give each its own name.").at(value._place))
        places.setdefault(name, value._place)
        members.append((name, value))
        if place and block and isinstance(value, Node) and block not in (value, value._parent):
            message = (
                f"state {name!r} is named inside a `with` block, and was made outside of it, so it is no child there."
            )
            findings.append(Problem("nesting", message, "Make it inside the block, or name it before.").at(place))
        if place and body.get(name) is not value and not _is_member(body.get(name)):
            message = f"the name {name!r} stands for something else at the end of the class body."
            findings.append(Problem("name-twice", message, "Give each its own name.").at(value._place))
    return members


def _is_member(value: object) -> bool:
    return isinstance(value, Field | Node) or (
        isinstance(value, type) and issubclass(value, Event) and value is not Event
    )


def _member_findings(name: str, member: Any) -> list[Finding]:
    findings = list(member._findings)
    kind = "field" if isinstance(member, Field) else "state" if isinstance(member, Node) else "event"
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
    made = list(body.states) if isinstance(body, Body) else []
    for state in names.states.values():
        made += [*state._children, *state._ancestors()]
    # A function that the class body calls may make a whole flow of its own: those states have a name.
    return [nameless(state) for state in made if not names.knows(state) and state._owner is None]


def _limit_findings(limits: Limits, place: Place) -> list[Finding]:
    findings = []
    for name, given, most in zip(Limits._fields, limits, MOST, strict=True):
        if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
            message = f"{name} is a number from 1 to {most}, and {given!r} was found."
            findings.append(Problem("flow-limit", message, "Leave it out for the usual bound.").at(place))
    return findings


def _preorder(names: Names) -> dict[str, Node]:
    """The states of a flow in document order: each right before what is inside it, siblings as they were named."""
    inside: dict[str | None, list[str]] = {}
    for name, node in names.states.items():
        inside.setdefault(_parent(node, names), []).append(name)
    ordered: dict[str, Node] = {}
    ahead = inside.get(None, [])[::-1]
    while ahead:
        name = ahead.pop()
        ordered[name] = names.states[name]
        ahead += inside.get(name, [])[::-1]
    return ordered


def _parent(node: Node, names: Names) -> str | None:
    """The name of the parent; None also where another state has taken that name, which is told elsewhere."""
    name = names.of(node._parent)
    return name if name is not None and names.states[name] is node._parent else None


def _state(name: str, node: Node, names: Names, resolver: Resolver) -> chart.State:
    kind, parent = node._kind, _parent(node, names)
    if kind is StateKind.ATOMIC and node._children:
        kind = StateKind.COMPOUND
    resolver.findings += _region_findings(name, node, parent or "the flow")
    result = chart.State(name, kind, node._initial, parent, node._place, node._waivers)
    if isinstance(node, History) and node._default is not None:
        return result._replace(default=resolver.target(node._default, node._place))
    if isinstance(node, State):
        entry, leaving = (resolver.actions(actions, NO_EVENT, node._place) for actions in (node._entry, node._exit))
        return result._replace(entry=entry, exit=leaving)
    return result


def _region_findings(name: str, node: Node, parent: str) -> list[Finding]:
    # Asked of what the user made: a region without a name is no part of the chart, and still a region.
    problems = []
    if isinstance(node, Region) and not isinstance(node._parent, Parallel):
        message = f"Region {name} stands directly in {parent}, which is no Parallel."
        remedy = "Write `with Parallel() as ...:` around it, or make it a State."
        problems.append(Problem("region-place", message, remedy))
    if isinstance(node, Parallel) and all(isinstance(child, History) for child in node._children):
        message = f"a Parallel has regions, and {name} has none."
        problems.append(Problem("parallel-regions", message, "Write `with Region() as ...:` inside it."))
    return [problem.at(node._place) for problem in problems]


def _transition(source: str, on: On, resolver: Resolver) -> chart.Transition:
    trigger, event = on.trigger, None if on.trigger is Trigger.EVENT else NO_EVENT
    if on.event is Event:
        trigger, event = Trigger.ANY, NO_EVENT
    elif trigger is Trigger.EVENT:
        event = resolver.event(on.event, on.place)
    guard = None if on.guard is None else resolver.condition(on.guard, event, on.place)
    actions = resolver.actions(on.actions, event, on.place)
    targets = resolver.targets(on.targets, on.place)
    moment = None if on.moment is None else resolver.moment(on.moment, on.place)
    return chart.Transition(
        source, trigger, event or "", guard, actions, targets, on.place, on.waivers, on.stay, moment
    )  # fmt: skip


def _ignore(source: str, event: Any, place: Place, resolver: Resolver) -> chart.Ignore:
    return chart.Ignore(source, resolver.event(event, place) or "", place)


def _defer(source: str, event: Any, at_most: int, place: Place, resolver: Resolver) -> chart.Defer:
    return chart.Defer(source, resolver.event(event, place) or "", at_most, place)


def _own(flow: type, names: Names) -> None:
    """Tell the members whose they are; from here on they are complete."""
    owned: list[tuple[str, Field | Node]] = [*names.fields.items(), *names.states.items()]
    for name, member in owned:
        member._owner, member._name = flow, name
    for number, event in enumerate(names.events.values()):
        event._owner, event.id = flow, number


def _sorted(findings: list[Finding]) -> list[Finding]:
    # A group declares once for many states: what is wrong there is told once.
    unique = {(f.file, f.line, f.rule, f.message): f for f in findings}
    return sorted(unique.values(), key=lambda finding: (finding.file, finding.line))
