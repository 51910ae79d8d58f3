{#- Price-to-sales must not jump with a split: prices and share counts stand on one basis on every day. Returns days
    within 5 sessions of a split's or spin-off's date on which price-to-sales moved, beyond the adjusted close and beyond
    what the event itself does, by a factor within 3% of the event's ratio or its inverse.
    What the event itself does: nothing for a split, nor for a spin-off the counts were scaled by; a spin-off that scales
    prices only takes its share of the market value away with it on its day, 1/ratio. Ratios between 1/1.1 and 1.1 are
    left out: a new count moves as much. -#}

with

events as (

    select
        splits.ticker,
        splits.split_date,
        splits.factor,
        sessions.session_index,
        case when splits.is_spin_off and len(splits.counts_scaled_by) = 0 then splits.factor else 1 end
            as factor_of_prices_only

    from {{ ref('int_splits') }} as splits

    inner join {{ ref('int_sessions') }} as sessions
        on splits.split_date = sessions.session_date

    where abs(ln(splits.factor)) > ln(1.1)

),

market_values as (

    select
        prices.ticker,
        prices.security_id,
        prices.as_of_date,
        prices.session_index,
        prices.close,
        market_values.price_to_sales

    from {{ ref('int_prices') }} as prices

    inner join {{ ref('int_market_values') }} as market_values
        on
            prices.security_id = market_values.security_id
            and prices.as_of_date = market_values.as_of_date

),

moves as (

    select
        ticker,
        as_of_date,
        session_index,
        price_to_sales / lag(price_to_sales) over by_date / (close / lag(close) over by_date) as move

    from market_values

    where ticker in (select distinct events.ticker from events)

    window by_date as (partition by security_id order by as_of_date)

),

around_events as (

    select
        moves.ticker,
        moves.as_of_date,
        events.split_date,
        events.factor,
        moves.move
        * case when moves.session_index = events.session_index then events.factor_of_prices_only else 1 end
            as unexplained_move

    from moves

    inner join events
        on
            moves.ticker = events.ticker
            and moves.session_index between events.session_index - 5 and events.session_index + 5

)

select
    *,
    'prices and counts are not on one basis: correct basis_date in basis.csv, the split, or spin_offs.csv' as finding

from around_events

where
    unexplained_move between factor * 0.97 and factor * 1.03
    or unexplained_move between 0.97 / factor and 1.03 / factor
