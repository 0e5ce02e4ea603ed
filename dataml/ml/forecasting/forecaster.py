"""A trained forecaster: members and their weights, the end of every series, and the prediction intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.errors import Invalid, NotFound
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals
from dataml.ml.forecasting.backtest.scores import extend_confidence
from dataml.ml.forecasting.candidates import GlobalMember, LocalMember, Member, fill_missing
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.future_covariates import FutureCovariates
from dataml.ml.forecasting.models.lagged_model import ForecastInput
from dataml.ml.forecasting.models.statistical import forecast
from dataml.ml.forecasting.panel.covariates import Covariates, GroupedSeries
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.observations import update_series
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.target import TargetLimits

MAX_STEPS: Final = 10_000
"""Steps of the model's own frequency that are forecast at a time."""
BASE: Final = "base"
"""Name in an explanation of the part that belongs to no feature."""

FutureRows = Sequence[Mapping[str, Any]] | pa.Table | None


@dataclass(frozen=True)
class ForecastParameters:
    """The parameters of a forecast.

    `steps` are in `frequency` (None: the model's own), for the series `unique_ids` (None: all), with intervals that
    hold `level` percent. A step of a coarser frequency is the `aggregate`, `sum` or `mean`, of the model's own steps.
    """

    steps: int
    frequency: str | None = None
    unique_ids: tuple[str, ...] | None = None
    level: float = 95.0
    aggregate: str = "sum"
    explain: bool = False


@dataclass(frozen=True)
class SeriesForecast:
    """The forecast of one series, as arrays (steps,).

    `times` are datetime64[us]; `values`, `lower` and `upper` are int64 or float64 as the target is; `confidence` is
    float64. `explanation` has the contributions by name for each step, which sum to the value before it was rounded or
    bounded.
    """

    unique_id: str | None
    frequency: Frequency
    times: np.ndarray
    values: np.ndarray
    confidence: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    explanation: list[dict[str, float]] | None = None


@dataclass(frozen=True)
class ForecasterConfig:
    """What a forecaster was trained for and with; `confidence` (horizon,) is its accuracy by the step ahead."""

    frequency: Frequency
    season: int
    horizon: int
    fill: str | None
    roles: ColumnRoles
    limits: TargetLimits
    confidence: tuple[float, ...]


