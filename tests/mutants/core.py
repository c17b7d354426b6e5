"""Errors of the native core: the mirror does otherwise, so the two engines differ."""

from __future__ import annotations

from tests.mutants.mutant import mutant

STEP, WIDE, BATCH, ENGINE = "native/step.h", "native/wide.h", "native/batch.h", "native/engine.pyx"
MACROSTEP, DEFERRAL, INPUTS, TIMERS = "native/macrostep.h", "native/deferral.h", "native/inputs.h", "native/timers.h"

FLAT = (
    mutant("less takes equal", STEP, "NEXT_AFTER_JUMP_IF(A < B);", "NEXT_AFTER_JUMP_IF(A <= B);"),
    mutant("not less misses equal", STEP, "NEXT_AFTER_JUMP_IF(A >= B);", "NEXT_AFTER_JUMP_IF(A > B);"),
    mutant("version stands still", STEP, "(uint32_t)(row[2] + 1) | second", "(uint32_t)row[2] | second"),
    mutant(
        "subtraction without a trap", STEP,
        "subtract:\n    STORE_UNLESS(__builtin_sub_overflow(B, C, &result));",
        "subtract:\n    result = (int64_t)((uint64_t)B - (uint64_t)C);\n    A = result;",
    ),
    mutant(
        "last addition without a trap", STEP,
        "add_last:\n    STORE_UNLESS(__builtin_add_overflow(B, C, &result));",
        "add_last:\n    result = (int64_t)((uint64_t)B + (uint64_t)C);\n    A = result;",
    ),
    mutant(
        "a fault writes what came before it", STEP,
        "fault:\n    *place",
        "fault:\n    fsm_copy_fields((uint64_t *)row, (const uint64_t *)registers, machine->field_end);\n"
        "    *place",
    ),
    mutant(
        "a fault of a flat flow forgets its place", STEP,
        "*place = machine->places[at - machine->code];", "(void)place;",
    ),
    mutant(
        "any generation will do", STEP,
        "row[0] >> 32 == (instance >> 32) + (FSM_ROW_LIVE << 16)", "row[0] >> 48 == FSM_ROW_LIVE",
    ),
    mutant(
        "bits above the generation will do", STEP,
        "(instance >> 32) + (FSM_ROW_LIVE << 16)", "(instance >> 32 | FSM_ROW_LIVE << 16)",
    ),
    mutant(
        "an ignored event counts", STEP,
        "return kind == FSM_CELL_IGNORE ? FSM_IGNORED",
        "if (kind == FSM_CELL_IGNORE) fsm_commit(row, (uint32_t)row[0], machine->second);\n"
        "    return kind == FSM_CELL_IGNORE ? FSM_IGNORED",
    ),
    mutant("the remainder keeps the sign of C", STEP, "? remainder + divisor : remainder", "? remainder : remainder"),
    mutant("a bound is one too small", STEP, "if (A < B || A > C) goto stop;", "if (A < B || A >= C) goto stop;"),
    mutant("the clock steps back", STEP, "if (now_ns > machine->header->now_ns) ", ""),
    mutant("floor rounds negatives up", WIDE, "FSM_ROUND_FLOOR: away = negative;", "FSM_ROUND_FLOOR: away = 0;"),
    mutant("half even rounds up", WIDE, "(half == 0 && (quotient & 1))", "half == 0"),
    mutant("a quotient may wrap around", WIDE, "quotient > INT64_MAX || ", ""),
    mutant("the last word of a batch is left out", BATCH, "word < width; word++", "word < width - 1; word++"),
    mutant(
        "the second of the clock stands still", STEP,
        "machine->registers[FSM_SECOND] = (int64_t)(now_ns / UINT64_C(1000000000) << 32);", "(void)now_ns;",
    ),
    mutant(
        "words of the step before stay", ENGINE,
        "    arguments[0] = arguments[1] = arguments[2] = arguments[3] = arguments[4] = arguments[5] = 0\n", "",
    ),
    mutant(
        "an older version will do", ENGINE,
        "<uint32_t>row[2] != given.expected", "<uint32_t>row[2] > given.expected",
    ),
    mutant(
        "growth loses the first key", ENGINE,
        "for row in range(fresh.header.row_count if", "for row in range(1, fresh.header.row_count if",
    ),
)  # fmt: skip
"""Of every flow, and of the step of a flat one."""

