"""A repeated request with an `Idempotency-Key` gets the first answer, and makes no second thing."""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from httpx import Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.permissions import BuiltinRole
from dataml.db.session import Database
from dataml.http.idempotency import call, store
from tests.client import PASSWORD, Client, wait_for_job
from tests.conftest import Platform, log_in
from tests.database import execute_sql, read_stored_bytes
from tests.dataset import datasets
from tests.dataset.datasets import count_rows, new_name, upload
from tests.sample_tenant import create_user, customers_csv, training_request

CSV = customers_csv(60)


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def error(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def create_template(client: Client, name: str, headers: dict[str, str]) -> Response:
    return client.post("/template", json={"template_name": name}, headers=headers)


def rewind(platform: Platform, headers: dict[str, str], **columns: Any) -> None:
    """Set columns of the row of a key."""
    for column, value in columns.items():
        statement = f'UPDATE idempotency_key SET {column} = ? WHERE "key" = ?'
        execute_sql(platform.settings, statement, value, headers["Idempotency-Key"])


def list_keys(platform: Platform, headers: dict[str, str]) -> list[tuple[Any, ...]]:
    statement = 'SELECT is_committed, status FROM idempotency_key WHERE "key" = ?'
    return execute_sql(platform.settings, statement, headers["Idempotency-Key"])


def test_a_repeated_call_gets_the_first_answer_and_makes_nothing(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("once")
    first, second = (create_template(client, name, key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert execute_sql(platform.settings, "SELECT count(*) FROM template WHERE name = ?", name) == [(1,)]


def test_calls_without_a_key_and_with_another_key_are_new(client: Client) -> None:
    name = new_name("twice")
    assert create_template(client, name, new_key()).status_code == 201
    assert create_template(client, name, new_key()).status_code == create_template(client, name, {}).status_code == 409


def test_a_key_with_another_request_is_refused(client: Client) -> None:
    key = new_key()
    assert create_template(client, new_name(), key).status_code == 201
    assert error(create_template(client, new_name(), key)) == (422, "idempotency_key_reused")
    assert error(client.post("/rbac/permissions", json={"name": "can_x"}, headers=key)) == (
        422,
        "idempotency_key_reused",
    )


@pytest.mark.parametrize("key", ["", "a" * 201, "tab\there", "ü".encode("latin-1")], ids=["empty", "long", "tab", "ü"])
def test_a_key_that_is_none_is_refused(client: Client, key: Any) -> None:
    name = new_name()
    answer = client.post("/template", json={"template_name": name}, headers={"Idempotency-Key": key})
    assert error(answer) == (422, "invalid_idempotency_key")
    assert create_template(client, name, {}).status_code == 201


def test_keys_belong_to_their_user(platform: Platform, client: Client, stranger: Client) -> None:
    key, name = new_key(), new_name("own")
    username = create_user(client, roles=[BuiltinRole.DATA_SCIENTIST.value])["username"]
    colleague = log_in(platform.anonymous, username)
    answers = [create_template(user, f"{name} {n}", key) for n, user in enumerate((client, colleague, stranger))]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 3


def test_a_caller_without_the_permission_gets_no_stored_answer(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("revoked")
    user = create_user(client, roles=[BuiltinRole.DATA_SCIENTIST.value])
    colleague = log_in(platform.anonymous, user["username"])
    assert create_template(colleague, name, key).status_code == 201
    roles = {role["name"]: role["id"] for role in client.get("/rbac/roles").json()["data"]}
    role = f"/rbac/users/{user['id']}/roles/{roles[BuiltinRole.DATA_SCIENTIST.value]}"
    assert client.request("DELETE", role).status_code == 200
    assert error(create_template(colleague, name, key)) == (403, "missing_permission")


def test_a_refused_call_leaves_its_key_free(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("refused")
    other = create_template(client, name, {}).json()["id"]
    assert error(create_template(client, name, key)) == (409, "template_exists")
    assert error(client.post("/template", json={"wrong": 1}, headers=key))[0] == 422
    assert list_keys(platform, key) == []
    assert client.request("DELETE", f"/template/{other}").status_code == 200
    assert create_template(client, name, key).status_code == 201


def test_a_key_is_forgotten_after_a_day(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("old")
    assert create_template(client, name, key).status_code == 201
    rewind(platform, key, created_at="2020-01-01 00:00:00+00:00")
    assert error(create_template(client, name, key)) == (409, "template_exists")


def test_old_keys_are_deleted(platform: Platform, client: Client) -> None:
    old, new = new_key(), new_key()
    for key in (old, new):
        assert create_template(client, new_name(), key).status_code == 201
    rewind(platform, old, created_at="2020-01-01 00:00:00+00:00")
    client.portal.call(store.delete_expired, client.app.app.state.database)  # type: ignore[attr-defined]
    assert list_keys(platform, old) == []
    assert len(list_keys(platform, new)) == 1


def test_uploads_are_the_same_by_the_content_of_their_files(platform: Platform, client: Client) -> None:
    name, key = new_name("upload"), new_key()
    query = {"dataset_name": name, "usage": "t"}

    def send(file_name: str, content: bytes) -> Response:
        files = [("files", (file_name, content))]
        return client.post("/dataset/upload", params=query, files=files, headers=key)

    before = count_rows(platform, "dataset", "file", "job")
    first, second = send("a.csv", CSV), send("a.csv", CSV)
    assert (first.status_code, second.status_code) == (201, 201), second.text
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    # The same length and another content; another name.
    assert error(send("a.csv", CSV.replace(b"basic", b"cisab"))) == (422, "idempotency_key_reused")
    assert error(send("b.csv", CSV)) == (422, "idempotency_key_reused")
    after = count_rows(platform, "dataset", "file", "job")
    assert {table: after[table] - before[table] for table in before} == {"dataset": 1, "file": 1, "job": 1}
    wait_for_job(client, first.json()["job_id"])


def test_training_starts_once(platform: Platform, client: Client) -> None:
    uploaded = upload(client, ("a.csv", CSV)).json()
    wait_for_job(client, uploaded["job_id"])
    before = count_rows(platform, "job", "training")
    request, key = training_request(uploaded["dataset_id"], new_name("model")), new_key()
    started = [client.post("/train", json=request, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in started] == [201] * 3, started[1].text
    assert len({answer.content for answer in started}) == 1
    assert count_rows(platform, "job", "training") == {table: count + 1 for table, count in before.items()}


@pytest.mark.parametrize("is_bad", [False, True], ids=["good", "bad"])
def test_an_upload_that_waits_for_its_validation(platform: Platform, client: Client, is_bad: bool) -> None:
    template_id = datasets.create_template(client, n="Integer")
    query = {"dataset_name": new_name(), "usage": "t", "on_error": "reject", "template_id": template_id}
    key, files = new_key(), [("files", ("a.csv", b"n\n1\nx\n" if is_bad else b"n\n1\n2\n"))]
    before = count_rows(platform, "dataset")["dataset"]
    answers = [client.post("/dataset/upload", params=query, files=files, headers=key) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {422 if is_bad else 201}, answers[0].text
    assert count_rows(platform, "dataset")["dataset"] == before + (not is_bad)
    assert ("idempotency-replayed" in answers[1].headers) is not is_bad
    assert len(list_keys(platform, key)) == (not is_bad)


def test_calls_at_the_same_time_make_one_thing(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("race")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: create_template(client, name, key), range(8)))
    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert len({answer.content for answer in made}) == 1
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {(*error(answer), answer.headers["retry-after"]) for answer in refused} <= {
        (409, "request_in_progress", "1")
    }
    assert execute_sql(platform.settings, "SELECT count(*) FROM template WHERE name = ?", name) == [(1,)]


def test_a_call_under_way_refuses_its_repetition_until_its_process_is_given_up(
    platform: Platform, client: Client
) -> None:
    key, name = new_key(), new_name("died")
    made = create_template(client, name, key)
    assert client.request("DELETE", f"/template/{made.json()['id']}").status_code == 200
    # As a process leaves it that died before its transaction was committed.
    rewind(platform, key, status=None, body=None, is_committed=False, lease_expires_at="2999-01-01 00:00:00+00:00")
    assert error(create_template(client, name, key)) == (409, "request_in_progress")
    rewind(platform, key, lease_expires_at="2020-01-01 00:00:00+00:00")
    assert create_template(client, name, key).status_code == 201
    assert create_template(client, name, key).headers["idempotency-replayed"] == "true"


def test_a_call_that_died_after_a_commit_is_not_repeated(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("unknown")
    assert create_template(client, name, key).status_code == 201
    rewind(platform, key, status=None, body=None, lease_expires_at="2020-01-01 00:00:00+00:00")
    assert error(create_template(client, name, key)) == (409, "idempotency_outcome_unknown")


def test_what_is_made_and_its_answer_are_one_commit(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails while the answer is stored has nothing of the request."""
    key, name = new_key(), new_name("atomic")
    update = store.update

    async def fail(session: AsyncSession, held: store.Claim, **values: Any) -> None:
        await update(session, held, **values)
        raise OperationalError("UPDATE", {}, Exception("gone"))

    monkeypatch.setattr(store, "update", fail)
    assert error(create_template(client, name, key)) == (503, "database_unavailable")
    monkeypatch.undo()
    assert execute_sql(platform.settings, "SELECT count(*) FROM template WHERE name = ?", name) == [(0,)]
    assert create_template(client, name, key).status_code == 201


def test_a_request_that_lost_its_key_makes_nothing(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for longer than its lease must not commit beside the one that has taken over."""
    key, name = new_key(), new_name("late")
    claim = store.claim

    async def claim_and_lose(*arguments: Any) -> Any:
        held = await claim(*arguments)
        await asyncio.to_thread(rewind, platform, key, holder="another")
        return held

    monkeypatch.setattr(store, "claim", claim_and_lose)
    assert error(create_template(client, name, key)) == (409, "request_in_progress")
    assert execute_sql(platform.settings, "SELECT count(*) FROM template WHERE name = ?", name) == [(0,)]


def test_a_lease_is_renewed_while_the_request_runs(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[store.Claim] = []

    async def renew(database: Database, held: store.Claim) -> None:
        renewed.append(held)

    async def wait_for_renewals(self: Any, files: Any) -> None:
        while len(renewed) < 2:  # noqa: ASYNC110 - the renewal signals nothing
            await asyncio.sleep(0.005)
        self._files_digest = "x"

    monkeypatch.setattr(store, "renew", renew)
    monkeypatch.setattr(store, "LEASE", store.LEASE / 6000)
    monkeypatch.setattr(call.IdempotentCall, "_take_files", wait_for_renewals)
    answer = client.post(
        "/dataset/upload",
        params={"dataset_name": new_name(), "usage": "t"},
        files=[("files", ("a.csv", CSV))],
        headers=new_key(),
    )
    assert answer.status_code == 201
    count = len(renewed)
    client.portal.call(asyncio.sleep, 0.05)
    assert len(renewed) == count, "a request that has ended renews nothing"
    wait_for_job(client, answer.json()["job_id"])


def test_a_request_goes_on_when_its_client_has_gone(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, name = new_key(), new_name("gone")
    claim = store.claim
    cancel: list[Callable[[], Any]] = []

    async def claim_and_lose_the_client(*arguments: Any) -> Any:
        held = await claim(*arguments)
        cancel.pop()()
        return held

    async def send() -> None:
        request = client._client.post("/api/v1/template", json={"template_name": name}, headers=key)
        task = asyncio.ensure_future(request)
        cancel.append(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    monkeypatch.setattr(store, "claim", claim_and_lose_the_client)
    client.portal.call(send)
    monkeypatch.undo()
    for _ in range(500):
        if list_keys(platform, key) and list_keys(platform, key)[0][1] == 201:
            break
        client.portal.call(asyncio.sleep, 0.01)
    answer = create_template(client, name, key)
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")


def test_a_secret_answer_is_not_stored(platform: Platform, client: Client) -> None:
    key = new_key()
    request = {"name": new_name(), "permissions": ["can_view"]}
    secrets = [client.post("/api-keys", json=request, headers=key).json()["key"] for _ in range(2)]
    assert len(set(secrets)) == 2
    assert list_keys(platform, key) == []


def test_the_digest_of_a_body_with_a_password_needs_the_platform_key(platform: Platform, client: Client) -> None:
    key, name = new_key(), new_name("x").lower()
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    user = {"username": name, "email": f"{name}@example.com", "password": "a very secret password"}
    user |= {"tenant_id": tenant_id}
    answers = [client.post("/users/create-user", json=user, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert b"a very secret password" not in read_stored_bytes(platform.settings)
    digests = client.app.app.state.keys.digests  # type: ignore[attr-defined]
    assert digests(b"x") != type(client.app.app.state.keys)(b"k" * 32).digests(b"x")  # type: ignore[attr-defined]


def test_every_call_that_makes_something_documents_the_key(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    posts = {path: methods["post"] for path, methods in paths.items() if "post" in methods}
    makes = {path for path, post in posts.items() if {"201", "202"} & post["responses"].keys()}
    takes_key = {path for path, post in posts.items() if any(_is_key(each) for each in post.get("parameters", ()))}
    assert takes_key == makes - {"/api/v1/api-keys"}
    assert {"/api/v1/dataset/upload", "/api/v1/train", "/api/v1/inference/batch-prediction"} <= takes_key


def _is_key(parameter: dict[str, Any]) -> bool:
    return (parameter["name"], parameter["in"]) == ("Idempotency-Key", "header")


def test_other_calls_ignore_the_key(platform: Platform, client: Client) -> None:
    key = new_key()
    assert client.post("/login/test-token", headers=key).status_code == 200
    assert client.get("/template/list", headers=key).status_code == 200
    assert platform.anonymous.post("/template", json={}, headers=key).status_code == 401
    data = {"username": "admin", "password": PASSWORD}
    assert platform.anonymous.post("/login/access-token", data=data, headers=key).status_code == 200
    assert list_keys(platform, key) == []
