"""Real-time, batch and forecast predictions, their results and their log."""

import csv
import io
import json
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset
from tests.inference.series import day, forecast_request, shop_rows
from tests.reference.conftest import DAYS, Hold, churn_request, customers_csv, wait_for_training
from tests.reference.record import shows
from tests.test_every_route import refusal

OLD, YOUNG = {"age": 75, "plan": "basic"}, {"age": 20, "plan": "basic"}


def predict(client: Client, row: dict[str, Any], features: dict[str, Any], target: str = "left") -> httpx.Response:
    ids = {"train_id": row["id"], "preprocess_id": row["preprocess_id"]}
    return client.post("/inference/", json=ids | {"features": features, "target": target})


def start_batch(client: Client, row: dict[str, Any], dataset_id: int) -> dict[str, Any]:
    answer = client.post("/inference/batchPrediction", json={"train_id": row["id"], "dataset_id": dataset_id})
    assert answer.status_code == 202, answer.text
    return answer.json()


def get_result(client: Client, prediction_id: int) -> dict[str, Any]:
    return client.get("/inference/result", params={"prediction_id": prediction_id}).json()


def read_result(client: Client, result: dict[str, Any]) -> list[dict[str, str]]:
    content = client.get("/files/download/", params={"file_path": result["result_path"]}).text
    return list(csv.DictReader(io.StringIO(content)))


def list_log(client: Client, train_id: int) -> list[dict[str, Any]]:
    return client.get("/inference/predictions", params={"train_id": train_id}).json()["data"]


def forecast(client: Client, row: dict[str, Any], **question: Any) -> httpx.Response:
    ids = {"train_id": row["id"], "preprocess_id": row["preprocess_id"]}
    return client.post("/inference/forecast", json=ids | {"steps": 3, "frequency": "Day"} | question)


@shows("POST /inference")
def test_prediction_of_one_instance_has_the_type_of_the_target(
    client: Client, stranger: Client, churn: dict[str, Any], age: dict[str, Any]
) -> None:
    old, young = predict(client, churn, OLD).json(), predict(client, churn, YOUNG).json()
    assert (old["prediction"], young["prediction"]) == (True, False)
    assert old["accuracy"] == young["accuracy"] == churn["accuracy"]
    years = predict(client, age, {"plan": "basic", "left": True}, "age").json()
    assert type(years["prediction"]) in (int, float)
    assert 18 <= years["prediction"] <= 80
    assert years["accuracy"] is None
    # As a form or a CSV would have the values; a column that is no feature is accepted.
    assert predict(client, churn, {"age": "75", "plan": "basic", "id": 7}).json()["prediction"] is True
    # What is left out has the default of the template.
    assert predict(client, churn, {"age": 75}).json()["probabilities"] == old["probabilities"]
    assert predict(client, churn, {"age": 75, "plan": "premium"}).json()["prediction"] is False
    assert refusal(predict(stranger, churn, OLD))[0] == 404


def test_prediction_that_does_not_fit_the_model_is_refused(client: Client, churn: dict[str, Any]) -> None:
    assert refusal(predict(client, churn, {"plan": "basic"}))[0] == 422
    assert refusal(predict(client, churn, OLD | {"height": 1}))[0] == 422
    assert refusal(predict(client, churn, OLD | {"age": "old"}))[0] == 422
    assert refusal(predict(client, churn, OLD, target="plan"))[0] in (409, 422)
    assert refusal(predict(client, churn | {"preprocess_id": churn["preprocess_id"] + 1}, OLD))[0] in (404, 409, 422)
    assert refusal(predict(client, churn | {"id": 999_999}, OLD))[0] == 404
    assert refusal(client.post("/inference/", json={"features": OLD}))[0] == 422
    assert refusal(client.post("/inference/", json={"train_id": churn["id"]}))[0] == 422


def test_prediction_need_not_say_what_its_training_says(client: Client, churn: dict[str, Any]) -> None:
    answer = client.post("/inference/", json={"train_id": churn["id"], "features": OLD})
    assert answer.status_code == 200, answer.text
    assert answer.json()["prediction"] is True


