{#- The trading calendar: position, neighbours and calendar flags of each session, from the committed seed.
    Grain: one row per session. Horizons and windows everywhere count its session_index, never calendar days. -#}

with

sessions as (

    select
        session_date,
        opens_at,
        closes_at

    from {{ ref('sessions') }}

),

placed as (

    select
        ---------- keys
        session_date,
        (row_number() over in_order - 1)::integer as session_index,

        ---------- hours
        opens_at,
        closes_at,

        ---------- neighbours
        lag(session_date) over in_order as previous_session_date,
        lead(session_date) over in_order as next_session_date,

        ---------- calendar; the seed's last row ends a year
        coalesce(date_trunc('month', session_date) < date_trunc('month', lead(session_date) over in_order), true)
            as is_month_end,
        coalesce(date_trunc('quarter', session_date) < date_trunc('quarter', lead(session_date) over in_order), true)
            as is_quarter_end

    from sessions

    window in_order as (order by session_date)

)

select * from placed

order by session_date
