"""`scope` of a login narrows its session to the permissions that it names."""

from typing import Any

import pytest
from httpx import Response

from tests.client import PASSWORD, Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.sample_tenant import create_role, create_user
from tests.test_every_route import refusal


def login(client: Client, scope: str, username: str = "admin") -> Response:
    return client.post("/login/access-token", data={"username": username, "password": PASSWORD, "scope": scope})


def narrowed(client: Client, scope: str, username: str = "admin") -> tuple[Client, dict[str, Any]]:
    answer = login(client, scope, username)
    assert answer.status_code == 200, answer.text
    return bearer(client, answer.json()), answer.json()


def bearer(client: Client, tokens: dict[str, Any]) -> Client:
    return Client(client.app, client.portal, {"Authorization": f"Bearer {tokens['access_token']}"})


def permissions(client: Client) -> list[str]:
    return client.post("/login/test-token").json()["permissions"]


def test_session_has_only_what_its_scope_names(anonymous: Client) -> None:
    user, tokens = narrowed(anonymous, "can_view can_predict")
    assert tokens["scope"] == "can_predict can_view"
    assert permissions(user) == ["can_predict", "can_view"]
    assert user.get("/train/list").status_code == 200
    refused = user.post("/template/", json={"template_name": "never"})
    assert refusal(refused) == (403, "missing_permission")


@pytest.mark.parametrize("scope", ["", "   "])
def test_session_without_a_scope_has_everything(anonymous: Client, client: Client, scope: str) -> None:
    user, tokens = narrowed(anonymous, scope)
    assert tokens["scope"].split() == permissions(user) == permissions(client)


def test_refresh_keeps_the_scope(anonymous: Client) -> None:
    _, tokens = narrowed(anonymous, "can_view")
    first = anonymous.post("/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    repeated = anonymous.post("/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    for renewed in (first, repeated):
        assert renewed["scope"] == "can_view"
        assert permissions(bearer(anonymous, renewed)) == ["can_view"]


def test_scope_gives_nothing_that_the_user_does_not_hold(anonymous: Client) -> None:
    user, tokens = narrowed(anonymous, "can_view can_manage_users", "analyst")
    assert tokens["scope"] == "can_view"
    assert permissions(user) == ["can_view"]


@pytest.mark.parametrize("scope", ["can_manage_users", "can_fly", "can_view can_fly", "*", "CAN_VIEW"])
def test_scope_without_sense_is_refused(platform: Platform, anonymous: Client, scope: str) -> None:
    count = "SELECT count(*) FROM session"
    before = execute_sql(platform.settings, count)
    assert refusal(login(anonymous, scope, "analyst")) == (400, "invalid_scope")
    assert execute_sql(platform.settings, count) == before


def test_scope_is_read_after_the_password(anonymous: Client) -> None:
    data = {"username": "analyst", "password": "wrong", "scope": "can_fly"}
    assert refusal(anonymous.post("/login/access-token", data=data)) == (401, "bad_credentials")


def test_narrowed_session_has_no_power_over_the_platform(anonymous: Client, client: Client) -> None:
    user, _ = narrowed(anonymous, " ".join(permissions(client)))
    assert permissions(user) == permissions(client)
    assert client.get("/tenants/list").status_code == 200
    assert refusal(user.get("/tenants/list")) == (403, "missing_permission")


def test_narrowed_session_makes_no_key_beyond_its_scope(anonymous: Client) -> None:
    user, _ = narrowed(anonymous, "can_view")
    wider = user.post("/api-keys", json={"name": "wider", "permissions": ["can_predict"]})
    assert refusal(wider) == (403, "permission_not_held")
    assert user.post("/api-keys", json={"name": "same", "permissions": ["can_view"]}).status_code in (200, 201)


def test_permission_of_the_tenants_own_can_be_named(anonymous: Client, client: Client) -> None:
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    made = client.post("/rbac/permissions", json={"name": "can_approve", "tenant_id": tenant_id})
    assert made.status_code == 201, made.text
    role = create_role(client, "can_view")
    path = f"/rbac/roles/{role['id']}/permissions/{made.json()['id']}"
    assert client.request("PUT", path).status_code == 200
    user = create_user(client, roles=[role["name"]])
    _, tokens = narrowed(anonymous, "can_approve", user["username"])
    assert tokens["scope"] == "can_approve"
    # What the user loses, the session loses.
    assert client.request("DELETE", path).status_code == 200
    assert permissions(bearer(anonymous, tokens)) == []


def test_scope_is_in_the_audit_log(anonymous: Client, client: Client) -> None:
    narrowed(anonymous, "can_view")
    event = client.get("/audit/list", params={"action": "session.open", "limit": 1}).json()["data"][0]
    assert event["detail"] == {"permissions": ["can_view"]}
