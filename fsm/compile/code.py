"""Lower decisions and actions to a graph of instructions, which `assemble` lays out.

    decision ──test()────▶ Step ──▶ Step ──▶ end        made from the end backwards: whoever makes a step knows
    actions ──action()───▶ Step ──────┘                 where it goes on, so equal tails are one tail

A term is computed into a register by steps that end in the one that wants it. An operand is a register of the row or an
argument, which is a number, or a `Temporary` or `Constant`, whose numbers are known only when all code is.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from fsm.compile.decide import EQUAL, LESS, Decision, Node, Question
from fsm.define.chart import Action, Chart, Raise, Set, Term, Type
from fsm.layout import LINE_WORDS, ROW_FIELDS, WORD_BYTES, FieldKind, Opcode, Rounding


class Temporary(NamedTuple):
    """The register of an intermediate value."""

    number: int


class Constant(NamedTuple):
    """The register of a constant; the name keeps it apart from the temporary of the same number."""

    constant: int
    kind: str = "constant"


Register = int | Temporary | Constant


class Source(NamedTuple):
    """Whom a fault names: the text of the guard or action, and where it stands."""

    text: str
    file: str
    line: int


class Step(NamedTuple):
    """An instruction and what follows: `next` when it falls through, `jump` when it is a test that jumps."""

    opcode: Opcode
    mode: int = 0
    a: Register = 0
    b: Register = 0
    c: Register = 0
    next: int = -1
    jump: int = -1
    source: Hashable = None


BINARY = {
    "add": Opcode.ADD,
    "subtract": Opcode.SUBTRACT,
    "multiply": Opcode.MULTIPLY,
    "minimum": Opcode.MINIMUM,
    "maximum": Opcode.MAXIMUM,
    "modulo": Opcode.MODULO,
}
CONDITIONS = frozenset({"less", "equal", "and", "or", "not"})


class Code:
    """The steps of a flow; equal steps are one step, known by its index."""

    def __init__(self, chart: Chart, columns: Mapping[str, int], timer_slots: int = 0) -> None:
        self.steps: list[Step] = []
        self._indexes: dict[Step, int] = {}
        self._columns = columns
        """Of each event, the column that raising it enters."""
        self.fields: dict[str, int] = {}
        """First register of each field."""
        word = ROW_FIELDS
        for field in chart.fields:
            self.fields[field.name] = word
            word += field.type.words
        self.timer_word = word
        """Register of the first timer slot."""
        self.deferral_slots = max((defer.at_most for defer in chart.defers), default=0)
        deferred = {defer.event for defer in chart.defers}
        self.deferral_words = 1 + max(
            (argument.offset + argument.type.words for event in chart.events if event.name in deferred
             for argument in event.arguments), default=0,
        ) if deferred else 0  # fmt: skip
        word += timer_slots + (1 + self.deferral_slots * self.deferral_words if deferred else 0)
        self.row_words = -(-word // LINE_WORDS) * LINE_WORDS
        self.arguments = {
            (event.name, argument.name): self.row_words + argument.offset
            for event in chart.events
            for argument in event.arguments
        }
        self._types = {field.name: field.type for field in chart.fields}

    def end(self, opcode: Opcode, value: int = 0, mode: int = 0, source: Hashable = None) -> int:
        """A step that ends the program, or the microstep: `value` is a configuration, an outcome or a bound."""
        if opcode in (Opcode.REFUSE, Opcode.DEFER):
            return self._step(Step(opcode, a=value))
        return self._step(Step(opcode, mode, b=value, source=source))

    def follow(self, successor: int, next: int) -> int:
        """The step that makes the configuration its successor by this number."""
        return self._step(Step(Opcode.FOLLOW, b=successor, next=next))

    def cancel(self, slot: int, next: int) -> int:
        """The step that cancels the timer in a slot."""
        return self._step(Step(Opcode.CANCEL, a=self.timer_word + slot, next=next))

    def arm(self, slot: int, moment: Term, after: bool, next: int, source: Source, temporary: int = 0) -> int:
        """The steps that arm the timer in a slot at a moment, or after a duration."""
        (register,) = self._operands((moment,), temporary)
        traps = source if after else None
        step = self._step(Step(Opcode.ARM, int(after), self.timer_word + slot, register, 0, next, source=traps))
        return self._compute_all((moment,), (register,), step, source)

    def raised(self, column: int, next: int, source: Source) -> int:
        """The step that puts a column into the queue of internal events."""
        return self._step(Step(Opcode.RAISE, a=column, next=next, source=source))

    def chosen(self, mark: int, value: int, yes: int, no: int) -> int:
        """The step that goes on at `yes` where a mark has a value, else at `no`."""
        if yes == no:
            return yes
        return self._step(Step(Opcode.JUMP_NOT_EQUAL, a=Temporary(mark), b=Constant(value), next=yes, jump=no))

    def decision(self, decision: Decision, root: int, ends: Mapping[Hashable, int], temporary: int = 0) -> int:
        """The step that begins `decision`; `ends` are the steps of its leaves."""
        made: dict[int, int] = {}
        waiting = [root]
        while waiting:
            index = waiting[-1]
            node = decision.nodes[index]
            missing = [child for child in node.ahead if child not in made]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            made[index] = self._node(node, made, ends, temporary)
        return made[root]

    def actions(self, actions: Sequence[Action], next: int, temporary: int = 0) -> int:
        """The steps of some actions, in order, which go on at `next`; temporaries from `temporary` on are free."""
        for action in reversed(actions):
            next = self.action(action, next, temporary)
        return next

    def action(self, action: Action, next: int, temporary: int = 0) -> int:
        """The step that begins `action` and goes on at `next`."""
        source = Source(action.text, *action.place)
        if isinstance(action, Set):
            return self._assign(action, next, source, temporary)
        if isinstance(action, Raise):
            return self.raised(self._columns[action.event], next, source)
        then = self.actions(action.then, next, temporary)
        otherwise = self.actions(action.otherwise, next, temporary)
        return self._branch(action.condition, then, otherwise, temporary, source)

    def _step(self, step: Step) -> int:
        if step not in self._indexes:
            self._indexes[step] = len(self.steps)
            self.steps.append(step)
        return self._indexes[step]

    def _do(self, opcode: Opcode, a: Register, b: Register, c: Register, next: int, source: Hashable = None) -> int:
        return self._step(Step(opcode, 0, a, b, c, next, source=source))

    def _node(self, node: Node, made: dict[int, int], ends: Mapping[Hashable, int], temporary: int) -> int:
        if node.mark is not None:
            number, value = node.mark
            return self._do(Opcode.MOVE, Temporary(number), Constant(value), 0, made[node.yes])
        if node.test is None:
            return ends[node.leaf]
        return self._test(node.test, made[node.yes], made[node.no], temporary)

    def _test(self, test: Question, yes: int, no: int, temporary: int) -> int:
        """Fall through where the test holds, jump where it does not."""
        left, right, relation, source = test
        if left.type.kind is FieldKind.TEXT:
            return self._test_texts(test, yes, no, temporary)
        first, second = registers = self._operands((left, right), temporary)
        if yes == no:
            step = yes
        elif relation == EQUAL:
            step = self._step(Step(Opcode.JUMP_NOT_EQUAL, a=first, b=second, next=yes, jump=no))
        else:
            low, high = (first, second) if relation == LESS else (second, first)
            step = self._step(Step(Opcode.JUMP_NOT_LESS, a=low, b=high, next=yes, jump=no))
        return self._compute_all((left, right), registers, step, source)

    def _assign(self, action: Set, next: int, source: Source, temporary: int) -> int:
        type, word = self._types[action.field], self.fields[action.field]
        if type.kind is FieldKind.TEXT:
            return self._write_text(action.term, range(word, word + type.words), temporary, next, source)
        return self._compute(action.term, word, temporary, next, source)

    def _branch(self, condition: Term, yes: int, no: int, temporary: int, source: Hashable) -> int:
        decision = Decision()
        root = decision.condition(condition, decision.leaf(True), decision.leaf(False), source)
        return self.decision(decision, decision.pruned(root), {True: yes, False: no}, temporary)

    def _compute(self, term: Term, into: Register, temporary: int, next: int, source: Hashable) -> int:
        """The steps that leave the value of `term` in `into`; temporaries from `temporary` on are free."""
        operation, operands = term.operation, term.operands
        if operation in CONDITIONS:
            one, zero = (self._do(Opcode.MOVE, into, Constant(value), 0, next) for value in (1, 0))
            return self._branch(term, one, zero, temporary, source)
        if operation == "choose":
            then = self._compute(operands[1], into, temporary, next, source)
            otherwise = self._compute(operands[2], into, temporary, next, source)
            return self._branch(operands[0], then, otherwise, temporary, source)
        if not operands:
            return self._copy(term, into, next, source)
        registers = self._operands(operands, temporary)
        step = self._operate(term, into, registers, next, source)
        return self._compute_all(operands, registers, step, source)

    def _operate(self, term: Term, into: Register, registers: list[Register], next: int, source: Hashable) -> int:
        operation = term.operation
        if operation == "negate":
            return self._do(Opcode.SUBTRACT, into, Constant(0), registers[0], next, source)
        if operation in BINARY:
            traps = source if operation not in ("minimum", "maximum") else None
            return self._do(BINARY[operation], into, registers[0], registers[1], next, traps)
        first: Register
        second: Register
        if operation == "floor_divide":
            first, second, divisor = registers[0], Constant(1), registers[1]
            rounding = Rounding.FLOOR
        else:
            first, second, divisor = registers
            rounding = Rounding(term.value)
        divide = self._step(Step(Opcode.DIVIDE, int(rounding), into, divisor, 0, next, source=source))
        return self._do(Opcode.WIDEN, 0, first, second, divide)

    def _copy(self, term: Term, into: Register, next: int, source: Hashable) -> int:
        """A value moves; one from outside is looked at before it enters a field, since a caller may pass any word."""
        (register,) = self._operands((term,), 0)
        step = self._do(Opcode.MOVE, into, register, 0, next)
        kind = term.type.kind
        if isinstance(into, int) and term.operation == "argument" and kind in (FieldKind.BOOLEAN, FieldKind.CHOICE):
            last = 1 if kind is FieldKind.BOOLEAN else len(term.type.options) - 1
            return self._bound(register, last, step, source)
        return step

    def _bound(self, register: Register, last: int, next: int, source: Hashable) -> int:
        return self._do(Opcode.BOUND, register, Constant(0), Constant(last), next, source)

    def _write_text(self, term: Term, into: Sequence[Register], temporary: int, next: int, source: Hashable) -> int:
        """The steps that leave the words of a text in `into`, padded with NUL; an argument is looked at as in _copy."""
        if term.operation == "choose":
            condition, then, otherwise = term.operands
            yes = self._write_text(then, into, temporary, next, source)
            no = self._write_text(otherwise, into, temporary, next, source)
            return self._branch(condition, yes, no, temporary, source)
        for register, word in reversed(list(zip(into, self._words(term, len(into)), strict=True))):
            next = self._do(Opcode.MOVE, register, word, 0, next)
        if isinstance(into[0], int) and term.operation == "argument" and term.type.size % WORD_BYTES:
            return self._bound(self._register(term) + term.type.words - 1, _last_word_max(term.type), next, source)
        return next

    def _test_texts(self, test: Question, yes: int, no: int, temporary: int) -> int:
        left, right, _, source = test
        count = max(left.type.words, right.type.words)
        firsts = self._words(left, count) if left.operation != "choose" else _temporaries(temporary, count)
        seconds = self._words(right, count) if right.operation != "choose" else _temporaries(temporary + count, count)
        step = yes
        for first, second in reversed(list(zip(firsts, seconds, strict=True))):
            step = self._step(Step(Opcode.JUMP_NOT_EQUAL, a=first, b=second, next=step, jump=no))
        for term, registers in ((right, seconds), (left, firsts)):
            if term.operation == "choose":
                step = self._write_text(term, registers, temporary + 2 * count, step, source)
        return step

    def _words(self, term: Term, count: int) -> list[Register]:
        """The registers of the words of a text that is no choice, padded with NUL."""
        words: list[Register]
        if term.operation == "constant":
            return [Constant(word) for word in text_words(term.value, count)]
        first = self._register(term)
        words = [first + offset for offset in range(term.type.words)]
        return words[:count] + [Constant(0)] * (count - len(words))

    def _operands(self, terms: Sequence[Term], temporary: int) -> list[Register]:
        """Where each operand will be: in its own register, or in the next free temporary."""
        registers: list[Register] = []
        for term in terms:
            if term.operation == "constant":
                registers.append(Constant(int(term.value)))
            elif term.operation in ("field", "argument"):
                registers.append(self._register(term))
            else:
                registers.append(Temporary(temporary))
                temporary += 1
        return registers

    def _compute_all(self, terms: Sequence[Term], registers: Sequence[Register], next: int, source: Hashable) -> int:
        """The steps that compute, left to right, every operand that has a temporary."""
        for term, register in reversed(list(zip(terms, registers, strict=True))):
            if isinstance(register, Temporary):
                next = self._compute(term, register, register.number, next, source)
        return next

    def _register(self, term: Term) -> int:
        return self.fields[term.value] if term.operation == "field" else self.arguments[term.value]


def text_words(text: bytes, count: int) -> list[int]:
    """A text as so many words, padded with NUL."""
    padded = text.ljust(8 * count, b"\0")
    return [int.from_bytes(padded[at : at + 8], "little", signed=True) for at in range(0, 8 * count, 8)]


def _last_word_max(type: Type) -> int:
    """The largest last word of a text whose size is no whole number of words: the bytes beyond the size are NUL."""
    return int((1 << 8 * (type.size % WORD_BYTES)) - 1)


def _temporaries(first: int, count: int) -> list[Register]:
    return [Temporary(first + offset) for offset in range(count)]
