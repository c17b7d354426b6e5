"""A flow: a class body that becomes a chart, or one error with everything that is wrong in it.

    class body ──Body──▶ members by name ──judge──▶ Chart
                               └──▶ DefinitionError(problems): all of them, each with file and line

The chart is made when the class is, so a broken flow does not import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsm.define.chart import MICROSTEPS_MAX, RAISED_MAX, Chart, Place
from fsm.define.judge import Limits, judge
from fsm.define.nesting import Body
from fsm.define.places import Problem, caller, waivers
from fsm.layout import Finding


class FlowMeta(type):
    """Reads the class body of a flow: nothing is hidden by a second use of a name."""

    _chart: Chart | None = None

    @classmethod
    def __prepare__(metacls, name: str, bases: tuple[type, ...], /, **options: object) -> Body:
        return Body()

    def __new__(
        metacls,
        name: str,
        bases: tuple[type, ...],
        body: dict[str, Any],
        /,
        *,
        waive: Mapping[str, str] | None = None,
        microsteps_max: int = MICROSTEPS_MAX,
        raised_max: int = RAISED_MAX,
    ) -> FlowMeta:
        if isinstance(body, Body):
            body.close()
        flow = super().__new__(metacls, name, bases, dict(body))
        if bases:
            place = caller()
            limits = Limits(microsteps_max, raised_max)
            flow._chart = judge(flow, body, place, waivers(waive), limits, _base_findings(name, bases, place))
        return flow

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], /, **options: object) -> None:
        super().__init__(name, bases, body)

    def __call__(cls, *values: object, **named: object) -> Any:
        raise TypeError(f"{cls.__name__} is a description and has no instances of its own: open an engine on it.")


def _base_findings(name: str, bases: tuple[type, ...], place: Place) -> list[Finding]:
    if bases == (Flow,):
        return []
    listed = ", ".join(base.__name__ for base in bases)
    message = f"flow {name} is derived from {listed}, and from Flow alone was expected."
    return [Problem("inheritance", message, "Declare everything in one class: a flow reads as one picture.").at(place)]


class Flow(metaclass=FlowMeta):
    """The base of every flow: its class body declares fields, events, states and transitions."""


def chart_of(flow: type[Flow]) -> Chart:
    """The chart of a flow, as it was declared; what the compiler begins with. Raises TypeError for anything else."""
    chart: Chart | None = getattr(flow, "_chart", None) if isinstance(flow, FlowMeta) else None
    if chart is None:
        message = f"a class derived from fsm.Flow was expected, and {flow!r} was found."
        raise TypeError(f"{message} Pass the class itself, as in fsm.compile(LimitOrder).")
    return chart
