"""An exported model predicts like the platform, without it."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.export import archive
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on

ALGORITHMS = ["XGBoost", "LightGBM", "CatBoost"]

# Runs a script where importing anything of the platform, or what it needs and the scorer does not, is an error.
ALONE = """
import os, sys

refused = {"dataml", "deployments", "pyarrow", "pandas", "onnxruntime", "sklearn", "ray"}
if os.path.exists(os.path.join(sys.argv[1], "model.cbm")):
    refused.remove("pandas")  # CatBoost cannot be imported without it

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
"""
PREDICT = "import json; from scorer import Scorer; json.dump(Scorer().predict(json.load(sys.stdin)), sys.stdout)"
PARSE = """
import json
from scorer import Scorer
scorer, found = Scorer(), []
for row in json.load(sys.stdin):
    try:
        found.append([None if x != x else x for x in scorer.parse(row)])
    except ValueError as error:
        found.append(str(error))
json.dump(found, sys.stdout)
"""
MLFLOW = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas as pd
frame = pd.DataFrame(json.loads(sys.stdin.read()))
for name in sys.argv[2:]:
    frame[name] = pd.to_datetime(frame[name])
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(frame)
assert type(found) is pd.DataFrame and not any(name.split(".")[0] == "dataml" for name in sys.modules)
print(json.dumps({"rows": found.to_dict("records"), "inputs": model.metadata.signature.inputs.to_dict(),
                  "outputs": model.metadata.signature.outputs.to_dict()}))
"""


def mixed(rows: int = 400) -> pa.Table:
    """Every type, each with gaps; `target` follows from several of them."""
    random = np.random.default_rng(5)

    def gaps(values: list[Any]) -> list[Any]:
        return [None if random.random() < 0.1 else value for value in values]

    number, whole = random.normal(size=rows), random.integers(-5, 6, rows)
    colour = random.choice(["red", "green", "blue", 'größe, "x"'], rows)
    day, moment = random.integers(-9_000, 20_000, rows), random.integers(-(10**15), 2 * 10**15, rows)
    return pa.table(
        {
            "key": [f"k{i}" for i in range(rows)],
            "number": pa.array(gaps(number.tolist()), pa.float64()),
            "whole": pa.array(gaps(whole.tolist()), pa.int64()),
            "colour": pa.array(gaps(colour.tolist()), pa.string()),
            "flag": pa.array(gaps((whole > 0).tolist()), pa.bool_()),
            "day": pa.array(gaps(day.tolist()), pa.int32()).cast(pa.date32()),
            "moment": pa.array(gaps(moment.tolist()), pa.int64()).cast(pa.timestamp("us", "UTC")),
            "target": 100 * number + 30 * whole + np.where(colour == "red", 50, 0) + day / 100,
        }
    )


def classed(table: pa.Table, classes: int) -> pa.Table:
    """With classes of whole numbers or, for two, booleans as the target."""
    target = np.asarray(table["target"])
    codes = np.digitize(target, np.quantile(target, np.linspace(0, 1, classes + 1)[1:-1]))
    return table.drop_columns(["target"]).append_column("target", pa.array(codes == 1 if classes == 2 else codes))


def exported(root: Path, table: pa.Table, algorithm: str, **options: Any) -> tuple[Predictor, Path]:
    options = {"hyperparameters": {"n_estimators": 60}, "roles": {"key": "Id"}} | options
    bundle = root / train_on(root, table, algorithm=algorithm, **options).bundle  # type: ignore[arg-type]
    return Predictor.load(bundle), unpacked(bundle, root / "export")


def unpacked(bundle: Path, folder: Path) -> Path:
    file = io.BytesIO()
    archive.write_archive(bundle, "a-name-v1", file)
    with zipfile.ZipFile(file) as exported:
        assert exported.testzip() is None
        exported.extractall(folder)
    return folder


