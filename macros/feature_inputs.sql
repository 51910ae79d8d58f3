{#- Tables that features read: int_feature_digests digests them, and nothing else stands below a family (test_house) -#}
{% macro feature_inputs() -%}
    {{ return([
        'int_prices', 'int_returns', 'int_universe',
        'int_fundamental_steps', 'int_insider_steps', 'int_short_interest_steps', 'int_institutional_holdings_steps',
        'int_market_series', 'int_sessions',
    ]) }}
{%- endmacro %}

{#- A select of a hash for each row of those tables: input, security_id (0 for what concerns the market as a whole),
    read_from (the moment from which on features read it) and row_hash. inputs: their names to relations. -#}
{% macro feature_row_hashes(inputs) -%}
select
    'bars' as input,
    prices.security_id,
    prices.known_at as read_from,
    hash(prices, returns, universe) as row_hash

from {{ inputs.int_prices }} as prices
positional join {{ inputs.int_returns }} as returns
positional join {{ inputs.int_universe }} as universe

where {{ same_rows(['prices', 'returns', 'universe']) }}

{%- for name, relation in inputs.items() if name.endswith('_steps') %}

union all

select
    '{{ name }}' as input,
    security_id,
    effective_at as read_from,
    hash({{ name }}) as row_hash

from {{ relation }} as {{ name }}
{%- endfor %}

union all

select
    'int_market_series' as input,
    0 as security_id,
    as_of_date::timestamp as read_from,
    hash(int_market_series) as row_hash

from {{ inputs.int_market_series }} as int_market_series

union all

select
    'int_sessions' as input,
    0 as security_id,
    session_date::timestamp as read_from,
    hash(session_date, is_month_end) as row_hash

from {{ inputs.int_sessions }}
{%- endmacro %}

{#- A query for the names of those tables whose rows are not the ones that were digested; NULL where all are. -#}
{% macro feature_inputs_changed(inputs, digests) -%}
with

digested as (

    select
        input,
        security_id,
        row_count,
        digest

    from {{ digests }}

    where row_count > 0

),

found as (

    select
        input,
        security_id,
        count(*) as row_count,
        bit_xor(hash(row_hash)) as digest

    from (
        {{ feature_row_hashes(inputs) | indent(8) }}
    )

    where read_from <= (select any_value(through_at) from {{ digests }})

    group by input, security_id

),

changed as (

    select distinct case input when 'bars' then 'int_prices, int_returns, int_universe' else input end as name

    from digested

    full join found using (input, security_id)

    where
        digested.row_count is distinct from found.row_count
        or digested.digest is distinct from found.digest

)

select string_agg(name, ', ' order by name)

from changed
{%- endmacro %}
