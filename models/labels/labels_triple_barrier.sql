{#- Events with a profit target, a stop and a time limit: what a trade decided on a date came to, net of costs.
    Grain: one row per (as_of_date, security_id) that is an event and settled. Source: López de Prado (2018), ch. 3.
    An event is a member on every fifth session with some volatility. It is entered at the next session's open, and leaves
    at +2 sigma, -1 sigma or after 10 sessions, the entry's own the first of them; sigma is vol_21 of the decision's date
    over 10 sessions. Prices are open, high, low and close times close_total_return / close, so that a dividend belongs to
    who held it (a resting stop is lowered by it as well).
      - an entry session without a fresh bar: no event;
      - a bar that opens beyond a barrier fills at its open, whatever it does then; else one that touches both at the stop;
      - no fresh bar on the tenth session: out at the open of the first one within 60 sessions after it, else no label;
      - last bar of a delisted security before the tenth session and no barrier touched: last price x (1 + delisting
        return), as soon as the market has reached the tenth session and the delisting is known.
    Carried rows are no bars. label_end_date is the session from which the outcome may be used. Positions of a daily bar are
    always held overnight, and a bar does not say when within a session a barrier was touched.
    Costs are commission and half spread of both sides, without impact, which depends on the size of the trade. A total
    loss counts as -99%: nothing has no logarithm. -#}
{%- set every, sessions, tp, sl, late = 5, 10, 2, 1, 60 -%}

with

returns as (

    select
        as_of_date,
        security_id,
        r

    from {{ ref('int_returns') }}

),

{{ rolling_moments('returns', ['r'], [21]) }}

prices as (

    select
        as_of_date,
        security_id,
        session_index,
        open * close_total_return / nullif(close, 0) as open_tr,
        high * close_total_return / nullif(close, 0) as high_tr,
        low * close_total_return / nullif(close, 0) as low_tr,
        close_total_return as close_tr

    from {{ ref('int_prices') }}
    where not is_stale

),

-- the volatility of 10 sessions as vol_21 has it
decided as (

    select
        prices.as_of_date,
        prices.security_id,
        prices.session_index,
        prices.decided_at,
        prices.adv_20,
        sqrt(returns_moments.m2_r_21 / 20) * sqrt(252) * sqrt({{ sessions }} / 252) as sigma

    from {{ ref('int_prices') }} as prices
    positional join {{ ref('int_universe') }} as universe
    positional join returns_moments
    where
        {{ same_rows(['prices', 'universe', 'returns_moments']) }}
        and universe.is_member
        and prices.session_index % {{ every }} = 0

),

cost_bounds as (

    select distinct min_adv_usd
    from {{ ref('costs') }}
    where cost in ('commission', 'half_spread')

),

-- of one side, from each bound of daily volume on
side_costs as (

    select
        cost_bounds.min_adv_usd,
        max_by(costs.value, costs.min_adv_usd) filter (where costs.cost = 'commission')
        + max_by(costs.value, costs.min_adv_usd) filter (where costs.cost = 'half_spread') as side_bps

    from cost_bounds
    inner join {{ ref('costs') }} as costs on cost_bounds.min_adv_usd >= costs.min_adv_usd
    group by cost_bounds.min_adv_usd

),

entered as (

    select
        decided.as_of_date,
        decided.security_id,
        decided.session_index,
        decided.decided_at,
        decided.sigma,
        2 * side_costs.side_bps as cost_bps,
        entry.open_tr as entry_tr

    from decided
    inner join prices as entry
        on decided.security_id = entry.security_id and decided.session_index + 1 = entry.session_index
    asof left join side_costs on decided.adv_20 >= side_costs.min_adv_usd
    where decided.sigma > 0 and entry.open_tr > 0

),

steps as (

    select
        *,
        session_index + unnest(range(1, {{ sessions + 1 }})) as step_index
    from entered

),

-- the bars of an event's sessions, in units of its entry
path as (

    select
        steps.as_of_date,
        steps.security_id,
        steps.step_index,
        prices.open_tr / steps.entry_tr as opened,
        prices.close_tr / steps.entry_tr as closed,
        -- the open comes before the low: a target that it reaches is filled, however far the bar falls
        case
            when opened >= 1 + {{ tp }} * steps.sigma then 'target'
            when prices.low_tr / steps.entry_tr <= 1 - {{ sl }} * steps.sigma then 'stop'
            when prices.high_tr / steps.entry_tr >= 1 + {{ tp }} * steps.sigma then 'target'
        end as touched

    from steps
    inner join prices on steps.security_id = prices.security_id and steps.step_index = prices.session_index

),

walked as (

    select
        as_of_date,
        security_id,
        arg_min(touched, step_index) filter (where touched is not null) as barrier,
        arg_min(opened, step_index) filter (where touched is not null) as opened,
        min(step_index) filter (where touched is not null) as touched_index,
        arg_max(closed, step_index) as closed,
        max(step_index) as last_index

    from path
    group by as_of_date, security_id

),

market_end as (

    select max(session_index) as last_index from {{ ref('int_prices') }}

),

-- the last bar of each delisted security
endings as (

    select
        securities.security_id,
        securities.delisting_return,
        securities.delisting_known_date,
        prices.session_index as last_index

    from {{ ref('int_securities') }} as securities
    inner join prices
        on securities.security_id = prices.security_id and securities.delisted_date = prices.as_of_date
    where securities.is_delisted

),

-- untouched, and without a bar on the last session: the next bar there is
unfinished as (

    select
        entered.as_of_date,
        entered.security_id,
        entered.entry_tr,
        entered.session_index + {{ sessions }} as due_index
    from entered
    inner join walked
        on entered.security_id = walked.security_id and entered.as_of_date = walked.as_of_date
    where walked.barrier is null and walked.last_index < entered.session_index + {{ sessions }}

),

-- looked for session by session: an as-of join against few rows reads all prices anew for each of them
resumptions as (

    select
        *,
        due_index + unnest(range({{ late + 1 }})) as step_index
    from unfinished

),

resumed as (

    select
        resumptions.as_of_date,
        resumptions.security_id,
        min(prices.session_index) as resumed_index,
        arg_min_null(prices.open_tr / resumptions.entry_tr, prices.session_index) as reopened

    from resumptions
    inner join prices
        on resumptions.security_id = prices.security_id and resumptions.step_index = prices.session_index
    group by resumptions.as_of_date, resumptions.security_id

),

outcomes as (

    select
        entered.as_of_date,
        entered.security_id,
        entered.session_index,
        entered.decided_at,
        entered.cost_bps,
        {{ tp }} * entered.sigma as tp,
        {{ sl }} * entered.sigma as sl,
        case
            when walked.barrier is not null then walked.barrier
            when walked.last_index = entered.session_index + {{ sessions }} then 'time'
            when endings.last_index < entered.session_index + {{ sessions }}
                then case when entered.session_index + {{ sessions }} <= market_end.last_index then 'delisting' end
            when resumed.reopened is not null then 'time'
        end as barrier_hit,
        case barrier_hit
            when 'stop' then least(walked.opened, 1 - {{ sl }} * entered.sigma)
            when 'target' then greatest(walked.opened, 1 + {{ tp }} * entered.sigma)
            when 'delisting' then walked.closed * (1 + endings.delisting_return)
            when 'time' then coalesce(resumed.reopened, walked.closed)
        end as gross,
        case barrier_hit
            when 'delisting' then endings.last_index
            when 'time' then coalesce(resumed.resumed_index, walked.last_index)
            else walked.touched_index
        end as exit_index,
        case
            when barrier_hit in ('stop', 'target') then gross = walked.opened
            else resumed.reopened is not null and barrier_hit = 'time'
        end as is_exit_at_open,
        case when barrier_hit = 'delisting' then endings.delisting_known_date end as delisting_known_date

    from entered
    cross join market_end
    inner join walked on entered.security_id = walked.security_id and entered.as_of_date = walked.as_of_date
    left join resumed on entered.security_id = resumed.security_id and entered.as_of_date = resumed.as_of_date
    left join endings on entered.security_id = endings.security_id

),

events as (

    select
        ---------- keys
        outcomes.as_of_date,
        outcomes.security_id,
        outcomes.security_id || '_' || strftime(outcomes.as_of_date, '%Y%m%d') as event_id,

        ---------- the trade
        outcomes.decided_at,
        entries.opens_at as entry_at,
        case when outcomes.is_exit_at_open then exits.opens_at else exits.closes_at end as exit_at,
        outcomes.tp,
        outcomes.sl,
        outcomes.cost_bps,
        outcomes.barrier_hit,

        ---------- labels
        ln(greatest(outcomes.gross, 0.01)) - outcomes.cost_bps / 10000 as net_logret,
        case
            when outcomes.barrier_hit = 'delisting'
                then greatest(dues.session_date, outcomes.delisting_known_date)
            else exits.session_date
        end as label_end_date,
        outcomes.tp * 10000 / nullif(outcomes.cost_bps, 0) as tp_to_cost

    from outcomes
    inner join {{ ref('int_sessions') }} as entries on outcomes.session_index + 1 = entries.session_index
    inner join {{ ref('int_sessions') }} as exits on outcomes.exit_index = exits.session_index
    inner join {{ ref('int_sessions') }} as dues on outcomes.session_index + {{ sessions }} = dues.session_index
    where outcomes.barrier_hit is not null

)

select * from events
order by security_id, as_of_date
