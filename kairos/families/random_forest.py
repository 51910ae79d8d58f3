"""Random forests of scikit-learn; bytes are canonical skops."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from kairos.errors import SpecError
from kairos.families import _skops_bytes as skops_bytes
from kairos.families._sklearn import SklearnFamily

# skops holds trees as raw node arrays that scikit-learn walks unchecked, and so does not trust them by itself.
_TREE = "sklearn.tree._tree.Tree"


class RandomForest(SklearnFamily):
    """Means of bootstrapped trees; of the classes' shares for the classifying tasks."""

    name = "random_forest"
    tasks = ("classification", "multiclass", "regression")
    is_scaled = False
    # Shallow trees of many rows: a return is nearly all noise, and a full-grown tree learns it by heart.
    defaults: ClassVar = {"n_estimators": 200, "max_depth": 6, "min_samples_leaf": 50, "max_features": 0.33}
    space: ClassVar = {
        "n_estimators": (100, 400),
        "max_depth": (3, 10),
        "min_samples_leaf": (10, 200, "log"),
        "max_features": (0.1, 1.0),
    }

    def build(self, task, params, seed):
        forest = RandomForestRegressor if task == "regression" else RandomForestClassifier
        return forest(**params, n_jobs=1, random_state=seed)

    def outputs(self, fitted, X):
        if not isinstance(fitted, RandomForestClassifier):
            return fitted.predict(X)
        shares = fitted.predict_proba(X)
        return np.ascontiguousarray(shares[:, 1]) if shares.shape[1] == 2 else shares

    def deserialize(self, content):
        """Raises SpecError where a tree's nodes point outside the tree: walking it would read foreign memory."""
        forest = skops_bytes.load(content, trusted=[_TREE])
        for estimator in forest.estimators_:
            tree = estimator.tree_
            own = np.arange(tree.node_count)
            is_leaf = (tree.children_left == -1) & (tree.children_right == -1)
            points_on = np.logical_and.reduce(
                [(own < child) & (child < tree.node_count) for child in (tree.children_left, tree.children_right)]
            )
            has_feature = (tree.feature >= 0) & (tree.feature < forest.n_features_in_)
            if not (is_leaf | (points_on & has_feature)).all():
                raise SpecError(
                    "A stored forest's nodes point outside their tree. Fit it again (dbt build -s ml_fits)."
                )
        return forest
