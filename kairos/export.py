"""`kairos export`: an alpha of the warehouse as a panel of factors, one row per timestamp and symbol."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from kairos import machine
from kairos.backtest.adhoc import finished, open_warehouse
from kairos.errors import MarketError, SpecError
from kairos.settings import setting, setting_number

FOLDER = "exports/ml_alpha_factors"
KEYS = ("as_of_date", "security_id")

PANEL = """
select
    panel.as_of_date::timestamp at time zone 'UTC' as timestamp,
    prices.ticker as symbol,
    alphas.{alpha},
    labels.fwd_ret_{horizon}d as fwd_return_{horizon}d,
    {factors}
from ml.ml_panel as panel
inner join intermediate.int_prices as prices using (as_of_date, security_id)
left join ml.ml_alphas as alphas using (as_of_date, security_id)
left join labels.labels as labels using (as_of_date, security_id)
order by timestamp, symbol
"""
QUALITY = """
select
    count(*) as dates,
    avg(ic) as ic,
    avg(rank_ic) as rank_ic,
    avg(rank_ic) / stddev_samp(rank_ic) as rank_ic_ir
from ml.ml_alpha_quality
where alpha_name = $1 and horizon_days = $2
"""


def export_alpha(warehouse: Path, alpha: str, folder: Path, horizon: int | None = None) -> tuple[Path, Path]:
    """Write an alpha's panel: the members of each date, in order of timestamp and symbol.

    Columns: `timestamp` (the session's date at midnight UTC), `symbol` (the ticker of that date), the alpha (NULL
    before its first fold), `fwd_return_{h}d` (NULL where it is not known yet), and the factors the alpha learns from.
    All but the return is known at the close of the session; the return is entered entry_lag_sessions later (metadata).

    Args:
        warehouse: DuckDB file of a finished build; read only.
        alpha: a column of ml.ml_alphas.
        folder: where to write {alpha}_{universe}_1d.parquet and {alpha}_{universe}_1d_metadata.json.
        horizon: days of the forward return, default the alpha's own.

    Returns:
        Both files.

    Raises:
        SpecError: no such alpha, or no such horizon; names those there are.
        MarketError: no warehouse, a locked one, one that is not built to its end, or one without members.
        OutputError: nothing can be written there.
    """
    with finished(warehouse), open_warehouse(warehouse) as connection:
        connection.execute("set TimeZone = 'UTC'")
        alphas = [name for name in connection.table("ml.ml_alphas").columns if name not in KEYS]
        known = [name for name in connection.table("labels.labels").columns if name.startswith("fwd_ret_")]
        if alpha not in alphas:
            raise SpecError(
                f"Alpha {alpha!r} is not in this warehouse; there are: {', '.join(alphas)}. Name one of these, or"
                " set is_active of its row in seeds/alpha_specs.csv, list it in active_alphas and build."
            )
        spec = _row(connection, "select * from seeds.alpha_specs where alpha_name = $1", alpha)
        horizon = horizon or _horizon(connection, alpha)
        if f"fwd_ret_{horizon}d" not in known:
            raise SpecError(
                f"There is no forward return of {horizon} days; the labels have {', '.join(known)}. Name one of"
                " their horizons with --horizon."
            )
        factors = _factors(connection, spec)
        question = PANEL.format(alpha=alpha, horizon=horizon, factors=", ".join(f"panel.{name}" for name in factors))
        table = connection.sql(question).to_arrow_table()
        if not table.num_rows:
            raise MarketError(
                "There is nothing to export: no security of this market is a member on any date (intermediate."
                "int_universe says by which condition). Choose another universe with var member_universe, lower"
                " the vars universe_min_*, or deliver a longer history, and build."
            )
        told = _metadata(connection, alpha, horizon, spec, factors, table)
    out = folder / f"{alpha}_{setting('member_universe')}_1d.parquet"
    described = out.with_name(f"{out.stem}_metadata.json")
    with machine.whole_file(out) as draft:
        pq.write_table(table, draft)
    with machine.whole_file(described) as draft:
        draft.write_text(json.dumps(told, indent=2, default=str) + "\n")
    return out, described


def _horizon(connection: duckdb.DuckDBPyConnection, alpha: str) -> int:
    """The days an alpha looks ahead."""
    row = _row(connection, "select horizon_days from marts.dim_alphas where alpha_name = $1", alpha)
    if row and row["horizon_days"]:
        return row["horizon_days"]
    raise SpecError(f"{alpha} has no horizon of its own. Say which forward return goes with it: --horizon 5.")


def _factors(connection: duckdb.DuckDBPyConnection, spec: dict[str, Any] | None) -> list[str]:
    """The features an alpha learns from; of one that is made of others, all that any of them use."""
    if spec:
        question = "select feature_name from seeds.feature_sets where feature_set = $1 order by 1"
        return [name for (name,) in connection.execute(question, [spec["feature_set"]]).fetchall()]
    others = (*KEYS, "session_index", "is_member", "decided_at")
    return [name for name in connection.table("ml.ml_panel").columns if name not in others]


def _metadata(
    connection: duckdb.DuckDBPyConnection,
    alpha: str,
    horizon: int,
    spec: dict[str, Any] | None,
    factors: list[str],
    table: pa.Table,
) -> dict[str, Any]:
    """What stands beside the panel."""
    params = "select param, value from seeds.alpha_params where alpha_name = $1 order by 1"
    fits = "select fold_id, fit_id, effective_date, n_train_rows from ml.ml_fits where alpha_name = $1 order by 1"
    return {
        "alpha": alpha,
        "horizon_days": horizon,
        "universe": setting("member_universe"),
        "freq": "1d",
        "entry_lag_sessions": setting_number("entry_lag_sessions"),
        "known": "all but fwd_return is known at the close of the timestamp's session",
        "rows": table.num_rows,
        "rows_with_alpha": table.num_rows - table[alpha].null_count,
        "first_timestamp": table["timestamp"][0].as_py() if table.num_rows else None,
        "last_timestamp": table["timestamp"][-1].as_py() if table.num_rows else None,
        "factors": factors,
        "model_config": {"spec": spec, "params": dict(connection.execute(params, [alpha]).fetchall())},
        "fits": connection.sql(fits, params=[alpha]).to_arrow_table().to_pylist(),
        "metrics": _row(connection, QUALITY, alpha, horizon),
    }


def _row(connection: duckdb.DuckDBPyConnection, question: str, *values: Any) -> dict[str, Any] | None:
    """The first row of an answer."""
    rows = connection.sql(question, params=list(values)).to_arrow_table().to_pylist()
    return rows[0] if rows else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `kairos export`."""
    parser.add_argument("alpha", help="a column of ml.ml_alphas, for example ml_alpha_ridge_20d")
    parser.add_argument("--horizon", type=int, help="days of the forward return beside it, default the alpha's own")
    parser.add_argument("--out", type=Path, help=f"folder, default {FOLDER}")


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    out, described = export_alpha(machine.warehouse(), args.alpha, args.out or machine.root() / FOLDER, args.horizon)
    print(f"Wrote {out} and {described}")
    told = json.loads(described.read_text())
    if not told["rows_with_alpha"]:
        why = "marts.fct_folds says which of its folds were fitted"
        print(f"None of the {told['rows']} rows has a value of {args.alpha}: {why}.")
    # longer than the exported alpha's own name, which the default might be
    own = f"ml_alpha_own_{args.alpha.removeprefix('ml_alpha_')}"
    lag = setting_number("entry_lag_sessions")
    print(f"Your own fit on it: kairos cv --panel {out} --family ridge --entry-lag {lag} --alpha-col {own}")
    return 0
