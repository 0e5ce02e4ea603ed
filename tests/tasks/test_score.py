"""A batch result keeps the order and the ids of its rows, and agrees with real-time predictions."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.errors import DatamlError, Invalid, InvalidFields
from dataml.jobs.spec import JobContext, ScoreResult, ScoreSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.storage.storage import Storage
from dataml.tasks import score
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def bundle(root: Path) -> str:
    return train_on(root, churn(), roles=CHURN_ROLES).bundle


def score_table(
    root: Path, bundle: str, table: pa.Table, explain: bool = False, threshold: float | None = None
) -> tuple[ScoreResult, list[dict[str, str]]]:
    pq.write_table(table, root / "predict.parquet")
    spec = ScoreSpec(1, bundle, "predict.parquet", explain, threshold=threshold)
    result = score.run(spec, JobContext(Storage(root), "jobs/2"))
    with (root / result.csv).open(newline="") as file:
        return result, list(csv.DictReader(file))


def replace_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def test_every_row_is_predicted_in_order_like_in_real_time(
    root: Path, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "BATCH_ROWS", 1_000)
    result, lines = score_table(root, bundle, churn())
    assert (result.total_records, result.failed_records, result.total_fields) == (7043, 0, 5)
    assert list(lines[0]) == ["customer_id", "prediction", "probability_No", "probability_Yes", "error"]
    assert [line["customer_id"] for line in lines] == churn()["customer_id"].to_pylist()
    predictor = Predictor.load(root / bundle)
    live = predictor.predict([predictor.parse(row) for row in churn().to_pylist()])
    assert [line["prediction"] for line in lines] == [p.prediction for p in live]
    assert [float(line["probability_Yes"]) for line in lines] == [
        p.probabilities["Yes"] for p in live if p.probabilities
    ]
    assert {line["error"] for line in lines} == {""}
    assert result.size_bytes == (root / result.csv).stat().st_size
    assert [path.name for path in (root / "jobs/2").iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_threshold_decides_like_in_real_time(root: Path, bundle: str, threshold: float) -> None:
    _, plain = score_table(root, bundle, churn())
    _, lines = score_table(root, bundle, churn(), threshold=threshold)
    predictor = Predictor.load(root / bundle)
    live = predictor.predict([predictor.parse(row) for row in churn().to_pylist()])
    assert [line["prediction"] for line in lines] == [predictor.decide(p, threshold).prediction for p in live]
    expected = ["Yes" if float(line["probability_Yes"]) >= threshold else "No" for line in lines]
    assert [line["prediction"] for line in lines] == expected
    for line in (*plain, *lines):
        del line["prediction"]
    assert plain == lines


def test_a_row_that_the_contract_refuses_has_the_reason(root: Path, bundle: str) -> None:
    tenure = [float(value) for value in churn()["tenure"].to_pylist()]
    tenure[1] = 2.5
    result, lines = score_table(root, bundle, replace_column(churn(), "tenure", pa.array(tenure)))
    assert result.failed_records == 1
    assert lines[1]["error"].startswith("tenure: ")
    assert (lines[1]["prediction"], lines[1]["probability_Yes"]) == ("", "")
    assert lines[1]["customer_id"] == "C00002"
    _, whole = score_table(root, bundle, churn())
    assert lines[:1] + lines[2:] == whole[:1] + whole[2:]


def test_integers_are_accepted_for_floats(root: Path, bundle: str) -> None:
    charges = np.asarray(churn()["monthly_charges"]).round()
    to_floats = score_table(root, bundle, replace_column(churn(), "monthly_charges", pa.array(charges)))
    as_integers = score_table(
        root, bundle, replace_column(churn(), "monthly_charges", pa.array(charges.astype(np.int64)))
    )
    assert as_integers == to_floats


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("monthly_charges", pa.array([True] * 10)),
        ("contract", pa.array([True] * 10)),
        ("tenure", pa.array([0] * 10, pa.date32())),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(root: Path, bundle: str, column: str, values: pa.Array) -> None:
    with pytest.raises(Invalid) as refusal:
        score_table(root, bundle, replace_column(churn().slice(0, 10), column, values))
    assert refusal.value.code == "schema_mismatch"
    assert f"'{column}'" in refusal.value.detail


def test_all_missing_features_are_named(root: Path, bundle: str) -> None:
    with pytest.raises(InvalidFields) as refusal:
        score_table(root, bundle, churn().drop_columns(["tenure", "contract"]))
    assert refusal.value.code == "missing_feature"
    assert [field.location[-1] for field in refusal.value.fields] == ["tenure", "contract"]


def test_ids_are_optional_unchanged_and_never_replace_results(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=100)
    formula = ["=1+1", "@x", "-3", "+4", 'a "quoted", name'] * 20
    table = pa.table({"prediction": formula, "x": x, "y": 3 * x})
    bundle = train_on(tmp_path, table, "Regression", roles={"prediction": "Id"}).bundle
    _, lines = score_table(tmp_path, bundle, table)
    assert list(lines[0]) == ["input_prediction", "prediction", "error"]
    assert [line["input_prediction"] for line in lines] == formula
    _, without = score_table(tmp_path, bundle, table.select(["x"]))
    assert [line["prediction"] for line in without] == [line["prediction"] for line in lines]


def test_the_result_of_an_empty_dataset_is_a_header(root: Path, bundle: str) -> None:
    result, lines = score_table(root, bundle, churn().slice(0, 0))
    assert (result.total_records, lines) == (0, [])
    assert (root / result.csv).read_text().count("\n") == 1


def test_a_bundle_that_is_lost_or_damaged_is_refused(root: Path, bundle: str) -> None:
    with pytest.raises(DatamlError) as refusal:
        score_table(root, "absent", churn())
    assert refusal.value.code == "file_missing"
    shutil.copytree(root / bundle, root / "damaged")
    manifest = root / "damaged" / "manifest.json"
    manifest.write_text(manifest.read_text()[:-10])
    with pytest.raises(DatamlError) as refusal:
        score_table(root, "damaged", churn())
    assert refusal.value.code == "bundle_damaged"


def top_five(effects: dict[str, float]) -> dict[str, object]:
    cells: dict[str, object] = {}
    for number, (name, effect) in enumerate(list(effects.items())[:5], 1):
        cells |= {f"explanation_{number}_feature": name, f"explanation_{number}_effect": effect}
    return cells


def explanation_of(line: dict[str, str]) -> dict[str, object]:
    cells = {name: cell for name, cell in line.items() if name.startswith("explanation_")}
    return {name: float(cell) if name.endswith("effect") else cell for name, cell in cells.items()}


def test_each_row_is_explained_like_in_real_time(root: Path, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "EXPLAINED_BATCH_ROWS", 70)
    rows = churn().slice(0, 200)
    result, lines = score_table(root, bundle, rows, explain=True)
    assert result.total_fields == len(lines[0]) == 15
    assert list(lines[0])[-3:] == ["explanation_5_feature", "explanation_5_effect", "error"]
    predictor = Predictor.load(root / bundle)
    for line, row in zip(lines, rows.to_pylist(), strict=True):
        expected = top_five(predictor.explain(predictor.parse(row)))
        assert explanation_of(line) == {
            name: value if isinstance(value, str) else pytest.approx(value, abs=1e-6)
            for name, value in expected.items()
        }
    _, plain = score_table(root, bundle, rows)
    assert [{name: line[name] for name in plain[0]} for line in lines] == plain


def test_a_refused_row_has_no_explanation(root: Path, bundle: str) -> None:
    tenure = [float(value) for value in churn()["tenure"].slice(0, 10).to_pylist()]
    tenure[1] = 2.5
    _, lines = score_table(root, bundle, replace_column(churn().slice(0, 10), "tenure", pa.array(tenure)), explain=True)
    assert {cell for name, cell in lines[1].items() if name.startswith("explanation_")} == {""}
    assert [name for name, cell in lines[0].items() if not cell] == ["error"]


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_the_predicted_one_of_several_classes_is_explained(tmp_path: Path, algorithm: str) -> None:
    random = np.random.default_rng(0)
    x, z = random.normal(size=300), random.normal(size=300)
    table = pa.table({"x": x, "z": z, "y": np.where(x > 0.5, 2, np.where(z > 0, 1, 0))})
    bundle = train_on(tmp_path, table, algorithm=algorithm).bundle  # type: ignore[arg-type]
    _, lines = score_table(tmp_path, bundle, table, explain=True)
    predictor = Predictor.load(tmp_path / bundle)
    for line, row in zip(lines, table.to_pylist(), strict=True):
        expected = list(predictor.explain(predictor.parse(row)).items())
        assert (line["explanation_1_feature"], line["explanation_2_feature"]) == tuple(name for name, _ in expected)
        assert float(line["explanation_1_effect"]) == pytest.approx(expected[0][1], abs=1e-6)
        assert (line["explanation_3_feature"], line["explanation_3_effect"]) == ("", "")
    assert {line["prediction"] for line in lines} == {"0", "1", "2"}


def test_the_explanation_of_an_empty_dataset_is_a_header(root: Path, bundle: str) -> None:
    result, lines = score_table(root, bundle, churn().slice(0, 0), explain=True)
    assert (result.total_records, lines, result.total_fields) == (0, [], 15)
