"""What the linear regressors of scikit-learn share: standardised inputs, a coefficient each, canonical skops bytes."""

from __future__ import annotations

from typing import ClassVar

from kairos.families import _skops_bytes as skops_bytes
from kairos.families._base import Family, linear_terms


class LinearFamily(Family):
    """A scikit-learn regressor with coef_ and intercept_; a family names it in build()."""

    tasks = ("regression",)
    estimator_format = "skops"
    is_scaled = True
    libraries: ClassVar = ("scikit-learn", "scipy", "skops")

    def fit(self, unfitted, X, y, weight):
        return unfitted.fit(X, y, sample_weight=weight)

    def outputs(self, fitted, X):
        return linear_terms(X, fitted.coef_, float(fitted.intercept_))

    def serialize(self, fitted):
        return skops_bytes.dump(fitted)

    def deserialize(self, content):
        return skops_bytes.load(content)
