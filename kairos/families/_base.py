"""What every estimator family offers; one shared test suite (tests/python/test_families.py) holds them all to it."""

from __future__ import annotations

import importlib.metadata
import math
from abc import ABC, abstractmethod
from functools import cache
from typing import Any, ClassVar

import numpy as np

from kairos.errors import SpecError

# Classes that a task's label has, 0 to k - 1; three are DOWN, FLAT and UP.
CLASSES = {"classification": 2, "multiclass": 3}
QUANTILES = (0.1, 0.5, 0.9)


class Family(ABC):
    """One algorithm: how it is built, fitted, asked and written down.

    X is a float64 array (rows, features) without NaN (the caller imputes), in key order; y a float64 array (rows,), a
    class of CLASSES for classification and multiclass, a return for regression and quantile; weight a float64 array
    (rows,) or None.
    A fit uses one thread and its seed only: the same rows give the same bytes. A row's prediction depends on that row
    alone, never on the rows asked with it.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    estimator_format: ClassVar[str]
    # How a file of the library ends.
    file_ending: ClassVar[str]
    # Whether inputs are standardised with the training rows' mean and deviation first.
    is_scaled: ClassVar[bool]
    # Every parameter a spec may set, with the value it has when no row of alpha_params.csv sets it.
    defaults: ClassVar[dict[str, Any]]
    # What a tuned spec searches: parameter -> (lowest, highest), with "log" where factors count and not differences.
    space: ClassVar[dict[str, tuple]]
    libraries: ClassVar[tuple[str, ...]]

    @abstractmethod
    def build(self, task: str, params: dict[str, Any], seed: int) -> Any:
        """An unfitted estimator."""

    @abstractmethod
    def fit(self, unfitted: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Any:
        """The fitted estimator."""

    def learn(self, task: str, params: dict[str, Any], seed: int, X: np.ndarray, y: np.ndarray, weight=None) -> Any:
        """The estimator of these parameters, built and fitted.

        Raises SpecError with the library's own words where it refuses a parameter, or the values to learn from.
        """
        try:
            return self.fit(self.build(task, params, seed), X, y, weight)
        except Exception as error:
            # scikit-learn's and XGBoost's are ValueErrors; LightGBM's is none, and is not to be imported here
            if not (isinstance(error, ValueError) or type(error).__name__ == "LightGBMError"):
                raise
            said = next(line for line in [*str(error).splitlines(), type(error).__name__] if line.strip())
            given = ", ".join(f"{param}={value}" for param, value in params.items()) or "no parameters"
            raise SpecError(
                f"Family '{self.name}' cannot be fitted on {len(y)} rows with {given}: {said.strip()}"
                " Correct the parameter (seeds/alpha_params.csv, or --param), or the values it is to learn from."
            ) from error

    @abstractmethod
    def outputs(self, fitted: Any, X: np.ndarray) -> np.ndarray:
        """What the estimator says, as predict() returns it but for quantiles, which may cross here."""

    def predict(self, task: str, fitted: Any, X: np.ndarray) -> np.ndarray:
        """float64: classification (rows,) probability of class 1; multiclass (rows, 3) probabilities of the classes;
        regression (rows,) the predicted value; quantile (rows, 3) the QUANTILES, ascending in every row.

        Quantiles fitted apart from each other may cross. They are rearranged, sorted row by row, which never makes
        them worse (Chernozhukov, Fernandez-Val and Galichon 2010, Econometrica 78(3)).
        """
        said = self.outputs(fitted, X)
        return np.sort(said, axis=1) if task == "quantile" else said

    @abstractmethod
    def serialize(self, fitted: Any) -> bytes:
        """The library's own bytes; the same estimator gives the same bytes in every process."""

    @abstractmethod
    def deserialize(self, content: bytes) -> Any:
        """The fitted estimator of `content`; it predicts as the one that was written."""

    def files(self, content: bytes) -> dict[str, bytes]:
        """The bytes of a fit as files that its library reads: the end of the file's name -> its content."""
        return {self.file_ending: content}

    def typed_params(self, given: dict[str, str], asked_by: str) -> dict[str, Any]:
        """Defaults overridden by text values, each cast to its default's type; asked_by says in errors who set them.

        Raises SpecError for a parameter the family does not have or a value that is not of its type.
        """
        params = dict(self.defaults)
        for param, text in given.items():
            if param not in params:
                raise SpecError(
                    f"{asked_by} sets '{param}', which family '{self.name}' does not have; it has "
                    f"{', '.join(sorted(params)) or 'none'}. Correct the name or add it to the family's defaults."
                )
            kind = type(params[param])
            wanted = "a finite number" if kind is float else kind.__name__
            try:
                params[param] = kind(text)
                if kind is float and not math.isfinite(params[param]):
                    raise ValueError(text)
            except ValueError as error:
                raise SpecError(
                    f"{asked_by} sets {param}='{text}', which is not {wanted}. Correct the value."
                ) from error
        return params

    def versions(self) -> dict[str, str]:
        """Installed versions of the libraries that shape the bytes of a fit."""
        return {library: installed(library) for library in sorted(("numpy", *self.libraries))}


@cache
def installed(library: str) -> str:
    """Version of an installed library, looked up once: it takes as long as a small fit."""
    return importlib.metadata.version(library)


def linear_terms(X: np.ndarray, coefficients: np.ndarray, intercept: float) -> np.ndarray:
    """intercept + X @ coefficients, added feature by feature so that a row's bits do not depend on its neighbours
    (a matrix product groups rows, and groups round differently)."""
    total = np.full(X.shape[0], intercept, dtype=np.float64)
    for j, coefficient in enumerate(coefficients):
        total += X[:, j] * coefficient
    return total
