"""Ridge regression on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

from sklearn.linear_model import Ridge as SklearnRidge

from kairos.families import _skops_bytes as skops_bytes
from kairos.families._base import Family, linear_terms


class Ridge(Family):
    """Least squares with an L2 penalty, solved by Cholesky (the features of a set may be exactly collinear)."""

    name = "ridge"
    tasks = ("regression",)
    estimator_format = "skops"
    is_scaled = True
    # The penalty counts rows: 1,000 shrinks a standardised feature as 1,000 more rows of zeros would.
    defaults: ClassVar = {"alpha": 1000.0}
    libraries = ("scikit-learn", "scipy", "skops")

    def build(self, task, params, seed):
        return SklearnRidge(alpha=params["alpha"], solver="cholesky")

    def fit(self, unfitted, X, y, weight):
        return unfitted.fit(X, y, sample_weight=weight)

    def predict(self, fitted, X):
        return linear_terms(X, fitted.coef_, float(fitted.intercept_))

    def serialize(self, fitted):
        return skops_bytes.dump(fitted)

    def deserialize(self, content):
        return skops_bytes.load(content)
