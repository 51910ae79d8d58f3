{#- What the features were last computed from, as one digest per input and security, and how this market differs from
    it: whether anything the features had read by the end of the market before has changed since. By it a build computes the
    new sessions only (docs/decisions/0014). A build that finds the market of the build before leaves the table as it is.
    Grain: one row per input and security_id; 0 stands for what concerns the market as a whole. Source: int_prices,
    int_returns and int_universe (together bars), the steps of statements and owners, int_market_series, int_sessions; the
    table itself. -#}

{%- set inputs = {} %}
{%- for name in feature_inputs() %}{% do inputs.update({name: ref(name)}) %}{% endfor %}
{#- a larger share of names with a changed past, or of rows out of order, makes a full refresh the cheaper way -#}
{%- set names_renewed_at_most = 0.1 %}
{%- set rows_appended_at_most = 0.25 %}
{%- set columns = {
    'input': 'varchar', 'security_id': 'bigint', 'row_count': 'bigint', 'digest': 'ubigint',
    'is_past_changed': 'boolean', 'through_date': 'date', 'through_at': 'timestamp', 'version': 'ubigint',
    'previous_through_date': 'date', 'previous_version': 'ubigint', 'appended_rows': 'bigint',
} %}
{%- set nulls = [] %}
{%- for name, type in columns.items() %}{% do nulls.append('null::' ~ type ~ ' as ' ~ name) %}{% endfor %}
{%- set before = load_relation(this) if execute and not should_full_refresh() %}
{%- if before and (adapter.get_columns_in_relation(before) | map(attribute='name') | list) != columns | list %}
    {%- set before = none %}
{%- endif %}

with

before as (

    {% if before -%}
    select * from {{ before }}
    {%- else -%}
    select {{ nulls | join(', ') }}

    where false
    {%- endif %}

),

-- one row, of NULLs where there is no build before
build_before as (

    select
        any_value(version) as version,
        any_value(through_date) as through_date,
        any_value(through_at) as through_at,
        any_value(appended_rows) as appended_rows

    from before

),

market_end as (

    select
        max(as_of_date) as through_date,
        max(known_at) as through_at

    from {{ ref('int_prices') }}

),

hashed as (

    {{ feature_row_hashes(inputs) | indent }}

),

-- as of the end of the market, and as of the end it had in the build before; hashed once more, because a row's hash is
-- that of its last column joined to the others by exclusive or: the same change of it in two rows would cancel out
digested as (

    select
        hashed.input,
        hashed.security_id,
        count(*) as row_count,
        bit_xor(hash(hashed.row_hash)) as digest,
        count(*) filter (where hashed.read_from <= build_before.through_at) as past_row_count,
        coalesce(
            bit_xor(hash(hashed.row_hash)) filter (where hashed.read_from <= build_before.through_at), 0
        ) as past_digest

    from hashed

    cross join build_before

    cross join market_end

    where hashed.read_from <= market_end.through_at

    group by hashed.input, hashed.security_id

),

-- a security that has vanished stays for one build, so that its rows go
compared as (

    select
        coalesce(digested.input, before.input) as input,
        coalesce(digested.security_id, before.security_id) as security_id,
        coalesce(digested.row_count, 0) as row_count,
        coalesce(digested.digest, 0) as digest,
        coalesce(digested.past_row_count, 0) as past_row_count,
        coalesce(digested.past_row_count, 0) <> coalesce(before.row_count, 0)
        or coalesce(digested.past_digest, 0) <> coalesce(before.digest, 0) as is_past_changed

    from digested

    full join before
        on
            digested.input = before.input
            and digested.security_id = before.security_id

    where
        digested.security_id is not null
        or before.row_count > 0

),

-- what a batch would bring
summed as (

    select
        bit_xor(hash(hash(input, security_id, row_count, digest))) filter (where row_count > 0) as version,
        count(distinct security_id) filter (where is_past_changed) as renewed_names,
        coalesce(bool_or(is_past_changed and security_id = 0), false) as is_market_changed,
        count(*) filter (where input = 'bars') as names,
        sum(row_count) filter (where input = 'bars') as bars,
        sum(case when is_past_changed then row_count else row_count - past_row_count end) filter (where input = 'bars')
            as new_bars

    from compared

),

decided as (

    select
        summed.version,
        market_end.through_date,
        market_end.through_at,
        build_before.through_date as previous_through_date,
        build_before.version as previous_version,
        build_before.appended_rows + summed.new_bars as appended_rows,
        (summed.version is not distinct from build_before.version) as is_same,
        coalesce(
            market_end.through_date < build_before.through_date
            or summed.is_market_changed
            or summed.renewed_names > {{ names_renewed_at_most }} * summed.names
            or build_before.appended_rows + summed.new_bars > {{ rows_appended_at_most }} * summed.bars,
            true
        ) as is_full

    from summed

    cross join market_end

    cross join build_before

)

select
    ---------- keys
    compared.input,
    compared.security_id,

    ---------- what there is now, and whether what the build before had is still there
    compared.row_count::bigint as row_count,
    compared.digest,
    compared.is_past_changed,

    ---------- this build; the same on all rows
    decided.through_date,
    decided.through_at,
    decided.version,

    ---------- the build it can be added to; NULL where the features are to be made anew
    case when not decided.is_full then decided.previous_through_date end as previous_through_date,
    case when not decided.is_full then decided.previous_version end as previous_version,
    case when decided.is_full then 0 else decided.appended_rows end::bigint as appended_rows

from compared

cross join decided

where not decided.is_same

union all

select before.*

from before

cross join decided

where decided.is_same

order by input, security_id
