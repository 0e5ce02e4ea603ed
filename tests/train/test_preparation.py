"""What is suggested for a training, and the check of a request that starts nothing."""

from typing import Any

import pytest

from tests.client import Client
from tests.dataset.datasets import create_dataset
from tests.inference.series import ROLES, columns_of, forecast_request, shop_rows
from tests.train.training import SMALL_COLUMNS, new_predictor, small_csv, train, trained


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return create_dataset(client, ("small.csv", small_csv()))["id"]


@pytest.fixture(scope="module")
def shops_id(client: Client) -> int:
    return create_dataset(client, ("shops.csv", shop_rows(range(60))))["id"]


def suggest(client: Client, dataset_id: int, target: str) -> dict[str, Any]:
    answer = client.get("/train/suggestion", params={"dataset_id": dataset_id, "target": target})
    assert answer.status_code == 200, answer.text
    return answer.json()


def roles_of(suggestion: dict[str, Any]) -> dict[str, str]:
    return {column["column_name"]: column["attribute_name"] for column in suggestion["columns"]}


def test_text_is_a_classification_and_names_of_rows_are_ids(client: Client, dataset_id: int) -> None:
    suggestion = suggest(client, dataset_id, "bought")
    assert (suggestion["problem_type"], suggestion["classes"]) == ("Classification", ["false", "true"])
    assert "'bought' has 2 different values" in suggestion["reason"]
    expected = {"id": "Id", "age": "Feature", "colour": "Feature", "price": "Feature", "bought": "Target"}
    assert roles_of(suggestion) == expected
    reasons = {column["column_name"]: column["reason"] for column in suggestion["columns"]}
    assert "names the rows" in reasons["id"]
    assert reasons["age"] is None


def test_amounts_are_a_regression(client: Client, dataset_id: int) -> None:
    assert suggest(client, dataset_id, "price")["problem_type"] == "Regression"
    suggestion = suggest(client, dataset_id, "age")
    assert (suggestion["problem_type"], suggestion["frequency"]) == ("Regression", None)


@pytest.mark.parametrize(("values", "problem_type"), [((0, 1), "Classification"), ((1, 2, 3), "Regression")])
def test_whole_numbers_are_classes_where_they_are_two(
    client: Client, values: tuple[int, ...], problem_type: str
) -> None:
    rows = "".join(f"{number % 7}.5,{values[number % len(values)]}\n" for number in range(60))
    made = create_dataset(client, ("a.csv", f"x,y\n{rows}".encode()))
    suggestion = suggest(client, made["id"], "y")
    assert suggestion["problem_type"] == problem_type
    assert suggestion["classes"] == [str(value) for value in values]


def test_series_are_a_forecast_with_its_columns(client: Client, shops_id: int) -> None:
    suggestion = suggest(client, shops_id, "sold")
    assert suggestion["problem_type"] == "Forecast"
    assert (suggestion["frequency"], suggestion["horizon"]) == ("Day", 14)
    assert roles_of(suggestion) == {"shop": "Id", "day": "Time", "rain": "Feature", "sold": "Target"}


def test_single_series_has_no_id(client: Client) -> None:
    made = create_dataset(client, ("north.csv", shop_rows(range(60), shops=["north"])))
    suggestion = suggest(client, made["id"], "sold")
    assert suggestion["problem_type"] == "Forecast"
    assert roles_of(suggestion)["day"] == "Time"
    assert "Id" not in roles_of(suggestion).values()


