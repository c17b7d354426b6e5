"""The stored structs for Cython: `cimport fsm.abi`. `fsm/include/fsm/layout.h` explains each."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t


cdef extern from "fsm/layout.h" nogil:
    const int FSM_ABI_VERSION
    const int FSM_LAYOUT_VERSION
    const int FSM_ARGUMENT_WORDS
    const int FSM_NOW_OFFSET
    const int FSM_ENGINE_REGISTERS
    const int FSM_UNTOLD_OUTCOMES
    const int FSM_TIMER_SLOTS_MAX
    const uint64_t FSM_HASH_SEED
    const uint64_t FSM_HASH_FACTOR
    const uint64_t FSM_ROW_LIVE
    const uint64_t FSM_ROW_FRAME_BUSY
    const int FSM_ROW_NEXT_FREE
    const uint64_t FSM_COUNTED_DONE
    const uint64_t FSM_INDEX_RELEASED
    const int FSM_FRAME_WORDS
    const int FSM_FRAME_PAYLOAD
    const int FSM_FRAME_LINKED
    const int FSM_FRAME_IMAGE
    const int FSM_EVENT_NONE
    const int FSM_IDEMPOTENCY_WORDS
    const uint64_t FSM_KEY_INTEGER
    const uint64_t FSM_NONE

    ctypedef struct fsm_row:
        uint64_t state
        uint64_t frame
        uint64_t version
        int64_t fields[5]

    ctypedef struct fsm_header:
        uint64_t magic
        uint64_t layout_version
        uint64_t row_bytes
        uint64_t frame_bytes
        uint64_t ring_frames
        uint64_t idempotency_window
        uint64_t checksum
        uint64_t fingerprint[4]
        uint64_t uuid[2]
        uint64_t directory[2]
        uint64_t boot[2]
        uint64_t capacity
        uint64_t index_shape
        uint64_t epoch
        uint64_t fence
        uint64_t row_count
        uint64_t now_ns
        uint64_t place
        uint64_t free_row
        uint64_t index_filled
        uint64_t position
        uint64_t applied
        uint64_t written
        uint64_t durable
        uint64_t counted_by
        uint64_t counted_word
        uint64_t counted_value
        uint64_t idempotency_since[2]
        uint64_t idempotency_count[2]
        uint64_t untold[32]

    ctypedef struct fsm_frame:
        uint64_t sequence
        uint64_t checksums
        uint64_t input
        uint64_t time
        uint64_t configurations
        uint64_t previous
        uint64_t place
        uint64_t argument

    ctypedef struct fsm_key:
        uint64_t words[8]

    ctypedef struct fsm_instruction:
        uint8_t opcode
        uint8_t mode
        uint16_t a
        uint16_t b
        uint16_t c

    cdef enum fsm_outcome:
        FSM_ACCEPTED
        FSM_IGNORED
        FSM_DEFERRED
        FSM_DUPLICATE
        FSM_UNHANDLED
        FSM_GUARD
        FSM_ENDED
        FSM_STALE
        FSM_OVERFLOW
        FSM_DIVISION
        FSM_BOUND
        FSM_DEFERRAL_FULL
        FSM_UNKNOWN_INSTANCE
        FSM_UNKNOWN_EVENT
        FSM_EXISTS
        FSM_VERSION
        FSM_KEY_REUSED
        FSM_BUSY

    cdef enum fsm_frame_kind:
        FSM_FRAME_EVENT
        FSM_FRAME_TIMER
        FSM_FRAME_AGAIN
        FSM_FRAME_START
        FSM_FRAME_RELEASE
        FSM_FRAME_POSITION
        FSM_FRAME_ARGUMENTS
        FSM_FRAME_KEY
        FSM_FRAME_FIELDS
        FSM_FRAME_IDEMPOTENCY
        FSM_FRAME_CORRELATION
        FSM_FRAME_DATA

    cdef enum fsm_cell:
        FSM_CELL_REFUSE
        FSM_CELL_IGNORE
        FSM_CELL_GO
        FSM_CELL_PROGRAM
        FSM_CELL_DEFER

    cdef enum fsm_opcode:
        FSM_OP_GO
        FSM_OP_STAY
        FSM_OP_REFUSE
        FSM_OP_IGNORE
        FSM_OP_JUMP
        FSM_OP_JUMP_LESS
        FSM_OP_JUMP_NOT_LESS
        FSM_OP_JUMP_EQUAL
        FSM_OP_JUMP_NOT_EQUAL
        FSM_OP_MOVE
        FSM_OP_ADD
        FSM_OP_SUBTRACT
        FSM_OP_MULTIPLY
        FSM_OP_MINIMUM
        FSM_OP_MAXIMUM
        FSM_OP_MODULO
        FSM_OP_WIDEN
        FSM_OP_DIVIDE
        FSM_OP_BOUND
        FSM_OP_DEFER
        FSM_OP_NEXT
        FSM_OP_NEXT_STAY
        FSM_OP_FOLLOW
        FSM_OP_ARM
        FSM_OP_CANCEL
        FSM_OP_RAISE

    cdef enum fsm_going:
        FSM_GOING_ABSOLUTE
        FSM_GOING_SUCCESSOR

    cdef enum fsm_rounding:
        FSM_ROUND_DOWN
        FSM_ROUND_UP
        FSM_ROUND_FLOOR
        FSM_ROUND_CEILING
        FSM_ROUND_HALF_EVEN
        FSM_ROUND_HALF_UP
        FSM_ROUND_HALF_DOWN
