"""Training of a forecaster: backtest of the candidates, their combination, intervals, and the final fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from dataml.contract.contract import Contract
from dataml.contract.warnings import DataWarning
from dataml.ml.forecasting.backtest.combination import ForecastCombination, select_combination
from dataml.ml.forecasting.backtest.error_trend import ErrorTrend, mean_levels
from dataml.ml.forecasting.backtest.intervals import fit_intervals
from dataml.ml.forecasting.backtest.leaderboard import BacktestLeaderboard
from dataml.ml.forecasting.backtest.naive_errors import seasonal_naive_errors
from dataml.ml.forecasting.backtest.report import BacktestReport, evaluate_backtest
from dataml.ml.forecasting.backtest.splits import BacktestSplits, earlier_splits, split_panel
from dataml.ml.forecasting.backtest.sums import fit_sum_intervals
from dataml.ml.forecasting.candidate_selection import CandidateSet, select_candidates
from dataml.ml.forecasting.candidates import (
    Candidate,
    GlobalCandidate,
    GlobalMember,
    LocalCandidate,
    Member,
    Progress,
)
from dataml.ml.forecasting.forecaster import Forecaster, ForecasterConfig, series_floors
from dataml.ml.forecasting.hierarchy import Hierarchy, read_hierarchy
from dataml.ml.forecasting.models.calendar_features import select_calendar_features
from dataml.ml.forecasting.models.lag_features import series_scales
from dataml.ml.forecasting.models.lag_spec import LagSpec, select_lags
from dataml.ml.forecasting.models.lagged_model import BOOSTERS
from dataml.ml.forecasting.models.statistical import NAIVE, required_history
from dataml.ml.forecasting.panel.covariates import Covariates, GroupedSeries, fit_covariates, group_series
from dataml.ml.forecasting.panel.dataset import ColumnRoles, read_series
from dataml.ml.forecasting.panel.small_counts import find_small_counts
from dataml.ml.forecasting.panel.target import TargetLimits
from dataml.ml.forecasting.panel.warnings import find_series_warnings
from dataml.ml.forecasting.reconciliation import fit_reconciliation
from dataml.ml.leaderboard import ReportScore, ignore_score

_BACKTEST_SHARE: Final = 0.7
_EARLIER_SHARE: Final = 0.75
"""Shares of the progress that are reported at the end of the backtest, and of the windows before it."""


@dataclass(frozen=True)
class TrainingOptions:
    """What to train: `algorithm` is `auto` or a name; an option that is None is as the data suggests.

    With columns of a `hierarchy` sums of series are forecast as well.
    """

    contract: Contract
    roles: Mapping[str, str]
    algorithm: str = "auto"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    frequency: str | None = None
    fill: str | None = None
    horizon: int | None = None
    season_length: int | None = None
    n_windows: int | None = None
    hierarchy: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class TrainedForecaster:
    """A trained forecaster, and how it was made.

    `candidates` are the algorithms that were tried and the reasons why others were not; `combination` weighs them.
    `is_small_count` (series,) are the series that were selected by their squared error. `rows` counts the rows of the
    dataset, `used` those of the series.
    """

    forecaster: Forecaster
    backtest: BacktestReport
    combination: ForecastCombination
    splits: BacktestSplits
    candidates: CandidateSet
    is_small_count: np.ndarray
    warnings: tuple[DataWarning, ...]
    rows: int
    used: int


def train(
    parquet: Path,
    options: TrainingOptions,
    progress: Progress = lambda share, phrase: None,
    report_score: ReportScore = ignore_score,
) -> TrainedForecaster:
    """Train a forecaster on the series of a validated dataset.

    `report_score` is called with each candidate of the selection whenever it has come further, and with the rule that
    is selected in the end.

    Raises:
        Invalid: what `read_series` and `read_hierarchy` refuse, `series_too_short`.
    """
    progress(0.02, "Reading the series")
    parsed, table = read_series(
        parquet,
        options.contract,
        options.roles,
        options.frequency,
        options.fill,
        options.horizon,
        others=options.hierarchy,
    )
    panel = parsed.panel
    roles = ColumnRoles.from_mapping(options.roles)
    covariates = fit_covariates(panel, table, options.contract, roles, options.categories)
    data = group_series(panel, table, covariates)
    hierarchy = read_hierarchy(panel, table, options.hierarchy) if options.hierarchy else None
    if hierarchy is not None:
        panel, data = hierarchy.extend(panel, data, covariates)
    splits = split_panel(panel, options.horizon, options.season_length, options.n_windows)
    config = ForecasterConfig(
        frequency=panel.frequency,
        season=options.season_length or panel.frequency.season_length,
        horizon=splits.horizon,
        fill=options.fill,
        roles=roles,
        limits=TargetLimits.from_contract(options.contract.column(roles.target)),
        confidence=(),
    )
    floors = series_floors(config.limits, data, hierarchy)
    sizes = np.ones(len(panel), np.int64) if hierarchy is None else hierarchy.sizes
    is_small_count = find_small_counts(panel.y, panel.starts)
    selected = select_candidates(options.algorithm, data, splits, config.season, is_small_count)
    spec = _lag_spec(config, data, covariates)
    if not panel.frequency.is_date_based:
        # Days and longer steps are on the local clock themselves.
        spec = replace(spec, time_zone=options.contract.column(roles.time).time_zone)
    history = _history_length(selected, config.season, spec)
    candidates = _build_candidates(selected, options, config.season, history, spec, _regressors(covariates))

    def clip(values: np.ndarray) -> np.ndarray:
        return config.limits.clip(values, floors[:, None], sizes[:, None])

    truth = splits.truth(data.y, data.starts)
    naive_errors = seasonal_naive_errors(data, splits, config.season)
    leaderboard = BacktestLeaderboard(selected.names, truth, naive_errors, is_small_count, report_score)
    forecasts = _backtest(candidates, data, splits, clip, progress, leaderboard)
    progress(_BACKTEST_SHARE, "Choosing")
    kept = [number for number, candidate in enumerate(candidates) if candidate.name in selected.names]
    names = [candidates[number].name for number in kept]
    combination = select_combination(names, forecasts[kept], truth, naive_errors, is_small_count)
    leaderboard.select(combination)
    naive = forecasts[[candidate.name for candidate in candidates].index(NAIVE)]
    used = [candidates[kept[position]] for position in combination.used]
    earlier_errors = _earlier_errors(used, combination, data, splits, config.season, clip, progress)
    blended = combination.blended
    reconciliation = None
    if hierarchy is not None:
        progress(_EARLIER_SHARE, "Reconciling the levels")
        all_errors = np.concatenate((earlier_errors, truth - blended))
        reconciliation = fit_reconciliation(all_errors, hierarchy)
        blended = _reconcile_windows(blended, all_errors, hierarchy, clip)
        earlier_errors = hierarchy.append_sums(reconciliation.reconcile(earlier_errors, hierarchy))
    errors = np.concatenate((earlier_errors, truth - blended))
    trend = _error_trend(errors, data, splits, config.season, naive_errors.absolute)
    backtest = evaluate_backtest(
        panel, splits, truth, blended, naive, naive_errors, clip, earlier_errors, trend, options.seed
    )
    expected = trend.rescale(errors)
    members, weights = _fit_members(used, combination, data, progress)
    forecaster = Forecaster(
        config=replace(config, confidence=backtest.confidence),
        contract=options.contract,
        covariates=covariates,
        members=members,
        weights=weights,
        scale=_lag_scale(members, data),
        intervals=fit_intervals(expected, naive_errors.absolute),
        panel=replace(panel, rows=np.arange(len(panel.y))),
        series=data,
        floors=floors,
        sums=fit_sum_intervals(expected, naive_errors.absolute, truth, blended, panel.frequency.seasons),
        regressors=_regressors(covariates),
        is_median=combination.is_median,
        hierarchy=hierarchy,
        reconciliation=reconciliation,
    )
    return TrainedForecaster(
        forecaster=_keep_history(forecaster, history),
        backtest=backtest,
        combination=combination,
        splits=splits,
        candidates=selected,
        is_small_count=is_small_count,
        warnings=find_series_warnings(parsed, roles.target, roles.series),
        rows=table.num_rows,
        used=int((parsed.panel.rows >= 0).sum()),
    )


def _history_length(selected: CandidateSet, season: int, spec: LagSpec) -> int:
    """Return how many of the last values of a series the members use.

    It is one number for all members, so that what is kept of a series begins where the fits of its own models began.
    """
    needed = [
        max(spec.reach, spec.horizon) if name in BOOSTERS else required_history(name, season) for name in selected.names
    ]
    return max(2, *needed)


def _build_candidates(
    selected: CandidateSet,
    options: TrainingOptions,
    season: int,
    history: int,
    spec: LagSpec,
    regressors: tuple[int, ...],
) -> list[Candidate]:
    """Return the selected candidates, and the seasonal naive, which every forecast is compared with."""
    names = [*selected.names, *([NAIVE] if NAIVE not in selected.names else [])]
    candidates: list[Candidate] = []
    for name in names:
        if name in BOOSTERS:
            candidates.append(GlobalCandidate(name, spec, options.hyperparameters, options.seed, options.threads))
        else:
            candidates.append(LocalCandidate(name, season, history, regressors if name == "AutoARIMA" else ()))
    return candidates


def _lag_spec(config: ForecasterConfig, data: GroupedSeries, covariates: Covariates) -> LagSpec:
    frequency, length = config.frequency, int(np.median(data.lengths))
    return select_lags(
        config.season,
        tuple({config.season, *frequency.seasons} - {1}),
        select_calendar_features(frequency.unit, length, frequency.count),
        length,
        config.horizon,
        known=covariates.names(covariates.known),
        static=covariates.names(covariates.static),
        past=covariates.names(covariates.past),
        categorical=covariates.categorical,
    )


def _regressors(covariates: Covariates) -> tuple[int, ...]:
    """Return the positions of numeric columns among the known covariates."""
    if covariates.preprocessing is None:
        return ()
    codes = covariates.preprocessing.categorical
    return tuple(number for number, position in enumerate(covariates.known) if position not in codes)


def _backtest(
    candidates: list[Candidate],
    data: GroupedSeries,
    splits: BacktestSplits,
    clip: Callable[[np.ndarray], np.ndarray],
    progress: Progress,
    leaderboard: BacktestLeaderboard,
) -> np.ndarray:
    """Return the forecasts (candidates, windows, series, horizon), within the limits of the target."""
    forecasts = []
    for number, candidate in enumerate(candidates):

        def report(share: float, phrase: str, number: int = number) -> None:
            progress(0.05 + (_BACKTEST_SHARE - 0.05) * (number + share) / len(candidates), phrase)

        def run(candidate: Candidate = candidate, report: Progress = report) -> np.ndarray:
            return clip(candidate.backtest(data, splits, report))

        forecasts.append(leaderboard.backtest(candidate.name, run))
    return np.stack(forecasts)


def _earlier_errors(
    candidates: Sequence[Candidate],
    combination: ForecastCombination,
    data: GroupedSeries,
    splits: BacktestSplits,
    season: int,
    clip: Callable[[np.ndarray], np.ndarray],
    progress: Progress,
) -> np.ndarray:
    """Return truth minus the combined forecast in the windows before the backtest, (windows, series, horizon).

    Intervals need more windows than the selection of candidates: how much errors vary from one to the next shows only
    in many. Models are fitted once for all of them.
    """
    earlier = earlier_splits(splits, data.lengths, season)
    if earlier is None:
        return np.empty((0, len(data.lengths), splits.horizon))
    forecasts = []
    for number, candidate in enumerate(candidates):

        def report(share: float, phrase: str, number: int = number) -> None:
            done = (number + share) / len(candidates)
            progress(_BACKTEST_SHARE + (_EARLIER_SHARE - _BACKTEST_SHARE) * done, "Measuring the intervals")

        forecasts.append(clip(candidate.backtest(data, earlier, report, refit=False)))
    return earlier.truth(data.y, data.starts) - combination.blend(np.stack(forecasts))


def _reconcile_windows(
    forecast: np.ndarray, errors: np.ndarray, hierarchy: Hierarchy, clip: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return reconciled forecasts (windows, series, horizon), each window by the errors of the others.

    `errors` are those of windows before, and then of these.
    """
    earlier, reconciled = len(errors) - len(forecast), np.empty_like(forecast)
    for window, values in enumerate(forecast):
        others = np.delete(errors, earlier + window, axis=0)
        own = fit_reconciliation(others if len(others) else errors, hierarchy).reconcile(values, hierarchy)
        # The bounds of a sum follow from those of its terms.
        reconciled[window] = hierarchy.append_sums(clip(hierarchy.append_sums(own))[: len(own)])
    return reconciled


