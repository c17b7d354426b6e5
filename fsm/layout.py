"""Every struct that is stored, once, for Python; `fsm/include/fsm/layout.h` is its twin for C, held equal by a test.

All words are 8 bytes, little endian. A row, which is one instance:

    word 0   │ configuration 32 │ generation 16 │ flags 16 │
    word 1   │ last frame 63                    │ busy  1  │
    word 2   │ version 32       │ second of the last change 32 │
    word 3.. │ fields, as many words as their types take     │
    then     │ timer slots: deadline in ns, 0 not armed      │   as many as can be armed at once
    then     │ deferred events: how many wait │ the events  │   oldest first, each its id and argument words
             │ 0 ...                                         │   rounded up to 64 bytes

Five words of fields and timer slots fit in 64 bytes, one cache line. A key has 64 bytes of its own (`KEY_BYTES`):

    text      │ UTF-8, 1 to 64 bytes, no NUL, padded with NUL │
    integer   │ 0 1 0 0 0 0 0 0 │ int64 │ 0 ...               │

The index by key is open addressing with linear probing: `row + 1` in the low half of a slot, the high half of the
key's hash in the high half; 0 is a free slot, and INDEX_RELEASED one whose key was released.

A frame of the journal. Every frame has a number of its own, the sequence, and lies in the ring at that number modulo
the ring's length. Word 0 is the commit word: the frame counts once it holds the sequence, and while the frame is
written it holds the complement.

    word 0   │ sequence                                     │ the commit word
    word 1   │ CRC-32C of words 0, 2..7 │ CRC-32C of the image │ low half, high half (0 without an image)
    word 2   │ row 32 │ event 16 │ outcome 8 │ flags 8       │ flags: linked 1 │ image 1 │ kind 6 (`FrameKind`)
    word 3   │ time: the engine's clock in ns
    word 4   │ configuration before 32 │ after 32           │ low half, high half
    word 5   │ previous frame of this row                   │ 0 before the first
    word 6   │ generation 16 │ 0 16 │ place 32              │ of a fault; see `FrameKind` for what else it tells
    word 7   │ the first argument
    word 8.. │ the row after the step: its after-image      │ where the row changed in more than its word 1

What else an input brings follows in continuation frames of the same group, whose words 0 to 2 are the same (row: of the
input; event: how many words they bring) and whose words from 3 on are what they bring. A group is one input: all its
frames but the last are linked, and the last one's commit word commits it.
"""

from __future__ import annotations

from fsm.codes import Codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

WORD_BYTES: Final = 8
LINE_WORDS: Final = 8
NONE: Final = 0xFFFF_FFFF
"""The absent index, in every u32 column."""

UINT64_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF
INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

LAYOUT_VERSION: Final = 2

# --- the row of an instance -----------------------------------------------------------------------------------------

ROW_STATE: Final = 0
ROW_FRAME: Final = 1
ROW_VERSION: Final = 2
ROW_FIELDS: Final = 3
ROW_WORDS_MAX: Final = 512
ROW_FRAME_BUSY: Final = 1 << 63
"""In word 1 while the other words are being written: a reader tries again."""
ROW_LIVE: Final = 1
"""Flag of a row that holds an instance (word 0, bit 48)."""
ROW_NEXT_FREE: Final = 3
"""The word of a released row that names the next one in the chain of free rows: row + 1, or 0."""

GENERATION_MASK: Final = 0xFFFF

# --- the header of an engine's memory -------------------------------------------------------------------------------

