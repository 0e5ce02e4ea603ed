"""Requests that wait for jobs: long polls and server-sent events."""

import asyncio
import functools
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from httpx import Response
from starlette.types import Message

from dataml.http import overload
from dataml.jobs import events, watcher
from dataml.jobs.watcher import JobWatcher
from tests.client import API, Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import new_name, upload

CSV = b"id,n\n1,2\n2,3\n"


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    uploaded = upload(client, ("a.csv", CSV)).json()
    wait_for_job(client, uploaded["job_id"])
    return uploaded["dataset_id"]


@pytest.fixture
def job_id(platform: Platform, client: Client, dataset_id: int) -> Iterator[str]:
    """A job that looks as if a worker had it: nothing ends it but this test."""
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    execute_sql(
        platform.settings,
        "INSERT INTO job (tenant_id, kind, subject_id, state, attempt, progress, phrase, payload, created_by, "
        "created_at, started_at, elapsed_s) VALUES (?, 'describe', ?, 'running', 1, 0.0, 'Starting', '{}', 'admin', "
        "'2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00', 0)",
        tenant_id,
        dataset_id,
    )
    number = execute_sql(platform.settings, "SELECT max(id) FROM job")[0][0]
    yield f"stat-job-{number}"
    change(platform, f"stat-job-{number}", state="cancelled")


def change(platform: Platform, job_id: str, **columns: Any) -> None:
    """Change the row of a job, as another process does."""
    for column, value in columns.items():
        number = int(job_id.rpartition("-")[2])
        execute_sql(platform.settings, f"UPDATE job SET {column} = ? WHERE id = ?", value, number)


def watcher_of(client: Client) -> JobWatcher:
    return client.app.app.state.job_watcher  # type: ignore[attr-defined]


class Stream:
    """A request to the application whose answer is read while it goes on."""

    def __init__(self, client: Client, path: str, headers: dict[str, str] | None = None) -> None:
        pairs = (client.headers | (headers or {})).items()
        path, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": API + path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
            "client": ("127.0.0.1", 1),
        }
        self._app = client.app
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = asyncio.Event()

    async def __aenter__(self) -> "Stream":
        async def receive() -> Message:
            await self._gone.wait()
            return {"type": "http.disconnect"}

        self._task = asyncio.create_task(self._app(self._scope, receive, self._messages.put))  # type: ignore[arg-type]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.set()
        await asyncio.wait_for(self._task, 10)

    def leave(self) -> None:
        self._gone.set()

    async def read(self) -> Message:
        return await asyncio.wait_for(self._messages.get(), 10)

    async def lines(self) -> AsyncIterator[str]:
        while True:
            message = await self.read()
            if message["type"] == "http.response.body":
                if text := message["body"].decode():
                    yield text
                if not message.get("more_body"):
                    return


def run(client: Client, body: Callable[[], Awaitable[None]]) -> None:
    client.portal.call(functools.partial(body))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)


def event(text: str) -> tuple[str, dict[str, Any], str]:
    """Return the kind, the data and the id of an event."""
    fields = dict(line.split(": ", 1) for line in text.strip().split("\n"))
    return fields["event"], json.loads(fields["data"]), fields["id"]


def test_a_poll_is_answered_when_another_process_ends_the_job(platform: Platform, client: Client, job_id: str) -> None:
    async def body() -> None:
        poll = asyncio.create_task(client._client.get(f"{API}/jobs/{job_id}", params={"wait": 60}))
        await until(lambda: watcher_of(client).count == 1)
        await asyncio.to_thread(change, platform, job_id, progress=0.5)
        await asyncio.sleep(watcher.TICK_S * 2)
        assert not poll.done(), "progress is no end"
        await asyncio.to_thread(change, platform, job_id, state="succeeded")
        answer = await asyncio.wait_for(poll, 10)
        assert (answer.status_code, answer.json()["state"], answer.json()["progress"]) == (200, "succeeded", 0.5)

    run(client, body)
    assert watcher_of(client).count == 0


