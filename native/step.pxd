"""The parts of `step.h` and `batch.h` that the boundary calls."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fsm.abi cimport fsm_header, fsm_instruction, fsm_key


cdef extern from "step.h" nogil:
    ctypedef struct Machine "fsm_machine":
        uint64_t* rows
        const uint64_t* cells
        fsm_instruction* code
        int64_t* registers
        fsm_header* header
        uint64_t capacity
        uint64_t row_words
        uint64_t field_end
        uint64_t event_count
        uint64_t configuration_count
        uint64_t code_count
        uint64_t second
        const uint32_t* places
        fsm_key* keys
        uint64_t* index
        uint64_t index_mask
        const int64_t* initial
        uint64_t initial_configuration

    void mark_last "fsm_mark_last"(fsm_instruction*, size_t)
    uint64_t* find_row "fsm_find_row"(const Machine*, uint64_t)
    int step_machine "fsm_step"(const Machine*, uint64_t, uint64_t)
    void set_clock "fsm_set_clock"(Machine*, uint64_t)

cdef extern from "batch.h" nogil:
    ctypedef struct Batch "fsm_batch":
        Py_ssize_t count
        Py_ssize_t width
        const uint64_t* instances
        const int64_t* event_ids
        const int64_t* arguments
        const int64_t* times
        uint8_t* outcomes
        uint32_t* nanoseconds

    int64_t clock_ns "fsm_clock_ns"()
    void step_batch "fsm_step_batch"(Machine*, const Batch*)
