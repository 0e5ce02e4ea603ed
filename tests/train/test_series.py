"""The series of a forecast model: the list of them, and the end of one."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.client import Client
from tests.dataset.datasets import create_dataset
from tests.train.training import small_dataset, trained

_FIRST = date(2024, 1, 1)


def train_forecast(client: Client, *names: str, days: int = 60, **changes: Any) -> dict[str, Any]:
    """Train a forecast of daily calls of these series; with no names of one without an Id."""
    header = "customer,day,calls" if names else "day,calls"
    lines = [
        ",".join([*([name] if names else []), str(_FIRST + timedelta(n)), str(n % 7 + place)])
        for place, name in enumerate(names or ("",))
        for n in range(days)
    ]
    dataset = create_dataset(client, ("calls.csv", "\n".join([header, *lines]).encode()))
    roles = {"day": "Time", "calls": "Target"} | ({"customer": "Id"} if names else {})
    columns = [{"column_name": name, "attribute_name": role} for name, role in roles.items()]
    body = {"columns": columns, "problem_type": "Forecast", "algorithm": "SeasonalNaive"}
    return trained(client, dataset["id"], **body | changes)


@pytest.fixture(scope="module")
def forecast(client: Client) -> dict[str, Any]:
    return train_forecast(client, "Anna", "<b>Ben</b>", "Benno")


def test_series_are_listed_searched_and_paged(client: Client, forecast: dict[str, Any]) -> None:
    path = f"/train/{forecast['id']}/series"
    answer = client.get(path).json()
    assert (answer["total"], [row["unique_id"] for row in answer["data"]]) == (3, ["<b>Ben</b>", "Anna", "Benno"])
    assert {row["last"] for row in answer["data"]} == {"2024-02-29"}
    assert [row["unique_id"] for row in client.get(path, params={"q": "bEN"}).json()["data"]] == ["<b>Ben</b>", "Benno"]
    page = client.get(path, params={"q": "ben", "limit": 1, "offset": 1}).json()
    assert (page["total"], [row["unique_id"] for row in page["data"]]) == (2, ["Benno"])
    assert client.get(path, params={"q": "nobody"}).json() == {"total": 0, "data": []}


def test_history_ends_where_the_forecast_starts(client: Client, forecast: dict[str, Any]) -> None:
    params: dict[str, Any] = {"unique_id": "Anna", "steps": 3, "ahead": 2}
    answer = client.get(f"/train/{forecast['id']}/history", params=params).json()
    assert answer == {
        "train_id": forecast["id"],
        "unique_id": "Anna",
        "frequency": "Day",
        "history": [
            {"date": "2024-02-27", "value": 1.0},
            {"date": "2024-02-28", "value": 2.0},
            {"date": "2024-02-29", "value": 3.0},
        ],
        "next_dates": ["2024-03-01", "2024-03-02"],
    }
    body = {"train_id": forecast["id"], "steps": 2, "unique_id": "Anna"}
    steps = client.post("/inference/forecast", json=body).json()["forecast"]
    assert [step["date"] for step in steps] == answer["next_dates"]


def test_model_without_an_id_has_one_series(client: Client) -> None:
    model = train_forecast(client)
    assert client.get(f"/train/{model['id']}/series").json()["data"][0]["unique_id"] is None
    for params in ({}, {"unique_id": "anything"}):
        history = client.get(f"/train/{model['id']}/history", params=params).json()
        assert history["unique_id"] is None
        assert history["history"][-1] == {"date": "2024-02-29", "value": 3.0}


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"unique_id": "Anne"}, 404, "series_not_found"),
        ({}, 422, "one_or_several"),
        ({"unique_id": "Anna", "steps": 0}, 422, "invalid_request"),
    ],
    ids=str,
)
def test_unknown_series_are_refused(
    client: Client, forecast: dict[str, Any], params: dict[str, Any], status: int, code: str
) -> None:
    answer = client.get(f"/train/{forecast['id']}/history", params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_unknown_series_is_answered_with_similar_ones(client: Client, forecast: dict[str, Any]) -> None:
    answer = client.get(f"/train/{forecast['id']}/history", params={"unique_id": "Anne"})
    assert "Anna" in answer.json()["detail"]


def test_other_models_have_no_series(client: Client) -> None:
    model = trained(client, small_dataset(client))
    for call in ("series", "history"):
        answer = client.get(f"/train/{model['id']}/{call}")
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_problem_type")


def test_another_tenant_sees_no_series(stranger: Client, forecast: dict[str, Any]) -> None:
    for call in ("series", "history"):
        assert stranger.get(f"/train/{forecast['id']}/{call}").status_code == 404


def train_hierarchy(client: Client, **changes: Any) -> dict[str, Any]:
    """Train a forecast of three customers in two regions, and of their sums."""
    regions = {"Anna": "North", "Ben": "South", "Cleo": "North"}
    lines = [
        f"{name},{region},{_FIRST + timedelta(n)},{n % 7 + (n * place) % 5}"
        for place, (name, region) in enumerate(regions.items(), 2)
        for n in range(70)
    ]
    dataset = create_dataset(client, ("calls.csv", "\n".join(["customer,region,day,calls", *lines]).encode()))
    roles = {"customer": "Id", "region": "Ignore", "day": "Time", "calls": "Target"}
    columns = [{"column_name": name, "attribute_name": role} for name, role in roles.items()]
    body = {"columns": columns, "problem_type": "Forecast", "algorithm": "Theta", "forecast": {"hierarchy": ["region"]}}
    return trained(client, dataset["id"], **body | changes)


def test_series_of_a_hierarchy_are_listed_by_level_and_their_forecasts_agree(client: Client) -> None:
    model = train_hierarchy(client)
    path = f"/train/{model['id']}/series"
    answer = client.get(path).json()
    assert [(row["unique_id"], row["level"]) for row in answer["data"]] == [
        ("Total", "Total"),
        ("North", "region"),
        ("South", "region"),
        ("Anna", "customer"),
        ("Ben", "customer"),
        ("Cleo", "customer"),
    ]
    assert [row["unique_id"] for row in client.get(path, params={"level": "region"}).json()["data"]] == [
        "North",
        "South",
    ]
    refused = client.get(path, params={"level": "city"})
    assert (refused.status_code, refused.json()["code"]) == (404, "level_not_found")
    described = client.get(f"/train/{model['id']}").json()["summary"]["forecast"]["hierarchy"]
    assert described == {
        "levels": [
            {"name": "Total", "series": 1},
            {"name": "region", "series": 2},
            {"name": "customer", "series": 3},
        ],
        "reconciliation": "MinT",
    }
    body = {"train_id": model["id"], "steps": 3, "unique_ids": "all"}
    steps = client.post("/inference/forecast", json=body).json()["forecast"]
    values = {name: [step["value"] for step in steps if step["unique_id"] == name] for name in ("Total", "North")}
    parts = {name: [step["value"] for step in steps if step["unique_id"] == name] for name in ("Anna", "Cleo", "Ben")}
    assert values["North"] == pytest.approx([a + c for a, c in zip(parts["Anna"], parts["Cleo"], strict=True)])
    assert values["Total"] == pytest.approx([n + b for n, b in zip(values["North"], parts["Ben"], strict=True)])
    body = {"train_id": model["id"], "steps": 3, "unique_id": "North"}
    alone = client.post("/inference/forecast", json=body).json()["forecast"]
    assert [step["value"] for step in alone] == values["North"]


@pytest.mark.parametrize(
    ("hierarchy", "message"),
    [
        (["place"], "no column 'place'"),
        (["day"], "has the role Time"),
        (["region", "region"], "twice"),
    ],
)
def test_columns_that_make_no_hierarchy_are_refused(client: Client, hierarchy: list[str], message: str) -> None:
    lines = [f"Anna,North,{_FIRST + timedelta(n)},{n % 7}" for n in range(60)]
    dataset = create_dataset(client, ("calls.csv", "\n".join(["customer,region,day,calls", *lines]).encode()))
    roles = {"customer": "Id", "day": "Time", "calls": "Target"}
    body = {
        "dataset_id": dataset["id"],
        "predictor_name": f"hierarchy of {len(hierarchy)} {hierarchy[0]}",
        "domain": "Calls",
        "problem_type": "Forecast",
        "columns": [{"column_name": name, "attribute_name": role} for name, role in roles.items()],
        "forecast": {"hierarchy": hierarchy},
    }
    answer = client.post("/train", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_hierarchy")
    assert message in answer.json()["detail"]
