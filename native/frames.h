/* Frames: how a group is written into the ring of the journal, and what makes it count.
 *
 *   open a frame --> its words, with ~sequence in front --> close it: checksums, then its sequence
 *        '--- the next frame of the group closes the one before as linked; the last one's sequence is the commit
 *
 * Nothing that readers or a later process see changes before that last store. fsm/layout.py draws a frame, and
 * fsm/engine/frames.py says the same in plain Python. A process that is killed leaves the stores that it made, in
 * their order; the fences keep that order for the compiler, and for readers in other processes.
 */
#ifndef FSM_FRAMES_H
#define FSM_FRAMES_H

#include <string.h>

#include "macrostep.h"

/* Beside outcomes: nothing was taken, and the boundary sees to it. */
enum { FSM_NO_ROOM = 0x200, FSM_FENCED = 0x201, FSM_CORRUPT = 0x202 };

/* --- CRC-32C, a word at a time --- */

#if defined(__x86_64__)
static inline int fsm_has_checksums(void)
{
    return __builtin_cpu_supports("sse4.2");
}

FSM_ALWAYS_INLINE uint64_t fsm_crc_word(uint64_t crc, uint64_t word)
{
    __asm__("crc32q %1, %0" : "+r"(crc) : "rm"(word));
    return crc;
}
#elif defined(__aarch64__)
static inline int fsm_has_checksums(void)
{
    return 1;
}

FSM_ALWAYS_INLINE uint64_t fsm_crc_word(uint64_t crc, uint64_t word)
{
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %1" : "+r"(crc) : "r"(word));
    return crc;
}
#else
static inline int fsm_has_checksums(void)
{
    return 1;
}

static inline uint64_t fsm_crc_word(uint64_t crc, uint64_t word)
{
    crc ^= word; /* the low half of the word meets the checksum, the high half follows it */
    for (int bit = 0; bit < 64; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT64_C(0x82F63B78) : 0);
    return crc;
}
#endif

enum { FSM_CRC_BEGIN = -1 };

FSM_ALWAYS_INLINE uint64_t fsm_crc_fixed(const uint64_t *frame, uint64_t sequence)
{
    uint64_t crc = fsm_crc_word((uint32_t)FSM_CRC_BEGIN, sequence);
    for (int word = 2; word < FSM_FRAME_WORDS; word++) crc = fsm_crc_word(crc, frame[word]);
    return crc ^ (uint32_t)FSM_CRC_BEGIN;
}

FSM_ALWAYS_INLINE uint64_t fsm_crc_image(const uint64_t *frame, uint64_t frame_words)
{
    uint64_t crc = (uint32_t)FSM_CRC_BEGIN;
    for (uint64_t word = FSM_FRAME_WORDS; word < frame_words; word++) crc = fsm_crc_word(crc, frame[word]);
    return crc ^ (uint32_t)FSM_CRC_BEGIN;
}

/* --- stores in order --- */

