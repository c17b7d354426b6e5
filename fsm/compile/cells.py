"""Make the cell of every configuration and event: what becomes of the event there.

    transitions of a state on an event ──select()──▶ decision ──lower──▶ program ──▶ cell

A cell without guards and actions is the outcome itself, so it costs no program.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from fsm.compile.assemble import Assembly, assemble
from fsm.compile.code import Code, Register, Source, Step
from fsm.compile.decide import Decision
from fsm.define import render
from fsm.define.chart import Action, Chart, Conditional, State, Term, Transition
from fsm.layout import ARGUMENT_WORDS, Cell, Opcode, Outcome, StateKind

UNSELECTED = -1
"""The leaf where no guard held."""


class Selection(NamedTuple):
    """How the transitions of one state on one event are told apart; a leaf is a transition's id or UNSELECTED."""

    decision: Decision
    root: int
    transitions: tuple[int, ...]


class Program(NamedTuple):
    """u64[configuration_count, event_count] cells, row by row, and the code that they lead to."""

    cells: list[int]
    assembly: Assembly
    row_words: int
    fields: dict[str, int]
    """First word of each field."""
    takers: dict[Hashable, set[int]]
    """For each source of code, the ids of the transitions that share it."""

    @property
    def register_count(self) -> int:
        """Registers that operands may name."""
        return self.row_words + ARGUMENT_WORDS + self.assembly.temporary_count + len(self.assembly.constants)


def lower(chart: Chart) -> Program:
    """The cells of a flat chart, whose configurations are its states."""
    code = Code(chart)
    grouped = transitions_by_cell(chart)
    ignored = {(ignore.source, ignore.event) for ignore in chart.ignores}
    state_ids = {state.name: index for index, state in enumerate(chart.states)}
    takers: dict[Hashable, set[int]] = {}
    entries = []
    for state in chart.states:
        for event in chart.events:
            ids = grouped.get((state.name, event.name), [])
            for transition_id in ids:
                for source in _sources(chart.transitions[transition_id]):
                    takers.setdefault(source, set()).add(transition_id)
            unselected = _unselected(state, bool(ids), (state.name, event.name) in ignored)
            entries.append(_enter(chart, code, select(chart, ids), code.end(*unselected), state_ids))
    steps = code.steps
    assembly = assemble(steps, [entry for entry in dict.fromkeys(entries) if steps[entry].next != -1], code.row_words)
    configurations = (index for index in range(len(chart.states)) for _ in chart.events)
    cells = [_cell(entry, steps[entry], at, assembly) for entry, at in zip(entries, configurations, strict=True)]
    return Program(cells, assembly, code.row_words, code.fields, takers)


def select(chart: Chart, transition_ids: Iterable[int]) -> Selection:
    """The decision between transitions, in document order: the first whose guard holds is taken."""
    ids = tuple(transition_ids)
    decision = Decision()
    root = decision.leaf(UNSELECTED)
    for transition_id in reversed(ids):
        transition = chart.transitions[transition_id]
        taken = decision.leaf(transition_id)
        if transition.guard is None:
            root = taken
            continue
        root = decision.condition(transition.guard, taken, root, _guard_source(transition, transition.guard))
    return Selection(decision, decision.pruned(root), ids)


def transitions_by_cell(chart: Chart) -> dict[tuple[str, str], list[int]]:
    """The ids of the transitions of each (state, event) that has any, in document order."""
    found: dict[tuple[str, str], list[int]] = {}
    for transition_id, transition in enumerate(chart.transitions):
        found.setdefault((transition.source, transition.event), []).append(transition_id)
    return found


def _enter(chart: Chart, code: Code, selection: Selection, unselected: int, state_ids: dict[str, int]) -> int:
    """The step that begins a cell."""
    ends: dict[Hashable, int] = {UNSELECTED: unselected}
    for transition_id in selection.decision.leaves(selection.root) - {UNSELECTED}:
        assert isinstance(transition_id, int)
        transition = chart.transitions[transition_id]
        stays = transition.target is None
        step = code.end(Opcode.STAY) if stays else code.end(Opcode.GO, state_ids[transition.target or ""])
        for action in reversed(transition.actions):
            step = code.action(action, step)
        ends[transition_id] = step
    return code.decision(selection.decision, selection.root, ends)


def _unselected(state: State, guarded: bool, ignored: bool) -> tuple[Opcode, int]:
    """What becomes of an event that no transition takes."""
    if ignored:
        return Opcode.IGNORE, 0
    if guarded:
        return Opcode.REFUSE, Outcome.GUARD
    return Opcode.REFUSE, Outcome.ENDED if state.kind is StateKind.FINAL else Outcome.UNHANDLED


def _cell(entry: int, step: Step, configuration_id: int, assembly: Assembly) -> int:
    if step.opcode is Opcode.GO:
        return _bits(Cell.GO, value=_literal(step.b))
    if step.opcode is Opcode.STAY:
        return _bits(Cell.GO, value=configuration_id)
    if step.opcode is Opcode.REFUSE:
        return _bits(Cell.REFUSE, outcome=_literal(step.a))
    return _bits(Cell.IGNORE) if step.opcode is Opcode.IGNORE else _bits(Cell.PROGRAM, value=assembly.entries[entry])


def _literal(operand: Register) -> int:
    assert isinstance(operand, int)
    return operand


def _bits(kind: Cell, outcome: int = 0, value: int = 0) -> int:
    return kind | outcome << 8 | value << 32


def _guard_source(transition: Transition, guard: Term) -> Source:
    return Source(render(guard), *transition.place)


def _sources(transition: Transition) -> Iterator[Source]:
    """Whatever of a transition may fault."""
    if transition.guard is not None:
        yield _guard_source(transition, transition.guard)
    yield from _action_sources(transition.actions)


def _action_sources(actions: Iterable[Action]) -> Iterator[Source]:
    for action in actions:
        yield Source(action.text, *action.place)
        if isinstance(action, Conditional):
            yield from _action_sources((*action.then, *action.otherwise))
