"""Logistic regression on standardised features; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from kairos.families._base import linear_terms
from kairos.families._sklearn import SklearnFamily


class Logistic(SklearnFamily):
    """L2-penalised logistic regression, L-BFGS; multinomial for three classes."""

    name = "logistic"
    tasks = ("classification", "multiclass")
    is_scaled = True
    # c is the inverse of the penalty (scikit-learn's C): 0.001 for rows whose labels are mostly noise.
    defaults: ClassVar = {"c": 0.001, "max_iter": 1000}
    space: ClassVar = {"c": (0.00001, 1.0, "log")}

    def build(self, task, params, seed):
        return LogisticRegression(C=params["c"], max_iter=params["max_iter"], solver="lbfgs")

    def outputs(self, fitted, X):
        terms = [linear_terms(X, b, float(a)) for b, a in zip(fitted.coef_, fitted.intercept_, strict=True)]
        if len(terms) == 1:
            return expit(terms[0])
        highest = np.maximum.reduce(terms)
        odds = [np.exp(term - highest) for term in terms]
        return np.column_stack(odds) / sum(odds)[:, None]
