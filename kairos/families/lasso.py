"""Lasso on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

from sklearn.linear_model import Lasso as SklearnLasso

from kairos.families._linear import LinearFamily


class Lasso(LinearFamily):
    """Least squares with an L1 penalty, by cyclic coordinate descent."""

    name = "lasso"
    # The penalty has the unit of a covariance of feature and return: a feature whose correlation with a 5-session
    # return (deviation about 5%) is below 0.004 gets no coefficient.
    defaults: ClassVar = {"alpha": 0.0002, "max_iter": 5000}
    space: ClassVar = {"alpha": (0.00001, 0.005, "log")}

    def build(self, task, params, seed):
        return SklearnLasso(alpha=params["alpha"], max_iter=params["max_iter"])
