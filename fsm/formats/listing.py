"""List the code of tables, as an assembler would: what each column does in each configuration, then the instructions.

Tables ──disassemble()──▶ configurations that are more than a state, what transitions make of them,
                          cells by name, instructions with the names of fields and constants in place of registers
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.engine.reason import standing
from fsm.layout import ARGUMENT_WORDS, JUMP_OPCODES, NONE, Cell, Going, Opcode, Outcome, Rounding, Trigger
from fsm.tables import Tables


def disassemble(tables: Tables) -> str:
    """The listing, which ends in a newline."""
    return "\n".join(_Listing(tables).lines()) + "\n"


class _Listing:
    """A listing in the making, with its names."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.registers = _registers(tables)
        active = [tables.active_states(number) for number in range(tables.configuration_count)]
        self.is_flat = len(set(active)) == len(active) and all(len(states) == 1 for states in active)
        self.states = [states[0].name for states in active] if self.is_flat else []
        sources = sorted({each.source for each in tables.transitions if each.trigger is Trigger.DONE})
        self.done = dict(enumerate(sources, tables.done_column))

    def lines(self) -> Iterator[str]:
        if not self.is_flat:
            yield from self.configurations()
            yield ""
        if self.tables.start != NONE:
            yield f"start: run {self.tables.start}"
        yield from self.cells()
        yield ""
        yield from self.code()

    def configurations(self) -> Iterator[str]:
        """Where an instance stands in each, and what single transitions make of it, by their numbers."""
        tables = self.tables
        width = tables.successor_count
        for number in range(len(tables.successors) // width if width else tables.configuration_count):
            rests = number < tables.configuration_count
            line = f"{self.name(number)} {standing(tables, number) if rests else 'is passed through'}"
            successors = tables.successors[number * width : (number + 1) * width].tolist()
            moves = [f"{at} {self.name(after)}" for at, after in enumerate(successors) if after != number]
            yield f"{line}; successors {', '.join(moves)}" if moves else line

    def cells(self) -> Iterator[str]:
        """All of the events; of the other columns those where something is tried."""
        tables = self.tables
        for configuration in range(tables.configuration_count):
            for column in range(tables.column_count):
                cell = tables.cells[configuration, column]
                if column < tables.event_count or cell & 0xFF != Cell.REFUSE:
                    yield f"{self.name(configuration)} {self.column(configuration, column)}: {self.cell(cell)}"

    def column(self, configuration: int, column: int) -> str:
        """What happens in a column; what a timer slot stands for depends on the states that are active."""
        tables = self.tables
        if column < tables.timer_column:
            return self.raised(column) if column != tables.always_column else "always"
        active = {state.id for state in tables.active_states(configuration)}
        slot = column - tables.timer_column
        for timer in tables.timers:
            if timer.slot == slot and timer.state in active:
                return f"timer{slot} {timer.trigger.name.lower()} {timer.moment}"
        return f"timer{slot}"

    def raised(self, column: int) -> str:
        """An event, or a state that is done."""
        tables = self.tables
        if column < tables.event_count:
            return str(tables.events[column].name)
        return f"done of {tables.states[self.done[column]].name}" if column in self.done else f"column {column}"

    def cell(self, cell: int) -> str:
        kind, outcome, value = cell & 0xFF, cell >> 8 & 0xFF, cell >> 32
        if kind == Cell.REFUSE:
            return f"refuse {Outcome(outcome).label}"
        if kind == Cell.IGNORE:
            return "ignore"
        if kind == Cell.DEFER:
            return f"defer while fewer than {value} wait"
        return f"go {self.name(value)}" if kind == Cell.GO else f"run {value}"

    def code(self) -> Iterator[str]:
        for at, word in enumerate(self.tables.code):
            line = f"{at:4} {self.instruction(at, word)}"
            source = self.tables.places[at]
            yield line if source == NONE else f"{line.ljust(56)} ; {self.tables.sources[source].text}"

    def instruction(self, at: int, word: int) -> str:
        opcode, mode, names = Opcode(word & 0xFF), word >> 8 & 0xFF, self.registers
        a, b, c = word >> 16 & 0xFFFF, word >> 32 & 0xFFFF, word >> 48
        name = opcode.name.lower()
        if opcode in (Opcode.GO, Opcode.NEXT):
            value = b | c << 16
            return f"{name} successor {value}" if mode == Going.SUCCESSOR else f"{name} {self.name(value)}"
        if opcode == Opcode.REFUSE:
            return f"{name} {Outcome(a).label}"
        if opcode == Opcode.JUMP:
            return f"{name} {at + 1 + (b | c << 16)}"
        if opcode in JUMP_OPCODES:
            return f"{name} {names[a]}, {names[b]} to {at + 1 + c}"
        if opcode == Opcode.MOVE:
            return f"{name} {names[a]}, {names[b]}"
        if opcode == Opcode.WIDEN:
            return f"{name} {names[b]}, {names[c]}"
        if opcode == Opcode.DIVIDE:
            return f"{name} {names[a]}, {names[b]} rounded {Rounding(mode).name.lower()}"
        if opcode == Opcode.DEFER:
            return f"{name} while fewer than {a} wait"
        if opcode == Opcode.FOLLOW:
            return f"{name} successor {b}"
        if opcode == Opcode.ARM:
            return f"{name} {names[a]} {'after' if mode else 'at'} {names[b]}"
        if opcode == Opcode.CANCEL:
            return f"{name} {names[a]}"
        if opcode == Opcode.RAISE:
            return f"{name} {self.raised(a)}"
        ends = (Opcode.STAY, Opcode.IGNORE, Opcode.NEXT_STAY)
        return name if opcode in ends else f"{name} {names[a]}, {names[b]}, {names[c]}"

    def name(self, configuration: int) -> str:
        """A configuration: in a flat flow the state that it is."""
        return self.states[configuration] if self.is_flat else f"c{configuration}"


def _registers(tables: Tables) -> dict[int, str]:
    """A name for every register: a field's own (`isin.1` its second word), timers, a0 to a5, now, t0 on, constants."""
    names = {word: f"w{word}" for word in range(tables.row_words)}
    names |= {tables.field_end + slot: f"timer{slot}" for slot in range(tables.timer_slots)}
    for field in tables.fields:
        for offset in range(field.word_count):
            names[field.word + offset] = f"{field.name}.{offset}" if offset else field.name
    rest = [*(f"a{index}" for index in range(ARGUMENT_WORDS)), "now"]
    rest += [f"t{index}" for index in range(tables.temporary_count)]
    rest += [str(value) for value in tables.constants]
    return names | {tables.row_words + index: name for index, name in enumerate(rest)}
