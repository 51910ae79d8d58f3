{#- Liquidity, range, gap and short returns of one security.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    ret_n is total return over n sessions and needs n + 1 rows of an unbroken run, else NULL; hl_ratio, range_pct and
    gap_1d are of split-adjusted prices; adv_20 is int_prices' own (the universe uses the same number). Windows stream
    over storage order, security_id and as_of_date. Prices are positive (tested on int_prices). -#}

with

prices as (

    select
        as_of_date,
        security_id,
        row_in_run,
        open,
        high,
        low,
        close,
        close_total_return as tr,
        adv_20

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=21) }}

),

price as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- features
        adv_20,
        high / low as hl_ratio,
        (high - low) / close as range_pct,
        case when row_in_run > 1 then open / lag(close) over () - 1 end as gap_1d,
        case when row_in_run > 1 then tr / lag(tr) over () - 1 end as ret_1d,
        case when row_in_run > 5 then tr / lag(tr, 5) over () - 1 end as ret_5d,
        case when row_in_run > 21 then tr / lag(tr, 21) over () - 1 end as ret_21d

    from prices

)

select * from price
