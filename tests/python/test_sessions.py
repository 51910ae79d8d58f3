"""The committed session calendar is what its generator writes, and agrees with dates known from elsewhere."""

import csv

import pytest

from kairos import sessions


@pytest.fixture(scope="module")
def rows():
    with sessions.seed_path().open() as file:
        return {row["session_date"]: row for row in csv.DictReader(file)}


def test_seed_is_what_the_generator_writes():
    assert sessions.seed_path().read_text() == sessions.sessions_csv()


@pytest.mark.parametrize(
    ("date", "opens_at", "closes_at"),
    [
        ("2020-03-06", "2020-03-06 14:30:00", "2020-03-06 21:00:00"),  # standard time
        ("2020-03-09", "2020-03-09 13:30:00", "2020-03-09 20:00:00"),  # daylight saving since the day before
        ("2023-11-24", "2023-11-24 14:30:00", "2023-11-24 18:00:00"),  # the day after Thanksgiving closes at 13:00
    ],
)
def test_hours_of_known_days(rows, date, opens_at, closes_at):
    assert (rows[date]["opens_at"], rows[date]["closes_at"]) == (opens_at, closes_at)


@pytest.mark.parametrize("date", ["2001-09-11", "2012-10-29", "2018-12-05", "2022-06-20", "2025-01-09", "2024-03-29"])
def test_days_without_trading_are_no_sessions(rows, date):
    assert date not in rows


def test_first_and_last_session(rows):
    assert min(rows) == "1990-01-02"
    assert max(rows) == "2035-12-31"
