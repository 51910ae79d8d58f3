{#- Daily rows of every security: the canonical prices, with dollar volume and its mean over 20 rows.
    Grain: one row per session and security. Source: int_prices_densified, whose storage order the windows stream over.
    Stored by (security_id, as_of_date); every window downstream relies on it. -#}

with

dense as (

    select
        *,
        close * volume_shares as dollar_volume_usd

    from {{ ref('int_prices_densified') }}

),

{{ rolling_levels('dense', ['dollar_volume_usd'], 20) }}

summed as (

    select
        ---------- keys
        as_of_date,
        security_id,
        ticker,
        session_index,

        ---------- point in time
        known_at,
        known_at as decided_at,

        ---------- place
        row_in_run,
        bars_in_history,
        is_stale,

        ---------- bar
        open,
        high,
        low,
        close,
        close_total_return,
        close_unadjusted,
        volume_shares,

        ---------- liquidity
        dollar_volume_usd,
        case when row_in_run >= 20 then {{ rolling_sum('dollar_volume_usd', 20) }} / 20 end as adv_20

    from dense_16

)

select * from summed

order by security_id, as_of_date
