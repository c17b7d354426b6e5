"""State machines for settlement flows: written in Python, compiled into tables, stepped by a native core.

    class Order(fsm.Flow)          Order.Execute(quantity=40)
            │                                │
       define ──▶ compile ──▶ TABLES ──▶ engine ──▶ Outcome: accepted, ignored, refused and why
                     │                       │
                     └──▶ fsm.check          └──▶ state, fields, version of every instance

Every public name is here, and importing this module imports none of it: a name is loaded when it is first asked for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Final

    from fsm.define import (
        Boolean,
        Choice,
        Decimal,
        Duration,
        Event,
        Flow,
        History,
        Integer,
        Parallel,
        Region,
        State,
        Text,
        Timestamp,
        maximum,
        minimum,
        multiply,
        raise_,
        when,
    )
    from fsm.engine import Engine
    from fsm.engine.sending import Step
    from fsm.errors import (
        ConcurrentUse,
        CorruptStore,
        CorruptTables,
        DefinitionError,
        Exists,
        FsmError,
        StaleEpoch,
        StartFault,
        StoreError,
        StoreFull,
        StoreLocked,
        TablesMismatch,
    )
    from fsm.layout import Finding, Outcome
    from fsm.store import open
    from fsm.tables import Tables

    # Spelled out: a checker would take the names for the package and the module that hold these functions.
    def check(flow: type[Flow], *, configurations_max: int = ...) -> list[Finding]:
        """Every problem of a definition, each with its rule, its place and a remedy."""

    def compile(flow: type[Flow], *, configurations_max: int = ...) -> Tables:
        """The tables of a flow. Raises `DefinitionError` with every error that no waiver covers."""

else:
    ModuleType = type(sys)

__version__ = "0.1.0"

__all__ = [
    "Boolean", "Choice", "ConcurrentUse", "CorruptStore", "CorruptTables", "Decimal", "DefinitionError", "Duration",
    "Engine", "Event", "Exists", "Finding", "Flow", "FsmError", "History", "Integer", "Outcome", "Parallel", "Region",
    "StaleEpoch", "StartFault", "State", "Step", "StoreError", "StoreFull", "StoreLocked", "Tables", "TablesMismatch",
    "Text", "Timestamp", "__version__", "check", "compile", "get_include", "maximum", "minimum", "multiply", "open",
    "raise_", "when",
]  # fmt: skip

_HOMES: Final = {
    "fsm.compile": "check compile",
    "fsm.define": "Boolean Choice Decimal Duration Event Flow History Integer Parallel Region State Text Timestamp "
    "maximum minimum multiply raise_ when",
    "fsm.engine": "Engine",
    "fsm.engine.sending": "Step",
    "fsm.errors": "ConcurrentUse CorruptStore CorruptTables DefinitionError Exists FsmError StaleEpoch StartFault "
    "StoreError StoreFull StoreLocked TablesMismatch",
    "fsm.layout": "Finding Outcome",
    "fsm.store": "open",
    "fsm.tables": "Tables",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}


def get_include() -> str:
    """The folder to pass to a C compiler: it holds `fsm/layout.h`."""
    from os.path import dirname, join

    return join(dirname(__file__), "include")


def _load(name: str) -> Any:
    """The public name `name`, from the module that makes it."""
    from fsm import tables

    tables.front_end, tables.canonical = _compile_flow, _canonical
    # Not by importlib, whose import costs more than that of most modules here.
    return getattr(__import__(_HOME_OF[name], fromlist=[name]), name)


def _compile_flow(flow: Any) -> Tables:
    """What the waist calls when it is handed a flow, so that engines need not import the compiler."""
    tables: Tables = _load("compile")(flow)
    return tables


def _canonical(flow: Any) -> tuple[str, str]:
    """The same for a flow of which the chart alone is wanted."""
    from fsm.compile.canonical import canonical
    from fsm.define import chart_of

    chart = chart_of(flow)
    return chart.name, canonical(chart)


class _Facade(ModuleType):
    """This module's own type. A public name is loaded once, then stands in the module like any other.

    `compile` is both a function here and a package below, and importing the package sets the attribute to the package.
    A property decides who has the name, in every order of imports: the function. The package stays reachable by
    `from fsm.compile import ...`.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module 'fsm' has no attribute {name!r}; its public names are in fsm.__all__")
        value = _load(name)
        setattr(self, name, value)
        return value

    @property
    def compile(self) -> Any:
        return _load("compile")

    @compile.setter
    def compile(self, package: ModuleType) -> None:
        """Take no notice: it is the import system, naming the package."""

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *__all__})


sys.modules[__name__].__class__ = _Facade
