{#- The states of the market, told apart by its trend and the tercile of its volatility (feat_cross_asset).
    market_regimes() is the list of their names, unknown among them: where either is NULL. market_days() writes the CTE
    `market_days` of as_of_date and regime; the two features are the same for all names of a date.
    Example: {{ "{{ market_days() }}" }} -#}
{% macro market_regimes() -%}
    ['down calm', 'down normal', 'down wild', 'up calm', 'up normal', 'up wild', 'unknown']
{%- endmacro %}

{% macro market_days() -%}
market_states as (

    select
        as_of_date,
        max(market_trend_up) as market_trend_up,
        max(market_vol_tercile) as market_vol_tercile
    from {{ ref('feat_cross_asset') }}
    group by as_of_date

),

market_days as (

    select
        as_of_date,
        coalesce(
            case market_trend_up when 1 then 'up ' when 0 then 'down ' end
            || ['calm', 'normal', 'wild'][market_vol_tercile],
            'unknown'
        ) as regime
    from market_states

),
{%- endmacro %}
