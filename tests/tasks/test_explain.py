"""A job tells which features a predictor rests on."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.jobs.spec import ExplainResult, ExplainSpec, JobContext
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation import artifacts
from dataml.storage.storage import Storage
from dataml.tasks import explain
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on


@dataclass(frozen=True)
class Explained:
    """The bundle of a training on the churn example, and the explanation of 200 of its rows."""

    root: Path
    bundle: str
    result: ExplainResult

    @property
    def folder(self) -> Path:
        return self.root / str(self.result.explanation)


@pytest.fixture(scope="module")
def churn_explained(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    root = tmp_path_factory.mktemp("churn")
    bundle = train_on(root, churn(), roles=CHURN_ROLES).bundle
    spec = ExplainSpec(1, bundle, "train.parquet", 200, seed=3)
    return Explained(root, bundle, explain.run(spec, JobContext(Storage(root), "jobs/2")))


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_contract_and_tenure_explain_churn(tmp_path: Path, algorithm: str) -> None:
    bundle = train_on(tmp_path, churn(), algorithm=algorithm, roles=CHURN_ROLES).bundle
    spec = ExplainSpec(1, bundle, "train.parquet", sample_rows=300, seed=4)
    result = explain.run(spec, JobContext(Storage(tmp_path), "jobs/2"))
    assert {"contract", "tenure"} <= set(list(result.feature_importance)[:5])
    assert len(result.feature_importance) == 19
    assert sum(result.feature_importance.values()) == pytest.approx(1)
    assert (result.sample_rows, result.total_rows) == (300, 7043)
    again = explain.run(spec, JobContext(Storage(tmp_path), "jobs/3"))
    assert replace(again, explanation=result.explanation) == result


def test_all_rows_of_a_small_dataset_are_explained(tmp_path: Path) -> None:
    rows = churn().slice(0, 400)
    bundle = train_on(tmp_path, rows, roles=CHURN_ROLES).bundle
    result = explain.run(ExplainSpec(1, bundle, "train.parquet", 1_000), JobContext(Storage(tmp_path), "jobs/2"))
    assert result.sample_rows == result.total_rows == 400


def test_the_folder_has_each_rows_values_and_effects(churn_explained: Explained) -> None:
    assert churn_explained.result.explanation == "jobs/2/explanation"
    folder = churn_explained.folder
    lines = pq.read_table(folder / "shap.parquet").to_pylist()
    assert len(lines) == 200
    predictor, rows = Predictor.load(churn_explained.root / churn_explained.bundle), churn().to_pylist()
    for line in lines[::20]:
        row = {name: rows[line["row"]][name] for name in predictor.contract.names}
        assert {name: line[f"value.{name}"] for name in row} == row
        effects = predictor.explain(predictor.parse(row))
        assert {name: line[f"shap.{name}"] for name in effects} == pytest.approx(effects, abs=1e-5)
    assert len({line["row"] for line in lines}) == 200


def test_the_folder_has_a_chart_of_each_important_feature(churn_explained: Explained) -> None:
    result, folder = churn_explained.result, churn_explained.folder
    found = json.loads(artifacts.read_explanation(folder))
    assert found["feature_importance"] == result.feature_importance
    assert (found["sample_rows"], found["total_rows"], found["classes"]) == (200, 7043, None)
    assert "log-odds of Yes" in found["effect"]
    assert [chart["feature"] for chart in found["dependence"]] == list(result.feature_importance)[:10]
    assert all(chart["coloured_by"] in result.feature_importance for chart in found["dependence"])
    assert all(len(chart["chart"]["data"]["values"]) == 200 for chart in found["dependence"])
    assert len(found["beeswarm"]["data"]["values"]) == 19 * 200
    names = ["beeswarm", *(chart["name"] for chart in found["dependence"])]
    assert names == ["beeswarm", *(f"dependence-{n}" for n in range(1, 11))]
    assert all(artifacts.read_chart_image(folder, name).startswith(b"\x89PNG") for name in names)
    assert len(found["rows"]) == 50
    assert found["rows"][0]["values"].keys() == found["rows"][0]["effects"].keys() == result.feature_importance.keys()


def test_the_ten_largest_of_many_classes_are_drawn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    place = random.choice(12, 900, p=np.arange(1, 13) / 78)
    table = pa.table(
        {"x": place + random.normal(0, 0.05, 900), "noise": random.normal(size=900), "y": place.astype(str)}
    )
    bundle = train_on(tmp_path, table, hyperparameters={"n_estimators": 20}).bundle
    result = explain.run(ExplainSpec(1, bundle, "train.parquet", 900), JobContext(Storage(tmp_path), "jobs/2"))
    found = json.loads(artifacts.read_explanation(tmp_path / str(result.explanation)))
    assert set(found["classes"]) == {str(n) for n in range(2, 12)}
    lines = pq.read_table(tmp_path / str(result.explanation) / "shap.parquet")
    assert lines["class"].to_pylist() == found["classes"] * 900
    assert {point["class"] for point in found["beeswarm"]["data"]["values"]} == set(found["classes"])
    assert [row["class"] for row in found["rows"][:10]] == found["classes"]


def test_a_constant_model_has_no_charts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = pa.table({"x": random.normal(size=60), "y": random.permutation(60).astype(float)})
    bundle = train_on(
        tmp_path, table, "Regression", hyperparameters={"n_estimators": 1, "min_child_weight": 1e6}
    ).bundle
    result = explain.run(ExplainSpec(1, bundle, "train.parquet", 60), JobContext(Storage(tmp_path), "jobs/2"))
    found = json.loads(artifacts.read_explanation(tmp_path / str(result.explanation)))
    assert result.feature_importance == {"x": 0.0}
    assert (found["beeswarm"], found["dependence"]) == (None, [])
    assert found["rows"][0]["effects"] == {}


def test_the_importance_uses_all_rows_and_two_thousand_are_drawn(tmp_path: Path) -> None:
    bundle = train_on(tmp_path, churn(), roles=CHURN_ROLES, hyperparameters={"n_estimators": 5}).bundle
    result = explain.run(ExplainSpec(1, bundle, "train.parquet", 3_000), JobContext(Storage(tmp_path), "jobs/2"))
    assert result.sample_rows == 3_000
    assert pq.read_metadata(tmp_path / str(result.explanation) / "shap.parquet").num_rows == 2_000
