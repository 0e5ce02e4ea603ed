"""An update of a template makes a new version; a dataset keeps the version it was validated against."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template, get_dataset, new_name, upload
from tests.test_every_route import refusal


def column(name: str, data_type: str = "String", **more: Any) -> dict[str, Any]:
    return {"column_name": name, "data_type": data_type, "default_value": None} | more


def update(client: Client, template_id: int, **body: Any) -> Any:
    return client.request("PUT", f"/template/update/{template_id}", json={"template_name": new_name("t")} | body)


def test_an_update_makes_a_new_version(client: Client) -> None:
    template_id = create_template(client, CustomerID="String", DataUsageGB="Float")
    name = new_name("Telecom V2")
    schema = [column("CustomerID"), column("DataUsageGB", "Float"), column("PlanType")]
    answer = update(client, template_id, template_name=name, template_schema=schema)
    assert answer.status_code == 200, answer.text
    assert answer.json().items() >= {"template_name": name, "template_schema": schema, "version": 2}.items()
    assert client.get(f"/template/{template_id}").json() == answer.json()
    versions = client.get(f"/template/{template_id}/versions").json()
    assert versions["total"] == 2
    assert [(row["version"], len(row["template_schema"])) for row in versions["data"]] == [(2, 3), (1, 2)]
    assert versions["data"][0]["template_name"] == name


def test_an_update_without_columns_changes_the_name_only(client: Client) -> None:
    template_id = create_template(client, a="Integer")
    answer = update(client, template_id, template_name="Umbenannt").json()
    assert (answer["template_name"], answer["template_schema"]) == ("Umbenannt", [column("a", "Integer")])
    assert update(client, template_id, template_schema=[]).json()["template_schema"] == []


def test_the_name_of_another_template_is_refused(client: Client) -> None:
    first, second = create_template(client, a="Integer"), create_template(client, a="Integer")
    name = client.get(f"/template/{first}").json()["template_name"]
    before = client.get(f"/template/{second}").json()
    assert refusal(update(client, second, template_name=name)) == (409, "template_exists")
    assert client.get(f"/template/{second}").json() == before
    assert update(client, first, template_name=name).status_code == 200


@pytest.mark.parametrize(
    "body", [{"template_name": ""}, {"template_schema": "x"}, {"version": 9}, {"template_schema": [{"column_name": 1}]}]
)
def test_a_wrong_update_changes_nothing(client: Client, body: dict[str, Any]) -> None:
    template_id = create_template(client, a="Integer")
    before = client.get(f"/template/{template_id}").json()
    assert refusal(update(client, template_id, **body)) == (422, "invalid_request")
    assert client.get(f"/template/{template_id}").json() == before


def test_a_dataset_keeps_the_version_it_was_validated_against(client: Client) -> None:
    template_id = create_template(client, a="Integer")
    first = create_dataset(client, ("a.csv", b"a\n1\n"), template_id=template_id)
    update(client, template_id, template_schema=[column("a", "Integer"), column("b", "Float")])
    assert get_dataset(client, first["id"])["template_version"] == 1
    assert [c["column_name"] for c in get_dataset(client, first["id"])["schema"]] == ["a"]
    answer = upload(client, ("a.csv", b"a\n1\n"), template_id=template_id)
    assert refusal(answer) == (422, "missing_column")
    files = [("files", ("b.csv", b"a\n2\n"))]
    added = client.post("/files/add", params={"dataset_id": first["id"]}, files=files)
    assert added.status_code == 201, added.text
    wait_for_job(client, added.json()["job_id"])
    assert (
        get_dataset(client, first["id"]).items() >= {"template_version": 1, "state": "valid", "kept_records": 2}.items()
    )


def test_a_template_is_deleted_when_no_dataset_uses_it(client: Client) -> None:
    used, unused = create_template(client, a="Integer"), create_template(client, a="Integer")
    made = create_dataset(client, ("a.csv", b"a\n1\n"), template_id=used)
    update(client, unused)
    assert refusal(client.request("DELETE", f"/template/{used}")) == (409, "template_in_use")
    answer = client.request("DELETE", f"/template/{unused}")
    assert answer.json() == {"status_code": 200, "message": "Template deleted successfully"}
    for path in (f"/template/{unused}", f"/template/{unused}/versions"):
        assert refusal(client.get(path)) == (404, "template_not_found")
    client.request("DELETE", f"/dataset/delete/{made['id']}")
    assert client.request("DELETE", f"/template/{used}").status_code == 200


def infer(client: Client, *files: tuple[str, bytes], **query: Any) -> Any:
    return client.post("/template/infer", params=query, files=[("files", file) for file in files])


def test_a_template_is_drafted_from_a_sample(client: Client) -> None:
    before = client.get("/template/list").json()["total"]
    answer = infer(client, ("sample.csv", b"id;n;x;day;ok\n007;1;1.5;31.12.2024;yes\n008;2;;01.01.2025;no\n"))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    types = {c["column_name"]: c["data_type"] for c in found["template_schema"]}
    assert types == {"id": "String", "n": "Integer", "x": "Float", "day": "Date", "ok": "Boolean"}
    assert (found["rows_read"], found["delimiter"]) == (2, ";")
    assert client.get("/template/list").json()["total"] == before
    body = {"template_name": new_name("drafted"), "template_schema": found["template_schema"]}
    assert client.post("/template/", json=body).status_code == 201


def test_a_draft_reads_at_most_the_requested_rows(client: Client) -> None:
    rows = b"n\n" + b"1\n" * 5 + b"x\n"
    assert infer(client, ("a.csv", rows), rows=5).json()["template_schema"][0]["data_type"] == "Integer"
    assert infer(client, ("a.csv", rows), rows=6).json()["template_schema"][0]["data_type"] == "String"
    both = infer(client, ("a.csv", b"n\n1\n"), ("b.csv", b"n\n1.5\n")).json()
    assert (both["template_schema"][0]["data_type"], both["rows_read"]) == ("Float", 2)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"a,b\n1\n", "ragged_row"),
        (b"PK\x03\x04", "not_a_csv"),
        (b"a,a\n1,2\n", "duplicate_column"),
    ],
)
def test_a_sample_with_a_broken_structure_is_refused(client: Client, content: bytes, code: str) -> None:
    assert refusal(infer(client, ("a.csv", content))) == (422, code)
