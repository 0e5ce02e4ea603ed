"""The candidates of a training: which models are tried, by name, and with which parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dataml.ml.boosters.fitting import FitConfig
from dataml.ml.boosters.hyperparameters import available_algorithms
from dataml.ml.boosters.limits import NO_LIMITS, FitLimits
from dataml.ml.boosters.native_model import NativeModel, Task
from dataml.ml.linear.fitting import MAX_CLASSES
from dataml.ml.target_scaling import UNSCALED, TargetScaling

_MAX_CATBOOST_CLASSES: Final = 100
"""With more classes CatBoost takes minutes for what the others do in seconds."""


@dataclass(frozen=True)
class Candidate:
    """A model to try.

    Attributes:
        name: unique among the candidates.
        algorithm: of the model; where it is also the name, the model has our defaults.
        params: by the library's own names, in place of our defaults.
        tuned: hyperparameters in our names that a search has chosen.
        start: a model to continue.
        limits: of its fits.
    """

    name: str
    algorithm: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Any] = field(default_factory=dict)
    start: NativeModel | None = None
    limits: FitLimits = NO_LIMITS


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
        )

    def with_tuned(self, tuned: Mapping[str, Mapping[str, Any]]) -> "Candidates":
        """Return the candidates with what a search has chosen for them, by name."""
        models = tuple(replace(model, tuned=tuned.get(model.name, model.tuned)) for model in self.models)
        return replace(self, models=models)


def list_candidates(algorithm: str, task: Task) -> tuple[Candidate, ...]:
    """Return the models that `auto`, or the name of an algorithm, stands for."""
    names = [name for name in available_algorithms() if algorithm in ("auto", name)]
    if algorithm == "auto":
        too_slow = {
            "CatBoost": task.classes > _MAX_CATBOOST_CLASSES,
            "Linear": task.classes > MAX_CLASSES,
        }
        names = [name for name in names if not too_slow.get(name, False)]
    return tuple(Candidate(name, name) for name in names)
