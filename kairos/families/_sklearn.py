"""What the families of scikit-learn share: fitting by its interface, canonical skops bytes."""

from __future__ import annotations

from typing import ClassVar

from sklearn.base import is_classifier

from kairos.families import _skops_bytes as skops_bytes
from kairos.families._base import Family


class SklearnFamily(Family):
    """An estimator of scikit-learn, which a family names in build(); classes are integers for its classifiers."""

    estimator_format = "skops"
    file_ending = ".skops"
    libraries: ClassVar = ("scikit-learn", "scipy", "skops")

    def fit(self, unfitted, X, y, weight):
        return unfitted.fit(X, y.astype(int) if is_classifier(unfitted) else y, sample_weight=weight)

    def serialize(self, fitted):
        return skops_bytes.dump(fitted)

    def deserialize(self, content):
        return skops_bytes.load(content)
