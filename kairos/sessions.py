"""The session calendar of the New York Stock Exchange, written once into seeds/sessions.csv.

`python -m kairos.sessions` writes the seed again. It needs exchange_calendars, a development dependency: users read the
committed file.
"""

from __future__ import annotations

import csv
import datetime
import io
from functools import cache
from pathlib import Path

from kairos import machine

FIRST_DATE = "1990-01-01"
LAST_DATE = "2035-12-31"


def sessions_csv() -> str:
    """The seed's text: header, then one line per session.

    Returns:
        Columns session_date (DATE), opens_at and closes_at (UTC timestamps, early closes and daylight saving in them),
        in order of date, 1990-01-02 to 2035-12-31, lines ended by a newline.

    Source: exchange_calendars, calendar XNYS.
    """
    import exchange_calendars

    schedule = exchange_calendars.get_calendar("XNYS", start=FIRST_DATE, end=LAST_DATE).schedule
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["session_date", "opens_at", "closes_at"])
    for date, row in schedule.iterrows():
        lines.writerow([f"{date:%Y-%m-%d}", f"{row['open']:%Y-%m-%d %H:%M:%S}", f"{row['close']:%Y-%m-%d %H:%M:%S}"])
    return out.getvalue()


def seed_path() -> Path:
    """Where the seed stands in the project."""
    return machine.root() / "seeds" / "sessions.csv"


@cache
def closes() -> dict[datetime.date, datetime.datetime]:
    """Session -> its close in UTC, ascending, from the committed seed."""
    with seed_path().open() as file:
        rows = list(csv.DictReader(file))
    return {
        datetime.date.fromisoformat(row["session_date"]): datetime.datetime.fromisoformat(row["closes_at"])
        for row in rows
    }


def main() -> None:
    """Write the seed."""
    seed_path().write_text(sessions_csv())


if __name__ == "__main__":
    main()
