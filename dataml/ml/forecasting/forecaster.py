"""A trained forecast, ready to answer: members and their weights, the end of every series, and the intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.errors import Invalid, NotFound
from dataml.ml.forecasting.backtest.intervals import Intervals
from dataml.ml.forecasting.backtest.scores import confidence_ahead
from dataml.ml.forecasting.candidates import Global, Local, Member, filled
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.future_covariates import Future
from dataml.ml.forecasting.models.lagged_model import Origin, last
from dataml.ml.forecasting.models.statistical import forecast
from dataml.ml.forecasting.panel.covariates import Covariates, Series
from dataml.ml.forecasting.panel.dataset import Roles
from dataml.ml.forecasting.panel.observations import observed
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.target import Limits

MOST_STEPS: Final = 10_000
"""Of the model's own frequency, behind the last value of a series."""
BASE: Final = "base"
"""What an explanation calls the part that no feature has a share in."""

Rows = Sequence[Mapping[str, Any]] | pa.Table | None


@dataclass(frozen=True)
class Ask:
    """`steps` in `frequency` (None: the model's own) of the series `unique_ids` (None: all), with intervals that hold
    `level` percent. Of a coarser frequency a step is the sum or the mean (`aggregate`) of the model's own."""

    steps: int
    frequency: str | None = None
    unique_ids: tuple[str, ...] | None = None
    level: float = 95.0
    aggregate: str = "sum"
    explain: bool = False


@dataclass(frozen=True)
class SeriesForecast:
    """Arrays (steps,): `times` datetime64[us], and int64 or float64 as the target is; `confidence` float64. With an
    explanation, contributions by name for each step, which add up to the value before it was rounded or bounded."""

    unique_id: str | None
    frequency: Frequency
    times: np.ndarray
    values: np.ndarray
    confidence: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    explanation: list[dict[str, float]] | None = None


@dataclass(frozen=True)
class Settings:
    """What a model was trained for and with; `confidence` (horizon,) is its accuracy so many steps ahead."""

    frequency: Frequency
    season: int
    horizon: int
    fill: str | None
    roles: Roles
    limits: Limits
    confidence: tuple[float, ...]


