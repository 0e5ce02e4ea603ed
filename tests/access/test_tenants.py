"""Tenants are made, listed and closed by an administrator of the platform."""

import asyncio
from typing import Any

import pytest

from dataml.db.session import Database
from dataml.train import service as trainings
from tests.client import PASSWORD, Client
from tests.conftest import Platform, log_in
from tests.dataset.datasets import new_name, upload
from tests.sample_tenant import create_sample_tenant
from tests.test_every_route import read_stored_rows, refusal


def create(client: Client, name: Any) -> Any:
    return client.post("/tenants/", json={"name": name})


def first_admin(client: Client, tenant_id: str) -> Client:
    name = new_name("admin-of")
    body = {"tenant_id": tenant_id, "username": name, "email": f"{name}@example.com", "password": PASSWORD}
    assert client.post("/users/create-user", json=body | {"roles": ["admin"]}).status_code == 201
    return log_in(client, name)


def deployed(platform: Platform) -> set[str]:
    """Names of the tenants whose predictors get deployments of their own."""

    async def look() -> set[str]:
        database = Database(platform.settings)
        async with database.reading() as session:
            found = {name for _, name in await trainings.list_champions(session, 100)}
        await database.close()
        return found

    return asyncio.run(look())


def test_tenant_is_created_and_listed(client: Client) -> None:
    name = new_name("Acme")
    answer = create(client, name)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["name"], made["is_active"]) == (name, True)
    listed = client.get("/tenants/list", params={"limit": 1000}).json()
    assert listed["total"] == len(listed["data"])
    assert listed["data"][0]["name"] == "default"
    assert listed["data"][-1] == made
    for spelling in (name, name.upper(), name.lower()):
        assert refusal(create(client, spelling)) == (409, "tenant_exists")


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-a", ".", "..", "a/b", "a\n", "x" * 101, "é", "a%2fb", "a?b", None, 7, ["a"]], ids=repr
)
def test_tenant_name_that_is_invalid_in_urls_is_refused(platform: Platform, client: Client, name: Any) -> None:
    before = read_stored_rows(platform)
    assert refusal(create(client, name)) == (422, "invalid_request")
    assert read_stored_rows(platform) == before


def test_closed_tenant_refuses_its_users_and_keeps_its_data(
    platform: Platform, client: Client, anonymous: Client
) -> None:
    tenant = create(client, new_name("closing")).json()
    admin = first_admin(client, tenant["id"])
    objects = create_sample_tenant(admin)
    body = {
        "train_id": objects.ids["train_id"],
        "preprocess_id": objects.ids["preprocess_id"],
        "target": "left",
        "features": objects.features,
    }
    assert admin.post("/inference", json=body).status_code == 200
    assert tenant["name"] in deployed(platform)
    key = admin.post("/api-keys", json={"name": "x", "permissions": ["can_view"]}).json()["key"]
    service = Client(client.app, client.portal, {"Authorization": f"Bearer {key}"})

    closed = [client.request("DELETE", f"/tenants/{tenant['id']}").json() for _ in range(2)]
    assert closed[0]["is_active"] is False
    assert closed[0] == closed[1]
    assert tenant["name"] not in deployed(platform)
    assert refusal(admin.get("/template/list")) == (401, "session_ended")
    assert refusal(service.get("/template/list")) == (401, "invalid_api_key")
    answer = client.post(
        "/users/create-user",
        json={"tenant_id": tenant["id"], "username": "x", "email": "x@example.com", "password": PASSWORD},
    )
    assert refusal(answer) == (409, "tenant_closed")
    assert refusal(create(client, tenant["name"])) == (409, "tenant_exists")
    assert list((platform.settings.storage_root / "files" / tenant["id"]).rglob("*.csv"))
    log = client.get("/audit/list", params={"tenant_id": tenant["id"]}).json()["data"]
    assert (log[0]["action"], log[0]["username"]) == ("tenant.close", "admin")


def test_jobs_of_a_closed_tenant_are_cancelled(platform: Platform, client: Client) -> None:
    tenant = create(client, new_name("busy")).json()
    admin = first_admin(client, tenant["id"])
    objects = create_sample_tenant(admin)
    stats = admin.post("/dataset/generate_statistics", params={"dataset_id": objects.ids["dataset_id"]}).json()
    client.request("DELETE", f"/tenants/{tenant['id']}")
    left = [
        row
        for row in read_stored_rows(platform)["job"]
        if tenant["id"] in row and ("queued" in row or "running" in row)
    ]
    assert left == []
    assert stats["job_id"].startswith("stat-job-")


