"""Score every member by the fit in force on its date. One row per (alpha_name, as_of_date, security_id)."""

from kairos.kept import Kept
from kairos.scoring import score_folds


def model(dbt, session):
    return score_folds(
        fits=dbt.ref("ml_served_fits"),
        panel=dbt.ref("ml_panel"),
        specs=dbt.ref("alpha_specs"),
        kept=Kept.of_this_build("scores"),
    )
