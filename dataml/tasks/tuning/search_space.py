"""Where a search looks for better hyperparameters: ranges in our own names, one set an algorithm.

The ranges are the usual ones of comparisons of tuned tree models, narrowed to what a few dozen trials can cover. The
number of rounds is in none of them: the validation rows stop the boosting.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS

ALGORITHM = "algorithm"
"""The name under which a set of parameters says whose they are."""

OBJECTIVE, DEADLINE = "objective", "deadline"
"""Names in a trial's configuration that are no parameters of it."""
SEPARATOR = "."
"""Stands between an algorithm and its parameter, for two algorithms may have a range each of one name."""


class Suggesting(Protocol):
    """What a range needs of an Optuna trial."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float: ...


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log` spreads the trials over the orders of magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggest(self, trial: Suggesting, name: str) -> float:
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


Ranges = Mapping[str, Range]

_LEARNING_RATE = Range(0.01, 0.3, log=True)
_SHARE = Range(0.5, 1.0)
_PENALTY = Range(1e-8, 10.0, log=True)

SPACE: dict[str, dict[str, Range]] = {
    "XGBoost": {
        "learning_rate": _LEARNING_RATE,
        "max_depth": Range(3, 10, whole=True),
        "min_child_weight": Range(1.0, 100.0, log=True),
        "subsample": _SHARE,
        "colsample_bytree": _SHARE,
        "reg_alpha": _PENALTY,
        "reg_lambda": _PENALTY,
    },
    "LightGBM": {
        "learning_rate": _LEARNING_RATE,
        "num_leaves": Range(8, 256, log=True, whole=True),
        "min_child_samples": Range(5, 200, log=True, whole=True),
        "subsample": _SHARE,
        "colsample_bytree": _SHARE,
        "reg_alpha": _PENALTY,
        "reg_lambda": _PENALTY,
    },
    # Its trees are symmetric: depth and the penalty of the leaves are nearly all there is to choose.
    "CatBoost": {
        "learning_rate": _LEARNING_RATE,
        "max_depth": Range(4, 10, whole=True),
        "subsample": _SHARE,
        "reg_lambda": Range(0.5, 30.0, log=True),
    },
}


def space_of(algorithms: Collection[str], fixed: Mapping[str, Any]) -> dict[str, dict[str, Range]]:
    """The ranges of each of `algorithms`, without those the user has `fixed` and those the library has not.

    Several algorithms make one conditional space: which of them, and then its own parameters.
    """
    return {
        algorithm: {
            name: values
            for name, values in SPACE[algorithm].items()
            if name not in fixed and HYPERPARAMETERS[name].name_in(algorithm) is not None
        }
        for algorithm in algorithms
    }


def own_parameters(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What of a trial's configuration the objective is given: the algorithm, and its parameters by their own names."""
    return {
        name.rpartition(SEPARATOR)[2]: value
        for name, value in configuration.items()
        if name not in (OBJECTIVE, DEADLINE)
    }
