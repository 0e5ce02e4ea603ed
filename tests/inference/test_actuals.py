"""Actual outcomes of predictions, and comparisons of versions that are scored by them."""

from collections import Counter
from typing import Any

import pytest
from httpx import Response

from tests.client import Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.inference.series import shop_rows, trained_forecast
from tests.test_every_route import refusal
from tests.train.training import new_predictor, small_dataset, trained

ROWS = [{"age": age, "colour": colour, "price": 5.0} for age in range(20, 80, 2) for colour in ("red", "blue")]


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def name(client: Client, dataset_id: int) -> str:
    """A predictor of two versions: the first hardly learns."""
    name = new_predictor()
    for trees in (1, 100):
        trained(client, dataset_id, predictor_name=name, new_version=True, hyperparameters={"n_estimators": trees})
    return name


@pytest.fixture(scope="module")
def prices(client: Client, dataset_id: int) -> str:
    """A predictor of two versions of numbers."""
    name = new_predictor()
    columns = {"id": "Id", "age": "Feature", "colour": "Feature", "price": "Target", "bought": "Ignore"}
    for trees in (1, 50):
        trained(
            client,
            dataset_id,
            predictor_name=name,
            new_version=True,
            problem_type="Regression",
            columns=[{"column_name": column, "attribute_name": role} for column, role in columns.items()],
            hyperparameters={"n_estimators": trees},
        )
    return name


@pytest.fixture(autouse=True)
def nothing_logged(platform: Platform) -> None:
    execute_sql(platform.settings, "DELETE FROM prediction")


def predict(client: Client, name: str, version: int, rows: list[dict[str, Any]] = ROWS) -> list[dict[str, Any]]:
    answer = client.post(f"/models/default/{name}/v{version}/predict", json={"instances": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def post(client: Client, name: str, outcomes: dict[int, Any] | list[tuple[int, Any]]) -> Response:
    pairs = outcomes.items() if isinstance(outcomes, dict) else outcomes
    rows = [{"prediction_id": prediction_id, "value": value} for prediction_id, value in pairs]
    return client.post(f"/predictors/{name}/actuals", json={"actuals": rows})


def compare(client: Client, name: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/predictors/{name}/traffic/comparison", params={"version": [1, 2], **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_outcomes_are_recorded_once(platform: Platform, client: Client, name: str) -> None:
    first, second = (each["prediction_id"] for each in predict(client, name, 1, ROWS[:2]))
    # As the target's column is written, and as JSON has it.
    recorded = post(client, name, {first: "yes", second: False, 5: "no"})
    assert recorded.json() == {"added": 2, "changed": 0, "unchanged": 0, "unknown": 1, "unknown_ids": [5]}
    assert post(client, name, {first: True, second: "no"}).json()["unchanged"] == 2
    changed = post(client, name, {first: "no", second: "no"}).json()
    assert (changed["added"], changed["changed"], changed["unchanged"]) == (0, 1, 1)
    rows = execute_sql(platform.settings, "SELECT id, value, created_by FROM actual ORDER BY id")
    assert rows == [(first, "false", "admin"), (second, "false", "admin")]
    event = client.get("/audit/list", params={"action": "predictor.record_actuals", "limit": 1}).json()["data"][0]
    assert event["detail"] == {"added": 0, "changed": 1}
    execute_sql(platform.settings, f"DELETE FROM prediction WHERE id = {first}")
    assert execute_sql(platform.settings, "SELECT id FROM actual") == [(second,)]


def test_outcomes_belong_to_their_predictor_and_tenant(
    platform: Platform, client: Client, stranger: Client, analyst: Client, name: str, prices: str
) -> None:
    (made,) = predict(client, name, 1, ROWS[:1])
    outcome = {made["prediction_id"]: True}
    assert post(client, prices, {made["prediction_id"]: 1.5}).json()["unknown"] == 1
    assert refusal(post(stranger, name, outcome)) == (404, "predictor_not_found")
    own = new_predictor()
    trained(stranger, small_dataset(stranger), predictor_name=own)
    assert post(stranger, own, outcome).json()["unknown"] == 1
    assert execute_sql(platform.settings, "SELECT id FROM actual") == []
    # Who may predict may say what came of it.
    assert post(analyst, name, outcome).json()["added"] == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["perhaps"], "not_a_boolean"),
        ([3.5], "not_a_boolean"),
        ([""], "missing_value"),
        ([None], "invalid_request"),
        ([{"a": 1}], "invalid_request"),
        (["x" * 1001], "invalid_request"),
        ([True, True], "prediction_repeated"),
    ],
    ids=["no class", "number", "empty", "null", "object", "long", "twice"],
)
def test_wrong_outcomes_are_refused_and_none_is_kept(
    platform: Platform, client: Client, name: str, values: list[Any], code: str
) -> None:
    good, other = (each["prediction_id"] for each in predict(client, name, 1, ROWS[:2]))
    answer = post(client, name, [(good, True), *((other, value) for value in values)])
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert code in (body["code"], body["detail"][0]["type"]), body
    assert body["detail"][0]["loc"][:3] == ["body", "actuals", len(values)]
    assert execute_sql(platform.settings, "SELECT id FROM actual") == []


