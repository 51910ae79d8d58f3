"""The proof as `kairos prove` runs it: one build of the whole market, and one of each attacked copy at each cut."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from kairos.errors import ProofError
from kairos.proof.attack import ATTACKS, FACTORS, attack_market
from kairos.proof.build import Builder
from kairos.proof.compare import NEAR_LAYERS, ProofRow, compare, read_models
from kairos.raw import TABLES, raw_statements
from kairos.sessions import closes
from kairos.sql import identifier

# why an attack is none on a market
NO_SPLITS = "no name has a vendor of splits and a last bar after the cut, within its file's basis"
WITHOUT = {
    "restated": "no file has a row of the 400 days before that could be published again",
} | dict.fromkeys(FACTORS, NO_SPLITS)


def prove(
    market: Path,
    work: Path,
    cuts: Sequence[datetime.date] = (),
    *,
    attacks: Sequence[str] = (),
    builder: Builder | None = None,
) -> list[ProofRow]:
    """Build `market` whole and with everything known after each cut attacked, and compare what is dated by the cut.

    Args:
        market: directory of vendor files.
        work: an empty directory for the builds; each takes about as much room as a warehouse of the market.
        cuts: sessions; none = default_cuts() of the whole build.
        attacks: some of ATTACKS; none = all. One that finds nothing in the market is left out and said to be.
        builder: makes the builds; default this project's, on an empty state and one core.

    Returns:
        One row per cut, attack, model and column; the proof holds when every rows_different is 0.

    Raises:
        ProofError: a cut is no session, or not one of the market's before its last; a build did not pass; a model has
            no date; nothing was compared.
        MarketError: the market's files cannot be used.
    """
    if wrong := [str(cut) for cut in cuts if cut not in closes()]:
        raise ProofError(f"A cut is a session of the exchange calendar; {', '.join(wrong)} is none.")
    if wrong := [attack for attack in attacks if attack not in ATTACKS]:
        raise ProofError(f"{', '.join(wrong)} is no attack; there are {', '.join(ATTACKS)}.")
    if cuts:  # the builds would take minutes to find out
        first, last = _span_of_bars(market)
        if first is None:
            raise ProofError(f"No price bar of {market} is dated today or before: there is nothing to compare.")
        if wrong := [str(cut) for cut in cuts if not first <= cut < last]:
            raise ProofError(
                f"There is nothing to compare at {', '.join(wrong)}: bars of the market go from {first} to {last}, and"
                " a cut leaves some of them on either side. Choose a session between."
            )
    builder = builder or Builder()
    models = read_models(builder.manifest)
    whole = builder.build(market, work / "whole")
    rows: list[ProofRow] = []
    for cut in dict.fromkeys(cuts or default_cuts(whole)):
        for attack in dict.fromkeys(attacks or ATTACKS):
            copy = work / f"market_{attack}_{cut}" / market.name
            if attack_market(market, copy, cut, attack):
                attacked = builder.build(copy, work / f"{attack}_{cut}", selectors(attack))
                rows += compare(whole, attacked, models, cut, attack)
                shutil.rmtree(attacked.parent)
            else:
                print(f"{cut}, {attack}: left out, for {WITHOUT[attack]}.")
            shutil.rmtree(copy.parent)
    if not rows:
        raise ProofError("Nothing was compared. Choose other attacks, or an earlier cut.")
    return rows


def selectors(attack: str) -> list[str]:
    """dbt selectors of what is compared under an attack, with all it reads; none = everything."""
    return [f"+path:models/{layer}" for layer in NEAR_LAYERS.get(attack, ())]


def _span_of_bars(market: Path) -> tuple[datetime.date | None, datetime.date | None]:
    """First and last date of any vendor's price bars, today at the latest; None where all lie in the future."""
    with duckdb.connect() as con:
        con.execute("create schema raw")
        for statement in raw_statements(market)[0]:
            con.execute(statement)
        bars = [table for table in TABLES if table.serves == "price bars"]
        dates = " union all ".join(f"select {identifier(table.key[1])} as day from {table.view}" for table in bars)
        return con.execute(f"select min(day), max(day) from ({dates}) where day <= current_date").fetchall()[0]


def default_cuts(warehouse: Path) -> list[datetime.date]:
    """Four sessions after the start of the middle fitted fold, where a label that reaches over it would show, and a
    day two thirds through the newest fold's sessions. A market without folds: two thirds through its sessions.
    """
    with duckdb.connect(str(warehouse), read_only=True) as con:
        dates = [
            day for (day,) in con.sql("select distinct as_of_date from intermediate.int_prices order by 1").fetchall()
        ]
        starts = con.sql(
            "select distinct test_start_date from ml.ml_folds where status = 'fitted' order by 1"
        ).fetchall()
    if not starts:
        return [dates[2 * len(dates) // 3]]
    position = {day: i for i, day in enumerate(dates)}
    middle, newest = position[starts[len(starts) // 2][0]], position[starts[-1][0]]
    return sorted({dates[min(middle + 4, len(dates) - 2)], dates[newest + (len(dates) - newest) * 2 // 3]})


def report(rows: Sequence[ProofRow]) -> str:
    """What was compared and what differed, as text: one line per cut and attack, then one per column that differed."""
    lines = []
    for cut, attack in dict.fromkeys(sorted((row.cut_date, row.attack) for row in rows)):
        mine = [row for row in rows if (row.cut_date, row.attack) == (cut, attack)]
        models = {row.model_name: row.rows_compared for row in mine}
        empty = [name for name, compared in models.items() if compared == 0]
        cells = sum(row.rows_compared for row in mine)
        different = sum(row.rows_different for row in mine)
        lines.append(f"{cut}, {attack}: {len(models)} models, {cells} cells compared, {different} different")
        if empty:
            lines.append(f"  nothing dated by then in {', '.join(empty)}")
        for row in mine:
            if row.rows_different:
                share = f"{row.rows_different} of {row.rows_compared} rows"
                lines.append(f"  {row.model_name}.{row.column_name}: {share} differ, first {row.first_difference}")
    return "\n".join(lines)
