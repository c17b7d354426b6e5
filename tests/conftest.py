"""What every test may ask for: the engines, the real inputs, the root of the project.

FSM_PURE=1 ──▶ the mirror alone     FSM_SANITIZE=… ──▶ the core alone, which is what sanitizers see
                                    else ──▶ both engines, and a missing core is a failure, not a skip
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
PURE = os.environ.get("FSM_PURE", "") not in ("", "0")
SANITIZED = os.environ.get("FSM_SANITIZE", "") != ""
ENGINES = ("mirror",) if PURE else ("native",) if SANITIZED else ("native", "mirror")

# Helpers of tests are imported as tests.x. The root goes last, so that an installed fsm wins over the tree: the pure
# and the sanitized suite run on an installed copy.
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))
if PURE:
    os.environ.setdefault("FSM_ENGINE", "mirror")


def pytest_report_header() -> list[str]:
    """Say what is under test: which engines, and which fsm."""
    import fsm

    why = " (FSM_PURE: native cases are not made)" if PURE else ""
    data = SHARED_DATA if SHARED_DATA.is_dir() else "absent"
    return [f"fsm {fsm.__version__} from {Path(fsm.__file__).parent}, engines: {', '.join(ENGINES)}{why}, data: {data}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a core there is nothing to compare with: such tests are left out, and counted as deselected."""
    if PURE and (left_out := [item for item in items if item.get_closest_marker("native")]):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: whoever asks for it runs once on each."""
    return str(request.param)


@pytest.fixture
def root() -> Path:
    """The root of the project."""
    return ROOT


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A real input by name, `lobster` or `fix/FIX44.xml`; where it is absent the test skips, and in CI it fails."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            message = f"the real input {name} is not at {path}"
            if os.environ.get("CI", "").lower() in ("1", "true"):
                pytest.fail(message + ", and CI must have it")
            pytest.skip(message)
        return path

    return find
