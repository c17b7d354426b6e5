/* What an engine takes: events, starts, and the time. Each input has a number of its own.
 *
 *   event   --> fsm_step    --> flat: step.h | else: macrostep.h, then deferral.h
 *   start   --> fsm_start   --> the initial configuration is entered
 *   time    --> fsm_advance --> timers that are due, in order --> each the same as an event
 */
#ifndef FSM_INPUTS_H
#define FSM_INPUTS_H

#include "deferral.h"

/* One event of a flow that is not flat; the argument words are in their registers. */
FSM_NOINLINE int fsm_step_charted(const fsm_machine *machine, uint64_t index, uint64_t event)
{
    uint64_t *row = machine->rows + index * machine->row_words, before = (uint32_t)row[0];
    uint32_t at_most;
    row[1] = machine->header->sequence;
    if (event >= machine->event_count) return FSM_UNKNOWN_EVENT;
    int outcome = fsm_decide(machine, index, event, &at_most);
    if (outcome == FSM_DEFERRED) return fsm_defer(machine, row, event, at_most);
    if (outcome == FSM_ACCEPTED && machine->deferral_words != 0) fsm_give_again(machine, index, before);
    return outcome;
}

/* Number the input, find its row, and step it. `flat` is the machine's word for it, or a constant. */
FSM_ALWAYS_INLINE int fsm_step(const fsm_machine *machine, uint64_t instance, uint64_t event, const int flat)
{
    machine->header->sequence++;
    uint64_t *row = fsm_find_row(machine, instance);
    if (row == NULL) return FSM_UNKNOWN_INSTANCE;
    if (__builtin_expect(flat, 1)) return fsm_step_flat(machine, row, event);
    return fsm_step_charted(machine, (uint32_t)instance, event);
}

/* Fill the next row and enter the initial configuration. A refused start leaves its number and its place alone. */
static int fsm_start(
    const fsm_machine *machine, const fsm_key *key, uint64_t hashed, uint64_t *slot, const int64_t *fields)
{
    uint64_t index = machine->header->row_count, *row = machine->rows + index * machine->row_words;
    int64_t *registers = machine->registers;
    fsm_macrostep step = {.machine = machine, .configuration = (uint32_t)machine->initial_configuration};
    assert(index < machine->capacity && row[0] == 0 && *slot == 0);
    machine->header->sequence++;
    memcpy(registers + 3, fields, (machine->row_words - 3) * sizeof *fields);
    registers[FSM_SLOTS_SET] = 0;
    if (machine->start != FSM_NONE) {
        memset(registers + machine->row_words, 0, FSM_ARGUMENT_WORDS * sizeof *registers);
        int outcome = fsm_run_macrostep(&step, FSM_CELL_PROGRAM | machine->start << 32);
        if (outcome != FSM_ACCEPTED) return outcome;
    }
    machine->keys[index] = *key;
    row[1] = machine->header->sequence;
    row[2] = machine->second;
    memcpy(row + 3, registers + 3, (machine->row_words - 3) * sizeof *row);
    row[0] = step.configuration | FSM_ROW_LIVE << 48;
    machine->header->row_count = index + 1;
    *slot = hashed >> 32 << 32 | (index + 1);
    fsm_arm_timers(machine, index, (uint64_t)registers[FSM_SLOTS_SET]);
    return FSM_ACCEPTED;
}

/* One timer: its slot is empty before its step is tried, and stays so where that is refused. */
static void fsm_fire(const fsm_machine *machine, uint64_t index, uint64_t slot)
{
    uint64_t *row = machine->rows + index * machine->row_words, before = (uint32_t)row[0];
    uint32_t at_most;
    assert(row[machine->field_end + slot] != 0);
    row[machine->field_end + slot] = 0;
    row[1] = ++machine->header->sequence;
    int outcome = fsm_decide(machine, index, machine->timer_column + slot, &at_most);
    machine->header->untold[outcome]++;
    if (outcome == FSM_ACCEPTED && machine->deferral_words != 0) fsm_give_again(machine, index, before);
}

/* Take fsm_timers_bytes of zeros, and arm what the rows say is armed. */
static void fsm_open_timers(fsm_machine *machine, void *memory)
{
    uint64_t slots = ~UINT64_C(0) >> (64 - machine->timer_slots);
    machine->timers =
        fsm_timers_open(memory, machine->capacity * machine->timer_slots, (int64_t)machine->header->now_ns);
    for (uint64_t index = 0; index < machine->header->row_count; index++) fsm_arm_timers(machine, index, slots);
}

/* Ask for the row of a timer that will be fired soon, and for its place. Inlined by force: gcc takes a function that
 * only asks for memory for one that does nothing, and drops the call. */
FSM_ALWAYS_INLINE void fsm_prefetch_due(const fsm_machine *machine, const fsm_timers *timers, uint32_t number)
{
    if (number >= timers->due_end) return;
    uint32_t timer = timers->due[number];
    __builtin_prefetch(machine->rows + timer / machine->timer_slots * machine->row_words, 1, 3);
    __builtin_prefetch(timers->places + timer, 1, 3);
}

/* Move the clock forward and fire what is due by then, as it stands at that moment: what is armed or cancelled
 * meanwhile is due no more. Returns how many timers were fired; an earlier time changes nothing. */
static int64_t fsm_advance(fsm_machine *machine, uint64_t now_ns)
{
    fsm_timers *timers = machine->timers;
    int64_t *arguments = machine->registers + machine->row_words, fired = 0;
    if (now_ns < machine->header->now_ns) return 0;
    fsm_set_clock(machine, now_ns);
    if (timers == NULL) return 0;
    fsm_timers_reach(timers, (int64_t)now_ns);
    memset(arguments, 0, FSM_ARGUMENT_WORDS * sizeof *arguments);
    for (uint32_t ahead = 0; ahead < FSM_PREFETCH_DISTANCE; ahead++) fsm_prefetch_due(machine, timers, ahead);
    for (uint32_t timer; (timer = fsm_timers_take(timers)) != FSM_NO_TIMER; fired++) {
        fsm_prefetch_due(machine, timers, timers->due_first + FSM_PREFETCH_DISTANCE);
        fsm_fire(machine, timer / machine->timer_slots, timer % machine->timer_slots);
    }
    return fired;
}

#endif
