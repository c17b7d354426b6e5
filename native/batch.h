/* Many steps in a row, without the GIL. */
#ifndef FSM_BATCH_H
#define FSM_BATCH_H

#include <string.h>
#include <time.h>

#include "inputs.h"

typedef struct {
    ptrdiff_t count;
    ptrdiff_t width; /* argument words given for each event, at most six */
    const uint64_t *instances;
    const int64_t *event_ids;
    const int64_t *arguments;
    const int64_t *times;  /* or NULL */
    uint8_t *outcomes;
    uint32_t *nanoseconds; /* or NULL: what each step took */
} fsm_batch;

static inline int64_t fsm_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Ask for the row of an event to come, and for the place of its first timer. */
FSM_ALWAYS_INLINE void fsm_prefetch_row(const fsm_machine *machine, uint64_t row, const int flat)
{
    if (row >= machine->capacity) return;
    __builtin_prefetch(machine->rows + row * machine->row_words, 1, 3);
    if (!flat && machine->timers != NULL)
        __builtin_prefetch(machine->timers->places + row * machine->timer_slots, 1, 3);
}

/* Later, when its place is there: for the chunk of that timer, which the event may well cancel. */
FSM_ALWAYS_INLINE void fsm_prefetch_timer(const fsm_machine *machine, uint64_t row)
{
    if (machine->timers == NULL || row >= machine->capacity) return;
    __builtin_prefetch(machine->timers->chunks + machine->timers->places[row * machine->timer_slots] / 8, 1, 3);
}

/* `timed` and `flat` are constants where it matters, so that the loop of a flat flow without a clock has no trace of
 * anything else. */
FSM_ALWAYS_INLINE void fsm_run_batch(fsm_machine *machine, const fsm_batch *batch, const int timed, const int flat)
{
    int64_t *const words = machine->registers + machine->row_words;
    const int64_t *arguments = batch->arguments;
    const uint64_t *const instances = batch->instances;
    const int64_t *const event_ids = batch->event_ids, *const times = batch->times;
    uint8_t *const outcomes = batch->outcomes;
    const ptrdiff_t count = batch->count, width = batch->width;

    memset(words, 0, FSM_ARGUMENT_WORDS * sizeof *words);
    for (ptrdiff_t i = 0; i < count; i++, arguments += width) {
        if (i + FSM_PREFETCH_DISTANCE < count)
            fsm_prefetch_row(machine, (uint32_t)instances[i + FSM_PREFETCH_DISTANCE], flat);
        if (!flat && i + FSM_PREFETCH_DISTANCE / 2 < count)
            fsm_prefetch_timer(machine, (uint32_t)instances[i + FSM_PREFETCH_DISTANCE / 2]);
        if (times != NULL && times[i] >= 0) {
            if (flat) fsm_set_clock(machine, times[i]);
            else fsm_advance(machine, times[i]);
        }
        int64_t begin = timed ? fsm_clock_ns() : 0;
        if (width > 0) words[0] = arguments[0];
        if (width > 1) {
            words[1] = arguments[1];
            for (ptrdiff_t word = 2; word < width; word++) words[word] = arguments[word];
        }
        outcomes[i] = fsm_step(machine, instances[i], event_ids[i], flat);
        if (timed) {
            int64_t took = fsm_clock_ns() - begin;
            batch->nanoseconds[i] = took < UINT32_MAX ? took : UINT32_MAX;
        }
    }
}

static void fsm_step_batch(fsm_machine *shared, const fsm_batch *batch)
{
    if (!shared->is_flat) {
        fsm_run_batch(shared, batch, batch->nanoseconds != NULL, 0);
        return;
    }
    /* A copy whose address does not escape: the stores to rows cannot change it, so it is not read anew. */
    fsm_machine machine = *shared;
    if (batch->nanoseconds == NULL) fsm_run_batch(&machine, batch, 0, 1);
    else fsm_run_batch(&machine, batch, 1, 1);
    shared->second = machine.second;
}

#endif
