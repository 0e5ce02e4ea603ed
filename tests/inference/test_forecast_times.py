"""Forecasts whose times are numbers or text: the model reads them, and everything that comes later, alike."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template
from tests.inference.series import ask, columns_of, forecast_request, train_forecast, trained_forecast
from tests.train.training import row_of

ROLES = {"time": "Time", "sold": "Target"}
WITH_RAIN = {"time": "Time", "sold": "Target", "rain": "Exogenous"}
COUNT = 40
NAIVE = {"algorithm": "SeasonalNaive", "forecast": {"horizon": 2, "windows": 1}}


def month(number: int) -> date:
    return date(2015 + number // 12, number % 12 + 1, 1)


def hour(number: int) -> datetime:
    return datetime(2019, 1, 1, tzinfo=UTC) + timedelta(hours=number)


def day(number: int) -> date:
    return date(2019, 1, 1) + timedelta(days=number)


def quarter(number: int) -> str:
    return f"{2015 + number // 4}Q{number % 4 + 1}"


def value(number: int) -> int:
    return 30 + 7 * (number % 3) + number % 5


def content(write: Callable[[int], Any], numbers: Sequence[int], *, rain: bool = False, target: bool = True) -> bytes:
    """Return `time`, and `sold` and `rain` where these are asked for, of the steps with these numbers."""
    header = ["time", *(["sold"] if target else []), *(["rain"] if rain else [])]
    rows = [[write(n), *([value(n) + 10 * (n % 4)] if target else []), *([n % 4] if rain else [])] for n in numbers]
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]).encode()


WRITTEN: dict[str, tuple[str, Callable[[int], Any], str, str]] = {
    "years": ("Integer", lambda n: 1980 + n, "2020-01-01", "Year"),
    "months": ("Integer", lambda n: f"{month(n):%Y%m}", "2018-05-01", "Month"),
    "compact days": ("Integer", lambda n: f"{day(n):%Y%m%d}", "2019-02-10", "Day"),
    "spreadsheet days": ("Integer", lambda n: 43466 + n, "2019-02-10", "Day"),
    "seconds": ("Integer", lambda n: int(hour(n).timestamp()), "2019-01-02T16:00:00Z", "Hour"),
    "milliseconds": ("Integer", lambda n: 1000 * int(hour(n).timestamp()), "2019-01-02T16:00:00Z", "Hour"),
    "text of milliseconds": ("String", lambda n: 1000 * int(hour(n).timestamp()), "2019-01-02T16:00:00Z", "Hour"),
    "quarters": ("String", quarter, "2025-01-01", "Quarter"),
    "weeks": ("String", lambda n: f"{day(7 * n - 1):%G-W%V}", "2019-10-07", "Week"),
    "names of months": ("String", lambda n: f"{month(n):%b %Y}", "2018-05-01", "Month"),
    "months with dashes": ("String", lambda n: f"{month(n):%Y-%m}", "2018-05-01", "Month"),
}


@pytest.mark.parametrize(("data_type", "write", "next_date", "frequency"), WRITTEN.values(), ids=WRITTEN.keys())
def test_times_that_are_numbers_or_text_are_read(
    client: Client, data_type: str, write: Callable[[int], Any], next_date: str, frequency: str
) -> None:
    template = create_template(client, time=data_type, sold="Integer")
    dataset = create_dataset(client, ("series.csv", content(write, range(COUNT))), template_id=template)
    answer = client.post("/train/", json=forecast_request(dataset["id"], columns=columns_of(ROLES)) | NAIVE)
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    model = row_of(client, answer.json()["id"])
    forecast = ask(client, model, steps=1).json()
    assert (forecast["frequency"], forecast["forecast"][0]["date"]) == (frequency, next_date)
    # New observations are written like those of the training.
    later = create_dataset(client, ("more.csv", content(write, range(COUNT - 2, COUNT + 1))), template_id=template)
    moved = ask(client, model, steps=1, dataset_id=later["id"])
    assert moved.status_code == 200, moved.text
    two_ahead = ask(client, model, steps=2).json()["forecast"][1]["date"]
    assert moved.json()["forecast"][0]["date"] == two_ahead


@pytest.fixture(scope="module")
def months(client: Client) -> dict[str, Any]:
    """A model of months as 201501, which knows the rain of the future."""
    written = content(lambda n: f"{month(n):%Y%m}", range(72), rain=True)
    options = {"algorithm": "LightGBM", "predictor_name": "months", "forecast": {"horizon": 3, "windows": 1}}
    return trained_forecast(client, written, WITH_RAIN, **options)


def test_the_contract_of_the_model_records_what_digits_mean(client: Client, months: dict[str, Any]) -> None:
    schema = client.get(f"/train/download-schema/{months['id']}").json()["schema"]
    assert {"column_name": "time", "data_type": "Date"} in schema
    exported = client.get(f"/train/{months['id']}/export")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("contract.json")]
        columns = json.loads(archive.read(name))["columns"]
    (time,) = [column for column in columns if column["name"] == "time"]
    assert (time["data_type"], time["date_format"]) == ("Date", "year_month")


def test_the_training_says_how_times_were_read(client: Client, months: dict[str, Any]) -> None:
    (warning,) = [each for each in months["warnings"] if each["code"] == "time_from_values"]
    assert warning["column"] == "time"
    assert warning["examples"][0] == "201501 is 2015-01-01"
    assert "read as months" in warning["message"]


def test_future_rows_are_read_alike_in_json_in_a_dataset_and_in_a_batch(client: Client, months: dict[str, Any]) -> None:
    numbers = range(72, 75)
    as_numbers = [{"time": int(f"{month(n):%Y%m}"), "rain": n % 4} for n in numbers]
    as_text = [{"time": f"{month(n):%Y%m}", "rain": n % 4} for n in numbers]
    as_dates = [{"time": month(n).isoformat(), "rain": n % 4} for n in numbers]
    dataset = create_dataset(
        client, ("future.csv", content(lambda n: f"{month(n):%Y%m}", numbers, rain=True, target=False)), usage="p"
    )
    futures = [as_numbers, as_text, as_dates, {"dataset_id": dataset["id"]}]
    answers = [ask(client, months, future=future) for future in futures]
    assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
    steps = [answer.json()["forecast"] for answer in answers]
    assert [step["date"] for step in steps[0]] == ["2021-01-01", "2021-02-01", "2021-03-01"]
    assert all(each == steps[0] for each in steps)
    batch = client.post("/inference/batch-prediction", json={"train_id": months["id"], "dataset_id": dataset["id"]})
    assert batch.status_code == 202, batch.text
    assert wait_for_job(client, batch.json()["job_id"])["state"] == "succeeded"
    result = client.get("/inference/result", params={"prediction_id": batch.json()["prediction_id"]}).json()
    lines = client.get("/files/download/", params={"file_path": result["result_path"]}).text.splitlines()
    assert [line.replace('"', "").split(",")[0] for line in lines[1:]] == [step["date"] for step in steps[0]]


def test_a_month_that_is_none_is_refused(client: Client, months: dict[str, Any]) -> None:
    answer = ask(client, months, future=[{"time": 202113, "rain": 1}])
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "future", 0, "time"]
    wrong = create_dataset(client, ("wrong.csv", b"time,sold,rain\n202101,50,1\n202113,50,1\n"))
    refused = ask(client, months, dataset_id=wrong["id"], future=[])
    assert (refused.status_code, refused.json()["code"]) == (422, "time_not_temporal")
    assert "202113" in refused.json()["detail"]


def test_an_incremental_training_reads_times_as_the_model_does(client: Client, months: dict[str, Any]) -> None:
    more = create_dataset(client, ("m.csv", content(lambda n: f"{month(n):%Y%m}", range(72, 76), rain=True)))
    columns = [each | {"data_type": "Integer"} for each in columns_of(WITH_RAIN)]
    request = forecast_request(more["id"], predictor_name="months", columns=columns, is_incremental=True, forecast=None)
    answer = client.post("/train/", json=request)
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    whole = client.get(f"/train/{answer.json()['id']}").json()
    assert whole["summary"]["forecast"]["last_observation"]["latest"] == "2021-04-01"


@pytest.mark.parametrize(
    ("data_type", "write", "part"),
    [
        ("Integer", lambda n: n + 1, "1, 2, 3"),
        ("Float", lambda n: n / 7, "years (2015)"),
        ("String", lambda n: "soon" if n == 3 else f"{day(n)}", "'soon'"),
        ("String", lambda n: f"{n % 12 + 1:02}/03/2019", "two ways"),
        ("Boolean", lambda n: "true", "Boolean"),
    ],
)
def test_a_column_without_times_is_refused_with_what_it_holds(
    client: Client, data_type: str, write: Callable[[int], Any], part: str
) -> None:
    template = create_template(client, time=data_type, sold="Integer")
    dataset = create_dataset(client, ("series.csv", content(write, range(COUNT))), template_id=template)
    answer = client.post("/train/", json=forecast_request(dataset["id"], columns=columns_of(ROLES)) | NAIVE)
    assert (answer.status_code, answer.json()["code"]) == (422, "time_not_temporal"), answer.text
    assert part in answer.json()["detail"]
    assert "Date" in answer.json()["detail"]


def test_digits_are_read_without_a_template(client: Client) -> None:
    answer = train_forecast(client, content(lambda n: 1980 + n, range(COUNT)), ROLES, **NAIVE)
    assert answer.status_code == 201, answer.text
