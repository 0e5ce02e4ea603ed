"""The standalone scorer of an export predicts as the platform does, without it."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import JobContext, TrainSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.storage.storage import Storage
from dataml.tasks import train
from tests.ml.export.exports import (
    ALGORITHMS,
    ISOLATED,
    assert_same,
    export_model,
    make_table,
    run_isolated,
    to_json_rows,
    unpack_export,
    with_classes,
)
from tests.ml.samples import CHURN_ROLES, churn, contract_of
from tests.tasks.training import train_on

PREDICT = "import json; from scorer import Scorer; json.dump(Scorer().predict(json.load(sys.stdin)), sys.stdout)"
PARSE = """
import json
from scorer import Scorer
scorer, parsed = Scorer(), []
for row in json.load(sys.stdin):
    try:
        parsed.append([None if x != x else x for x in scorer.parse(row)])
    except ValueError as error:
        parsed.append(str(error))
json.dump(parsed, sys.stdout)
"""


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_scorer_predicts_as_the_platform_does_without_it(tmp_path: Path, algorithm: str, classes: int) -> None:
    table = with_classes(make_table(), classes) if classes else make_table()
    problem = "Classification" if classes else "Regression"
    predictor, folder = export_model(tmp_path, table, algorithm, problem_type=problem)
    rows = to_json_rows(predictor, table)
    rows += [rows[0] | {"colour": "never seen"}, rows[1] | {"colour": "Ärger", "number": 1e308, "whole": -(2**63)}]
    rows += [dict.fromkeys(rows[0], None), rows[2] | {"moment": "0001-01-01T00:00:00Z", "day": "9999-12-31"}]
    assert_same(run_isolated(folder, PREDICT, rows), predictor, rows)


@pytest.mark.parametrize(
    "texts", [["yes", "no"], ["True", "False"], ["1", "0"], ["N", "Y", "maybe"], ["yes", "no", "1", "0"]]
)
def test_a_boolean_for_a_text_is_spelled_as_in_the_training(tmp_path: Path, texts: list[str]) -> None:
    table = make_table()
    answers = [texts[number % len(texts)] for number in range(table.num_rows)]
    target = [50.0 * texts.index(answer) for answer in answers]
    table = table.drop_columns(["target", "key"]).append_column("answer", pa.array(answers))
    predictor, folder = export_model(tmp_path, table.append_column("target", pa.array(target)), "LightGBM", roles={})
    rows = [row | {"answer": value} for row in to_json_rows(predictor, table)[:3] for value in (True, False)]
    predictions = run_isolated(folder, PREDICT, rows)
    assert_same(predictions, predictor, rows)
    is_spelled = predictor.boolean_texts != {}
    assert is_spelled is (len(texts) < 4)
    assert (predictions[0]["prediction"] != predictions[1]["prediction"]) is is_spelled


def test_every_row_of_the_churn_example_is_predicted_alike(tmp_path: Path) -> None:
    predictor, folder = export_model(tmp_path, churn(), "auto", roles=CHURN_ROLES)
    rows = to_json_rows(predictor, churn())
    assert_same(run_isolated(folder, PREDICT, rows), predictor, rows)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Path]:
    root = tmp_path_factory.mktemp("small")
    return export_model(root, with_classes(make_table(), 2), "LightGBM")


ROW = {
    "number": 1.5,
    "whole": 3,
    "colour": "red",
    "flag": True,
    "day": "2001-02-03",
    "moment": "2001-02-03T04:05:06Z",
}


CHANGES: list[dict[str, Any]] = [
    {"number": " 1.5e1 "},
    {"number": 3},
    {"number": "-.5"},
    {"number": ""},
    {"number": "NA"},
    {"number": "(1.5)"},
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
    {"day": "29-Feb-24"},
    {"day": "février 2024"},
    {"colour": 3.0},
    {"day": "1969-12-31T00:00:00"},
    {"day": "2024-02-29T02:00:00+02:00"},
    {"moment": "2024-02-29"},
    {"moment": "1960-02-29 23:59:59.123456"},
    {"moment": "2024-02-29T23:59:59.123456789Z"},
    {"moment": "2024-02-29T23:59:59-03:30"},
    {"key": 1, "target": [3]},
]


@pytest.fixture(scope="module")
def parsed_changes(small: tuple[Predictor, Path]) -> list[Any]:
    """What the scorer reads from each of `CHANGES`: one process for all, for each takes a second to start."""
    return run_isolated(small[1], PARSE, [ROW | change for change in CHANGES])


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=[str(change) for change in CHANGES])
def test_a_value_is_parsed_as_the_platform_parses_it(
    small: tuple[Predictor, Path], parsed_changes: list[Any], number: int
) -> None:
    parsed = parsed_changes[number]
    assert isinstance(parsed, list), parsed
    encoded = np.array([np.nan if x is None else x for x in parsed], np.float32)
    np.testing.assert_array_equal(encoded, np.array(small[0].parse(ROW | CHANGES[number]), np.float32))


BAD_VALUES: list[tuple[str, Any]] = [
    ("number", "1_000"),
    ("number", "inf"),
    ("number", "1,500"),
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


def test_bad_values_are_refused_by_name(small: tuple[Predictor, Path]) -> None:
    results = run_isolated(small[1], PARSE, [ROW | {name: value} for name, value in BAD_VALUES])
    assert [
        (name, value)
        for (name, value), parsed in zip(BAD_VALUES, results, strict=True)
        if not str(parsed).startswith(name)
    ] == []
    (message,) = run_isolated(small[1], PARSE, [{name: value for name, value in ROW.items() if name != "flag"}])
    assert message == "flag: it is missing and has no default"


def score_csv(folder: Path, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Run `scorer.py rows.csv` where there is nothing but the export, and return the lines it prints."""
    with (folder.parent / "rows.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    script = "import runpy; sys.argv = ['scorer.py', 'rows.csv']; runpy.run_path(FOLDER, run_name='__main__')"
    script = script.replace("FOLDER", repr(str(folder / "scorer.py")))
    command = [sys.executable, "-I", "-c", ISOLATED + script, str(folder)]
    completed = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    return list(csv.DictReader(io.StringIO(completed.stdout)))


def to_texts(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return rows as a CSV file has them, with their keys."""
    return [{"key": f"k{i}"} | {k: "" if v is None else str(v) for k, v in row.items()} for i, row in enumerate(rows)]


def test_a_csv_file_is_scored_row_by_row(small: tuple[Predictor, Path]) -> None:
    predictor, folder = small
    rows = to_json_rows(predictor, with_classes(make_table(), 2))
    texts = to_texts(rows)
    texts[3]["whole"] = "many"
    lines = score_csv(folder, texts)
    assert list(lines[0]) == ["key", "prediction", "probability_false", "probability_true", "error"]
    assert [line["key"] for line in lines] == [f"k{i}" for i in range(len(rows))]
    bad = lines.pop(3)
    assert bad["error"].startswith("whole: 'many'")
    assert bad["prediction"] == bad["probability_true"] == ""
    expected = predictor.predict([predictor.parse(row) for row in rows[:3] + rows[4:]])
    assert [line["prediction"] for line in lines] == [str(each.prediction).lower() for each in expected]
    probabilities = [float(line["probability_true"]) for line in lines]
    assert probabilities == pytest.approx([(each.probabilities or {})["true"] for each in expected], abs=1e-6)
    assert {line["error"] for line in lines} == {""}


def test_a_csv_file_of_a_regression_is_scored(tmp_path: Path) -> None:
    predictor, folder = export_model(tmp_path, make_table(120), "LightGBM", problem_type="Regression")
    rows = to_json_rows(predictor, make_table(120))
    texts = to_texts(rows)
    texts[5]["number"] = "much"
    lines = score_csv(folder, texts)
    assert list(lines[0]) == ["key", "prediction", "error"]
    assert (lines[5]["prediction"], lines[5]["error"][:6]) == ("", "number")
    del lines[5], rows[5]
    expected = [float(each.prediction) for each in predictor.predict([predictor.parse(row) for row in rows])]
    assert [float(line["prediction"]) for line in lines] == pytest.approx(expected, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_numbers_that_float32_would_merge_are_read_as_the_platform_reads_them(tmp_path: Path, algorithm: str) -> None:
    count = np.arange(200)
    table = pa.table(
        {
            "identifier": 10**18 + 3 * count,
            "seconds": pa.array([None, *(1.7e9 + count[1:] / 8)]),
            "moment": pa.array(1_700_000_000_000_000 + 1_000_000 * count).cast(pa.timestamp("us", "UTC")),
            "target": np.sin(count / 20),
        }
    )
    predictor, folder = export_model(tmp_path, table, algorithm, problem_type="Regression", roles={})
    assert {column.name for column in predictor.preprocessing.layout if not column.shift.is_identity} == {
        "identifier",
        "seconds",
        "moment.epoch_days",
    }
    rows = to_json_rows(predictor, table)
    rows += [rows[0] | {"identifier": str(2**63 - 1), "seconds": 1e300}, rows[0] | {"identifier": -(2**63)}]
    parsed = run_isolated(folder, PARSE, rows)
    encoded = np.array([[np.nan if x is None else x for x in row] for row in parsed], np.float32)
    np.testing.assert_array_equal(encoded, np.array([predictor.parse(row) for row in rows], np.float32))
    assert_same(run_isolated(folder, PREDICT, rows), predictor, rows)


def copy_with_manifest(folder: Path, copy: Path, **changes: Any) -> Path:
    """Return a copy of an export with changes of its manifest."""
    shutil.copytree(folder, copy)
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
def test_probabilities_are_calibrated_by_the_manifest(
    small: tuple[Predictor, Path], tmp_path: Path, calibration: dict[str, Any], expected: Any
) -> None:
    rows = to_json_rows(small[0], with_classes(make_table(), 2))
    uncalibrated = run_isolated(copy_with_manifest(small[1], tmp_path / "plain", calibration=None), PREDICT, rows)
    plain = np.array([each["probabilities"]["true"] for each in uncalibrated])
    predictions = run_isolated(
        copy_with_manifest(small[1], tmp_path / "calibrated", calibration=calibration), PREDICT, rows
    )
    calibrated = np.interp(plain, [0, 0.5, 1], [0.2, 0.4, 0.9]) if expected is None else expected(plain)
    assert [each["probabilities"]["true"] for each in predictions] == pytest.approx(calibrated.tolist(), abs=1e-5)
    assert all(sum(each["probabilities"].values()) == pytest.approx(1) for each in predictions)


def test_an_unknown_calibration_is_refused(small: tuple[Predictor, Path], tmp_path: Path) -> None:
    copy = copy_with_manifest(small[1], tmp_path / "unknown", calibration={"method": "magic"})
    with pytest.raises(AssertionError, match="does not know the calibration 'magic'"):
        run_isolated(copy, PREDICT, [ROW])


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_blend_is_the_weighted_mean_of_its_members(tmp_path: Path, classes: int) -> None:
    table = with_classes(make_table(), classes) if classes else make_table()
    problem = "Classification" if classes else "Regression"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, folder = export_model(tmp_path / "a", table, "XGBoost", problem_type=problem)
    second, other = export_model(tmp_path / "b", table, "LightGBM", problem_type=problem)
    (folder / "model.txt").write_bytes((other / "model.txt").read_bytes())
    # Fitted on the same rows: the same preprocessing.
    assert (folder / "preprocess.json").read_bytes() == (other / "preprocess.json").read_bytes()
    members = [{"algorithm": "LightGBM", "weight": 0.7}, {"algorithm": "XGBoost", "weight": 0.3}]
    rows = to_json_rows(first, table)[:100]
    changes = {"algorithm": "Blend", "members": members, "calibration": None}
    predictions = run_isolated(copy_with_manifest(folder, tmp_path / "blend", **changes), PREDICT, rows)
    encoded = np.array([first.parse(row) for row in rows], np.float32)
    expected = 0.7 * second.native.predict(encoded) + 0.3 * first.native.predict(encoded)
    actual = [list(each["probabilities"].values()) if classes else each["prediction"] for each in predictions]
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


def test_hours_of_a_zone_are_read_as_the_platform_reads_them(tmp_path: Path) -> None:
    hours = np.arange(1_711_800_000, 1_711_800_000 + 600 * 3_600, 3_600)  # over a change of clocks
    moments = pa.array(hours * 1_000_000).cast(pa.timestamp("us", "UTC"))
    zone = ZoneInfo("Europe/Berlin")
    local = [moment.as_py().astimezone(zone) for moment in moments]
    table = pa.table({"moment": moments, "target": [10.0 * each.hour + each.weekday() for each in local]})
    contract = Contract(
        (Column("moment", DataType.TIMESTAMP, time_zone="Europe/Berlin"), *contract_of(table).columns[1:])
    )
    pq.write_table(table, tmp_path / "train.parquet")
    roles = {"moment": "Feature", "target": "Target"}
    spec = TrainSpec(1, "train.parquet", contract, "Regression", "LightGBM", roles)
    bundle = tmp_path / train.run(spec, JobContext(Storage(tmp_path), "jobs/1")).bundle
    predictor, folder = Predictor.load(bundle), unpack_export(bundle, tmp_path / "export")
    assert "tzdata" in (folder / "requirements.txt").read_text().splitlines()
    rows = [{"moment": each.isoformat()} for each in local]
    rows += [{"moment": f"{each:%Y-%m-%d %H:%M}"} for each in local] + [{"moment": None}]
    parsed = run_isolated(folder, PARSE, rows)
    encoded = np.array([[np.nan if x is None else x for x in row] for row in parsed], np.float32)
    np.testing.assert_array_equal(encoded, np.array([predictor.parse(row) for row in rows], np.float32))
    np.testing.assert_array_equal(encoded[:-1], np.tile(predictor.preprocessing.transform(table), (2, 1)))
    assert [row[-1] for row in parsed[: len(local)]] == [each.hour for each in local]
    [refusal] = run_isolated(folder, PARSE, [{"moment": "2024-03-31 02:30"}])
    assert "put forward" in refusal


def test_exported_threshold_decides_like_the_platform(tmp_path: Path) -> None:
    table = with_classes(make_table(), 2)
    options: dict[str, Any] = {"hyperparameters": {"n_estimators": 60}, "roles": {"key": "Id"}}
    bundle = tmp_path / train_on(tmp_path, table, algorithm="LightGBM", **options).bundle
    predictor = Predictor.load(bundle)
    rows = to_json_rows(predictor, table)
    plain = predictor.predict([predictor.parse(row) for row in rows])
    threshold = 0.15
    folder = unpack_export(bundle, tmp_path / "export", threshold)
    actual = run_isolated(folder, PREDICT, rows)
    decided = [predictor.decide(each, threshold) for each in plain]
    assert [each["prediction"] for each in actual] == [each.prediction for each in decided]
    assert [each.prediction for each in plain] != [each.prediction for each in decided]
