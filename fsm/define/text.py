"""Conditions and actions as text, read with Python's grammar and never evaluated.

    "0 < Execute.quantity <= leaves and not halted"      condition ──▶ Term
    "leaves -= Execute.quantity; raise_(Done)"           actions   ──▶ chart.Set, chart.Conditional, chart.Raise

A bare name is a field, `Event.argument` an argument. `and or not` and chains of comparisons are allowed besides what
the operators of `fsm.define.expressions` do, and mean the same as they. A problem names the column.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fsm.define import terms
from fsm.define.chart import Action, Conditional, Place, Raise, Set, Term
from fsm.define.places import Problem
from fsm.define.render import with_text

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

LANGUAGE = (
    "fields, Event.argument, constants, + - * // %, comparisons, and or not, minimum maximum multiply when raise_"
)

TEXT_CHARACTERS_MAX = 10_000
"""Longer text is refused before Python's parser sees it: its depth is limited only by its length."""

QUOTED_MAX = 80
"""Characters of a text that a message repeats."""

ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "modulo",
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Term]] = {
    ast.Lt: terms.less,
    ast.Gt: lambda left, right: terms.less(right, left),
    ast.LtE: lambda left, right: terms.negation(terms.less(right, left)),
    ast.GtE: lambda left, right: terms.negation(terms.less(left, right)),
    ast.Eq: terms.equal,
    ast.NotEq: lambda left, right: terms.negation(terms.equal(left, right)),
}


class Scope(Protocol):
    """Where names come from; all raise Problem for one that is unknown."""

    def field(self, name: str) -> Term:
        """The term of a field."""

    def argument(self, event: str, name: str) -> Term:
        """The term of an argument."""

    def raised(self, event: str) -> str:
        """The name of an event that can be raised."""


def parse_condition(text: str, scope: Scope) -> Term:
    """The term of a condition."""
    text = text.replace("\n", " ")
    node = _grammar(text, "eval").body
    reader = _Reader(text, scope)
    return _read(text, lambda: reader.located(node, reader.truth, reader.value(node)))


def parse_actions(text: str, scope: Scope, place: Place) -> tuple[Action, ...]:
    """The actions of a text that stands at a place; several are parted by `;` or lines."""
    nodes = _grammar(text, "exec").body
    actions = _read(text, lambda: _Reader(text, scope, place).actions(nodes))
    if not actions:
        raise Problem(
            "text-syntax", f"an action was expected, and {quoted(text)} has none.", 'Write "leaves = 0", say.'
        )
    return actions


