"""Floors: what the same work costs where nothing is general. Benchmarks put each figure beside one of these.

Floor.floor    an empty Cython method that takes the three integers of a step
walk           a loop written for the flow of `benchmarks/flows.py`, over the arrays and rows of `step_many`, that makes
               the same loads and stores: the handle, event and argument, the cell, the program's words, the row into an
               image beside it, guard and writes on the image, the image back. It prefetches as far ahead. What it has
               not is anything to decide: no opcode, no operand, no jump.
walk_in_place  the least that could be done for this one flow: guard and writes on the row itself, without a program and
               without an image, so a fault after the first write could not be undone
journal        the same loop with a journal: `journal.h`
HeapTimers     a binary heap in C that knows where each timer stands, so that it can be cancelled: `heap.h`
IndexTimers    no floor: the engine's index by deadline without an engine, `native/timers.h`, run by the same loop
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef extern from *:
    void prefetch "__builtin_prefetch"(const void*, int, int) nogil
    bint subtract_overflows "__builtin_sub_overflow"(int64_t, int64_t, int64_t*) nogil


cdef class Floor:
    """The empty method."""

    def floor(self, unsigned long long i, unsigned int e, long long a, /):
        return 0


def walk(
    uint64_t[:, ::1] rows, uint64_t[::1] header, int64_t[::1] image, const uint64_t[::1] cells,
    const uint64_t[::1] code, Py_ssize_t event_count, const uint64_t[::1] instances, const int64_t[::1] event_ids,
    const int64_t[:, ::1] arguments, uint8_t[::1] outcomes, Py_ssize_t sequence_word, Py_ssize_t now_word,
    bint in_place,
):
    """n ticks; the layout is that of `fsm.layout`."""
    cdef uint64_t second = header[now_word] // <uint64_t>1000000000 << 32
    with nogil:
        if in_place:
            walk_in_place(
                instances.shape[0], rows.shape[0], event_count, second, &rows[0, 0], &header[sequence_word],
                &cells[0], &instances[0], &event_ids[0], &arguments[0, 0], &outcomes[0],
            )
        else:
            walk_same(
                instances.shape[0], rows.shape[0], event_count, second, &rows[0, 0], &header[sequence_word],
                &cells[0], &code[0], &image[0], &instances[0], &event_ids[0], &arguments[0, 0], &outcomes[0],
            )


cdef void walk_same(
    Py_ssize_t count, uint64_t row_count, uint64_t event_count, uint64_t second, uint64_t* rows, uint64_t* sequence,
    const uint64_t* cells, const uint64_t* code, int64_t* image, const uint64_t* instances, const int64_t* event_ids,
    const int64_t* arguments, uint8_t* outcomes,
) noexcept nogil:
    cdef Py_ssize_t position
    cdef uint64_t cell, words = 0
    cdef int64_t left
    cdef uint64_t* row
    cdef const uint64_t* program
    for position in range(count):
        if position + 12 < count:
            prefetch(rows + <uint32_t>instances[position + 12] * <uint64_t>8, 1, 3)
        image[8] = arguments[position]
        sequence[0] += 1
        row = rows + <uint32_t>instances[position] * <uint64_t>8
        if (
            <uint32_t>instances[position] >= row_count
            or row[0] >> 32 != (instances[position] >> 32 | <uint64_t>1 << 16)
        ):
            outcomes[position] = 24
            continue
        row[1] = sequence[0]
        if <uint64_t>event_ids[position] >= event_count:
            outcomes[position] = 25
            continue
        cell = cells[<uint32_t>row[0] * event_count + <uint64_t>event_ids[position]]
        if cell & 0xFF != 3:
            outcomes[position] = 16
            continue
        program = code + (cell >> 32)
        words += program[0] + program[1] + program[2] + program[3]
        image[3] = <int64_t>row[3]
        image[4] = <int64_t>row[4]
        if image[8] <= 0:
            outcomes[position] = 17
            continue
        if subtract_overflows(image[3], image[8], &left):
            outcomes[position] = 20
            continue
        image[3] = left
        image[4] = image[8]
        row[0] = row[0] >> 32 << 32 | 1
        row[2] = <uint32_t>(row[2] + 1) | second
        row[3] = <uint64_t>image[3]
        row[4] = <uint64_t>image[4]
        outcomes[position] = 0
    image[9] = <int64_t>words


cdef void walk_in_place(
    Py_ssize_t count, uint64_t row_count, uint64_t event_count, uint64_t second, uint64_t* rows, uint64_t* sequence,
    const uint64_t* cells, const uint64_t* instances, const int64_t* event_ids, const int64_t* arguments,
    uint8_t* outcomes,
) noexcept nogil:
    cdef Py_ssize_t position
    cdef uint64_t cell
    cdef int64_t left
    cdef uint64_t* row
    for position in range(count):
        if position + 12 < count:
            prefetch(rows + <uint32_t>instances[position + 12] * <uint64_t>8, 1, 3)
        sequence[0] += 1
        row = rows + <uint32_t>instances[position] * <uint64_t>8
        if (
            <uint32_t>instances[position] >= row_count
            or row[0] >> 32 != (instances[position] >> 32 | <uint64_t>1 << 16)
        ):
            outcomes[position] = 24
            continue
        row[1] = sequence[0]
        if <uint64_t>event_ids[position] >= event_count:
            outcomes[position] = 25
            continue
        cell = cells[<uint32_t>row[0] * event_count + <uint64_t>event_ids[position]]
        if cell & 0xFF != 3:
            outcomes[position] = 16
            continue
        if arguments[position] <= 0:
            outcomes[position] = 17
            continue
        if subtract_overflows(<int64_t>row[3], arguments[position], &left):
            outcomes[position] = 20
            continue
        row[3] = <uint64_t>left
        row[4] = <uint64_t>arguments[position]
        row[0] = row[0] >> 32 << 32 | 1
        row[2] = <uint32_t>(row[2] + 1) | second
        outcomes[position] = 0


cdef extern from *:
    """
    #define NDEBUG /* as the core is built: what follows asserts */
    """

# Named from build/benchmarks, where this is compiled.
cdef extern from "../../benchmarks/native/journal.h" nogil:
    ctypedef struct journal_loop:
        uint64_t* rows
        uint64_t* ring
        uint64_t* header
        const uint64_t* cells
        const uint64_t* instances
        const int64_t* event_ids
        const int64_t* arguments
        uint8_t* outcomes
        int64_t count
        uint64_t row_count
        uint64_t event_count
        uint64_t applied_word, written_word, now_word, fence_word, ring_frames_word
        int fd
        int64_t position
    int journal_run(journal_loop*)

cdef extern from "../../native/timers.h" nogil:
    const uint32_t FSM_NO_TIMER
    ctypedef struct fsm_timers:
        pass
    size_t fsm_timers_bytes(size_t)
    size_t fsm_timers_header()
    fsm_timers* fsm_timers_open(void*, size_t, int64_t)
    void fsm_timers_arm(fsm_timers*, uint32_t, int64_t)
    void fsm_timers_cancel(fsm_timers*, uint32_t, int64_t)
    void fsm_timers_reach(fsm_timers*, int64_t)
    uint32_t fsm_timers_take(fsm_timers*)

cdef extern from "../../benchmarks/native/heap.h" nogil:
    ctypedef struct heap:
        uint32_t count
    heap* heap_open(uint32_t)
    void heap_close(heap*)
    void heap_arm(heap*, uint32_t, int64_t)
    void heap_cancel(heap*, uint32_t)
    uint32_t heap_take(heap*, int64_t, uint32_t)


def journal(
    uint64_t[:, ::1] rows, uint64_t[::1] ring, uint64_t[::1] header, const uint64_t[::1] cells,
    Py_ssize_t event_count, const uint64_t[::1] instances, const int64_t[::1] event_ids,
    const int64_t[:, ::1] arguments, uint8_t[::1] outcomes, dict words, int fd=-1, int64_t position=0,
):
    """n ticks, journalled; `words` are the offsets in the header. Frames are appended to `fd` where it is one; where
    its end is then."""
    cdef journal_loop loop
    cdef int failed
    memset(&loop, 0, sizeof(loop))
    loop.rows, loop.ring, loop.header, loop.cells = &rows[0, 0], &ring[0], &header[0], &cells[0]
    loop.instances, loop.event_ids = &instances[0], &event_ids[0]
    loop.arguments, loop.outcomes = &arguments[0, 0], &outcomes[0]
    loop.count, loop.row_count, loop.event_count = instances.shape[0], rows.shape[0], event_count
    loop.applied_word, loop.written_word, loop.now_word = words["applied"], words["written"], words["now_ns"]
    loop.fence_word, loop.ring_frames_word = words["fence"], words["ring_frames"]
    loop.fd, loop.position = fd, position
    with nogil:
        failed = journal_run(&loop)
    if failed:
        raise ValueError("expected ticks that are accepted, and a file with room")
    return loop.position


cdef class IndexTimers:
    """The index by deadline, for timers 0 to count - 1."""

    cdef void* memory
    cdef size_t count

    def __cinit__(self, size_t count):
        self.count = count
        self.memory = calloc(fsm_timers_bytes(count), 1)
        if self.memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.memory)

    def life(
        self, const int64_t[::1] deadlines, const uint32_t[::1] order, const uint32_t[::1] cancelled,
        const int64_t[::1] times, uint32_t[::1] fired,
    ):
        """Arm all in order, cancel some, and fire the others as the time goes on; how many were fired, and which."""
        cdef fsm_timers* index
        cdef Py_ssize_t position, count = 0
        cdef uint32_t timer
        with nogil:
            memset(self.memory, 0, fsm_timers_header())  # no timer is armed from the last life
            index = fsm_timers_open(self.memory, self.count, times[0])
            for position in range(order.shape[0]):
                fsm_timers_arm(index, order[position], deadlines[order[position]])
            for position in range(cancelled.shape[0]):
                fsm_timers_cancel(index, cancelled[position], deadlines[cancelled[position]])
            for position in range(times.shape[0]):
                fsm_timers_reach(index, times[position])
                while True:
                    timer = fsm_timers_take(index)
                    if timer == FSM_NO_TIMER:
                        break
                    fired[count] = timer
                    count += 1
        return count


cdef class HeapTimers:
    """The same in a heap."""

    cdef heap* timers

    def __cinit__(self, uint32_t count):
        self.timers = heap_open(count)
        if self.timers == NULL:
            raise MemoryError

    def __dealloc__(self):
        heap_close(self.timers)

    def life(
        self, const int64_t[::1] deadlines, const uint32_t[::1] order, const uint32_t[::1] cancelled,
        const int64_t[::1] times, uint32_t[::1] fired,
    ):
        """The same, in the same order."""
        cdef Py_ssize_t position, count = 0
        cdef uint32_t timer
        with nogil:
            for position in range(order.shape[0]):
                heap_arm(self.timers, order[position], deadlines[order[position]])
            for position in range(cancelled.shape[0]):
                heap_cancel(self.timers, cancelled[position])
            for position in range(times.shape[0]):
                while True:
                    timer = heap_take(self.timers, times[position], FSM_NO_TIMER)
                    if timer == FSM_NO_TIMER:
                        break
                    fired[count] = timer
                    count += 1
        return count
