"""The parts of the headers that the boundary calls."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fsm.abi cimport fsm_header, fsm_instruction, fsm_key


cdef extern from "timers.h" nogil:
    ctypedef struct Timers "fsm_timers":
        pass

    size_t timers_most "fsm_timers_most"()
    size_t timers_bytes "fsm_timers_bytes"(size_t)
    int timers_reach_more_than "fsm_timers_reach_more_than"(const Timers*, int64_t, int64_t)

cdef extern from "step.h" nogil:
    const int PRIVATE_WORDS "FSM_PRIVATE_WORDS"
    const int SUCCESSORS "FSM_SUCCESSORS"
    const int SUCCESSOR_COUNT "FSM_SUCCESSOR_COUNT"
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
        uint64_t column_count
        uint64_t configuration_count
        uint64_t code_count
        uint64_t second
        const uint32_t* places
        int is_flat
        uint64_t image_end
        uint64_t timer_slots
        uint64_t timer_column
        uint64_t always_column
        uint64_t deferral_word
        uint64_t deferral_words
        uint64_t microsteps_max
        uint32_t raised_max
        uint16_t* raised
        const uint32_t* configurations
        const uint32_t* active
        Timers* timers
        fsm_key* keys
        uint64_t* index
        uint64_t index_mask
        const int64_t* initial
        uint64_t initial_configuration
        uint64_t start

    void prepare_code "fsm_prepare_code"(fsm_instruction*, size_t, uint64_t)
    bint is_flat_code "fsm_is_flat_code"(const fsm_instruction*, size_t)
    uint64_t* find_row "fsm_find_row"(const Machine*, uint64_t)
    void set_clock "fsm_set_clock"(Machine*, uint64_t)

cdef extern from "inputs.h" nogil:
    int step_machine "fsm_step"(const Machine*, uint64_t, uint64_t, int)
    int start_row "fsm_start"(const Machine*, const fsm_key*, uint64_t, uint64_t*, const int64_t*)
    int64_t advance_machine "fsm_advance"(Machine*, uint64_t)
    void open_timers "fsm_open_timers"(Machine*, void*)

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
