"""The errors made on purpose: in the native core, in the compiler, and in both engines at once.

A mutation of the core alone makes the two engines differ. One of the compiler, or the same one of both engines, does
not: only the reading of the chart can see it, and `run.py` shows that it alone does.
"""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """A piece of text that stands once in a file, and what stands there instead."""

    file: str
    text: str
    instead: str


class Mutant(NamedTuple):
    """An error by name: one edit, or several that belong together."""

    name: str
    edits: tuple[Edit, ...]


def mutant(name: str, file: str, text: str, instead: str) -> Mutant:
    """One of a single edit."""
    return Mutant(name, (Edit(file, text, instead),))


STEP, WIDE, BATCH, ENGINE = "native/step.h", "native/wide.h", "native/batch.h", "native/engine.pyx"
MACROSTEP, DEFERRAL, INPUTS, TIMERS = "native/macrostep.h", "native/deferral.h", "native/inputs.h", "native/timers.h"
CODE, CELLS, DECIDE = "fsm/compile/code.py", "fsm/compile/cells.py", "fsm/compile/decide.py"
TREE, COLUMNS, SELECT = "fsm/compile/tree.py", "fsm/compile/columns.py", "fsm/compile/select.py"
WALK, MICROSTEP, MARKED = "fsm/compile/configurations.py", "fsm/compile/microstep.py", "fsm/compile/marked.py"
MIRROR, PLAIN = "fsm/engine/mirror.py", "fsm/engine/macrostep.py"

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
        "fault:\n    machine->header->place",
        "fault:\n    fsm_copy_fields(row, (const uint64_t *)registers, machine->field_end);\n"
        "    machine->header->place",
    ),
    mutant(
        "a fault of a flat flow forgets its place", STEP,
        "machine->header->place = machine->places[at - machine->code];", "(void)machine;",
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
    mutant("a batch forgets its clock", BATCH, "shared->second = machine.second;", "(void)shared;"),
    mutant(
        "words of the step before stay", ENGINE,
        "    arguments[0] = arguments[1] = arguments[2] = arguments[3] = arguments[4] = arguments[5] = 0\n", "",
    ),
    mutant("an older version will do", ENGINE, "<uint32_t>row[2] != expected", "<uint32_t>row[2] > expected"),
    mutant("growth loses the first key", ENGINE, "for row in range(fresh.header.row_count if",
           "for row in range(1, fresh.header.row_count if"),
)  # fmt: skip

