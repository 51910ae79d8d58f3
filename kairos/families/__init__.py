"""Estimator families, one file each. All heavy libraries are imported here, once and eagerly: dbt runs Python models as
threads of one process, and two threads importing scikit-learn at the same moment can fail.

To add a family: its file, a line here, python_models/ml/ml_fits__<family>.py, its name in var estimator_families.
"""

from __future__ import annotations

from kairos.errors import SpecError
from kairos.families._base import CLASSES, QUANTILES, Family
from kairos.families.elastic_net import ElasticNet
from kairos.families.lasso import Lasso
from kairos.families.lightgbm import LightGBM
from kairos.families.linear import Linear
from kairos.families.logistic import Logistic
from kairos.families.random_forest import RandomForest
from kairos.families.ridge import Ridge
from kairos.families.xgboost import XGBoost

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (XGBoost(), LightGBM(), RandomForest(), Linear(), Ridge(), Lasso(), ElasticNet(), Logistic())
}

__all__ = ["CLASSES", "FAMILIES", "QUANTILES", "Family", "family_named"]


def family_named(name: str) -> Family:
    """The family of that name. Raises SpecError with the names there are."""
    if name not in FAMILIES:
        raise SpecError(
            f"Unknown estimator family '{name}'; known: {sorted(FAMILIES)}. "
            f"Add kairos/families/{name}.py or correct the family in seeds/alpha_specs.csv."
        )
    return FAMILIES[name]
