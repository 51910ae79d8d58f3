{#- Walk-forward folds of the active alphas: windows, purge, embargo, and how many rows each leaves.
    Grain: one row per (alpha_name, fold_id). Source: ml_panel, labels; purge and embargo after
    López de Prado (2018), ch. 7.
    Boundaries count forward by months from var folds_start_date, so that a new day of data never moves a fold, and
    nothing here looks past a fold's test start: a label that is not settled by then counts as not there. -#}

{%- set lag = setting_number('entry_lag_sessions') %}

with

specs as (

    select *
    from {{ ref('alpha_specs') }}
    where is_active

),

sessions as (

    select
        session_date,
        session_index,
        previous_session_date

    from {{ ref('int_sessions') }}

),

months as (

    select
        date_trunc('month', session_date)::date as month_start,
        min(session_date) as first_session_date,
        min(session_index) as first_session_index
    from sessions
    group by all

),

market as (

    select
        min(as_of_date) filter (where is_member) as first_member_date,
        max(as_of_date) as last_date,
        date_trunc('month', '{{ setting_date("folds_start_date") }}'::date)::date as folds_start_month
    from {{ ref('int_universe') }}

),

counted as (

    select
        specs.*,
        market.first_member_date,
        market.last_date,
        market.folds_start_month,
        unnest(range(0, 1 + date_diff('month', market.folds_start_month, market.last_date) // specs.step_months))
            as fold_index
    from specs
    cross join market

),

bounds as (

    select
        *,
        (folds_start_month + to_months((train_months + fold_index * step_months)::integer))::date as test_month,
        (test_month + to_months(test_months))::date as next_month,
        case
            when train_window = 'rolling' then (test_month - to_months(train_months))::date else folds_start_month
        end as window_month
    from counted

),

folds as (

    select
        bounds.alpha_name,
        bounds.label,
        bounds.horizon_days,
        bounds.task,
        bounds.embargo_sessions,
        bounds.train_every_sessions,
        bounds.min_training_rows,
        bounds.retrain,
        bounds.n_splits,
        bounds.calibration,
        bounds.fold_index::integer as fold_index,
        strftime(bounds.test_month, '%Y-%m-%d') as fold_id,
        window_months.first_session_date as window_start_date,
        tests.first_session_date as test_start_date,
        tests.first_session_index as test_start_index,
        next_sessions.previous_session_date as test_end_date,
        deadlines.session_date as labels_settled_before_date,
        tests.first_session_index - {{ lag }} - bounds.horizon_days as purge_from_index,
        purge_from_index - bounds.embargo_sessions as train_before_index
    from bounds
    inner join months as tests on bounds.test_month = tests.month_start
    inner join months as window_months on bounds.window_month = window_months.month_start
    inner join months as next_months on bounds.next_month = next_months.month_start
    inner join sessions as next_sessions on next_months.first_session_date = next_sessions.session_date
    inner join sessions as deadlines
        on tests.first_session_index - bounds.embargo_sessions = deadlines.session_index
    where
        tests.first_session_date > bounds.first_member_date
        and tests.first_session_date <= bounds.last_date

),

candidates as (

    select
        training_rows.*,
        specs.task in ('classification', 'multiclass') as is_class
    from {{ ref('ml_training_rows') }} as training_rows
    inner join specs on training_rows.alpha_name = specs.alpha_name

),

dates as (

    select
        alpha_name,
        as_of_date,
        session_index,
        case when label_value is not null then label_end_date end as label_end_date,
        count(*) as candidate_rows,
        count(label_value) as labelled_rows,
        bit_or(case when is_class then 1 << label_value::integer end) as classes
    from candidates
    group by all

),

fold_dates as (

    select
        folds.alpha_name,
        folds.fold_id,
        dates.as_of_date,
        dates.session_index,
        dates.label_end_date,
        dates.candidate_rows,
        dates.labelled_rows,
        dates.classes,
        case
            when dates.session_index >= folds.purge_from_index then 'purged'
            when dates.session_index >= folds.train_before_index then 'embargoed'
            when dates.label_end_date < folds.labels_settled_before_date then 'trained'
            else 'unlabelled'
        end as outer_part
    from folds
    inner join dates
        on
            folds.alpha_name = dates.alpha_name
            and folds.window_start_date <= dates.as_of_date
            and folds.test_start_index > dates.session_index

),

-- the newest fifth of the dates left, where an alpha is calibrated
slices as (

    select
        folds.alpha_name,
        folds.fold_id,
        any_value(folds.horizon_days) as horizon_days,
        list_sort(list(distinct fold_dates.session_index)) as left_sessions,
        left_sessions[len(left_sessions) - len(left_sessions) // 5 + 1] as calibration_start_index
    from folds
    inner join fold_dates on folds.alpha_name = fold_dates.alpha_name and folds.fold_id = fold_dates.fold_id
    where folds.calibration <> 'none' and fold_dates.outer_part = 'trained'
    group by folds.alpha_name, folds.fold_id

),

calibrations as (

    select
        slices.alpha_name,
        slices.fold_id,
        slices.calibration_start_index,
        sessions.session_date as calibration_start_date,
        slices.calibration_start_index - {{ lag }} - slices.horizon_days as base_before_index
    from slices
    inner join sessions on slices.calibration_start_index = sessions.session_index

),

parted as (

    select
        fold_dates.*,
        case
            when fold_dates.outer_part <> 'trained' or calibrations.calibration_start_index is null
                then fold_dates.outer_part
            when fold_dates.session_index >= calibrations.calibration_start_index then 'calibrated'
            when fold_dates.session_index >= calibrations.base_before_index then 'calibration_purged'
            when fold_dates.label_end_date < calibrations.calibration_start_date then 'trained'
            else 'calibration_purged'
        end as part
    from fold_dates
    left join calibrations
        on
            fold_dates.alpha_name = calibrations.alpha_name
            and fold_dates.fold_id = calibrations.fold_id

),

counts as (

    select
        alpha_name,
        fold_id,
        sum(candidate_rows) filter (where part = 'purged') as purged_rows,
        sum(candidate_rows) filter (where part = 'embargoed') as embargoed_rows,
        sum(candidate_rows) filter (where part = 'unlabelled') as unlabelled_rows,
        sum(labelled_rows) filter (where part = 'trained') as train_rows,
        min(as_of_date) filter (where part = 'trained') as train_start_date,
        max(as_of_date) filter (where part = 'trained') as train_end_date,
        coalesce(bit_count(bit_or(classes) filter (where part = 'trained')), 0) as classes,
        sum(labelled_rows) filter (where part = 'calibrated') as calibration_rows,
        sum(labelled_rows) filter (where part = 'calibration_purged') as calibration_purged_rows,
        coalesce(bit_count(bit_or(classes) filter (where part = 'calibrated')), 0) as calibration_classes
    from parted
    group by all

),

judged_alone as (

    select
        folds.*,
        counts.train_start_date,
        counts.train_end_date,
        coalesce(counts.train_rows, 0)::bigint as train_rows,
        coalesce(counts.purged_rows, 0)::bigint as purged_rows,
        coalesce(counts.embargoed_rows, 0)::bigint as embargoed_rows,
        coalesce(counts.unlabelled_rows, 0)::bigint as unlabelled_rows,
        calibrations.calibration_start_date,
        calibrations.base_before_index,
        coalesce(counts.calibration_rows, 0)::bigint as calibration_rows,
        coalesce(counts.calibration_purged_rows, 0)::bigint as calibration_purged_rows,
        case
            when coalesce(counts.train_rows, 0) < folds.min_training_rows
                then 'fewer than ' || folds.min_training_rows || ' training rows'
            when folds.task = 'classification' and counts.classes < 2 then 'training rows of one class only'
            when folds.task = 'multiclass' and counts.classes < 3
                then 'training rows of ' || counts.classes || ' of 3 classes only'
            when folds.calibration <> 'none' and calibrations.calibration_start_date is null
                then 'fewer than 5 dates: no slice to calibrate on'
            when
                folds.calibration <> 'none'
                and counts.calibration_classes < case folds.task when 'multiclass' then 3 else 2 end
                then 'calibration rows of ' || counts.calibration_classes || ' class(es) only'
        end as reason_alone
    from folds
    left join counts
        on
            folds.alpha_name = counts.alpha_name
            and folds.fold_id = counts.fold_id
    left join calibrations
        on
            folds.alpha_name = calibrations.alpha_name
            and folds.fold_id = calibrations.fold_id

),

judged as (

    select
        *,
        min(case when reason_alone is null then fold_id end) over (partition by alpha_name) as first_fitted,
        coalesce(fold_id >= first_fitted, false) as is_served,
        coalesce(
            reason_alone,
            case
                when retrain = 'none' and fold_id > first_fitted
                    then 'no retraining: served by the fit of ' || first_fitted
            end
        ) as reason
    from judged_alone

)

select
    ---------- keys
    alpha_name,
    fold_id,
    fold_index,

    ---------- windows
    window_start_date,
    train_start_date,
    train_end_date,
    calibration_start_date,
    test_start_date,
    test_end_date,
    test_start_index,
    train_before_index,
    labels_settled_before_date,
    base_before_index,

    ---------- rows
    train_rows,
    purged_rows,
    embargoed_rows,
    unlabelled_rows,
    calibration_rows,
    calibration_purged_rows,

    ---------- outcome
    case when reason is null then 'fitted' else 'skipped' end as status,
    reason
from judged
-- n_splits are counted from the first fold that can be fitted, which is known at its start; the last fit serves on
qualify
    not is_served
    or n_splits is null
    or row_number() over (partition by alpha_name, is_served order by fold_id) <= n_splits
order by alpha_name, fold_id
