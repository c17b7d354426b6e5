"""Turn guards into a graph of tests, and leave out each test whose answer the way to it has shown.

    guards, in document order ──condition()──▶ Test ─yes─▶ Test ─yes─▶ leaf ──pruned()──▶ the same, each pair
                                                 └──no──────┴────no──▶ leaf               compared once on a path

A test asks how two terms compare: `less(a, b)` and `less(b, a)` and `equal(a, b)` are three questions about one pair,
so an answer to one says something of the others. What is known of a pair is a set of relations; what is known of a term
that is compared with constants is a range. The order of evaluation stays as it is written, since a guard may fault:
only a test whose terms were evaluated before, or cannot fault, is left out.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple

from fsm.compile.canonical import term_text
from fsm.define.chart import Term, Type
from fsm.layout import INT64_MAX, INT64_MIN, FieldKind

LESS: Final = 1
EQUAL: Final = 2
GREATER: Final = 4
ANY: Final = LESS | EQUAL | GREATER

STATES_MAX: Final = 20_000
"""Pairs of test and knowledge in one decision; with more it is left unpruned, and stays as long as its guards."""

TRAPPING: Final = frozenset({"add", "subtract", "multiply", "floor_divide", "modulo", "negate", "scale"})
INTEGER: Final = Type(FieldKind.INTEGER)
BOOLEAN: Final = Type(FieldKind.BOOLEAN)


class Range(NamedTuple):
    """What is known of a term: lowest, highest, and values that it does not have."""

    low: int
    high: int
    excluded: frozenset[int] = frozenset()


Fact = Range | int
"""A range of a term that is compared with constants, or the relations that are left for a pair of terms."""


class Question(NamedTuple):
    """Whether `left` stands to `right` in `relation`, which is LESS, EQUAL or GREATER alone."""

    left: Term
    right: Term
    relation: int
    source: Hashable
    """Whom to name when evaluating the terms faults; None where they cannot."""


class Node(NamedTuple):
    """A test and where to go on, a mark and where to go on, or a leaf. Nodes come after those they lead to."""

    test: Question | None
    yes: int = -1
    """Where to go on when the test holds, or after the mark."""
    no: int = -1
    key: int = -1
    """What the test asks about: equal keys, one knowledge."""
    leaf: Hashable = None
    mark: tuple[int, int] | None = None
    """The number of a mark, and the value that it has from here on."""

    @property
    def ahead(self) -> tuple[int, ...]:
        """The nodes that this one leads to."""
        return (self.yes, self.no) if self.test else (self.yes,) if self.mark else ()


class Decision:
    """A graph of tests; equal nodes are one node. A node is known by its index."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._indexes: dict[Node, int] = {}
        self._conditions: dict[tuple[Term, int, int, Hashable], int] = {}
        self._keys: dict[Hashable, int] = {}
        self._domains: list[Fact] = []

    def leaf(self, value: Hashable) -> int:
        """The end of a path."""
        return self._node(Node(None, leaf=value))

    def mark(self, number: int, value: int, next: int) -> int:
        """Give a mark a value, and go on."""
        return self._node(Node(None, next, mark=(number, value)))

    def condition(self, term: Term, yes: int, no: int, source: Hashable = None) -> int:
        """Go to `yes` where the condition holds, else to `no`; left to right, stopping early."""
        wanted = term, yes, no, source
        if wanted not in self._conditions:
            self._conditions[wanted] = self._condition(*wanted)
        return self._conditions[wanted]

    def _condition(self, term: Term, yes: int, no: int, source: Hashable) -> int:
        operation, operands = term.operation, term.operands
        if operation == "constant":
            return yes if term.value else no
        if operation == "not":
            return self.condition(operands[0], no, yes, source)
        if operation == "and":
            for operand in reversed(operands):
                yes = self.condition(operand, yes, no, source)
            return yes
        if operation == "or":
            for operand in reversed(operands):
                no = self.condition(operand, yes, no, source)
            return no
        if operation == "choose":
            condition, then, otherwise = operands
            yes, no = self.condition(then, yes, no, source), self.condition(otherwise, yes, no, source)
            return self.condition(condition, yes, no, source)
        if operation == "less":
            return self._compare(operands[0], operands[1], LESS, yes, no, source)
        if operation == "equal" and operands[0].type.kind is FieldKind.BOOLEAN:
            same, other = self.condition(operands[1], yes, no, source), self.condition(operands[1], no, yes, source)
            return self.condition(operands[0], same, other, source)
        if operation == "equal":
            return self._compare(operands[0], operands[1], EQUAL, yes, no, source)
        return self._compare(term, Term("constant", BOOLEAN, value=0), EQUAL, no, yes, source)

    def pruned(self, root: int) -> int:
        """The same decision without the tests that a path has answered; `root` itself where that would not end soon."""
        below = self._keys_below()
        start = self._settle(root, {}, below)
        ways: dict[_State, tuple[_State, ...]] = {}
        waiting = [start]
        while waiting:
            state = waiting.pop()
            if state in ways:
                continue
            if len(ways) >= STATES_MAX:
                return root
            ways[state] = self._ways(state, below)
            waiting.extend(ways[state])
        made: dict[_State, int] = {}
        for state in sorted(ways, key=lambda state: state[0]):
            made[state] = self._remade(state[0], ways[state], made)
        return made[start]

    def leaves(self, root: int) -> set[Hashable]:
        """The values of the leaves that `root` can lead to."""
        found, waiting, seen = set(), [root], {root}
        while waiting:
            node = self.nodes[waiting.pop()]
            if not node.ahead:
                found.add(node.leaf)
                continue
            ahead = {*node.ahead} - seen
            seen |= ahead
            waiting.extend(ahead)
        return found

    def _node(self, node: Node) -> int:
        if node not in self._indexes:
            self._indexes[node] = len(self.nodes)
            self.nodes.append(node)
        return self._indexes[node]

    def _compare(self, left: Term, right: Term, relation: int, yes: int, no: int, source: Hashable) -> int:
        traps = can_trap(left), can_trap(right)
        trapping = any(traps)
        # Where both may fault, the left one is to fault first, so they stay as they are written.
        if _order(right) < _order(left) and not all(traps):
            left, right, relation = right, left, _mirrored(relation)
        if yes == no and not trapping:
            return yes
        test = Question(left, right, relation, source if trapping else None)
        return self._node(Node(test, yes, no, self._key(test)))

    def _key(self, test: Question) -> int:
        subject: Hashable = test.left if _ranged(test) else (test.left, test.right)
        if subject not in self._keys:
            self._keys[subject] = len(self._domains)
            self._domains.append(_domain(test))
        return self._keys[subject]

    def _keys_below(self) -> list[frozenset[int]]:
        """What each node and those after it ask about: knowledge of anything else makes no difference there."""
        below: list[frozenset[int]] = []
        for node in self.nodes:
            asked = frozenset({node.key}) if node.test else frozenset()
            below.append(asked.union(*(below[ahead] for ahead in node.ahead)))
        return below

    def _settle(self, index: int, facts: dict[int, Fact], below: list[frozenset[int]]) -> _State:
        """Pass every test that `facts` answer; keep of them what the rest asks about."""
        while (node := self.nodes[index]).test is not None:
            if node.key not in facts and (can_trap(node.test.left) or can_trap(node.test.right)):
                break
            left = _relations(node.test, facts.get(node.key, self._domains[node.key]))
            if left & ~node.test.relation and left & node.test.relation:
                break
            index = node.yes if left & node.test.relation else node.no
        return index, frozenset(item for item in facts.items() if item[0] in below[index])

    def _ways(self, state: _State, below: list[frozenset[int]]) -> tuple[_State, ...]:
        index, known = state
        node, facts = self.nodes[index], dict(known)
        if node.test is None:
            return (self._settle(node.yes, facts, below),) if node.mark else ()
        fact, relation = facts.get(node.key, self._domains[node.key]), node.test.relation
        left = _relations(node.test, fact)
        # A test that cannot come out one way was kept because its terms may fault: both ways lead to the other's end.
        yes = left & relation or left
        no = left & ~relation or left
        yes_index = node.yes if left & relation else node.no
        no_index = node.no if left & ~relation else node.yes
        return (
            self._settle(yes_index, facts | {node.key: _narrowed(node.test, fact, yes)}, below),
            self._settle(no_index, facts | {node.key: _narrowed(node.test, fact, no)}, below),
        )

    def _remade(self, index: int, ways: tuple[_State, ...], made: dict[_State, int]) -> int:
        node = self.nodes[index]
        if node.test is None:
            return self._node(node._replace(yes=made[ways[0]])) if node.mark else index
        yes, no = made[ways[0]], made[ways[1]]
        if yes == no and node.test.source is None and not (can_trap(node.test.left) or can_trap(node.test.right)):
            return yes
        return self._node(node._replace(yes=yes, no=no))


