"""A trained forecaster: members and their weights, the end of every series, and the prediction intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.contract.warnings import DataWarning
from dataml.errors import Invalid, NotFound
from dataml.ml.forecasting.backtest.intervals import PredictionIntervals
from dataml.ml.forecasting.backtest.scores import extend_confidence
from dataml.ml.forecasting.backtest.sums import SumIntervals, estimate_sum_intervals
from dataml.ml.forecasting.blending import blend, blend_shares
from dataml.ml.forecasting.candidates import GlobalMember, LocalMember, Member, fill_missing
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.future_covariates import FutureCovariates
from dataml.ml.forecasting.hierarchy import Hierarchy
from dataml.ml.forecasting.models.lagged_model import ForecastInput
from dataml.ml.forecasting.models.statistical import forecast
from dataml.ml.forecasting.panel.covariates import Covariates, GroupedSeries
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.observations import RevisedPolicy, update_series
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import normalize_series_id
from dataml.ml.forecasting.panel.target import TargetLimits
from dataml.ml.forecasting.panel.time_column import parse_times
from dataml.ml.forecasting.reconciliation import Reconciliation
from dataml.ml.forecasting.series_forecast import Buckets, SeriesForecast, add_contribution
from dataml.suggestions import MAX_SUGGESTIONS, describe_all_unknown

MAX_STEPS: Final = 10_000
"""Steps of the model's own frequency that are forecast at a time."""
BASE: Final = "base"
"""Name in an explanation of the part that belongs to no feature."""
_MAX_KEPT_FORECASTS: Final = 10_000
_MAX_KEPT_STEPS: Final = 200
"""Forecasts of series' own models that are kept in memory, and the steps up to which one is."""
RECONCILIATION: Final = "reconciliation"
"""Name in an explanation of what makes a forecast agree with those of the other levels of its hierarchy."""

FutureRows = Sequence[Mapping[str, Any]] | pa.Table | None


@dataclass(frozen=True)
class ForecastParameters:
    """The parameters of a forecast.

    `steps` are in `frequency` (None: the model's own), for the series `unique_ids` (None: all), with intervals that
    hold `level` percent. A step of a coarser frequency is the `aggregate`, `sum` or `mean`, of the model's own steps.
    With `round` the values of an Integer target, and their sums but not their means, are rounded to whole numbers.
    """

    steps: int
    frequency: str | None = None
    unique_ids: tuple[str, ...] | None = None
    level: float = 95.0
    aggregate: str = "sum"
    explain: bool = False
    round: bool = False


