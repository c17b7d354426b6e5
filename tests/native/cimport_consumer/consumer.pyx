# cython: language_level=3
"""Somebody else's hot loop: it cimports the engine and steps it without the GIL, from a C array of events.

    events[n] ──step_instance, nogil──▶ counts[outcome]

Built against an installed fsm by tests/packaging, as a third party would build it.
"""

from libc.stdint cimport int64_t, uint64_t

from fsm.abi cimport FSM_ABI_VERSION, FSM_ACCEPTED, FSM_ENDED, fsm_row
from fsm.engine._native cimport Core, step_instance


def abi():
    """Version and sizes that this module was compiled with."""
    return FSM_ABI_VERSION, sizeof(fsm_row)


def feed(Core core, uint64_t instance, uint64_t event_id, int64_t argument, int times):
    """How many of `times` equal events were accepted, and how many were refused because the instance had ended."""
    cdef int64_t arguments[6]
    cdef int accepted = 0, ended = 0, index, outcome
    for index in range(6):
        arguments[index] = argument if index == 0 else 0
    with nogil:
        for index in range(times):
            outcome = step_instance(core, instance, event_id, arguments)
            accepted += outcome == FSM_ACCEPTED
            ended += outcome == FSM_ENDED
    return accepted, ended