HEADER_WORDS: Final = 128
HEADER_MAGIC: Final = int.from_bytes(b"fsm head", "little")
HEADER_FIELDS: Final = {
    # What never changes once the memory is made; all but the checksum itself is under it, with the two lines below.
    "magic": 0,
    "layout_version": 1,
    "row_bytes": 2,
    "frame_bytes": 3,  # 0 without a journal
    "ring_frames": 4,  # a power of two
    "idempotency_window": 5,
    "checksum": 7,  # CRC-32C of words 0 to 6 and 8 to 23
    "fingerprint": 8,  # four words: the SHA-256 of the canonical chart
    "uuid": 12,  # two words: of the store
    "directory": 14,  # two words: device and inode of the store's directory
    "boot": 16,  # two words: the boot id of the machine that made the memory
    # What changes seldom.
    "capacity": 24,
    "index_shape": 25,  # of the index by key: how often it was made anew 56 | log2 of its slots 8
    "epoch": 26,  # of the writer that has it, or had it last
    "fence": 27,  # the epoch of a writer that took over into other memory, or 0: whoever sees it stops
    # What steps change.
    "row_count": 32,
    "now_ns": 33,
    "place": 34,  # of the last fault, or NONE
    "free_row": 35,  # the first of the chain of released rows: row + 1, or 0
    "index_filled": 36,  # slots of the index that are not free; those of released keys are among them
    "position": 37,  # the last POSITION frame, or 0
    "applied": 40,  # the last frame whose group rows and views show: alone on its line, since readers poll it
    "written": 48,  # the last frame that was handed to the journal's files, alone too
    "durable": 56,  # the last frame that is known to be on the disk, alone too
    "counted_by": 64,  # the frame that changed a counter last, and with it: the word of the counter, its new value
    "counted_word": 65,
    "counted_value": 66,
    "idempotency_since": 72,  # two words: the first frame whose key each generation of the index holds
    "idempotency_count": 74,  # two words: keys in each
    "untold": 80,  # 32 words, by outcome: inputs that no caller is told of (timers, deferred events given again)
}
"""Word offsets in the header."""

COUNTED_DONE: Final = 1 << 63
"""In `counted_by`: the counter itself holds the value too, and the two words beside it may be changed."""

# --- the journal ----------------------------------------------------------------------------------------------------

FRAME_WORDS: Final = 8
"""Words of the fixed part. The image of the row stands behind it, so a frame has FRAME_WORDS + row_words words."""
FRAME_SEQUENCE: Final = 0
FRAME_CHECKSUMS: Final = 1
FRAME_INPUT: Final = 2
FRAME_TIME: Final = 3
FRAME_CONFIGURATIONS: Final = 4
FRAME_PREVIOUS: Final = 5
FRAME_PLACE: Final = 6
FRAME_ARGUMENT: Final = 7
FRAME_PAYLOAD: Final = 3
"""The first word of what a continuation frame brings."""
FRAME_LINKED: Final = 1
"""Flag of a frame that commits only with the one behind it."""
FRAME_IMAGE: Final = 2
"""Flag of a frame whose words behind the fixed part count, and are under the second checksum."""
EVENT_NONE: Final = 0xFFFF
"""In place of an event id: the flow has none such."""
SEQUENCE_MAX: Final = (1 << 63) - 1

IDEMPOTENCY_WORDS: Final = 4
"""Words of a slot of the idempotency index: the key 128 | its frame 64 | digest of the input 56, outcome 8."""


# --- keys -----------------------------------------------------------------------------------------------------------

KEY_BYTES: Final = 64
KEY_WORDS: Final = 8
KEY_INTEGER: Final = 0x0100
"""Word 0 of a key that is an integer: a text never begins with NUL."""

INDEX_RELEASED: Final = NONE
"""A slot of the index by key that a released key left: looked past when a key is sought, used again for a new one."""

HASH_SEED: Final = 0x9E37_79B9_7F4A_7C15
HASH_FACTOR: Final = 0xFF51_AFD7_ED55_8CCD

ARGUMENT_WORDS: Final = 6
NOW_OFFSET: Final = ARGUMENT_WORDS
"""Behind the row's words and the arguments: the register that holds the engine's time in ns."""
ENGINE_REGISTERS: Final = ARGUMENT_WORDS + 1
"""Registers between the row's words and the temporaries."""
UNTOLD_OUTCOMES: Final = 32
TIMER_SLOTS_MAX: Final = 64
TEXT_BYTES_MAX: Final = 32