def alone(folder: Path, script: str, rows: list[dict[str, Any]]) -> Any:
    """What the script prints as JSON, where there is nothing but the export."""
    command = [sys.executable, "-I", "-c", ALONE + script, str(folder)]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def json_rows(predictor: Predictor, table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON has them: dates are text."""
    rows = table.select(predictor.contract.names).to_pylist()
    return [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in rows]


def assert_same(found: list[dict[str, Any]], predictor: Predictor, rows: list[dict[str, Any]]) -> None:
    """Classes to 1e-6; numbers to 1e-6 of the largest, for the platform's own copy sums float32."""
    expected = predictor.predict([predictor.parse(row) for row in rows])
    if predictor.manifest.classes is None:
        wanted = np.array([each.prediction for each in expected], float)
        given = np.array([each["prediction"] for each in found])
        assert np.abs(given - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())
        return
    assert [each["prediction"] for each in found] == [each.prediction for each in expected]
    assert [type(each["prediction"]) for each in found] == [type(each.prediction) for each in expected]
    for given, each in zip(found, expected, strict=True):
        assert given["probabilities"] == pytest.approx(each.probabilities, abs=1e-6)
        assert given["probability"] == pytest.approx(each.probability, abs=1e-6)


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_scorer_predicts_as_the_platform_and_needs_nothing_of_it(
    tmp_path: Path, algorithm: str, classes: int
) -> None:
    table = classed(mixed(), classes) if classes else mixed()
    problem = "Classification" if classes else "Regression"
    predictor, folder = exported(tmp_path, table, algorithm, problem_type=problem)
    rows = json_rows(predictor, table)
    rows += [rows[0] | {"colour": "never seen"}, rows[1] | {"colour": "Ärger", "number": 1e308, "whole": -(2**63)}]
    rows += [dict.fromkeys(rows[0], None), rows[2] | {"moment": "0001-01-01T00:00:00Z", "day": "9999-12-31"}]
    assert_same(alone(folder, PREDICT, rows), predictor, rows)


def test_the_churn_example_is_the_same_to_the_last_row(tmp_path: Path) -> None:
    predictor, folder = exported(tmp_path, churn(), "auto", roles=CHURN_ROLES, hyperparameters={})
    rows = json_rows(predictor, churn())
    assert_same(alone(folder, PREDICT, rows), predictor, rows)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Path]:
    root = tmp_path_factory.mktemp("small")
    return exported(root, classed(mixed(), 2), "LightGBM")


WHOLE = {
    "number": 1.5,
    "whole": 3,
    "colour": "red",
    "flag": True,
    "day": "2001-02-03",
    "moment": "2001-02-03T04:05:06Z",
}


@pytest.mark.parametrize(
    "change",
    [
        {"number": " 1.5e1 "},
        {"number": 3},
        {"number": "-.5"},
        {"number": ""},
        {"whole": "3.00"},
        {"whole": 3.0},
        {"whole": "-0007"},
        {"colour": 5},
        {"colour": True},
        {"colour": 2.5},
        {"colour": " red"},
        {"colour": ""},
        {"flag": "No"},
        {"flag": "T"},
        {"flag": 0},
        {"flag": " yes "},
        {"day": "2024-02-29"},
        {"day": "1969-12-31T00:00:00"},
        {"day": "2024-02-29T02:00:00+02:00"},
        {"moment": "2024-02-29"},
        {"moment": "1960-02-29 23:59:59.123456"},
        {"moment": "2024-02-29T23:59:59.123456789Z"},
        {"moment": "2024-02-29T23:59:59-03:30"},
        {"key": 1, "target": [3]},
    ],
    ids=str,
)
def test_a_value_is_read_as_the_platform_reads_it(small: tuple[Predictor, Path], change: dict[str, Any]) -> None:
    predictor, folder = small
    (found,) = alone(folder, PARSE, [WHOLE | change])
    assert isinstance(found, list), found
    given = np.array([np.nan if x is None else x for x in found], np.float32)
    np.testing.assert_array_equal(given, np.array(predictor.parse(WHOLE | change), np.float32))


