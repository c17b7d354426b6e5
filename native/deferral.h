/* Deferred events: kept in the row, oldest first, and given again when other states are active.
 *
 *   word    | how many wait | id, arguments | id, arguments | 0 ...
 *
 * Each that is given again is a step of its own, with its own number and outcome, which no caller is told of.
 */
#ifndef FSM_DEFERRAL_H
#define FSM_DEFERRAL_H

#include <string.h>

#include "macrostep.h"

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

/* Give each deferred event again that is not deferred there still, after a step from `before`; from the oldest on, and
 * again so whenever one of them was what changed the active states. */
FSM_NOINLINE void fsm_give_again(const fsm_machine *machine, uint64_t index, uint64_t before)
{
    uint64_t *row = machine->rows + index * machine->row_words, *waiting = row + machine->deferral_word;
    int64_t *arguments = machine->registers + machine->row_words;
    uint64_t size = machine->deferral_words, position = 0;
    uint32_t at_most;
    if (*waiting == 0 || !fsm_has_moved(machine, before, (uint32_t)row[0])) return;
    while (position < *waiting) {
        uint64_t *entry = waiting + 1 + position * size;
        assert(entry[0] < machine->event_count);
        memset(arguments, 0, FSM_ARGUMENT_WORDS * sizeof *arguments);
        memcpy(arguments, entry + 1, (size - 1) * sizeof *arguments);
        before = (uint32_t)row[0];
        int outcome = fsm_decide(machine, index, entry[0], &at_most);
        if (outcome == FSM_DEFERRED) {
            position++;
            continue;
        }
        row[1] = ++machine->header->sequence;
        machine->header->untold[outcome]++;
        fsm_take_deferred(machine, waiting, entry);
        if (outcome == FSM_ACCEPTED && fsm_has_moved(machine, before, (uint32_t)row[0])) position = 0;
    }
    memset(arguments, 0, FSM_ARGUMENT_WORDS * sizeof *arguments); /* as a batch expects those that it does not give */
}

#endif
