"""What a restated vintage is worth: the same market built with the statements a vendor delivered on different days.

    python -m kairos.proof.vintages docs/vintages.md MARKET NAME=FOLDER NAME=FOLDER ...

MARKET gives prices and all else; each FOLDER is a market's folder with simfin/us-*-quarterly files as they were on a
day, and a basis.csv that says so. Every two vintages are built with the statements both have, and compared in the
values of common quarters, in features, and in the rank IC of the same rows. Writes a page in Markdown.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np

from kairos.errors import MarketError
from kairos.proof.build import Builder
from kairos.settings import setting, setting_number
from kairos.statistics import newey_west_error

STATEMENTS = {"income": "income_statements", "balance": "balance_sheets", "cashflow": "cash_flow_statements"}
HORIZON = 20  # sessions of the forward return behind the IC
CHAIN = "stg_simfin__statement_rows+,+feat_fundamental"
KEYS = ("as_of_date", "security_id", "known_at")


def statements_of(folder: Path) -> frozenset[str]:
    """The statements whose files a vintage has."""
    return frozenset(name for name in STATEMENTS if list(folder.glob(f"simfin/us-{name}-quarterly*")))


def market_with(market: Path, vintage: Path, statements: frozenset[str], out: Path) -> Path:
    """A market's folder of links whose statements are those of a vintage; basis.csv is joined from both."""
    for path in sorted(market.rglob("*")):
        if path.is_file() and not path.match("simfin/us-*-quarterly*") and path.name != "basis.csv":
            _link(path, out / path.relative_to(market))
    for name in statements:
        for path in vintage.glob(f"simfin/us-{name}-quarterly*"):
            _link(path, out / "simfin" / path.name)
    of_market = [row for row in _basis(market) if not row.startswith("simfin/")]
    of_vintage = [row for row in _basis(vintage) if row.startswith("simfin/")]
    (out / "basis.csv").write_text("\n".join(["dataset,basis_date", *of_market, *of_vintage]) + "\n")
    return out


def changed_values(con: duckdb.DuckDBPyConnection, statement: str) -> list[tuple]:
    """(item, common quarters, with a value in both, changed, median relative change of those) of databases a and b."""
    table = f"staging.stg_simfin__{STATEMENTS[statement]}"
    columns = con.execute(f"describe a.{table}").fetchall()
    rows = []
    for item in [name for name, kind, *_ in columns if kind == "DOUBLE"]:
        rows += con.execute(
            f"""with
            one as (select ticker, period_end_date, arg_max({item}, known_at) as x from a.{table} group by all),
            other as (select ticker, period_end_date, arg_max({item}, known_at) as y from b.{table} group by all)
            select '{item}', count(*), count(x + y), count(*) filter (x <> y),
                median(abs(y - x) / nullif(abs(x), 0)) filter (x <> y)
            from one join other using (ticker, period_end_date)"""
        ).fetchall()
    return rows


