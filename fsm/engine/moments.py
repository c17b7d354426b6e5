"""When which timer is due: an index over the rows, in the process alone, made when time is first asked for.

    rows ──scan──▶ heap of (deadline, row, word) ──take_due()──▶ what is due, by deadline, then row, then slot
    a step that armed or cancelled ──keep()──▶ one moment more; what is stale is known by the row

Every moment in the heap is looked up in its row before it counts, so nothing is ever taken out of the middle.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from fsm.engine.areas import ROW_COUNT
from fsm.engine.macrostep import signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fsm.engine.areas import Areas
    from fsm.tables import Tables

    Moment = tuple[int, int, int]


class Moments:
    """The timers that are armed, and those that are being fired: `due` holds (row, word) of what was not set since."""

    __slots__ = ("_areas", "_heap", "_tables", "due")

    def __init__(self, areas: Areas, tables: Tables) -> None:
        self._areas, self._tables = areas, tables
        slots = range(tables.field_end, tables.field_end + tables.timer_slots)
        self._heap = [
            (signed(deadline), row, word)
            for row in (range(areas.header[ROW_COUNT]) if slots else ())
            if areas.is_live(row)
            for word in slots
            if (deadline := areas.rows[row * areas.row_words + word])
        ]
        heapify(self._heap)
        self.due: set[tuple[int, int]] = set()

    def keep(self, row: int, image: list[int], slots: set[int]) -> None:
        """Note the deadlines of slots that were set; what is due in this `advance` no longer is, if it was set."""
        if len(self._heap) > 2 * self._areas.header[ROW_COUNT] * self._tables.timer_slots + 64:
            # Most are of timers that were cancelled or armed anew since. A sorted list is a heap.
            self._heap = sorted(moment for moment in set(self._heap) if self._is_armed(moment))
        for word in sorted(slots):
            self.due.discard((row, word))
            if image[word]:
                heappush(self._heap, (signed(image[word]), row, word))

    def take_due(self, now_ns: int, due: list[Moment]) -> None:
        """Move the moments up to `now_ns` into the list, which its caller gives back whatever comes in between.

        In the end the list holds those whose timers are armed still.
        """
        while self._heap and self._heap[0][0] <= now_ns:
            due.append(self._heap[0])
            heappop(self._heap)
        armed = [moment for moment in dict.fromkeys(due) if self._is_armed(moment)]
        self.due = {(row, word) for _, row, word in armed}
        due[:] = armed

    def give_back(self, moments: list[Moment]) -> None:
        """Of those that were taken: what is armed still is due the next time, and what was fired is armed no more."""
        for moment in moments:
            heappush(self._heap, moment)

    def _is_armed(self, moment: Moment) -> bool:
        deadline, row, word = moment
        return self._areas.is_live(row) and signed(self._areas.rows[row * self._areas.row_words + word]) == deadline

    def __len__(self) -> int:
        return len(self._heap)