def test_sample_features_are_read_as_the_types_of_their_columns(client: Client) -> None:
    """A number as a number, a date as it is commonly written, and a Boolean as text."""
    lines = ["Account_No,Base_Offer_Name,Account_Activation_Date,Service_Barring,Churn"]
    for number in range(60):
        barred = number % 3 == 0
        activated = (date(2024, 1, 1) + timedelta(number)).strftime("%d-%b-%y")
        lines.append(f"{1434355 + number},B0001{number % 2},{activated},{str(barred).lower()},{str(barred).lower()}")
    dataset = create_dataset(client, ("accounts.csv", "\n".join(lines).encode()))
    columns = [
        {"column_name": "Account_No", "attribute_name": "Id"},
        {"column_name": "Churn", "attribute_name": "Target"},
    ]
    request = churn_request(dataset["id"], "accounts", columns=columns)
    row = wait_for_training(client, client.post("/train/", json=request))
    features = {
        "Account_No": 1434355,
        "Base_Offer_Name": "B00010",
        "Account_Activation_Date": "08-Aug-24",
        "Service_Barring": "true",
    }
    assert predict(client, row, features, "Churn").json()["prediction"] is True
    assert predict(client, row, features | {"Service_Barring": "false"}, "Churn").json()["prediction"] is False
    iso = features | {"Account_Activation_Date": "2024-08-08", "Service_Barring": True}
    answers = [predict(client, row, sent, "Churn").json()["probabilities"] for sent in (features, iso)]
    assert answers[0] == answers[1]


@shows("POST /inference/batchPrediction")
@shows("GET /inference/result")
def test_batch_predicts_every_row_of_a_dataset(
    client: Client, stranger: Client, churn: dict[str, Any], customers_to_predict: dict[str, Any], hold: Hold
) -> None:
    other = create_dataset(client, ("new.csv", b"id,age,plan\n7,75,basic\n8,20,basic\n9,75,premium\n"), usage="p")
    held = hold("score")
    cancelled = start_batch(client, churn, other["id"])
    unfinished = get_result(client, cancelled["prediction_id"])
    assert (unfinished["result_path"], unfinished["file_id"]) == (None, None)
    assert unfinished["status"] not in ("completed", "failed")
    body = {"ray_job_id": cancelled["job_id"], "usage": "prediction"}
    client.post("/ray/terminate_ray_job", params=body)
    held.release()
    assert get_result(client, cancelled["prediction_id"])["status"] == "cancelled"

    started = [start_batch(client, churn, dataset["id"]) for dataset in (customers_to_predict, other)]
    for batch in started:
        assert (batch["message"], batch["status_code"]) == ("Batch prediction job started successfully.", 202)
        assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    results = [get_result(client, batch["prediction_id"]) for batch in started]
    assert [result["status"] for result in results] == ["completed"] * 2
    assert [result["dataset_id"] for result in results] == [customers_to_predict["id"], other["id"]]
    assert [(row["id"], row["prediction"]) for row in read_result(client, results[1])] == [
        ("7", "true"),
        ("8", "false"),
        ("9", "false"),
    ]
    # The order, and the answers, are those of the rows one by one.
    sent = list(csv.DictReader(io.StringIO(customers_csv(12).decode())))
    scored = read_result(client, results[0])
    assert [row["id"] for row in scored] == [row["id"] for row in sent]
    for row, answer in list(zip(sent, scored, strict=True))[:3]:
        alone = predict(client, churn, {"age": row["age"], "plan": row["plan"]}).json()
        assert answer["prediction"] == json.dumps(alone["prediction"])
    # The result is a file like any other, of the dataset.
    file = client.get("/files/get_file_by_id/", params={"file_id": results[0]["file_id"]}).json()
    assert (file["dataset_id"], file["csv_file_path"]) == (customers_to_predict["id"], results[0]["result_path"])
    assert refusal(stranger.get("/inference/result", params={"prediction_id": started[0]["prediction_id"]}))[0] == 404
    assert refusal(client.get("/inference/result", params={"prediction_id": 2**62}))[0] == 404
    for wrong in ({"train_id": 999_999}, {"dataset_id": 999_999}):
        request = {"train_id": churn["id"], "dataset_id": other["id"]} | wrong
        assert refusal(client.post("/inference/batchPrediction", json=request))[0] == 404
    both = client.post("/inference/batch-prediction", json={"train_id": churn["id"], "dataset_id": other["id"]})
    assert both.status_code == 202
    wait_for_job(client, both.json()["job_id"])


