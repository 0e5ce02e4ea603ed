"""The folder of an explanation: what a job writes into it, and what is read out of it again.

summary.json        importance, what the charts show, the first rows
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
from dataml.ml.explanation.charts import MAX_BYTES, Sample, beeswarm, cell, dependence, draw, dump
from dataml.ml.explanation.shap_values import strongest_interaction

SUMMARY: Final = "summary.json"
VALUES: Final = "shap.parquet"
BEESWARM: Final = "beeswarm"
MAX_DEPENDENCES: Final = 10
_SHOWN_FEATURES: Final = 20
_SHOWN_ROWS: Final = 50
_MAX_CELLS: Final = 10_000_000


@dataclass(frozen=True)
class Explanation:
    """What the folder is written from: `table` has the sample's features, typed, `rows` their places in the dataset,
    and `importance` is largest first; the shares are of `sample_rows` rows out of `total_rows`, of which `sample`
    keeps the first ones."""

    importance: dict[str, float]
    sample: Sample
    table: pa.Table
    rows: np.ndarray
    sample_rows: int
    total_rows: int


def write(folder: Path, found: Explanation) -> None:
    """Write the files into `folder`, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    place = {name: i for i, name in enumerate(found.sample.features)}
    ranked = [place[name] for name, share in found.importance.items() if share > 0]
    charts: list[dict[str, Any]] = []
    if ranked:
        _write_chart(folder, BEESWARM, beeswarm(found.sample, ranked[:_SHOWN_FEATURES]))
        charts.append({"name": BEESWARM})
    strength = np.abs(found.sample.effects).mean(axis=(0, 2)) if ranked else np.zeros(1)
    strongest = int(strength.argmax())
    for number, feature in enumerate(ranked[:MAX_DEPENDENCES], 1):
        name = f"dependence-{number}"
        other = strongest_interaction(found.sample.numbers, found.sample.effects[:, strongest], feature)
        _write_chart(folder, name, dependence(found.sample, feature, other))
        features = {"feature": found.sample.features[feature]}
        charts.append(
            {"name": name, **features, "coloured_by": None if other is None else found.sample.features[other]}
        )
    pq.write_table(_values(found), folder / VALUES, compression="zstd")
    (folder / SUMMARY).write_bytes(_summary(found, charts, ranked))


def read(folder: Path) -> bytes:
    """The explanation as JSON: the summary, and in place of its `charts` the specifications.

    Raises NotFound (`file_missing`) when storage has lost it.
    """
    summary = json.loads(_content(folder, SUMMARY))
    charts = summary.pop("charts")
    dependences = [
        dump(chart)[:-1] + b',"chart":' + _content(folder, f"{chart['name']}.json") + b"}"
        for chart in charts
        if chart["name"] != BEESWARM
    ]
    swarm = _content(folder, f"{BEESWARM}.json") if charts else b"null"
    # Specifications are megabytes of finished JSON: they are put together as they are.
    return dump(summary)[:-1] + b',"beeswarm":' + swarm + b',"dependence":[' + b",".join(dependences) + b"]}"


def picture(folder: Path, name: str) -> bytes:
    """The PNG of the chart that the explanation calls so; `name` is looked up and never part of a path.

    Raises NotFound (`explanation_not_found`, or `file_missing` when storage has lost it).
    """
    charts = json.loads(_content(folder, SUMMARY))["charts"]
    known = next((chart["name"] for chart in charts if chart["name"] == name), None)
    if known is None:
        raise NotFound("The explanation has no chart of this name.", code="explanation_not_found")
    return _content(folder, f"{known}.png")


def _write_chart(folder: Path, name: str, spec: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_bytes(dump(spec))
    (folder / f"{name}.png").write_bytes(draw(spec))


def _values(found: Explanation) -> pa.Table:
    """A line for each row and, beyond two classes, each class that is shown: `row` (its place in the dataset), `class`,
    `value.<feature>` and `shap.<feature>`. Wide tables have fewer rows."""
    sample = found.sample
    outputs, width = sample.effects.shape[1], len(sample.features)
    rows = min(sample.rows, max(1, _MAX_CELLS // (outputs * width)))
    lines = pa.array(np.repeat(np.arange(rows), outputs))
    columns: dict[str, Any] = {"row": pa.array(np.repeat(found.rows[:rows], outputs))}
    if sample.outputs:
        columns["class"] = pa.array(list(sample.outputs) * rows, pa.string())
    columns |= {f"value.{name}": found.table.column(name).take(lines) for name in sample.features}
    effects = sample.effects[:rows].reshape(rows * outputs, width)
    columns |= {f"shap.{name}": pa.array(effects[:, i]) for i, name in enumerate(sample.features)}
    return pa.table(columns)


def _summary(found: Explanation, charts: list[dict[str, Any]], ranked: list[int]) -> bytes:
    summary = {
        "feature_importance": found.importance,
        "sample_rows": found.sample_rows,
        "total_rows": found.total_rows,
        "effect": found.sample.effect,
        "classes": list(found.sample.outputs) or None,
        "charts": charts,
    }
    rows = [line for i in range(min(_SHOWN_ROWS, found.sample.rows)) for line in _lines(found, i, ranked)]
    content = dump(summary | {"rows": rows})
    while len(content) > MAX_BYTES and rows:
        rows = rows[: len(rows) // 2]
        content = dump(summary | {"rows": rows})
    return content


def _lines(found: Explanation, row: int, ranked: list[int]) -> list[dict[str, Any]]:
    """A row with its values and effects of the most important features, once for each class that is shown."""
    sample = found.sample
    names = {i: sample.features[i] for i in ranked[:_SHOWN_FEATURES]}
    values = {name: cell(sample.values[name][row]) for name in names.values()}
    return [
        {
            "row": int(found.rows[row]),
            "class": sample.outputs[n] if sample.outputs else None,
            "values": values,
            "effects": {name: float(f"{sample.effects[row, n, i]:.6g}") for i, name in names.items()},
        }
        for n in range(sample.effects.shape[1])
    ]


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise NotFound("The explanation is not in storage any more.", code="file_missing") from error
