"""Least squares without a penalty on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

from sklearn.linear_model import LinearRegression

from kairos.families._linear import LinearFamily


class Linear(LinearFamily):
    """Least squares by singular values: of exactly collinear features the solution of least norm."""

    name = "linear"
    defaults: ClassVar = {}
    space: ClassVar = {}

    def build(self, task, params, seed):
        return LinearRegression()