CHARTED = (
    mutant("an eventless transition is tried once", MACROSTEP,
           "            column = machine->always_column;\n        } else if", "            column = FSM_NONE;\n        } else if"),
    mutant("the newest internal event comes first", MACROSTEP,
           "machine->raised[step->raised_first];", "machine->raised[step->raised_first + step->raised_count - 1];"),
    mutant("one more internal event may wait", MACROSTEP,
           "step->raised_count >= machine->raised_max", "step->raised_count > machine->raised_max"),
    mutant("one more microstep", MACROSTEP, "++microsteps > machine->microsteps_max",
           "microsteps++ > machine->microsteps_max"),
    mutant("an internal event that enables nothing ends the macrostep", MACROSTEP,
           "            step->goes_on = 1;\n", ""),
    mutant("a fault of a chart forgets its place", MACROSTEP,
           "machine->header->place = step->at == NULL ? FSM_NONE : machine->places[step->at - machine->code];",
           "machine->header->place = FSM_NONE;"),
    mutant("a refused microstep sets timers", MACROSTEP,
           "    if (outcome != FSM_ACCEPTED) return outcome;\n    assert(step.configuration",
           "    if (outcome != FSM_ACCEPTED && outcome != FSM_OVERFLOW) return outcome;\n    assert(step.configuration"),
    mutant("a cancelled timer stays in the index", MACROSTEP,
           "        fsm_timers_cancel(&machine->timers, first + slot);\n        if (moments[slot] != 0) ",
           "        if (moments[slot] != 0) fsm_timers_cancel(&machine->timers, first + slot);\n"
           "        if (moments[slot] != 0) "),
    mutant("a timer may be armed for 0", STEP, "        if (result < 1) result = 1;\n", ""),
    mutant("a later time wraps around", STEP, "__builtin_add_overflow(registers[FSM_CLOCK], B, &result)",
           "(result = (int64_t)((uint64_t)registers[FSM_CLOCK] + (uint64_t)B), 0)"),
    mutant("a successor of another configuration", STEP, "registers[FSM_CONFIGURATION] = fsm_successor(registers, at->b);",
           "(void)fsm_successor(registers, at->b);"),
    mutant("a timer that is due is not disarmed", INPUTS, "    row[machine->field_end + slot] = 0;\n", ""),
    mutant("what is due fires in order of rows", TIMERS,
           "return one < other || (one == other && left < right);", "return left < right;"),
    mutant("what is due at once fires backwards", TIMERS, "(one == other && left < right)", "(one == other && left > right)"),
    mutant("overdue timers wait for ever", TIMERS, "    fsm_timers_make_due(timers, FSM_TIMERS_OVERDUE);\n", ""),
    mutant("what is armed anew fires in the same advance", TIMERS,
           "fsm_timers_append(index->timers, FSM_TIMERS_OVERDUE, timer);",
           "fsm_timers_append(index->timers, FSM_TIMERS_DUE, timer);"),
    mutant("a timer is due one tick late", TIMERS, "!= FSM_TIMERS_NONE && begin <= now_ns) {",
           "!= FSM_TIMERS_NONE && begin < now_ns) {"),
    mutant("fired timers are not counted", INPUTS, "    machine->header->untold[outcome]++;\n    if (outcome", "    if (outcome"),
    mutant("one more event may be deferred", DEFERRAL, "*waiting >= at_most", "*waiting > at_most"),
    mutant("what is given again stays", DEFERRAL, "        fsm_take_deferred(machine, waiting, entry);\n",
           "        position++;\n"),
    mutant("what was given again leaves its words behind", DEFERRAL, "    memset(end - size, 0, size * sizeof *entry);\n", ""),
    mutant("given again from where it was", DEFERRAL,
           "fsm_has_moved(machine, before, (uint32_t)row[0])) position = 0;",
           "fsm_has_moved(machine, before, (uint32_t)row[0])) position = position;"),
    mutant("memory of histories alone gives events again", DEFERRAL, "    if (before == after) return 0;\n",
           "    return before != after;\n"),
    mutant("growth forgets the timers", ENGINE, "            open_timers(&fresh, timers)\n",
           "            timers_open(&fresh.timers, timers, fresh.header.now_ns)\n"),
)  # fmt: skip

