/* The timers that are armed, ordered by deadline: exact to the nanosecond, and nothing ticks.
 *
 *   level 10 ...... level 1         level 0          64 buckets each, one for each value of six bits of a deadline
 *   [ | | | | ]     [ | | | | ]     [ | | | | ]
 *        '---opened---^    '---opened---^    '--->  due: by deadline, then by number of the timer
 *
 * A radix heap. A timer stands at the level of the highest six bits in which its deadline differs from the time
 * reached, in the bucket that these bits of the deadline name. So whatever stands at a lower level, or in an earlier
 * bucket of the same level, has an earlier deadline, and the first bucket that is not empty has the earliest. To go on
 * to a time is to open the buckets that begin by then, first one first: its timers move to lower levels, or are due. A
 * timer moves down at most ten times however far away it was, and a bucket that nobody reaches is never looked at, so a
 * jump of years costs what it fires. (The idea: Ahuja, Mehlhorn, Orlin, Tarjan, "Faster algorithms for the shortest
 * path problem".)
 *
 * A bucket is a stack of chunks, a cache line each; the hole of a timer that is cancelled is filled from its top. So to
 * arm and to cancel is to touch two or three lines, and to open a bucket is to read lines one after the other, where a
 * list of timers would wait for memory at each of them.
 *
 * What is armed with a deadline that was reached already waits for the next time in a heap of its own, which begins
 * with the least of all deadlines. All memory is the caller's and zero at first. Nothing here is stored, and nothing
 * allocates.
 */
#ifndef FSM_TIMERS_H
#define FSM_TIMERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FSM_TIMER_LEVELS 11 /* of six bits */
#define FSM_NO_TIMER UINT32_MAX

enum {
    FSM_CHUNK_TIMERS = 5,
    FSM_TIMER_BUCKETS = 64 * FSM_TIMER_LEVELS,
    FSM_SHORT_BUCKET = 3 * FSM_CHUNK_TIMERS, /* is sorted in less time than opened level by level */
    FSM_TIMER_DUE = 1 /* the place of a timer that will be fired; 0 of one that is not armed */
};

typedef struct {
    uint64_t keys[FSM_CHUNK_TIMERS]; /* the deadlines, with the sign turned: in order as they are, without one */
    uint32_t timers[FSM_CHUNK_TIMERS];
    uint32_t next; /* or 0: the first chunk is never used */
} fsm_chunk;

typedef char fsm_chunk_is_a_line[sizeof(fsm_chunk) == 64 ? 1 : -1];

typedef struct {
    uint32_t top;   /* or 0; the chunks below it are full */
    uint32_t count; /* of timers in the top chunk */
} fsm_bucket;

typedef struct {
    uint64_t reached; /* the key up to which buckets were opened */
    uint64_t levels;  /* those that are not empty, one bit each */
    uint64_t occupied[FSM_TIMER_LEVELS]; /* which of their buckets are not */
    fsm_bucket buckets[FSM_TIMER_BUCKETS];
} fsm_heap;

typedef struct {
    fsm_chunk *chunks;
    uint32_t *places; /* of each timer: eight times its chunk, and where in it */
    uint32_t *due;    /* the timers to be fired, in order, from due_first to due_end; some were cancelled since */
    uint32_t due_first;
    uint32_t due_end;
    uint32_t free_chunk;  /* a stack of them, or 0 */
    uint32_t fresh_chunk; /* the first that was never used */
    fsm_heap ahead;
    fsm_heap overdue;
    fsm_heap alike; /* timers of one deadline while they are made due: their keys are their numbers */
} fsm_timers;

/* Chunks for so many timers: each bucket has one that is not full, where it has any. */
static inline size_t fsm_chunks_for(size_t count)
{
    size_t buckets = 3 * FSM_TIMER_BUCKETS;
    return 1 + count / FSM_CHUNK_TIMERS + (count < buckets ? count : buckets);
}

/* The most timers whose places fit in 32 bits. */
static inline size_t fsm_timers_most(void)
{
    return ((size_t)UINT32_MAX / 8 - 3 * FSM_TIMER_BUCKETS - 1) * FSM_CHUNK_TIMERS;
}