@pytest.mark.parametrize("prediction_id", [0, -1, 2**63, "x", 1.5])
def test_ids_that_cannot_be_are_refused(client: Client, name: str, prediction_id: Any) -> None:
    rows = [{"prediction_id": prediction_id, "value": True}]
    assert client.post(f"/predictors/{name}/actuals", json={"actuals": rows}).status_code == 422
    too_many = [{"prediction_id": 1, "value": True}] * 10_001
    assert client.post(f"/predictors/{name}/actuals", json={"actuals": too_many}).status_code == 422
    assert client.post(f"/predictors/{name}/actuals", json={"actuals": []}).status_code == 422


def test_versions_are_compared_by_what_each_has_answered(client: Client, name: str) -> None:
    older, newer = predict(client, name, 1), predict(client, name, 2, ROWS[:40])
    # What has really come is what the newer version says, but for one request of each.
    outcomes = {each["prediction_id"]: not each["prediction"] for each in (older[0], newer[0])}
    truth = [each["prediction"] for each in predict(client, name, 2)]
    outcomes |= {each["prediction_id"]: value for each, value in list(zip(older, truth, strict=True))[1:30]}
    outcomes |= {each["prediction_id"]: each["prediction"] for each in newer[1:20]}
    assert post(client, name, outcomes).json()["added"] == 50

    found = compare(client, name)
    assert (found["metric"], found["baseline"], found["same_requests"]) == ("accuracy", 2, False)
    base, other = found["data"]
    assert (base["version"], other["version"]) == (2, 1)
    # The call that told the truth was answered by version 2, too.
    assert (base["requests"], other["requests"]) == (len(newer) + len(ROWS), len(older))
    assert (base["actuals"], other["actuals"]) == (20, 30)
    assert base["score"] == pytest.approx(19 / 20)
    right = sum(each["prediction"] == value for each, value in list(zip(older, truth, strict=True))[1:30])
    assert other["score"] == pytest.approx(right / 30)
    difference = other["score_difference"]
    assert difference["value"] == pytest.approx(other["score"] - base["score"])
    assert difference["low"] < difference["value"] < difference["high"]
    shares = Counter(str(each["prediction"]).lower() for each in older)
    for row in other["class_shares"]:
        assert row["share"] == pytest.approx(shares[row["label"]] / len(older))
        in_base = next(each["share"] for each in base["class_shares"] if each["label"] == row["label"])
        assert row["difference"]["value"] == pytest.approx(row["share"] - in_base)
    assert other["probability"] == pytest.approx(sum(each["probability"] for each in older) / len(older))
    assert (other["mean"], base["score_difference"], base["error_rate_difference"]) == (None, None, None)
    assert other["recent_calls"]["requests"] > 0
    assert other["error_rate_difference"] is not None
    later = compare(client, name, since="9999-01-01T00:00:00")
    assert [row["requests"] for row in later["data"]] == [0, 0]
    assert later["data"][1]["score_difference"] is None


