{#- One line per fit of what the promotion gates say of it: passed, or the reasons of those it does not pass.
    Example: with gates as ({{ "{{ gate_verdicts() }}" }}) select fit_id, gate_result from gates -#}
{% macro gate_verdicts() -%}
    select
        fit_id,
        coalesce(string_agg(reason, '; ' order by gate) filter (where not is_passed), 'passed') as gate_result

    from {{ ref('ml_gate_results') }}
    group by fit_id
{%- endmacro %}
