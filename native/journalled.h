/* Steps with a journal: decided in private, told in frames, and then shown.
 *
 *   room? --> decide (registers, or a staged copy of the row) --> frames --> commit --> row, views, `applied`
 *
 * A process that is killed before the commit has done nothing; one that is killed behind it has done all of it, since
 * whoever opens the memory next makes the row and the views from the frames. fsm/engine/mirror.py says the same.
 */
#ifndef FSM_JOURNALLED_H
#define FSM_JOURNALLED_H

#include "deferral.h"
#include "idempotency.h"

/* What may come with an event. */
typedef struct {
    uint64_t instance;
    uint64_t event;
    const uint64_t *key;           /* idempotency: two words, or NULL */
    const fsm_key *correlation;    /* or NULL */
    const fsm_key *unknown;        /* the key that no instance has, or NULL */
    uint64_t expected;             /* version */
    int has_expected;
} fsm_input;

/* --- the long way: whatever an input brings, and whatever follows from it --- */

/* Show what a committed group of one row came to. `image` is NULL where the row keeps all but its last frame. */
static void fsm_show_group(const fsm_group *group, uint64_t *row, const uint64_t *image, uint64_t last_of_row)
{
    const fsm_machine *machine = group->machine;
    if (image != NULL) fsm_publish_row(row, image, last_of_row, machine->row_words);
    else if (row != NULL) fsm_store(&row[1], last_of_row);
    if (group->place != FSM_NO_FAULT) machine->header->place = (uint64_t)group->place;
}

/* Count what nobody is told of, frame by frame. */
static void fsm_count_untold(const fsm_group *group)
{
    fsm_header *header = group->machine->header;
    for (uint64_t sequence = group->first; sequence <= group->sequence; sequence++) {
        uint64_t input = fsm_frame_at(group->machine, sequence)[2], kind = input >> 58, outcome = input >> 48 & 0xFF;
        if (kind == FSM_FRAME_TIMER || kind == FSM_FRAME_AGAIN)
            fsm_count(header, &header->untold[outcome], header->untold[outcome] + 1, sequence);
    }
}

static int fsm_judge(const fsm_machine *machine, const fsm_input *input, uint64_t *row, const uint64_t *taken,
                     uint64_t digest)
{
    uint32_t at_most;
    if (taken != NULL) return taken[3] >> 8 == digest ? FSM_DUPLICATE : FSM_KEY_REUSED;
    if (input->event >= machine->event_count) return FSM_UNKNOWN_EVENT;
    if (input->has_expected && (uint32_t)row[2] != input->expected) return FSM_VERSION;
    int outcome = fsm_decide(machine, (uint32_t)input->instance, row, input->event, &at_most);
    return outcome == FSM_DEFERRED ? fsm_defer(machine, row, input->event, at_most) : outcome;
}

/* The place of a fault, or what word 6 tells in its stead. */
static uint64_t fsm_place_of(const fsm_machine *machine, const fsm_input *input, int outcome)
{
    if (outcome == FSM_UNKNOWN_EVENT) return input->event < FSM_NONE ? input->event : FSM_NONE;
    if (outcome == FSM_VERSION) return input->expected < FSM_NONE ? input->expected : FSM_NONE;
    return fsm_fault_place(machine);
}

/* The frames behind the main one. */
static void fsm_tell_rest(fsm_group *group, const fsm_input *input, const uint64_t *taken)
{
    const fsm_machine *machine = group->machine;
    const int64_t *arguments = machine->registers + machine->row_words;
    uint64_t row = (uint32_t)input->instance;
    if (fsm_has_more_arguments(arguments))
        fsm_continue_group(group, row, FSM_FRAME_ARGUMENTS, (const uint64_t *)arguments + 1, FSM_ARGUMENT_WORDS - 1);
    if (input->unknown != NULL) fsm_continue_group(group, row, FSM_FRAME_KEY, input->unknown->words, 8);
    if (input->key != NULL) {
        uint64_t words[3] = {input->key[0], input->key[1], taken != NULL ? taken[2] : 0};
        fsm_continue_group(group, row, FSM_FRAME_IDEMPOTENCY, words, 3);
    }
    if (input->correlation != NULL)
        fsm_continue_group(group, row, FSM_FRAME_CORRELATION, input->correlation->words, 8);
}

