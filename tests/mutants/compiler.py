"""Errors of the compiler, and the same error in both engines: these agree, and only the reading of the chart sees."""

from __future__ import annotations

from tests.mutants.core import DEFERRAL, INPUTS, MACROSTEP
from tests.mutants.mutant import Edit, Mutant, mutant

CODE, CELLS, DECIDE = "fsm/compile/code.py", "fsm/compile/cells.py", "fsm/compile/decide.py"
TREE, COLUMNS, SELECT = "fsm/compile/tree.py", "fsm/compile/columns.py", "fsm/compile/select.py"
WALK, MICROSTEP, MARKED = "fsm/compile/configurations.py", "fsm/compile/microstep.py", "fsm/compile/marked.py"
AGAIN, TIMERS, PLAIN = "fsm/engine/deferral.py", "fsm/engine/inputs.py", "fsm/engine/macrostep.py"

COMPILER = (
    mutant("true is 0", CODE, "for value in (1, 0))", "for value in (0, 1))"),
    mutant("minus is itself", CODE, "into, Constant(0), registers[0]", "into, registers[0], Constant(0)"),
    mutant("floor division rounds to zero", CODE, "rounding = Rounding.FLOOR", "rounding = Rounding.DOWN"),
    mutant("the last option is out of bounds", CODE, "len(term.type.options) - 1\n", "len(term.type.options) - 2\n"),
    mutant("actions run backwards", CODE, "for action in reversed(actions):", "for action in actions:"),
    mutant("after is at", CODE, "Opcode.ARM, int(after),", "Opcode.ARM, 0,"),
    mutant("a path learns too much", DECIDE, "low = max(low, value + (not relations & EQUAL))",
           "low = max(low, value + 1)"),
    mutant("a guard that says no is unhandled", CELLS, "        if asked:\n", "        if False:\n"),
    mutant("the outermost state defers", CELLS, "[-max(deferring)[1]]", "[-min(deferring)[1]]"),
    mutant("what is ignored is not deferred", CELLS, "        if deferring:\n",
           "        if deferring and not any(active >> state & 1 for state in self._ignored.get(name, {})):\n"),
    mutant("the last transition wins", SELECT, "for number in reversed(asked):", "for number in asked:"),
    mutant("of two in conflict both are taken", SELECT,
           "return bool(self.tree.conflicts[first] >> second & 1)", "return False"),
    mutant("an inner source does not override", SELECT,
           "return self.tree.is_inside(self.tree.sources[second], self.tree.sources[first])", "return False"),
    mutant("outer transitions come first", COLUMNS, "chain = (state, *tree.ancestors(state))",
           "chain = (state, *tree.ancestors(state))[::-1]"),
    mutant("any event is all but the last", COLUMNS, "range(self.event_count)\n", "range(self.event_count - 1)\n"),
    mutant("regions share timer slots", COLUMNS, "begin = end if tree.is_parallel(state) else first", "begin = first"),
    mutant("a raised event ends the macrostep", COLUMNS, "{self.event_ids[name] for name in raised} | ", ""),
    mutant("a deep history is shallow", TREE, "deep = self.states[history].kind is StateKind.HISTORY_DEEP",
           "deep = False"),
    mutant("a shallow history is deep", TREE, "deep = self.states[history].kind is StateKind.HISTORY_DEEP",
           "deep = True"),
    mutant("a history has no default", TREE,
           "        if default is not None:\n            return [self.ids[default]]\n", ""),
    mutant("a history remembers the first time only", TREE, "            if left >> parent & 1:\n",
           "            if left >> parent & 1 and not memory[position]:\n"),
    mutant("stay=True leaves the source", TREE,
           "        if self.transitions[transition].stay:\n            return source\n", ""),
    mutant("a parallel state may be the domain", TREE, "if not self.is_parallel(ancestor) and all(", "if all("),
    mutant("a history is forgotten outside", WALK, "active & (inside if active >> parent & 1 else ahead)",
           "active & inside"),
    mutant("inner states are left last", MICROSTEP, "        for state in bits(left):\n",
           "        for state in reversed(list(bits(left))):\n"),
    mutant("inner states are entered first", MICROSTEP, "        for state in reversed(list(bits(entered))):\n",
           "        for state in bits(entered):\n"),
    mutant("transitions act before states are left", MICROSTEP,
           "            for number in reversed(plan.transitions):\n"
           "                step = self.code.actions(self.tree.transitions[number].actions, step)\n"
           "            self._made[plan] = self.exit(plan.left, plan.entered, step)\n",
           "            step = self.exit(plan.left, plan.entered, step)\n"
           "            for number in reversed(plan.transitions):\n"
           "                step = self.code.actions(self.tree.transitions[number].actions, step)\n"
           "            self._made[plan] = step\n"),
    mutant("regions act backwards", MICROSTEP,
           "            for number in reversed(plan.transitions):\n                step = self.code.actions",
           "            for number in plan.transitions:\n                step = self.code.actions"),
    mutant("timers outlive their state", MICROSTEP, "                if timer.slot not in armed:\n",
           "                if False:\n"),
    mutant("timers are armed before the entry actions", MICROSTEP,
           "            definition = self.tree.states[state]\n            for final",
           "            definition = self.tree.states[state]\n"
           "            next = self.code.actions(definition.entry, next, temporary)\n"
           "            definition = definition._replace(entry=())\n            for final"),
    mutant("a parallel state is done with its first region", MICROSTEP,
           "return all(self._is_done(region, active) for", "return any(self._is_done(region, active) for"),
    mutant("a parallel state is done before its region", MICROSTEP,
           "for each in (parent, *([around] if whole else []))", "for each in (*([around] if whole else []), parent)"),
    mutant("a flow that has ended goes on", MICROSTEP,
           "        if entered & self.tree.ends:\n            return False\n", ""),
    mutant("marked: the first region is left first", MARKED,
           "        for choices in self.choices:\n            step = self._each(choices, step, self._exit)",
           "        for choices in reversed(self.choices):\n            step = self._each(choices, step, self._exit)"),
    mutant("marked: regions that end together are not done", MARKED, "finished = other.list < choice.list and",
           "finished = False and"),
)  # fmt: skip

