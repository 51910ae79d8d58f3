{#- By what a vendor's share counts have been multiplied through splits, from the first split on: a count on the basis
    of date b is brought to date t by factor(t) / factor(b), in either direction. True splits always count; a spin-off
    only where spin_offs.csv says that the vendor scaled its counts by it.
    Grain: one row per security_id, vendor and day with such a split; no row before the first (factor 1).
    Splits are units of a file and no information: later ones may stand here at any time. -#}

with

securities as (

    select
        security_id,
        ticker

    from {{ ref('int_spells') }}

),

vendors as (

    select unnest({{ var('fundamental_vendors') }}) as vendor

),

splits as (

    select
        ticker,
        split_date,
        factor,
        is_spin_off,
        counts_scaled_by

    from {{ ref('int_splits') }}

),

counted as (

    select
        securities.security_id,
        vendors.vendor,
        splits.split_date,
        list_product(list(splits.factor order by splits.is_spin_off, splits.factor)) as day_factor

    from splits

    inner join securities
        on splits.ticker = securities.ticker

    cross join vendors

    where
        not splits.is_spin_off
        or coalesce(list_contains(splits.counts_scaled_by, vendors.vendor), false)

    group by securities.security_id, vendors.vendor, splits.split_date

),

cumulated as (

    select
        ---------- keys
        security_id,
        vendor,
        split_date,

        ---------- the product of all factors up to and including the day, multiplied in order of time
        list_product(
            list(day_factor) over (
                partition by security_id, vendor
                order by split_date
                rows between unbounded preceding and current row
            )
        ) as share_factor

    from counted

)

select * from cumulated

order by security_id, vendor, split_date
