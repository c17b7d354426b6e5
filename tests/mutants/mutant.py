"""What a mutant is."""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """A piece of text that stands once in a file, and what stands there instead."""

    file: str
    text: str
    instead: str


class Mutant(NamedTuple):
    """An error by name: one edit, or several that belong together."""

    name: str
    edits: tuple[Edit, ...]


def mutant(name: str, *edit: str) -> Mutant:
    """One of a single edit: file, text, and what stands there instead."""
    return Mutant(name, (Edit(*edit),))
