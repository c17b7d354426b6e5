/* The step: one event against one row, decided in registers and then written whole, or not at all.
 *
 *   handle --> row --> cell --> go | refuse | ignore
 *                        '----> program: decide on an image in registers --> commit the image to the row
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
#include "wide.h"

#define FSM_ALWAYS_INLINE static inline __attribute__((always_inline))
#define FSM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define FSM_PREFETCH_DISTANCE 12 /* events ahead: memory answers in the time of about ten steps */

/* Words 0 and 1 of the image are no fields: the factors that `widen` keeps for `divide` have them. */
enum { FSM_WIDE_LEFT = 0, FSM_WIDE_RIGHT = 1 };
enum { FSM_LAST = 32 }; /* beside an opcode: the next instruction ends the program */

typedef struct {
    uint64_t *rows;
    const uint64_t *cells;
    fsm_instruction *code; /* a copy of its own, see fsm_mark_last */
    int64_t *registers; /* the row's image, six argument words, temporaries, constants */
    fsm_header *header;
    uint64_t capacity;
    uint64_t row_words;
    uint64_t field_end; /* the word behind the last field: programs touch none from there on */
    uint64_t event_count;
    uint64_t configuration_count;
    uint64_t code_count;
    uint64_t second; /* of the engine's clock, where a row keeps it: in the high half of a word */
    const uint32_t *places;
    fsm_key *keys;
    uint64_t *index;
    uint64_t index_mask;
    const int64_t *initial;
    uint64_t initial_configuration;
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

/* Mark the actions that a `go` or `stay` follows: they then stop there themselves, which saves a fourth of a short
 * program. The engine marks its own copy of the code; what is stored knows no such mark. */
static inline void fsm_mark_last(fsm_instruction *code, size_t count)
{
    for (size_t at = 0; at + 1 < count; at++) {
        int next = code[at + 1].opcode, opcode = code[at].opcode;
        int ends = next == FSM_OP_GO || next == FSM_OP_STAY;
        if (ends && (opcode == FSM_OP_MOVE || opcode == FSM_OP_ADD || opcode == FSM_OP_SUBTRACT))
            code[at].opcode |= FSM_LAST;
    }
}

/* Run a program on the image, as far as the instruction where it stops: a terminal, a division of a wide product, or
 * one that faults. A function that calls nothing, so that what it keeps in registers costs nothing to save. */
static __attribute__((noinline)) const fsm_instruction *fsm_interpret(int64_t *registers, const fsm_instruction *at)
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

/* Run a program on an image of the row. The row is written only where the program ends in `go` or `stay`. */
FSM_ALWAYS_INLINE int fsm_run(const fsm_machine *machine, uint64_t *row, const fsm_instruction *at)
{
    int64_t *registers = machine->registers;
    uint64_t configuration = (uint32_t)row[0];
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
    if (at->opcode == FSM_OP_GO) configuration = fsm_value(at);
    else if (at->opcode == FSM_OP_REFUSE) return at->a;
    else if (at->opcode == FSM_OP_IGNORE) return FSM_IGNORED;
    else if (FSM_UNLIKELY(at->opcode != FSM_OP_STAY)) {
        outcome = fsm_fault_of(at);
        goto fault;
    }
    assert(configuration < machine->configuration_count);
    fsm_commit(row, configuration, machine->second);
    fsm_copy_fields(row, (const uint64_t *)registers, machine->field_end);
    assert((uint32_t)row[0] == configuration);
    return FSM_ACCEPTED;
fault:
    machine->header->place = machine->places[at - machine->code];
    return outcome;
}

/* One event, run to completion; the argument words are in their registers. */
FSM_ALWAYS_INLINE int fsm_step_row(const fsm_machine *machine, uint64_t *row, uint64_t event)
{
    row[1] = machine->header->sequence;
    if (event >= machine->event_count) return FSM_UNKNOWN_EVENT;
    assert((uint32_t)row[0] < machine->configuration_count);
    uint64_t cell = machine->cells[(uint32_t)row[0] * machine->event_count + event];
    uint64_t kind = cell & 0xFF;
    if (__builtin_expect(kind == FSM_CELL_PROGRAM, 1)) return fsm_run(machine, row, machine->code + (cell >> 32));
    if (kind == FSM_CELL_GO) {
        fsm_commit(row, cell >> 32, machine->second);
        return FSM_ACCEPTED;
    }
    return kind == FSM_CELL_IGNORE ? FSM_IGNORED : cell >> 8 & 0xFF;
}

/* Number the input, find its row, and step it. */
FSM_ALWAYS_INLINE int fsm_step(const fsm_machine *machine, uint64_t instance, uint64_t event)
{
    machine->header->sequence++;
    uint64_t *row = fsm_find_row(machine, instance);
    return row == NULL ? FSM_UNKNOWN_INSTANCE : fsm_step_row(machine, row, event);
}

/* The engine's clock; an earlier time changes nothing. */
FSM_ALWAYS_INLINE void fsm_set_clock(fsm_machine *machine, uint64_t now_ns)
{
    if (now_ns > machine->header->now_ns) machine->header->now_ns = now_ns;
    machine->second = machine->header->now_ns / UINT64_C(1000000000) << 32;
}

#endif
