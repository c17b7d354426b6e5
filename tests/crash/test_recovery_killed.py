"""Recovery is killed as well: after every store that it makes, and whoever opens next comes to the same.

image whose last group is committed and not applied ──▶ victim opens it ──stepper──▶ every image ──▶ opened again
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest

from fsm.layout import HEADER_FIELDS
from tests.conftest import ENGINES
from tests.crash.recovering import Known, Watched, judge
from tests.crash.sampling import ALL, sample
from tests.crash.scripts import SCRIPTS
from tests.crash.stepping import Image, make_control, put_back, victim_command, victim_environment, watch

pytestmark = [
    pytest.mark.native,  # the stepper needs a compiler, which a pure build must not: the mirror is watched here too
    pytest.mark.skipif("FSM_SANITIZE" in os.environ, reason="a sanitizer's own stores would be stepped through"),
]

Watch = Callable[[str, str, str], Watched]
OFFSET = HEADER_FIELDS["applied"] * 8
BASES = 3
"""Of each script, where not all are asked for."""


def applied(image: Image) -> int:
    """What the header says."""
    headers = [file.data for path, file in image.files.items() if path.endswith("/header") and file is not None]
    return max(int.from_bytes(header[OFFSET : OFFSET + 8].ljust(8, b"\0"), "little") for header in headers)


def to_be_recovered(seen: Watched, images: list[Image]) -> Iterator[tuple[Image, Known]]:
    """Of images with the same `applied`: the last before its group is committed, the first behind, later ones."""

    def found(at: int) -> Known:
        image = images[at]
        allowed = seen.reference.allowed(image.acknowledged)
        return judge(image, seen.place, seen.reference, seen.engine_name, allowed)

    def is_committed(at: int) -> bool:
        return bool(found(at).state["applied"] > applied(images[at]))

    first = bisect_left(range(len(images)), True, key=is_committed)
    for at in sorted({max(first - 1, 0), first, (first + len(images)) // 2, len(images) - 1} - {len(images)}):
        yield images[at], found(at)


@pytest.mark.parametrize("name", SCRIPTS)
def test_recovery_can_be_killed_anywhere(
    name: str, watched: Watch, stepper: Any, record_property: Callable[[str, Any], None]
) -> None:
    """Each image of a recovery opens as the state that the first opening would have come to.

    Recovery is the same for both engines, so what one of them leaves is enough.
    """
    engine_name = ENGINES[0]
    seen = watched(name, engine_name, "stores")
    place, count, stores = seen.place, 0, 0
    groups = [list(group) for _, group in groupby(seen.record.distinct(), applied)][:-1]
    bases = []
    for number, group in enumerate(sample(groups, BASES)):
        found = list(to_be_recovered(seen, group))
        bases += found if ALL else [found[number % len(found)]]
    for base, known in bases:
        put_back(base, place.watched)
        make_control(place.control)
        victim = victim_command("open", place.store, place.control, engine_name)
        record = watch(
            stepper, "stores", place.control, place.folder / "recovery", place.watched, victim,
            victim_environment(place.memory),
        )  # fmt: skip
        for image in record.distinct():
            judge(image, place, seen.reference, engine_name, [known])
            count += 1
        stores += record.steps
    print(f"{name} on {engine_name}: {len(bases)} recoveries, {stores} stores, {count} distinct images, 0 violations")
    record_property("images", count)
    assert bases
