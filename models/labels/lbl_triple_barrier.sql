{#- Outcome of the triple-barrier event of a date, and its sign: 1 where the trade made money after costs, else 0.
    Grain: one row per (as_of_date, security_id), all rows of int_prices; NULL where there is no settled event. -#}

with

prices as (

    select
        as_of_date,
        security_id

    from {{ ref('int_prices') }}

),

events as (

    select * from {{ ref('labels_triple_barrier') }}

),

triple_barrier as (

    select
        ---------- keys
        prices.as_of_date,
        prices.security_id,

        ---------- labels
        events.net_logret as net_logret_10d,
        (events.net_logret > 0)::tinyint as net_logret_sign_10d,

        ---------- when it is settled
        events.label_end_date as label_end_date_event_10d

    from prices
    left join events on prices.security_id = events.security_id and prices.as_of_date = events.as_of_date

)

select * from triple_barrier
order by security_id, as_of_date