def quoted(text: str, column: int = 1) -> str:
    """The text for a message; of a long one no more than what is about the column."""
    first = max(0, min(column - QUOTED_MAX // 2, len(text) - QUOTED_MAX))
    last = first + QUOTED_MAX
    return f"{'...' if first else ''}{text[first:last]!r}{'...' if last < len(text) else ''}"


def _grammar(text: str, mode: str) -> Any:
    if len(text) > TEXT_CHARACTERS_MAX:
        message = f"at most {TEXT_CHARACTERS_MAX} characters were expected, and the text has {len(text)}."
        raise Problem("text-syntax", message, "Split it.")
    try:
        return ast.parse(text.strip(), mode=mode)
    except SyntaxError as error:
        column = error.offset or len(text.strip()) + 1  # Python gives none where the text ends too soon
        remedy = "Write it as Python would: `leaves > 0 and leaves < 10`, `leaves -= 1`."
        where = f"{quoted(text, column)}, column {column}"
        raise Problem("text-syntax", f"{where}: {error.msg}.", remedy) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise Problem("text-syntax", f"{quoted(text)} cannot be read: {error}.", "Make it simpler.") from None


def _read(text: str, reader: Callable[[], Result]) -> Result:
    try:
        return reader()
    except RecursionError:
        raise Problem("too-deep", f"{quoted(text)} nests too deep.", "Keep a part of it in a field.") from None


class _Reader:
    """Walks a tree of `ast` and builds terms; a Problem on the way gets the column of its node."""

    def __init__(self, text: str, scope: Scope, place: Place | None = None) -> None:
        self.text = text.strip()
        self.scope = scope
        self.place = place or Place("<text>", 0)

    def value(self, node: ast.expr) -> Any:
        """The term of an expression; a constant stays plain, so that it takes the type of what is beside it."""
        reader = getattr(self, "_" + type(node).__name__.lower(), None)
        if reader is None:
            raise self._no_such(node)
        return reader(node)

    def actions(self, nodes: list[ast.stmt]) -> tuple[Action, ...]:
        """The actions of statements."""
        return tuple(self._action(node) for node in nodes)

    def located(self, node: ast.expr | ast.stmt, function: Callable[..., Result], *operands: Any) -> Result:
        """What a function of terms returns; its problem is told with the text and the column."""
        try:
            return function(*operands)
        except Problem as problem:
            raise Problem(problem.rule, f"{self._where(node)}: {problem.message}", problem.remedy) from None

    # --- statements

    def _action(self, node: ast.stmt) -> Action:
        match node:
            case ast.Assign(targets=[ast.Name(id=name) as target], value=value):
                return self._write(name, target, self.value(value))
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value) if type(op) in ARITHMETIC:
                field = self.located(target, self.scope.field, name)
                changed = self.located(node, terms.changed, ARITHMETIC[type(op)], field, self.value(value))
                return self._write(name, target, changed)
            case ast.Expr(value=ast.Call(func=ast.Name(id="when")) as call):
                return self._branch(call)
            case ast.Expr(value=ast.Call(func=ast.Name(id="raise_"), args=[ast.Name(id=name) as event], keywords=[])):
                return with_text(Raise(self.located(event, self.scope.raised, name), "", self.place))
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name) as target, attr=verb)) as call):
                return self._method(name, verb, target, call)
        raise self._no_such(node)

    def _write(self, name: str, target: ast.expr, value: Any) -> Set:
        field = self.located(target, self.scope.field, name)
        term = self.located(target, terms.assigned, field.type, value)
        return with_text(Set(name, self.located(target, terms.shallow, term), "", self.place))

    def _method(self, name: str, verb: str, target: ast.expr, call: ast.Call) -> Set:
        if verb not in ("set", "add", "subtract") or len(call.args) != 1 or call.keywords:
            raise self._no_such(call)
        value = self.value(call.args[0])
        if verb != "set":
            field = self.located(target, self.scope.field, name)
            value = self.located(call, terms.changed, verb, field, value)
        return self._write(name, target, value)

    def _branch(self, call: ast.Call) -> Conditional:
        test, *then = call.args or [call]
        if not then:
            raise self._no_such(call)
        condition = self.located(test, self.truth, self.value(test))
        match call.keywords:
            case []:
                otherwise: list[ast.expr] = []
            case [ast.keyword(arg="otherwise", value=ast.List(elts=listed) | ast.Tuple(elts=listed))]:
                otherwise = listed
            case [ast.keyword(arg="otherwise", value=single)]:
                otherwise = [single]
            case _:
                raise self._no_such(call)
        return with_text(Conditional(condition, self._listed(then), self._listed(otherwise), "", self.place))

    def _listed(self, nodes: list[ast.expr]) -> tuple[Action, ...]:
        return self.actions([ast.copy_location(ast.Expr(value=node), node) for node in nodes])

    # --- expressions, by the names of the nodes

    def _name(self, node: ast.Name) -> Any:
        return self.located(node, self.scope.field, node.id)

    def _attribute(self, node: ast.Attribute) -> Any:
        if not isinstance(node.value, ast.Name):
            raise self._no_such(node)
        return self.located(node, self.scope.argument, node.value.id, node.attr)

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, float):
            # The digits as written: 1.25 is exact, and a float is not.
            return terms.Digits(ast.get_source_segment(self.text, node) or node.value)
        if isinstance(node.value, bool | int | str | bytes):
            return node.value
        raise self._no_such(node)

    def _binop(self, node: ast.BinOp) -> Term:
        left, right = self.value(node.left), self.value(node.right)
        if type(node.op) in ARITHMETIC:
            return self.located(node, terms.arithmetic, ARITHMETIC[type(node.op)], left, right)
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            operation = "and" if isinstance(node.op, ast.BitAnd) else "or"
            return self.located(node, self._bit_junction, operation, left, right)
        raise self._no_such(node)

    def _bit_junction(self, operation: str, left: Any, right: Any) -> Term:
        sign = "&" if operation == "and" else "|"
        for operand in (left, right):
            if not (isinstance(operand, bool) or (isinstance(operand, Term) and operand.type == terms.BOOLEAN)):
                remedy = f"Put parentheses around each comparison, or write `{operation}`."
                raise Problem(
                    "type-mix", f"{sign} stands between conditions, and binds closer than comparisons.", remedy
                )
        return self._junction(operation, [left, right])

    def _boolop(self, node: ast.BoolOp) -> Term:
        operation = "and" if isinstance(node.op, ast.And) else "or"
        return self.located(node, self._junction, operation, [self.value(part) for part in node.values])

    def _junction(self, operation: str, parts: list[Any]) -> Term:
        return terms.junction(operation, *map(self.truth, parts))

    def truth(self, value: Any) -> Term:
        """The value as a condition."""
        return terms.shallow(terms.condition(terms.own(value) if isinstance(value, bool) else value))

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not | ast.Invert):
            return terms.negation(self.located(node, self.truth, value))
        if isinstance(node.op, ast.UAdd):
            return value
        if isinstance(value, Term):
            return self.located(node, terms.negate, value)
        return self._minus(node, value)

    def _minus(self, node: ast.UnaryOp, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return -value
        if isinstance(value, terms.Digits) and isinstance(node.operand, ast.Constant):
            return terms.Digits("-" + value)
        raise self._no_such(node)

    def _compare(self, node: ast.Compare) -> Term:
        values = [self.value(part) for part in (node.left, *node.comparators)]
        links = []
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(op) not in COMPARISONS:
                raise self._no_such(node)
            links.append(self.located(node, COMPARISONS[type(op)], left, right))
        return links[0] if len(links) == 1 else terms.junction("and", *links)

    def _call(self, node: ast.Call) -> Term:
        if isinstance(node.func, ast.Name) and node.func.id == "raise_":
            raise self._no_such(node)  # an action; what is in it is no field
        values = [self.value(argument) for argument in node.args]
        named = {keyword.arg or "**": self._argument(keyword.value) for keyword in node.keywords}
        match node.func, len(values), sorted(named):
            case ast.Name(id="minimum" | "maximum" as name), 2, []:
                return self.located(node, terms.extreme, name, *values)
            case ast.Name(id="multiply"), 2, []:
                return self.located(node, terms.arithmetic, "multiply", *values)
            case ast.Name(id="multiply"), 2, ["divide_by"] | ["divide_by", "rounding"]:
                return self.located(node, terms.scale, *values, named["divide_by"], named.get("rounding"))
            case ast.Name(id="when"), 3, []:
                return self.located(node, terms.choose, self.located(node, self.truth, values[0]), *values[1:])
            case ast.Attribute(value=inner, attr="rescale"), 1, ([] | ["rounding"]):
                return self.located(node, terms.rescale, self._typed(inner), values[0], named.get("rounding"))
            case ast.Attribute(value=inner, attr="to_integer"), 0, ([] | ["rounding"]):
                return self.located(node, terms.to_integer, self._typed(inner), named.get("rounding"))
        raise self._no_such(node)

    def _argument(self, node: ast.expr) -> Any:
        return self.value(node)

    def _typed(self, node: ast.expr) -> Term:
        return self.located(node, terms.own, self.value(node))

    def _no_such(self, node: ast.expr | ast.stmt) -> Problem:
        written = ast.get_source_segment(self.text, node) or type(node).__name__
        shown = written if len(written) <= QUOTED_MAX else written[:QUOTED_MAX] + "..."
        return Problem(
            "text-syntax", f"{self._where(node)}: `{shown}` is not in the language of fsm.", f"Use {LANGUAGE}."
        )

    def _where(self, node: ast.expr | ast.stmt) -> str:
        column = self._column(node)
        return f"{quoted(self.text, column)}, column {column}"

    def _column(self, node: ast.expr | ast.stmt) -> int:
        # ast counts bytes of UTF-8 from 0, people count characters from 1.
        line = self.text.splitlines()[node.lineno - 1] if self.text else ""
        return len(line.encode()[: node.col_offset].decode(errors="replace")) + 1