def test_irregular_times_are_no_forecast(client: Client) -> None:
    days = [number * number // 3 for number in range(60)]
    made = create_dataset(client, ("irregular.csv", shop_rows(sorted(set(days)), shops=["north"])))
    assert suggest(client, made["id"], "sold")["problem_type"] == "Regression"


def test_choices_are_those_that_a_training_takes(client: Client, dataset_id: int, shops_id: int) -> None:
    options = {each["problem_type"]: each for each in suggest(client, dataset_id, "bought")["options"]}
    assert options.keys() == {"Classification", "Regression", "Forecast"}
    assert "Exogenous" in options["Forecast"]["attributes"]
    assert "Exogenous" not in options["Regression"]["attributes"]
    for algorithm in options["Classification"]["algorithms"]:
        assert check(client, dataset_id, algorithm=algorithm)["algorithm"] == algorithm
    for metric in options["Classification"]["tuning_metrics"]:
        check(client, dataset_id, tuning={"metric": metric})
    for algorithm in options["Forecast"]["algorithms"]:
        body = forecast_request(shops_id, algorithm=algorithm)
        assert client.post("/train/check", json=body).json()["algorithm"] == algorithm


def test_suggestion_for_what_is_not_there_is_refused(client: Client, dataset_id: int) -> None:
    answer = client.get("/train/suggestion", params={"dataset_id": dataset_id, "target": "bougth"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_column")
    assert "bought" in answer.json()["detail"]
    assert client.get("/train/suggestion", params={"dataset_id": 999_999, "target": "y"}).status_code == 404


def check(client: Client, dataset_id: int, **changes: Any) -> dict[str, Any]:
    body = request(dataset_id, **changes)
    answer = client.post("/train/check", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def request(dataset_id: int, **changes: Any) -> dict[str, Any]:
    body = {"dataset_id": dataset_id, "predictor_name": new_predictor(), "domain": "Tests"}
    return body | {"problem_type": "Classification", "columns": SMALL_COLUMNS} | changes


def test_check_says_what_would_be_trained_and_starts_nothing(client: Client, dataset_id: int) -> None:
    counts = [client.get(path).json()["total"] for path in ("/train/list", "/jobs/list", "/audit/list")]
    checked = check(client, dataset_id, predictor_name="checked", time_limit_s=60)
    assert (checked["predictor_name"], checked["version"], checked["target"]) == ("checked", 1, "bought")
    assert checked["roles"]["id"] == "Id"
    assert checked["roles"]["age"] == "Feature"
    assert (checked["time_limit_s"], checked["parent_id"]) == (60, None)
    assert [client.get(path).json()["total"] for path in ("/train/list", "/jobs/list", "/audit/list")] == counts


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": []},
        {"columns": [{"column_name": "id", "attribute_name": "Target"}]},
        {"columns": [{"column_name": "bought", "attribute_name": "Label"}]},
        {"problem_type": "Regression"},
        {"problem_type": "Guess"},
        {"problem_type": "Forecast"},
        {"algorithm": "Magic"},
        {"hyperparameters": {"depth_of_thought": 3}},
        {"positive_class": "perhaps"},
        {"validation": {"group": "absent"}},
        {"tuning": {"metric": "luck"}},
        {"time_limit_s": 2**30},
        {"is_incremental": True},
    ],
    ids=str,
)
def test_check_refuses_what_a_training_refuses(client: Client, dataset_id: int, changes: dict[str, Any]) -> None:
    body = request(dataset_id, **changes)
    checked, started = client.post("/train/check", json=body), client.post("/train", json=body)
    assert checked.status_code == started.status_code >= 400
    assert checked.json()["code"] == started.json()["code"]
    assert checked.json()["detail"] == started.json()["detail"]


def test_check_knows_the_versions_of_a_predictor(client: Client, dataset_id: int) -> None:
    first = trained(client, dataset_id)
    name = first["predictor_name"]
    taken = client.post("/train/check", json=request(dataset_id, predictor_name=name))
    assert (taken.status_code, taken.json()["code"]) == (409, "predictor_exists")
    assert check(client, dataset_id, predictor_name=name, new_version=True)["version"] == 2
    continued = check(client, dataset_id, predictor_name=name, is_incremental=True, columns=[])
    assert (continued["version"], continued["parent_id"]) == (2, first["id"])


def test_check_warns_of_times_that_were_read_as_such(client: Client) -> None:
    rows = "".join(f"{1970 + number},{number % 5 + 1}\n" for number in range(50))
    made = create_dataset(client, ("years.csv", f"year,sold\n{rows}".encode()))
    roles = columns_of({"year": "Time", "sold": "Target"})
    answer = client.post("/train/check", json=forecast_request(made["id"], columns=roles))
    assert answer.status_code == 200, answer.text
    assert [warning["column"] for warning in answer.json()["warnings"]] == ["year"]


def test_check_of_an_irregular_series_is_refused(client: Client) -> None:
    content = shop_rows(range(60)) + b"north,2024-01-05,1,7\n"
    made = create_dataset(client, ("doubled.csv", content))
    body = forecast_request(made["id"], columns=columns_of(ROLES))
    checked, started = client.post("/train/check", json=body), client.post("/train", json=body)
    assert checked.status_code == started.status_code == 422
    assert checked.json()["code"] == started.json()["code"]


def test_check_needs_the_permission_to_train(analyst: Client, stranger: Client, dataset_id: int) -> None:
    assert analyst.post("/train/check", json=request(dataset_id)).status_code == 403
    assert stranger.post("/train/check", json=request(dataset_id)).status_code == 404
    suggestion = stranger.get("/train/suggestion", params={"dataset_id": dataset_id, "target": "bought"})
    assert suggestion.status_code == 404


def test_training_still_starts_after_a_check(client: Client, dataset_id: int) -> None:
    body = request(dataset_id, algorithm="LightGBM")
    assert client.post("/train/check", json=body).status_code == 200
    assert train(client, dataset_id, predictor_name=body["predictor_name"]).status_code == 201
