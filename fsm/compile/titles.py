"""What messages call transitions and their triggers."""

from __future__ import annotations

from fsm.define import render_moment
from fsm.define.chart import Transition, Trigger


def titled(transition: Transition) -> str:
    """What a message calls a transition."""
    target = f" to {' and '.join(transition.targets)}" if transition.targets else ""
    return f"transition {triggered(transition)}{target}"


def triggered(transition: Transition) -> str:
    """What a message calls a trigger: `on Cancel`, `on any event`, `always`, `after 30 s`."""
    if transition.trigger is Trigger.EVENT:
        return f"on {transition.event}"
    if transition.moment is not None:
        return f"{transition.trigger.name.lower()} {render_moment(transition.moment)}"
    return {Trigger.ANY: "on any event", Trigger.DONE: "on done", Trigger.ALWAYS: "always"}[transition.trigger]
