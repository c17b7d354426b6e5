"""Terms and actions as people write them; what comes out reads back as the same term.

not(less(a, b)) ──▶ "a >= b"        less(0, a) ──▶ "a > 0"        parentheses only where they are needed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fsm.define.chart import Action, Conditional, FieldKind, Raise, Rounding, Set, Term, Type
from fsm.values import digits, duration_text

if TYPE_CHECKING:
    from collections.abc import Callable

Written = TypeVar("Written", Set, Conditional, Raise)

# How close an operation binds its operands, as in Python.
OR, AND, NOT, COMPARISON, SUM, PRODUCT, MINUS, ATOM = range(8)

SIGNS = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("*", PRODUCT),
    "floor_divide": ("//", PRODUCT),
    "modulo": ("%", PRODUCT),
}


def render(term: Term) -> str:
    """The text of a term: `Execute.quantity > 0 and Execute.quantity < leaves`."""
    return _render(term)[0]


def render_moment(term: Term) -> str:
    """The time of a timer: `30 s`, `patience * 2`, `cut_off`; a constant that stands alone needs no quotation marks."""
    return render(term).strip("'") if term.operation == "constant" else render(term)


def render_action(action: Action) -> str:
    """The text of an action: `leaves.subtract(Execute.quantity)`."""
    if isinstance(action, Set):
        return _render_set(action)
    if isinstance(action, Raise):
        return f"raise_({action.event})"
    parts = [render(action.condition), *map(render_action, action.then)]
    if action.otherwise:
        otherwise = ", ".join(map(render_action, action.otherwise))
        parts.append(f"otherwise=[{otherwise}]" if len(action.otherwise) > 1 else f"otherwise={otherwise}")
    return f"when({', '.join(parts)})"


def with_text(action: Written) -> Written:
    """The action with its own text."""
    return action._replace(text=render_action(action))


def _render_set(action: Set) -> str:
    term = action.term
    if term.operation in ("add", "subtract") and (term.operands[0].operation, term.operands[0].value) == (
        "field",
        action.field,
    ):
        return f"{action.field}.{term.operation}({render(term.operands[1])})"
    return f"{action.field}.set({render(term)})"


def _render(term: Term) -> tuple[str, int]:
    """The text, and how close it holds together."""
    if term.operation in SIGNS:
        return _infix(term)
    return _RENDERERS[term.operation](term)


def _infix(term: Term) -> tuple[str, int]:
    if term.operation == "multiply" and _is_one(term.operands[1]) and term.type != term.operands[0].type:
        return f"{_inside(term.operands[0], ATOM)}.rescale({term.type.places})", ATOM
    sign, level = SIGNS[term.operation]
    left, right = term.operands
    return f"{_inside(left, level)} {sign} {_inside(right, level + 1)}", level


def _inside(term: Term, level: int) -> str:
    text, own = _render(term)
    return text if own >= level else f"({text})"


def _constant(term: Term) -> tuple[str, int]:
    kind, value = term.type.kind, term.value
    if kind is FieldKind.TEXT:
        return repr(value.rstrip(b"\0")), ATOM
    if kind is FieldKind.BOOLEAN:
        return str(bool(value)), ATOM
    if kind is FieldKind.CHOICE:
        return repr(term.type.options[value]), ATOM
    if kind is FieldKind.DURATION:
        return repr(duration_text(value)), ATOM
    text = digits(value, term.type.places)
    if term.type == Type(FieldKind.DECIMAL):
        text += "."  # as text, 3 is an Integer and 3. a Decimal
    return text, MINUS if value < 0 else ATOM


def _less(term: Term) -> tuple[str, int]:
    left, right = term.operands
    # A comparison reads from what varies to what is fixed.
    if left.operation == "constant" and right.operation != "constant":
        return _compared(right, ">", left)
    return _compared(left, "<", right)


def _not(term: Term) -> tuple[str, int]:
    (inner,) = term.operands
    if inner.operation == "equal":
        return _compared(inner.operands[0], "!=", inner.operands[1])
    if inner.operation == "less":
        left, right = inner.operands
        if left.operation == "constant" and right.operation != "constant":
            return _compared(right, "<=", left)
        return _compared(left, ">=", right)
    return f"not {_inside(inner, NOT)}", NOT


def _compared(left: Term, sign: str, right: Term) -> tuple[str, int]:
    return f"{_inside(left, SUM)} {sign} {_inside(right, SUM)}", COMPARISON


def _junction(term: Term) -> tuple[str, int]:
    level = AND if term.operation == "and" else OR
    return f" {term.operation} ".join(_inside(operand, level + 1) for operand in term.operands), level


def _negate(term: Term) -> tuple[str, int]:
    return f"-{_inside(term.operands[0], ATOM)}", MINUS


def _scale(term: Term) -> tuple[str, int]:
    first, second, divisor = term.operands
    mode = Rounding(term.value).name.lower()
    if second == Term("constant", second.type, (), 1) and second.type.kind is FieldKind.INTEGER and _is_one(divisor):
        if term.type.kind is FieldKind.INTEGER:
            return f"{_inside(first, ATOM)}.to_integer({f'rounding={mode!r}' if first.type.places else ''})", ATOM
        return f"{_inside(first, ATOM)}.rescale({term.type.places}, rounding={mode!r})", ATOM
    return f"multiply({render(first)}, {render(second)}, divide_by={render(divisor)}, rounding={mode!r})", ATOM


def _call(term: Term) -> tuple[str, int]:
    name = "when" if term.operation == "choose" else term.operation
    return f"{name}({', '.join(map(render, term.operands))})", ATOM


def _is_one(term: Term) -> bool:
    kind, places = term.type.kind, term.type.places
    return kind is FieldKind.DECIMAL and term.operation == "constant" and bool(term.value == 10**places)


_RENDERERS: dict[str, Callable[[Term], tuple[str, int]]] = {
    "constant": _constant,
    "field": lambda term: (str(term.value), ATOM),
    "argument": lambda term: (".".join(term.value), ATOM),
    "less": _less,
    "equal": lambda term: _compared(term.operands[0], "==", term.operands[1]),
    "not": _not,
    "and": _junction,
    "or": _junction,
    "negate": _negate,
    "scale": _scale,
    "minimum": _call,
    "maximum": _call,
    "choose": _call,
}
