"""The flows of a store: the tables that it runs are its own, and a flow that is given is only compared with them.

    tables/<fingerprint>.tables ──stored_tables()──▶ Tables, checked
    a flow, or tables ──require_same()──▶ nothing, or TablesMismatch with the lines in which the charts differ

Comparing needs the chart alone: a flow whose chart is the stored one is not compiled again.
"""

from __future__ import annotations

from fsm.errors import CorruptStore, CorruptTables, TablesMismatch
from fsm.tables import Tables, chart_difference, chart_of, fingerprint_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.store.directory import Directory
    from fsm.tables import Compilable

DIRECTORY: Final = "tables"


def stored_tables(store: Directory, fingerprint: str) -> Tables:
    """The tables that a store runs. Raises `CorruptStore` where they are not there, or not what their name says."""
    name = f"{fingerprint}.tables"
    try:
        directory = store.sub(DIRECTORY)
        try:
            data = directory.read(name)
        finally:
            directory.close()
        tables = Tables.from_bytes(data)
    except FileNotFoundError:
        raise CorruptStore(f"{store.path}/{DIRECTORY}/{name}", 0, "the tables of the store were taken away") from None
    except CorruptTables as error:
        raise CorruptStore(f"{store.path}/{DIRECTORY}/{name}", error.offset, error.reason) from error
    if tables.fingerprint != fingerprint:
        raise CorruptStore(f"{store.path}/{DIRECTORY}/{name}", 0, f"these are the tables of {tables.fingerprint[:16]}")
    return tables


def store_tables(store: Directory, tables: Tables) -> None:
    """Put the tables of a flow where its stores find them."""
    directory = store.make(DIRECTORY)
    try:
        directory.write(f"{tables.fingerprint}.tables", tables.to_bytes())
    finally:
        directory.close()


def require_same(stored: Tables, flow: Compilable | Tables | Any) -> None:
    """Raise `TablesMismatch` where the store runs another flow than this one."""
    if isinstance(flow, Tables):
        if flow.fingerprint != stored.fingerprint:
            raise TablesMismatch(stored.fingerprint, flow.fingerprint, stored.difference(flow))
        return
    name, chart = chart_of(flow)
    if chart != stored.chart:
        difference = chart_difference(stored.name, stored.chart, name, chart)
        raise TablesMismatch(stored.fingerprint, fingerprint_of(chart), difference)
