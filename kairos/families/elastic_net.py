"""Elastic net on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

from sklearn.linear_model import ElasticNet as SklearnElasticNet

from kairos.families._linear import LinearFamily


class ElasticNet(LinearFamily):
    """Least squares with an L1 and an L2 penalty, by cyclic coordinate descent."""

    name = "elastic_net"
    # l1_ratio is the share of the L1 penalty; half of 0.0004 is the lasso's default.
    defaults: ClassVar = {"alpha": 0.0004, "l1_ratio": 0.5, "max_iter": 5000}
    space: ClassVar = {"alpha": (0.00001, 0.005, "log"), "l1_ratio": (0.1, 0.9)}

    def build(self, task, params, seed):
        return SklearnElasticNet(alpha=params["alpha"], l1_ratio=params["l1_ratio"], max_iter=params["max_iter"])
