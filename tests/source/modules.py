"""The imports of the package, read from its source without running it.

fsm/**/*.py ──ast──▶ Import(importer, imported, line, when): at run time, lazily, or for typing
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Import(NamedTuple):
    """One module named by another, and when: `load` with it, `lazy` in a function, `typing` for checkers only."""

    importer: str
    imported: str
    line: int
    when: str


def module_name(path: Path) -> str:
    """`fsm/engine/__init__.py` is `fsm.engine`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    """Every Python module of the package by its name."""
    return {module_name(path): path for path in sorted((ROOT / "fsm").rglob("*.py"))}


def imports() -> list[Import]:
    """Every import in the package."""
    return [found for name, path in modules().items() for found in _imports_of(name, path)]


def _imports_of(name: str, path: Path) -> list[Import]:
    known = modules()
    found: list[Import] = []

    def visit(node: ast.AST, when: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend(Import(name, alias.name, child.lineno, when) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import; name the module from fsm on"
                base = child.module or ""
                targets = {full if (full := f"{base}.{alias.name}") in known else base for alias in child.names}
                found.extend(Import(name, target, child.lineno, when) for target in sorted(targets))
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                visit(child, "typing")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and when == "load":
                visit(child, "lazy")
            else:
                visit(child, when)

    visit(ast.parse(path.read_text(encoding="utf-8")), "load")
    return found
