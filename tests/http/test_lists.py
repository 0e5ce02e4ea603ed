"""Filters, searches and orders of lists."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.client import Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import new_name, upload
from tests.sample_tenant import create_role, create_user

NAMES = ["alpha", "Beta", "50% off", "a_b", "axb"]
# A list, the part of its answer that has the rows, and the field that `q` and `name` search in.
LISTS = {
    "/template/list": "template_name",
    "/dataset/list": "dataset_name",
    "/train/list": "predictor_name",
    "/rbac/roles": "name",
    "/rbac/permissions": "name",
    "/users/read-users": "username",
    "/api-keys/list": "name",
    "/tenants/list": "name",
}


@pytest.fixture(scope="module", autouse=True)
def templates(platform: Platform, client: Client) -> dict[str, int]:
    """Templates by name, in the order of `NAMES`, one a day."""
    ids = {}
    for day, name in enumerate(NAMES, 1):
        answer = client.post("/template", json={"template_name": name})
        assert answer.status_code == 201, answer.text
        ids[name] = answer.json()["id"]
        created_at = f"2026-01-{day:02} 12:00:00.000000"
        execute_sql(platform.settings, "UPDATE template SET created_at = ? WHERE id = ?", created_at, ids[name])
    return ids


def names(client: Client, **query: Any) -> list[str]:
    answer = client.get("/template/list", params=query)
    assert answer.status_code == 200, answer.text
    found = [row["template_name"] for row in answer.json()["data"]]
    if "limit" not in query:
        assert answer.json()["total"] == len(found)
    return found


def test_a_list_without_parameters_is_as_before(client: Client) -> None:
    assert names(client) == NAMES[::-1]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("BETA", ["Beta"]),
        ("et", ["Beta"]),
        ("%", ["50% off"]),
        ("_", ["a_b"]),
        ("a_b", ["a_b"]),
        ("/", []),
        ("\\", []),
        ("'", []),
        ("b", ["axb", "a_b", "Beta"]),
        ("", NAMES[::-1]),
    ],
)
def test_a_search_finds_a_part_of_the_name(client: Client, q: str, found: list[str]) -> None:
    assert names(client, q=q) == found


def test_a_filter_is_the_whole_name(client: Client) -> None:
    assert names(client, name="Beta") == ["Beta"]
    assert names(client, name="beta") == names(client, name="Bet") == names(client, name="%") == []
    assert names(client, name="Beta", q="alpha") == []


def test_a_list_is_sorted_and_then_cut(client: Client) -> None:
    ordered = ["50% off", "a_b", "alpha", "axb", "Beta"]
    assert names(client, sort="name") == ordered
    assert names(client, sort="-name") == ordered[::-1]
    assert names(client, sort="name", limit=2, offset=1) == ordered[1:3]
    assert names(client, sort="created_at") == names(client, sort="id") == NAMES
    assert client.get("/template/list", params={"q": "b", "limit": 1}).json()["total"] == 3


def test_times_are_from_and_before(client: Client) -> None:
    noon = "2026-01-02T12:00:00"
    assert names(client, since=f"{noon}Z", sort="id") == NAMES[1:]
    assert names(client, until=f"{noon}Z", sort="id") == NAMES[:1]
    assert names(client, until=noon, sort="id") == NAMES[:1], "a time without a zone is UTC"
    assert names(client, since="2026-01-02T14:00:01+02:00", sort="id") == NAMES[2:]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"sort": "contract"}, "invalid_request"),
        ({"sort": "name; DROP TABLE template"}, "invalid_request"),
        ({"sort": "--name"}, "invalid_request"),
        ({"since": "yesterday"}, "invalid_request"),
        ({"q": "a\0"}, "bad_filter"),
        ({"name": "a\0"}, "bad_filter"),
        ({"until": "0001-01-01T00:00:00+10:00"}, "bad_filter"),
    ],
    ids=repr,
)
def test_what_is_no_filter_is_refused(client: Client, query: dict[str, str], code: str) -> None:
    answer = client.get("/template/list", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("path", [*LISTS, "/jobs/list", "/audit/list"])
def test_a_text_longer_than_any_stored_one_selects_nothing(client: Client, path: str) -> None:
    filters = {"/jobs/list": "created_by", "/audit/list": "username"}
    for parameter in ("q", filters.get(path, "name")):
        answer = client.get(path, params={parameter: "x" * 5000})
        assert (answer.status_code, answer.json()["data"]) == (200, []), answer.text
    assert client.get("/datalake/schemas", params={"q": "x" * 5000}).json() == []


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_searched_filtered_and_sorted(client: Client, path: str) -> None:
    field, key = LISTS[path], new_name("z").replace("-", "_")
    fill(client, path, key)
    rows = client.get(path).json()["data"]
    assert client.get(path, params={"q": "no such name"}).json()["data"] == []
    assert client.get(path, params={"name": "no such name"}).json()["data"] == []
    if path == "/train/list":
        return  # it is empty here
    assert [row[field].lower() for row in client.get(path, params={"q": key.upper()}).json()["data"]] == [key]
    found = client.get(path, params={"name": next(row[field] for row in rows if row[field].lower() == key)}).json()
    assert [row[field].lower() for row in found["data"]] == [key]
    by_name = "username" if path.startswith("/users") else "name"
    ordered = [row[field].lower() for row in client.get(path, params={"sort": f"-{by_name}"}).json()["data"]]
    assert ordered == sorted((row[field].lower() for row in rows), reverse=True)


def fill(client: Client, path: str, key: str) -> None:
    """Make a row whose name is `key`, in any case of letters."""
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    bodies: dict[str, tuple[str, Any]] = {
        "/template/list": ("/template", {"template_name": key}),
        "/rbac/roles": ("/rbac/roles", {"name": key, "tenant_id": tenant_id}),
        "/rbac/permissions": ("/rbac/permissions", {"name": key, "tenant_id": tenant_id}),
        "/api-keys/list": ("/api-keys", {"name": key, "permissions": ["can_view"]}),
        "/tenants/list": ("/tenants", {"name": key}),
    }
    if path == "/users/read-users":
        create_user(client, username=key)
    elif path == "/dataset/list":
        query = {"dataset_name": key, "usage": "t"}
        answer = client.post("/dataset/upload", params=query, files=[("files", ("a.csv", b"id,n\n1,2\n"))])
        assert answer.status_code == 201, answer.text
    elif path in bodies:
        target, body = bodies[path]
        answer = client.post(target, json=body)
        assert answer.status_code == 201, answer.text


def test_filters_do_not_reach_another_tenant(client: Client, stranger: Client) -> None:
    create_role(client)
    for path in LISTS.keys() - {"/tenants/list"}:
        for row in stranger.get(path, params={"q": "a", "sort": "id"}).json()["data"]:
            assert row.get("tenant_id", "") != client.post("/login/test-token").json()["tenant_id"]
    assert names(stranger, q="alpha") == names(stranger, name="alpha") == []


def test_an_object_of_another_tenant_selects_as_one_that_does_not_exist(
    client: Client, stranger: Client, templates: dict[str, int]
) -> None:
    dataset_id = upload(client, ("a.csv", b"id,n\n1,2\n")).json()["dataset_id"]
    for path, name, value in (
        ("/dataset/list", "template_id", templates["alpha"]),
        ("/train/list", "dataset_id", dataset_id),
        ("/train/refresh", "dataset_id", dataset_id),
    ):
        for given in (value, 999_999, -1, 2**63 - 1):
            assert stranger.get(path, params={name: given}).json() == {"total": 0, "data": []}
        assert stranger.get(path, params={name: 2**63}).status_code == 422


def test_a_filter_that_names_nothing_selects_nothing(anonymous: Client, client: Client) -> None:
    """In every list that the document has, except for what a list belongs to."""
    dataset_id = upload(client, ("a.csv", b"id,n\n1,2\n")).json()["dataset_id"]
    owners = {"files/list": {"dataset_id": dataset_id}}
    checked = set()
    for path, calls in anonymous.get("/openapi.json").json()["paths"].items():
        about = calls.get("get", {})
        parameters = about.get("parameters", [])
        required = owners.get(path.removeprefix("/api/v1/"), {})
        names_parent = {p["name"] for p in parameters if p["required"]} - required.keys()
        if names_parent or not {"limit", "offset"} <= {p["name"] for p in parameters}:
            continue
        for parameter in parameters:
            name, types = parameter["name"], parameter["schema"].get("anyOf", [{}])
            kind = types[0].get("type")
            if (
                name in ("user_id", "tenant_id")
                or kind not in ("string", "integer")
                or {"enum", "format"} & {*types[0]}
            ):
                continue
            answer = client.get(path, params=required | {name: "nothing-has-this" if kind == "string" else 999_999})
            rows = answer.json()
            assert (answer.status_code, rows["data"] if isinstance(rows, dict) else rows) == (200, []), (path, name)
            checked.add((path.removeprefix("/api/v1/"), name))
    assert {("train/list", "dataset_id"), ("files/list", "name"), ("audit/list", "username")} <= checked
    assert len(checked) > 30


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/files/list", "dataset_id"),
        ("/inference/predictions", "train_id"),
        ("/api-keys/list", "user_id"),
        ("/audit/list", "tenant_id"),
        ("/datalake/schemas/tables", "schema_name"),
    ],
)
def test_what_a_list_belongs_to_must_exist(client: Client, path: str, name: str) -> None:
    answer = client.get(path, params={name: 999_999})
    assert answer.status_code == 404, answer.text


def test_jobs_and_datasets_by_state(client: Client) -> None:
    assert upload(client, ("a.csv", b"id,n\n1,2\n")).is_success
    for job in client.get("/jobs/list").json()["data"]:
        client.get(f"/jobs/{job['job_id']}", params={"wait": 30})
    for name in ("state", "status"):
        found = client.get("/jobs/list", params={name: "succeeded", "sort": "created_at"}).json()
        assert found["total"] >= 1
        assert {job["state"] for job in found["data"]} == {"succeeded"}
        assert client.get("/jobs/list", params={name: "queued"}).json()["total"] == 0
    assert client.get("/jobs/list", params={"kind": "train"}).json()["total"] == 0
    assert client.get("/jobs/list", params={"q": "VALIDAT"}).json()["total"] >= 1
    assert client.get("/dataset/list", params={"state": "valid", "usage": "t"}).json()["total"] >= 1
    assert client.get("/dataset/list", params={"usage": "p"}).json()["total"] == 0
    assert client.get("/dataset/list_validated", params={"name": "nothing"}).json() == []


@pytest.fixture
def training(platform: Platform, client: Client) -> Iterator[None]:
    tenant_id = client.post("/login/test-token").json()["tenant_id"]
    dataset_id = upload(client, ("a.csv", b"id,n\n1,2\n")).json()["dataset_id"]

    def insert(table: str, **columns: Any) -> int:
        values = ", ".join("?" * len(columns))
        execute_sql(
            platform.settings, f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})", *columns.values()
        )
        return execute_sql(platform.settings, f"SELECT max(id) FROM {table}")[0][0]

    now = "2026-01-01 00:00:00+00:00"
    common = {"tenant_id": tenant_id, "created_at": now}
    preprocess_id = insert("preprocess", **common, modified_at=now, contract="{}", roles="{}")
    for state, status in (("running", "submitted_to_ray"), ("failed", "failed")):
        train_id = insert(
            "training", **common, modified_at=now, predictor_name=f"churn-{state}", url_name=f"churn-{state}",
            version=1, dataset_id=dataset_id, dataset_version=1, dataset_parquet="x", preprocess_id=preprocess_id,
            domain="d", problem_type="Regression", target="t", requested_algorithm="auto", shap_enabled=False,
            shap_sample_rows=1, status=status, is_promoted=False, endpoint="pool", created_by="admin",
        )  # fmt: skip
        insert(
            "job", **common, kind="train", subject_id=train_id, state=state, attempt=1, progress=0.0, phrase="x",
            payload="{}", created_by="admin", elapsed_s=0.0,
        )  # fmt: skip
    yield
    execute_sql(platform.settings, "UPDATE job SET state = 'cancelled' WHERE kind = 'train'")


def test_trainings_by_state_and_predictor(client: Client, training: None) -> None:
    def predictors(**query: Any) -> list[str]:
        answer = client.get("/train/list", params=query)
        assert answer.status_code == 200, answer.text
        return [row["predictor_name"] for row in answer.json()["data"]]

    assert predictors(state="running") == ["churn-running"]
    assert predictors(state="failed") == predictors(status="failed") == ["churn-failed"]
    assert predictors(state="succeeded") == predictors(problem_type="Forecast") == []
    assert predictors(predictor="churn-failed") == predictors(name="churn-failed") == ["churn-failed"]
    assert predictors(sort="predictor_name") == ["churn-failed", "churn-running"]
    assert predictors(sort="-accuracy", q="CHURN") == ["churn-failed", "churn-running"]


def test_lake_names_are_searched_and_sorted(client: Client) -> None:
    all_names = client.get("/datalake/schemas").json()
    assert len(all_names) > 2
    assert client.get("/datalake/schemas", params={"sort": "-name"}).json() == sorted(all_names, reverse=True)
    assert client.get("/datalake/schemas", params={"q": "GOL"}).json() == ["gold"]


def test_the_audit_log_is_searched(client: Client) -> None:
    rows = client.get("/audit/list", params={"q": "TEMPLATE.CREATE", "sort": "at"}).json()
    assert rows["total"] >= len(NAMES)
    assert {row["action"] for row in rows["data"]} == {"template.create"}
    assert rows["data"] == sorted(rows["data"], key=lambda row: row["id"])
