"""Names and texts as SQL writes them: a folder may be called it's."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A quoted text; a path is its text."""
    return "'" + str(value).replace("'", "''") + "'"
