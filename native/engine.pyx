"""The native engine: a thin boundary around the headers beside it.

    Python call ──check──▶ C arguments ──▶ fsm_step, fsm_start, fsm_advance ──▶ outcome code

Each method checks what Python gave it, then works on buffers alone: no Python object, allocation, lock, clock or system
call is on the way of a step. The buffers belong to the memory that the engine was handed; it holds them by the buffer
protocol as long as it uses them.
"""

from cpython.buffer cimport PyBUF_WRITE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from fsm.abi cimport *
from keys cimport find_slot, hash_key
from numbers cimport PyLong_CheckExact, signed_word, small_integer, unsigned_word
from opening cimport address, free_words, make_words, read_memory, read_tables, timer_count
from step cimport (
    Batch, Machine, advance_machine, clock_ns, find_row, open_timers, set_clock, start_row, step_batch, step_machine,
    timers_bytes, timers_reach_more_than,
)

from sys import intern

from fsm.engine.memory import area
from fsm.errors import ConcurrentUse, FsmError, StoreFull

cdef extern from "Python.h":
    ctypedef PyObject* (*PyCFunction)(PyObject*, PyObject*)
    ctypedef struct PyMethodDef:
        const char* ml_name
        PyCFunction ml_meth
        int ml_flags
        const char* ml_doc
    const int METH_FASTCALL
    const int METH_KEYWORDS
    PyObject* PyDescr_NewMethod(PyTypeObject*, PyMethodDef*) except NULL
    PyObject* PyLong_FromLong(long) except NULL

cdef enum:
    OPEN = 0
    IN_USE = 1  # a thread is inside without the GIL
    CLOSED = 2

cdef enum:
    MANY_TIMERS = 256  # in the time that these take, another thread can do without the GIL

cdef uint64_t UNKNOWN = ~<uint64_t>0
cdef uint64_t INT64_MAX = UNKNOWN >> 1


