"""Fit the ridge alphas, fold by fold. One row per (alpha_name, fold_id)."""

from kairos import machine
from kairos.fitting import fit_folds
from kairos.kept import Kept


def model(dbt, session):
    return fit_folds(
        family="ridge",
        panel=dbt.ref("ml_panel"),
        labels=dbt.ref("labels"),
        folds=dbt.ref("ml_folds"),
        specs=dbt.ref("alpha_specs"),
        params=dbt.ref("alpha_params"),
        feature_sets=dbt.ref("feature_sets"),
        kept=Kept.of_this_build("fits"),
        state=machine.state_dir(),
    )
