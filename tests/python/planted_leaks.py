"""Ways to look ahead, each planted in the code on purpose and caught by a check of the project.

A leak is a replacement of text in files of the project, the time rule that it breaks, and the check that must fail: a
unit test of dbt, run on a copy of its model with the text replaced, or the lookahead proof, which builds the small
market with and without the future (tests/python/test_proof.py runs them all).

`python tests/python/planted_leaks.py` writes the list as docs/leaks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/leaks.md"

FOLDS = "models/ml/ml_folds.sql"
ENSEMBLES = "models/ml/ml_ensemble_weights.sql"
ENSEMBLES_TEST = "test_ml_ensemble_weights__evidence_has_matured_before"
FITTING, SCORING = "kairos/fitting.py", "kairos/scoring.py"
LEARNED_ROWS = "X = files.matrix()[rows][:, files.positions(features)]"
NO_FUTURE_IN_FITS = "test_a_fit_does_not_change_with_anything_after_its_deadline"
STAGING, INTERMEDIATE, FEATURES = "models/staging", "models/intermediate", "models/features"


@dataclass(frozen=True)
class Proof:
    """The lookahead proof as a check: what is built again, and the model that must differ from the attacked build's."""

    select: str
    caught_by: str
    in_season: bool = False  # cut on the day of many statements, else a few sessions after the start of a test window
    attack: str = "deleted"


@dataclass(frozen=True)
class Pytest:
    """A test of Python as a check: it must fail on a copy of the package that has the leak."""

    file: str
    name: str


@dataclass(frozen=True)
class Leak:
    """One way to look ahead: `edits` are (file, text there, other text), `check` a unit test of dbt by its name, a test
    of Python or the proof.
    """

    name: str
    rule: str
    edits: tuple[tuple[str, str, str], ...]
    check: str | Pytest | Proof


NO_PURGE = (
    (FOLDS, "- {{ lag }} - bounds.horizon_days as purge_from_index", "as purge_from_index"),
    (FOLDS, "tests.first_session_index - bounds.embargo_sessions =", "tests.first_session_index + 30 ="),
)
LATER_EVENTS = (
    ("macros/as_of_rows.sql", "on {{ events }}.{{ at }}::date =", "on {{ events }}.{{ at }}::date - 5 ="),
    ("macros/as_of_rows.sql", "coalesce({{ by_row }}.{{ at }} <= {{ prices }}.decided_at, true)", "true"),
)
TRADES_AT_ONCE = (("macros/insider_transactions.sql", "known_at('filing_date')", "known_at('transaction_date')"),)
ADJUSTED_VALUE = (
    (f"{INTERMEDIATE}/int_fundamentals_as_of.sql", "coalesce(close_unadjusted, close) as price", "close as price"),
)
CENTRED = ((f"{FEATURES}/feat_volatility.sql", "sqrt(m2_r_21 / 20)", "sqrt(lead(m2_r_21, 10) over () / 20)"),)

