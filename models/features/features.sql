{#- The wide collector: every feature of every family named in var feature_families, and the other names of var
    feature_aliases.
    Grain: one row per (as_of_date, security_id), all rows of int_prices, members or not.
    known_at is the greatest of what entered the row; a dbt test holds it against decided_at. A family that rests on the
    bars alone is known with the row's bar and stores no known_at; one that rests on anything else documents its own.
    A view: the families hold the values, once. They have the rows of int_feature_rows in its order and are joined by
    position (macro same_rows checks the keys of every row read). Scans come in that order, which is by security and date
    only after a full build. -#}
{{ config(materialized="view") }}
{%- set families = var('feature_families') %}
{%- set of_prices = ['roc_10d', 'roc_20d', 'roc_60d', 'trend_strength_200d'] %}
{%- set dated = [] %}
{%- for family in families if execute %}
{%- if 'known_at' in graph.nodes['model.kairos.feat_' ~ family].columns %}{% do dated.append(family) %}{% endif %}
{%- endfor %}

select
    ---------- keys
    listed.as_of_date,
    listed.security_id,

    ---------- point in time
    greatest(
        {%- for family in dated %}
        {{ family }}.known_at,
        {%- endfor %}
        listed.known_at
    ) as known_at,
    listed.decided_at,
    listed.is_member,

    ---------- other names of features
    {%- for alias, feature in var('feature_aliases').items() %}
    {{ feature }} as {{ alias }},
    {%- endfor %}

    ---------- features
    {%- for family in families %}
    {%- set keys = ['as_of_date', 'security_id'] + (['known_at'] if family in dated else []) %}
    {%- if family == 'momentum' %}
    -- the rank of momentum stands where readers of columns by position have always found it
    {{ family }}.* exclude ({{ (keys + of_prices) | join(', ') }}),
    relative.relative_strength_126d,
    {%- for feature in of_prices %}
    {{ family }}.{{ feature }},
    {%- endfor %}
    {%- else %}
    {{ family }}.* exclude ({{ (keys + (['relative_strength_126d'] if family == 'relative' else [])) | join(', ') }})
    {%- if not loop.last %},{% endif %}
    {%- endif %}
    {%- endfor %}

from {{ ref('int_feature_rows') }} as listed
{% for family in families -%}
positional join {{ ref('feat_' ~ family) }} as {{ family }}
{% endfor -%}
-- behind a window rows come in order; without one chunks of a few rows (the batch of a day) wait while large ones go by
qualify
    lag(listed.security_id, 1, 0) over () is not null
    and {{ same_rows(['listed'] + families) }}
