"""The database server goes away and comes back: calls are told so, and are answered again."""

import asyncio
from collections.abc import Iterator

import pytest
from httpx import Response

from dataml.db.session import Database
from dataml.jobs import service
from dataml.settings import Settings
from tests.client import PASSWORD, Client, wait_for_job
from tests.conftest import NewHome, log_in, needs_postgresql
from tests.dataset.datasets import new_name
from tests.postgres import PostgresServer
from tests.sample_tenant import create_sample_tenant, customers_csv

pytestmark = needs_postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """One that these tests stop: nobody else's."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def settings(server: PostgresServer, new_home: NewHome) -> Settings:
    return new_home(database_url=server.new_database())


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def calls(client: Client, train_id: int, preprocess_id: int) -> list[Response]:
    """A look-up, a read, a write, a login, a file, a form, and a real-time prediction of either route."""
    login = {"username": "admin", "password": PASSWORD}
    features = {"age": 60, "plan": "basic"}
    prediction = {"train_id": train_id, "preprocess_id": preprocess_id, "target": "left", "features": features}
    return [
        client.post("/login/test-token"),
        client.get("/dataset/list"),
        client.post("/template/", json={"template_name": new_name("template"), "template_schema": []}),
        client.post("/login/access-token", data=login),
        client.post(
            "/dataset/upload",
            params={"dataset_name": new_name(), "usage": "t"},
            files={"files": ("a.csv", customers_csv())},
        ),
        client.post("/refresh", json={"refresh_token": "unknown"}),
        client.post("/inference", json=prediction),
        client.post("/models/default/nobody/predict", json={"features": features}),
    ]


def test_calls_fail_during_an_outage_and_succeed_after_it(client: Client, server: PostgresServer) -> None:
    ids = create_sample_tenant(client).ids
    model = ids["train_id"], ids["preprocess_id"]
    before = [answer.status_code for answer in calls(client, *model)]
    assert before == [200, 200, 201, 200, 201, 401, 200, 404]
    server.stop()
    # Who has predicted within the last seconds is remembered, and their model; a caller of now is not.
    unknown = Client(client.app, client.portal, client.headers | {"Authorization": "Bearer dataml_unknown"})
    assert {refusal(answer) for answer in calls(unknown, *model)} == {(503, "database_unavailable")}
    server.start()
    after = [answer.status_code for answer in calls(client, *model)]
    assert after == before
    assert log_in(client, "admin").get("/validate-token").status_code == 200


def test_restart_between_two_calls_causes_no_error(client: Client, server: PostgresServer) -> None:
    """Every connection of the pools is broken, and replaced before it is used."""

    async def at_once() -> list[int]:
        asked = (client._client.get("/api/v1/dataset/list") for _ in range(20))
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert set(client.portal.call(at_once)) == {200}
    server.stop()
    server.start()
    assert set(client.portal.call(at_once)) == {200}


def test_supervisor_continues_with_the_queue(client: Client, server: PostgresServer) -> None:
    server.stop()
    server.start()
    answer = client.post(
        "/dataset/upload",
        params={"dataset_name": new_name(), "usage": "t"},
        files={"files": ("a.csv", customers_csv())},
    )
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"


def test_callers_beyond_the_pool_size_wait_for_a_connection(settings: Settings) -> None:
    async def body() -> None:
        database = Database(settings)

        async def read() -> bool:
            async with database.reading() as session:
                return await service.has_queued(session)

        assert not any(await asyncio.gather(*(read() for _ in range(100))))
        await database.close()

    asyncio.run(body())
