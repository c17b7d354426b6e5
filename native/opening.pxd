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
    Machine, PRIVATE_WORDS, SUCCESSOR_COUNT, SUCCESSORS, has_checksums, is_flat_code, prepare_code, timers_most
)


cdef inline void* address(list held, source, int access) except NULL:
    """Where the bytes of `source` begin."""
    view = PyMemoryView_GetContiguous(source, access, b"C")
    held.append(view)
    return PyMemoryView_GET_BUFFER(view).buf


cdef inline void* array(list held, source, Py_ssize_t size, int access=PyBUF_READ) except NULL:
    """Where an array begins whose length and type others have checked. A typed memoryview would say the same, and make
    the core load `collections.abc` when it is imported."""
    cdef void* found = address(held, source, access)
    assert PyMemoryView_GET_BUFFER(held[len(held) - 1]).len == size
    return found


cdef inline void* area_of(list held, source, name, uint64_t size) except NULL:
    """The same for an area, which has as many bytes as the engine will take it for."""
    cdef void* found = address(held, source, PyBUF_WRITE)
    cdef uint64_t given = PyMemoryView_GET_BUFFER(held[len(held) - 1]).len
    if given < size:
        raise ValueError(f"memory.{name}: expected {size} bytes, found {given}")
    return found


cdef inline int read_memory(Machine* machine, memory, tables, list held) except -1:
    """The areas that hold the instances, and those of the journal where there is one."""
    cdef uint64_t capacity = memory.capacity, slots = <uint64_t>1 << (memory.index_shape & 0xFF)
    machine.header = <fsm_header*>area_of(held, memory.header, "header", sizeof(fsm_header))
    machine.rows = <uint64_t*>area_of(held, memory.rows, "rows", capacity * tables.row_words * 8)
    machine.keys = <fsm_key*>area_of(held, memory.keys, "keys", capacity * sizeof(fsm_key))
    machine.index = <uint64_t*>area_of(held, memory.index, "index", slots * 8)
    machine.index_mask = slots - 1
    machine.capacity = capacity
    if machine.header.row_count > capacity:
        raise ValueError(f"memory.header: expected up to {capacity} rows, found {machine.header.row_count}")
    if memory.ring is None:
        return 0
    if not has_checksums():
        from fsm.errors import StoreError

        raise StoreError("this processor has no instruction for CRC-32C. Choose the mirror: FSM_ENGINE=mirror.")
    machine.frame_words = tables.row_words + FSM_FRAME_WORDS
    if machine.header.frame_bytes != machine.frame_words * 8:
        raise ValueError(f"memory.header: expected frames of {machine.frame_words * 8} bytes")
    machine.ring = <uint64_t*>area_of(held, memory.ring, "ring", machine.header.ring_frames * machine.frame_words * 8)
    machine.ring_mask = machine.header.ring_frames - 1
    if machine.header.ring_frames & machine.ring_mask:
        raise ValueError(f"memory.header: expected a power of two, found {machine.header.ring_frames} frames")
    machine.group_max = 5 + 2 * <uint64_t>tables.deferral_slots
    machine.room_until = machine.header.written + machine.header.ring_frames
    return read_idempotency(machine, memory, held)


cdef inline int read_idempotency(Machine* machine, memory, list held) except -1:
    """The index of idempotency keys, once there is one."""
    cdef uint64_t slots = 1, size
    if memory.idempotency is None:
        return 0
    while slots < 2 * machine.header.idempotency_window:
        slots *= 2
    size = 2 * slots * FSM_IDEMPOTENCY_WORDS * 8
    machine.idempotency = <uint64_t*>area_of(held, memory.idempotency, "idempotency", size)
    machine.idempotency_mask = slots - 1
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
    machine.deferral_slots = tables.deferral_slots
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
    """Registers with the constants in place, the queue of internal events, a row to decide on, and the code."""
    cdef const void* successors = address(held, tables.successors, PyBUF_READ)
    cdef const void* constants = address(held, tables.constants, PyBUF_READ)
    cdef const void* code = address(held, tables.code, PyBUF_READ)
    cdef uint64_t constant_count = len(tables.constants), successor_count = tables.successor_count
    cdef uint64_t first_constant = machine.row_words + FSM_ENGINE_REGISTERS + tables.temporary_count
    cdef uint64_t end = first_constant + constant_count, raised = machine.raised_max // 4 + 1
    machine.code_count = len(tables.code)
    machine.registers = <int64_t*>calloc(
        PRIVATE_WORDS + end + raised + machine.row_words, sizeof(int64_t)
    )
    machine.code = <fsm_instruction*>calloc(machine.code_count + 1, sizeof(fsm_instruction))
    if machine.registers == NULL or machine.code == NULL:
        free(machine.registers)
        free(machine.code)
        raise MemoryError
    machine.registers += PRIVATE_WORDS
    machine.registers[SUCCESSORS] = <int64_t>successors
    machine.registers[SUCCESSOR_COUNT] = successor_count
    machine.raised = <uint16_t*>(machine.registers + end)
    machine.staged = <uint64_t*>(machine.registers + end + raised)
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
