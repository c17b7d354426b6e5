"""The public names: all there, loaded when they are asked for, the same in every order of imports."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations

import pytest

import fsm

ORDERS = [
    "import fsm.compile",
    "import fsm.compile.cells",
    "from fsm.compile import check as _",
    "from fsm import compile as _",
    "import fsm.engine",
    "fsm.check",
]
USE = """
class Order(fsm.Flow):
    new = fsm.State(initial=True)
    filled = fsm.State(final=True)
    class Fill(fsm.Event):
        pass
    new.on(Fill, to=filled)

tables = fsm.compile(Order)
assert isinstance(tables, fsm.Tables)
assert isinstance(fsm.check(Order), list)
from fsm import compile
assert compile is fsm.compile
from fsm.compile import compile as inner
assert compile is inner
assert fsm.Engine(Order, engine="mirror").tables.fingerprint == tables.fingerprint
"""


@pytest.mark.parametrize("name", fsm.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """And is listed."""
    assert getattr(fsm, name) is getattr(fsm, name)
    assert name in dir(fsm)


def test_an_unknown_name_says_where_the_names_are() -> None:
    """Like any module's."""
    with pytest.raises(AttributeError, match=r"module 'fsm' has no attribute 'Machine'; .* fsm.__all__"):
        _ = fsm.Machine  # type: ignore[attr-defined]


def test_all_lists_every_name_once_in_order() -> None:
    """A new public name is added on purpose."""
    assert sorted(set(fsm.__all__), key=str.lower) == sorted(fsm.__all__, key=str.lower)


@pytest.mark.parametrize("first", ORDERS)
def test_compile_is_the_function_whatever_is_imported_first(first: str) -> None:
    """The package of the same name does not take its place."""
    subprocess.run([sys.executable, "-P", "-c", f"import fsm\n{first}\n{USE}"], check=True)


def test_compile_is_the_function_in_every_order_of_imports() -> None:
    """One process for each order would be slow: the imports are undone between them."""
    program = (
        "import sys\n"
        f"for order in {list(permutations(ORDERS[:4], 3))!r}:\n"
        "    for name in [name for name in sys.modules if name.split('.')[0] == 'fsm']:\n"
        "        del sys.modules[name]\n"
        "    space = {}\n"
        f"    exec('\\n'.join(['import fsm', *order, {USE!r}]), space)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], check=True)
