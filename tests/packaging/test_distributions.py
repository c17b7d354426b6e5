"""What is shipped works away from this tree: sdist, wheel, pure wheel, editable, and a third party's cimport.

    tree ──▶ sdist ──▶ wheel ──▶ a fresh environment ──▶ steps, cimport
                └──FSM_PURE=1──▶ pure wheel ──▶ another ──▶ steps on the mirror, a clear error for the core

Nothing is fetched: the tools are those of the environment that runs the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

# What a step needs, and no more: `sys.argv[1]` is the engine.
STEPS = """
import sys
import fsm
from fsm import Event, Flow, Integer, State

class Order(Flow):
    leaves = Integer(default=100)
    class Fill(Event):
        quantity: Integer = Integer()
    live = State(initial=True)
    filled = State(final=True)
    live.on(Fill, when=Fill.quantity < leaves, do=leaves.subtract(Fill.quantity))
    live.on(Fill, when=Fill.quantity == leaves, to=filled)

engine = fsm.Engine(Order, engine=sys.argv[1])
order = engine.start("a")
print(*(engine.step(order, 0, quantity) for quantity in (40, 60, 1)), *engine.state(order))
"""
STEPPED = "0 0 18 filled"


AWAY = Path("/")
"""Not the tree: `python -c` finds modules where it stands."""


def run(*command: str | Path, cwd: Path = AWAY, **environment: str) -> str:
    """What the command prints; its errors are shown where it fails."""
    clean = {name: value for name, value in os.environ.items() if name not in ("FSM_PURE", "PYTHONPATH", "LD_PRELOAD")}
    done = subprocess.run(
        [str(each) for each in command], cwd=cwd, env={**clean, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked sdist, made from a copy of the tree without anything that was built in it."""
    folder = tmp_path_factory.mktemp("source")
    tree = folder / "tree"
    unwanted = shutil.ignore_patterns("*.so", "*.c", "__pycache__", "*.egg-info")
    for name in ("fsm", "native"):
        shutil.copytree(ROOT / name, tree / name, ignore=unwanted)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-c", build, folder, cwd=tree, FSM_PURE="1").splitlines()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    return folder / name.removesuffix(".tar.gz")


def wheel_from(source: Path, folder: Path, **environment: str) -> Path:
    """A wheel built from the unpacked sdist."""
    command = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    run(sys.executable, *command, **environment)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel with the core."""
    return wheel_from(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def pure_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel without it."""
    return wheel_from(source, tmp_path_factory.mktemp("pure"), FSM_PURE="1")


