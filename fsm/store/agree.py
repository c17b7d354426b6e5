"""Whether memory shows what the journal says: rows, keys, index, free rows, idempotency keys, counts.

    Account + areas ──agree()──▶ problems

Where the journal does not begin with frame 1 the account is not complete: then memory is only held to itself.
"""

from __future__ import annotations

from fsm.engine.areas import ROW_DEPTH, Areas, entry, find_slot
from fsm.engine.idempotency import COUNT, FRAME, NOTED, SINCE, find
from fsm.engine.keys import decode_key, encode_key, hash_key
from fsm.engine.trouble import check_row
from fsm.errors import CorruptStore
from fsm.layout import (
    COUNTED_DONE,
    GENERATION_MASK,
    HEADER_FIELDS,
    HEADER_WORDS,
    IDEMPOTENCY_WORDS,
    INDEX_RELEASED,
    KEY_BYTES,
    NONE,
    ROW_FRAME,
    ROW_LIVE,
    ROW_NEXT_FREE,
    ROW_STATE,
    UNTOLD_OUTCOMES,
    WORD_BYTES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from fsm.store.account import Account
    from fsm.store.memory import SharedMemory
    from fsm.store.verify import Report
    from fsm.tables import Tables

WIDE: Final = {
    "fingerprint": 4,
    "uuid": 2,
    "directory": 2,
    "boot": 2,
    "idempotency_since": 2,
    "idempotency_count": 2,
    "untold": UNTOLD_OUTCOMES,
}
"""Fields of the header that are more than one word."""
USED: Final = {at for name, first in HEADER_FIELDS.items() for at in range(first, first + WIDE.get(name, 1))}


def agree(memory: SharedMemory, tables: Tables, account: Account, report: Report) -> None:
    """Report where memory and the account of the journal differ."""
    areas = Areas(memory, tables.row_words)  # type: ignore[arg-type]
    if memory.idempotency is not None:
        areas.open_idempotency(memory.idempotency)
    place = memory.directory.file
    _rows(areas, tables, account, report, place("rows"))
    _keys(areas, account, report, place("keys"))
    _index(areas, report, place("index"), place("header"))
    _free(areas, account, report, place("rows"), place("header"))
    _header(areas, account, report, place("header"))
    if areas.idempotency is not None:
        _idempotency(areas, account, report, place("idempotency"), place("header"))


def _rows(areas: Areas, tables: Tables, account: Account, report: Report, file: str) -> None:
    """Every row is the image of its last frame; behind the last row there is nothing."""
    count, row_bytes = areas.header[HEADER_FIELDS["row_count"]], tables.row_bytes
    for row in range(count):
        words, expected = areas.row(row), account.rows.get(row)
        if words[ROW_STATE] >> 48 & ROW_LIVE:
            try:
                check_row(tables, words, row)
            except CorruptStore as error:
                report.add(file, error.offset, error.reason)
        if expected is None and account.complete:
            report.add(file, row * row_bytes, f"row {row} has no frame")
        elif expected is None or row in account.partly:
            report.unchecked += 1
            if expected is not None and expected[ROW_FRAME] != words[ROW_FRAME]:
                _differs(report, file, row, row_bytes, ROW_FRAME, words, expected)
        else:
            report.rows += 1
            for at, (found, told) in enumerate(zip(words, expected, strict=True)):
                if found != told:
                    _differs(report, file, row, row_bytes, at, words, expected)
    _nothing(memoryview(areas.rows).cast("B"), count * row_bytes, report, file)


def _differs(report: Report, file: str, row: int, size: int, at: int, words: list[int], expected: list[int]) -> None:
    reason = f"word {at} of row {row} is {words[at]}, and {expected[at]} after its last frame {expected[ROW_FRAME]}"
    report.add(file, row * size + at * WORD_BYTES, reason)


def _nothing(data: memoryview, first: int, report: Report, file: str) -> None:
    """No byte from the first on is anything but 0."""
    for begin in range(first, len(data), 1 << 16):
        part = bytes(data[begin : begin + (1 << 16)])
        if part.count(0) != len(part):
            at = next(offset for offset, byte in enumerate(part) if byte)
            report.add(file, begin + at, "there is something where nothing was written yet")
            return


def _keys(areas: Areas, account: Account, report: Report, file: str) -> None:
    """Every live row has the key that it was started with; a released one has none."""
    count = areas.header[HEADER_FIELDS["row_count"]]
    for row in range(count):
        key = areas.key(row)
        expected = account.keys.get(row)
        if expected is not None and key != expected:
            report.add(file, row * KEY_BYTES, f"the key of row {row} is not the one that its start brought")
        if not areas.is_live(row):
            if any(key):
                report.add(file, row * KEY_BYTES, f"row {row} holds no instance, and has a key")
            continue
        try:
            told = decode_key(key)
            whole = encode_key(told) == key
        except ValueError:
            whole = False
        if not whole:
            report.add(file, row * KEY_BYTES, f"what row {row} has is no key")
            continue
        _, found = find_slot(areas.index, areas.keys, key, hash_key(key))
        if found != row:
            report.add(file, row * KEY_BYTES, f"key {told!r} of row {row} is found as that of row {found}")
    _nothing(memoryview(areas.keys), count * KEY_BYTES, report, file)


def _index(areas: Areas, report: Report, file: str, header: str) -> None:
    """Every slot that names a row names one with that hash; as many are taken as the header says."""
    count, taken = areas.header[HEADER_FIELDS["row_count"]], 0
    for slot, word in enumerate(areas.index.tolist()):
        if word == 0:
            continue
        taken += 1
        if word == INDEX_RELEASED:
            continue
        row = (word & NONE) - 1
        if not 0 <= row < count or not areas.is_live(row):
            report.add(file, slot * WORD_BYTES, f"slot {slot} names row {row}, which holds no instance")
        elif entry(hash_key(areas.key(row)), row) != word:
            report.add(file, slot * WORD_BYTES, f"slot {slot} names row {row}, whose key has another hash")
        elif find_slot(areas.index, areas.keys, areas.key(row), hash_key(areas.key(row)))[0] != slot:
            report.add(file, slot * WORD_BYTES, f"slot {slot} names row {row}, and so does another")
    _same(areas, "index_filled", taken, report, header)


def _free(areas: Areas, account: Account, report: Report, file: str, header: str) -> None:
    """The chain of free rows has every row that is free, once, and each says how many follow."""
    count = areas.header[HEADER_FIELDS["row_count"]]
    free = [areas.row(row) for row in range(count)]
    rows = {
        row
        for row, words in enumerate(free)
        if not words[ROW_STATE] >> 48 & ROW_LIVE and (words[ROW_DEPTH] or words[ROW_STATE] >> 32 < GENERATION_MASK)
    }
    following, depth = areas.header[HEADER_FIELDS["free_row"]], None
    while following:
        row = following - 1
        if row not in rows:
            report.add(header, HEADER_FIELDS["free_row"] * WORD_BYTES, f"the chain of free rows leads to row {row}")
            return
        rows.discard(row)
        words = areas.row(row)
        if depth is not None and words[ROW_DEPTH] != depth - 1:
            at = row * areas.row_words + ROW_DEPTH
            report.add(file, at * WORD_BYTES, f"row {row} says that {words[ROW_DEPTH]} are free, and not {depth - 1}")
        depth, following = words[ROW_DEPTH], words[ROW_NEXT_FREE]
    if depth not in (None, 1):
        report.add(
            header, HEADER_FIELDS["free_row"] * WORD_BYTES, f"the chain of free rows ends {depth} rows too early"
        )
    for row in sorted(rows):
        report.add(file, row * areas.row_words * WORD_BYTES, f"row {row} is free, and in no chain")
    if account.complete:
        _same(areas, "free_row", account.free_row, report, header)


def _header(areas: Areas, account: Account, report: Report, file: str) -> None:
    """Counts and marks; where nothing is told, there is nothing."""
    for word in range(HEADER_WORDS):
        if word not in USED and areas.header[word]:
            report.add(file, word * WORD_BYTES, "there is something in a word that nobody writes")
    if not account.complete:
        return
    _same(areas, "row_count", account.row_count, report, file)
    _same(areas, "place", account.place, report, file)
    _same(areas, "position", account.position, report, file)
    if areas.header[HEADER_FIELDS["now_ns"]] < account.now_ns:
        _same(areas, "now_ns", account.now_ns, report, file)
    first = HEADER_FIELDS["untold"]
    for outcome, told in enumerate(account.untold):
        found = areas.header[first + outcome]
        if found != told:
            report.add(
                file, (first + outcome) * WORD_BYTES, f"{found} inputs untold with outcome {outcome}, not {told}"
            )
    by, word = areas.header[HEADER_FIELDS["counted_by"]], areas.header[HEADER_FIELDS["counted_word"]]
    value = areas.header[HEADER_FIELDS["counted_value"]]
    # An index that was made anew was counted anew.
    counted = word in (0, HEADER_FIELDS["index_filled"]) or (word in USED and areas.header[word] == value)
    if not by & COUNTED_DONE and not counted:
        report.add(
            file, HEADER_FIELDS["counted_word"] * WORD_BYTES, f"word {word} was counted last, and is not {value}"
        )
    if by & ~COUNTED_DONE > areas.header[HEADER_FIELDS["applied"]]:
        report.add(file, HEADER_FIELDS["counted_by"] * WORD_BYTES, "a frame that is not there yet has counted")


def _same(areas: Areas, name: str, told: int, report: Report, file: str) -> None:
    found = areas.header[HEADER_FIELDS[name]]
    if found != told:
        report.add(file, HEADER_FIELDS[name] * WORD_BYTES, f"{name} is {found}, and should be {told}")


def _idempotency(areas: Areas, account: Account, report: Report, file: str, header: str) -> None:
    """Every key that a generation has is found there, and is that of its frame; as many as the header says."""
    area = areas.idempotency
    assert area is not None
    slots = len(area) // (2 * IDEMPOTENCY_WORDS)
    for generation in (0, 1):
        since, count = areas.header[SINCE + generation], 0
        for slot in range(generation * slots, (generation + 1) * slots):
            key_low, key_high, frame, noted = area[slot * IDEMPOTENCY_WORDS : (slot + 1) * IDEMPOTENCY_WORDS].tolist()
            offset = slot * IDEMPOTENCY_WORDS * WORD_BYTES
            if not frame:
                if key_low or key_high or noted:
                    report.add(file, offset, "there is something in a free slot")
                continue
            key = key_low, key_high
            if since and frame >= since:
                count += 1
                taken = find(areas.header, area, key)
                if taken is None or taken.frame < frame:
                    report.add(file, offset, f"the key of frame {frame} is not found")
            elif frame > areas.header[HEADER_FIELDS["applied"]]:
                report.add(file, offset + FRAME * WORD_BYTES, f"frame {frame} is not there yet")
                continue
            told = account.noted.get(key)
            if told is None and account.complete:
                report.add(file, offset, f"no frame was taken with the key that is noted for frame {frame}")
            elif told is not None and told[0] == frame:
                digest = told[1] or noted >> 8
                if noted != digest << 8 | told[2]:
                    report.add(file, offset + NOTED * WORD_BYTES, f"what is noted of frame {frame} is not what it says")
            elif told is not None and told[0] > frame and since and frame >= since:
                report.add(file, offset, f"the key of frame {frame} came again with {told[0]}")
        if areas.header[COUNT + generation] != count and since:
            reason = f"generation {generation} has {count} keys, and the header says {areas.header[COUNT + generation]}"
            report.add(header, (COUNT + generation) * WORD_BYTES, reason)
    if account.complete:
        for key, (frame, _, _) in account.noted.items():
            alive = min((each for each in areas.header[SINCE : SINCE + 2] if each), default=0)
            if alive and frame >= alive and find(areas.header, area, key) is None:
                report.add(file, 0, f"the key of frame {frame} is not known any more")
