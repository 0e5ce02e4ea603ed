"""Users of a tenant, their passwords, and what a manager of users may not do."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from httpx import Response

from dataml.access import users
from tests.client import PASSWORD, Client
from tests.conftest import Platform, log_in
from tests.dataset.datasets import new_name
from tests.sample_tenant import create_role, create_user
from tests.test_every_route import read_stored_rows, refusal

OTHER = "another long password"


def body(client: Client, **fields: Any) -> dict[str, Any]:
    name = new_name("person")
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    return {"tenant_id": tenant_id, "username": name, "email": f"{name}@example.com", "password": PASSWORD} | fields


def create(client: Client, **fields: Any) -> Response:
    return client.post("/users/create-user", json=body(client, **fields))


def login(client: Client, username: str, password: str = PASSWORD) -> Response:
    return client.post("/login/access-token", data={"username": username, "password": password})


def reset(client: Client, username: str, new: str = OTHER, **fields: Any) -> Response:
    return client.post("/reset-password", json={"user_name": username, "new_password": new} | fields)


@pytest.fixture(scope="module")
def manager(client: Client) -> Client:
    """Of the tenant `default`; holds `can_manage_users` and nothing else."""
    user = create_user(client, roles=[create_role(client, "can_manage_users")["name"]])
    return log_in(client, user["username"])


def test_user_of_the_documentation_is_created(client: Client, anonymous: Client) -> None:
    sample = {"first_name": "jane", "last_name": "doe", "email": "jane.doe@example.com", "username": "janedoe"}
    answer = create(client, **sample, password="Password123!")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {name: made[name] for name in sample} == sample
    assert (made["is_active"], made["roles"]) == (True, ["analyst"])
    assert "assword" not in answer.text
    assert login(anonymous, "JaneDoe", "Password123!").status_code == 200
    assert client.get(f"/users/{made['id']}").json() == made


def test_users_are_listed_in_pages(client: Client, stranger: Client) -> None:
    names = [create(client).json()["username"] for _ in range(3)]
    whole = client.get("/users/read-users/", params={"limit": 1000}).json()
    assert whole["count"] == len(whole["data"])
    assert [row["username"] for row in whole["data"]][-3:] == names
    assert whole["data"][0]["username"] == "admin"
    page = client.get("/users/read-users", params={"limit": 2, "offset": whole["count"] - 2}).json()
    assert ([row["username"] for row in page["data"]], page["count"]) == (names[1:], whole["count"])
    assert not set(names) & {row["username"] for row in stranger.get("/users/read-users").json()["data"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"is_superuser": True},
        {"is_platform_admin": True},
        {"id": 1},
        {"is_active": False},
        {"password_hash": "x"},
        {"username": ""},
        {"username": " "},
        {"username": "two words"},
        {"username": "x" * 151},
        {"username": "\ufdfa" * 50},
        {"username": "zero\u200bwidth"},
        {"username": "right\u202eleft"},
        {"username": "line\nbreak"},
        {"username": "joiner\u034f"},
        {"username": "variation\ufe0f"},
        {"username": "\u3164"},
        {"username": "nul\0"},
        {"username": "<b>"},
        {"username": "a' OR '1'='1"},
        {"username": None},
        {"username": 7},
        {"email": "nobody"},
        {"email": "a@b@c"},
        {"email": "a b@example.com"},
        {"email": "a@-example.com"},
        {"email": "a\r\nBcc: x@example.com"},
        {"email": "x" * 310 + "@example.com"},
        {"email": None},
        {"first_name": "x" * 151},
        {"first_name": "a\0b"},
        {"last_name": "a\nb"},
        {"roles": "admin"},
        {"roles": [1]},
        {"roles": ["analyst"] * 101},
        {"password": None},
        {"password": 123456789012},
        {"password": ["a long password"]},
        {"tenant_id": 1},
        {"tenant_id": None},
    ],
    ids=lambda fields: str(fields)[:50],
)
def test_unknown_field_or_invalid_value_is_refused(platform: Platform, client: Client, fields: dict[str, Any]) -> None:
    before = read_stored_rows(platform)
    answer = create(client, **fields)
    assert refusal(answer) == (422, "invalid_request")
    assert read_stored_rows(platform) == before


@pytest.mark.parametrize("password", ["x" * 11, "", "x" * 1025, "x" * 1_000_000, "é" * 513], ids=len)
def test_password_outside_the_length_limits_is_refused(platform: Platform, client: Client, password: str) -> None:
    before = read_stored_rows(platform)
    user = create_user(client)
    before = read_stored_rows(platform)
    for answer in (create(client, password=password), reset(client, user["username"], password)):
        assert refusal(answer) == (422, "bad_password")
        assert password not in answer.text or not password
    assert read_stored_rows(platform) == before


def test_password_beyond_the_body_limit_is_refused(client: Client) -> None:
    assert refusal(create(client, password="x" * 1_100_000)) == (413, "body_too_large")
    answer = client.post("/login/access-token", data={"username": "admin", "password": "x" * 1_100_000})
    assert refusal(answer) == (413, "body_too_large")


@pytest.mark.parametrize("name", ["Müller-Lüdenscheid", "用户", "иван.петров", "a@example.com", "x+y_z", "สมชาย"])
def test_username_may_use_any_script(client: Client, anonymous: Client, name: str) -> None:
    name += new_name("")
    answer = create(client, username=name)
    assert answer.status_code == 201, answer.text
    assert answer.json()["username"] == name
    assert login(anonymous, name).status_code == 200


@pytest.mark.parametrize(
    "spelling", ["{}", "{upper}", " {} ", "{wide}", "\t{}\n"], ids=["same", "case", "spaces", "width", "white"]
)
def test_spelling_of_an_existing_username_is_a_conflict(client: Client, spelling: str) -> None:
    name = create(client).json()["username"]
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
    answer = create(client, username=spelling.format(name, upper=name.upper(), wide=wide))
    assert refusal(answer) == (409, "username_taken")


def test_username_is_unique_across_tenants(client: Client, stranger: Client) -> None:
    """A login names no tenant."""
    assert refusal(create(client, username="Stranger")) == (409, "username_taken")
    made = create(stranger).json()
    assert refusal(create(client, username=made["username"])) == (409, "username_taken")
    assert create(client, email=made["email"]).status_code == 201


def test_email_address_is_unique_within_a_tenant(client: Client) -> None:
    made = create(client).json()
    assert refusal(create(client, email=made["email"].upper())) == (409, "email_taken")
    other = create(client).json()
    answer = client.request("PUT", f"/users/{other['id']}", json={"email": made["email"].title()})
    assert refusal(answer) == (409, "email_taken")
    again = client.request("PUT", f"/users/{made['id']}", json={"email": made["email"].upper()})
    assert again.json()["email"] == made["email"].upper()


def test_roles_are_assigned_by_name(client: Client, anonymous: Client) -> None:
    made = create(client, roles=["Data_Scientist", "service"]).json()
    assert made["roles"] == ["data_scientist", "service"]
    allowed = log_in(anonymous, made["username"]).post("/login/test-token").json()
    assert "can_train_models" in allowed["permissions"]
    assert "can_manage_users" not in allowed["permissions"]
    assert create(client, roles=[]).json()["roles"] == []
    answer = create(client, roles=["analyst", "emperor", "x\0y"])
    assert refusal(answer) == (404, "role_not_found")


def test_misspelt_role_is_suggested_to_who_may_list_roles(client: Client, manager: Client) -> None:
    role = create_role(client)["name"]
    builtin = "There is no role 'analist'; did you mean 'analyst'?"
    assert create(client, roles=["analist"]).json()["detail"] == create(manager, roles=["analist"]).json()["detail"]
    assert create(manager, roles=["analist"]).json()["detail"] == builtin
    assert create(client, roles=[f"{role}-"]).json()["detail"].startswith(f"There is no role '{role}-'; did you mean '")
    assert create(manager, roles=[f"{role}-"]).json()["detail"] == f"There is no role '{role}-'."


def test_misspelt_username_is_suggested_to_managers_of_its_tenant(client: Client, stranger: Client) -> None:
    assert create(client, username="wilhelmina.quist").status_code == 201
    unknown = "There is no user of this name."
    assert reset(client, "wilhelmina.qvist").json()["detail"] == f"{unknown[:-1]}; did you mean 'wilhelmina.quist'?"
    answer = reset(stranger, "wilhelmina.qvist")
    assert (answer.status_code, answer.json()["detail"]) == (404, unknown)
    analyst = log_in(client, create_user(client, roles=["analyst"])["username"])
    assert reset(analyst, "wilhelmina.qvist").status_code == 403


def test_manager_cannot_assign_permissions_that_they_do_not_hold(
    platform: Platform, client: Client, manager: Client
) -> None:
    before = read_stored_rows(platform)
    for roles in (["admin"], ["analyst"], ["service"]):
        assert refusal(create(manager, roles=roles)) == (403, "permission_not_held")
    assert read_stored_rows(platform) == before
    assert create(manager, roles=[]).status_code == 201


def test_user_is_created_only_in_the_own_tenant(client: Client, stranger: Client) -> None:
    other, own = (c.post("/login/test-token").json()["tenant_id"] for c in (client, stranger))
    absent = "00000000-0000-0000-0000-000000000000"
    answers = [
        create(stranger, tenant_id=tenant_id) for tenant_id in (other, absent, "", "x\0", own.upper(), "x" * 999)
    ]
    assert {refusal(answer) for answer in answers} == {(404, "tenant_not_found")}
    assert len({answer.json()["detail"] for answer in answers}) == 1


def test_deactivated_user_is_refused_from_the_next_request_on(client: Client, anonymous: Client) -> None:
    made = create(client).json()
    user = log_in(anonymous, made["username"])
    refresh_token = login(anonymous, made["username"]).json()["refresh_token"]
    key = user.post("/api-keys", json={"name": "mine", "permissions": ["can_view"]}).json()["key"]
    service = Client(client.app, client.portal, {"Authorization": f"Bearer {key}"})
    assert service.get("/template/list").status_code == 200

    answer = client.request("PUT", f"/users/{made['id']}", json={"is_active": False})
    assert answer.json() == made | {"is_active": False}
    assert refusal(user.get("/template/list")) == (401, "session_ended")
    assert refusal(service.get("/template/list")) == (401, "invalid_api_key")
    assert refusal(anonymous.post("/refresh", json={"refresh_token": refresh_token})) == (401, "session_ended")
    assert refusal(login(anonymous, made["username"])) == (401, "bad_credentials")

    assert client.request("PUT", f"/users/{made['id']}", json={"is_active": True}).json() == made
    assert refusal(user.get("/template/list")) == (401, "session_ended")
    assert service.get("/template/list").status_code == 200
    assert login(anonymous, made["username"]).status_code == 200


def test_update_changes_only_the_fields_in_its_body(client: Client) -> None:
    made = create(client, first_name="a", last_name="b").json()
    path = f"/users/{made['id']}"
    assert client.request("PUT", path, json={}).json() == made
    assert client.request("PUT", path, json={"first_name": "é"}).json() == made | {"first_name": "é"}
    changed = client.request("PUT", path, json={"first_name": None, "email": "new.address@example.com"}).json()
    assert changed == made | {"first_name": None, "email": "new.address@example.com"}
    for fields in ({"username": "x"}, {"password": OTHER}, {"roles": ["admin"]}, {"is_active": None}, {"email": "x"}):
        assert refusal(client.request("PUT", path, json=fields)) == (422, "invalid_request")
    assert client.get(path).json() == changed


def test_manager_cannot_change_users_with_more_permissions(platform: Platform, client: Client, manager: Client) -> None:
    """Else they could become an administrator by setting the administrator's password."""
    scientist = create(client, roles=["data_scientist"]).json()
    admin = client.post("/login/test-token").json()
    before = read_stored_rows(platform)
    for user in (scientist, admin):
        assert refusal(reset(manager, user["username"])) == (403, "permission_not_held")
        for change in ({"is_active": False}, {"email": "x@example.com"}):
            answer = manager.request("PUT", f"/users/{user['id']}", json=change)
            assert refusal(answer) == (403, "permission_not_held")
    assert read_stored_rows(platform) == before
    equal = create(manager, roles=[]).json()
    assert reset(manager, equal["username"]).status_code == 200


