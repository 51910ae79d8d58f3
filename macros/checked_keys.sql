{#- The rest of a model of checked rows keyed by ticker and a date, from its CTE `judged` on, which has a row_reason: of
    rows with one key that are sound in themselves all are refused where `differs` tells them apart, else all but the
    first by file. Keys that stand once, nearly all, are not sorted.
    reasons_of_compared() writes the last select alone, from a CTE `compared` with row_reason, is_conflicting and copy, the
    number of a row among those that say the same.
    Example: {{ "{{ checked_keys('as_of_date', differs='marketcap') }}" }} -#}
{% macro checked_keys(date_column, differs) -%}
repeated_keys as (

    select
        ticker,
        {{ date_column }},
        count(distinct {{ differs }}) > 1 as is_conflicting

    from judged

    where row_reason is null

    group by ticker, {{ date_column }}

    having count(*) > 1

),

compared as (

    select
        judged.*,
        repeated_keys.is_conflicting,
        case
            when repeated_keys.ticker is not null
                then row_number() over (
                    partition by judged.ticker, judged.{{ date_column }}, judged.row_reason
                    order by judged.file
                )
        end as copy

    from judged

    left join repeated_keys
        on
            judged.ticker = repeated_keys.ticker
            and judged.{{ date_column }} = repeated_keys.{{ date_column }}

)

{{ reasons_of_compared() }}
{%- endmacro %}

{% macro reasons_of_compared() -%}
select
    * exclude (row_reason, copy, is_conflicting),
    case
        when row_reason is not null then row_reason
        when is_conflicting then 'conflicting_duplicate'
        when copy > 1 then 'duplicate_row'
    end as reason

from compared
{%- endmacro %}
