"""Make the cell of every configuration and column: what becomes of an event, a timer or a microstep there.

    configuration, column ──lists──▶ selection ──plans──▶ program ──▶ cell

A cell without guards and actions is the outcome itself, so it costs no program. Programs that say the same are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from fsm.compile.assemble import Assembly, assemble
from fsm.compile.code import Code, Register, Source, Step
from fsm.compile.configurations import Configuration, Walk
from fsm.compile.marked import Choice, marked
from fsm.compile.microstep import Microsteps
from fsm.compile.select import NOTHING, Selection, guard_source
from fsm.define.chart import Action, Chart, Conditional, Transition
from fsm.layout import ENGINE_REGISTERS, NONE, Cell, Opcode, Outcome


class Program(NamedTuple):
    """u64[configuration_count, column_count] cells, row by row, and the code that they lead to."""

    walk: Walk
    cells: list[int]
    successors: list[int]
    successor_count: int
    assembly: Assembly
    start: int
    code: Code
    takers: dict[Hashable, set[int]]
    """For each source of code, the ids of the transitions that share it."""
    sizes: Counter[int]
    """Of each column, the steps that were made for it and for none before it."""

    @property
    def register_count(self) -> int:
        """Registers that operands may name."""
        assembly = self.assembly
        return self.code.row_words + ENGINE_REGISTERS + assembly.temporary_count + len(assembly.constants)


def lower(walk: Walk) -> Program:
    """The cells of a chart whose configurations were walked."""
    maker = _Maker(walk)
    entries = [
        maker.enter(configuration, column)
        for configuration in walk.configurations
        for column in range(walk.columns.count)
    ]
    start = maker.start()
    steps = maker.code.steps
    wanted = [
        entry for entry in dict.fromkeys((*entries, start)) if steps[entry].next != -1 or _is_program(steps[entry])
    ]
    assembly = assemble(steps, wanted, maker.code.row_words)
    numbers = (number for number in range(len(walk.configurations)) for _ in range(walk.columns.count))
    cells = [_cell(entry, steps[entry], at, assembly) for entry, at in zip(entries, numbers, strict=True)]
    begin = assembly.entries.get(start, NONE)
    successors = _successors(walk, maker.microsteps)
    return Program(
        walk, cells, successors, maker.microsteps.successor_count, assembly, begin, maker.code, _takers(walk.chart),
        maker.sizes,
    )  # fmt: skip


class _Maker:
    """Makes programs, each once."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.microsteps = Microsteps(walk)
        self.code = self.microsteps.code
        chart, ids = walk.chart, walk.tree.ids
        self._ignored = _by_event((ignore.event, ids[ignore.source], 0) for ignore in chart.ignores)
        self._deferred = _by_event((defer.event, ids[defer.source], defer.at_most) for defer in chart.defers)
        self._telling = [self._tell(column) for column in range(walk.columns.count)]
        """Of each column, the states that have a say in what becomes of an event that no transition takes."""
        self._made: dict[tuple[object, ...], int] = {}
        self._unselected: dict[tuple[int, int, bool], int] = {}
        self.sizes: Counter[int] = Counter()

    def enter(self, configuration: Configuration, column: int) -> int:
        """The step that begins a cell."""
        lists = self.walk.lists(configuration, column)
        telling = configuration.active & self._telling[column]
        if (column, telling, bool(lists)) not in self._unselected:
            self._unselected[column, telling, bool(lists)] = self._refuse(configuration, column, bool(lists))
        unselected = self._unselected[column, telling, bool(lists)]
        if not lists:
            return unselected
        selection = self.walk.selection(lists)
        before = len(self.code.steps)
        make = self._direct if selection.marker is None else self._marked
        entry = make(configuration, column, selection, unselected)
        self.sizes[column] += len(self.code.steps) - before
        return entry

    def start(self) -> int:
        """The step that begins a new instance."""
        return self.microsteps.enter(self.microsteps.initial_plan())

    def _direct(self, configuration: Configuration, column: int, selection: Selection, unselected: int) -> int:
        sets = selection.sets()
        plans = tuple(self.microsteps.plan(configuration, each, column) for each in sets if each)
        key = selection, sets[0] == NOTHING and unselected, plans
        if key not in self._made:
            ends: dict[Hashable, int] = {each.transitions: self.microsteps.enter(each) for each in plans}
            ends[NOTHING] = unselected
            self._made[key] = self.code.decision(selection.decision, selection.root, ends)
        return self._made[key]

    def _marked(self, configuration: Configuration, column: int, selection: Selection, unselected: int) -> int:
        walk, active = self.walk, configuration.active
        choices = tuple(
            tuple(
                Choice(at, 1 + position, number, walk.left(configuration, number), walk.entered(configuration, number))
                for position, number in enumerate(asked)
            )
            for at, asked in enumerate(selection.lists)
        )
        key = selection, unselected, choices, active & walk.tree.final
        if key not in self._made:
            self._made[key] = marked(self.microsteps, selection, choices, active, unselected)
        return self._made[key]

    def _tell(self, column: int) -> int:
        name = self._name(column)
        states = {*self._deferred.get(name, ()), *self._ignored.get(name, ())}
        return int(self.walk.tree.ends | sum(1 << state for state in states))

    def _name(self, column: int) -> str:
        return self.walk.chart.events[column].name if column < self.walk.columns.event_count else ""

    def _refuse(self, configuration: Configuration, column: int, asked: bool) -> int:
        """The end for an event that no transition takes, where guards were asked or none was."""
        active, tree, name = configuration.active, self.walk.tree, self._name(column)
        deferring = [(tree.depths[state], -state) for state in self._deferred.get(name, {}) if active >> state & 1]
        if deferring:
            return self.code.end(Opcode.DEFER, self._deferred[name][-max(deferring)[1]])
        if any(active >> state & 1 for state in self._ignored.get(name, {})):
            return self.code.end(Opcode.IGNORE)
        if asked:
            return self.code.end(Opcode.REFUSE, Outcome.GUARD)
        return self.code.end(Opcode.REFUSE, Outcome.ENDED if active & tree.ends else Outcome.UNHANDLED)


