{#- Corporate actions as delivered, each with the reason why it is refused, or none. A day has one split and one change
    of the ticker of a security at most: where rows disagree none is kept. Several dividends on a day are several
    dividends. What is announced and has not happened is refused until its day: prices are not adjusted for such a split
    yet, and nobody has the name yet.
    Grain: one row per delivered row. Source: sharadar ACTIONS. -#}

{%- set kinds = [
    'acquisitionby', 'acquisitionof', 'bankruptcyliquidation', 'delisted', 'dividend', 'initiated', 'listed',
    'mergerfrom', 'mergerto', 'regulatorydelisting', 'relation', 'spinoff', 'spinoffdividend', 'split', 'spunofffrom',
    'tickerchangefrom', 'tickerchangeto', 'voluntarydelisting',
] %}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        date as action_date,
        lower(action) as action,
        value as action_value,
        contraticker as contra_ticker

    from {{ source('sharadar', 'actions') }}

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or action_date is null or action is null then 'null_key'
            when action = 'tickerchangefrom' and contra_ticker is null then 'null_key'
            when action_date > current_date then 'in_the_future'
            when
                action not in (
                    {%- for kind in kinds %}
                    '{{ kind }}'
                    {{- ',' if not loop.last }}
                    {%- endfor %}
                )
                then 'unknown_action'
            when
                action = 'split' and not coalesce(action_value between 1e-6 and 1e6, false)
                then 'bad_split_factor'
        end as row_reason

    from delivered

),

compared as (

    select
        *,
        row_number() over (
            partition by ticker, action_date, action, row_reason, action_value, contra_ticker
            order by file
        ) as copy,
        (action = 'split' and min(action_value) over same_day <> max(action_value) over same_day)
        or (action = 'tickerchangefrom' and min(contra_ticker) over same_day <> max(contra_ticker) over same_day)
            as is_conflicting

    from judged

    window same_day as (partition by ticker, action_date, action, row_reason)

)

{{ reasons_of_compared() }}
