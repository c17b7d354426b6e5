"""What is installed here, and what a flow takes: the facts behind `fsm info`.

this Python, this build ──▶ installed()          Tables ──▶ facts_of(tables)
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from fsm.layout import LAYOUT_VERSION
from fsm.tables import FORMAT_VERSION, SEMANTICS_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fsm.tables import Tables


def installed() -> dict[str, Any]:
    """Engines and formats of this installation."""
    from fsm.engine import default_engine

    return {
        "python": sys.version.split()[0],
        "native": find_spec("fsm.engine._native") is not None,
        "engine": default_engine(),
        "layout_version": LAYOUT_VERSION,
        "tables_version": FORMAT_VERSION,
        "semantics_version": SEMANTICS_VERSION,
    }


def facts_of(tables: Tables) -> dict[str, Any]:
    """What a compiled flow holds and takes.

    configurations, columns    cells of the tables: columns are events, done states, eventless transitions, timer slots
    timers, timer_slots        times that states declare; deadlines that an instance can have at once
    deferred_events            that an instance can keep
    """
    return {
        "flow": tables.name,
        "fingerprint": tables.fingerprint,
        "states": len(tables.states),
        "configurations": tables.configuration_count,
        "events": tables.event_count,
        "columns": tables.column_count,
        "fields": len(tables.fields),
        "timers": len(tables.timers),
        "timer_slots": tables.timer_slots,
        "deferred_events": tables.deferral_slots,
        "row_bytes": tables.row_bytes,
        "code_bytes": len(tables.code) * 8,
        "tables_bytes": len(tables.to_bytes()),
        "waivers": len(tables.waivers),
    }
