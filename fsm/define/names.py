"""Which names a field, state, event or argument may have."""

from __future__ import annotations

from keyword import iskeyword

from fsm.define.places import Problem

RESERVED = frozenset({"id", "words", "signature"})
"""What an event class has already; one set for all kinds of names, so that text never reads two ways."""


def naming_problem(what: str, name: str) -> Problem | None:
    """Why a name cannot be given, or None where it can."""
    if name in RESERVED or name.startswith("_") or iskeyword(name):
        listed = ", ".join(sorted(RESERVED))
        message = f"{what}: the name {name!r} is reserved ({listed}, Python's keywords, and names that begin with _)."
        return Problem("reserved-name", message, "Choose another name.")
    if not name.isidentifier():
        return Problem("reserved-name", f"{what}: {name!r} is no name.", "Use letters, digits and _, no digit first.")
    return None
