"""Forecasts over HTTP: their values, where they start, and what is refused at once."""

import csv
import io
import random
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import EXAMPLES
from tests.dataset.datasets import create_dataset
from tests.inference.series import (
    ROLES,
    SHOPS,
    ask,
    columns_of,
    day,
    forecast_request,
    future_of,
    rain,
    shop_rows,
    sold,
    train_forecast,
    trained_forecast,
)

DAYS = 140
PLAIN = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}


@pytest.fixture(scope="module")
def model(client: Client) -> dict[str, Any]:
    """LightGBM, with the rain known in the future."""
    return trained_forecast(client, shop_rows(range(DAYS)), algorithm="LightGBM", predictor_name="shops")


@pytest.fixture(scope="module")
def plain(client: Client) -> dict[str, Any]:
    """`auto`, without exogenous columns."""
    return trained_forecast(client, shop_rows(range(DAYS)), PLAIN, predictor_name="plain")


@pytest.fixture(scope="module")
def airports(client: Client) -> dict[str, Any]:
    roles = {"origin": "Id", "date": "Time", "departures": "Target"}
    roles |= dict.fromkeys(("temp_f", "wind_mph", "precip_in"), "Exogenous")
    content = (EXAMPLES / "airport_departures.csv").read_bytes()
    return trained_forecast(client, content, roles, predictor_name="airports", forecast=None)


def test_forecast_of_the_airports_beats_the_last_week(client: Client, airports: dict[str, Any]) -> None:
    summary = client.get("/train/model-summary", params={"train_id": airports["id"]}).json()["model_summary"]
    assert summary["metrics"]["relative_mase"] < 0.95
    assert 0.88 <= summary["metrics"]["coverage"] <= 1.0
    assert summary["forecast"]["frequency"] == "Day"
    assert (summary["forecast"]["horizon"], summary["forecast"]["series"]) == (14, 3)


def test_a_forecast_has_a_date_a_value_and_an_interval_for_each_step(client: Client, model: dict[str, Any]) -> None:
    answer = ask(client, model, steps=7, unique_id="north", future=future_of(range(DAYS, DAYS + 7), "north"))
    assert answer.status_code == 200, answer.text
    steps = answer.json()["forecast"]
    assert [step["date"] for step in steps] == [day(number) for number in range(DAYS, DAYS + 7)]
    for step in steps:
        assert isinstance(step["value"], float)
        assert 0 <= step["lower"] <= step["value"] <= step["upper"]
        assert 0 < step["confidence"] <= 1
        assert step["unique_id"] == "north"
    truth = [sold(number, "north") for number in range(DAYS, DAYS + 7)]
    assert sum(abs(step["value"] - value) for step, value in zip(steps, truth, strict=True)) / 7 < 5


def test_exogenous_values_change_the_forecast(client: Client, model: dict[str, Any]) -> None:
    rows = future_of(range(DAYS, DAYS + 3), "south")
    dry = ask(client, model, unique_id="south", future=[row | {"rain": 0} for row in rows]).json()["forecast"]
    wet = ask(client, model, unique_id="south", future=[row | {"rain": 4} for row in rows]).json()["forecast"]
    assert sum(step["value"] for step in dry) > sum(step["value"] for step in wet) + 15


def test_exogenous_values_can_be_a_dataset(client: Client, model: dict[str, Any]) -> None:
    days = range(DAYS, DAYS + 3)
    dataset = create_dataset(client, ("future.csv", shop_rows(days, target=False)), usage="p")
    question = {"unique_ids": "all", "future": {"dataset_id": dataset["id"]}}
    by_dataset = ask(client, model, **question)
    assert by_dataset.status_code == 200, by_dataset.text
    inline = ask(client, model, unique_ids=list(SHOPS), future=future_of(days, *SHOPS))
    assert by_dataset.json()["forecast"] == inline.json()["forecast"]
    assert len(by_dataset.json()["forecast"]) == 9


def test_missing_exogenous_rows_are_listed(client: Client, model: dict[str, Any]) -> None:
    rows = future_of(range(DAYS, DAYS + 3), "north")
    answer = ask(client, model, unique_id="north", future=rows[:1] + rows[2:])
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_future")
    assert day(DAYS + 1) in answer.json()["detail"]
    assert day(DAYS + 2) not in answer.json()["detail"]
    assert ask(client, model, unique_id="north").json()["code"] == "missing_future"


