{#- Condition for the where clause of a positional join: each row has the same (security_id, as_of_date) in every
    relation. Tables that promise "all rows of int_prices, in its order" are joined by position, at a fraction of the cost
    of a join by key; where the promise is broken (a table left unbuilt after new prices) the query stops with an error
    that says what to do, instead of giving one security another's values.
    Where the right side is not a plain table, a limit ends the left side first, and DuckDB hands out the rest of the right
    one beside NULLs. first_may_end leaves such rows out; it is for a first relation that cannot be the shorter one, and
    for views, which people read with a limit.
    Example: from a positional join b where {{ "{{ same_rows(['a', 'b']) }}" }} -#}
{% macro same_rows(relations, first_may_end=false) -%}
    case
        {%- if first_may_end %}
        when {{ relations[0] }}.security_id is null then false
        {%- endif %}
        when
            {%- for relation in relations[1:] %}
            {{ 'and ' if not loop.first }}{{ relation }}.security_id = {{ relations[0] }}.security_id
            and {{ relation }}.as_of_date = {{ relations[0] }}.as_of_date
            {%- endfor %}
            then true
        else error('{{ relations | join(", ") }} do not have the same rows. Build them together: dbt build -s int_prices+, with --full-refresh if they still differ')
    end
{%- endmacro %}
