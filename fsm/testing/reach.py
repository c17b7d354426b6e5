"""Tie in what nobody reaches or leaves, which `check` would refuse.

    parts, pairs of source and target ──▶ reached() ──▶ connect() ──▶ one more event, and transitions on it

A pair is taken as if its guard may hold at any time; what that overlooks is rare, and waived.
"""

from __future__ import annotations

from types import new_class
from typing import Any

from fsm.define import Event, Integer
from fsm.testing.kinds import NEAR, Draw, pick
from fsm.testing.nests import RESTS, Part

Pairs = set[tuple[Part, Part]]


def connect(draw: Draw, parts: list[Part], pairs: Pairs) -> list[Any]:
    """The event of the transitions that were added to `parts` and `pairs`, or nothing where none was wanting."""
    event: Any = new_class("Connect", (Event,), {}, lambda names: names.update(to=Integer()))
    joined: dict[Part, int] = {}

    def join(source: Part, target: Part) -> None:
        number = joined[source] = joined.get(source, -1) + 1
        value = NEAR[number] if number < len(NEAR) else number
        source.state.on(event, when=event.to == value, to=target.state)
        pairs.add((source, target))

    states = [part for part in parts if not part.is_history]
    for target in states:
        found = reached(parts, pairs)
        if target not in found:
            join(pick(draw, [part for part in states if part in found]), target)
    for source in states:
        if not source.children and source.kind not in RESTS and not _is_left(source, pairs):
            beside = source.parent.children if source.parent is not None else parts
            others = [part for part in beside if part is not source and not part.is_history]
            if source.parent is not None and source.parent.kind == "parallel":
                others = [source.parent]  # anywhere else in it is another region
            join(source, pick(draw, others or states))
    return [event] if joined else []


def reached(parts: list[Part], pairs: Pairs) -> set[Part]:
    """What may be active at some time."""
    found: set[Part] = set()
    ahead = {part for part in parts if part.parent is None and part.initial}
    while ahead:
        found |= ahead
        near = {each for part in ahead for each in _with(part)}
        ahead = (near | {target for source, target in pairs if source in found}) - found
    return found


def _with(part: Part) -> list[Part]:
    """What is active with a part that is entered, or may be: where it stands, its children, the regions beside it."""
    default = [part.default] if part.default is not None else []
    parent = part.parent
    beside = [] if parent is None or not (part.is_history or parent.kind == "parallel") else parent.entered()
    return [*part.around(), *part.entered(), *default, *beside]


def _is_left(part: Part, pairs: Pairs) -> bool:
    """Whether something leads from the part, or from what it stands in, to another state."""
    return any(source in part.around() and target is not part for source, target in pairs)
