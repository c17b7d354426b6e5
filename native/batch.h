/* Many steps in a row, without the GIL. */
#ifndef FSM_BATCH_H
#define FSM_BATCH_H

#include <time.h>

#include "inputs.h"

typedef struct {
    ptrdiff_t count;
    ptrdiff_t done; /* how many were taken: where to go on when what stopped the batch is mended */
    ptrdiff_t reached; /* up to which event the clock was moved */
    ptrdiff_t width; /* argument words given for each event, at most six */
    const uint64_t *instances;
    const int64_t *event_ids;
    const int64_t *arguments;
    const int64_t *times;  /* or NULL */
    const uint64_t *keys;  /* idempotency: two words each, both 0 for none; or NULL */
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

/* An event with its key, where it has one. */
static inline int fsm_take_keyed(const fsm_machine *machine, uint64_t instance, uint64_t event, const uint64_t *key)
{
    fsm_input input = {.instance = instance, .event = event, .key = key[0] != 0 || key[1] != 0 ? key : NULL};
    return fsm_take(machine, &input);
}

enum fsm_way { FSM_WAY_FLAT, FSM_WAY_CHARTED, FSM_WAY_FLAT_JOURNALLED, FSM_WAY_JOURNALLED, FSM_WAY_KEYED };

/* `timed` and `way` are constants, so that the loop of a flat flow without a clock has no trace of anything else.
 * Returns 0, or what stopped the batch before event `done`. */
FSM_ALWAYS_INLINE int fsm_run_batch(
    fsm_machine *machine, const fsm_machine *whole, fsm_batch *batch, const int timed, const int way,
    const ptrdiff_t width)
{
    const int flat = way == FSM_WAY_FLAT || way == FSM_WAY_FLAT_JOURNALLED;
    int64_t *const words = machine->registers + machine->row_words;
    const ptrdiff_t count = batch->count;
    const int64_t *arguments = batch->arguments + batch->done * width;
    const uint64_t *const instances = batch->instances;
    const int64_t *const event_ids = batch->event_ids, *const times = batch->times;
    uint8_t *const outcomes = batch->outcomes;
    int64_t fired = 0;

    memset(words, 0, FSM_ARGUMENT_WORDS * sizeof *words);
    for (ptrdiff_t i = batch->done; i < count; i++, arguments += width) {
        int outcome = 0;
        if (i + FSM_PREFETCH_DISTANCE < count)
            fsm_prefetch_row(machine, (uint32_t)instances[i + FSM_PREFETCH_DISTANCE], flat);
        if (!flat && i + FSM_PREFETCH_DISTANCE / 2 < count)
            fsm_prefetch_timer(machine, (uint32_t)instances[i + FSM_PREFETCH_DISTANCE / 2]);
        if (way == FSM_WAY_KEYED && i + FSM_PREFETCH_DISTANCE < count)
            fsm_prefetch_key(machine, batch->keys + 2 * (i + FSM_PREFETCH_DISTANCE));
        if (times != NULL && times[i] >= 0) {
            if (way == FSM_WAY_FLAT_JOURNALLED && FSM_UNLIKELY(machine->header->fence != 0)) outcome = FSM_FENCED;
            else if (flat) fsm_set_clock(machine, times[i]);
            else if (i < batch->reached) outcome = fsm_fire_due(machine, &fired); /* the rest, and nothing else */
            else outcome = fsm_advance(machine, times[i], &fired);
            if (!flat) batch->reached = i + 1;
        }
        int64_t begin = timed ? fsm_clock_ns() : 0;
        if (width > 0) words[0] = arguments[0];
        if (width > 1) {
            words[1] = arguments[1];
            for (ptrdiff_t word = 2; word < width; word++) words[word] = arguments[word];
        }
        uint64_t instance = instances[i], event = (uint64_t)event_ids[i];
        if (way == FSM_WAY_FLAT || way == FSM_WAY_CHARTED) outcome = fsm_step(machine, instance, event, flat);
        else if (FSM_UNLIKELY(outcome != 0)) ; /* what is due before this event could not be fired */
        else if (way == FSM_WAY_FLAT_JOURNALLED) outcome = fsm_take_flat(machine, whole, instance, event, width > 1);
        else if (way == FSM_WAY_KEYED) outcome = fsm_take_keyed(machine, instance, event, batch->keys + 2 * i);
        else outcome = fsm_take(machine, &(fsm_input){.instance = instance, .event = event});
        if (way > FSM_WAY_CHARTED && FSM_UNLIKELY(outcome > UINT8_MAX)) {
            batch->done = i;
            return outcome;
        }
        outcomes[i] = (uint8_t)outcome;
        if (timed) {
            int64_t took = fsm_clock_ns() - begin;
            batch->nanoseconds[i] = took < UINT32_MAX ? took : UINT32_MAX;
        }
    }
    batch->done = count;
    return 0;
}

static int fsm_step_batch(fsm_machine *shared, fsm_batch *batch)
{
    const int timed = batch->nanoseconds != NULL;
    const ptrdiff_t width = batch->width;
    if (batch->keys != NULL) return fsm_run_batch(shared, shared, batch, timed, FSM_WAY_KEYED, width);
    if (!shared->is_flat && shared->ring == NULL)
        return fsm_run_batch(shared, shared, batch, timed, FSM_WAY_CHARTED, width);
    if (!shared->is_flat) return fsm_run_batch(shared, shared, batch, timed, FSM_WAY_JOURNALLED, width);
    /* A copy whose address does not escape: the stores to rows cannot change it, so it is not read anew. */
    fsm_machine machine = *shared;
    int stopped = 0;
    if (machine.ring == NULL) {
        if (timed) fsm_run_batch(&machine, shared, batch, 1, FSM_WAY_FLAT, width);
        else fsm_run_batch(&machine, shared, batch, 0, FSM_WAY_FLAT, width);
    } else if (timed) {
        stopped = fsm_run_batch(&machine, shared, batch, 1, FSM_WAY_FLAT_JOURNALLED, width);
    } else if (machine.row_words == 8 && width == 1 && batch->times == NULL) {
        /* What most flows are: said as constants, so that nothing is multiplied and no loop is left. */
        machine.row_words = 8;
        machine.frame_words = FSM_FRAME_WORDS + 8;
        stopped = fsm_run_batch(&machine, shared, batch, 0, FSM_WAY_FLAT_JOURNALLED, 1);
    } else {
        stopped = fsm_run_batch(&machine, shared, batch, 0, FSM_WAY_FLAT_JOURNALLED, width);
    }
    return stopped;
}

#endif