cdef class Core:
    """The hot half of an engine; `fsm.engine.native.NativeEngine` adds the friendly one."""

    def __cinit__(self, *args, **kwargs):
        self._machine = calloc(1, sizeof(Machine))
        if self._machine == NULL:
            raise MemoryError
        self._gate = CLOSED

    def __dealloc__(self):
        if self._machine != NULL:
            free_words(<Machine*>self._machine)
            free(self._machine)

    @property
    def tables(self):
        """The compiled flow that this engine runs."""
        return self._tables

    @property
    def memory(self):
        """The buffers that hold the instances."""
        return self._memory

    @property
    def sequence(self):
        """The number of the last input taken: 0 before the first."""
        self._enter("sequence")
        return (<Machine*>self._machine).header.sequence

    def step(
        self, instance, event_id, a0=0, a1=0, a2=0, a3=0, a4=0, a5=0, /, *, key=None, expected=None, correlation=None,
    ):
        """The step as Python calls it with keywords, or with a wrong number of arguments: every check, and no hurry."""
        cdef uint64_t handle = unsigned_word("instance", instance, UNKNOWN)
        cdef uint64_t event = unsigned_word("event_id", event_id, FSM_NONE)
        cdef int64_t[6] words
        cdef uint64_t version = 0
        words[0], words[1], words[2] = signed_word(a0), signed_word(a1), signed_word(a2)
        words[3], words[4], words[5] = signed_word(a3), signed_word(a4), signed_word(a5)
        if expected is not None:
            version = unsigned_word("expected", expected, UNKNOWN)
        self._enter("step")  # after everything that may run Python code, which may close this engine
        if key is not None or correlation is not None:
            raise ValueError(
                "step: key= and correlation= are kept by a journal, and this engine has none. "
                "Leave them out, or open the flow on a store."
            )
        if expected is None:
            return step_instance(self, handle, event, words)
        return step_expected(<Machine*>self._machine, handle, event, words, version)

    def advance(self, now_ns, /):
        """Move the clock forward to `now_ns`, and fire what is due by then; returns how many timers that were."""
        cdef Machine* machine = <Machine*>self._machine
        cdef uint64_t now = unsigned_word("now_ns", now_ns, INT64_MAX)
        cdef int64_t fired
        if self._gate:
            self._enter("advance")
        if machine.timers == NULL or not timers_reach_more_than(machine.timers, MANY_TIMERS, now):
            return advance_machine(machine, now)
        self._gate = IN_USE
        with nogil:
            fired = advance_machine(machine, now)
        self._gate = OPEN
        return fired

    def close(self):
        """Let go of the memory; every later call raises."""
        if self._gate == IN_USE:
            raise ConcurrentUse("close")
        self._gate = CLOSED
        self._resources = None
        self._memory = None

    # --- what the friendly half is built on ---

    def _attach(self, tables, memory, bint index_is_empty=False):
        """Take the buffers of `memory`, which `tables` fit, in one go that no signal can cut in two."""
        cdef Machine* machine = <Machine*>self._machine
        cdef Machine fresh
        cdef void* timers = NULL
        cdef uint64_t row, hashed
        cdef size_t count
        cdef list held = []
        memset(&fresh, 0, sizeof(fresh))
        read_memory(&fresh, memory, held)
        read_tables(&fresh, tables, held)
        count = timer_count(&fresh)
        if count:
            timers = address(held, area(timers_bytes(count)), PyBUF_WRITE)
        make_words(&fresh, tables, held)
        # Nothing from here on can fail or be interrupted: the engine has the old buffers or the new.
        set_clock(&fresh, fresh.header.now_ns)
        for row in range(fresh.header.row_count if index_is_empty else 0):
            hashed = hash_key(&fresh.keys[row])
            find_slot(&fresh, &fresh.keys[row], hashed)[0] = (hashed >> 32) << 32 | (row + 1)
        if timers != NULL:
            open_timers(&fresh, timers)
        free_words(machine)
        machine[0] = fresh
        self._resources = held
        self._tables = tables
        self._memory = memory
        if self._gate == CLOSED:
            self._gate = OPEN

    def _alone(self, operation, work, *arguments):
        """Call `work` with every other thread kept out; whatever interrupts it opens the gate again."""
        self._enter(operation)
        self._gate = IN_USE
        try:
            return work(*arguments)
        finally:
            self._gate = OPEN

    def _enter(self, operation):
        """Refuse a second thread and a closed engine."""
        if self._gate == CLOSED:
            raise FsmError(f"{operation}: this engine is closed. Open another one.")
        if self._gate == IN_USE:
            raise ConcurrentUse(operation)

    def _find(self, bytes key):
        """The handle of a key of 64 bytes, or None."""
        cdef Machine* machine = <Machine*>self._machine
        cdef const fsm_key* words = <const fsm_key*><const char*>key
        cdef uint64_t handle
        self._enter("find")
        handle = handle_of(machine, find_slot(machine, words, hash_key(words))[0])
        return None if handle == UNKNOWN else handle

    def _start(self, bytes key, const int64_t[::1] initial):
        """A new instance with these field words: its handle, and what became of the start."""
        cdef Machine* machine = <Machine*>self._machine
        cdef const fsm_key* key_words = <const fsm_key*><const char*>key
        cdef uint64_t hashed = hash_key(key_words)
        cdef uint64_t* slot
        cdef int outcome
        self._enter("start")
        slot = find_slot(machine, key_words, hashed)
        if slot[0] != 0:
            machine.header.sequence += 1
            machine.rows[(<uint32_t>slot[0] - 1) * machine.row_words + 1] = machine.header.sequence
            return handle_of(machine, slot[0]), FSM_EXISTS
        if machine.header.row_count >= machine.capacity:
            raise StoreFull(machine.capacity)
        outcome = start_row(machine, key_words, hashed, slot, &initial[0])
        return handle_of(machine, slot[0]), outcome

    def _find_many_into(self, const int64_t[::1] keys, uint64_t[::1] handles):
        """The handles of integer keys, all ones where there is none."""
        cdef Machine* machine = <Machine*>self._machine
        cdef fsm_key key
        cdef Py_ssize_t position
        self._enter("find")
        for position in range(keys.shape[0]):
            integer_key(&key, keys[position])
            handles[position] = handle_of(machine, find_slot(machine, &key, hash_key(&key))[0])

    def _start_many_into(self, const int64_t[::1] keys, uint64_t[::1] handles):
        """Start every integer key that is not there, in order; the handles of all, all ones where it was refused."""
        cdef Machine* machine = <Machine*>self._machine
        cdef fsm_key key
        cdef uint64_t hashed
        cdef uint64_t* slot
        cdef Py_ssize_t position
        self._enter("start")
        for position in range(keys.shape[0]):
            integer_key(&key, keys[position])
            hashed = hash_key(&key)
            slot = find_slot(machine, &key, hashed)
            if slot[0] == 0:
                if machine.header.row_count >= machine.capacity:
                    raise StoreFull(machine.capacity)
                start_row(machine, &key, hashed, slot, machine.initial)
            handles[position] = handle_of(machine, slot[0])

    def _step_many_into(
        self, const uint64_t[::1] instances, const int64_t[::1] event_ids, const int64_t[:, ::1] arguments,
        const int64_t[::1] times, uint8_t[::1] outcomes, uint32_t[::1] nanoseconds,
    ):
        """The loop without the GIL; `protocol` has checked that the lengths agree."""
        cdef Batch batch
        self._enter("step_many")
        batch.count = instances.shape[0]
        if batch.count == 0:
            return
        batch.width = arguments.shape[1]
        batch.instances = &instances[0]
        batch.event_ids = &event_ids[0]
        batch.arguments = &arguments[0, 0] if batch.width else NULL
        batch.outcomes = &outcomes[0]
        batch.times = NULL
        if times is not None:
            batch.times = &times[0]
        batch.nanoseconds = NULL
        if nanoseconds is not None:
            batch.nanoseconds = &nanoseconds[0]
        self._gate = IN_USE
        with nogil:
            step_batch(<Machine*>self._machine, &batch)
        self._gate = OPEN

    def _select(self, bytes wanted, uint64_t changed_before):
        """Handles of the live rows whose configuration is marked in `wanted` and changed before a second."""
        cdef Machine* machine = <Machine*>self._machine
        cdef const uint8_t* marks = <const uint8_t*><const char*>wanted
        cdef uint64_t index, first
        cdef list handles = []
        self._enter("select")
        for index in range(machine.header.row_count):
            first = machine.rows[index * machine.row_words]
            if not (first >> 48) & FSM_ROW_LIVE or not marks[<uint32_t>first]:
                continue
            if machine.rows[index * machine.row_words + 2] >> 32 < changed_before:
                handles.append(index | ((first >> 32) & 0xFFFF) << 32)
        return handles

    @staticmethod
    def _clock_floor_ns():
        """What two readings of the clock cost, at the least: the floor of every latency that is measured."""
        cdef int64_t floor = 1 << 30, begin
        cdef int turn
        for turn in range(1000):
            begin = clock_ns()
            floor = min(floor, clock_ns() - begin)
        return floor


