"""The source tree is kept in order: no dead file, no leftover, no line or file that grew out of sight."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.source.modules import ROOT, imports, modules

LINES_MAX = 500
LINE_LENGTH_MAX = 120
FOLDERS = ("fsm", "native", "tests", "benchmarks", "examples", "docs", ".ci")
SUFFIXES = {".py", ".pyx", ".pxd", ".h", ".md", ".toml", ""}
# Written in two halves, so that this file does not find itself.
BANNED = {
    "an unfinished note": re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"),
    "a merge conflict": re.compile(r"^(<{7}|>{7}|={7})( |$)", re.MULTILINE),
    "a debugger": re.compile(r"\b(break" r"point\(\)|import p" r"db|set_tr" r"ace\()"),
}
PRINTING = ("fsm.cli", "fsm.tools.report")
ROOTS = {"fsm", "fsm.cli"}
"""Modules that nobody imports, since people start or import them."""


def sources() -> list[Path]:
    """Every text file that is part of the project."""
    return [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    ]


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def calls(name: str) -> list[tuple[str, int]]:
    """Where the package calls a function by its bare name."""
    return [
        (module, node.lineno)
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


@pytest.mark.parametrize("name", BANNED)
def test_no_leftover_is_in_the_tree(name: str) -> None:
    """What is unfinished is not in the tree."""
    assert [] == [str(path) for path in sources() if BANNED[name].search(path.read_text(encoding="utf-8"))]


def test_the_library_does_not_print() -> None:
    """Only the command line talks to the terminal."""
    assert [] == [place for place in calls("print") if place[0] not in PRINTING]


@pytest.mark.parametrize("name", ["eval", "exec", "breakpoint", "input"])
def test_the_library_runs_no_text(name: str) -> None:
    """Expressions in text are parsed, never run."""
    assert [] == calls(name)


def test_every_module_is_used() -> None:
    """A module that nothing imports is dead; formats and testing are loaded by whoever wants them."""
    used = {each.imported for each in imports() if each.imported != each.importer}
    used |= {".".join(name.split(".")[:end]) for name in used for end in range(1, name.count(".") + 1)}
    used |= set(re.findall(r'"(fsm\.[a-z_.]+)":', (ROOT / "fsm/__init__.py").read_text(encoding="utf-8")))
    dead = set(modules()) - used - ROOTS
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    optional = {name for name in dead if name.startswith(("fsm.formats", "fsm.testing")) and name in tests}
    assert set() == dead - optional


def test_every_file_opens_with_what_flows_through_it() -> None:
    """A module has a docstring, and a package's modules say more than their name."""
    bare = [module for module, path in modules().items() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert [] == bare


def test_no_file_and_no_line_is_too_long() -> None:
    """Files are read from top to bottom, and lines from left to right."""
    long_files = [str(path) for path in modules().values() if len(lines_of(path)) > LINES_MAX]
    wide = [
        f"{path}:{number}"
        for path in sources()
        if path.suffix in {".py", ".pyx", ".pxd", ".h"} and "typing" not in path.parts
        for number, line in enumerate(lines_of(path), 1)
        if len(line) > LINE_LENGTH_MAX
    ]
    assert ([], []) == (long_files, wide)
