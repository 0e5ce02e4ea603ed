"""One booster for all series, on rows of their past: how it is fitted, and the recursion that makes it a forecast."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from dataml.errors import Invalid
from dataml.ml.boosters.fitting import Fit, Fitted, Progress, fit
from dataml.ml.boosters.native import NativeModel, Samples, Task
from dataml.ml.boosters.onnx_model import OnnxModel, convert
from dataml.ml.forecasting.models.calendar_features import calendar_features
from dataml.ml.forecasting.models.lag_features import Rows
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.recursive_features import NextRow
from dataml.ml.forecasting.panel.covariates import Series

ALGORITHMS = ("LightGBM", "XGBoost")
_TASK = Task(0)
_RATE = 0.05
_ROUNDS = 500
_LEAST_ROUNDS = 100
"""At that rate. A last horizon is few values, and they would often stop a booster before it has learned the season."""
_FEWEST = 10
_PROOF_ROWS = 1_000
_IMPORTANCE_ROWS = 2_000


@dataclass(frozen=True)
class Origin:
    """Where forecasts begin: `tails` float64 (series, reach), the last values of each series at the right, NaN where it
    is shorter or has a gap; `scale` (series,); `times` datetime64[us] (series, steps), those to forecast; covariates
    float32: `known` (series, steps, columns) at those times, `static` (series, columns), and `past` (series, horizon,
    columns), the last values of each series at the right."""

    tails: np.ndarray
    scale: np.ndarray
    times: np.ndarray
    known: np.ndarray
    static: np.ndarray
    past: np.ndarray

    @classmethod
    def of(
        cls, spec: LagSpec, data: Series, cuts: np.ndarray, scale: np.ndarray, times: np.ndarray, known: np.ndarray
    ) -> Self:
        """After the first `cuts` (series,) values of each series."""
        ends = data.starts[:-1] + cuts
        tails = last(data.y, data.starts[:-1], ends, spec.reach)
        return cls(tails, scale, times, known, data.static, last(data.past, data.starts[:-1], ends, spec.horizon))


def last(values: np.ndarray, begins: np.ndarray, ends: np.ndarray, count: int) -> np.ndarray:
    """(series, count, ...): the last `count` of `values` (rows, ...) from `begins` to `ends` (series,), right-aligned,
    NaN where there are fewer."""
    at = ends[:, None] + np.arange(-count, 0)
    is_there = at >= begins[:, None]
    found = np.full((*at.shape, *values.shape[1:]), np.nan, dtype=values.dtype)
    found[is_there] = values[at[is_there]]
    return found


@dataclass(frozen=True)
class Explanation:
    """Why a series is forecast so, in its own unit: `forecast` (steps,) is `base` (steps,) plus the contributions of
    the columns `names`, float64 (steps, width). The base is the level of each step, and what an average row adds."""

    names: tuple[str, ...]
    forecast: np.ndarray
    base: np.ndarray
    contributions: np.ndarray


class LaggedModel:
    """A fitted booster and what its rows are made of; `onnx` is its copy where that has proven equal, which then
    predicts. Safe to share between threads."""

    def __init__(self, spec: LagSpec, native: Callable[[], NativeModel], onnx: bytes | None, rounds: int) -> None:
        self.spec = spec
        self.onnx = onnx
        self.rounds = rounds
        self._native = native
        self._next = NextRow(spec)
        self._engine = self.native if onnx is None else OnnxModel(onnx)

    @classmethod
    def load(cls, spec: LagSpec, algorithm: str, content: bytes, onnx: bytes | None, rounds: int = 0) -> Self:
        """From `native.to_bytes()`, and from `onnx` as it was."""
        positions = spec.categorical_positions
        return cls(spec, lambda: NativeModel.from_bytes(algorithm, _TASK, content, positions), onnx, rounds)

    @cached_property
    def native(self) -> NativeModel:
        """The booster itself: where it has a copy, its library is imported when first asked for."""
        return self._native()

    def forecast(self, origin: Origin) -> np.ndarray:
        """float64 (series, steps), also beyond the horizon: each step is history to the next."""
        return self._ahead(origin)

    def explain(self, origin: Origin) -> Explanation:
        """Of one series, by the booster's own SHAP values of each step, given the steps before."""
        kept: list[np.ndarray] = []
        forecast = self._ahead(origin, kept)[0]
        values = self.native.contributions(np.concatenate(kept))[:, 0].astype(np.float64) * origin.scale[0]
        return Explanation(self.spec.names, forecast, forecast - values.sum(axis=1), values)

    def importance(self, rows: Rows, seed: int = 0) -> dict[str, float]:
        """The share of each column in the decisions on `rows`, a sample of them, by mean absolute SHAP values: largest
        first, summing to 1, or all 0 for a model without a split."""
        chosen = np.random.default_rng(seed).permutation(len(rows))[:_IMPORTANCE_ROWS]
        sizes = np.abs(self.native.contributions(rows.x[np.sort(chosen)])[:, 0]).mean(axis=0, dtype=np.float64)
        shares = sizes / (sizes.sum() or 1.0)
        named = zip(self.spec.names, shares.tolist(), strict=True)
        return dict(sorted(named, key=lambda item: (-item[1], item[0])))

    def _ahead(self, origin: Origin, kept: list[np.ndarray] | None = None) -> np.ndarray:
        """The forecast; the matrix of each step goes to `kept`."""
        spec, steps = self.spec, origin.times.shape[1]
        history = np.concatenate((origin.tails, np.empty((len(origin.tails), steps))), axis=1)
        later = self._later(origin)
        matrix = np.empty((len(history), spec.width), dtype=np.float32)
        for step in range(steps):
            columns, level = self._next.features(history[:, step : step + spec.reach], origin.scale)
            matrix[:, : spec.history_width] = columns
            matrix[:, spec.history_width :] = later[:, step]
            history[:, spec.reach + step] = level + origin.scale * self._engine.predict(matrix)
            if kept is not None:
                kept.append(matrix.copy())
        return history[:, spec.reach :]

    def _later(self, origin: Origin) -> np.ndarray:
        """What does not depend on the forecast: float32 (series, steps, columns)."""
        count, steps = origin.times.shape
        static = np.broadcast_to(origin.static[:, None], (count, steps, len(self.spec.static)))
        # What is known of a past covariate is carried forward beyond the horizon.
        past = origin.past[:, np.minimum(np.arange(steps), self.spec.horizon - 1)]
        return np.concatenate((calendar_features(self.spec.calendar, origin.times), origin.known, static, past), axis=2)