cdef PyObject* call_step(PyObject* engine, PyObject* const* given, Py_ssize_t count, PyObject* names) except NULL:
    """`Core.step` by the vectorcall protocol: as a Cython method it would spend 9 ns on its unused keywords."""
    cdef Machine* machine = <Machine*>(<Core>engine)._machine
    cdef int64_t* arguments = machine.registers + machine.row_words
    cdef int64_t instance, event_id
    cdef Py_ssize_t word
    if (
        names != NULL or count < 2 or count > 2 + FSM_ARGUMENT_WORDS or (<Core>engine)._gate
        or not small_integer(given[0], &instance) or not small_integer(given[1], &event_id)
        or instance < 0 or event_id < 0
    ):
        return call_step_expected(engine, given, count, names)
    arguments[0] = arguments[1] = arguments[2] = arguments[3] = arguments[4] = arguments[5] = 0
    for word in range(2, count):
        if not small_integer(given[word], &arguments[word - 2]):
            # What is no int would run Python code, which may close this engine.
            if not PyLong_CheckExact(<object>given[word]):
                return call_method(STEP_BY_NAME, engine, given, count, names)
            arguments[word - 2] = signed_word(<object>given[word])
    return outcome_object(step_machine(machine, instance, event_id, machine.is_flat))


cdef inline PyObject* outcome_object(int outcome) noexcept:
    Py_INCREF(<object>OUTCOMES[outcome])
    return OUTCOMES[outcome]


cdef PyObject* call_step_expected(
    PyObject* engine, PyObject* const* given, Py_ssize_t count, PyObject* names
) except NULL:
    """`step` with `expected=` and nothing but ints, still without an allocation; any other call goes by the method."""
    cdef int64_t[6] words
    cdef uint64_t instance, event, expected
    cdef Py_ssize_t position
    cdef bint plain = names != NULL and len(<tuple>names) == 1 and (<tuple>names)[0] is EXPECTED
    if plain and 2 <= count <= 2 + FSM_ARGUMENT_WORDS:
        for position in range(count + 1):
            plain = plain and PyLong_CheckExact(<object>given[position])
        if plain and not (<Core>engine)._gate:
            memset(words, 0, sizeof(words))
            instance = unsigned_word("instance", <object>given[0], UNKNOWN)
            event = unsigned_word("event_id", <object>given[1], FSM_NONE)
            for position in range(2, count):
                words[position - 2] = signed_word(<object>given[position])
            expected = unsigned_word("expected", <object>given[count], UNKNOWN)
            return outcome_object(step_expected(<Machine*>(<Core>engine)._machine, instance, event, words, expected))
    return call_method(STEP_BY_NAME, engine, given, count, names)


