"""Take up a source where a killed run stopped, without doubling or skipping an input.

    events(path, engine) ──▶ Batch ──┬── taken before, by its digest ──▶ skipped
            run again                ├── taken in part ──▶ the rest of it ──▶ Ingest
         from its beginning          └── new ──▶ a POSITION frame, then ──▶ Ingest
    the end ──▶ a POSITION frame that says so

Before each batch that brings anything, a POSITION frame says how far the source was read (`Position`). So the journal
is, for each batch,

    POSITION │ START of its submissions │ EVENT, TIMER and AGAIN frames in their order │ POSITION of the next ...

with each START just before its event in a flow with timers. A group is there whole or not at all, so a process is
killed between two groups, as far as the journal tells. Every such place, and what the next process does:

1. Before the first POSITION: nothing was taken. It begins anew.
2. Behind the POSITION of batch b, before all of its STARTs are there. The batch is found again by its digest. Which
   keys were known when it began follows from the journal: those that are known now, without the instances whose STARTs
   stand behind the POSITION. So the same submissions are found in the same order, and the first c of them, as many as
   there are STARTs, are not started again: not even those that faulted, which left a START that was refused and no
   instance. An event that stands before the submission of its key stays unknown, since its key does not count as known.
3. Between events t and t + 1 of the batch: the first t told inputs (EVENT frames; TIMER, AGAIN and START are none) are
   skipped, and the outcomes that they had are read from their frames.
4. Among the timers that are due at the time of event t + 1: the clock is moved to that time again. Timers that have
   fired are armed no more, the rest fires. One thing differs from a run that was not killed: a timer that was armed by
   one of the first, for a moment that had passed already, fires with the rest, and not at the next event.
5. In a flow with timers between the START of an instance and its event: the START is there, so neither is the clock
   moved for it again nor the instance started; the event moves the clock itself, as always.
6. Behind the last event of b, before the next POSITION, wherever the generator then was: all of b is skipped. The
   generator was run again from its beginning and may have called `engine.advance`: the clock never goes back, so this
   changes nothing but what the killed run did not come to. A generator must not start or step instances itself: that
   would come twice.
7. Behind the last event of all, before the POSITION that says "ended": as 6, then that frame is written.
8. Behind it: all is skipped, nothing is written.
9. Within a process that takes up: it writes nothing of its own, neither a frame nor a mark, before its first new input.
   So a kill there is the same as the kill before, and journals of a run with kills and one without hold the same
   frames.

Batches that come from rows are functions of the source, and digested one upon another: whatever differs is
`SourceDiffers`, with its place, before anything of it is taken. A batch that the source made up is a function of the
engine's state, so it is not held to what it was. Those before a batch from rows that was begun were taken whole: they
are skipped. Where the last POSITION is that of a made-up batch, what the generator makes up at the same place is looked
at as follows.

- It has the digest of one that was taken whole there: skipped. That of the last: what was taken of it is skipped.
- It has as many events as the last one lacks: it is the rest of it (as of orders that are live, once some were closed),
  and taken without a POSITION of its own.
- Something else: taken as it stands, behind a POSITION of its own. So an event that was refused may come again; where
  that matters, the source gives it an idempotency key.

Which source it is tells its content, not its name: the first batch with events, and what stands before it. A store
whose last source has ended goes on with another INPUT as with a new source, on the instances that are there; INPUT that
one of its sources was made of is skipped whole, whichever of them it was. While a source has not ended, another is an
error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from fsm.errors import CorruptStore, FsmError, StoreError
from fsm.layout import INT64_MAX
from fsm.runtime.ingest import NOTHING
from fsm.runtime.journal import Journal

if TYPE_CHECKING:
    from fsm.runtime.batch import Batch
    from fsm.runtime.ingest import Ingest, Past
    from fsm.runtime.journal import Account

MAGIC: Final = int.from_bytes(b"fsm run1", "little")
MADE_UP, ENDED = 1, 2
HALF: Final = 0xFFFF_FFFF


class SourceDiffers(FsmError):
    """The source is not the one that the store was fed with; nothing of the batch was taken."""


class Position(NamedTuple):
    """How far a source was read: the words of a POSITION frame, behind the one that says whose they are.

    flags       MADE_UP: the batch that follows is made up · ENDED: none follows
    source      number of the source among those of the store, from 1
    batches     batches that came from rows, before this one
    events, left_out, parked, made_up    what came before this batch
    size        events of this batch
    beside      rows that this batch leaves out, low half, and rows that it parks, high half
    digest      low half: of this batch, upon those of the batches from rows before it unless it is made up
                high half: of the first batch with events likewise, which tells sources apart
    previous    the POSITION frame before this one, of whichever source; 0 for the first
    first       the first POSITION frame of this source; 0 for itself
    """

    flags: int
    source: int
    batches: int
    events: int
    left_out: int
    parked: int
    made_up: int
    size: int
    beside: int
    digest: int
    previous: int
    first: int

    @property
    def is_made_up(self) -> bool:
        return bool(self.flags & MADE_UP)

    @property
    def ended(self) -> bool:
        return bool(self.flags & ENDED)

    @property
    def from_rows(self) -> bool:
        return not self.flags

    def fits(self, batch: Batch, digest: int) -> bool:
        """Whether it stands before this batch."""
        return (self.size, self.digest & HALF) == (len(batch), digest)

    def after(self, taken: int) -> dict[str, int]:
        """What came before whatever follows, where so many events of this batch were taken."""
        return {
            "batches": self.batches + self.from_rows,
            "events": self.events + taken * self.from_rows,
            "left_out": self.left_out + (self.beside & HALF),
            "parked": self.parked + (self.beside >> 32),
            "made_up": self.made_up + taken * self.is_made_up,
        }


Placed = tuple[int, Position]
"""A position with the number of its frame."""
BEGINNING: Final = {"batches": 0, "events": 0, "left_out": 0, "parked": 0, "made_up": 0}


class StoredRun:
    """A source on its way through an engine on the store at `path`.

    positions     all of the source, in order: those that were there, then those that this process wrote
    resumed_at    the last frame that was there when this process took up the source; None where it began it
    """

    def __init__(self, ingest: Ingest, path: str) -> None:
        self._ingest, self._engine, self._path = ingest, ingest.engine, path
        self.journal = Journal(ingest.engine, path)
        self.positions: list[Placed] = []
        self.resumed_at: int | None = None
        self._recorded = self._next = 0  # positions that were there, and the first of them that was not come to yet
        self._digest = self._identity = 0
        self._held: list[Batch] = []  # without events, while it is not known whether the source is new
        self._last = self._read(self.journal.position) if self.journal.position else None
        self._undecided = self._last is None or self._last[1].ended
        if self._last is not None and not self._last[1].ended:
            self._recall(self._last)

    def take(self, batch: Batch) -> None:
        """Run what of a batch was not taken yet. Raises `SourceDiffers`, and what the engine raises."""
        if batch.empty:
            self._ingest.skip(batch)  # its progress is all that there is to it
            return
        digest = self._digested(batch)
        if not self._undecided:
            self._place(batch, digest)
            return
        self._held.append(batch)
        if len(batch):
            self._decide(digest)

    def end(self) -> None:
        """Say that the source has ended. Raises `SourceDiffers` where it was read further before."""
        if self._undecided:
            self._decide(self._digest)
        if any(recorded.from_rows for _, recorded in self.positions[self._next :]):
            raise SourceDiffers(
                f"store {self._path} was fed with more of it: this is not the same source. Nothing was taken. "
                "Give the INPUT that the run began with, or another --store."
            )
        if not self.positions or not self.positions[-1][1].ended:
            self._mark(ENDED, None, self._digest)

    def account(self) -> Account:
        """What became of all inputs of the source, in this process and in those before it."""
        places = [(sequence, position.size, position.is_made_up) for sequence, position in self.positions]
        return self.journal.account(places, self.positions[-1][0])

    # --- what was recorded ---

    def _read(self, sequence: int) -> Placed:
        magic, *words = self.journal.data(sequence)
        if magic != MAGIC or len(words) != len(Position._fields):
            raise StoreError(
                f"store {self._path}: the position in frame {sequence} was not written by a run. Nothing was taken. "
                "Run the input on a store of its own."
            )
        position = Position(*words)
        if max(position.previous, position.first) >= sequence or max(position._replace(digest=0)) > INT64_MAX:
            raise CorruptStore(self._path, 0, f"the position in frame {sequence} does not lie behind those it names")
        return sequence, position

    def _recall(self, last: Placed) -> None:
        """Take up the source whose last position this is."""
        self.positions = [last]
        while last[1].first:
            last = self._read(last[1].previous)
            self.positions.append(last)
        self.positions.reverse()
        self._recorded, self.resumed_at = len(self.positions), self.journal.applied
        self._identity = self.positions[-1][1].digest >> 32

    def _ended_source(self, identity: int) -> Placed | None:
        """The last position of the source that began like this one, if there is one; all of them have ended."""
        last = self._last
        while last is not None and last[1].digest >> 32 != identity:
            first = self._read(last[1].first) if last[1].first else last
            last = self._read(first[1].previous) if first[1].previous else None
        return last

    # --- batches ---

    def _digested(self, batch: Batch) -> int:
        """The digest of a batch, upon those before it where it comes from rows."""
        if batch.made_up:
            return batch.digest()
        self._digest = batch.digest(self._digest)
        return self._digest

    def _decide(self, digest: int) -> None:
        """Tell whether the source is new, now that its first batch with events is there, and come to what was held."""
        self._identity, self._undecided = digest or 1, False
        if (same := self._ended_source(self._identity)) is not None:
            self._recall(same)
        held, self._held, self._digest = self._held, [], 0
        for batch in held:
            self._place(batch, self._digested(batch))

    def _place(self, batch: Batch, digest: int) -> None:
        """Find out what of a batch was taken, skip that, and take the rest."""
        rest = range(self._next, self._recorded)
        if batch.made_up and any(not self.positions[number][1].is_made_up for number in rest):
            self._ingest.skip(batch)  # the run went on from here: all that it made up here was taken
            return
        if batch.made_up:
            number = next((number for number in rest if self.positions[number][1].fits(batch, digest)), None)
            if number is None and rest and 0 < len(batch) == self._missing():
                self._next = self._recorded
                self._ingest.take(batch)
                return
        else:
            number = next((number for number in rest if not self.positions[number][1].is_made_up), None)
            if number is not None and not self._is_recorded(batch, digest, self.positions[number][1]):
                raise SourceDiffers(
                    f"store {self._path} was fed with something else at this place: this is not the same source. "
                    "Nothing of it was taken. Give the INPUT that the run began with, or another --store."
                )
        if number is None:
            self._take_new(batch, digest)
            return
        self._next = number + 1
        past = self._past(batch) if self._next == len(self.positions) else NOTHING
        if self._next < len(self.positions) or len(past.outcomes) == len(batch):
            self._ingest.skip(batch)
        else:
            self._ingest.take(batch, past)

    def _is_recorded(self, batch: Batch, digest: int, recorded: Position) -> bool:
        return recorded.from_rows and recorded.fits(batch, digest)

    def _past(self, batch: Batch) -> Past:
        """What was taken of the last batch that was begun."""
        return self.journal.behind(self.positions[-1][0]).part_of(batch, self._engine.tables.event_count)

    def _missing(self) -> int:
        """How many events of the last batch that was begun were not taken."""
        sequence, recorded = self.positions[-1]
        return recorded.size - min(recorded.size, len(self.journal.behind(sequence).outcomes))

    def _take_new(self, batch: Batch, digest: int) -> None:
        self._mark(MADE_UP if batch.made_up else 0, batch, digest)
        self._ingest.take(batch)

    def _mark(self, flags: int, batch: Batch | None, digest: int) -> None:
        """Write the position before a batch, or the one that says that there is no other."""
        before = BEGINNING
        if self.positions:
            recorded = self.positions[-1][1]
            # Of a batch that was begun before this process was, not all need have been taken, where it was made up.
            missing = self._missing() if len(self.positions) == self._recorded else 0
            before = recorded.after(recorded.size - missing)
        position = Position(
            flags,
            source=self._source(),
            **before,
            size=len(batch) if batch is not None else 0,
            beside=batch.left_out | len(batch.parked) << 32 if batch is not None else 0,
            digest=digest | self._identity << 32,
            previous=self._last[0] if self._last is not None else 0,
            first=self.positions[0][0] if self.positions else 0,
        )
        self._engine._mark([MAGIC, *position])
        self._last = self.journal.position, position
        self.positions.append(self._last)
        self._next = len(self.positions)

    def _source(self) -> int:
        """The number of the source."""
        if self.positions:
            return self.positions[0][1].source
        return self._last[1].source + 1 if self._last is not None else 1
