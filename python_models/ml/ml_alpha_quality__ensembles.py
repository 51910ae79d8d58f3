"""Quality of the ensembles. One row per (alpha_name, horizon_days, signal_date)."""

from kairos.quality import alpha_quality, ensemble_alphas


def model(dbt, session):
    return alpha_quality(
        judged=ensemble_alphas(dbt.ref("ensembles")),
        alphas=dbt.ref("ml_alphas"),
        labels=dbt.ref("labels"),
        sessions=dbt.ref("int_sessions"),
        panel=dbt.ref("ml_panel"),
        feature_sets=dbt.ref("feature_sets"),
        settings=dbt.config.meta_get("settings"),
    )
