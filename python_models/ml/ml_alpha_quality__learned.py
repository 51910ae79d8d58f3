"""Quality of the active alphas and of alpha_v8. One row per (alpha_name, horizon_days, signal_date)."""

from kairos.quality import alpha_quality, learned_alphas


def model(dbt, session):
    return alpha_quality(
        judged=learned_alphas(dbt.ref("alpha_specs")),
        alphas=dbt.ref("ml_alphas__learned"),
        labels=dbt.ref("labels"),
        sessions=dbt.ref("int_sessions"),
        panel=dbt.ref("ml_panel"),
        feature_sets=dbt.ref("feature_sets"),
        settings=dbt.config.meta_get("settings"),
    )
