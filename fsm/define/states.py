"""States and groups of them, and what they do with events.

    new = State(initial=True)
    live = working | part_filled                  a group: `on` and `ignores` declare for each member, in order
    live.on(Cancel, to=cancelled)

Everything is written down here and judged at the end of the flow, when the names are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fsm.define.actions import Action, actions_of, condition_of
from fsm.define.chart import Place, StateKind, Term
from fsm.define.places import Problem, body_names, caller, here, waivers
from fsm.layout import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fsm.define.events import Event
    from fsm.define.expressions import Condition


class On(NamedTuple):
    """One `on`, unresolved: nothing in it is checked yet."""

    event: Any
    guard: Term | None
    actions: tuple[Action, ...]
    target: Any
    place: Place
    waivers: tuple[tuple[str, str], ...]


class Source:
    """What transitions leave: a state, or a group."""

    def _members(self) -> tuple[State, ...]:
        raise NotImplementedError

    def on(
        self,
        event: type[Event],
        *,
        when: Condition | str | None = None,
        do: Action | str | Sequence[Action | str] = (),
        to: State | None = None,
        waive: Mapping[str, str] | None = None,
    ) -> None:
        """On `event`, if the guard `when` holds: run the actions `do` and go to `to`, or stay without it.

        Transitions are tried in order of declaration; the first whose guard holds is taken.
        """
        guard = None if when is None else condition_of(when)
        declared = On(event, guard, actions_of(do), to, caller(), waivers(waive))
        for state in self._members():
            state._open()._transitions.append(declared)

    def ignores(self, *events: type[Event]) -> None:
        """Take these events and do nothing, where no transition is enabled."""
        place = caller()
        for state in self._members():
            state._open()._ignores.extend((event, place) for event in events)

    def __or__(self, other: Source) -> Group:
        if not isinstance(other, Source):
            message = f"a group is made of states, and {other!r} was found."
            raise here(Problem("foreign-state", message, "Write working | part_filled."))
        return Group(self._members() + other._members())

    if not TYPE_CHECKING:
        __ror__ = __or__


class State(Source):
    """A node of the chart: instances start (`initial`), rest (`final`) or wait for an operator (`poison`) there."""

    def __init__(
        self,
        *,
        initial: bool = False,
        final: bool = False,
        poison: bool = False,
        waive: Mapping[str, str] | None = None,
    ) -> None:
        self._place = caller()
        self._initial = initial
        self._kind = StateKind.POISON if poison else StateKind.FINAL if final else StateKind.ATOMIC
        self._waivers = waivers(waive)
        self._owner: type | None = None
        self._name: str | None = None
        self._transitions: list[On] = []
        self._ignores: list[tuple[Any, Place]] = []
        self._findings: list[Finding] = []
        if final and poison:
            message = "a state is final or poison, not both."
            self._findings.append(Problem("state-kind", message, "Choose one of them.").at(self._place))
        names = body_names()
        if isinstance(names, Body):
            names.states.append(self)

    @property
    def name(self) -> str | None:
        """Its name in the flow; None until the flow is complete."""
        return self._name

    def _members(self) -> tuple[State, ...]:
        return (self,)

    def _open(self) -> State:
        if self._owner is not None:
            message = f"flow {self._owner.__name__} is complete, and a transition was added to state {self._name!r}."
            raise here(Problem("flow-complete", message, "Declare it in the class body."))
        return self

    def __repr__(self) -> str:
        return f"<State {self._name or '(no name yet)'}>"


class Group(Source):
    """States that share transitions. A group is a short way to write, and leaves no trace in the chart."""

    def __init__(self, members: tuple[State, ...]) -> None:
        self._states = tuple(dict.fromkeys(members))

    def _members(self) -> tuple[State, ...]:
        return self._states

    def __repr__(self) -> str:
        return " | ".join(map(repr, self._states))


class Body(dict[str, Any]):
    """The names of a flow's class body; it remembers what a second use of a name would hide.

    A class body keeps only the last value of a name, and a state without a name leaves no trace at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.states: list[State] = []
        """All that were made in this body, with a name or without."""
        self.bound: list[tuple[str, Any, Place]] = []
        """Every binding, in order."""

    def __setitem__(self, name: str, value: Any) -> None:
        self.bound.append((name, value, caller()))
        super().__setitem__(name, value)
