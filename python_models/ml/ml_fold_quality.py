"""Each fold's test window so far, and the signal traded alone. One row per (alpha_name, fold_id)."""

from kairos.summaries import fold_quality


def model(dbt, session):
    return fold_quality(
        alphas=dbt.ref("ml_alphas__learned"),
        quality=dbt.ref("ml_alpha_quality__learned"),
        folds=dbt.ref("ml_folds"),
        specs=dbt.ref("alpha_specs"),
        labels=dbt.ref("labels"),
        sessions=dbt.ref("int_sessions"),
        costs=dbt.ref("costs"),
        settings=dbt.config.meta_get("settings"),
    )
