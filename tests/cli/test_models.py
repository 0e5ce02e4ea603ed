"""`dataml train`, `models`, `predict`, `forecast` and `jobs`, on models that are trained in this process."""

import json
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from dataml.cli.exit_codes import ExitCode
from tests.cli.conftest import CommandLine, csv_rows, write_csv
from tests.sample_tenant import customers_csv

COLUMNS = ("--target", "left", "--id", "id", "--algorithm", "LightGBM")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def customers(admin: CommandLine, folder: Path) -> Path:
    """A file of 200 customers, which is also the dataset `customers`."""
    path = folder / "customers.csv"
    path.write_bytes(customers_csv())
    admin.data("datasets", "upload", path)
    return path


@pytest.fixture(scope="module")
def model(admin: CommandLine, customers: Path) -> int:
    """The id of the model `leaving`."""
    return admin.data("train", "customers", *COLUMNS, "--name", "leaving")["id"]


@pytest.fixture(scope="module")
def calls(admin: CommandLine, folder: Path) -> str:
    """The name of a forecast of two series."""
    first = date(2024, 1, 1)
    lines = [f"{name},{first + timedelta(n)},{n % 7 + n % 3}" for name in ("A", "B") for n in range(60)]
    path = write_csv(folder / "calls.csv", ["customer,day,calls", *lines])
    admin.data("datasets", "upload", path)
    roles = ("--target", "calls", "--id", "customer", "--time", "day")
    admin.data("train", "calls", *roles, "--horizon", "7", "--algorithm", "SeasonalNaive")
    return "calls"


def test_train_shows_the_model_and_its_metrics(admin: CommandLine, model: int) -> None:
    shown = admin.data("models", "show", "leaving")
    assert (shown["id"], shown["problem_type"], shown["target"]) == (model, "Classification", "left")
    table = admin.run("models", "show", model).stdout
    for text in ("leaving", "left (Target)", "id (Id)", "roc_auc: "):
        assert text in table


def test_train_without_waiting_prints_the_job(admin: CommandLine, model: int) -> None:
    started = admin.data("train", "customers", *COLUMNS, "--name", "leaving", "--new-version", "--no-wait")
    assert admin.data("jobs", "watch", started["job_id"])["state"] == "succeeded"
    assert "INFO Attempt 1 begins" in admin.run("jobs", "log", started["job_id"]).stdout
    assert admin.data("jobs", "log", started["job_id"], "--attempt", "1")["attempt"] == 1
    second = admin.data("models", "show", "leaving@2")
    assert second["id"] == started["id"]
    assert admin.data("models", "show", "leaving@1")["id"] == model
    assert admin.run("models", "delete", "leaving@2", "--yes").exit_code == 0
    assert "'leaving@2'" in admin.refused(ExitCode.NOT_FOUND, "models", "show", "leaving@2")


def test_training_that_the_platform_refuses_is_exit_code_1(admin: CommandLine, model: int) -> None:
    assert "[" in admin.refused(ExitCode.FAILED, "train", "customers", *COLUMNS, "--name", "leaving")
    words = ("--target", "left", "--id", "absent")
    assert "absent" in admin.refused(ExitCode.FAILED, "train", "customers", *words, "--name", "x")


def test_training_is_checked_without_a_start(admin: CommandLine, model: int) -> None:
    trainings = admin.data("models", "list")["total"]
    checked = admin.data("train", "customers", *COLUMNS, "--name", "leaving", "--new-version", "--check")
    assert (checked["predictor_name"], checked["problem_type"], checked["roles"]["id"]) == (
        "leaving",
        "Classification",
        "Id",
    )
    assert checked["version"] > 1
    assert admin.data("models", "list")["total"] == trainings
    assert "[" in admin.refused(ExitCode.FAILED, "train", "customers", *COLUMNS, "--name", "leaving", "--check")


def test_training_of_wrong_words_is_wrong_usage(admin: CommandLine, customers: Path) -> None:
    message = admin.refused(ExitCode.USAGE, "train", "customers", "--target", "absent")
    assert "plan" in message
    for text in ("{", "3"):
        admin.refused(ExitCode.USAGE, "train", "customers", *COLUMNS, "--parameters", text)