class Outcome(Codes):
    """What became of an input; bit 4 marks a refusal."""

    ACCEPTED = 0
    IGNORED = 1
    DEFERRED = 2
    DUPLICATE = 3
    UNHANDLED = 16
    GUARD = 17
    ENDED = 18
    STALE = 19
    OVERFLOW = 20
    DIVISION = 21
    BOUND = 22
    DEFERRAL_FULL = 23
    UNKNOWN_INSTANCE = 24
    UNKNOWN_EVENT = 25
    EXISTS = 26
    VERSION = 27
    KEY_REUSED = 28
    BUSY = 32

    @property
    def label(self) -> str:
        """The name as JSON and people write it: `unknown_instance`."""
        return self.name.lower()

    @property
    def refused(self) -> bool:
        """Whether the input was taken and refused: a dead letter."""
        return 16 <= self.value < 32


class FrameKind(Codes):
    """What a frame tells. Those from ARGUMENTS on are continuation frames.

    The event of a frame is an event id, or EVENT_NONE, for EVENT and AGAIN; the column of the timer for TIMER; 0 else.
    Word 6 holds the place of a fault (NONE for a step without), for the outcome UNKNOWN_EVENT the id that was given,
    and for VERSION the version that was expected.
    """

    EVENT = 0  # an event from outside
    TIMER = 1  # a timer that was due
    AGAIN = 2  # a deferred event, given again
    START = 3  # a new instance; with KEY, and FIELDS where some were given
    RELEASE = 4  # the row of an ended instance is free again
    POSITION = 5  # how far a source was read, before the inputs that follow; with DATA
    ARGUMENTS = 32  # the arguments behind the first: five words; there only where one of them is not 0
    KEY = 33  # of a START, or of an instance that is not known: eight words
    FIELDS = 34  # the field words that a START was given: row_words - 3
    IDEMPOTENCY = 35  # the key, two words, and the frame that it came with first, or 0
    CORRELATION = 36  # eight words, as a key
    DATA = 37  # words of their own


# --- cells and instructions -----------------------------------------------------------------------------------------


class Cell(Codes):
    """The low byte of a cell; what the rest means:

    │ kind 8 │ outcome 8 │ 0 16 │ value 32 │
    """

    REFUSE = 0  # outcome: unhandled or ended
    IGNORE = 1
    GO = 2  # value: the next configuration
    PROGRAM = 3  # value: index of the first instruction
    DEFER = 4  # value: how many events may wait before this one


class Opcode(Codes):
    """The low byte of an instruction: │ opcode 8 │ mode 8 │ a 16 │ b 16 │ c 16 │

    a, b and c name registers: first the words of the row's image, then the six argument words and the engine's
    time, then temporaries, then constants. A jump goes forward by c (or by b | c << 16) from the next instruction.

    GO and STAY end the macrostep; NEXT and NEXT_STAY end a microstep, after which eventless transitions are tried and
    the queue of internal events is emptied. How GO and NEXT find the next configuration tells their mode (`Going`).
    """

    GO = 0  # accepted; the next configuration is b | c << 16, or successor b
    STAY = 1  # accepted; the configuration is kept
    REFUSE = 2  # refused with outcome a
    IGNORE = 3  # ignored by declaration
    JUMP = 4  # by b | c << 16
    JUMP_LESS = 5  # when a < b
    JUMP_NOT_LESS = 6
    JUMP_EQUAL = 7
    JUMP_NOT_EQUAL = 8
    MOVE = 9  # a = b
    ADD = 10  # a = b + c; traps overflow, as all arithmetic does
    SUBTRACT = 11
    MULTIPLY = 12
    MINIMUM = 13
    MAXIMUM = 14
    MODULO = 15  # a = b mod c, with the sign of c; traps c = 0
    WIDEN = 16  # accumulator = b * c, 128 bits wide
    DIVIDE = 17  # a = accumulator / b, rounded by mode; traps b = 0
    BOUND = 18  # traps a < b or a > c
    DEFER = 19  # deferred, where fewer than a events wait
    NEXT = 20  # as GO, and the macrostep goes on
    NEXT_STAY = 21  # as STAY, and the macrostep goes on
    FOLLOW = 22  # the configuration becomes its successor b; the program goes on
    ARM = 23  # timer slot a: at the moment b, or (mode 1) the time b from now, 1 ns at the least; traps overflow
    CANCEL = 24  # timer slot a
    RAISE = 25  # the event or done trigger of column a enters the queue of internal events; traps a full queue


