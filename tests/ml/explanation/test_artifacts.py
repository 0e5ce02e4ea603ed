"""The folder of an explanation is read as it was written, chart by chart."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.errors import NotFound
from dataml.ml.explanation import artifacts
from dataml.ml.explanation.artifacts import Explanation, read_chart_image, read_explanation, write_explanation
from dataml.ml.explanation.charts import ShapSample


def make_explanation(
    rows: int = 30, features: int = 3, outputs: tuple[str, ...] = (), importance: dict[str, float] | None = None
) -> Explanation:
    """Return an explanation where feature 0 has the largest effect."""
    random = np.random.default_rng(0)
    names = tuple(f"f{i}" for i in range(features))
    numbers = random.normal(size=(rows, features))
    effects = (numbers / (np.arange(features) + 1))[:, None, :].repeat(max(1, len(outputs)), axis=1)
    table = pa.table({name: numbers[:, i] for i, name in enumerate(names)})
    values = {name: numbers[:, i].tolist() for i, name in enumerate(names)}
    sample = ShapSample(names, values, numbers, effects.astype(np.float32), frozenset(), outputs, "SHAP value")
    shares = {name: 1 / 2 ** (i + 1) for i, name in enumerate(names)} if importance is None else importance
    return Explanation(shares, sample, table, np.arange(rows) * 10, rows, 1_000)


def test_an_explanation_has_its_charts_in_place_of_their_names(tmp_path: Path) -> None:
    write_explanation(tmp_path / "new", make_explanation())
    content = json.loads(read_explanation(tmp_path / "new"))
    assert list(content["feature_importance"]) == ["f0", "f1", "f2"]
    assert (content["sample_rows"], content["total_rows"], content["classes"]) == (30, 1_000, None)
    assert len(content["beeswarm"]["data"]["values"]) == 30 * 3
    assert [chart["feature"] for chart in content["dependence"]] == ["f0", "f1", "f2"]
    assert all(len(chart["chart"]["data"]["values"]) == 30 for chart in content["dependence"])
    assert "charts" not in content


def test_each_chart_has_an_image(tmp_path: Path) -> None:
    write_explanation(tmp_path, make_explanation())
    for name in ("beeswarm", "dependence-1", "dependence-2", "dependence-3"):
        assert read_chart_image(tmp_path, name).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["dependence-4", "../summary", "", "summary.json"])
def test_an_image_of_another_name_is_not_found(tmp_path: Path, name: str) -> None:
    write_explanation(tmp_path, make_explanation())
    with pytest.raises(NotFound) as refusal:
        read_chart_image(tmp_path, name)
    assert refusal.value.code == "explanation_not_found"


def test_a_lost_file_is_named_missing(tmp_path: Path) -> None:
    write_explanation(tmp_path, make_explanation())
    (tmp_path / "dependence-2.json").unlink()
    (tmp_path / "dependence-2.png").unlink()
    with pytest.raises(NotFound) as lost:
        read_explanation(tmp_path)
    assert lost.value.code == "file_missing"
    with pytest.raises(NotFound) as lost:
        read_chart_image(tmp_path, "dependence-2")
    assert lost.value.code == "file_missing"


def test_the_values_of_several_classes_have_a_line_each(tmp_path: Path) -> None:
    write_explanation(tmp_path, make_explanation(5, 2, ("a", "b", "c")))
    lines = pq.read_table(tmp_path / "shap.parquet")
    assert lines["class"].to_pylist() == ["a", "b", "c"] * 5
    assert lines["row"].to_pylist() == [row for row in range(0, 50, 10) for _ in range(3)]
    assert {"value.f0", "value.f1", "shap.f0", "shap.f1"} <= set(lines.column_names)


def test_a_wide_sample_keeps_fewer_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_MAX_CELLS", 12)
    write_explanation(tmp_path, make_explanation(30, 3))
    assert pq.read_metadata(tmp_path / "shap.parquet").num_rows == 4


def test_ten_features_at_most_have_a_chart_of_their_own(tmp_path: Path) -> None:
    write_explanation(tmp_path, make_explanation(features=12))
    content = json.loads(read_explanation(tmp_path))
    assert [chart["feature"] for chart in content["dependence"]] == [f"f{i}" for i in range(10)]


def test_features_without_a_share_have_no_chart(tmp_path: Path) -> None:
    write_explanation(tmp_path, make_explanation(importance=dict.fromkeys(["f0", "f1", "f2"], 0.0)))
    content = json.loads(read_explanation(tmp_path))
    assert (content["beeswarm"], content["dependence"]) == (None, [])


def test_a_summary_of_long_values_keeps_fewer_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MAX_BYTES", 2_000)
    write_explanation(tmp_path, make_explanation())
    summary = (tmp_path / "summary.json").read_bytes()
    assert len(summary) <= 2_000
    assert 0 < len(json.loads(summary)["rows"]) < 30
