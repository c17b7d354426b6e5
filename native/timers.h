/* The timers that are armed, ordered by deadline: exact to the nanosecond, and nothing ticks.
 *
 *   level 10 ...... level 1         level 0          64 lists each, one for each value of six bits of a deadline
 *   [ | | | | ]     [ | | | | ]     [ | | | | ]
 *        '---opened---^    '---opened---^    '--->  due: by deadline, then by number of the timer
 *
 * A radix heap. A timer stands at the level of the highest six bits in which its deadline differs from the time reached,
 * in the list that these bits of the deadline name. So whatever stands at a lower level, or in an earlier list of the
 * same level, has an earlier deadline, and the first list that is not empty has the earliest. To go on to a time is to
 * open the lists that begin by then, first one first: its timers move to lower levels, or are due. A timer moves down at
 * most ten times however far away it was, and a list that nobody reaches is never looked at, so a jump of years costs
 * what it fires. (The idea: Ahuja, Mehlhorn, Orlin, Tarjan, "Faster algorithms for the shortest path problem", 1990.)
 *
 * The lists are circular and doubly linked, by index instead of pointer: arming and cancelling touch the timer and its
 * two neighbours. What is armed with a deadline that was reached already waits in a list of its own for the next time.
 * All memory is the caller's and zero at first: a timer of zeros is not armed. Nothing here is stored or allocates.
 */
#ifndef FSM_TIMERS_H
#define FSM_TIMERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FSM_TIMER_LEVELS 11 /* of six bits: 0 to 2**63 - 1 */

enum {
    FSM_TIMERS_NONE = 0,    /* no timer, and the end of a chain */
    FSM_TIMERS_BUCKETS = 1, /* the heads of the lists of all levels */
    FSM_TIMERS_OVERDUE = FSM_TIMERS_BUCKETS + 64 * FSM_TIMER_LEVELS,
    FSM_TIMERS_DUE,
    FSM_TIMERS_FIRST = 708, /* the first timer: heads and timers both begin with a cache line */
    FSM_TIMERS_SHORT = 12   /* timers in a list that sorting takes less time for than opening level by level */
};

/* A timer that is armed, or the head of a list. */
typedef struct {
    int64_t deadline;
    uint32_t next; /* FSM_TIMERS_NONE where it is not armed */
    uint32_t previous;
} fsm_timer;

typedef char fsm_four_timers_are_a_line[sizeof(fsm_timer) == 16 ? 1 : -1];
typedef char fsm_heads_come_first[FSM_TIMERS_DUE < FSM_TIMERS_FIRST && FSM_TIMERS_FIRST % 4 == 0 ? 1 : -1];

typedef struct {
    fsm_timer *timers;
    uint64_t reached;  /* the time up to which lists were opened */
    uint64_t levels;   /* which levels may have a list that is not empty, one bit each */
    uint64_t occupied[FSM_TIMER_LEVELS]; /* which of their lists; cancelling leaves the bit, opening clears it */
} fsm_timers;

/* Take memory of zeros for FSM_TIMERS_FIRST + n timers. */
static inline void fsm_timers_open(fsm_timers *index, fsm_timer *memory, uint64_t now_ns)
{
    *index = (fsm_timers){.timers = memory, .reached = now_ns};
    for (uint32_t head = FSM_TIMERS_BUCKETS; head <= FSM_TIMERS_DUE; head++)
        memory[head].next = memory[head].previous = head;
}

static inline void fsm_timers_append(fsm_timer *timers, uint32_t head, uint32_t timer)
{
    uint32_t previous = timers[head].previous;
    assert(timers[previous].next == head);
    timers[timer].next = head;
    timers[timer].previous = previous;
    timers[previous].next = timer;
    timers[head].previous = timer;
}

