"""Two replicas of the API on one database: what both are asked at once, one of them does, and neither breaks."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from httpx import Response

from dataml.access.tokens import TokenKeys
from dataml.app import Services, create_app
from dataml.db.session import Database
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.serving.model_runner import LogRecord
from dataml.settings import Settings
from dataml.storage.storage import Storage
from tests.client import PASSWORD, Client, wait_for_job
from tests.conftest import NewHome, Platform, needs_postgresql
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset, create_template, get_dataset, new_name
from tests.fakes import InProcessInferenceClient
from tests.sample_tenant import create_user, customers_csv, get_permission_ids, training_request

TIMES = 8


class _NoLog:
    def add(self, record: LogRecord) -> None:
        return


class _NobodyListens:
    """The `JobQueue` of a replica whose word is lost: the supervisor finds the jobs by itself."""

    async def notify(self) -> None:
        return


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(tenant_quota_bytes=200_000, login_failures=20)


@pytest.fixture(scope="module")
def second(platform: Platform) -> Iterator[Client]:
    """The administrator of `default` at another replica: an application, a pool and a loop of its own."""
    settings = platform.settings
    with start_blocking_portal() as portal:
        database = Database(settings)
        inference_client = InProcessInferenceClient(Storage.from_settings(settings), _NoLog())
        keys = TokenKeys.load(settings.key_file)
        app = create_app(Services(settings, database, keys, _NobodyListens(), inference_client, RESULT_HANDLERS))
        yield Client(app, portal, platform.client.headers)
        portal.call(database.close)


@pytest.fixture
def both(client: Client, second: Client) -> Callable[..., list[Response]]:
    """Sends `TIMES` requests to each replica, all at once; `request(number)` is what `Client.request` takes."""

    def send(request: Callable[[int], tuple[str, str, dict[str, Any]]]) -> list[Response]:
        def storm(client: Client, numbers: range) -> Callable[[], Any]:
            async def ask(number: int) -> Response:
                method, path, more = request(number)
                return await client._client.request(method, f"/api/v1{path}", **more)

            async def together() -> list[Response]:
                return await asyncio.gather(*map(ask, numbers))

            return together

        first = client.portal.start_task_soon(storm(client, range(0, 2 * TIMES, 2)))
        other = second.portal.start_task_soon(storm(second, range(1, 2 * TIMES, 2)))
        return [*first.result(120), *other.result(120)]

    return send


def outcomes(answers: list[Response]) -> dict[tuple[int, str | None], int]:
    """How often each status and code was answered."""
    found: dict[tuple[int, str | None], int] = {}
    for answer in answers:
        key = answer.status_code, answer.json().get("code") if answer.is_error else None
        found[key] = found.get(key, 0) + 1
    return found


def test_change_at_one_replica_is_visible_at_the_other(client: Client, second: Client) -> None:
    template_id = create_template(client, n="Integer")
    assert second.get(f"/template/{template_id}").status_code == 200
    assert second.request("DELETE", f"/template/{template_id}").status_code == 200
    assert client.get(f"/template/{template_id}").status_code == 404


def test_session_ended_at_one_replica_has_ended_at_the_other(client: Client, second: Client) -> None:
    pair = client.post("/login/access-token", data={"username": "admin", "password": PASSWORD}).json()
    caller = Client(second.app, second.portal, {"Authorization": f"Bearer {pair['access_token']}"})
    assert caller.get("/validate-token").status_code == 200
    assert client.post("/logout", json={"refresh_token": pair["refresh_token"]}).status_code == 200
    assert caller.get("/validate-token").status_code == 401


@pytest.mark.parametrize("noun", ["user", "email", "role", "permission", "tenant", "template"])
def test_one_name_is_created_once(client: Client, both: Callable[..., list[Response]], noun: str) -> None:
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    name = new_name(noun).lower().replace("-", "_")

    def request(number: int) -> tuple[str, str, dict[str, Any]]:
        user = {"tenant_id": tenant_id, "username": name, "email": f"{name}@example.com", "password": PASSWORD}
        return {
            "user": ("POST", "/users/create-user", {"json": user | {"email": f"{number}.{name}@example.com"}}),
            "email": ("POST", "/users/create-user", {"json": user | {"username": f"{name}{number}"}}),
            "role": ("POST", "/rbac/roles", {"json": {"name": name, "tenant_id": tenant_id}}),
            "permission": ("POST", "/rbac/permissions", {"json": {"name": f"can_{name}", "tenant_id": tenant_id}}),
            "tenant": ("POST", "/tenants/", {"json": {"name": name}}),
            "template": ("POST", "/template/", {"json": {"template_name": name, "template_schema": []}}),
        }[noun]

    code = {"user": "username_taken", "email": "email_taken"}.get(noun, f"{noun}_exists")
    assert outcomes(both(request)) == {(201, None): 1, (409, code): 2 * TIMES - 1}


def test_one_refresh_token_has_one_successor(client: Client, both: Callable[..., list[Response]]) -> None:
    pair = client.post("/login/access-token", data={"username": "admin", "password": PASSWORD}).json()
    body = {"refresh_token": pair["refresh_token"]}
    answers = both(lambda _: ("POST", "/refresh", {"json": body}))
    assert outcomes(answers) == {(200, None): 2 * TIMES}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_concurrent_template_updates_become_consecutive_versions(
    client: Client, both: Callable[..., list[Response]]
) -> None:
    template_id = create_template(client, n="Integer")
    path = f"/template/update/{template_id}"
    answers = both(lambda number: ("PUT", path, {"json": {"template_name": f"{path}{number}"}}))
    assert outcomes(answers) == {(200, None): 2 * TIMES}
    versions = client.get(f"/template/{template_id}/versions").json()["data"]
    assert [row["version"] for row in versions] == list(range(2 * TIMES + 1, 0, -1))


def test_template_is_deleted_or_used_and_never_both(client: Client, both: Callable[..., list[Response]]) -> None:
    for _ in range(4):
        template_id = create_template(client, n="Integer")

        def request(number: int, template_id: int = template_id) -> tuple[str, str, dict[str, Any]]:
            if number % 4 == 0:
                return "DELETE", f"/template/{template_id}", {}
            query = {"dataset_name": new_name(), "usage": "t", "template_id": template_id}
            return "POST", "/dataset/upload", {"params": query, "files": {"files": ("n.csv", b"n\n1\n2\n")}}

        found = outcomes(both(request))
        assert set(found) <= {(200, None), (201, None), (404, "template_not_found"), (409, "template_in_use")}
        assert ((200, None) in found) != ((201, None) in found)


def test_dataset_is_deleted_or_trained_on_and_never_both(client: Client, both: Callable[..., list[Response]]) -> None:
    for _ in range(4):
        made = create_dataset(client, ("customers.csv", customers_csv()))

        def request(number: int, dataset_id: int = made["id"]) -> tuple[str, str, dict[str, Any]]:
            if number % 4 == 0:
                return "DELETE", f"/dataset/delete/{dataset_id}", {}
            if number % 4 == 1:
                return "POST", f"/dataset/generate_statistics?dataset_id={dataset_id}", {}
            return "POST", "/train/", {"json": training_request(dataset_id, new_name("predictor"))}

        found = outcomes(both(request))
        assert all(status in (200, 201, 202, 404, 409) for status, _ in found), found
        trained, kept = (201, None) in found, client.get(f"/dataset/get_dataset_by_id?dataset_id={made['id']}")
        assert trained == (kept.status_code == 200)


def test_one_predictor_name_is_trained_once(client: Client, both: Callable[..., list[Response]]) -> None:
    made = create_dataset(client, ("customers.csv", customers_csv()))
    body = training_request(made["id"], new_name("predictor"))
    found = outcomes(both(lambda _: ("POST", "/train/", {"json": body})))
    assert found == {(201, None): 1, (409, "predictor_exists"): 2 * TIMES - 1}


def test_concurrent_trainings_get_consecutive_versions(client: Client, both: Callable[..., list[Response]]) -> None:
    made = create_dataset(client, ("customers.csv", customers_csv()))
    body = training_request(made["id"], new_name("predictor")) | {"new_version": True}
    answers = both(lambda _: ("POST", "/train/", {"json": body}))
    assert outcomes(answers) == {(201, None): 2 * TIMES}
    told = [client.get(f"/train/{answer.json()['id']}").json()["version"] for answer in answers]
    assert sorted(told) == list(range(1, 2 * TIMES + 1))


def test_one_statistics_job_is_created(client: Client, both: Callable[..., list[Response]]) -> None:
    made = create_dataset(client, ("customers.csv", customers_csv()))
    answers = both(lambda _: ("POST", f"/dataset/generate_statistics?dataset_id={made['id']}", {}))
    assert {answer.status_code for answer in answers} == {202}
    # One that ended in between makes room for the next.
    assert len({answer.json()["job_id"] for answer in answers}) < 2 * TIMES


def test_files_are_added_to_a_dataset_one_after_the_other(client: Client, both: Callable[..., list[Response]]) -> None:
    made = create_dataset(client, ("n.csv", b"n\n1\n2\n"))
    query = {"dataset_id": made["id"]}
    files = {"files": ("more.csv", b"n\n3\n")}
    found = outcomes(both(lambda _: ("POST", "/files/add", {"params": query, "files": files})))
    assert found == {(201, None): 2 * TIMES}
    assert get_dataset(client, made["id"])["file_count"] == 2 * TIMES + 1
    newest = client.get("/jobs/list", params={"kind": "validate", "limit": 1}).json()["data"][0]
    assert wait_for_job(client, newest["job_id"])["state"] == "succeeded"
    assert get_dataset(client, made["id"])["kept_records"] == 2 * TIMES + 2


def test_grant_can_be_repeated_and_revoked_at_both_replicas(
    client: Client, both: Callable[..., list[Response]]
) -> None:
    user = create_user(client)
    role = client.get("/rbac/roles").json()["data"][0]
    assert role["name"] == "admin"
    path = f"/rbac/users/{user['id']}/roles/{role['id']}"
    answers = both(lambda number: ("PUT" if number % 4 < 2 else "DELETE", path, {}))
    assert outcomes(answers) == {(200, None): 2 * TIMES}
    permission = get_permission_ids(client)["can_view"]
    own = client.post("/rbac/roles", json={"name": new_name("role"), "tenant_id": user["tenant_id"]}).json()
    path = f"/rbac/roles/{own['id']}/permissions/{permission}"
    assert outcomes(both(lambda number: ("PUT" if number % 4 < 2 else "DELETE", path, {}))) == {(200, None): 2 * TIMES}


def test_failed_logins_count_at_both_replicas(client: Client, both: Callable[..., list[Response]]) -> None:
    user = create_user(client)
    form = {"username": user["username"], "password": "not the password"}
    answers = both(lambda _: ("POST", "/login/access-token", {"data": form}))
    assert outcomes(answers) == {(401, "bad_credentials"): 2 * TIMES}
    answers += both(lambda _: ("POST", "/login/access-token", {"data": form}))
    refused = outcomes(answers)
    assert set(refused) == {(401, "bad_credentials"), (429, "too_many_logins")}
    # A hash at a time for each of two threads of each replica may be under way when the limit is reached.
    assert 20 <= refused[401, "bad_credentials"] <= 24


def test_quota_is_never_exceeded(settings: Settings, stranger: Client, second: Client) -> None:
    """As the administrator of another tenant, whose files are counted apart."""
    content = b"n\n" + b"1\n" * 10_000
    other = Client(second.app, second.portal, stranger.headers)

    def storm(client: Client) -> Callable[[], Any]:
        async def one() -> Response:
            query = {"dataset_name": new_name(), "usage": "t"}
            return await client._client.post(
                "/api/v1/dataset/upload", params=query, files={"files": ("n.csv", content)}
            )

        async def together() -> list[Response]:
            return await asyncio.gather(*(one() for _ in range(TIMES)))

        return together

    tasks = [replica.portal.start_task_soon(storm(replica)) for replica in (stranger, other)]
    found = outcomes([answer for task in tasks for answer in task.result(120)])
    assert found == {(201, None): 9, (413, "quota_exceeded"): 2 * TIMES - 9}
    tenant_id = stranger.post("/login/test-token").json()["tenant_id"]
    ((kept,),) = execute_sql(settings, "SELECT sum(size_bytes) FROM file WHERE tenant_id = ?", tenant_id)
    assert kept <= 200_000


@needs_postgresql
def test_two_nodes_starting_together_create_one_installation(new_home: NewHome) -> None:
    settings = new_home()
    named = {"DATAML_HOME": str(settings.root), "DATAML_DATABASE_URL": settings.sqlalchemy_url}
    command = [sys.executable, "-m", "dataml.cli", "migrate"]
    nodes = [subprocess.Popen(command, env={**os.environ, **named}) for _ in range(3)]
    assert [node.wait(120) for node in nodes] == [0, 0, 0]
    assert execute_sql(settings, "SELECT name FROM tenant") == [("default",)]
    assert execute_sql(settings, 'SELECT username FROM "user"') == [("admin",)]
