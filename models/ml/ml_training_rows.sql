{#- Rows an active alpha may learn from, whatever fold asks: members on its thinned sessions, with its label.
    Grain: one row per (alpha_name, as_of_date, security_id). label_value is NULL where there is no label yet or never. -#}

with

specs as (

    select *
    from {{ ref('alpha_specs') }}
    where is_active

)

select
    ---------- keys
    specs.alpha_name,
    panel.as_of_date,
    panel.security_id,
    panel.session_index,

    ---------- the label, and when it is settled
    case specs.label
        {%- for name in var('label_names') if name != 'triple_barrier' %}
        {%- for horizon in var('label_horizons') %}
        when '{{ name }}_{{ horizon }}d' then labels.{{ name }}_{{ horizon }}d
        {%- endfor %}
        {%- endfor %}
        {%- for name in var('event_labels') %}
        when '{{ name }}' then labels.{{ name }}
        {%- endfor %}
    end as label_value,
    case
        {%- for name in var('event_labels') %}
        when specs.label = '{{ name }}' then labels.label_end_date_event_10d
        {%- endfor %}
        {%- for horizon in var('label_horizons') %}
        when specs.horizon_days = {{ horizon }} then labels.label_end_date_{{ horizon }}d
        {%- endfor %}
    end as label_end_date
from {{ ref('ml_panel') }} as panel
inner join specs on panel.session_index % specs.train_every_sessions = 0
left join {{ ref('labels') }} as labels
    on
        panel.as_of_date = labels.as_of_date
        and panel.security_id = labels.security_id
