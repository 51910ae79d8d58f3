{#- Volatility of total return and of the bar's range, annualised with 252 sessions, and the bands of Bollinger.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    Source: Wilder (1978), New Concepts in Technical Trading Systems; Parkinson (1980), Journal of Business 53(1);
    Bollinger (2001), Bollinger on Bollinger Bands.
    A window of n returns needs n + 1 rows of an unbroken run, else NULL: r is NULL on a run's first row, so a window that
    reaches into the run before gates itself; windows of prices are gated by row_in_run. Windows stream over storage
    order, security_id and as_of_date, and leave it as it is, in one chain: of two chains side by side the second would
    have to be kept until the first has passed. Prices are positive (tested on int_prices). -#}

with

prices as (

    select
        as_of_date,
        security_id,
        row_in_run,
        high,
        low,
        close,
        close_total_return

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=512) }}

),

bars as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close,
        {{ total_return() }} as r,
        pow(ln(high / low), 2) as squared_range,
        case when row_in_run > 1 then greatest(high, lag(close) over ()) - least(low, lag(close) over ()) else 0 end
        * {{ wilder_weight(14, first=2) }} as true_range

    from prices

),

{{ rolling_moments('bars', ['r'], [20, 21, 63]) }}

{{ rolling_moments('bars_moments', ['close'], [20]) }}

{{ rolling_levels('bars_moments_moments', ['squared_range'], 21) }}

-- two standard deviations, of the population, to either side of the mean of 20 closes
bands as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close,
        sqrt(m2_r_20 / 19) * sqrt(252) as vol_20,
        sqrt(m2_r_21 / 20) * sqrt(252) as vol_21,
        sqrt(m2_r_63 / 62) * sqrt(252) as vol_63,
        sum_close_20 / 20 as sma_20,
        2 * sqrt(m2_close_20 / 20) as half_width,
        {{ rolling_sum('squared_range', 21) }} / 21 as mean_squared_range,
        true_range

    from bars_moments_moments_16

),

{{ decayed_sums('bands', {'true_range': 13 / 14}) }}

volatility as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- returns
        vol_20,
        vol_21,
        vol_63,
        (vol_21 + vol_63) / 2 as vol_blend,

        ---------- bars
        case when row_in_run >= 15 then true_range_decayed / close end as atr_14_pct,
        case when row_in_run >= 20 then 2 * half_width / sma_20 end as bb_width_20,
        case
            when row_in_run >= 20
                then (close - sma_20 + half_width) / nullif(2 * half_width, 0)
        end as bb_position_20,
        case when row_in_run >= 21 then sqrt(mean_squared_range / (4 * ln(2))) * sqrt(252) end as parkinson_21

    from bands_decayed

    -- without the rows that only the windows needed
    where {{ rows_to_compute() }}

)

select * from volatility
