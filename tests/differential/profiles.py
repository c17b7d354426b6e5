"""How long the suite looks: a little in every run, long where HYPOTHESIS_PROFILE=deep asks for it.

make test ─▶ quick      HYPOTHESIS_PROFILE=deep make test ARGS=tests/differential ─▶ deep
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from hypothesis import HealthCheck, Phase, settings

FACTORS = {"default": 1, "quick": 1, "deep": 50, "mutants": 1, "brief": 0.2}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
TIMEOUT = 0 if PROFILE == "deep" else 900
"""Seconds for a test: hypothesis takes up to 300 to make a failure small, and its report must not be cut off."""
# A mutant only has to be caught: what catches it is not made small.
PHASES = (Phase.explicit, Phase.generate) if PROFILE == "mutants" else tuple(Phase)


def effort(examples: int, steps: int = 50) -> settings:
    """So many examples in a quick run; a failure prints what repeats it."""
    return settings(
        max_examples=int(examples * FACTORS[PROFILE]),
        phases=PHASES,
        database=None if PROFILE == "mutants" else settings.default.database,
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


def seeds(count: int) -> Iterable[int]:
    """So many seeds in a quick run, from FSM_SEED on: the same ones in each run, until somebody asks for others."""
    first = int(os.environ.get("FSM_SEED", "0"))
    return range(first, first + int(count * FACTORS[PROFILE]))