BAD: list[tuple[str, Any]] = [
    ("number", "1_000"),
    ("number", "nan"),
    ("number", "1e999"),
    ("number", True),
    ("number", [1]),
    ("whole", "1.5"),
    ("whole", 1.5),
    ("whole", 2**63),
    ("whole", False),
    ("whole", "٣"),
    ("flag", 2),
    ("flag", "maybe"),
    ("flag", 1.5),
    ("day", "2024-02-30"),
    ("day", "2024-02-28T01:00:00"),
    ("day", 5),
    ("moment", "soon"),
    ("moment", "0001-01-01T00:00:00+14:00"),
    ("colour", ["red"]),
]


def test_what_the_platform_refuses_is_refused_by_name(small: tuple[Predictor, Path]) -> None:
    found = alone(small[1], PARSE, [WHOLE | {name: value} for name, value in BAD])
    assert [
        (name, value) for (name, value), told in zip(BAD, found, strict=True) if not str(told).startswith(name)
    ] == []
    (told,) = alone(small[1], PARSE, [{name: value for name, value in WHOLE.items() if name != "flag"}])
    assert told == "flag: it is missing and has no default"


def test_a_csv_file_is_scored_row_by_row(small: tuple[Predictor, Path], tmp_path: Path) -> None:
    predictor, folder = small
    rows = json_rows(predictor, classed(mixed(), 2))
    texts = [{"key": f"k{i}"} | {k: "" if v is None else str(v) for k, v in row.items()} for i, row in enumerate(rows)]
    texts[3]["whole"] = "many"
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, texts[0])
        writer.writeheader()
        writer.writerows(texts)
    script = "import runpy; sys.argv = ['scorer.py', 'rows.csv']; runpy.run_path(FOLDER, run_name='__main__')"
    script = script.replace("FOLDER", repr(str(folder / "scorer.py")))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE + script, str(folder)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(lines[0]) == ["key", "prediction", "probability_false", "probability_true", "error"]
    assert [line["key"] for line in lines] == [f"k{i}" for i in range(len(rows))]
    bad = lines.pop(3)
    assert bad["error"].startswith("whole: 'many'")
    assert bad["prediction"] == bad["probability_true"] == ""
    expected = predictor.predict([predictor.parse(row) for row in rows[:3] + rows[4:]])
    assert [line["prediction"] for line in lines] == [str(each.prediction).lower() for each in expected]
    given = [float(line["probability_true"]) for line in lines]
    assert given == pytest.approx([(each.probabilities or {})["true"] for each in expected], abs=1e-6)
    assert {line["error"] for line in lines} == {""}


def recorded(folder: Path, copy: Path, **changes: Any) -> Path:
    """A copy of an export whose manifest says something else."""
    for path in folder.glob("*.*"):
        copy.mkdir(exist_ok=True)
        (copy / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((copy / "manifest.json").read_text()) | changes
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        ({"method": "temperature", "temperature": 2.0}, lambda p: p**0.5 / (p**0.5 + (1 - p) ** 0.5)),
        (
            {"method": "sigmoid", "slope": 0.5, "offset": 1.0},
            lambda p: 1 / (1 + np.exp(-0.5 * np.log(p / (1 - p)) - 1)),
        ),
        ({"method": "isotonic", "knots": [0.0, 0.5, 1.0], "values": [0.2, 0.4, 0.9]}, None),
    ],
    ids=["temperature", "sigmoid", "isotonic"],
)
def test_probabilities_are_calibrated_as_the_manifest_says(
    small: tuple[Predictor, Path], tmp_path: Path, calibration: dict[str, Any], expected: Any
) -> None:
    rows = json_rows(small[0], classed(mixed(), 2))
    uncalibrated = alone(recorded(small[1], tmp_path / "plain", calibration=None), PREDICT, rows)
    plain = np.array([each["probabilities"]["true"] for each in uncalibrated])
    found = alone(recorded(small[1], tmp_path / "calibrated", calibration=calibration), PREDICT, rows)
    wanted = np.interp(plain, [0, 0.5, 1], [0.2, 0.4, 0.9]) if expected is None else expected(plain)
    assert [each["probabilities"]["true"] for each in found] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert all(sum(each["probabilities"].values()) == pytest.approx(1) for each in found)


