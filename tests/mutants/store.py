"""Errors in the order of stores, and in what recovery makes of it: without a kill nothing shows."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, mutant

FRAMES, JOURNALLED, INPUTS = "native/frames.h", "native/journalled.h", "native/inputs.h"
IDEMPOTENCY = "native/idempotency.h"
COMMIT, GROUP, RECOVERY, REDO, VICTIM = (
    "fsm/engine/commit.py", "fsm/engine/frames.py", "fsm/store/recovery.py", "fsm/store/redo.py",
    "tests/crash/victim.py",
)  # fmt: skip

SHORT_BUSY = "    fsm_store_before(&row[1], sequence | FSM_ROW_FRAME_BUSY);\n"
SHORT_COMMIT = (
    "    fsm_store(&frame[0], sequence);\n    if (linked) last = fsm_tell_more(machine, sequence + 1, instance);\n\n"
)
SHORT_APPLIED = "    return fsm_acknowledge(header, last, FSM_ACCEPTED);\n"
LONG_SHOW = "    fsm_commit_group(&group);\n\n    fsm_show_group(&group, row, has_image ? staged : NULL, staged[1]);\n"

STORE = (
    Mutant(
        "apply before commit, the short way",
        (
            Edit(JOURNALLED, SHORT_COMMIT + SHORT_BUSY, SHORT_BUSY),
            Edit(JOURNALLED, SHORT_APPLIED, SHORT_COMMIT + SHORT_APPLIED),
        ),
    ),
    mutant(
        "apply before commit, the long way", JOURNALLED, LONG_SHOW,
        "    fsm_show_group(&group, row, has_image ? staged : NULL, staged[1]);\n    fsm_commit_group(&group);\n",
    ),
    mutant(
        "apply before commit, the mirror", COMMIT,
        "zip(*self._frame_stores(), *self._stores, strict=True)",
        "zip(*self._stores, *self._frame_stores(), strict=True)",
    ),
    mutant("mark early, the short way", JOURNALLED, SHORT_COMMIT + SHORT_BUSY,
           SHORT_COMMIT + "    fsm_store(&header->applied, sequence);\n" + SHORT_BUSY),
    mutant(
        "mark early, the long way", JOURNALLED, LONG_SHOW,
        "    fsm_commit_group(&group);\n    fsm_store(&machine->header->applied, group.sequence);\n"
        "    fsm_show_group(&group, row, has_image ? staged : NULL, staged[1]);\n",
    ),
    mutant("mark before commit", FRAMES, "    fsm_close_frame(group, 0);\n",
           "    ((fsm_machine *)group->machine)->header->applied = group->sequence;\n    fsm_close_frame(group, 0);\n"),
    mutant("acknowledge early", VICTIM,
           "            result = attempt(call)\n            acknowledged.value = done\n",
           "            acknowledged.value = done\n            result = attempt(call)\n"),
    mutant("the commit word is left out", FRAMES,
           "    frame[1] = fsm_crc_fixed(frame, group->sequence) | image << 32;\n"
           "    fsm_store(&frame[0], group->sequence);\n",
           "    frame[1] = fsm_crc_fixed(frame, group->sequence) | image << 32;\n"
           "    if (linked) fsm_store(&frame[0], group->sequence);\n"),
    mutant("the commit word comes first", FRAMES, "fsm_store_before(&group->frame[0], ~group->sequence);",
           "fsm_store_before(&group->frame[0], group->sequence);"),
    Mutant(
        "the commit word comes first, and nobody looks at checksums",
        (
            Edit(FRAMES, "fsm_store_before(&group->frame[0], ~group->sequence);",
                 "fsm_store_before(&group->frame[0], group->sequence);"),
            Edit(RECOVERY, "            if not is_whole(words, sequence):\n", "            if False:\n"),
        ),
    ),
    mutant("linked is missing", FRAMES, "fsm_close_frame(group, FSM_FRAME_LINKED);", "fsm_close_frame(group, 0);"),
    mutant("linked is missing, the mirror", GROUP, "words[FRAME_INPUT] |= FRAME_LINKED << 56", "pass"),
    mutant("the busy bit is forgotten, the short way", JOURNALLED, SHORT_COMMIT + SHORT_BUSY,
           SHORT_COMMIT + "    fsm_store_before(&row[1], sequence);\n"),
    mutant("the busy bit is forgotten, the long way", FRAMES,
           "    fsm_store_before(&row[1], sequence | FSM_ROW_FRAME_BUSY);", "    fsm_store_before(&row[1], sequence);"),
    mutant("the busy bit is forgotten, the mirror", COMMIT, "image[ROW_FRAME] | ROW_FRAME_BUSY", "image[ROW_FRAME]"),
    mutant("a counter is counted last", FRAMES,
           "    fsm_store(&header->counted_by, sequence);\n    fsm_store(counter, value);\n",
           "    fsm_store(counter, value);\n    fsm_store(&header->counted_by, sequence);\n"),
    mutant("nobody says who counted", FRAMES, "    fsm_store(&header->counted_by, sequence);\n", ""),
    mutant("the slot is filled before it is counted", INPUTS,
           "        if (*slot == 0) fsm_count(header, &header->index_filled, header->index_filled + 1, image[1]);\n"
           "        fsm_store(slot, hashed >> 32 << 32 | (index + 1));\n",
           "        uint64_t was = *slot;\n        fsm_store(slot, hashed >> 32 << 32 | (index + 1));\n"
           "        if (was == 0) fsm_count(header, &header->index_filled, header->index_filled + 1, image[1]);\n"),
    mutant("recovery counts again", REDO,
           "    if sequence < by or (sequence == by and header[COUNTED_BY] & COUNTED_DONE):\n", "    if False:\n"),
    mutant("recovery marks early", RECOVERY, "    redo(group)\n",
           "    ring.header[APPLIED] = group.last\n    redo(group)\n"),
    mutant("a released slot is free", INPUTS, "fsm_store(slot, FSM_INDEX_RELEASED);", "fsm_store(slot, 0);"),
    mutant("a key is noted before it is there", IDEMPOTENCY, "    slot[0] = key[0];\n",
           "    fsm_store(&slot[2], sequence);\n    slot[0] = key[0];\n"),
)  # fmt: skip