def test_versions_of_numbers_are_compared_by_their_means(client: Client, prices: str) -> None:
    rows = [{name: row[name] for name in ("age", "colour")} for row in ROWS]
    older, newer = predict(client, prices, 1, rows), predict(client, prices, 2, rows)
    post(client, prices, {each["prediction_id"]: str(each["prediction"] + 3) for each in older})
    post(client, prices, {each["prediction_id"]: each["prediction"] - 1.5 for each in newer})
    found = compare(client, prices)
    base, other = found["data"]
    assert (found["metric"], base["version"], base["class_shares"]) == ("mean_absolute_error", 2, None)
    assert (base["score"], other["score"]) == (pytest.approx(1.5), pytest.approx(3))
    assert other["score_difference"]["value"] == pytest.approx(1.5)
    means = [sum(each["prediction"] for each in answers) / len(rows) for answers in (newer, older)]
    assert [base["mean"], other["mean"]] == pytest.approx(means)
    assert other["mean_difference"]["value"] == pytest.approx(means[1] - means[0])
    assert other["mean_difference"]["low"] <= other["mean_difference"]["value"] <= other["mean_difference"]["high"]


def test_versions_to_compare_are_checked(client: Client, name: str) -> None:
    path = f"/predictors/{name}/traffic/comparison"
    assert refusal(client.get(path)) == (409, "traffic_not_split")
    assert refusal(client.get(path, params={"version": [1]})) == (422, "too_few_versions")
    assert refusal(client.get(path, params={"version": [1, 1]})) == (422, "too_few_versions")
    assert refusal(client.get(path, params={"version": list(range(1, 12))})) == (422, "too_many_versions")
    for absent in (9, 0, -1, 2**31, 2**70):
        assert client.get(path, params={"version": [1, absent]}).status_code in (404, 422)
    assert refusal(client.get(path, params={"version": [1, 9]})) == (404, "version_not_found")
    split = [{"version": 1, "weight": 30}, {"version": 2, "weight": 70}]
    client.request("PUT", f"/predictors/{name}/traffic", json={"split": split})
    assert [row["version"] for row in client.get(path).json()["data"]] == [2, 1]
    client.request("PUT", f"/predictors/{name}/traffic", json={})


def test_forecasts_are_not_compared(client: Client) -> None:
    columns = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}
    name = new_predictor()
    for _ in range(2):
        trained_forecast(
            client, shop_rows(range(60)), columns, predictor_name=name, algorithm="SeasonalNaive", new_version=True
        )
    answer = client.get(f"/predictors/{name}/traffic/comparison", params={"version": [1, 2]})
    assert refusal(answer) == (409, "wrong_problem_type")


def test_outcomes_score_a_shadow_on_the_same_requests(client: Client, name: str) -> None:
    client.request("PUT", f"/predictors/{name}/traffic", json={"shadows": [1]})
    answer = client.post(f"/models/default/{name}/predict", json={"instances": ROWS})
    answered = answer.json()["predictions"]
    client.request("PUT", f"/predictors/{name}/traffic", json={})
    by_shadow = [each["prediction"] for each in predict(client, name, 1)]
    while (found := shadow(client, name))["requests"] < len(ROWS):
        assert found["actuals"] == 0
    post(client, name, {each["prediction_id"]: each["prediction"] for each in answered[:50]})
    found = shadow(client, name)
    equal = [one["prediction"] == other for one, other in zip(answered[:50], by_shadow, strict=False)]
    assert (found["metric"], found["actuals"], found["answered_score"]) == ("accuracy", 50, 1)
    assert found["shadow_score"] == pytest.approx(sum(equal) / 50)
    assert found["score_difference"]["value"] == pytest.approx(sum(equal) / 50 - 1)
    assert found["score_difference"]["low"] <= found["score_difference"]["value"] <= found["score_difference"]["high"]


def shadow(client: Client, name: str) -> dict[str, Any]:
    return client.get(f"/predictors/{name}/comparison", params={"version": 1}).json()