def fit_lagged(
    algorithm: str,
    rows: Rows,
    *,
    rounds: int | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
    again: bool = True,
    copy: bool = True,
    progress: Progress = lambda share, phrase: None,
) -> LaggedModel:
    """Fit a booster for so many `rounds`; without a number, for as many as the last horizon of each series asks for,
    and then `again` on all rows, where the first fit will not do. With `copy` it gets an ONNX copy, which takes as long
    as a small fit.

    Raises Invalid (`series_too_short`) when no series has two values.
    """
    if not len(rows):
        raise Invalid("No series has two values: a forecast needs at least that.", code="series_too_short")
    how = Fit(
        algorithm,
        _TASK,
        rows.spec.categorical_positions,
        {**_defaults(algorithm, len(rows)), **(hyperparameters or {})},
        seed,
        threads,
        progress=progress,
    )
    fitted = None
    if rounds is None:
        fitted, rounds = _asked(how, rows)
    if fitted is None or again or fitted.best_iteration < rounds:
        fitted = _fitted(how, rows, None, rounds)
    onnx = convert(fitted.model, _sample(rows, seed), seed).content if copy else None
    return LaggedModel(rows.spec, lambda: fitted.model, onnx, fitted.best_iteration)


def _fitted(how: Fit, rows: Rows, validation: Rows | None, rounds: int | None) -> Fitted:
    judged = None if validation is None else Samples(validation.x, validation.y)
    # Four fifths of one row, which is what a tree is given of it, are no row at all.
    if len(rows) < _FEWEST:
        rows = rows.take(np.arange(_FEWEST) % len(rows))
    return fit(how, Samples(rows.x, rows.y), judged, rounds)


def _asked(how: Fit, rows: Rows) -> tuple[Fitted | None, int]:
    """A fit of all but the last horizon, and how many rounds that horizon asks for: as much as `_LEAST_ROUNDS` of the
    usual rate at least, unless the user allows less."""
    given = how.hyperparameters
    least = min(round(_LEAST_ROUNDS * _RATE / given["learning_rate"]) or 1, int(given["n_estimators"]))
    is_late = _latest(rows)
    if not is_late.any():
        return None, least
    fitted = _fitted(how, rows.take(~is_late), rows.take(is_late), None)
    return fitted, max(least, fitted.best_iteration)


def _defaults(algorithm: str, rows: int) -> dict[str, Any]:
    """Small trees for few rows."""
    common = {"learning_rate": _RATE, "n_estimators": _ROUNDS}
    if algorithm == "XGBoost":
        return common | {"max_depth": 3 if rows < 1_000 else 6}
    return common | {"num_leaves": int(np.clip(rows // 200, 8, 31))}


def _latest(rows: Rows) -> np.ndarray:
    """A mask of the last horizon of each series, and of at most a quarter of it."""
    count = int(rows.series.max()) + 1
    ends = np.zeros(count, dtype=np.int64)
    np.maximum.at(ends, rows.series, rows.position + 1)
    several = np.minimum(np.bincount(rows.series, minlength=count) // 4, rows.spec.horizon)
    return rows.position >= (ends - several)[rows.series]


def _sample(rows: Rows, seed: int) -> np.ndarray:
    chosen = np.random.default_rng(seed).permutation(len(rows))[:_PROOF_ROWS]
    return rows.x[np.sort(chosen)]
