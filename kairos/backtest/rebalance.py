"""The trade list of a decision, as a person can send it."""

from __future__ import annotations

import argparse
import csv
import datetime
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from kairos import machine
from kairos.backtest.adhoc import as_date, finished, market_of, open_warehouse, read_strategy
from kairos.errors import SpecError

COLUMNS = ("ticker", "side", "shares", "weight_before", "weight_after", "reference_price_usd", "value_usd", "reason")

ORDERS = """
select
    coalesce(prices.ticker, securities.ticker) as ticker,
    orders.side,
    orders.shares,
    orders.weight_before,
    orders.weight_after,
    orders.reference_price_usd,
    orders.reason,
    targets.score_rank,
    targets.binding_constraint,
    orders.weight_target
from portfolio.pf_orders as orders
left join portfolio.pf_target_weights as targets
    on
        orders.decided_date = targets.as_of_date
        and orders.strategy = targets.strategy
        and orders.security_id = targets.security_id
left join intermediate.int_prices as prices
    on
        orders.decided_date = prices.as_of_date
        and orders.security_id = prices.security_id
left join intermediate.int_securities as securities
    on orders.security_id = securities.security_id
where
    orders.strategy = $strategy
    and orders.decided_date = $date
order by orders.side desc, orders.value_usd desc, ticker
"""


@dataclass(frozen=True)
class TradeList:
    """Trades of one decision.

    Attributes:
        strategy, date: what was decided when (the close of that session).
        fill_date: the session the trades are meant for.
        equity_usd: equity of the strategy's own book, on which the shares are computed.
        trades: rows with COLUMNS; shares are whole, weights are fractions of the equity.
        too_small: orders of less than half a share, left out.
    """

    strategy: str
    date: datetime.date
    fill_date: datetime.date
    equity_usd: float
    trades: list[dict[str, Any]]
    too_small: int

    def text(self) -> str:
        """The list as a table to read."""
        sold = sum(row["value_usd"] for row in self.trades if row["side"] == "sell")
        bought = sum(row["value_usd"] for row in self.trades if row["side"] == "buy")
        lines = [
            f"{self.strategy}: decided at the close of {self.date}, to be filled on {self.fill_date}",
            f"equity {self.equity_usd:,.0f} USD; {len(self.trades)} trades: sell {sold:,.0f}, buy {bought:,.0f} USD",
        ]
        if self.too_small:
            lines.append(f"{self.too_small} orders of less than half a share are left out")
        if self.trades:
            lines += ["", "ticker  side     shares   before    after      price         value  reason"]
        for row in self.trades:
            before, after = 100 * row["weight_before"], 100 * row["weight_after"]
            lines.append(
                f"{row['ticker']:<7} {row['side']:<4} {row['shares']:>10,} {before:>7.2f}% {after:>7.2f}%"
                f" {row['reference_price_usd']:>10,.2f} {row['value_usd']:>13,.0f}  {row['reason']}"
            )
        return "\n".join(lines)

    def write(self, folder: Path) -> Path:
        """Write the list as CSV below the folder; returns the file. Raises OutputError where it cannot be written."""
        file = folder / f"{self.strategy}_{self.date}.csv"
        cure = "Make room or correct the folder; the trades are also in portfolio.pf_orders of the warehouse."
        with machine.whole_file(file, cure) as draft, draft.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS)
            writer.writeheader()
            writer.writerows(self.trades)
        return file


def rebalance(warehouse: Path, strategy: str, date: datetime.date | None = None) -> TradeList:
    """The trades a strategy decided at the close of a date.

    Args:
        warehouse: DuckDB file of a finished build; read only.
        date: a scheduled decision date, default the newest one.

    Raises:
        SpecError: unknown strategy, a strategy that is not built or decides nothing, or a date that is no decision;
            the message names the nearest ones.
        MarketError: no warehouse, or a locked one.
    """
    with open_warehouse(warehouse) as connection:
        if not read_strategy(connection, strategy)["is_active"]:
            raise SpecError(f"Strategy {strategy!r} is not active: set is_active in seeds/strategies.csv and build.")
        date, fill_date = _decision(connection, strategy, date)
        equity = connection.execute(
            "select equity_usd from portfolio.pf_backtest_days where strategy = $1 and as_of_date = $2",
            [strategy, date],
        ).fetchall()[0][0]
        rows = connection.sql(ORDERS, params={"strategy": strategy, "date": date}).to_arrow_table().to_pylist()
    trades = []
    for row in rows:
        shares = math.floor(row["shares"] + 0.5)
        if not shares:
            continue
        trades.append(
            {
                "ticker": row["ticker"],
                "side": row["side"],
                "shares": shares,
                "weight_before": row["weight_before"],
                "weight_after": row["weight_after"],
                "reference_price_usd": row["reference_price_usd"],
                "value_usd": shares * row["reference_price_usd"],
                "reason": _in_words(row),
            }
        )
    return TradeList(strategy, date, fill_date, equity, trades, len(rows) - len(trades))


def _decision(
    connection: duckdb.DuckDBPyConnection, strategy: str, date: datetime.date | None
) -> tuple[datetime.date, datetime.date]:
    """The decision asked for and the session after it."""
    decisions = dict(
        connection.execute(
            """
            select as_of_date, fill_date
            from portfolio.pf_rebalances
            where strategy = $1 and as_of_date in (
                select as_of_date from portfolio.pf_target_weights where strategy = $1
            )
            """,
            [strategy],
        ).fetchall()
    )
    if not decisions:
        raise SpecError(
            f"Strategy {strategy!r} decides nothing in this market: its alpha has no score on a scheduled date."
        )
    if date is None:
        date = max(decisions)
    if date not in decisions:
        earlier = max((day for day in decisions if day < date), default=None)
        later = min((day for day in decisions if day > date), default=None)
        near = " and ".join(str(day) for day in (earlier, later) if day)
        raise SpecError(f"{date} is no decision date of {strategy!r}; the nearest: {near}.")
    return date, decisions[date]


def _in_words(row: dict[str, Any]) -> str:
    """Why a name is traded, for the person who trades it."""
    if row["reason"] == "leave":
        return "no longer among the names to hold"
    if row["reason"] == "leave_dust":
        return "no longer among the names to hold, the rest is too small to keep"
    words = {"enter": "new", "raise": "below its target", "reduce": "above its target"}[row["reason"]]
    cap = {"position": ", at the position cap", "sector": ", at the sector cap"}.get(row["binding_constraint"], "")
    return f"{words}, rank {row['score_rank']}, target {100 * row['weight_target']:.2f}%{cap}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `kairos rebalance`."""
    parser.add_argument("--strategy", required=True, help="a row of seeds/strategies.csv")
    parser.add_argument("--date", type=as_date, help="a decision date, default the newest one")


def main(args: argparse.Namespace) -> int:
    """Run `kairos rebalance`: print the trades and write them to trades/<market>/<strategy>_<date>.csv."""
    with finished(machine.warehouse()):
        trades = rebalance(machine.warehouse(), args.strategy, args.date)
    built_from, _ = market_of(machine.warehouse()) or (machine.market_dir(), None)
    folder = machine.root() / "trades" / Path(built_from).name  # two markets have the same strategies and dates
    written = trades.write(folder)  # first: a reader may close the pipe early
    print(trades.text())
    if args.date is None and trades.fill_date < datetime.datetime.now(datetime.UTC).date():
        print(
            f"\n{trades.fill_date} has passed: the market's files have nothing newer to decide on. Deliver newer ones"
            " and build before you send any of these."
        )
    print(f"\nwritten to {written}")
    return 0
