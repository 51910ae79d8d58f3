"""The `kairos` command: arguments in, dbt and the package at work, answers out. What a model can do stays a model."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from kairos import cv_cli, export, machine, models_cli
from kairos.backtest import adhoc, rebalance
from kairos.errors import KairosError, MarketError, OutputError
from kairos.publish import check_warehouse, declared_marts, publish
from kairos.raw import raw_statements
from kairos.settings import check_environment, setting

DEMO = "market/demo"


def _build(args: argparse.Namespace) -> int:
    """Build the configured market, publish, and say where things are."""
    market = machine.market_dir()
    if args.real and not os.environ.get("KAIROS_MARKET"):
        raise MarketError(
            "make real builds your market, and KAIROS_MARKET does not name one. Set it to a directory with one folder"
            " per vendor: KAIROS_MARKET=/path/to/market make real (relative paths start at the project's root)."
        )
    is_to_write = not os.environ.get("KAIROS_MARKET") and not (market / "market.csv").exists()
    if is_to_write:
        print(f"No market is configured (KAIROS_MARKET): writing the demo market to {market}", flush=True)
    elif not os.environ.get("KAIROS_MARKET") and not (market / "truth.parquet").exists():
        print(f"{market} is no demo market of this version; built as it is. Remove it to have one written.")
    if not is_to_write:
        raw_statements(market)  # a file that cannot be used is one message now, not one in the middle of dbt's
    warehouse = machine.warehouse()
    check_warehouse(warehouse)
    if not _dbt_build(market if is_to_write else None):
        print(f"\nThe build did not pass: the errors above say why. What was built stays in {warehouse}.")
        if (machine.published_dir() / "current").exists():
            print(f"The marts in {machine.published_dir() / 'current'} are those of the last green build.")
        return 1
    _headline()
    return 0


def _dbt_build(demo: Path | None) -> bool:
    """dbt build in this process, without the unit tests: they test code, not data. Its output is the user's progress.

    demo: where to write the demo market, if it is to be written. dbt reads the project meanwhile, which takes longer.
    """
    os.environ |= machine.environment(
        machine.root(),
        machine.market_dir(),
        machine.warehouse(),
        machine.state_dir(),
        machine.published_dir(),
        machine.workers(),
    )
    with ThreadPoolExecutor(1) as aside, contextlib.chdir(machine.root()):
        written = aside.submit(_write_demo, demo)
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        try:
            gc.disable()  # a project read is millions of objects that stay: looking for garbage is a tenth of the time
            parsed = dbtRunner().invoke(["--quiet", "--no-write-json", "parse"])
            gc.freeze()
            gc.enable()
            if not (written.result() and parsed.success):
                return False
            aside.submit(_load_libraries)
            return dbtRunner(manifest=parsed.result).invoke(["build", "--exclude-resource-type", "unit_test"]).success
        finally:
            DuckDBConnectionManager.close_all_connections()
            gc.unfreeze()


def _load_libraries() -> None:
    """Start the workers and load what fits need, here and there, while dbt makes the tables they learn from."""
    from kairos import executor, fitting

    if machine.workers() > 1 and setting("executor") == "loky":
        list(executor.run_here(fitting.code_version, ["ridge"] * machine.workers()))


def _write_demo(out: Path | None) -> bool:
    """Write the default demo market, unless there is nothing to write; whether it is there.

    In a process of its own that leaves one core to dbt: everything waits for the one that is done last.
    """
    if not out:
        return True
    command = [sys.executable, "-m", "kairos.cli", "demo", "--out", str(out)]
    workers = {"KAIROS_WORKERS": str(max(1, machine.workers() - 1))}
    return subprocess.run(command, env=os.environ | workers).returncode == 0


BACKTESTS = """
select
    strategy,
    start_date,
    end_date,
    round(100 * annual_return, 1) as return_pct,
    round(100 * annual_vol, 1) as vol_pct,
    round(sharpe, 2) as net_sharpe,
    round(benchmark_sharpe, 2) as spy_sharpe,
    round(100 * max_drawdown, 1) as drawdown_pct,
    round(annual_turnover, 1) as turnover,
    n_trials,
    survivorship_biased