/* An event to an instance that is not known. */
static int fsm_take_unknown(const fsm_machine *machine, const fsm_input *input)
{
    fsm_group group = fsm_open_group(machine);
    fsm_told told = {
        .kind = FSM_FRAME_EVENT, .row = (uint32_t)input->instance,
        .event = input->event < machine->event_count ? input->event : FSM_EVENT_NONE, .outcome = FSM_UNKNOWN_INSTANCE,
        .before = FSM_NONE, .after = FSM_NONE, .generation = input->instance >> 32 & 0xFFFF, .place = FSM_NONE,
        .argument = (uint64_t)machine->registers[machine->row_words],
    };
    fsm_tell(&group, &told, NULL);
    fsm_tell_rest(&group, input, NULL);
    fsm_commit_group(&group);
    return fsm_acknowledge(machine->header, group.sequence, FSM_UNKNOWN_INSTANCE);
}

/* One event, whatever comes with it; the argument words are in their registers. */
FSM_NOINLINE int fsm_take(const fsm_machine *machine, const fsm_input *input)
{
    uint64_t *row = fsm_find_row(machine, input->instance), *staged = machine->staged;
    if (machine->header->fence != 0) return FSM_FENCED;
    if (row != NULL && !fsm_is_sound(machine, row)) return fsm_is_corrupt(machine, (uint32_t)input->instance);
    if (!fsm_has_room(machine)) return FSM_NO_ROOM;
    if (row == NULL) return fsm_take_unknown(machine, input);
    memcpy(staged, row, machine->row_words * sizeof *row);
    machine->registers[FSM_FAULT_PLACE] = FSM_NO_FAULT;
    uint64_t digest = input->key != NULL ? fsm_digest(machine, input->instance, input->event) : 0;
    const uint64_t *taken = input->key != NULL ? fsm_find_taken(machine, input->key) : NULL;
    int outcome = fsm_judge(machine, input, staged, taken, digest);

    fsm_group group = fsm_open_group(machine);
    int has_image = outcome == FSM_ACCEPTED || outcome == FSM_DEFERRED;
    fsm_told told = {
        .kind = FSM_FRAME_EVENT, .row = (uint32_t)input->instance,
        .event = input->event < machine->event_count ? input->event : FSM_EVENT_NONE, .outcome = (uint64_t)outcome,
        .before = (uint32_t)row[0], .after = (uint32_t)staged[0], .previous = row[1],
        .generation = row[0] >> 32 & 0xFFFF, .place = fsm_place_of(machine, input, outcome),
        .argument = (uint64_t)machine->registers[machine->row_words],
    };
    group.place = machine->registers[FSM_FAULT_PLACE];
    fsm_tell(&group, &told, has_image ? staged : NULL);
    staged[1] = group.sequence;
    fsm_tell_rest(&group, input, taken);
    if (outcome == FSM_ACCEPTED && machine->deferral_words != 0)
        fsm_give_again(machine, (uint32_t)input->instance, staged, told.before, &group);
    fsm_commit_group(&group);

    fsm_show_group(&group, row, has_image ? staged : NULL, staged[1]);
    if (input->key != NULL && (outcome == FSM_ACCEPTED || outcome == FSM_IGNORED || outcome == FSM_DEFERRED))
        fsm_note_taken(machine, input->key, group.first, digest, outcome);
    fsm_count_untold(&group);
    return fsm_acknowledge(machine->header, group.sequence, outcome);
}

