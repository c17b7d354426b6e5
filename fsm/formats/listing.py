"""List the code of tables, as an assembler would: what each event does in each state, then the instructions.

Tables ──disassemble()──▶ cells by name, instructions with the names of fields and constants in place of registers
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.layout import ARGUMENT_WORDS, JUMP_OPCODES, NONE, Cell, Opcode, Outcome, Rounding
from fsm.tables import Tables


def disassemble(tables: Tables) -> str:
    """The listing, which ends in a newline."""
    return "\n".join((*_cells(tables), "", *_code(tables))) + "\n"


def _cells(tables: Tables) -> Iterator[str]:
    for configuration_id in range(tables.configuration_count):
        for event in tables.events:
            cell = tables.cells[configuration_id, event.id]
            yield f"{_configuration(tables, configuration_id)} {event.name}: {_cell(tables, cell)}"


def _cell(tables: Tables, cell: int) -> str:
    kind, outcome, value = cell & 0xFF, cell >> 8 & 0xFF, cell >> 32
    if kind == Cell.REFUSE:
        return f"refuse {Outcome(outcome).label}"
    if kind == Cell.IGNORE:
        return "ignore"
    return f"go {_configuration(tables, value)}" if kind == Cell.GO else f"run {value}"


def _code(tables: Tables) -> Iterator[str]:
    names = _registers(tables)
    for at, word in enumerate(tables.code):
        line = f"{at:4} {_instruction(tables, names, at, word)}"
        source = tables.places[at]
        yield line if source == NONE else f"{line.ljust(56)} ; {tables.sources[source].text}"


def _instruction(tables: Tables, names: dict[int, str], at: int, word: int) -> str:
    opcode, mode = Opcode(word & 0xFF), word >> 8 & 0xFF
    a, b, c = word >> 16 & 0xFFFF, word >> 32 & 0xFFFF, word >> 48
    name = opcode.name.lower()
    if opcode == Opcode.GO:
        return f"{name} {_configuration(tables, b | c << 16)}"
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
    return name if opcode in (Opcode.STAY, Opcode.IGNORE) else f"{name} {names[a]}, {names[b]}, {names[c]}"


def _configuration(tables: Tables, configuration_id: int) -> str:
    return "+".join(state.name for state in tables.active_states(configuration_id)) or str(configuration_id)


def _registers(tables: Tables) -> dict[int, str]:
    """A name for every register: a field's own (`isin.1` its second word), a0 to a5, t0 and on, constants."""
    names = {word: f"w{word}" for word in range(tables.row_words)}
    for field in tables.fields:
        for offset in range(field.word_count):
            names[field.word + offset] = f"{field.name}.{offset}" if offset else field.name
    rest = [f"a{index}" for index in range(ARGUMENT_WORDS)]
    rest += [f"t{index}" for index in range(tables.temporary_count)]
    rest += [str(value) for value in tables.constants]
    return names | {tables.row_words + index: name for index, name in enumerate(rest)}