BOTH = (
    Mutant("both engines: internal events come before eventless transitions", (
        Edit(PLAIN, "columns = [tables.always_column] if tables.always_count else []",
             "columns = [self._raised.pop(0)] if self._raised else [tables.always_column] * tables.always_count"),
        Edit(MACROSTEP, "uint64_t microsteps = 0, column = machine->always_column;",
             "uint64_t microsteps = 0;\n"
             "    uint64_t column = step->raised_count > 0 ? fsm_take_raised(step) : machine->always_column;"),
        Edit(MACROSTEP, "            column = machine->always_column;\n        } else if",
             "            column = step->raised_count > 0 ? fsm_take_raised(step) : machine->always_column;\n"
             "        } else if"),
    )),
    Mutant("both engines: an event that is given again stays deferred where it is", (
        Edit(AGAIN, "0 if moved else position", "position"),
        Edit(DEFERRAL, "(uint32_t)row[0])) position = 0;", "(uint32_t)row[0])) continue;"),
    )),
    Mutant("both engines: a refused timer is armed still", (
        Edit(TIMERS, "        decision.slots |= {word}\n",
             "        decision.slots |= {word}\n"
             "        decision.image[word] = before[word] if decision.outcome else decision.image[word]\n"),
        Edit(INPUTS, "    machine->header->untold[outcome]++;\n",
             "    machine->header->untold[outcome]++;\n"
             "    if (outcome != FSM_ACCEPTED) {\n"
             "        row[machine->field_end + slot] = was;\n"
             "        fsm_arm_timers(machine, index, UINT64_C(1) << slot);\n    }\n"),
        Edit(INPUTS, "    row[machine->field_end + slot] = 0;\n",
             "    uint64_t was = row[machine->field_end + slot];\n    row[machine->field_end + slot] = 0;\n"),
    )),
)  # fmt: skip
