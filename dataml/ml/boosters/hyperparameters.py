"""The hyperparameters users may set: one name for all libraries or the library's own, checked before any compute."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, get_args

from dataml.errors import Invalid

Algorithm = Literal["LightGBM", "XGBoost", "CatBoost"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


@dataclass(frozen=True)
class Hyperparameter:
    """One name users may set, what each library calls it (None: it has no such thing), and its bounds."""

    xgboost: str | None
    lightgbm: str | None
    catboost: str | None
    least: float
    most: float
    whole: bool = False

    def name_in(self, algorithm: str) -> str | None:
        return {"XGBoost": self.xgboost, "LightGBM": self.lightgbm, "CatBoost": self.catboost}[algorithm]


_LARGE = 1e9
_STOPPING = "early_stopping_rounds"
HYPERPARAMETERS: dict[str, Hyperparameter] = {
    "n_estimators": Hyperparameter("n_estimators", "n_estimators", "iterations", 1, 10_000, whole=True),
    _STOPPING: Hyperparameter(_STOPPING, _STOPPING, _STOPPING, 1, 10_000, whole=True),
    "learning_rate": Hyperparameter("learning_rate", "learning_rate", "learning_rate", 1e-6, 1),
    "max_depth": Hyperparameter("max_depth", "max_depth", "depth", 1, 16, whole=True),
    "num_leaves": Hyperparameter(None, "num_leaves", None, 2, 4_096, whole=True),
    "min_child_samples": Hyperparameter(None, "min_data_in_leaf", None, 1, _LARGE, whole=True),
    "min_child_weight": Hyperparameter("min_child_weight", "min_sum_hessian_in_leaf", None, 0, _LARGE),
    "min_split_gain": Hyperparameter("min_split_loss", "min_gain_to_split", None, 0, _LARGE),
    "subsample": Hyperparameter("subsample", "bagging_fraction", "subsample", 1e-3, 1),
    "colsample_bytree": Hyperparameter("colsample_bytree", "feature_fraction", "rsm", 1e-3, 1),
    "reg_alpha": Hyperparameter("reg_alpha", "lambda_l1", None, 0, _LARGE),
    "reg_lambda": Hyperparameter("reg_lambda", "lambda_l2", "l2_leaf_reg", 0, _LARGE),
    "max_bin": Hyperparameter("max_bin", "max_bin", "border_count", 2, 1_024, whole=True),
}
# The older names of XGBoost's documentation.
_SYNONYMS = {
    "XGBoost": {"eta": "learning_rate", "gamma": "min_split_gain", "alpha": "reg_alpha", "lambda": "reg_lambda"}
}


@cache
def available() -> tuple[str, ...]:
    """The libraries that are installed: CatBoost need not be."""
    return tuple(each for each in ALGORITHMS if each != "CatBoost" or find_spec("catboost"))


def canonical(algorithm: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """With our names for what is written in the library's own, when one library is asked for.

    Raises Invalid: `unknown_hyperparameter` for two names of one thing.
    """
    own: dict[str, str] = {}
    if algorithm != "auto":
        own = {name: ours for ours, rule in HYPERPARAMETERS.items() if (name := rule.name_in(algorithm))}
        own |= _SYNONYMS.get(algorithm, {})
    named: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        ours = name if name in HYPERPARAMETERS else own.get(name, name)
        if ours in named:
            raise Invalid(f"'{name}' and '{ours}' are the same hyperparameter.", code="unknown_hyperparameter")
        named[ours] = value
    return named


def check_hyperparameters(algorithm: str, hyperparameters: Mapping[str, Any]) -> None:
    """Raises Invalid: `unknown_hyperparameter` for a name the algorithm (`auto`: none of them) has not,
    `invalid_hyperparameter` for a value out of bounds."""
    hyperparameters = canonical(algorithm, hyperparameters)
    candidates = ALGORITHMS if algorithm == "auto" else (algorithm,)
    known = {name: h for name, h in HYPERPARAMETERS.items() if any(h.name_in(candidate) for candidate in candidates)}
    if unknown := sorted(hyperparameters.keys() - known.keys()):
        raise Invalid(
            f"Unknown hyperparameters for {algorithm}: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.",
            code="unknown_hyperparameter",
        )
    for name, value in hyperparameters.items():
        rule = known[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not rule.least <= value <= rule.most or (rule.whole and value != int(value)):
            kind = "a whole number" if rule.whole else "a number"
            raise Invalid(
                f"Hyperparameter '{name}' must be {kind} from {rule.least:g} to {rule.most:g}.",
                code="invalid_hyperparameter",
            )
