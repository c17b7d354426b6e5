"""What Python gives as an integer, as a word: `fsm/engine/mirror.py` says the same, in the same words."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    /* An int of one digit or less, without a call; any other way of reading one is left to the caller. */
    static inline int fsm_small_integer(PyObject *object, int64_t *value) {
        if (!PyLong_CheckExact(object)) return 0;
    #if PY_VERSION_HEX >= 0x030C0000
        if (!PyUnstable_Long_IsCompact((PyLongObject *)object)) return 0;
        *value = PyUnstable_Long_CompactValue((PyLongObject *)object);
    #else
        Py_ssize_t size = Py_SIZE(object);
        if (size < -1 || size > 1) return 0;
        *value = size * (int64_t)((PyLongObject *)object)->ob_digit[0];
    #endif
        return 1;
    }
    """
    bint small_integer "fsm_small_integer"(PyObject*, int64_t*)

cdef extern from "Python.h":
    bint PyLong_CheckExact(object)
    long long PyLong_AsLongLongAndOverflow(object, int*) except? -1
    object PyNumber_Index(object)


cdef inline int64_t signed_word(value) except? -1:
    """An argument as an int64. Raises `TypeError` or `OverflowError`."""
    cdef int overflow = 0
    number = PyNumber_Index(value)
    cdef int64_t word = PyLong_AsLongLongAndOverflow(number, &overflow)
    if overflow:
        raise OverflowError(f"argument: expected {-1 << 63} to {(1 << 63) - 1}, found {number}")
    return word


cdef inline uint64_t unsigned_word(name, value, uint64_t high) except? 0:
    """The same for a handle, an event, a version or a time: 0 to `high`."""
    cdef int overflow = 0
    number = PyNumber_Index(value)
    cdef int64_t word = PyLong_AsLongLongAndOverflow(number, &overflow)
    if overflow == 0 and word >= 0 and <uint64_t>word <= high:
        return word
    if not 0 <= number <= high:
        raise OverflowError(f"{name}: expected 0 to {high}, found {number}")
    return number
