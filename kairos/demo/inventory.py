"""What a demo market holds of the dirt of real data, counted from its files, and the model that deals with each.

`python -m kairos.demo.inventory MARKET` prints the table of docs/demo_market.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kairos.demo import realism
from kairos.demo.registry import REVIEWS_FROM
from kairos.demo.statements import FLOWS, LEVELS

LONG_HALT = 5  # sessions a halt may last before the warehouse ends the run of rows
LONG_DROUGHT = 10  # sessions in a row without a trade
AMOUNTS = (*FLOWS, *LEVELS)  # every line of SF1 that is not worked out of others; ratios, sums and counts are
VIEWS = """
create view sep as from '{at}/sharadar/SEP.parquet';
create view sf1 as from '{at}/sharadar/SF1.parquet';
create view sf2 as from '{at}/sharadar/SF2.parquet';
create view actions as from '{at}/sharadar/ACTIONS.parquet';
create view tickers as from '{at}/sharadar/TICKERS.parquet';
create view sectors as from '{at}/sharadar/SECTORS.parquet';
create view short_interest as from '{at}/finra/short_interest.parquet';
create view sessions as
    select date, row_number() over (order by date) as position from '{at}/sharadar/SFP.parquet' where ticker = 'SPY';
create view first_filed as
    from sf1 where dimension = 'ARQ'
    qualify row_number() over (partition by ticker, reportperiod order by datekey) = 1;
create view newest_filed as
    from sf1 where dimension = 'ARQ'
    qualify row_number() over (partition by ticker, reportperiod order by datekey desc) = 1;
create table bars as
    select ticker, position, volume, close * volume as dollars,
        closeadj / lag(closeadj) over (partition by ticker order by position) - 1 as r,
        position - lag(position) over (partition by ticker order by position) - 1 as missed
    from sep join sessions using (date);
create table droughts as
    select ticker, count(*) as sessions
    from (
        select ticker, volume, position - row_number() over (partition by ticker, volume = 0 order by position) as run
        from bars
    )
    where volume = 0
    group by ticker, run;
create view year_ends as {year_ends};
create table reactions as
    select f.ticker, f.reportperiod, abs(own.r) as own_move, abs(following.r) as next_move
    from first_filed as f
    asof join sessions as s on s.date >= f.datekey
    join bars as own on own.ticker = f.ticker and own.position = s.position
    join bars as following on following.ticker = f.ticker and following.position = s.position + 1;
"""


@dataclass(frozen=True)
class Item:
    """One kind of dirt: what it is called on the page, SQL that counts it, the model that handles it and the words of
    that model's SQL that do: the column, flag or value it tells the item by."""

    name: str
    count: str
    model: str
    by: str


