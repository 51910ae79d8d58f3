{#- Volatility of total return, annualised with 252 sessions; sample standard deviations of n returns ending at
    as_of_date.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    A window of n returns needs n + 1 rows of an unbroken run, else NULL: r is NULL on a run's first row, so a window that
    reaches into the run before gates itself. Windows stream over storage order, security_id and as_of_date, and leave it
    as it is. -#}

with

returns as (

    select
        as_of_date,
        security_id,
        r

    from {{ ref('int_returns') }}

    where {{ rows_to_compute(lookback=62) }}

),

{{ rolling_moments('returns', ['r'], [21, 63]) }}

deviations as (

    select
        as_of_date,
        security_id,
        sqrt(m2_r_21 / 20) * sqrt(252) as vol_21,
        sqrt(m2_r_63 / 62) * sqrt(252) as vol_63

    from returns_moments

),

volatility as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- features
        vol_21,
        vol_63,
        (vol_21 + vol_63) / 2 as vol_blend

    from deviations

)

select * from volatility
