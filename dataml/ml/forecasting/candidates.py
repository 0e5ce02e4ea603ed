"""Candidates of a forecast: each makes the forecasts of a backtest, and then the member that is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.models.lag_features import FeatureMatrix, build_training_matrix, series_scales
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.lagged_model import ForecastInput, LaggedModel, fit_lagged_model
from dataml.ml.forecasting.models.statistical import LocalModel, fit_many, forecast
from dataml.ml.forecasting.panel.covariates import GroupedSeries

Progress = Callable[[float, str], None]
_MAX_REFIT_ROWS = 300_000
"""Rows up to which a booster is fitted again for each window.

With more, one fit of the rows before the first window forecasts all windows: later windows are history to it, but it
did not learn from them.
"""
_BATCH_SIZE = 200
"""Statistical models that are fitted between two reports of progress."""


@dataclass(frozen=True)
class LocalMember:
    """A statistical model for each series; None for the series that it does not forecast."""

    algorithm: str
    season: int
    models: tuple[LocalModel | None, ...]


@dataclass(frozen=True)
class GlobalMember:
    """One booster for all series; `importance` is the share of each column in its decisions."""

    algorithm: str
    model: LaggedModel
    importance: Mapping[str, float] = field(default_factory=dict)


Member = LocalMember | GlobalMember


class Candidate(Protocol):
    """An algorithm that can forecast the series."""

    @property
    def name(self) -> str:
        """The name of the algorithm."""
        ...

    def backtest(
        self, data: GroupedSeries, splits: BacktestSplits, progress: Progress, *, refit: bool = True
    ) -> np.ndarray:
        """Forecast each window from the values before it.

        Without `refit` the models that are fitted before the first window of a series forecast the later ones too: the
        values in between are history to them, but they did not learn from them.

        Returns:
            (windows, series, horizon), NaN where a series has no such window.
        """
        ...

    def fit(self, data: GroupedSeries, selected: np.ndarray, progress: Progress) -> Member:
        """Fit on all values, at least for the series of the mask `selected` (series,)."""
        ...


@dataclass(frozen=True)
class LocalCandidate:
    """A statistical algorithm, fitted on the last `history` values of each series.

    `regressors` are positions of the known covariates that its regression can use.
    """

    name: str
    season: int
    history: int
    regressors: tuple[int, ...] = ()

    def backtest(
        self, data: GroupedSeries, splits: BacktestSplits, progress: Progress, *, refit: bool = True
    ) -> np.ndarray:
        """Fit a model for each window of each series, and forecast the window; see `Candidate.backtest`."""
        forecasts = np.full((splits.n_windows, len(data.lengths), splits.horizon), np.nan)
        is_window = splits.cutoffs >= 0
        is_fit = is_window if refit else is_window & (np.cumsum(is_window, axis=0) == 1)
        fits, done = np.argwhere(is_fit), 0
        for batch in np.array_split(fits, max(1, len(fits) // _BATCH_SIZE)):
            histories = [self._history(data, series, int(splits.cutoffs[window, series])) for window, series in batch]
            models = fit_many([(self.name, y, self.season, x) for y, x in histories])
            for (window, series), model in zip(batch, models, strict=True):
                until = window + 1 if refit else splits.n_windows
                self._forecast_windows(model, data, splits, series, range(window, until), forecasts)
            done += len(batch)
            progress(done / len(fits), f"Trying {self.name}")
        return forecasts

    def _forecast_windows(
        self,
        model: LocalModel,
        data: GroupedSeries,
        splits: BacktestSplits,
        series: int,
        windows: range,
        forecasts: np.ndarray,
    ) -> None:
        """Forecast windows of a series by a model that was fitted before the first of them."""
        first = max(0, int(splits.cutoffs[windows[0], series]) - self.history)
        for window in windows:
            cutoff = int(splits.cutoffs[window, series])
            y, x = self._values(data, series, first, cutoff)
            future = self._regressors(data, series, cutoff, cutoff + splits.horizon)
            forecasts[window, series] = forecast(model, y, splits.horizon, x, future)

    def fit(self, data: GroupedSeries, selected: np.ndarray, progress: Progress) -> LocalMember:
        """Fit a model for each selected series."""
        numbers = np.flatnonzero(selected)
        models: list[LocalModel | None] = [None] * len(data.lengths)
        batches = np.array_split(numbers, max(1, len(numbers) // _BATCH_SIZE))
        for done, batch in enumerate(batches, 1):
            histories = [self._history(data, series, int(data.lengths[series])) for series in batch]
            fitted = fit_many([(self.name, y, self.season, x) for y, x in histories])
            for series, model in zip(batch, fitted, strict=True):
                models[series] = model
            progress(done / len(batches), f"Fitting {self.name}")
        return LocalMember(self.name, self.season, tuple(models))

    def _history(self, data: GroupedSeries, series: int, cutoff: int) -> tuple[np.ndarray, np.ndarray | None]:
        return self._values(data, series, max(0, cutoff - self.history), cutoff)

    def _values(
        self, data: GroupedSeries, series: int, first: int, cutoff: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        start = int(data.starts[series])
        return data.y[start + first : start + cutoff], self._regressors(data, series, first, cutoff)

    def _regressors(self, data: GroupedSeries, series: int, first: int, stop: int) -> np.ndarray | None:
        if not self.regressors:
            return None
        start = int(data.starts[series])
        return fill_missing(data.known[start + first : start + stop][:, self.regressors])


@dataclass
class GlobalCandidate:
    """A booster for all series.

    Its first fit determines the number of `rounds`, which later fits keep. With many rows it is fitted once for the
    whole backtest.
    """

    name: str
    spec: LagSpec
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    rounds: int | None = None

    def backtest(
        self, data: GroupedSeries, splits: BacktestSplits, progress: Progress, *, refit: bool = True
    ) -> np.ndarray:
        """Fit the booster before each window, and forecast the window; see `Candidate.backtest`."""
        first_cutoff = np.maximum(splits.cutoffs, 0).min(axis=0)
        # A series without any window is learned from in full: it has no truth that its scale could leak.
        first_cutoff = np.where((splits.cutoffs >= 0).any(axis=0), first_cutoff, data.lengths)
        scale = series_scales(data.y, data.starts, first_cutoff, self.spec.season)
        refit = refit and len(data.y) <= _MAX_REFIT_ROWS
        rows = build_training_matrix(self.spec, data, scale) if refit else None
        forecasts = np.full((splits.n_windows, len(data.lengths), splits.horizon), np.nan)
        model: LaggedModel | None = None
        for window in range(splits.n_windows):
            if model is None or refit:
                cutoffs = np.maximum(splits.cutoffs[window], 0)
                # For a single fit no row of a later window is made: with many series they would take gigabytes.
                past = build_training_matrix(self.spec, data, scale, cutoffs) if rows is None else rows.before(cutoffs)
                model = self._fit(past, progress, window / splits.n_windows, refit=refit)
            numbers = np.flatnonzero(splits.cutoffs[window] >= 0)
            if model is not None:
                forecasts[window, numbers] = self._forecast(model, data, splits, window, numbers, scale)
            progress((window + 1) / splits.n_windows, f"Trying {self.name}")
        return forecasts

    def fit(self, data: GroupedSeries, selected: np.ndarray, progress: Progress) -> GlobalMember:
        """Fit the booster on all series.

        Raises:
            ValueError: the series have no training rows; a backtest was impossible then too.
        """
        scale = series_scales(data.y, data.starts, data.lengths, self.spec.season)
        rows = build_training_matrix(self.spec, data, scale)
        model = self._fit(rows, progress, 0.0, copy=True)
        if model is None:
            raise ValueError("a candidate with a backtest has training rows")
        return GlobalMember(self.name, model, model.importance(rows, self.seed))

    def _fit(
        self, rows: FeatureMatrix, progress: Progress, done: float, *, refit: bool = True, copy: bool = False
    ) -> LaggedModel | None:
        if not len(rows):
            return None
        model = fit_lagged_model(
            self.name,
            rows,
            rounds=self.rounds,
            hyperparameters=self.hyperparameters,
            seed=self.seed,
            threads=self.threads,
            refit=refit,
            copy=copy,
            progress=lambda share, phrase: progress(done, phrase),
        )
        self.rounds = model.rounds
        return model

    def _forecast(
        self,
        model: LaggedModel,
        data: GroupedSeries,
        splits: BacktestSplits,
        window: int,
        numbers: np.ndarray,
        scale: np.ndarray,
    ) -> np.ndarray:
        cutoffs = splits.cutoffs[window, numbers]
        rows = (data.starts[:-1][numbers] + cutoffs)[:, None] + np.arange(splits.horizon)
        inputs = ForecastInput.at_cutoffs(
            self.spec, data, numbers, cutoffs, scale[numbers], data.times[rows], data.known[rows]
        )
        return model.forecast(inputs)


def fill_missing(values: np.ndarray) -> np.ndarray:
    """Return regressors (rows, columns) without gaps, float64.

    A gap gets the value before it, at the beginning the one after it, and 0 in a column without any value.
    """
    values = values.astype(np.float64)
    for column in range(values.shape[1]):
        known = np.flatnonzero(np.isfinite(values[:, column]))
        if len(known) == len(values):
            continue
        if not len(known):
            values[:, column] = 0.0
            continue
        before = np.searchsorted(known, np.arange(len(values)), side="right") - 1
        values[:, column] = values[known[np.maximum(before, 0)], column]
    return values