/* Into the list of its deadline, which was not reached yet; or is being reached, while lists are opened. */
static inline void fsm_timers_place(fsm_timers *index, uint32_t timer)
{
    uint64_t deadline = (uint64_t)index->timers[timer].deadline;
    unsigned highest_bit = 63 - (unsigned)__builtin_clzll((deadline ^ index->reached) | 1);
    unsigned level = highest_bit * 43 >> 8; /* / 6, up to 63 */
    unsigned bucket = deadline >> 6 * level & 63;
    assert(deadline >= index->reached && level < FSM_TIMER_LEVELS);
    index->levels |= UINT64_C(1) << level;
    index->occupied[level] |= UINT64_C(1) << bucket;
    fsm_timers_append(index->timers, FSM_TIMERS_BUCKETS + 64 * level + bucket, timer);
}

static inline void fsm_timers_cancel(fsm_timers *index, uint32_t timer)
{
    fsm_timer *timers = index->timers, *gone = &timers[timer];
    if (gone->next == FSM_TIMERS_NONE) return;
    assert(timers[gone->next].previous == timer && timers[gone->previous].next == timer);
    timers[gone->next].previous = gone->previous;
    timers[gone->previous].next = gone->next;
    gone->next = FSM_TIMERS_NONE;
}

/* Arm a timer that is not armed. */
static inline void fsm_timers_arm(fsm_timers *index, uint32_t timer, int64_t deadline)
{
    assert(index->timers[timer].next == FSM_TIMERS_NONE);
    index->timers[timer].deadline = deadline;
    if (deadline <= (int64_t)index->reached) fsm_timers_append(index->timers, FSM_TIMERS_OVERDUE, timer);
    else fsm_timers_place(index, timer);
}

/* --- chains: lists that end with FSM_TIMERS_NONE, and know no previous --- */

/* All of a list, as a chain; the list is empty then. */
static inline uint32_t fsm_timers_detach(fsm_timer *timers, uint32_t head)
{
    uint32_t first = timers[head].next;
    if (first == head) return FSM_TIMERS_NONE;
    timers[timers[head].previous].next = FSM_TIMERS_NONE;
    timers[head].next = timers[head].previous = head;
    return first;
}

static inline int fsm_timers_before(const fsm_timer *timers, uint32_t left, uint32_t right)
{
    int64_t one = timers[left].deadline, other = timers[right].deadline;
    return one < other || (one == other && left < right);
}

/* One chain of two that are in order, neither of them empty. */
static inline uint32_t fsm_timers_merge(fsm_timer *timers, uint32_t left, uint32_t right)
{
    uint32_t first, *end = &first;
    for (;;) {
        if (fsm_timers_before(timers, left, right)) {
            *end = left;
            end = &timers[left].next;
            if ((left = *end) == FSM_TIMERS_NONE) break;
        } else {
            *end = right;
            end = &timers[right].next;
            if ((right = *end) == FSM_TIMERS_NONE) break;
        }
    }
    *end = left != FSM_TIMERS_NONE ? left : right;
    return first;
}

/* By deadline, then by number. Takes what is in order already in one go: timers are often armed in order of their rows
 * for one moment, as at the end of a day. */
static uint32_t fsm_timers_sort(fsm_timer *timers, uint32_t chain)
{
    uint32_t merged[32] = {FSM_TIMERS_NONE}; /* chains of 1, 2, 4, 8 ... runs, as a binary counter has digits */
    while (chain != FSM_TIMERS_NONE) {
        uint32_t run = chain, end = chain;
        while ((chain = timers[end].next) != FSM_TIMERS_NONE && fsm_timers_before(timers, end, chain)) end = chain;
        timers[end].next = FSM_TIMERS_NONE;
        unsigned digit = 0;
        for (; merged[digit] != FSM_TIMERS_NONE; digit++) {
            run = fsm_timers_merge(timers, merged[digit], run);
            merged[digit] = FSM_TIMERS_NONE;
        }
        merged[digit] = run;
    }
    for (unsigned digit = 0; digit < 32; digit++) {
        if (merged[digit] == FSM_TIMERS_NONE) continue;
        chain = chain == FSM_TIMERS_NONE ? merged[digit] : fsm_timers_merge(timers, merged[digit], chain);
    }
    return chain;
}

