"""Templates are created, validated, and listed by their tenant."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.client import Client
from tests.dataset.datasets import create_template, new_name


def column(name: str, data_type: str = "String", default: str | None = None) -> dict[str, Any]:
    return {"column_name": name, "data_type": data_type, "default_value": default}


def create(client: Client, *columns: dict[str, Any], name: str = "") -> Any:
    body = {"template_name": name or new_name("template"), "template_schema": list(columns)}
    return client.post("/template/", json=body)


def refused(client: Client, body: Any) -> tuple[int, str, list[tuple[Any, ...]]]:
    """Return status, code and the wrong places of a template that must be refused and leave nothing behind."""
    before = client.get("/template/list").json()["total"]
    answer = client.post("/template/", json=body)
    assert client.get("/template/list").json()["total"] == before
    found = answer.json()
    places = [tuple(wrong["loc"]) for wrong in found["detail"]] if isinstance(found["detail"], list) else []
    return answer.status_code, found["code"], places


def test_a_template_is_returned_as_it_was_created(client: Client) -> None:
    name = new_name("Kündigungen")
    columns = [column("CustomerID", "String", "CUST-0000"), column("größe", "Float", "0.0"), column("a b", "Date")]
    answer = create(client, *columns, name=name)
    assert answer.status_code == 201
    template_id = answer.json()["id"]
    assert answer.json() == {"status": 201, "message": "Template created successfully.", "id": template_id}
    found = client.get(f"/template/{template_id}").json()
    assert (found["template_name"], found["no_of_columns"], found["version"]) == (name, 3, 1)
    assert found["template_schema"] == columns
    assert (found["created_by"], found["modified_by"]) == ("admin", "admin")
    assert found["created_at"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found["created_at"])).total_seconds()) < 60


@pytest.mark.parametrize(
    ("alias", "data_type"),
    [("int", "Integer"), ("DOUBLE", "Float"), ("bool", "Boolean"), (" datetime ", "Timestamp"), ("varchar", "String")],
)
def test_a_type_has_aliases(client: Client, alias: str, data_type: str) -> None:
    template_id = create(client, column("n", alias)).json()["id"]
    assert client.get(f"/template/{template_id}").json()["template_schema"][0]["data_type"] == data_type


@pytest.mark.parametrize(
    ("data_type", "default"),
    [
        ("Integer", "-7"),
        ("Float", "1e3"),
        ("Boolean", "yes"),
        ("Date", "2024-02-29"),
        ("Timestamp", "2024-02-29T01:02:03Z"),
    ],
)
def test_a_default_is_a_value_of_its_type(client: Client, data_type: str, default: str) -> None:
    assert create(client, column("n", data_type, default)).status_code == 201


@pytest.mark.parametrize(
    ("data_type", "default"),
    [
        ("Integer", "x"),
        ("Integer", "1.5"),
        ("Integer", str(2**63)),
        ("Float", "nan"),
        ("Float", "1e999"),
        ("Boolean", "maybe"),
        ("Date", "2024-02-30"),
        ("Timestamp", "yesterday"),
    ],
)
def test_a_default_of_another_type_is_422(client: Client, data_type: str, default: str) -> None:
    body = {"template_name": "never", "template_schema": [column("a"), column("n", data_type, default)]}
    status, _, places = refused(client, body)
    assert (status, places) == (422, [("body", "template_schema", 1, "default_value")])


def test_an_unknown_type_is_422(client: Client) -> None:
    body = {"template_name": "never", "template_schema": [column("a", "Blob")]}
    assert refused(client, body)[:2] == (422, "unknown_data_type")


def test_columns_that_differ_by_case_only_are_422(client: Client) -> None:
    body = {"template_name": new_name("template"), "template_schema": [*map(column, ("Straße", "a", "STRASSE", "A"))]}
    status, code, places = refused(client, body)
    assert (status, code) == (422, "duplicate_column")
    assert [place[2] for place in places] == [2, 3]


@pytest.mark.parametrize("second", ["a", ""])
def test_a_duplicate_or_empty_column_name_is_422(client: Client, second: str) -> None:
    body = {"template_name": "never", "template_schema": [column("a"), column(second)]}
    status, _, places = refused(client, body)
    assert (status, places) == (422, [("body", "template_schema", 1, "column_name")])


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\u0085", "x" * 10_000])
def test_a_column_name_with_control_characters_or_too_long_is_422(client: Client, name: str) -> None:
    status, _, places = refused(client, {"template_name": "never", "template_schema": [column(name)]})
    assert (status, places) == (422, [("body", "template_schema", 0, "column_name")])


def test_a_column_name_with_a_lone_surrogate_is_422(client: Client) -> None:
    body = '{"template_name": "never", "template_schema": [{"column_name": "\\ud800", "data_type": "String"}]}'
    answer = client.post("/template/", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"][-1]) == (422, "column_name")
    assert "never" not in [row["template_name"] for row in client.get("/template/list").json()["data"]]


def test_all_wrong_columns_are_reported_at_once(client: Client) -> None:
    columns = [column("a", "Integer", "x"), column("a"), column("b", "Float", "y")]
    status, _, places = refused(client, {"template_name": "never", "template_schema": columns})
    assert status == 422
    assert len(places) >= 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"template_name": ""},
        {"template_name": "   "},
        {"template_name": "a\0b"},
        {"template_name": "a\nb"},
        {"template_name": "x" * 201},
        {"template_name": 7},
        {"template_name": None},
        {"template_name": "never", "template_schema": None},
        {"template_name": "never", "template_schema": {}},
        {"template_name": "never", "template_schema": [{"column_name": "a"}]},
        {"template_name": "never", "template_schema": [{"data_type": "String"}]},
        {"template_name": "never", "template_schema": [{**column("a"), "deflaut": "x"}]},
        {"template_name": "never", "schema": []},
        {"template_name": "never", "tenant_id": "another"},
        [],
        "never",
    ],
    ids=str,
)
def test_a_body_of_another_shape_is_422(client: Client, body: Any) -> None:
    assert refused(client, body)[:2] == (422, "invalid_request")


def test_a_name_is_unique_in_its_tenant(client: Client, stranger: Client) -> None:
    name = new_name("template")
    assert create(client, column("a"), name=name).status_code == 201
    assert refused(client, {"template_name": f"  {name} "})[:2] == (409, "template_exists")
    assert create(stranger, column("a"), name=name).status_code == 201


def test_a_template_can_be_created_without_columns(client: Client) -> None:
    answer = client.post("/template/", json={"template_name": new_name("template")})
    assert answer.status_code == 201
    found = client.get(f"/template/{answer.json()['id']}").json()
    assert (found["no_of_columns"], found["template_schema"]) == (0, [])


def test_another_tenants_template_is_404(client: Client, stranger: Client) -> None:
    template_id = create_template(client, n="Integer")
    headers = {"X-Request-ID": "same"}
    answers = [stranger.get(f"/template/{id_}", headers=headers) for id_ in (template_id, 999_999)]
    assert (answers[0].status_code, answers[0].json()["code"]) == (404, "template_not_found")
    assert answers[0].content == answers[1].content
    assert template_id not in [row["id"] for row in stranger.get("/template/list").json()["data"]]


def pages(client: Client, limit: int) -> Iterator[list[int]]:
    offset = 0
    while page := client.get("/template/list", params={"limit": limit, "offset": offset}).json()["data"]:
        yield [row["id"] for row in page]
        offset += limit


def test_pages_together_are_the_whole_list_newest_first(client: Client) -> None:
    newest = [create_template(client, n="Integer") for _ in range(7)][::-1]
    answer = client.get("/template/list", params={"limit": 1000}).json()
    everything = [row["id"] for row in answer["data"]]
    assert answer["total"] == len(everything)
    assert everything[:7] == newest
    assert list(itertools.chain.from_iterable(pages(client, 3))) == everything
    assert client.get("/template/list", params={"offset": 2**53}).json() == {"total": len(everything), "data": []}


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"limit": -1}, {"limit": "x"}, {"offset": -1}, {"offset": 2**64}], ids=str
)
def test_a_page_beyond_its_limits_is_422(client: Client, query: dict[str, Any]) -> None:
    answer = client.get("/template/list", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("template_id", ["x", "1.5", "1e3"])
def test_an_id_is_an_integer(client: Client, template_id: str) -> None:
    answer = client.get(f"/template/{template_id}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
