"""What a third party may cimport: `from fsm.engine._native cimport Core, step_instance`. `fsm.abi` has the structs."""

from libc.stdint cimport int64_t, uint64_t


cdef class Core:
    cdef void* _machine
    cdef object _resources
    cdef object _tables
    cdef object _memory
    cdef int _gate
    cdef object _refusal
    cdef object __weakref__


# The caller is the one writer while this runs: without the GIL, no Python thread may be inside the same engine.
cdef int step_instance(Core core, uint64_t instance, uint64_t event_id, const int64_t* arguments) except? -1 nogil
