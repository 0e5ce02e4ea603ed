"""Roles, permissions, and who may give them."""

from typing import Any

import pytest

from dataml.access.permissions import BuiltinRole, Permission
from tests.client import Client
from tests.conftest import Platform, log_in
from tests.dataset.datasets import new_name
from tests.sample_tenant import create_role, create_user, get_permission_ids
from tests.test_every_route import read_stored_rows, refusal


@pytest.fixture(scope="module")
def tenant_id(client: Client) -> str:
    return client.post("/login/test-token").json()["tenant_id"]


def roles(client: Client) -> dict[str, dict[str, Any]]:
    return {role["name"]: role for role in client.get("/rbac/roles", params={"limit": 1000}).json()["data"]}


def set_permission(client: Client, method: str, role_id: int, permission_id: int) -> Any:
    return client.request(method, f"/rbac/roles/{role_id}/permissions/{permission_id}")


def set_role(client: Client, method: str, user_id: int, role_id: int) -> Any:
    return client.request(method, f"/rbac/users/{user_id}/roles/{role_id}")


def user_with(client: Client, *permissions: str) -> tuple[dict[str, Any], Client]:
    user = create_user(client, roles=[create_role(client, *permissions)["name"]])
    return user, log_in(client, user["username"])


def test_new_tenant_has_the_documented_roles(client: Client, stranger: Client) -> None:
    everything = sorted(Permission)
    for user in (client, stranger):
        found = roles(user)
        assert list(found)[:4] == ["admin", "data_scientist", "analyst", "service"]
        assert sorted(p for p in found["admin"]["permissions"] if p in set(Permission)) == everything
        beyond = {Permission.MANAGE_USERS, Permission.MANAGE_ROLES}
        assert set(found["data_scientist"]["permissions"]) == set(Permission) - beyond
        assert set(found["analyst"]["permissions"]) == {"can_view", "can_predict", "can_read_datalake"}
        assert found["service"]["permissions"] == ["can_predict"]
    assert {role["id"] for role in roles(client).values()}.isdisjoint(r["id"] for r in roles(stranger).values())


def test_samples_of_the_documentation_are_accepted(client: Client, tenant_id: str) -> None:
    """They name what every tenant has."""
    for path, name in (("/rbac/roles/", "data_scientist"), ("/rbac/permissions/", "can_train_models")):
        answer = client.post(path, json={"name": name, "tenant_id": tenant_id})
        assert answer.status_code == 201, answer.text
        assert answer.json().items() >= {"name": name, "tenant_id": tenant_id}.items()
        assert isinstance(answer.json()["id"], int)
    assert client.post("/rbac/roles/", json={"name": "ADMIN", "tenant_id": tenant_id}).json()["name"] == "admin"
    assert len(get_permission_ids(client)) == client.get("/rbac/permissions").json()["total"]


def test_new_role_has_no_permissions(client: Client, tenant_id: str) -> None:
    name = new_name("Ops Team ")
    made = client.post("/rbac/roles", json={"name": f" {name} ", "tenant_id": tenant_id}).json()
    assert (made["name"], made["permissions"]) == (name, [])
    for spelling in (name, name.upper(), f"\u3000{name}"):
        answer = client.post("/rbac/roles", json={"name": spelling, "tenant_id": tenant_id})
        assert refusal(answer) == (409, "role_exists")


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 101, "a\0b", "a\nb", "a\u200bb", "admin\u034f", "\u2800", "\ufdfa" * 20, "x" * 1001, 7, None],
)
def test_role_with_an_invalid_name_is_refused(platform: Platform, client: Client, tenant_id: str, name: Any) -> None:
    before = read_stored_rows(platform)
    answer = client.post("/rbac/roles", json={"name": name, "tenant_id": tenant_id})
    assert refusal(answer) in ((422, "bad_role_name"), (422, "invalid_request"))
    assert read_stored_rows(platform) == before


