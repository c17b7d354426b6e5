"""The native engine: a thin boundary around the headers beside it.

    Python call ──check──▶ C arguments ──▶ fsm_step, fsm_start, fsm_advance ──▶ outcome code

Each method checks what Python gave it, then works on buffers alone: no Python object, allocation, lock, clock or system
call is on the way of a step. The buffers belong to the memory that the engine was handed; it holds them by the buffer
protocol as long as it uses them.
"""

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from fsm.abi cimport *
from keys cimport find_slot, hash_key
from numbers cimport PyLong_CheckExact, signed_word, small_integer, unsigned_word
from opening cimport address, array, free_words, make_words, read_idempotency, read_memory, read_tables, timer_count
from step cimport (
    Batch, CORRUPT, FENCED, Input, Machine, NO_ROOM, TROUBLE_ROW, advance_machine, clock_ns, find_row,
    fire_due, give_due_back, has_room, next_row,
    is_sound, open_timers, release_row, set_clock, start_row, step_batch, step_machine, store, take, take_exists,
    take_flat, take_position, timers_bytes, timers_reach_more_than,
)

from sys import intern

from fsm.engine import trouble
from fsm.engine.keys import encode_key, idempotency_words
from fsm.engine.memory import area
from fsm.errors import ConcurrentUse, FsmError, StaleEpoch, StoreError, StoreFull

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
        """The number of the last frame; without a journal, of the last input. 0 before the first."""
        self._enter("sequence")
        return (<Machine*>self._machine).header.applied

    def step(
        self, instance, event_id, a0=0, a1=0, a2=0, a3=0, a4=0, a5=0, /, *, key=None, expected=None, correlation=None,
    ):
        """The step as Python calls it with keywords, or with a wrong number of arguments: every check, and no hurry."""
        cdef Input given
        cdef int64_t[6] words
        memset(&given, 0, sizeof(given))
        given.instance = unsigned_word("instance", instance, UNKNOWN)
        given.event = unsigned_word("event_id", event_id, FSM_NONE)
        words[0], words[1], words[2] = signed_word(a0), signed_word(a1), signed_word(a2)
        words[3], words[4], words[5] = signed_word(a3), signed_word(a4), signed_word(a5)
        if expected is not None:
            given.expected = unsigned_word("expected", expected, UNKNOWN)
            given.has_expected = 1
        return give_event(self, "step", &given, words, key, correlation)

    def advance(self, now_ns, /):
        """Move the clock forward to `now_ns`, and fire what is due by then; returns how many timers that were."""
        cdef Machine* machine = <Machine*>self._machine
        cdef uint64_t now = unsigned_word("now_ns", now_ns, INT64_MAX)
        cdef int64_t fired = 0
        cdef int stopped
        if self._gate:
            self._enter("advance")
        need_timers(self)
        if machine.timers == NULL or not timers_reach_more_than(machine.timers, MANY_TIMERS, now):
            stopped = advance_machine(machine, now, &fired)
        else:
            self._gate = IN_USE
            with nogil:
                stopped = advance_machine(machine, now, &fired)
            self._gate = OPEN
        try:
            while stopped:
                if not mend(self, stopped):
                    raise trouble.busy_timers(fired)
                stopped = fire_due(machine, &fired)
        finally:
            give_due_back(machine)
        return fired

    def close(self):
        """Let go of the memory; every later call raises."""
        memory = self._memory
        if self._gate == IN_USE:
            raise ConcurrentUse("close")
        let_go(self)
        if memory is not None:
            memory.close()

    # --- what the friendly half is built on ---

    def _attach(self, tables, memory, bint index_is_empty=False):
        """Take the buffers of `memory`, which `tables` fit, in one go that no signal can cut in two."""
        cdef Machine* machine = <Machine*>self._machine
        cdef Machine fresh
        cdef uint64_t row, hashed, found, filled = 0, shape = memory.index_shape, capacity = memory.capacity
        cdef uint64_t* slot
        cdef list held = []
        memset(&fresh, 0, sizeof(fresh))
        fresh.capacity = capacity
        read_tables(&fresh, tables, held)
        timer_count(&fresh)
        read_memory(&fresh, memory, tables, held)
        make_words(&fresh, tables, held)
        # Nothing from here on can fail or be interrupted: the engine has the old buffers or the new.
        set_clock(&fresh, fresh.header.now_ns)
        for row in range(fresh.header.row_count if index_is_empty else 0):
            if fresh.rows[row * fresh.row_words] >> 48 & FSM_ROW_LIVE:
                hashed = hash_key(&fresh.keys[row])
                slot = find_slot(&fresh, &fresh.keys[row], hashed, &found)
                filled += slot[0] == 0
                slot[0] = (hashed >> 32) << 32 | (row + 1)
        store(&fresh.header.index_shape, shape)  # from here on, who opens this memory takes the new index
        if index_is_empty:
            store(&fresh.header.index_filled, filled)
        store(&fresh.header.capacity, capacity)
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
            if self._gate == IN_USE:
                self._gate = OPEN

    def _enter(self, operation):
        """Refuse a second thread and a closed engine."""
        if self._gate == CLOSED:
            if self._refusal is not None:
                raise self._refusal
            raise FsmError(f"{operation}: this engine is closed. Open another one.")
        if self._gate == IN_USE:
            raise ConcurrentUse(operation)

    def _refuse(self, error):
        """Let go of the memory as it is, and raise `error` from now on: the process is a forked child."""
        self._refusal = error
        let_go(self)

    def _refuse_unknown(self, bytes named, event_id, words, key, correlation):
        """An event for a key that no instance has; only where a journal keeps the key."""
        cdef Input given
        cdef int64_t[6] arguments
        memset(&given, 0, sizeof(given))
        memset(arguments, 0, sizeof(arguments))
        for position, word in enumerate(words):
            arguments[position] = signed_word(word)
        given.instance = UNKNOWN
        given.event = unsigned_word("event_id", event_id, FSM_NONE)
        given.unknown = <const fsm_key*><const char*>named
        return give_event(self, "send", &given, arguments, key, correlation)

    def _find(self, bytes key):
        """The handle of a key of 64 bytes, or None."""
        cdef Machine* machine = <Machine*>self._machine
        cdef const fsm_key* words = <const fsm_key*><const char*>key
        cdef uint64_t row
        self._enter("find")
        find_slot(machine, words, hash_key(words), &row)
        return None if row == FSM_NONE else handle_of(machine, row)

    def _start(self, bytes key, initial):
        """A new instance with these field words: its handle, and what became of the start."""
        cdef uint64_t row
        cdef list held = []
        cdef const int64_t* fields
        self._enter("start")
        fields = <const int64_t*>array(held, initial, ((<Machine*>self._machine).row_words - 3) * sizeof(int64_t))
        outcome = start_key(self, <const fsm_key*><const char*>key, fields, &row)
        return UNKNOWN if row == FSM_NONE else handle_of(<Machine*>self._machine, row), outcome

    def _release(self, uint64_t instance):
        """Free the row of an instance that has ended."""
        cdef Machine* machine = <Machine*>self._machine
        cdef uint64_t row, index = <uint32_t>instance
        cdef uint64_t* slot
        self._enter("release")
        check(self, FSM_NONE)
        if find_row(machine, instance) == NULL:
            return FSM_UNKNOWN_INSTANCE
        check(self, index)
        check_free_row(self)
        need_room(self, "release")
        slot = find_slot(machine, &machine.keys[index], hash_key(&machine.keys[index]), &row)
        release_row(machine, index, slot if row == index else NULL)
        check(self, FSM_NONE)
        return FSM_ACCEPTED

    def _write_position(self, bytes data):
        """A POSITION frame with these words."""
        cdef Machine* machine = <Machine*>self._machine
        self._enter("_mark")
        check(self, FSM_NONE)
        need_room(self, "_mark")
        take_position(machine, <const uint64_t*><const char*>data, len(data) // 8)
        check(self, FSM_NONE)

    def _find_many_into(self, keys, handles):
        """The handles of integer keys int64[n] into uint64[n], all ones where there is none."""
        cdef Machine* machine = <Machine*>self._machine
        cdef fsm_key key
        cdef uint64_t row
        cdef list held = []
        cdef Py_ssize_t position, count = len(keys)
        cdef const int64_t* given = <const int64_t*>array(held, keys, count * sizeof(int64_t))
        cdef uint64_t* found = <uint64_t*>array(held, handles, count * sizeof(uint64_t), PyBUF_WRITE)
        self._enter("find")
        for position in range(count):
            integer_key(&key, given[position])
            find_slot(machine, &key, hash_key(&key), &row)
            found[position] = UNKNOWN if row == FSM_NONE else handle_of(machine, row)

    def _start_many_into(self, keys, handles):
        """Start every integer key that is not there, in order; the handles of all, all ones where it was refused."""
        cdef Machine* machine = <Machine*>self._machine
        cdef fsm_key key
        cdef uint64_t row
        cdef list held = []
        cdef Py_ssize_t position, count = len(keys)
        cdef const int64_t* given = <const int64_t*>array(held, keys, count * sizeof(int64_t))
        cdef uint64_t* found = <uint64_t*>array(held, handles, count * sizeof(uint64_t), PyBUF_WRITE)
        self._enter("start")
        for position in range(count):
            integer_key(&key, given[position])
            find_slot(machine, &key, hash_key(&key), &row)
            if row == FSM_NONE:
                start_key(self, &key, machine.initial, &row)
            found[position] = UNKNOWN if row == FSM_NONE else handle_of(machine, row)

    def _step_many_into(self, instances, event_ids, arguments, times, keys, outcomes, nanoseconds):
        """The loop without the GIL; `protocol` has checked that the lengths agree."""
        cdef Machine* machine = <Machine*>self._machine
        cdef Batch batch
        cdef list held = []
        cdef Py_ssize_t count
        cdef int stopped = 0
        self._enter("step_many")
        memset(&batch, 0, sizeof(batch))
        count = len(instances)
        if count == 0:
            return
        batch.count = count
        batch.width = arguments.shape[1]
        batch.instances = <const uint64_t*>array(held, instances, count * sizeof(uint64_t))
        batch.event_ids = <const int64_t*>array(held, event_ids, count * sizeof(int64_t))
        batch.arguments = <const int64_t*>array(held, arguments, count * batch.width * sizeof(int64_t))
        batch.outcomes = <uint8_t*>array(held, outcomes, count, PyBUF_WRITE)
        if times is not None:
            batch.times = <const int64_t*>array(held, times, count * sizeof(int64_t))
        if keys is not None:
            batch.keys = <const uint64_t*>array(held, keys, 2 * count * sizeof(uint64_t))
        if nanoseconds is not None:
            batch.nanoseconds = <uint32_t*>array(held, nanoseconds, count * sizeof(uint32_t), PyBUF_WRITE)
        self._gate = IN_USE
        try:
            if keys is not None:
                need_idempotency(self)
            if times is not None:
                need_timers(self)
            while batch.done < batch.count:
                with nogil:
                    stopped = step_batch(machine, &batch)
                if stopped and not mend_batch(self, stopped, batch.done == 0):
                    memset(batch.outcomes + batch.done, FSM_BUSY, batch.count - batch.done)
                    break
        except BaseException:
            memset(batch.outcomes + batch.done, FSM_BUSY, batch.count - batch.done)
            raise
        finally:
            give_due_back(machine)
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
            if not (first >> 48) & FSM_ROW_LIVE:
                continue
            if <uint32_t>first >= machine.configuration_count:
                check(self, index)
            if marks[<uint32_t>first] and machine.rows[index * machine.row_words + 2] >> 32 < changed_before:
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


cdef let_go(Core core):
    core._gate = CLOSED
    core._resources = None
    core._memory = None


cdef need_timers(Core core):
    """Make the index by deadline at the first time that somebody moves the clock."""
    cdef Machine* machine = <Machine*>core._machine
    if machine.timer_slots and machine.timers == NULL:
        open_timers(machine, address(core._resources, area(timers_bytes(timer_count(machine))), PyBUF_WRITE))


cdef bint mend(Core core, int stopped) except -1:
    """See to what stopped an input: whether it can be given again. Raises what no waiting mends."""
    cdef Machine* machine = <Machine*>core._machine
    cdef uint64_t row, first
    cdef int gate = core._gate
    core._gate = IN_USE  # Python code runs, and the input is still in the registers
    try:
        if stopped == NO_ROOM:
            machine.room_until = machine.header.written + machine.header.ring_frames  # sync() may have made room
            if has_room(machine):
                return True
            made = core._memory.make_room()
            machine.room_until = machine.header.written + machine.header.ring_frames
            return made
        trouble.check_fence(memoryview(core._memory.header).cast("B").cast("Q"), core._memory)
        row = machine.registers[TROUBLE_ROW]
        first = row * machine.row_words
        words = memoryview(core._memory.rows).cast("B").cast("Q")[first : first + machine.row_words].tolist()
        trouble.check_row(core._tables, words, row)
        raise AssertionError(f"row {row} was found damaged, and is not")
    finally:
        core._gate = gate


cdef bint mend_batch(Core core, int stopped, bint at_first) except -1:
    """The same for a batch: where some of it was taken, it is for the next call to raise. But for a takeover: what
    became of the input that was being taken nobody can say, so it is not told as one that was not taken."""
    try:
        return mend(core, stopped)
    except StaleEpoch:
        raise
    except StoreError:
        if at_first:
            raise
        return False


cdef check(Core core, uint64_t row):
    """Raise where another writer took over, or a row leads beyond the tables."""
    cdef Machine* machine = <Machine*>core._machine
    if machine.ring != NULL and machine.header.fence:
        mend(core, FENCED)
    if row != FSM_NONE and not is_sound(machine, machine.rows + row * machine.row_words):
        machine.registers[TROUBLE_ROW] = row
        mend(core, CORRUPT)


cdef need_idempotency(Core core):
    """Make the area for idempotency keys at the first of them."""
    cdef Machine* machine = <Machine*>core._machine
    check(core, FSM_NONE)
    if machine.idempotency == NULL:
        if core._memory.idempotency is None:
            core._memory.make_idempotency()
        read_idempotency(machine, core._memory, core._resources)


cdef need_room(Core core, operation):
    cdef Machine* machine = <Machine*>core._machine
    while machine.ring != NULL and not has_room(machine):
        if not mend(core, NO_ROOM):
            raise trouble.busy(operation)


cdef int give_event(Core core, operation, Input* given, const int64_t* words, key, correlation) except -1:
    """One event with all that may come with it: its outcome."""
    cdef Machine* machine = <Machine*>core._machine
    cdef uint64_t[2] key_words
    cdef fsm_key correlation_words
    cdef int outcome
    core._enter(operation)  # after everything that may run Python code, which may close this engine
    if machine.ring == NULL:
        if key is not None or correlation is not None:
            raise trouble.no_journal("step", "key= and correlation= are")
        if given.has_expected:
            return step_expected(machine, given, words)
        return step_instance(core, given.instance, given.event, words)
    core._gate = IN_USE
    try:
        if key is not None:
            key_words[0], key_words[1] = idempotency_words(key)
            given.key = key_words
        if correlation is not None:
            encoded = encode_key(correlation, "correlation")
            memcpy(&correlation_words, <const char*><bytes>encoded, sizeof(correlation_words))
            given.correlation = &correlation_words
        if key is not None:
            need_idempotency(core)
    finally:
        core._gate = OPEN
    memcpy(machine.registers + machine.row_words, words, FSM_ARGUMENT_WORDS * sizeof(int64_t))
    while True:
        outcome = take(machine, given)
        if outcome <= 255:
            return outcome
        if not mend(core, outcome):
            return FSM_BUSY


cdef int start_key(Core core, const fsm_key* key, const int64_t* fields, uint64_t* row) except -1:
    """The row of the key, which is a new one or has it already; FSM_NONE where the start was refused."""
    cdef Machine* machine = <Machine*>core._machine
    cdef uint64_t hashed = hash_key(key)
    cdef uint64_t* slot
    cdef int outcome
    check(core, FSM_NONE)
    if machine.header.index_filled * 4 >= (machine.index_mask + 1) * 3:
        make_index_anew(core)
    slot = find_slot(machine, key, hashed, row)
    if row[0] != FSM_NONE:
        if machine.ring == NULL:
            machine.header.applied += 1
            machine.rows[row[0] * machine.row_words + 1] = machine.header.applied
            return FSM_EXISTS
        check(core, row[0])
        need_room(core, "start")
        outcome = take_exists(machine, key, row[0], fields)
        check(core, FSM_NONE)
        return outcome
    row[0] = next_row(machine)
    if row[0] >= machine.capacity and machine.header.free_row == 0:
        raise StoreFull(machine.capacity)
    check_free_row(core)
    if machine.header.free_row == 0 and machine.rows[row[0] * machine.row_words] >> 48 & FSM_ROW_LIVE:
        trouble.check_fresh_row([machine.rows[row[0] * machine.row_words]], row[0])
    if slot == NULL:
        raise trouble.no_free_slot()
    need_room(core, "start")
    outcome = start_row(machine, key, hashed, slot, fields)
    check(core, FSM_NONE)
    if outcome != FSM_ACCEPTED:
        row[0] = FSM_NONE
    return outcome


cdef make_index_anew(Core core):
    """Released keys left marks in the index: fill another one, of the live rows alone."""
    cdef int gate = core._gate
    core._gate = IN_USE
    try:
        core._make_anew(core._memory.capacity)
    finally:
        core._gate = gate


cdef PyObject* call_step(PyObject* engine, PyObject* const* given, Py_ssize_t count, PyObject* names) except NULL:
    """`Core.step` by the vectorcall protocol: as a Cython method it would spend 9 ns on its unused keywords."""
    cdef Machine* machine = <Machine*>(<Core>engine)._machine
    cdef int64_t* arguments = machine.registers + machine.row_words
    cdef int64_t instance, event_id
    cdef Py_ssize_t word
    cdef int outcome
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
    if machine.ring == NULL:
        return outcome_object(step_machine(machine, instance, event_id, machine.is_flat))
    if machine.is_flat:
        outcome = take_flat(machine, machine, instance, event_id, count > 3)
        if outcome <= 255:
            return outcome_object(outcome)
    return outcome_object(step_journalled(<Core>engine, instance, event_id))


cdef int step_journalled(Core core, uint64_t instance, uint64_t event_id) except -1:
    """The long way of a step with a journal; the argument words are in their registers."""
    cdef Machine* machine = <Machine*>core._machine
    cdef Input given
    cdef int outcome
    memset(&given, 0, sizeof(given))
    given.instance = instance
    given.event = event_id
    while True:
        outcome = take(machine, &given)
        if outcome <= 255:
            return outcome
        if not mend(core, outcome):
            return FSM_BUSY


cdef inline PyObject* outcome_object(int outcome) noexcept:
    Py_INCREF(<object>OUTCOMES[outcome])
    return OUTCOMES[outcome]


cdef PyObject* call_step_expected(
    PyObject* engine, PyObject* const* given, Py_ssize_t count, PyObject* names
) except NULL:
    """`step` with `expected=` and nothing but ints, still without an allocation; any other call goes by the method."""
    cdef int64_t[6] words
    cdef Input input
    cdef Py_ssize_t position
    cdef bint plain = names != NULL and len(<tuple>names) == 1 and (<tuple>names)[0] is EXPECTED
    if plain and 2 <= count <= 2 + FSM_ARGUMENT_WORDS:
        for position in range(count + 1):
            plain = plain and PyLong_CheckExact(<object>given[position])
        if plain and not (<Core>engine)._gate:
            memset(words, 0, sizeof(words))
            memset(&input, 0, sizeof(input))
            input.instance = unsigned_word("instance", <object>given[0], UNKNOWN)
            input.event = unsigned_word("event_id", <object>given[1], FSM_NONE)
            for position in range(2, count):
                words[position - 2] = signed_word(<object>given[position])
            input.expected = unsigned_word("expected", <object>given[count], UNKNOWN)
            input.has_expected = 1
            return outcome_object(give_event(<Core>engine, "step", &input, words, None, None))
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
    if machine.ring == NULL:
        return step_machine(machine, instance, event_id, machine.is_flat)
    cdef int outcome = NO_ROOM
    if machine.is_flat:
        outcome = take_flat(machine, machine, instance, event_id, 1)
    if outcome > 255:
        with gil:
            outcome = step_journalled(core, instance, event_id)
    return outcome


cdef int step_expected(Machine* machine, const Input* given, const int64_t* arguments) noexcept:
    """The step of an instance that must be at a version, without a journal."""
    cdef uint64_t* row = find_row(machine, given.instance)
    if row != NULL and given.event < machine.event_count and <uint32_t>row[2] != given.expected:
        machine.header.applied += 1
        row[1] = machine.header.applied
        return FSM_VERSION
    memcpy(machine.registers + machine.row_words, arguments, FSM_ARGUMENT_WORDS * sizeof(int64_t))
    return step_machine(machine, given.instance, given.event, machine.is_flat)


cdef inline void integer_key(fsm_key* key, int64_t value) noexcept nogil:
    memset(key, 0, sizeof(fsm_key))
    key.words[0] = FSM_KEY_INTEGER
    key.words[1] = <uint64_t>value


cdef inline uint64_t handle_of(Machine* machine, uint64_t row) noexcept nogil:
    """The handle of a row: the row in the low half, its generation above."""
    return row | (machine.rows[row * machine.row_words] >> 32 & 0xFFFF) << 32


cdef check_free_row(Core core):
    """Raise where the chain of free rows leads to one that is not."""
    cdef Machine* machine = <Machine*>core._machine
    cdef uint64_t row = machine.header.free_row - 1, count = machine.header.row_count
    if machine.header.free_row == 0:
        return
    words = [machine.rows[row * machine.row_words]] if row < count else []
    trouble.check_free_row(core._tables, words, row, count)


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


cdef dict offsets(fsm_header* header):
    """Where each field of a header lies, in words."""
    cdef uint64_t base = <uint64_t>header
    found = {
        "magic": <uint64_t>&header.magic,
        "layout_version": <uint64_t>&header.layout_version,
        "row_bytes": <uint64_t>&header.row_bytes,
        "frame_bytes": <uint64_t>&header.frame_bytes,
        "ring_frames": <uint64_t>&header.ring_frames,
        "idempotency_window": <uint64_t>&header.idempotency_window,
        "checksum": <uint64_t>&header.checksum,
        "fingerprint": <uint64_t>&header.fingerprint,
        "uuid": <uint64_t>&header.uuid,
        "directory": <uint64_t>&header.directory,
        "boot": <uint64_t>&header.boot,
        "capacity": <uint64_t>&header.capacity,
        "index_shape": <uint64_t>&header.index_shape,
        "epoch": <uint64_t>&header.epoch,
        "fence": <uint64_t>&header.fence,
        "row_count": <uint64_t>&header.row_count,
        "now_ns": <uint64_t>&header.now_ns,
        "place": <uint64_t>&header.place,
        "free_row": <uint64_t>&header.free_row,
        "index_filled": <uint64_t>&header.index_filled,
        "position": <uint64_t>&header.position,
        "applied": <uint64_t>&header.applied,
        "written": <uint64_t>&header.written,
        "durable": <uint64_t>&header.durable,
        "counted_by": <uint64_t>&header.counted_by,
        "counted_word": <uint64_t>&header.counted_word,
        "counted_value": <uint64_t>&header.counted_value,
        "idempotency_since": <uint64_t>&header.idempotency_since,
        "idempotency_count": <uint64_t>&header.idempotency_count,
        "untold": <uint64_t>&header.untold,
    }
    return {name: (address - base) // 8 for name, address in found.items()}


def layout():
    """Sizes and offsets as the C compiler sees them, for the test that holds `fsm.layout` to them."""
    cdef fsm_header header
    sizes = {"row": sizeof(fsm_row), "header": sizeof(header), "key": sizeof(fsm_key), "frame": sizeof(fsm_frame)}
    return sizes, offsets(&header)