def test_administrator_cannot_close_their_own_tenant(platform: Platform, client: Client) -> None:
    own = client.post("/login/test-token").json()["tenant_id"]
    before = read_stored_rows(platform)
    assert refusal(client.request("DELETE", f"/tenants/{own}")) == (409, "own_tenant")
    for strange in ("-1", "x", own.upper(), own + "x", "x" * 1000):
        assert refusal(client.request("DELETE", f"/tenants/{strange}")) == (404, "tenant_not_found")
    assert read_stored_rows(platform) == before


def test_new_tenant_sees_no_data_of_other_tenants(client: Client) -> None:
    create_sample_tenant(client)
    admin = first_admin(client, create(client, new_name("fresh")).json()["id"])
    for path in ("/template/list", "/dataset/list", "/train/list", "/jobs/list", "/api-keys/list"):
        assert admin.get(path).json() == {"total": 0, "data": []}
    assert {row["username"] for row in admin.get("/audit/list").json()["data"]} == {
        "admin",
        admin.post("/login/test-token").json()["username"],
    }


def test_tenant_is_shown_by_its_id(client: Client, stranger: Client) -> None:
    made = create(client, new_name("shown")).json()
    assert client.get(f"/tenants/{made['id']}").json() == made
    assert made["quota_bytes"] is None
    assert refusal(client.get("/tenants/nothing")) == (404, "tenant_not_found")
    assert refusal(stranger.get(f"/tenants/{made['id']}")) == (403, "missing_permission")
    answer = stranger.request("PUT", f"/tenants/{made['id']}", json={"quota_bytes": 1})
    assert refusal(answer) == (403, "missing_permission")


def test_quota_of_a_tenant_holds_before_that_of_the_installation(client: Client) -> None:
    made = create(client, new_name("quota")).json()
    admin = first_admin(client, made["id"])
    path = f"/tenants/{made['id']}"
    content = b"a,b\n" + b"1,2\n" * 50
    assert client.request("PUT", path, json={"quota_bytes": 250}).json()["quota_bytes"] == 250
    assert upload(admin, ("a.csv", content)).status_code == 201
    refused = upload(admin, ("b.csv", content))
    assert refusal(refused) == (413, "quota_exceeded")
    assert "250 bytes" in refused.json()["detail"]
    # A field that is not sent stays.
    assert client.request("PUT", path, json={}).json()["quota_bytes"] == 250
    assert client.request("PUT", path, json={"quota_bytes": None}).json()["quota_bytes"] is None
    assert upload(admin, ("b.csv", content)).status_code == 201
    log = client.get("/audit/list", params={"subject": f"tenant:{made['id']}", "action": "tenant.update"}).json()
    details = [event["detail"]["quota_bytes"] for event in log["data"]]
    assert details == ["that of the installation", 250]
    assert admin.get("/audit/list", params={"action": "tenant.update"}).json()["total"] == 2


@pytest.mark.parametrize("quota", [0, -1, 2**63, "much", 1.5], ids=repr)
def test_quota_that_is_no_size_is_refused(client: Client, quota: Any) -> None:
    path = f"/tenants/{client.post('/login/test-token').json()['tenant_id']}"
    before = client.get(path).json()
    answer = client.request("PUT", path, json={"quota_bytes": quota})
    assert refusal(answer) == (422, "invalid_request")
    assert client.get(path).json() == before


def test_closed_tenant_is_opened_again(client: Client) -> None:
    made = create(client, new_name("reopened")).json()
    admin = first_admin(client, made["id"])
    path = f"/tenants/{made['id']}"
    key = admin.post("/api-keys", json={"name": "x", "permissions": ["can_view"]}).json()["key"]
    service = Client(client.app, client.portal, {"Authorization": f"Bearer {key}"})
    assert client.request("PUT", path, json={"is_active": False}).json()["is_active"] is False
    assert refusal(admin.get("/template/list")) == (401, "session_ended")
    opened = [client.request("PUT", path, json={"is_active": True}).json() for _ in range(2)]
    assert opened[0]["is_active"]
    assert opened[0] == opened[1]
    assert admin.get("/template/list").status_code == 200
    assert service.get("/template/list").status_code == 200
    log = client.get("/audit/list", params={"tenant_id": made["id"]}).json()["data"]
    assert [event["action"] for event in log if event["action"].startswith("tenant.")] == [
        "tenant.open",
        "tenant.close",
    ]


def test_own_tenant_is_not_closed_by_a_change(client: Client) -> None:
    own = client.post("/login/test-token").json()["tenant_id"]
    answer = client.request("PUT", f"/tenants/{own}", json={"is_active": False})
    assert refusal(answer) == (409, "own_tenant")