@shows("GET /inference/form-based-prediction")
def test_form_has_the_fields_that_a_prediction_needs(
    client: Client, stranger: Client, churn: dict[str, Any], age: dict[str, Any]
) -> None:
    form = client.get("/inference/form-based-prediction", params={"id": churn["id"]}).json()
    assert (form["id"], form["target"], form["preprocess_id"]) == (churn["id"], "left", churn["preprocess_id"])
    headers = [(header["column_name"], header["data_type"], header["default_value"]) for header in form["headers"]]
    assert headers == [("age", "Integer", None), ("plan", "String", "basic")]
    # Filled in, the form is a request.
    body = {"train_id": form["id"], "preprocess_id": form["preprocess_id"], "target": form["target"]}
    filled = {header["column_name"]: header["default_value"] or "75" for header in form["headers"]}
    assert client.post("/inference/", json=body | {"features": filled}).json()["prediction"] is True
    other = client.get("/inference/form-based-prediction", params={"id": age["id"]}).json()
    assert ([header["column_name"] for header in other["headers"]], other["target"]) == (["plan", "left"], "age")
    assert refusal(stranger.get("/inference/form-based-prediction", params={"id": churn["id"]}))[0] == 404


@shows("POST /inference/forecast")
def test_forecast_has_the_next_steps_of_a_series(client: Client, stranger: Client, shops: dict[str, Any]) -> None:
    north = forecast(client, shops, steps=9, unique_id="north").json()["forecast"]
    assert [step["date"] for step in north] == [day(DAYS + n) for n in range(9)]
    # The season is a week.
    assert north[0]["value"] == north[7]["value"] != north[3]["value"]
    assert all(0 <= step["confidence"] <= 1 for step in north)
    west = forecast(client, shops, unique_id="west").json()["forecast"]
    assert sum(step["value"] for step in west) > sum(step["value"] for step in north[:3])
    # A week is seven of the days that the model has learned from.
    assert date.fromisoformat(day(DAYS)).weekday() == 4
    weeks = forecast(client, shops, steps=2, frequency="Week", unique_id="north").json()["forecast"]
    first, second = (date.fromisoformat(step["date"]) for step in weeks)
    assert second - first == timedelta(weeks=1)
    days = {
        step["date"]: step["value"] for step in forecast(client, shops, steps=21, unique_id="north").json()["forecast"]
    }
    assert weeks[0]["value"] == pytest.approx(sum(days[(first + timedelta(n)).isoformat()] for n in range(7)))
    assert refusal(forecast(stranger, shops, unique_id="north"))[0] == 404


@shows("POST /inference/forecast", "forecast[].date", "forecast[].value")
def test_forecast_of_a_dataset_starts_where_its_rows_end(client: Client, shops: dict[str, Any]) -> None:
    later = create_dataset(client, ("later.csv", shop_rows(range(DAYS, DAYS + 5))), usage="p")
    without = forecast(client, shops, unique_id="south").json()["forecast"]
    continued = forecast(client, shops, unique_id="south", dataset_id=later["id"]).json()["forecast"]
    assert [step["date"] for step in without] == [day(DAYS + n) for n in range(3)]
    assert [step["date"] for step in continued] == [day(DAYS + 5 + n) for n in range(3)]


@shows("POST /inference/forecast", "forecast[].value")
def test_forecast_uses_the_exogenous_values_of_a_dataset(client: Client) -> None:
    """The rain keeps customers away: the dataset says how it will be."""
    history = create_dataset(client, ("shops.csv", shop_rows(range(DAYS))))
    changes = {"algorithm": "LightGBM", "hyperparameters": {"n_estimators": 30}}
    row = wait_for_training(client, client.post("/train/", json=forecast_request(history["id"], **changes)))

    def ask(rain: int) -> list[dict[str, Any]]:
        lines = [f"north,{day(DAYS + n)},{rain}" for n in range(3)]
        content = "\n".join(["shop,day,rain", *lines]).encode()
        dataset = create_dataset(client, ("future.csv", content), usage="p")
        answer = forecast(client, row, unique_id="north", dataset_id=dataset["id"])
        assert answer.status_code == 200, answer.text
        return answer.json()["forecast"]

    dry, wet = ask(0), ask(4)
    assert [step["date"] for step in dry] == [step["date"] for step in wet] == [day(DAYS + n) for n in range(3)]
    assert all(one["value"] > other["value"] + 3 for one, other in zip(dry, wet, strict=True))
    assert refusal(forecast(client, row, unique_id="north"))[0] == 422


