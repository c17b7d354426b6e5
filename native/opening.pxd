"""What an engine takes hold of when it opens: the tables as they lie there, and memory of its own.

    tables, memory ──address──▶ Machine     held: the views that keep the addresses true

Nothing here changes an engine: it fills a `Machine` that nobody uses yet, and may raise.
"""

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_GET_BUFFER, PyMemoryView_GetContiguous
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fsm.abi cimport *
from step cimport (
    Machine, PRIVATE_WORDS, SUCCESSOR_COUNT, SUCCESSORS, is_flat_code, prepare_code, timers_most
)


cdef inline void* address(list held, source, int access) except NULL:
    """Where the bytes of `source` begin."""
    view = PyMemoryView_GetContiguous(source, access, b"C")
    held.append(view)
    return PyMemoryView_GET_BUFFER(view).buf


cdef inline int read_memory(Machine* machine, memory, list held) except -1:
    """The four areas that hold the instances."""
    machine.header = <fsm_header*>address(held, memory.header, PyBUF_WRITE)
    machine.rows = <uint64_t*>address(held, memory.rows, PyBUF_WRITE)
    machine.keys = <fsm_key*>address(held, memory.keys, PyBUF_WRITE)
    machine.index = <uint64_t*>address(held, memory.index, PyBUF_WRITE)
    machine.index_mask = machine.header.index_slots - 1
    machine.capacity = machine.header.capacity
    return 0


cdef inline int read_tables(Machine* machine, tables, list held) except -1:
    """What the step reads of the tables."""
    machine.cells = <const uint64_t*>address(held, tables.cells, PyBUF_READ)
    machine.places = <const uint32_t*>address(held, tables.places, PyBUF_READ)
    machine.initial = <const int64_t*>address(held, tables.initial, PyBUF_READ)
    machine.configurations = <const uint32_t*>address(held, tables._configurations, PyBUF_READ)
    machine.active = <const uint32_t*>address(held, tables._active, PyBUF_READ)
    machine.row_words = tables.row_words
    machine.field_end = tables.field_end
    machine.image_end = tables.field_end + tables.timer_slots
    machine.event_count = tables.event_count
    machine.column_count = tables.column_count
    machine.configuration_count = tables.configuration_count
    machine.timer_slots = tables.timer_slots
    machine.timer_column = tables.timer_column
    machine.always_column = tables.always_column
    machine.deferral_word = tables.deferral_word
    machine.deferral_words = tables.deferral_words
    machine.microsteps_max = tables.microsteps_max
    machine.raised_max = tables.raised_max
    machine.initial_configuration = tables.initial_configuration
    machine.start = tables.start
    return 0


cdef inline size_t timer_count(Machine* machine) except? 0:
    """How many timers there can be. Raises `ValueError` for more than the index by deadline can tell apart."""
    cdef size_t most = timers_most()
    if machine.timer_slots and machine.capacity > most // machine.timer_slots:
        raise ValueError(
            f"capacity: expected 1 to {most // machine.timer_slots} instances of a flow with {machine.timer_slots} "
            f"timers each, found {machine.capacity}"
        )
    return machine.capacity * machine.timer_slots


cdef inline int make_words(Machine* machine, tables, list held) except -1:
    """Registers with the constants in place, behind them the queue of internal events; and the engine's own code."""
    cdef const void* successors = address(held, tables.successors, PyBUF_READ)
    cdef const void* constants = address(held, tables.constants, PyBUF_READ)
    cdef const void* code = address(held, tables.code, PyBUF_READ)
    cdef uint64_t constant_count = len(tables.constants), successor_count = tables.successor_count
    cdef uint64_t first_constant = machine.row_words + FSM_ENGINE_REGISTERS + tables.temporary_count
    cdef uint64_t end = first_constant + constant_count
    machine.code_count = len(tables.code)
    machine.registers = <int64_t*>calloc(PRIVATE_WORDS + end + machine.raised_max // 4 + 1, sizeof(int64_t))
    machine.code = <fsm_instruction*>calloc(machine.code_count + 1, sizeof(fsm_instruction))
    if machine.registers == NULL or machine.code == NULL:
        free(machine.registers)
        free(machine.code)
        raise MemoryError
    machine.registers += PRIVATE_WORDS
    machine.registers[SUCCESSORS] = <int64_t>successors
    machine.registers[SUCCESSOR_COUNT] = successor_count
    machine.raised = <uint16_t*>(machine.registers + end)
    memcpy(machine.registers + first_constant, constants, constant_count * sizeof(int64_t))
    memcpy(machine.code, code, machine.code_count * sizeof(fsm_instruction))
    machine.is_flat = (
        machine.timer_slots == 0 and machine.deferral_words == 0 and is_flat_code(machine.code, machine.code_count)
    )
    prepare_code(machine.code, machine.code_count, machine.field_end)
    return 0


cdef inline void free_words(Machine* machine) noexcept:
    """What `make_words` made, if it did."""
    if machine.registers != NULL:
        free(machine.registers - PRIVATE_WORDS)
    free(machine.code)
