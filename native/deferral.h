/* Deferred events: kept in the row, oldest first, and given again when other states are active.
 *
 *   word    | how many wait | id, arguments | id, arguments | 0 ...
 *
 * Each that is given again is a step of its own, with its own number and outcome, which no caller is told of.
 */
#ifndef FSM_DEFERRAL_H
#define FSM_DEFERRAL_H

#include "frames.h"

/* The event at the end of the queue, where there is room; its arguments are in their registers. */
static inline int fsm_defer(const fsm_machine *machine, uint64_t *row, uint64_t event, uint32_t at_most)
{
    uint64_t *waiting = row + machine->deferral_word, size = machine->deferral_words;
    if (size == 0 || *waiting >= at_most) return FSM_DEFERRAL_FULL;
    uint64_t *entry = waiting + 1 + *waiting * size;
    assert(entry + size <= row + machine->row_words);
    entry[0] = event;
    memcpy(entry + 1, machine->registers + machine->row_words, (size - 1) * sizeof *entry);
    *waiting += 1;
    return FSM_DEFERRED;
}

/* Take an entry out of the queue; those behind it move up. */
static inline void fsm_take_deferred(const fsm_machine *machine, uint64_t *waiting, uint64_t *entry)
{
    uint64_t size = machine->deferral_words, *end = waiting + 1 + *waiting * size;
    assert(*waiting > 0 && entry + size <= end);
    memmove(entry, entry + size, (size_t)(end - entry - size) * sizeof *entry);
    memset(end - size, 0, size * sizeof *entry);
    *waiting -= 1;
}

/* Whether other states are active; configurations may differ in what history remembers alone. */
static inline int fsm_has_moved(const fsm_machine *machine, uint64_t before, uint64_t after)
{
    if (before == after) return 0;
    const uint32_t *ends = machine->configurations;
    size_t old_count = ends[before + 1] - ends[before], new_count = ends[after + 1] - ends[after];
    return old_count != new_count
        || memcmp(machine->active + ends[before], machine->active + ends[after], old_count * sizeof *ends) != 0;
}

/* Number a deferred event that was given again, in a row that is staged behind a group or, without one, written. */
static inline void fsm_tell_again(
    const fsm_machine *machine, uint64_t index, uint64_t *row, uint64_t event, uint64_t before, int outcome,
    fsm_group *group)
{
    const int64_t *arguments = machine->registers + machine->row_words;
    if (group == NULL) {
        row[1] = ++machine->header->applied;
        machine->header->untold[outcome]++;
        fsm_keep_place(machine);
        return;
    }
    fsm_told told = {
        .kind = FSM_FRAME_AGAIN, .row = index, .event = event, .outcome = (uint64_t)outcome, .before = before,
        .after = (uint32_t)row[0], .previous = row[1], .generation = row[0] >> 32 & 0xFFFF,
        .place = fsm_fault_place(machine), .argument = (uint64_t)arguments[0],
    };
    if (machine->registers[FSM_FAULT_PLACE] != FSM_NO_FAULT) group->place = machine->registers[FSM_FAULT_PLACE];
    fsm_tell(group, &told, row);
    row[1] = group->sequence;
    if (fsm_has_more_arguments(arguments))
        fsm_continue_group(group, index, FSM_FRAME_ARGUMENTS, (const uint64_t *)arguments + 1, FSM_ARGUMENT_WORDS - 1);
}

/* Give each deferred event again that is not deferred there still, after a step from `before`; from the oldest on, and
 * again so whenever one of them was what changed the active states. */
FSM_NOINLINE void fsm_give_again(
    const fsm_machine *machine, uint64_t index, uint64_t *row, uint64_t before, fsm_group *group)
{
    uint64_t *waiting = row + machine->deferral_word, size = machine->deferral_words, position = 0;
    int64_t *arguments = machine->registers + machine->row_words;
    uint32_t at_most;
    if (*waiting == 0 || !fsm_has_moved(machine, before, (uint32_t)row[0])) return;
    while (position < *waiting) {
        uint64_t *entry = waiting + 1 + position * size, event = entry[0];
        assert(event < machine->event_count);
        memset(arguments, 0, FSM_ARGUMENT_WORDS * sizeof *arguments);
        memcpy(arguments, entry + 1, (size - 1) * sizeof *arguments);
        before = (uint32_t)row[0];
        int outcome = fsm_decide(machine, index, row, event, &at_most);
        if (outcome == FSM_DEFERRED) {
            position++;
            continue;
        }
        fsm_take_deferred(machine, waiting, entry);
        fsm_tell_again(machine, index, row, event, before, outcome, group);
        if (outcome == FSM_ACCEPTED && fsm_has_moved(machine, before, (uint32_t)row[0])) position = 0;
    }
    memset(arguments, 0, FSM_ARGUMENT_WORDS * sizeof *arguments); /* as a batch expects those that it does not give */
}

#endif
