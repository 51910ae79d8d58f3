{#- Every accepted bar of every price vendor in the order of its ticker's history. A ticker that several vendors deliver
    stands here with all their bars; int_spells says which of them serves it.
    Grain: one row per vendor, ticker and session. Source: the vendors of var price_vendors. Stored by (ticker, vendor,
    session_index): int_spells streams over it. -#}

with

bars as (

    {% for vendor in var('price_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        *

    from {{ ref('stg_' ~ vendor ~ '__prices') }}
    {{- ' union all by name ' if not loop.last }}
    {%- endfor %}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

placed as (

    select
        ---------- keys
        bars.ticker,
        bars.session_date,
        sessions.session_index,

        ---------- point in time
        bars.known_at,

        ---------- origin
        bars.vendor,
        bars.dataset,

        ---------- prices on the dataset's split basis
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.close_total_return,
        bars.volume_shares,

        ---------- as traded, where the vendor delivers it
        bars.close_unadjusted

    from bars

    inner join sessions
        on bars.session_date = sessions.session_date

)

select * from placed

order by ticker, vendor, session_index
