/* Every struct that is stored, for C. The twin of fsm/layout.py, which explains each; a test holds the two equal.
 *
 * Part of the ABI: FSM_ABI_VERSION changes whenever a reader of these structs would have to be compiled again.
 *
 *   3    the header is twice as long, and a store keeps a journal of frames
 *   2    timer slots and deferred events stand in a row behind its fields, so its words are more than its fields;
 *        the header counts inputs that no caller is told of; one register more stands before the temporaries
 */
#ifndef FSM_LAYOUT_H
#define FSM_LAYOUT_H

#include <stdint.h>

#define FSM_ABI_VERSION 3
#define FSM_LAYOUT_VERSION 2
#define FSM_NONE UINT32_C(0xFFFFFFFF)
#define FSM_ARGUMENT_WORDS 6
#define FSM_NOW_OFFSET 6       /* behind the row's words and the arguments: the engine's time */
#define FSM_ENGINE_REGISTERS 7 /* between the row's words and the temporaries */
#define FSM_UNTOLD_OUTCOMES 32
#define FSM_TIMER_SLOTS_MAX 64
#define FSM_COUNTED_DONE UINT64_C(0x8000000000000000)
#define FSM_INDEX_RELEASED UINT32_C(0xFFFFFFFF)
#define FSM_FRAME_WORDS 8 /* of the fixed part; the image of the row stands behind it */
#define FSM_FRAME_PAYLOAD 3
#define FSM_FRAME_LINKED 1
#define FSM_FRAME_IMAGE 2
#define FSM_EVENT_NONE 0xFFFF
#define FSM_IDEMPOTENCY_WORDS 4
#define FSM_HASH_SEED UINT64_C(0x9E3779B97F4A7C15)
#define FSM_HASH_FACTOR UINT64_C(0xFF51AFD7ED558CCD)

/* A row. Its length is a multiple of 64 bytes that the tables tell; the fields begin at word 3. Behind them stand the
 * timer slots (a deadline each, 0 where none is armed), then the deferred events: how many wait, and the events, oldest
 * first. The tables tell where.
 *
 *   state    | configuration 32 | generation 16 | flags 16 |
 *   frame    | last frame 63                    | busy  1  |
 *   version  | version 32       | second of the last change 32 |
 */
typedef struct {
    uint64_t state;
    uint64_t frame;
    uint64_t version;
    int64_t fields[5];
} fsm_row;

#define FSM_ROW_LIVE UINT64_C(1) /* in the flags */
#define FSM_ROW_FRAME_BUSY UINT64_C(0x8000000000000000) /* the other words are being written: a reader tries again */
#define FSM_ROW_NEXT_FREE 3 /* the word of a released row that names the next of them; the next tells how many */

/* The header of an engine's memory: what changes together shares a line, what readers poll has one alone. */
typedef struct {
    uint64_t magic;
    uint64_t layout_version;
    uint64_t row_bytes;
    uint64_t frame_bytes; /* 0 without a journal */
    uint64_t ring_frames;
    uint64_t idempotency_window;
    uint64_t reserved_0;
    uint64_t checksum;
    uint64_t fingerprint[4];
    uint64_t uuid[2];
    uint64_t directory[2];
    uint64_t boot[2];
    uint64_t reserved_1[6];

    uint64_t capacity;
    uint64_t index_shape;
    uint64_t epoch;
    uint64_t fence;
    uint64_t reserved_2[4];

    uint64_t row_count;
    uint64_t now_ns;
    uint64_t place;
    uint64_t free_row;
    uint64_t index_filled;
    uint64_t position;
    uint64_t reserved_3[2];

    uint64_t applied;
    uint64_t reserved_4[7];
    uint64_t written;
    uint64_t reserved_5[7];
    uint64_t durable;
    uint64_t reserved_6[7];

    uint64_t counted_by;
    uint64_t counted_word;
    uint64_t counted_value;
    uint64_t reserved_7[5];

    uint64_t idempotency_since[2];
    uint64_t idempotency_count[2];
    uint64_t reserved_8[4];

    uint64_t untold[FSM_UNTOLD_OUTCOMES]; /* by outcome */
    uint64_t reserved_9[16];
} fsm_header;

/* A frame of the journal: the fixed part, behind which the image of the row stands.
 *
 *   input          | row 32 | event 16 | outcome 8 | flags 8: linked 1, image 1, kind 6 |
 *   checksums      | CRC-32C of the other words | CRC-32C of the image, or 0 |
 *   configurations | before 32 | after 32 |
 *   place          | generation 16 | 0 16 | place of a fault 32 |
 *
 * A continuation frame has the first three words, and what it brings from FSM_FRAME_PAYLOAD on.
 */
