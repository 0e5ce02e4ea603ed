"""A booster for all series, on lagged values: its fit, and the recursive forecast of many steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from dataml.errors import Invalid
from dataml.ml.boosters.fitting import FitConfig, FittedModel, Progress, fit
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxModel, convert_to_onnx
from dataml.ml.forecasting.models.calendar_features import compute_calendar_features
from dataml.ml.forecasting.models.lag_features import FeatureMatrix
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.recursive_features import RecursiveFeatures
from dataml.ml.forecasting.panel.covariates import GroupedSeries

BOOSTERS = ("LightGBM", "XGBoost")
_TASK = Task(0)
_LEARNING_RATE = 0.05
_MAX_ROUNDS = 500
_MIN_ROUNDS = 100
"""Rounds at that rate. A last horizon is few values, and often stops a booster before it has learned the season."""
_MIN_ROWS = 10
_PROOF_ROWS = 1_000
_IMPORTANCE_ROWS = 2_000


@dataclass(frozen=True)
class ForecastInput:
    """Everything that a lagged model forecasts from, for some series.

    `tails` float64 (series, reach) are the last values of each series, right-aligned, NaN where it is shorter or has a
    gap; `scale` is (series,); `times` datetime64[us] (series, steps) are those to forecast. Covariates are float32:
    `known` (series, steps, columns) at those times, `static` (series, columns), and `past` (series, horizon, columns),
    the last values of each series, right-aligned.
    """

    tails: np.ndarray
    scale: np.ndarray
    times: np.ndarray
    known: np.ndarray
    static: np.ndarray
    past: np.ndarray

    @classmethod
    def at_cutoffs(
        cls,
        spec: LagSpec,
        data: GroupedSeries,
        numbers: np.ndarray,
        cutoffs: np.ndarray,
        scale: np.ndarray,
        times: np.ndarray,
        known: np.ndarray,
    ) -> Self:
        """Return the input of a forecast after the first `cutoffs` values of each of the series with these `numbers`.

        `cutoffs`, `scale`, `times` and `known` have an entry for each of these series.
        """
        begins = data.starts[:-1][numbers]
        ends = begins + cutoffs
        tails = last_values(data.y, begins, ends, spec.reach)
        past = last_values(data.past, begins, ends, spec.horizon)
        return cls(tails, scale, times, known, data.static[numbers], past)


def last_values(values: np.ndarray, begins: np.ndarray, ends: np.ndarray, count: int) -> np.ndarray:
    """Return the last `count` of `values` (rows, ...) between `begins` and `ends` (series,), as (series, count, ...).

    They are right-aligned, NaN where there are fewer.
    """
    rows = ends[:, None] + np.arange(-count, 0)
    is_present = rows >= begins[:, None]
    tails = np.full((*rows.shape, *values.shape[1:]), np.nan, dtype=values.dtype)
    tails[is_present] = values[rows[is_present]]
    return tails


@dataclass(frozen=True)
class ForecastExplanation:
    """Contributions to the forecast of a series, in its own unit.

    `forecast` (steps,) is `base` (steps,) plus the contributions of the columns `names`, float64 (steps, width). The
    base is the level of each step plus the mean prediction of the booster.
    """

    names: tuple[str, ...]
    forecast: np.ndarray
    base: np.ndarray
    contributions: np.ndarray


class LaggedModel:
    """A fitted booster and the spec of its columns. Safe to share between threads.

    `onnx` is the booster's copy where that has proven equal; then it makes the predictions.
    """

    def __init__(self, spec: LagSpec, native: Callable[[], NativeModel], onnx: bytes | None, rounds: int) -> None:
        self.spec = spec
        self.onnx = onnx
        self.rounds = rounds
        self._native = native
        self._features = RecursiveFeatures(spec)
        self._engine = self.native if onnx is None else OnnxModel(onnx)

    @classmethod
    def load(cls, spec: LagSpec, algorithm: str, content: bytes, onnx: bytes | None, rounds: int = 0) -> Self:
        """Load a model from `native.to_bytes()`, and from its `onnx` copy."""
        positions = spec.categorical_positions
        return cls(spec, lambda: NativeModel.from_bytes(algorithm, _TASK, content, positions), onnx, rounds)

    @cached_property
    def native(self) -> NativeModel:
        """The booster itself: where it has a copy, its library is imported at the first use."""
        return self._native()

    def forecast(self, inputs: ForecastInput) -> np.ndarray:
        """Return float64 (series, steps), also beyond the horizon: each step is history to the next."""
        return self._forecast(inputs)

    def explain(self, inputs: ForecastInput) -> ForecastExplanation:
        """Explain the forecast of one series by the booster's SHAP values of each step, given the steps before."""
        matrices: list[np.ndarray] = []
        forecast = self._forecast(inputs, matrices)[0]
        values = self.native.contributions(np.concatenate(matrices))[:, 0].astype(np.float64) * inputs.scale[0]
        return ForecastExplanation(self.spec.names, forecast, forecast - values.sum(axis=1), values)

    def importance(self, rows: FeatureMatrix, seed: int = 0) -> dict[str, float]:
        """Return the share of each column in the decisions on a sample of `rows`, by mean absolute SHAP values.

        Shares are sorted, the largest first, and sum to 1, or are all 0 for a model without a split.
        """
        chosen = np.random.default_rng(seed).permutation(len(rows))[:_IMPORTANCE_ROWS]
        sizes = np.abs(self.native.contributions(rows.x[np.sort(chosen)])[:, 0]).mean(axis=0, dtype=np.float64)
        shares = sizes / (sizes.sum() or 1.0)
        shares_by_name = zip(self.spec.names, shares.tolist(), strict=True)
        return dict(sorted(shares_by_name, key=lambda item: (-item[1], item[0])))

    def _forecast(self, inputs: ForecastInput, matrices: list[np.ndarray] | None = None) -> np.ndarray:
        """Return the forecast, and append the feature matrix of each step to `matrices`."""
        spec, steps = self.spec, inputs.times.shape[1]
        history = np.concatenate((inputs.tails, np.empty((len(inputs.tails), steps))), axis=1)
        fixed = self._fixed_features(inputs)
        matrix = np.empty((len(history), spec.width), dtype=np.float32)
        for step in range(steps):
            columns, level = self._features.compute(history[:, step : step + spec.reach], inputs.scale)
            matrix[:, : spec.history_width] = columns
            matrix[:, spec.history_width :] = fixed[:, step]
            history[:, spec.reach + step] = level + inputs.scale * self._engine.predict(matrix)
            if matrices is not None:
                matrices.append(matrix.copy())
        return history[:, spec.reach :]

    def _fixed_features(self, inputs: ForecastInput) -> np.ndarray:
        """Return the columns that do not depend on the forecast, float32 (series, steps, columns)."""
        count, steps = inputs.times.shape
        calendar = compute_calendar_features(self.spec.calendar, inputs.times, self.spec.time_zone)
        static = np.broadcast_to(inputs.static[:, None], (count, steps, len(self.spec.static)))
        # Beyond the horizon the last known value of a past covariate is carried forward.
        past = inputs.past[:, np.minimum(np.arange(steps), self.spec.horizon - 1)]
        return np.concatenate((calendar, inputs.known, static, past), axis=2)


