{#- Daily bars that passed every check, known at their session's close. The vendor delivers prices as traded; on the
    splits of the ticker's first bar they and the volume compare through time, and nothing in them depends on a
    later split: the factors up to the day are multiplied, in order of time.
    Grain: one row per ticker and session. Source: pystock prices. -#}

with

checked as (

    select * from {{ ref('stg_pystock__checked_prices') }}

    where reason is null

),

factors as (

    select * from {{ ref('stg_pystock__price_factors') }}

),

levels as (

    select
        ticker,
        session_date,
        list_product(list(case when is_split then factor else 1 end) over so_far) as split_level,
        list_product(list(factor) over so_far) as return_level

    from factors

    window
        so_far as (
            partition by ticker
            order by session_date
            rows between unbounded preceding and current row
        )

)

select
    ---------- keys
    checked.ticker,
    checked.session_date,

    ---------- point in time
    checked.known_at,

    ---------- origin: the split basis is the ticker's first bar
    checked.dataset,
    checked.file,

    ---------- prices on that basis
    checked.open * coalesce(levels.split_level, 1) as open,
    checked.high * coalesce(levels.split_level, 1) as high,
    checked.low * coalesce(levels.split_level, 1) as low,
    checked.close * coalesce(levels.split_level, 1) as close,
    checked.close * coalesce(levels.return_level, 1) as close_total_return,
    checked.close as close_unadjusted,
    checked.volume_shares / coalesce(levels.split_level, 1) as volume_shares

from checked

asof left join levels
    on
        checked.ticker = levels.ticker
        and checked.session_date >= levels.session_date
