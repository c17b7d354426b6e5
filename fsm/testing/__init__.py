"""Hypothesis strategies: flows made at random, and streams of events for them.

    flows() ──▶ a Flow class ──fsm.compile──▶ Tables ──inputs(tables)──▶ [Input, ...] ──▶ engine.step

Importing this imports hypothesis, so nothing else of `fsm` does.
"""

from fsm.testing.flows import flows
from fsm.testing.inputs import Input, inputs

__all__ = ["Input", "flows", "inputs"]
