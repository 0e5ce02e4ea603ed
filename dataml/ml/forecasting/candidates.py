"""What may forecast: each candidate makes the forecasts of a backtest, and then a member that is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from dataml.ml.forecasting.backtest.splits import Plan
from dataml.ml.forecasting.models.lag_features import Rows, scales, training_rows
from dataml.ml.forecasting.models.lag_spec import LagSpec
from dataml.ml.forecasting.models.lagged_model import LaggedModel, Origin, fit_lagged
from dataml.ml.forecasting.models.statistical import LocalModel, fit_many, forecast
from dataml.ml.forecasting.panel.covariates import Series

Progress = Callable[[float, str], None]
_REFIT_ROWS = 300_000
"""With more rows one fit, of what is before the first window, forecasts all windows: later ones know its past, but
were not learned from."""


@dataclass(frozen=True)
class Local:
    """A statistical model of its own for each series; None for those that it does not forecast."""

    algorithm: str
    season: int
    models: tuple[LocalModel | None, ...]


@dataclass(frozen=True)
class Global:
    """One booster for all series; `importance` is the share of each column in its decisions."""

    algorithm: str
    model: LaggedModel
    importance: Mapping[str, float] = field(default_factory=dict)


Member = Local | Global


class Candidate(Protocol):
    @property
    def name(self) -> str: ...

    def backtest(self, data: Series, plan: Plan, progress: Progress) -> np.ndarray:
        """(windows, series, horizon), NaN where a series has no such window; each made of what was before it."""
        ...

    def fit(self, data: Series, wanted: np.ndarray, progress: Progress) -> Member:
        """On all there is, for the `wanted` (series,) series at least."""
        ...


@dataclass(frozen=True)
class LocalCandidate:
    """Fits on the last `history` values of a series. `regressors` are positions of the known covariates that a
    regression can use."""

    name: str
    season: int
    history: int
    regressors: tuple[int, ...] = ()

    def backtest(self, data: Series, plan: Plan, progress: Progress) -> np.ndarray:
        found = np.full((plan.windows, len(data.lengths), plan.horizon), np.nan)
        places, done = np.argwhere(plan.cuts >= 0), 0
        for part in np.array_split(places, max(1, len(places) // 200)):
            cuts = [int(plan.cuts[window, series]) for window, series in part]
            pieces = [self._piece(data, series, cut) for (_, series), cut in zip(part, cuts, strict=True)]
            models = fit_many([(self.name, y, self.season, x) for y, x in pieces])
            for (window, series), cut, model, (y, x) in zip(part, cuts, models, pieces, strict=True):
                future = self._regressors(data, series, cut, cut + plan.horizon)
                found[window, series] = forecast(model, y, plan.horizon, x, future)
            done += len(part)
            progress(done / len(places), f"Trying {self.name}")
        return found

    def fit(self, data: Series, wanted: np.ndarray, progress: Progress) -> Local:
        chosen = np.flatnonzero(wanted)
        models: list[LocalModel | None] = [None] * len(data.lengths)
        for number, part in enumerate(parts := np.array_split(chosen, max(1, len(chosen) // 200))):
            pieces = [self._piece(data, series, int(data.lengths[series])) for series in part]
            fitted = fit_many([(self.name, y, self.season, x) for y, x in pieces])
            for series, model in zip(part, fitted, strict=True):
                models[series] = model
            progress((number + 1) / len(parts), f"Fitting {self.name}")
        return Local(self.name, self.season, tuple(models))

    def _piece(self, data: Series, series: int, cut: int) -> tuple[np.ndarray, np.ndarray | None]:
        first = max(0, cut - self.history)
        start = int(data.starts[series])
        return data.y[start + first : start + cut], self._regressors(data, series, first, cut)

    def _regressors(self, data: Series, series: int, first: int, stop: int) -> np.ndarray | None:
        if not self.regressors:
            return None
        start = int(data.starts[series])
        return filled(data.known[start + first : start + stop][:, self.regressors])


@dataclass
class GlobalCandidate:
    """The first fit finds out for how many `rounds`; the others take as many. Of many rows it is the only one of the
    backtest."""

    name: str
    spec: LagSpec
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    rounds: int | None = None

    def backtest(self, data: Series, plan: Plan, progress: Progress) -> np.ndarray:
        first = np.maximum(plan.cuts, 0).min(axis=0)
        # A series without any window is learned from, and its scale is nobody's business.
        first = np.where((plan.cuts >= 0).any(axis=0), first, data.lengths)
        scale = scales(data.y, data.starts, first, self.spec.season)
        rows = training_rows(self.spec, data, scale)
        found = np.full((plan.windows, len(data.lengths), plan.horizon), np.nan)
        model: LaggedModel | None = None
        for window in range(plan.windows):
            if model is None or len(rows) <= _REFIT_ROWS:
                known = rows.before(np.maximum(plan.cuts[window], 0))
                model = self._fitted(known, progress, window / plan.windows, again=len(rows) <= _REFIT_ROWS)
            there = np.flatnonzero(plan.cuts[window] >= 0)
            if model is not None:
                found[window, there] = self._ahead(model, data, plan, window, there, scale)
            progress((window + 1) / plan.windows, f"Trying {self.name}")
        return found

    def fit(self, data: Series, wanted: np.ndarray, progress: Progress) -> Global:
        scale = scales(data.y, data.starts, data.lengths, self.spec.season)
        rows = training_rows(self.spec, data, scale)
        model = self._fitted(rows, progress, 0.0, copy=True)
        if model is None:
            raise ValueError("a candidate that has made a backtest has rows")
        return Global(self.name, model, model.importance(rows, self.seed))

    def _fitted(
        self, rows: Rows, progress: Progress, done: float, *, again: bool = True, copy: bool = False
    ) -> LaggedModel | None:
        if not len(rows):
            return None
        model = fit_lagged(
            self.name,
            rows,
            rounds=self.rounds,
            hyperparameters=self.hyperparameters,
            seed=self.seed,
            threads=self.threads,
            again=again,
            copy=copy,
            progress=lambda share, phrase: progress(done, phrase),
        )
        self.rounds = model.rounds
        return model

    def _ahead(
        self, model: LaggedModel, data: Series, plan: Plan, window: int, there: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        cuts = plan.cuts[window]
        at = (data.starts[:-1] + cuts)[there][:, None] + np.arange(plan.horizon)
        origin = Origin.of(self.spec, data, np.maximum(cuts, 0), scale, data.times[at], data.known[at])
        return model.forecast(taken(origin, there))


def taken(origin: Origin, series: np.ndarray) -> Origin:
    """The origin of some series; its times and known covariates are of these already."""
    return Origin(
        origin.tails[series],
        origin.scale[series],
        origin.times,
        origin.known,
        origin.static[series],
        origin.past[series],
    )


def filled(values: np.ndarray) -> np.ndarray:
    """Without gaps, for a regression: the value before, at the beginning the one after, and 0 where there is none."""
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
