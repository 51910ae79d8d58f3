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
        self._waited: float | None = None
        self._started, self._started_at = time.monotonic(), time.time()

    def step(self, position: int, detail: str, began_at: float | None = None) -> None:
        """Say that the piece at this position of costs is done.

        began_at: time.time() when it began, where a worker may have been started for it: the estimate goes by the time
        since the first of the finished pieces began.
        """
        self.done += 1
        self._finished += self.costs[position]
        elapsed = time.monotonic() - self._started
        if began_at is not None:  # another machine's clock may be off
            waited = min(max(began_at - self._started_at, 0.0), elapsed)
            self._waited = waited if self._waited is None else min(self._waited, waited)
        worked = elapsed - (self._waited or 0.0)
        left = worked * (sum(self.costs) / self._finished - 1) if self._finished else 0.0
        place = f"{self.what}: {self.piece} {self.done} of {len(self.costs)}"
        say(f"{place}, {detail}, {elapsed:.1f} s, about {left:.0f} s to go")


def say(line: str) -> None:
    """One line on stderr."""
    print(line, file=sys.stderr, flush=True)
