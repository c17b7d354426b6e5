/* The step: one event against one row, decided in registers and then written whole, or not at all.
 *
 *   handle --> row --> cell --> go | refuse | ignore
 *                        '----> program: decide on an image in registers --> commit the image to the row
 *
 * Here is what every flow needs, and the whole step of a flat one: a flow without timers, deferred events and anything
 * that takes a second microstep. The steps of the others are told in macrostep.h, deferral.h and inputs.h.
 *
 * fsm/engine/mirror.py says the same in plain Python and is the specification. Nothing here checks an operand:
 * fsm/tablecheck.py did when the tables were read. No allocation, system call, lock, clock or Python object.
 *
 * Why C under a Cython boundary: docs/decisions/0005-the-step-is-c.md.
 */
#ifndef FSM_STEP_H
#define FSM_STEP_H

#include <assert.h> /* paired assertions around each write, in a build with FSM_DEBUG or FSM_SANITIZE */
#include <stddef.h>

#include "fsm/layout.h"
#include "timers.h"
#include "wide.h"

#define FSM_ALWAYS_INLINE static inline __attribute__((always_inline))
#define FSM_NOINLINE static __attribute__((noinline))
#define FSM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define FSM_PREFETCH_DISTANCE 12 /* events ahead: memory answers in the time of about ten steps */

/* Words 0 and 1 of the image are no fields: the factors that `widen` keeps for `divide` have them. */
enum { FSM_WIDE_LEFT = 0, FSM_WIDE_RIGHT = 1 };
/* Before the image stand words that no operand names. A flat flow uses none of them. */
enum {
    FSM_SLOTS_SET = -1,     /* one bit for each timer slot that was armed or cancelled */
    FSM_CONFIGURATION = -2, /* as of the last `follow` */
    FSM_SUCCESSORS = -3,    /* the address of the table */
    FSM_SUCCESSOR_COUNT = -4,
    FSM_CLOCK = -5,         /* the engine's time; another copy stands where programs read it */
    FSM_FAULT_PLACE = -6,   /* of the last decision, where it faulted; else FSM_NO_FAULT */
    FSM_TROUBLE_ROW = -7,   /* the row that cannot be stepped, for FSM_CORRUPT */
    FSM_SECOND = -8,        /* of the clock, where a row keeps it: in the high half of a word */
    FSM_PRIVATE_WORDS = 8
};
enum { FSM_NO_FAULT = -1 };
enum { FSM_LAST = 32 }; /* beside an opcode: the next instruction ends the program */

typedef struct {
    uint64_t *rows;
    const uint64_t *cells;
    fsm_instruction *code; /* a copy of its own, see fsm_prepare_code */
    int64_t *registers; /* the row's image, six argument words, the engine's time, temporaries, constants */
    fsm_header *header;
    uint64_t capacity;
    uint64_t row_words;
    uint64_t field_end; /* the word behind the last field: programs touch none from there on but timer slots */
    uint64_t event_count;
    uint64_t column_count; /* cells of a configuration: first those of its events */
    uint64_t configuration_count;
    uint64_t code_count;
    const uint32_t *places;
    int is_flat;
    /* What a flat flow has no use for. */
    uint64_t image_end; /* the word behind the last timer slot: programs touch none from there on */
    uint64_t timer_slots;
    uint64_t timer_column;
    uint64_t always_column; /* FSM_NONE without eventless transitions */
    uint64_t deferral_word; /* how many deferred events wait; they stand behind it */
    uint64_t deferral_slots; /* how many a row has room for */
    uint64_t deferral_words; /* of each of them; 0 where none is deferred */
    uint64_t microsteps_max;
    uint32_t raised_max;
    uint16_t *raised; /* the queue of internal events: room for raised_max columns */
    const uint32_t *configurations; /* where the active states of each begin in `active` */
    const uint32_t *active;
    fsm_timers *timers; /* the number of a timer is row * timer_slots + slot */
    /* What only the boundary uses. */
    fsm_key *keys;
    uint64_t *index;
    uint64_t index_mask;
    const int64_t *initial;
    uint64_t initial_configuration;
    uint64_t start; /* the program that enters it, or FSM_NONE */
    /* Of an engine with a journal; `ring` is NULL without one. */
    uint64_t *ring;
    uint64_t ring_mask;
    uint64_t frame_words;
    uint64_t group_max;  /* frames of the largest group */
    uint64_t room_until; /* the last sequence that the ring has room for */
    uint64_t *staged;    /* a row that is decided on and not yet written */
    uint64_t *idempotency; /* NULL before the first key */
    uint64_t idempotency_mask;
} fsm_machine;

