{#- Every bar of every price vendor that staging accepts, in the order of its ticker's history. A ticker that several
    vendors deliver stands here with all their bars; int_spells says which of them serves it.
    A symbol under which a file mixes two securities shows in prices that jump to the fivefold and back: a bar whose own
    and last 251 bars hold a jump up and a jump down is refused, told forward in time as a build on its day
    would. One jump is a crash, a reverse split nobody adjusted for, or luck, and stays. A gap of 60 sessions is no jump.
    Grain: one row per vendor, ticker and session. Source: the vendors of var price_vendors. Stored by (ticker, vendor,
    session_index): int_spells streams over it. -#}

{%- set jump_factor = 5 %}
{%- set jumps_within_bars = 252 %}
{%- set gap_sessions = 60 %}

with

bars as (

    {% for vendor in var('price_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        *

    from {{ ref('stg_' ~ vendor ~ '__prices') }}
    {{- ' union all by name ' if not loop.last }}
    {%- endfor %}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

placed as (

    select
        ---------- keys
        bars.ticker,
        bars.session_date,
        sessions.session_index,

        ---------- point in time
        bars.known_at,

        ---------- origin
        bars.vendor,
        bars.dataset,
        bars.file,

        ---------- prices on the dataset's split basis
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.close_total_return,
        bars.volume_shares,

        ---------- as traded, where the vendor delivers it
        bars.close_unadjusted

    from bars

    inner join sessions
        on bars.session_date = sessions.session_date

),

-- windows below stream over this order, so that nothing is sorted for them
ordered as (

    select * from placed

    order by ticker, vendor, session_index

),

compared as (

    select
        *,
        row_number() over () as bar_number,
        coalesce(lag(ticker) over () = ticker and lag(vendor) over () = vendor, false) as is_continued,
        session_index - lag(session_index) over () as sessions_apart,
        close / lag(close) over () as close_ratio

    from ordered

),

jumped as (

    select
        * exclude (sessions_apart, close_ratio),
        is_continued
        and sessions_apart < {{ gap_sessions }}
        and close_ratio >= {{ jump_factor }} as is_jump_up,
        is_continued
        and sessions_apart < {{ gap_sessions }}
        and close_ratio * {{ jump_factor }} <= 1 as is_jump_down

    from compared

),

marked as (

    select
        *,
        max(case when not is_continued then bar_number end) over so_far as first_bar_number,
        max(case when is_jump_up then bar_number end) over so_far as last_jump_up,
        max(case when is_jump_down then bar_number end) over so_far as last_jump_down

    from jumped

    -- the linter's parser knows no named window that has a frame and nothing else
    window so_far as (rows between unbounded preceding and current row) -- noqa: PRS

)

select
    * exclude (
        bar_number, is_continued, is_jump_up, is_jump_down, first_bar_number, last_jump_up, last_jump_down
    ),
    case
        when
            last_jump_up is not null
            and last_jump_down is not null
            and least(last_jump_up, last_jump_down)
            >= greatest(first_bar_number, bar_number - {{ jumps_within_bars - 1 }})
            then 'price_jumps_back_and_forth'
    end as reason

from marked
