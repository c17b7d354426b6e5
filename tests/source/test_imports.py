"""What importing costs: nothing but what the interpreter has loaded anyway, and a little of the standard library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fsm

HEAVY = {"dataclasses", "asyncio", "logging", "inspect", "importlib.metadata", "multiprocessing", "numpy"}

STEP = """
import fsm
from fsm.tables import Tables
engine = fsm.Engine(Tables.from_bytes(open(sys.argv[1], "rb").read()), engine=sys.argv[2])
engine.step(engine.start("a"), 0, 1)
engine.send("a", "Fill", {"quantity": 1})
engine.fields(engine.find("a"))
"""


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Names of the modules that `code` loads in a fresh interpreter, beyond those of the start."""
    program = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    command = [sys.executable, "-P", "-c", program, *arguments]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_importing_fsm_loads_none_of_its_parts() -> None:
    """The public names are loaded when they are asked for."""
    assert {"fsm"} == {name for name in loaded_by("import fsm") if name.split(".")[0] == "fsm"}


def test_importing_fsm_loads_the_standard_library_only() -> None:
    """And of that nothing heavy."""
    loaded = loaded_by("import fsm")
    assert set() == loaded & HEAVY
    assert set() == {name.split(".")[0] for name in loaded} - sys.stdlib_module_names - {"fsm"}


@pytest.fixture(scope="module")
def tables_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with the tables of a small flow."""
    from fsm import Event, Flow, Integer, State

    class Order(Flow):
        """A small flow."""

        quantity = Integer()

        class Fill(Event):
            quantity: Integer = Integer()

        new = State(initial=True)
        filled = State(final=True)
        new.on(Fill, when=Fill.quantity > quantity, to=filled, do=quantity.set(Fill.quantity))

    path = tmp_path_factory.mktemp("tables") / "order.tables"
    path.write_bytes(fsm.compile(Order).to_bytes())
    return str(path)


def test_running_a_compiled_flow_needs_neither_define_nor_compile(tables_path: str, engine_name: str) -> None:
    """Whoever runs stored tables loads the running side only, and nothing heavy."""
    loaded = loaded_by(STEP, tables_path, engine_name)
    assert {"fsm.engine", "fsm.tables"} <= loaded
    assert set() == {name for name in loaded if name.startswith(("fsm.define", "fsm.compile"))}
    assert set() == loaded & HEAVY


OPEN = """
import fsm
engine = fsm.open(sys.argv[1], engine=sys.argv[2])
engine.step(engine.find("a"), 0, 1)
"""
SLOW = {"contextlib", "enum", "functools", "hashlib", "importlib", "re", "types", "typing", "weakref"}
"""Of the standard library: each costs a process that opens a store half a millisecond to three."""
UNNEEDED = ("arguments", "reason", "sending", "waiting")


def test_opening_a_store_loads_what_the_next_step_needs_and_no_more(
    tables_path: str, engine_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that takes up where another was killed is in a hurry: no names, no values, nothing to redo."""
    monkeypatch.setenv("FSM_MEMORY_DIR", str(tmp_path))
    tables = fsm.Tables.from_bytes(Path(tables_path).read_bytes())
    engine = fsm.open(tmp_path / "store", tables, engine=engine_name)
    engine.start("a")
    engine.close()
    loaded = loaded_by(OPEN, str(tmp_path / "store"), engine_name)
    assert {"fsm.store", "fsm.tables"} <= loaded
    assert set() == loaded & {"fsm.records", "fsm.values", "fsm.store.redo", "fsm.store.takeover", "fsm.store.creation"}
    assert set() == loaded & {f"fsm.engine.{name}" for name in UNNEEDED}
    assert set() == loaded & (HEAVY | SLOW)


def test_defining_and_compiling_loads_nothing_heavy() -> None:
    """A service that compiles at start-up pays for `ast`, `typing` and `hashlib` at most."""
    loaded = loaded_by("import fsm\nfsm.Flow, fsm.compile, fsm.check")
    assert set() == loaded & HEAVY
