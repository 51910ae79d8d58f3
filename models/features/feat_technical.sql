{#- Technical indicators of split-adjusted bars: averages that fade (RSI, MACD, ADX, EMA), ranges (stochastic, CCI,
    bands, means, highs and lows) and volume.
    Grain: one row per (as_of_date, security_id), all rows of int_prices.
    Definitions: seeds/feature_registry.csv. A window of n rows needs n rows of an unbroken run, else NULL; averages that
    fade begin with the run. Windows stream over storage order, security_id and as_of_date. The three groups are computed
    apart, each with its own few columns, and put side by side by position. Prices are positive (tested on int_prices).
    A day's ADX reaches 1,023 rows back: 512 terms of averages of 512 terms of moves from the row before. -#}

with

---------- averages that fade

moves as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close,
        case when row_in_run > 1 then close - lag(close) over () else 0 end as moved,
        case when row_in_run > 1 then high - lag(high) over () else 0 end as rise,
        case when row_in_run > 1 then lag(low) over () - low else 0 end as fall,
        -- moves of the same number of cents: which is the larger may not hang on rounding, that is on splits to come
        1e-9::double * close as tie,
        {{ wilder_weight(14, first=2) }} as weight

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=1023) }}

),

fading as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close,
        {{ ema_term('close', 12) }} as ema_12,
        {{ ema_term('close', 26) }} as ema_26,
        (abs(moved) + moved) / 2 * weight as gain,
        (abs(moved) - moved) / 2 * weight as loss,
        case when rise - fall > tie and rise > 0 then rise else 0 end * weight as up,
        case when fall - rise > tie and fall > 0 then fall else 0 end * weight as down

    from moves

),

{{ decayed_sums('fading', {
    'ema_12': 11 / 13, 'ema_26': 25 / 27, 'gain': 13 / 14, 'loss': 13 / 14, 'up': 13 / 14, 'down': 13 / 14
}) }}

-- DI+ and DI- are up and down over the same average true range, which cancels in their ratio
directions as (

    select
        *,
        (ema_12_decayed - ema_26_decayed) / close as macd,
        coalesce(
            100 * abs(up_decayed - down_decayed) / nullif(up_decayed + down_decayed, 0), 0
        ) as directional_index

    from fading_decayed

),

fading_again as (

    select
        *,
        {{ ema_term('macd', 9) }} as macd_signal,
        directional_index * {{ wilder_weight(14, first=15) }} as adx

    from directions

),

{{ decayed_sums('fading_again', {'macd_signal': 4 / 5, 'adx': 13 / 14}) }}

averages as (

    select
        as_of_date,
        security_id,
        case
            when row_in_run >= 15 then coalesce(100 * gain_decayed / nullif(gain_decayed + loss_decayed, 0), 50)
        end as rsi_14,
        case when row_in_run >= 26 then macd end as macd_12_26,
        case when row_in_run >= 34 then macd_signal_decayed end as macd_signal_9,
        case when row_in_run >= 34 then macd - macd_signal_decayed end as macd_hist,
        case when row_in_run >= 28 then adx_decayed end as adx_14,
        case when row_in_run >= 12 then close / ema_12_decayed - 1 end as ema_12_dist,
        case when row_in_run >= 26 then close / ema_26_decayed - 1 end as ema_26_dist

    from fading_again_decayed

),

---------- ranges

ranging as (

    select
        as_of_date,
        security_id,
        row_in_run,
        high,
        low,
        close,
        (high + low + close) / 3 as typical,
        abs(typical - lag(typical) over ()) as typical_moved

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=251) }}

),

{{ rolling_moments('ranging', ['close'], [10, 19, 20, 50, 200], sums=['typical', 'typical_moved']) }}

{{ rolling_extremes('ranging_moments', [14, 252], highest=['high'], lowest=['low']) }}

means as (

    select
        *,
        sum_close_20 / 20 as mean_20,
        sqrt(m2_close_20 / 20) as deviation_20,
        sum_typical_20 / 20 as typical_mean,
        case
            when row_in_run >= 14 then 100 * (close - min_low_14) / nullif(max_high_14 - min_low_14, 0)
        end as stoch_k_14

    from ranging_moments_extremes

),

deviations as (

    select
        *,
        (
            abs(typical - typical_mean)
            {%- for k in range(1, 20) %}
            + abs(lag(typical, {{ k }}) over () - typical_mean)
            {%- endfor %}
        ) / 20 as typical_deviation

    from means

),

