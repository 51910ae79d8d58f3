{#- Reports as collected, each with the reason why it is refused, or none. A report is collected on two days or
    more; what says the same as the one before it of its period is a duplicate, what says something else is a
    version.
    Grain: one row per delivered row. Source: pystock reports. -#}

{%- set items = [
    'revenues', 'op_income', 'net_income', 'eps_basic', 'eps_diluted', 'dividend', 'assets', 'cur_assets', 'cur_liab',
    'cash', 'equity', 'cash_flow_op', 'cash_flow_inv', 'cash_flow_fin',
] %}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        symbol as ticker,
        end_date as period_end_date,
        collected_date as published_date,
        coalesce(lower(amend) in ('true', '1'), false) as is_amendment,
        upper(trim(period_focus)) as fiscal_period,
        doc_type,
        {{ items | join(",\n        ") }}

    from {{ source('pystock', 'reports') }}

),

judged as (

    select
        *,
        [{{ items | join(", ") }}] as content,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or period_end_date is null or published_date is null then 'null_key'
            when fiscal_period is null or fiscal_period not in ('Q1', 'Q2', 'Q3', 'FY') then 'not_a_quarter'
            when published_date > current_date then 'in_the_future'
            when published_date < period_end_date then 'published_before_period_end'
            when not isfinite(coalesce({{ items | join(", 0) + coalesce(") }}, 0)) then 'not_finite'
            when {{ is_too_large(items) }} then 'number_too_large'
            when {{ is_too_small(items) }} then 'number_too_small'
        end as row_reason

    from delivered

),

-- lists compare with their NULLs
compared as (

    select
        *,
        lag(content) over in_turn as content_before,
        lag(published_date) over in_turn as published_date_before

    from judged

    window
        in_turn as (
            partition by ticker, period_end_date, fiscal_period, row_reason
            order by published_date, is_amendment, content, file
        )

)

select
    * exclude (content, content_before, published_date_before, row_reason),
    case
        when row_reason is not null then row_reason
        when
            content_before = content
            and published_date_before is not null
            then 'duplicate_row'
    end as reason

from compared