/* A timer that is due. */
static void fsm_take_timer(const fsm_machine *machine, uint64_t index, uint64_t slot)
{
    uint64_t *row = machine->rows + index * machine->row_words, *staged = machine->staged;
    uint32_t at_most;
    memcpy(staged, row, machine->row_words * sizeof *row);
    staged[machine->field_end + slot] = 0;
    int outcome = fsm_decide(machine, index, staged, machine->timer_column + slot, &at_most);
    fsm_group group = fsm_open_group(machine);
    fsm_told told = {
        .kind = FSM_FRAME_TIMER, .row = index, .event = machine->timer_column + slot, .outcome = (uint64_t)outcome,
        .before = (uint32_t)row[0], .after = (uint32_t)staged[0], .previous = row[1],
        .generation = row[0] >> 32 & 0xFFFF, .place = fsm_fault_place(machine),
    };
    group.place = machine->registers[FSM_FAULT_PLACE];
    fsm_tell(&group, &told, staged);
    staged[1] = group.sequence;
    if (outcome == FSM_ACCEPTED && machine->deferral_words != 0)
        fsm_give_again(machine, index, staged, told.before, &group);
    fsm_commit_group(&group);
    fsm_show_group(&group, row, staged, staged[1]);
    fsm_count_untold(&group);
    fsm_store(&machine->header->applied, group.sequence);
}

/* The frames of a start that has been decided; `image` is the row as it will be. Returns the last sequence. */
static uint64_t fsm_tell_start(const fsm_machine *machine, const fsm_key *key, uint64_t index, const int64_t *fields,
                               int outcome, const uint64_t *image)
{
    uint64_t field_words = machine->row_words - 3, row = outcome == FSM_ACCEPTED ? index : FSM_NONE;
    fsm_group group = fsm_open_group(machine);
    fsm_told told = {
        .kind = FSM_FRAME_START, .row = row, .outcome = (uint64_t)outcome, .before = FSM_NONE,
        .after = outcome == FSM_ACCEPTED ? (uint32_t)image[0] : FSM_NONE,
        .generation = outcome == FSM_ACCEPTED ? image[0] >> 32 & 0xFFFF : 0, .place = fsm_fault_place(machine),
    };
    fsm_tell(&group, &told, outcome == FSM_ACCEPTED ? image : NULL);
    fsm_continue_group(&group, row, FSM_FRAME_KEY, key->words, 8);
    if (fields != machine->initial && memcmp(fields, machine->initial, field_words * sizeof *fields) != 0)
        fsm_continue_group(&group, row, FSM_FRAME_FIELDS, (const uint64_t *)fields, field_words);
    fsm_commit_group(&group);
    return group.sequence;
}

/* A start with the key of an instance that is there. */
static int fsm_take_exists(const fsm_machine *machine, const fsm_key *key, uint64_t index, const int64_t *fields)
{
    uint64_t *row = machine->rows + index * machine->row_words, field_words = machine->row_words - 3;
    fsm_group group = fsm_open_group(machine);
    fsm_told told = {
        .kind = FSM_FRAME_START, .row = index, .outcome = FSM_EXISTS, .before = (uint32_t)row[0],
        .after = (uint32_t)row[0], .previous = row[1], .generation = row[0] >> 32 & 0xFFFF, .place = FSM_NONE,
    };
    fsm_tell(&group, &told, NULL);
    fsm_continue_group(&group, index, FSM_FRAME_KEY, key->words, 8);
    if (memcmp(fields, machine->initial, field_words * sizeof *fields) != 0)
        fsm_continue_group(&group, index, FSM_FRAME_FIELDS, (const uint64_t *)fields, field_words);
    fsm_commit_group(&group);
    fsm_show_group(&group, row, NULL, group.first);
    return fsm_acknowledge(machine->header, group.sequence, FSM_EXISTS);
}

/* How far a source was read: words of its own, for whoever reads it on. */
static void fsm_take_position(const fsm_machine *machine, const uint64_t *words, uint64_t count)
{
    fsm_group group = fsm_open_group(machine);
    fsm_told told = {.kind = FSM_FRAME_POSITION, .row = FSM_NONE, .before = FSM_NONE, .after = FSM_NONE,
                     .place = FSM_NONE};
    fsm_tell(&group, &told, NULL);
    fsm_continue_group(&group, FSM_NONE, FSM_FRAME_DATA, words, count);
    fsm_commit_group(&group);
    fsm_store(&machine->header->position, group.first);
    fsm_store(&machine->header->applied, group.sequence);
}

/* --- the short way --- */

/* The checksum of a frame while its words are stored. */
#define FSM_PUT(number, value) (word = (value), frame[number] = word, fixed = fsm_crc_word(fixed, word))

