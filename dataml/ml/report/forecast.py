"""The data of a report on a forecast: its backtest instead of classes and residuals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from dataml.ml.report.metrics import Interval, Metric, make_interval, read_metrics, select_headlines
from dataml.ml.report.svg_charts import draw_charts

_HEADLINES: Final = ("mase", "bias", "coverage", "relative_mase", "wape", "mae")
_COUNT_HEADLINES: Final = ("rmsse", "bias", "coverage", "relative_rmsse", "wape", "mae")
"""Of small counts: forecasts of their median, often 0, have the smallest MASE."""
_STEP_CHARTS: Final = ("by_horizon", "coverage_by_horizon")
# These have room for several series, and are as wide as the page.
_WIDE_CHARTS: Final = ("backtest", "future")
_STEP_METRICS: Final = (
    "mase",
    "naive_mase",
    "rmsse",
    "wape",
    "smape",
    "mae",
    "rmse",
    "bias",
    "coverage",
    "scaled_crps",
)
_MAX_STEPS: Final = 24


@dataclass(frozen=True)
class StepScores:
    """The scores of forecasts a number of steps ahead, one for each of `ForecastReport.step_metrics`."""

    step: int
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class LevelCoverage:
    """How often intervals of a level held the true value, measured on `n_values` values.

    `width` is relative to the mean size of the target. `pinball` is the mean pinball loss of the two ends, in units of
    the error of the seasonal naive. Both are None where they are not defined, and in reports of older versions.
    """

    level: float
    coverage: float
    interval: Interval | None
    n_values: int
    width: float | None
    pinball: float | None


@dataclass(frozen=True)
class SeriesScores:
    """The scores of one series in the backtest."""

    name: str
    mase: float | None
    naive_mase: float | None
    rmsse: float | None
    bias: float | None
    wape: float | None
    mae: float | None
    n_values: int | None


@dataclass(frozen=True)
class ModelCount:
    """How many series a model forecasts."""

    name: str
    n_series: int


@dataclass(frozen=True)
class ForecastReport:
    """What the template `forecast.html` shows of a forecaster's backtest."""

    metrics: tuple[Metric, ...]
    headlines: tuple[Metric, ...]
    n_windows: int | None
    horizon: int | None
    n_values: int | None
    wide_charts: tuple[Markup, ...]
    step_charts: tuple[Markup, ...]
    step_metrics: tuple[str, ...]
    steps: tuple[StepScores, ...]
    n_omitted_steps: int
    coverage: tuple[LevelCoverage, ...]
    interval_method: str
    n_earlier_windows: int
    worst_series: tuple[SeriesScores, ...]
    best_series: tuple[SeriesScores, ...]
    n_series_without_scale: int
    models: tuple[ModelCount, ...]
    selection_rule: str | None
    selection_reason: str | None


def read_forecast_report(summary: Mapping[str, Any], report: Mapping[str, Any]) -> ForecastReport:
    """Return the data of the page from a manifest's summary and a backtest's report.

    The report may have `windows`, `earlier_windows`, `horizon`, `values`, `confidence`, `charts`, `by_horizon`,
    `coverage` (by level), `series` (`best`, `worst`), `models`, `rule` and `rule_reason`.
    """
    metrics = read_metrics(summary, report)
    is_count = summary.get("validation_metric") == "rmsse"
    charts = report.get("charts") or {}
    by_step = report.get("by_horizon") or {}
    step_metrics = tuple(name for name in _STEP_METRICS if any(value is not None for value in by_step.get(name) or []))
    steps = _read_steps(by_step, step_metrics)
    series = report.get("series") or {}
    return ForecastReport(
        metrics=metrics,
        headlines=select_headlines(metrics, _COUNT_HEADLINES if is_count else _HEADLINES),
        n_windows=report.get("windows"),
        horizon=report.get("horizon"),
        n_values=report.get("values"),
        wide_charts=draw_charts(charts, _WIDE_CHARTS),
        step_charts=draw_charts(charts, _STEP_CHARTS),
        step_metrics=step_metrics,
        steps=steps,
        n_omitted_steps=len(by_step.get("step") or []) - len(steps),
        coverage=_read_coverage(report.get("coverage") or {}),
        interval_method=str((summary.get("forecast") or {}).get("interval_method")),
        n_earlier_windows=report.get("earlier_windows") or 0,
        worst_series=_read_series(series.get("worst") or []),
        best_series=_read_series(series.get("best") or []),
        n_series_without_scale=report.get("series_without_scale") or 0,
        models=_read_models(report.get("models") or {}),
        selection_rule=report.get("rule"),
        selection_reason=report.get("rule_reason"),
    )


def _read_steps(by_step: Mapping[str, Any], metrics: Iterable[str]) -> tuple[StepScores, ...]:
    steps = by_step.get("step") or []
    return tuple(
        StepScores(steps[index], tuple(by_step[name][index] for name in metrics)) for index in _spread(len(steps))
    )


def _spread(count: int) -> list[int]:
    """Return at most `_MAX_STEPS` indices below `count`, evenly spread, the first and the last among them."""
    if count <= _MAX_STEPS:
        return list(range(count))
    return [round(index * (count - 1) / (_MAX_STEPS - 1)) for index in range(_MAX_STEPS)]


def _read_coverage(by_level: Mapping[str, Any]) -> tuple[LevelCoverage, ...]:
    return tuple(
        LevelCoverage(
            float(level),
            each["coverage"],
            make_interval(each["low"], each["high"]),
            each["values"],
            each.get("width"),
            each.get("pinball"),
        )
        for level, each in by_level.items()
        if each["coverage"] is not None
    )


def _read_series(series: Iterable[Mapping[str, Any]]) -> tuple[SeriesScores, ...]:
    return tuple(
        SeriesScores(
            str(each["id"]),
            each.get("mase"),
            each.get("naive_mase"),
            each.get("rmsse"),
            each.get("bias"),
            each.get("wape"),
            each.get("mae"),
            each.get("values"),
        )
        for each in series
    )


def _read_models(counts: Mapping[str, int]) -> tuple[ModelCount, ...]:
    """Return the models, the one that forecasts most series first."""
    return tuple(ModelCount(name, count) for name, count in sorted(counts.items(), key=lambda item: -item[1]))
