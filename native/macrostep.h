/* The macrostep of a flow that is not flat: microsteps on one image of the row, until none is enabled.
 *
 *   cell --> refuse | ignore | defer | go
 *     '----> program: guards decide, actions run on registers
 *              '--next--> eventless, then the oldest internal event --.
 *                ^----------------------------------------------------'
 *   --> the image, whole, into the row; the timers whose slots were set into the index
 *
 * fsm/engine/macrostep.py says the same in plain Python.
 */
#ifndef FSM_MACROSTEP_H
#define FSM_MACROSTEP_H

#include "step.h"

enum { FSM_FAULT = 0x100 }; /* beside an outcome: it undoes the macrostep, where a refusal says "not enabled" */

typedef struct {
    const fsm_machine *machine;
    uint32_t configuration; /* after the last microstep that was taken */
    uint32_t at_most;       /* FSM_DEFERRED: how many events may wait before this one */
    uint32_t raised_first;
    uint32_t raised_count;
    const fsm_instruction *at; /* where the last program ended; NULL where a cell had none */
    int goes_on;
} fsm_macrostep;

/* The column goes to the end of the queue of internal events, which is a ring. */
static inline int fsm_raise(fsm_macrostep *step, uint16_t column)
{
    const fsm_machine *machine = step->machine;
    if (step->raised_count >= machine->raised_max) return FSM_BOUND;
    uint32_t end = step->raised_first + step->raised_count++;
    machine->raised[end < machine->raised_max ? end : end - machine->raised_max] = column;
    return FSM_ACCEPTED;
}

static inline uint64_t fsm_take_raised(fsm_macrostep *step)
{
    uint64_t column = step->machine->raised[step->raised_first];
    assert(step->raised_count > 0);
    step->raised_count--;
    if (++step->raised_first == step->machine->raised_max) step->raised_first = 0;
    return column;
}

/* A program ended in `go`, `stay` or one of their kind. */
FSM_ALWAYS_INLINE int fsm_end_microstep(fsm_macrostep *step, const fsm_instruction *at)
{
    const fsm_machine *machine = step->machine;
    uint64_t configuration = (uint64_t)machine->registers[FSM_CONFIGURATION];
    if (at->opcode == FSM_OP_GO || at->opcode == FSM_OP_NEXT)
        configuration = at->mode == FSM_GOING_SUCCESSOR ? (uint64_t)fsm_successor(machine->registers, fsm_value(at))
                                                        : fsm_value(at);
    if (FSM_UNLIKELY(configuration >= machine->configuration_count)) return FSM_BOUND | FSM_FAULT;
    step->configuration = (uint32_t)configuration;
    step->goes_on = at->opcode == FSM_OP_NEXT || at->opcode == FSM_OP_NEXT_STAY;
    return FSM_ACCEPTED;
}

/* Run a program to its end, from the configuration of the last microstep. */
FSM_ALWAYS_INLINE int fsm_run_program(fsm_macrostep *step, const fsm_instruction *at)
{
    const fsm_machine *machine = step->machine;
    int64_t *registers = machine->registers;
    registers[FSM_CONFIGURATION] = step->configuration;
    for (;; at++) {
        int fault;
        assert(at < machine->code + machine->code_count);
        step->at = at = fsm_interpret(registers, at);
        assert(at < machine->code + machine->code_count);
        if (__builtin_expect(at->opcode == FSM_OP_GO || at->opcode == FSM_OP_STAY, 1))
            return fsm_end_microstep(step, at);
        switch (at->opcode) {
        case FSM_OP_NEXT:
        case FSM_OP_NEXT_STAY: return fsm_end_microstep(step, at);
        case FSM_OP_REFUSE: return at->a;
        case FSM_OP_IGNORE: return FSM_IGNORED;
        case FSM_OP_DEFER: step->at_most = at->a; return FSM_DEFERRED;
        case FSM_OP_RAISE: fault = fsm_raise(step, at->a); break;
        case FSM_OP_DIVIDE:
            fault = fsm_divide_wide(registers[FSM_WIDE_LEFT], registers[FSM_WIDE_RIGHT], registers[at->b], at->mode,
                                    &registers[at->a]);
            break;
        default: fault = fsm_fault_of(at); break;
        }
        if (FSM_UNLIKELY(fault != FSM_ACCEPTED)) return fault | FSM_FAULT;
    }
}

/* What a cell comes to. */
FSM_ALWAYS_INLINE int fsm_run_cell(fsm_macrostep *step, uint64_t cell)
{
    step->goes_on = 0;
    step->at = NULL;
    if (__builtin_expect((cell & 0xFF) == FSM_CELL_PROGRAM, 1))
        return fsm_run_program(step, step->machine->code + (cell >> 32));
    switch (cell & 0xFF) {
    case FSM_CELL_GO: step->configuration = (uint32_t)(cell >> 32); return FSM_ACCEPTED;
    case FSM_CELL_DEFER: step->at_most = (uint32_t)(cell >> 32); return FSM_DEFERRED;
    case FSM_CELL_IGNORE: return FSM_IGNORED;
    default: return cell >> 8 & 0xFF;
    }
}

