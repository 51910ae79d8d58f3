{#- Beta to the market and the volatility of what it does not explain, from total returns.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    Source: market model, Sharpe (1963); r and m of int_returns, m is SPY or the members' mean (is_market_proxy there).
    beta = sample cov(r, m) / var(m) over n pairs; resid_vol_63d = sqrt(max(0, var(r) - beta^2 var(m))) sqrt(252).
    A window of n pairs needs n + 1 rows of an unbroken run and no missing m, else NULL; var(m) = 0 is NULL too. -#}

with

returns as (

    select
        as_of_date,
        security_id,
        known_at,
        row_in_run,
        r,
        m

    from {{ ref('int_returns') }}

),

{{ rolling_moments('returns', ['r', 'm'], [21, 63, 252], pairs=[['r', 'm']]) }}

betas as (

    select
        as_of_date,
        security_id,
        known_at,
        m2_r_63,
        m2_m_63,
        case when row_in_run > 21 then m2_r_m_21 / nullif(m2_m_21, 0) end as beta_21d,
        case when row_in_run > 63 then m2_r_m_63 / nullif(m2_m_63, 0) end as beta_63d,
        case when row_in_run > 252 then m2_r_m_252 / nullif(m2_m_252, 0) end as beta_252d

    from returns_moments

),

beta as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- point in time
        known_at,

        ---------- features
        beta_21d,
        beta_63d,
        beta_252d,
        -- greatest() skips a NULL: the gate is beta_63d, which is NULL with any part missing
        case
            when beta_63d is not null
                then sqrt(greatest(m2_r_63 - beta_63d * beta_63d * m2_m_63, 0) / 62) * sqrt(252)
        end as resid_vol_63d

    from betas

)

select * from beta