@dataclass(frozen=True)
class ForecastPlan:
    """The steps that a forecast in `frequency` needs of each of the series with these `numbers`.

    They are steps of the model's own frequency: the first `steps` (series,), of which the first `skipped` (series,)
    complete a bucket that the history has begun, and are left out.
    """

    numbers: np.ndarray
    frequency: Frequency
    skipped: np.ndarray
    steps: np.ndarray


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

    `weights` (series, members) sum to 1 for each series; with `is_median` they say which members the median is taken
    of. `scale` (series,) is what lagged models divide by. `series` is
    the end of each series, as long as the members need, and `panel` is the same without covariates. `floors` (series,)
    are the lowest values that a forecast may have, -inf where there is none. `sums` are the intervals of sums of steps,
    None where none were measured: the model was backtested for a single step, or by a version without them, or its
    backtest has no errors. `regressors` are positions of
    the known covariates that AutoARIMA uses. With a `hierarchy`, whose sums are the last series, forecasts are made for
    all series together, and the `reconciliation` makes sums agree with their terms.
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
    floors: np.ndarray
    sums: SumIntervals | None = None
    regressors: tuple[int, ...] = ()
    is_median: bool = False
    hierarchy: Hierarchy | None = None
    reconciliation: Reconciliation | None = None

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

    def update(self, rows: pa.Table, revised: RevisedPolicy = "refuse") -> "Forecaster":
        """Return the same model with new observations; see `update_with_warnings`."""
        return self.update_with_warnings(rows, revised)[0]

    def update_with_warnings(
        self, rows: pa.Table, revised: RevisedPolicy = "refuse"
    ) -> tuple["Forecaster", tuple[DataWarning, ...]]:
        """Return the same model with new observations: its forecasts start where they end, and nothing is fitted again.

        With it comes what a user should know of the observations.

        Args:
            rows: the observations, which may repeat what is known.
            revised: whether values that differ from the known ones are refused, or used in their place.

        Raises:
            Invalid: what `parse_times` and `update_series` refuse, such as `time_not_temporal`, `unknown_series`,
                `irregular_series`, `duplicate_timestamps`.
        """
        rows = parse_times(rows, self.contract)
        config = self.config
        panel, series = self.panel, self.series
        if self.hierarchy is not None:
            panel, series = self.hierarchy.without_sums(panel, series)
        updated = update_series(panel, series, rows, config.roles, self.covariates, config.fill, revised)
        panel, series = updated.panel, updated.series
        if self.hierarchy is not None:
            panel, series = self.hierarchy.extend(panel, series, self.covariates)
            panel = replace(panel, rows=np.arange(len(panel.y)))
        # A series that becomes negative may do so again.
        floors = np.minimum(self.floors, series_floors(config.limits, series, self.hierarchy))
        return replace(self, panel=panel, series=series, floors=floors), updated.warnings

    def forecast(self, parameters: ForecastParameters, future: FutureRows = None) -> list[SeriesForecast]:
        """Forecast the next steps of each series, in the order of `unique_ids`.

        `future` has the exogenous columns of the steps.

        Raises:
            NotFound: `series_not_found`.
            Invalid: `frequency_mismatch`, `too_many_steps`, `missing_future` (it lists the missing rows), `bad_level`.
            InvalidFields: wrong values in rows of the future.
        """
        plan = self.plan_steps(parameters)
        frequency, skipped, steps = plan.frequency, plan.skipped, plan.steps
        # Each series of a hierarchy is reconciled with all others.
        numbers = plan.numbers if self.hierarchy is None else np.arange(len(self.ids))
        times = self.frequency.times_after(self.last_times[numbers], self._checked_count(steps))
        known = self._known_covariates(numbers, times, steps, future)
        points = self.predict_points(numbers, times, known)
        if self.hierarchy is not None:
            numbers, times, points, known = plan.numbers, times[plan.numbers], points[plan.numbers], known[plan.numbers]
        forecasts = []
        for row, number in enumerate(numbers.tolist()):
            explanation = self._explain(number, times[row], known[row], points[row]) if parameters.explain else None
            whole = self._series_forecast(number, times[row], points[row], parameters.level, explanation)
            selected = slice(int(skipped[row]), int(steps[row]))
            if frequency is self.frequency:
                combined = whole.select(selected)
            else:
                combined = self._aggregate(number, whole, selected, frequency, parameters)
            forecasts.append(combined.round() if self._is_rounded(frequency, parameters) else combined)
        return forecasts

    def plan_steps(self, parameters: ForecastParameters) -> ForecastPlan:
        """Return which steps of which series a forecast needs.

        Raises:
            NotFound: `series_not_found`.
            Invalid: `frequency_mismatch`.
        """
        numbers = self._series_numbers(parameters.unique_ids)
        frequency = self._output_frequency(parameters.frequency)
        if frequency is self.frequency:
            return ForecastPlan(
                numbers, frequency, np.zeros(len(numbers), np.int64), np.full(len(numbers), parameters.steps)
            )
        skipped, steps = frequency.count_bucket_steps(self.frequency, self.last_times[numbers], parameters.steps)
        return ForecastPlan(numbers, frequency, skipped, steps)

    def predict_points(self, numbers: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the blend of the members, within the limits of the target, float64 (chosen series, steps).

        Args:
            numbers: The numbers of the chosen series.
            times: (chosen series, steps).
            known: The known covariates at these times, float32 (chosen series, steps, columns).

        Raises:
            ValueError: the model has a hierarchy, and not all of its series are chosen.
        """
        points = self._member_points(numbers, times, known)
        blended = self.clip(numbers, blend(self.weights[numbers], points, is_median=self.is_median))
        if self.hierarchy is None or self.reconciliation is None:
            return blended
        if len(numbers) != len(self.ids):
            raise ValueError("the series of a hierarchy are forecast together")
        own = self.reconciliation.reconcile(blended, self.hierarchy)
        return self.hierarchy.append_sums(self.clip(np.arange(len(own)), own))

    def clip(self, numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return values (..., chosen series, steps) of series with these numbers, within the limits of the target."""
        return self.config.limits.clip(values, self.floors[numbers, None], self._sizes[numbers, None])

    def _member_points(self, numbers: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the forecasts of each member, (members, chosen series, steps), NaN where it has no weight."""
        points = np.full((len(self.members), *times.shape), np.nan)
        for column, member in enumerate(self.members):
            used = np.flatnonzero(self.weights[numbers, column] > 0)
            if len(used):
                points[column, used] = self._predict_member(member, numbers[used], times[used], known[used])
        return points

    def _predict_member(self, member: Member, numbers: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        if isinstance(member, GlobalMember):
            return member.model.forecast(self._inputs(member, numbers, times, known))
        return np.stack(
            [self._predict_local(member, number, known[row]) for row, number in enumerate(numbers.tolist())]
        )

    def _predict_local(self, member: LocalMember, number: int, known: np.ndarray) -> np.ndarray:
        if self.regressors and _has_regressors(member):
            return self._apply_local(member, number, known)
        # Without regressors it is the same for each request, and takes most of its time.
        key = (member.algorithm, number, len(known))
        kept = self._local_forecasts.get(key)
        if kept is not None:
            return kept
        values = self._apply_local(member, number, known)
        if len(known) <= _MAX_KEPT_STEPS:
            if len(self._local_forecasts) >= _MAX_KEPT_FORECASTS:
                self._local_forecasts.clear()
            self._local_forecasts[key] = values
        return values

    @cached_property
    def _local_forecasts(self) -> dict[tuple[str, int, int], np.ndarray]:
        """The forecasts of series' own models that are kept, by the algorithm, the series and the number of steps."""
        return {}

    def _apply_local(self, member: LocalMember, number: int, known: np.ndarray) -> np.ndarray:
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
        chosen = np.array([number])
        confidence = np.array(extend_confidence(self.config.confidence, len(points)))
        unique_id = self.ids[number] if self.config.roles.series is not None else None
        return SeriesForecast(
            unique_id,
            self.frequency,
            times,
            points,
            confidence,
            self.clip(chosen, lower[None])[0],
            self.clip(chosen, upper[None])[0],
            explanation,
        )

    def _is_rounded(self, frequency: Frequency, parameters: ForecastParameters) -> bool:
        is_mean = frequency is not self.frequency and parameters.aggregate == "mean"
        return parameters.round and self.config.limits.whole and not is_mean

    def _aggregate(
        self, number: int, whole: SeriesForecast, steps: slice, frequency: Frequency, parameters: ForecastParameters
    ) -> SeriesForecast:
        """Return these steps of a forecast in buckets of a coarser frequency."""
        fine = whole.select(steps)
        buckets = Buckets.group(frequency.convert_times(fine.times, self.frequency), frequency)
        sums = buckets.sum(fine.values)
        intervals, firsts = self._sum_intervals, steps.start + buckets.firsts
        units = self.intervals.units(number, steps.stop)
        lower, upper = intervals.bounds(units, sums, firsts, buckets.counts, round(parameters.level / 100, 9))
        confidence = intervals.accuracy(firsts, buckets.counts)
        if confidence is None:
            confidence = buckets.sum(fine.confidence) / buckets.counts
        limits, floor, terms = self.config.limits, self.floors[number], buckets.counts * self._sizes[number]
        divisor = buckets.counts if parameters.aggregate == "mean" else np.ones(len(sums))
        return SeriesForecast(
            fine.unique_id,
            frequency,
            buckets.labels,
            sums / divisor,
            confidence,
            limits.clip(lower, floor, terms) / divisor,
            limits.clip(upper, floor, terms) / divisor,
            None if fine.explanation is None else buckets.combine_explanations(fine.explanation, divisor),
        )

    @cached_property
    def _sum_intervals(self) -> SumIntervals:
        if self.sums is not None:
            return self.sums
        config = self.config
        return estimate_sum_intervals(self.intervals, self.series.y, self.series.starts, config.season, config.horizon)

    def _explain(self, number: int, times: np.ndarray, known: np.ndarray, values: np.ndarray) -> list[dict[str, float]]:
        """Return the contributions to each step; a statistical model has no features, so it is one contribution.

        Those of a hierarchy sum to the reconciled `values` (steps,).
        """
        steps: list[dict[str, float]] = [{} for _ in times]
        chosen = np.array([number])
        points = self._member_points(chosen, times[None], known[None])
        shares = blend_shares(self.weights[chosen], points, is_median=self.is_median)[:, 0]
        for column, member in enumerate(self.members):
            own = shares[column].tolist()
            if not any(own):
                continue
            if isinstance(member, LocalMember):
                for step, share, value in zip(steps, own, points[column, 0].tolist(), strict=True):
                    if share:
                        add_contribution(step, member.algorithm, share * value)
                continue
            explanation = member.model.explain(self._inputs(member, chosen, times[None], known[None]))
            parts = zip(steps, own, explanation.base, explanation.contributions, strict=True)
            for step, share, base, effects in parts:
                if not share:
                    continue
                add_contribution(step, BASE, share * float(base))
                for name, value in zip(explanation.names, effects, strict=True):
                    add_contribution(step, name, share * float(value))
        if self.reconciliation is not None:
            for step, value in zip(steps, values.tolist(), strict=True):
                add_contribution(step, RECONCILIATION, value - sum(step.values()))
        return steps

    def _series_numbers(self, unique_ids: tuple[str, ...] | None) -> np.ndarray:
        if unique_ids is None:
            return np.arange(len(self.ids))
        if self.config.roles.series is not None:
            data_type = self.contract.column(self.config.roles.series).data_type
            unique_ids = tuple(normalize_series_id(name, data_type) for name in unique_ids)
        unknown = [name for name in unique_ids if name not in self._number_by_id]
        if unknown:
            detail = " ".join(describe_all_unknown("series", unknown[:MAX_SUGGESTIONS], self._number_by_id))
            raise NotFound(detail, code="series_not_found")
        return np.array([self._number_by_id[name] for name in unique_ids], np.int64)

    @cached_property
    def _sizes(self) -> np.ndarray:
        """How many series of the dataset each series is the sum of, (series,)."""
        return np.ones(len(self.ids), np.int64) if self.hierarchy is None else self.hierarchy.sizes

    @cached_property
    def _number_by_id(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.ids)}

    @property
    def _bucket_zone(self) -> str | None:
        """The zone whose days and longer steps the steps of the model are summed up to."""
        own = self.frequency
        return own.time_zone if own.is_date_based else self.contract.column(self.config.roles.time).time_zone

    def _output_frequency(self, text: str | None) -> Frequency:
        own = self.frequency
        requested = own if text is None else Frequency.parse(text).on_clock(self._bucket_zone)
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
        aligned = FutureCovariates(self.contract, self.config.roles, self.covariates, self.frequency)
        if self.hierarchy is None:
            names = [self.ids[number] for number in numbers]
            return aligned.align(names, times, steps, future, is_needed=self.needs_future)
        count = self.hierarchy.parents.shape[1]
        needed = np.full(count, steps.max(initial=0))
        own = aligned.align(self.ids[:count], times[:count], needed, future, is_needed=self.needs_future)
        return self.hierarchy.append_known(own, self.covariates)


def series_floors(limits: TargetLimits, series: GroupedSeries, hierarchy: Hierarchy | None) -> np.ndarray:
    """Return the lower bound of each series, (series,), that of a sum for each of its terms; -inf where it has none."""
    if hierarchy is None:
        return limits.floors(series.y, series.starts)
    starts = series.starts[: hierarchy.parents.shape[1] + 1]
    return hierarchy.append_floors(limits.floors(series.y[: starts[-1]], starts))


def _has_regressors(member: Member) -> bool:
    return isinstance(member, LocalMember) and member.algorithm == "AutoARIMA"
