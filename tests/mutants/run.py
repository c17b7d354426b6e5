"""Errors made on purpose: each must make the differential suite fail, or the suite would not see it in earnest.

    copy of the project ──one mutation──▶ build ──▶ tests/differential ──▶ caught | MISSED

    python tests/mutants/run.py              all of them, after a run without any, which must pass
    python tests/mutants/run.py overflow     those whose name contains the word

Not part of `make test`: each mutant is a build and a run of the suite, about ten seconds. Exits with 1 where one is
missed. The mutations are of the native core, where the two engines then differ, and of the compiler, where both
engines agree and only the reading of the chart does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("fsm", "native", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE")
SUITE = ("tests/differential",)


class Mutant(NamedTuple):
    """A piece of text that stands once in a file, and what stands there instead."""

    name: str
    file: str
    text: str
    instead: str


STEP, WIDE, BATCH, ENGINE = "native/step.h", "native/wide.h", "native/batch.h", "native/engine.pyx"
CODE, CELLS, DECIDE = "fsm/compile/code.py", "fsm/compile/cells.py", "fsm/compile/decide.py"

MUTANTS = (
    Mutant("less takes equal", STEP, "NEXT_AFTER_JUMP_IF(A < B);", "NEXT_AFTER_JUMP_IF(A <= B);"),
    Mutant("not less misses equal", STEP, "NEXT_AFTER_JUMP_IF(A >= B);", "NEXT_AFTER_JUMP_IF(A > B);"),
    Mutant("version stands still", STEP, "(uint32_t)(row[2] + 1) | second", "(uint32_t)row[2] | second"),
    Mutant(
        "subtraction without a trap", STEP,
        "subtract:\n    STORE_UNLESS(__builtin_sub_overflow(B, C, &result));",
        "subtract:\n    result = (int64_t)((uint64_t)B - (uint64_t)C);\n    A = result;",
    ),
    Mutant(
        "last addition without a trap", STEP,
        "add_last:\n    STORE_UNLESS(__builtin_add_overflow(B, C, &result));",
        "add_last:\n    result = (int64_t)((uint64_t)B + (uint64_t)C);\n    A = result;",
    ),
    Mutant(
        "a fault writes what came before it", STEP,
        "fault:\n    machine->header->place",
        "fault:\n    fsm_copy_fields(row, (const uint64_t *)registers, machine->field_end);\n"
        "    machine->header->place",
    ),
    Mutant(
        "a fault forgets its place", STEP,
        "machine->header->place = machine->places[at - machine->code];", "(void)machine;",
    ),
    Mutant(
        "any generation will do", STEP,
        "row[0] >> 32 == (instance >> 32) + (FSM_ROW_LIVE << 16)", "row[0] >> 48 == FSM_ROW_LIVE",
    ),
    Mutant(
        "bits above the generation will do", STEP,
        "(instance >> 32) + (FSM_ROW_LIVE << 16)", "(instance >> 32 | FSM_ROW_LIVE << 16)",
    ),
    Mutant(
        "an ignored event counts", STEP,
        "return kind == FSM_CELL_IGNORE ? FSM_IGNORED",
        "if (kind == FSM_CELL_IGNORE) fsm_commit(row, (uint32_t)row[0], machine->second);\n"
        "    return kind == FSM_CELL_IGNORE ? FSM_IGNORED",
    ),
    Mutant("the remainder keeps the sign of C", STEP, "? remainder + divisor : remainder", "? remainder : remainder"),
    Mutant("a bound is one too small", STEP, "if (A < B || A > C) goto stop;", "if (A < B || A >= C) goto stop;"),
    Mutant("the clock steps back", STEP, "if (now_ns > machine->header->now_ns) ", ""),
    Mutant("floor rounds negatives up", WIDE, "FSM_ROUND_FLOOR: away = negative;", "FSM_ROUND_FLOOR: away = 0;"),
    Mutant("half even rounds up", WIDE, "(half == 0 && (quotient & 1))", "half == 0"),
    Mutant("a quotient may wrap around", WIDE, "quotient > INT64_MAX || ", ""),
    Mutant("the last word of a batch is left out", BATCH, "word < width; word++", "word < width - 1; word++"),
    Mutant("a batch forgets its clock", BATCH, "shared->second = machine.second;", "(void)shared;"),
    Mutant(
        "words of the step before stay", ENGINE,
        "    arguments[0] = arguments[1] = arguments[2] = arguments[3] = arguments[4] = arguments[5] = 0\n", "",
    ),
    Mutant("an older version will do", ENGINE, "<uint32_t>row[2] != expected", "<uint32_t>row[2] > expected"),
    Mutant("growth loses the first key", ENGINE, "for row in range(fresh.header.row_count if",
           "for row in range(1, fresh.header.row_count if"),
    Mutant("true is 0", CODE, "for value in (1, 0))", "for value in (0, 1))"),
    Mutant("minus is itself", CODE, "into, Constant(0), registers[0]", "into, registers[0], Constant(0)"),
    Mutant("floor division rounds to zero", CODE, "rounding = Rounding.FLOOR", "rounding = Rounding.DOWN"),
    Mutant("the last option is out of bounds", CODE, "else len(term.type.options) - 1\n",
           "else len(term.type.options) - 2\n"),
    Mutant("a guard that says no is unhandled", CELLS, "    if guarded:\n", "    if False:\n"),
    Mutant("the last transition wins", CELLS, "for transition_id in reversed(ids):", "for transition_id in ids:"),
    Mutant("actions run backwards", CELLS, "action in reversed(transition.actions)", "action in transition.actions"),
    Mutant("a path learns too much", DECIDE, "low = max(low, value + (not relations & EQUAL))",
           "low = max(low, value + 1)"),
)  # fmt: skip


def main(words: list[str]) -> int:
    """Run the chosen mutants; print one line for each."""
    chosen = [mutant for mutant in MUTANTS if all(word in mutant.name for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder) / "project")
        if not survives(copy):
            print("The suite fails without any mutation; what it says of mutants would mean nothing.")
            return 1
        missed = [mutant.name for mutant in chosen if not caught(copy, mutant)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} mutants caught")
    return 1 if missed else 0


def copied(copy: Path) -> Path:
    """A copy of what is built and tested, without what was built."""
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy2(ROOT / name, copy / name)
    return copy


def caught(copy: Path, mutant: Mutant) -> bool:
    """Whether the suite fails with the mutation in the copy, which is undone afterwards."""
    path = copy / mutant.file
    original = path.read_text(encoding="utf-8")
    count = original.count(mutant.text)
    if count != 1:
        print(f"MISSED  {mutant.name}: {mutant.file} has the text {count} times, expected once. Write the mutant anew.")
        return False
    path.write_text(original.replace(mutant.text, mutant.instead), encoding="utf-8")
    try:
        found = not survives(copy)
    finally:
        path.write_text(original, encoding="utf-8")
    print(f"{'caught ' if found else 'MISSED '} {mutant.name}", flush=True)
    return found


def survives(copy: Path) -> bool:
    """Build the copy, and run the suite on it until the first failure."""
    environment = {
        **os.environ, "PYTHONPATH": str(copy), "HYPOTHESIS_PROFILE": "mutants", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    where = [sys.executable, "-c", "import fsm; print(fsm.__file__)"]
    found = subprocess.run(where, cwd=copy, env=environment, capture_output=True, text=True, check=True).stdout
    assert str(copy / "fsm" / "__init__.py") == found.strip(), f"the suite would run on {found.strip()}"
    shutil.rmtree(copy / "build", ignore_errors=True)  # a header that lies there from the last build would win
    for core in copy.glob("fsm/engine/_native*.so"):
        core.unlink()
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(build, cwd=copy, env=environment, check=True, capture_output=True)
    test = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *SUITE]
    done = subprocess.run(test, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