def test_tenant_administrator_cannot_change_a_platform_administrator(
    platform: Platform, client: Client, anonymous: Client
) -> None:
    """Though they hold the same permissions in it."""
    other = create(client, roles=["admin"]).json()
    admin = log_in(anonymous, other["username"])
    before = read_stored_rows(platform)
    assert refusal(reset(admin, "admin")) == (403, "permission_not_held")
    answer = admin.request("PUT", "/users/1", json={"is_active": False})
    assert refusal(answer) == (403, "permission_not_held")
    assert read_stored_rows(platform) == before


def test_tenant_administrator_cannot_change_roles_of_a_platform_administrator(
    platform: Platform, client: Client, anonymous: Client
) -> None:
    """Whatever an administrator of their tenant does."""
    other = create(client, roles=["admin"]).json()
    admin = log_in(anonymous, other["username"])
    role_id = next(role["id"] for role in admin.get("/rbac/roles").json()["data"] if role["name"] == "admin")
    before = read_stored_rows(platform)
    for method in ("PUT", "DELETE"):
        assert refusal(admin.request(method, f"/rbac/users/1/roles/{role_id}")) == (403, "permission_not_held")
    assert read_stored_rows(platform) == before


def test_api_key_cannot_change_its_owner(platform: Platform, client: Client) -> None:
    made = client.post("/api-keys", json={"name": "x", "permissions": ["can_manage_users"]}).json()
    service = Client(client.app, client.portal, {"Authorization": f"Bearer {made['key']}"})
    before = read_stored_rows(platform)
    for change in ({"is_active": False}, {"email": "evil@example.com"}):
        assert refusal(service.request("PUT", "/users/1", json=change)) == (403, "permission_not_held")
    assert read_stored_rows(platform) == before