class Going(Codes):
    """How a GO or NEXT finds the next configuration."""

    ABSOLUTE = 0
    SUCCESSOR = 1  # `Tables.successors[configuration, b]`


TERMINAL_OPCODES: Final = frozenset(
    {Opcode.GO, Opcode.STAY, Opcode.REFUSE, Opcode.IGNORE, Opcode.DEFER, Opcode.NEXT, Opcode.NEXT_STAY}
)
JUMP_OPCODES: Final = frozenset({Opcode.JUMP_LESS, Opcode.JUMP_NOT_LESS, Opcode.JUMP_EQUAL, Opcode.JUMP_NOT_EQUAL})


class Rounding(Codes):
    """How a quotient becomes an integer; the names are those of the `decimal` module."""

    DOWN = 0  # toward zero
    UP = 1  # away from zero
    FLOOR = 2
    CEILING = 3
    HALF_EVEN = 4
    HALF_UP = 5
    HALF_DOWN = 6


class FieldKind(Codes):
    """What the words of a field or argument mean."""

    INTEGER = 0
    DECIMAL = 1  # parameter: places
    BOOLEAN = 2
    TIMESTAMP = 3  # ns since 1970, UTC
    DURATION = 4  # ns
    CHOICE = 5  # index of the option
    TEXT = 6  # parameter: bytes; padded with NUL


class StateKind(Codes):
    """What a state is."""

    ATOMIC = 0
    COMPOUND = 1
    PARALLEL = 2
    FINAL = 3
    HISTORY_SHALLOW = 4
    HISTORY_DEEP = 5
    POISON = 6


class Trigger(Codes):
    """What makes a transition look at its guard."""

    EVENT = 0  # one event, from outside or raised
    ANY = 1  # every event of the flow
    ALWAYS = 2  # nothing: tried after every microstep
    DONE = 3  # the source is done: its final child, or one in each region, was entered
    AFTER = 4  # a time after the source was entered
    AT = 5  # a moment that a field holds when the source is entered


class Finding:
    """One problem of a definition: the rule it breaks, where, what was found, and a remedy."""

    __slots__ = ("rule", "severity", "file", "line", "message", "remedy", "waived")

    def __init__(
        self,
        rule: str,
        severity: str,
        file: str,
        line: int,
        message: str,
        remedy: str,
        waived: str | None = None,
    ) -> None:
        self.rule = rule
        """Name of the rule, as `docs/check-rules.md` lists it and `waive=` takes it: `no-way-out`."""
        self.severity = severity
        """`error` or `warning`."""
        self.file = file
        self.line = line
        self.message = message
        self.remedy = remedy
        self.waived = waived
        """The reason the flow gives for not following the rule here, or None."""

    def __str__(self) -> str:
        end = f"Remedy: {self.remedy}" if self.waived is None else f"Waived: {self.waived}"
        return f"{self.file}:{self.line}: {self.severity} [{self.rule}] {self.message} {end}"

    def __repr__(self) -> str:
        return f"<Finding {self}>"
