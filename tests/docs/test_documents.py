"""The documents say what is so: links lead somewhere, examples run, commands exist."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

import fsm
from tests.conftest import ROOT

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    return [code for found, code in BLOCK.findall(path.read_text("utf-8")) if found == language]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    """Relative links, from where they stand."""
    links = [link for link in LINK.findall(path.read_text("utf-8")) if "://" not in link]
    assert [] == [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_of_code_says_its_language(path: Path) -> None:
    """So that it can be checked."""
    assert [] == [code for language, code in BLOCK.findall(path.read_text("utf-8")) if not language]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_python_in_documents_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one document run one after the other, with the public names at hand; `>>>` shows what comes out.

    Stores are made in `folder`, and their memory too.
    """
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path))
    space: dict[str, object] = {"__name__": "document", "folder": tmp_path}
    space |= {name: getattr(fsm, name) for name in fsm.__all__}
    for code in blocks(path, "python"):
        if ">>> " not in code:
            exec(compile(code, str(path), "exec"), space)
            continue
        test = doctest.DocTestParser().get_doctest(code, space, path.name, str(path), 0)
        report: list[str] = []
        doctest.DocTestRunner().run(test, out=report.append, clear_globs=False)
        assert "" == "".join(report)
        space.update(test.globs)


def test_the_examples_in_docstrings_hold() -> None:
    """Every `>>>` in the package, and there are some."""
    attempted = 0
    for path in (ROOT / "fsm").rglob("*.py"):
        if ">>> " in path.read_text("utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
            result = doctest.testmod(module)
            assert 0 == result.failed
            attempted += result.attempted
    assert attempted > 0


def test_the_documents_name_every_command() -> None:
    """And no other."""
    from fsm.cli import commands

    text = (ROOT / "docs/command-line.md").read_text("utf-8")
    assert set(commands.commands) == set(re.findall(r"^\| `fsm (\w+)", text, re.MULTILINE))


def test_the_documents_name_every_key_of_the_report() -> None:
    """What programs read is written down."""
    source = (ROOT / "fsm/tools/replay.py").read_text("utf-8")
    report = source[source.index("def _report") :]
    keys = set(re.findall(r'^        "(\w+)":', report, re.MULTILINE))
    text = (ROOT / "docs/command-line.md").read_text("utf-8")
    table = text[text.index("## The report as JSON") :]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert keys == {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_every_target_of_make_that_is_named_exists() -> None:
    """A command in backquotes or on a line of its own."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {word for path in DOCUMENTS for word in re.findall(r"(?:`|\$ )make ([a-z]+)", path.read_text("utf-8"))}
    assert named <= targets
