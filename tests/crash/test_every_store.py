"""Killed anywhere: after every instruction of the native core, after every store of the mirror.

    script ──stepper──▶ every image of its files ──each opened again──▶ nothing that was acknowledged is lost,
                                                                        nothing is half made

The native core is stepped through instruction by instruction. Python between two stores of the mirror is a thousand
times longer, and changes nothing that a kill would leave; there each store is let through alone, and every image is
seen as well: that both ways of looking see the same is shown on the native core.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ENGINES
from tests.crash.recovering import Watched, judge
from tests.crash.scripts import SCRIPTS

pytestmark = [
    pytest.mark.native,  # the stepper needs a compiler, which a pure build must not: the mirror is watched here too
    pytest.mark.skipif("FSM_SANITIZE" in os.environ, reason="a sanitizer's own stores would be stepped through"),
]

Watch = Callable[[str, str, str], Watched]
BY_STORES = ("growth", "crowded index", "keys", "ring", "by name")
"""Scripts where most of the native engine's way is Python too: files are made, a ring is drained."""


def mode_of(name: str, engine_name: str) -> str:
    """How a script is watched on an engine."""
    by_store = engine_name != "native" or name in BY_STORES or os.environ.get("CRASH_STEPS") == "stores"
    return "stores" if by_store else "instructions"


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_is_lost_or_half_made(
    name: str, engine_name: str, watched: Watch, record_property: Callable[[str, Any], None]
) -> None:
    """Every image is the state behind what was acknowledged, or behind the input that was under way."""
    mode = mode_of(name, engine_name)
    seen = watched(name, engine_name, mode)
    found = Counter(
        judge(image, seen.place, seen.reference, engine_name, seen.reference.allowed(image.acknowledged)).done
        for image in seen.record.distinct()
    )
    print(f"{name} on {engine_name}: {seen.record.steps} {mode}, {found.total()} distinct images, 0 violations")
    record_property("steps", seen.record.steps)
    record_property("images", found.total())
    assert set(range(len(seen.reference.states))) == set(found), "a state of the script was never seen"


@pytest.mark.parametrize("name", ["start", "guarded step", "deferred"])
def test_stores_are_all_that_instructions_change(name: str, watched: Watch) -> None:
    """Stopped at each store or at each instruction: as many images, in the same order of acknowledgements."""
    by_instruction, by_store = watched(name, "native", "instructions"), watched(name, "native", "stores")
    expected = [image.acknowledged for image in by_instruction.record.images()]
    assert expected == [image.acknowledged for image in by_store.record.images()]
    assert by_store.record.steps < by_instruction.record.steps
