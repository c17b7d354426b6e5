/* The floor of a journalled batch: the flow of benchmarks/flows.py by hand, with every store that a journal takes.
 *
 *   handle, event, argument --> row, cell --> guard, two writes --> frame: ~sequence, seven words, the row as it will
 *   be, two CRC-32C, sequence --> the row as a seqlock --> `applied` --> outcome
 *
 * It leaves the same bytes in rows, ring and header as the engine, which the benchmark asserts. What it lacks is
 * everything that makes the engine general: no opcode, no operand, no image in registers that are memory, no length of
 * a row that only the tables know.
 *
 * Where the ring is full its frames are handed on: to a file by pwrite, or to nobody (fd -1), which is a burst.
 */
#ifndef FSM_BENCH_JOURNAL_H
#define FSM_BENCH_JOURNAL_H

#include <stdint.h>
#include <unistd.h>

enum {
    JOURNAL_ROW = 8,     /* words */
    JOURNAL_FRAME = 16,
    JOURNAL_GROUP = 5,   /* frames of the largest group */
    JOURNAL_AHEAD = 12   /* events, as the engine prefetches */
};

typedef struct {
    uint64_t *rows;
    uint64_t *ring;
    uint64_t *header;
    const uint64_t *cells;
    const uint64_t *instances;
    const int64_t *event_ids;
    const int64_t *arguments;
    uint8_t *outcomes;
    int64_t count;
    uint64_t row_count;
    uint64_t event_count;
    /* Words of the header. */
    uint64_t applied_word, written_word, now_word, fence_word, ring_frames_word;
    int fd;          /* or -1: what the ring holds is dropped */
    int64_t position; /* in the file */
} journal_loop;

static inline uint64_t journal_crc(uint64_t crc, uint64_t word)
{
    __asm__("crc32q %1, %0" : "+r"(crc) : "rm"(word));
    return crc;
}

static inline void journal_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void journal_store_before(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Write all of it, or return 0. */
static int journal_append(journal_loop *loop, const uint64_t *words, uint64_t bytes)
{
    const char *from = (const char *)words;
    while (bytes > 0) {
        ssize_t wrote = pwrite(loop->fd, from, bytes, loop->position);
        if (wrote <= 0) return 0;
        from += wrote, bytes -= (uint64_t)wrote, loop->position += wrote;
    }
    return 1;
}

/* Hand on what the ring holds: the frames behind `written`, which are one run of them or two. */
static __attribute__((noinline)) int journal_drain(journal_loop *loop)
{
    uint64_t *header = loop->header, frames = header[loop->ring_frames_word];
    uint64_t first = header[loop->written_word] + 1, last = header[loop->applied_word];
    while (loop->fd >= 0 && first <= last) {
        uint64_t slot = first & (frames - 1), run = frames - slot;
        if (run > last - first + 1) run = last - first + 1;
        if (!journal_append(loop, loop->ring + slot * JOURNAL_FRAME, run * JOURNAL_FRAME * 8)) return 0;
        first += run;
    }
    journal_store(&header[loop->written_word], last);
    return 1;
}

/* Every event of the arrays; 0, or 1 where the file would not take them. */
static int journal_run(journal_loop *whole)
{
    journal_loop loop = *whole; /* its address does not escape: stores to rows do not change it */
    uint64_t *const header = loop.header, *const ring = loop.ring, mask = header[loop.ring_frames_word] - 1;
    uint64_t now = header[loop.now_word], second = now / 1000000000 << 32;
    uint64_t room_until = header[loop.written_word] + mask + 1;
    for (int64_t i = 0; i < loop.count; i++) {
        if (i + JOURNAL_AHEAD < loop.count)
            __builtin_prefetch(loop.rows + (uint32_t)loop.instances[i + JOURNAL_AHEAD] * (uint64_t)JOURNAL_ROW, 1, 3);
        uint64_t instance = loop.instances[i], event = (uint64_t)loop.event_ids[i];
        uint64_t sequence = header[loop.applied_word] + 1;
        uint64_t *row = loop.rows + (uint32_t)instance * (uint64_t)JOURNAL_ROW;
        int64_t amount = loop.arguments[i], left;
        if (header[loop.fence_word] != 0) return 1;
        if ((uint32_t)instance >= loop.row_count || row[0] >> 32 != (instance >> 32) + (UINT64_C(1) << 16)) return 1;
        if (event >= loop.event_count) return 1;
        if ((loop.cells[(uint32_t)row[0] * loop.event_count + event] & 0xFF) != 3) return 1;
        if (__builtin_expect(sequence - 1 + JOURNAL_GROUP > room_until, 0)) {
            if (!journal_drain(whole)) return 1;
            room_until = header[loop.written_word] + mask + 1;
        }
        if (amount <= 0 || __builtin_sub_overflow((int64_t)row[3], amount, &left)) return 1; /* none of them is */

        uint64_t *frame = ring + (sequence & mask) * JOURNAL_FRAME, word;
        uint64_t crc = journal_crc(UINT32_MAX, sequence), other = UINT32_MAX;
        uint64_t state = row[0] >> 32 << 32 | 1, version = (uint32_t)(row[2] + 1) | second;
#define PUT(number, value) (word = (value), frame[number] = word, crc = journal_crc(crc, word))
#define PUT_IMAGE(number, value) (word = (value), frame[8 + (number)] = word, other = journal_crc(other, word))
        journal_store_before(&frame[0], ~sequence);
        PUT(2, (uint32_t)instance | event << 32 | UINT64_C(2) << 56);
        PUT(3, now);
        PUT(4, (uint32_t)row[0] | UINT64_C(1) << 32);
        PUT(5, row[1]);
        PUT(6, (row[0] >> 32 & 0xFFFF) | (uint64_t)UINT32_MAX << 32);
        PUT(7, (uint64_t)amount);
        PUT_IMAGE(0, state);
        PUT_IMAGE(1, sequence);
        PUT_IMAGE(2, version);
        PUT_IMAGE(3, (uint64_t)left);
        PUT_IMAGE(4, (uint64_t)amount);
        PUT_IMAGE(5, row[5]);
        PUT_IMAGE(6, row[6]);
        PUT_IMAGE(7, row[7]);
#undef PUT
#undef PUT_IMAGE
        frame[1] = (crc ^ UINT32_MAX) | (other ^ UINT32_MAX) << 32;
        journal_store(&frame[0], sequence);

        journal_store_before(&row[1], sequence | UINT64_C(1) << 63);
        row[0] = state;
        row[2] = version;
        row[3] = (uint64_t)left;
        row[4] = (uint64_t)amount;
        journal_store(&row[1], sequence);
        journal_store(&header[loop.applied_word], sequence);
        if (header[loop.fence_word] != 0) return 1; /* another writer took over meanwhile */
        loop.outcomes[i] = 0;
    }
    return 0;
}

#endif