@pytest.mark.parametrize(
    "name",
    ["*", "", "can_*", "can predict", "CAN_VIEW", "can_view\0", "x" * 101, "\uff43an_view", "can-view", "../x", None],
)
def test_permission_with_an_invalid_name_or_a_wildcard_is_refused(
    platform: Platform, client: Client, tenant_id: str, name: Any
) -> None:
    before = read_stored_rows(platform)
    answer = client.post("/rbac/permissions", json={"name": name, "tenant_id": tenant_id})
    assert refusal(answer) in ((422, "bad_permission_name"), (422, "invalid_request"))
    assert read_stored_rows(platform) == before


@pytest.mark.parametrize("permission", ["*", "can_*", "%", "all", "admin"])
def test_wildcard_permission_cannot_be_granted(platform: Platform, client: Client, permission: str) -> None:
    role = create_role(client)
    before = read_stored_rows(platform)
    answer = client.request("PUT", f"/rbac/roles/{role['id']}/permissions/{permission}")
    assert refusal(answer)[0] in (404, 422)
    assert refusal(client.post("/api-keys", json={"name": "x", "permissions": [permission]})) == (
        403,
        "permission_not_held",
    )
    assert read_stored_rows(platform) == before


@pytest.mark.parametrize("more", [{"permissions": ["can_view"]}, {"is_superuser": True}, {"id": 1}], ids=str)
def test_another_field_is_refused(platform: Platform, client: Client, tenant_id: str, more: dict[str, Any]) -> None:
    before = read_stored_rows(platform)
    for path in ("/rbac/roles", "/rbac/permissions"):
        body = {"name": "can_never_be", "tenant_id": tenant_id} | more
        assert refusal(client.post(path, json=body)) == (422, "invalid_request")
    assert read_stored_rows(platform) == before


def test_grant_and_revocation_take_effect_with_the_next_request(client: Client) -> None:
    role = create_role(client)
    user = create_user(client, roles=[role["name"]])
    as_user = log_in(client, user["username"])
    permission = get_permission_ids(client)["can_view"]
    assert refusal(as_user.get("/template/list")) == (403, "missing_permission")
    for _ in range(2):  # Again changes nothing.
        answer = set_permission(client, "PUT", role["id"], permission)
        assert (answer.status_code, answer.json()["permissions"]) == (200, ["can_view"])
    assert as_user.get("/template/list").status_code == 200
    for _ in range(2):
        assert set_permission(client, "DELETE", role["id"], permission).json()["permissions"] == []
    assert refusal(as_user.get("/template/list")) == (403, "missing_permission")


def test_role_assignment_takes_effect_with_the_next_request(client: Client) -> None:
    role = create_role(client, "can_edit_templates", "can_view")
    user = create_user(client)
    as_user = log_in(client, user["username"])

    def make() -> int:
        return as_user.post("/template", json={"template_name": new_name("made")}).status_code

    assert make() == 403
    for _ in range(2):
        assert set_role(client, "PUT", user["id"], role["id"]).json()["roles"] == ["analyst", role["name"]]
    assert make() == 201
    for _ in range(2):
        assert set_role(client, "DELETE", user["id"], role["id"]).json()["roles"] == ["analyst"]
    assert make() == 403
    assert as_user.get("/template/list").status_code == 200


def test_builtin_roles_except_admin_can_be_changed(platform: Platform, stranger: Client) -> None:
    service, admin = roles(stranger)["service"], roles(stranger)["admin"]
    view = get_permission_ids(stranger)["can_view"]
    assert set_permission(stranger, "PUT", service["id"], view).json()["permissions"] == ["can_predict", "can_view"]
    set_permission(stranger, "DELETE", service["id"], view)
    before = read_stored_rows(platform)
    for method in ("PUT", "DELETE"):
        assert refusal(set_permission(stranger, method, admin["id"], view)) == (409, "builtin_role")
    assert read_stored_rows(platform) == before


