"""Numbers with names: what `enum.IntEnum` makes, for a thirtieth of what importing `enum` and making it costs.

    class Rounding(Codes):      Rounding.DOWN == 0      Rounding(0) is Rounding["DOWN"]      [*Rounding]
        DOWN = 0

A process that opens a store pays for every class that it makes before its first step. A member is an int: it compares,
hashes, prints (`str`), pickles and goes into JSON as one. Type checkers are told that it is an `IntEnum`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import IntEnum
    from typing import Any

    class Codes(IntEnum):
        """What type checkers take it for."""

else:

    class CodesType(type):
        """The type of a set of codes: it is walked in the order of its members, and called with a number."""

        def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> None:
            members = {}
            for label, value in space.items():
                if type(value) is int and not label.startswith("_"):  # `__firstlineno__` is one too
                    members[label] = member = int.__new__(cls, value)
                    member.__dict__["_name"] = label
                    type.__setattr__(cls, label, member)
            type.__setattr__(cls, "__members__", members)
            type.__setattr__(cls, "_of_number", {int(member): member for member in members.values()})

        def __call__(cls, value: object) -> Any:
            try:
                return cls._of_number[value]
            except (KeyError, TypeError):
                raise ValueError(f"{value!r} is not a valid {cls.__qualname__}") from None

        def __getitem__(cls, name: str) -> Any:
            return cls.__members__[name]

        def __iter__(cls) -> Iterator[Any]:
            return iter(cls.__members__.values())

        def __reversed__(cls) -> Iterator[Any]:
            return reversed(cls.__members__.values())

        def __len__(cls) -> int:
            return len(cls.__members__)

        def __bool__(cls) -> bool:
            return True

        def __contains__(cls, value: object) -> bool:
            return isinstance(value, cls)

        def __setattr__(cls, name: str, value: object) -> None:
            raise AttributeError(f"{cls.__name__} is fixed: {name} cannot be set")

        def __delattr__(cls, name: str) -> None:
            raise AttributeError(f"{cls.__name__} is fixed: {name} cannot be deleted")

    class Codes(int, metaclass=CodesType):
        """What a set of codes is derived from: each name with a number becomes a member, the only one of its value."""

        @property
        def name(self) -> str:
            """As it stands in the class."""
            return self._name

        @property
        def value(self) -> int:
            """The number alone."""
            return int(self)

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(f"{self!r} is fixed: {name} cannot be set")

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self._name}: {int(self)}>"

        __str__ = int.__repr__

        def __reduce_ex__(self, protocol: object) -> tuple[Any, tuple[int]]:
            return type(self), (int(self),)

        def __copy__(self) -> Any:
            return self

        def __deepcopy__(self, memo: object) -> Any:
            return self
