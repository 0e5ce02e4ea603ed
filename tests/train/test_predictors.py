"""Predictors: aliases, promotion, roll-back, manual promotion, and what a deletion leaves."""

from typing import Any

import pytest

from tests.client import Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.test_every_route import refusal
from tests.train.training import new_predictor, row_of, small_dataset, trained

FEATURES = {"features": {"age": 60, "colour": "red", "price": 5.0}}


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture
def name() -> str:
    return new_predictor()


def versions(client: Client, dataset_id: int, name: str, count: int) -> list[dict[str, Any]]:
    """Return the rows of so many versions of a predictor, each of other accuracy or at least another training."""
    return [
        trained(
            client, dataset_id, predictor_name=name, new_version=True, seed=number, hyperparameters=few_trees(number)
        )
        for number in range(1, count + 1)
    ]


def few_trees(number: int) -> dict[str, Any]:
    return {"n_estimators": 5 * number}


def champion(client: Client, name: str) -> int | None:
    answer = client.get(f"/predictors/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()["champion_version"]


def put_alias(client: Client, name: str, alias: str, version: int) -> dict[str, Any]:
    answer = client.request("PUT", f"/predictors/{name}/aliases/{alias}", json={"version": version})
    assert answer.status_code == 200, answer.text
    return answer.json()


def promote(client: Client, name: str, version: int, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/predictors/{name}/promote", json={"version": version} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_newest_version_answers_until_another_is_promoted(client: Client, dataset_id: int, name: str) -> None:
    first, second = versions(client, dataset_id, name, 2)
    assert champion(client, name) == 2
    shown = promote(client, name, 1, reason="Better in October.")
    assert (shown["champion_version"], shown["champion_train_id"]) == (1, first["id"])
    assert shown["endpoint_url"] == f"/models/default/{name}/predict"
    assert [row["endpoint_url"] is not None for row in (row_of(client, first["id"]), row_of(client, second["id"]))] == [
        True,
        False,
    ]
    newest = shown["promotions"][0]
    assert (newest["version"], newest["kind"], newest["reason"], newest["created_by"]) == (
        1,
        "manual",
        "Better in October.",
        "admin",
    )
    assert [row["kind"] for row in shown["promotions"]] == ["manual", "automatic", "automatic"]
    assert client.post(f"/models/default/{name}/predict", json=FEATURES).json()["accuracy"] == first["accuracy"]


def test_roll_back_goes_one_version_back_each_time(client: Client, dataset_id: int, name: str) -> None:
    versions(client, dataset_id, name, 3)
    seen = []
    for _ in range(2):
        answer = client.post(f"/predictors/{name}/rollback", json={"reason": "Too many approvals."})
        assert answer.status_code == 200, answer.text
        seen.append(answer.json()["champion_version"])
    assert seen == [2, 1]
    assert refusal(client.post(f"/predictors/{name}/rollback")) == (409, "no_earlier_champion")
    promote(client, name, 3)
    assert client.post(f"/predictors/{name}/rollback").json()["champion_version"] == 1


def test_version_that_was_rolled_back_does_not_come_back_by_itself(client: Client, dataset_id: int, name: str) -> None:
    first, second, third = versions(client, dataset_id, name, 3)
    client.post(f"/predictors/{name}/rollback")
    assert not row_of(client, third["id"])["is_promoted"]
    assert client.request("DELETE", f"/train/delete/{second['id']}").status_code == 200
    shown = client.get(f"/predictors/{name}").json()
    assert shown["champion_train_id"] == first["id"]
    assert shown["promotions"][0]["kind"] == "deletion"


def test_roll_back_passes_versions_that_were_deleted(client: Client, dataset_id: int, name: str) -> None:
    _, second, _ = versions(client, dataset_id, name, 3)
    assert client.request("DELETE", f"/train/delete/{second['id']}").status_code == 200
    assert client.post(f"/predictors/{name}/rollback").json()["champion_version"] == 1


def test_manual_promotion_lets_a_version_wait(client: Client, dataset_id: int, name: str) -> None:
    versions(client, dataset_id, name, 1)
    answer = client.request("PUT", f"/predictors/{name}", json={"promotion": "manual"})
    assert answer.json()["promotion"] == "manual"
    second = trained(client, dataset_id, predictor_name=name, new_version=True)
    assert champion(client, name) == 1
    assert (second["is_promoted"], second["endpoint_url"]) == (False, None)
    assert promote(client, name, 2)["champion_version"] == 2
    assert row_of(client, second["id"])["is_promoted"]


def test_alias_names_a_version_until_it_is_moved_or_removed(client: Client, dataset_id: int, name: str) -> None:
    first, second = versions(client, dataset_id, name, 2)
    assert first["accuracy"] is not None
    shown = put_alias(client, name, "challenger", 1)
    assert [(row["alias"], row["version"]) for row in shown["aliases"]] == [("challenger", 1)]
    assert shown["aliases"][0]["endpoint_url"] == f"/models/default/{name}@challenger/predict"
    assert [row["aliases"] for row in shown["data"]] == [[], ["challenger"]]
    shown = put_alias(client, name, "challenger", 2)
    assert [(row["alias"], row["train_id"]) for row in shown["aliases"]] == [("challenger", second["id"])]
    shown = client.request("DELETE", f"/predictors/{name}/aliases/challenger").json()
    assert shown["aliases"] == []
    assert refusal(client.request("DELETE", f"/predictors/{name}/aliases/challenger")) == (404, "alias_not_found")


def test_alias_champion_promotes(client: Client, dataset_id: int, name: str) -> None:
    versions(client, dataset_id, name, 2)
    assert put_alias(client, name, "champion", 1)["champion_version"] == 1
    assert refusal(client.request("DELETE", f"/predictors/{name}/aliases/champion")) == (409, "champion_required")


@pytest.mark.parametrize(
    ("alias", "code"),
    [
        ("2", "reserved_alias"),
        ("v2", "reserved_alias"),
        ("Challenger", "invalid_alias"),
        ("a b", "invalid_alias"),
        ("-a", "invalid_alias"),
        ("x" * 64, "invalid_alias"),
        ("%00", "invalid_alias"),
        ("\u0661", "invalid_alias"),
    ],
)
def test_alias_that_is_none(client: Client, dataset_id: int, name: str, alias: str, code: str) -> None:
    versions(client, dataset_id, name, 1)
    assert refusal(client.request("PUT", f"/predictors/{name}/aliases/{alias}", json={"version": 1})) == (422, code)


def test_what_is_not_there(client: Client, dataset_id: int, name: str) -> None:
    for path in (f"/predictors/{name}", f"/predictors/{name}x"):
        assert refusal(client.get(path)) == (404, "predictor_not_found")
    versions(client, dataset_id, name, 1)
    for version in (2, 2**31 - 1):
        assert refusal(client.post(f"/predictors/{name}/promote", json={"version": version})) == (
            404,
            "version_not_found",
        )
    assert refusal(client.post(f"/predictors/{name}/promote", json={"version": 0}))[0] == 422
    assert refusal(client.post(f"/predictors/{name}/promote", json={"version": 1})) == (409, "already_champion")


def test_similar_name_is_suggested(client: Client, dataset_id: int, name: str) -> None:
    versions(client, dataset_id, f"{name}-churn", 1)
    assert f"{name}-churn" in client.get(f"/predictors/{name}-chrun").json()["detail"]


def test_version_that_has_not_completed_is_not_promoted(
    platform: Platform, client: Client, dataset_id: int, name: str
) -> None:
    versions(client, dataset_id, name, 1)
    client.request("PUT", f"/predictors/{name}", json={"promotion": "manual"})
    second = trained(client, dataset_id, predictor_name=name, new_version=True)
    execute_sql(platform.settings, "UPDATE training SET status = 'failed' WHERE id = ?", second["id"])
    assert refusal(client.post(f"/predictors/{name}/promote", json={"version": 2})) == (409, "model_not_ready")
    by_alias = client.request("PUT", f"/predictors/{name}/aliases/next", json={"version": 2})
    assert refusal(by_alias) == (409, "model_not_ready")


def test_version_with_an_alias_is_not_deleted(client: Client, dataset_id: int, name: str) -> None:
    first, _ = versions(client, dataset_id, name, 2)
    put_alias(client, name, "old", 1)
    assert refusal(client.request("DELETE", f"/train/delete/{first['id']}")) == (409, "training_in_use")
    client.request("DELETE", f"/predictors/{name}/aliases/old")
    assert client.request("DELETE", f"/train/delete/{first['id']}").status_code == 200


def test_predictor_goes_with_its_last_version(client: Client, dataset_id: int, name: str) -> None:
    first, second = versions(client, dataset_id, name, 2)
    promote(client, name, 1)
    client.request("DELETE", f"/train/delete/{second['id']}")
    assert champion(client, name) == 1
    assert client.request("DELETE", f"/train/delete/{first['id']}").status_code == 200
    assert refusal(client.get(f"/predictors/{name}")) == (404, "predictor_not_found")


def test_split_adds_up_and_ends_with_a_promotion(client: Client, dataset_id: int, name: str) -> None:
    versions(client, dataset_id, name, 3)
    path = f"/predictors/{name}/traffic"
    split = [{"version": 3, "weight": 90}, {"version": 1, "weight": 10}]
    shown = client.request("PUT", path, json={"split": split, "shadows": [2]}).json()
    assert [(row["version"], row["weight"]) for row in shown["split"]] == [(1, 10), (3, 90)]
    assert [row["version"] for row in shown["shadows"]] == [2]
    trained(client, dataset_id, predictor_name=name, new_version=True)
    assert champion(client, name) == 3
    shown = promote(client, name, 1)
    assert (shown["split"], [row["version"] for row in shown["shadows"]]) == ([], [2])
    assert promote(client, name, 2)["shadows"] == []


def test_traffic_that_cannot_be(client: Client, dataset_id: int, name: str) -> None:
    first, *_ = versions(client, dataset_id, name, 2)
    path = f"/predictors/{name}/traffic"

    def code(**body: Any) -> tuple[int, str]:
        return refusal(client.request("PUT", path, json=body))

    half = {"version": 1, "weight": 50}
    assert code(split=[half]) == (422, "weights_do_not_add_up")
    assert code(split=[half, half]) == (422, "version_repeated")
    assert code(split=[half, {"version": 7, "weight": 50}]) == (404, "version_not_found")
    assert code(split=[{"version": 1, "weight": 0}]) == (422, "invalid_request")
    assert code(shadows=[2]) == (422, "shadow_gets_traffic")
    assert code(shadows=[1, 2, 3, 4]) == (422, "too_many_shadows")
    assert code(shadows=[9]) == (404, "version_not_found")
    assert client.request("PUT", path, json={"shadows": [1]}).status_code == 200
    assert refusal(client.request("DELETE", f"/train/delete/{first['id']}")) == (409, "training_in_use")
    assert client.request("PUT", path, json={}).json()["shadows"] == []


def test_list_of_predictors(client: Client, dataset_id: int, name: str) -> None:
    versions(client, dataset_id, name, 2)
    client.request("PUT", f"/predictors/{name}", json={"promotion": "manual"})
    listed = client.get("/predictors", params={"q": name, "promotion": "manual"}).json()
    assert listed["total"] == 1
    row = listed["data"][0]
    assert (row["predictor_name"], row["champion_version"], row["newest_version"], row["versions"]) == (name, 2, 2, 2)


def test_shadow_that_takes_the_place_of_a_deleted_champion_is_none_any_more(
    client: Client, dataset_id: int, name: str
) -> None:
    _, second = versions(client, dataset_id, name, 2)
    assert client.request("PUT", f"/predictors/{name}/traffic", json={"shadows": [1]}).status_code == 200
    assert client.request("DELETE", f"/train/delete/{second['id']}").status_code == 200
    shown = client.get(f"/predictors/{name}").json()
    assert (shown["champion_version"], shown["shadows"]) == (1, [])