def test_a_null_in_the_future_is_named(client: Client, model: dict[str, Any]) -> None:
    rows = future_of(range(DAYS, DAYS + 3), "north")
    answer = ask(client, model, unique_id="north", future=[rows[0], rows[1] | {"rain": None}, rows[2]])
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_future")
    assert f"null for 'rain' of series 'north' at {day(DAYS + 1)}" in answer.json()["detail"]
    timeless = ask(client, model, unique_id="north", future=[rows[0] | {"day": None}, *rows[1:]])
    assert timeless.status_code == 422
    assert [error["loc"] for error in timeless.json()["detail"]] == [["body", "future", 0, "day"]]


def test_wrong_exogenous_values_are_located(client: Client, model: dict[str, Any]) -> None:
    rows = future_of(range(DAYS, DAYS + 3), "north")
    answer = ask(client, model, unique_id="north", future=[rows[0], rows[1] | {"rain": "wet"}, rows[2] | {"snow": 1}])
    assert answer.status_code == 422
    assert {tuple(error["loc"][1:3]) for error in answer.json()["detail"]} == {("future", 1), ("future", 2)}


def test_two_exogenous_rows_for_one_step_are_refused(client: Client, model: dict[str, Any]) -> None:
    rows = future_of([DAYS, DAYS, DAYS + 1, DAYS + 2], "north")
    assert ask(client, model, unique_id="north", future=rows).json()["code"] == "duplicate_timestamps"


def test_series_has_the_same_forecast_alone_and_with_others(client: Client, plain: dict[str, Any]) -> None:
    together = ask(client, plain, unique_ids="all", steps=5).json()["forecast"]
    alone = ask(client, plain, unique_id="west", steps=5).json()["forecast"]
    assert [step for step in together if step["unique_id"] == "west"] == alone


def test_contributions_add_up_to_the_value(client: Client, model: dict[str, Any]) -> None:
    future = future_of(range(DAYS, DAYS + 3), "west")
    steps = ask(client, model, unique_id="west", future=future, explain=True).json()["forecast"]
    for step in steps:
        assert sum(step["explanation"].values()) == pytest.approx(step["value"], abs=0.51)
        assert "rain" in step["explanation"]
        assert "base" in step["explanation"]


def test_coarser_frequency_consists_of_whole_steps(client: Client, plain: dict[str, Any]) -> None:
    # The history ends on a Sunday: the first whole week begins with the first step.
    steps = ask(client, plain, unique_id="north", steps=14).json()["forecast"]
    answer = ask(client, plain, unique_id="north", steps=2, frequency="Week").json()
    assert answer["frequency"] == "Week"
    assert [week["date"] for week in answer["forecast"]] == [day(DAYS), day(DAYS + 7)]
    assert answer["forecast"][0]["value"] == pytest.approx(sum(step["value"] for step in steps[:7]))
    mean = ask(client, plain, unique_id="north", steps=1, frequency="weekly", aggregate="mean").json()["forecast"][0]
    assert mean["value"] == pytest.approx(answer["forecast"][0]["value"] / 7)


def test_bounds_of_weeks_are_closer_than_sums_of_bounds(client: Client, plain: dict[str, Any]) -> None:
    steps = ask(client, plain, unique_id="north", steps=7).json()["forecast"]
    (week,) = ask(client, plain, unique_id="north", steps=1, frequency="Week").json()["forecast"]
    widths = [step["upper"] - step["lower"] for step in steps]
    assert max(widths) < week["upper"] - week["lower"] < sum(widths)


def test_values_of_an_integer_target_are_rounded_on_request(client: Client, plain: dict[str, Any]) -> None:
    exact = ask(client, plain, unique_id="north", steps=7).json()["forecast"]
    rounded = ask(client, plain, unique_id="north", steps=7, round=True).json()["forecast"]
    assert not all(float(step["value"]).is_integer() for step in exact)
    assert [step["value"] for step in rounded] == [round(step["value"]) for step in exact]
    assert all(isinstance(step[name], int) for step in rounded for name in ("value", "lower", "upper"))
    body = {"train_id": plain["id"], "forecast": {"steps": 7, "round": True, "unique_ids": ["north"]}}
    answer = client.post("/inference/batch-prediction", json=body)
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    result = client.get("/inference/result", params={"prediction_id": answer.json()["prediction_id"]}).json()
    text = client.get("/files/download/", params={"file_path": result["result_path"]}).text.splitlines()
    assert [line.split(",")[2] for line in text[1:]] == [str(step["value"]) for step in rounded]


