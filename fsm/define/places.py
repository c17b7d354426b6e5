"""Where the user wrote it, and what is wrong there.

    a call in fsm.define ──frames outward──▶ the first that is not ours ──▶ Place(file, line)
    Problem (no place yet) ──at(place)──▶ Finding ──▶ DefinitionError

Functions that only know terms raise `Problem`; whoever knows the place turns it into a finding.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fsm.define.chart import Place
from fsm.define.rules import RULES
from fsm.errors import DefinitionError
from fsm.layout import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType


class Problem(Exception):
    """A rule that is broken, before anyone said where."""

    def __init__(self, rule: str, message: str, remedy: str) -> None:
        assert rule in RULES, rule
        self.rule = rule
        self.message = message
        self.remedy = remedy
        super().__init__(message)

    def at(self, place: Place) -> Finding:
        """The finding of this problem at a place."""
        return Finding(self.rule, "error", place.file, place.line, self.message, self.remedy)


def caller() -> Place:
    """The innermost line that is the user's."""
    frame = _user_frame()
    return Place(frame.f_code.co_filename, frame.f_lineno) if frame else Place("<unknown>", 0)


def user_frames() -> Iterator[FrameType]:
    """The frames that the caller stands in or was called from, the innermost of the user's first."""
    frame = _user_frame()
    while frame:
        yield frame
        frame = frame.f_back


def here(problem: Problem) -> DefinitionError:
    """The error to raise at once for a problem of the caller's line."""
    return DefinitionError([problem.at(caller())])


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame and _ours(str(frame.f_globals.get("__name__", ""))):
        frame = frame.f_back
    return frame


def _ours(module: str) -> bool:
    # `types` is between us and whoever makes a class with types.new_class.
    return module == "types" or module == "fsm.define" or module.startswith("fsm.define.")


def waivers(waive: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Pairs of a rule and the reason not to follow it, in the order of the rules."""
    pairs = sorted((waive or {}).items())
    for rule, reason in pairs:
        if not (isinstance(rule, str) and isinstance(reason, str) and rule.strip() and reason.strip()):
            message = f"a rule's name and a reason were expected, and {rule!r}: {reason!r} was found."
            raise here(Problem("waiver", message, 'Write waive={"no-way-out": "why this is right here"}.'))
    return tuple(pairs)
