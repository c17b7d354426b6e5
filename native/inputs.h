/* What an engine takes: events, starts, releases and the time. Each input has a number of its own.
 *
 *   event   --> fsm_step    --> flat: step.h | else: macrostep.h, then deferral.h      without a journal
 *           --> fsm_take_flat, fsm_take                                                with one: journalled.h
 *   start   --> fsm_start   --> the initial configuration is entered
 *   release --> fsm_release --> the row of an ended instance is free
 *   time    --> fsm_advance --> timers that are due, in order --> each the same as an event
 */
#ifndef FSM_INPUTS_H
#define FSM_INPUTS_H

#include "journalled.h"

/* One event of a flow that is not flat; the argument words are in their registers. */
FSM_NOINLINE int fsm_step_charted(const fsm_machine *machine, uint64_t index, uint64_t event)
{
    uint64_t *row = machine->rows + index * machine->row_words, before = (uint32_t)row[0];
    uint32_t at_most;
    row[1] = machine->header->applied;
    if (event >= machine->event_count) return FSM_UNKNOWN_EVENT;
    int outcome = fsm_decide(machine, index, row, event, &at_most);
    if (outcome == FSM_DEFERRED) return fsm_defer(machine, row, event, at_most);
    fsm_keep_place(machine);
    if (outcome == FSM_ACCEPTED && machine->deferral_words != 0) fsm_give_again(machine, index, row, before, NULL);
    return outcome;
}

/* Number the input, find its row, and step it, without a journal. `flat` is the machine's word, or a constant. */
FSM_ALWAYS_INLINE int fsm_step(const fsm_machine *machine, uint64_t instance, uint64_t event, const int flat)
{
    machine->header->applied++;
    uint64_t *row = fsm_find_row(machine, instance);
    if (row == NULL) return FSM_UNKNOWN_INSTANCE;
    if (__builtin_expect(flat, 1)) return fsm_step_flat(machine, row, event);
    return fsm_step_charted(machine, (uint32_t)instance, event);
}

/* The row that the next instance gets, which is zero but for its generation and its place among the free ones. */
static inline uint64_t fsm_next_row(const fsm_machine *machine)
{
    uint64_t free_row = machine->header->free_row;
    return free_row != 0 ? free_row - 1 : machine->header->row_count;
}

/* Fill a row and enter the initial configuration. A refused start leaves its number, its frames and its place alone.
 * The slot is that of the index where the key goes. */
static int fsm_start(
    const fsm_machine *machine, const fsm_key *key, uint64_t hashed, uint64_t *slot, const int64_t *fields)
{
    fsm_header *header = machine->header;
    uint64_t index = fsm_next_row(machine), *row = machine->rows + index * machine->row_words;
    uint64_t generation = row[0] >> 32 & 0xFFFF, sequence = header->applied + 1, *image = machine->staged;
    uint64_t field_words = machine->row_words - 3;
    int64_t *registers = machine->registers;
    int outcome = FSM_ACCEPTED;
    fsm_macrostep step = {.machine = machine, .configuration = (uint32_t)machine->initial_configuration};
    assert(index < machine->capacity && (row[0] >> 48 & FSM_ROW_LIVE) == 0);
    memcpy(registers + 3, fields, field_words * sizeof *fields);
    registers[FSM_SLOTS_SET] = 0;
    registers[FSM_FAULT_PLACE] = FSM_NO_FAULT;
    if (machine->start != FSM_NONE) {
        memset(registers + machine->row_words, 0, FSM_ARGUMENT_WORDS * sizeof *registers);
        outcome = fsm_run_macrostep(&step, FSM_CELL_PROGRAM | machine->start << 32);
    }
    image[0] = step.configuration | generation << 32 | FSM_ROW_LIVE << 48;
    image[1] = sequence;
    image[2] = fsm_second(machine);
    memcpy(image + 3, registers + 3, field_words * sizeof *image);
    if (machine->ring != NULL)
        sequence = fsm_tell_start(machine, key, index, fields, outcome, image);
    fsm_keep_place(machine);
    if (outcome == FSM_ACCEPTED) {
        if (header->free_row == index + 1) fsm_store(&header->free_row, row[FSM_ROW_NEXT_FREE]);
        machine->keys[index] = *key;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        fsm_publish_row(row, image, image[1], machine->row_words);
        /* The counter first: then an entry that nobody counted says that the slot was a released one. */
        if (*slot == 0) fsm_count(header, &header->index_filled, header->index_filled + 1, image[1]);
        fsm_store(slot, hashed >> 32 << 32 | (index + 1));
        if (header->row_count <= index) fsm_store(&header->row_count, index + 1);
        fsm_arm_timers(machine, index, row, (uint64_t)registers[FSM_SLOTS_SET]);
    }
    return fsm_acknowledge(header, sequence, outcome);
}