/* Where the chunks begin, behind the struct: with a line. */
static inline size_t fsm_timers_header(void)
{
    return (sizeof(fsm_timers) + sizeof(fsm_chunk) - 1) / sizeof(fsm_chunk) * sizeof(fsm_chunk);
}

static inline size_t fsm_timers_bytes(size_t count)
{
    return fsm_timers_header() + fsm_chunks_for(count) * sizeof(fsm_chunk) + 2 * count * sizeof(uint32_t);
}

static inline uint64_t fsm_timer_key(int64_t deadline)
{
    return (uint64_t)deadline ^ UINT64_C(1) << 63;
}

/* Take fsm_timers_bytes(count) of zeros. */
static inline fsm_timers *fsm_timers_open(void *memory, size_t count, int64_t now_ns)
{
    fsm_timers *index = (fsm_timers *)memory;
    index->chunks = (fsm_chunk *)((char *)memory + fsm_timers_header());
    index->places = (uint32_t *)(index->chunks + fsm_chunks_for(count));
    index->due = index->places + count;
    index->fresh_chunk = 1;
    index->ahead.reached = fsm_timer_key(now_ns);
    return index;
}

/* The bucket of a key that is not before the one reached: 64 times its level, and which of that. */
static inline unsigned fsm_bucket_of(const fsm_heap *heap, uint64_t key)
{
    unsigned highest_bit = 63 - (unsigned)__builtin_clzll((key ^ heap->reached) | 1);
    unsigned level = highest_bit * 43 >> 8; /* / 6, up to 63 */
    assert(key >= heap->reached);
    return 64 * level + (key >> 6 * level & 63);
}

static inline void fsm_bucket_is_empty(fsm_heap *heap, unsigned number)
{
    uint64_t *occupied = &heap->occupied[number >> 6];
    *occupied &= ~(UINT64_C(1) << (number & 63));
    if (*occupied == 0) heap->levels &= ~(UINT64_C(1) << (number >> 6));
}

static inline void fsm_heap_push(fsm_timers *index, fsm_heap *heap, uint64_t key, uint32_t timer)
{
    unsigned number = fsm_bucket_of(heap, key);
    fsm_bucket *bucket = &heap->buckets[number];
    if (bucket->top == 0 || bucket->count == FSM_CHUNK_TIMERS) {
        uint32_t chunk = index->free_chunk;
        if (chunk != 0) index->free_chunk = index->chunks[chunk].next;
        else chunk = index->fresh_chunk++;
        if (bucket->top == 0) {
            heap->occupied[number >> 6] |= UINT64_C(1) << (number & 63);
            heap->levels |= UINT64_C(1) << (number >> 6);
        }
        index->chunks[chunk].next = bucket->top;
        bucket->top = chunk;
        bucket->count = 0;
    }
    fsm_chunk *top = &index->chunks[bucket->top];
    assert((void *)(top + 1) <= (void *)index->places);
    top->keys[bucket->count] = key;
    top->timers[bucket->count] = timer;
    index->places[timer] = 8 * bucket->top + bucket->count++;
}

static inline void fsm_free_chunk(fsm_timers *index, uint32_t chunk)
{
    index->chunks[chunk].next = index->free_chunk;
    index->free_chunk = chunk;
}

/* Arm a timer that is not armed. */
static inline void fsm_timers_arm(fsm_timers *index, uint32_t timer, int64_t deadline)
{
    uint64_t key = fsm_timer_key(deadline);
    assert(index->places[timer] == 0);
    fsm_heap_push(index, key > index->ahead.reached ? &index->ahead : &index->overdue, key, timer);
}

/* Cancel a timer, if it is armed; the deadline is the one that it was armed with. It tells the bucket, so that the
 * chunk where the timer stands is written only, and nothing waits for it. */
