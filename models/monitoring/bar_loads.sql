{#- The load in which the bars of a file and date were first as they are. The digest leaves out what a later split,
    dividend or change of name alters: it is of closes as traded where the vendor delivers them, ratios within the bar and
    dollar volume. A split rounds the adjusted prices anew, so that beside closes as traded the others count in steps of a
    tenth, which little but a gross error leaves, and elsewhere in thousandths. A second row for a date says that its bars
    were revised; one without bars, that they are gone.
    Grain: one row per dataset, session_date, digest and hashed_by. Source: the state, and what this build adds to it. -#}
{{ config(post_hook="{{ append_to_state('bar_loads') }}") }}

{#- another release of the engine may hash otherwise, and so does another list of what is hashed: digests of one are not
    compared with those of another -#}
{%- set hashed_by = "version() || ' 2'" %}

with

kept as (

    select * from {{ source('state', 'bar_loads') }}

),

delivered as (

    select
        dataset,
        session_date,
        count(*) as bars,
        (sum(hash(
            close_unadjusted,
            round(open / close, digits),
            round(high / close, digits),
            round(low / close, digits),
            round(log10(1 + close * volume_shares), digits)
        )::hugeint) % 18446744073709551616)::ubigint as digest,
        {{ hashed_by }} as hashed_by

    from (
        select
            *,
            case when close_unadjusted is null then 3 else 1 end as digits

        from {{ ref('int_bars') }}
    ) as bars

    group by dataset, session_date

),

gone as (

    select
        kept.dataset,
        kept.session_date,
        0 as bars,
        0::ubigint as digest,
        {{ hashed_by }} as hashed_by

    from kept

    anti join delivered
        on
            kept.dataset = delivered.dataset
            and kept.session_date = delivered.session_date

    group by kept.dataset, kept.session_date

),

found as (

    select * from delivered

    union all

    select * from gone

),

added as (

    select
        found.*,
        {{ this_load() }} as first_seen_at

    from found

    anti join kept
        on
            found.dataset = kept.dataset
            and found.session_date = kept.session_date
            and found.digest = kept.digest
            and found.hashed_by = kept.hashed_by

)

select
    ---------- keys
    dataset,
    session_date,
    digest,
    hashed_by,

    ---------- size
    bars,

    ---------- when it was first so
    first_seen_at

from kept

union all by name

select * from added
