"""What becomes of an event or a timer: it is decided on, told by frames, and shown by the row and all that follows it.

    Input ──judge──▶ Decision ──▶ Commit: the main frame, what else it brought, deferred events given again
                                    └──▶ row, idempotency key, counters, place, `applied`

Everything is decided on copies first; `Commit.carry_out` is the only thing here that changes memory.
"""

from __future__ import annotations

from fsm.engine import idempotency, trouble
from fsm.engine.commit import APPLIED, NOW, PLACE, ROW_COUNT, Commit
from fsm.engine.deferral import defer, given_again
from fsm.engine.frames import group_max
from fsm.engine.keys import WORDS
from fsm.engine.macrostep import Decision, Macrostep
from fsm.layout import (
    ARGUMENT_WORDS,
    EVENT_NONE,
    GENERATION_MASK,
    HEADER_FIELDS,
    NONE,
    ROW_FRAME,
    ROW_LIVE,
    ROW_STATE,
    ROW_VERSION,
    SEQUENCE_MAX,
    UINT64_MASK,
    FrameKind,
    Outcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from fsm.engine.areas import Areas
    from fsm.engine.memory import PrivateMemory
    from fsm.engine.moments import Moments
    from fsm.tables import Tables

WRITTEN: Final = HEADER_FIELDS["written"]
RING_FRAMES: Final = HEADER_FIELDS["ring_frames"]
CHANGED: Final = frozenset({Outcome.ACCEPTED, Outcome.DEFERRED})
"""What became of an event whose row changed in more than the number of its last frame."""


class Input:
    """An event from outside, as words.

    named          the 64 bytes of the key that was given, of an instance that nobody knows; else None
    key            two words of the idempotency key, or None
    correlation    64 bytes, or None
    """

    __slots__ = ("arguments", "correlation", "event_id", "expected", "instance", "key", "named")

    def __init__(
        self,
        instance: int,
        event_id: int,
        arguments: Sequence[int],
        expected: int | None = None,
        *,
        key: tuple[int, int] | None = None,
        correlation: bytes | None = None,
        named: bytes | None = None,
    ) -> None:
        self.instance, self.event_id, self.arguments = instance, event_id, arguments
        self.expected, self.key, self.correlation, self.named = expected, key, correlation, named

    @property
    def digest(self) -> int:
        """What tells this input from another with the same idempotency key."""
        return idempotency.digest(self.instance, self.event_id, self.arguments)


class Inputs:
    """All that an engine has hold of while it is attached to a memory: tables, areas, and when which timer is due.

    moments    None until time is first asked for
    """

    __slots__ = ("_group_max", "areas", "macrostep", "memory", "moments", "tables")

    def __init__(self, tables: Tables, memory: PrivateMemory, areas: Areas) -> None:
        self.tables, self.memory, self.areas = tables, memory, areas
        self.macrostep = Macrostep(tables)
        self.moments: Moments | None = None
        self._group_max = group_max(tables.deferral_slots)

    # --- an event, a timer ---

    def take(self, given: Input) -> Outcome:
        """Find the row, decide, and write what was decided: all of it, or nothing."""
        row = self.row_of(given.instance)
        image = None if row is None else self.checked(row)
        if not self.has_room():
            return Outcome.BUSY
        commit, decision = Commit(self.areas), self._judge(image, given)
        sequence = self._tell_event(commit, image, decision, given)
        if row is None or image is None:
            commit.carry_out()
            return decision.outcome
        changed = decision.outcome in CHANGED
        noted = None
        if given.key is not None and decision.outcome in idempotency.NOTED_OUTCOMES:
            noted = (given.key, given.digest)
        self.follow(commit, row, image, decision, sequence, changed=changed, noted=noted)
        return decision.outcome

    def fire(self, row: int, word: int) -> bool:
        """One timer: its slot is empty before its step is tried, and stays so where that is refused.

        False, and nothing was done, where there is no room.
        """
        before = self.checked(row)
        if not self.has_room():
            return False
        image = [*before]
        image[word] = 0
        column = self.tables.timer_column + word - self.tables.field_end
        commit, no_arguments = Commit(self.areas), [0] * ARGUMENT_WORDS
        decision = self.macrostep.decide(image, column, no_arguments, self.areas.header[NOW])
        decision.slots |= {word}
        sequence = self._tell(commit, FrameKind.TIMER, row, column, no_arguments, before, decision)
        self.follow(commit, row, before, decision, sequence, changed=True, told=False)
        return True

    def _judge(self, image: list[int] | None, given: Input) -> Decision:
        """What becomes of an event; touches nothing. What needs no look at the flow comes first."""
        if image is None:
            return Decision(Outcome.UNKNOWN_INSTANCE, [])
        if given.key is not None and (taken := self._taken(given.key)) is not None:
            return Decision(Outcome.DUPLICATE if taken.digest == given.digest else Outcome.KEY_REUSED, image)
        if not 0 <= given.event_id < self.tables.event_count:
            return Decision(Outcome.UNKNOWN_EVENT, image)
        if given.expected is not None and image[ROW_VERSION] & NONE != given.expected:
            return Decision(Outcome.VERSION, image)
        decision = self.macrostep.decide(image, given.event_id, given.arguments, self.areas.header[NOW])
        if decision.outcome is Outcome.DEFERRED:
            return defer(self.tables, image, decision.at_most, given.event_id, given.arguments)
        return decision

    def _taken(self, key: tuple[int, int]) -> idempotency.Taken | None:
        assert self.areas.idempotency is not None
        return idempotency.find(self.areas.header, self.areas.idempotency, key)

    # --- what the journal tells of it ---

    def _tell_event(self, commit: Commit, image: list[int] | None, decision: Decision, given: Input) -> int:
        """The main frame of an event, and behind it all that it brought; returns its number."""
        row, outcome = given.instance & NONE, decision.outcome
        event = given.event_id if 0 <= given.event_id < self.tables.event_count else EVENT_NONE
        place = None
        if outcome is Outcome.UNKNOWN_EVENT:
            place = min(given.event_id & UINT64_MASK, NONE)
        elif outcome is Outcome.VERSION and given.expected is not None:
            place = min(given.expected, NONE)
        if image is None:
            generation, argument = given.instance >> 32 & GENERATION_MASK, given.arguments[0] & UINT64_MASK
            sequence = commit.tell(
                FrameKind.EVENT, outcome, row=row, event=event, generation=generation, argument=argument
            )
            self._bring_arguments(commit, row, given.arguments)
        else:
            changed = outcome in CHANGED
            sequence = self._tell(
                commit, FrameKind.EVENT, row, event, given.arguments, image, decision, changed=changed, place=place
            )
        if given.named is not None:
            commit.bring(FrameKind.KEY, row, WORDS.unpack(given.named))
        if given.key is not None:
            seen = self._taken(given.key) if outcome in (Outcome.DUPLICATE, Outcome.KEY_REUSED) else None
            commit.bring(FrameKind.IDEMPOTENCY, row, [*given.key, 0 if seen is None else seen.frame])
        if given.correlation is not None:
            commit.bring(FrameKind.CORRELATION, row, WORDS.unpack(given.correlation))
        return sequence

    def _tell(
        self,
        commit: Commit,
        kind: FrameKind,
        row: int,
        event: int,
        arguments: Sequence[int],
        before: list[int],
        decision: Decision,
        *,
        changed: bool = True,
        place: int | None = None,
    ) -> int:
        """The frame of a step of a row, with the row after it where that changed, and its arguments."""
        place = decision.place if place is None else place
        sequence = commit.tell(
            kind,
            decision.outcome,
            row=row,
            event=event,
            before=before[ROW_STATE] & NONE,
            after=decision.image[ROW_STATE] & NONE,
            previous=before[ROW_FRAME],
            generation=before[ROW_STATE] >> 32 & GENERATION_MASK,
            place=NONE if place is None else place,
            argument=arguments[0] & UINT64_MASK,
            image=decision.image if changed else None,
        )
        self._bring_arguments(commit, row, arguments)
        return sequence

    def _bring_arguments(self, commit: Commit, row: int, arguments: Sequence[int]) -> None:
        """The arguments behind the first, where one of them is not 0."""
        if any(arguments[1:]):
            commit.bring(FrameKind.ARGUMENTS, row, arguments[1:])

    # --- what shows it ---

    def follow(
        self,
        commit: Commit,
        row: int,
        before: list[int],
        decision: Decision,
        sequence: int,
        *,
        changed: bool,
        noted: tuple[tuple[int, int], int] | None = None,
        told: bool = True,
    ) -> None:
        """Give deferred events again; then the row, and whatever else of memory shows the input; then carry it out.

        changed    whether the row changed in more than the number of its last frame
        noted      idempotency key and digest of an input that was taken
        told       whether a caller is told what became of it
        """
        last, slots, place = decision.image, set(decision.slots), decision.place
        uncounted = [] if told else [(decision.outcome, sequence)]
        for event_id, arguments, earlier, again in given_again(
            self.macrostep, before, decision, self.areas.header[NOW]
        ):
            by = self._tell(commit, FrameKind.AGAIN, row, event_id, arguments, earlier, again)
            uncounted.append((again.outcome, by))
            last, slots, place = again.image, slots | again.slots, place if again.place is None else again.place
        if self.moments is not None:
            self.moments.keep(row, last, slots)
        if changed:
            commit.row(row, last)
        else:
            commit.touch(row, sequence)
        if noted is not None:
            key, digest = noted
            assert self.areas.idempotency is not None
            insertion = idempotency.insertion(
                self.areas.header, self.areas.idempotency, key, sequence, digest, decision.outcome
            )
            if insertion is not None:
                commit.note(key, insertion, sequence)
        for outcome, by in uncounted:
            commit.untold(outcome, by)
        if place is not None:
            commit.head(PLACE, place)
        commit.carry_out()

    # --- before anything is taken ---

    def prepare(self, keyed: bool = False) -> None:
        """Refuse what another writer has taken over, and make the area for idempotency keys at the first of them."""
        trouble.check_fence(self.areas.header, self.memory)
        if keyed and self.areas.idempotency is None:
            if self.memory.idempotency is None:
                self.memory.make_idempotency()
            self.areas.open_idempotency(self.memory.idempotency)

    def has_room(self) -> bool:
        """Whether the ring has room for the largest group, once it is emptied where it has not."""
        header = self.areas.header
        if self.areas.ring is None or header[APPLIED] + self._group_max - header[WRITTEN] <= header[RING_FRAMES]:
            return True
        return self.memory.make_room()

    def row_of(self, instance: int) -> int | None:
        """The row of a live instance of this generation."""
        row, generation = instance & NONE, instance >> 32
        if row >= self.areas.header[ROW_COUNT]:
            return None
        state = self.areas.rows[row * self.tables.row_words + ROW_STATE]
        # A sum, so that bits of the handle above the generation are never taken for the flags of the row.
        return row if state >> 32 == generation + (ROW_LIVE << 16) else None

    def checked(self, row: int) -> list[int]:
        """The words of a row, which lead nowhere but into the tables."""
        words = self.areas.row(row)
        words[ROW_FRAME] &= SEQUENCE_MAX  # a writer that was killed may have left it busy
        trouble.check_row(self.tables, words, row)
        return words
