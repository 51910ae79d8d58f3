"""Members with the features the active alphas and the bundles use. One row per (as_of_date, security_id)."""

from kairos.panel import member_panel


def model(dbt, session):
    return member_panel(
        features=dbt.ref("features"),
        sessions=dbt.ref("int_sessions"),
        specs=dbt.ref("alpha_specs"),
        feature_sets=dbt.ref("feature_sets"),
        bundle_members=dbt.ref("factor_bundle_members"),
    )
