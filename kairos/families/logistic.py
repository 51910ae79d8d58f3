"""Logistic regression on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from kairos.families import _skops_bytes as skops_bytes
from kairos.families._base import Family, linear_terms


class Logistic(Family):
    """L2-penalised logistic regression, L-BFGS."""

    name = "logistic"
    tasks = ("classification",)
    estimator_format = "skops"
    is_scaled = True
    # c is the inverse of the penalty (scikit-learn's C): 0.001 for rows whose labels are mostly noise.
    defaults: ClassVar = {"c": 0.001, "max_iter": 1000}
    libraries = ("scikit-learn", "scipy", "skops")

    def build(self, task, params, seed):
        return LogisticRegression(C=params["c"], max_iter=params["max_iter"], solver="lbfgs")

    def fit(self, unfitted, X, y, weight):
        return unfitted.fit(X, y.astype(int), sample_weight=weight)

    def predict(self, fitted, X):
        return expit(linear_terms(X, fitted.coef_[0], float(fitted.intercept_[0])))

    def serialize(self, fitted):
        return skops_bytes.dump(fitted)

    def deserialize(self, content):
        return skops_bytes.load(content)
