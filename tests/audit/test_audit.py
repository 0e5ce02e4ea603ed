"""What is done is written down, once, with who did it; and nobody rewrites it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from tests.client import API, PASSWORD, Client, wait_for_job
from tests.conftest import ON_POSTGRESQL, Platform, log_in
from tests.database import execute_sql, read_stored_bytes
from tests.dataset.datasets import create_dataset, create_template, new_name
from tests.sample_tenant import create_role, create_sample_tenant, create_user, get_permission_ids, training_request
from tests.test_every_route import refusal, wait_for_all_jobs


def events(client: Client, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get("/audit/list", params={"limit": 1000} | filters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["data"])
    return answer.json()["data"]


def newest(client: Client) -> tuple[str, str | None, str]:
    event = events(client)[0]
    return event["action"], event["subject"], event["outcome"]


def test_every_call_that_changes_data_is_logged(client: Client, anonymous: Client) -> None:
    """A call that is added goes into this list, with what the log calls it."""
    user, role = create_user(client), create_role(client)
    me = client.post("/login/test-token").json()
    view = get_permission_ids(client)["can_view"]
    objects = create_sample_tenant(client)
    wait_for_all_jobs(client)
    template = {"template_name": new_name("audited")}
    ids = objects.ids
    predictor = ids["predictor_name"]
    client.request("PUT", f"/predictors/{predictor}", json={"promotion": "manual"})
    second = training_request(ids["dataset_id"], predictor) | {"new_version": True}
    assert wait_for_job(client, client.post("/train", json=second).json()["job_id"])["state"] == "succeeded"
    for _ in range(2):
        log_in(anonymous, user["username"])
    opened = client.get("/sessions/list", params={"user_id": user["id"]}).json()["data"]
    key = client.post("/api-keys", json={"name": "k"}).json()
    tenant = client.post("/tenants", json={"name": new_name("audited")}).json()
    permission = {"name": new_name("can_audit_").replace("-", "_"), "tenant_id": me["tenant_id"]}
    table = new_name("audited").replace("-", "_")
    slow = create_dataset(client, ("a.csv", b"a,b\n1,2\n"), iceberg_table_name=table)
    unused, several = (create_dataset(client, ("a.csv", b"a\n1\n"), ("b.csv", b"a\n1\n")) for _ in range(2))
    extra = client.get("/files/list", params={"dataset_id": several["id"]}).json()["data"][0]
    old = create_template(client, a="Integer")
    steps: list[tuple[str, str, Any, str]] = [
        ("POST", "/template", template, "template.create"),
        ("DELETE", f"/sessions/{opened[0]['id']}", None, "session.end"),
        ("DELETE", f"/sessions?user_id={user['id']}", None, "session.end_all"),
        ("PUT", f"/template/update/{old}", {"template_name": new_name("audited")}, "template.update"),
        ("DELETE", f"/template/{old}", None, "template.delete"),
        ("DELETE", f"/files/delete/{extra['id']}", None, "file.delete"),
        ("DELETE", f"/dataset/delete/{unused['id']}", None, "dataset.delete"),
        ("POST", "/rbac/roles", {"name": new_name("audited"), "tenant_id": me["tenant_id"]}, "role.create"),
        ("POST", "/rbac/permissions", permission, "permission.create"),
        ("PUT", f"/rbac/roles/{role['id']}/permissions/{view}", None, "role.grant"),
        ("DELETE", f"/rbac/roles/{role['id']}/permissions/{view}", None, "role.revoke"),
        ("PUT", f"/rbac/users/{user['id']}/roles/{role['id']}", None, "user.grant"),
        ("DELETE", f"/rbac/users/{user['id']}/roles/{role['id']}", None, "user.revoke"),
        ("PUT", f"/users/{user['id']}", {"first_name": "x"}, "user.update"),
        ("PUT", f"/users/{user['id']}", {"is_active": False}, "user.deactivate"),
        ("PUT", f"/users/{user['id']}", {"is_active": True}, "user.activate"),
        ("POST", "/reset-password", {"user_name": user["username"], "new_password": PASSWORD}, "password.reset"),
        ("DELETE", f"/api-keys/{key['id']}", None, "api_key.revoke"),
        ("PUT", f"/tenants/{tenant['id']}", {"quota_bytes": 5000}, "tenant.update"),
        ("DELETE", f"/tenants/{tenant['id']}", None, "tenant.close"),
        ("PUT", f"/tenants/{tenant['id']}", {"is_active": True}, "tenant.open"),
        ("DELETE", f"/rbac/roles/{role['id']}", None, "role.delete"),
        ("DELETE", f"/datalake/tables?schema_name=silver&table_name={table}", None, "lake.delete_table"),
        ("POST", f"/dataset/generate_statistics?dataset_id={slow['id']}", None, "dataset.describe"),
        ("POST", f"/dataset/{slow['id']}/validate", None, "dataset.validate"),
        ("POST", f"/train/generate-feature-importance?train_id={ids['train_id']}", None, "training.explain"),
        ("POST", "/train/update", {name: ids[name] for name in ("train_id", "preprocess_id")}, "training.update"),
        ("PUT", f"/train/{ids['train_id']}/threshold", {"threshold": 0.4}, "training.set_threshold"),
        ("DELETE", f"/train/{ids['train_id']}/threshold", None, "training.set_threshold"),
        ("GET", f"/train/{ids['train_id']}/export", None, "training.export"),
        ("PUT", f"/predictors/{predictor}", {"promotion": "automatic"}, "predictor.update"),
        ("PUT", f"/predictors/{predictor}/aliases/audited", {"version": 1}, "predictor.set_alias"),
        ("DELETE", f"/predictors/{predictor}/aliases/audited", None, "predictor.remove_alias"),
        ("PUT", f"/predictors/{predictor}/traffic", {"shadows": [2]}, "predictor.set_traffic"),
        (
            "POST",
            f"/predictors/{predictor}/actuals",
            {"actuals": [{"prediction_id": 1, "value": "yes"}]},
            "predictor.record_actuals",
        ),
        ("POST", f"/predictors/{predictor}/promote", {"version": 2, "reason": "audited"}, "predictor.promote"),
        ("POST", f"/predictors/{predictor}/rollback", {}, "predictor.roll_back"),
        ("PUT", f"/endpoints/{ids['train_id']}", {}, "endpoint.request"),
        ("DELETE", f"/endpoints/{ids['train_id']}", None, "endpoint.withdraw"),
        (
            "POST",
            "/inference/batchPrediction",
            {"train_id": ids["train_id"], "dataset_id": ids["prediction_dataset_id"]},
            "batch.start",
        ),
        (
            "POST",
            "/datalake/shares",
            {
                "tenant_id": me["tenant_id"],
                "owner_tenant_id": me["tenant_id"],
                "schema_name": "gold",
                "name": "audited",
            },
            "lake.share",
        ),
        ("DELETE", f"/datalake/shares/{ids['share_id']}", None, "lake.unshare"),
    ]
    missing = {}
    for method, path, body, action in steps:
        before = len(events(client))
        answer = client.request(method, path, json=body, headers={"X-Request-ID": "audited-step"})
        assert answer.is_success, (path, answer.text)
        found = events(client)
        event = found[0]
        told = (len(found) - before, event["action"], event["username"], event["outcome"], event["request_id"])
        if told != (1, action, "admin", "success", "audited-step"):
            missing[path] = told
    wait_for_all_jobs(client)
    assert missing == {}

    made = {event["action"] for event in events(client)}
    assert made >= {
        "dataset.upload",
        "training.start",
        "user.create",
        "api_key.create",
        "tenant.create",
        "session.open",
    }
    done = {path.split("?")[0].rstrip("/") for _, path, _, _ in steps}
    done |= {"/dataset/upload", "/train", "/users/create-user", "/api-keys", "/tenants", "/login/access-token"}
    # These change nothing, or are the prediction log's, or have a test of their own.
    done |= {
        "/login/test-token",
        "/train/get_details",
        "/train/check",
        "/inference",
        "/inference/forecast",
        "/inference/batch-prediction",
        "/refresh",
        "/logout",
    }
    done |= {"/train/result", "/train/shap-result", "/jobs/train-job-1/callback-token"}
    done |= {"/train/delete/1", "/train/delete-feature-importance/1"}
    done |= {"/ray/terminate_ray_job", "/template/infer", "/files/add"}
    paths = client.get("/openapi.json").json()["paths"]
    changing = {p for p, methods in paths.items() if set(methods) - {"get"} and p.startswith(API)}
    known = {template for template in changing if any(_fits(template, API + path) for path in done)}
    assert changing - known == set()


def _fits(template: str, path: str) -> bool:
    pairs = list(zip(template.split("/"), path.split("/"), strict=False))
    same_length = template.count("/") == path.count("/")
    return same_length and all(a == b or a.startswith("{") for a, b in pairs)


def test_event_holds_user_action_subject_and_address(client: Client, anonymous: Client) -> None:
    user = create_user(client, roles=["service"])
    event = events(client, subject=f"user:{user['id']}", action="user.create")[0]
    me = client.post("/login/test-token").json()
    told = {"user_id": me["id"], "username": "admin", "tenant_id": me["tenant_id"], "outcome": "success"}
    assert event.items() >= told.items()
    assert event["address"] == "127.0.0.1"
    assert event["detail"] == {"username": user["username"], "roles": ["service"]}
    assert datetime.now(UTC) - datetime.fromisoformat(event["at"]) < timedelta(minutes=1)
    log_in(anonymous, user["username"])
    opened = events(client, username=user["username"])[0]
    assert (opened["action"], opened["user_id"]) == ("session.open", user["id"])


def test_failed_login_is_logged_without_unknown_usernames(client: Client, anonymous: Client) -> None:
    form = {"username": "analyst", "password": "not the password"}
    anonymous.post("/login/access-token", data=form)
    event = events(client, outcome="failure")[0]
    assert (event["action"], event["detail"], event["user_id"]) == ("session.open", {"username": "analyst"}, None)
    typed = "my password in the wrong field"
    anonymous.post("/login/access-token", data={"username": typed, "password": "x" * 12})
    event = events(client, outcome="failure")[0]
    assert (event["action"], event["subject"], event["username"], event["detail"]) == ("session.open", None, None, None)


def test_refused_call_is_logged(client: Client, analyst: Client) -> None:
    assert refusal(analyst.get("/audit/list?username=secret")) == (403, "missing_permission")
    event = events(client)[0]
    assert (event["username"], event["action"], event["outcome"]) == ("analyst", "access.refuse", "refused")
    assert event["subject"] == "GET /api/v1/audit/list"
    assert event["detail"] == {"code": "missing_permission"}


def test_refused_call_with_an_unusual_path_is_logged(client: Client, analyst: Client) -> None:
    for path, told in (("/tenants/%00", "\ufffd"), ("/tenants/a%0Ab", "a\nb"), ("/tenants/%FF", "\ufffd")):
        assert refusal(analyst.request("DELETE", path)) == (403, "missing_permission")
        assert events(client)[0]["subject"] == f"DELETE /api/v1/tenants/{told}"


def test_rejected_change_leaves_no_event(client: Client) -> None:
    template = create_template(client, a="Integer")
    name = client.get(f"/template/{template}").json()["template_name"]
    before = events(client)
    assert client.post("/template", json={"template_name": name}).status_code == 409
    assert client.post("/users/create-user", json={}).status_code == 422
    assert events(client) == before


def test_events_are_filtered(client: Client) -> None:
    user = create_user(client)
    client.request("PUT", f"/users/{user['id']}", json={"last_name": "x"})
    of_user = events(client, subject=f"user:{user['id']}")
    assert [event["action"] for event in of_user] == ["user.update", "user.create"]
    assert {event["action"].split(".")[0] for event in events(client, action="user")} == {"user"}
    assert events(client, action="use") == events(client, action="user_create") == events(client, action="%") == []
    assert events(client, subject=f"user:{user['id']}", action="user.update") == of_user[:1]
    assert events(client, subject=f"user:{user['id']}", since=of_user[0]["at"]) == of_user[:1]
    assert events(client, subject=f"user:{user['id']}", until=of_user[0]["at"]) == of_user[1:]
    assert events(client, username="nobody") == events(client, address="192.0.2.1") == []
    page = client.get("/audit/list", params={"limit": 1, "offset": 1}).json()
    assert len(page["data"]) == 1 < page["total"]


@pytest.mark.parametrize(
    "filters",
    [{"outcome": "x"}, {"since": "soon"}, {"username": "\0"}, {"limit": 0}, {"offset": -1}],
    ids=str,
)
def test_invalid_filter_is_refused(client: Client, filters: dict[str, Any]) -> None:
    assert refusal(client.get("/audit/list", params=filters))[0] == 422


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", "1e18"])
def test_times_at_the_limits_of_the_calendar_cause_no_server_error(client: Client, time: str) -> None:
    assert client.get("/audit/list", params={"since": time}).status_code in (200, 422)


def test_log_is_visible_only_within_its_tenant(client: Client, stranger: Client) -> None:
    mine = {event["tenant_id"] for event in events(stranger)}
    assert mine == {stranger.post("/login/test-token").json()["tenant_id"]}
    default = client.post("/login/test-token").json()["tenant_id"]
    assert refusal(stranger.get("/audit/list", params={"tenant_id": default})) == (404, "tenant_not_found")
    assert {event["tenant_id"] for event in events(client, tenant_id=mine.pop())} != {default}


def test_log_requires_the_permission_to_manage_users(analyst: Client) -> None:
    assert refusal(analyst.get("/audit/list")) == (403, "missing_permission")


def test_log_contains_no_secret(platform: Platform, client: Client, anonymous: Client) -> None:
    secret = "correct horse battery staple"
    user = create_user(client, password=secret)
    form = {"username": user["username"], "password": secret}
    pair = anonymous.post("/login/access-token", data=form).json()
    as_user = Client(client.app, client.portal, {"Authorization": f"Bearer {pair['access_token']}"})
    key = as_user.post("/api-keys", json={"name": "k", "permissions": ["can_view"]}).json()["key"]
    newer = anonymous.post("/refresh", params={"refresh_token": pair["refresh_token"]}).json()
    query = {"user_name": user["username"], "new_password": secret + "!", "current_password": secret}
    assert as_user.post("/reset-password", params=query).status_code == 200
    anonymous.post("/logout", params={"refresh_token": newer["refresh_token"]})
    text = str(client.get("/audit/list", params={"limit": 1000}).json())
    for token in (secret, key, pair["access_token"], pair["refresh_token"], newer["refresh_token"]):
        assert token not in text
    assert secret.encode() not in read_stored_bytes(platform.settings)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET username = 'x'",
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE id = 1",
        "TRUNCATE audit_event"
        if ON_POSTGRESQL
        else "INSERT OR REPLACE INTO audit_event (id, at, action, outcome, tenant_id) "
        "SELECT id, at, 'forged', outcome, tenant_id FROM audit_event WHERE id = 1",
    ],
)
def test_database_refuses_to_change_the_log(platform: Platform, client: Client, statement: str) -> None:
    before = events(client)
    with pytest.raises(DBAPIError, match="append-only"):
        execute_sql(platform.settings, statement)
    assert events(client) == before
