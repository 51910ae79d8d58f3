{#- Quarterly statements of all vendors, linked to securities; a restatement is one more version of its period.
    Grain: one row per security_id, statement, period_end_date and version (the newest version is the largest).
    int_ticker_spells says to which security a row belongs, by its ticker and publish date. Of several vendors that know
    a company one serves it, so that no quarter stands there twice under two period ends: the one whose statements begin
    first, of those that begin together the first in var fundamental_vendors. -#}

{%- set ticker_of_vendors = var('tickers_of_the_date') %}

with

statements as (

    {% for vendor in var('fundamental_vendors') %}
    select
        '{{ vendor }}' as vendor,
        {{ loop.index }} as vendor_order,
        '{{ "date" if vendor in ticker_of_vendors else "file" }}' as ticker_of,
        *

    from {{ ref('stg_' ~ vendor ~ '__fundamentals') }}
    {{ 'union all by name' if not loop.last }}
    {% endfor %}
),

spells as (

    select * from {{ ref('int_ticker_spells') }}

),

linked as (

    select
        spells.security_id,
        greatest(statements.known_at, spells.usable_from::timestamp) as usable_at,
        statements.*

    from statements

    inner join spells
        on
            statements.ticker = spells.ticker
            and statements.ticker_of = spells.ticker_of
            and statements.published_date >= spells.linked_from
            and statements.published_date < spells.linked_to

),

serving as (

    select
        security_id,
        vendor

    from linked

    group by security_id, vendor, vendor_order

    qualify row_number() over (partition by security_id order by min(known_at), vendor_order) = 1

),

versioned as (

    select
        ---------- keys
        linked.security_id,
        linked.vendor,
        statement,
        period_end_date,
        fiscal_period,
        'quarter' as period_type,

        ---------- point in time
        known_at,
        usable_at,
        row_number() over (
            partition by linked.security_id, statement, period_end_date
            order by
                known_at asc, restated_date asc nulls first, published_date asc, fiscal_period asc
        )::integer as version,
        published_date,
        is_restated_value,

        ---------- items
        {%- for item in fundamental_items() %}
        {{ item }},
        {%- endfor %}

        ---------- units of the counts
        basis_date

    from linked

    inner join serving
        on
            linked.security_id = serving.security_id
            and linked.vendor = serving.vendor

)

select * from versioned

order by security_id, statement, period_end_date, version