def changed_features(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    """(feature, rows valued in both, share changed, share valued in one only, median relative change of the changed).

    Members of both on dates on which both have a cross-section; equal means within 1e-9.
    """
    rows = []
    for feature in features(con):
        rows += con.execute(
            f"""select '{feature}', count(x + y), count(*) filter ({_differs}) / nullif(count(x + y), 0),
                count(*) filter ((x is null) <> (y is null)) / nullif(count(coalesce(x, y)), 0),
                median(abs(y - x) / nullif(abs(x), 0)) filter ({_differs})
            from ({_paired(feature)})"""
        ).fetchall()
    return [row for row in rows if row[1]]


def information(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    """(feature, dates, mean rank IC of a, of b, mean difference, its t after Newey and West) on the same rows."""
    out = []
    for feature in features(con):
        ics = con.execute(
            f"""with ranked as (
                select as_of_date, rank() over (partition by as_of_date order by x) as rx,
                    rank() over (partition by as_of_date order by y) as ry,
                    rank() over (partition by as_of_date order by fwd_ret_{HORIZON}d) as rr
                from ({_paired(feature)}) join a.labels.lbl_fwd_ret using (security_id, as_of_date)
                where x + y is not null and fwd_ret_{HORIZON}d is not null)
            select corr(rx, rr), corr(ry, rr) from ranked group by as_of_date
            having count(*) >= {setting_number("min_cross_section")} order by as_of_date"""
        ).fetchall()
        pairs = np.array([pair for pair in ics if None not in pair], dtype=float)
        if len(pairs) > HORIZON:
            difference = pairs[:, 1] - pairs[:, 0]
            out.append((feature, len(pairs), *pairs.mean(axis=0), difference.mean(), newey_west_t(difference)))
    return out


def newey_west_t(x: np.ndarray) -> float:
    """t of the mean of values that overlap up to HORIZON - 1 positions; NaN where nothing varies."""
    error = newey_west_error(x, HORIZON - 1)
    return float(x.mean() / error) if error > 0 else float("nan")


def features(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Columns of feat_fundamental that say something of the values: all but keys and age."""
    columns = con.execute("describe a.features.feat_fundamental").fetchall()
    return [name for name, kind, *_ in columns if kind == "DOUBLE" and name not in KEYS]


_differs = "abs(y - x) > 1e-9 * greatest(abs(x), abs(y))"


def _paired(feature: str) -> str:
    """Rows of members of a feature's dates: x of a, y of b. Securities that either vintage never knows are left out.

    So is what comes after the older one's newest statement: it would hold old quarters against new ones.
    """
    ends = ", ".join(f"(select max(known_at)::date from {d}.intermediate.int_fundamentals)" for d in "ab")
    one, other = (f"security_id from {d}.features.feat_fundamental where {feature} is not null" for d in "ab")
    return f"""select as_of_date, security_id, a.{feature} as x, b.{feature} as y
        from a.features.feat_fundamental as a join b.features.feat_fundamental as b using (as_of_date, security_id)
        join a.intermediate.int_universe as u using (as_of_date, security_id)
        where u.is_member and as_of_date <= least({ends})
            and security_id in (select {one}) and security_id in (select {other})
        qualify count(x) over (partition by as_of_date) >= {setting_number("min_cross_section")}
            and count(y) over (partition by as_of_date) >= {setting_number("min_cross_section")}"""


def page(market: Path, vintages: dict[str, Path], work: Path) -> str:
    """Build every vintage with every set of statements that a pair shares, compare, and write the page."""
    builder, built = Builder(), {}
    parts = [INTRODUCTION]
    for (one, first), (other, second) in itertools.combinations(vintages.items(), 2):
        shared = statements_of(first) & statements_of(second)
        if not shared:
            raise MarketError(f"{first} and {second} share no simfin/us-*-quarterly file: name folders that hold some.")
        for name, folder in ((one, first), (other, second)):
            if (name, shared) not in built:
                target = work / f"{name}_{'_'.join(sorted(shared))}"
                replaced = market_with(market, folder, shared, target / "market")
                if built:  # prices, members and labels are there already
                    shutil.copyfile(next(iter(built.values())), target / "kairos.duckdb")
                select = [CHAIN] if built else ["+feat_fundamental", "+lbl_fwd_ret", "+int_universe"]
                built[name, shared] = builder.build(replaced, target, select)
        with duckdb.connect() as con:
            for database, name in (("a", one), ("b", other)):
                con.execute(f"attach '{built[name, shared]}' as {database} (read_only)")
            parts.append(_section(con, one, other, sorted(shared)))
    return "\n".join(parts)


def _section(con: duckdb.DuckDBPyConnection, one: str, other: str, shared: list[str]) -> str:
    lines = [f"## {one} against {other}", "", f"Statements both have: {', '.join(shared)}.", ""]
    lines += ["| statement | item | common quarters | valued in both | changed | share | median change |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for statement in shared:
        for item, common, valued, changed, median in changed_values(con, statement):
            share = f"{changed / valued:.1%}" if valued else ""
            lines.append(f"| {statement} | {item} | {common} | {valued} | {changed} | {share} | {_percent(median)} |")
    lines += ["", "| feature | rows valued in both | changed | valued in one only | median change |"]
    lines += ["|---|---|---|---|---|"]
    for feature, rows, changed, alone, median in changed_features(con):
        lines.append(f"| `{feature}` | {rows} | {changed:.1%} | {alone:.1%} | {_percent(median)} |")
    lines += ["", f"| feature | dates | rank IC of {one} | of {other} | difference | t |", "|---|---|---|---|---|---|"]
    for feature, dates, first, second, difference, t in information(con):
        lines.append(f"| `{feature}` | {dates} | {first:.4f} | {second:.4f} | {difference:+.4f} | {t:.1f} |")
    return "\n".join([*lines, ""])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _link(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(path.resolve())


def _basis(folder: Path) -> list[str]:
    file = folder / "basis.csv"
    return file.read_text().splitlines()[1:] if file.exists() else []


INTRODUCTION = f"""# What the restated vintage is worth

A vendor that delivers one file of statements, with first publish dates and the newest values, hands out numbers on
dates on which they did not exist yet. Here the files of the same vendor from different days are held against each
other, two by two, on the same prices: how many values of the same quarter changed, how many feature values did, and
what the change was worth in the mean rank IC against the {HORIZON}-session forward return, on the same rows (members
with a value in both, up to the newest statement of the older file, dates with at least
{setting("min_cross_section")} of them; t of the mean difference, after Newey and West). Counts of shares change with
every split, too: each file's are on the splits of its own day, and features bring them to one basis.
Written by `python -m kairos.proof.vintages docs/vintages.md MARKET NAME=FOLDER NAME=FOLDER ...`.
"""


def main(arguments: list[str]) -> int:
    """Write the page of the vintages named on the command line."""
    if len(arguments) < 4 or any("=" not in vintage for vintage in arguments[2:]):
        print(__doc__, file=sys.stderr)
        return 2
    vintages = {name: Path(folder) for name, folder in (vintage.split("=", 1) for vintage in arguments[2:])}
    with tempfile.TemporaryDirectory() as work:
        Path(arguments[0]).write_text(page(Path(arguments[1]), vintages, Path(work)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