/* The row of a live instance of this generation, or NULL. A row that was never started is zero, and so not live. */
FSM_ALWAYS_INLINE uint64_t *fsm_find_row(const fsm_machine *machine, uint64_t instance)
{
    uint64_t index = (uint32_t)instance;
    if (index >= machine->capacity) return NULL;
    uint64_t *row = machine->rows + index * machine->row_words;
    /* A sum, so that bits of the handle above the generation are never taken for the flags of the row. */
    return row[0] >> 32 == (instance >> 32) + (FSM_ROW_LIVE << 16) ? row : NULL;
}

/* Kept beside the registers and nowhere else: a batch runs on a copy of the machine, and what it calls on another. */
FSM_ALWAYS_INLINE uint64_t fsm_second(const fsm_machine *machine)
{
    return (uint64_t)machine->registers[FSM_SECOND];
}

FSM_ALWAYS_INLINE void fsm_commit(uint64_t *row, uint64_t configuration, uint64_t second)
{
    uint64_t state = row[0] >> 32 << 32 | configuration;
    /* Or the compiler stores the low half alone, and the next step's load of the whole word waits for it to arrive. */
    __asm__("" : "+r"(state));
    row[0] = state;
    row[2] = (uint32_t)(row[2] + 1) | second;
}

/* Word by word, here and back: a wider move would wait for the narrow stores that made the image. */
FSM_ALWAYS_INLINE void fsm_copy_fields(uint64_t *target, const uint64_t *source, uint64_t field_end)
{
    target[3] = source[3];
    target[4] = source[4];
    if (field_end > 5) {
        target[5] = source[5];
        target[6] = source[6];
        target[7] = source[7];
        for (uint64_t word = 8; word < field_end; word++) target[word] = source[word];
    }
}

FSM_ALWAYS_INLINE uint64_t fsm_value(const fsm_instruction *at)
{
    return at->b | (uint64_t)at->c << 16;
}

/* The remainder with the sign of the divisor; INT64_MIN % -1 is undefined in C, and 0 here. */
FSM_ALWAYS_INLINE int64_t fsm_modulo(int64_t dividend, int64_t divisor)
{
    if (divisor == -1) return 0;
    int64_t remainder = dividend % divisor;
    return remainder != 0 && (remainder ^ divisor) < 0 ? remainder + divisor : remainder;
}

/* The configuration, or one that is only passed through, after one more transition. */
FSM_ALWAYS_INLINE int64_t fsm_successor(const int64_t *registers, uint64_t number)
{
    const uint32_t *successors = (const uint32_t *)(uintptr_t)registers[FSM_SUCCESSORS];
    return successors[registers[FSM_CONFIGURATION] * registers[FSM_SUCCESSOR_COUNT] + (int64_t)number];
}

/* Mark the actions that the end of a program or microstep follows: they then stop there themselves, which saves a
 * fourth of a short program. Tell `arm` and `cancel` which bit is their slot's. The engine does so to its own copy of
 * the code; what is stored knows no such mark. */
static inline void fsm_prepare_code(fsm_instruction *code, size_t count, uint64_t field_end)
{
    for (size_t at = 0; at < count; at++) {
        int opcode = code[at].opcode, next = at + 1 < count ? code[at + 1].opcode : FSM_OP_JUMP;
        int ends = next == FSM_OP_GO || next == FSM_OP_STAY || next == FSM_OP_NEXT || next == FSM_OP_NEXT_STAY;
        if (ends && (opcode == FSM_OP_MOVE || opcode == FSM_OP_ADD || opcode == FSM_OP_SUBTRACT))
            code[at].opcode |= FSM_LAST;
        if (opcode == FSM_OP_ARM || opcode == FSM_OP_CANCEL) code[at].c = (uint16_t)(code[at].a - field_end);
    }
}

/* Whether no instruction needs more than the step of this file. */
static inline int fsm_is_flat_code(const fsm_instruction *code, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        if (code[at].opcode > FSM_OP_BOUND) return 0;
        if (code[at].opcode == FSM_OP_GO && code[at].mode != FSM_GOING_ABSOLUTE) return 0;
    }
    return 1;
}

/* Run a program on the image, as far as the instruction where it stops: a terminal, a division of a wide product, one
 * that raises, or one that faults. A function that calls nothing, so that what it keeps in registers costs nothing to
 * save. */