def environment_with(wheel: Path, folder: Path) -> Path:
    """The interpreter of a fresh environment that holds the wheel and nothing else."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", wheel)
    return python


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel that has the core."""
    return environment_with(wheel, tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture(scope="module")
def installed_pure(pure_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the pure wheel."""
    return environment_with(pure_wheel, tmp_path_factory.mktemp("installed") / "venv")


def contents(wheel: Path) -> set[str]:
    """Names of the files of the package in a wheel."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("fsm/")}


def package_files() -> set[str]:
    """What a wheel must hold, from the tree."""
    suffixes = {".py", ".pxd", ".h", ".typed", ".pyi"}
    return {str(path.relative_to(ROOT)) for path in (ROOT / "fsm").rglob("*") if path.suffix in suffixes}


def test_the_sdist_holds_all_that_a_build_needs(source: Path) -> None:
    """Sources of the core included, nothing that was built, and no tests."""
    native = {path.name for path in (ROOT / "native").iterdir() if path.suffix in {".pyx", ".pxd", ".h"}}
    assert native == {path.name for path in (source / "native").iterdir()}
    assert {"setup.py", "LICENSE", "README.md"} <= {path.name for path in source.iterdir()}
    assert [] == [*source.rglob("*.so"), *source.rglob("*.c"), *source.glob("tests")]


@pytest.mark.native
def test_the_wheel_holds_the_package_and_one_extension(wheel: Path) -> None:
    """Headers, declarations and the marker of a typed package among them."""
    built = {name for name in contents(wheel) if name.endswith(".so")}
    assert (1, package_files()) == (len(built), contents(wheel) - built)


def test_the_pure_wheel_fits_every_machine(pure_wheel: Path) -> None:
    """No extension in it, and no platform in its name."""
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    assert package_files() == contents(pure_wheel)


@pytest.mark.native
def test_an_installed_wheel_steps_on_both_engines(installed: Path) -> None:
    """With nothing else installed: there are no dependencies."""
    for engine in ("native", "mirror"):
        assert STEPPED == run(installed, "-c", STEPS, engine)


def test_a_pure_installation_steps_on_the_mirror(installed_pure: Path) -> None:
    """When it is asked for."""
    assert STEPPED == run(installed_pure, "-c", STEPS, "mirror")


def test_a_pure_installation_does_not_fall_back_in_silence(installed_pure: Path) -> None:
    """Asking for the core is an error that names the ways out."""
    done = subprocess.run([installed_pure, "-c", STEPS, "native"], cwd=AWAY, capture_output=True, text=True)
    assert (True, True) == (done.returncode != 0, "FSM_ENGINE=mirror" in done.stderr)


@pytest.mark.native
def test_an_editable_installation_follows_the_tree(source: Path, tmp_path: Path) -> None:
    """What is edited is what runs."""
    python = tmp_path / "venv/bin/python"
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    tree = shutil.copytree(source, tmp_path / "tree")
    install = ("-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", "--no-build-isolation")
    # The build tools are taken from the environment of the tests: the new one has none.
    tools = str(Path(pytest.__file__).parents[1])
    run(sys.executable, *install, "-e", tree, PYTHONPATH=tools)
    assert STEPPED == run(python, "-c", STEPS, "native")
    facade = tree / "fsm/__init__.py"
    facade.write_text(facade.read_text("utf-8").replace('__version__ = "', '__version__ = "9'), "utf-8")
    assert run(python, "-c", "import fsm; print(fsm.__version__)").startswith("9")


def test_a_build_without_a_compiler_fails_and_names_the_way_out(source: Path, tmp_path: Path) -> None:
    """A package without its core is made on purpose, or not at all."""
    tree = shutil.copytree(source, tmp_path / "tree")
    command = [sys.executable, "setup.py", "build_ext", "--build-lib", str(tmp_path / "lib")]
    environment = {name: value for name, value in os.environ.items() if name != "FSM_PURE"}
    environment |= {"CC": "/nonexistent/cc"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "set FSM_PURE=1" in done.stderr
    assert [] == list(tmp_path.glob("lib/**/*.so"))


BUILD_CONSUMER = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup

site, include = sys.argv[1:3]
del sys.argv[1:3]
extension = Extension("consumer", ["consumer.pyx"], include_dirs=[include])
setup(name="consumer", ext_modules=cythonize([extension], include_path=[site]))
"""

USE_CONSUMER = (
    STEPS.split("engine =")[0]
    + """
import consumer
from fsm.layout import Outcome
engine = fsm.Engine(Order, engine="native")
order = engine.start("a")
print(*consumer.abi(), *consumer.feed(engine, order, 0, 25, 6), engine.version(order))
"""
)


@pytest.mark.native
def test_a_third_party_steps_without_the_gil_by_cimport(installed: Path, tmp_path: Path) -> None:
    """From the declarations and the header that the wheel brings."""
    consumer = shutil.copytree(ROOT / "tests/native/cimport_consumer", tmp_path / "consumer")
    (consumer / "build_it.py").write_text(BUILD_CONSUMER, "utf-8")
    site, include = (
        run(installed, "-c", code)
        for code in ("import fsm, os; print(os.path.dirname(fsm.__path__[0]))", "import fsm; print(fsm.get_include())")
    )
    run(sys.executable, "build_it.py", site, include, "build_ext", "--inplace", cwd=consumer)
    assert "3 64 4 2 4" == run(installed, "-c", USE_CONSUMER, cwd=consumer)
