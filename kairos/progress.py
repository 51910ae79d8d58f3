"""One line per finished piece of long work, on stderr, where dbt's log and a person see it."""

from __future__ import annotations

import sys
import time


class Progress:
    """Counts finished pieces of `total` and says how long it has been. Silent when there is nothing to do."""

    def __init__(self, what: str, total: int):
        self.what = what
        self.total = total
        self.done = 0
        self._started = time.monotonic()

    def step(self, detail: str) -> None:
        """Say that one more piece is done."""
        self.done += 1
        say(f"{self.what}: fold {self.done} of {self.total}, {detail}, {time.monotonic() - self._started:.1f} s")


def say(line: str) -> None:
    """One line on stderr."""
    print(line, file=sys.stderr, flush=True)
