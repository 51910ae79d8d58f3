{#- What undoes the splits in a price: for a date before split_date, and not before the split preceding it, the adjusted
    price of the dataset times price_multiplier is the price as traded. The multiplier is the product of the factors from
    split_date to the dataset's basis date (basis.csv; without a row there, all delivered splits), newest last.
    Grain: one row per dataset, ticker and split. Source: int_splits, market basis. -#}

with

splits as (

    select * from {{ ref('int_splits') }}

),

datasets as (

    select distinct dataset

    from {{ ref('int_bars') }}

),

basis as (

    select * from {{ source('market', 'basis') }}

),

on_basis as (

    select
        datasets.dataset,
        splits.ticker,
        splits.split_date,
        splits.factor

    from datasets

    left join basis
        on datasets.dataset = basis.dataset

    cross join splits

    where splits.split_date <= coalesce(basis.basis_date, date '9999-12-31')

)

select
    ---------- keys
    onset.dataset,
    onset.ticker,
    onset.split_date,

    ---------- ratio
    list_product(list(later.factor order by later.split_date)) as price_multiplier

from on_basis as onset

inner join on_basis as later
    on
        onset.dataset = later.dataset
        and onset.ticker = later.ticker

where later.split_date >= onset.split_date

group by onset.dataset, onset.ticker, onset.split_date

order by onset.dataset, onset.ticker, onset.split_date
