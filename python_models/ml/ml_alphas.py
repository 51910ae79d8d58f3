"""All alphas side by side: learned ones, alpha_v8, ensembles of them. One row per (as_of_date, security_id)."""

from kairos.ensembles import combine


def model(dbt, session):
    return combine(
        alphas=dbt.ref("ml_alphas__learned"),
        weights=dbt.ref("ml_alphas__weights"),
        settings=dbt.config.meta_get("settings"),
    )