def test_user_cannot_grant_a_permission_that_they_do_not_hold(platform: Platform, client: Client) -> None:
    user, manager = user_with(client, "can_manage_roles", "can_view")
    own = roles(client)[user["roles"][0]]
    ids = get_permission_ids(client)
    before = read_stored_rows(platform)
    for permission in ("can_manage_users", "can_train_models", "can_predict"):
        for method in ("PUT", "DELETE"):
            answer = set_permission(manager, method, own["id"], ids[permission])
            assert refusal(answer) == (403, "permission_not_held")
    for name in BuiltinRole:
        for method in ("PUT", "DELETE"):
            answer = set_role(manager, method, user["id"], roles(client)[name]["id"])
            assert refusal(answer) == (403, "permission_not_held")
    answer = set_role(manager, "DELETE", 1, roles(client)["admin"]["id"])
    assert refusal(answer) == (403, "permission_not_held")
    assert read_stored_rows(platform) == before

    other = create_user(client, roles=[])
    assert set_role(manager, "PUT", other["id"], own["id"]).json()["roles"] == [own["name"]]
    assert set_permission(manager, "DELETE", own["id"], ids["can_view"]).status_code == 200


def test_custom_permission_is_listed_and_allows_no_call(client: Client, tenant_id: str) -> None:
    name = new_name("can_read_reports_").replace("-", "_")
    answer = client.post("/rbac/permissions", json={"name": name, "tenant_id": tenant_id})
    assert (answer.status_code, answer.json()["is_builtin"]) == (201, False)
    again = client.post("/rbac/permissions", json={"name": name, "tenant_id": tenant_id})
    assert refusal(again) == (409, "permission_exists")
    assert name in roles(client)["admin"]["permissions"]
    user, as_user = user_with(client, name)
    assert as_user.post("/login/test-token").json()["permissions"] == [name]
    assert refusal(as_user.get("/template/list")) == (403, "missing_permission")
    # Who made it without being an administrator does not hold it.
    _, manager = user_with(client, "can_manage_roles")
    theirs = manager.post("/rbac/permissions", json={"name": f"{name}_too", "tenant_id": tenant_id}).json()
    answer = set_permission(manager, "PUT", roles(client)[user["roles"][0]]["id"], theirs["id"])
    assert refusal(answer) == (403, "permission_not_held")


def test_role_that_nobody_has_is_deleted(platform: Platform, client: Client) -> None:
    user, manager = user_with(client, "can_manage_roles", "can_view")
    role = roles(client)[user["roles"][0]]
    before = read_stored_rows(platform)
    assert refusal(client.request("DELETE", f"/rbac/roles/{role['id']}")) == (409, "role_in_use")
    for name in BuiltinRole:
        answer = client.request("DELETE", f"/rbac/roles/{roles(client)[name]['id']}")
        assert refusal(answer) == (409, "builtin_role")
    more = create_role(client, "can_train_models")
    assert refusal(manager.request("DELETE", f"/rbac/roles/{more['id']}")) == (403, "permission_not_held")
    assert client.request("DELETE", f"/rbac/roles/{more['id']}").json() == more
    assert read_stored_rows(platform) == before
    assert refusal(client.request("DELETE", f"/rbac/roles/{more['id']}")) == (404, "role_not_found")
    event = client.get("/audit/list", params={"subject": f"role:{more['id']}", "limit": 1}).json()["data"][0]
    assert (event["action"], event["detail"]) == ("role.delete", {"name": more["name"]})
    # Its name is free again.
    assert create_named(client, more["name"]).status_code == 201


def test_role_of_another_tenant_is_not_deleted(client: Client, stranger: Client) -> None:
    role = create_role(client, "can_view")
    assert refusal(stranger.request("DELETE", f"/rbac/roles/{role['id']}")) == (404, "role_not_found")
    assert role["name"] in roles(client)


def create_named(client: Client, name: str) -> Any:
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    return client.post("/rbac/roles", json={"name": name, "tenant_id": tenant_id})
