{#- Quarterly statements of all vendors, linked to securities; a restatement is one more version of its period.
    Grain: one row per security_id, statement, period_end_date and version (the newest version is the largest).
    A row belongs to the spell that is live on its publish date, else to the next one that begins within 400 days. That
    a spell has ended shows only when the next begins: until then, and for ever in its own history, it keeps what is
    published after its last bar (nothing of it trades that could use it), and the next spell has the row too, usable
    from its first day. So a warehouse without the future links the same. -#}

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
        lag(last_price_date) over by_ticker as earlier_last_price_date,
        lead(first_price_date) over by_ticker as next_first_price_date

    from {{ ref('int_securities') }}

    window by_ticker as (partition by ticker order by spell_number)

),

linked as (

    select
        spells.security_id,
        greatest(statements.known_at, spells.first_price_date::timestamp) as usable_at,
        statements.*

    from statements

    inner join spells
        on statements.ticker = spells.ticker

    where
        -- published in the spell, or after it and before the next
        (
            statements.published_date >= spells.first_price_date
            and statements.published_date < coalesce(spells.next_first_price_date, date 'infinity')
        )
        -- published before the spell: before the first, or when the stale rows of the one before (5 sessions) had ended
        or (
            statements.published_date < spells.first_price_date
            and statements.published_date >= spells.first_price_date - 400
            and statements.published_date > coalesce(spells.earlier_last_price_date + 14, date '-infinity')
        )

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
        usable_at,
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
