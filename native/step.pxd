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
    const int TROUBLE_ROW "FSM_TROUBLE_ROW"
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
        const uint32_t* places
        int is_flat
        uint64_t image_end
        uint64_t timer_slots
        uint64_t timer_column
        uint64_t always_column
        uint64_t deferral_word
        uint64_t deferral_slots
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
        uint64_t* ring
        uint64_t ring_mask
        uint64_t frame_words
        uint64_t group_max
        uint64_t room_until
        uint64_t* staged
        uint64_t* idempotency
        uint64_t idempotency_mask

    void prepare_code "fsm_prepare_code"(fsm_instruction*, size_t, uint64_t)
    bint is_flat_code "fsm_is_flat_code"(const fsm_instruction*, size_t)
    uint64_t* find_row "fsm_find_row"(const Machine*, uint64_t)
    void set_clock "fsm_set_clock"(const Machine*, uint64_t)

cdef extern from "frames.h" nogil:
    const int NO_ROOM "FSM_NO_ROOM"
    const int FENCED "FSM_FENCED"
    const int CORRUPT "FSM_CORRUPT"

    bint has_checksums "fsm_has_checksums"()
    void store "fsm_store"(uint64_t*, uint64_t)
    bint has_room "fsm_has_room"(const Machine*)
    bint is_sound "fsm_is_sound"(const Machine*, const uint64_t*)

cdef extern from "journalled.h" nogil:
    ctypedef struct Input "fsm_input":
        uint64_t instance
        uint64_t event
        const uint64_t* key
        const fsm_key* correlation
        const fsm_key* unknown
        uint64_t expected
        int has_expected

    int take "fsm_take"(const Machine*, const Input*)
    int take_flat "fsm_take_flat"(const Machine*, const Machine*, uint64_t, uint64_t, int)
    int take_exists "fsm_take_exists"(const Machine*, const fsm_key*, uint64_t, const int64_t*)
    void take_position "fsm_take_position"(const Machine*, const uint64_t*, uint64_t)

cdef extern from "inputs.h" nogil:
    int step_machine "fsm_step"(const Machine*, uint64_t, uint64_t, int)
    uint64_t next_row "fsm_next_row"(const Machine*)
    int start_row "fsm_start"(const Machine*, const fsm_key*, uint64_t, uint64_t*, const int64_t*)
    void release_row "fsm_release"(const Machine*, uint64_t, uint64_t*)
    int advance_machine "fsm_advance"(Machine*, uint64_t, int64_t*)
    int fire_due "fsm_fire_due"(const Machine*, int64_t*)
    void give_due_back "fsm_give_due_back"(const Machine*)
    void open_timers "fsm_open_timers"(Machine*, void*)

cdef extern from "batch.h" nogil:
    ctypedef struct Batch "fsm_batch":
        Py_ssize_t count
        Py_ssize_t done
        Py_ssize_t reached
        Py_ssize_t width
        const uint64_t* instances
        const int64_t* event_ids
        const int64_t* arguments
        const int64_t* times
        const uint64_t* keys
        uint8_t* outcomes
        uint32_t* nanoseconds

    int64_t clock_ns "fsm_clock_ns"()
    int step_batch "fsm_step_batch"(Machine*, Batch*)