@contextmanager
def meanwhile(client: Client, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[Any]]) -> Iterator[None]:
    """What is done while a request waits for its turn at hashing."""
    real = users.hash_new
    waiting = [act]

    async def hash_new(password: str) -> str:
        if waiting:
            await waiting.pop()()
        return await real(password)

    with monkeypatch.context() as patch:
        patch.setattr(users, "hash_new", hash_new)
        yield


def test_running_reset_does_not_undo_the_reset_of_a_manager(
    client: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a thief with a session and the password would stay in."""
    made = create(client).json()
    thief = log_in(anonymous, made["username"])

    async def by_manager() -> None:
        body = {"user_name": made["username"], "new_password": "of the manager"}
        assert (await client._client.post("/api/v1/reset-password", json=body)).status_code == 200

    with meanwhile(client, monkeypatch, by_manager):
        answer = reset(thief, made["username"], current_password=PASSWORD)
    assert refusal(answer) == (401, "session_ended")
    assert refusal(login(anonymous, made["username"], OTHER)) == (401, "bad_credentials")
    assert login(anonymous, made["username"], "of the manager").status_code == 200


def test_user_is_not_created_if_the_creator_is_deactivated_meanwhile(
    platform: Platform, client: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = create(client, roles=["admin"]).json()
    admin = log_in(anonymous, leaving["username"])
    request = body(admin, roles=["admin"])

    async def deactivate() -> None:
        answer = await client._client.put(f"/api/v1/users/{leaving['id']}", json={"is_active": False})
        assert answer.status_code == 200

    with meanwhile(client, monkeypatch, deactivate):
        answer = admin.post("/users/create-user", json=request)
    assert refusal(answer) == (401, "session_ended")
    assert login(anonymous, request["username"]).status_code == 401


def test_email_address_taken_meanwhile_is_a_conflict(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As two requests at once meet on a database that does not line them up."""
    first, second = create(client).json(), create(client).json()

    async def blind(*_: Any) -> None:
        return

    monkeypatch.setattr(users, "_check_email", blind)
    answer = client.request("PUT", f"/users/{second['id']}", json={"email": first["email"]})
    assert refusal(answer) == (409, "email_taken")
    assert refusal(create(client, email=first["email"])) == (409, "email_taken")


def test_last_administrator_of_a_tenant_cannot_be_removed(platform: Platform, stranger: Client) -> None:
    me = stranger.post("/login/test-token").json()
    admin_role = next(r for r in stranger.get("/rbac/roles").json()["data"] if r["name"] == "admin")
    before = read_stored_rows(platform)
    path = f"/users/{me['id']}"
    assert refusal(stranger.request("PUT", path, json={"is_active": False})) == (409, "last_admin")
    answer = stranger.request("DELETE", f"/rbac/users/{me['id']}/roles/{admin_role['id']}")
    assert refusal(answer) == (409, "last_admin")
    assert read_stored_rows(platform) == before
    assert stranger.get("/template/list").status_code == 200


def test_user_changes_their_password_with_the_current_one(client: Client, anonymous: Client) -> None:
    made = create(client).json()
    user = log_in(anonymous, made["username"])
    assert refusal(reset(user, made["username"])) == (422, "current_password_needed")
    assert refusal(reset(user, made["username"], current_password=OTHER)) == (403, "wrong_current_password")
    assert user.get("/validate-token").status_code == 200

    answer = reset(user, made["username"].upper(), current_password=PASSWORD)
    assert answer.json() == {"status": 200, "message": "Password has been reset successfully"}
    assert refusal(user.get("/validate-token")) == (401, "session_ended")
    assert refusal(login(anonymous, made["username"])) == (401, "bad_credentials")
    assert login(anonymous, made["username"], OTHER).status_code == 200


def test_manager_resets_a_password_with_their_own_current_one(client: Client, anonymous: Client) -> None:
    made = create(client).json()
    user = log_in(anonymous, made["username"])
    assert reset(client, made["username"]).status_code == 200
    assert refusal(user.get("/validate-token")) == (401, "session_ended")
    assert login(anonymous, made["username"], OTHER).status_code == 200
    assert refusal(reset(client, "admin")) == (422, "current_password_needed")


@pytest.mark.parametrize("way", ["json", "data", "params"])
def test_reset_is_read_from_the_body_or_the_query(client: Client, way: str, anonymous: Client) -> None:
    made = create(client).json()
    request: Any = {way: {"user_name": made["username"], "new_password": OTHER}}
    assert client.post("/reset-password/", **request).status_code == 200
    assert login(anonymous, made["username"], OTHER).status_code == 200


def test_only_managers_of_the_tenant_reset_passwords_of_others(
    platform: Platform, client: Client, analyst: Client, stranger: Client, anonymous: Client
) -> None:
    made = create(client).json()
    before = read_stored_rows(platform)
    for name in (made["username"], "nobody"):
        assert refusal(reset(anonymous, name)) == (401, "missing_token")
        assert refusal(reset(analyst, name)) == (403, "missing_permission")
        assert refusal(reset(stranger, name)) == (404, "user_not_found")
    assert read_stored_rows(platform) == before
    assert login(anonymous, made["username"]).status_code == 200


def test_platform_administrator_creates_the_first_user_of_a_tenant(client: Client, anonymous: Client) -> None:
    tenant = client.post("/tenants/", json={"name": new_name("acme")}).json()
    made = create(client, tenant_id=tenant["id"], roles=["admin"]).json()
    assert (made["tenant_id"], made["roles"]) == (tenant["id"], ["admin"])
    admin = log_in(anonymous, made["username"])
    assert admin.get("/users/read-users").json() == {"data": [made], "count": 1}
    assert create(admin, roles=["data_scientist"]).status_code == 201
    assert refusal(client.get(f"/users/{made['id']}")) == (404, "user_not_found")
    assert refusal(admin.get("/tenants/list")) == (403, "missing_permission")
