{#- Momentum and reversal of total return.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    Source: Jegadeesh and Titman (1993), Journal of Finance 48(1); reversal Jegadeesh (1990), Journal of Finance 45(3).
    mom over n sessions needs n + 1 rows of an unbroken run, else NULL; mom_12_1 leaves out the newest 21 sessions.
    Windows stream over storage order, security_id and as_of_date. Prices are positive (tested on int_prices). -#}

with

prices as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close_total_return as tr

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=252) }}

),

returns as (

    select
        *,
        case when row_in_run > 21 then tr / lag(tr, 21) over () - 1 end as mom_1m,
        case when row_in_run > 63 then tr / lag(tr, 63) over () - 1 end as mom_3m,
        case when row_in_run > 126 then tr / lag(tr, 126) over () - 1 end as mom_6m,
        case when row_in_run > 252 then tr / lag(tr, 252) over () - 1 end as mom_12m,
        case when row_in_run > 252 then lag(tr, 21) over () / lag(tr, 252) over () - 1 end as mom_12_1

    from prices

),

momentum as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- features
        mom_1m,
        mom_3m,
        mom_6m,
        mom_12m,
        mom_12_1,
        -- not -mom_1m: a return of 0 has no minus sign
        0 - mom_1m as reversal_1m

    from returns

)

select * from momentum
