{#- Securities of the vendor with their permanent id, and what they are as of the download: the list has no history and
    no date, so its attributes are taken as known since the calendar began and flagged is_snapshot. Whether a security
    is delisted, and its first and last price dates, stand in the list as of today too and are not read at all.
    Grain: one row per ticker. Source: sharadar TICKERS (the row of SEP speaks, else of SFP, else of SF1). -#}

with

checked as (

    select
        *,
        upper(price_table) as in_table

    from {{ ref('stg_sharadar__checked_tickers') }}

    where reason is null

),

spoken as (

    select
        *,
        max(currency) filter (where in_table = 'SF1') over (partition by ticker) as reporting_currency

    from checked

    where in_table in ('SEP', 'SFP', 'SF1')

    qualify
        row_number() over (
            partition by ticker
            order by case in_table when 'SEP' then 1 when 'SFP' then 2 else 3 end
        ) = 1

)

select
    ---------- keys
    ticker,
    permanent_id,

    ---------- point in time
    timestamp '1990-01-01' as known_at,
    true as is_snapshot,

    ---------- what it is
    name as company_name,
    case
        when regexp_matches(category, '^(Domestic|ADR|Canadian) Common Stock') then 'common'
        when category in ('ETF', 'ETN', 'ETMF') then 'etf'
        when category = 'IDX' then 'index'
        when category is not null then 'other'
        when in_table = 'SFP' then 'etf'
        else 'common'
    end as security_type,
    exchange,
    sector,
    industry,
    reporting_currency

from spoken
