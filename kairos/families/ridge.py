"""Ridge regression on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

from sklearn.linear_model import Ridge as SklearnRidge

from kairos.families._linear import LinearFamily


class Ridge(LinearFamily):
    """Least squares with an L2 penalty, solved by Cholesky (the features of a set may be exactly collinear)."""

    name = "ridge"
    # The penalty counts rows: 1,000 shrinks a standardised feature as 1,000 more rows of zeros would.
    defaults: ClassVar = {"alpha": 1000.0}
    space: ClassVar = {"alpha": (1.0, 100000.0, "log")}

    def build(self, task, params, seed):
        return SklearnRidge(alpha=params["alpha"], solver="cholesky")
