"""Charts made at random, with every operation and type, and events for them with values at the edges.

Random(seed) ──random_chart()──▶ Chart ──random_input()──▶ event, six words
"""

from __future__ import annotations

from random import Random

from fsm.define.chart import Action, Chart, Conditional, Event, Field, FieldKind, Ignore, Rounding, Set, StateKind, Term
from fsm.define.chart import Type as FieldType
from fsm.layout import INT64_MAX, INT64_MIN
from fsm.tables import Tables
from tests.compile.charts import BOOLEAN, INTEGER, at, chart, event, on, state

CHOICE = FieldType(FieldKind.CHOICE, options=("buy", "sell", "short"))
SHORT_TEXT = FieldType(FieldKind.TEXT, size=4)
LONG_TEXT = FieldType(FieldKind.TEXT, size=12)
EDGES = (0, 1, -1, 2, 3, 5, 7, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, 1 << 32)
TEXTS = (b"", b"A", b"ABCD", b"ABCDEFGH", b"ABCDEFGHIJKL")
ARITHMETIC = ("add", "subtract", "multiply", "floor_divide", "modulo", "minimum", "maximum")

FIELDS = (
    Field("total", INTEGER, 3, at(1)),
    Field("left", INTEGER, 0, at(2)),
    Field("flag", BOOLEAN, 0, at(3)),
    Field("side", CHOICE, 0, at(4)),
    Field("code", SHORT_TEXT, b"A", at(5)),
    Field("isin", LONG_TEXT, b"ABCDEFGHIJKL", at(6)),
)
EVENTS = (
    event("Fill", ("size", INTEGER), ("price", INTEGER), ("flag", BOOLEAN), ("side", CHOICE)),
    event("Name", ("isin", LONG_TEXT), ("code", SHORT_TEXT), ("size", INTEGER)),
    event("Tick"),
)


def random_chart(random: Random) -> Chart:
    """A chart of three to five states in which every event may mean something everywhere."""
    names = [f"s{index}" for index in range(random.randint(3, 5))]
    kinds = [random.choice((StateKind.ATOMIC, StateKind.ATOMIC, StateKind.FINAL, StateKind.POISON)) for _ in names]
    states = [state(name, kind, initial=name == "s0") for name, kind in zip(names, kinds, strict=True)]
    transitions, ignores = [], []
    for name in names:
        for given in EVENTS:
            terms = Terms(random, given)
            for _ in range(random.choice((0, 1, 1, 2, 3))):
                guard = terms.condition(3) if random.random() < 0.8 else None
                do = tuple(terms.action(2) for _ in range(random.choice((0, 1, 1, 2, 3))))
                to = random.choice((None, *names))
                transitions.append(on(name, given.name, guard, do, to, random.randint(1, 99)))
            if random.random() < 0.2:
                ignores.append(Ignore(name, given.name, at(1)))
    return chart(states=states, events=EVENTS, transitions=transitions, fields=FIELDS, ignores=ignores)


def emitted(seed: int) -> Tables:
    """The tables of the random chart of a seed, which `check` might have refused."""
    from fsm.compile.cells import lower
    from fsm.compile.configurations import Walk
    from fsm.compile.emit import emit

    return emit(lower(Walk(random_chart(Random(seed)), 100)))


def random_input(random: Random, events: tuple[Event, ...] = EVENTS) -> tuple[Event, list[int]]:
    """An event, and six words whether it takes them or not."""
    given = random.choice(events)
    words = [random.choice(EDGES) if random.random() < 0.5 else random.randint(0, 3) for _ in range(6)]
    if given.name == "Name" and random.random() < 0.7:
        isin, code = random.choice(TEXTS).ljust(16, b"\0"), random.choice(TEXTS)[:4].ljust(8, b"\0")
        words[:3] = [int.from_bytes((isin + code)[at : at + 8], "little") for at in (0, 8, 16)]
    return given, words


class Terms:
    """Terms and actions that may stand in a transition on `event`."""

    def __init__(self, random: Random, event: Event) -> None:
        self.random = random
        self.event = event

    def leaf(self, type: FieldType) -> Term:
        """A field, argument or constant of exactly this type."""
        found = [Term("field", field.type, value=field.name) for field in FIELDS if field.type == type]
        found += [
            Term("argument", argument.type, value=(self.event.name, argument.name))
            for argument in self.event.arguments
            if argument.type == type
        ] * 2
        return self.random.choice([*found, self.constant(type)])

    def constant(self, type: FieldType) -> Term:
        """A constant of the type."""
        if type.kind is FieldKind.TEXT:
            return Term("constant", type, value=self.random.choice([text for text in TEXTS if len(text) <= type.size]))
        limits = {FieldKind.BOOLEAN: 2, FieldKind.CHOICE: 3}
        value = self.random.randrange(limits[type.kind]) if type.kind in limits else self.random.choice(EDGES)
        return Term("constant", type, value=value)

    def value(self, type: FieldType, depth: int) -> Term:
        """A value of the type, of at most so many levels."""
        random = self.random
        if depth == 0 or random.random() < 0.3:
            return self.leaf(type)
        if type == BOOLEAN and random.random() < 0.6:
            return self.condition(depth)
        if type != INTEGER or random.random() < 0.2:
            operands = (self.condition(depth - 1), self.value(type, depth - 1), self.value(type, depth - 1))
            return Term("choose", type, operands)
        if random.random() < 0.15:
            return Term("negate", type, (self.value(type, depth - 1),))
        if random.random() < 0.2:
            factors = tuple(self.value(type, depth - 1) for _ in range(3))
            return Term("scale", type, factors, random.choice(list(Rounding)))
        return Term(random.choice(ARITHMETIC), type, (self.value(type, depth - 1), self.value(type, depth - 1)))

    def condition(self, depth: int) -> Term:
        """A condition of at most so many levels; few atoms, so that they come again."""
        random = self.random
        if depth == 0 or random.random() < 0.35:
            return self.atom(max(0, depth - 1))
        operation = random.choice(("and", "or", "not", "choose", "equal"))
        count = {"not": 1, "choose": 3, "equal": 2}.get(operation) or random.randint(2, 4)
        return Term(operation, BOOLEAN, tuple(self.condition(depth - 1) for _ in range(count)))

    def atom(self, depth: int) -> Term:
        """A comparison, or a boolean as it is."""
        random = self.random
        if random.random() < 0.15:
            return self.leaf(BOOLEAN)
        if random.random() < 0.2:
            return Term("equal", BOOLEAN, (self.value(CHOICE, min(depth, 1)), self.leaf(CHOICE)))
        if random.random() < 0.2:
            texts = (random.choice((SHORT_TEXT, LONG_TEXT)) for _ in range(2))
            return Term("equal", BOOLEAN, tuple(self.value(type, min(depth, 1)) for type in texts))
        depth = depth if random.random() < 0.4 else 0
        return Term(random.choice(("less", "equal")), BOOLEAN, (self.value(INTEGER, depth), self.value(INTEGER, depth)))

    def action(self, depth: int) -> Action:
        """A write, or writes under a condition."""
        random = self.random
        line = random.randint(1, 99)
        if depth and random.random() < 0.25:
            then = tuple(self.action(depth - 1) for _ in range(random.randint(1, 2)))
            otherwise = tuple(self.action(depth - 1) for _ in range(random.randint(0, 2)))
            return Conditional(self.condition(2), then, otherwise, f"when {line}", at(line))
        field = random.choice(FIELDS)
        source = SHORT_TEXT if field.type == LONG_TEXT and random.random() < 0.5 else field.type
        return Set(field.name, self.value(source, 2), f"{field.name} {line}", at(line))
