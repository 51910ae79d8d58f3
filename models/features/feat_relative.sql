{#- What compares a name with the others of its date: the place of its momentum among the members, and its valuations
    against the median of the members in the same sector.
    Grain: one row per (as_of_date, security_id), all rows of int_prices. Definitions: seeds/feature_registry.csv.
    They stand apart from what they compare because they sort every date's names, and because a change in one name's past
    moves the others': the families they read depend on one name each and are added to, name by name.
    Ranks, counts and medians depend on no order; what is worked out by date is sorted back with nothing but its key. -#}

{%- set valuations = [
    'earnings_yield', 'fcf_yield', 'book_to_market', 'sales_yield', 'ev_to_ebitda', 'dividend_yield',
] %}

with

listed as (

    select
        as_of_date,
        security_id,
        is_member,
        sector

    from {{ ref('int_feature_rows') }}

    where {{ rows_to_compute() }}

),

momentum as (

    select
        as_of_date,
        security_id,
        mom_6m

    from {{ ref('feat_momentum') }}

    where {{ rows_to_compute() }}

),

fundamental as (

    select
        as_of_date,
        security_id,
        known_at,
        {{ valuations | join(',\n        ') }}

    from {{ ref('feat_fundamental') }}

    where {{ rows_to_compute() }}

),

placed as (

    select
        listed.*,
        case when listed.is_member then momentum.mom_6m end as strength,
        fundamental.* exclude (as_of_date, security_id)

    from listed
    positional join momentum
    positional join fundamental

    where {{ same_rows(['listed', 'momentum', 'fundamental']) }}

),

strengths as (

    select
        as_of_date,
        security_id,
        strength

    from placed

),

{{ percentile_ranks('strengths', ['strength']) }}

ranks as (

    select
        as_of_date,
        security_id,
        strength_rank

    from strengths_ranked

    order by security_id, as_of_date

),

medians as (

    select
        as_of_date,
        sector,
        {%- for x in valuations %}
        case when count({{ x }}) >= {{ setting_number('min_sector_names') }} then median({{ x }}) end as {{ x }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from placed

    where
        is_member
        and sector is not null

    group by as_of_date, sector

),

against_sector as (

    select
        placed.as_of_date,
        placed.security_id,
        placed.known_at,
        {%- for x in valuations %}
        placed.{{ x }} - medians.{{ x }} as {{ x }}_vs_sector
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from placed

    left join medians
        on
            placed.as_of_date = medians.as_of_date
            and placed.sector = medians.sector

    order by placed.security_id, placed.as_of_date

)

select
    ---------- keys
    ranks.as_of_date,
    ranks.security_id,

    ---------- point in time
    against_sector.known_at,

    ---------- among the members of the date
    ranks.strength_rank as relative_strength_126d,

    ---------- against the members of the same sector
    against_sector.* exclude (as_of_date, security_id, known_at)

from ranks
positional join against_sector

where {{ same_rows(['ranks', 'against_sector']) }}
