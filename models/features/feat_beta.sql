{#- Beta to the market and the volatility of what it does not explain, from total returns.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    Source: market model, Sharpe (1963); r and m of int_returns, m is SPY or the members' mean (is_market_proxy there).
    beta = sample cov(r, m) / var(m) over n pairs; resid_vol_63d = sqrt(max(0, var(r) - beta^2 var(m))) sqrt(252).
    A window of n pairs needs n + 1 rows of an unbroken run and no missing m, else NULL: r is NULL on a run's first row, so
    a window that reaches into the run before gates itself. var(m) = 0 is NULL too. Windows stream over storage order,
    security_id and as_of_date. -#}

with

returns as (

    select
        as_of_date,
        security_id,
        r,
        m

    from {{ ref('int_returns') }}

    where {{ rows_to_compute(lookback=251) }}

),

{{ rolling_moments('returns', ['r', 'm'], [21, 63, 252], pairs=[['r', 'm']], about_zero=true) }}

betas as (

    select
        as_of_date,
        security_id,
        m2_r_m_21 / nullif(m2_m_21, 0) as beta_21d,
        m2_r_m_63 / nullif(m2_m_63, 0) as beta_63d,
        m2_r_m_252 / nullif(m2_m_252, 0) as beta_252d,
        m2_r_63 - m2_r_m_63 * m2_r_m_63 / nullif(m2_m_63, 0) as m2_left_63

    from returns_moments

),

beta as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- features
        beta_21d,
        beta_63d,
        beta_252d,
        -- (x + abs(x)) / 2 is max(x, 0), but NULL for NULL, where greatest() would give 0
        sqrt((m2_left_63 + abs(m2_left_63)) / 2 / 62) * sqrt(252) as resid_vol_63d

    from betas

)

select * from beta