FSM_ALWAYS_INLINE void fsm_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* What follows is stored after the word. */
FSM_ALWAYS_INLINE void fsm_store_before(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

FSM_ALWAYS_INLINE uint64_t *fsm_frame_at(const fsm_machine *machine, uint64_t sequence)
{
    return machine->ring + (sequence & machine->ring_mask) * machine->frame_words;
}

FSM_ALWAYS_INLINE uint64_t fsm_input_word(uint64_t row, uint64_t event, uint64_t outcome, uint64_t flags)
{
    return (uint32_t)row | event << 32 | outcome << 48 | flags << 56;
}

/* Write the row as a seqlock: readers in other processes see that its words are not whole. */
FSM_ALWAYS_INLINE void fsm_publish_row(uint64_t *row, const uint64_t *image, uint64_t sequence, uint64_t row_words)
{
    fsm_store_before(&row[1], sequence | FSM_ROW_FRAME_BUSY);
    row[0] = image[0];
    for (uint64_t word = 2; word < 8; word++) row[word] = image[word];
    for (uint64_t word = 8; word < row_words; word++) row[word] = image[word];
    fsm_store(&row[1], sequence);
}

/* A counter of the header, changed by a frame so that doing it again is harmless. */
static inline void fsm_count(fsm_header *header, uint64_t *counter, uint64_t value, uint64_t sequence)
{
    if (header->frame_bytes == 0) {
        *counter = value;
        return;
    }
    fsm_store_before(&header->counted_by, header->counted_by | FSM_COUNTED_DONE);
    header->counted_value = value;
    fsm_store(&header->counted_word, (uint64_t)(counter - (uint64_t *)header));
    fsm_store(&header->counted_by, sequence);
    fsm_store(counter, value);
}

/* What the caller is told, once `applied` is stored. A writer that took over meanwhile may have copied memory before
 * the commit: then nobody can say what became of the input, and nobody is told that it was taken. */
FSM_ALWAYS_INLINE int fsm_acknowledge(fsm_header *header, uint64_t applied, int outcome)
{
    fsm_store(&header->applied, applied);
    return FSM_UNLIKELY(header->fence != 0) ? FSM_FENCED : outcome;
}

/* Whether the ring has room for the largest group. */
FSM_ALWAYS_INLINE int fsm_has_room(const fsm_machine *machine)
{
    return __builtin_expect(machine->header->applied + machine->group_max <= machine->room_until, 1);
}

/* Whether a row can be stepped: memory that others could write to is not believed before it is used. */
static inline int fsm_is_sound(const fsm_machine *machine, const uint64_t *row)
{
    if ((uint32_t)row[0] >= machine->configuration_count) return 0;
    if (machine->deferral_words == 0) return 1;
    const uint64_t *waiting = row + machine->deferral_word;
    if (*waiting > machine->deferral_slots) return 0;
    for (uint64_t entry = 0; entry < *waiting; entry++)
        if (waiting[1 + entry * machine->deferral_words] >= machine->event_count) return 0;
    return 1;
}

static inline int fsm_is_corrupt(const fsm_machine *machine, uint64_t index)
{
    machine->registers[FSM_TROUBLE_ROW] = (int64_t)index;
    return FSM_CORRUPT;
}

/* --- a group, frame by frame --- */

typedef struct {
    const fsm_machine *machine;
    uint64_t first;    /* sequence of the main frame */
    uint64_t sequence; /* of the open frame */
    uint64_t *frame;   /* the open frame, or NULL */
    int64_t place;     /* of the last fault, or FSM_NO_FAULT */
} fsm_group;

FSM_ALWAYS_INLINE void fsm_close_frame(fsm_group *group, uint64_t linked)
{
    uint64_t *frame = group->frame;
    frame[2] |= linked << 56;
    int has_image = (int)(frame[2] >> 56 & FSM_FRAME_IMAGE);
    uint64_t image = has_image ? fsm_crc_image(frame, group->machine->frame_words) : 0;
    frame[1] = fsm_crc_fixed(frame, group->sequence) | image << 32;
    fsm_store(&frame[0], group->sequence);
}

/* The next frame of the group, whose words are its caller's to write. */
static inline uint64_t *fsm_open_frame(fsm_group *group, uint64_t input)
{
    if (group->frame != NULL) fsm_close_frame(group, FSM_FRAME_LINKED);
    group->sequence++;
    group->frame = fsm_frame_at(group->machine, group->sequence);
    fsm_store_before(&group->frame[0], ~group->sequence);
    group->frame[2] = input;
    return group->frame;
}

static inline fsm_group fsm_open_group(const fsm_machine *machine)
{
    uint64_t applied = machine->header->applied;
    return (fsm_group){.machine = machine, .first = applied + 1, .sequence = applied, .place = FSM_NO_FAULT};
}

/* A continuation frame with these words. */
static inline void fsm_continue_group(fsm_group *group, uint64_t row, int kind, const uint64_t *words, uint64_t count)
{
    enum { FIXED = FSM_FRAME_WORDS - FSM_FRAME_PAYLOAD };
    uint64_t runs_on = count > FIXED ? FSM_FRAME_IMAGE : 0;
    uint64_t *frame = fsm_open_frame(group, fsm_input_word(row, count, 0, runs_on | (uint64_t)kind << 2));
    uint64_t end = runs_on ? group->machine->frame_words : FSM_FRAME_WORDS;
    assert(count <= end - FSM_FRAME_PAYLOAD);
    for (uint64_t word = 0; word < end - FSM_FRAME_PAYLOAD; word++)
        frame[FSM_FRAME_PAYLOAD + word] = word < count ? words[word] : 0;
}

/* The arguments behind the first, where one of them is not 0. */
FSM_ALWAYS_INLINE int fsm_has_more_arguments(const int64_t *arguments)
{
    return (arguments[1] | arguments[2] | arguments[3] | arguments[4] | arguments[5]) != 0;
}

/* The frame of a step: what every main frame and every event given again has in front. */
typedef struct {
    uint64_t kind;
    uint64_t row;
    uint64_t event;
    uint64_t outcome;
    uint64_t before; /* configurations */
    uint64_t after;
    uint64_t previous;
    uint64_t generation;
    uint64_t place;
    uint64_t argument;
} fsm_told;

static inline void fsm_tell(fsm_group *group, const fsm_told *told, const uint64_t *image)
{
    uint64_t flags = told->kind << 2 | (image != NULL ? FSM_FRAME_IMAGE : 0);
    uint64_t *frame = fsm_open_frame(group, fsm_input_word(told->row, told->event, told->outcome, flags));
    frame[3] = group->machine->header->now_ns;
    frame[4] = told->before | told->after << 32;
    frame[5] = told->previous;
    frame[6] = told->generation | told->place << 32;
    frame[7] = told->argument;
    if (image == NULL) return;
    for (uint64_t word = 0; word < group->machine->row_words; word++) frame[FSM_FRAME_WORDS + word] = image[word];
    frame[FSM_FRAME_WORDS + 1] = group->sequence;
}

/* The commit, and nothing else. */
FSM_ALWAYS_INLINE void fsm_commit_group(fsm_group *group)
{
    fsm_close_frame(group, 0);
}

#endif
