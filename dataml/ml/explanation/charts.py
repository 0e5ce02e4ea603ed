"""Pictures of SHAP values as Vega-Lite specifications, complete with their data and drawn as PNG by Vega itself.

As in `charts`, names and values of a user's columns are data and titles, never names of fields.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np

MAX_BYTES: Final = 1_000_000
"""Of a specification as JSON; one that would be longer shows fewer rows."""

_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_VERSION: Final = "5.21"
_POINTS: Final = 6_000
_BINS: Final = 80
_CHARACTERS: Final = 40
_CATEGORIES: Final = 20
_COLOURS: Final = 9
_OTHER: Final = "(other)"
_MISSING_COLOUR: Final = "#9a9a9a"
_MARK: Final = {"type": "circle", "opacity": 0.7, "invalid": None, "tooltip": True}
_UTC: Final = {"type": "utc"}


@dataclass(frozen=True)
class Sample:
    """Explained rows: `values` has each feature's own values (None where missing), `numbers`, float (rows, features),
    what the model reads of them (NaN where missing), and `effects`, (rows, outputs, features), their SHAP values.
    `categories` are features whose values are names, or booleans. `outputs` names the classes when there are several
    outputs; `effect` says what the values add up to."""

    features: tuple[str, ...]
    values: dict[str, list[Any]]
    numbers: np.ndarray
    effects: np.ndarray
    categories: frozenset[str]
    outputs: tuple[str, ...]
    effect: str

    @property
    def rows(self) -> int:
        return len(self.numbers)


def beeswarm(sample: Sample, features: list[int]) -> dict[str, Any]:
    """A point for each row and feature (positions in `sample.features`, the first one on top): to the right where the
    value has raised the prediction; red where it is one of the feature's large values, blue for small ones, grey for
    names and for missing values. Points in one place are heaped up."""

    def build(rows: int) -> dict[str, Any]:
        labels = _different([_short(sample.features[i]) for i in features])
        points = [point for i, label in zip(features, labels, strict=True) for point in _swarm(sample, i, label, rows)]
        color = {
            "condition": {"test": "datum.rank < 0", "value": _MISSING_COLOUR},
            "field": "rank",
            "type": "quantitative",
            "scale": {"domain": [0, 1], "range": ["#1e88e5", "#ff0d57"]},
            "legend": {"title": "value", "values": [0, 1], "labelExpr": "datum.value < 0.5 ? 'low' : 'high'"},
        }
        y = {"field": "feature", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 300}}
        encoding = {
            "x": {"field": "shap", "type": "quantitative", "title": sample.effect},
            "y": y | {"scale": {"domain": labels}},
            "yOffset": {"field": "offset", "type": "quantitative", "scale": {"domain": [-1, 1]}},
            "color": color,
        }
        size = {"width": 480 if len(sample.outputs) < 2 else 300, "height": {"step": 30}}
        return _chart(sample, "SHAP values", points, _MARK | {"size": 12}, encoding, size)

    return _bounded(build, min(sample.rows, max(1, _POINTS // (len(features) * max(1, len(sample.outputs))))))


def dependence(sample: Sample, feature: int, other: int | None) -> dict[str, Any]:
    """A point for each row: the feature's value and its effect, coloured by the value of the feature `other`, grey
    where that is missing. Rows without a value of the feature are left out."""
    name = sample.features[feature]
    coloured = sample.features[other] if other is not None else None

    def build(rows: int) -> dict[str, Any]:
        shown = [i for i in range(rows) if sample.values[name][i] is not None]
        columns = {"value": _cells(sample, name, shown, _CATEGORIES)}
        encoding = {"x": _axis(sample, name, "value"), "y": {"field": "shap", "type": "quantitative"}}
        encoding["y"] |= {"title": sample.effect}
        if name in sample.categories:
            # The golden ratio spreads any number of points evenly.
            columns["offset"] = [round(i * 0.618034 % 1, 3) for i in range(len(shown))]
            encoding["xOffset"] = {"field": "offset", "type": "quantitative", "scale": {"domain": [0, 1]}}
        if coloured is not None:
            columns["other"] = _cells(sample, coloured, shown, _COLOURS)
            encoding["color"] = _colour(sample, coloured)
        effects = [[_rounded(value) for value in sample.effects[shown, n, feature]] for n in range(_outputs(sample))]
        points = [
            {key: cells[i] for key, cells in columns.items()} | {"shap": effects[n][i]} | _of_class(sample, n)
            for n in range(_outputs(sample))
            for i in range(len(shown))
        ]
        size = {"width": 420 if len(sample.outputs) < 2 else 260, "height": 260}
        return _chart(sample, name, points, _MARK | {"size": 16}, encoding, size)

    return _bounded(build, min(sample.rows, max(1, _POINTS // _outputs(sample))))


def draw(spec: dict[str, Any]) -> bytes:
    """The PNG of a specification."""
    import vl_convert

    return vl_convert.vegalite_to_png(spec, vl_version=_VERSION, scale=1.5)


def dump(value: object) -> bytes:
    """Strict JSON, as short as it gets."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def cell(value: Any) -> Any:
    """A feature's value as JSON has it: a text is cut, dates are ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return _short(value) if isinstance(value, str) else value


def _swarm(sample: Sample, feature: int, label: str, rows: int) -> list[dict[str, Any]]:
    name = sample.features[feature]
    is_named = name in sample.categories and not isinstance(_first(sample, name), bool)
    ranks = np.full(rows, -1.0) if is_named else _ranks(sample.numbers[:rows, feature])
    texts = [cell(value) for value in sample.values[name][:rows]]
    points = []
    for n in range(_outputs(sample)):
        effects = sample.effects[:rows, n, feature].astype(np.float64)
        for effect, offset, rank, text in zip(effects, _heaped(effects), ranks, texts, strict=True):
            point = {"feature": label, "shap": _rounded(effect), "offset": round(float(offset), 3)}
            points.append(point | {"rank": round(float(rank), 3), "value": text} | _of_class(sample, n))
    return points


def _ranks(numbers: np.ndarray) -> np.ndarray:
    """0 for the smallest value to 1 for the largest, by rank, so that an outlier does not turn the rest blue; equal
    values have equal ranks, and -1 stands for a missing one."""
    ranks = np.full(len(numbers), -1.0)
    present = ~np.isnan(numbers)
    different, place = np.unique(numbers[present], return_inverse=True)
    ranks[present] = place / max(1, len(different) - 1)
    return ranks


def _heaped(effects: np.ndarray) -> np.ndarray:
    """Offsets between -1 and 1: points of one bin lie side by side around the middle."""
    low, high = float(effects.min()), float(effects.max())
    bins = np.zeros(len(effects), np.int64)
    if high > low:
        bins = np.minimum(((effects - low) / (high - low) * _BINS).astype(np.int64), _BINS - 1)
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], bins[order])
    place = np.empty(len(effects), np.int64)
    place[order] = np.arange(len(effects)) - starts
    sides = (place + 1) // 2 * np.where(place % 2, 1, -1)
    return sides / max(8, int(np.abs(sides).max()))


def _cells(sample: Sample, name: str, rows: list[int], most: int) -> list[Any]:
    """Values as a chart shows them; of names, so many of the most frequent ones and one for all the others."""
    values = [cell(sample.values[name][i]) for i in rows]
    if name not in sample.categories:
        return values
    texts = [None if value is None else _text(value) for value in values]
    frequent = {text for text, _ in Counter(text for text in texts if text is not None).most_common(most)}
    return [text if text is None or text in frequent else _OTHER for text in texts]


def _first(sample: Sample, name: str) -> Any:
    return next((value for value in sample.values[name] if value is not None), None)


def _axis(sample: Sample, name: str, field: str) -> dict[str, Any]:
    return {"field": field, "title": _short(name, 60)} | _scale(sample, name)


def _scale(sample: Sample, name: str) -> dict[str, Any]:
    if name in sample.categories:
        return {"type": "nominal"}
    if isinstance(_first(sample, name), date):
        return {"type": "temporal", "scale": _UTC}
    return {"type": "quantitative", "scale": {"zero": False}}


def _colour(sample: Sample, name: str) -> dict[str, Any]:
    found = _axis(sample, name, "other")
    if found["type"] == "nominal":
        found["scale"] = {"scheme": "tableau10"}
    else:
        # Time of a colour scale is UTC of itself; only an axis would be drawn in the zone of the reader.
        found["scale"] = {"scheme": "viridis"}
    return {"condition": {"test": "datum.other === null", "value": _MISSING_COLOUR}} | found


def _chart(
    sample: Sample,
    title: str,
    points: list[dict[str, Any]],
    mark: dict[str, Any],
    encoding: dict[str, Any],
    size: dict[str, Any],
) -> dict[str, Any]:
    spec = {"$schema": _SCHEMA, "title": _short(title, 60), "data": {"values": points}, "mark": mark}
    if sample.outputs:
        facet = {"field": "class", "type": "nominal", "columns": 2, "sort": None, "title": None}
        encoding = encoding | {"facet": facet}
    return spec | {"encoding": encoding} | size


def _bounded(build: Callable[[int], dict[str, Any]], rows: int) -> dict[str, Any]:
    """The specification of so many rows, or of fewer if it is too long."""
    spec = build(rows)
    while len(dump(spec)) > MAX_BYTES and rows > 1:
        rows //= 2
        spec = build(rows)
    return spec


def _outputs(sample: Sample) -> int:
    return max(1, len(sample.outputs))


def _of_class(sample: Sample, output: int) -> dict[str, str]:
    return {"class": _short(sample.outputs[output])} if sample.outputs else {}


def _rounded(value: Any) -> float:
    return float(f"{value:.5g}")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(text: str, characters: int = _CHARACTERS) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _different(labels: list[str]) -> list[str]:
    """What has the same label would be drawn in the same place."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found