def test_a_wider_level_gives_wider_intervals(client: Client, plain: dict[str, Any]) -> None:
    widths = []
    for level in (50, 80, 95, 99.9):
        step = ask(client, plain, unique_id="north", level=level).json()["forecast"][0]
        widths.append(step["upper"] - step["lower"])
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_new_observations_move_the_start_and_train_nothing(client: Client, plain: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("new.csv", shop_rows(range(DAYS, DAYS + 10), shops=["north"])))
    trainings = [row["id"] for row in client.get("/train/list").json()["data"]]
    later = ask(client, plain, unique_id="north", dataset_id=dataset["id"]).json()["forecast"]
    assert [step["date"] for step in later] == [day(DAYS + 10), day(DAYS + 11), day(DAYS + 12)]
    elsewhere = ask(client, plain, unique_id="south", dataset_id=dataset["id"]).json()["forecast"]
    assert elsewhere == ask(client, plain, unique_id="south").json()["forecast"]
    # Other tests of this module train before or after this one, in any order.
    assert [row["id"] for row in client.get("/train/list").json()["data"]] == trainings


@pytest.mark.parametrize(
    ("days", "code"),
    [(range(DAYS + 2, DAYS + 5), "irregular_series"), (range(DAYS - 1, DAYS + 2), None)],
    ids=["a gap", "an overlap that says the same"],
)
def test_new_observations_continue_the_series(
    client: Client, plain: dict[str, Any], days: range, code: str | None
) -> None:
    dataset = create_dataset(client, ("new.csv", shop_rows(days, shops=["north"])))
    answer = ask(client, plain, unique_id="north", dataset_id=dataset["id"])
    assert (answer.status_code == 200) == (code is None), answer.text
    assert answer.json().get("code") == code


def test_incremental_training_continues_from_new_observations(client: Client, plain: dict[str, Any]) -> None:
    new = create_dataset(client, ("more.csv", shop_rows(range(DAYS, DAYS + 14))))
    request = forecast_request(new["id"], predictor_name="plain", columns=[], is_incremental=True, forecast=None)
    answer = client.post("/train/", json=request)
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    whole = client.get(f"/train/{answer.json()['id']}").json()
    comparison = whole["summary"]["comparison"]
    assert whole["is_promoted"]
    assert (comparison["rows"], comparison["windows"], comparison["metric"]) == (42, 2, "wape")
    assert comparison["after"] < 0.15
    assert comparison["before"] < 0.3
    before = client.get(f"/train/{plain['id']}").json()
    assert whole["summary"]["rows"]["total"] == before["summary"]["rows"]["total"] + 42
    assert whole["metrics"]["wape"] == comparison["after"] != before["metrics"]["wape"]
    continued = ask(client, whole, unique_id="north").json()["forecast"]
    assert continued[0]["date"] == day(DAYS + 14)
    by_dataset = ask(client, plain, unique_id="north", dataset_id=new["id"]).json()["forecast"]
    assert [step["value"] for step in by_dataset] == [step["value"] for step in continued]
    # The confidence of the new version counts the new days in.
    assert [step["confidence"] for step in by_dataset] != [step["confidence"] for step in continued]