def test_a_poll_ends_after_its_time(client: Client, job_id: str) -> None:
    answer = client.get(f"/jobs/{job_id}", params={"wait": 0.05})
    assert (answer.status_code, answer.json()["state"]) == (200, "running")


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "soon", "1e9"])
def test_a_wait_that_is_none_is_refused(client: Client, job_id: str, wait: str) -> None:
    answer = client.get(f"/jobs/{job_id}?wait={wait}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_job_of_another_tenant_cannot_be_waited_for(client: Client, stranger: Client, job_id: str) -> None:
    for path in (f"/jobs/{job_id}?wait=60", f"/jobs/{job_id}/events"):
        assert stranger.get(path).json()["code"] == "job_not_found"
    assert watcher_of(client).count == 0


def test_a_call_that_starts_a_job_waits_for_it(client: Client, dataset_id: int) -> None:
    answer = upload_and_wait(client, {})
    assert answer.status_code == 201, answer.text
    assert answer.json()["job_state"] == "succeeded"
    assert "content-length" in answer.headers
    started = client.post("/dataset/generate_statistics", params={"dataset_id": dataset_id, "wait": 60})
    assert (started.status_code, started.json()["job_state"]) == (202, "succeeded")
    assert client.get("/dataset/statistics", params={"dataset_id": dataset_id}).json()["status"] == "succeeded"


def upload_and_wait(client: Client, headers: dict[str, str], name: str = "", wait: float = 60) -> Response:
    query = {"dataset_name": name or new_name(), "usage": "t", "wait": wait}
    return client.post("/dataset/upload", params=query, files=[("files", ("a.csv", CSV))], headers=headers)


def test_a_repeated_call_waits_too(client: Client) -> None:
    key, name = {"Idempotency-Key": str(uuid.uuid4())}, new_name("again")
    first = upload_and_wait(client, key, name, 0)
    assert first.json()["job_state"] in ("queued", "running")
    second = upload_and_wait(client, key, name)
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json() | {"job_state": "succeeded"}


def test_an_error_is_not_waited_for(client: Client) -> None:
    answer = client.post("/dataset/generate_statistics", params={"dataset_id": 999_999, "wait": 60})
    assert answer.status_code == 404


def test_many_waiters_cost_one_query_a_tick_and_no_place_of_other_calls(
    platform: Platform, client: Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[int] = []
    query = JobWatcher._query

    async def count(self: JobWatcher, job_ids: list[int]) -> Any:
        queries.append(len(job_ids))
        return await query(self, job_ids)

    monkeypatch.setattr(JobWatcher, "_query", count)
    at_once, waiters = 4, 24
    monkeypatch.setattr(overload, "_CALLS", overload._limiter(at_once, at_once))

    async def body() -> None:
        async def poll() -> Response:
            return await client._client.get(f"{API}/jobs/{job_id}", params={"wait": 60})

        async def wait_for(count: int) -> None:
            await until(lambda: watcher_of(client).count == count)

        polls = []
        for turn in range(waiters // at_once):
            polls += [asyncio.create_task(poll()) for _ in range(at_once)]
            await wait_for(at_once * (turn + 1))
        assert (await client._client.get(f"{API}/dataset/list")).status_code == 200
        queries.clear()
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(watcher.TICK_S * 4)
        ticks = (asyncio.get_running_loop().time() - started) / watcher.TICK_S
        assert 1 <= len(queries) <= ticks + 1
        assert set(queries) == {1}, "one job, however many wait for it"
        await asyncio.to_thread(change, platform, job_id, state="failed")
        answers = await asyncio.wait_for(asyncio.gather(*polls), 60)
        assert {answer.json()["state"] for answer in answers} == {"failed"}

    run(client, body)
    queries.clear()
    client.portal.call(asyncio.sleep, watcher.TICK_S * 3)
    assert queries == [], "nobody waits"


def test_a_client_that_goes_away_frees_its_place(client: Client, job_id: str) -> None:
    async def body() -> None:
        for path in (f"/jobs/{job_id}?wait=60", f"/jobs/{job_id}/events"):
            async with Stream(client, path) as stream:
                await until(lambda: watcher_of(client).count == 1)
                stream.leave()
                await until(lambda: watcher_of(client).count == 0)

    run(client, body)


@pytest.mark.parametrize(("limit", "status"), [("MAX_WATCHES", 503), ("MAX_WATCHES_OF_TENANT", 429)])
def test_too_many_waiters_are_refused_and_what_they_start_is_not(
    client: Client, job_id: str, monkeypatch: pytest.MonkeyPatch, limit: str, status: int
) -> None:
    monkeypatch.setattr(watcher, limit, 0)
    for path in (f"/jobs/{job_id}?wait=60", f"/jobs/{job_id}/events"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, "too_many_waiters")
        assert answer.headers["retry-after"] == "5"
    assert client.get(f"/jobs/{job_id}").status_code == 200
    started = upload_and_wait(client, {})
    assert started.status_code == 201
    assert started.json()["job_state"] in ("queued", "running", "succeeded")
    wait_for_job(client, started.json()["job_id"])


def test_a_database_that_is_away_for_a_while_ends_no_poll(
    platform: Platform, client: Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataml.db.session import Database, unavailable

    failures: list[int] = []

    async def fail(self: Database, *_: Any) -> Any:
        failures.append(1)
        raise unavailable()

    async def body() -> None:
        poll = asyncio.create_task(client._client.get(f"{API}/jobs/{job_id}", params={"wait": 60}))
        await until(lambda: watcher_of(client).count == 1)
        with monkeypatch.context() as patch:
            patch.setattr(Database, "look_up", fail)
            await until(lambda: len(failures) > 1)
        await asyncio.to_thread(change, platform, job_id, state="succeeded")
        assert (await asyncio.wait_for(poll, 10)).json()["state"] == "succeeded"

    run(client, body)


def test_events_have_each_change_and_the_end(platform: Platform, client: Client, job_id: str) -> None:
    async def body() -> None:
        async with Stream(client, f"/jobs/{job_id}/events") as stream:
            start = await stream.read()
            headers = {name.decode(): value.decode() for name, value in start["headers"]}
            assert start["status"] == 200
            assert headers["content-type"].startswith("text/event-stream")
            assert headers["cache-control"] == "no-store"
            lines = stream.lines()
            assert await anext(lines) == "retry: 2000\n\n"
            kind, data, _ = event(await anext(lines))
            assert (kind, data["state"], data["job_id"], data["progress"]) == ("state", "running", job_id, 0.0)
            await asyncio.to_thread(change, platform, job_id, progress=0.25)
            kind, data, _ = event(await anext(lines))
            assert (kind, data["progress"], data["state"]) == ("progress", 0.25, "running")
            assert data["leaderboard"] == []
            scored = {"candidate": "Linear", "metric": "rmse", "score": 1.5, "seconds": 2.0, "state": "scored"}
            await asyncio.to_thread(change, platform, job_id, leaderboard=json.dumps([scored]))
            kind, data, _ = event(await anext(lines))
            assert (kind, data["progress"], data["leaderboard"]) == ("progress", 0.25, [scored])
            answer = await asyncio.to_thread(client.get, f"/jobs/{job_id}")
            assert answer.json()["leaderboard"] == [scored]
            failure = {"failure_code": "bad", "failure_detail": "Why.", "state": "failed"}
            await asyncio.to_thread(change, platform, job_id, **failure)
            rest = [event(text) async for text in lines]
            kind, data, _ = rest[-1]
            assert (kind, data["state"], data["error"]) == ("end", "failed", {"code": "bad", "detail": "Why."})

    run(client, body)


def test_a_client_that_comes_back_gets_what_it_has_missed(platform: Platform, client: Client, job_id: str) -> None:
    async def body() -> None:
        async with Stream(client, f"/jobs/{job_id}/events") as stream:
            lines = stream.lines()
            await anext(lines)
            last_id = event(await anext(lines))[2]
        headers = {"Last-Event-ID": last_id}
        async with Stream(client, f"/jobs/{job_id}/events", headers) as stream:
            lines = stream.lines()
            await anext(lines)
            await asyncio.to_thread(change, platform, job_id, progress=0.75)
            assert event(await anext(lines))[1]["progress"] == 0.75
        await asyncio.to_thread(change, platform, job_id, state="succeeded")
        async with Stream(client, f"/jobs/{job_id}/events", headers) as stream:
            kind, _, last_id = [event(text) async for text in stream.lines() if "event" in text][-1]
            assert kind == "end"
        async with Stream(client, f"/jobs/{job_id}/events", {"Last-Event-ID": last_id}) as stream:
            assert (await stream.read())["status"] == 204

    run(client, body)


def test_a_stream_without_changes_has_heartbeats_and_ends_after_a_while(
    client: Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(events, "MAX_STREAM_S", 0.1)

    async def body() -> None:
        async with Stream(client, f"/jobs/{job_id}/events") as stream:
            texts = [text async for text in stream.lines()]
        assert texts[2:]
        assert set(texts[2:]) == {": heartbeat\n\n"}

    run(client, body)


def test_a_stream_ends_with_the_session_of_its_client(
    platform: Platform, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.client import PASSWORD

    monkeypatch.setattr(events, "HEARTBEAT_S", 0.02)
    anonymous = platform.anonymous
    tokens = anonymous.post("/login/access-token", data={"username": "admin", "password": PASSWORD}).json()
    user = Client(anonymous.app, anonymous.portal, {"Authorization": f"Bearer {tokens['access_token']}"})

    async def body() -> None:
        async with Stream(user, f"/jobs/{job_id}/events") as stream:
            lines = stream.lines()
            for _ in range(3):
                await anext(lines)
            logout = {"refresh_token": tokens["refresh_token"]}
            assert (await anonymous._client.post(f"{API}/logout", json=logout)).status_code == 200
            assert {text async for text in lines} <= {": heartbeat\n\n"}

    run(user, body)
