"""Keys with which services call the platform."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response

from dataml.access import api_keys, service
from tests.client import Client
from tests.conftest import Platform, log_in
from tests.database import execute_sql, read_stored_bytes
from tests.sample_tenant import create_role, create_user
from tests.test_every_route import read_stored_rows, refusal


def create(client: Client, **fields: Any) -> Response:
    return client.post("/api-keys/", json={"name": "scoring service"} | fields)


def with_key(client: Client, key: str) -> Client:
    return Client(client.app, client.portal, {"Authorization": f"Bearer {key}"})


def test_key_is_returned_once_and_stored_as_a_hash(platform: Platform, client: Client) -> None:
    answer = create(client)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["key"].startswith(made["prefix"])
    assert made["prefix"].startswith("dataml_")
    assert len(made["key"]) > 43
    assert made["permissions"] == ["can_predict"]
    lives = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < lives <= timedelta(days=90)
    listed = client.get("/api-keys/list").json()
    assert listed["data"][0] == {name: value for name, value in made.items() if name != "key"}
    assert made["key"].encode() not in read_stored_bytes(platform.settings)
    ((stored_hash,),) = execute_sql(platform.settings, "SELECT key_hash FROM api_key WHERE id = ?", made["id"])
    assert stored_hash == hashlib.sha256(made["key"].encode()).hexdigest()


def test_key_acts_for_its_owner_within_its_permissions(client: Client) -> None:
    made = create(client, permissions=["can_view", "can_predict", "can_view"]).json()
    assert made["permissions"] == ["can_predict", "can_view"]
    caller = with_key(client, made["key"])
    told = caller.post("/login/test-token").json()
    assert (told["username"], told["permissions"]) == ("admin", ["can_predict", "can_view"])
    assert caller.get("/template/list").status_code == 200
    assert refusal(caller.post("/template", json={"template_name": "x"})) == (403, "missing_permission")
    assert caller.get("/validate-token").status_code == 200


def test_key_loses_a_permission_that_its_owner_loses(client: Client) -> None:
    role = create_role(client, "can_view", "can_predict")
    user = create_user(client, roles=[role["name"]])
    owner = log_in(client, user["username"])
    caller = with_key(client, create(owner, permissions=["can_view"]).json()["key"])
    assert caller.get("/template/list").status_code == 200
    client.request("DELETE", f"/rbac/users/{user['id']}/roles/{role['id']}")
    assert refusal(caller.get("/template/list")) == (403, "missing_permission")


def test_api_key_is_refused_where_a_session_is_required(platform: Platform, client: Client) -> None:
    everything = client.post("/login/test-token").json()["permissions"]
    caller = with_key(client, create(client, permissions=everything).json()["key"])
    before = read_stored_rows(platform)
    for answer in (
        create(caller),
        caller.get("/api-keys/list"),
        caller.request("DELETE", "/api-keys/1"),
        caller.post("/reset-password", json={"user_name": "analyst", "new_password": "a long password"}),
    ):
        assert refusal(answer) == (403, "session_needed")
    assert refusal(caller.post("/tenants", json={"name": "x"})) == (403, "missing_permission")
    assert read_stored_rows(platform) == before
    assert caller.get("/users/read-users").status_code == 200


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"permissions": ["*"]}, (403, "permission_not_held")),
        ({"permissions": ["can_fly"]}, (403, "permission_not_held")),
        ({"permissions": ["can_train_models"]}, (403, "permission_not_held")),
        ({"permissions": []}, (422, "invalid_request")),
        ({"permissions": "can_view"}, (422, "invalid_request")),
        ({"permissions": [None]}, (422, "invalid_request")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, (422, "bad_expiry")),
        ({"expires_at": "2999-01-01T00:00:00Z"}, (422, "bad_expiry")),
        ({"expires_at": "9999-12-31T23:59:59Z"}, (422, "bad_expiry")),
        ({"expires_at": "0001-01-01T00:00:00Z"}, (422, "bad_expiry")),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, (422, "bad_expiry")),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, (422, "bad_expiry")),
        ({"expires_at": "2027-01-01T00:00:00"}, (422, "bad_expiry")),
        ({"expires_at": "tomorrow"}, (422, "invalid_request")),
        ({"name": ""}, (422, "invalid_request")),
        ({"name": " "}, (422, "invalid_request")),
        ({"name": "x" * 101}, (422, "invalid_request")),
        ({"name": "a\0"}, (422, "invalid_request")),
        ({"user_id": 1}, (422, "invalid_request")),
        ({"tenant_id": "x"}, (422, "invalid_request")),
        ({"key": "dataml_mine"}, (422, "invalid_request")),
    ],
    ids=str,
)
def test_invalid_key_request_is_refused(
    platform: Platform, analyst: Client, fields: dict[str, Any], refused: tuple[int, str]
) -> None:
    before = read_stored_rows(platform)
    assert refusal(create(analyst, **fields)) == refused
    assert read_stored_rows(platform) == before


def test_revoked_key_is_refused(client: Client) -> None:
    made = create(client, permissions=["can_view"]).json()
    caller = with_key(client, made["key"])
    assert caller.get("/template/list").status_code == 200
    answers = [client.request("DELETE", f"/api-keys/{made['id']}").json() for _ in range(2)]
    assert answers[0]["revoked_at"] is not None
    assert answers[0] == answers[1]
    assert refusal(caller.get("/template/list")) == (401, "invalid_api_key")


def test_expired_key_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    caller = with_key(client, create(client, permissions=["can_view"], expires_at=soon.isoformat()).json()["key"])
    assert caller.get("/template/list").status_code == 200
    monkeypatch.setattr(service, "utc_now", lambda: soon + timedelta(seconds=1))
    assert refusal(caller.get("/template/list")) == (401, "invalid_api_key")


def test_keys_are_listed_for_their_owner_and_for_managers(client: Client, analyst: Client, stranger: Client) -> None:
    made = create(analyst).json()
    analyst_id = analyst.post("/login/test-token").json()["id"]
    assert analyst.get("/api-keys/list").json()["data"][0]["id"] == made["id"]
    assert made["id"] not in [row["id"] for row in client.get("/api-keys/list").json()["data"]]
    found = client.get("/api-keys/list", params={"user_id": analyst_id}).json()
    assert found["data"][0]["id"] == made["id"]
    assert refusal(analyst.get("/api-keys/list", params={"user_id": 1})) == (403, "missing_permission")
    assert refusal(stranger.get("/api-keys/list", params={"user_id": analyst_id})) == (404, "user_not_found")


def test_key_is_revoked_by_its_owner_and_by_managers(client: Client, analyst: Client, stranger: Client) -> None:
    admins, made = create(client).json(), create(analyst).json()
    assert refusal(analyst.request("DELETE", f"/api-keys/{admins['id']}")) == (403, "missing_permission")
    assert refusal(stranger.request("DELETE", f"/api-keys/{made['id']}")) == (404, "api_key_not_found")
    assert client.request("DELETE", f"/api-keys/{made['id']}").json()["revoked_at"] is not None
    manager = create_user(client, roles=[create_role(client, "can_manage_users")["name"]])
    answer = log_in(client, manager["username"]).request("DELETE", f"/api-keys/{admins['id']}")
    assert refusal(answer) == (403, "permission_not_held")


@pytest.mark.parametrize("key", ["dataml_", "dataml_x", "dataml_" + "x" * 100_000, "dataml_' OR 1=1", "DATAML_x"])
def test_malformed_key_is_refused(client: Client, key: str) -> None:
    assert refusal(with_key(client, key).get("/validate-token"))[0] == 401


def test_key_may_be_valid_for_five_years(client: Client) -> None:
    until = datetime.now(UTC) + api_keys.MAX_LIFE - timedelta(minutes=1)
    assert create(client, expires_at=until.isoformat()).status_code == 201
