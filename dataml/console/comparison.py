"""Versions of predictors side by side: metrics, curves on one plot, importance, and what differs between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

_MAX_POINTS: Final = 120
_MAX_FEATURES: Final = 15
_SIDE: Final = 320
_SETTINGS: Final = (
    ("Problem", ("problem_type",)),
    ("Target", ("target",)),
    ("Dataset", ("lineage", "dataset", "name")),
    ("Version of the dataset", ("lineage", "dataset", "version")),
    ("Rows that learned", ("summary", "rows", "train")),
    ("Rows that scored", ("summary", "rows", "test")),
    ("Split", ("summary", "split")),
    ("Algorithm", ("algorithm",)),
    ("Algorithm that was asked for", ("requested_algorithm",)),
    ("Continues", ("lineage", "parent", "version")),
    ("Threshold", ("threshold",)),
    ("Version of dataml", ("lineage", "code_version")),
    ("By", ("created_by",)),
)
_SCORED_ON: Final = (
    ("target",),
    ("lineage", "dataset", "parquet_sha256"),
    ("requested", "validation"),
    ("requested", "seed"),
)


@dataclass(frozen=True)
class Version:
    """A version to compare: the answers of `GET /train/{train_id}` and of its report, empty where it has none."""

    training: Mapping[str, Any]
    report: Mapping[str, Any]
    importance: Mapping[str, float]

    @property
    def label(self) -> str:
        """The name of the version."""
        return f"{self.training['predictor_name']} v{self.training['version']}"


@dataclass(frozen=True)
class Score:
    """A metric of one version with its interval; None where it has none."""

    value: float | None
    low: float | None
    high: float | None


def list_scores(versions: Sequence[Version]) -> list[tuple[str, list[Score]]]:
    """Return each metric that a version has, with the scores of all versions."""
    numbers = (
        name
        for version in versions
        for name, value in (version.training.get("metrics") or {}).items()
        if isinstance(value, int | float)
    )
    return [(name, [_score(version, name) for version in versions]) for name in dict.fromkeys(numbers)]


def list_differences(versions: Sequence[Version]) -> list[tuple[str, list[Any]]]:
    """Return what differs between the versions: data, columns and parameters."""
    rows = [(title, [_dig(version.training, path) for version in versions]) for title, path in _SETTINGS]
    rows += _compare_mappings(versions, "Role of ", ("roles",))
    rows += _compare_mappings(versions, "", ("requested",))
    rows += _compare_mappings(versions, "Parameter ", ("hyperparameters",))
    return [(title, values) for title, values in rows if any(value != values[0] for value in values)]


def have_equal_rows(versions: Sequence[Version]) -> bool:
    """Return whether all versions were scored on the same held-out rows, as far as their records say."""
    keys = [[_dig(version.training, path) for path in _SCORED_ON] for version in versions]
    return all(key == keys[0] for key in keys)


def list_importance(versions: Sequence[Version]) -> list[tuple[str, list[float | None]]]:
    """Return the shares of the features that matter most to a version, largest first; None where it has none."""
    largest: dict[str, float] = {}
    for version in versions:
        for name, share in version.importance.items():
            largest[name] = max(share, largest.get(name, 0.0))
    names = sorted(largest, key=lambda name: -largest[name])[:_MAX_FEATURES]
    return [(name, [version.importance.get(name) for version in versions]) for name in names]


def draw_charts(versions: Sequence[Version]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return title, note and Vega-Lite specification of each plot that at least one version has a curve for."""
    charts = (
        ("ROC curve", "Further up and left is better.", _roc, ("False positive rate", "True positive rate")),
        ("Precision and recall", "Further up and right is better.", _precision, ("Recall", "Precision")),
        ("Calibration", "Nearer to the diagonal is better.", _calibration, ("Predicted", "Observed")),
        (
            "Errors of the predictions",
            "Higher in the middle is better.",
            _residuals,
            ("Truth minus prediction", "Share"),
        ),
        ("Error by step of the forecast", "Lower is better.", _steps, ("Step", "WAPE")),
    )
    drawn = []
    for title, note, read, axes in charts:
        rows = [row for version in versions for row in _label(version.label, read(version.report))]
        if rows:
            drawn.append((title, note, _draw(rows, axes, has_diagonal=read is _calibration)))
    return drawn