/* Further microsteps: eventless transitions first, then internal events, oldest first, until one enables something. */
FSM_NOINLINE int fsm_settle(fsm_macrostep *step)
{
    const fsm_machine *machine = step->machine;
    uint64_t microsteps = 0, column = machine->always_column;
    while (step->goes_on) {
        int outcome = FSM_IGNORED;
        if (column != FSM_NONE)
            outcome = fsm_run_cell(step, machine->cells[step->configuration * machine->column_count + column]);
        if (outcome & FSM_FAULT) return outcome;
        if (outcome == FSM_ACCEPTED) {
            if (++microsteps > machine->microsteps_max) return FSM_BOUND | FSM_FAULT;
            column = machine->always_column;
        } else if (step->raised_count > 0) {
            column = fsm_take_raised(step);
            step->goes_on = 1;
        } else {
            break;
        }
    }
    return FSM_ACCEPTED;
}

/* Run a cell and what follows from it on the image in the registers. A fault leaves its place there too. */
FSM_ALWAYS_INLINE int fsm_run_macrostep(fsm_macrostep *step, uint64_t cell)
{
    const fsm_machine *machine = step->machine;
    machine->registers[FSM_SLOTS_SET] = 0;
    machine->registers[FSM_FAULT_PLACE] = FSM_NO_FAULT;
    int outcome = fsm_run_cell(step, cell);
    if (outcome == FSM_ACCEPTED && step->goes_on) outcome = fsm_settle(step);
    if (FSM_UNLIKELY(outcome & FSM_FAULT)) {
        machine->registers[FSM_FAULT_PLACE] = step->at == NULL ? FSM_NONE : machine->places[step->at - machine->code];
        return outcome & ~FSM_FAULT;
    }
    return outcome;
}

/* Cancel the timers of some slots of a row, as the row has them still. */
static inline void fsm_cancel_timers(const fsm_machine *machine, uint64_t index, const uint64_t *row, uint64_t slots)
{
    const uint64_t *moments = row + machine->field_end;
    if (machine->timers == NULL) return; /* the index is made when time is first asked for */
    for (; slots != 0; slots &= slots - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(slots);
        assert(slot < machine->timer_slots);
        fsm_timers_cancel(machine->timers, (uint32_t)(index * machine->timer_slots) + slot, (int64_t)moments[slot]);
    }
}

/* Arm those that the row has now. */
static inline void fsm_arm_timers(const fsm_machine *machine, uint64_t index, const uint64_t *row, uint64_t slots)
{
    const uint64_t *moments = row + machine->field_end;
    if (machine->timers == NULL) return;
    for (; slots != 0; slots &= slots - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(slots);
        if (moments[slot] == 0) continue;
        fsm_timers_arm(machine->timers, (uint32_t)(index * machine->timer_slots) + slot, (int64_t)moments[slot]);
    }
}

/* Decide what becomes of a column's event or timer in a row, and write that into it: all of it, or nothing. The row is
 * that of the memory, or a copy of it that a journal tells of first. The arguments are in their registers.
 * FSM_DEFERRED, with how many may wait, only says that the flow defers it. */
static int fsm_decide(const fsm_machine *machine, uint64_t index, uint64_t *row, uint64_t column, uint32_t *at_most)
{
    fsm_macrostep step = {.machine = machine, .configuration = (uint32_t)row[0]};
    assert(step.configuration < machine->configuration_count && column < machine->column_count);
    uint64_t cell = machine->cells[step.configuration * machine->column_count + column];
    fsm_copy_fields((uint64_t *)machine->registers, row, machine->image_end);
    int outcome = fsm_run_macrostep(&step, cell);
    *at_most = step.at_most;
    if (outcome != FSM_ACCEPTED) return outcome;
    assert(step.configuration < machine->configuration_count);
    /* Whatever was set, also to the deadline that it had: it was armed anew, and is not due before the next time. */
    uint64_t slots = (uint64_t)machine->registers[FSM_SLOTS_SET];
    fsm_cancel_timers(machine, index, row, slots);
    fsm_commit(row, step.configuration, fsm_second(machine));
    fsm_copy_fields(row, (const uint64_t *)machine->registers, machine->image_end);
    fsm_arm_timers(machine, index, row, slots);
    assert((uint32_t)row[0] == step.configuration);
    return FSM_ACCEPTED;
}

/* What a journal or the header keeps of the last decision: the place of its fault. */
FSM_ALWAYS_INLINE uint64_t fsm_fault_place(const fsm_machine *machine)
{
    int64_t place = machine->registers[FSM_FAULT_PLACE];
    return place == FSM_NO_FAULT ? FSM_NONE : (uint64_t)place;
}

FSM_ALWAYS_INLINE void fsm_keep_place(const fsm_machine *machine)
{
    int64_t place = machine->registers[FSM_FAULT_PLACE];
    if (FSM_UNLIKELY(place != FSM_NO_FAULT)) machine->header->place = (uint64_t)place;
}

#endif
