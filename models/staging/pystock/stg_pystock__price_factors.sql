{#- Splits and distributions as they showed: the archive of a day holds the bar before it as well, and the ratio of
    close to adjusted close of that bar, over the same ratio of the day's own, is by what the prices before the day
    have to be divided. Nothing of it was known later than the day's close. What a missing archive hides stays
    unknown. A factor below 0.98 is a reverse split, for no distribution lets the adjusted close rise; above, p/q
    with q up to 4 from 1.2 on is a split. Both are rounded to the ratio when it is within what rounding to a cent
    allows (5e-4). Any other is a distribution, of cash or shares of another company: it enters total return and
    leaves the close alone. What divides or multiplies prices by more than 1.5 shows in the close as traded too: where
    the day's move is nearer to none than to the factor, an adjusted close is wrong, and there was no such event.
    Grain: one row per ticker and session with a factor other than 1. Source: pystock prices. -#}

{%- set ratios = [] %}
{%- for q in [1, 2, 3, 4] %}
{%- do ratios.append("greatest(round(delivered_factor * " ~ q ~ "), 1) / " ~ q) %}
{%- do ratios.append(q ~ " / greatest(round(" ~ q ~ " / delivered_factor), 1)") %}
{%- endfor %}

with

bars as (

    select distinct
        ticker,
        session_date,
        collected_date,
        close,
        close / adj_close as close_over_adjusted

    from {{ ref('stg_pystock__price_copies') }}

    where
        row_error is null
        and isfinite(close)
        and isfinite(adj_close)
        and close > 0
        and adj_close > 0

),

-- archives with the day's own bar and one before it
archives as (

    select
        ticker,
        collected_date as session_date,
        arg_min(close_over_adjusted, session_date) / arg_max(close_over_adjusted, session_date) as delivered_factor,
        arg_min(close, session_date) / arg_max(close, session_date) as fall_of_close

    from bars

    group by ticker, collected_date

    having
        count(*) = 2
        and count(distinct session_date) = 2
        and max(session_date) = collected_date

),

factors as (

    select
        ticker,
        session_date,
        delivered_factor,
        [{{ ratios | join(", ") }}] as ratios

    from archives

    where
        abs(delivered_factor - 1) > 2e-5
        and (
            delivered_factor between 1 / 1.5 and 1.5
            or abs(ln(fall_of_close / delivered_factor)) < abs(ln(fall_of_close))
        )

),

compared as (

    select
        *,
        list_transform(ratios, lambda ratio: abs(ratio / delivered_factor - 1)) as offs

    from factors

),

nearest as (

    select
        *,
        list_extract(ratios, list_position(offs, list_min(offs))) as nearest_ratio,
        list_min(offs) as off

    from compared

)

select
    ---------- keys
    ticker,
    session_date,

    ---------- by what prices before the day are divided
    case
        when off <= 5e-4 and (delivered_factor < 0.98 or delivered_factor >= 1.2) then nearest_ratio
        else delivered_factor
    end as factor,
    coalesce(delivered_factor < 0.98 or (delivered_factor >= 1.2 and off <= 5e-4), false) as is_split

from nearest