/* The arguments behind the first, in the last frame of a group. */
static inline uint64_t fsm_tell_more(const fsm_machine *machine, uint64_t sequence, uint64_t instance)
{
    const int64_t *arguments = machine->registers + machine->row_words;
    uint64_t *frame = fsm_frame_at(machine, sequence), word;
    uint64_t fixed = fsm_crc_word((uint32_t)FSM_CRC_BEGIN, sequence);
    fsm_store_before(&frame[0], ~sequence);
    FSM_PUT(2, fsm_input_word(instance, FSM_ARGUMENT_WORDS - 1, 0, FSM_FRAME_ARGUMENTS << 2));
    FSM_PUT(3, (uint64_t)arguments[1]);
    FSM_PUT(4, (uint64_t)arguments[2]);
    FSM_PUT(5, (uint64_t)arguments[3]);
    FSM_PUT(6, (uint64_t)arguments[4]);
    FSM_PUT(7, (uint64_t)arguments[5]);
    frame[1] = fixed ^ (uint32_t)FSM_CRC_BEGIN;
    fsm_store(&frame[0], sequence);
    return sequence;
}

/* Tell and show an event of a flat flow that was accepted: words go from registers into the frame, the checksum and the
 * row. `linked` is a constant: whether there are more arguments. */
FSM_ALWAYS_INLINE int fsm_tell_accepted(
    const fsm_machine *machine, uint64_t *row, uint64_t instance, uint64_t event, uint64_t configuration,
    const uint64_t *fields, const int linked)
{
    fsm_header *header = machine->header;
    const uint64_t before = row[0], sequence = header->applied + 1;
    const uint64_t state = before >> 32 << 32 | configuration, version = (uint32_t)(row[2] + 1) | fsm_second(machine);
    const uint64_t field_3 = fields[3], field_4 = fields[4], field_5 = fields[5], field_6 = fields[6],
                   field_7 = fields[7];
    uint64_t *frame = fsm_frame_at(machine, sequence), word, last = sequence;
    uint64_t fixed = fsm_crc_word((uint32_t)FSM_CRC_BEGIN, sequence), image = (uint32_t)FSM_CRC_BEGIN;
#define FSM_PUT_IMAGE(number, value) \
    (word = (value), frame[FSM_FRAME_WORDS + (number)] = word, image = fsm_crc_word(image, word))
    fsm_store_before(&frame[0], ~sequence);
    FSM_PUT(2, fsm_input_word(instance, event, FSM_ACCEPTED,
                              (linked ? FSM_FRAME_LINKED : 0) | FSM_FRAME_IMAGE | FSM_FRAME_EVENT << 2));
    FSM_PUT(3, (uint64_t)machine->registers[FSM_CLOCK]);
    FSM_PUT(4, (uint32_t)before | configuration << 32);
    FSM_PUT(5, row[1]);
    FSM_PUT(6, (before >> 32 & 0xFFFF) | (uint64_t)FSM_NONE << 32);
    FSM_PUT(7, (uint64_t)machine->registers[machine->row_words]);
    FSM_PUT_IMAGE(0, state);
    FSM_PUT_IMAGE(1, sequence);
    FSM_PUT_IMAGE(2, version);
    FSM_PUT_IMAGE(3, field_3);
    FSM_PUT_IMAGE(4, field_4);
    FSM_PUT_IMAGE(5, field_5);
    FSM_PUT_IMAGE(6, field_6);
    FSM_PUT_IMAGE(7, field_7);
    for (uint64_t at = 8; at < machine->row_words; at++) FSM_PUT_IMAGE(at, fields[at]);
#undef FSM_PUT_IMAGE
    frame[1] = (fixed ^ (uint32_t)FSM_CRC_BEGIN) | (image ^ (uint32_t)FSM_CRC_BEGIN) << 32;
    fsm_store(&frame[0], sequence);
    if (linked) last = fsm_tell_more(machine, sequence + 1, instance);

    fsm_store_before(&row[1], sequence | FSM_ROW_FRAME_BUSY);
    row[0] = state;
    row[2] = version;
    row[3] = field_3;
    row[4] = field_4;
    row[5] = field_5;
    row[6] = field_6;
    row[7] = field_7;
    for (uint64_t at = 8; at < machine->row_words; at++) row[at] = fields[at];
    fsm_store(&row[1], sequence);
    return fsm_acknowledge(header, last, FSM_ACCEPTED);
}

