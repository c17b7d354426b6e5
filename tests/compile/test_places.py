"""What a fault names: the guard or action that it came from, in words, and where it stands."""

from __future__ import annotations

import pytest

from fsm.compile import compile
from fsm.define.chart import StateKind
from fsm.layout import NONE, Opcode
from tests.compile.charts import (
    INTEGER,
    apply,
    argument,
    chart,
    constant,
    event,
    field,
    less,
    limit_order,
    on,
    set_,
    state,
)
from tests.compile.random_charts import emitted

TRAPPING = {Opcode.ADD, Opcode.SUBTRACT, Opcode.MULTIPLY, Opcode.MODULO, Opcode.DIVIDE, Opcode.BOUND}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_may_fault_has_a_source_and_nothing_else_has(seed: int) -> None:
    """So `why` can always answer, and equal code that cannot fault is shared."""
    tables = emitted(seed)
    for word, place in zip(tables.code, tables.places, strict=True):
        assert (word & 0xFF in TRAPPING) == (place != NONE)


def test_a_source_names_text_file_line_and_transition() -> None:
    """Guards by their text, actions by theirs."""
    from fsm.define.chart import Field
    from tests.compile.charts import at

    size, total = argument("Go", "size"), field("total")
    write = set_("total", apply("multiply", total, size), 9, "total.set(total * Go.size)")
    tables = compile(
        chart(
            states=[state("a", initial=True), state("z", StateKind.FINAL)],
            events=[event("Go", ("size", INTEGER))],
            fields=[Field("total", INTEGER, 1, at(1))],
            transitions=[on("a", "Go", less(apply("add", total, size), constant(5)), (write,), "z", line=8)],
        )
    )
    assert [
        ("total + Go.size < 5", 0, "flows.py", 8),
        ("total.set(total * Go.size)", 0, "flows.py", 9),
    ] == [tuple(source) for source in tables.sources]


def test_code_that_a_group_shares_names_no_single_transition() -> None:
    """State and event tell which one it was; the text and the line are the same for all."""
    assert [
        ("leaves.subtract(Execute.quantity)", None, "flows.py", 35),
        ("leaves.subtract(Reduce.quantity)", None, "flows.py", 37),
    ] == [tuple(source) for source in compile(limit_order()).sources]