def fit_lagged_model(
    algorithm: str,
    rows: FeatureMatrix,
    *,
    rounds: int | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
    refit: bool = True,
    copy: bool = True,
    progress: Progress = lambda share, phrase: None,
) -> LaggedModel:
    """FitConfig a booster for a number of `rounds`, or for as many as the last horizon of each series suggests.

    In the second case it is fitted again on all rows, with `refit` always, else only where the first fit has too few
    rounds. With `copy` it gets an ONNX copy, which takes as long as a small fit.

    Raises:
        Invalid: `series_too_short`: no series has two values.
    """
    if not len(rows):
        raise Invalid("No series has two values; a forecast needs at least two.", code="series_too_short")
    how = FitConfig(
        algorithm,
        _TASK,
        rows.spec.categorical_positions,
        {**_default_hyperparameters(algorithm, len(rows)), **(hyperparameters or {})},
        seed,
        threads,
        progress=progress,
    )
    fitted = None
    if rounds is None:
        fitted, rounds = _find_rounds(how, rows)
    if fitted is None or refit or fitted.best_iteration < rounds:
        fitted = _fit(how, rows, None, rounds)
    onnx = convert_to_onnx(fitted.model, _sample(rows, seed), seed).content if copy else None
    return LaggedModel(rows.spec, lambda: fitted.model, onnx, fitted.best_iteration)


def _fit(how: FitConfig, rows: FeatureMatrix, validation: FeatureMatrix | None, rounds: int | None) -> FittedModel:
    validation_samples = None if validation is None else LabeledRows(validation.x, validation.y)
    # A tree is grown on four fifths of the rows, which of a single row is none at all.
    if len(rows) < _MIN_ROWS:
        rows = rows.take(np.arange(_MIN_ROWS) % len(rows))
    return fit(how, LabeledRows(rows.x, rows.y), validation_samples, rounds)


def _find_rounds(how: FitConfig, rows: FeatureMatrix) -> tuple[FittedModel | None, int]:
    """Return a fit of all but the last horizon, and the number of rounds that suits that horizon.

    The number is worth at least `_MIN_ROUNDS` of the usual learning rate, unless the user allows fewer.
    """
    parameters = how.hyperparameters
    min_rounds = min(
        round(_MIN_ROUNDS * _LEARNING_RATE / parameters["learning_rate"]) or 1, int(parameters["n_estimators"])
    )
    is_validation = _is_last_horizon(rows)
    if not is_validation.any():
        return None, min_rounds
    fitted = _fit(how, rows.take(~is_validation), rows.take(is_validation), None)
    return fitted, max(min_rounds, fitted.best_iteration)


def _default_hyperparameters(algorithm: str, rows: int) -> dict[str, Any]:
    """Return the hyperparameters for a number of rows: small trees for few rows."""
    common = {"learning_rate": _LEARNING_RATE, "n_estimators": _MAX_ROUNDS}
    if algorithm == "XGBoost":
        return common | {"max_depth": 3 if rows < 1_000 else 6}
    return common | {"num_leaves": int(np.clip(rows // 200, 8, 31))}


def _is_last_horizon(rows: FeatureMatrix) -> np.ndarray:
    """Return a mask of the last horizon of each series, and of at most a quarter of it."""
    count = int(rows.series.max()) + 1
    ends = np.zeros(count, dtype=np.int64)
    np.maximum.at(ends, rows.series, rows.position + 1)
    held_out = np.minimum(np.bincount(rows.series, minlength=count) // 4, rows.spec.horizon)
    return rows.position >= (ends - held_out)[rows.series]


def _sample(rows: FeatureMatrix, seed: int) -> np.ndarray:
    chosen = np.random.default_rng(seed).permutation(len(rows))[:_PROOF_ROWS]
    return rows.x[np.sort(chosen)]
