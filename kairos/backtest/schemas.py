"""Arrow schemas of what the portfolio's Python models return."""

import pyarrow as pa

HOLDING = pa.struct(
    [
        ("security_id", pa.int64()),
        ("shares", pa.float64()),
        ("price_usd", pa.float64()),
        ("value_usd", pa.float64()),
        ("weight", pa.float64()),
        ("gain_usd", pa.float64()),
    ]
)
TRADE = pa.struct(
    [
        ("decided_date", pa.date32()),
        ("security_id", pa.int64()),
        ("side", pa.string()),
        ("shares", pa.float64()),
        ("price_usd", pa.float64()),
        ("value_usd", pa.float64()),
        ("weight_before", pa.float64()),
        ("weight_after", pa.float64()),
        ("commission_usd", pa.float64()),
        ("spread_usd", pa.float64()),
        ("impact_usd", pa.float64()),
        ("reason", pa.string()),
        ("gain_usd", pa.float64()),
    ]
)
ORDER = pa.struct(
    [
        ("security_id", pa.int64()),
        ("side", pa.string()),
        ("shares", pa.float64()),
        ("reference_price_usd", pa.float64()),
        ("value_usd", pa.float64()),
        ("weight_before", pa.float64()),
        ("weight_target", pa.float64()),
        ("weight_after", pa.float64()),
        ("reason", pa.string()),
    ]
)
PARTS = {"holdings": HOLDING, "trades": TRADE, "orders": ORDER}
DAY = (
    "equity_usd",
    "gross_return",
    "net_return",
    "cost_return",
    "turnover",
    "gross_exposure",
    "net_exposure",
    "leverage",
    "cash_usd",
    "trading_cost_usd",
    "financing_usd",
    "borrow_usd",
    "benchmark_return",
    "equal_weight_return",
)
# One row per strategy and session: the whole state after the session's close.
WALKS = pa.schema(
    [("as_of_date", pa.date32()), ("strategy", pa.string())]
    + [(name, pa.float64()) for name in DAY]
    + [(part, pa.list_(struct)) for part, struct in PARTS.items()]
)

# One row per strategy.
SUMMARIES = pa.schema(
    [
        ("strategy", pa.string()),
        ("start_date", pa.date32()),
        ("end_date", pa.date32()),
        ("sessions", pa.int32()),
        ("annual_return", pa.float64()),
        ("annual_vol", pa.float64()),
        ("sharpe", pa.float64()),
        ("max_drawdown", pa.float64()),
        ("calmar", pa.float64()),
        ("annual_turnover", pa.float64()),
        ("win_rate", pa.float64()),
        ("hit_rate", pa.float64()),
        ("positions", pa.int32()),
        ("gross_annual_return", pa.float64()),
        ("gross_sharpe", pa.float64()),
        ("benchmark_annual_return", pa.float64()),
        ("benchmark_sharpe", pa.float64()),
        ("equal_weight_annual_return", pa.float64()),
        ("equal_weight_sharpe", pa.float64()),
        ("psr", pa.float64()),
        ("n_trials", pa.int32()),
        ("configuration_key", pa.string()),
    ]
)

# One row per strategy configuration and sample that was ever backtested on a market (state, append-only).
TRIALS = pa.schema(
    [
        ("trial_key", pa.string()),
        ("configuration_key", pa.string()),
        ("parameters", pa.string()),
        ("start_date", pa.date32()),
        ("end_date", pa.date32()),
        ("sessions", pa.int32()),
        ("annual_return", pa.float64()),
        ("annual_vol", pa.float64()),
        ("sharpe", pa.float64()),
        ("max_drawdown", pa.float64()),
    ]
)
