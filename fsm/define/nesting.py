"""Where a state is made: in which class body, and inside which `with` block.

    with Parallel() as settling:          open: settling
        with Region() as cash:            open: settling, cash
            blocked = State()             its parent is the innermost: cash

Each class body has its own open blocks. Where there is none, as in a function that makes the members of a flow, those
of the thread count.
"""

from __future__ import annotations

import sys
from threading import local
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from fsm.define.chart import Place
from fsm.define.places import caller, user_frames

if TYPE_CHECKING:
    from types import FrameType

    from fsm.define.states import Node

CODE_IS_FUNCTION = 0x01
"""CO_OPTIMIZED: the frame is that of a function, not of a class body or a module."""


class Binding(NamedTuple):
    """One use of a name in a class body."""

    name: str
    value: Any
    place: Place | None
    block: Node | None = None
    """The state whose `with` block is open there."""


class Body(dict[str, Any]):
    """The names of a flow's class body; it remembers what a second use of a name would hide.

    A class body keeps only the last value of a name, and a state without a name leaves no trace at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.states: list[Node] = []
        """All that were made in this body, with a name or without."""
        self.bound: list[Binding] = []
        """Every binding, in order."""
        self.blocks: list[Node] = []
        """The states whose `with` blocks are open, the innermost last."""
        self._frame: FrameType | None = None

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "__module__":
            self._begin(sys._getframe(1))
        self.bound.append(Binding(name, value, caller(), self.blocks[-1] if self.blocks else None))
        super().__setitem__(name, value)

    def _begin(self, frame: FrameType) -> None:
        # The first name that a class body sets. `frame.f_locals` is this body too, but not everywhere: within a
        # comprehension of the class body, Python 3.12 makes a copy of it, and 3.13 a view of something else.
        if not frame.f_code.co_flags & CODE_IS_FUNCTION:
            self._frame = frame
            _bodies[id(frame)] = self

    def close(self) -> None:
        """Forget the frame of the class body: it has been left."""
        self._frame = None


_bodies: WeakValueDictionary[int, Body] = WeakValueDictionary()
"""The class bodies that may be running, by the identity of their frames."""


def _enclosing() -> Body | None:
    """The innermost class body that the caller stands in or was called from."""
    for frame in user_frames():
        body = _bodies.get(id(frame))
        if body is not None and body._frame is frame:
            return body
    return None


class _Outside(local):
    """The open blocks of a thread that stand in no class body."""

    def __init__(self) -> None:
        self.blocks: list[Node] = []


_outside = _Outside()


def open_blocks() -> list[Node]:
    """The states whose `with` blocks are open where the caller is; the list itself, to be changed."""
    body = _enclosing()
    return _outside.blocks if body is None else body.blocks


def record(state: Node) -> None:
    """Remember a state that is made in a class body, or by a function that it calls: it is to get a name there."""
    body = _enclosing()
    if body is not None:
        body.states.append(state)
