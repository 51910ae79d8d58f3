"""What each backtest amounts to, and how many configurations were tried; one row per strategy."""

from kairos import machine
from kairos.backtest.walks import summarise


def model(dbt, session):
    return summarise(
        strategies=dbt.ref("strategies").to_arrow_table(),
        days=dbt.ref("pf_backtest_days").to_arrow_table(),
        positions=dbt.ref("pf_positions").to_arrow_table(),
        settings=dbt.config.meta_get("settings"),
        state=machine.state_dir(),
    )