def test_training_without_the_permission_is_exit_code_3(viewer: CommandLine, customers: Path) -> None:
    assert "can_train_models" in viewer.refused(ExitCode.FORBIDDEN, "train", "customers", *COLUMNS)


def test_training_that_fails_is_exit_code_5_with_its_reason(
    admin: CommandLine, customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("dataml.tasks.train.run", fail)
    message = admin.refused(ExitCode.JOB_FAILED, "train", "customers", *COLUMNS, "--name", "failing", "--quiet")
    assert "[out_of_memory]" in message
    (job,) = admin.data("jobs", "list", "--state", "failed", "--kind", "train")["data"]
    assert "out_of_memory" in admin.refused(ExitCode.JOB_FAILED, "jobs", "watch", job["job_id"])


def test_parameters_are_sent_as_they_are(admin: CommandLine, customers: Path) -> None:
    words = (*COLUMNS, "--name", "tuned", "--seed", "3", "--parameters", '{"hyperparameters": {"num_leaves": 4}}')
    assert admin.data("train", "customers", *words)["hyperparameters"]["num_leaves"] == 4


def test_list_has_the_model(admin: CommandLine, model: int) -> None:
    assert model in [row["id"] for row in admin.data("models", "list")["data"]]
    assert "leaving" in admin.run("models", "list").stdout


def test_endpoints_have_their_calls_of_the_last_minutes(admin: CommandLine, model: int, customers: Path) -> None:
    assert admin.run("predict", customers, "--model", "leaving").exit_code == 0
    row = next(row for row in admin.data("models", "endpoints")["data"] if row["train_id"] == model)
    assert row["recent_calls"]["requests"] >= 1
    assert row["recent_calls"]["errors"] == 0
    assert 0 < row["recent_calls"]["p50_ms"] <= row["recent_calls"]["p99_ms"]
    table = admin.run("models", "endpoints").stdout
    for text in ("leaving", "p99 ms"):
        assert text in table


def test_report_is_a_table_a_page_or_data(admin: CommandLine, model: int, folder: Path) -> None:
    header, *rows = csv_rows(admin.run("models", "report", "leaving", "-o", "csv").stdout)
    assert header == ["metric", "value"]
    assert 0.0 <= float(dict(rows)["roc_auc"]) <= 1.0
    page, data = folder / "report.html", folder / "report.json"
    assert admin.run("models", "report", "leaving", "--out", page).stdout == ""
    assert "<html" in page.read_text()
    admin.run("models", "report", "leaving", "--out", data)
    assert json.loads(data.read_text())["train_id"] == model
    assert ".json" in admin.refused(ExitCode.USAGE, "models", "report", "leaving", "--out", folder / "report.pdf")
    absent = folder / "absent" / "report.html"
    assert str(absent) in admin.refused(ExitCode.USAGE, "models", "report", "leaving", "--out", absent)


def test_importance_is_sorted(admin: CommandLine, model: int) -> None:
    header, *rows = csv_rows(admin.run("models", "importance", "leaving", "-o", "csv").stdout)
    assert header == ["feature", "importance"]
    assert {name for name, _ in rows} == {"age", "plan"}
    assert float(rows[0][1]) >= float(rows[1][1])


def test_export_is_an_archive(admin: CommandLine, model: int, folder: Path) -> None:
    path = folder / "model.zip"
    assert admin.run("models", "export", "leaving", "--out", path).stdout == ""
    assert zipfile.is_zipfile(path)


def test_model_of_another_tenant_does_not_exist(other_tenant: CommandLine, model: int, folder: Path) -> None:
    for words in (("show",), ("report",), ("importance",), ("export", "--out", folder / "x"), ("delete", "--yes")):
        other_tenant.refused(ExitCode.NOT_FOUND, "models", words[0], model, *words[1:])
    assert not (folder / "x").exists()


def test_predict_writes_a_row_for_each_row(admin: CommandLine, model: int, customers: Path) -> None:
    before = admin.data("datasets", "list")["total"]
    ended = admin.run("predict", customers, "--model", "leaving")
    assert (ended.exit_code, ended.stdout) == (0, ""), ended
    assert "200 rows, 0 with an error" in ended.stderr
    header, *rows = csv_rows((customers.parent / "customers-predictions.csv").read_text())
    assert [row[header.index("id")] for row in rows] == [str(number) for number in range(1, 201)]
    assert admin.data("datasets", "list")["total"] == before, "nothing is left on the platform"


def test_threshold_is_kept_shown_and_removed(admin: CommandLine, model: int) -> None:
    assert admin.data("models", "threshold", model, "0.3")["threshold"] == 0.3
    shown = admin.data("models", "threshold", model)
    assert (shown["threshold"], shown["threshold_source"], shown["positive_class"]) == (0.3, "custom", "true")
    assert "0.3 (custom)" in admin.run("models", "show", model).stdout
    assert admin.data("models", "threshold", model, "best_f1")["threshold_source"] == "best_f1"
    assert admin.data("models", "threshold", model, "default")["threshold"] == 0.5
    for value in ("1", "0", "nan", "much"):
        assert "threshold" in admin.refused(ExitCode.USAGE, "models", "threshold", model, value)


def test_predict_with_a_threshold(admin: CommandLine, model: int, customers: Path, folder: Path) -> None:
    out = folder / "strict.csv"
    assert admin.run("predict", customers, "--model", model, "--threshold", "0.9", "--out", out).exit_code == 0
    scored = pyarrow.csv.read_csv(out)
    expected = [probability >= 0.9 for probability in scored.column("probability_true").to_pylist()]
    assert scored.column("prediction").to_pylist() == expected
    for value in ("1", "nan"):
        admin.refused(ExitCode.USAGE, "predict", customers, "--model", model, "--threshold", value)


@pytest.fixture(scope="module")
def parquet(customers: Path, folder: Path) -> Path:
    """The customers as a Parquet file."""
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(customers), path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_the_same_in_real_time_and_by_a_batch(
    admin: CommandLine, model: int, customers: Path, parquet: Path, folder: Path, ending: str
) -> None:
    written = []
    for source in (customers, parquet):
        for way in ((), ("--keep",)):
            out = folder / f"scored-{source.suffix[1:]}{len(way)}.{ending}"
            ended = admin.run("predict", source, "--model", "leaving", "--output-file", out, *way)
            assert (ended.exit_code, ended.stdout) == (0, ""), ended
            assert ("validate-job-" in ended.stderr) == bool(way), "few rows are answered in real time"
            table = pyarrow.csv.read_csv(out) if ending == "csv" else pyarrow.parquet.read_table(out)
            written.append(table.set_column(0, "id", table["id"].cast("int64")).to_pydict())
    assert written[0]["id"] == list(range(1, 201))
    assert all(table == written[0] for table in written[1:])


def test_predict_of_many_rows_is_a_batch(
    admin: CommandLine, model: int, customers: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataml.client.predictions.MAX_REALTIME_ROWS", 199)
    ended = admin.run("predict", customers, "--model", "leaving", "--out", folder / "many.csv")
    assert "predict-job-" in ended.stderr or "score-job-" in ended.stderr
    assert "200 rows, 0 with an error" in ended.stderr


@pytest.mark.parametrize(
    ("lines", "wrong"), [(["id;age;plan", "1;30;basic"], 0), (["id,age,plan", '1,"1,030",basic'], 1)]
)
def test_predict_of_a_file_that_is_not_plain_is_a_batch(
    admin: CommandLine, model: int, folder: Path, lines: list[str], wrong: int
) -> None:
    path = write_csv(folder / "other.csv", lines)
    ended = admin.run("predict", path, "--model", "leaving")
    assert "validate-job-" in ended.stderr
    assert f"1 rows, {wrong} with an error" in ended.stderr


def test_predict_writes_the_format_that_is_asked_for(
    admin: CommandLine, model: int, customers: Path, folder: Path
) -> None:
    out = folder / "scored.data"
    assert admin.run("predict", customers, "--model", "leaving", "--out", out, "--format", "parquet").exit_code == 0
    assert pyarrow.parquet.read_table(out).num_rows == 200
    words = ("--model", "leaving", "--out", "-", "--format", "parquet")
    assert "stdout" in admin.refused(ExitCode.USAGE, "predict", customers, *words)
    absent = folder / "absent" / "scored.csv"
    admin.refused(ExitCode.USAGE, "predict", customers, "--model", "leaving", "--out", absent)


def test_predict_prints_to_stdout(admin: CommandLine, model: int, customers: Path) -> None:
    ended = admin.run("predict", customers, "--model", "leaving", "--out", "-", "--explain", "--keep")
    assert len(csv_rows(ended.stdout)) == 201
    kept = admin.data("datasets", "list", "--limit", "1")["data"][0]
    assert f"dataset {kept['id']}" in ended.stderr


def test_predict_counts_rows_with_errors(admin: CommandLine, model: int, folder: Path) -> None:
    path = write_csv(folder / "some.csv", ["id,age,plan", "1,30,basic", "2,old,basic"])
    ended = admin.run("predict", path, "--model", "leaving")
    assert "2 rows, 1 with an error" in ended.stderr


def test_predict_of_a_wrong_file_leaves_nothing(admin: CommandLine, model: int, folder: Path) -> None:
    before = admin.data("datasets", "list")["total"]
    path = write_csv(folder / "columns.csv", ["id,height", "1,180"])
    ended = admin.run("predict", path, "--model", "leaving")
    assert ended.exit_code in (ExitCode.FAILED, ExitCode.JOB_FAILED)
    assert "age" in ended.stderr
    assert not (folder / "columns-predictions.csv").exists()
    assert admin.data("datasets", "list")["total"] == before


def test_predict_with_an_unknown_model_is_exit_code_4(admin: CommandLine, customers: Path) -> None:
    assert "'absent'" in admin.refused(ExitCode.NOT_FOUND, "predict", customers, "--model", "absent")


def test_forecast_prints_every_step_of_every_series(admin: CommandLine, calls: str) -> None:
    header, *rows = csv_rows(admin.run("forecast", calls, "--steps", "3", "-o", "csv").stdout)
    assert [row[header.index("unique_id")] for row in rows] == ["A"] * 3 + ["B"] * 3
    assert [row[header.index("date")][:10] for row in rows[:3]] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    answer = admin.data("forecast", calls, "--steps", "1", "--series", "B", "--level", "50", "--round")
    assert [step["unique_id"] for step in answer["forecast"]] == ["B"]
    assert answer["level"] == 50


def test_series_of_a_forecast_are_listed_and_searched(admin: CommandLine, calls: str, model: int) -> None:
    rows = admin.data("models", "series", calls)["data"]
    assert [(row["unique_id"], row["last"]) for row in rows] == [("A", "2024-02-29"), ("B", "2024-02-29")]
    assert [row["unique_id"] for row in admin.data("models", "series", calls, "--search", "b")["data"]] == ["B"]
    admin.refused(ExitCode.FAILED, "models", "series", model)


def test_forecast_that_the_platform_refuses_is_exit_code_1(admin: CommandLine, calls: str, model: int) -> None:
    assert "'C'" in admin.refused(ExitCode.NOT_FOUND, "forecast", calls, "--steps", "1", "--series", "C")
    admin.refused(ExitCode.FAILED, "forecast", "leaving", "--steps", "1")
    admin.refused(ExitCode.USAGE, "forecast", calls, "--steps", "0")


def test_jobs_are_listed_and_shown(admin: CommandLine, model: int) -> None:
    listed = admin.data("jobs", "list", "--kind", "train", "--state", "succeeded")["data"]
    assert model in [row["subject_id"] for row in listed]
    job = listed[-1]["job_id"]
    assert admin.data("jobs", "show", job)["state"] == "succeeded"
    assert job in admin.run("jobs", "list").stdout
    best = admin.data("jobs", "show", job)["leaderboard"][0]
    assert best["state"] == "selected"
    table = admin.run("jobs", "show", job).stdout
    for text in (best["candidate"], "log_loss", f"{best['score']:.6g}"):
        assert text in table
    assert "already ended" in admin.run("jobs", "cancel", job).stderr


def test_job_that_is_not_there_is_exit_code_4(admin: CommandLine, other_tenant: CommandLine, model: int) -> None:
    job = admin.data("jobs", "list", "--kind", "train")["data"][0]["job_id"]
    for word in ("show", "watch", "cancel"):
        admin.refused(ExitCode.NOT_FOUND, "jobs", word, "train-job-999999")
        other_tenant.refused(ExitCode.NOT_FOUND, "jobs", word, job)
    admin.refused(ExitCode.USAGE, "jobs", "list", "--kind", "nonsense")


def test_job_is_not_cancelled_without_the_permission(admin: CommandLine, viewer: CommandLine, model: int) -> None:
    job = admin.data("jobs", "list", "--kind", "train")["data"][0]["job_id"]
    assert "can_terminate_jobs" in viewer.refused(ExitCode.FORBIDDEN, "jobs", "cancel", job)


def test_versions_are_released(admin: CommandLine, customers: Path) -> None:
    for _ in range(2):
        admin.data("train", "customers", *COLUMNS, "--name", "released", "--new-version")
    shown = admin.data("predictors", "promote", "released", 1, "--reason", "Better.")
    assert (shown["champion_version"], shown["promotions"][0]["reason"]) == (1, "Better.")
    assert admin.data("predictors", "rollback", "released")["champion_version"] == 2
    assert admin.data("predictors", "alias", "released", "challenger", 1)["aliases"][0]["version"] == 1
    assert admin.data("predictors", "unalias", "released", "challenger")["aliases"] == []
    assert admin.data("predictors", "promotion", "released", "manual")["promotion"] == "manual"
    shown = admin.data("predictors", "traffic", "released", "--split", "1=40", "--split", "2=60")
    assert [row["weight"] for row in shown["split"]] == [40, 60]
    assert [row["version"] for row in admin.data("predictors", "compare", "released")["data"]] == [2, 1]
    assert admin.data("predictors", "traffic", "released", "--shadow", 1)["shadows"][0]["version"] == 1
    assert admin.data("predictors", "compare", "released", 1)["requests"] == 0
    admin.refused(ExitCode.FAILED, "predictors", "compare", "released")
    assert "released" in admin.run("predictors", "list").stdout
    assert admin.data("predictors", "show", "released")["versions"] == 2
    for words in (("--split", "1"), ("--split", "1=x"), ("--split", "1=50", "--split", "1=50")):
        admin.refused(ExitCode.USAGE, "predictors", "traffic", "released", *words)
    admin.refused(ExitCode.NOT_FOUND, "predictors", "show", "absent")
    admin.refused(ExitCode.USAGE, "predictors", "promotion", "released", "never")


def test_outcomes_are_read_from_a_file(admin: CommandLine, customers: Path, tmp_path: Path) -> None:
    admin.data("train", "customers", *COLUMNS, "--name", "outcomes")
    file = tmp_path / "outcomes.csv"
    file.write_text("value,prediction_id\nyes,12\nno, 13\n")
    recorded = admin.data("predictors", "actuals", "outcomes", file)
    assert (recorded["added"], recorded["unknown"], recorded["unknown_ids"]) == (0, 2, [12, 13])
    for content in ("a,b\n1,2\n", "prediction_id,value\nx,1\n", "prediction_id,value\n1\n", ""):
        file.write_text(content)
        admin.refused(ExitCode.USAGE, "predictors", "actuals", "outcomes", file)
    file.write_text("prediction_id,value\n1,a\n1,b\n")
    assert "again" in admin.refused(ExitCode.USAGE, "predictors", "actuals", "outcomes", file)
    file.write_bytes(b"prediction_id,value\n1,\xff\n")
    assert "UTF-8" in admin.refused(ExitCode.USAGE, "predictors", "actuals", "outcomes", file)
