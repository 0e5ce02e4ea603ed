"""Creation, retrieval, update and deletion of templates."""

from typing import Any

from tests.client import Client
from tests.dataset.datasets import create_dataset, new_name, upload
from tests.reference.record import shows
from tests.reference.test_users import own_tenant
from tests.test_every_route import refusal

FIELDS = ("template_name", "id", "tenant_id", "no_of_columns", "created_by", "modified_by", "created_at", "modified_at")
USAGE = [
    {"column_name": "CustomerID", "data_type": "String", "default_value": "CUST-0000"},
    {"column_name": "DataUsageGB", "data_type": "Float", "default_value": "0.0"},
]


def columns(template: dict[str, Any]) -> list[dict[str, Any]]:
    names = ("column_name", "data_type", "default_value")
    return [{name: column[name] for name in names} for column in template["template_schema"]]


def create(client: Client, schema: list[dict[str, Any]] | None = None, name: str = "") -> int:
    body = {"template_name": name or new_name("usage")} | ({} if schema is None else {"template_schema": schema})
    answer = client.post("/template/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def rows(client: Client) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in client.get("/template/list", params={"limit": 1000}).json()["data"]}


@shows("POST /template")
def test_created_template_has_its_name_and_columns(client: Client) -> None:
    answer = client.post("/template/", json={"template_name": "Telecom Customer Usage", "template_schema": USAGE})
    assert answer.status_code == answer.json()["status"] == 201
    template = client.get(f"/template/{answer.json()['id']}").json()
    assert (template["template_name"], columns(template)) == ("Telecom Customer Usage", USAGE)
    # The name is unique.
    assert refusal(client.post("/template/", json={"template_name": "Telecom Customer Usage"}))[0] == 409
    empty = create(client)
    assert client.get(f"/template/{empty}").json()["template_schema"] == []
    for missing in ("column_name", "data_type"):
        column = {name: value for name, value in USAGE[0].items() if name != missing}
        body = {"template_name": new_name(), "template_schema": [column]}
        assert client.post("/template/", json=body).status_code == 422, missing


@shows("POST /template")
def test_default_value_stands_for_a_missing_one_and_the_type_for_every_value(client: Client) -> None:
    template_id, other = create(client, USAGE), create(client, USAGE)
    assert template_id != other
    content = b"CustomerID,DataUsageGB\nA,1.5\n,2\nB,\nC,much\n"
    dataset = create_dataset(client, ("usage.csv", content), template_id=template_id)
    view = client.get("/dataset/view", params={"dataset_id": dataset["id"]}).json()["preview"]
    expected = [("A", 1.5), ("CUST-0000", 2.0), ("B", 0.0)]
    assert [(row["CustomerID"], row["DataUsageGB"]) for row in view] == expected
    assert (dataset["kept_records"], dataset["dataset_usability"]) == (3, "75%")


@shows("GET /template/list")
def test_list_has_every_template_as_it_is_now(client: Client, colleague: Client, stranger: Client) -> None:
    before = client.get("/template/list").json()
    first, second = create(client, USAGE), create(client, USAGE[:1])
    theirs = create(stranger, USAGE)
    colleague.request("PUT", f"/template/update/{second}", json={"template_name": new_name("changed")})
    third = create(colleague)
    after = client.get("/template/list").json()
    assert after["total"] == before["total"] + 3
    row = rows(client)
    assert (row[first]["no_of_columns"], row[second]["no_of_columns"], row[third]["no_of_columns"]) == (2, 1, 0)
    assert (row[second]["created_by"], row[second]["modified_by"]) == ("admin", "colleague")
    assert row[third]["created_by"] == row[third]["modified_by"] == "colleague"
    assert row[first]["created_at"] == row[first]["modified_at"]
    assert row[second]["created_at"] < row[second]["modified_at"]
    assert row[second]["template_name"].startswith("changed")
    assert row[first]["tenant_id"] == own_tenant(client)
    assert theirs not in row
    assert rows(stranger)[theirs]["tenant_id"] == own_tenant(stranger)


@shows("GET /template/{template_id}")
def test_template_is_retrieved_with_its_full_schema(client: Client, colleague: Client, stranger: Client) -> None:
    first, second = create(client, [*USAGE, {"column_name": "PlanType", "data_type": "str"}]), create(colleague)
    client.request("PUT", f"/template/update/{second}", json={"template_name": new_name("changed")})
    shown = [client.get(f"/template/{template_id}").json() for template_id in (first, second)]
    for template in shown:
        assert {name: template[name] for name in FIELDS} == {
            name: rows(client)[template["id"]][name] for name in FIELDS
        }
    assert columns(shown[0])[2] == {"column_name": "PlanType", "data_type": "String", "default_value": None}
    assert (shown[1]["created_by"], shown[1]["modified_by"]) == ("colleague", "admin")
    theirs = create(stranger, USAGE)
    assert stranger.get(f"/template/{theirs}").json()["tenant_id"] == own_tenant(stranger)
    assert refusal(client.get(f"/template/{theirs}"))[0] == refusal(client.get("/template/999999"))[0] == 404


@shows("PUT /template/update/{template_id}")
def test_update_replaces_name_and_schema(client: Client) -> None:
    template_id, name = create(client, USAGE), new_name("Telecom Customer Usage V2")
    dataset = create_dataset(client, ("a.csv", b"CustomerID,DataUsageGB\nA,1\n"), template_id=template_id)
    schema = [
        {"column_name": "CustomerID", "data_type": "String"},
        {"column_name": "DataUsageGB", "data_type": "Float", "default_value": "2.5"},
        {"column_name": "PlanType", "data_type": "String"},
    ]
    answer = client.request(
        "PUT", f"/template/update/{template_id}", json={"template_name": name, "template_schema": schema}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["template_name"] == name
    assert columns(answer.json()) == [{"default_value": None} | column for column in schema]
    stored = client.get(f"/template/{template_id}").json()
    assert (stored["template_name"], stored["no_of_columns"], columns(stored)) == (name, 3, columns(answer.json()))
    # A later upload needs the new columns; an earlier dataset keeps those that it was validated with.
    old = upload(client, ("a.csv", b"CustomerID,DataUsageGB\nA,1\n"), template_id=template_id)
    assert refusal(old)[0] == 422
    kept = client.get("/dataset/get_dataset_by_id", params={"dataset_id": dataset["id"]}).json()["schema"]
    assert [column["column_name"] for column in kept] == ["CustomerID", "DataUsageGB"]
    renamed = client.request("PUT", f"/template/update/{template_id}", json={"template_name": name + "!"}).json()
    assert (renamed["template_name"], columns(renamed)) == (name + "!", columns(answer.json()))
    taken = new_name("taken")
    create(client, name=taken)
    conflict = client.request("PUT", f"/template/update/{template_id}", json={"template_name": taken})
    assert refusal(conflict)[0] == 409


@shows("DELETE /template/{template_id}")
def test_deleted_template_is_gone_and_one_in_use_stays(client: Client) -> None:
    template_id, used = create(client, USAGE), create(client, USAGE)
    create_dataset(client, ("a.csv", b"CustomerID,DataUsageGB\nA,1\n"), template_id=used)
    name = rows(client)[template_id]["template_name"]
    answer = client.request("DELETE", f"/template/{template_id}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status_code": 200, "message": "Template deleted successfully"},
    )
    assert refusal(client.get(f"/template/{template_id}"))[0] == 404
    assert template_id not in rows(client)
    assert refusal(client.request("DELETE", f"/template/{template_id}"))[0] == 404
    assert create(client, name=name) != template_id
    assert refusal(client.request("DELETE", f"/template/{used}"))[0] == 409
    assert used in rows(client)