def actions(*names: str, where: str = "true") -> str:
    """SQL: rows of ACTIONS with one of these actions."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"select count(*) from actions where action in ({listed}) and {where}"


ITEMS = (
    Item("splits", actions("split", where="value > 1"), "int_splits", "spoken.factor"),
    Item("reverse splits", actions("split", where="value < 1"), "int_splits", "spoken.factor"),
    Item("dividends", actions("dividend"), "int_prices", "close_total_return"),
    Item("spin-offs", actions("spinoff"), "int_prices", "close_total_return"),
    Item("listings", actions("listed"), "int_securities", "first_price_date"),
    Item(
        "mergers",
        actions("mergerto", "acquisitionby"),
        "int_delistings",
        "cause in ('mergerto', 'acquisitionby') then 0.0",
    ),
    Item(
        "bankruptcies",
        actions("bankruptcyliquidation"),
        "int_delistings",
        "cause in ('bankruptcyliquidation', 'regulatorydelisting') then -1.0",
    ),
    Item(
        "other delistings with a cause",
        actions("regulatorydelisting", "voluntarydelisting"),
        "int_delistings",
        "'regulatorydelisting', 'voluntarydelisting'",
    ),
    Item(
        "delistings without a cause",
        """select count(*) from actions as d where action = 'delisted' and not exists (
            from actions as c where c.ticker = d.ticker and c.date = d.date and c.action in
            ('mergerto', 'acquisitionby', 'bankruptcyliquidation', 'regulatorydelisting', 'voluntarydelisting'))""",
        "int_securities",
        "is_delisting_return_imputed",
    ),
    Item(
        "ticker changes",
        "select count(*) from actions where action = 'tickerchangefrom' and ticker != contraticker || '1'",
        "int_ticker_spells",
        "former_ticker",
    ),
    Item(
        "tickers taken over from a dead company",
        "select count(*) from actions where action = 'tickerchangefrom' and ticker = contraticker || '1'",
        "int_ticker_spells",
        "taken_over_on",
    ),
    Item(
        "halts of up to 5 sessions",
        f"select count(*) from bars where missed between 1 and {LONG_HALT}",
        "int_prices_densified",
        "carried_sessions = 5",
    ),
    Item(
        "longer halts",
        f"select count(*) from bars where missed > {LONG_HALT}",
        "int_prices_densified",
        "is_run_start",
    ),
    Item(
        "days without a trade",
        "select count(*) from bars where volume = 0",
        "int_universe",
        "prices.volume_shares > 0",
    ),
    Item(
        f"times of {LONG_DROUGHT} sessions or more without a trade",
        f"select count(*) from droughts where sessions >= {LONG_DROUGHT}",
        "int_universe",
        "prices.volume_shares > 0",
    ),
    Item(
        "companies below 1 million USD a day",
        "select count(*) from (select ticker from bars group by ticker having median(dollars) < 1e6)",
        "int_universe",
        "prices.adv_20 >= {{ setting_number('universe_min_adv_usd', is_whole=false) }}",
    ),
    Item(
        "companies above 50 million USD a day",
        "select count(*) from (select ticker from bars group by ticker having median(dollars) > 5e7)",
        "int_universe",
        "prices.adv_20 >= {{ setting_number('universe_min_adv_usd', is_whole=false) }}",
    ),
    Item(
        "companies whose fiscal year does not end in December",
        "select count(*) from year_ends where year_end != 12",
        "int_fundamentals",
        "period_end_date",
    ),
    Item(
        "reports filed more than 105 days after their period",
        "select count(*) from first_filed where datekey - reportperiod > 105",
        "int_fundamental_events",
        "is_not_later",
    ),
    Item(
        "quarters restated by an amendment",
        "select count(*) - count(distinct (ticker, reportperiod)) from sf1 where dimension = 'ARQ'",
        "stg_sharadar__statements",
        "starts_with(dimension, 'AR')",
    ),
    Item(
        "quarters restated in later comparatives only",
        """select count(*) from newest_filed as a join sf1 as m using (ticker, reportperiod)
        where m.dimension = 'MRQ' and (a.revenue, a.netinc, a.assets, a.ncfo) is distinct from
            (m.revenue, m.netinc, m.assets, m.ncfo)""",
        "stg_sharadar__statements",
        "starts_with(dimension, 'AR')",
    ),
    Item(
        "reports whose price moved more on the next session than on their own",
        "select count(*) from reactions where next_move > own_move",
        "stg_sharadar__statements",
        "known_at('datekey')",
    ),
    Item(
        "missing fields of first filings",
        f"select {' + '.join(f'count(*) filter ({name} is null)' for name in AMOUNTS)} from first_filed",
        "int_fundamental_null_reasons",
        "_null_reason",
    ),
    Item(
        "sector changes",
        "select count(*) - count(distinct ticker) from sectors",
        "int_sectors",
        "ref('stg_' ~ vendor ~ '__sectors')",
    ),
    Item(
        "sector changes before the reviews at the end",
        f"""select count(*) from (select *, row_number() over (partition by ticker order by date) as place from sectors)
        where place > 1 and date < (select quantile_disc(date, {REVIEWS_FROM}) from sessions)""",
        "int_sectors",
        "ref('stg_' ~ vendor ~ '__sectors')",
    ),
    Item(
        "companies whose sector of today is not their first",
        """select count(*) from (select ticker, arg_min(sector, date) as first_sector from sectors group by ticker)
        join tickers using (ticker) where "table" = 'SEP' and sector != first_sector""",
        "int_sectors",
        "setting('sector_policy') not in ['of_the_date', 'snapshot']",
    ),
    Item(
        "absurd share counts in filings",
        """select count(*) from first_filed
        join (select ticker, median(sharesbas) as usual from first_filed group by ticker) using (ticker)
        where abs(log10(sharesbas / usual)) > 2.5""",
        "int_fundamental_events",
        "impossible_firsts",
    ),
    Item(
        "insider lines delivered twice",
        "select count(*) - (select count(*) from (select distinct * from sf2)) from sf2",
        "stg_sharadar__checked_insider_transactions",
        "'duplicate_row'",
    ),
    Item(
        "insider lines filed before their trade",
        "select count(*) from sf2 where filingdate < transactiondate",
        "stg_sharadar__checked_insider_transactions",
        "insider_refusal()",
    ),
    Item(
        "revised short positions",
        "select count(*) from short_interest where revisionFlag = 'R'",
        "stg_finra__checked_short_interest",
        "'revision_of_unknown_date'",
    ),
)  # fmt: skip


def inventory(market_dir: Path) -> dict[str, int]:
    """Count of each item, by name, from the files of a demo market."""
    with duckdb.connect() as con:
        con.execute(VIEWS.format(at=Path(market_dir), year_ends=realism.YEAR_ENDS))
        return {item.name: int(con.execute(item.count).fetchone()[0]) for item in ITEMS}


def table(market_dir: Path) -> str:
    """The inventory as a Markdown table."""
    counts = inventory(market_dir)
    rows = [f"| {item.name} | {counts[item.name]:,} | `{item.model}` |" for item in ITEMS]
    return "\n".join(["| item | count | handled by |", "|---|---:|---|", *rows])


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
