"""The candidates of a training: which models are tried, by name, and with which parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

import numpy as np

from dataml.ml.boosters.fitting import FitConfig
from dataml.ml.boosters.hyperparameters import HYPERPARAMETERS, available_algorithms
from dataml.ml.boosters.limits import NO_LIMITS, FitLimits
from dataml.ml.boosters.native_model import NativeModel, Task
from dataml.ml.linear.fitting import MAX_CLASSES
from dataml.ml.target_scaling import UNSCALED, TargetScaling

Quality = Literal["fast", "balanced", "best"]
QUALITIES: Final[tuple[Quality, ...]] = get_args(Quality)
DEFAULT_QUALITY: Final[Quality] = "balanced"
_MAX_CLASSES: Final = {"CatBoost": 100, "Linear": MAX_CLASSES}
"""With more classes these take minutes for what the others do in seconds."""
_GROUP_SIZE: Final = 6
"""Candidates whose first folds are compared before the others are fitted."""

# Chosen by the errors of their blends on the tables of `benchmarks/quality.py` that are not held back. Small and random
# trees err less alone where there are few rows, and differently from our defaults everywhere.
_VARIANTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "LightGBM small trees": (
        "LightGBM",
        {"num_leaves": 8, "learning_rate": 0.05, "feature_fraction": 0.6, "lambda_l2": 1.0},
    ),
    "LightGBM random splits": ("LightGBM", {"extra_trees": True}),
    "LightGBM large trees": (
        "LightGBM",
        {"num_leaves": 96, "learning_rate": 0.04, "feature_fraction": 0.6, "min_data_in_leaf": 3},
    ),
    "XGBoost small trees": ("XGBoost", {"max_depth": 3, "colsample_bytree": 0.5, "reg_lambda": 3.0}),
    "XGBoost deep trees": (
        "XGBoost",
        {"max_depth": 9, "learning_rate": 0.04, "colsample_bytree": 0.5, "min_child_weight": 3.0},
    ),
    "CatBoost shallow trees": ("CatBoost", {"depth": 4}),
}
_FAST: Final = ("LightGBM", "XGBoost small trees", "Linear", "LightGBM random splits")
_BALANCED: Final = (*_FAST[:3], "CatBoost", *_FAST[3:], "LightGBM small trees", "XGBoost")
_LOGARITHMS: Final[dict[Quality, tuple[str, ...]]] = {
    "fast": ("XGBoost small trees",),
    "balanced": ("XGBoost small trees",),
    "best": ("XGBoost small trees", "LightGBM random splits"),
}
"""Candidates that a skewed number has twice, the second one for its logarithm."""
_MIN_SKEWNESS: Final = 1.0
_PORTFOLIOS: Final[dict[Quality, tuple[str, ...]]] = {
    "fast": _FAST,
    "balanced": _BALANCED,
    "best": (*_BALANCED, "LightGBM large trees", "XGBoost deep trees", "CatBoost shallow trees"),
}
"""The candidates of `auto`, in the order of expected gain for their time."""


@dataclass(frozen=True)
class Candidate:
    """A model to try.

    Attributes:
        name: unique among the candidates.
        algorithm: of the model; where it is also the name, the model has our defaults.
        params: by the library's own names, in place of our defaults.
        tuned: hyperparameters in our names that a search has chosen.
        start: a model to continue.
        log_center: what is subtracted from the logarithm of a number that it learns; None where it learns the target.
        limits: of its fits.
    """

    name: str
    algorithm: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Any] = field(default_factory=dict)
    start: NativeModel | None = None
    limits: FitLimits = NO_LIMITS
    log_center: float | None = None


@dataclass(frozen=True)
class Candidates:
    """The models to try, in the order of expected gain, and what they have in common.

    `hyperparameters` are those of the user, in our names, and apply to every model. The targets of all rows are scaled
    by `scaling`, that of a regression.
    """

    task: Task
    models: tuple[Candidate, ...]
    categorical: tuple[int, ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    scaling: TargetScaling = UNSCALED

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the models."""
        return tuple(model.name for model in self.models)

    def groups(self) -> tuple[tuple[Candidate, ...], ...]:
        """Return the models in groups that are fitted one after the other."""
        return tuple(self.models[start : start + _GROUP_SIZE] for start in range(0, len(self.models), _GROUP_SIZE))

    @property
    def is_continuation(self) -> bool:
        """Whether models are continued."""
        return any(model.start is not None for model in self.models)

    def fit_config(self, model: Candidate) -> FitConfig:
        """Return the configuration of a fit of one of the models."""
        return FitConfig(
            model.algorithm,
            self.task,
            self.categorical,
            {**model.tuned, **self.hyperparameters},
            self.seed,
            self.threads,
            model.start,
            limits=model.limits,
            params=model.params,
            log_center=model.log_center,
        )

    def with_tuned(self, tuned: Mapping[str, Mapping[str, Any]]) -> "Candidates":
        """Return the candidates with what a search has chosen for them, by name."""
        models = tuple(replace(model, tuned=tuned.get(model.name, model.tuned)) for model in self.models)
        return replace(self, models=models)


def list_candidates(
    task: Task,
    quality: Quality = DEFAULT_QUALITY,
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    log_center: float | None = None,
) -> tuple[Candidate, ...]:
    """Return the models that `auto` tries.

    Args:
        task: what is predicted.
        quality: how many are tried.
        hyperparameters: those of the user. A variant that differs by one of them is left out: it would be the default.
        log_center: as `find_log_center` returns it.
    """
    candidates: list[Candidate] = []
    for name in _PORTFOLIOS[quality]:
        candidate = Candidate(name, *_VARIANTS.get(name, (name, {})))
        candidates.append(candidate)
        if log_center is not None and name in _LOGARITHMS[quality]:
            candidates.append(replace(candidate, name=f"{name} of the logarithm", log_center=log_center))
    suitable = {name for name in available_algorithms() if task.classes <= _MAX_CLASSES.get(name, task.classes)}
    fixed = set(hyperparameters or ())
    return tuple(each for each in candidates if each.algorithm in suitable and fixed.isdisjoint(_own_names(each)))


def find_log_center(target: np.ndarray) -> float | None:
    """Return the mean logarithm of numbers with a long tail, whose logarithms have none; None of other numbers."""
    if target.min() <= 0:
        return None
    logarithms = np.log(target)
    skewness = _skewness(target)
    is_skewed = skewness > _MIN_SKEWNESS and abs(_skewness(logarithms)) < skewness / 2
    return float(logarithms.mean()) if is_skewed else None


def _skewness(values: np.ndarray) -> float:
    centred = values - values.mean()
    deviation = centred.std()
    return float(np.power(centred / deviation, 3).mean()) if deviation > 0 else 0.0


def list_defaults(algorithm: str, task: Task) -> tuple[Candidate, ...]:
    """Return a model with our defaults for each algorithm that `auto`, or the name of one, stands for."""
    names = available_algorithms() if algorithm == "auto" else (algorithm,)
    is_named = algorithm != "auto"
    return tuple(
        Candidate(name, name) for name in names if is_named or task.classes <= _MAX_CLASSES.get(name, task.classes)
    )


def _own_names(candidate: Candidate) -> set[str]:
    """Return the parameters of a variant by our names."""
    return {
        name for name, rule in HYPERPARAMETERS.items() if rule.library_name(candidate.algorithm) in candidate.params
    }
