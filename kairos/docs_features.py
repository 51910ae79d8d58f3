"""The table of all features in docs/features.md, from the marts of a warehouse that was built from a market.

`python -m kairos.docs_features WAREHOUSE MARKET_NAME > docs/features.md` writes the page again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

# Shares of the members, and of those that know what the feature rests on; median age of that.
TABLE = """
select
    features.feature_family,
    features.feature_name,
    features.definition,
    sum(coverage.filled) / sum(coverage.members) as of_members,
    sum(coverage.filled) / nullif(sum(coverage.known), 0) as of_those_that_know,
    sum(coverage.stale) / nullif(sum(coverage.known), 0) as stale,
    round(median(coverage.age_days_p50) filter (where coverage.known > 0)) as age_days,
    features.rests_on,
    features.alias_of,
    features.checked_by
from marts.dim_features as features
inner join marts.fct_feature_coverage as coverage on features.feature_name = coverage.feature_name
where coverage.members > 0
group by all
order by features.feature_family, features.alias_of nulls first, features.feature_name
"""
HEAD = """# Features

What `features.features` holds, family by family, how much of `{market}` has it, and which independent computation
vouches for it. Written by `python -m kairos.docs_features` from `marts.dim_features` and `marts.fct_feature_coverage`;
the definitions are those of `seeds/feature_registry.csv`.

*Members*: share of the members of all dates with a value. *Known*: the same among members that know everything the
feature rests on (`rests_on` of the registry; a market without a vendor's file has none). *Stale*: of those, the share
for which a part of it was too old to be served. *Age*: median age in days of the oldest part. The check is a file in
`tests/python`; a test sees to it that it exists and names the feature.
"""


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal, a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f}"


def page(warehouse: Path, market: str) -> str:
    """The page as Markdown. Raises duckdb.Error when the warehouse has no marts."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(TABLE).fetchall()
    lines = [HEAD.format(market=market)]
    for family in dict.fromkeys(row[0] for row in rows):
        lines += [f"## {family}", ""]
        lines += ["| feature | definition | members % | known % | stale % | age | rests on | check |"]
        lines += ["|---|---|---:|---:|---:|---:|---|---|"]
        for _, name, definition, members, known, stale, age, rests_on, alias_of, check in (
            row for row in rows if row[0] == family
        ):
            what = f"another name of `{alias_of}`" if alias_of else definition.replace("|", "\\|")
            shares = f"{percent(members)} | {percent(known)} | {percent(stale)} | {'-' if age is None else int(age)}"
            lines += [f"| `{name}` | {what} | {shares} | {rests_on} | `{check.removesuffix('.py')}` |"]
        lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(Path(sys.argv[1]), sys.argv[2]), end="")
