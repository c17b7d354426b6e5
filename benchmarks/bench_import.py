"""What does `import fsm` cost a process that starts?

Measured: whole processes, `python -c "import fsm"` and one that also takes a flow apart, beside `python -c pass`, in
turns. Not measured: a cold disk. Estimated beforehand: 5 ms for the names, 10 with the engine, 30 with the compiler.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

CASES = {
    "import fsm": "import fsm",
    "import fsm, an engine class": "import fsm; fsm.Engine",
    "import fsm, the compiler": "from fsm import Flow, Engine, check, compile",
}


@pytest.mark.parametrize("case", CASES)
def bench_import(case: str, beside: Callable[..., float]) -> None:
    """A process that imports, beside a bare one. Aim: `import fsm` at most 15 ms above it."""

    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    beside(run(CASES[case]), run("pass"), count=1, floor_name="python -c pass", aim="floor + 15 ms", rounds=9)
