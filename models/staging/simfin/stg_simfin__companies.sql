{#- Companies with sector and industry as of the download. The file has no history and no date: the row is taken as
    known since the calendar began and is flagged is_snapshot, so that nobody takes a sector for what it was on a date.
    Grain: one row per ticker. Source: simfin us-companies, industries. -#}

with

companies as (

    select * from {{ source('simfin', 'us_companies') }}

    where
        _row_error is null
        and ticker is not null

    qualify row_number() over (partition by ticker order by simfinid, _file, industryid) = 1

),

industries as (

    select * from {{ source('simfin', 'industries') }}

    where
        _row_error is null
        and industryid is not null

    qualify row_number() over (partition by industryid order by _file, sector, industry) = 1

),

named as (

    select
        ---------- keys
        companies.ticker::varchar as ticker,
        companies.simfinid::bigint as simfin_id,

        ---------- point in time
        timestamp '1990-01-01' as known_at,
        true as is_snapshot,

        ---------- what is known of the company
        companies."Company Name" as company_name,
        industries.sector::varchar as sector,
        industries.industry::varchar as industry,
        companies.isin::varchar as isin,
        companies.cik::varchar as cik

    from companies

    left join industries
        on companies.industryid::bigint = industries.industryid::bigint

)

select * from named