typedef struct {
    uint64_t sequence; /* the commit word; its complement while the frame is written */
    uint64_t checksums;
    uint64_t input;
    uint64_t time;
    uint64_t configurations;
    uint64_t previous;
    uint64_t place;
    uint64_t argument;
} fsm_frame;

/* A key: text of 1 to 64 bytes padded with NUL, or word 0 = FSM_KEY_INTEGER and an int64 in word 1. */
typedef struct {
    uint64_t words[8];
} fsm_key;

#define FSM_KEY_INTEGER UINT64_C(0x0100)

typedef char fsm_row_is_a_line[sizeof(fsm_row) == 64 ? 1 : -1];
typedef char fsm_header_is_sixteen_lines[sizeof(fsm_header) == 1024 ? 1 : -1];
typedef char fsm_frame_is_a_line[sizeof(fsm_frame) == 64 ? 1 : -1];
typedef char fsm_key_is_a_line[sizeof(fsm_key) == 64 ? 1 : -1];

enum fsm_outcome {
    FSM_ACCEPTED = 0,
    FSM_IGNORED = 1,
    FSM_DEFERRED = 2,
    FSM_DUPLICATE = 3,
    FSM_UNHANDLED = 16,
    FSM_GUARD = 17,
    FSM_ENDED = 18,
    FSM_STALE = 19,
    FSM_OVERFLOW = 20,
    FSM_DIVISION = 21,
    FSM_BOUND = 22,
    FSM_DEFERRAL_FULL = 23,
    FSM_UNKNOWN_INSTANCE = 24,
    FSM_UNKNOWN_EVENT = 25,
    FSM_EXISTS = 26,
    FSM_VERSION = 27,
    FSM_KEY_REUSED = 28,
    FSM_BUSY = 32
};

enum fsm_frame_kind {
    FSM_FRAME_EVENT = 0,
    FSM_FRAME_TIMER = 1,
    FSM_FRAME_AGAIN = 2,
    FSM_FRAME_START = 3,
    FSM_FRAME_RELEASE = 4,
    FSM_FRAME_POSITION = 5,
    FSM_FRAME_ARGUMENTS = 32,
    FSM_FRAME_KEY = 33,
    FSM_FRAME_FIELDS = 34,
    FSM_FRAME_IDEMPOTENCY = 35,
    FSM_FRAME_CORRELATION = 36,
    FSM_FRAME_DATA = 37
};

/* A cell: | kind 8 | outcome 8 | 0 16 | value 32 | */
enum fsm_cell {
    FSM_CELL_REFUSE = 0,
    FSM_CELL_IGNORE = 1,
    FSM_CELL_GO = 2,
    FSM_CELL_PROGRAM = 3,
    FSM_CELL_DEFER = 4
};

/* An instruction; a, b and c name registers, or b | c << 16 is a value. */
typedef struct {
    uint8_t opcode;
    uint8_t mode;
    uint16_t a;
    uint16_t b;
    uint16_t c;
} fsm_instruction;

typedef char fsm_instruction_is_a_word[sizeof(fsm_instruction) == 8 ? 1 : -1];

enum fsm_opcode {
    FSM_OP_GO = 0,
    FSM_OP_STAY = 1,
    FSM_OP_REFUSE = 2,
    FSM_OP_IGNORE = 3,
    FSM_OP_JUMP = 4,
    FSM_OP_JUMP_LESS = 5,
    FSM_OP_JUMP_NOT_LESS = 6,
    FSM_OP_JUMP_EQUAL = 7,
    FSM_OP_JUMP_NOT_EQUAL = 8,
    FSM_OP_MOVE = 9,
    FSM_OP_ADD = 10,
    FSM_OP_SUBTRACT = 11,
    FSM_OP_MULTIPLY = 12,
    FSM_OP_MINIMUM = 13,
    FSM_OP_MAXIMUM = 14,
    FSM_OP_MODULO = 15,
    FSM_OP_WIDEN = 16,
    FSM_OP_DIVIDE = 17,
    FSM_OP_BOUND = 18,
    FSM_OP_DEFER = 19,
    FSM_OP_NEXT = 20,
    FSM_OP_NEXT_STAY = 21,
    FSM_OP_FOLLOW = 22,
    FSM_OP_ARM = 23,
    FSM_OP_CANCEL = 24,
    FSM_OP_RAISE = 25
};

/* How a GO or NEXT finds the next configuration: its mode. */
enum fsm_going { FSM_GOING_ABSOLUTE = 0, FSM_GOING_SUCCESSOR = 1 };

enum fsm_rounding {
    FSM_ROUND_DOWN = 0,
    FSM_ROUND_UP = 1,
    FSM_ROUND_FLOOR = 2,
    FSM_ROUND_CEILING = 3,
    FSM_ROUND_HALF_EVEN = 4,
    FSM_ROUND_HALF_UP = 5,
    FSM_ROUND_HALF_DOWN = 6
};

#endif