CHARTED = (
    mutant(
        "an eventless transition is tried once", MACROSTEP,
        "            column = machine->always_column;\n        } else if",
        "            column = FSM_NONE;\n        } else if",
    ),
    mutant(
        "the newest internal event comes first", MACROSTEP,
        "uint64_t column = step->machine->raised[step->raised_first];",
        "uint64_t column = step->machine->raised[(step->raised_first + step->raised_count - 1)"
        " % step->machine->raised_max];",
    ),
    mutant(
        "one internal event less may wait", MACROSTEP,
        "step->raised_count >= machine->raised_max", "step->raised_count + 1 >= machine->raised_max",
    ),
    mutant(
        "one microstep more is allowed", MACROSTEP,
        "++microsteps > machine->microsteps_max", "microsteps++ > machine->microsteps_max",
    ),
    mutant("an event that enables nothing ends the macrostep", MACROSTEP, "            step->goes_on = 1;\n", ""),
    mutant(
        "a fault of a chart forgets its place", MACROSTEP,
        "step->at == NULL ? FSM_NONE : machine->places[step->at - machine->code]", "FSM_NONE",
    ),
    mutant(
        "a fault of a later microstep enables nothing", MACROSTEP,
        "        if (outcome & FSM_FAULT) return outcome;\n", "",
    ),
    mutant(
        "what is cancelled stays in the index", MACROSTEP,
        "    fsm_cancel_timers(machine, index, row, slots);\n", "",
    ),
    mutant("a timer may be armed for 0", STEP, "        if (result < 1) result = 1;\n", ""),
    mutant(
        "a deadline wraps around", STEP,
        "__builtin_add_overflow(registers[FSM_CLOCK], B, &result)",
        "(result = (int64_t)((uint64_t)registers[FSM_CLOCK] + (uint64_t)B), 0)",
    ),
    mutant(
        "what is passed through is forgotten", STEP,
        "registers[FSM_CONFIGURATION] = fsm_successor(registers, at->b);", "(void)fsm_successor(registers, at->b);",
    ),
    mutant("a timer that fires stays armed", INPUTS, "    row[machine->field_end + slot] = 0;\n", ""),
    mutant("timers that fire are not counted", INPUTS, "    machine->header->untold[outcome]++;\n", ""),
    mutant("rows fire backwards", TIMERS, "due[at - 1] > timer)", "due[at - 1] < timer)"),
    mutant(
        "what is due fires in order of arming", TIMERS,
        "at > 0 && (keys[at - 1] > key || (keys[at - 1] == key && due[at - 1] > timer));", "0;",
    ),
    mutant("overdue timers never fire", TIMERS, "    fsm_heap_open(index, &index->overdue, UINT64_MAX);\n", ""),
    mutant(
        "what was cancelled while others fired is fired", TIMERS,
        "index->due_first < index->due_end && index->places[index->due[index->due_first]] != FSM_TIMER_DUE",
        "index->due_first < index->due_end && 0",
    ),
    mutant("timers are due one tick late", TIMERS, "if (begin > key) break;", "if (begin >= key) break;"),
    mutant("one event more may be deferred", DEFERRAL, "*waiting >= at_most", "*waiting > at_most"),
    mutant(
        "what is taken out leaves its words behind", DEFERRAL, "    memset(end - size, 0, size * sizeof *entry);\n", "",
    ),
    mutant(
        "events are not given again from the oldest", DEFERRAL,
        "(uint32_t)row[0])) position = 0;", "(uint32_t)row[0])) continue;",
    ),
    mutant(
        "what a history remembers gives events again", DEFERRAL,
        "    if (before == after) return 0;\n", "    return before != after;\n",
    ),
    mutant(
        "the arguments of deferred events are lost", DEFERRAL,
        "        memcpy(arguments, entry + 1, (size - 1) * sizeof *arguments);\n", "",
    ),
    mutant(
        "growth forgets the timers of the first row", INPUTS,
        "for (uint64_t index = 0; index < machine->header->row_count; index++) {",
        "for (uint64_t index = 1; index < machine->header->row_count; index++) {",
    ),
)  # fmt: skip
"""Of macrosteps, timers and deferred events."""