COMPILER = (
    mutant("true is 0", CODE, "for value in (1, 0))", "for value in (0, 1))"),
    mutant("minus is itself", CODE, "into, Constant(0), registers[0]", "into, registers[0], Constant(0)"),
    mutant("floor division rounds to zero", CODE, "rounding = Rounding.FLOOR", "rounding = Rounding.DOWN"),
    mutant("the last option is out of bounds", CODE, "else len(term.type.options) - 1\n",
           "else len(term.type.options) - 2\n"),
    mutant("actions run backwards", CODE, "for action in reversed(actions):", "for action in actions:"),
    mutant("a path learns too much", DECIDE, "low = max(low, value + (not relations & EQUAL))",
           "low = max(low, value + 1)"),
    mutant("a guard that says no is unhandled", CELLS, "        if asked:\n", "        if False:\n"),
    mutant("the outermost defers", CELLS, "[-max(deferring)[1]]", "[-min(deferring)[1]]"),
    mutant("ignored before deferred", CELLS, "        if deferring:\n",
           "        if deferring and not any(active >> s & 1 for s in self._ignored.get(name, {})):\n"),
    mutant("the last transition wins", SELECT, "for number in reversed(asked):", "for number in asked:"),
    mutant("of two in conflict the last wins", SELECT,
           "if number in chosen or not all(self.overrides(number, other) for other in against):", "if number in chosen:"),
    mutant("an inner source does not override", SELECT,
           "return self.tree.is_inside(self.tree.sources[second], self.tree.sources[first])", "return False"),
    mutant("nested domains do not conflict", SELECT,
           "one == other or ROOT in (one, other) or self.tree.is_inside(one, other) or self.tree.is_inside(other, one)",
           "one == other"),
    mutant("outer transitions come first", COLUMNS, "chain = (state, *tree.ancestors(state))",
           "chain = (state, *tree.ancestors(state))[::-1]"),
    mutant("any event is all but the last", COLUMNS, "return range(self.event_count)", "return range(self.event_count - 1)"),
    mutant("regions share timer slots", COLUMNS, "begin = end if tree.is_parallel(state) else first", "begin = first"),
    mutant("a raised event ends the macrostep", COLUMNS, "{self.event_ids[name] for name in raised} | set(",
           "set() | set("),
    mutant("a deep history is shallow", TREE, "deep = self.states[history].kind is StateKind.HISTORY_DEEP", "deep = False"),
    mutant("a shallow history is deep", TREE, "deep = self.states[history].kind is StateKind.HISTORY_DEEP", "deep = True"),
    mutant("a history has no default", TREE, "        if default is not None:\n            return [self.ids[default]]\n", ""),
    mutant("a history remembers the first time", TREE, "            if left >> parent & 1:\n",
           "            if left >> parent & 1 and not memory[position]:\n"),
    mutant("stay=True leaves the source", TREE, "        if self.transitions[transition].stay:\n            return source\n", ""),
    mutant("a parallel state may be the domain", TREE, "if not self.is_parallel(ancestor) and all(", "if all("),
    mutant("inner states are left last", MICROSTEP, "        for state in bits(left):\n",
           "        for state in reversed(list(bits(left))):\n"),
    mutant("inner states are entered first", MICROSTEP, "        for state in reversed(list(bits(entered))):\n",
           "        for state in bits(entered):\n"),
    mutant("actions come before exits", MICROSTEP,
           "            for number in reversed(plan.transitions):\n"
           "                step = self.code.actions(self.tree.transitions[number].actions, step)\n"
           "            self._made[plan] = self.exit(plan.left, plan.entered, step)\n",
           "            step = self.exit(plan.left, plan.entered, step)\n"
           "            for number in reversed(plan.transitions):\n"
           "                step = self.code.actions(self.tree.transitions[number].actions, step)\n"
           "            self._made[plan] = step\n"),
    mutant("transitions act in reverse", MICROSTEP,
           "            for number in reversed(plan.transitions):\n                step", "            for number in plan.transitions:\n                step"),
    mutant("timers outlive their state", MICROSTEP, "                if timer.slot not in armed:\n", "                if False:\n"),
    mutant("timers are armed before entry", MICROSTEP,
           "        for state in reversed(list(bits(entered))):\n            definition = self.tree.states[state]\n",
           "        for state in reversed(list(bits(entered))):\n            definition = self.tree.states[state]\n"
           "            next = self.code.actions(definition.entry, next, temporary)\n"
           "            definition = definition._replace(entry=())\n"),
    mutant("a parallel state is done with its first region", MICROSTEP,
           "return all(self._is_done(region, active) for", "return any(self._is_done(region, active) for"),
    mutant("the parallel state is done before its region", MICROSTEP, "for each in (parent, *([around] if whole else []))",
           "for each in (*([around] if whole else []), parent)"),
    mutant("a flow that has ended goes on", MICROSTEP,
           "        if after.active & self.tree.ends:\n            return False\n", ""),
    mutant("marked: the first region leaves first", MARKED,
           "        for choices in self.choices:\n            step = self._each(choices, step, self._exit)",
           "        for choices in reversed(self.choices):\n            step = self._each(choices, step, self._exit)"),
    mutant("marked: what is overridden is followed first", MARKED, "(number in self.late) != late", "(number in self.late) == late"),
    mutant("marked: regions before are done as they were", MARKED, "finished = other.list < choice.list and",
           "finished = other.list > choice.list and"),
)  # fmt: skip

BOTH = (
    Mutant("both engines: internal events before eventless transitions", (
        Edit(PLAIN, "columns = [tables.always_column] if tables.always_count else []",
             "columns = [self._raised.pop(0)] if self._raised else [tables.always_column] if tables.always_count else []"),
        Edit(MACROSTEP, "            column = machine->always_column;\n        } else if",
             "            column = step->raised_count > 0 ? fsm_take_raised(step) : machine->always_column;\n        } else if"),
        Edit(MACROSTEP, "microsteps = 0, column = machine->always_column;",
             "microsteps = 0, column = step->raised_count > 0 ? fsm_take_raised(step) : machine->always_column;"),
    )),
    Mutant("both engines: deferred events come newest first", (
        Edit(MIRROR, "after[first : first + size] = [event_id,",
             "after[word + 1 + size : first + size] = after[word + 1 : first]\n"
             "        after[word + 1 : word + 1 + size] = [event_id,"),
        Edit(DEFERRAL, "    uint64_t *entry = waiting + 1 + *waiting * size;\n    assert(entry + size <= row",
             "    uint64_t *entry = waiting + 1;\n    memmove(entry + size, entry, *waiting * size * sizeof *entry);\n"
             "    assert(entry + size <= row"),
    )),
)  # fmt: skip

MUTANTS = (*FLAT, *CHARTED, *COMPILER, *BOTH)
