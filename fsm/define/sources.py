"""What transitions leave, and what it does with events and time.

    new.on(Submit, when=..., do=..., to=working)          an event: one, or with the base class Event any
    working.after("30 s", to=late)                        time: `after` a length, `at` a moment
    settling.on_done(to=settled)                          what is inside is done
    working.always(when=leaves == 0, to=filled)           nothing: tried after every microstep
    live = working | part_filled                          a group: declares for each member, in order

Everything is written down here and judged at the end of the flow, when the names are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fsm.define.actions import Action, actions_of, condition_of
from fsm.define.chart import Place, Term
from fsm.define.places import Problem, caller, here, waivers
from fsm.define.timers import length_of, moment_of
from fsm.layout import Trigger

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from fsm.define.events import Event
    from fsm.define.expressions import Condition, DurationValue
    from fsm.define.fields import Timestamp
    from fsm.define.states import Node, State

    Guard: TypeAlias = Condition | str | None
    Actions: TypeAlias = Action | str | Sequence[Action | str]
    Targets: TypeAlias = Node | Sequence[Node] | None
    Waivers: TypeAlias = Mapping[str, str] | None

DEFERRED_MAX = 1000
"""Events of an instance that a flow may keep waiting."""


class On(NamedTuple):
    """One transition, unresolved: nothing in it is checked yet."""

    trigger: Trigger
    event: Any
    guard: Term | None
    actions: tuple[Action, ...]
    targets: Any
    place: Place
    waivers: tuple[tuple[str, str], ...]
    stay: bool
    moment: Term | None


class Source:
    """What transitions leave: a state, or a group."""

    def _members(self) -> tuple[State, ...]:
        raise NotImplementedError

    def on(
        self,
        event: type[Event],
        *,
        when: Guard = None,
        do: Actions = (),
        to: Targets = None,
        stay: bool = False,
        waive: Waivers = None,
    ) -> None:
        """On `event`, if the guard `when` holds: run the actions `do` and go to `to`, or stay without it.

        Transitions are tried in order of declaration; the first whose guard holds is taken. The base class `Event`
        stands for every event of the flow. Several targets stand each in another region of one parallel state.
        `stay=True` goes to a state inside this one, which is neither left nor entered.
        """
        self._declare(Trigger.EVENT, event, when, do, to, stay, waive)

    def on_done(
        self, *, when: Guard = None, do: Actions = (), to: Targets = None, stay: bool = False, waive: Waivers = None
    ) -> None:
        """When what is inside is done: its final state was entered, or one in each of its regions."""
        self._declare(Trigger.DONE, None, when, do, to, stay, waive)

    def always(
        self, *, when: Guard = None, do: Actions = (), to: Targets = None, stay: bool = False, waive: Waivers = None
    ) -> None:
        """Without an event: tried after every microstep while this state is active."""
        self._declare(Trigger.ALWAYS, None, when, do, to, stay, waive)

    def after(
        self,
        duration: DurationValue | datetime.timedelta | int | str,
        *,
        when: Guard = None,
        do: Actions = (),
        to: Targets = None,
        stay: bool = False,
        waive: Waivers = None,
    ) -> None:
        """A length of time after this state was entered: "30 s", a timedelta, ns, or an expression of fields."""
        self._declare(Trigger.AFTER, None, when, do, to, stay, waive, length_of(duration))

    def at(
        self,
        moment: Timestamp,
        *,
        when: Guard = None,
        do: Actions = (),
        to: Targets = None,
        stay: bool = False,
        waive: Waivers = None,
    ) -> None:
        """At the moment that a field holds when this state is entered; 0 is no moment."""
        self._declare(Trigger.AT, None, when, do, to, stay, waive, moment_of(moment))

    def ignores(self, *events: type[Event]) -> None:
        """Take these events and do nothing, where no transition is enabled."""
        place = caller()
        for state in self._members():
            state._open()._ignores.extend((event, place) for event in events)

    if TYPE_CHECKING:

        def defers(self, *events: type[Event], at_most: int) -> None:
            """Keep these events, where no transition is enabled, until the active states do not defer them.

            At most so many wait in an instance, of all kinds together; one more is refused as `deferral_full`.
            """

    else:

        def defers(self, *events, at_most=None):
            place = caller()
            room = at_most if _counts(at_most, DEFERRED_MAX) else 1
            for state in self._members():
                state._open()._defers.extend((event, room, place) for event in events)
                if room is not at_most:
                    message = f"at_most is a number from 1 to {DEFERRED_MAX}, and {at_most!r} was found."
                    remedy = "Say how many deferred events may wait: defers(Cancel, at_most=4)."
                    state._findings.append(Problem("defer-room", message, remedy).at(place))

    def on_entry(self, *actions: Action | str) -> None:
        """Run these actions whenever this state is entered."""
        for state in self._members():
            state._open()._entry += actions_of(actions)

    def on_exit(self, *actions: Action | str) -> None:
        """Run these actions whenever this state is left."""
        for state in self._members():
            state._open()._exit += actions_of(actions)

    def _declare(
        self,
        trigger: Trigger,
        event: Any,
        when: Guard,
        do: Actions,
        to: Targets,
        stay: bool,
        waive: Waivers,
        moment: Term | None = None,
    ) -> None:
        guard = None if when is None else condition_of(when)
        declared = On(trigger, event, guard, actions_of(do), to, caller(), waivers(waive), bool(stay), moment)
        for state in self._members():
            state._open()._transitions.append(declared)

    def __or__(self, other: Source) -> Group:
        if not isinstance(other, Source):
            message = f"a group is made of states, and {other!r} was found."
            raise here(Problem("foreign-state", message, "Write working | part_filled."))
        return Group(self._members() + other._members())

    if not TYPE_CHECKING:
        __ror__ = __or__


class Group(Source):
    """States that share transitions. A group is a short way to write, and leaves no trace in the chart."""

    def __init__(self, members: tuple[State, ...]) -> None:
        self._states = tuple(dict.fromkeys(members))

    def _members(self) -> tuple[State, ...]:
        return self._states

    def __repr__(self) -> str:
        return " | ".join(map(repr, self._states))

    if not TYPE_CHECKING:

        def __enter__(self):
            message = f"a state was expected after `with`, and the group {self!r} was found."
            raise here(Problem("nesting", message, "Nest inside one state: with State() as live."))

        def __exit__(self, *raised):
            return None


def _counts(number: object, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most
