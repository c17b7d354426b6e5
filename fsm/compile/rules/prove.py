"""What pruning proves of conditions, and the ranges that tell at a glance which of them exclude each other.

    condition ──pruned──▶ leaves {True}: always holds, {False}: never does
    a & b     ──pruned──▶ no leaf True: they exclude each other
    a & ~b    ──pruned──▶ no leaf True: a implies b
    a, b      ──bounds──▶ a term with a range in each, and the ranges do not meet: they exclude each other

Nothing is claimed that does not hold; what cannot be proved is left open.
"""

from __future__ import annotations

from typing import Any

from fsm.compile.decide import Decision
from fsm.define.chart import Term
from fsm.layout import INT64_MAX, INT64_MIN, FieldKind

Bounds = dict[Term, tuple[Any, Any]]
"""The lowest and the highest value, both int or both bytes, that a term has wherever a condition holds."""


def outcomes(guard: Term) -> set[object]:
    """Which of True and False the condition may come to."""
    decision = Decision()
    root = decision.condition(guard, decision.leaf(True), decision.leaf(False))
    return set(decision.leaves(decision.pruned(root)))


def holds_somewhere(first: Term, second: Term) -> bool:
    """Whether both conditions might hold at once, as far as pruning can tell."""
    decision = Decision()
    yes, no = decision.leaf(True), decision.leaf(False)
    root = decision.condition(first, decision.condition(second, yes, no), no)
    return True in decision.leaves(decision.pruned(root))


def implies(first: Term, second: Term) -> bool:
    """Whether the second condition is shown to hold wherever the first does."""
    decision = Decision()
    yes, no = decision.leaf(True), decision.leaf(False)
    root = decision.condition(first, decision.condition(second, no, yes), no)
    return True not in decision.leaves(decision.pruned(root))


def bounds(guard: Term | None) -> Bounds:
    """The terms that the condition compares with constants, outside of any `or`, and their ranges."""
    found: Bounds = {}
    if guard is None:
        return found
    for part in guard.operands if guard.operation == "and" else (guard,):
        compared = _compared(part)
        if compared is not None:
            term, low, high = compared
            known = found.get(term, (low, high))
            found[term] = max(low, known[0]), min(high, known[1])
    return found


def disjoint(first: Bounds, second: Bounds) -> bool:
    """Whether some term would have to be in two ranges that do not meet."""
    return any(
        term in second and (high < second[term][0] or second[term][1] < low) for term, (low, high) in first.items()
    )


def _compared(part: Term) -> tuple[Term, Any, Any] | None:
    holds = part.operation != "not"
    comparison = part if holds else part.operands[0]
    if comparison.operation not in ("less", "equal") or not (holds or comparison.operation == "less"):
        return None
    left, right = comparison.operands
    if (left.operation == "constant") == (right.operation == "constant") or left.type.kind is FieldKind.BOOLEAN:
        return None
    term, fixed = (right, left) if left.operation == "constant" else (left, right)
    if comparison.operation == "equal":
        value = fixed.value.rstrip(b"\0") if isinstance(fixed.value, bytes) else int(fixed.value)
        return term, value, value
    if (term is left) == holds:  # term < value, or term <= value
        return term, INT64_MIN, int(fixed.value) - holds
    return term, int(fixed.value) + holds, INT64_MAX