def test_forecast_that_does_not_fit_the_model_is_refused(
    client: Client, shops: dict[str, Any], churn: dict[str, Any]
) -> None:
    good = {"unique_id": "north"}
    for wrong, statuses in (
        ({"unique_id": "nowhere"}, (404, 422)),
        ({"steps": 0}, (422,)),
        ({"steps": "many"}, (422,)),
        ({"frequency": "Fortnightish"}, (422,)),
        ({"frequency": "Hour"}, (409, 422)),
        ({"dataset_id": 999_999}, (404,)),
        ({"preprocess_id": 999_999}, (404, 409, 422)),
    ):
        assert refusal(forecast(client, shops, **good | wrong))[0] in statuses, wrong
    assert refusal(forecast(client, shops))[0] == 422
    assert refusal(forecast(client, churn, **good))[0] in (409, 422)
    assert refusal(predict(client, shops, {"shop": "north"}, "sold"))[0] in (409, 422)


@shows("GET /inference/predictions")
def test_log_has_every_prediction_of_the_model(
    client: Client,
    stranger: Client,
    churn: dict[str, Any],
    age: dict[str, Any],
    shops: dict[str, Any],
    customers_to_predict: dict[str, Any],
    hold: Hold,
) -> None:
    before = {row["id"]: len(list_log(client, row["id"])) for row in (churn, age, shops)}
    alone = predict(client, churn, OLD).json()
    years = predict(client, age, {"plan": "basic", "left": True}, "age").json()
    steps = forecast(client, shops, steps=4, unique_id="north").json()
    batch = start_batch(client, churn, customers_to_predict["id"])
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    hold("score")
    unfinished = start_batch(client, churn, customers_to_predict["id"])
    logged = list_log(client, churn["id"])
    assert len(logged) == before[churn["id"]] + 3
    entries = {entry["prediction_id"]: entry for row in (churn, age, shops) for entry in list_log(client, row["id"])}

    entry = entries[alone["prediction_id"]]
    assert (entry["train_id"], entry["dataset_id"], entry["no_of_records"]) == (churn["id"], None, 1)
    assert (entry["predictor_name"], entry["domain_name"], entry["problem_type"]) == (
        ("churn", "Churn", "Classification")
    )
    assert entry["accuracy"] == churn["accuracy"]
    assert json.loads(entry["input_data"]).items() >= OLD.items()
    assert entry["status"] == "completed"

    entry = entries[batch["prediction_id"]]
    assert (entry["prediction_type"], entry["input_data"]) == ("batch", f"dataset_id:{customers_to_predict['id']}")
    assert (entry["dataset_id"], entry["no_of_records"]) == (customers_to_predict["id"], 12)
    assert (entry["status"], entry["accuracy"]) == ("completed", churn["accuracy"])
    assert entries[unfinished["prediction_id"]]["status"] not in ("completed", "failed")

    entry = entries[years["prediction_id"]]
    assert (entry["predictor_name"], entry["domain_name"], entry["problem_type"], entry["accuracy"]) == (
        ("age", "People", "Regression", None)
    )
    entry = entries[steps["prediction_id"]]
    assert (entry["prediction_type"], entry["problem_type"], entry["no_of_records"]) == ("forecast", "Forecast", 4)
    assert "north" in entry["input_data"]
    assert len({entries[answer["prediction_id"]]["prediction_type"] for answer in (alone, batch, steps)}) == 3
    # Newest first; each has its own time.
    times = [datetime.fromisoformat(entry["date"]) for entry in logged]
    assert times == sorted(times, reverse=True)
    assert refusal(stranger.get("/inference/predictions", params={"train_id": churn["id"]}))[0] == 404
