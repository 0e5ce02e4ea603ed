"""What the page of a forecast shows in the place of classes and residuals: its backtest."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dataml.ml.report.markup import Html, chart, element, joined, number, section, table
from dataml.ml.report.metric_descriptions import words
from dataml.ml.report.scores import digits, interval, percent, reach, tiles

Facts = Mapping[str, Any]

HEADLINES: Final = ("mase", "wape", "coverage", "relative_mase", "mae")
_NAIVE: Final = "naive_"
_CHARTS: Final = ("by_horizon", "coverage_by_horizon")
# These have room for several series, and are as wide as the page.
_WIDE_CHARTS: Final = ("backtest", "future")
_STEPS: Final = 24
_COLUMNS: Final = {
    "mase": "MASE",
    "naive_mase": "seasonal naive",
    "wape": "WAPE",
    "smape": "sMAPE",
    "mae": "MAE",
    "rmse": "RMSE",
    "bias": "bias",
    "coverage": "coverage",
}
_PERCENT: Final = frozenset({"wape", "bias", "coverage"})
_METHODS: Final = {
    "conformal": "The widths are conformal quantiles of the errors in the backtest.",
    "blended": (
        "Errors in the backtest are too few for their conformal quantiles alone; the widths are blended with those "
        "that Student's t would have."
    ),
    "student": "The backtest has too few errors for conformal quantiles; the widths are those of Student's t.",
    "gaussian": "There was no error to learn widths from; they follow from the error of the seasonal naive.",
}


def forecast_sections(summary: Facts, report: Facts) -> list[Html]:
    """From the tiles to the series. `report` may have `windows`, `horizon`, `values`, `confidence`, `charts`,
    `by_horizon`, `coverage` (by level), `series` (`best`, `worst`), `models` and `warnings`."""
    return [
        tiles(summary, report, HEADLINES),
        section("To be kept in mind", _warnings(report)),
        section("How well it forecasts", *_metrics(summary, report)),
        section("Forecasts of the past", *_wide_charts(report)),
        section("How far ahead", *_by_horizon(report)),
        section("Intervals around a forecast", *_coverage(summary, report)),
        section("Series by series", *_series(report)),
        section("Which model forecasts what", *_models(summary, report)),
    ]


def _warnings(report: Facts) -> Html:
    return joined(element("p", str(text)) for text in report.get("warnings") or [])


def _metrics(summary: Facts, report: Facts) -> Sequence[Html]:
    metrics = summary.get("metrics") or {}
    rows = [
        (
            element("strong", f"{words(name).title} {words(name).better}".strip()),
            value,
            element("span", interval(report, name), "range"),
            metrics.get(_NAIVE + name) if _NAIVE + name in metrics else Html(""),
            words(name).meaning(value, summary) if value is not None else "Not defined for these values.",
        )
        for name, value in metrics.items()
        if not name.startswith(_NAIVE)
    ]
    if not rows:
        return []
    heads = ["score", "value", "95% interval", "seasonal naive", "in plain words"]
    note = (
        "↑ more is better, ↓ less is better. The seasonal naive says of each step what was a season before; a model "
        "that is no better is not worth its trouble. The interval says how far the score may be off because these "
        "series, or of a single one these windows, are no more than a sample (percentile bootstrap). With few of them, "
        "or with series that rise and fall together, it is rather too narrow."
    )
    return [element("p", _measured(report)), table(heads, rows), element("p", note, "note")]


def _measured(report: Facts) -> str:
    windows, horizon, values = (report.get(name) for name in ("windows", "horizon", "values"))
    if not windows:
        return "Measured on the past, forecast from what came before it."
    told, them = (f"{windows} windows", "them") if windows != 1 else ("one window", "it")
    if horizon:
        told += f" of {horizon:,} steps" if horizon != 1 else " of one step"
    if values:
        told = f"{values:,} values in {told}"
    return f"Measured on {told} of the past, forecast from what came before {them}."


def _wide_charts(report: Facts) -> Sequence[Html]:
    found = report.get("charts") or {}
    return [chart(found[name], number) for number, name in enumerate(_WIDE_CHARTS) if name in found]


def _by_horizon(report: Facts) -> Sequence[Html]:
    charts, found = report.get("charts") or {}, report.get("by_horizon") or {}
    first = len(_WIDE_CHARTS)
    drawn = [chart(charts[name], first + n) for n, name in enumerate(_CHARTS) if name in charts]
    parts = [element("div", joined(drawn), "charts")] if drawn else []
    steps = found.get("step") or []
    if not steps:
        return parts
    names = [name for name in _COLUMNS if any(value is not None for value in found.get(name) or [])]
    shown = _spread(len(steps))
    rows = [
        (str(steps[at]), *((percent if name in _PERCENT else digits)(found[name][at]) for name in names))
        for at in shown
    ]
    left_out = len(steps) - len(shown)
    note = f"{left_out:,} steps between these are not shown." if left_out else ""
    parts.append(table(["steps ahead", *(_COLUMNS[name] for name in names)], rows, "numeric"))
    return [*parts, element("p", note, "note")] if note else parts


def _spread(count: int) -> list[int]:
    """At most 24 of so many, evenly, the first and the last among them."""
    if count <= _STEPS:
        return list(range(count))
    return [round(at * (count - 1) / (_STEPS - 1)) for at in range(_STEPS)]


def _coverage(summary: Facts, report: Facts) -> Sequence[Html]:
    rows = [
        (
            f"{100 * float(level):.4g}%",
            percent(each["coverage"]),
            reach(each["low"], each["high"], percent),
            each["values"],
        )
        for level, each in (report.get("coverage") or {}).items()
        if each["coverage"] is not None
    ]
    if not rows:
        return []
    told = (
        "How far from its forecast a true value may lie. The coverage is how often the interval held it, measured on "
        "windows or series that the widths did not come from."
    )
    method = _METHODS.get(str((summary.get("forecast") or {}).get("interval_method")), "")
    note = "Errors of one window fall in or out together, so that the interval of the coverage is rather too narrow."
    heads = ["level", "coverage measured", "95% interval of the coverage", "values"]
    return [element("p", f"{told} {method}".strip()), table(heads, rows), element("p", note, "note")]


def _series(report: Facts) -> Sequence[Html]:
    found = report.get("series") or {}
    worst, best = found.get("worst") or [], found.get("best") or []
    # Of a single series the table above says it all.
    if len(worst) + len(best) < 2:
        return []
    parts = [element("h3", "Worst forecast"), _ranked(worst), element("h3", "Best forecast"), _ranked(best)]
    left_out = report.get("series_without_scale") or 0
    if left_out:
        note = (
            f"{left_out:,} series repeat themselves exactly in their history, which leaves MASE nothing to divide by."
        )
        parts.append(element("p", note, "note"))
    return parts


def _ranked(series: Sequence[Facts]) -> Html:
    rows = [
        (
            str(each["id"]),
            digits(each.get("mase")),
            digits(each.get("naive_mase")),
            percent(each.get("wape")),
            digits(each.get("mae")),
            number(each["values"]) if each.get("values") is not None else "—",
        )
        for each in series
    ]
    return table(["series", "MASE", "seasonal naive", "WAPE", "MAE", "values"], rows, "numeric")


def _models(summary: Facts, report: Facts) -> Sequence[Html]:
    models = report.get("models") or {}
    if not models:
        return []
    rows = [(name, count) for name, count in sorted(models.items(), key=lambda item: -item[1])]
    rule = report.get("rule")
    told = f"Chosen by the backtest: {rule}. " if rule else ""
    told += "A series that several models forecast gets a weighted mean of them, and counts with each."
    return [element("p", told), table(["model", "series"], rows)]
