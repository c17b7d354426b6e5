"""The chart: what a definition says, as plain immutable values. The way from a class body to tables passes here.

    Flow class ──define──▶ Chart ──check, compile──▶ Tables

Nothing here has operators or magic: a `Term` is a tree that compares and hashes by structure, so that equal guards are
one guard. Names are resolved (a field is known by its name, an argument by the names of its event and its own).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fsm.layout import FieldKind, Rounding, StateKind, Trigger

MICROSTEPS_MAX = 64
"""Microsteps that one input may cause, unless the flow says otherwise: one more is a fault."""
RAISED_MAX = 16
"""Internal events that may wait at once, unless the flow says otherwise."""


class Place(NamedTuple):
    """Where the user wrote it."""

    file: str
    line: int


class Type(NamedTuple):
    """Kind and parameters of a field, an argument or a term."""

    kind: FieldKind
    places: int = 0
    """Decimal: digits behind the point."""
    options: tuple[str, ...] = ()
    """Choice: its options, in order."""
    size: int = 0
    """Text: bytes, 1 to 32."""

    @property
    def words(self) -> int:
        """Words of 8 bytes that a value takes."""
        return (self.size + 7) // 8 if self.kind is FieldKind.TEXT else 1


class Term(NamedTuple):
    """A node of an expression.

    operation         operands                 value
    constant                                   int, or bytes (Text, padded with NUL to its size)
    field                                      name of the field
    argument                                   (name of the event, name of the argument)
    add subtract multiply floor_divide modulo minimum maximum      two operands
    negate            one
    scale             a, b, c                  Rounding: a * b / c with a 128-bit product
    choose            condition, then, otherwise
    less equal        two operands             a condition, as are:
    and or            two or more conditions, left to right, stopping early
    not               one condition

    A condition is a term of Boolean type; a Boolean field, argument or constant is one too (true when not 0).
    """

    operation: str
    type: Type
    operands: tuple[Term, ...] = ()
    value: Any = None


class Set(NamedTuple):
    """field := term."""

    field: str
    term: Term
    text: str
    """As people write it: `leaves.subtract(Execute.quantity)`."""
    place: Place


class Conditional(NamedTuple):
    """Actions under a condition, which sees the writes of the actions before it."""

    condition: Term
    then: tuple[Action, ...]
    otherwise: tuple[Action, ...]
    text: str
    place: Place


class Raise(NamedTuple):
    """Put an event, which has no arguments, into the queue of internal events."""

    event: str
    text: str
    place: Place


Action = Set | Conditional | Raise


class Field(NamedTuple):
    """A typed field of an instance."""

    name: str
    type: Type
    default: int | bytes
    place: Place
    waivers: tuple[tuple[str, str], ...] = ()


class Argument(NamedTuple):
    """A typed argument of an event; `offset` is its first word of the six."""

    name: str
    type: Type
    offset: int


class Event(NamedTuple):
    """An input of the flow; its id is its position in `Chart.events`."""

    name: str
    arguments: tuple[Argument, ...]
    place: Place
    waivers: tuple[tuple[str, str], ...] = ()


class State(NamedTuple):
    """A node of the chart; its id is its position in `Chart.states`.

    Document order is the order of the ids: a state stands right before all that is inside it, so whatever is inside a
    state has the ids from its own + 1 up to the next state that is not.
    """

    name: str
    kind: StateKind
    initial: bool
    """Entered when its parent, or the flow, is entered and no transition says which child."""
    parent: str | None
    """A compound or parallel state, or None. A `Region` is a compound state (or, without children, an atomic one)."""
    place: Place
    waivers: tuple[tuple[str, str], ...] = ()
    entry: tuple[Action, ...] = ()
    exit: tuple[Action, ...] = ()
    default: str | None = None
    """History: where to go while there is nothing to remember; None is what entering the parent would enter."""


class Transition(NamedTuple):
    """source: trigger [guard] / actions -> targets, in document order."""

    source: str
    trigger: Trigger
    event: str
    """EVENT: its name. Empty for every other trigger."""
    guard: Term | None
    actions: tuple[Action, ...]
    targets: tuple[str, ...]
    """Empty: only the actions run. Several: each in another region."""
    place: Place
    waivers: tuple[tuple[str, str], ...] = ()
    stay: bool = False
    """Internal (SCXML 3.13): the source, a compound state that holds the targets, is neither left nor entered."""
    moment: Term | None = None
    """AFTER: a Duration, evaluated on entry. AT: the Timestamp field whose value on entry is the deadline."""


class Ignore(NamedTuple):
    """`state.ignores(event)`."""

    source: str
    event: str
    place: Place


class Defer(NamedTuple):
    """`state.defers(event, at_most=...)`: kept until the configuration does not defer it, while there is room."""

    source: str
    event: str
    at_most: int
    """Deferred events of all kinds that may wait in the instance."""
    place: Place


class Chart(NamedTuple):
    """A whole definition, in document order. Waivers are pairs of a rule's name and a reason."""

    name: str
    documentation: str
    fields: tuple[Field, ...]
    events: tuple[Event, ...]
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    """Ordered by source state, and within one by declaration."""
    ignores: tuple[Ignore, ...]
    place: Place
    waivers: tuple[tuple[str, str], ...] = ()
    defers: tuple[Defer, ...] = ()
    microsteps_max: int = MICROSTEPS_MAX
    raised_max: int = RAISED_MAX


__all__ = [
    "Action", "Argument", "Chart", "Conditional", "Defer", "Event", "Field", "FieldKind", "Ignore", "Place", "Raise",
    "Rounding", "Set", "State", "StateKind", "Term", "Transition", "Trigger", "Type",
]  # fmt: skip
