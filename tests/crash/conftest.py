"""What the tests of kills share: the stepper, and what it recorded of each script."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.recovering import Place, Reference, Watched
from tests.crash.scripts import SCRIPTS
from tests.crash.stepping import compile_stepper, make_control, victim_command, victim_environment, watch


@pytest.fixture(scope="session")
def shared_folder() -> Iterator[Path]:
    """Where stores of victims lie: in memory where there is room for that, since each image is written anew."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="killed-fsm-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def stepper(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that steps through victims."""
    return compile_stepper(tmp_path_factory.mktemp("stepper"))


@pytest.fixture(scope="session")
def watched(shared_folder: Path, stepper: Path) -> Callable[[str, str, str], Watched]:
    """Watch a script: its name, the engine, the stepper's mode. Each once."""
    made: dict[tuple[str, str, str], Watched] = {}

    def watch_script(name: str, engine_name: str, mode: str) -> Watched:
        if (name, engine_name, mode) not in made:
            number, script = len(made), SCRIPTS[name]
            reference = Reference(Place(shared_folder / f"undisturbed-{number}"), script, engine_name)
            place = Place(shared_folder / f"killed-{number}")
            make_control(place.control)
            victim = victim_command("script", place.store, place.control, engine_name, name)
            record = watch(
                stepper, mode, place.control, place.record, place.watched, victim, victim_environment(place.memory)
            )
            made[name, engine_name, mode] = Watched(place, reference, record, engine_name)
        return made[name, engine_name, mode]

    return watch_script