def _error_trend(
    errors: np.ndarray, data: GroupedSeries, splits: BacktestSplits, season: int, naive: np.ndarray
) -> ErrorTrend:
    """Return the trend of the errors of the windows of a backtest, and those before it."""
    before = np.arange(len(errors), -1, -1)[:, None] * splits.horizon
    levels = mean_levels(data.y, data.starts, data.lengths - before, max(season, splits.horizon))
    return ErrorTrend.estimate(errors, levels, naive)


def _fit_members(
    candidates: list[Candidate], combination: ForecastCombination, data: GroupedSeries, progress: Progress
) -> tuple[tuple[Member, ...], np.ndarray]:
    """Fit the candidates, all of which have a weight, on all values, and return them with weights (series, members)."""
    members = []
    weights = combination.weights[:, combination.used]
    for number, candidate in enumerate(candidates):
        done = _EARLIER_SHARE + (0.95 - _EARLIER_SHARE) * number / len(candidates)
        members.append(
            candidate.fit(data, weights[:, number] > 0, lambda share, phrase, done=done: progress(done, phrase))
        )
    return tuple(members), weights


def _lag_scale(members: tuple[Member, ...], data: GroupedSeries) -> np.ndarray:
    spec = next((member.model.spec for member in members if isinstance(member, GlobalMember)), None)
    if spec is None:
        return np.ones(len(data.lengths))
    return series_scales(data.y, data.starts, data.lengths, spec.season)


def _keep_history(forecaster: Forecaster, history: int) -> Forecaster:
    """Return the forecaster with the last `history` values of each series."""
    panel, series = forecaster.panel, forecaster.series
    kept = series.position >= (series.lengths - history)[series.series_index]
    if kept.all():
        return forecaster
    starts = np.concatenate(([0], np.cumsum(np.minimum(series.lengths, history)))).astype(np.int64)
    shorter = GroupedSeries(
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