FSM_NOINLINE const fsm_instruction *fsm_interpret(int64_t *registers, const fsm_instruction *at)
{
    static const void *const LABELS[] = {
        [FSM_OP_GO] = &&stop,
        [FSM_OP_STAY] = &&stop,
        [FSM_OP_REFUSE] = &&stop,
        [FSM_OP_IGNORE] = &&stop,
        [FSM_OP_JUMP] = &&jump,
        [FSM_OP_JUMP_LESS] = &&jump_less,
        [FSM_OP_JUMP_NOT_LESS] = &&jump_not_less,
        [FSM_OP_JUMP_EQUAL] = &&jump_equal,
        [FSM_OP_JUMP_NOT_EQUAL] = &&jump_not_equal,
        [FSM_OP_MOVE] = &&move,
        [FSM_OP_ADD] = &&add,
        [FSM_OP_SUBTRACT] = &&subtract,
        [FSM_OP_MULTIPLY] = &&multiply,
        [FSM_OP_MINIMUM] = &&minimum,
        [FSM_OP_MAXIMUM] = &&maximum,
        [FSM_OP_MODULO] = &&modulo,
        [FSM_OP_WIDEN] = &&widen,
        [FSM_OP_DIVIDE] = &&stop,
        [FSM_OP_BOUND] = &&bound,
        [FSM_OP_DEFER] = &&stop,
        [FSM_OP_NEXT] = &&stop,
        [FSM_OP_NEXT_STAY] = &&stop,
        [FSM_OP_FOLLOW] = &&follow,
        [FSM_OP_ARM] = &&arm,
        [FSM_OP_CANCEL] = &&cancel,
        [FSM_OP_RAISE] = &&stop,
        [FSM_OP_MOVE | FSM_LAST] = &&move_last,
        [FSM_OP_ADD | FSM_LAST] = &&add_last,
        [FSM_OP_SUBTRACT | FSM_LAST] = &&subtract_last,
    };
    int64_t result;

#define A registers[at->a]
#define B registers[at->b]
#define C registers[at->c]
#define NEXT goto *LABELS[(++at)->opcode]
#define NEXT_AFTER_JUMP_IF(condition) \
    if (FSM_UNLIKELY(condition)) at += at->c; /* the compiler of flows lets what goes well fall through */ \
    NEXT
#define STORE_UNLESS(overflows) \
    if (FSM_UNLIKELY(overflows)) goto stop; \
    A = result

    goto *LABELS[at->opcode];

jump:
    at += fsm_value(at);
    NEXT;
jump_less:
    NEXT_AFTER_JUMP_IF(A < B);
jump_not_less:
    NEXT_AFTER_JUMP_IF(A >= B);
jump_equal:
    NEXT_AFTER_JUMP_IF(A == B);
jump_not_equal:
    NEXT_AFTER_JUMP_IF(A != B);
move:
    A = B;
    NEXT;
add:
    STORE_UNLESS(__builtin_add_overflow(B, C, &result));
    NEXT;
subtract:
    STORE_UNLESS(__builtin_sub_overflow(B, C, &result));
    NEXT;
multiply:
    STORE_UNLESS(__builtin_mul_overflow(B, C, &result));
    NEXT;
move_last:
    A = B;
    return at + 1;
add_last:
    STORE_UNLESS(__builtin_add_overflow(B, C, &result));
    return at + 1;
subtract_last:
    STORE_UNLESS(__builtin_sub_overflow(B, C, &result));
    return at + 1;
minimum:
    A = B < C ? B : C;
    NEXT;
maximum:
    A = B > C ? B : C;
    NEXT;
modulo:
    if (C == 0) goto stop;
    A = fsm_modulo(B, C);
    NEXT;
widen:
    registers[FSM_WIDE_LEFT] = B;
    registers[FSM_WIDE_RIGHT] = C;
    NEXT;
bound:
    if (A < B || A > C) goto stop;
    NEXT;
follow:
    registers[FSM_CONFIGURATION] = fsm_successor(registers, at->b);
    NEXT;
arm:
    result = B;
    if (at->mode != 0) {
        if (FSM_UNLIKELY(__builtin_add_overflow(registers[FSM_CLOCK], B, &result))) goto stop;
        if (result < 1) result = 1;
    }
    A = result;
    registers[FSM_SLOTS_SET] |= (int64_t)(UINT64_C(1) << at->c);
    NEXT;
cancel:
    A = 0;
    registers[FSM_SLOTS_SET] |= (int64_t)(UINT64_C(1) << at->c);
    NEXT;
stop:
    return at;

#undef A
#undef B
#undef C
#undef NEXT
#undef NEXT_AFTER_JUMP_IF
#undef STORE_UNLESS
}