LEAKS = (
    # --- when a row is known
    Leak(
        "a filing is served on its own date",
        "what has only a date is known at its end",
        (("macros/known_at.sql", "+ interval '1 day' - interval '1 microsecond'", ""),),
        "test_stg_sharadar__statements__outflows_are_positive_and_amounts_in_dollars",
    ),
    Leak(
        "a quarter that is not over is served under the dates of one that is",
        "a fiscal quarter two ahead of the company's fiscal years is refused",
        ((f"{STAGING}/simfin/stg_simfin__statement_rows.sql", "months_ahead >= 5 +", "months_ahead >= 12 +"),),
        "test_stg_simfin__statement_rows__a_fiscal_quarter_that_cannot_have_ended_is_refused",
    ),
    Leak(
        "the fiscal years of reports to come say which quarters are refused",
        "a row is judged by what was known before it",
        (
            (
                f"{STAGING}/simfin/stg_simfin__statement_rows.sql",
                "interval 1 microsecond preceding",
                "interval 400 days following",
            ),
        ),
        "test_stg_simfin__statement_rows__a_fiscal_quarter_that_cannot_have_ended_is_refused",
    ),
    Leak(
        "a statement is served from its period's end",
        "a statement is known when it is filed",
        ((f"{STAGING}/sharadar/stg_sharadar__statements.sql", "known_at('datekey')", "known_at('reportperiod')"),),
        "test_stg_sharadar__statements__outflows_are_positive_and_amounts_in_dollars",
    ),
    Leak(
        "an insider's trade is served from the day of the trade",
        "a form is known when it is filed",
        TRADES_AT_ONCE,
        "test_stg_sec_form4__insider_transactions__are_known_at_the_end_of_the_filing_date",
    ),
    Leak(
        "an insider's trade is served from the day of the trade, seen by the proof",
        "a form is known when it is filed",
        TRADES_AT_ONCE,
        Proof(
            "stg_sharadar__insider_transactions int_insider_deliveries int_insider_transactions int_insider_steps"
            " int_feature_digests feat_alternative",
            "feat_alternative",
            attack="restated",
        ),
    ),
    Leak(
        "the trades of the 90 days to come count",
        "a window ends at the decision",
        (
            (
                f"{INTERMEDIATE}/int_insider_steps.sql",
                "known_at + interval {{ window_days }} day as effective_at",
                "known_at - interval 9 day as effective_at",
            ),
        ),
        "test_int_insider_steps__trades_come_in_when_known_and_go_after_90_days",
    ),
    Leak(
        "of two files that deliver a trade the later one's date counts, and an earlier build had the other",
        "what was known first stays known since then",
        (
            (
                f"{INTERMEDIATE}/int_insider_transactions.sql",
                "order by known_at, vendor_order, dataset",
                "order by known_at desc, vendor_order, dataset",
            ),
        ),
        "test_int_insider_transactions__counts_what_two_files_deliver_once",
    ),
    Leak(
        "short interest is served from its settlement",
        "reports with only a settlement date are known nine sessions later",
        (
            (
                f"{STAGING}/finra/stg_finra__checked_short_interest.sql",
                "setting_number('short_interest_known_after_sessions')",
                "0",
            ),
        ),
        "test_stg_finra__checked_short_interest__is_known_nine_sessions_after_settlement",
    ),
    Leak(
        "a snapshot of short interest is served from the settlement it shows",
        "a snapshot is known when it is first seen",
        (
            (
                f"{STAGING}/short_interest/stg_short_interest__checked_short_interest.sql",
                "(try_cast(first_snapshot_at as timestamptz) at time zone 'UTC')::timestamp",
                "try_strptime(short_interest_date, '%m/%d/%y')",
            ),
        ),
        "test_stg_short_interest__checked_short_interest__is_known_when_first_seen",
    ),
    Leak(
        "holdings are served from the quarter's end",
        "holdings with only a quarter's end are known 46 days later",
        (
            (
                f"{STAGING}/sharadar/stg_sharadar__checked_institutional_holdings.sql",
                "setting_number('holdings_known_after_days')",
                "0",
            ),
        ),
        "test_stg_sharadar__checked_institutional_holdings__are_known_46_days_after_the_quarter",
    ),
    Leak(
        "the VIX of a session is used in that session's decision",
        "the VIX closes after the decision",
        (
            (
                f"{INTERMEDIATE}/int_market_series.sql",
                "on vix.session_date = sessions.previous_session_date",
                "on vix.session_date = sessions.session_date",
            ),
        ),
        "test_int_market_series__vix_is_used_a_session_late",
    ),
    # --- versions
    Leak(
        "the newest values stand for the first ones",
        "as-reported values are served, most recent ones only compared",
        ((f"{STAGING}/sharadar/stg_sharadar__fundamentals.sql", "dimension = 'ARQ'", "dimension = 'MRQ'"),),
        "test_stg_sharadar__fundamentals__as_reported_quarters_and_nothing_else",
    ),
    Leak(
        "restated values stand under the first filing's date, by the switch for it",
        "var restatement_policy is as_filed, and most_recent is for comparison only",
        (
            (
                f"{STAGING}/sharadar/stg_sharadar__fundamentals.sql",
                "set is_most_recent = setting('restatement_policy') == 'most_recent'",
                "set is_most_recent = true",
            ),
        ),
        Proof("stg_sharadar__fundamentals+,+feat_fundamental", "feat_fundamental", in_season=True),
    ),
    Leak(
        "a restatement changes the sums before it",
        "restatements are versions, each from when it was known",
        (
            (
                f"{INTERMEDIATE}/int_fundamental_events.sql",
                "and moments.known_at >= restated.known_at\n"
                "            and moments.known_at < coalesce(restated.superseded_at, timestamp 'infinity')",
                "and restated.superseded_at is null",
            ),
        ),
        "test_int_fundamental_events__a_restated_old_quarter_moves_the_sum_from_then_on",
    ),
    Leak(
        "the statement filed last is taken for the newest",
        "the newest quarter is the newest by period end",
        (
            (
                f"{INTERMEDIATE}/int_fundamental_events.sql",
                "max(period_end_date) over so_far as newest_period_end_date",
                "period_end_date as newest_period_end_date",
            ),
        ),
        "test_int_fundamental_events__the_newest_quarter_is_the_newest_by_period_end",
    ),
    # --- as-of joins
    Leak(
        "events of the five days to come are served",
        "an as-of join serves nothing later than the decision",
        LATER_EVENTS,
        "test_int_fundamentals_as_of__known_before_at_and_after_the_decision",
    ),
    Leak(
        "events of the five days to come are served, seen by the proof",
        "an as-of join serves nothing later than the decision",
        LATER_EVENTS,
        Proof("int_fundamentals_as_of feat_fundamental", "feat_fundamental", in_season=True),
    ),
    Leak(
        "an as-of join looks for the next row",
        "an as-of join serves nothing later than the decision",
        (("macros/as_of_join.sql", ">= {{ right_cte }}", "<= {{ right_cte }}"),),
        "test_int_universe__named_universe_is_known_before_exactly_at_and_after",
    ),
    Leak(
        "old statements stay",
        "values older than 400 days are NULL",
        (
            (
                f"{INTERMEDIATE}/int_fundamentals_as_of.sql",
                "is_{{ source }}_fresh",
                "true",
            ),
        ),
        "test_int_fundamentals_as_of__stale_after_400_days_each_statement_for_itself",
    ),
    Leak(
        "old short interest stays",
        "short interest older than 45 days is NULL",
        (
            (
                f"{FEATURES}/feat_alternative.sql",
                "short_interest_age_days <= {{ short_interest_days }}",
                "true",
            ),
        ),
        "test_feat_alternative__uses_what_is_known_and_fresh",
    ),
    # --- units
    Leak(
        "shares are counted on the splits to come",
        "shares stand on the basis of their own day",
        (
            (
                f"{INTERMEDIATE}/int_fundamental_steps.sql",
                "share_factors.share_factor\n\n    from states",
                "max(share_factors.share_factor) over (partition by states.security_id) as share_factor\n\n"
                "    from states",
            ),
        ),
        "test_int_fundamental_steps__a_split_between_two_statements_moves_the_shares",
    ),
    Leak(
        "the least price of a member is held against the adjusted close",
        "adjusted prices are used as ratios only",
        (
            (
                f"{INTERMEDIATE}/int_universe.sql",
                "coalesce(prices.close_unadjusted >=",
                "coalesce(prices.close >=",
            ),
        ),
        "test_int_universe__conditions_hold_from_their_exact_limit_on",
    ),
    Leak(
        "market value is the adjusted close times shares",
        "adjusted prices are used as ratios only",
        ADJUSTED_VALUE,
        "test_int_fundamentals_as_of__known_before_at_and_after_the_decision",
    ),
    Leak(
        "market value is the adjusted close times shares, seen by the proof",
        "adjusted prices are used as ratios only",
        ADJUSTED_VALUE,
        Proof("int_fundamentals_as_of feat_fundamental", "feat_fundamental", attack="resplit"),
    ),
    # --- windows
    Leak(
        "a momentum looks forward",
        "windows end at the decision",
        ((f"{FEATURES}/feat_momentum.sql", "lag(tr, 21) over ()", "lead(tr, 21) over ()"),),
        "test_feat_momentum__windows_start_with_the_run",
    ),
    Leak(
        "a volatility's window is centred",
        "windows end at the decision",
        CENTRED,
        "test_feat_volatility__windows_start_with_the_run",
    ),
    Leak(
        "a volatility's window is centred, seen by the proof",
        "windows end at the decision",
        CENTRED,
        Proof("feat_volatility", "feat_volatility"),
    ),
    Leak(
        "a high of twelve months is still to come",
        "windows end at the decision",
        ((f"{FEATURES}/feat_technical.sql", "close / max_high_252", "close / lead(max_high_252, 5) over ()"),),
        Proof("feat_technical", "feat_technical"),
    ),
    Leak(
        "a volume is held against one to come",
        "windows end at the decision",
        (
            (
                f"{FEATURES}/feat_technical.sql",
                "then volume_shares / nullif(volume_mean, 0)",
                "then lead(volume_shares, 5) over () / nullif(volume_mean, 0)",
            ),
        ),
        Proof("feat_technical", "feat_technical", attack="scrambled"),
    ),
    Leak(
        "of two equal moves the one that rounding made larger counts",
        "adjusted prices are used as ratios only",
        ((f"{FEATURES}/feat_technical.sql", "rise - fall > tie", "rise > fall"),),
        Proof("feat_technical", "feat_technical", attack="resplit_odd"),
    ),
    Leak(
        "an average fades forward",
        "windows end at the decision",
        (("macros/decayed_sums.sql", "' + lag(' ~ s.column", "' + lead(' ~ s.column"),),
        Proof("feat_technical", "feat_technical"),
    ),
    Leak(
        "a window's bits depend on where in its table it stands",
        "bits depend on nothing but what was known",
        (
            (
                f"{FEATURES}/feat_volatility.sql",
                "sqrt(m2_r_21 / 20)",
                # a native window keeps the order of rows only without a partition; the gate is the honest one
                "case when m2_r_21 is not null then stddev_samp(r) over (rows 20 preceding) end",
            ),
        ),
        Proof("feat_volatility", "feat_volatility"),
    ),
    Leak(
        "a short position is doubted for those that are seen later",
        "positions are judged by the ones seen before them",
        (
            (
                f"{INTERMEDIATE}/int_short_interest.sql",
                "day preceding and current row",
                "day preceding and interval {{ staleness_days }} day following",
            ),
        ),
        "test_int_short_interest__a_position_is_in_doubt_beside_those_seen_before_it",
    ),
    Leak(
        "a symbol is refused for jumps that are still to come",
        "bars are judged by the bars before them",
        (
            (
                f"{INTERMEDIATE}/int_bars.sql",
                "(rows between unbounded preceding and current row)",
                "(rows between current row and 5 following)",
            ),
        ),
        "test_int_bars__a_symbol_that_jumps_up_and_down_is_refused_from_the_second_jump_on",
    ),
    # --- who is there
    Leak(
        "the universe of today stands for that of the date",
        "the universe of a date is what was a member then",
        (
            (
                f"{INTERMEDIATE}/int_universe.sql",
                "{{ as_of_join('prices', 'named') }}",
                "left join (select security_id, max_by(is_in_universe, known_at) as is_in_universe from named"
                " group by security_id) as named on prices.security_id = named.security_id",
            ),
        ),
        "test_int_universe__named_universe_is_known_before_exactly_at_and_after",
    ),
    Leak(
        "whoever is in the index counts as always having been in it",
        "membership of an index is that of the date",
        (
            (
                f"{INTERMEDIATE}/int_named_universes.sql",
                "greatest(memberships.known_at, names.valid_from::timestamp)",
                "names.valid_from::timestamp",
            ),
        ),
        "test_int_named_universes__kinds_hold_together_as_they_become_known",
    ),
    Leak(
        "the sector of today stands for that of the date",
        "a market with dated sectors serves no snapshot",
        (
            (
                f"{INTERMEDIATE}/int_sectors.sql",
                "and '{{ setting(\"sector_policy\") }}' = 'of_the_date'",
                "and false",
            ),
        ),
        "test_int_sectors__a_history_stands_alone",
    ),
    Leak(
        "a report keyed by the ticker of the time goes to who has it today",
        "a ticker means who had it on the date",
        (
            (
                "macros/linked_deliveries.sql",
                "and delivered.{{ dated_by }} < symbol_spells.linked_until",
                "",
            ),
        ),
        "test_int_insider_deliveries__one_transaction_has_one_key_whatever_the_file",
    ),
    Leak(
        "a death is known on the day of the last bar",
        "silence declares a death after 20 sessions",
        (
            (
                f"{INTERMEDIATE}/int_spells.sql",
                "min(market_days.session_index) as known_session_index",
                "min(last_days.session_index) as known_session_index",
            ),
        ),
        "test_int_spells__delisting_is_known_at_the_twentieth_silent_session",
    ),
    Leak(
        "a cause named later settles the return of an earlier end",
        "the cause is what is known when the end is",
        (
            (
                f"{INTERMEDIATE}/int_delistings.sql",
                "min_by(cause, cause_order) as cause",
                "min_by(min_by(cause, cause_order), min(cause_order)) over (partition by vendor, ticker) as cause",
            ),
        ),
        "test_int_delistings__the_cause_is_what_is_known_when_the_end_is",
    ),
    # --- across names and labels
    Leak(
        "a z-score is taken over all dates",
        "cross-sections are of one date",
        (
            (
                "macros/cross_sections.sql",
                "{{ x }}__sum / {{ x }}__names as {{ x }}__mean",
                "sum({{ x }}__sum) over () / sum({{ x }}__names) over () as {{ x }}__mean",
            ),
        ),
        "test_feat_alternative__z_scores_are_of_one_date",
    ),
    Leak(
        "a rank is taken among the names of all dates",
        "cross-sections are of one date",
        (
            (
                "macros/cross_sections.sql",
                "partition by {{ by | join(', ') }}\n            order by {{ x }} asc nulls last",
                "order by {{ x }} asc nulls last",
            ),
        ),
        Proof("feat_relative", "feat_relative"),
    ),
    Leak(
        "a value is held against the sector's median of all dates",
        "cross-sections are of one date",
        (
            (f"{FEATURES}/feat_relative.sql", "        as_of_date,\n        sector,\n", "        sector,\n"),
            (f"{FEATURES}/feat_relative.sql", "group by as_of_date, sector", "group by sector"),
            (f"{FEATURES}/feat_relative.sql", "placed.as_of_date = medians.as_of_date\n            and ", ""),
        ),
        Proof("feat_relative", "feat_relative"),
    ),
    Leak(
        "the market's volatility has its place in the whole sample",
        "limits over time are those of the values so far",
        ((f"{FEATURES}/feat_cross_asset.sql", "and current row", "and unbounded following"),),
        "test_feat_cross_asset__terciles_look_back_only",
    ),
    Leak(
        "labels are held against the median of all dates",
        "cross-sections are of one date",
        (
            (
                "models/labels/lbl_outperform.sql",
                "then quantile_cont(fwd_ret_{{ h }}d, 0.5)",
                "then median(quantile_cont(fwd_ret_{{ h }}d, 0.5)) over ()",
            ),
        ),
        "test_lbl_outperform__members_only_ties_lose_and_thin_dates_have_none",
    ),
    Leak(
        "who has no return yet has not outperformed",
        "rows without a label are not learned from, never taken for class 0",
        (
            (
                "models/labels/lbl_outperform.sql",
                "(fwd_ret.fwd_ret_{{ h }}d > medians.median_{{ h }}d)::tinyint",
                "coalesce(fwd_ret.fwd_ret_{{ h }}d > medians.median_{{ h }}d, false)::tinyint",
            ),
        ),
        "test_lbl_outperform__members_only_ties_lose_and_thin_dates_have_none",
    ),
    Leak(
        "a delisting settles a label before it is known",
        "a label is settled when it could be known",
        (
            (
                "models/labels/lbl_fwd_ret.sql",
                "then greatest(sessions.session_date, endings.delisting_known_date)",
                "then sessions.session_date",
            ),
        ),
        "test_lbl_fwd_ret__entry_exit_gap_delisting_and_end_of_file",
    ),
    Leak(
        "the outcome of an event counts from its entry",
        "labels are settled when their outcome is known",
        (("models/labels/labels_triple_barrier.sql", "else exits.session_date", "else entries.session_date"),),
        "test_labels_triple_barrier__target_stop_first_time_and_not_settled_yet",
    ),
    Leak(
        "no purge",
        "no training label ends inside or after the test start",
        NO_PURGE,
        "test_ml_folds__purge_ends_with_the_last_label_before_the_test",
    ),
    Leak(
        "no purge, seen by the proof",
        "no training label ends inside or after the test start",
        NO_PURGE,
        Proof("ml_folds ml_fits__ridge ml_fits", "ml_fits"),
    ),
    Leak(
        "no purge of the last day's five-day labels, seen by the proof",
        "no training label ends inside or after the test start",
        # trained on every fifth session, 5-day labels reach no further than the cut: here the last session counts too
        (
            *NO_PURGE,
            (
                "seeds/alpha_specs.csv",
                "outperform_5d,kairos_23,5,expanding,24,6,6,,scheduled,0,5,",
                "outperform_5d,kairos_23,5,expanding,24,6,6,,scheduled,0,1,",
            ),
        ),
        Proof("alpha_specs ml_folds ml_fits__lightgbm ml_fits", "ml_fits"),
    ),
    # --- what is made of the scores
    Leak(
        "the last sessions are not scored, for want of a label",
        "rows without a label yet are scored like any other",
        (
            (
                "models/ml/ml_predictions.sql",
                "from {{ ref('ml_scores') }}",
                "from (select * from {{ ref('ml_scores') }} qualify as_of_date < max(as_of_date) over () - 7)",
            ),
        ),
        Proof("ml_predictions", "ml_predictions"),
    ),
    Leak(
        "ensemble weights from the future",
        "weights are learned from what matured before they hold",
        (
            (
                ENSEMBLES,
                "slots.effective_date > quality.matured_date",
                "slots.effective_date + 365 > quality.matured_date",
            ),
        ),
        ENSEMBLES_TEST,
    ),
    Leak(
        "a member is turned upside down by the fold that it serves",
        "signs are chosen from past folds",
        ((ENSEMBLES, "slots.effective_date > quality.matured_date", "slots.effective_date >= quality.signal_date"),),
        ENSEMBLES_TEST,
    ),
    # --- learning in Python
    Leak(
        "what is missing becomes the median of all dates",
        "medians are those of the training rows",
        (
            (
                FITTING,
                LEARNED_ROWS,
                "X = np.where(np.isnan(files.matrix()), np.nanmedian(files.matrix(), axis=0), files.matrix())"
                "[rows][:, files.positions(features)]",
            ),
        ),
        Pytest("test_fitting.py", "test_medians_and_scalers_are_those_of_the_training_rows"),
    ),
    Leak(
        "inputs are standardised with the mean and deviation of all dates",
        "a scaler is learned from the training rows",
        (
            (
                FITTING,
                LEARNED_ROWS,
                "X = ((files.matrix() - np.nanmean(files.matrix(), axis=0)) / np.nanstd(files.matrix(), axis=0))"
                "[rows][:, files.positions(features)]",
            ),
        ),
        Pytest("test_fitting.py", f"{NO_FUTURE_IN_FITS}[logistic]"),
    ),
    Leak(
        "the feature that says least of the labels of all dates is left out",
        "features are chosen by the training rows",
        (
            (
                FITTING,
                LEARNED_ROWS,
                """whole, known = files.matrix(), ~np.isnan(files.column(spec["label"]))
    labels = files.column(spec["label"])[known]
    says = [abs(np.corrcoef(np.nan_to_num(values), labels)[0, 1]) for values in whole[known].T]
    X = np.where(np.arange(len(says)) == np.argmin(says), np.nan, whole)[rows][:, files.positions(features)]""",
            ),
        ),
        Pytest("test_fitting.py", f"{NO_FUTURE_IN_FITS}[ridge]"),
    ),
    Leak(
        "a label that is not there yet is class 0",
        "rows without a label are not learned from, never taken for class 0",
        (
            (
                FITTING,
                'label, label_end = files.column(spec["label"])[window]',
                'label, label_end = np.nan_to_num(files.column(spec["label"])[window])',
            ),
        ),
        Pytest("test_fitting.py", "test_null_labels_are_dropped_never_class_zero"),
    ),
    Leak(
        "a label that is settled after the test start is learned from",
        "no training label ends inside or after the test start",
        ((FITTING, '(label_end < (fold["labels_settled_before_date"] - _EPOCH).days)', "(label_end > 0)"),),
        Pytest("test_fitting.py", "test_a_label_settled_late_is_not_learned_from"),
    ),
    Leak(
        "probabilities are calibrated on the test window",
        "calibration learns from a slice of the training window",
        (
            (
                FITTING,
                'fold | {"window_start_date": start}',
                'fold | {"window_start_date": start, "train_before_index": fold["test_start_index"] + 40,'
                ' "labels_settled_before_date": dt.date.max}',
            ),
        ),
        Pytest(
            "test_calibration.py",
            "test_nothing_from_the_test_window_enters_and_a_slice_that_reached_into_it_is_seen",
        ),
    ),
    Leak(
        "the estimator learns from the calibration slice",
        "the calibration slice is seen by the calibration alone",
        ((FITTING, 'return base, fold | {"window', 'return fold, fold | {"window'),),
        Pytest("test_calibration.py", "test_the_estimator_does_not_see_the_slice_and_the_calibration_does"),
    ),
    Leak(
        "a fit scores the dates before it was made",
        "a date is scored by the newest fit made before it",
        ((SCORING, 'start = np.searchsorted(dates, _days(fit["effective_date"]))', "start = 0"),),
        Pytest("test_scoring.py", "test_each_date_is_served_by_the_newest_fit_in_force"),
    ),
    Leak(
        "what is missing in a scored row becomes the median of the scored window",
        "medians are those of the training rows",
        (
            (
                SCORING,
                "preparation.apply(X)), score_key",
                "preparation.apply(np.where(np.isnan(X), np.nanmedian(X, axis=0), X))), score_key",
            ),
        ),
        Pytest("test_scoring.py", "test_scores_of_a_shorter_panel_are_the_same_bits"),
    ),
    Leak(
        "blocks of a panel of one's own are not purged",
        "no training label ends inside or after the test start",
        (
            ("kairos/cv.py", '"train_before_index": int(test[0]) - gap', '"train_before_index": int(test[0])'),
            (
                "kairos/cv.py",
                '"labels_settled_before_date": _date(days[test[0]])',
                '"labels_settled_before_date": dt.date.max',
            ),
        ),
        Pytest("test_cv.py", "test_labels_that_reach_into_a_block_are_purged_and_no_others"),
    ),
    Leak(
        "parameters are tuned on the test window",
        "a search of parameters stays inside the training window",
        (
            ("kairos/tuning.py", '[base["train_before_index"]]', '[base["test_start_index"] + 60]'),
            (
                "kairos/tuning.py",
                '"train_before_index": end}',
                '"train_before_index": end, "labels_settled_before_date": dt.date.max}',
            ),
        ),
        Pytest("test_tuning.py", "test_a_study_does_not_change_with_anything_after_its_training_window"),
    ),
    Leak(
        "inner folds of a search are not purged",
        "no training label ends inside or after what a fit is judged on",
        (
            ("kairos/tuning.py", '"train_before_index": start - purge', '"train_before_index": start'),
            ("kairos/tuning.py", '"labels_settled_before_date": settled', '"labels_settled_before_date": dt.date.max'),
        ),
        Pytest("test_tuning.py", "test_inner_folds_are_purged"),
    ),
    Leak(
        "parameters are tuned on the calibration slice",
        "the calibration slice is seen by the calibration alone",
        (
            (
                "kairos/tuning.py",
                'base, _ = base_and_calibration(task["fold"], spec["calibration"])',
                'base = task["fold"]',
            ),
        ),
        Pytest("test_tuning.py", "test_the_calibration_slice_is_not_read"),
    ),
)


def page() -> str:
    """The list as a page in Markdown."""
    rows = [
        "# Planted leaks",
        "",
        "Each line is a way to look ahead, planted in the code on purpose, and the check that catches it: a unit test",
        "of dbt on a copy of the model, a test of Python on a copy of the package, or the lookahead proof of the small",
        "market. `make leaks` plants them all again, as every `make test` does (`tests/python/test_proof.py`);",
        "`python tests/python/planted_leaks.py` writes this page.",
        "",
        "| leak | rule it breaks | planted in | caught by |",
        "|---|---|---|---|",
    ]
    for leak in LEAKS:
        files = ", ".join(f"`{Path(file).name}`" for file in dict.fromkeys(file for file, _, _ in leak.edits))
        check = leak.check
        if isinstance(check, Proof):
            check = f"the proof ({check.attack}), in {check.caught_by}"
        elif isinstance(check, Pytest):
            check = f"{check.file}, {check.name}"
        rows.append(f"| {leak.name} | {leak.rule} | {files} | {check} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
