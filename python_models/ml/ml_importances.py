"""What each feature does to the scores of each fit. One row per (alpha_name, fold_id, feature_name)."""

from kairos.explain import importances
from kairos.kept import Kept


def model(dbt, session):
    return importances(
        fits=dbt.ref("ml_fits"),
        panel=dbt.ref("ml_panel"),
        labels=dbt.ref("labels"),
        specs=dbt.ref("alpha_specs"),
        settings=dbt.config.meta_get("settings"),
        kept=Kept.of_this_build("importances"),
    )