def _score(version: Version, name: str) -> Score:
    value = (version.training.get("metrics") or {}).get(name)
    interval = (version.report.get("confidence") or {}).get(name) or {}
    return Score(value if isinstance(value, int | float) else None, interval.get("low"), interval.get("high"))


def _compare_mappings(versions: Sequence[Version], prefix: str, path: tuple[str, ...]) -> list[tuple[str, list[Any]]]:
    mappings: list[Mapping[str, Any]] = [_dig(version.training, path) or {} for version in versions]
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return [(prefix + name, [mapping.get(name) for mapping in mappings]) for name in names]


def _dig(value: Any, path: Iterable[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _roc(report: Mapping[str, Any]) -> list[tuple[float, float]]:
    curve = report.get("roc_curve") or {}
    return _pairs(curve.get("false_positive_rate"), curve.get("true_positive_rate"))


def _precision(report: Mapping[str, Any]) -> list[tuple[float, float]]:
    curve = report.get("pr_curve") or {}
    return _pairs(curve.get("recall"), curve.get("precision"))


def _calibration(report: Mapping[str, Any]) -> list[tuple[float, float]]:
    points = report.get("calibration_curve") or []
    return _pairs([point["predicted"] for point in points], [point["observed"] for point in points])


def _residuals(report: Mapping[str, Any]) -> list[tuple[float, float]]:
    histogram = report.get("residual_histogram") or {}
    edges, counts = histogram.get("edges") or [], histogram.get("counts") or []
    total = sum(counts) + histogram.get("below", 0) + histogram.get("above", 0)
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    return _pairs(middles, [count / total for count in counts]) if total else []


def _steps(report: Mapping[str, Any]) -> list[tuple[float, float]]:
    steps = report.get("by_horizon") or {}
    return _pairs(steps.get("step"), steps.get("wape"))


def _pairs(xs: Sequence[Any] | None, ys: Sequence[Any] | None) -> list[tuple[float, float]]:
    pairs = [(x, y) for x, y in zip(xs or (), ys or (), strict=False) if x is not None and y is not None]
    if len(pairs) <= _MAX_POINTS:
        return pairs
    last = len(pairs) - 1
    return [pairs[round(place * last / (_MAX_POINTS - 1))] for place in range(_MAX_POINTS)]


def _label(label: str, points: Iterable[tuple[float, float]]) -> list[dict[str, Any]]:
    return [{"version": label, "order": order, "x": x, "y": y} for order, (x, y) in enumerate(points)]


def _draw(rows: list[dict[str, Any]], axes: tuple[str, str], *, has_diagonal: bool) -> dict[str, Any]:
    x_title, y_title = axes
    labels = list(dict.fromkeys(row["version"] for row in rows))
    encoding = {
        "x": {"field": "x", "type": "quantitative", "title": x_title},
        "y": {"field": "y", "type": "quantitative", "title": y_title},
        "order": {"field": "order", "type": "quantitative"},
        "color": {
            "field": "version",
            "type": "nominal",
            "title": None,
            "sort": labels,
            "legend": {"orient": "bottom", "columns": 1, "labelLimit": _SIDE},
        },
        # Colours alone do not tell the lines apart for everybody.
        "strokeDash": {"field": "version", "type": "nominal", "sort": labels, "legend": None},
        "tooltip": [
            {"field": "version", "title": "Version"},
            {"field": "x", "title": x_title, "format": ".4~g"},
            {"field": "y", "title": y_title, "format": ".4~g"},
        ],
    }
    lines: dict[str, Any] = {
        "data": {"values": rows},
        "mark": {"type": "line", "point": has_diagonal},
        "encoding": encoding,
    }
    layers = [lines]
    if has_diagonal:
        ends = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
        diagonal = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
        mark = {"type": "line", "strokeDash": [4, 4], "color": "gray"}
        layers.insert(0, {"data": {"values": ends}, "mark": mark, "encoding": diagonal})
    return {"width": "container", "height": 280, "autosize": {"type": "fit", "contains": "padding"}, "layer": layers}
