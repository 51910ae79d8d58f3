"""Gradient boosted trees of LightGBM; bytes are its model text, of three quantiles three texts one after the other."""

from __future__ import annotations

import re
from typing import ClassVar

import lightgbm as lgb
import numpy as np

from kairos.families._base import QUANTILES, Family

_OBJECTIVES = {
    "classification": [{"objective": "binary"}],
    "multiclass": [{"objective": "multiclass", "num_class": 3}],
    "regression": [{"objective": "regression"}],
    "quantile": [{"objective": "quantile", "alpha": level} for level in QUANTILES],
}
# How a model text begins.
_FIRST_LINES = re.compile(r"^(?=tree\nversion=)", re.MULTILINE)


class LightGBM(Family):
    """One booster per fit, one per quantile for quantiles; fitted: a list of boosters."""

    name = "lightgbm"
    tasks = ("classification", "multiclass", "regression", "quantile")
    estimator_format = "lightgbm_text"
    file_ending = ".txt"
    is_scaled = False
    # Leaf-wise trees fit noise faster than depth-wise ones: few leaves, each of many rows.
    defaults: ClassVar = {
        "n_estimators": 300,
        "num_leaves": 15,
        "learning_rate": 0.03,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "min_child_samples": 100,
        "max_depth": -1,
        "reg_alpha": 0.0,
        "reg_lambda": 1.0,
        "max_bin": 255,
    }
    space: ClassVar = {
        "n_estimators": (100, 500),
        "num_leaves": (4, 63, "log"),
        "learning_rate": (0.01, 0.2, "log"),
        "subsample": (0.6, 1.0),
        "colsample_bytree": (0.6, 1.0),
        "min_child_samples": (20, 400, "log"),
    }
    libraries = ("lightgbm",)

    def build(self, task, params, seed):
        native = {
            "num_leaves": params["num_leaves"],
            "learning_rate": params["learning_rate"],
            "bagging_fraction": params["subsample"],
            "bagging_freq": 1,
            "feature_fraction": params["colsample_bytree"],
            "min_data_in_leaf": params["min_child_samples"],
            "max_depth": params["max_depth"],
            "lambda_l1": params["reg_alpha"],
            "lambda_l2": params["reg_lambda"],
            "max_bin": params["max_bin"],
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        return [native | objective for objective in _OBJECTIVES[task]], params["n_estimators"]

    def fit(self, unfitted, X, y, weight):
        natives, rounds = unfitted
        data = lgb.Dataset(X, label=y, weight=weight, params=natives[0])
        return [lgb.train(native, data, num_boost_round=rounds) for native in natives]

    def outputs(self, fitted, X):
        columns = [booster.predict(X, num_threads=1) for booster in fitted]
        return columns[0] if len(columns) == 1 else np.column_stack(columns)

    def serialize(self, fitted):
        return "".join(booster.model_to_string() for booster in fitted).encode()

    def deserialize(self, content):
        return [lgb.Booster(model_str=text) for text in _texts(content)]

    def files(self, content):
        texts = _texts(content)
        names = [""] if len(texts) == 1 else [f"_q{round(100 * level)}" for level in QUANTILES]
        return {name + self.file_ending: text.encode() for name, text in zip(names, texts, strict=True)}


def _texts(content: bytes) -> list[str]:
    """The model texts of a fit, one per booster."""
    return [text for text in _FIRST_LINES.split(content.decode()) if text]
