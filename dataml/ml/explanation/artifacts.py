"""The folder of an explanation: its files are written by a job and read by the API.

summary.json        importance, the charts' names, the first rows
shap.parquet        the sample's rows: values of the features and their SHAP values
beeswarm.json|.png  a chart of the most important features, and its picture
dependence-1.json|.png, ...  a chart of each of the ten most important ones
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import NotFound
from dataml.ml.explanation.charts import (
    MAX_BYTES,
    ShapSample,
    beeswarm,
    dependence,
    draw_png,
    to_compact_json,
    to_json_value,
)
from dataml.ml.explanation.shap_values import strongest_interaction

SUMMARY_FILE: Final = "summary.json"
VALUES_FILE: Final = "shap.parquet"
BEESWARM: Final = "beeswarm"
MAX_DEPENDENCE_CHARTS: Final = 10
_MAX_FEATURES: Final = 20
_MAX_ROWS: Final = 50
_MAX_CELLS: Final = 10_000_000


@dataclass(frozen=True)
class Explanation:
    """The content of the folder.

    Attributes:
        importance: shares by feature, largest first, of `sample_rows` rows.
        sample: the first rows of the sample, with their SHAP values.
        table: the features of the same rows, typed.
        rows: the positions of these rows in the dataset.
        sample_rows: how many rows were drawn.
        total_rows: how many rows the dataset has.
    """

    importance: dict[str, float]
    sample: ShapSample
    table: pa.Table
    rows: np.ndarray
    sample_rows: int
    total_rows: int


def write_explanation(folder: Path, explanation: Explanation) -> None:
    """Write the files into `folder`, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = explanation.sample
    positions = {name: i for i, name in enumerate(sample.features)}
    ranked = [positions[name] for name, share in explanation.importance.items() if share > 0]
    charts: list[dict[str, Any]] = []
    if ranked:
        _write_chart(folder, BEESWARM, beeswarm(sample, ranked[:_MAX_FEATURES]))
        charts.append({"name": BEESWARM})
    strength = np.abs(sample.effects).mean(axis=(0, 2)) if ranked else np.zeros(1)
    strongest_output = int(strength.argmax())
    for number, feature in enumerate(ranked[:MAX_DEPENDENCE_CHARTS], 1):
        name = f"dependence-{number}"
        other = strongest_interaction(sample.numbers, sample.effects[:, strongest_output], feature)
        _write_chart(folder, name, dependence(sample, feature, other))
        coloured_by = None if other is None else sample.features[other]
        charts.append({"name": name, "feature": sample.features[feature], "coloured_by": coloured_by})
    pq.write_table(_values_table(explanation), folder / VALUES_FILE, compression="zstd")
    (folder / SUMMARY_FILE).write_bytes(_summarize(explanation, charts, ranked))


def read_explanation(folder: Path) -> bytes:
    """Return the explanation as JSON: the summary, with specifications in place of the names of its charts.

    Raises:
        NotFound: storage has lost a file (`file_missing`).
    """
    summary = json.loads(_read_file(folder, SUMMARY_FILE))
    charts = summary.pop("charts")
    dependences = [
        to_compact_json(chart)[:-1] + b',"chart":' + _read_file(folder, f"{chart['name']}.json") + b"}"
        for chart in charts
        if chart["name"] != BEESWARM
    ]
    swarm = _read_file(folder, f"{BEESWARM}.json") if charts else b"null"
    # Specifications are megabytes of finished JSON: they are joined without being parsed.
    head = to_compact_json(summary)[:-1]
    return head + b',"beeswarm":' + swarm + b',"dependence":[' + b",".join(dependences) + b"]}"


def read_chart_image(folder: Path, name: str) -> bytes:
    """Return the PNG of one of the explanation's charts; `name` is looked up and never part of a path.

    Raises:
        NotFound: there is no chart of this name (`explanation_not_found`), or storage has lost it (`file_missing`).
    """
    charts = json.loads(_read_file(folder, SUMMARY_FILE))["charts"]
    known = next((chart["name"] for chart in charts if chart["name"] == name), None)
    if known is None:
        raise NotFound("The explanation has no chart of this name.", code="explanation_not_found")
    return _read_file(folder, f"{known}.png")


def _write_chart(folder: Path, name: str, spec: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_bytes(to_compact_json(spec))
    (folder / f"{name}.png").write_bytes(draw_png(spec))


def _values_table(explanation: Explanation) -> pa.Table:
    """Return a line for each row and, beyond two classes, each class that is shown; wide tables have fewer rows.

    Columns are `row` (its position in the dataset), `class`, `value.<feature>` and `shap.<feature>`.
    """
    sample = explanation.sample
    outputs, width = sample.effects.shape[1], len(sample.features)
    rows = min(sample.rows, max(1, _MAX_CELLS // (outputs * width)))
    lines = pa.array(np.repeat(np.arange(rows), outputs))
    columns: dict[str, Any] = {"row": pa.array(np.repeat(explanation.rows[:rows], outputs))}
    if sample.outputs:
        columns["class"] = pa.array(list(sample.outputs) * rows, pa.string())
    columns |= {f"value.{name}": explanation.table.column(name).take(lines) for name in sample.features}
    effects = sample.effects[:rows].reshape(rows * outputs, width)
    columns |= {f"shap.{name}": pa.array(effects[:, i]) for i, name in enumerate(sample.features)}
    return pa.table(columns)


def _summarize(explanation: Explanation, charts: list[dict[str, Any]], ranked: list[int]) -> bytes:
    """Return `summary.json`, with as many rows as MAX_BYTES allows."""
    sample = explanation.sample
    summary = {
        "feature_importance": explanation.importance,
        "sample_rows": explanation.sample_rows,
        "total_rows": explanation.total_rows,
        "effect": sample.effect,
        "classes": list(sample.outputs) or None,
        "charts": charts,
    }
    rows = [line for i in range(min(_MAX_ROWS, sample.rows)) for line in _summary_lines(explanation, i, ranked)]
    content = to_compact_json(summary | {"rows": rows})
    while len(content) > MAX_BYTES and rows:
        rows = rows[: len(rows) // 2]
        content = to_compact_json(summary | {"rows": rows})
    return content


def _summary_lines(explanation: Explanation, row: int, ranked: list[int]) -> list[dict[str, Any]]:
    """Return values and effects of a row's most important features, once for each class that is shown."""
    sample = explanation.sample
    names = {i: sample.features[i] for i in ranked[:_MAX_FEATURES]}
    values = {name: to_json_value(sample.values[name][row]) for name in names.values()}
    return [
        {
            "row": int(explanation.rows[row]),
            "class": sample.outputs[output] if sample.outputs else None,
            "values": values,
            "effects": {name: float(f"{sample.effects[row, output, i]:.6g}") for i, name in names.items()},
        }
        for output in range(sample.effects.shape[1])
    ]


def _read_file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise NotFound("The explanation is not in storage any more.", code="file_missing") from error
