"""Walk the configurations of a chart: the sets of states that can be active together.

    Chart ──▶ Configuration 0, 1, 2 ...     one for each state of a flat flow, in document order

A flat flow has one active state, so the configuration has the state's id.
"""

from __future__ import annotations

from typing import NamedTuple

from fsm.define.chart import Chart


class Configuration(NamedTuple):
    """A set of active states, by id, outermost first."""

    active: tuple[int, ...]


def configurations(chart: Chart) -> tuple[Configuration, ...]:
    """Every configuration, by id."""
    return tuple(Configuration((state_id,)) for state_id in range(len(chart.states)))


def initial_configuration(chart: Chart) -> int:
    """The configuration in which an instance begins."""
    return next(state_id for state_id, state in enumerate(chart.states) if state.initial)
