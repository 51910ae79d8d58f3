"""One line per finished piece of long work, on stderr, where dbt's log and a person see it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence


class Progress:
    """Counts finished pieces, says how long it has been and about how long it will take. Silent when nothing is to do.

    Args:
        what: the work.
        costs: what each piece costs beside the others, in any unit; the estimate goes by it.
        piece: what a piece is called.
    """

    def __init__(self, what: str, costs: Sequence[float], piece: str = "fold"):
        self.what = what
        self.costs = costs
        self.piece = piece
        self.done = 0
        self._finished = 0.0
        self._started = time.monotonic()

    def step(self, position: int, detail: str) -> None:
        """Say that the piece at this position of costs is done."""
        self.done += 1
        self._finished += self.costs[position]
        elapsed = time.monotonic() - self._started
        left = elapsed * (sum(self.costs) / self._finished - 1) if self._finished else 0.0
        place = f"{self.what}: {self.piece} {self.done} of {len(self.costs)}"
        say(f"{place}, {detail}, {elapsed:.1f} s, about {left:.0f} s to go")


def say(line: str) -> None:
    """One line on stderr."""
    print(line, file=sys.stderr, flush=True)
