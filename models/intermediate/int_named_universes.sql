{#- From when on a security is in a named universe, and from when on it no longer is. A universe is rows of the seed:
    values of one kind are alternatives, kinds must hold together. What changes with time holds from when it was known:
    a sector from int_sectors on, membership of an index from the end of the day on which the keeper of the index began
    or ended it. The keeper writes tickers of the date: a membership belongs to whoever had the ticker meanwhile, up to
    the end of the day on which it passed on.
    Grain: one row per universe, security_id and known_at, where is_in_universe changes. Source: seed universes,
    int_spells, int_sectors, int_ticker_spells, the vendors of var index_vendors. -#}

with

conditions as (

    select * from {{ ref('universes') }}

    where
        case
            when '{{ setting("member_universe") }}' in (select universe from {{ ref('universes') }}) then true
            else error(
                'var member_universe is {{ setting("member_universe") }}, which seeds/universes.csv does not name. '
                || 'Add its rows there, or correct dbt_project.yml or KAIROS__MEMBER_UNIVERSE.'
            )
        end

),

needed as (

    select
        universe,
        count(distinct kind) as kinds

    from conditions

    group by universe

),

spells as (

    select
        spells.security_id,
        spells.ticker,
        spells.security_type,
        sessions.closes_at as first_close_at

    from {{ ref('int_spells') }} as spells

    inner join {{ ref('int_sessions') }} as sessions
        on spells.first_session_index = sessions.session_index

),

sectors as (

    select * from {{ ref('int_sectors') }}

),

names as (

    select * from {{ ref('int_ticker_spells') }}

    where ticker_of = 'date'

),

memberships as (

    {% for vendor in var('index_vendors') -%}
    select
        '{{ vendor }}' as index_name,
        ticker,
        known_at,
        end_known_at

    from {{ ref('stg_' ~ vendor ~ '__memberships') }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

-- what each security was, from when to when (NULL: still)
spans as (

    select
        security_id,
        'type' as kind,
        security_type as value,
        first_close_at as known_at,
        null::timestamp as until_at

    from spells

    union all

    select
        security_id,
        'list' as kind,
        {{ plain_symbol('ticker') }} as value,
        first_close_at as known_at,
        null::timestamp as until_at

    from spells

    union all

    select
        security_id,
        'sector' as kind,
        sector as value,
        known_at,
        lead(known_at) over (
            partition by security_id
            order by known_at
        ) as until_at

    from sectors

    union all

    select
        names.security_id,
        'index' as kind,
        memberships.index_name as value,
        greatest(memberships.known_at, names.valid_from::timestamp) as known_at,
        least(memberships.end_known_at, {{ known_at("nullif(names.linked_to, date '9999-12-31')") }}) as until_at

    from memberships

    inner join names
        on {{ plain_symbol('memberships.ticker') }} = {{ plain_symbol('names.ticker') }}

),

wanted as (

    select
        conditions.universe,
        conditions.kind,
        spans.security_id,
        spans.known_at,
        spans.until_at

    from conditions

    inner join spans
        on
            conditions.kind = spans.kind
            and if(conditions.kind = 'list', {{ plain_symbol('conditions.value') }}, conditions.value) = spans.value

    where spans.known_at < coalesce(spans.until_at, 'infinity'::timestamp)

),

steps as (

    select
        universe,
        kind,
        security_id,
        known_at,
        1 as step

    from wanted

    union all

    select
        universe,
        kind,
        security_id,
        until_at as known_at,
        -1 as step

    from wanted

    where until_at is not null

),

-- of each kind: does any of its values hold from then on?
by_kind as (

    select
        universe,
        kind,
        security_id,
        known_at,
        (
            sum(sum(step)) over (
                partition by universe, kind, security_id
                order by known_at
            ) > 0
        )::integer as holds

    from steps

    group by universe, kind, security_id, known_at

),

kind_steps as (

    select
        *,
        holds - lag(holds, 1, 0) over (
            partition by universe, kind, security_id
            order by known_at
        ) as step

    from by_kind

),

together as (

    select
        universe,
        security_id,
        known_at,
        sum(sum(step)) over (
            partition by universe, security_id
            order by known_at
        ) as kinds_that_hold

    from kind_steps

    group by universe, security_id, known_at

),

judged as (

    select
        together.universe,
        together.security_id,
        together.known_at,
        together.kinds_that_hold = needed.kinds as is_in_universe,
        coalesce(lag(together.kinds_that_hold = needed.kinds) over (
            partition by together.universe, together.security_id
            order by together.known_at
        ), false) as was_in_universe

    from together

    inner join needed
        on together.universe = needed.universe

)

select
    ---------- keys
    universe,
    security_id,

    ---------- point in time
    known_at,

    ---------- in it from then on, or no longer
    is_in_universe

from judged

where is_in_universe <> was_in_universe

order by universe, security_id, known_at
