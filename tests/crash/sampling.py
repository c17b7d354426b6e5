"""Which of many cases a run takes: all of them with CRASH_ALL=1, else some, spread evenly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

ALL = os.environ.get("CRASH_ALL", "") not in ("", "0")
Case = TypeVar("Case")


def sample(cases: Sequence[Case], count: int) -> list[Case]:
    """`count` of the cases, each from the middle of its part of them, or all where that is asked for."""
    if ALL or len(cases) <= count:
        return list(cases)
    return [cases[(2 * at + 1) * len(cases) // (2 * count)] for at in range(count)]
