"""scikit-learn's manners without its import, which alone takes longer than all of popcast: parameters of a constructor.

``sklearn.base.clone``, ``get_params`` and ``set_params`` work as they do on scikit-learn's own estimators.
"""

from __future__ import annotations

import inspect
from typing import Any, Self


class EstimatorParams:
    """Parameters are what the constructor names; it stores each under its name and does nothing else."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the constructor with their values. deep: for scikit-learn; no parameter is an estimator."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. ValueError: there is none of that name."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"no parameter {name!r}, expected one of {', '.join(self._names())}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        inputs = InputTags(two_d_array=False, string=True, allow_nan=True)
        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=False),
            regressor_tags=RegressorTags(),
            input_tags=inputs,
        )

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name].default}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def check_fitted(estimator: object, attribute: str) -> None:
    """Raise scikit-learn's NotFittedError where ``fit`` has not set ``attribute``."""
    if not hasattr(estimator, attribute):
        from sklearn.exceptions import NotFittedError

        raise NotFittedError(f"this {type(estimator).__name__} is not fitted yet: call fit first, or popcast.load")
