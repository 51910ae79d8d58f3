{#- Momentum and reversal of total return, rates of change and trend of the price.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    Source: Jegadeesh and Titman (1993), Journal of Finance 48(1); reversal Jegadeesh (1990), Journal of Finance 45(3).
    mom over n sessions needs n + 1 rows of an unbroken run, else NULL; mom_<a>_1 leave out the newest 21 sessions. roc and
    the trend are of the split-adjusted close. Windows stream over storage order, security_id and as_of_date. Prices are
    positive (tested on int_prices). -#}

with

prices as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close,
        close_total_return as tr

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=252) }}

),

{{ rolling_levels('prices', ['close'], 200) }}

returns as (

    select
        as_of_date,
        security_id,
        case when row_in_run > 21 then tr / lag(tr, 21) over () - 1 end as mom_1m,
        case when row_in_run > 63 then tr / lag(tr, 63) over () - 1 end as mom_3m,
        case when row_in_run > 126 then tr / lag(tr, 126) over () - 1 end as mom_6m,
        case when row_in_run > 252 then tr / lag(tr, 252) over () - 1 end as mom_12m,
        case when row_in_run > 63 then lag(tr, 21) over () / lag(tr, 63) over () - 1 end as mom_3_1,
        case when row_in_run > 126 then lag(tr, 21) over () / lag(tr, 126) over () - 1 end as mom_6_1,
        case when row_in_run > 252 then lag(tr, 21) over () / lag(tr, 252) over () - 1 end as mom_12_1,
        case when row_in_run > 10 then close / lag(close, 10) over () - 1 end as roc_10d,
        case when row_in_run > 20 then close / lag(close, 20) over () - 1 end as roc_20d,
        case when row_in_run > 60 then close / lag(close, 60) over () - 1 end as roc_60d,
        case when row_in_run >= 200 then close / ({{ rolling_sum('close', 200) }} / 200) - 1 end as trend_strength_200d

    from prices_128

),

momentum as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- total return
        mom_1m,
        mom_3m,
        mom_6m,
        mom_12m,
        mom_3_1,
        mom_6_1,
        mom_12_1,
        -- not -mom_1m: a return of 0 has no minus sign
        0 - mom_1m as reversal_1m,

        ---------- price
        roc_10d,
        roc_20d,
        roc_60d,
        trend_strength_200d

    from returns

)

select * from momentum