/* Free the row of an ended instance. A row whose generations are used up is never used again. */
static void fsm_release(const fsm_machine *machine, uint64_t index, uint64_t *slot)
{
    fsm_header *header = machine->header;
    uint64_t *row = machine->rows + index * machine->row_words, *image = machine->staged;
    uint64_t generation = row[0] >> 32 & 0xFFFF, sequence = header->applied + 1, previous_free = header->free_row;
    int used_up = generation == 0xFFFF;
    memset(image, 0, machine->row_words * sizeof *image);
    image[0] = (used_up ? generation : generation + 1) << 32;
    image[1] = sequence;
    if (!used_up) {
        const uint64_t *head = machine->rows + (previous_free - 1) * machine->row_words;
        image[FSM_ROW_NEXT_FREE] = previous_free;
        image[FSM_ROW_NEXT_FREE + 1] = 1 + (previous_free != 0 ? head[FSM_ROW_NEXT_FREE + 1] : 0);
    }
    if (machine->ring != NULL) {
        fsm_group group = fsm_open_group(machine);
        fsm_told told = {.kind = FSM_FRAME_RELEASE, .row = index, .before = (uint32_t)row[0], .after = FSM_NONE,
                         .previous = row[1], .generation = generation, .place = FSM_NONE};
        fsm_tell(&group, &told, image);
        fsm_commit_group(&group);
    }
    if (slot != NULL) fsm_store(slot, FSM_INDEX_RELEASED);
    memset(&machine->keys[index], 0, sizeof machine->keys[index]);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    fsm_publish_row(row, image, sequence, machine->row_words);
    if (!used_up) fsm_store(&header->free_row, index + 1);
    fsm_store(&header->applied, sequence);
}

/* One timer: its slot is empty before its step is tried, and stays so where that is refused. */
static void fsm_fire(const fsm_machine *machine, uint64_t index, uint64_t slot)
{
    uint64_t *row = machine->rows + index * machine->row_words, before = (uint32_t)row[0];
    uint32_t at_most;
    assert(row[machine->field_end + slot] != 0);
    if (machine->ring != NULL) {
        fsm_take_timer(machine, index, slot);
        return;
    }
    row[machine->field_end + slot] = 0;
    row[1] = ++machine->header->applied;
    int outcome = fsm_decide(machine, index, row, machine->timer_column + slot, &at_most);
    machine->header->untold[outcome]++;
    fsm_keep_place(machine);
    if (outcome == FSM_ACCEPTED && machine->deferral_words != 0) fsm_give_again(machine, index, row, before, NULL);
}

/* Take fsm_timers_bytes of zeros, and arm what the rows say is armed. */
static void fsm_open_timers(fsm_machine *machine, void *memory)
{
    uint64_t slots = ~UINT64_C(0) >> (64 - machine->timer_slots);
    machine->timers =
        fsm_timers_open(memory, machine->capacity * machine->timer_slots, (int64_t)machine->header->now_ns);
    for (uint64_t index = 0; index < machine->header->row_count; index++) {
        const uint64_t *row = machine->rows + index * machine->row_words;
        if (row[0] >> 48 & FSM_ROW_LIVE) fsm_arm_timers(machine, index, row, slots);
    }
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

/* Fire what is due, or as much of it as there is room for: how many that were is added to `fired`. What is left is due
 * still, and this is called again for it. */
static int fsm_fire_due(const fsm_machine *machine, int64_t *fired)
{
    fsm_timers *timers = machine->timers;
    if (timers == NULL) return FSM_ACCEPTED;
    memset(machine->registers + machine->row_words, 0, FSM_ARGUMENT_WORDS * sizeof(int64_t));
    for (uint32_t ahead = 0; ahead < FSM_PREFETCH_DISTANCE; ahead++)
        fsm_prefetch_due(machine, timers, timers->due_first + ahead);
    while (fsm_timers_are_due(timers)) {
        if (machine->ring != NULL) {
            uint64_t index = timers->due[timers->due_first] / machine->timer_slots;
            if (machine->header->fence != 0) return FSM_FENCED;
            const uint64_t *row = machine->rows + index * machine->row_words;
            if (!fsm_is_sound(machine, row)) return fsm_is_corrupt(machine, index);
            if (!fsm_has_room(machine)) return FSM_NO_ROOM;
        }
        uint32_t timer = fsm_timers_take(timers);
        fsm_prefetch_due(machine, timers, timers->due_first + FSM_PREFETCH_DISTANCE);
        fsm_fire(machine, timer / machine->timer_slots, timer % machine->timer_slots);
        *fired += 1;
    }
    return machine->header->fence != 0 ? FSM_FENCED : FSM_ACCEPTED;
}

/* Whoever gives up leaves the rest for the next time, in order with what is due by then. */
static void fsm_give_due_back(const fsm_machine *machine)
{
    fsm_timers *timers = machine->timers;
    if (timers == NULL) return;
    while (fsm_timers_are_due(timers)) {
        uint32_t timer = fsm_timers_take(timers);
        uint64_t index = timer / machine->timer_slots, slot = timer % machine->timer_slots;
        const uint64_t *row = machine->rows + index * machine->row_words;
        fsm_arm_timers(machine, index, row, UINT64_C(1) << slot);
    }
}

/* Move the clock forward and fire what is due by then, as it stands at that moment: what is armed or cancelled
 * meanwhile is due no more. An earlier time changes nothing. Where a journal has no room in between, fsm_fire_due goes
 * on with the rest. The index of timers is there if the flow has any. */
static int fsm_advance(fsm_machine *machine, uint64_t now_ns, int64_t *fired)
{
    if (machine->ring != NULL && machine->header->fence != 0) return FSM_FENCED;
    if (now_ns < machine->header->now_ns) return FSM_ACCEPTED;
    fsm_set_clock(machine, now_ns);
    if (machine->timers == NULL) return FSM_ACCEPTED;
    fsm_timers_reach(machine->timers, (int64_t)now_ns);
    return fsm_fire_due(machine, fired);
}

#endif
