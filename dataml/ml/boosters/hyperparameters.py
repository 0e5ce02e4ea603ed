"""The hyperparameters users may set: one name for all libraries or the library's own, checked before any compute."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal, get_args

from dataml.errors import Invalid
from dataml.suggestions import describe_all_unknown, join_names

Algorithm = Literal["LightGBM", "XGBoost", "CatBoost", "Linear"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter: its name in each library (None where the library has no such thing), and its bounds."""

    xgboost: str | None
    lightgbm: str | None
    catboost: str | None
    minimum: float
    maximum: float
    is_integer: bool = False

    def library_name(self, algorithm: str) -> str | None:
        """Return the name that the library of `algorithm` has for it."""
        return {"XGBoost": self.xgboost, "LightGBM": self.lightgbm, "CatBoost": self.catboost}.get(algorithm)

    def allows(self, value: object) -> bool:
        """Return whether `value` is a number of the right kind within the bounds."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return self.minimum <= value <= self.maximum and (not self.is_integer or value == int(value))


_LARGE = 1e9
_STOPPING = "early_stopping_rounds"
HYPERPARAMETERS: dict[str, Hyperparameter] = {
    "n_estimators": Hyperparameter("n_estimators", "n_estimators", "iterations", 1, 10_000, is_integer=True),
    _STOPPING: Hyperparameter(_STOPPING, _STOPPING, _STOPPING, 1, 10_000, is_integer=True),
    "learning_rate": Hyperparameter("learning_rate", "learning_rate", "learning_rate", 1e-6, 1),
    "max_depth": Hyperparameter("max_depth", "max_depth", "depth", 1, 16, is_integer=True),
    "num_leaves": Hyperparameter(None, "num_leaves", None, 2, 4_096, is_integer=True),
    "min_child_samples": Hyperparameter(None, "min_data_in_leaf", None, 1, _LARGE, is_integer=True),
    "min_child_weight": Hyperparameter("min_child_weight", "min_sum_hessian_in_leaf", None, 0, _LARGE),
    "min_split_gain": Hyperparameter("min_split_loss", "min_gain_to_split", None, 0, _LARGE),
    "subsample": Hyperparameter("subsample", "bagging_fraction", "subsample", 1e-3, 1),
    "colsample_bytree": Hyperparameter("colsample_bytree", "feature_fraction", "rsm", 1e-3, 1),
    "reg_alpha": Hyperparameter("reg_alpha", "lambda_l1", None, 0, _LARGE),
    "reg_lambda": Hyperparameter("reg_lambda", "lambda_l2", "l2_leaf_reg", 0, _LARGE),
    "max_bin": Hyperparameter("max_bin", "max_bin", "border_count", 2, 1_024, is_integer=True),
}
# The older names of XGBoost's documentation.
_SYNONYMS = {
    "XGBoost": {"eta": "learning_rate", "gamma": "min_split_gain", "alpha": "reg_alpha", "lambda": "reg_lambda"}
}


LIBRARIES: Final = {"XGBoost": "xgboost", "LightGBM": "lightgbm", "CatBoost": "catboost"}
"""The package of each algorithm that has one."""


@cache
def available_algorithms() -> tuple[str, ...]:
    """Return the algorithms whose libraries are installed: CatBoost need not be."""
    return tuple(name for name in ALGORITHMS if name != "CatBoost" or find_spec("catboost"))


def load_library(algorithm: str) -> None:
    """Import the library of an algorithm, which takes seconds for the first time, apart from the time of a fit."""
    if (name := LIBRARIES.get(algorithm)) is not None:
        import_module(name)


def canonical_names(algorithm: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `hyperparameters` under our names.

    The library's own names are translated when `algorithm` is not `auto`. Unknown names stay.

    Raises:
        Invalid: two names are the same hyperparameter (`unknown_hyperparameter`).
    """
    own: dict[str, str] = {}
    if algorithm != "auto":
        own = {name: ours for ours, rule in HYPERPARAMETERS.items() if (name := rule.library_name(algorithm))}
        own |= _SYNONYMS.get(algorithm, {})
    named: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        ours = name if name in HYPERPARAMETERS else own.get(name, name)
        if ours in named:
            raise Invalid(f"'{name}' and '{ours}' are the same hyperparameter.", code="unknown_hyperparameter")
        named[ours] = value
    return named


def check_hyperparameters(algorithm: str, hyperparameters: Mapping[str, Any]) -> None:
    """Check names and values of hyperparameters.

    Raises:
        Invalid: a name is none of the algorithm's (`auto`: of any algorithm's), or two names are the same
            hyperparameter (`unknown_hyperparameter`); a value is out of bounds (`invalid_hyperparameter`).
    """
    hyperparameters = canonical_names(algorithm, hyperparameters)
    algorithms = ALGORITHMS if algorithm == "auto" else (algorithm,)
    known = {
        name: rule for name, rule in HYPERPARAMETERS.items() if any(rule.library_name(each) for each in algorithms)
    }
    if hyperparameters and not known:
        raise Invalid(f"{algorithm} finds its parameters itself.", code="unknown_hyperparameter")
    if unknown := sorted(hyperparameters.keys() - known.keys()):
        messages = describe_all_unknown(f"hyperparameter of {algorithm}", unknown, known)
        detail = f"{' '.join(messages)} Use {join_names(sorted(known))}."
        raise Invalid(detail, code="unknown_hyperparameter")
    for name, value in hyperparameters.items():
        rule = known[name]
        if not rule.allows(value):
            kind = "a whole number" if rule.is_integer else "a number"
            raise Invalid(
                f"Hyperparameter '{name}' must be {kind} from {rule.minimum:g} to {rule.maximum:g}.",
                code="invalid_hyperparameter",
            )
