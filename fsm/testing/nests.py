"""States inside each other at random: compound and parallel ones, final and poison ones, histories.

    Nest(draw).grow() ──▶ [Part, ...] in document order      each has its `fsm.State`, its parent and its children

The number of configurations that a nest may have is shared out from the top: among the children of a compound state,
of which one is active, and as a root among the regions of a parallel one, which multiply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fsm.define import History, Parallel, Region, State
from fsm.testing.kinds import Draw, between, chance, pick

DEPTH_MAX: Final = 4
"""States that stand inside each other, at the most."""
ACTIVE_MAX: Final = 24
"""Sets of active states that a nest is meant to have; what histories remember comes on top."""
RESTS: Final = ("final", "poison")
NESTS: Final = ("compound", "parallel")


class Part:
    """A state or history of a nest."""

    def __init__(self, state: Any, kind: str, parent: Part | None, initial: bool = False) -> None:
        self.state = state
        self.kind = kind
        """atomic, compound, parallel, final, poison or history"""
        self.parent = parent
        self.initial = initial
        self.children: list[Part] = []
        self.default: Part | None = None
        """Of a history."""
        if parent is not None:
            parent.children.append(self)

    def around(self) -> Iterator[Part]:
        """The part itself and all that it stands in, outward."""
        part: Part | None = self
        while part is not None:
            yield part
            part = part.parent

    def inside(self) -> Iterator[Part]:
        """All that stands in it, in document order."""
        for child in self.children:
            yield child
            yield from child.inside()

    def entered(self) -> list[Part]:
        """The children that entering this part enters."""
        return [child for child in self.children if child.initial or (self.kind == "parallel" and not child.is_history)]

    @property
    def is_history(self) -> bool:
        return self.kind == "history"


class Nest:
    """The states of a flow, as they are made."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.parts: list[Part] = []

    def flat(self, count: int) -> list[Part]:
        """So many states, none inside another; the first is where instances start."""
        for number in range(count):
            kind = pick(self.draw, ("atomic",) * 6 + RESTS) if count > 1 else "final"
            self._add(kind, None, initial=number == 0)
        return self.parts

    def grow(self) -> list[Part]:
        """A nest: at the top one state or a few."""
        self._children(None, 1, ACTIVE_MAX)
        return self.parts

    def _add(self, kind: str, parent: Part | None, *, initial: bool = False) -> Part:
        state: Any
        if kind == "parallel":
            state = Parallel(initial=initial)
        elif kind == "region":
            state, kind = Region(), "compound"
        else:
            state = State(initial=initial, final=kind == "final", poison=kind == "poison")
        part = Part(state, kind, parent, initial)
        self.parts.append(part)
        return part

    def _children(self, parent: Part | None, depth: int, room: int) -> None:
        """What stands in a compound state, or at the top: of it one is entered first, perhaps by a history."""
        draw = self.draw
        region = parent is not None and parent.parent is not None and parent.parent.kind == "parallel"
        final = room > 1 and chance(draw, 80 if region else 50)
        count = between(draw, 1, min(3, room - final))
        begin = draw(count) if not chance(draw, 10) or parent is None else -1
        for number in range(count):
            self._part(parent, depth, room // (count + final), initial=number == begin)
        if final:
            self._add("final", parent)
        if parent is not None and (begin < 0 or chance(draw, 35)):
            self._history(parent, initial=begin < 0)

    def _part(self, parent: Part | None, depth: int, room: int, *, initial: bool) -> None:
        draw = self.draw
        kinds = ["atomic"] * 4
        if depth < DEPTH_MAX and room >= 2:
            kinds += ["compound"] * 3
        if depth < DEPTH_MAX and room >= 4:
            kinds += ["parallel"] * 3
        region = parent is not None and parent.kind == "parallel"
        kind = "poison" if chance(draw, 4) and not region else pick(draw, kinds)
        self._fill(self._add(kind, parent, initial=initial), depth, room)

    def _fill(self, part: Part, depth: int, room: int) -> None:
        if part.kind in NESTS:
            with part.state:
                (self._children if part.kind == "compound" else self._regions)(part, depth + 1, room)

    def _regions(self, parent: Part, depth: int, room: int) -> None:
        """Two to four regions: most have states inside, some are atomic, or parallel themselves."""
        draw = self.draw
        count = between(draw, 2, max(n for n in (2, 3, 4) if 2**n <= room))
        each = next(n for n in range(room, 0, -1) if n**count <= room)
        for _ in range(count):
            if depth == DEPTH_MAX or chance(draw, 15):
                self._part(parent, depth, each, initial=False)
            else:
                self._fill(self._add("region", parent), depth, each)
        if chance(draw, 25):
            self._history(parent)

    def _history(self, parent: Part, *, initial: bool = False) -> None:
        draw, inside = self.draw, [part for part in parent.inside() if not part.is_history]
        default = pick(draw, inside) if initial or chance(draw, 40) else None
        deep = chance(draw, 50)
        part = Part(
            History(deep=deep, initial=initial, default=None if default is None else default.state),
            "history", parent, initial,
        )  # fmt: skip
        part.default = default
        self.parts.append(part)
