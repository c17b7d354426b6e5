"""What an engine that only looks does not do: each call that would write says so, and takes nothing."""

from __future__ import annotations

from fsm.engine.protocol import Engine
from fsm.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class ReadOnly(Engine):
    """The half of a reader that refuses."""

    __slots__ = ()

    @property
    def _path(self) -> str:
        raise NotImplementedError

    def _refused(self, operation: str) -> NoReturn:
        self._enter(operation)
        raise StoreError(
            f"{operation}: store {self._path} is open read-only. Nothing was taken. "
            "Leave readonly=True out, where no other process writes it."
        )

    def step(self, *arguments: Any, **named: Any) -> int:
        """Refused, as all that would write."""
        self._refused("step")

    def start(self, *arguments: Any, **named: Any) -> int:
        """Refused."""
        self._refused("start")

    def send(self, *arguments: Any, **named: Any) -> Any:
        """Refused."""
        self._refused("send")

    def step_many(self, *arguments: Any, **named: Any) -> Any:
        """Refused."""
        self._refused("step_many")

    def advance(self, *arguments: Any, **named: Any) -> int:
        """Refused."""
        self._refused("advance")

    def release(self, *arguments: Any, **named: Any) -> None:
        """Refused."""
        self._refused("release")

    def reserve(self, *arguments: Any, **named: Any) -> None:
        """Refused."""
        self._refused("reserve")

    def sync(self, *arguments: Any, **named: Any) -> None:
        """Refused."""
        self._refused("sync")

    def _alone(self, operation: str, work: Any, *arguments: Any) -> Any:
        """Refused: what else would write comes through here."""
        self._refused(operation)

    def _mark(self, *arguments: Any, **named: Any) -> None:
        self._refused("mark")

    def _start_many(self, *arguments: Any, **named: Any) -> Any:
        self._refused("start")

    def _step_many_timed(self, *arguments: Any, **named: Any) -> Any:
        self._refused("step_many")
