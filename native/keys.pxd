"""The index by key in C types: open addressing, linear probing, and marks in place of deleted keys.

`fsm/engine/areas.py` says the same.
"""

from libc.stdint cimport uint32_t, uint64_t

from fsm.abi cimport *
from step cimport Machine


cdef inline uint64_t hash_key(const fsm_key* key) noexcept nogil:
    cdef uint64_t hashed = FSM_HASH_SEED
    cdef int word
    for word in range(8):
        hashed = (hashed ^ key.words[word]) * FSM_HASH_FACTOR
        hashed ^= hashed >> 32
    return hashed


cdef inline bint equal_keys(const fsm_key* left, const fsm_key* right) noexcept nogil:
    cdef uint64_t difference = 0
    cdef int word
    for word in range(8):
        difference |= left.words[word] ^ right.words[word]
    return difference == 0


cdef inline uint64_t* find_slot(Machine* machine, const fsm_key* key, uint64_t hashed, uint64_t* row) noexcept nogil:
    """The slot of the key, and its row; or where the key goes, and FSM_NONE: the first released slot on its way, or a
    free one. NULL where there is none. No slot is looked at twice, whatever the index holds."""
    cdef uint64_t* room = NULL
    cdef uint64_t* slot
    cdef uint64_t probe, index
    row[0] = FSM_NONE
    for probe in range(machine.index_mask + 1):
        slot = &machine.index[(hashed + probe) & machine.index_mask]
        if slot[0] == 0:
            return slot if room == NULL else room
        if slot[0] == FSM_INDEX_RELEASED:
            if room == NULL:
                room = slot
            continue
        index = <uint32_t>slot[0] - <uint64_t>1
        if (slot[0] >> 32) == (hashed >> 32) and index < machine.capacity:
            if equal_keys(&machine.keys[index], key):
                row[0] = index
                return slot
    return room
