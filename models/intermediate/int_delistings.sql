{#- Ends of securities by vendors' events: the first session at whose close an end is known, its cause as far as it is
    known then, and what the cause makes of the last price. Of several causes known at that moment the one that says
    most about the holders' money counts. A merger pays the last price (0), a failure nothing (-1); where neither is
    named the return is NULL and int_securities judges by the last prices.
    Grain: one row per vendor, ticker and known_session_index. Source: the vendors of var event_vendors. -#}

with

events as (

    {% for vendor in var('event_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        *

    from {{ ref('stg_' ~ vendor ~ '__delistings') }}
    {{- ' union all by name ' if not loop.last }}
    {%- endfor %}

),

sessions as (

    select
        session_index,
        closes_at

    from {{ ref('int_sessions') }}

),

located as (

    select
        events.vendor,
        events.ticker,
        events.delisted_date,
        events.known_at,
        events.cause,
        sessions.session_index as known_session_index,
        list_position(
            [
                'bankruptcyliquidation', 'mergerto', 'acquisitionby', 'regulatorydelisting', 'voluntarydelisting',
                'delisted'
            ],
            events.cause
        ) as cause_order

    from events

    asof inner join sessions
        on events.known_at <= sessions.closes_at

),

ends as (

    select
        ---------- keys
        vendor,
        ticker,
        known_session_index,

        ---------- point in time
        min(known_at) as known_at,

        ---------- what ended and why
        min(delisted_date) as ended_on,
        min_by(cause, cause_order) as cause

    from located

    group by vendor, ticker, known_session_index

)

select
    *,
    case
        when cause in ('mergerto', 'acquisitionby') then 0.0::double
        when cause in ('bankruptcyliquidation', 'regulatorydelisting') then -1.0::double
    end as delisting_return

from ends

order by vendor, ticker, known_session_index
