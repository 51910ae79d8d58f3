{#- What the loads of this market say against each other: bars of the past that were revised or have gone, rows that
    claim to have been known before a load that did not have them, securities whose features are made anew in this build.
    Grain: one row per alert, dataset and subject. Source: bar_loads, row_loads, int_feature_digests. -#}

with

bar_loads as (

    select * from {{ ref('bar_loads') }}

),

row_loads as (

    select * from {{ ref('row_loads') }}

),

-- digests are compared with those hashed alike; that bars have gone shows without
compared as (

    select
        *,
        count(*) over (partition by dataset, session_date, hashed_by) as hashed_alike

    from bar_loads

),

revised as (

    select
        case when bool_or(bars = 0) then 'bars_gone' else 'bars_revised' end as alert,
        dataset,
        session_date::varchar as subject,
        max(first_seen_at) as first_seen_at,
        count(*) as rows_concerned

    from compared

    group by dataset, session_date

    having
        bool_or(bars = 0)
        or max(hashed_alike) > 1

),

loads as (

    select distinct
        dataset,
        first_seen_at

    from row_loads

),

-- the last load before the one in which a row appeared
earlier_loads as (

    select
        dataset,
        first_seen_at,
        lag(first_seen_at) over (
            partition by dataset
            order by first_seen_at
        ) as load_before

    from loads

),

backfilled as (

    select
        'rows_backfilled' as alert,
        row_loads.dataset,
        coalesce(row_loads.security_id::varchar, 'companies') as subject,
        max(row_loads.first_seen_at) as first_seen_at,
        count(*) as rows_concerned

    from row_loads

    inner join earlier_loads
        on
            row_loads.dataset = earlier_loads.dataset
            and row_loads.first_seen_at = earlier_loads.first_seen_at

    where
        row_loads.known_at < earlier_loads.load_before

    group by row_loads.dataset, row_loads.security_id

),

renewed as (

    select
        'past_of_features_changed' as alert,
        input as dataset,
        security_id::varchar as subject,
        null::timestamp as first_seen_at,
        row_count as rows_concerned

    from {{ ref('int_feature_digests') }}

    where
        is_past_changed
        and version <> coalesce(previous_version, 0)
        and previous_version is not null

),

alerts as (

    select * from revised

    union all

    select * from backfilled

    union all

    select * from renewed

)

select * from alerts

order by alert, dataset, subject
