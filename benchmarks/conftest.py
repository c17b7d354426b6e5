"""What the benchmarks share: the flow, the floors, and the table of ratios at the end.

A benchmark asks for `beside`, which times it and its floor in turns, so that both see the same weather.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
ROWS: list[tuple[str, str, float, str, float, str]] = []
PARTS: list[tuple[str, dict[str, float]]] = []
NOTES: list[str] = []


@pytest.fixture(scope="session")
def floors() -> ModuleType:
    """`benchmarks/native/floors.pyx`, compiled once a session with the flags of the core."""
    target = HERE.parent / "build" / "benchmarks"
    target.mkdir(parents=True, exist_ok=True)
    source, made = target / "floors.c", target / f"floors{sysconfig.get_config_var('EXT_SUFFIX')}"
    directives = "boundscheck=False,wraparound=False,cdivision=True,binding=False,initializedcheck=False"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "cython",
            "-3",
            str(HERE / "native" / "floors.pyx"),
            "-X",
            directives,
            "-o",
            str(source),
        ],
        check=True,
    )
    flags = ["-O2", "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-fno-strict-aliasing", "-shared", "-fPIC"]
    include = sysconfig.get_paths()["include"]
    subprocess.run(["cc", *flags, f"-I{include}", str(source), "-o", str(made)], check=True)
    specification = importlib.util.spec_from_file_location("floors", made)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def beside(request: pytest.FixtureRequest, benchmark: Any) -> Callable[..., float]:
    """Time `work` under pytest-benchmark; then work and floor in turns, and report the ratio of their best rounds."""

    def measure(
        work: Callable[[], object],
        floor: Callable[[], object],
        *,
        count: int,
        floor_name: str,
        aim: str,
        rounds: int = 25,
        floor_count: int = 0,
    ) -> float:
        benchmark.pedantic(work, rounds=rounds, warmup_rounds=2)
        pairs = [(_seconds(work), _seconds(floor)) for _ in range(rounds)]
        best_work, best_floor = (min(times) * 1e9 for times in zip(*pairs, strict=True))
        ours, theirs = best_work / count, best_floor / (floor_count or count)
        benchmark.extra_info.update(ns=ours, floor=floor_name, floor_ns=theirs, ratio=ours / theirs, aim=aim)
        ROWS.append((request.node.name, floor_name, ours, f"{theirs:.1f}", ours / theirs, aim))
        return ours / theirs

    return measure


@pytest.fixture
def row(request: pytest.FixtureRequest, benchmark: Any) -> Callable[..., None]:
    """Report a figure and its floor, in ns, that were measured in other ways than `beside` does."""

    def report(ours: float, theirs: float, *, floor_name: str, aim: str, what: str = "") -> None:
        benchmark.extra_info.update(ns=ours, floor=floor_name, floor_ns=theirs, ratio=ours / theirs, aim=aim)
        ROWS.append((request.node.name + what, floor_name, ours, f"{theirs:.1f}", ours / theirs, aim))

    return report


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something below the table."""
    return lambda text: NOTES.append(f"{request.node.name}: {text}")


@pytest.fixture
def parts() -> Callable[[str, dict[str, float]], None]:
    """Report what the parts of something took, in seconds, below the table."""
    return lambda what, seconds: PARTS.append((what, seconds))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table a person reads: ns, the floor in the same run, and the ratio beside its aim."""
    if not ROWS and not NOTES:
        return
    write = terminalreporter.write_line
    terminalreporter.section("beside their floors")
    write(f"{platform.python_implementation()} {platform.python_version()}, {_processor()}, commit {_commit()}")
    write(f"{'case':<58} {'ns':>9} {'floor ns':>9} {'ratio':>8}  aim, floor")
    for name, floor_name, ours, theirs, ratio, aim in ROWS:
        write(f"{name:<58} {ours:>9.1f} {theirs:>9} {ratio:>8.2f}  {aim}; {floor_name}")
    for what, seconds in PARTS:
        write(f"{what}: {', '.join(f'{name} {took:.1f} s' for name, took in seconds.items())}")
    for text in NOTES:
        write(text)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE, check=False
    )
    return done.stdout.strip() or "unknown"