@dataclass(frozen=True)
class Forecaster:
    """A trained forecaster. Safe to share between threads.

    `weights` (series, members) sum to 1 for each series; `scale` (series,) is what lagged models divide by. `series` is
    the end of each series, as long as the members need, and `panel` is the same without covariates. `regressors` are
    positions of the known covariates that AutoARIMA uses.
    """

    config: ForecasterConfig
    contract: Contract
    covariates: Covariates
    members: tuple[Member, ...]
    weights: np.ndarray
    scale: np.ndarray
    intervals: PredictionIntervals
    panel: Panel
    series: GroupedSeries
    regressors: tuple[int, ...] = ()

    @property
    def frequency(self) -> Frequency:
        """The frequency of the series."""
        return self.config.frequency

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the series; one empty name where there is a single series without an id."""
        return self.panel.ids

    @property
    def observation_columns(self) -> tuple[str, ...]:
        """The columns of new observations."""
        return self.config.roles.observation_columns

    @property
    def future_columns(self) -> tuple[str, ...]:
        """The columns of rows about future steps."""
        return self.config.roles.future_columns

    @cached_property
    def last_times(self) -> np.ndarray:
        """The last time of each series."""
        return self.series.times[self.series.starts[1:] - 1]

    @property
    def needs_future(self) -> bool:
        """Whether a member reads exogenous columns."""
        if any(isinstance(member, GlobalMember) and member.model.spec.known for member in self.members):
            return True
        return bool(self.regressors) and any(_has_regressors(member) for member in self.members)

    @property
    def importance(self) -> dict[str, float]:
        """The share of each feature in the decisions of the boosters, largest first; empty where there are none."""
        weights = self.weights.mean(axis=0).tolist()
        boosters = [(m, weight) for m, weight in zip(self.members, weights, strict=True) if isinstance(m, GlobalMember)]
        total = sum(weight for _, weight in boosters)
        shares: dict[str, float] = {}
        for member, weight in boosters:
            for name, share in member.importance.items():
                shares[name] = shares.get(name, 0.0) + share * weight / total
        return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))

    def update(self, rows: pa.Table) -> "Forecaster":
        """Return the same model with new observations: its forecasts start where they end, and nothing is fitted again.

        Raises:
            Invalid: what `update_series` refuses, such as `unknown_series`, `irregular_series`, `duplicate_timestamps`.
        """
        panel, series = update_series(
            self.panel, self.series, rows, self.config.roles, self.covariates, self.config.fill
        )
        return replace(self, panel=panel, series=series)

    def forecast(self, parameters: ForecastParameters, future: FutureRows = None) -> list[SeriesForecast]:
        """Forecast the next steps of each series, in the order of `unique_ids`.

        `future` has the exogenous columns of the steps.

        Raises:
            NotFound: `series_not_found`.
            Invalid: `frequency_mismatch`, `too_many_steps`, `missing_future` (it lists the missing rows), `bad_level`.
            InvalidFields: wrong values in rows of the future.
        """
        numbers = self._series_numbers(parameters.unique_ids)
        frequency = self._output_frequency(parameters.frequency)
        last_times = self.last_times[numbers]
        steps, skipped = np.full(len(numbers), parameters.steps), np.zeros(len(numbers), np.int64)
        if frequency is not self.frequency:
            skipped, steps = frequency.count_bucket_steps(self.frequency, last_times, parameters.steps)
        times = self.frequency.times_after(last_times, self._checked_count(steps))
        known = self._known_covariates(numbers, times, steps, future)
        points = self.predict_points(numbers, times, known)
        forecasts = []
        for row, number in enumerate(numbers):
            explanation = self._explain(number, times[row], known[row]) if parameters.explain else None
            whole = self._series_forecast(number, times[row], points[row], parameters.level, explanation)
            selected = _select_steps(whole, slice(int(skipped[row]), int(steps[row])))
            if frequency is not self.frequency:
                selected = _aggregate(selected, frequency, parameters.aggregate)
            is_mean = frequency is not self.frequency and parameters.aggregate == "mean"
            forecasts.append(_round(selected, self.config.limits) if not is_mean else selected)
        return forecasts

    def predict_points(self, numbers: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the members, within the limits of the target, float64 (chosen series, steps).

        Args:
            numbers: The numbers of the chosen series.
            times: (chosen series, steps).
            known: The known covariates at these times, float32 (chosen series, steps, columns).
        """
        total = np.zeros(times.shape)
        for column, member in enumerate(self.members):
            weights = self.weights[numbers, column]
            used = np.flatnonzero(weights > 0)
            if len(used):
                points = self._predict_member(member, numbers[used], times[used], known[used])
                total[used] += weights[used, None] * points
        return self.config.limits.clip(total)

    def _predict_member(self, member: Member, numbers: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        if isinstance(member, GlobalMember):
            return member.model.forecast(self._inputs(member, numbers, times, known))
        return np.stack([self._predict_local(member, number, known[row]) for row, number in enumerate(numbers)])

    def _predict_local(self, member: LocalMember, number: int, known: np.ndarray) -> np.ndarray:
        model = member.models[number]
        assert model is not None, "a series with a weight has a model"
        rows = slice(int(self.series.starts[number]), int(self.series.starts[number + 1]))
        past, ahead = None, None
        if self.regressors and _has_regressors(member):
            both = fill_missing(np.concatenate((self.series.known[rows], known))[:, self.regressors])
            past, ahead = both[: -len(known)], both[-len(known) :]
        return forecast(model, self.series.y[rows], len(known), past, ahead)

    def _inputs(self, member: GlobalMember, numbers: np.ndarray, times: np.ndarray, known: np.ndarray) -> ForecastInput:
        lengths = self.series.lengths[numbers]
        spec = member.model.spec
        return ForecastInput.at_cutoffs(spec, self.series, numbers, lengths, self.scale[numbers], times, known)

    def _series_forecast(
        self,
        number: int,
        times: np.ndarray,
        points: np.ndarray,
        level: float,
        explanation: list[dict[str, float]] | None,
    ) -> SeriesForecast:
        lower, upper = self.intervals.bounds(number, points, round(level / 100, 9))
        limits = self.config.limits
        confidence = np.array(extend_confidence(self.config.confidence, len(points)))
        unique_id = self.ids[number] if self.config.roles.series is not None else None
        return SeriesForecast(
            unique_id,
            self.frequency,
            times,
            points,
            confidence,
            limits.clip(lower),
            limits.clip(upper),
            explanation,
        )

    def _explain(self, number: int, times: np.ndarray, known: np.ndarray) -> list[dict[str, float]]:
        """Return the contributions to each step; a statistical model has no features, so it is one contribution."""
        steps: list[dict[str, float]] = [{} for _ in times]
        for column, member in enumerate(self.members):
            weight = float(self.weights[number, column])
            if weight <= 0:
                continue
            if isinstance(member, LocalMember):
                for step, value in zip(steps, self._predict_local(member, number, known), strict=True):
                    _add(step, member.algorithm, weight * float(value))
                continue
            explanation = member.model.explain(self._inputs(member, np.array([number]), times[None], known[None]))
            for step, base, values in zip(steps, explanation.base, explanation.contributions, strict=True):
                _add(step, BASE, weight * float(base))
                for name, value in zip(explanation.names, values, strict=True):
                    _add(step, name, weight * float(value))
        return steps

    def _series_numbers(self, unique_ids: tuple[str, ...] | None) -> np.ndarray:
        if unique_ids is None:
            return np.arange(len(self.ids))
        unknown = [name for name in unique_ids if name not in self._number_by_id]
        if unknown:
            examples = ", ".join(repr(name[:100]) for name in unknown[:10])
            raise NotFound(f"The model has no series {examples}.", code="series_not_found")
        return np.array([self._number_by_id[name] for name in unique_ids], np.int64)

    @cached_property
    def _number_by_id(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.ids)}

    def _output_frequency(self, text: str | None) -> Frequency:
        own = self.frequency
        requested = own if text is None else Frequency.parse(text)
        if requested.has_same_step(own):
            return own
        if not requested.is_multiple_of(own):
            detail = f"The series have a value per {own.name}; a {requested.name} is not a whole number of these."
            raise Invalid(detail, code="frequency_mismatch")
        return requested

    def _checked_count(self, steps: np.ndarray) -> int:
        count = int(steps.max(initial=1))
        if count > MAX_STEPS:
            detail = (
                f"That is {count:,} steps of a {self.frequency.name}; at most {MAX_STEPS:,} are forecast at a time."
            )
            raise Invalid(detail, code="too_many_steps")
        return count

    def _known_covariates(
        self, numbers: np.ndarray, times: np.ndarray, steps: np.ndarray, future: FutureRows
    ) -> np.ndarray:
        return FutureCovariates(self.contract, self.config.roles, self.covariates, self.frequency).align(
            [self.ids[number] for number in numbers], times, steps, future, is_needed=self.needs_future
        )


