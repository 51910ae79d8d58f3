{#- Information coefficients of the alphas: how a date's scores lined up with the returns that followed.
    Grain: one row per (alpha_name, horizon_days, signal_date); dated by matured_date, the session on which the labels
    of that date are settled, so that a row is known on its matured_date. Names whose label settled later (an exit
    carried over a halt) take no part: who they are is not known yet.
    IC is Pearson's, rank IC Spearman's with average ties, over members with both score and label, at least
    min_cross_section of them; NULL when either side does not vary.
    Exact: scores and returns are brought to [0, 1] by the date's range and summed as decimals; twice an average rank is
    an integer (the first plus the last rank of its ties), so rank sums are integers, which those of percentile_ranks
    would not be. -#}

with

sessions as (

    select
        session_date,
        session_index

    from {{ ref('int_sessions') }}

),

horizons as (

    select
        alpha_name,
        horizon_days

    from {{ ref('alpha_specs') }}
    where is_active

    union all

    select
        'alpha_v8' as alpha_name,
        unnest([5, 20]) as horizon_days

),

-- one number for (alpha_name, horizon_days, signal_date): windows over it cost two thirds of windows over the three
matured as (

    select
        signals.session_date as signal_date,
        horizons.alpha_name,
        horizons.horizon_days,
        ends.session_date as matured_date,
        (row_number() over (order by horizons.alpha_name, horizons.horizon_days, signals.session_date))::integer
            as signal_id
    from horizons
    cross join sessions as signals
    inner join sessions as ends
        on signals.session_index + {{ setting('entry_lag_sessions') }} + horizons.horizon_days = ends.session_index

),

scores as (

    select
        as_of_date,
        security_id,
        alpha_name,
        score

    from {{ ref('ml_predictions') }}

    union all

    select
        as_of_date,
        security_id,
        'alpha_' || bundle_name as alpha_name,
        mf_score as score

    from {{ ref('ml_bundle_scores') }}
    where bundle_name = 'v8' and mf_score is not null

),

returns as (

    {% for horizon in var('label_horizons') -%}
    select
        as_of_date,
        security_id,
        {{ horizon }} as horizon_days,
        fwd_ret_{{ horizon }}d as realized,
        label_end_date_{{ horizon }}d as label_end_date
    from {{ ref('labels') }}
    where fwd_ret_{{ horizon }}d is not null
    {%- if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

pairs as (

    select
        matured.signal_id,
        scores.score,
        returns.realized
    from scores
    inner join matured
        on
            scores.as_of_date = matured.signal_date
            and scores.alpha_name = matured.alpha_name
    inner join returns
        on
            scores.as_of_date = returns.as_of_date
            and scores.security_id = returns.security_id
            and matured.horizon_days = returns.horizon_days
    where returns.label_end_date <= matured.matured_date

),

ranked as (

    select
        signal_id,
        score,
        realized,
        rank() over (signal order by score) + count(*) over (signal order by score) as score_rank_twice,
        rank() over (signal order by realized) + count(*) over (signal order by realized) as realized_rank_twice
    from pairs
    window signal as (partition by signal_id)

),

ranges as (

    select
        signal_id,
        count(*) as names,
        min(score) as lowest_score,
        nullif(max(score) - min(score), 0) as score_range,
        min(realized) as lowest_realized,
        nullif(max(realized) - min(realized), 0) as realized_range
    from pairs
    group by signal_id
    having count(*) >= {{ setting('min_cross_section') }}

),

units as (

    select
        ranges.signal_id,
        ranges.names,
        (ranked.score - ranges.lowest_score) / ranges.score_range as x,
        (ranked.realized - ranges.lowest_realized) / ranges.realized_range as y,
        ranked.score_rank_twice - (ranges.names + 1) as x_rank,
        ranked.realized_rank_twice - (ranges.names + 1) as y_rank
    from ranked
    inner join ranges
        on ranked.signal_id = ranges.signal_id

),

sums as (

    select
        signal_id,
        names,
        sum(x::decimal(18, 15))::double as x_sum,
        sum(y::decimal(18, 15))::double as y_sum,
        sum((x * x)::decimal(18, 15))::double as xx_sum,
        sum((y * y)::decimal(18, 15))::double as yy_sum,
        sum((x * y)::decimal(18, 15))::double as xy_sum,
        sum(x_rank * x_rank)::double as xx_ranks,
        sum(y_rank * y_rank)::double as yy_ranks,
        sum(x_rank * y_rank)::double as xy_ranks
    from units
    group by all

)

select
    ---------- keys
    matured.matured_date,
    matured.signal_date,
    matured.alpha_name,
    matured.horizon_days,

    ---------- quality
    (xy_sum - x_sum * y_sum / names)
    / nullif(sqrt(xx_sum - x_sum * x_sum / names) * sqrt(yy_sum - y_sum * y_sum / names), 0) as ic,
    xy_ranks / nullif(sqrt(xx_ranks) * sqrt(yy_ranks), 0) as rank_ic,
    sums.names
from sums
inner join matured
    on sums.signal_id = matured.signal_id
order by matured.alpha_name, matured.horizon_days, matured.signal_date
