{#- Ends of securities by the vendor's events, with the cause. A day may have several rows of one security (delisted,
    and why).
    Grain: one row per ticker, date and cause. Source: sharadar ACTIONS. -#}

select
    ---------- keys
    ticker,
    action_date as delisted_date,
    action as cause,

    ---------- point in time
    min(known_at) as known_at

from {{ ref('stg_sharadar__actions') }}

where
    action in (
        'delisted', 'mergerto', 'acquisitionby', 'bankruptcyliquidation', 'regulatorydelisting', 'voluntarydelisting'
    )

group by ticker, action_date, action
