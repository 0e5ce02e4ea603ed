"""The hyperparameters users may set: one name for both libraries, checked before any compute."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dataml.errors import Invalid

Algorithm = Literal["XGBoost", "LightGBM"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


@dataclass(frozen=True)
class Hyperparameter:
    """One name users may set, what each library calls it (None: it has no such thing), and its bounds."""

    xgboost: str | None
    lightgbm: str | None
    least: float
    most: float
    whole: bool = False

    def name_in(self, algorithm: str) -> str | None:
        return self.xgboost if algorithm == "XGBoost" else self.lightgbm


_LARGE = 1e9
HYPERPARAMETERS: dict[str, Hyperparameter] = {
    "n_estimators": Hyperparameter("n_estimators", "n_estimators", 1, 10_000, whole=True),
    "early_stopping_rounds": Hyperparameter("early_stopping_rounds", "early_stopping_rounds", 1, 10_000, whole=True),
    "learning_rate": Hyperparameter("learning_rate", "learning_rate", 1e-6, 1),
    "max_depth": Hyperparameter("max_depth", "max_depth", 1, 32, whole=True),
    "num_leaves": Hyperparameter(None, "num_leaves", 2, 4_096, whole=True),
    "min_child_samples": Hyperparameter(None, "min_data_in_leaf", 1, _LARGE, whole=True),
    "min_child_weight": Hyperparameter("min_child_weight", "min_sum_hessian_in_leaf", 0, _LARGE),
    "min_split_gain": Hyperparameter("min_split_loss", "min_gain_to_split", 0, _LARGE),
    "subsample": Hyperparameter("subsample", "bagging_fraction", 1e-3, 1),
    "colsample_bytree": Hyperparameter("colsample_bytree", "feature_fraction", 1e-3, 1),
    "reg_alpha": Hyperparameter("reg_alpha", "lambda_l1", 0, _LARGE),
    "reg_lambda": Hyperparameter("reg_lambda", "lambda_l2", 0, _LARGE),
    "max_bin": Hyperparameter("max_bin", "max_bin", 2, 1_024, whole=True),
}


def check_hyperparameters(algorithm: str, hyperparameters: Mapping[str, Any]) -> None:
    """Raises Invalid: `unknown_hyperparameter` for a name the algorithm (`auto`: neither) has not,
    `invalid_hyperparameter` for a value out of bounds."""
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
