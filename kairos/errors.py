"""The tree of errors. Each message says the rule, what was found (file, column, count, example) and the cure.

KairosError
├── MarketError        a market's files cannot be used
├── PanelError         a panel of one's own cannot be used
├── SettingError       a var or a variable of the environment has a value, or a name, that cannot be
├── SpecError          a row of a seed (alpha, strategy, parameter) does not fit
├── RuinError          a strategy has lost all its equity
├── ExecutorError      an executor cannot be used, or its workers die
├── RegistryError      a version cannot be promoted or rolled back to
├── StateError         the append-only state cannot be read or written
├── PublishError       the marts could not be published
├── OutputError        a file that a command writes cannot be written
└── ProofError         the lookahead proof could not be carried out
"""

from __future__ import annotations

import datetime


class KairosError(Exception):
    """Base of all errors a user can cause and cure."""


class MarketError(KairosError):
    """A market's files cannot be used."""


class PanelError(KairosError):
    """A panel of one's own cannot be used."""


class SettingError(KairosError):
    """A var or a variable of the environment has a value, or a name, that cannot be."""


class SpecError(KairosError):
    """A row of a seed does not fit."""


class RuinError(KairosError):
    """A strategy has lost all its equity: first and last of its sessions, and how many."""

    def __init__(self, message: str, first: datetime.date, last: datetime.date, sessions: int):
        super().__init__(message)
        self.first, self.last, self.sessions = first, last, sessions


class ExecutorError(KairosError):
    """An executor cannot be used, or its workers die."""


class RegistryError(KairosError):
    """A version cannot be promoted or rolled back to."""


class StateError(KairosError):
    """The append-only state cannot be read or written."""


class PublishError(KairosError):
    """The marts could not be published."""


class OutputError(KairosError):
    """A file that a command writes cannot be written."""


class ProofError(KairosError):
    """The lookahead proof could not be carried out."""