/* Sort all of a list behind what is due already. */
static inline void fsm_timers_make_due(fsm_timer *timers, uint32_t head)
{
    uint32_t timer = fsm_timers_sort(timers, fsm_timers_detach(timers, head));
    while (timer != FSM_TIMERS_NONE) {
        uint32_t next = timers[timer].next;
        fsm_timers_append(timers, FSM_TIMERS_DUE, timer);
        timer = next;
    }
}

static inline int fsm_timers_is_short(const fsm_timer *timers, uint32_t head)
{
    uint32_t timer = timers[head].next;
    for (int left = FSM_TIMERS_SHORT; left > 0 && timer != head; left--) timer = timers[timer].next;
    return timer == head;
}

/* The first list that may have timers: its head, and the time at which it begins; FSM_TIMERS_NONE where there is none.
 * `length` is how many times after that it covers. */
static inline uint32_t fsm_timers_first_list(fsm_timers *index, uint64_t *begin, uint64_t *length)
{
    while (index->levels != 0) {
        unsigned level = (unsigned)__builtin_ctzll(index->levels), shift = 6 * level;
        if (index->occupied[level] == 0) {
            index->levels &= index->levels - 1;
            continue;
        }
        unsigned bucket = (unsigned)__builtin_ctzll(index->occupied[level]);
        *begin = (index->reached >> shift >> 6 << 6 | bucket) << shift;
        *length = UINT64_C(1) << shift;
        return FSM_TIMERS_BUCKETS + 64 * level + bucket;
    }
    return FSM_TIMERS_NONE;
}

/* Leave the first list behind. */
static inline void fsm_timers_pass(fsm_timers *index, uint32_t head)
{
    uint64_t *occupied = &index->occupied[(head - FSM_TIMERS_BUCKETS) >> 6];
    *occupied &= *occupied - 1;
}

/* Move what is due by a time to the list FSM_TIMERS_DUE, in order. The time is not before the one reached. */
static void fsm_timers_reach(fsm_timers *index, uint64_t now_ns)
{
    fsm_timer *timers = index->timers;
    uint64_t begin, length;
    uint32_t head;
    assert(now_ns >= index->reached);
    fsm_timers_make_due(timers, FSM_TIMERS_OVERDUE);
    while ((head = fsm_timers_first_list(index, &begin, &length)) != FSM_TIMERS_NONE && begin <= now_ns) {
        assert(begin >= index->reached);
        fsm_timers_pass(index, head);
        if (length == 1 || (begin + (length - 1) <= now_ns && fsm_timers_is_short(timers, head))) {
            fsm_timers_make_due(timers, head);
            continue;
        }
        index->reached = begin;
        for (uint32_t timer = fsm_timers_detach(timers, head), next; timer != FSM_TIMERS_NONE; timer = next) {
            next = timers[timer].next;
            fsm_timers_place(index, timer);
        }
    }
    index->reached = now_ns;
}

/* Take the first timer that is due, which is not armed then; FSM_TIMERS_NONE where nothing is due any more. */
static inline uint32_t fsm_timers_take(fsm_timers *index)
{
    uint32_t timer = index->timers[FSM_TIMERS_DUE].next;
    if (timer == FSM_TIMERS_DUE) return FSM_TIMERS_NONE;
    fsm_timers_cancel(index, timer);
    return timer;
}

/* Whether to reach a time means to look at more than so many timers. */
static int fsm_timers_reach_more_than(const fsm_timers *index, int count, uint64_t now_ns)
{
    const fsm_timer *timers = index->timers;
    fsm_timers ahead = *index;
    uint64_t begin = 0, length;
    for (uint32_t head = FSM_TIMERS_OVERDUE; head != FSM_TIMERS_NONE && begin <= now_ns;) {
        for (uint32_t timer = timers[head].next; timer != head; timer = timers[timer].next)
            if (--count < 0) return 1;
        if (head != FSM_TIMERS_OVERDUE) fsm_timers_pass(&ahead, head);
        head = fsm_timers_first_list(&ahead, &begin, &length);
    }
    return 0;
}

#endif
