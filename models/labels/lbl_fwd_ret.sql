{#- Forward total returns from the entry session, entry_lag_sessions after the decision, over h sessions.
    Grain: one row per (as_of_date, security_id), all rows of int_prices; NULL where there is no label.
    fwd_ret = TR(exit) / TR(entry) - 1, exit = entry + h sessions of the calendar:
      - an entry session without a fresh bar has no label (nobody could have bought);
      - no row at the exit (bars paused): TR of the first bar within 60 sessions after it;
      - last bar of a delisted security before the exit: TR of the last bar x (1 + delisting return), cash from then on,
        as soon as the market has reached the exit;
      - a file that merely ends: no label.
    label_end_date is the session on which the return is settled: the scheduled exit, or later where only a later bar
    says that the name lives (an exit on a carried row, or on none), or where the delisting becomes known only then. A
    fold that begins in between may not learn from it: at its start nobody could have told.
    Nearly all rows are settled by leads over storage order: row_in_run grows by exactly k over k rows only inside one
    unbroken run. The few others (ends of runs, stale exits) are settled by a join, which is why the table is sorted
    again at its end. -#}
{%- set lag = setting_number('entry_lag_sessions') -%}
{%- set horizons = var('label_horizons') -%}

with

prices as (

    select
        as_of_date,
        security_id,
        session_index,
        row_in_run,
        is_stale,
        close_total_return as tr

    from {{ ref('int_prices') }}

),

-- the entry (0) and the exits: rows of the same run are as many rows as sessions away
ahead as not materialized (

    select
        {% for h in [0] + horizons %}
        lead(row_in_run, {{ lag + h }}) over () = row_in_run + {{ lag + h }} as is_same_run_{{ h }},
        lead(is_stale, {{ lag + h }}) over () as is_stale_{{ h }},
        lead(tr, {{ lag + h }}) over () as tr_{{ h }},
        lead(as_of_date, {{ lag + h }}) over () as date_{{ h }},
        {% endfor %}
        as_of_date,
        security_id,
        session_index

    from prices

),

-- fresh bars there, else NULL
reached as not materialized (

    select
        as_of_date,
        security_id,
        session_index,
        {%- for h in [0] + horizons %}
        case when is_same_run_{{ h }} and not is_stale_{{ h }} then tr_{{ h }} end as tr_{{ h }},
        date_{{ h }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from ahead

),

plain as (

    select
        as_of_date,
        security_id,
        {%- for h in horizons %}
        tr_{{ h }} / nullif(tr_0, 0) - 1 as fwd_ret_{{ h }}d,
        case when tr_{{ h }} / nullif(tr_0, 0) is not null then date_{{ h }} end as label_end_date_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from reached

),

horizons as (

    select unnest({{ horizons }}) as horizon

),

-- rows that leads did not settle, one per horizon
unsettled as (

    select
        reached.as_of_date,
        reached.security_id,
        horizons.horizon,
        reached.session_index + {{ lag }} as entry_index,
        reached.session_index + {{ lag }} + horizons.horizon as exit_index

    from reached
    cross join horizons
    where
        case horizons.horizon
            {%- for h in horizons %}
            when {{ h }} then reached.tr_{{ h }} is null
            {%- endfor %}
        end

),

market_end as (

    select max(session_index) as last_index from prices

),

-- the last bar of each delisted security
endings as (

    select
        securities.security_id,
        securities.delisting_return,
        securities.delisting_known_date,
        prices.session_index as last_index,
        prices.tr as last_tr

    from {{ ref('int_securities') }} as securities
    inner join prices
        on securities.security_id = prices.security_id and securities.delisted_date = prices.as_of_date
    where securities.is_delisted

),

entered as (

    select
        unsettled.*,
        prices.tr as tr_entry

    from unsettled
    inner join prices
        on unsettled.security_id = prices.security_id and unsettled.entry_index = prices.session_index
    where not prices.is_stale

),

bars as (

    select * from prices
    where not is_stale

),

-- the first row at the exit or after it, and the first bar that says the name still trades
exited as (

    select
        entered.as_of_date,
        entered.security_id,
        entered.horizon,
        entered.exit_index,
        entered.tr_entry,
        case when prices.session_index <= entered.exit_index + 60 then prices.tr end as tr_exit,
        bars.as_of_date as bar_date

    from entered
    asof left join prices
        on entered.security_id = prices.security_id and entered.exit_index <= prices.session_index
    asof left join bars
        on entered.security_id = bars.security_id and entered.exit_index <= bars.session_index

),

settled as (

    select
        exited.as_of_date,
        exited.security_id,
        exited.horizon,
        case
            when endings.last_index < exited.exit_index and exited.exit_index > market_end.last_index then null
            when endings.last_index < exited.exit_index
                then endings.last_tr * (1 + endings.delisting_return) / nullif(exited.tr_entry, 0) - 1
            when exited.bar_date is not null then exited.tr_exit / nullif(exited.tr_entry, 0) - 1
        end as fwd_ret,
        case
            when endings.last_index < exited.exit_index
                then greatest(sessions.session_date, endings.delisting_known_date)
            else exited.bar_date
        end as label_end_date

    from exited
    cross join market_end
    left join endings on exited.security_id = endings.security_id
    left join {{ ref('int_sessions') }} as sessions on exited.exit_index = sessions.session_index

),

exceptions as (

    select
        as_of_date,
        security_id,
        {%- for h in horizons %}
        max(fwd_ret) filter (where horizon = {{ h }}) as fwd_ret_{{ h }}d,
        max(label_end_date) filter (where horizon = {{ h }}) as label_end_date_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from settled
    where fwd_ret is not null
    group by as_of_date, security_id

),

labelled as (

    select
        ---------- keys
        plain.as_of_date,
        plain.security_id,

        ---------- labels
        {%- for h in horizons %}
        coalesce(plain.fwd_ret_{{ h }}d, exceptions.fwd_ret_{{ h }}d) as fwd_ret_{{ h }}d,
        {%- endfor %}

        ---------- when each is settled
        {%- for h in horizons %}
        coalesce(plain.label_end_date_{{ h }}d, exceptions.label_end_date_{{ h }}d) as label_end_date_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from plain
    left join exceptions
        on plain.security_id = exceptions.security_id and plain.as_of_date = exceptions.as_of_date

)

select * from labelled
order by security_id, as_of_date
