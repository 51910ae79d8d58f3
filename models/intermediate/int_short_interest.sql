{#- Short positions of all vendors, linked to securities; what is delivered later for the same settlement date is
    one more version of it. A row first seen long after it settled is stale when it comes and is never served.
    Positions stand on the splits of the settlement date, the float on those of the day it was seen (a 10:1 split
    lay between the two). A position of less than a twentieth of the largest one seen lately, where that was 100,000
    or more, is another security's under the same ticker (a table showed preferred shares so) and is not served
    either.
    Grain: one row per security, settlement_date and version (the newest version is the largest). Source: the
    vendors of var short_interest_vendors. -#}

{%- set staleness_days = setting_number('short_interest_staleness_days') %}

with

{{ linked_deliveries('short_interest_vendors', 'short_interest', dated_by='settlement_date') }},

split_factors as (

    select
        security_id,
        split_date,
        split_factor

    from {{ ref('int_split_factors') }}

),

on_settlement as (

    select
        linked.*,
        linked.known_at::date as seen_date,
        coalesce(split_factors.split_factor, 1) as factor_at_settlement

    from linked

    {{ as_of_join('linked', 'split_factors', left_at='settlement_date', right_at='split_date') }}

),

on_one_basis as (

    select
        on_settlement.*,
        coalesce(split_factors.split_factor, 1) as factor_when_seen

    from on_settlement

    {{ as_of_join('on_settlement', 'split_factors', left_at='seen_date', right_at='split_date') }}

),

-- the largest position seen lately, this one included
seen_lately as (

    select
        *,
        shares_short / factor_at_settlement as shares_short_unsplit,
        max(shares_short / factor_at_settlement) over (
            partition by security_id
            order by known_at
            range between interval {{ staleness_days }} day preceding and current row
        ) as largest_unsplit

    from on_one_basis

)

select
    ---------- keys
    security_id,
    settlement_date,
    row_number() over (
        partition by security_id, settlement_date
        order by known_at asc, vendor_order desc, dataset asc, shares_short asc
    )::integer as version,

    ---------- point in time
    known_at,
    usable_at,
    is_known_at_assumed,
    is_restated_value,
    known_at::date - settlement_date > {{ staleness_days }} as is_stale_when_known,
    largest_unsplit >= 100000 and shares_short_unsplit < largest_unsplit / 20 as is_suspect,

    ---------- origin
    vendor,
    dataset,

    ---------- positions; large ones come rounded to 10,000
    shares_short,
    shares_short_unsplit,
    shares_short >= 1000000 and shares_short % 10000 = 0 as is_rounded,
    float_shares,
    float_shares / factor_when_seen as float_shares_unsplit,
    100 * (shares_short * (factor_when_seen / factor_at_settlement)) / float_shares as percent_of_float,
    average_daily_volume_shares,
    days_to_cover

from seen_lately

order by security_id, settlement_date, version