def test_incremental_training_with_a_gap_is_refused_before_it_starts(client: Client, plain: dict[str, Any]) -> None:
    new = create_dataset(client, ("more.csv", shop_rows(range(DAYS + 30, DAYS + 40))))
    request = forecast_request(new["id"], predictor_name="plain", columns=[], is_incremental=True, forecast=None)
    answer = client.post("/train/", json=request)
    assert (answer.status_code, answer.json()["code"]) == (422, "irregular_series")


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [
        ({"steps": 0}, 422, "invalid_request"),
        ({"steps": -1}, 422, "invalid_request"),
        ({"steps": 10**9}, 422, "invalid_request"),
        ({"unique_id": "nowhere"}, 404, "series_not_found"),
        ({"unique_id": None}, 422, "one_or_several"),
        ({"unique_ids": ["north"]}, 422, "one_or_several"),
        ({"frequency": "every now and then"}, 422, "unknown_frequency"),
        ({"frequency": "Hour"}, 422, "frequency_mismatch"),
        ({"frequency": "Year", "steps": 1000}, 422, "too_many_steps"),
        ({"level": 100}, 422, "invalid_request"),
        ({"preprocess_id": 10**6}, 422, "wrong_preprocess_id"),
        ({"train_id": 10**6}, 404, "training_not_found"),
        ({"dataset_id": 10**6}, 404, "dataset_not_found"),
        ({"future": {"dataset_id": 10**6}}, 404, "dataset_not_found"),
        ({"colour": "red"}, 422, "invalid_request"),
    ],
)
def test_invalid_forecast_request_is_refused(
    client: Client, plain: dict[str, Any], question: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(client, plain, **({"unique_id": "north"} | question))
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_preprocess_id_need_not_be_sent(client: Client, plain: dict[str, Any]) -> None:
    body = {"train_id": plain["id"], "steps": 1, "unique_id": "north"}
    answer = client.post("/inference/forecast", json=body)
    assert answer.status_code == 200, answer.text


def test_model_of_another_tenant_is_not_found(stranger: Client, plain: dict[str, Any]) -> None:
    assert ask(stranger, plain, unique_id="north").status_code == 404


def test_forecast_model_is_served_by_the_forecast_call_only(client: Client, plain: dict[str, Any]) -> None:
    body = {"train_id": plain["id"], "preprocess_id": plain["preprocess_id"], "features": {}, "target": "sold"}
    assert client.post("/inference/", json=body).json()["code"] == "wrong_problem_type"
    direct = client.post("/models/default/plain/predict", json={"features": {}})
    assert (direct.status_code, direct.json()["code"]) == (409, "wrong_problem_type")


def test_forecast_is_in_the_prediction_log(client: Client, plain: dict[str, Any]) -> None:
    prediction_id = ask(client, plain, unique_id="north").json()["prediction_id"]
    rows = client.get("/inference/predictions", params={"train_id": plain["id"]}).json()["data"]
    (row,) = [row for row in rows if row["prediction_id"] == prediction_id]
    assert (row["prediction_type"], row["problem_type"], row["accuracy"]) == ("forecast", "Forecast", None)


def test_batch_forecasts_all_series(client: Client, plain: dict[str, Any]) -> None:
    body = {"train_id": plain["id"], "forecast": {"steps": 4, "level": 80}}
    answer = client.post("/inference/batch-prediction", json=body)
    assert answer.status_code == 202, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    result = client.get("/inference/result", params={"prediction_id": answer.json()["prediction_id"]}).json()
    assert (result["status"], result["no_of_records"], result["failed_records"]) == ("completed", 12, 0)
    text = client.get("/files/download/", params={"file_path": result["result_path"]}).text.splitlines()
    assert text[0].replace('"', "") == "shop,day,value,lower,upper,confidence"
    online = ask(client, plain, unique_ids="all", steps=4, level=80).json()["forecast"]
    first = text[1].replace('"', "").split(",")
    assert first[:2] == ["north", day(DAYS)]
    assert [float(cell) for cell in first[2:5]] == [online[0][name] for name in ("value", "lower", "upper")]


def test_batch_is_rounded_for_a_lake_table_of_whole_numbers(client: Client, plain: dict[str, Any]) -> None:
    def run(**options: Any) -> dict[str, Any]:
        body = {"train_id": plain["id"], "result_table": "whole_forecasts"} | options
        answer = client.post("/inference/batch-prediction", json=body)
        assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
        return client.get("/inference/result", params={"prediction_id": answer.json()["prediction_id"]}).json()

    assert run(forecast={"steps": 2, "round": True})["warnings"] == []
    (warning,) = run(forecast={"steps": 2})["warnings"]
    assert (warning["code"], warning["column"]) == ("rounded_for_table", "value")
    assert run(forecast={"steps": 2}, result_mode="replace")["warnings"] == []
    # The table has numbers with decimals now.
    assert run(forecast={"steps": 2})["warnings"] == []


def test_batch_takes_exogenous_values_from_its_dataset(client: Client, model: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("future.csv", shop_rows(range(DAYS, DAYS + 7), target=False)), usage="p")
    body = {"train_id": model["id"], "dataset_id": dataset["id"]}
    answer = client.post("/inference/batchPrediction", json=body)
    job = wait_for_job(client, answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    result = client.get("/inference/result", params={"prediction_id": answer.json()["prediction_id"]}).json()
    assert (result["no_of_records"], result["dataset_id"]) == (21, dataset["id"])
    without = client.post("/inference/batchPrediction", json={"train_id": model["id"]})
    assert (without.status_code, without.json()["code"]) == (422, "missing_future")


def run_batch(client: Client, train_id: int, **body: Any) -> list[dict[str, str]]:
    answer = client.post("/inference/batchPrediction", json={"train_id": train_id} | body)
    assert answer.status_code == 202, answer.text
    job = wait_for_job(client, answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    result = client.get("/inference/result", params={"prediction_id": answer.json()["prediction_id"]}).json()
    content = client.get("/files/download/", params={"file_path": result["result_path"]})
    return list(csv.DictReader(io.StringIO(content.text)))


def test_a_dataset_means_the_same_in_a_forecast_and_in_a_batch(client: Client, model: dict[str, Any]) -> None:
    """Its rows with a target are observations; the ones behind them are about the future."""
    observed = shop_rows(range(DAYS, DAYS + 4)).decode()
    ahead = shop_rows(range(DAYS + 4, DAYS + 7), target=False).decode().splitlines()[1:]
    dataset = create_dataset(client, ("both.csv", (observed + "\n".join(f"{row}," for row in ahead)).encode()))
    answer = ask(client, model, unique_ids="all", dataset_id=dataset["id"])
    assert answer.status_code == 200, answer.text
    steps = answer.json()["forecast"]
    assert [step["date"] for step in steps[:3]] == [day(DAYS + 4), day(DAYS + 5), day(DAYS + 6)]
    rows = run_batch(client, model["id"], dataset_id=dataset["id"], forecast={"steps": 3})
    assert [(row["shop"], row["day"], float(row["value"])) for row in rows] == [
        (step["unique_id"], step["date"], pytest.approx(step["value"])) for step in steps
    ]


def test_a_dataset_of_nothing_that_a_forecast_reads_is_refused(client: Client, plain: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("days.csv", b"shop,day\nnorth,2030-01-01\n"), usage="p")
    single = ask(client, plain, unique_id="north", dataset_id=dataset["id"])
    batch = client.post("/inference/batchPrediction", json={"train_id": plain["id"], "dataset_id": dataset["id"]})
    for answer in (single, batch):
        assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_use")


def test_values_of_the_future_come_from_one_place(client: Client, model: dict[str, Any]) -> None:
    days = range(DAYS, DAYS + 3)
    dataset = create_dataset(client, ("future.csv", shop_rows(days, target=False)), usage="p")
    answer = ask(client, model, unique_id="north", dataset_id=dataset["id"], future=future_of(days, "north"))
    assert (answer.status_code, answer.json()["code"]) == (422, "sent_twice")
    options = {"future_id": dataset["id"], "steps": 3}
    body = {"train_id": model["id"], "dataset_id": dataset["id"], "forecast": options}
    job = wait_for_job(client, client.post("/inference/batchPrediction", json=body).json()["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "sent_twice")


def test_the_whole_history_again_with_new_days_adds_the_new_days(client: Client, plain: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("extract.csv", shop_rows(range(DAYS + 2), shops=["north"])))
    short = create_dataset(client, ("new.csv", shop_rows(range(DAYS, DAYS + 2), shops=["north"])))
    whole, new = (ask(client, plain, unique_id="north", dataset_id=each["id"]).json() for each in (dataset, short))
    assert whole["forecast"] == new["forecast"]
    assert whole["forecast"][0]["date"] == day(DAYS + 2)


def test_values_that_were_revised_are_refused_or_used(client: Client, plain: dict[str, Any]) -> None:
    content = shop_rows(range(DAYS - 3, DAYS + 2), shops=["north"]).decode()
    value = sold(DAYS - 2, "north")
    revised = content.replace(f"{day(DAYS - 2)},{rain(DAYS - 2, 'north')},{value}", f"{day(DAYS - 2)},1,{value + 50}")
    dataset = create_dataset(client, ("revised.csv", revised.encode()))
    refused = ask(client, plain, unique_id="north", dataset_id=dataset["id"])
    assert (refused.status_code, refused.json()["code"]) == (422, "duplicate_timestamps")
    assert day(DAYS - 2) in refused.json()["detail"]
    answer = ask(client, plain, unique_id="north", dataset_id=dataset["id"], revised="use")
    (warning,) = [each for each in answer.json()["warnings"] if each["code"] == "revised_observations"]
    assert (warning["count"], warning["column"]) == (1, "sold")
    assert f"({value} known, {value + 50} sent)" in warning["examples"][0]


def test_the_report_of_a_forecast_has_scores_by_horizon_and_a_page(client: Client, plain: dict[str, Any]) -> None:
    report = client.get(f"/train/{plain['id']}/report").json()["report"]
    assert len(report["by_horizon"]["mase"]) == 7
    assert {"backtest", "by_horizon"} <= report["charts"].keys()
    assert set(report["coverage"]) == {"0.5", "0.8", "0.9", "0.95", "0.99"}
    page = client.get(f"/train/{plain['id']}/report", params={"format": "html"})
    assert page.status_code == 200
    assert "SeasonalNaive" in page.text or "seasonal naive" in page.text


def test_feature_importance_of_a_forecast_has_lags_and_columns(client: Client, model: dict[str, Any]) -> None:
    asked = client.post("/train/generate-feature-importance", params={"train_id": model["id"]})
    wait_for_job(client, asked.json()["shap_job_id"])
    found = client.get("/train/view-feature-importance", params={"train_id": model["id"]}).json()
    assert found["status"] == "completed"
    assert "rain" in list(found["feature_importance"])[:5]
    assert sum(found["feature_importance"].values()) == pytest.approx(1)


def test_model_without_features_has_no_explanation(client: Client) -> None:
    naive = trained_forecast(client, shop_rows(range(40)), PLAIN, algorithm="SeasonalNaive")
    asked = client.post("/train/generate-feature-importance", params={"train_id": naive["id"]})
    assert (asked.status_code, asked.json()["code"]) == (409, "no_features_to_explain")


def test_single_series_needs_no_id(client: Client) -> None:
    content = "day,sold\n" + "".join(f"{day(n)},{sold(n, 'north')}\n" for n in range(60))
    model = trained_forecast(client, content.encode(), {"day": "Time", "sold": "Target"}, algorithm="AutoETS")
    steps = ask(client, model, steps=2).json()["forecast"]
    assert [step["unique_id"] for step in steps] == [None, None]
    assert ask(client, model, steps=2, unique_id="whatever").json()["forecast"] == steps


def test_a_slow_mover_has_weeks_of_its_mean(client: Client) -> None:
    sold_days = [number for number in range(280) if random.Random(f"slow {number}").random() < 0.27]
    content = "day,sold\n" + "".join(f"{day(n)},{int(n in sold_days)}\n" for n in range(280))
    columns = {"day": "Time", "sold": "Target"}
    model = trained_forecast(client, content.encode(), columns, forecast={"horizon": 14})
    summary = client.get(f"/train/{model['id']}").json()["summary"]
    assert summary["validation_metric"] == "rmsse"
    assert summary["forecast"]["small_counts"] == 1
    assert {"bias", "rmsse", "naive_rmsse"} <= summary["metrics"].keys()
    days = ask(client, model, steps=28).json()["forecast"]
    assert sum(step["value"] for step in days) == pytest.approx(28 * len(sold_days) / 280, rel=0.3)
    weeks = ask(client, model, steps=4, frequency="Week").json()["forecast"]
    assert weeks[0]["value"] == pytest.approx(7 * len(sold_days) / 280, rel=0.3)
    assert weeks[0]["lower"] == 0
    assert weeks[0]["value"] + 1 < weeks[0]["upper"] < 6


def lines(rows: list[str], header: str = "shop,day,rain,sold") -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


def days_of(numbers: list[int], shop: str = "north") -> list[str]:
    return [f"{shop},{day(number)},0,{sold(number, shop)}" for number in numbers]


@pytest.mark.parametrize(
    ("content", "changes", "code"),
    [
        (lines(days_of([*range(30), 12])), {}, "duplicate_timestamps"),
        (lines(days_of([*range(10), *range(12, 40)])), {}, "irregular_series"),
        (lines(days_of([*range(30)]) + days_of([*range(0, 210, 7)], "south")), {}, "mixed_frequencies"),
        (lines(days_of([*range(5)])), {"forecast": {"horizon": 30}}, "series_too_short"),
        (lines([f"north,{day(n)},0,5" for n in range(30)]), {}, "constant_target"),
        (lines(days_of([*range(30)])), {"forecast": {"frequency": "Week"}}, "frequency_mismatch"),
        (lines(days_of([*range(30)])), {"forecast": {"frequency": "sometimes"}}, "unknown_frequency"),
        (lines(days_of([*range(30)])), {"algorithm": "os.system"}, "unknown_algorithm"),
        (lines(days_of([*range(30)])), {"algorithm": "CatBoost"}, "unknown_algorithm"),
        (lines(days_of([*range(30)])), {"tuning": {"trials": 3}}, "not_with_forecast"),
        (lines(days_of([*range(30)])), {"quality": "fast"}, "not_with_forecast"),
        (lines(days_of([*range(30)])), {"hyperparameters": {"n_estimators": 1e9}}, "invalid_hyperparameter"),
        (lines(days_of([*range(30)])), {"columns": columns_of(ROLES | {"day": "Feature"})}, "no_time"),
        (lines(days_of([*range(30)])), {"columns": columns_of(ROLES | {"rain": "Id"})}, "several_ids"),
        (lines(days_of([*range(30)])), {"columns": columns_of(ROLES | {"rain": "Target"})}, "several_targets"),
        (lines(days_of([*range(30)])), {"problem_type": "Regression"}, "only_with_forecast"),
    ],
)
def test_unusable_series_are_refused_before_any_compute(
    client: Client, content: bytes, changes: dict[str, Any], code: str
) -> None:
    jobs = client.get("/jobs/list", params={"kind": "train"}).json()["total"]
    answer = train_forecast(client, content, **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert client.get("/jobs/list", params={"kind": "train"}).json()["total"] == jobs


def test_gaps_are_filled_on_request(client: Client) -> None:
    content = lines(days_of([*range(10), *range(12, 60)]))
    model = trained_forecast(client, content, algorithm="SeasonalNaive", forecast={"fill": "linear", "horizon": 5})
    answer = client.get(f"/train/{model['id']}").json()
    (warning,) = [each for each in answer["warnings"] if each["code"] == "filled_gaps"]
    assert (warning["column"], warning["count"]) == ("sold", 2)
    assert warning["examples"] == [f"series 'north' at {day(10)}", f"series 'north' at {day(11)}"]
    assert warning in answer["summary"]["warnings"]


def test_an_answer_warns_of_what_was_not_measured_and_of_known_observations(
    client: Client, plain: dict[str, Any]
) -> None:
    assert ask(client, plain, unique_id="north", steps=7).json()["warnings"] == []
    (warning,) = ask(client, plain, unique_id="north", steps=9).json()["warnings"]
    assert (warning["code"], warning["count"], warning["column"]) == ("beyond_horizon", 2, None)
    dataset = create_dataset(client, ("same.csv", shop_rows(range(DAYS - 3, DAYS), shops=["north"])))
    again = ask(client, plain, unique_id="north", dataset_id=dataset["id"]).json()["warnings"]
    assert [each["code"] for each in again] == ["known_observations"]
    unused = ask(client, plain, unique_id="north", future=[{"shop": "north", "day": day(DAYS)}]).json()["warnings"]
    assert [each["code"] for each in unused] == ["unused_future"]


def test_text_target_is_refused(client: Client) -> None:
    content = lines([f"north,{day(n)},0,many" for n in range(30)])
    answer = train_forecast(client, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "target_not_numeric")


def test_exogenous_role_is_for_forecasts_only(client: Client) -> None:
    answer = train_forecast(client, lines(days_of([*range(30)])), problem_type="Regression", forecast=None)
    assert answer.json()["detail"][0]["type"] == "unknown_attribute"
