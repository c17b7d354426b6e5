"""A writer is stopped anywhere, another takes the store over, and the first one is let go on: it changes nothing more.

victim ──halted before or behind its nth store──▶ fsm.open(takeover=True) ──▶ the rest of the script ──▶ its end
   └──────────────── let go on: StaleEpoch, or stores into files that nobody reads ──▶ the state is what it was
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsm import Outcome
from tests.crash.observe import difference, observe
from tests.crash.recovering import Place, Watched, recognise
from tests.crash.sampling import sample
from tests.crash.scripts import SCRIPTS
from tests.crash.stepping import (
    complain_where_forbidden,
    make_control,
    stepper_command,
    victim_command,
    victim_environment,
)

pytestmark = [
    pytest.mark.native,  # the stepper needs a compiler, which a pure build must not: the mirror is watched here too
    pytest.mark.skipif("FSM_SANITIZE" in os.environ, reason="a sanitizer's own stores would be stepped through"),
]

Watch = Callable[[str, str, str], Watched]
MOMENTS = 2
"""Of each script, where not all are asked for."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_writer_that_was_taken_over_changes_nothing(
    name: str, engine_name: str, watched: Watch, stepper: Path, record_property: Callable[[str, Any], None]
) -> None:
    """Whatever the old writer was about: the new one has the whole state, and keeps it."""
    seen = watched(name, engine_name, "stores")
    changes = sum(1 for _ in seen.record.images()) - 1
    moments = [f"{side}:{number}" for number in range(1, changes - 1) for side in ("before", "after")]
    late = 0
    for number, moment in enumerate(sample(moments, MOMENTS)):
        place = Place(seen.place.folder / f"taken over {number}")
        late += take_over(place, name, moment, engine_name, seen, stepper)
    print(f"{name} on {engine_name}: {number + 1} takeovers of {len(moments)} moments, {late} acknowledged too late")
    record_property("late", late)
    assert 0 == late, "a step was answered by the old writer, and the new one has not got it"


def take_over(place: Place, name: str, moment: str, engine_name: str, seen: Watched, stepper: Path) -> int:
    """One takeover; whether the old writer acknowledged afterwards what the new one had not found."""
    control, reference = make_control(place.control), seen.reference
    victim = victim_command("script", place.store, place.control, engine_name, name)
    command = stepper_command(stepper, moment, place.control, place.record, place.watched, victim)
    with subprocess.Popen(
        command, env=victim_environment(place.memory), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        told = process.stdout.readline().split()
        if not told:
            process.wait()
            complain_where_forbidden(process.returncode)
            pytest.fail(f"{moment}: the victim was not halted: {process.stderr.read()}")
        acknowledged = control[0]
        with place.open(None, engine_name, takeover=True) as engine:
            known = recognise(observe(engine, reference.keys), reference.allowed(acknowledged))
            reference.go_on(engine, known.done)
            kept = observe(engine, reference.keys)
            rest, errors = process.communicate("go on\n")
            assert (0, "") == (process.returncode, errors), f"{moment}: {errors}"
            check_unchanged(moment, kept, observe(engine, reference.keys))
    with place.open(None, engine_name) as engine:
        check_unchanged(moment, kept, observe(engine, reference.keys))
    results = json.loads(rest)
    assert ["StaleEpoch"] * len(results[acknowledged + 1 :]) == results[acknowledged + 1 :], f"{moment}: {results}"
    if answered(results[acknowledged]) <= known.done - reference.ends[acknowledged]:
        return False
    whole = reference.states[reference.ends[acknowledged + 1]]
    return known.state != whole


def answered(result: str) -> int:
    """How many inputs were answered as taken. To reserve rows is no input: the new writer does it for itself."""
    operation, _, what = result.partition(" ")
    if operation == "step_many":
        return sum(1 for outcome in json.loads(what) if outcome != Outcome.BUSY)
    return operation not in ("StaleEpoch", "reserve")


def check_unchanged(moment: str, expected: Any, actual: Any) -> None:
    """Nothing of the old writer shows."""
    assert expected == actual, f"{moment}:\n{difference(expected, actual)}"