def _has_regressors(member: Member) -> bool:
    return isinstance(member, LocalMember) and member.algorithm == "AutoARIMA"


def _add(step: dict[str, float], name: str, value: float) -> None:
    step[name] = step.get(name, 0.0) + value


def _select_steps(whole: SeriesForecast, selected: slice) -> SeriesForecast:
    return replace(
        whole,
        times=whole.times[selected],
        values=whole.values[selected],
        confidence=whole.confidence[selected],
        lower=whole.lower[selected],
        upper=whole.upper[selected],
        explanation=None if whole.explanation is None else whole.explanation[selected],
    )


def _aggregate(fine: SeriesForecast, frequency: Frequency, aggregate: str) -> SeriesForecast:
    """Return the forecast in buckets of a coarser frequency.

    The ends of an interval are summed like the values, as if the errors of all steps were fully correlated: too wide
    where they are not, and never too narrow.
    """
    labels, buckets = np.unique(frequency.bucket_labels(fine.times), return_inverse=True)
    counts = np.bincount(buckets)
    divisor = counts if aggregate == "mean" else np.ones(len(counts))

    def combine(values: np.ndarray, divisor: np.ndarray = divisor) -> np.ndarray:
        return np.bincount(buckets, weights=values) / divisor

    return SeriesForecast(
        fine.unique_id,
        frequency,
        labels,
        combine(fine.values),
        combine(fine.confidence, counts),
        combine(fine.lower),
        combine(fine.upper),
        None if fine.explanation is None else _aggregate_explanation(fine.explanation, buckets, divisor),
    )


def _round(forecast: SeriesForecast, limits: TargetLimits) -> SeriesForecast:
    if not limits.whole:
        return forecast
    return replace(forecast, **limits.round_outward(forecast.values, forecast.lower, forecast.upper))


def _aggregate_explanation(
    steps: list[dict[str, float]], buckets: np.ndarray, divisor: np.ndarray
) -> list[dict[str, float]]:
    totals: list[dict[str, float]] = [{} for _ in divisor]
    for step, bucket in zip(steps, buckets.tolist(), strict=True):
        for name, value in step.items():
            _add(totals[bucket], name, value / float(divisor[bucket]))
    return totals