/* The same for one that changed nothing, or came with more arguments. */
FSM_NOINLINE int fsm_tell_flat(
    const fsm_machine *machine, uint64_t instance, uint64_t event, int outcome, uint64_t configuration, uint64_t place,
    const uint64_t *fields)
{
    fsm_header *header = machine->header;
    const int64_t *arguments = machine->registers + machine->row_words;
    const uint64_t linked = fsm_has_more_arguments(arguments) ? FSM_FRAME_LINKED : 0, sequence = header->applied + 1;
    uint64_t *row = machine->rows + (uint32_t)instance * machine->row_words;
    if (outcome == FSM_ACCEPTED) return fsm_tell_accepted(machine, row, instance, event, configuration, fields, 1);
    uint64_t *frame = fsm_frame_at(machine, sequence), word, last = sequence;
    uint64_t fixed = fsm_crc_word((uint32_t)FSM_CRC_BEGIN, sequence);
    fsm_store_before(&frame[0], ~sequence);
    FSM_PUT(2, fsm_input_word(instance, event, (uint64_t)outcome, linked | FSM_FRAME_EVENT << 2));
    FSM_PUT(3, (uint64_t)machine->registers[FSM_CLOCK]);
    FSM_PUT(4, (uint32_t)row[0] | (uint64_t)(uint32_t)row[0] << 32);
    FSM_PUT(5, row[1]);
    FSM_PUT(6, (row[0] >> 32 & 0xFFFF) | place << 32);
    FSM_PUT(7, (uint64_t)arguments[0]);
    frame[1] = fixed ^ (uint32_t)FSM_CRC_BEGIN;
    fsm_store(&frame[0], sequence);
    if (linked) last = fsm_tell_more(machine, sequence + 1, instance);
    fsm_store(&row[1], sequence);
    if (FSM_UNLIKELY(place != (uint64_t)FSM_NO_FAULT)) header->place = place;
    return fsm_acknowledge(header, last, outcome);
}

#undef FSM_PUT

/* One event of a flat flow, with nothing but arguments. `whole` is the same machine, for what is seldom: its address
 * escapes, so that of a copy that a loop keeps in registers need not. */
FSM_ALWAYS_INLINE int fsm_take_flat(
    const fsm_machine *machine, const fsm_machine *whole, uint64_t instance, uint64_t event, const int may_have_more)
{
    uint64_t *row = fsm_find_row(machine, instance);
    if (FSM_UNLIKELY(machine->header->fence != 0)) return FSM_FENCED;
    if (FSM_UNLIKELY(row == NULL || event >= machine->event_count))
        return fsm_take(whole, &(fsm_input){.instance = instance, .event = event});
    uint64_t configuration = (uint32_t)row[0], place = (uint64_t)FSM_NO_FAULT;
    if (FSM_UNLIKELY(configuration >= machine->configuration_count))
        return fsm_is_corrupt(whole, (uint32_t)instance);
    if (!fsm_has_room(machine)) return FSM_NO_ROOM;

    const uint64_t *fields = row;
    uint64_t cell = machine->cells[configuration * machine->column_count + event], kind = cell & 0xFF;
    int outcome;
    if (__builtin_expect(kind == FSM_CELL_PROGRAM, 1)) {
        outcome = fsm_run_flat(machine, row, machine->code + (cell >> 32), &configuration, &place);
        fields = (const uint64_t *)machine->registers;
    } else if (kind == FSM_CELL_GO) {
        outcome = FSM_ACCEPTED;
        configuration = cell >> 32;
    } else {
        outcome = kind == FSM_CELL_REFUSE ? (int)(cell >> 8 & 0xFF)
                : kind == FSM_CELL_IGNORE ? FSM_IGNORED : FSM_DEFERRAL_FULL;
    }
    if (FSM_UNLIKELY(outcome != FSM_ACCEPTED)
        || (may_have_more && fsm_has_more_arguments(machine->registers + machine->row_words)))
        return fsm_tell_flat(whole, instance, event, outcome, configuration, place, fields);
    return fsm_tell_accepted(machine, row, instance, event, configuration, fields, 0);
}

#endif
