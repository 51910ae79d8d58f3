"""Gradient boosted trees of LightGBM; bytes are its model text."""

from __future__ import annotations

from typing import ClassVar

import lightgbm as lgb

from kairos.families._base import Family


class LightGBM(Family):
    """Objective binary for classification, regression (squared error) for regression."""

    name = "lightgbm"
    tasks = ("classification", "regression")
    estimator_format = "lightgbm_text"
    is_scaled = False
    # Leaf-wise trees fit noise faster than depth-wise ones: few leaves, each of many rows.
    defaults: ClassVar = {
        "n_estimators": 300,
        "num_leaves": 15,
        "learning_rate": 0.03,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "min_child_samples": 100,
        "reg_lambda": 1.0,
        "max_bin": 255,
    }
    libraries = ("lightgbm",)

    def build(self, task, params, seed):
        native = {
            "objective": "binary" if task == "classification" else "regression",
            "num_leaves": params["num_leaves"],
            "learning_rate": params["learning_rate"],
            "bagging_fraction": params["subsample"],
            "bagging_freq": 1,
            "feature_fraction": params["colsample_bytree"],
            "min_data_in_leaf": params["min_child_samples"],
            "lambda_l2": params["reg_lambda"],
            "max_bin": params["max_bin"],
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        return native, params["n_estimators"]

    def fit(self, unfitted, X, y, weight):
        native, rounds = unfitted
        data = lgb.Dataset(X, label=y, weight=weight, params=native)
        return lgb.train(native, data, num_boost_round=rounds)

    def predict(self, fitted, X):
        return fitted.predict(X, num_threads=1)

    def serialize(self, fitted):
        return fitted.model_to_string().encode()

    def deserialize(self, content):
        return lgb.Booster(model_str=content.decode())
