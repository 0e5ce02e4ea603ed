"""The client against the whole application: datasets, training, predictions."""

import csv
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dataml
from dataml.client import predictions
from tests.client import PASSWORD
from tests.conftest import EXAMPLES, Platform
from tests.python_client.transports import PortalTransport

CHURN = EXAMPLES / "telecom_churn.csv"


@pytest.fixture(scope="module")
def dm(platform: Platform) -> Iterator[dataml.Client]:
    transport = PortalTransport(platform.anonymous)
    with dataml.connect("http://dataml", username="admin", password=PASSWORD, http_transport=transport) as client:
        yield client


@pytest.fixture(scope="module")
def churn_rows() -> pd.DataFrame:
    rows = pd.read_csv(CHURN, nrows=600)
    # The index says whether it is kept.
    return rows.set_index(pd.Index([f"row-{number}" for number in range(len(rows))], name="key"))


@pytest.fixture(scope="module")
def data(dm: dataml.Client, churn_rows: pd.DataFrame) -> dataml.Dataset:
    return dm.datasets.upload(churn_rows, name="churn")


@pytest.fixture(scope="module")
def model(dm: dataml.Client, data: dataml.Dataset) -> dataml.Model:
    return dm.train(data, target="churn", id="customer_id", algorithm="LightGBM")


def test_uploaded_frame_has_the_types_of_its_columns(data: dataml.Dataset) -> None:
    assert (data.name, data.state, data.is_valid) == ("churn", "valid", True)
    types = {column["column_name"]: column["data_type"] for column in data.columns}
    assert (types["customer_id"], types["tenure"], types["monthly_charges"]) == ("String", "Integer", "Float")
    assert data.info["kept_records"] == 600
    assert data.errors() == []


def test_dataset_is_found_by_id_and_by_name(dm: dataml.Client, data: dataml.Dataset) -> None:
    assert dm.datasets.get("churn").id == dm.datasets.get(data.id).id == data.id
    assert "churn" in [row["dataset_name"] for row in dm.datasets.list()]
    with pytest.raises(dataml.NotFound) as caught:
        dm.datasets.get("no such dataset")
    assert caught.value.code == "dataset_not_found"