cdef PyObject* call_method(
    object method, PyObject* engine, PyObject* const* given, Py_ssize_t count, PyObject* names
) except NULL:
    """`engine.method(*given)`, where the last of `given` go by `names`."""
    cdef tuple arguments = tuple([<object>given[position] for position in range(count)])
    cdef dict by_name = {}
    cdef Py_ssize_t position
    if names != NULL:
        by_name = {name: <object>given[count + position] for position, name in enumerate(<tuple>names)}
    result = method(<object>engine, *arguments, **by_name)
    Py_INCREF(result)
    return <PyObject*>result


cdef int step_instance(Core core, uint64_t instance, uint64_t event_id, const int64_t* arguments) except? -1 nogil:
    """The step for C callers, with or without the GIL; `arguments` are six words. The caller is the one writer."""
    cdef Machine* machine = <Machine*>core._machine
    if core._gate:
        with gil:
            core._enter("step_instance")
    memcpy(machine.registers + machine.row_words, arguments, FSM_ARGUMENT_WORDS * sizeof(int64_t))
    return step_machine(machine, instance, event_id, machine.is_flat)


cdef int step_expected(
    Machine* machine, uint64_t instance, uint64_t event, const int64_t* arguments, uint64_t expected
) noexcept:
    """The step of an instance that must be at a version."""
    cdef uint64_t* row = find_row(machine, instance)
    if row != NULL and event < machine.event_count and <uint32_t>row[2] != expected:
        machine.header.sequence += 1
        row[1] = machine.header.sequence
        return FSM_VERSION
    memcpy(machine.registers + machine.row_words, arguments, FSM_ARGUMENT_WORDS * sizeof(int64_t))
    return step_machine(machine, instance, event, machine.is_flat)


cdef inline void integer_key(fsm_key* key, int64_t value) noexcept nogil:
    memset(key, 0, sizeof(fsm_key))
    key.words[0] = FSM_KEY_INTEGER
    key.words[1] = <uint64_t>value


cdef inline uint64_t handle_of(Machine* machine, uint64_t entry) noexcept nogil:
    """The handle of the row that an index entry names: row in the low half, its generation above."""
    cdef uint64_t index = <uint32_t>entry - 1
    if entry == 0:
        return UNKNOWN
    return index | (machine.rows[index * machine.row_words] >> 32 & 0xFFFF) << 32


cdef object STEP_BY_NAME = Core.step
cdef object EXPECTED = intern("expected")
cdef PyObject* OUTCOMES[256]


cdef void make_outcomes() except *:
    cdef int code
    for code in range(256):
        OUTCOMES[code] = PyLong_FromLong(code)


make_outcomes()
cdef PyMethodDef STEP
STEP.ml_name = "step"
STEP.ml_meth = <PyCFunction><void*>call_step
STEP.ml_flags = METH_FASTCALL | METH_KEYWORDS
STEP.ml_doc = (
    "step($self, instance, event_id, a0=0, a1=0, a2=0, a3=0, a4=0, a5=0, /, *, "
    "key=None, expected=None, correlation=None)\n--\n\n"
    "One event run to completion; returns an Outcome code, 0 for accepted. fsm.engine.protocol tells the rest."
)


def give_step(type engine):
    """Give a subclass of `Core` its `step`. CPython specialises the call only where the type is exactly this one."""
    assert issubclass(engine, Core)
    engine.step = <object>PyDescr_NewMethod(<PyTypeObject*>engine, &STEP)


def layout():
    """Sizes and offsets as the C compiler sees them, for the test that holds `fsm.layout` to them."""
    cdef fsm_header header
    cdef uint64_t base = <uint64_t>&header
    return {
        "row_bytes": sizeof(fsm_row),
        "header_bytes": sizeof(fsm_header),
        "key_bytes": sizeof(fsm_key),
        "magic": (<uint64_t>&header.magic - base) // 8,
        "layout_version": (<uint64_t>&header.layout_version - base) // 8,
        "row_bytes_offset": (<uint64_t>&header.row_bytes - base) // 8,
        "capacity": (<uint64_t>&header.capacity - base) // 8,
        "index_slots": (<uint64_t>&header.index_slots - base) // 8,
        "fingerprint": (<uint64_t>&header.fingerprint - base) // 8,
        "row_count": (<uint64_t>&header.row_count - base) // 8,
        "now_ns": (<uint64_t>&header.now_ns - base) // 8,
        "place": (<uint64_t>&header.place - base) // 8,
        "sequence": (<uint64_t>&header.sequence - base) // 8,
        "untold": (<uint64_t>&header.untold - base) // 8,
    }
