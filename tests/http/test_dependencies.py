"""A page of a list has bounds."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dataml.http.dependencies import Paged


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()

    @app.get("/list")
    async def list_rows(page: Paged) -> tuple[int, int]:
        return page.limit, page.offset

    return TestClient(app)


def test_a_page_has_a_hundred_rows_unless_the_caller_says_otherwise(client: TestClient) -> None:
    assert client.get("/list").json() == [100, 0]
    assert client.get("/list", params={"limit": 1000, "offset": 2**53}).json() == [1000, 2**53]


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"offset": 2**53 + 1}, {"limit": "x"}]
)
def test_a_page_out_of_bounds_is_refused(client: TestClient, query: dict[str, object]) -> None:
    assert client.get("/list", params=query).status_code == 422
