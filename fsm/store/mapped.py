"""What a reader has mapped: the memory that the superblock names, in the shape that its header says.

superblock ──▶ SharedMemory, read-only ──▶ View ──▶ every call, which looks first: grown? fenced off? made anew?
                                            └──▶ Overlay, where something is committed above `applied`
"""

from __future__ import annotations

from fsm.errors import FsmError, StoreError
from fsm.layout import HEADER_FIELDS
from fsm.store import superblock as superblocks
from fsm.store.directory import Directory
from fsm.store.flows import require_same, stored_tables
from fsm.store.memory import SharedMemory
from fsm.store.overlay import Overlay
from fsm.store.readonly import ReadOnly
from fsm.store.view import TRIES, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from fsm.store.superblock import Superblock
    from fsm.tables import Compilable, Tables

APPLIED: Final = HEADER_FIELDS["applied"]
CAPACITY: Final = HEADER_FIELDS["capacity"]
FENCE: Final = HEADER_FIELDS["fence"]
INDEX_SHAPE: Final = HEADER_FIELDS["index_shape"]

SPINS: Final = 64
"""Looks at `applied` before a group above it is taken for one that its writer left."""
SUPERBLOCK_EVERY: Final = 256
"""Calls between two looks at the superblock, which alone tells of memory that was lost and made anew."""


class Mapped(ReadOnly):
    """The half of a reader that finds its memory, and notices when that is another one."""

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_calls",
        "_found",
        "_incarnation",
        "_names",
        "_overlay",
        "_store",
        "_trusting",
        "_uuid",
        "_view",
        "memory",
        "tables",
    )
    memory: Any
    _bytes: bytes | None
    _names: dict[int, tuple[str, ...]]
    _overlay: Overlay | None
    _view: View | None

    @property
    def _path(self) -> str:
        return self._store.path

    def _open(self, path: Any, flow: Compilable | Tables | None) -> None:
        self._view = self._overlay = self.memory = None
        try:
            self._store = Directory.at(path)
        except FileNotFoundError:
            raise StoreError(f"{path}: there is no store here, and a reader makes none.") from None
        try:
            self._bytes = None
            superblock = self._superblock()
            self._uuid, self._incarnation, self._calls = superblock.uuid, -1, SUPERBLOCK_EVERY
            self.tables = stored_tables(self._store, superblock.fingerprint)
            if flow is not None:
                require_same(self.tables, flow)
            self._trusting, self._names = not self.tables.deferral_words, {}
            self._map(superblock)
        except BaseException:
            self.close()
            raise

    def _map(self, superblock: Superblock) -> View:
        """Map what the superblock names. Raises `StoreError` where there is nothing of the kind."""
        for _ in range(TRIES):
            if superblock.uuid != self._uuid or superblock.fingerprint != self.tables.fingerprint:
                raise StoreError(f"store {self._path}: another store was made here. Open it anew.")
            try:
                if superblock.incarnation == self._incarnation:
                    self.memory.remap()
                else:
                    self._attach_to(superblock)
                break
            except (FsmError, FileNotFoundError) as error:
                # A writer that grows takes the old index away once the header names the new one; one that takes over
                # takes all of the old memory away, once the superblock names the new one.
                before, superblock = superblock, self._superblock()
                grows = isinstance(error, FileNotFoundError) and superblock.incarnation == self._incarnation
                if superblock is before and not grows:
                    raise
        else:
            raise StoreError(f"store {self._path}: its memory changes faster than it can be mapped. Open it again.")
        self._overlay = None
        self._view = view = View(self.memory, self.tables.row_words)
        return view

    def _attach_to(self, superblock: Superblock) -> None:
        memory = SharedMemory.attach(self._store, None, superblock, mode="read")
        try:
            memory.fit(self.tables)
        except BaseException:
            memory.let_go()
            raise
        outlived, self.memory, self._incarnation = self.memory, memory, superblock.incarnation
        if outlived is not None:
            outlived.let_go()

    def _superblock(self) -> Superblock:
        """What the superblock says: the same object, as long as it says the same."""
        try:
            data = self._store.read(superblocks.NAME, 1 << 16)
            if data != self._bytes:
                self._found, self._bytes = superblocks.read(self._store), data
        except FileNotFoundError:
            raise StoreError(f"{self._path}: there is no store here: it has no superblock.") from None
        return self._found

    def _current(self, operation: str) -> View:
        """The areas as the header says they are now. The first line of every call."""
        view = self._view
        if view is None:
            raise FsmError(f"{operation}: this engine is closed. Open another one.")
        header = view.header
        self._calls -= 1
        if (
            header[CAPACITY] == view.capacity
            and header[INDEX_SHAPE] == view.index_shape
            and not header[FENCE]
            and self._calls
        ):
            return view
        return self._renewed(view)

    def _renewed(self, view: View) -> View:
        self._calls = SUPERBLOCK_EVERY
        header = view.header
        for _ in range(TRIES):
            if header[FENCE] or (header[CAPACITY], header[INDEX_SHAPE]) == (view.capacity, view.index_shape):
                superblock = self._superblock()
                # A fence without a new incarnation: the takeover is under way, or was given up. This memory counts.
                return view if superblock.incarnation == self._incarnation else self._map(superblock)
            view = self._map(self._found)
            header = view.header
            if (header[CAPACITY], header[INDEX_SHAPE]) == (view.capacity, view.index_shape):
                return view
        raise StoreError(f"store {self._path}: it grows faster than it can be mapped. Read it again.")

    def _pending(self, view: View) -> Overlay | None:
        """What is committed above `applied`, where the writer does not see to it itself."""
        header = view.header
        applied = header[APPLIED]
        behind = applied + 1
        if view.ring[(behind & view.ring_mask) * view.frame_words] != behind:
            return None
        overlay = self._overlay
        if overlay is not None and overlay.holds(view):
            return overlay
        for _ in range(SPINS):
            if header[APPLIED] != applied:
                return None  # a writer is at work: whatever was committed when this call began is in the rows by now
        overlay = Overlay(view)
        if header[APPLIED] != applied or overlay.applied != applied:
            return None
        self._overlay = overlay
        return overlay

    def close(self) -> None:
        """Let go of the memory; every later call raises."""
        memory, self.memory, self._view, self._overlay = self.memory, None, None, None
        if memory is not None:
            memory.let_go()
        self._store.close()
