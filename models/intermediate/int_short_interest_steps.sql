{#- The newest short position known, from each moment on at which that changes, beside the one that was the newest
    before it. The newest is the newest by settlement date, in its newest version; what was stale when it came, or
    is in doubt, is left out. Counts have every split undone; share_multiplier brings them to the moment.
    Grain: one row per (security_id, effective_at): a report comes, or a split changes the unit. Source:
    int_short_interest, int_split_factors. -#}

with

positions as (

    select * from {{ ref('int_short_interest') }}

    where
        not is_stale_when_known
        and not is_suspect

),

split_factors as (

    select * from {{ ref('int_split_factors') }}

),

-- of what becomes known together the newest settlement in its newest version
arrivals as (

    select
        security_id,
        known_at,
        settlement_date,
        shares_short_unsplit,
        float_shares_unsplit,
        is_known_at_assumed

    from positions

    qualify row_number() over (
        partition by security_id, known_at
        order by settlement_date desc, version desc
    ) = 1

),

-- later rows of an older settlement change nothing
newest as (

    select *

    from arrivals

    qualify
        settlement_date = max(settlement_date) over (
            partition by security_id
            order by known_at
            rows between unbounded preceding and current row
        )

),

settled_before as (

    select
        security_id,
        settlement_date,
        lag(settlement_date) over (
            partition by security_id
            order by settlement_date
        ) as previous_settlement_date

    from newest

    group by security_id, settlement_date

),

paired as (

    select
        newest.*,
        settled_before.previous_settlement_date

    from newest

    inner join settled_before
        on
            newest.security_id = settled_before.security_id
            and newest.settlement_date = settled_before.settlement_date

),

previous as (

    select
        security_id,
        settlement_date as previous_settlement_date,
        known_at,
        arg_max(shares_short_unsplit, version) as shares_short_unsplit

    from positions

    group by security_id, settlement_date, known_at

),

compared as (

    select
        paired.*,
        previous.shares_short_unsplit as previous_shares_short_unsplit

    from paired

    {{ as_of_join(
        'paired', 'previous', keys=['security_id', 'previous_settlement_date'], left_at='known_at'
    ) }}

),

{{ states_between_splits('compared') }}

select
    ---------- keys
    security_id,
    effective_at,

    ---------- point in time
    known_at,
    is_known_at_assumed,

    ---------- what it describes
    settlement_date,
    previous_settlement_date,

    ---------- positions, every split undone
    shares_short_unsplit,
    previous_shares_short_unsplit,
    float_shares_unsplit,
    float_shares_unsplit is null as is_float_unknown,

    ---------- unit of the moment
    share_multiplier

from in_units

order by security_id, effective_at
