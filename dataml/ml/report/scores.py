"""Scores as every page of a model shows them: tiles, intervals, percentages and columns of numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataml.ml.report.markup import Html, element, joined
from dataml.ml.report.metric_descriptions import words


def tiles(summary: Mapping[str, Any], report: Mapping[str, Any], headlines: Sequence[str]) -> Html:
    """The first four of the headlines that the model has a score of."""
    metrics = summary.get("metrics") or {}
    names = [name for name in headlines if metrics.get(name) is not None][:4]

    def tile(name: str) -> Html:
        found = interval(report, name)
        parts = [element("div", words(name).title, "name"), element("div", metrics[name], "value")]
        parts += [element("div", f"95%: {found}", "range")] if found else []
        return element("div", joined(parts), "tile")

    return element("div", joined(map(tile, names)), "tiles") if names else Html("")


def interval(report: Mapping[str, Any], name: str) -> str:
    """The confidence of a score; nothing where it has none."""
    found = (report.get("confidence") or {}).get(name)
    return reach(found["low"], found["high"], digits) if found else ""


def reach(low: float | None, high: float | None, show: Callable[[float | None], str]) -> str:
    return "" if low is None or high is None else f"{show(low)} to {show(high)}"


def percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def digits(value: float | None) -> str:
    """Three decimals line up in a column; larger and smaller numbers take four digits."""
    if value is None:
        return "—"
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 10 else f"{value:.4g}"