/* What a fault at this instruction is. */
static inline int fsm_fault_of(const fsm_instruction *at)
{
    return at->opcode == FSM_OP_BOUND ? FSM_BOUND : at->opcode == FSM_OP_MODULO ? FSM_DIVISION : FSM_OVERFLOW;
}

/* Run a program of a flat flow on an image of the row in the registers, and write nothing. Where it is accepted,
 * `configuration` becomes the next one; where it faults, `place` its place. */
FSM_ALWAYS_INLINE int fsm_run_flat(
    const fsm_machine *machine, const uint64_t *row, const fsm_instruction *at, uint64_t *configuration,
    uint64_t *place)
{
    int64_t *registers = machine->registers;
    int outcome;
    fsm_copy_fields((uint64_t *)registers, row, machine->field_end);
    assert(at < machine->code + machine->code_count);
    at = fsm_interpret(registers, at);
    assert(at < machine->code + machine->code_count);
    while (FSM_UNLIKELY(at->opcode == FSM_OP_DIVIDE)) {
        outcome = fsm_divide_wide(registers[FSM_WIDE_LEFT], registers[FSM_WIDE_RIGHT], registers[at->b], at->mode,
                                  &registers[at->a]);
        if (outcome != FSM_ACCEPTED) goto fault;
        at = fsm_interpret(registers, at + 1);
    }
    if (at->opcode == FSM_OP_GO) *configuration = fsm_value(at);
    else if (at->opcode == FSM_OP_REFUSE) return at->a;
    else if (at->opcode == FSM_OP_IGNORE) return FSM_IGNORED;
    else if (FSM_UNLIKELY(at->opcode != FSM_OP_STAY)) {
        outcome = fsm_fault_of(at);
        goto fault;
    }
    assert(*configuration < machine->configuration_count);
    return FSM_ACCEPTED;
fault:
    *place = machine->places[at - machine->code];
    return outcome;
}

/* One event of a flat flow without a journal, run to completion; the argument words are in their registers. */
FSM_ALWAYS_INLINE int fsm_step_flat(const fsm_machine *machine, uint64_t *row, uint64_t event)
{
    row[1] = machine->header->applied;
    if (event >= machine->event_count) return FSM_UNKNOWN_EVENT;
    assert((uint32_t)row[0] < machine->configuration_count);
    uint64_t cell = machine->cells[(uint32_t)row[0] * machine->column_count + event];
    uint64_t kind = cell & 0xFF;
    if (__builtin_expect(kind == FSM_CELL_PROGRAM, 1)) {
        uint64_t configuration = (uint32_t)row[0], place = (uint64_t)FSM_NO_FAULT;
        int outcome = fsm_run_flat(machine, row, machine->code + (cell >> 32), &configuration, &place);
        if (outcome == FSM_ACCEPTED) {
            fsm_commit(row, configuration, fsm_second(machine));
            fsm_copy_fields(row, (const uint64_t *)machine->registers, machine->field_end);
            assert((uint32_t)row[0] == configuration);
        } else if (FSM_UNLIKELY(place != (uint64_t)FSM_NO_FAULT)) {
            machine->header->place = place;
        }
        return outcome;
    }
    if (kind == FSM_CELL_GO) {
        fsm_commit(row, cell >> 32, fsm_second(machine));
        return FSM_ACCEPTED;
    }
    if (kind == FSM_CELL_REFUSE) return cell >> 8 & 0xFF;
    return kind == FSM_CELL_IGNORE ? FSM_IGNORED : FSM_DEFERRAL_FULL; /* no row of a flat flow has room for any */
}

/* The engine's clock; an earlier time changes nothing. */
FSM_ALWAYS_INLINE void fsm_set_clock(const fsm_machine *machine, uint64_t now_ns)
{
    if (now_ns > machine->header->now_ns) machine->header->now_ns = now_ns;
    now_ns = machine->header->now_ns;
    machine->registers[FSM_SECOND] = (int64_t)(now_ns / UINT64_C(1000000000) << 32);
    machine->registers[FSM_CLOCK] = machine->registers[machine->row_words + FSM_NOW_OFFSET] = (int64_t)now_ns;
}

#endif
