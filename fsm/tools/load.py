"""Find the flow that the command line names.

    path.py · path.py:Name · package.module · package.module:Name ──▶ module ──▶ the Flow class in it

Loading a module runs it: name only files that you would run.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from sysconfig import get_path

from fsm.define import Flow
from fsm.errors import FsmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Final

PACKAGE: Final = str(Path(__file__).resolve().parents[1])
MACHINERY: Final = ("<", PACKAGE, str(Path(importlib.__file__).parent))
LIBRARIES: Final = tuple(get_path(name) for name in ("stdlib", "purelib", "platlib"))
FORMS: Final = "Give path.py, path.py:Name or package.module:Name."


class LoadError(FsmError):
    """What the command line names cannot be loaded: no such file, no flow in it, or it fails when it is run."""


def load_flow(name: str) -> type[Flow]:
    """The flow that `name` stands for. Raises `LoadError`, and `DefinitionError` where the flow itself is wrong."""
    return load(name)[1]


def load(name: str) -> tuple[ModuleType, type[Flow]]:
    """The module that `name` stands for, and the flow in it."""
    place, colon, flow_name = name.rpartition(":")
    if not colon:
        place, flow_name = name, ""
    module = _run(place)
    return module, _flow_in(module, place, flow_name)


def _run(place: str) -> ModuleType:
    """Import a file or a module, and turn whatever goes wrong in it into one line."""
    is_file = place.endswith(".py") or "/" in place
    if is_file and not Path(place).is_file():
        raise LoadError(f"{place}: no such file. {FORMS}")
    if not is_file and not all(part.isidentifier() for part in place.split(".")):
        raise LoadError(f"{place!r} names no file and no module. {FORMS}")
    try:
        return _import_file(Path(place)) if is_file else _import_name(place)
    except FsmError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
            raise LoadError(f"{place}: no module named {error.name}. {FORMS}") from error
        raise LoadError(f"{place}: running it failed: {in_one_line(error)}") from error


def _import_file(path: Path) -> ModuleType:
    # Neighbours of the file can be imported, as when Python runs it; its own name gets a prefix, so that a file called
    # json.py does not take the place of the library.
    sys.path.insert(0, str(path.parent.resolve()))
    name = f"_flow_{path.stem}"
    spec = spec_from_file_location(name, path, loader=SourceFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _import_name(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    return importlib.import_module(name)


def in_one_line(error: BaseException) -> str:
    """`file:line: Type: message`, for people who did not write what raised it."""
    kind, message = type(error).__name__, " ".join(str(error).split())
    return _where(error) + (f"{kind}: {message}" if message else kind)


def _where(error: BaseException) -> str:
    """The last line of the user's own that the error passed, `file:line: `; in a library where there is none."""
    own, libraries, trace = "", "", error.__traceback__
    while trace is not None:
        file, place = trace.tb_frame.f_code.co_filename, f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}: "
        trace = trace.tb_next
        if file.startswith(MACHINERY) or file.endswith(".pyx"):
            continue
        if file.startswith(LIBRARIES):
            libraries = place
        else:
            own = place
    return own or libraries


def _flow_in(module: ModuleType, place: str, flow_name: str) -> type[Flow]:
    flows = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Flow) and value is not Flow
    }
    own = {name: flow for name, flow in flows.items() if flow.__module__ == module.__name__}
    if flow_name:
        if flow_name not in flows:
            raise LoadError(f"{place}: no flow named {flow_name}; found {_listed(flows)}.")
        return flows[flow_name]
    if len(own) != 1:
        raise LoadError(f"{place}: expected one flow, found {_listed(own)}. Name the one you mean: {place}:Name.")
    return next(iter(own.values()))


def _listed(flows: dict[str, type[Flow]]) -> str:
    return ", ".join(flows) or "none"