ranges as (

    select
        as_of_date,
        security_id,
        stoch_k_14,
        -- NULL before row 14, so a mean of three gates itself
        (stoch_k_14 + lag(stoch_k_14) over () + lag(stoch_k_14, 2) over ()) / 3 as stoch_d_3,
        -- no range: all 19 moves of the window are 0; the deviation itself may come out as a rounding error
        case
            when row_in_run >= 20 and sum_typical_moved_19 > 0
                then (typical - typical_mean) / (0.015 * typical_deviation)
        end as cci_20,
        case when row_in_run >= 20 then (mean_20 + 2 * deviation_20) / close - 1 end as bb_upper_dist_20,
        case when row_in_run >= 20 then (mean_20 - 2 * deviation_20) / close - 1 end as bb_lower_dist_20,
        case when row_in_run >= 20 then close / mean_20 - 1 end as sma_20_dist,
        case when row_in_run >= 50 then close / (sum_close_50 / 50) - 1 end as sma_50_dist,
        case when row_in_run >= 200 then close / (sum_close_200 / 200) - 1 end as sma_200_dist,
        case when row_in_run >= 252 then close / max_high_252 - 1 end as high_252_dist,
        case when row_in_run >= 252 then close / min_low_252 - 1 end as low_252_dist

    from deviations

),

---------- volume

trading as (

    select
        as_of_date,
        security_id,
        row_in_run,
        close,
        volume_shares,
        (high + low + close) / 3 * volume_shares as price_paid,
        case when volume_shares > 0 then 1 else 0 end as is_traded,
        case when row_in_run > 1 then sign(close - lag(close) over ()) * volume_shares end as signed_volume,
        case
            when row_in_run > 1 and volume_shares > 0
                then abs({{ total_return() }}) / dollar_volume_usd
            else 0
        end as impact

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=59) }}

),

{{ rolling_moments('trading', [], [20, 21, 60], sums=['volume_shares', 'price_paid', 'impact', 'is_traded']) }}

-- cumulated and regressed at once: the line's slope is the sum of j (20 - j) / 2 x the j-th of the window's 19 moves,
-- divided by 665
trends as (

    select
        *,
        sum_volume_shares_20 / 20 as volume_mean,
        (
            {%- for k in range(19) %}
            {{ '+ ' if k }}{{ (19 - k) * (k + 1) / 2 }}
            * {{ 'lag(signed_volume, %d) over ()' % k if k else 'signed_volume' }}
            {%- endfor %}
        ) / 665 as obv_slope

    from trading_moments

),

volumes as (

    select
        as_of_date,
        security_id,
        case when row_in_run >= 20 then obv_slope / nullif(volume_mean, 0) end as obv_slope_20,
        case
            when row_in_run >= 20 then close / (nullif(sum_price_paid_20, 0) / sum_volume_shares_20) - 1
        end as vwap_20_dist,
        case when row_in_run >= 20 then volume_shares / nullif(volume_mean, 0) end as volume_sma_ratio_20,
        case
            when row_in_run >= 60 then volume_mean / (nullif(sum_volume_shares_60, 0) / 60) - 1
        end as volume_trend_20_60,
        case
            when row_in_run >= 22 and sum_is_traded_21 >= 15 then sum_impact_21 / sum_is_traded_21 * 1e6
        end as amihud_21

    from trends

),

---------- side by side, without the rows that only the windows needed

{% for group in ['averages', 'ranges', 'volumes'] -%}
new_{{ group }} as (

    select * from {{ group }}

    where {{ rows_to_compute() }}

),

{% endfor -%}
technical as (

    select
        ---------- keys
        averages.as_of_date,
        averages.security_id,

        ---------- features
        averages.rsi_14,
        averages.macd_12_26,
        averages.macd_signal_9,
        averages.macd_hist,
        ranges.stoch_k_14,
        ranges.stoch_d_3,
        averages.adx_14,
        ranges.cci_20,
        ranges.bb_upper_dist_20,
        ranges.bb_lower_dist_20,
        volumes.obv_slope_20,
        ranges.sma_20_dist,
        ranges.sma_50_dist,
        ranges.sma_200_dist,
        averages.ema_12_dist,
        averages.ema_26_dist,
        volumes.vwap_20_dist,
        volumes.volume_sma_ratio_20,
        volumes.volume_trend_20_60,
        ranges.high_252_dist,
        ranges.low_252_dist,
        volumes.amihud_21

    from new_averages as averages
    positional join new_ranges as ranges
    positional join new_volumes as volumes
    where {{ same_rows(['averages', 'ranges', 'volumes']) }}

)

select * from technical
