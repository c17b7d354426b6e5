"""What `send` is made of, apart from the step: loaded by the first one, since `step` needs none of it.

key, event by name or object ──event_words()──▶ words ──step──▶ outcome ──reason()──▶ Step
"""

from __future__ import annotations

from collections import namedtuple

from fsm.engine.arguments import event_words
from fsm.engine.keys import encode_key
from fsm.engine.reason import reason
from fsm.layout import NONE, ROW_VERSION, UINT64_MASK, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from fsm.engine.protocol import Engine

    class _Step(NamedTuple):
        outcome: Outcome
        instance: int | None
        sequence: int
        version: int | None
        states: tuple[str, ...]
        reason: str

else:
    _Step = namedtuple("_Step", "outcome instance sequence version states reason")


class Step(_Step):
    """What became of one `send`.

    outcome     `Outcome`
    instance    handle, or None where the key is unknown
    sequence    number of this input; with a journal, of its last frame
    version     accepted steps of the instance, after this one; None where it is unknown
    states      names of the active states, after this step; empty where it is unknown
    reason      one sentence why it was refused, with the place of a fault; empty otherwise
    """

    __slots__ = ()

    @property
    def accepted(self) -> bool:
        """Whether the step changed the instance."""
        return self.outcome is Outcome.ACCEPTED


def send(
    engine: Engine,
    instance_key: str | int,
    event: Any,
    arguments: Mapping[str, object] | None,
    key: object,
    expected: int | None,
    correlation: object,
) -> Step:
    """One event by the key of its instance and by name: `Engine.send`."""
    engine._enter("send")
    tables = engine.tables
    encoded = encode_key(instance_key)
    name, words = event_words(tables, event, arguments)
    found = engine._find(encoded)
    event_id = tables.event_ids.get(name, NONE)
    if found is None and engine.memory.ring is not None:
        outcome = Outcome(engine._refuse_unknown(encoded, event_id, words, key, correlation))
    else:
        handle = UINT64_MASK if found is None else found
        outcome = Outcome(engine.step(handle, event_id, *words, key=key, expected=expected, correlation=correlation))
    row = None if found is None else engine._row(found, "send")
    states = () if row is None else engine._states(row)
    version = None if row is None else row[ROW_VERSION] & NONE
    why = reason(tables, outcome, name, row, engine._header("place", "send"), expected)
    return Step(outcome, found, engine.sequence, version, states, why)