@dataclass(frozen=True)
class Forecaster:
    """Safe to share between threads. `weights` (series, members) add up to 1; `scale` (series,) is what lagged models
    divide by; `series` is the end of each series, as long as the members need, and `panel` the same without covariates.
    """

    settings: Settings
    contract: Contract
    covariates: Covariates
    members: tuple[Member, ...]
    weights: np.ndarray
    scale: np.ndarray
    intervals: Intervals
    panel: Panel
    series: Series
    regressors: tuple[int, ...] = ()

    @property
    def frequency(self) -> Frequency:
        return self.settings.frequency

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the series; one empty name where there is a single series without an Id."""
        return self.panel.ids

    @property
    def observed_columns(self) -> tuple[str, ...]:
        """What new observations have."""
        return self.settings.roles.observed

    @property
    def future_columns(self) -> tuple[str, ...]:
        """What is said of steps in the future."""
        return self.settings.roles.future

    @cached_property
    def lasts(self) -> np.ndarray:
        """The last time of each series."""
        return self.series.times[self.series.starts[1:] - 1]

    @property
    def needs_future(self) -> bool:
        """Whether a member reads exogenous columns."""
        uses = any(isinstance(member, Global) and member.model.spec.known for member in self.members)
        return uses or bool(self.regressors and any(_has_regressors(member) for member in self.members))

    @property
    def importance(self) -> dict[str, float]:
        """The share of each feature in the decisions of the boosters, largest first; empty where there are none."""
        weights = self.weights.mean(axis=0).tolist()
        boosters = [(each, weight) for each, weight in zip(self.members, weights, strict=True) if _is_global(each)]
        whole = sum(weight for _, weight in boosters)
        shares: dict[str, float] = {}
        for member, weight in boosters:
            for name, share in member.importance.items():  # type: ignore[union-attr]
                shares[name] = shares.get(name, 0.0) + share * weight / whole
        return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))

    def observe(self, rows: pa.Table) -> "Forecaster":
        """The same model after new observations: its forecasts start where they end, and nothing is fitted.

        Raises Invalid: `unknown_series`, `irregular_series`, `duplicate_timestamps` and what else `panel` finds.
        """
        panel, series = observed(
            self.panel, self.series, rows, self.settings.roles, self.covariates, self.settings.fill
        )
        return replace(self, panel=panel, series=series)

    def forecast(self, ask: Ask, future: Rows = None) -> list[SeriesForecast]:
        """The next steps of each series, in the order asked for. `future` has the exogenous columns of the steps.

        Raises:
            NotFound: `series_not_found`.
            Invalid: `frequency_mismatch`, `too_many_steps`, `missing_future` (which rows are missing), `bad_level`.
            InvalidFields: wrong values in rows of the future.
        """
        chosen = self._chosen(ask.unique_ids)
        wanted = self._wanted(ask.frequency)
        lasts = self.lasts[chosen]
        steps, skipped = np.full(len(chosen), ask.steps), np.zeros(len(chosen), np.int64)
        if wanted is not self.frequency:
            skipped, steps = wanted.whole_buckets(self.frequency, lasts, ask.steps)
        most = int(steps.max(initial=1))
        if most > MOST_STEPS:
            detail = (
                f"That is {most:,} steps of a {self.frequency.name}; at most {MOST_STEPS:,} are forecast at a time."
            )
            raise Invalid(detail, code="too_many_steps")
        times = self.frequency.after(lasts, most)
        known = self._known(chosen, times, steps, future)
        points = self.points(chosen, times, known)
        found = []
        for row, number in enumerate(chosen):
            explanation = self._explained(number, times[row], known[row]) if ask.explain else None
            own = self._of_series(number, times[row], points[row], ask.level, explanation)
            part = slice(int(skipped[row]), int(steps[row]))
            found.append(_aggregated(own, part, wanted, ask.aggregate, self.settings.limits))
        return found

    def points(self, chosen: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        """float64 (chosen, steps) at `times` (chosen, steps), with the exogenous columns `known` float32 (chosen,
        steps, columns): the weighted mean of the members, within the limits of the target."""
        total = np.zeros(times.shape)
        for column, member in enumerate(self.members):
            weights = self.weights[chosen, column]
            used = np.flatnonzero(weights > 0)
            if len(used):
                parts = self._of_member(member, chosen[used], times[used], known[used])
                total[used] += weights[used, None] * parts
        return self.settings.limits.bounded(total)

    def _of_member(self, member: Member, chosen: np.ndarray, times: np.ndarray, known: np.ndarray) -> np.ndarray:
        if isinstance(member, Global):
            return member.model.forecast(self._origin(member, chosen, times, known))
        return np.stack([self._of_local(member, number, known[row]) for row, number in enumerate(chosen)])

    def _of_local(self, member: Local, number: int, known: np.ndarray) -> np.ndarray:
        model = member.models[number]
        assert model is not None, "a series with a weight has a model"
        part = slice(int(self.series.starts[number]), int(self.series.starts[number + 1]))
        past, ahead = None, None
        if self.regressors and _has_regressors(member):
            both = filled(np.concatenate((self.series.known[part], known))[:, self.regressors])
            past, ahead = both[: -len(known)], both[-len(known) :]
        return forecast(model, self.series.y[part], len(known), past, ahead)

    def _origin(self, member: Global, chosen: np.ndarray, times: np.ndarray, known: np.ndarray) -> Origin:
        spec, series = member.model.spec, self.series
        begins, ends = series.starts[:-1][chosen], series.starts[1:][chosen]
        return Origin(
            last(series.y, begins, ends, spec.reach),
            self.scale[chosen],
            times,
            known,
            series.static[chosen],
            last(series.past, begins, ends, spec.horizon),
        )

    def _of_series(
        self,
        number: int,
        times: np.ndarray,
        points: np.ndarray,
        level: float,
        explanation: list[dict[str, float]] | None,
    ) -> SeriesForecast:
        lower, upper = self.intervals.bounds(number, points, round(level / 100, 9))
        limits = self.settings.limits
        confidence = np.array(confidence_ahead(self.settings.confidence, len(points)))
        return SeriesForecast(
            self.ids[number] if self.settings.roles.series is not None else None,
            self.frequency,
            times,
            points,
            confidence,
            limits.bounded(lower),
            limits.bounded(upper),
            explanation,
        )

    def _explained(self, number: int, times: np.ndarray, known: np.ndarray) -> list[dict[str, float]]:
        """Of a statistical model the whole forecast is one contribution: it has no features."""
        steps: list[dict[str, float]] = [{} for _ in times]
        only = np.array([number])
        for column, member in enumerate(self.members):
            weight = float(self.weights[number, column])
            if weight <= 0:
                continue
            if isinstance(member, Local):
                for step, value in zip(steps, self._of_local(member, number, known), strict=True):
                    step[member.algorithm] = step.get(member.algorithm, 0.0) + weight * float(value)
                continue
            found = member.model.explain(self._origin(member, only, times[None], known[None]))
            for step, base, values in zip(steps, found.base, found.contributions, strict=True):
                step[BASE] = step.get(BASE, 0.0) + weight * float(base)
                for name, value in zip(found.names, values, strict=True):
                    step[name] = step.get(name, 0.0) + weight * float(value)
        return steps

    def _chosen(self, unique_ids: tuple[str, ...] | None) -> np.ndarray:
        if unique_ids is None:
            return np.arange(len(self.ids))
        unknown = [name for name in unique_ids if name not in self._places]
        if unknown:
            shown = ", ".join(repr(name[:100]) for name in unknown[:10])
            raise NotFound(f"The model has no series {shown}.", code="series_not_found")
        return np.array([self._places[name] for name in unique_ids], np.int64)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.ids)}

    def _wanted(self, text: str | None) -> Frequency:
        own = self.frequency
        wanted = own if text is None else Frequency.parse(text)
        if wanted.same_steps(own):
            return own
        if not wanted.multiple_of(own):
            detail = f"The series have a value each {own.name}; steps of a {wanted.name} cannot be made of whole ones."
            raise Invalid(detail, code="frequency_mismatch")
        return wanted

    def _known(self, chosen: np.ndarray, times: np.ndarray, steps: np.ndarray, future: Rows) -> np.ndarray:
        return Future(self.contract, self.settings.roles, self.covariates, self.frequency).known(
            [self.ids[number] for number in chosen], times, steps, future, is_needed=self.needs_future
        )


def _is_global(member: Member) -> bool:
    return isinstance(member, Global)


def _has_regressors(member: Member) -> bool:
    return isinstance(member, Local) and member.algorithm == "AutoARIMA"


def _aggregated(own: SeriesForecast, part: slice, wanted: Frequency, aggregate: str, limits: Limits) -> SeriesForecast:
    """The steps of `part`, or buckets of them. The ends of an interval are summed like the values, as if all steps were
    off together: wider than needed where they are not, and never too narrow."""
    cut = {name: getattr(own, name)[part] for name in ("times", "values", "confidence", "lower", "upper")}
    explanation = None if own.explanation is None else own.explanation[part]
    if wanted is not own.frequency:
        labels, places = np.unique(wanted.buckets(cut["times"]), return_inverse=True)
        count = np.bincount(places)

        def total(values: np.ndarray) -> np.ndarray:
            return np.bincount(places, weights=values)

        divisor = count if aggregate == "mean" else np.ones(len(count))
        cut = {name: total(cut[name]) / (count if name == "confidence" else divisor) for name in cut if name != "times"}
        cut["times"] = labels
        if explanation is not None:
            explanation = _summed(explanation, places, divisor)
    is_whole = limits.whole and not (wanted is not own.frequency and aggregate == "mean")
    if is_whole:
        cut |= limits.rounded(cut["values"], cut["lower"], cut["upper"])
    return SeriesForecast(
        own.unique_id,
        wanted,
        cut["times"],
        cut["values"],
        cut["confidence"],
        cut["lower"],
        cut["upper"],
        explanation,
    )


def _summed(steps: list[dict[str, float]], places: np.ndarray, divisor: np.ndarray) -> list[dict[str, float]]:
    found: list[dict[str, float]] = [{} for _ in divisor]
    for step, place in zip(steps, places.tolist(), strict=True):
        for name, value in step.items():
            found[place][name] = found[place].get(name, 0.0) + value / float(divisor[place])
    return found
