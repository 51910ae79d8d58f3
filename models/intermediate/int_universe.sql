{#- Who is a member of the tradable universe on each session, and every condition apart: in the universe that var
    member_universe names (common shares) with a fresh bar that traded, an as-traded close high enough where it is known, liquidity and history. All of it is known at the
    close; ranks, medians, labels and training use members only, feature rows exist for every row.
    Grain: one row per session and security, the rows of int_prices. Stored by (security_id, as_of_date). -#}

{%- set min_price_usd = setting_number('universe_min_price_usd', is_whole=false) %}

with

prices as (

    select * from {{ ref('int_prices') }}

),

named as (

    select * from {{ ref('int_named_universes') }}

    where universe = '{{ setting("member_universe") }}'

),

sectors as (

    select * from {{ ref('int_sectors') }}

),

judged as (

    select
        prices.as_of_date,
        prices.security_id,
        prices.decided_at,
        coalesce(named.is_in_universe, false) as is_in_universe,
        not prices.is_stale and prices.volume_shares > 0 as is_fresh,
        prices.close_unadjusted is not null as is_price_known,
        coalesce(prices.close_unadjusted >= {{ min_price_usd }}, true) as is_price_high_enough,
        coalesce(prices.adv_20 >= {{ setting_number('universe_min_adv_usd', is_whole=false) }}, false) as is_liquid,
        prices.bars_in_history >= {{ setting_number('universe_min_history_sessions') }} as has_history,
        prices.adv_20

    from prices

    {{ as_of_join('prices', 'named') }}

),

placed as (

    select
        ---------- keys
        judged.as_of_date,
        judged.security_id,

        ---------- point in time
        judged.decided_at,

        ---------- membership and its conditions
        judged.is_in_universe
        and judged.is_fresh
        and judged.is_price_high_enough
        and judged.is_liquid
        and judged.has_history as is_member,
        judged.is_in_universe,
        judged.is_fresh,
        judged.is_price_high_enough,
        judged.is_price_known,
        judged.is_liquid,
        judged.has_history,

        ---------- attributes
        judged.adv_20,
        sectors.sector

    from judged

    {{ as_of_join('judged', 'sectors') }}

)

select * from placed

order by security_id, as_of_date
