/* The index of idempotency keys: which inputs were taken already, and as what.
 *
 *   two generations of tables, slots of four words:  | key 128 | its frame | digest of the input 56, outcome 8 |
 *
 * A generation is full at the window's number of keys; then the other one is begun anew, by noting the frame at which
 * it was: whatever an older frame left there is free. So keys are forgotten between one and two windows later, nothing
 * is ever deleted, and doing an insert again is harmless. fsm/engine/idempotency.py says the same.
 */
#ifndef FSM_IDEMPOTENCY_H
#define FSM_IDEMPOTENCY_H

#include "frames.h"

FSM_ALWAYS_INLINE uint64_t fsm_mix(uint64_t hashed, uint64_t word)
{
    hashed = (hashed ^ word) * FSM_HASH_FACTOR;
    return hashed ^ hashed >> 32;
}

/* What tells one input from another: 56 bits. The arguments are in their registers. */
static inline uint64_t fsm_digest(const fsm_machine *machine, uint64_t instance, uint64_t event)
{
    const int64_t *arguments = machine->registers + machine->row_words;
    uint64_t hashed = fsm_mix(fsm_mix(FSM_HASH_SEED, instance), event);
    for (int word = 0; word < FSM_ARGUMENT_WORDS; word++) hashed = fsm_mix(hashed, (uint64_t)arguments[word]);
    return hashed >> 8;
}

static inline unsigned fsm_current_generation(const fsm_header *header)
{
    return header->idempotency_since[1] > header->idempotency_since[0];
}

/* The slot of the key in a generation, or the free one where it would go, or NULL in a table without either. */
static inline uint64_t *fsm_idempotency_slot(const fsm_machine *machine, unsigned generation, const uint64_t *key)
{
    uint64_t since = machine->header->idempotency_since[generation];
    uint64_t *table = machine->idempotency + generation * (machine->idempotency_mask + 1) * FSM_IDEMPOTENCY_WORDS;
    uint64_t at = fsm_mix(fsm_mix(FSM_HASH_SEED, key[0]), key[1]);
    for (uint64_t probes = 0; probes <= machine->idempotency_mask; probes++, at++) {
        uint64_t *slot = table + (at & machine->idempotency_mask) * FSM_IDEMPOTENCY_WORDS;
        if (slot[2] == 0 || slot[2] < since || (slot[0] == key[0] && slot[1] == key[1])) return slot;
    }
    return NULL;
}

/* Ask for the slots of a key that comes soon: in both tables, since either may have it. */
FSM_ALWAYS_INLINE void fsm_prefetch_key(const fsm_machine *machine, const uint64_t *key)
{
    uint64_t at = fsm_mix(fsm_mix(FSM_HASH_SEED, key[0]), key[1]) & machine->idempotency_mask;
    const uint64_t *slot = machine->idempotency + at * FSM_IDEMPOTENCY_WORDS;
    __builtin_prefetch(slot, 1, 3);
    __builtin_prefetch(slot + (machine->idempotency_mask + 1) * FSM_IDEMPOTENCY_WORDS, 1, 3);
}

/* The slot of a key that was taken, or NULL. */
static inline const uint64_t *fsm_find_taken(const fsm_machine *machine, const uint64_t *key)
{
    unsigned current = fsm_current_generation(machine->header);
    for (unsigned turn = 0; turn < 2; turn++) {
        unsigned generation = current ^ turn;
        uint64_t since = machine->header->idempotency_since[generation];
        if (since == 0) continue;
        const uint64_t *slot = fsm_idempotency_slot(machine, generation, key);
        if (slot != NULL && slot[2] != 0 && slot[2] >= since) return slot;
    }
    return NULL;
}

/* Note what became of the input of a frame; the key is in no table. */
static inline void fsm_note_taken(
    const fsm_machine *machine, const uint64_t *key, uint64_t sequence, uint64_t digest, int outcome)
{
    fsm_header *header = machine->header;
    unsigned generation = fsm_current_generation(header);
    if (header->idempotency_since[generation] == 0) {
        fsm_store(&header->idempotency_since[generation], sequence);
    } else if (header->idempotency_count[generation] >= header->idempotency_window) {
        generation ^= 1;
        fsm_store(&header->idempotency_since[generation], sequence);
    }
    uint64_t *slot = fsm_idempotency_slot(machine, generation, key);
    if (slot == NULL) return; /* a damaged table: a key that is not noted is taken again at worst */
    slot[0] = key[0];
    slot[1] = key[1];
    slot[3] = digest << 8 | (uint64_t)outcome;
    fsm_store(&slot[2], sequence);
    uint64_t begun = header->idempotency_since[generation] == sequence;
    uint64_t count = begun ? 1 : header->idempotency_count[generation] + 1;
    fsm_count(header, &header->idempotency_count[generation], count, sequence);
}

#endif
