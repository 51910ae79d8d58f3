{#- Quarterly statements of all vendors, linked to securities; a restatement is one more version of its period.
    Grain: one row per security_id, statement, period_end_date and version (the newest version is the largest).
    A row belongs to the spell that is live on its publish date, else to the next one that begins within 400 days. The
    last spell counts as live for ever and an earlier one until its stale rows have ended: whether a spell ends may only
    matter on dates on which that end is known, or a warehouse without the future would link otherwise. -#}

with

statements as (

    {% for vendor in var('fundamental_vendors') %}
    select
        '{{ vendor }}' as vendor,
        {{ loop.index }} as vendor_order,
        *

    from {{ ref('stg_' ~ vendor ~ '__fundamentals') }}
    {{ 'union all by name' if not loop.last }}
    {% endfor %}
),

spells as (

    select
        security_id,
        ticker,
        first_price_date,
        last_price_date,
        lead(first_price_date) over (partition by ticker order by spell_number) is null as is_last_spell

    from {{ ref('int_securities') }}

),

candidates as (

    select
        spells.security_id,
        spells.first_price_date,
        statements.*,
        -- a stale row ends 5 sessions after the last bar: two weeks cover them
        spells.first_price_date <= statements.published_date
        and (spells.is_last_spell or statements.published_date <= spells.last_price_date + 14) as is_live

    from statements

    inner join spells
        on statements.ticker = spells.ticker

),

linked as (

    select *

    from candidates

    where
        is_live
        or (first_price_date > published_date and first_price_date - published_date <= 400)

    qualify row_number() over (
        partition by vendor, statement, ticker, period_end_date, published_date, restated_date
        order by is_live desc, first_price_date asc
    ) = 1

),

versioned as (

    select
        ---------- keys
        security_id,
        vendor,
        statement,
        period_end_date,
        fiscal_period,
        'quarter' as period_type,

        ---------- point in time
        known_at,
        row_number() over (
            partition by security_id, statement, period_end_date
            order by
                known_at asc, restated_date asc nulls first, published_date asc, vendor_order desc, fiscal_period asc
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

)

select * from versioned

order by security_id, statement, period_end_date, version