def test_rows_can_be_read_and_downloaded(data: dataml.Dataset, churn_rows: pd.DataFrame, tmp_path: Path) -> None:
    assert data.rows(2)[1]["customer_id"] == churn_rows["customer_id"].iloc[1]
    stored = pd.read_parquet(data.download(tmp_path / "rows.parquet"))
    assert list(stored["customer_id"]) == list(churn_rows["customer_id"])
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_upload_of_a_path_reports_bytes_and_progress(dm: dataml.Client, tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("day,visits\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 29)))
    seen: list[tuple[float | None, str]] = []
    dataset = dm.datasets.upload(path, progress=lambda share, text: seen.append((share, text)))
    assert dataset.name == "visits"
    assert [share for share, text in seen if text.endswith("MB sent")][-1] == 1.0
    assert seen[-1][0] == 1.0
    dataset.delete()
    with pytest.raises(dataml.NotFound):
        dataset.refresh()


@pytest.mark.parametrize("source", ["bytes", "file", "polars", "arrow", "records"])
def test_every_source_makes_the_same_dataset(dm: dataml.Client, tmp_path: Path, source: str) -> None:
    rows = [{"name": "a, b", "count": 1, "share": 0.5}, {"name": "c", "count": None, "share": 1.5}]
    text = 'name,count,share\n"a, b",1,0.5\nc,,1.5\n'
    path = tmp_path / "rows.csv"
    path.write_text(text)
    sources: dict[str, Any] = {
        "bytes": text.encode(),
        "file": path.open("rb"),
        "polars": pl.DataFrame(rows),
        "arrow": pa.Table.from_pylist(rows),
        "records": rows,
    }
    dataset = dm.datasets.upload(sources[source], name=f"from {source}")
    sources["file"].close()
    assert {each["column_name"]: each["data_type"] for each in dataset.columns} == {
        "name": "String",
        "count": "Integer",
        "share": "Float",
    }
    assert list(dataset.rows()) == rows


def test_wrong_file_is_returned_with_its_error_grid(dm: dataml.Client) -> None:
    template = dm.templates.create("days", [{"column_name": "day", "data_type": "Date"}])
    with pytest.warns(UserWarning, match="1 of 3 rows were kept"):
        dataset = dm.datasets.upload(b"day\n2024-01-01\nyesterday\nsoon\n", name="wrong days", template=template.id)
    errors = dataset.errors()
    assert dataset.state == "invalid"
    assert [(cell["row"], cell["value"]) for cell in errors] == [(2, "yesterday"), (3, "soon")]
    assert errors.by_column == {"day": 2}
    assert list(dataset.wrong_cells(column="day", limit=1, offset=1)) == list(errors)[1:]
    assert [row["day"] for row in dataset.rows(5, quarantined=True, sort="day")] == ["soon", "yesterday"]
    assert "yesterday" in errors._repr_html_()
    assert "2 wrong cells in 2 rows; 1 of 3 rows kept" in str(errors)
    with pytest.raises(dataml.Conflict):
        dm.train(dataset, target="day")
    dataset.delete()
    template.delete()


def test_template_is_drafted_from_rows(dm: dataml.Client) -> None:
    draft = dm.templates.draft([{"day": "2024-01-01", "visits": 3}])
    columns = draft["template_schema"]
    assert [(each["column_name"], each["data_type"]) for each in columns] == [("day", "Date"), ("visits", "Integer")]
    template = dm.templates.create("visits", columns)
    assert dm.templates.get("visits").id == template.id
    assert [column["column_name"] for column in template.columns] == ["day", "visits"]
    template.delete()
    with pytest.raises(dataml.NotFound):
        dm.templates.get("visits")


def test_trained_model_shows_its_quality(model: dataml.Model) -> None:
    assert (model.name, model.version, model.problem_type) == ("churn", 1, "Classification")
    assert 0 < model.metrics["accuracy"] <= 1
    assert "confusion_matrix" not in model.metrics
    board = model.leaderboard()
    assert [row["algorithm"] for row in board] == ["LightGBM"]
    assert board[0]["is_kept"]
    report = model.report()
    assert report.charts
    assert "<iframe" in report._repr_html_()
    assert "accuracy" in str(report)


def test_model_is_found_by_name_and_version(dm: dataml.Client, model: dataml.Model) -> None:
    assert dm.models.get("churn").id == dm.models.get(model.id).id == dm.models.get("churn", version=1).id
    with pytest.raises(dataml.NotFound):
        dm.models.get("churn", version=2)


def test_second_training_of_a_name_is_a_conflict(dm: dataml.Client, data: dataml.Dataset, model: dataml.Model) -> None:
    with pytest.raises(dataml.Conflict) as caught:
        dm.train(data, target="churn")
    assert caught.value.status == 409
    assert caught.value.request_id


def test_importance_adds_up_and_can_be_plotted(model: dataml.Model) -> None:
    importance = model.importance()
    assert sum(importance.values()) == pytest.approx(1)
    chart = importance.plot(top=3)
    assert len(chart.values) == 3
    assert chart.to_svg().count("<rect") == 3
    assert next(iter(importance)) in str(chart)
    assert model.chart("beeswarm").content.startswith(b"\x89PNG")


def test_one_row_as_a_dict_gives_a_dict(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    answer = model.predict(churn_rows.iloc[0].to_dict())
    assert list(answer) == ["prediction", "probability_false", "probability_true", "error"]
    assert answer["probability_false"] + answer["probability_true"] == pytest.approx(1)


def test_both_ways_predict_the_same_columns_types_and_values(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    realtime = model.predict(churn_rows, how="realtime")
    batch = model.predict(churn_rows, how="batch")
    assert list(realtime.columns) == ["prediction", "probability_false", "probability_true", "error"]
    assert realtime.index.equals(churn_rows.index)
    pd.testing.assert_frame_equal(realtime, batch)
    assert realtime["prediction"].dtype == bool
    assert realtime["error"].isna().all()


def test_threshold_decides_both_ways(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    assert model.threshold == 0.5
    frames = [
        model.predict(churn_rows, threshold=0.2, how="realtime"),
        model.predict(churn_rows, threshold=0.2, how="batch"),
    ]
    assert model.set_threshold(0.2).threshold == 0.2
    frames += [model.predict(churn_rows, how="realtime"), model.predict(churn_rows, how="batch")]
    single = model.predict(churn_rows.iloc[0].to_dict())
    for frame in frames:
        assert list(frame["prediction"]) == list(frame["probability_true"] >= 0.2)
    assert single["prediction"] == frames[0]["prediction"].iloc[0]
    assert model.set_threshold("best_youden").info["threshold_source"] == "best_youden"
    assert model.set_threshold(None).threshold == 0.5
    with pytest.raises(dataml.Invalid):
        model.predict(churn_rows.head(3), threshold=1.0)
    with pytest.raises(dataml.Invalid):
        model.set_threshold(0.0)


def test_dataset_of_a_batch_is_deleted(dm: dataml.Client, model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    model.predict(churn_rows.head(3), how="batch")
    assert [row for row in dm.datasets.list() if row["dataset_name"].startswith("predict-")] == []


def test_many_rows_are_a_batch(model: dataml.Model, churn_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    few = model.predict(churn_rows.head(20))
    monkeypatch.setattr(predictions, "MAX_REALTIME_ROWS", 10)
    phrases: list[str] = []
    many = model.predict(churn_rows.head(20), progress=lambda _, text: phrases.append(text))
    assert phrases
    pd.testing.assert_frame_equal(few, many)


def test_chunks_keep_the_order(model: dataml.Model, churn_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.predict(churn_rows.head(25))
    monkeypatch.setattr(predictions, "CHUNK_ROWS", 10)
    pd.testing.assert_frame_equal(model.predict(churn_rows.head(25)), whole)


@pytest.mark.parametrize("how", ["realtime", "batch"])
def test_wrong_row_has_its_reason_and_the_others_a_prediction(
    model: dataml.Model, churn_rows: pd.DataFrame, how: predictions.How
) -> None:
    rows = churn_rows.head(5).astype({"tenure": "object"})
    rows.iloc[2, rows.columns.get_loc("tenure")] = "long"
    answer = model.predict(rows, how=how)
    assert list(answer["error"].notna()) == [False, False, True, False, False]
    assert "tenure" in answer["error"].iloc[2]
    assert list(answer["prediction"].notna()) == [True, True, False, True, True]
    assert answer["prediction"].dtype == "boolean"


@pytest.mark.parametrize("how", ["realtime", "batch"])
def test_every_kind_of_rows_comes_back_as_it_was_sent(
    model: dataml.Model, churn_rows: pd.DataFrame, how: predictions.How
) -> None:
    rows = churn_rows.head(4)
    expected = model.predict(rows, how=how)
    records = model.predict(rows.to_dict("records"), how=how)
    assert [row["probability_true"] for row in records] == list(expected["probability_true"])
    table = model.predict(pa.Table.from_pandas(rows, preserve_index=False), how=how)
    assert table.column_names == list(expected.columns)
    assert table["prediction"].to_pylist() == list(expected["prediction"])
    frame = model.predict(pl.from_pandas(rows.reset_index(drop=True)), how=how)
    assert frame.columns == list(expected.columns)
    assert frame["probability_true"].to_list() == list(expected["probability_true"])


def test_categories_booleans_and_missing_values_mean_the_same_both_ways(
    model: dataml.Model, churn_rows: pd.DataFrame
) -> None:
    rows = churn_rows.head(30).copy()
    rows["contract"] = rows["contract"].astype("category")
    rows["female"] = rows["female"].astype("Int64")
    rows.iloc[1, rows.columns.get_loc("female")] = pd.NA
    rows["tenure"] = rows["tenure"].astype(float)
    rows.iloc[2, rows.columns.get_loc("tenure")] = float("nan")
    rows.iloc[3, rows.columns.get_loc("payment_method")] = None
    realtime = model.predict(rows, how="realtime")
    assert realtime["error"].isna().all()
    pd.testing.assert_frame_equal(realtime, model.predict(rows, how="batch"))


def test_missing_column_is_named_with_the_one_that_was_meant(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    with pytest.raises(dataml.WrongRows, match=r"'tenure' \(is 'tenur' meant\?\)"):
        model.predict(churn_rows.rename(columns={"tenure": "tenur"}))
    with pytest.raises(dataml.WrongRows, match="'tenure'"):
        model.predict(churn_rows.drop(columns="tenure"))


def test_target_and_other_columns_are_not_sent(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    rows = churn_rows.head(3)
    assert "churn" in rows.columns
    plain = model.predict(rows.drop(columns=["churn", "customer_id"]))
    pd.testing.assert_frame_equal(model.predict(rows.assign(note="new")), plain)


def test_no_rows_give_no_predictions(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    answer = model.predict(churn_rows.head(0))
    assert list(answer.columns) == ["prediction", "probability_false", "probability_true", "error"]
    assert len(answer) == 0


def test_explanation_has_a_column_for_each_feature(model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    rows = churn_rows.head(150)
    answer = model.explain(rows)
    assert answer.index.equals(rows.index)
    features = [name for name in churn_rows.columns if name not in ("customer_id", "churn")]
    assert list(answer.columns) == [*features, "error"]
    assert answer[features].abs().sum(axis=1).gt(0).all()


def test_version_that_does_not_serve_answers_for_itself(
    dm: dataml.Client, data: dataml.Dataset, model: dataml.Model, churn_rows: pd.DataFrame
) -> None:
    rows = churn_rows.head(5)
    before = model.predict(rows)
    later = dm.train(data, target="churn", id="customer_id", algorithm="LightGBM", new_version=True, seed=7)
    assert later.version == 2
    # This handle does not know yet that the predictor's name means the other version.
    pd.testing.assert_frame_equal(model.predict(rows), before)
    pd.testing.assert_frame_equal(model.refresh().predict(rows), before)
    assert not later.predict(rows).equals(before)
    later.delete()
    model.refresh()


def test_training_without_waiting_gives_its_job(dm: dataml.Client, data: dataml.Dataset) -> None:
    job = dm.train(data, target="tenure", name="tenure", ignore="customer_id", algorithm="LightGBM", wait=False)
    assert job.id.startswith("train-job-")
    phrases: list[str] = []
    model = job.wait(progress=lambda _, text: phrases.append(text))
    assert model.problem_type == "Regression"
    assert phrases
    assert dm.jobs.wait(job.id).id == model.id
    assert [row["state"] for row in job.leaderboard].count("selected") == 1
    assert job.id in [row["job_id"] for row in dm.jobs.list(kind="train")]
    answer = model.predict([{**data.rows(1)[0]}])
    assert list(answer[0]) == ["prediction", "error"]
    model.delete()


def test_failed_job_is_raised_with_its_code(dm: dataml.Client) -> None:
    dataset = dm.datasets.upload([{"x": n, "y": n % 3} for n in range(30)], name="small")
    with pytest.raises((dataml.JobFailed, dataml.Invalid)) as caught:
        dm.train(dataset, target="y", name="small", problem_type="Forecast", time="x")
    assert caught.value.code
    dataset.delete()


def test_forecast_has_the_columns_of_the_training(dm: dataml.Client) -> None:
    with (EXAMPLES / "airport_departures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    data = dm.datasets.upload(EXAMPLES / "airport_departures.csv", name="departures")
    model = dm.train(
        data,
        target="departures",
        id="origin",
        time="date",
        ignore=["temp_f", "wind_mph", "precip_in"],
        horizon=7,
        algorithm="SeasonalNaive",
    )
    answer = model.forecast()
    assert list(answer.columns) == ["origin", "date", "value", "lower", "upper", "confidence"]
    assert len(answer) == 7 * len({row["origin"] for row in rows})
    assert answer["date"].dtype.kind == "M"
    assert set(model.forecast(3, ids="EWR")["origin"]) == {"EWR"}


def test_the_same_story_with_await(platform: Platform, model: dataml.Model, churn_rows: pd.DataFrame) -> None:
    async def story() -> tuple[pd.DataFrame, int]:
        transport = httpx.ASGITransport(platform.anonymous.app)
        async with dataml.aio.connect(
            "http://dataml", username="admin", password=PASSWORD, http_transport=transport
        ) as dm:
            dataset = await dm.datasets.upload(churn_rows, name="with await")
            again = await dm.models.get("churn")
            answer = await again.predict(churn_rows.head(10))
            await dataset.delete()
            return answer, dataset.info["kept_records"]

    answer, kept = platform.anonymous.portal.call(functools.partial(story))
    assert kept == 600
    pd.testing.assert_frame_equal(answer, model.predict(churn_rows.head(10)))


def test_table_shows_itself(dm: dataml.Client, data: dataml.Dataset) -> None:
    table = dm.datasets.list()
    assert json.loads(json.dumps(list(table)))[0]["id"]
    assert str(data.id) in str(table)
    assert "<table>" in table._repr_html_()
    assert list(table.to_pandas()["dataset_name"]) == [row["dataset_name"] for row in table]
