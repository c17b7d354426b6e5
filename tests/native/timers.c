/* The index by deadline without an engine, for a test that drives it from Python; with its assertions on. */
#undef NDEBUG
#include <stdlib.h>

#include "timers.h"

fsm_timers *timers_open(size_t count, int64_t now_ns)
{
    return fsm_timers_open(calloc(1, fsm_timers_bytes(count)), count, now_ns);
}

void timers_close(fsm_timers *index) { free(index); }

void timers_arm(fsm_timers *index, uint32_t timer, int64_t deadline) { fsm_timers_arm(index, timer, deadline); }

void timers_cancel(fsm_timers *index, uint32_t timer, int64_t deadline)
{
    fsm_timers_cancel(index, timer, deadline);
}

void timers_reach(fsm_timers *index, int64_t now_ns) { fsm_timers_reach(index, now_ns); }

int64_t timers_take(fsm_timers *index)
{
    uint32_t timer = fsm_timers_take(index);
    return timer == FSM_NO_TIMER ? -1 : (int64_t)timer;
}

int timers_reach_more_than(fsm_timers *index, int64_t count, int64_t now_ns)
{
    return fsm_timers_reach_more_than(index, count, now_ns);
}

/* Chunks that were ever used, and that there is room for. */
size_t timers_chunks_used(const fsm_timers *index) { return index->fresh_chunk; }
size_t timers_chunks(size_t count) { return fsm_chunks_for(count); }
