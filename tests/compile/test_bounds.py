"""Words from outside are looked at before they enter a field: a caller of `step` may pass any."""

from __future__ import annotations

import pytest

import fsm
from fsm.compile import compile
from fsm.define.chart import Field, FieldKind, StateKind, Type
from fsm.layout import Opcode, Outcome
from tests.compile.charts import argument, at, chart, constant, equal, event, on, set_, state


def naming(size: int) -> fsm.Tables:
    """A flow that keeps the text of an event, of so many bytes, in a field."""
    text = Type(FieldKind.TEXT, size=size)
    given = argument("Name", "text", text)
    return compile(
        chart(
            states=[state("a", initial=True), state("z", StateKind.FINAL)],
            events=[event("Name", ("text", text)), event("End")],
            fields=[Field("text", text, b"", at(1))],
            transitions=[
                on("a", "Name", equal(given, constant(b"", text)), to="z"),
                on("a", "Name", do=(set_("text", given),)),
            ],
        )
    )


@pytest.mark.parametrize("size", [1, 4, 7, 9, 12, 31])
def test_a_text_with_bytes_beyond_its_size_is_refused(size: int, engine_name: str) -> None:
    """The largest text fits, one bit more is a fault, and the field keeps what it held."""
    tables = naming(size)
    engine = fsm.Engine(tables, capacity=1, engine=engine_name)
    instance = engine.start(1)
    full = (b"\xff" * size).ljust(-(-size // 8) * 8, b"\0")
    words = [int.from_bytes(full[start : start + 8], "little", signed=True) for start in range(0, len(full), 8)]
    assert Outcome.ACCEPTED == engine.step(instance, 0, *words)
    assert {"text": b"\xff" * size} == engine.fields(instance)
    for word in (words[-1] + 1, -1, -(1 << 63)):
        assert Outcome.BOUND == engine.step(instance, 0, *words[:-1], word)
    assert {"text": b"\xff" * size} == engine.fields(instance)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_a_text_of_whole_words_needs_no_look(size: int) -> None:
    """Every word is a text then."""
    assert Opcode.BOUND not in {word & 0xFF for word in naming(size).code}
