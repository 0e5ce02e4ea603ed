"""The clock of a time zone, from the upload to the forecast."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, new_name
from tests.inference.series import ask, columns_of, forecast_request
from tests.train.training import row_of

BERLIN = "Europe/Berlin"
FIRST = datetime(2024, 3, 4)
DAYS = [(FIRST + timedelta(days=number)).replace(tzinfo=ZoneInfo(BERLIN)) for number in range(30)]
SOLD = [20 + 9 * (day.weekday() > 4) + number % 4 for number, day in enumerate(DAYS)]


def to_csv(times: list[str]) -> tuple[str, bytes]:
    lines = [f"{time},{sold}" for time, sold in zip(times, SOLD, strict=True)]
    return "days.csv", "\n".join(["day,sold", *lines]).encode()


def to_parquet() -> tuple[str, bytes]:
    file = io.BytesIO()
    pq.write_table(pa.table({"day": pa.array(DAYS, pa.timestamp("us", BERLIN)), "sold": SOLD}), file)
    return "days.parquet", file.getvalue()


def create_zoned_template(client: Client, **changes: Any) -> Any:
    schema = [
        {"column_name": "day", "data_type": "Timestamp", "time_zone": BERLIN} | changes,
        {"column_name": "sold", "data_type": "Integer"},
    ]
    return client.post("/template/", json={"template_name": new_name("zoned"), "template_schema": schema})


FILES = {
    "offsets": (to_csv([day.isoformat() for day in DAYS]), True),
    "local times": (to_csv([f"{day:%Y-%m-%d %H:%M}" for day in DAYS]), True),
    "moments": (to_csv([f"{day.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for day in DAYS]), True),
    "dates": (to_csv([f"{day:%d.%m.%Y}" for day in DAYS]), True),
    "zone names": (to_csv([f"{day.isoformat()}[{BERLIN}]" for day in DAYS]), False),
    "Parquet": (to_parquet(), False),
}


@pytest.mark.parametrize(("file", "has_template"), FILES.values(), ids=FILES.keys())
def test_local_days_over_a_change_of_clocks_are_forecast(
    client: Client, file: tuple[str, bytes], has_template: bool
) -> None:
    query = {"template_id": create_zoned_template(client).json()["id"]} if has_template else {}
    dataset = create_dataset(client, file, **query)
    assert {column["column_name"]: column["time_zone"] for column in dataset["schema"]} == {
        "day": BERLIN,
        "sold": None,
    }
    assert dataset["warnings"] == []
    request = forecast_request(dataset["id"], columns=columns_of({"day": "Time", "sold": "Target"}))
    answer = client.post(
        "/train/", json=request | {"algorithm": "SeasonalNaive", "forecast": {"horizon": 2, "windows": 1}}
    )
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    model = row_of(client, answer.json()["id"])
    forecast = ask(client, model, steps=2).json()
    assert forecast["frequency"] == "Day"
    steps = [(step["date"], step["value"]) for step in forecast["forecast"]]
    assert steps == [("2024-04-03", SOLD[-7]), ("2024-04-04", SOLD[-6])]
    weeks = ask(client, model, steps=1, frequency="Week").json()["forecast"]
    assert [step["date"] for step in weeks] == ["2024-04-08"]


@pytest.mark.parametrize(
    "change", [{"time_zone": "Berlin"}, {"time_zone": "+2"}, {"data_type": "Date"}, {"time_zone": "../../etc/passwd"}]
)
def test_wrong_zone_of_a_template_is_refused(client: Client, change: dict[str, str]) -> None:
    answer = create_zoned_template(client, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_time_zone"), answer.text


def test_zone_of_a_template_is_returned(client: Client) -> None:
    template = create_zoned_template(client).json()["id"]
    schema = client.get(f"/template/{template}").json()["template_schema"]
    assert [column.get("time_zone") for column in schema] == [BERLIN, None]
