"""States, and how they stand inside each other.

    new = State(initial=True)                    an instance starts there
    with Parallel() as settling:                 every region inside is active
        with Region() as cash:                   one child is active
            blocked = State(initial=True)
            paid = State(final=True)             cash is done there
            again = History()                    a target: what was active in cash when it was last left

A state that is made inside a `with` block is a child of that state, whatever name it gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from fsm.define.chart import Place, StateKind
from fsm.define.nesting import open_blocks, record
from fsm.define.places import Problem, caller, here, waivers
from fsm.define.sources import On, Source
from fsm.layout import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fsm.define.actions import Action


class Node:
    """What a state and a history share: a name, a place, and a parent."""

    def __init__(self, kind: StateKind, initial: bool, waive: Mapping[str, str] | None) -> None:
        self._place = caller()
        self._initial = initial
        self._kind = kind
        self._waivers = waivers(waive)
        self._owner: type | None = None
        self._name: str | None = None
        self._findings: list[Finding] = []
        self._children: list[Node] = []
        self._entered: list[list[Node]] = []
        """The open blocks that this one was added to, for each `with` that it stands in."""
        self._parent = next(reversed(open_blocks()), None)
        if self._parent is not None:
            self._parent._children.append(self)
        record(self)

    @property
    def name(self) -> str | None:
        """Its name in the flow; None until the flow is complete."""
        return self._name

    def _open(self, what: str = "a transition") -> Self:
        if self._owner is not None:
            message = f"flow {self._owner.__name__} is complete, and {what} was added to state {self._name!r}."
            raise here(Problem("flow-complete", message, "Declare it in the class body."))
        return self

    def _ancestors(self) -> Iterator[Node]:
        node = self._parent
        while node is not None:
            yield node
            node = node._parent

    def _enter(self) -> None:
        """Begin a `with` block: what is made from now on is inside this state."""
        self._open("a state inside it")
        blocks = open_blocks()
        if blocks and blocks[-1] not in self._ancestors():
            message = "the `with` block of a state stands in that of another state, which is not its parent."
            remedy = "Make the state where it belongs, `with State() as ...:`, or go on with it outside of the block."
            self._findings.append(Problem("nesting", message, remedy).at(caller()))
        self._entered.append(blocks)
        blocks.append(self)

    def _leave(self) -> None:
        blocks = self._entered.pop()
        # From the end: a state may, by mistake, have been opened within itself.
        del blocks[max(number for number, node in enumerate(blocks) if node is self)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name or '(no name yet)'}>"


class State(Node, Source):
    """A node of the chart: instances start (`initial`), rest (`final`) or wait for an operator (`poison`) there.

    With states inside it, made in its `with` block, exactly one of them is active while it is.
    """

    def __init__(
        self,
        *,
        initial: bool = False,
        final: bool = False,
        poison: bool = False,
        waive: Mapping[str, str] | None = None,
    ) -> None:
        kind = StateKind.POISON if poison else StateKind.FINAL if final else StateKind.ATOMIC
        super().__init__(kind, initial, waive)
        self._transitions: list[On] = []
        self._ignores: list[tuple[Any, Place]] = []
        self._defers: list[tuple[Any, int, Place]] = []
        self._entry: tuple[Action, ...] = ()
        self._exit: tuple[Action, ...] = ()
        if final and poison:
            message = "a state is final or poison, not both."
            self._findings.append(Problem("state-kind", message, "Choose one of them.").at(self._place))

    def _members(self) -> tuple[State, ...]:
        return (self,)

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(self, *raised: object) -> None:
        self._leave()


class Parallel(State):
    """A state whose children are regions: all of them are active while it is."""

    def __init__(self, *, initial: bool = False, waive: Mapping[str, str] | None = None) -> None:
        super().__init__(initial=initial, waive=waive)
        self._kind = StateKind.PARALLEL


class Region(State):
    """A part of a Parallel, which goes its way beside the others."""

    def __init__(self, *, waive: Mapping[str, str] | None = None) -> None:
        super().__init__(waive=waive)


class History(Node):
    """A target that stands for what was active in its parent when that was last left.

    The child that was active, or with `deep=True` all that was inside. Before that, `default`; without it, what
    entering the parent enters. `initial=True`: entering the parent is going here.
    """

    def __init__(
        self,
        *,
        deep: bool = False,
        initial: bool = False,
        default: State | None = None,
        waive: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(StateKind.HISTORY_DEEP if deep else StateKind.HISTORY_SHALLOW, initial, waive)
        self._default = default

    if not TYPE_CHECKING:

        def _refuse(self, *values, **named):
            message = "a history is a target only, and something was declared for it."
            remedy = "Declare it for the state that the history stands in."
            self._open()._findings.append(Problem("history-source", message, remedy).at(caller()))

        on = on_done = always = after = at = ignores = defers = on_entry = on_exit = _refuse

        def __or__(self, other):
            message = f"a group is made of states, and {self!r} was found."
            raise here(Problem("foreign-state", message, "Write working | part_filled."))

        def __enter__(self):
            self._enter()
            return self

        def __exit__(self, *raised):
            self._leave()
