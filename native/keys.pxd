"""The index by key in C types: open addressing, linear probing, no deletion. `fsm/engine/mirror.py` says the same."""

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


cdef inline uint64_t* find_slot(Machine* machine, const fsm_key* key, uint64_t hashed) noexcept nogil:
    """The slot of the key, or the free one where it would go. The index is never more than half full."""
    cdef uint64_t slot = hashed & machine.index_mask
    cdef uint64_t entry = machine.index[slot]
    while entry != 0:
        if (entry >> 32) == (hashed >> 32) and equal_keys(&machine.keys[<uint32_t>entry - 1], key):
            break
        slot = (slot + 1) & machine.index_mask
        entry = machine.index[slot]
    return &machine.index[slot]
