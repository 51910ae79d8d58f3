"""Means of the quality of all matured dates, with their errors. One row per (alpha_name, horizon_days)."""

from kairos.summaries import summarise_alphas


def model(dbt, session):
    return summarise_alphas(quality=dbt.ref("ml_alpha_quality"))
