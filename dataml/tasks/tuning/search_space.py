"""The search space of hyperparameters: ranges by the names of the API, one set for each algorithm.

The ranges are those usual in comparisons of tuned tree models, narrowed to what a few dozen trials can cover. The
number of rounds is not among them: the validation rows stop the boosting.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS

ALGORITHM = "algorithm"
"""The name of the algorithm in a set of parameters."""

OBJECTIVE, DEADLINE = "objective", "deadline"
"""Names in a trial's configuration that are not parameters of the algorithm."""
SEPARATOR = "."
"""Separates an algorithm and its parameter: two algorithms may have different ranges for one name."""


class Suggester(Protocol):
    """The part of an Optuna trial that a range uses."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int:
        """Return an integer from `low` to `high`."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float:
        """Return a number from `low` to `high`."""
        ...


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; with `log`, on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    is_integer: bool = False

    def suggest(self, trial: Suggester, name: str) -> float:
        """Return the value of this parameter that the sampler suggests for the trial."""
        if self.is_integer:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


Ranges = Mapping[str, Range]

_LEARNING_RATE = Range(0.01, 0.3, log=True)
_SHARE = Range(0.5, 1.0)
_PENALTY = Range(1e-8, 10.0, log=True)

SPACE: dict[str, dict[str, Range]] = {
    "XGBoost": {
        "learning_rate": _LEARNING_RATE,
        "max_depth": Range(3, 10, is_integer=True),
        "min_child_weight": Range(1.0, 100.0, log=True),
        "subsample": _SHARE,
        "colsample_bytree": _SHARE,
        "reg_alpha": _PENALTY,
        "reg_lambda": _PENALTY,
    },
    "LightGBM": {
        "learning_rate": _LEARNING_RATE,
        "num_leaves": Range(8, 256, log=True, is_integer=True),
        "min_child_samples": Range(5, 200, log=True, is_integer=True),
        "subsample": _SHARE,
        "colsample_bytree": _SHARE,
        "reg_alpha": _PENALTY,
        "reg_lambda": _PENALTY,
    },
    # Its trees are symmetric: depth and the penalty of the leaves are nearly all that matters.
    "CatBoost": {
        "learning_rate": _LEARNING_RATE,
        "max_depth": Range(4, 10, is_integer=True),
        "subsample": _SHARE,
        "reg_lambda": Range(0.5, 30.0, log=True),
    },
}


def search_space(algorithms: Collection[str], fixed: Mapping[str, Any]) -> dict[str, dict[str, Range]]:
    """Return the ranges of each of `algorithms`, without parameters that the user has `fixed` or the library lacks.

    Several algorithms make one conditional space: the algorithm, and then its own parameters.
    """
    return {
        algorithm: {
            name: values
            for name, values in SPACE[algorithm].items()
            if name not in fixed and HYPERPARAMETERS[name].library_name(algorithm) is not None
        }
        for algorithm in algorithms
        # A linear model finds its penalty itself.
        if algorithm in SPACE
    }


def own_parameters(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the objective: the algorithm, and its parameters by their own names."""
    return {
        name.rpartition(SEPARATOR)[2]: value
        for name, value in configuration.items()
        if name not in (OBJECTIVE, DEADLINE)
    }
