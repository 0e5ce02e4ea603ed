"""Charts of SHAP values as Vega-Lite specifications, complete with their data, and their pictures.

As in `vega_lite`, names and values of a user's columns are data and titles, never names of fields.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from dataml.ml.labels import distinct_labels, shorten, to_label
from dataml.ml.vega_lite import (
    MAX_TITLE_LENGTH,
    RENDERER_VERSION,
    Spec,
    category_axis,
    single_view,
    small_number_format,
)

MAX_BYTES: Final = 1_000_000
"""The longest specification as JSON; one that would be longer shows fewer rows."""

_MAX_POINTS: Final = 6_000
_BINS: Final = 80
_MAX_CATEGORIES: Final = 20
_MAX_COLOURS: Final = 9
_OTHER: Final = "(other)"
_MISSING_COLOUR: Final = "#9a9a9a"
_MARK: Final = {"type": "circle", "opacity": 0.7, "invalid": None, "tooltip": True}
_UTC: Final = {"type": "utc"}
_GOLDEN_RATIO: Final = 0.618034


@dataclass(frozen=True)
class ShapSample:
    """Explained rows.

    Attributes:
        features: the names of the features.
        values: each feature's own values, None where missing.
        numbers: float (rows, features), what the model reads of the values, NaN where missing.
        effects: SHAP values (rows, outputs, features).
        categories: features whose values are names or booleans.
        outputs: names of the classes when there are several outputs, else empty.
        effect: what the SHAP values add up to, as a title.
    """

    features: tuple[str, ...]
    values: dict[str, list[Any]]
    numbers: np.ndarray
    effects: np.ndarray
    categories: frozenset[str]
    outputs: tuple[str, ...]
    effect: str

    @property
    def rows(self) -> int:
        """How many rows were explained."""
        return len(self.numbers)

    @property
    def output_count(self) -> int:
        """How many outputs the effects are on."""
        return max(1, len(self.outputs))

    def first_value(self, name: str) -> Any:
        """Return the first value of a feature that is not missing, or None."""
        return next((value for value in self.values[name] if value is not None), None)


def beeswarm(sample: ShapSample, features: list[int]) -> Spec:
    """Return a chart with a point for each row and feature.

    A point is to the right where the value raised the prediction; red where it is one of the feature's large values,
    blue for small ones, grey for names and for missing values. Points in one place are heaped up.

    Args:
        sample: the explained rows.
        features: positions in `sample.features`, the first one on top.
    """
    labels = distinct_labels([sample.features[i] for i in features])
    color = {
        "condition": {"test": "datum.rank < 0", "value": _MISSING_COLOUR},
        "field": "rank",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": ["#1e88e5", "#ff0d57"]},
        "legend": {"title": "value", "values": [0, 1], "labelExpr": "datum.value < 0.5 ? 'low' : 'high'"},
    }
    encoding = {
        "x": _effect_axis(sample),
        "y": category_axis("feature") | {"scale": {"domain": labels}},
        "yOffset": {"field": "offset", "type": "quantitative", "scale": {"domain": [-1, 1]}},
        "color": color,
    }
    size = {"width": 480 if len(sample.outputs) < 2 else 300, "height": {"step": 30}}

    def build(rows: int) -> Spec:
        points = [point for i, label in zip(features, labels, strict=True) for point in _swarm(sample, i, label, rows)]
        return _chart(sample, "SHAP values", points, 12, encoding, size)

    return _bounded(build, min(sample.rows, max(1, _MAX_POINTS // (len(features) * sample.output_count))))


def dependence(sample: ShapSample, feature: int, other: int | None) -> Spec:
    """Return a chart with a point for each row: the feature's value and its effect.

    Rows without a value of the feature are left out.

    Args:
        sample: the explained rows.
        feature: the position of the feature.
        other: the position of a feature whose value is the colour, grey where it is missing; None for one colour.
    """
    name = sample.features[feature]
    coloured = sample.features[other] if other is not None else None
    size = {"width": 420 if len(sample.outputs) < 2 else 260, "height": 260}
    encoding = {
        "x": _axis(sample, name, "value"),
        "y": _effect_axis(sample),
    }
    if name in sample.categories:
        encoding["xOffset"] = {"field": "offset", "type": "quantitative", "scale": {"domain": [0, 1]}}
    if coloured is not None:
        encoding["color"] = _colour(sample, coloured)

    def build(rows: int) -> Spec:
        points = _dependence_points(sample, feature, coloured, rows)
        return _chart(sample, name, points, 16, encoding, size)

    return _bounded(build, min(sample.rows, max(1, _MAX_POINTS // sample.output_count)))


def draw_png(spec: Spec) -> bytes:
    """Return the picture of a specification, drawn by Vega itself."""
    import vl_convert

    return vl_convert.vegalite_to_png(spec, vl_version=RENDERER_VERSION, scale=1.5)


def to_compact_json(value: object) -> bytes:
    """Return strict JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def to_json_value(value: Any) -> Any:
    """Return a feature's value for JSON: texts are cut, dates are ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return shorten(value) if isinstance(value, str) else value


def _swarm(sample: ShapSample, feature: int, label: str, rows: int) -> list[Spec]:
    name = sample.features[feature]
    has_names = name in sample.categories and not isinstance(sample.first_value(name), bool)
    ranks = np.full(rows, -1.0) if has_names else _ranks(sample.numbers[:rows, feature])
    values = [to_json_value(value) for value in sample.values[name][:rows]]
    points = []
    for output in range(sample.output_count):
        effects = sample.effects[:rows, output, feature].astype(np.float64)
        for effect, offset, rank, value in zip(effects, _heap_offsets(effects), ranks, values, strict=True):
            point = {"feature": label, "shap": _round(effect), "offset": round(float(offset), 3)}
            points.append(point | {"rank": round(float(rank), 3), "value": value} | _facet_value(sample, output))
    return points


def _dependence_points(sample: ShapSample, feature: int, coloured: str | None, rows: int) -> list[Spec]:
    name = sample.features[feature]
    known = [i for i in range(rows) if sample.values[name][i] is not None]
    columns = {"value": _chart_values(sample, name, known, _MAX_CATEGORIES)}
    if name in sample.categories:
        # The golden ratio spreads any number of points evenly.
        columns["offset"] = [round(i * _GOLDEN_RATIO % 1, 3) for i in range(len(known))]
    if coloured is not None:
        columns["other"] = _chart_values(sample, coloured, known, _MAX_COLOURS)
    return [
        {key: values[i] for key, values in columns.items()}
        | {"shap": _round(sample.effects[row, output, feature])}
        | _facet_value(sample, output)
        for output in range(sample.output_count)
        for i, row in enumerate(known)
    ]


def _ranks(numbers: np.ndarray) -> np.ndarray:
    """Return 0 for the smallest value to 1 for the largest, and -1 for a missing one.

    They go by rank, so that an outlier does not turn the rest blue; equal values have equal ranks.
    """
    ranks = np.full(len(numbers), -1.0)
    present = ~np.isnan(numbers)
    distinct, positions = np.unique(numbers[present], return_inverse=True)
    ranks[present] = positions / max(1, len(distinct) - 1)
    return ranks


def _heap_offsets(effects: np.ndarray) -> np.ndarray:
    """Return offsets between -1 and 1, by which points of one bin lie side by side around the middle."""
    low, high = float(effects.min()), float(effects.max())
    bins = np.zeros(len(effects), np.int64)
    if high > low:
        bins = np.minimum(((effects - low) / (high - low) * _BINS).astype(np.int64), _BINS - 1)
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], bins[order])
    position = np.empty(len(effects), np.int64)
    position[order] = np.arange(len(effects)) - starts
    sides = (position + 1) // 2 * np.where(position % 2, 1, -1)
    return sides / max(8, int(np.abs(sides).max()))


def _chart_values(sample: ShapSample, name: str, rows: list[int], max_categories: int) -> list[Any]:
    """Return values as a chart shows them; of names, the most frequent ones, and one for all the others."""
    values = [to_json_value(sample.values[name][i]) for i in rows]
    if name not in sample.categories:
        return values
    labels = [None if value is None else to_label(value) for value in values]
    counts = Counter(label for label in labels if label is not None)
    frequent = {label for label, _ in counts.most_common(max_categories)}
    return [label if label is None or label in frequent else _OTHER for label in labels]


def _axis(sample: ShapSample, name: str, field: str) -> Spec:
    axis: Spec = {"field": field, "title": shorten(name, MAX_TITLE_LENGTH)}
    if name in sample.categories:
        return axis | {"type": "nominal"}
    if isinstance(sample.first_value(name), date):
        return axis | {"type": "temporal", "scale": _UTC}
    return axis | {"type": "quantitative", "scale": {"zero": False}}


def _effect_axis(sample: ShapSample) -> Spec:
    axis: Spec = {"field": "shap", "type": "quantitative", "title": sample.effect}
    number_format = small_number_format([float(np.abs(sample.effects).max(initial=0.0))])
    return axis | ({"axis": {"format": number_format}} if number_format else {})


def _colour(sample: ShapSample, name: str) -> Spec:
    axis = _axis(sample, name, "other")
    # Time of a colour scale is UTC of itself; only an axis would be drawn in the zone of the reader.
    axis["scale"] = {"scheme": "tableau10" if axis["type"] == "nominal" else "viridis"}
    return {"condition": {"test": "datum.other === null", "value": _MISSING_COLOUR}} | axis


def _chart(sample: ShapSample, title: str, points: list[Spec], point_size: int, encoding: Spec, size: Spec) -> Spec:
    """Return the chart of `points`, with a panel for each class when there are several outputs."""
    if sample.outputs:
        facet = {"field": "class", "type": "nominal", "columns": 2, "sort": None, "title": None}
        encoding = encoding | {"facet": facet}
    return single_view(title, points, _MARK | {"size": point_size}, encoding, size)


def _bounded(build: Callable[[int], Spec], rows: int) -> Spec:
    """Return the specification of `rows` rows, or of fewer if it would be longer than MAX_BYTES."""
    spec = build(rows)
    while len(to_compact_json(spec)) > MAX_BYTES and rows > 1:
        rows //= 2
        spec = build(rows)
    return spec


def _facet_value(sample: ShapSample, output: int) -> dict[str, str]:
    return {"class": shorten(sample.outputs[output])} if sample.outputs else {}


def _round(value: Any) -> float:
    return float(f"{value:.5g}")
