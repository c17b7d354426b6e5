"""mypy --strict and pyright strict agree with us about what is wrong in users' code.

good_*.py ──▶ no finding        bad_*.py ──▶ a finding in each line marked `# E:`, and in no other
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FILES = sorted(path for path in HERE.glob("*.py") if path.stem.startswith(("good", "bad")))

Findings = dict[str, set[int]]


def expected(path: Path) -> set[int]:
    """The lines of a file that are marked."""
    return {number for number, line in enumerate(path.read_text().splitlines(), 1) if "# E: " in line}


def run(command: list[str], directory: Path) -> str:
    """What a checker prints; it must not fail for a reason of its own."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy_findings(directory: Path) -> Findings:
    """Lines with an error, by file."""
    flags = ["--strict", "--no-error-summary", "--config-file=", f"--cache-dir={directory}"]
    output = run([sys.executable, "-m", "mypy", *flags, *map(str, FILES)], ROOT)
    found: Findings = {}
    for name, line in re.findall(r"(\w+\.py):(\d+): error:", output):
        found.setdefault(name, set()).add(int(line))
    return found


def pyright_findings(directory: Path) -> Findings:
    """Lines with an error or a warning, by file."""
    settings = {
        "include": [os.path.relpath(path, directory) for path in FILES],
        "typeCheckingMode": "strict",
        "extraPaths": [str(ROOT)],
    }
    (directory / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(directory)]
    report = json.loads(run(command, directory))
    assert report["summary"]["filesAnalyzed"] == len(FILES)
    found: Findings = {}
    for finding in report["generalDiagnostics"]:
        found.setdefault(Path(finding["file"]).name, set()).add(finding["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("checker", [mypy_findings, pyright_findings])
def test_type_checkers_find_each_mistake_and_nothing_else(checker: Callable[[Path], Findings], tmp_path: Path) -> None:
    """Good code has no finding; in bad code each marked line has one, and no other line does."""
    found = checker(tmp_path)
    for path in FILES:
        assert expected(path) == found.get(path.name, set()), path.name


def test_the_good_files_run() -> None:
    """What type checkers accept is what `fsm` accepts."""
    for path in FILES:
        if path.stem.startswith("good"):
            exec(compile(path.read_text(), str(path), "exec"), {"__name__": path.stem})
