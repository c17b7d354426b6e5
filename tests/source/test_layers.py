"""Imports point to the same layer or a lower one, and the two sides of the tables do not know each other."""

from __future__ import annotations

import pytest

from tests.source.modules import Import, imports, modules

# Each layer, and the layers that it may import besides itself. The facade `fsm` stands above all of them.
BASE = {"codes", "errors", "layout", "values", "tablecheck", "records", "tables"}
MAKING = BASE | {"define", "compile"}
RUNNING = BASE | {"engine", "store", "runtime"}
ALLOWED = {
    "codes": set(),
    "errors": {"layout"},
    "layout": {"codes", "errors"},
    "values": {"errors", "layout"},
    "tablecheck": {"errors", "layout"},
    "records": {"layout", "tablecheck"},
    "tables": BASE,
    "define": BASE,
    "compile": MAKING,
    "engine": BASE,
    "store": BASE | {"engine"},
    "runtime": RUNNING,
    "formats": MAKING | RUNNING,
    "testing": MAKING | RUNNING,
    "tools": MAKING | RUNNING,
    "adapters": MAKING | RUNNING,
    "cli": MAKING | RUNNING | {"formats", "testing", "tools", "adapters", "facade"},
    "facade": MAKING | RUNNING,
}


def layer_of(module: str) -> str:
    """`fsm.engine.mirror` is in the layer `engine`; `fsm` itself is the facade."""
    return module.split(".")[1] if "." in module else "facade"


def violations(found: list[Import]) -> list[str]:
    """What is imported against the order of the layers, each with its place."""
    return [
        f"{each.importer}:{each.line} imports {each.imported}"
        for each in found
        if each.imported.split(".")[0] == "fsm" and layer_of(each.imported) != layer_of(each.importer)
        if layer_of(each.imported) not in ALLOWED[layer_of(each.importer)]
    ]


def test_every_module_belongs_to_a_known_layer() -> None:
    """A new folder is given its place in the order before it is used."""
    assert set() == {layer_of(module) for module in modules()} - set(ALLOWED)


def test_imports_point_downwards() -> None:
    """No module imports a higher layer, a sibling or the other side of the tables."""
    assert [] == violations([each for each in imports() if each.when != "typing"])


@pytest.mark.parametrize(
    ("importer", "imported"),
    [("fsm.engine.mirror", "fsm.compile"), ("fsm.define.states", "fsm.engine"), ("fsm.tools.info", "fsm.formats.dot")],
)
def test_a_wrong_import_is_seen(importer: str, imported: str) -> None:
    """The test above would notice one."""
    assert [f"{importer}:1 imports {imported}"] == violations([Import(importer, imported, 1, "load")])


def test_typing_imports_stay_on_their_side_too() -> None:
    """What is imported for type checkers does not tie the running side to the making side either."""
    running, making = {"engine", "store", "runtime"}, ("fsm.define", "fsm.compile")
    assert [] == [each for each in imports() if layer_of(each.importer) in running and each.imported.startswith(making)]