static inline void fsm_timers_cancel(fsm_timers *index, uint32_t timer, int64_t deadline)
{
    uint32_t place = index->places[timer];
    index->places[timer] = 0;
    if (place <= FSM_TIMER_DUE) return;
    fsm_chunk *hole = &index->chunks[place / 8];
    uint64_t key = fsm_timer_key(deadline);
    assert(hole->timers[place % 8] == timer && hole->keys[place % 8] == key);
    fsm_heap *heap = key > index->ahead.reached ? &index->ahead : &index->overdue;
    unsigned number = fsm_bucket_of(heap, key);
    fsm_bucket *bucket = &heap->buckets[number];
    assert(bucket->top != 0 && bucket->count > 0);
    uint32_t chunk = bucket->top, last = --bucket->count;
    fsm_chunk *top = &index->chunks[chunk];
    if (top->timers[last] != timer) {
        hole->keys[place % 8] = top->keys[last];
        hole->timers[place % 8] = top->timers[last];
        index->places[top->timers[last]] = place;
    }
    if (last == 0) {
        bucket->top = top->next;
        bucket->count = FSM_CHUNK_TIMERS;
        fsm_free_chunk(index, chunk);
        if (bucket->top == 0) fsm_bucket_is_empty(heap, number);
    }
}

/* --- to go on to a time --- */

/* The first bucket that is not empty, and the keys that it is for; only where there is one. */
static inline unsigned fsm_heap_first(const fsm_heap *heap, uint64_t *begin, uint64_t *end)
{
    unsigned level = (unsigned)__builtin_ctzll(heap->levels), shift = 6 * level;
    unsigned bucket = (unsigned)__builtin_ctzll(heap->occupied[level]);
    *begin = (heap->reached >> shift >> 6 << 6 | bucket) << shift;
    *end = *begin + ((UINT64_C(1) << shift) - 1);
    return 64 * level + bucket;
}

/* The chunk below one that was read, which is free from now on. */
static inline uint32_t fsm_leave_chunk(fsm_timers *index, uint32_t chunk)
{
    uint32_t next = index->chunks[chunk].next;
    fsm_free_chunk(index, chunk);
    return next;
}

/* All of a bucket is due, and it is short: sort it while it is read. */
static void fsm_make_short_due(fsm_timers *index, uint32_t chunk, uint32_t count)
{
    uint64_t keys[FSM_SHORT_BUCKET];
    uint32_t *const due = index->due + index->due_end, end = 0;
    for (; chunk != 0; chunk = fsm_leave_chunk(index, chunk), count = FSM_CHUNK_TIMERS) {
        for (uint32_t from = 0; from < count; from++) {
            uint64_t key = index->chunks[chunk].keys[from];
            uint32_t timer = index->chunks[chunk].timers[from], at = end++;
            for (; at > 0 && (keys[at - 1] > key || (keys[at - 1] == key && due[at - 1] > timer)); at--) {
                keys[at] = keys[at - 1];
                due[at] = due[at - 1];
            }
            keys[at] = key;
            due[at] = timer;
            index->places[timer] = FSM_TIMER_DUE;
        }
    }
    index->due_end += end;
}

/* The timers of a bucket move to lower levels. */
static void fsm_move_down(fsm_timers *index, fsm_heap *heap, uint32_t chunk, uint32_t count)
{
    for (; chunk != 0; count = FSM_CHUNK_TIMERS) {
        const fsm_chunk read = index->chunks[chunk]; /* a copy, since the chunk is used again at once */
        __builtin_prefetch(&index->chunks[read.next]);
        fsm_free_chunk(index, chunk);
        for (uint32_t at = 0; at < count; at++) fsm_heap_push(index, heap, read.keys[at], read.timers[at]);
        chunk = read.next;
    }
}

static inline int fsm_is_short(const fsm_timers *index, uint32_t chunk)
{
    for (int left = FSM_SHORT_BUCKET / FSM_CHUNK_TIMERS; left > 0 && chunk != 0; left--)
        chunk = index->chunks[chunk].next;
    return chunk == 0;
}

static void fsm_heap_open(fsm_timers *index, fsm_heap *heap, uint64_t key);

