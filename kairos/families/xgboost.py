"""Gradient boosted trees of XGBoost, histogram method; bytes are UBJSON."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xgboost as xgb

from kairos.families._base import QUANTILES, Family, installed

_OBJECTIVES = {
    "classification": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob", "num_class": 3},
    "regression": {"objective": "reg:squarederror"},
    "quantile": {"objective": "reg:quantileerror", "quantile_alpha": list(QUANTILES)},
}


class XGBoost(Family):
    """One booster per fit; a round of three classes or quantiles grows one tree for each."""

    name = "xgboost"
    tasks = ("classification", "multiclass", "regression", "quantile")
    estimator_format = "ubj"
    file_ending = ".ubj"
    is_scaled = False
    # The fourth reference document's parameters; what an alpha changes stands in alpha_params.csv.
    defaults: ClassVar = {
        "n_estimators": 300,
        "max_depth": 6,
        "learning_rate": 0.05,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "min_child_weight": 5.0,
        "reg_lambda": 1.0,
        "max_bin": 256,
    }
    # The fourth reference document's search space; it names no scale.
    space: ClassVar = {
        "n_estimators": (100, 500),
        "max_depth": (3, 10),
        "learning_rate": (0.01, 0.2, "log"),
        "subsample": (0.6, 1.0),
        "colsample_bytree": (0.6, 1.0),
        "min_child_weight": (1.0, 10.0),
    }
    libraries = ("xgboost",)

    def build(self, task, params, seed):
        native = {key: value for key, value in params.items() if key != "n_estimators"}
        native |= _OBJECTIVES[task] | {"tree_method": "hist", "nthread": 1, "seed": seed, "verbosity": 0}
        return native, params["n_estimators"]

    def fit(self, unfitted, X, y, weight):
        native, rounds = unfitted
        data = xgb.QuantileDMatrix(X.astype(np.float32), label=y, weight=weight, nthread=1, max_bin=native["max_bin"])
        return xgb.train(native, data, num_boost_round=rounds)

    def outputs(self, fitted, X):
        return fitted.inplace_predict(X.astype(np.float32)).astype(np.float64)

    def serialize(self, fitted):
        return bytes(fitted.save_raw(raw_format="ubj"))

    def deserialize(self, content):
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
        booster.set_param({"nthread": 1})
        return booster

    def versions(self):
        return {"numpy": installed("numpy"), "xgboost": xgb.__version__}
