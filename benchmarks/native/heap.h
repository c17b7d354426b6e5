/* A binary heap of timers with the place of each, so that one can be cancelled: what most programs with timers use.
 * Ordered by deadline, then by number; a floor for native/timers.h, written with as much care. */
#ifndef FSM_BENCH_HEAP_H
#define FSM_BENCH_HEAP_H

#include <stdint.h>
#include <stdlib.h>

typedef struct {
    int64_t deadline;
    uint32_t timer;
    uint32_t unused;
} heap_entry;

typedef struct {
    heap_entry *entries; /* from 1 on, so that the children of i are 2i and 2i + 1 */
    uint32_t *places;    /* of each timer in `entries`, 0 where it is not armed */
    uint32_t count;
} heap;

static inline void heap_close(heap *heap)
{
    if (heap == NULL) return;
    free(heap->entries);
    free(heap->places);
    free(heap);
}

/* Room for timers 0 to count - 1, or NULL. */
static inline heap *heap_open(uint32_t count)
{
    heap *made = (heap *)calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->entries = (heap_entry *)calloc((size_t)count + 1, sizeof(heap_entry));
    made->places = (uint32_t *)calloc(count, sizeof(uint32_t));
    if (made->entries != NULL && made->places != NULL) return made;
    heap_close(made);
    return NULL;
}

static inline int heap_before(heap_entry left, heap_entry right)
{
    return left.deadline < right.deadline || (left.deadline == right.deadline && left.timer < right.timer);
}

static inline void heap_put(heap *heap, uint32_t place, heap_entry entry)
{
    heap->entries[place] = entry;
    heap->places[entry.timer] = place;
}

static inline void heap_rise(heap *heap, uint32_t place, heap_entry entry)
{
    for (; place > 1 && heap_before(entry, heap->entries[place / 2]); place /= 2)
        heap_put(heap, place, heap->entries[place / 2]);
    heap_put(heap, place, entry);
}

static inline void heap_sink(heap *heap, uint32_t place, heap_entry entry)
{
    for (uint32_t child; (child = 2 * place) <= heap->count; place = child) {
        if (child < heap->count && heap_before(heap->entries[child + 1], heap->entries[child])) child++;
        if (!heap_before(heap->entries[child], entry)) break;
        heap_put(heap, place, heap->entries[child]);
    }
    heap_put(heap, place, entry);
}

static inline void heap_cancel(heap *heap, uint32_t timer)
{
    uint32_t place = heap->places[timer];
    if (place == 0) return;
    heap->places[timer] = 0;
    heap_entry last = heap->entries[heap->count--];
    if (place > heap->count) return;
    if (place > 1 && heap_before(last, heap->entries[place / 2])) heap_rise(heap, place, last);
    else heap_sink(heap, place, last);
}

static inline void heap_arm(heap *heap, uint32_t timer, int64_t deadline)
{
    heap_rise(heap, ++heap->count, (heap_entry){deadline, timer, 0});
}

/* The first timer that is due, which is not armed then; or `none`. */
static inline uint32_t heap_take(heap *heap, int64_t now_ns, uint32_t none)
{
    if (heap->count == 0 || heap->entries[1].deadline > now_ns) return none;
    uint32_t timer = heap->entries[1].timer;
    heap_cancel(heap, timer);
    return timer;
}

#endif
