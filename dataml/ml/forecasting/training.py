"""How a forecast is made of series: candidates in a backtest, a choice, intervals, scores, and the members fitted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dataml.contract.contract import Contract
from dataml.ml.forecasting.backtest.combination import Choice, choose
from dataml.ml.forecasting.backtest.intervals import fit_intervals
from dataml.ml.forecasting.backtest.report import Judgement, judged
from dataml.ml.forecasting.backtest.splits import Plan, planned
from dataml.ml.forecasting.candidate_selection import Roster, roster
from dataml.ml.forecasting.candidates import Candidate, Global, GlobalCandidate, LocalCandidate, Member, Progress
from dataml.ml.forecasting.forecaster import Forecaster, Settings
from dataml.ml.forecasting.models.calendar_features import calendar_for
from dataml.ml.forecasting.models.lag_features import scales
from dataml.ml.forecasting.models.lag_spec import LagSpec, spec_for
from dataml.ml.forecasting.models.lagged_model import ALGORITHMS as BOOSTERS
from dataml.ml.forecasting.models.statistical import history_needed
from dataml.ml.forecasting.panel.covariates import Covariates, Series, learn_covariates, with_covariates
from dataml.ml.forecasting.panel.dataset import Roles, read_series
from dataml.ml.forecasting.panel.target import Limits

NAIVE = "SeasonalNaive"
_BACKTEST_SHARE = 0.7


@dataclass(frozen=True)
class Request:
    """What to train. `algorithm` is `auto` or a name; the rest None means: as the data suggests."""

    contract: Contract
    roles: Mapping[str, str]
    algorithm: str = "auto"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    frequency: str | None = None
    fill: str | None = None
    horizon: int | None = None
    season_length: int | None = None
    windows: int | None = None
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class Trained:
    """`choice` weighs `candidates`; `roster` says which others were left out and why."""

    forecaster: Forecaster
    judgement: Judgement
    choice: Choice
    plan: Plan
    roster: Roster
    warnings: tuple[str, ...]
    rows: int
    used: int


def train(parquet: Path, request: Request, progress: Progress = lambda share, phrase: None) -> Trained:
    """Raises Invalid: what `reading.read_panel` refuses, `series_too_short`."""
    progress(0.02, "Reading the series")
    reading, table = read_series(
        parquet, request.contract, request.roles, request.frequency, request.fill, request.horizon
    )
    panel = reading.panel
    roles = Roles.of(request.roles)
    covariates = learn_covariates(panel, table, request.contract, roles, request.categories)
    data = with_covariates(panel, table, covariates)
    season = request.season_length or panel.frequency.season_length
    origins = planned(panel, request.horizon, request.season_length, request.windows)
    settings = Settings(
        frequency=panel.frequency,
        season=season,
        horizon=origins.horizon,
        fill=request.fill,
        roles=roles,
        limits=Limits.of(request.contract.column(roles.target), panel.y),
        confidence=(),
    )
    found = roster(request.algorithm, data, origins, season)
    spec = _spec(settings, data, covariates)
    history = _history(found, season, spec)
    candidates = _candidates(found, request, season, history, spec, _regressors(covariates))
    forecasts = _backtested(candidates, data, origins, settings.limits, progress)
    truth = origins.truth(data.y, data.starts)
    scale = naive_scale(data, origins, season)
    progress(_BACKTEST_SHARE, "Choosing")
    kept = [number for number, candidate in enumerate(candidates) if candidate.name in found.names]
    choice = choose([candidates[number].name for number in kept], forecasts[kept], truth, scale)
    naive = forecasts[[candidate.name for candidate in candidates].index(NAIVE)]
    judgement = judged(panel, origins, truth, choice.blended, naive, scale, request.seed)
    members, weights = _members([candidates[number] for number in kept], choice, data, progress)
    settings = replace(settings, confidence=judgement.confidence)
    forecaster = _trimmed(
        history,
        Forecaster(
            settings=settings,
            contract=request.contract,
            covariates=covariates,
            members=members,
            weights=weights,
            scale=_lag_scale(members, data),
            intervals=fit_intervals(truth - choice.blended, scale),
            panel=replace(panel, rows=np.arange(len(panel.y))),
            series=data,
            regressors=_regressors(covariates),
        ),
    )
    return Trained(
        forecaster, judgement, choice, origins, found, reading.warnings, table.num_rows, int((panel.rows >= 0).sum())
    )


def naive_scale(data: Series, origins: Plan, season: int) -> np.ndarray:
    """The mean absolute error (series,) of the seasonal naive before the first window; where no season has passed
    twice, of the naive. 0 for a series that repeats itself."""
    first = np.where(origins.cuts >= 0, origins.cuts, np.iinfo(np.int64).max).min(axis=0)
    first = np.minimum(first, data.lengths)
    found = np.zeros(len(first))
    for lag in dict.fromkeys((1, season)):
        change = np.full(len(data.y), np.nan)
        change[lag:] = np.abs(data.y[lag:] - data.y[:-lag])
        compared = (data.position >= lag) & (data.position < first[data.of_row])
        count = np.bincount(data.of_row[compared], minlength=len(first))
        total = np.bincount(data.of_row[compared], weights=change[compared], minlength=len(first))
        found = np.where(count > 0, total / np.maximum(count, 1), found)
    return found


def _history(found: Roster, season: int, spec: LagSpec) -> int:
    """How many of the last values of a series members look at: as many for all, so that what is kept of a series begins
    where the fits of its own models began."""
    needed = [
        max(spec.reach, spec.horizon) if name in BOOSTERS else history_needed(name, season) for name in found.names
    ]
    return max(2, *needed)


def _candidates(
    found: Roster, request: Request, season: int, history: int, spec: LagSpec, regressors: tuple[int, ...]
) -> list[Candidate]:
    """Those of the roster, and the seasonal naive, which every forecast is compared with."""
    names = [*found.names, *([NAIVE] if NAIVE not in found.names else [])]
    candidates: list[Candidate] = []
    for name in names:
        if name in BOOSTERS:
            candidates.append(GlobalCandidate(name, spec, request.hyperparameters, request.seed, request.threads))
        else:
            own = regressors if name == "AutoARIMA" else ()
            candidates.append(LocalCandidate(name, season, history, own))
    return candidates


def _spec(settings: Settings, data: Series, covariates: Covariates) -> LagSpec:
    frequency, length = settings.frequency, int(np.median(data.lengths))
    return spec_for(
        settings.season,
        tuple({settings.season, *frequency.seasons} - {1}),
        calendar_for(frequency.unit, length, frequency.count),
        length,
        settings.horizon,
        known=covariates.names(covariates.known),
        static=covariates.names(covariates.static),
        past=covariates.names(covariates.past),
        categorical=covariates.categorical,
    )


def _regressors(covariates: Covariates) -> tuple[int, ...]:
    """Positions among the known covariates that are numbers."""
    if covariates.preprocessing is None:
        return ()
    codes = covariates.preprocessing.categorical
    return tuple(number for number, position in enumerate(covariates.known) if position not in codes)


def _backtested(
    candidates: list[Candidate], data: Series, origins: Plan, limits: Limits, progress: Progress
) -> np.ndarray:
    """(candidates, windows, series, horizon), within the limits of the target."""
    found = []
    for number, candidate in enumerate(candidates):

        def tell(share: float, phrase: str, number: int = number) -> None:
            progress(0.05 + (_BACKTEST_SHARE - 0.05) * (number + share) / len(candidates), phrase)

        found.append(limits.bounded(candidate.backtest(data, origins, tell)))
    return np.stack(found)


def _members(
    candidates: list[Candidate], choice: Choice, data: Series, progress: Progress
) -> tuple[tuple[Member, ...], np.ndarray]:
    """The candidates that have a weight, fitted on all there is, and their weights (series, members)."""
    members = []
    for number, position in enumerate(choice.used):
        done = _BACKTEST_SHARE + (0.95 - _BACKTEST_SHARE) * number / len(choice.used)
        wanted = choice.weights[:, position] > 0
        members.append(candidates[position].fit(data, wanted, lambda share, phrase, done=done: progress(done, phrase)))
    return tuple(members), choice.weights[:, choice.used]


def _lag_scale(members: tuple[Member, ...], data: Series) -> np.ndarray:
    spec = next((member.model.spec for member in members if isinstance(member, Global)), None)
    return np.ones(len(data.lengths)) if spec is None else scales(data.y, data.starts, data.lengths, spec.season)


def _trimmed(history: int, forecaster: Forecaster) -> Forecaster:
    """With the last `history` values of each series."""
    panel, series = forecaster.panel, forecaster.series
    kept = series.position >= (series.lengths - history)[series.of_row]
    if kept.all():
        return forecaster
    starts = np.concatenate(([0], np.cumsum(np.minimum(series.lengths, history)))).astype(np.int64)
    shorter = Series(
        starts=starts,
        times=series.times[kept],
        y=series.y[kept],
        known=series.known[kept],
        static=series.static,
        past=series.past[kept],
    )
    return replace(
        forecaster,
        panel=replace(panel, starts=starts, times=shorter.times, y=shorter.y, rows=np.arange(len(shorter.y))),
        series=shorter,
    )
