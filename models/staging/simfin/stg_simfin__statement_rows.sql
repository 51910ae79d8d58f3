{#- Every row of the three statement files with the reason for which it is refused (NULL: it is served), so that the
    rule stands once for the three statements and for the quarantine.
    Grain: one row per raw row. Source: simfin, quarterly statements.
    A Restated Date before the Publish Date is no error: where the vendor works a quarter out of a year less the quarters
    before it, the date is that of the filing before, and the values are as sound as any. Nothing is served before its
    Publish Date for it (macro simfin_known_at). Rows of one period with other dates are versions; rows equal in all
    their dates are duplicates, of which the first in a fixed order stays.
    A fiscal quarter two or more ahead of where its period's end stands in the company's fiscal years, as all of its
    statements of the 400 days before have them, carries the wrong quarter or the wrong dates, and then numbers of a
    quarter that is not over yet. One that a second period confirms is a change of the fiscal year: only the first period
    of it is refused, in all statements and versions. -#}

{%- set amounts = [
    '"Shares (Basic)"', '"Shares (Diluted)"', '"Revenue"', '"Cost of Revenue"', '"Gross Profit"',
    '"Operating Income (Loss)"', '"Net Income"', '"Net Income (Common)"', '"Total Assets"', '"Total Current Assets"',
    '"Total Current Liabilities"', '"Total Liabilities"', '"Short Term Debt"', '"Long Term Debt"',
    '"Cash, Cash Equivalents & Short Term Investments"', '"Total Equity"', '"Net Cash from Operating Activities"',
    '"Change in Fixed Assets & Intangibles"', '"Dividends Paid"', '"Depreciation & Amortization"',
] %}

with

rows_of_files as (

    select
        'income' as statement,
        *

    from {{ source('simfin', 'us_income_quarterly') }}

    union all by name

    select
        'balance' as statement,
        *

    from {{ source('simfin', 'us_balance_quarterly') }}

    union all by name

    select
        'cashflow' as statement,
        *

    from {{ source('simfin', 'us_cashflow_quarterly') }}

),

read_rows as (

    select
        *,
        case
            when _row_error is not null then 'unreadable'
            when ticker is null or "Report Date" is null or "Publish Date" is null then 'null_key'
            when coalesce("Fiscal Period", '') not in ('Q1', 'Q2', 'Q3', 'Q4') then 'not_a_quarter'
            when coalesce(currency, 'USD') != 'USD' then 'currency_not_usd'
            when greatest("Publish Date", "Restated Date") > current_date then 'in_the_future'
            when "Publish Date" < "Report Date" then 'published_before_period_end'
            when
                not isfinite(
                    {%- for amount in amounts %}
                    {{ '+ ' if not loop.first }}coalesce({{ amount }}::double, 0)
                    {%- endfor %}
                )
                then 'not_finite'
            when {{ is_too_large(amounts) }} then 'number_too_large'
            when {{ is_too_small(amounts) }} then 'number_too_small'
            when least("Shares (Basic)"::double, "Shares (Diluted)"::double) < 0 then 'negative_shares'
        end as refused_on_reading

    from rows_of_files

),

in_fiscal_years as (

    select
        *,
        {{ simfin_known_at() }} as known_at,
        case
            when refused_on_reading is null
                then
                    12 * "Fiscal Year" + 3 * right("Fiscal Period", 1)::integer
                    - 12 * year("Report Date") - month("Report Date")
        end as months_ahead

    from read_rows

),

-- reports of one period count from the first of them on, so that none confirms another
in_order as (

    select
        *,
        min(known_at) over (
            partition by ticker, refused_on_reading is null, "Report Date", months_ahead
        ) as first_known_at

    from in_fiscal_years

),

judged as (

    select
        * exclude (refused_on_reading, known_at, months_ahead, first_known_at),
        coalesce(
            refused_on_reading,
            case
                when
                    months_ahead >= 5 + max(months_ahead) over known_before
                    and max(months_ahead) over known_before <= 2 + min(months_ahead) over known_before
                    and max("Report Date") filter (where months_ahead is not null) over known_before
                    > min("Report Date") filter (where months_ahead is not null) over known_before
                    then 'fiscal_quarter_ahead'
            end
        ) as refused_alone

    from in_order

    window known_before as (
        partition by ticker, refused_on_reading is null
        order by first_known_at
        range between interval 400 days preceding and interval 1 microsecond preceding
    )

),

checked as (

    select
        * exclude (refused_alone),
        coalesce(
            refused_alone,
            case
                when
                    row_number() over (
                        partition by
                            statement, refused_alone, ticker, "Report Date", "Publish Date", "Restated Date"
                        order by
                            "Fiscal Year", "Fiscal Period", simfinid, _file,
                            "Net Income", "Total Assets", "Net Cash from Operating Activities", "Shares (Basic)"
                    ) > 1
                    then 'duplicate_key'
            end
        ) as refused_because

    from judged

)

select * from checked
