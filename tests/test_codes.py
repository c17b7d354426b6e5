"""Numbers with names: as an `IntEnum` has them, for whoever prints, pickles, looks up or walks them."""

from __future__ import annotations

import copy
import json
import pickle
from enum import IntEnum
from typing import Any

import pytest

import fsm
from fsm.codes import Codes
from fsm.layout import Outcome


class Cheap(Codes):
    """Ours."""

    FIRST = 0
    OTHER = 7

    @property
    def label(self) -> str:
        """Something of its own."""
        return self.name.lower()


class Usual(IntEnum):
    """Theirs: what each test compares ours with."""

    FIRST = 0
    OTHER = 7

    @property
    def label(self) -> str:
        """Something of its own."""
        return self.name.lower()


LOOKS: dict[str, Any] = {
    "format": lambda kind: f"{kind.OTHER} {kind.OTHER:4} {kind.OTHER:x}",
    "percent": lambda kind: "%s %d" % (kind.OTHER, kind.OTHER),  # noqa: UP031
    "repr": lambda kind: repr(kind.OTHER).replace(kind.__name__, ""),
    "JSON": lambda kind: json.dumps({"what": kind.OTHER}),
    "walk": lambda kind: [(each.name, each.value, each.label) for each in kind],
    "backwards": lambda kind: [each.name for each in reversed(kind)],
    "sizes": lambda kind: (len(kind), max(kind), bool(kind), kind.OTHER in kind),
    "by number": lambda kind: (kind(7) is kind.OTHER, kind(kind.FIRST) is kind.FIRST),
    "by name": lambda kind: (kind["OTHER"] is kind.OTHER, [*kind.__members__]),
    "as a number": lambda kind: (kind.OTHER == 7, kind.OTHER + 1, type(kind.OTHER + 1), {7: "seven"}[kind.OTHER]),
    "types": lambda kind: (isinstance(kind.OTHER, int), isinstance(kind.OTHER, kind), type(kind.OTHER.value)),
    "copies": lambda kind: (copy.copy(kind.OTHER) is kind.OTHER, copy.deepcopy([kind.OTHER])[0] is kind.OTHER),
}


@pytest.mark.parametrize("look", LOOKS)
def test_codes_look_as_an_enumeration_does(look: str) -> None:
    """In every way in which somebody uses one."""
    assert LOOKS[look](Usual) == LOOKS[look](Cheap)


@pytest.mark.parametrize("kind", [Usual, Cheap])
@pytest.mark.parametrize("value", [1, -1, "FIRST", None, []])
def test_what_is_no_code_is_refused(kind: type[Usual], value: Any) -> None:
    """In the words of an enumeration."""
    with pytest.raises(ValueError, match=f"is not a valid {kind.__name__}"):
        kind(value)


@pytest.mark.parametrize("change", [lambda: setattr(Outcome, "ACCEPTED", 5), lambda: delattr(Outcome, "ACCEPTED")])
def test_a_set_of_codes_is_fixed(change: Any) -> None:
    """And so is each member."""
    with pytest.raises(AttributeError):
        change()
    with pytest.raises(AttributeError):
        fsm.Outcome.ACCEPTED.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_outcomes_survive_pickling(protocol: int) -> None:
    """As the same members."""
    assert all(pickle.loads(pickle.dumps(each, protocol)) is each for each in Outcome)
