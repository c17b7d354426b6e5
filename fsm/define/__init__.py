"""How a flow is written: fields, expressions, states, events and transitions.

class LimitOrder(Flow) ──▶ chart_of(LimitOrder) ──▶ Chart, which `fsm.compile` turns into tables
"""

from fsm.define.actions import Action, raise_, when
from fsm.define.events import Event
from fsm.define.expressions import Condition, Value
from fsm.define.fields import Boolean, Choice, Decimal, Duration, Integer, Text, Timestamp
from fsm.define.flow import Flow, chart_of
from fsm.define.functions import maximum, minimum, multiply
from fsm.define.render import render, render_action, render_moment
from fsm.define.sources import Group
from fsm.define.states import History, Parallel, Region, State

__all__ = [
    "Action",
    "Boolean",
    "Choice",
    "Condition",
    "Decimal",
    "Duration",
    "Event",
    "Flow",
    "Group",
    "History",
    "Integer",
    "Parallel",
    "Region",
    "State",
    "Text",
    "Timestamp",
    "Value",
    "chart_of",
    "maximum",
    "minimum",
    "multiply",
    "raise_",
    "render",
    "render_action",
    "render_moment",
    "when",
]