from marts.fct_backtests
order by strategy
"""
QUALITY = """
select
    alpha_name,
    horizon_days,
    count(*) as dates,
    round(avg(ic), 4) as mean_ic,
    round(avg(rank_ic), 4) as mean_rank_ic,
    min(signal_date) as first_date,
    max(signal_date) as last_date
from marts.fct_alpha_quality
group by all
order by all
"""


COVERAGE = """
select
    feature_family,
    round(100 * sum(filled) / sum(members), 1) as filled_pct,
    round(
        100 * sum(filled) filter (year(as_of_date) = last_year)
        / sum(members) filter (year(as_of_date) = last_year), 1
    )
        as filled_pct_last_year,
    round(100 * sum(stale) / sum(members), 2) as stale_pct
from marts.fct_feature_coverage
inner join marts.dim_features using (feature_name)
cross join (select max(year(as_of_date)) as last_year from marts.fct_feature_coverage)
group by feature_family
having sum(members) > 0
order by feature_family
"""


def _headline() -> None:
    """Print where the marts are, the headline tables, and what to query next."""
    database = machine.published_dir() / "current" / "kairos_marts.duckdb"
    print(f"\nMarket     {machine.market_dir()}")
    print(f"Warehouse  {machine.warehouse()}")
    print(f"Marts      {database} (one Parquet file per mart beside it)")
    with duckdb.connect(str(database), read_only=True) as connection:
        print("\nBacktests, net of costs (marts.fct_backtests):")
        if connection.sql(BACKTESTS).fetchall():
            connection.sql(BACKTESTS).show(max_width=160)
        else:
            print(
                "  none: the market is too short for a fold (marts.fct_folds), nothing in it is a member (var"
                " member_universe, seeds/universes.csv), or no strategy is active"
            )
        print("Alphas out of sample (marts.fct_alpha_quality):")
        if connection.sql(QUALITY).fetchall():
            connection.sql(QUALITY).show(max_width=160)
        else:
            print("  none yet")
        print("Coverage of the universe by feature family (marts.fct_feature_coverage):")
        connection.sql(COVERAGE).show(max_width=160)
    script = Path(sys.executable).with_name("kairos")
    words = [str(script)] if script.exists() else [sys.executable, "-m", "kairos.cli"]
    command = machine.settings_of_places() + shlex.join(words)
    print("What next:")
    print(f"  {command} rebalance --strategy kairos_production          the trades decided last")
    print(f"  {command} backtest --strategy kairos_production --set top_n=50 target_vol=0.2")
    connect = f"duckdb.connect({json.dumps(str(database))}, read_only=True)"
    query = f'import duckdb; {connect}.sql("from marts.fct_folds").show()'
    print(f"  {shlex.join([sys.executable, '-c', query])}")


def _demo(args: argparse.Namespace) -> int:
    from kairos.demo import write_market

    out = Path(args.out) if args.out else machine.root() / DEMO
    write_market(out, securities=args.securities, years=args.years, seed=args.seed, signal=args.signal)
    print(f"Wrote {out}: {args.securities} securities, {args.years} years, seed {args.seed}, signal {args.signal}")
    return 0


def _publish(args: argparse.Namespace) -> int:
    version = publish(machine.warehouse(), machine.published_dir(), declared_marts(machine.root()))
    print(f"Published {version}; {machine.published_dir() / 'current'} points to it")
    return 0


def _prove(args: argparse.Namespace) -> int:
    import datetime
    import shutil
    import tempfile

    from kairos import state
    from kairos.proof import Builder, prove, report, to_table

    try:
        if args.work:
            Path(args.work).mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="kairos-proof-", dir=args.work)
    except OSError as error:
        raise OutputError(f"There can be no folder for the builds: {error}. Name another with --work.") from error
    with folder as work:
        # all builds start from the state as it is now, whatever other builds add meanwhile
        before = Path(work) / "state_before"
        if machine.state_dir().exists():
            shutil.copytree(machine.state_dir(), before, ignore=shutil.ignore_patterns("*.lock", "*.tmp", "tmp_*"))
        builder = Builder(state=before, workers=machine.workers())
        code = builder.code_version
        rows = prove(machine.market_dir(), Path(work), args.cut, attacks=args.attack, builder=builder)
    print(report(rows))
    different = sum(row.rows_different for row in rows)
    print("The proof holds." if not different else f"THE PROOF FAILS: {different} cells dated by a cut changed.")
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    with state.locked(machine.state_dir()):
        state.append(machine.state_dir(), "proof_results", to_table(rows, now, code))
    print("The next build shows it in marts.fct_proofs.")
    return int(different > 0)


def parser() -> argparse.ArgumentParser:
    """The whole command line; every command is in the README (a test compares)."""
    top = argparse.ArgumentParser(prog="kairos", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    build = commands.add_parser("build", help="dbt build of the configured market, publication, headline results")
    build.add_argument("--real", action="store_true", help="insist on KAIROS_MARKET instead of writing the demo market")
    build.set_defaults(run=_build)

    demo = commands.add_parser("demo", help="write the demo market")
    demo.add_argument(
        "--securities", type=int, default=400, help="companies, default 400; SPY and the sector funds come on top"
    )
    demo.add_argument("--years", type=float, default=8, help="years back from the newest session, default 8")
    demo.add_argument("--seed", type=int, default=7, help="default 7; same seed and size, same bytes")
    demo.add_argument(
        "--signal", type=float, default=1.0, help="scale of the planted premia, 0 (none) to 10, default 1"
    )
    demo.add_argument("--out", help=f"directory, default {DEMO}")
    demo.set_defaults(run=_demo)

    sending = commands.add_parser("rebalance", help="the trade list of a date, printed and written to trades/")
    rebalance.add_arguments(sending)
    sending.set_defaults(run=rebalance.main)

    trying = commands.add_parser("backtest", help="an ad-hoc backtest with overrides, one row in the trials ledger")
    adhoc.add_arguments(trying)
    trying.set_defaults(run=adhoc.main)

    proving = commands.add_parser("prove", help="the lookahead proof: builds without the future, compared to the bit")
    proving.add_argument(
        "--cut", type=adhoc.as_date, nargs="*", default=[], help="sessions; default two, one just after a test start"
    )
    proving.add_argument(
        "--attack",
        nargs="*",
        default=[],
        help="deleted, scrambled, restated, resplit, resplit_odd; default all of them",
    )
    proving.add_argument("--work", help="folder for the builds, default the system's temporary folder")
    proving.set_defaults(run=_prove)

    learning = commands.add_parser("cv", help="cross-validation and an out-of-fold alpha on a panel of your own")
    cv_cli.add_arguments(learning)
    learning.set_defaults(run=cv_cli.main)

    exporting = commands.add_parser("export", help="an alpha with its factors and forward return as a Parquet panel")
    export.add_arguments(exporting)
    exporting.set_defaults(run=export.main)

    fitted = commands.add_parser("models", help="list, promote, rollback: versions of fits; export: a fit as a file")
    models_cli.add_arguments(fitted)

    commands.add_parser("publish", help="publish the marts of the warehouse for BI").set_defaults(run=_publish)
    return top


def main(argv: list[str] | None = None) -> int:
    """Entry point; errors a user can cure are printed without a traceback and end with code 1."""
    args = parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # frames of tables and names of folders, where the locale has no such signs
        sys.stdout.reconfigure(errors="replace")
    try:
        check_environment()
        return args.run(args)
    except KairosError as error:
        print(f"kairos {args.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader has seen enough (kairos rebalance | head): nothing is wrong, and nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
