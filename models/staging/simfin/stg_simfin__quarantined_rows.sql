{#- Rows of the vendor's files that are not served, with the reason and enough of the row to find it.
    Grain: one row per refused raw row. Source: simfin. -#}

with

statements as (

    select
        _dataset as dataset,
        _file as file,
        refused_because as reason,
        concat_ws(' ', ticker, "Fiscal Year", "Fiscal Period", "Report Date") as key,
        coalesce(
            _row_error,
            concat_ws(
                ', ',
                'Report Date=' || "Report Date",
                'Publish Date=' || "Publish Date",
                'Restated Date=' || "Restated Date",
                'Currency=' || currency,
                'Shares=' || "Shares (Basic)" || ' / ' || "Shares (Diluted)"
            )
        ) as example

    from {{ ref('stg_simfin__statement_rows') }}

    where refused_because is not null

),

companies as (

    select
        _dataset as dataset,
        _file as file,
        case
            when _row_error is not null then 'unreadable'
            when ticker is null then 'null_key'
            when
                row_number() over (
                    partition by ticker, _row_error order by simfinid, _file, industryid
                ) > 1
                then 'duplicate_key'
        end as reason,
        ticker as key,
        coalesce(_row_error, 'SimFinId=' || simfinid, "Company Name") as example

    from {{ source('simfin', 'us_companies') }}

),

industries as (

    select
        _dataset as dataset,
        _file as file,
        case
            when _row_error is not null then 'unreadable'
            when industryid is null then 'null_key'
            when
                row_number() over (partition by industryid, _row_error order by _file, sector, industry) > 1
                then 'duplicate_key'
        end as reason,
        industryid::varchar as key,
        coalesce(_row_error, sector || ' / ' || industry) as example

    from {{ source('simfin', 'industries') }}

),

refused as (

    select * from statements

    union all

    select * from companies

    where reason is not null

    union all

    select * from industries

    where reason is not null

)

select * from refused
