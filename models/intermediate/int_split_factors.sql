{#- By what splits have multiplied the shares of a security, from the first split on: a count as it stood on date b is
    brought to date t by factor(t) / factor(b), in either direction. True splits only: a spin-off leaves counts alone. For
    counts that no vendor rescales (short positions, insiders' trades, holdings). Splits are units of a file and no
    information: later ones may stand here at any time.
    Grain: one row per security_id and day with a split; no row before the first (factor 1). Source: int_splits. -#}

with

securities as (

    select
        security_id,
        ticker

    from {{ ref('int_spells') }}

),

splits as (

    select * from {{ ref('int_splits') }}

    where not is_spin_off

),

days as (

    select
        securities.security_id,
        splits.split_date,
        list_product(list(splits.factor order by splits.factor)) as day_factor

    from splits

    inner join securities
        on splits.ticker = securities.ticker

    group by securities.security_id, splits.split_date

)

select
    ---------- keys
    security_id,
    split_date,

    ---------- the product of all factors up to and including the day, multiplied in order of time
    list_product(
        list(day_factor) over (
            partition by security_id
            order by split_date
            rows between unbounded preceding and current row
        )
    ) as split_factor

from days

order by security_id, split_date
