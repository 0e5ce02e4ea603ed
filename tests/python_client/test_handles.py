"""Users, roles, keys, tenants, the lake and the audit log by the client, and names that are looked up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

import dataml
from tests.client import PASSWORD
from tests.conftest import Platform
from tests.dataset.datasets import new_name
from tests.python_client.transports import PortalTransport, Script, error
from tests.sample_tenant import customers_csv


@pytest.fixture(scope="module")
def calls() -> list[httpx.Request]:
    """What the client of these tests has sent."""
    return []


@pytest.fixture(scope="module")
def dm(platform: Platform, calls: list[httpx.Request]) -> Iterator[dataml.Client]:
    with connect(platform, "admin", on_call=calls.append) as client:
        yield client


def connect(
    platform: Platform, username: str | None = None, password: str = PASSWORD, **options: object
) -> dataml.Client:
    transport = PortalTransport(platform.anonymous)
    if username is not None:
        options |= {"username": username, "password": password}
    return dataml.connect("http://dataml", http_transport=transport, **options)  # type: ignore[arg-type]


@pytest.fixture
def user(dm: dataml.Client) -> dataml.User:
    name = new_name("user")
    return dm.users.create(name, PASSWORD, f"{name}@example.com")


def test_user_is_found_by_id_and_by_name(dm: dataml.Client, user: dataml.User) -> None:
    assert dm.users.get(user.id).name == dm.users.get(user.name).name == user.name
    assert (user.roles, user.is_active) == (["analyst"], True)
    assert user.id in [row["id"] for row in dm.users.list()]
    with pytest.raises(dataml.NotFound) as caught:
        dm.users.get("absent")
    assert caught.value.code == "user_not_found"


def test_user_is_deactivated_and_activated(dm: dataml.Client, platform: Platform, user: dataml.User) -> None:
    user.deactivate()
    assert user.id in [row["id"] for row in dm.users.list(is_active=False)]
    with connect(platform, user.name) as other, pytest.raises(dataml.Unauthorized):
        other.whoami()
    user.activate()
    with connect(platform, user.name) as other:
        assert other.whoami()["username"] == user.name
    assert user.refresh().is_active


def test_roles_are_given_and_taken_by_name_and_by_handle(dm: dataml.Client, user: dataml.User) -> None:
    role = dm.roles.create(new_name("role"), permissions=["can_view"])
    user.grant(role)
    user.revoke("analyst")
    assert user.roles == dm.users.get(user.id).roles == [role.name]
    role.grant("can_predict")
    role.revoke("can_view")
    assert dm.roles.get(role.name).permissions == dm.roles.get(role.id).permissions == ["can_predict"]
    assert role.id in [row["id"] for row in dm.roles.list()]
    assert "can_predict" in [row["name"] for row in dm.roles.permissions()]
    user.revoke(role.id)
    assert user.roles == []


def test_unknown_roles_and_permissions_are_not_found(dm: dataml.Client, user: dataml.User) -> None:
    role = dm.roles.create(new_name("role"))
    for call in (lambda: user.grant("absent"), lambda: dm.roles.get(10**9), lambda: dm.roles.get("absent")):
        with pytest.raises(dataml.NotFound) as caught:
            call()
        assert caught.value.code == "role_not_found"
    with pytest.raises(dataml.NotFound) as caught:
        role.grant("absent")
    assert caught.value.code == "permission_not_found"


def test_password_is_reset(dm: dataml.Client, platform: Platform, user: dataml.User) -> None:
    second, third = "a second password for tests", "a third password for tests"
    dm.users.reset_password(user.name, second)
    with connect(platform, user.name, second) as other:
        other.users.reset_password(user.name, third, current_password=second)
    with connect(platform, user.name, third) as other:
        assert other.whoami()["username"] == user.name


def test_user_of_another_tenant_does_not_exist(platform: Platform, user: dataml.User) -> None:
    with connect(platform, "stranger") as other:
        for key in (user.id, user.name):
            with pytest.raises(dataml.NotFound):
                other.users.get(key)


def test_key_signs_in_until_it_is_revoked(dm: dataml.Client, platform: Platform) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    created = dm.keys.create("nightly", ["can_view"], expires_at=ends.replace(tzinfo=None))
    assert datetime.fromisoformat(created["expires_at"]).replace(tzinfo=UTC) == ends
    with connect(platform, api_key=created["key"]) as reader:
        assert reader.whoami()["permissions"] == ["can_view"]
        assert dm.keys.revoke(created["id"])["revoked_at"]
        with pytest.raises(dataml.Unauthorized):
            reader.datasets.list()
    listed = {row["id"]: row for row in dm.keys.list()}
    assert listed[created["id"]]["revoked_at"]
    assert "key" not in listed[created["id"]]
    assert created["key"] not in str(dm.keys.list())


def test_sessions_are_listed_and_ended(dm: dataml.Client, platform: Platform, user: dataml.User) -> None:
    with (
        connect(platform, user.name) as here,
        connect(platform, user.name) as there,
        connect(platform, user.name) as gone,
    ):
        for client in (there, gone, here):
            client.whoami()
        rows = list(here.sessions.list())
        assert [row["is_current"] for row in rows] == [True, False, False]
        assert here.sessions.end(rows[1]["id"])["ended_at"]
        assert here.sessions.end_others() == 1
        assert len(dm.sessions.list(user_id=user.id)) == 1
        assert dm.sessions.end_others(user_id=user.id) == 1


def test_role_is_deleted(dm: dataml.Client) -> None:
    role = dm.roles.create(new_name("role"), ["can_view"])
    role.delete()
    with pytest.raises(dataml.NotFound):
        dm.roles.get(role.name)


def test_tenant_is_created_with_its_first_user_and_closed(dm: dataml.Client, platform: Platform) -> None:
    tenant = dm.tenants.create(new_name("tenant"))
    name = new_name("first")
    dm.users.create(name, PASSWORD, f"{name}@example.com", roles=["admin"], tenant_id=tenant.id)
    assert dm.tenants.get(tenant.id).name == dm.tenants.get(tenant.name).name == tenant.name
    with connect(platform, name) as first:
        assert first.whoami()["tenant_id"] == tenant.id
        with pytest.raises(dataml.Forbidden):
            first.tenants.list()
        tenant.close()
        with pytest.raises(dataml.Unauthorized):
            first.datasets.list()
        tenant.reopen()
        first.datasets.list()
        tenant.set_quota(5000)
        assert dm.tenants.get(tenant.id).quota_bytes == 5000
        tenant.close()
    assert tenant.id in [row["id"] for row in dm.tenants.list(is_active=False)]
    for absent in ("absent", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(dataml.NotFound) as caught:
            dm.tenants.get(absent)
        assert caught.value.code == "tenant_not_found"


def test_lake_table_is_listed_shown_and_deleted(dm: dataml.Client, platform: Platform) -> None:
    name = new_name("customers").replace("-", "_")
    dm.datasets.upload(customers_csv(), name=name, lake_table=name)
    (found,) = [row for row in dm.lake.tables() if row["table"] == name]
    assert found["schema"] in dm.lake.schemas()
    assert found in dm.lake.tables(found["schema"])
    table = dm.lake.get(f"{found['schema']}.{name}")
    assert table.row_count == 200
    assert [column["column_name"] for column in table.columns] == ["id", "age", "plan", "left"]
    assert len(table.snapshots) >= 1
    assert list(table.rows(1)[0]) == [column["column_name"] for column in table.columns]
    with connect(platform, "stranger") as other, pytest.raises(dataml.NotFound):
        other.lake.get(table.name)
    table.delete()
    with pytest.raises(dataml.NotFound) as caught:
        dm.lake.get(table.name)
    assert caught.value.code == "table_not_found"
    with pytest.raises(dataml.ClientError) as no_schema:
        dm.lake.get(name)
    refused: dataml.ClientError = no_schema.value
    assert (refused.code, refused.status) == ("no_schema", None)


def test_audit_log_is_filtered(dm: dataml.Client, platform: Platform, user: dataml.User) -> None:
    before = datetime.now(UTC)
    user.grant("service")
    (granted,) = dm.audit.list(action="user.grant", subject=f"user:{user.id}", since=before)
    assert (granted["username"], granted["outcome"]) == ("admin", "success")
    assert dm.audit.list(action="user.grant", subject=f"user:{user.id}", until=before) == []
    assert len(dm.audit.list(limit=2)) == 2
    with connect(platform, "analyst") as other, pytest.raises(dataml.Forbidden):
        other.audit.list()


def test_jobs_are_filtered(dm: dataml.Client) -> None:
    dataset = dm.datasets.upload(b"a,b\n1,2\n3,4\n", name=new_name("jobs"))
    (job,) = dm.jobs.list(kind="validate", subject_id=dataset.id, created_by="admin", state="succeeded")
    assert dm.jobs.list(kind="validate", subject_id=dataset.id, since=datetime.now(UTC) + timedelta(days=1)) == []
    assert dm.jobs.wait(job["job_id"]).id == dataset.id


def test_name_is_asked_for_and_not_searched_in_whole_lists(dm: dataml.Client, calls: list[httpx.Request]) -> None:
    name = new_name("a+b & ü")
    dataset = dm.datasets.upload(b"a,b\n1,2\n3,4\n", name=name)
    calls.clear()
    assert dm.datasets.get(name).id == dataset.id
    listed = [call.url.params for call in calls if call.url.path.endswith("/list")]
    assert [(params["name"], params["limit"]) for params in listed] == [(name, "1")]


@pytest.mark.parametrize("name", ["", "x" * 1000, "a\0b", "\udcff"], ids=["empty", "long", "nul", "surrogate"])
def test_text_that_no_name_can_be_is_not_found(dm: dataml.Client, name: str) -> None:
    for get in (dm.datasets.get, dm.templates.get, dm.models.get, dm.users.get, dm.roles.get):
        with pytest.raises(dataml.NotFound):
            get(name)


def version(number: int, *, serves: bool) -> dict[str, object]:
    return {"id": 100 + number, "version": number, "endpoint_url": "/models/default/a/predict" if serves else None}


@pytest.mark.parametrize(
    ("name", "rows", "found"),
    [
        ("a", [version(3, serves=False), version(2, serves=True), version(1, serves=False)], 102),
        ("a", [version(1, serves=False), version(2, serves=False)], 102),
        ("a@1", [version(2, serves=True), version(1, serves=False)], 101),
    ],
)
def test_name_of_a_model_is_its_serving_version_else_the_newest(
    name: str, rows: list[dict[str, object]], found: int
) -> None:
    answers = [httpx.Response(200, json={"data": rows}), httpx.Response(200, json={"id": found})]
    if "@" in name:
        answers.insert(0, httpx.Response(200, json={"data": []}))
    script = Script(*answers)
    with dataml.connect("http://dataml", api_key="key", http_transport=script) as client:
        assert client.models.get(name).id == found
    assert script.requests[-1].url.path == f"/api/v1/train/{found}"


def test_version_that_is_not_there_is_named(dm: dataml.Client) -> None:
    with pytest.raises(dataml.NotFound, match="'absent@3'"):
        dm.models.get("absent", 3)
    with pytest.raises(dataml.NotFound, match="'absent@3'"):
        dm.models.get("absent@3")


def test_refusal_that_is_not_about_the_name_is_raised() -> None:
    script = Script(error(403, "forbidden"))
    client = dataml.connect("http://dataml", api_key="key", http_transport=script)
    with client, pytest.raises(dataml.Forbidden):
        client.users.get("ada")


def test_predictor_is_promoted_rolled_back_and_addressed_by_aliases(dm: dataml.Client) -> None:
    rows = "\n".join(f"{number},{number % 7},{'yes' if number % 7 > 3 else 'no'}" for number in range(200))
    data = dm.datasets.upload(f"id,calls,left\n{rows}\n".encode(), new_name("calls"))
    name = new_name("released")
    for _ in range(2):
        dm.train(data, target="left", name=name, id="id", algorithm="LightGBM", new_version=True)
    predictor = dm.predictors.get(name)
    assert (predictor.name, predictor.champion, predictor.promotion) == (name, 2, "automatic")
    assert predictor.promote(1, "Better.").champion == 1
    assert [row["reason"] for row in predictor.history][:1] == ["Better."]
    assert predictor.roll_back().champion == 2
    assert predictor.set_alias("challenger", 1).aliases == {"challenger": 1}
    assert [row["aliases"] for row in predictor.versions] == [[], ["challenger"]]
    assert predictor.remove_alias("challenger").aliases == {}
    assert predictor.set_promotion("manual").refresh().promotion == "manual"
    predictor.set_traffic({1: 50, 2: 50})
    assert [(row["version"], row["weight"]) for row in predictor.info["split"]] == [(1, 50), (2, 50)]
    predictor.set_traffic(shadows=[1])
    assert predictor.compare(1)["requests"] == 0
    assert [row["requests"] for row in predictor.compare_split([1, 2])["data"]] == [0, 0]
    unknown = dict.fromkeys(range(1, 10003), "yes")
    recorded = predictor.record_actuals(unknown)
    assert (recorded["added"], recorded["unknown"], len(recorded["unknown_ids"])) == (0, 10_002, 22)
    assert name in [row["predictor_name"] for row in dm.predictors.list()]
    # A version that is not the champion answers many rows in real time, too.
    model = dm.models.get(name, version=1)
    predicted = model.predict([{"calls": number % 7} for number in range(60)], how="realtime")
    assert [row["error"] for row in predicted] == [None] * 60
    with pytest.raises(dataml.NotFound):
        dm.predictors.get(f"{name}-absent")