/* All of a bucket is due and has one deadline: its timers go through a heap of their own, by their numbers. There each
 * has a bucket to itself in the end, so this is not called for them again. */
static void fsm_make_due(fsm_timers *index, uint32_t chunk, uint32_t count)
{
    for (; chunk != 0; count = FSM_CHUNK_TIMERS) {
        const fsm_chunk read = index->chunks[chunk];
        __builtin_prefetch(&index->chunks[read.next]);
        fsm_free_chunk(index, chunk);
        for (uint32_t at = 0; at < count; at++) fsm_heap_push(index, &index->alike, read.timers[at], read.timers[at]);
        chunk = read.next;
    }
    fsm_heap_open(index, &index->alike, UINT64_MAX);
    index->alike.reached = 0;
}

/* Make due, in order, what a heap has up to a key. */
static void fsm_heap_open(fsm_timers *index, fsm_heap *heap, uint64_t key)
{
    uint64_t begin, end;
    while (heap->levels != 0) {
        unsigned number = fsm_heap_first(heap, &begin, &end);
        fsm_bucket bucket = heap->buckets[number];
        if (begin > key) break;
        assert(begin >= heap->reached && bucket.top != 0);
        heap->buckets[number].top = 0;
        fsm_bucket_is_empty(heap, number);
        if (end <= key && fsm_is_short(index, bucket.top)) {
            fsm_make_short_due(index, bucket.top, bucket.count);
        } else if (begin == end) {
            fsm_make_due(index, bucket.top, bucket.count);
        } else {
            heap->reached = begin;
            fsm_move_down(index, heap, bucket.top, bucket.count);
        }
    }
}

/* Make due what is due by a time, which is not before the one reached. Nothing else is due when this begins. */
static void fsm_timers_reach(fsm_timers *index, int64_t now_ns)
{
    uint64_t key = fsm_timer_key(now_ns);
    assert(key >= index->ahead.reached && index->due_first == index->due_end);
    index->due_first = index->due_end = 0;
    fsm_heap_open(index, &index->overdue, UINT64_MAX);
    fsm_heap_open(index, &index->ahead, key);
    index->overdue.reached = 0;
    index->ahead.reached = key;
}

/* Whether a timer is due still; those that were cancelled since are left behind. */
static inline int fsm_timers_are_due(fsm_timers *index)
{
    while (index->due_first < index->due_end && index->places[index->due[index->due_first]] != FSM_TIMER_DUE)
        index->due_first++;
    return index->due_first < index->due_end;
}

/* Take the first timer that is due still, which is not armed then; or FSM_NO_TIMER. */
static inline uint32_t fsm_timers_take(fsm_timers *index)
{
    if (!fsm_timers_are_due(index)) return FSM_NO_TIMER;
    uint32_t timer = index->due[index->due_first++];
    index->places[timer] = 0;
    return timer;
}

/* Whether to reach a time means to look at more than so many timers. */
static int fsm_timers_reach_more_than(const fsm_timers *index, int64_t count, int64_t now_ns)
{
    const fsm_heap *heaps[] = {&index->overdue, &index->ahead};
    uint64_t keys[] = {UINT64_MAX, fsm_timer_key(now_ns)};
    for (int which = 0; which < 2; which++) {
        const fsm_heap *heap = heaps[which];
        uint64_t levels = heap->levels;
        for (; levels != 0; levels &= levels - 1) {
            unsigned level = (unsigned)__builtin_ctzll(levels), shift = 6 * level;
            for (uint64_t left = heap->occupied[level]; left != 0; left &= left - 1) {
                uint64_t bucket = (uint64_t)__builtin_ctzll(left);
                if ((heap->reached >> shift >> 6 << 6 | bucket) << shift > keys[which]) return 0;
                uint32_t chunk = heap->buckets[64 * level + bucket].top;
                for (; chunk != 0; chunk = index->chunks[chunk].next)
                    if ((count -= FSM_CHUNK_TIMERS) < 0) return 1;
            }
        }
    }
    return 0;
}

#endif