def _by_event(declared: Iterable[tuple[str, int, int]]) -> dict[str, dict[int, int]]:
    """Of each event the states that declare something for it, and a value; the first declaration of a state counts."""
    found: dict[str, dict[int, int]] = {}
    for event, state, value in declared:
        found.setdefault(event, {}).setdefault(state, value)
    return found


def _successors(walk: Walk, microsteps: Microsteps) -> list[int]:
    """u32[numbers of configurations, successor_count]; where a transition is not enabled, the configuration itself."""
    width = microsteps.successor_count
    successors = [number for number in range(len(walk.ids) if width else 0) for _ in range(width)]
    for (before, transition), after in walk.followed().items():
        if transition in microsteps.successors:
            successors[before * width + microsteps.successors[transition]] = after
    return successors


def _is_program(step: Step) -> bool:
    """Whether an end needs an instruction, since a cell cannot say it."""
    return step.opcode in (Opcode.NEXT, Opcode.NEXT_STAY) or (step.opcode is Opcode.GO and step.mode != 0)


def _cell(entry: int, step: Step, configuration_id: int, assembly: Assembly) -> int:
    if step.next != -1 or _is_program(step):
        return _bits(Cell.PROGRAM, value=assembly.entries[entry])
    if step.opcode is Opcode.GO:
        return _bits(Cell.GO, value=_literal(step.b))
    if step.opcode is Opcode.STAY:
        return _bits(Cell.GO, value=configuration_id)
    if step.opcode is Opcode.DEFER:
        return _bits(Cell.DEFER, value=_literal(step.a))
    if step.opcode is Opcode.REFUSE:
        return _bits(Cell.REFUSE, outcome=_literal(step.a))
    return _bits(Cell.IGNORE)


def _literal(operand: Register) -> int:
    assert isinstance(operand, int)
    return operand


def _bits(kind: Cell, outcome: int = 0, value: int = 0) -> int:
    return kind | outcome << 8 | value << 32


def _takers(chart: Chart) -> dict[Hashable, set[int]]:
    takers: dict[Hashable, set[int]] = {}
    for number, transition in enumerate(chart.transitions):
        for source in _sources(transition):
            takers.setdefault(source, set()).add(number)
    return takers


def _sources(transition: Transition) -> Iterator[Source]:
    """Whatever of a transition may fault."""
    if transition.guard is not None:
        yield guard_source(transition)
    yield from _action_sources(transition.actions)


def _action_sources(actions: Iterable[Action]) -> Iterator[Source]:
    for action in actions:
        yield Source(action.text, *action.place)
        if isinstance(action, Conditional):
            yield from _action_sources((*action.then, *action.otherwise))