_State = tuple[int, frozenset[tuple[int, Fact]]]
"""A node, and what is known on the way to it, as far as the rest asks about it."""


def can_trap(term: Term) -> bool:
    """Whether evaluating the term may fault."""
    return term.operation in TRAPPING or any(map(can_trap, term.operands))


def _order(term: Term) -> tuple[bool, str]:
    """Constants stand right; else any order will do that is the same everywhere."""
    return term.operation == "constant", term_text(term)


def _mirrored(relations: int) -> int:
    return relations & EQUAL | (relations & LESS) << 2 | (relations & GREATER) >> 2


def _ranged(test: Question) -> bool:
    return test.right.operation == "constant" and test.right.type.kind is not FieldKind.TEXT


def _domain(test: Question) -> Fact:
    """What is known of a pair or term before any test."""
    left, right = test.left, test.right
    if not _ranged(test):
        return EQUAL if left == right else ANY
    if left.operation == "constant":
        return Range(left.value, left.value)
    if left.operation == "field" and left.type.kind is FieldKind.BOOLEAN:
        return Range(0, 1)
    if left.operation == "field" and left.type.kind is FieldKind.CHOICE:
        return Range(0, len(left.type.options) - 1)
    return Range(INT64_MIN, INT64_MAX)


def _relations(test: Question, fact: Fact) -> int:
    """The relations in which the terms may still stand."""
    if isinstance(fact, int):
        return fact
    low, high, excluded = fact
    value = int(test.right.value)
    inside = low <= value <= high and value not in excluded
    return (LESS if low < value else 0) | (EQUAL if inside else 0) | (GREATER if high > value else 0)


def _narrowed(test: Question, fact: Fact, relations: int) -> Fact:
    """What is known once the terms are found to stand in one of `relations`."""
    if isinstance(fact, int):
        return fact & relations
    low, high, excluded = fact
    value = int(test.right.value)
    if not relations & LESS:
        low = max(low, value + (not relations & EQUAL))
    if not relations & GREATER:
        high = min(high, value - (not relations & EQUAL))
    if not relations & EQUAL and low <= value <= high:
        excluded |= {value}
    while low in excluded and low <= high:
        low += 1
    while high in excluded and low <= high:
        high -= 1
    if (low, high) == fact[:2]:
        return Range(low, high, excluded)  # as it mostly is in a long row of ==, which would else take quadratic time
    return Range(low, high, frozenset(value for value in excluded if low < value < high) if low < high else frozenset())
