"""What the linear regressors of scikit-learn share: standardised inputs and a coefficient each."""

from __future__ import annotations

from kairos.families._base import linear_terms
from kairos.families._sklearn import SklearnFamily


class LinearFamily(SklearnFamily):
    """A scikit-learn regressor with coef_ and intercept_; a family names it in build()."""

    tasks = ("regression",)
    is_scaled = True

    def outputs(self, fitted, X):
        return linear_terms(X, fitted.coef_, float(fitted.intercept_))
