"""The unit and the origin of a column change no score, and every number comes back in the target's own unit."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.jobs.spec import ExplainSpec, JobContext, ScoreSpec, SplitConfig, TrainResult, TuningConfig
from dataml.ml.boosters.native_model import NativeModel
from dataml.ml.bundle.manifest import MODEL_FILES
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.target_scaling import UNSCALED
from dataml.storage.storage import Storage
from dataml.tasks import explain, score
from tests.ml.export.exports import run_isolated, unpack_export
from tests.tasks.training import train_on

BOOSTERS = ["XGBoost", "LightGBM", "CatBoost"]
ALGORITHMS = [*BOOSTERS, "Linear"]
FAR, TINY, HUGE = (1.7e9, 60.0), (0.0, 1e-7), (0.0, 1e300)
UNITS = [FAR, TINY, HUGE, (0.0, 1e-300), (0.0, 1e-3), (0.0, 1e15), (-1e12, 1e3), (1e300, 1e298)]
TOLERANCE = 0.02
"""Of R2. Ties between splits are broken by the last digit, so that equal data in another unit gives other trees. The
95% interval of R2 on these 80 held-out rows is wider than 0.03; what float32 loses costs from 0.1 to all of it."""


def make_columns(rows: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x, z = random.normal(size=rows), random.normal(size=rows)
    return {"x": x, "z": z, "y": np.sin(2 * x) + z + 0.1 * random.normal(size=rows)}


def make_table(unit: tuple[float, float] = (0, 1), column: str = "y", **options: Any) -> pa.Table:
    """Return the rows with one column as `a + b * value`."""
    columns = make_columns(**options)
    return pa.table(columns | {column: unit[0] + unit[1] * columns[column]})


def fit_on(root: Path, table: pa.Table, algorithm: str, **options: Any) -> TrainResult:
    hyperparameters = {"n_estimators": 150} if algorithm != "Linear" else {}
    return train_on(root, table, "Regression", algorithm, hyperparameters=hyperparameters, **options)


def r2_of(root: Path, table: pa.Table, algorithm: str) -> float:
    return fit_on(root, table, algorithm, validation=SplitConfig(folds=1)).metrics["r2"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_unit_of_the_target_changes_no_score(tmp_path: Path, algorithm: str) -> None:
    usual = r2_of(tmp_path, make_table(), algorithm)
    assert usual > 0.85
    for unit in UNITS:
        assert r2_of(tmp_path, make_table(unit), algorithm) == pytest.approx(usual, abs=TOLERANCE), unit


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_unit_of_a_feature_changes_no_score(tmp_path: Path, algorithm: str) -> None:
    usual = r2_of(tmp_path, make_table(), algorithm)
    for unit in [*UNITS, (1.7e12, 1e3), (0.0, 1e-40)]:
        assert r2_of(tmp_path, make_table(unit, "x"), algorithm) == pytest.approx(usual, abs=TOLERANCE), unit


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_signal_of_seconds_is_learned_from_times_of_any_form(tmp_path: Path, algorithm: str) -> None:
    random = np.random.default_rng(0)
    seconds = np.sort(random.choice(20_000, 400, replace=False))
    y = np.sin(seconds / 3_000)
    near = r2_of(tmp_path, pa.table({"t": seconds, "y": y}), algorithm)
    assert near > 0.99
    times = 1_700_000_000 + seconds
    with_unknown = np.where(random.random(400) < 0.05, 0, times)  # 0 stands for a time that is not known
    moments = pa.array(times * 1_000_000).cast(pa.timestamp("us", "UTC"))
    forms: list[Any] = [times, times * 1_000, moments]
    for form in forms:
        assert r2_of(tmp_path, pa.table({"t": form, "y": y}), algorithm) == pytest.approx(near, abs=TOLERANCE)
    gaps = r2_of(tmp_path, pa.table({"t": np.where(with_unknown == 0, -1, seconds), "y": y}), algorithm)
    assert r2_of(tmp_path, pa.table({"t": with_unknown, "y": y}), algorithm) == pytest.approx(gaps, abs=TOLERANCE)


def test_the_unit_changes_no_blend(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.uniform(0, 86_400, 400)
    # Of a wave, the steps of several models have a mean that is surely better than each of them.
    y = 20 * np.sin(x / 3_000) + x / 4_000 + random.normal(size=400)
    usual = fit_on(tmp_path, pa.table({"x": x, "y": y}), "auto")
    for a, b in [FAR, TINY, HUGE]:
        other = fit_on(tmp_path, pa.table({"x": a + b * x, "y": a + b * y}), "auto")
        assert usual.summary["algorithm"] == other.summary["algorithm"] == "Blend"
        assert other.metrics["r2"] == pytest.approx(usual.metrics["r2"], abs=TOLERANCE)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "auto"])
@pytest.mark.parametrize("unit", [FAR, TINY, HUGE], ids=["far", "tiny", "huge"])
def test_every_number_is_in_the_targets_own_unit(tmp_path: Path, algorithm: str, unit: tuple[float, float]) -> None:
    b = unit[1]
    table = make_table(unit)
    result = fit_on(tmp_path, table, algorithm)
    predictor = Predictor.load(tmp_path / result.bundle)
    truth = np.asarray(table["y"])

    together = np.asarray(predictor.predict_table(table.select(["x", "z"]))["prediction"])
    rows = [predictor.parse(row) for row in table.select(["x", "z"]).to_pylist()]
    assert [each.prediction for each in predictor.predict(rows)] == together.tolist()
    assert [predictor.predict([row])[0].prediction for row in rows[:20]] == together[:20].tolist()
    assert np.std((truth - together) / b) < 0.6

    assert 0.05 < result.metrics["mae"] / b <= result.metrics["rmse"] / b < 1
    assert all(0.05 < value / b < 1 for value in result.summary["candidates"].values())
    report = json.loads((tmp_path / result.bundle / "report.json").read_text())
    assert 0.05 < report["residual_quantiles"]["0.9"] / b < 1
    assert 0.05 < report["intervals"]["0.8"]["half_width"] / b < 1
    assert report["intervals"]["0.8"]["coverage"] > 0.6

    effects = [sum(predictor.explain(row).values()) for row in rows[:30]]
    base = together[:30] - np.array(effects)
    assert np.ptp(base / b) < 1e-3
    assert base[0] / b == pytest.approx((truth / b).mean(), abs=0.5)


@pytest.mark.parametrize("algorithm", BOOSTERS)
def test_a_native_file_is_in_the_unit_of_the_target_where_float32_holds_it(tmp_path: Path, algorithm: str) -> None:
    for unit, scaling in [
        (TINY, None),
        (FAR, {"scale": 1.0}),
        (HUGE, {"shift": 0.0}),
    ]:
        table = make_table(unit)
        bundle = tmp_path / fit_on(tmp_path, table, algorithm).bundle
        predictor = Predictor.load(bundle)
        recorded = predictor.manifest.target_scaling
        assert recorded is None if scaling is None else recorded is not None and scaling.items() <= recorded.items()
        content = (bundle / MODEL_FILES[algorithm]).read_bytes()
        native = NativeModel.from_bytes(algorithm, predictor.task, content, ())
        matrix = predictor.preprocessing.transform(table)
        own = native.predict(matrix).astype(np.float64)
        record = recorded or {"scale": 1.0, "shift": 0.0}
        expected = predictor.predict_matrix(matrix).astype(np.float64)
        actual = own * record["scale"] + record["shift"]
        assert np.abs((actual - expected) / unit[1]).max() < 1e-4


PREDICT = "import json; from scorer import Scorer; json.dump(Scorer().predict(json.load(sys.stdin)), sys.stdout)"


@pytest.mark.parametrize("unit", [FAR, TINY, HUGE], ids=["far", "tiny", "huge"])
def test_an_export_predicts_in_the_targets_own_unit(tmp_path: Path, unit: tuple[float, float]) -> None:
    table = make_table(unit)
    bundle = tmp_path / fit_on(tmp_path, table, "auto").bundle
    folder = unpack_export(bundle, tmp_path / "export")
    rows = table.select(["x", "z"]).to_pylist()[:50]
    exported = np.array([each["prediction"] for each in run_isolated(folder, PREDICT, rows)])
    predictor = Predictor.load(bundle)
    expected = np.array([each.prediction for each in predictor.predict([predictor.parse(row) for row in rows])], float)
    assert np.abs((exported - expected) / unit[1]).max() < 1e-4


@pytest.mark.parametrize("unit", [FAR, TINY, HUGE, (0.0, 1e-300)], ids=["far", "tiny", "huge", "tiniest"])
def test_shap_files_are_in_the_targets_own_unit_and_finite(tmp_path: Path, unit: tuple[float, float]) -> None:
    table = make_table(unit)
    bundle = fit_on(tmp_path, table, "XGBoost").bundle
    context = JobContext(Storage(tmp_path), "jobs/2")
    result = explain.run(ExplainSpec(1, bundle, "train.parquet", 200, seed=3), context)
    assert result.explanation is not None
    folder = tmp_path / result.explanation
    effects = np.asarray(pq.read_table(folder / "shap.parquet")["shap.z"]).astype(np.float64) / unit[1]
    assert 0.3 < np.std(effects) < 2
    for path in folder.glob("*.json"):
        json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(text))
    axis = json.loads((folder / "beeswarm.json").read_text())["encoding"]["x"]
    assert (axis.get("axis") == {"format": "~g"}) == (unit[1] < 1e-3)
    chart = json.loads((folder / "summary.json").read_text())["charts"][1]
    assert chart["coloured_by"] is not None


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "auto"])
@pytest.mark.parametrize("unit", [FAR, TINY, HUGE], ids=["far", "tiny", "huge"])
def test_a_continued_model_stays_in_the_targets_own_unit(
    tmp_path: Path, algorithm: str, unit: tuple[float, float]
) -> None:
    first = fit_on(tmp_path, make_table(unit), algorithm)
    (tmp_path / first.bundle).rename(tmp_path / "parent")
    second = fit_on(tmp_path, make_table(unit, rows=800, seed=1), algorithm, parent="parent")
    comparison = second.summary["comparison"]
    assert comparison["after"] <= comparison["before"] * 1.001
    assert second.metrics["r2"] > 0.9
    parent, child = Predictor.load(tmp_path / "parent"), Predictor.load(tmp_path / second.bundle)
    assert child.scaling == parent.scaling
    assert child.preprocessing == parent.preprocessing


def test_a_bundle_whose_target_was_not_scaled_is_continued_where_its_library_would_learn_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("dataml.tasks.training_data.choose_scaling", lambda target: UNSCALED)
        first = fit_on(tmp_path, make_table(TINY), "XGBoost")
    assert first.metrics["r2"] < 0.1
    (tmp_path / first.bundle).rename(tmp_path / "parent")
    manifest = json.loads((tmp_path / "parent" / "manifest.json").read_text())
    assert manifest.pop("target_scaling") is None  # as those of older versions
    (tmp_path / "parent" / "manifest.json").write_text(json.dumps(manifest))
    second = fit_on(tmp_path, make_table(TINY, rows=800, seed=1), "XGBoost", parent="parent")
    assert second.metrics["r2"] > 0.8
    assert second.is_promoted


def test_ids_are_exact_from_the_file_to_the_result(tmp_path: Path) -> None:
    ids = [1_234_567_890_123_456_789 + i for i in range(399)] + [2**63 - 1]
    decimals = [f"{'9' * 30}.{i:010d}" for i in range(400)]
    table = pa.table({"id": ids, "text": decimals} | make_columns())
    bundle = fit_on(tmp_path, table, "LightGBM", roles={"id": "Id", "text": "Id"}).bundle
    spec = ScoreSpec(1, bundle, "train.parquet", explain=False, lake=None)
    result = score.run(spec, JobContext(Storage(tmp_path), "jobs/2"))
    with (tmp_path / result.csv).open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert [line["id"] for line in scored] == [str(value) for value in ids]
    assert [line["text"] for line in scored] == decimals


def test_ids_as_features_are_told_apart(tmp_path: Path) -> None:
    ids = 1_234_567_890_123_456_789 + np.arange(400)
    table = pa.table({"id": ids, "y": np.where(np.arange(400) % 40 < 20, 5.0, -5.0)})
    result = fit_on(tmp_path, table, "LightGBM")
    assert result.metrics["r2"] > 0.7
    predictor = Predictor.load(tmp_path / result.bundle)
    low, high = (predictor.predict([predictor.parse({"id": int(ids[i])})])[0].prediction for i in (30, 10))
    assert float(low) < 0 < float(high)


def test_two_workers_and_a_search_learn_a_tiny_target_of_a_time(tmp_path: Path, ray_cluster: None) -> None:
    columns = make_columns(rows=600)
    table = pa.table(columns | {"x": FAR[0] + FAR[1] * columns["x"], "y": TINY[1] * columns["y"]})
    shared = fit_on(tmp_path, table, "XGBoost", workers=2)
    assert shared.metrics["r2"] > 0.85
    assert 0.05 < shared.metrics["rmse"] / TINY[1] < 1
    tuned = train_on(tmp_path, table, "Regression", "XGBoost", tuning=TuningConfig(trials=2, metric="mae"))
    assert tuned.metrics["r2"] > 0.85
    scores = [trial["score"] for trial in tuned.summary["tuning"]["trials"]]
    assert all(0.05 < score / TINY[1] < 1 for score in scores)
