{#- How many members lack a fundamental feature on a date, by reason.
    Grain: one row per (as_of_date, feature_name, reason). -#}

{%- set features = [] %}
{%- for column in graph.nodes['model.kairos.int_fundamental_null_reasons'].columns if execute %}
{%- if column not in ['as_of_date', 'security_id', 'known_at'] %}{% do features.append(column) %}{% endif %}
{%- endfor %}

with

reasons as (

    select * from {{ ref('int_fundamental_null_reasons') }}

),

members as (

    select
        as_of_date,
        security_id

    from {{ ref('int_universe') }}

    where is_member

),

of_members as (

    select reasons.*

    from reasons

    inner join members
        on
            reasons.security_id = members.security_id
            and reasons.as_of_date = members.as_of_date

),

counted as (

    {% for feature in features %}
    select
        as_of_date,
        '{{ feature }}' as feature_name,
        {{ feature }} as reason,
        count(*) as names

    from of_members

    where {{ feature }} is not null

    group by as_of_date, {{ feature }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from counted

order by as_of_date, feature_name, reason
