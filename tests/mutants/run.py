"""Errors made on purpose: each must make the differential suite fail, or the suite would not see it in earnest.

    copy of the project ──one mutation──▶ build ──▶ tests/differential ──▶ caught by the engines | by the chart | MISSED
                                                                            └─ then without the chart: do they agree?

    python tests/mutants/run.py              all of them, after a run without any, which must pass
    python tests/mutants/run.py overflow     those whose name contains the word
    python tests/mutants/run.py compiler     those of the compiler; likewise `core`, and `both` for both engines at once
    python tests/mutants/run.py store        those of a store that is killed, which tests/crash must see

Not part of `make test`: each mutant is a build and a run of the suite, half a minute. Exits with 1 where one is missed.
The mutations are of the native core, where the two engines then differ; and of the compiler, or the same one of both
engines, where they agree and only the reading of the chart does not. That it alone sees these is shown as well: without
it, the same flows and inputs pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from tests.mutants.compiler import BOTH, COMPILER  # noqa: E402
from tests.mutants.core import CHARTED, FLAT  # noqa: E402
from tests.mutants.mutant import Mutant  # noqa: E402
from tests.mutants.store import STORE  # noqa: E402

COPIED = ("fsm", "native", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE")
KINDS = {"core": (*FLAT, *CHARTED), "both": BOTH, "compiler": COMPILER, "store": STORE}
SUITE = ("tests/differential/test_steps.py", "tests/differential")
"""What catches most comes first."""
SUITES = {"store": ("tests/crash/test_every_store.py", "tests/crash/test_recovery_killed.py")}
FLOWS = ("tests/differential/test_steps.py", "-k", "by_the_hundred or selections_are_marked")
SECONDS_MAX = 1200
ERRORS = {"EnginesDiffer": "engines", "ChartDiffers": "chart", "Lost": "kills"}


def main(words: list[str]) -> int:
    """Run the chosen mutants; print one line for each."""
    kinds = [kind for kind in KINDS if kind in words] or [*KINDS]
    words = [word for word in words if word not in KINDS]
    missed, count = list[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder) / "project")
        for suite in dict.fromkeys(SUITES.get(kind, SUITE) for kind in kinds):
            if (who := copy.blame(*suite)) is not None:
                print(f"The suite fails without any mutation ({who}); what it says of mutants would mean nothing.")
                return 1
        for kind in kinds:
            chosen = [mutant for mutant in KINDS[kind] if all(word in mutant.name for word in words)]
            missed += [mutant.name for mutant in chosen if not caught(copy, mutant, SUITES.get(kind, SUITE))]
            count += len(chosen)
    print(f"{count - len(missed)} of {count} mutants caught")
    return 1 if missed else 0


def caught(copy: Copy, mutant: Mutant, suite: tuple[str, ...]) -> bool:
    """Whether the suite fails with the mutation in the copy, which is undone afterwards."""
    originals = {edit.file: copy.read(edit.file) for edit in mutant.edits}
    changed = dict(originals)
    for file, text, instead in mutant.edits:
        count = changed[file].count(text)
        if count != 1:
            print(f"MISSED  {mutant.name}: {file} has the text {count} times, expected once. Write the mutant anew.")
            return False
        changed[file] = changed[file].replace(text, instead)
    try:
        copy.write(changed)
        who = copy.blame(*suite)
        if who == "chart":
            others = copy.blame(*FLOWS, FSM_READING="0", HYPOTHESIS_PROFILE="brief")
            who = "chart, and without it: " + ("nobody, the engines agree" if others is None else others)
    finally:
        copy.write(originals)
    print(f"{'MISSED ' if who is None else 'caught '} {mutant.name:70} {who or ''}", flush=True)
    return who is not None


class Copy:
    """A copy of what is built and tested, without what was built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._built = ""
        root.mkdir()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
            else:
                shutil.copy2(ROOT / name, root / name)

    def read(self, file: str) -> str:
        """The text of a file."""
        return (self.root / file).read_text(encoding="utf-8")

    def write(self, texts: dict[str, str]) -> None:
        """Files as they are to be."""
        for file, text in texts.items():
            (self.root / file).write_text(text, encoding="utf-8")

    def blame(self, *suite: str, **more: str) -> str | None:
        """Build, and run tests until the first failure: who saw it, or None where nothing failed."""
        environment = {
            **os.environ, "PYTHONPATH": str(self.root), "HYPOTHESIS_PROFILE": "mutants", "PYTHONDONTWRITEBYTECODE": "1",
            "CRASH_STEPS": "stores", **more,
        }  # fmt: skip
        self._build(environment)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *suite]
        try:
            done = subprocess.run(
                command, cwd=self.root, env=environment, capture_output=True, text=True, check=False,
                timeout=SECONDS_MAX,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "a suite without end"
        if done.returncode == 0:
            return None
        if done.returncode < 0:
            return f"signal {-done.returncode}"
        if done.returncode != 1:
            raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return next((who for error, who in ERRORS.items() if f"{error}: " in done.stdout), "another error")

    def _build(self, environment: dict[str, str]) -> None:
        """The core, from nothing, unless it is that of these sources; and a look that it is the copy that is tested."""
        sources = "".join(self.read(f"native/{path.name}") for path in sorted((self.root / "native").iterdir()))
        if sources != self._built:
            shutil.rmtree(self.root / "build", ignore_errors=True)  # a header of the last build there would win
            for core in self.root.glob("fsm/engine/_native*.so"):
                core.unlink()
            build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
            subprocess.run(build, cwd=self.root, env=environment, check=True, capture_output=True)
            self._built = sources
        where = [sys.executable, "-c", "import fsm; print(fsm.__file__)"]
        found = subprocess.run(where, cwd=self.root, env=environment, capture_output=True, text=True, check=True).stdout
        assert str(self.root / "fsm" / "__init__.py") == found.strip(), f"the suite would run on {found.strip()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