def test_a_calibration_it_does_not_know_is_no_prediction(small: tuple[Predictor, Path], tmp_path: Path) -> None:
    copy = recorded(small[1], tmp_path / "unknown", calibration={"method": "magic"})
    with pytest.raises(AssertionError, match="does not know the calibration 'magic'"):
        alone(copy, PREDICT, [WHOLE])


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_blend_is_the_weighted_mean_of_its_members(tmp_path: Path, classes: int) -> None:
    table = classed(mixed(), classes) if classes else mixed()
    problem = "Classification" if classes else "Regression"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, folder = exported(tmp_path / "a", table, "XGBoost", problem_type=problem)
    second, other = exported(tmp_path / "b", table, "LightGBM", problem_type=problem)
    (folder / "model.txt").write_bytes((other / "model.txt").read_bytes())
    # Fitted on the same rows: the same preprocessing.
    assert (folder / "preprocess.json").read_bytes() == (other / "preprocess.json").read_bytes()
    members = [{"algorithm": "LightGBM", "weight": 0.7}, {"algorithm": "XGBoost", "weight": 0.3}]
    rows = json_rows(first, table)[:100]
    changes = {"algorithm": "Blend", "members": members, "calibration": None}
    found = alone(recorded(folder, tmp_path / "blend", **changes), PREDICT, rows)
    encoded = np.array([first.parse(row) for row in rows], np.float32)
    wanted = 0.7 * second.native.predict(encoded) + 0.3 * first.native.predict(encoded)
    given = [list(each["probabilities"].values()) if classes else each["prediction"] for each in found]
    np.testing.assert_allclose(given, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_mlflow_loads_and_predicts_the_same(tmp_path: Path, algorithm: str, classes: int) -> None:
    table = classed(mixed(120), classes) if classes else mixed(120)
    problem = "Classification" if classes else "Regression"
    predictor, folder = exported(tmp_path, table, algorithm, problem_type=problem)
    rows = json_rows(predictor, table)
    command = [sys.executable, "-I", "-c", MLFLOW, str(folder / "mlflow"), "moment"]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    names = ["prediction", *predictor.probability_columns]
    assert [each["name"] for each in answer["outputs"]] == names
    assert {each["name"]: each["required"] for each in answer["inputs"]} == dict.fromkeys(
        predictor.contract.names, True
    )
    found = [
        {
            "prediction": row["prediction"],
            "probabilities": {name.removeprefix("probability_"): row[name] for name in names[1:]},
            "probability": max((row[name] for name in names[1:]), default=None),
        }
        for row in answer["rows"]
    ]
    assert_same(found, predictor, rows)


def test_the_archive_has_the_bundle_and_what_predicts_with_it(small: tuple[Predictor, Path]) -> None:
    predictor, folder = small
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {"manifest.json", *predictor.manifest.files, "scorer.py", "requirements.txt", "README.md"}
    assert names >= {"mlflow/MLmodel", "mlflow/requirements.txt", "mlflow/python_env.yaml", "mlflow/data/manifest.json"}
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
    versions = predictor.manifest.versions
    wanted = f"numpy=={versions['numpy']}\nlightgbm=={versions['lightgbm']}\n"
    assert (folder / "requirements.txt").read_text() == wanted
    assert (folder / "README.md").read_text().startswith("# a-name-v1\n")


def test_the_same_bundle_gives_the_same_bytes_and_a_damaged_one_none(tmp_path: Path) -> None:
    bundle = tmp_path / train_on(tmp_path, churn().slice(0, 300), roles=CHURN_ROLES).bundle
    files = io.BytesIO(), io.BytesIO()
    for file in files:
        archive.write_archive(bundle, "x", file)
    assert files[0].getvalue() == files[1].getvalue()
    (bundle / "model.txt").write_bytes(b"tree")
    with pytest.raises(BundleDamaged):
        archive.write_archive(bundle, "x", io.BytesIO())
