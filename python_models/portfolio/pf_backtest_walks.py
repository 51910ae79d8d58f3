"""Walk every active strategy through the market; one row per (as_of_date, strategy), the state after the close."""

from kairos.backtest.walks import walk_strategies


def model(dbt, session):
    targets = dbt.ref("pf_target_weights")
    bars = dbt.ref("pf_tape").join(targets.select("security_id").distinct(), "security_id", how="semi")
    return walk_strategies(
        strategies=dbt.ref("strategies").to_arrow_table(),
        target_weights=targets.to_arrow_table(),
        bars=bars.to_arrow_table(),
        delistings=dbt.ref("int_securities").filter("is_delisted").to_arrow_table(),
        benchmarks=dbt.ref("pf_benchmarks").to_arrow_table(),
        costs=dbt.ref("costs").to_arrow_table(),
        settings=dbt.config.meta_get("settings"),
    )
