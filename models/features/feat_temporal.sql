{#- Place of the session in the calendar and, as flags, the sector of the date.
    Grain: one row per (as_of_date, security_id), all rows of int_prices in their order.
    Month ends are those of the committed calendar, known in advance. A sector is int_universe's, as of the decision; of a
    name without one all flags are NULL, and of one with another sector than var sector_flags names only sector_other
    is 1. -#}

with

universe as (

    select
        as_of_date,
        security_id,
        sector

    from {{ ref('int_universe') }}

    where {{ rows_to_compute() }}

),

-- one bit per day since 1990 began, set on the last sessions of months
month_ends as (

    select bitstring_agg((session_date - date '1990-01-01')::integer, 0, 20000) as month_end_bits

    from {{ ref('int_sessions') }}

    where is_month_end

)

select
    ---------- keys
    universe.as_of_date,
    universe.security_id,

    ---------- calendar
    isodow(universe.as_of_date)::tinyint as day_of_week,
    month(universe.as_of_date)::tinyint as month_of_year,
    quarter(universe.as_of_date)::tinyint as quarter_of_year,
    (dayofyear(universe.as_of_date) - 1)::smallint as days_since_year_start,
    get_bit(month_ends.month_end_bits, (universe.as_of_date - date '1990-01-01')::integer)::tinyint as is_month_end,

    ---------- sector
    {%- for flag, sector in var('sector_flags').items() %}
    (universe.sector = '{{ sector }}')::tinyint as {{ flag }},
    {%- endfor %}
    (
        {%- for sector in var('sector_flags').values() %}
        {{ 'and ' if not loop.first }}universe.sector != '{{ sector }}'
        {%- endfor %}
    )::tinyint as sector_other

from universe
cross join month_ends
